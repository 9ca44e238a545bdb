// A page that stays open: its memory is bounded.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, signedIn } from "../browser.js";
import { world } from "../world.js";

const MINUTES = Number(process.env.SOAK_MINUTES ?? 10);
/** What a page may grow by, in bytes. */
const MOST = 8 << 20;

let browser, made;

before(async () => {
  [browser, made] = await Promise.all([launch(), world()]);
});

after(async () => Promise.all([browser?.close(), made?.stop()]));

test(`a run's page is open for ${MINUTES} minutes`, async () => {
  const page = await signedIn(browser, made.server);
  await page.goto(made.server.origin + made.paths.run);
  await page.waitForSelector("#lanes svg path.sent");
  const session = await page.context().newCDPSession(page);
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  await page.waitForTimeout(30_000);
  const before = await heap();
  let most = before;
  for (let minute = 0; minute < MINUTES; minute += 0.5) {
    await page.waitForTimeout(30_000);
    most = Math.max(most, await heap());
  }
  console.log(`heap of an open run: ${(before / 1e6).toFixed(1)} MB, at most ${(most / 1e6).toFixed(1)} MB`);
  assert.ok(most - before < MOST, `${before} ${most}`);
  assert.deepEqual(page.problems, []);
});
