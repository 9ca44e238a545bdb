// A real Chromium, and what every page must hold.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { DEADLINE } from "./server.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export async function launch() {
  // The sandbox of Chromium cannot be used as root, as in a container.
  const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: CHROMIUM, args });
}

/** A page of a browser that is signed in. */
export async function signedIn(browser, server, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  // axe is put into pages by the test, and their policy allows no foreign script otherwise.
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    // While the server is down the browser reports failed connections.
    if (message.type() === "error" && !/Failed to load resource|ERR_|net::/.test(message.text())) page.problems.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(server.origin) && !/^(data|blob|about):/.test(request.url())) page.problems.push(`foreign: ${request.url()}`);
  });
  await signIn(page, server);
  return page;
}

/** Signs in: by the link the first time, which is valid once, and then by the form. */
async function signIn(page, server) {
  if (!server.linkWasUsed) {
    server.linkWasUsed = true;
    await page.goto(server.link);
    return;
  }
  await page.goto(`${server.origin}/sign-in`);
  await page.fill("input[name=id]", server.key.accessKeyId);
  await page.fill("input[name=secret]", server.key.secretAccessKey);
  await page.click("button >> text=Sign in");
  await page.waitForURL(`${server.origin}/`);
}

/** Checks a page for what screen readers and keyboards need, and that nothing went wrong in it. */
export async function check(page, what) {
  // By the debugging protocol, so the page's policy does not have to allow it.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: await readFile(AXE, "utf8") });
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.target.join(" ") + " " + node.failureSummary).join("; ")}`);
  });
  await session.detach();
  assert.deepEqual(found, [], `${what}: axe`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what}: the page is ${wide} pixels wider than the window`);
  assert.deepEqual(page.problems, [], what);
}

/** Drops a file onto the page's form for uploads. */
export async function drop(page, name, content) {
  const data = await page.evaluateHandle(([name, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content], name));
    return data;
  }, [name, content]);
  await page.dispatchEvent("form.drop", "dragover", { dataTransfer: data });
  await page.dispatchEvent("form.drop", "drop", { dataTransfer: data });
}
