// A small backend with the REST contract's shapes, for working on the dashboard without a village. Not part of the
// product and not a test of the gateway: `node test/dev_backend.mjs [PORT]` serves dist/ with invented data.
// It shows what a small village does not: many nodes, thousands of tasks, a failed job, a node that is gone.

import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { inventFog } from "./dev_fog.mjs";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const NAMES = ["attic", "barn", "cellar", "dovecote", "forge", "granary", "mill", "orchard", "smithy", "well"];
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const GIB = 2 ** 30;

const nodeId = () => "12D3KooW" + [...randomBytes(44)].map((b) => BASE58[b % 58]).join("");
const jobId = (ms) => ms.toString(16).padStart(12, "0") + "7" + randomBytes(10).toString("hex").slice(0, 19);
const blobs = new Map();
function blob(bytes) {
  const hash = createHash("blake2s256").update(bytes).digest("hex");
  blobs.set(hash, bytes);
  return { hash, size: bytes.length };
}

class Village {
  constructor() {
    this.token = randomBytes(24).toString("hex");
    this.started = Date.now() - 3_912_000;
    this.nodes = NAMES.map((name, i) => ({
      id: nodeId(), name, kind: "compute_node", state: i === 7 ? "offline" : i === 5 ? "maintenance" : "idle", addr: `10.0.0.${i + 2}:8888`, self: i === 0,
      cpus: [4, 8, 2, 4, 16, 4, 8, 4, 2, 4][i], memory_bytes: [8, 16, 4, 8, 64, 8, 32, 8, 4, 8][i] * GIB, disk_bytes: (40 + i * 13) * GIB, free_slots: 4, running: 0, load_milli: 30 + i * 11,
      joined_ms: this.started + i * 41_000, seen_ms: i === 7 ? Date.now() - 431_000 : Date.now(), done: 1200 + i * 317, failed: i === 4 ? 3 : 0, features: i % 3 === 2 ? ["wasm"] : ["wasm", "native"], region: i < 6 ? "home" : "workshop",
      labels: { host: `h${i}`, owner: ["anna", "ben", "carla"][i % 3], site: i < 6 ? "home" : "workshop", region: "eu" }, harvest: i === 2 ? "ready" : i === 8 ? "away" : undefined,
      trust_milli: i === 9 ? 25 : i === 4 ? 612 : 930 + i, doubt_milli: i === 9 ? 1000 : 40, flagged: i === 9,
      attestation_milli: i === 1 ? 900 : i === 2 ? 700 : i === 5 ? 0 : 300, quarantined: i === 6, attestation: i === 1 ? "snp: accepted" : i === 2 ? "tpm: accepted" : "this machine has nothing to attest with",
    }));
    this.jobs = new Map();
    this.logs = { nodes: [], jobs: [] };
    this.tickets = new Set();
    const now = Date.now();
    this.add("wordcount", 36, now - 4_320_000, 1);
    this.add("thumbnails", 480, now - 1_900_000, 1);
    const failed = this.add("fit-model", 12, now - 900_000, 0.7);
    this.fail(failed, 8);
    this.add("checksum", 4, now - 300_000, 1);
    const off = this.add("render-draft", 64, now - 240_000, 0.4);
    Object.assign(off, { state: "cancelled", ended_ms: now - 200_000 });
    this.add("wordcount", 24, now - 61_000, 1);
    this.add("render-film", 1800, now - 25_000, 0.42);
    this.add("translate", 40, now - 4_000, 0.1);
    this.add("index-mail", 200, now - 1_000, 0);
    Object.assign(this.add("too-large", 1, now - 500, 0), { stuck: true });
  }

