// The dashboard in a real browser, against a real village: `VILLAGE_PROGRAM=build/src/village node test/dashboard.mjs` starts
// one of its own and runs jobs on it. Without VILLAGE_PROGRAM it uses dev_backend.mjs, for work on the pages alone.
// TAP on standard output; screenshots in artefacts/. Needs Chromium; without a program also dist/ (npm run build).

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openBrowser } from "./browser.mjs";
import { startBackend } from "./dev_backend.mjs";
import { startVillage } from "./village.mjs";

const ARTEFACTS = process.env.VILLAGE_ARTEFACTS ?? fileURLToPath(new URL("../../artefacts", import.meta.url));

const DIST = fileURLToPath(new URL("../dist", import.meta.url));

if (!existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium")) {
  console.log("1..0 # SKIP no Chromium here (Debian package chromium)");
  process.exit(0);
}
mkdirSync(ARTEFACTS, { recursive: true });
const backend = process.env.VILLAGE_PROGRAM ? await startVillage(process.env.VILLAGE_PROGRAM) : await startBackend();
const { browser, close } = await openBrowser();
const wide = { viewport: { width: 1280, height: 860 } };
const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
let number = 0, failed = 0;

/** A page that remembers whatever must not happen. */
async function open(options, hash = "/", at = backend) {
  const context = await browser.newContext({ reducedMotion: "reduce", acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.cut = false; // no WebSocket any more, and no gateway at all with setOffline()
  page.sockets = new Set();
  await page.routeWebSocket(/\/v1\/ws/, (ws) => {
    if (page.cut) return void ws.close();
    ws.connectToServer();
    page.sockets.add(ws);
  });
  page.on("console", (m) => {
    // A browser reports every failed request itself; those are looked at by the tests that cause them.
    if (m.type() === "error" && !/Failed to load resource|WebSocket connection/.test(m.text())) page.faults.push(m.text());
  });
  page.on("pageerror", (e) => page.faults.push(e.message));
  page.on("request", (r) => {
    const url = new URL(r.url());
    if (!["blob:", "data:"].includes(url.protocol) && url.host !== new URL(at.url).host) page.faults.push(`request to ${r.url()}`);
  });
  await page.goto(`${at.url}/#token=${encodeURIComponent(at.token)}&to=${hash}`);
  return page;
}

function cut(page) {
  page.cut = true;
  for (const ws of page.sockets) ws.close();
  page.sockets.clear();
}

async function test(name, run) {
  number++;
  let page;
  try {
    await run(async (...args) => (page = await open(...args)));
    if (page) assert.deepEqual(page.faults, [], "console errors, exceptions or foreign requests");
    console.log(`ok ${number} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${number} - ${name}\n${String(error.stack ?? error).replace(/^/gm, "# ")}`);
    await page?.screenshot({ path: `${ARTEFACTS}/failed-${number}.png` }).catch(() => undefined);
  }
  await page?.context().close();
}

const link = (page) => page.locator('[data-test="link"]');
const isLive = (page) => page.waitForFunction(() => document.querySelector('[data-test="link"]')?.textContent === "Live", null, { timeout: 15_000 });
const noSideScroll = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
const contrastFaults = (page) => page.evaluate(() => {
  // WCAG 2.2, 1.4.3: text against the nearest painted ground behind it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (c) => c.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (el) => {
    const layers = [];
    for (let e = el; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const faults = [];
  for (const el of document.querySelectorAll("body *")) {
    const own = [...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || el.closest(".hidden, .skip, svg, button:disabled, noscript")) continue;
    const back = ground(el), text = over(rgba(getComputedStyle(el).color), back);
    const [a, b] = [light(text), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faults.push(`${el.className || el.tagName}: ${el.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return faults;
});
const unnamed = (page) => page.evaluate(() => [...document.querySelectorAll("button, a, input, [role=img]")]
  .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length) || e.title)).map((e) => e.outerHTML.slice(0, 80)));

await test("the overview shows nodes and jobs, and takes the token out of the address", async (open) => {
  const page = await open(wide);
  await isLive(page);
  assert.ok(!page.url().includes("token"), page.url());
  assert.match(await page.locator('[data-test="nodes-ready"]').innerText(), /^\d+\s+of \d+/);
  assert.equal(await page.locator('[data-test="health"]').innerText(), "Healthy");
  assert.equal(await page.locator("h1").count(), 1);
  await page.screenshot({ path: `${ARTEFACTS}/overview-light.png` });
});

for (const colorScheme of ["light", "dark"])
  await test(`every text has enough contrast in the ${colorScheme} scheme, and every control has a name`, async (open) => {
    const page = await open({ ...wide, colorScheme });
    await isLive(page);
    for (const where of ["/", "/nodes", "/jobs", "/market", `/market/${await backend.auction()}`, "/trust", `/jobs/${await backend.job("failed")}`, `/nodes/${await backend.node()}`]) {
      await page.evaluate((h) => { location.hash = h; }, where);
      await page.waitForTimeout(400);
      assert.deepEqual(await contrastFaults(page), [], where);
      assert.deepEqual(await unnamed(page), [], where);
      await page.screenshot({ path: `${ARTEFACTS}/${where.split("/")[1] || "overview"}${where.split("/")[2] ? "-detail" : ""}-${colorScheme}.png` });
    }
  });

await test("the colours can be chosen, and stay chosen", async (open) => {
  const page = await open({ ...wide, colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const auto = await ground();
  await page.getByRole("button", { name: /^Colours/ }).click();
  await page.getByRole("button", { name: /^Colours: light/ }).click();
  assert.notEqual(await ground(), auto);
  await page.reload();
  await page.getByRole("button", { name: /^Colours: dark/ }).waitFor();
  assert.notEqual(await ground(), auto);
});

await test("on a phone of 360 px nothing is cut off and what is tapped is large enough", async (open) => {
  const page = await open(phone);
  await isLive(page);
  for (const where of ["/", "/nodes", `/nodes/${await backend.node()}`, "/jobs", "/market", `/market/${await backend.auction()}`, "/trust", `/jobs/${await backend.job("running")}`, `/jobs/${await backend.job("failed")}`]) {
    await page.evaluate((h) => { location.hash = h; }, where);
    await page.waitForTimeout(400);
    assert.ok(await noSideScroll(page), `${where} scrolls sideways`);
    const overlaps = await page.evaluate(() => [...document.querySelectorAll("td")].filter((td) => td.scrollWidth > td.clientWidth + 1).map((td) => td.textContent));
    assert.deepEqual(overlaps, [], `${where}: cells wider than their place`);
    await page.screenshot({ path: `${ARTEFACTS}/phone-${where.replaceAll("/", "").slice(0, 8) || "overview"}.png`, fullPage: true });
  }
  const nav = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").evaluateAll((links) => links.map((l) => l.getBoundingClientRect()).map((r) => [r.width, r.height, r.bottom]));
  for (const [width, height, bottom] of nav) assert.ok(width >= 44 && height >= 44 && bottom <= 740, JSON.stringify(nav));
});

await test("all pages are reached with the keyboard alone, and focus follows", async (open) => {
  const page = await open(wide);
  await isLive(page);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  const names = [];
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("Tab");
    names.push(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent));
  }
  assert.deepEqual(names.slice(0, 6), ["Village, overview", "Overview", "Nodes", "Jobs", "Market", "Trust"]);
  await page.getByRole("link", { name: "Nodes", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Nodes", level: 1 }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  assert.match(await page.title(), /^Nodes/);
  await page.getByRole("button", { name: "Load", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.locator('th[aria-sort="ascending"]', { hasText: "Load" }).waitFor();
  await page.keyboard.press("Enter");
  await page.locator('th[aria-sort="descending"]', { hasText: "Load" }).waitFor();
  assert.match(page.url(), /sort=-load/);
  assert.ok(await page.locator(".table-frame").evaluate((e) => e.scrollWidth <= e.clientWidth), "the table of nodes is cut off at 1280 px");
});

await test("a view is shared by its address: search, filter and order come back", async (open) => {
  const page = await open(wide, "/nodes");
  await isLive(page);
  const all = await page.locator("tbody tr").count();
  const name = await page.locator("tbody tr .title").first().evaluate((e) => e.firstChild.textContent);
  await page.getByLabel("Search nodes").fill(name);
  await page.waitForFunction((n) => document.querySelectorAll("tbody tr").length < n || n === 1, all);
  const address = page.url();
  await page.reload();
  await page.locator("tbody tr").first().waitFor();
  assert.equal(await page.getByLabel("Search nodes").inputValue(), name);
  assert.equal(page.url(), address);
});

await test("numbers move without a reload while tasks end", async (open) => {
  const page = await open(wide, `/jobs/${await backend.job("running")}`);
  await isLive(page);
  const done = () => page.locator('[data-test="progress"] b').first().innerText().then((t) => Number(t.replaceAll(",", "")));
  const before = await done();
  await page.waitForFunction((n) => Number(document.querySelector('[data-test="progress"] b').textContent.replaceAll(",", "")) > n, before, { timeout: 5_000 });
  assert.ok((await page.locator(".grid .fill-running").count()) > 0);
  await page.screenshot({ path: `${ARTEFACTS}/job-live.png` });
});

await test("a done job shows its result, and its files can be saved", async (open) => {
  const page = await open(wide, `/jobs/${await backend.job("done")}`);
  await page.locator('[data-test="result"]').waitFor();
  assert.match(await page.locator('[data-test="result"]').innerText(), /\d/);
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /stdout/ }).first().click()]);
  assert.match(saved.suggestedFilename(), /stdout$/);
});

await test("a job that fits no node says what it waits for", async (open) => {
  const page = await open(wide, `/jobs/${await backend.job("stuck")}`);
  await page.locator('[data-test="waits"]').waitFor();
  assert.match(await page.locator('[data-test="waits"]').innerText(), /memory or disk/);
});

await test("the node's page says in words how far the node is trusted, and shows its labels", async (open) => {
  const page = await open(wide, `/nodes/${await backend.node()}`);
  assert.match(await page.locator('[data-test="trust-words"]').innerText(), /^\d\.\d\d (New: too little is known|(Trusted|Not trusted))/);
  assert.equal(await page.locator(".range").count(), 4);
  await page.locator("dt", { hasText: "Host" }).waitFor();
});

await test("the market shows prices, auctions and money, and says how to open an auction", async (open) => {
  const id = await backend.auction();
  const page = await open(wide, "/market");
  await page.locator('[data-test="held-now"]').waitFor();
  assert.equal(await page.locator(".tier").count(), 4);
  await page.locator(`a[href="#/market/${id}"]`).click();
  await page.locator('[data-test="auction-words"]').waitFor();
  assert.match(await page.locator('[data-test="auction-words"]').innerText(), /sealed bids|opened|work|paid|sale/i);
});

await test("the trust page shows the signed log, and what to do where there is nothing yet", async (open) => {
  await backend.job("done");
  const page = await open(wide, "/trust");
  await page.locator('[data-test="log-size"]').waitFor();
  await page.waitForFunction(() => Number(document.querySelector('[data-test="log-size"]').textContent.replaceAll(",", "")) > 0, null, { timeout: 10_000 });
  await page.locator('[data-test="mix"]').waitFor();
  assert.match(await page.locator('[data-test="overload"]').innerText(), /All jobs are taken/);
});

// What takes days in a real village, from invented data: sales by the hour, a cleared auction, a broken promise, a dispute.
if (existsSync(DIST)) {
  const full = process.env.VILLAGE_PROGRAM ? await startBackend() : backend;
  await test("prices are drawn with their forecast, and described for who does not see them", async (open) => {
    const page = await open(wide, "/market", full);
    const line = page.locator('[data-test="price-line"]').nth(1);
    await line.waitFor();
    assert.match(await line.getAttribute("aria-label"), /silver: 30 hours with sales, last 2\.87 cr.*foretold in 1 h 2\.88 cr \(2\.74 cr to 3\.01 cr\), in 6 h/);
    assert.equal(await line.locator(".band").count(), 1);
    assert.equal(await page.locator(".price-line .band").count(), 2, "a tier with one sale foretells nothing");
    await page.getByRole("link", { name: /nightly-2/ }).click();
    await page.locator('[data-test="auction-words"]').waitFor();
    assert.match(await page.locator('[data-test="auction-words"]').innerText(), /The price is found, the winners work\. Winners: barn, cellar/);
    await page.screenshot({ path: `${ARTEFACTS}/auction-cleared.png` });
  });
  await test("a broken promise shows what was measured and what is owed back", async (open) => {
    const page = await open(wide, "/trust", full);
    const row = page.locator("tr", { hasText: "missed" });
    await row.waitFor();
    assert.match((await row.innerText()).replace(/\s+/g, " "), /silver 99\.5 % 96\.25 % 1 m 22 s 2 \/ 3 460 µcr/);
  });
  await test("promise, auction, wrong result and dispute are told on the page of the job", async (open) => {
    const id = [...full.village.jobs.values()].find((j) => j.name === "index-mail").id;
    const page = await open(wide, `/jobs/${id}`, full);
    const deal = page.locator('[data-test="deal"]');
    await deal.getByRole("link", { name: "Auction" }).waitFor();
    assert.match(await deal.innerText(), /99\.5 % promised \(silver\), 99\.931 % measured/);
    const history = await page.locator(".history").innerText();
    for (const said of ["wrong result, task 3 on forge", "a worker disputes the result, task 3", "dispute ended, task 3"]) assert.ok(history.includes(said), `${said}: ${history}`);
    await page.screenshot({ path: `${ARTEFACTS}/job-deal.png`, fullPage: true });
  });
  await test("a lent machine says its state and the reason", async (open) => {
    const page = await open(wide, `/nodes/${full.village.nodes[0].id}`, full);
    await page.locator('[data-test="harvest"]').waitFor();
    assert.match(await page.locator('[data-test="harvest"]').innerText(), /running since .*nothing speaks against it/);
  });
  if (full !== backend) await full.stop();
}

await test("the job's page shows class, tier and strategy", async (open) => {
  const page = await open(wide, `/jobs/${await backend.job("planned")}`);
  const fact = (name) => page.locator(".fact", { has: page.locator("dt", { hasText: name }) }).locator("dd").innerText();
  await page.locator("dd", { hasText: "nsga2" }).waitFor();
  assert.match(await fact("Class"), /^[BAS]$/);
  assert.match(await fact("Tier"), /none|bronze|silver|gold|platinum/);
});

await test("a planned job shows the front it was chosen from", async (open) => {
  const page = await open(wide, `/jobs/${await backend.job("planned")}`);
  const front = page.locator('[data-test="front"]').first();
  await front.waitFor();
  assert.match(await front.getAttribute("aria-label"), /taken: latency/);
  assert.ok(await front.locator("polyline.taken").count());
  await front.screenshot({ path: `${ARTEFACTS}/front.png` });
});

await test("cancelling asks first, and Escape keeps the job", async (open) => {
  const id = await backend.job("running");
  const page = await open(wide, `/jobs/${id}`);
  await isLive(page);
  await page.getByRole("button", { name: "Cancel job" }).click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.notEqual(await backend.stateOf(id), "cancelled");
  await page.getByRole("button", { name: "Cancel job" }).click();
  await page.getByRole("button", { name: "Cancel the job" }).click();
  await page.locator("h1 + .state", { hasText: "cancelled" }).waitFor();
  assert.equal(await backend.stateOf(id), "cancelled");
});

await test("maintenance is switched on and off again on the node's page", async (open) => {
  const page = await open(wide, `/nodes/${await backend.node()}`);
  await isLive(page);
  await page.getByRole("button", { name: "Start maintenance" }).click();
  await page.locator("h1 + .state", { hasText: "maintenance" }).waitFor();
  await page.getByRole("button", { name: "End maintenance" }).click();
  await page.getByRole("button", { name: "Start maintenance" }).waitFor();
});

await test("after a lost connection it says so, comes back by itself and has missed nothing", async (open) => {
  const page = await open(wide, "/jobs");
  await isLive(page);
  cut(page);
  await page.waitForFunction(() => /Polling|Reconnecting/.test(document.querySelector('[data-test="link"]').textContent), null, { timeout: 15_000 });
  const name = await backend.submit();
  await page.getByRole("link", { name: new RegExp(name) }).waitFor({ timeout: 10_000 });
  assert.match(await link(page).innerText(), /Polling, \d+ s old/);
  await page.screenshot({ path: `${ARTEFACTS}/polling.png` });
  page.cut = false;
  await page.waitForFunction(() => document.querySelector('[data-test="link"]').textContent === "Live", null, { timeout: 25_000 });
});

await test("a wrong token is told, and the right one lets in", async (open) => {
  const page = await open(wide);
  await page.evaluate(() => sessionStorage.setItem("village.token", "wrong"));
  await page.reload();
  await page.getByRole("alert").waitFor();
  await page.screenshot({ path: `${ARTEFACTS}/signin.png` });
  await page.getByLabel("Access token").fill(backend.token);
  await page.getByRole("button", { name: "Open the dashboard" }).click();
  await isLive(page);
});

await test("a gateway that is gone leaves the last data on the page, with its age", async (open) => {
  const page = await open(wide, "/nodes");
  await isLive(page);
  const rows = await page.locator("tbody tr").count();
  await page.context().setOffline(true);
  cut(page);
  await page.waitForFunction(() => /Reconnecting, \d+ s old/.test(document.querySelector('[data-test="link"]').textContent), null, { timeout: 20_000 });
  assert.equal(await page.locator("tbody tr").count(), rows);
  await page.locator(".age.stale").first().waitFor({ timeout: 25_000 });
  await page.screenshot({ path: `${ARTEFACTS}/gone.png` });
});

console.log(`1..${number}`);
await close();
await backend.stop();
process.exit(failed ? 1 : 0);
