// A real village of one node, for the browser test: started in a folder of its own, given real work by its own command
// line, ended by its process id.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);
const START_MS = 15_000;

export async function startVillage(program) {
  const dir = mkdtempSync(join(tmpdir(), "village-dashboard-"));
  const data = join(dir, "data");
  let log = "";
  const daemon = spawn(program, ["up", "--data", data, "--name", "attic", "--gateway", "127.0.0.1:0", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [daemon.stdout, daemon.stderr]) stream.on("data", (piece) => { log = (log + piece).slice(-4_000); });
  const village = async (...args) => (await exec(program, ["--data", data, "--json", ...args], { maxBuffer: 64 << 20 }).catch((e) => e)).stdout;
  const read = async (...args) => JSON.parse(await village(...args));

  const until = Date.now() + START_MS;
  let where;
  for (;;) {
    try {
      where = JSON.parse(readFileSync(join(data, "gateway.json"), "utf8"));
      const { items } = await read("nodes");
      if (items[0]?.features.includes("native")) break;
    } catch {
      // not up yet
    }
    if (Date.now() > until || daemon.exitCode !== null) {
      daemon.kill();
      throw new Error(`the village did not start:\n${log}`);
    }
    await sleep(50);
  }
  for (let i = 0; i < 60; i++) writeFileSync(join(dir, `text-${String(i).padStart(2, "0")}.txt`), "so many words ".repeat(i + 1));

  const texts = join(dir, "text-*.txt"), one = join(dir, "text-00.txt");
  const known = new Map();
  /** Long enough to be looked at: sixty tasks of a second. */
  const begin = async () => (await read("run", "sh", "--name", "slow-count", "-i", texts, "--detach", "--", "-c", "sleep 1; wc -w")).id;
  const make = {
    running: begin,
    done: async () => (await read("run", "wc", "-i", one, "--", "-w")).job.id,
    stuck: async () => (await read("run", "wc", "--name", "too-large", "--memory", "1000G", "-i", one, "--detach")).id,
    planned: async () => (await read("run", "wc", "--name", "planned", "--strategy", "nsga2", "-i", texts, "--", "-w")).job.id,
    failed: async () => {
      const { id } = await read("run", "sh", "--name", "broken", "-i", one, "--detach", "--", "-c", "echo no >&2; exit 3");
      await village("job", id, "--follow");
      return id;
    },
  };
  const stateOf = async (id) => (await read("job", id)).state;
  return {
    url: where.url,
    token: where.token,
    stateOf,
    /** A job that is, or was made, as that name of `make` says; states are waited for. */
    async job(what) {
      const state = ["running", "done", "failed"].includes(what);
      const old = known.get(what);
      if (old && (!state || (await stateOf(old)) === what)) return old;
      const id = await make[what]();
      known.set(what, id);
      for (let i = 0; i < 100 && state && (await stateOf(id)) !== what; i++) await sleep(50);
      return id;
    },
    /** An auction that stays open while the pages are looked at. */
    async auction() {
      if (!known.has("auction")) known.set("auction", (await read("market", "auction", "--work", "5000", "--reserve", "40", "--duration", "1h", "--title", "nightly")).id);
      return known.get("auction");
    },
    node: async () => (await read("nodes")).items[0].id,
    async submit() {
      await read("run", "true", "--name", "made-meanwhile", "--detach");
      return "made-meanwhile";
    },
    async stop() {
      const ended = new Promise((done) => daemon.once("exit", done));
      daemon.kill("SIGTERM");
      await Promise.race([ended, sleep(5_000)]);
      if (daemon.exitCode === null) daemon.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
