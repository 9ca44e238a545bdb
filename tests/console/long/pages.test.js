// Every page at three widths in both themes: axe, no page wider than its window, and a picture of it.
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { check, launch, signedIn } from "../browser.js";
import { world } from "../world.js";

/** The pictures that the docs show. */
const SHOWN = { run: "console-run", execution: "console-execution", job: "console-job", overview: "console-overview" };
const DOCS = fileURLToPath(new URL("../../../docs/images/", import.meta.url));
/** Where all pictures go, if somebody wants to look at them. */
const ALL = process.env.SCREENSHOTS;

let browser, made;

before(async () => {
  [browser, made] = await Promise.all([launch(), world()]);
  await mkdir(DOCS, { recursive: true });
});

after(async () => Promise.all([browser?.close(), made?.stop()]));

for (const theme of ["light", "dark"]) {
  for (const width of [1280, 768, 390]) {
    test(`pages are whole at ${width} pixels, ${theme}`, async () => {
      const page = await signedIn(browser, made.server, { viewport: { width, height: 900 }, colorScheme: theme });
      for (const [name, path] of Object.entries(made.paths)) {
        await page.goto(made.server.origin + path);
        // The charts have some seconds, and the stream has sent what it has.
        if (name === "run") await page.waitForSelector("#lanes svg path.sent");
        if (ALL) await page.screenshot({ path: `${ALL}/${name}-${width}-${theme}.png`, fullPage: true });
        await check(page, `${name} at ${width}, ${theme}`);
        if (SHOWN[name] && width === 1280 && theme === "light") {
          await page.screenshot({ path: `${DOCS}${SHOWN[name]}.png` });
        }
      }
      await page.context().close();
    });
  }
}

test("pages work without script", async () => {
  const page = await signedIn(browser, made.server, { javaScriptEnabled: false });
  for (const [name, path] of Object.entries(made.paths)) {
    const response = await page.goto(made.server.origin + path);
    if (response.status() !== (name === "missing" ? 404 : 200)) throw new Error(`${name}: ${response.status()}`);
    await page.waitForSelector("main section");
  }
});
