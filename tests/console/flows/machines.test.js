// People approve, and a page comes back after its server was killed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { check, launch, signedIn } from "../browser.js";
import { Server } from "../server.js";

let browser, server, page;

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
  page = await signedIn(browser, server);
  const { activityArn } = await server.call("CreateActivity", { name: "approve" });
  await server.machine("invoices", {
    StartAt: "Approve",
    States: { Approve: { Type: "Task", Resource: activityArn, Next: "Book" }, Book: { Type: "Pass", End: true } },
  });
});

after(async () => Promise.all([browser?.close(), server?.stop()]));

test("a task that waits is approved with the form that its input describes", async () => {
  await page.goto(`${server.origin}/machines/invoices`);
  await check(page, "the page of a machine");
  const input = { approval: { title: "Invoice 7", text: "Pay 120 euros?", choices: ["approve", "reject"] } };
  await page.fill("textarea[name=input]", JSON.stringify(input));
  await page.fill("input[name=name]", "seven");
  await page.click("button >> text=Start");
  await page.waitForSelector(".status.waiting");
  await check(page, "an execution that waits");
  await page.click("nav >> text=Inbox");
  await page.click("a >> text=Invoice 7");
  await check(page, "a task that waits");
  // By keyboard alone: the comment, and then the first choice.
  await page.focus("input[name=comment]");
  await page.keyboard.type("fine");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#answered >> text=fine");
  await page.goto(`${server.origin}/executions/invoices/seven`);
  await page.waitForSelector("#facts .status.succeeded");
  assert.match(await page.textContent("#facts"), /"choice": "approve"/);
  await check(page, "an execution that has ended");
});

test("a page that is open comes back after the server was killed", async () => {
  await page.goto(`${server.origin}/machines`);
  await page.waitForSelector("text=invoices");
  await server.kill();
  await page.waitForSelector("#connection >> text=Connection lost");
  await server.killAndStartAgain();
  await page.waitForFunction(() => document.querySelector("#connection").textContent === "");
  await server.machine("afterwards", { StartAt: "A", States: { A: { Type: "Pass", End: true } } });
  await page.waitForSelector("a >> text=afterwards");
  await check(page, "a page whose server was killed");
});

test("the theme that is chosen stays", async () => {
  await page.selectOption("#theme", "dark");
  await page.reload();
  const dark = await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  assert.equal(dark, "dark");
  await check(page, "a dark page");
  await page.selectOption("#theme", "");
});
