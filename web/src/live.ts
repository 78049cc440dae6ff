// Keeps the store true: one WebSocket with resume; when that does not work, polling; always a visible state.

import { get, hasToken, Problem, send } from "./api";
import {
  changed, confirmJobs, heard, putHealth, putJob, putNode, putTask, replaceNodes, setLink, state, watchTasks,
} from "./store";
import type { Health, Info, Job, Page, Task, VillageNode } from "./types";

const PING_MS = 5_000;
const SILENT_MS = 20_000; // the gateway answers a ping at once; this long without a word is a dead connection
const POLL_MS = 3_000;
const HEALTH_MS = 10_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
const PAGES_MAX = 20; // of 1000 nodes, or of 1000 tasks

let socket: WebSocket | null = null;
let attempts = 0;
let running = false;
let lastWord = 0;
let retryTimer = 0;
const seqs = new Map<string, number>();
const topics = new Set<string>(["nodes", "jobs"]);

const isOpen = () => socket?.readyState === WebSocket.OPEN;

async function pages<T>(path: string, take: (items: T[]) => void): Promise<void> {
  let cursor: string | null = null;
  for (let i = 0; i < PAGES_MAX; i++) {
    const page: Page<T> = await get(`${path}?limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    take(page.items);
    cursor = page.next;
    if (!cursor) return;
  }
}

async function loadNodes(): Promise<void> {
  const all: VillageNode[] = [];
  await pages<VillageNode>("/v1/fog/nodes", (items) => all.push(...items));
  replaceNodes(all);
}

async function loadJobs(): Promise<void> {
  const page = await get<Page<Job>>("/v1/fog/jobs?limit=200");
  for (const job of page.items) putJob(job);
  confirmJobs();
}

export async function loadTasks(job: string): Promise<void> {
  await pages<Task>(`/v1/fog/jobs/${job}/tasks`, (items) => {
    for (const task of items) putTask(job, task);
  });
}

async function loadHealth(): Promise<void> {
  putHealth(await get<Health>("/v1/system/health"));
  if (!state.info) {
    state.info = await get<Info>("/v1/system/info");
    changed();
  }
}

/** Each part on its own: one that fails or hangs must not keep the others from the page. */
async function loadAll(): Promise<boolean> {
  const parts = [loadNodes(), loadJobs(), loadHealth()];
  if (state.tasks.job) parts.push(loadTasks(state.tasks.job));
  const ends = await Promise.allSettled(parts);
  for (const end of ends)
    if (end.status === "rejected" && end.reason instanceof Problem && (end.reason.status === 401 || end.reason.status === 403)) {
      stop();
      setLink("denied");
      return false;
    }
  const some = ends.some((end) => end.status === "fulfilled");
  if (some) heard();
  return some;
}

function reload(topic: string): void {
  const done = topic === "nodes" ? loadNodes() : topic === "jobs" ? loadJobs() : loadTasks(topic.slice("tasks:".length));
  done.catch(() => undefined); // the next ping tells whether the gateway is gone
}

function subscribe(topic: string): void {
  if (!isOpen()) return;
  const after = seqs.get(topic);
  socket?.send(JSON.stringify(after === undefined ? { op: "subscribe", topic } : { op: "subscribe", topic, after }));
}

interface Word {
  op: string;
  topic?: string;
  seq?: number;
  data?: unknown;
}

function onWord(text: string): void {
  lastWord = Date.now();
  heard();
  const word = JSON.parse(text) as Word;
  const topic = word.topic ?? "";
  if (word.op === "resync") {
    seqs.delete(topic);
    reload(topic);
  } else if (word.op === "event") {
    if (word.seq !== undefined) seqs.set(topic, word.seq);
    if (topic === "nodes") putNode(word.data as VillageNode);
    else if (topic === "jobs") putJob(word.data as Job);
    else if (topic.startsWith("tasks:")) putTask(topic.slice("tasks:".length), word.data as Task);
  }
  changed();
}

async function connect(): Promise<void> {
  if (!running) return;
  try {
    const ticket = await send<{ ticket: string }>("POST", "/v1/ws/ticket");
    const base = location.protocol === "https:" ? "wss:" : "ws:";
    const ws = new WebSocket(`${base}//${location.host}/v1/ws?ticket=${encodeURIComponent(ticket?.ticket ?? "")}`);
    socket = ws;
    ws.onopen = () => {
      attempts = 0;
      lastWord = Date.now();
      for (const topic of topics) subscribe(topic);
      // Subscribed first, loaded second: what changes in between arrives as an event.
      loadAll().then((ok) => ok && socket === ws && setLink("live"), () => undefined);
    };
    ws.onmessage = (message) => onWord(String(message.data));
    ws.onclose = () => {
      if (socket !== ws) return;
      socket = null;
      retry();
    };
  } catch {
    retry();
  }
}

function retry(): void {
  if (!running || retryTimer) return;
  attempts++;
  if (state.link === "live" || state.link === "connecting") setLink(attempts > 1 ? "lost" : "connecting");
  const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** attempts);
  retryTimer = window.setTimeout(() => {
    retryTimer = 0;
    void connect();
  }, most / 2 + (Math.random() * most) / 2);
}

async function poll(): Promise<void> {
  if (!running) return;
  if (isOpen()) {
    if (Date.now() - lastWord > SILENT_MS) socket?.close();
    return;
  }
  const ok = await loadAll();
  if (running && !isOpen()) setLink(ok ? "polling" : "lost");
}

/** Each wait begins when the work before it has ended, so that a slow gateway is not asked twice at once. */
function every(ms: number, work: () => Promise<void> | void): void {
  const next = () => {
    window.setTimeout(async () => {
      if (!running) return;
      try {
        await work();
      } catch {
        // loadAll() and the link state tell
      }
      next();
    }, ms);
  };
  next();
}

export function start(): void {
  if (running || !hasToken()) return;
  running = true;
  setLink("connecting");
  void loadAll();
  void connect();
  every(POLL_MS, poll);
  every(PING_MS, () => {
    if (isOpen()) socket?.send('{"op":"ping"}');
  });
  every(HEALTH_MS, () => (socket ? loadHealth() : undefined));
}

export function stop(): void {
  running = false;
  window.clearTimeout(retryTimer);
  retryTimer = 0;
  socket?.close();
  socket = null;
  seqs.clear();
}

/** Tries at once, for people who do not want to wait for the next attempt. */
export function retryNow(): void {
  window.clearTimeout(retryTimer);
  retryTimer = 0;
  void poll();
  if (!socket) void connect();
}

/** The job whose tasks are on the page; "" for none. */
export function watch(job: string): void {
  if (state.tasks.job === job) return;
  const old = state.tasks.job;
  if (old) {
    topics.delete(`tasks:${old}`);
    seqs.delete(`tasks:${old}`);
    if (isOpen()) socket?.send(JSON.stringify({ op: "unsubscribe", topic: `tasks:${old}` }));
  }
  watchTasks(job);
  if (!job) return;
  topics.add(`tasks:${job}`);
  subscribe(`tasks:${job}`);
  loadTasks(job).catch(() => undefined);
}
