// A job is made, a file is dropped, its run is watched to the end, and its failed lines are sent again.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { check, drop, launch, signedIn } from "../browser.js";
import { Provider } from "../provider.js";
import { Server } from "../server.js";

let browser, server, provider;

before(async () => {
  [browser, server, provider] = await Promise.all([launch(), Server.start(), Provider.start(() => ({}))]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.stop()]);
  provider?.stop();
});

test("a dropped file is sent, held back while the provider asks, and downloaded", async () => {
  const page = await signedIn(browser, server);
  await check(page, "the empty overview");
  await page.click("nav >> text=Jobs");
  await page.click("summary >> text=New job");
  await page.fill("input[name=job]", "places");
  await page.fill("textarea[name=text]", provider.job('rate = "20/s"'));
  await check(page, "the form of a new job");
  await page.click("text=Create the job");
  await page.waitForSelector("h1 >> text=places");

  // The check answers while somebody writes.
  await page.fill("textarea[name=text]", "[request]\nurll = 1");
  await page.waitForSelector("p.said .problem >> text=urll");
  await page.reload();
  await check(page, "the page of a job");

  // The plan and one line, before anything runs.
  await page.fill("form.editor input[name=file]", "in.txt");
  await page.fill("textarea[name=sample]", "alpha\nbeta\n");
  await page.click("text=Show the plan");
  await page.waitForSelector("h3 >> text=Plan");
  assert.equal(provider.requests, 0, "a plan sends nothing");
  await page.click("text=Send this line now");
  await page.waitForSelector(".outcome >> text=succeeded");
  assert.equal(provider.requests, 1);
  await check(page, "a line that was tried");

  // The provider asks to wait, until the test lets it go on.
  let throttles = true;
  provider.respond = () => (throttles ? { status: 429, headers: { "retry-after": "3" } } : {});
  await page.goto(`${server.origin}/jobs/places`);
  await drop(page, "in.txt", Array.from({ length: 60 }, (_, n) => `line${n}\n`).join(""));
  await page.waitForURL(/\/runs\//);
  await page.waitForSelector("#lanes .status >> text=held");
  const until = await page.getAttribute("#lanes time.clock", "datetime");
  assert.ok(Date.parse(until) > Date.now() - 10_000, until);
  await check(page, "a run that is held back");
  throttles = false;
  await page.waitForSelector("#facts .status.succeeded");
  // The results are there without a reload of what is live; links appear with them.
  const download = page.waitForEvent("download");
  await page.click("text=Download output");
  const output = await readFile(await (await download).path(), "utf8");
  assert.equal(output.trim().split("\n").length, 61, output);
  await check(page, "a run that has ended");
  await page.click("nav >> text=Runs");
  await page.waitForSelector("td >> text=60 lines");
  await check(page, "the list of runs");
});

test("failed lines are shown with the provider's words, and a redrive sends only them", async () => {
  let broken = true;
  provider.respond = (path) =>
    broken && path.startsWith("/bad") ? { status: 422, body: { message: "no such <b>place</b>" } } : {};
  await server.putJob("checked", provider.job('rate = "unlimited"', '\n[failure]\ntolerated = "90%"\n'));
  const page = await signedIn(browser, server);
  const run = await server.run("checked", "in.txt", "good1\nbad1\ngood2\nbad2\n");
  await page.goto(`${server.origin}/runs/${run}`);
  await page.waitForSelector("#facts .status >> text=some failed");
  const failures = await page.textContent("#failures");
  assert.match(failures, /http_422/);
  assert.match(failures, /2 lines/);
  assert.match(failures, /no such <b>place<\/b>/);
  await check(page, "a run with failed lines");
  broken = false;
  provider.requests = 0;
  await page.click("button >> text=Redrive failed lines");
  await page.waitForURL((url) => url.pathname.startsWith("/runs/redrive"));
  await page.waitForSelector("#facts .status.succeeded");
  assert.equal(provider.requests, 2, "only the failed lines were sent");
  await check(page, "a redrive that has ended");
});

test("a lane is paused and slowed down while its run goes, and the run is stopped", async () => {
  provider.respond = () => ({});
  await server.putJob("slow", provider.job('rate = "5/s"'));
  const run = await server.run("slow", "in.txt", Array.from({ length: 500 }, (_, n) => `line${n}\n`).join(""));
  const page = await signedIn(browser, server);
  await page.goto(`${server.origin}/runs/${run}`);
  await page.waitForSelector("#lanes .chart svg path.sent");
  await page.waitForSelector("#change");
  await page.click("summary >> text=Change the rate");
  await page.click("button >> text=Pause");
  await page.waitForSelector("#lanes .status >> text=paused");
  await check(page, "a run with a paused lane");
  await page.click("summary >> text=Change the rate");
  await page.click("button >> text=Resume");
  await page.waitForSelector("#lanes .status >> text=sending");
  await page.click("button >> text=Stop");
  await page.waitForSelector("#facts .status:not(.running)");
  await check(page, "a run that was stopped");
});