  add(name, total, at, share) {
    const job = {
      id: jobId(at), name, kind: "wasm", state: "submitted", tasks: { total, waiting: total, running: 0, done: 0, failed: 0 }, submitted_ms: at,
      started_ms: null, ended_ms: null, error: null, replicas: name === "fit-model" ? 3 : 1, priority: "normal", attempts: 0,
    };
    job.list = Array.from({ length: total }, (_, index) => ({
      index, state: "waiting", node: null, attempt: 0, epoch: 0, exit_code: null, started_ms: null, ended_ms: null, cpu_us: 0, peak_bytes: 0, error: null, outputs: [], receipt: null, input: `${name}-${String(index).padStart(3, "0")}.txt`,
    }));
    job.spec = { program: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", args: ["--top", "20"], inputs: job.list.map((t) => ({ name: t.input, hash: "0".repeat(64), size: 18_000 + t.index * 97 })), limits: {}, class: total > 100 ? "A" : "B", tier: "silver", strategy: name === "render-film" ? "nsga2" : "default", require: { region: "eu", min_trust: 800, exclude: [] } };
    job.events = [{ seq: 1, at_ms: at, kind: "job_submitted", detail: `${total} tasks` }];
    this.jobs.set(job.id, job);
    for (let i = 0; i < total * share; i++) {
      this.begin(job, job.list[i], at + 40 + i * 3);
      this.end(job, job.list[i], at + 900 + i * 5);
    }
    return job;
  }

  begin(job, task, at = Date.now()) {
    const up = this.nodes.filter((n) => n.state !== "offline" && n.state !== "maintenance");
    const node = up[task.index % up.length];
    Object.assign(task, { state: "running", node: node.id, attempt: 1, epoch: 1, started_ms: at });
    if (!job.started_ms) Object.assign(job, { state: "running", started_ms: at });
    job.attempts++;
    this.count(job, at);
  }

  end(job, task, at = Date.now()) {
    const text = `${task.input}: ${1200 + task.index * 7} words\n`;
    Object.assign(task, { state: "done", exit_code: 0, ended_ms: at, cpu_us: 41_000 + task.index * 130, peak_bytes: 3_200_000, outputs: [{ name: "stdout", ...blob(Buffer.from(text)) }, { name: "stderr", ...blob(Buffer.alloc(0)) }] });
    const node = this.nodes.find((n) => n.id === task.node);
    if (node) node.done++;
    this.count(job, at);
  }

  fail(job, index) {
    const task = job.list[index];
    Object.assign(task, { state: "failed", node: this.nodes[4].id, attempt: 3, exit_code: 134, started_ms: job.submitted_ms + 700, ended_ms: job.submitted_ms + 2_000, error: { code: "ETRAP", detail: "trap: out of bounds memory access" } });
    for (const t of job.list) if (t.state === "waiting") t.state = "cancelled";
    this.count(job, job.submitted_ms + 2_000);
    Object.assign(job, { state: "failed", ended_ms: job.submitted_ms + 2_000, error: { code: "ETASK", detail: `task ${index} failed 3 times: trap: out of bounds memory access` } });
  }

  count(job, at) {
    const n = { total: job.list.length, waiting: 0, running: 0, done: 0, failed: 0 };
    for (const t of job.list) n[t.state === "placed" ? "running" : t.state === "cancelled" ? "waiting" : t.state]++;
    job.tasks = n;
    if (n.done === n.total && job.state !== "done") {
      Object.assign(job, { state: "done", ended_ms: at });
      job.events.push({ seq: job.events.length + 1, at_ms: at, kind: "job_done" });
    }
  }

  summary(job) {
    const { list: _, spec: __, events: ___, ...rest } = job;
    return rest;
  }

  publish(topic, data) {
    const log = (this.logs[topic] ??= []);
    log.push({ op: "event", topic, seq: (log.at(-1)?.seq ?? 0) + 1, data });
    if (log.length > 500) log.shift();
    for (const client of this.clients ?? []) if (client.topics.has(topic)) client.send(JSON.stringify(log.at(-1)));
  }

  /** One step of invented life. */
  step() {
    const now = Date.now();
    for (const n of this.nodes) Object.assign(n, { running: 0 });
    for (const job of this.jobs.values()) {
      if (job.stuck || ["done", "failed", "cancelled"].includes(job.state)) continue;
      const running = job.list.filter((t) => t.state === "running");
      for (const t of running.slice(0, 3)) if (now - t.started_ms > 700) this.end(job, t), this.publish(`tasks:${job.id}`, t);
      const waiting = job.list.filter((t) => t.state === "waiting");
      for (const t of waiting.slice(0, Math.max(0, 9 - running.length))) this.begin(job, t), this.publish(`tasks:${job.id}`, t);
      for (const t of job.list) if (t.state === "running") { const n = this.nodes.find((x) => x.id === t.node); if (n) n.running++; }
      this.publish("jobs", this.summary(job));
    }
    for (const n of this.nodes) {
      if (n.state === "offline") continue;
      Object.assign(n, { seen_ms: now, free_slots: Math.max(0, n.cpus - n.running), load_milli: Math.min(1000, Math.round(40 + (n.running / n.cpus) * 930)) });
      if (n.state !== "maintenance") n.state = n.running === 0 ? "idle" : n.running >= n.cpus ? "busy" : "active";
      this.publish("nodes", n);
    }
  }
}

/** Invented: a front of twelve points between two extremes. */
function explanation(job) {
  const at = (t) => ({ latency: 4 + 30 * t, balance: 0.02 + 0.05 * (1 - t) ** 2, trust: 0.1 + 0.2 * t ** 2, cost: 900 - 500 * t, price: 1200 - 600 * t });
  const front = Array.from({ length: 12 }, (_, i) => ({ objectives: at(i / 11), placed: 3, taken: i === 3 }));
  const none = { latency: null, balance: null, trust: null, cost: null, price: null };
  const batch = { batch: 7, at_ms: job.submitted_ms, strategy: "nsga2", sampled: false, class: "A", tasks: 3, tasks_of_job: 3, placed: 3, conflicts: 0, nodes: 6, left_by_reason: {}, generations: 100, cut: false, hypervolume: 0.61, hypervolume_first: 0.42, bound: { ...none, latency: 3.5, cost: 380 }, gap: { ...none, latency: 0.14, cost: 0.05 }, front };
  const waiting = job.name === "too-large" ? { tasks: 1, reason: "no ready node has that much memory or disk", nodes: 6, nodes_by_reason: { too_large: 6 } } : undefined;
  return { job: job.id, waiting, batches: waiting ? [] : [batch] };
}

export async function startBackend({ port = 0, stepMs = 400 } = {}) {
  const village = new Village();
  village.clients = new Set();
  const fog = inventFog(village);
  const problem = (res, status, detail) => {
    res.writeHead(status, { "content-type": "application/problem+json", "x-request-id": "dev" });
    res.end(JSON.stringify({ type: "urn:village:problem:dev", title: detail, status, detail, code: "dev" }));
  };
  const json = (res, value, status = 200) => {
    res.writeHead(status, { "content-type": "application/json", "x-request-id": "dev" });
    res.end(JSON.stringify(value));
  };
  const page = (res, url, items) => {
    const limit = Number(url.searchParams.get("limit") ?? 50), from = Number(url.searchParams.get("cursor") ?? 0);
    json(res, { items: items.slice(from, from + limit), next: from + limit < items.length ? String(from + limit) : null });
  };
  const asset = (res, path) => {
    const file = join(DIST, normalize(path === "/" ? "/index.html" : path));
    if (!file.startsWith(DIST) || !existsSync(file)) return problem(res, 404, "no such page");
    res.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff" });
    res.end(readFileSync(file));
  };
  const server = createServer((req, res) => {
    const url = new URL(req.url, "http://x"), path = url.pathname.split("/").filter(Boolean);
    if (path[0] !== "v1") return asset(res, url.pathname);
    if (url.pathname === "/v1/system/health") return json(res, { status: "ok", version: "0.1.0", uptime_ms: Date.now() - village.started });
    if (req.headers.authorization !== `Bearer ${village.token}`) return problem(res, 401, "the token is not right");
    if (url.pathname === "/v1/system/info") return json(res, { name: "attic", village_id: "b7f2c9a1d04e8f3355aa", version: "0.1.0", node_id: village.nodes[0].id });
    if (url.pathname === "/v1/ws/ticket") {
      const ticket = randomBytes(12).toString("hex");
      village.tickets.add(ticket);
      return json(res, { ticket });
    }
    if (path[1] === "blobs") {
      const bytes = blobs.get(path[2]);
      if (!bytes) return problem(res, 404, "no such blob");
      res.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length });
      return res.end(bytes);
    }
    if (path[1] === "fog" && path[2] === "nodes") {
      if (!path[3]) return page(res, url, village.nodes);
      const node = village.nodes.find((n) => n.id === path[3]);
      if (!node) return problem(res, 404, "no such node");
      if (path[4] === "maintenance") {
        req.resume();
        node.state = node.state === "maintenance" ? "idle" : "maintenance";
      }
      return json(res, node);
    }
    if (path[1] === "fog" && path[2] === "jobs") {
      const jobs = [...village.jobs.values()].sort((a, b) => b.submitted_ms - a.submitted_ms), state = url.searchParams.get("state");
      if (!path[3]) return page(res, url, jobs.filter((j) => !state || j.state === state).map((j) => village.summary(j)));
      const job = village.jobs.get(path[3]);
      if (!job) return problem(res, 404, "no such job");
      if (req.method === "DELETE") {
        Object.assign(job, { state: "cancelled", ended_ms: Date.now() });
        village.publish("jobs", village.summary(job));
        return json(res, {}, 202);
      }
      if (path[4] === "tasks") return page(res, url, job.list);
      if (path[4] === "events") return page(res, url, job.events);
      if (path[4] === "explain") return json(res, explanation(job));
      if (path[4] === "output") {
        res.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
        return res.end(job.list.map((t) => (t.outputs[0] ? blobs.get(t.outputs[0].hash) : "")).join(""));
      }
      return json(res, { ...village.summary(job), spec: job.spec, outputs: [] });
    }
    const invented = fog.answer(url.pathname);
    if (typeof invented === "string") return res.writeHead(200, { "content-type": "text/plain" }).end(invented);
    if (invented) return json(res, invented);
    problem(res, 404, "no such route");
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (req, socket, head) => {
    const url = new URL(req.url, "http://x");
    if (url.pathname !== "/v1/ws" || !village.tickets.delete(url.searchParams.get("ticket"))) return socket.destroy();
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.topics = new Set();
      village.clients.add(ws);
      ws.on("close", () => village.clients.delete(ws));
      ws.on("message", (text) => {
        const { op, topic, after } = JSON.parse(text);
        if (op === "ping") ws.send('{"op":"pong"}');
        if (op === "unsubscribe") ws.topics.delete(topic);
        if (op !== "subscribe") return;
        ws.topics.add(topic);
        const log = village.logs[topic] ?? [];
        if (after === undefined) return;
        if (log.length && log[0].seq > after + 1) return ws.send(JSON.stringify({ op: "resync", topic }));
        for (const e of log) if (e.seq > after) ws.send(JSON.stringify(e));
      });
    });
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  const timer = setInterval(() => village.step(), stepMs);
  return {
    village,
    url: `http://127.0.0.1:${server.address().port}`,
    token: village.token,
    job: async (state) => [...village.jobs.values()].find((j) => j.state === state || j.name === { stuck: "too-large", planned: "render-film" }[state]).id,
    node: async () => village.nodes[3].id,
    auction: async () => fog.auctions[0].id,
    stateOf: async (id) => village.jobs.get(id).state,
    async submit() {
      village.add("made-meanwhile", 3, Date.now(), 0);
      return "made-meanwhile";
    },
    dropSockets() {
      for (const ws of village.clients) ws.terminate();
    },
    async stop() {
      clearInterval(timer);
      this.dropSockets();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = await startBackend({ port: Number(process.argv[2] ?? 8000) });
  console.log(`${backend.url}/#token=${backend.token}`);
}
