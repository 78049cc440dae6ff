// One store for all pages. Everything that changes often arrives here; components are told at most ten times a second.

import { useEffect, useReducer } from "preact/hooks";
import type { Health, Info, Job, Task, VillageNode } from "./types";

export type Link = "connecting" | "live" | "polling" | "lost" | "denied";

const JOBS_KEPT = 5_000;
const NOTIFY_MS = 100;
export const BUCKET_MS = 5_000;
export const BUCKETS = 60;

export const openedAt = Date.now();

export const state = {
  link: "connecting" as Link,
  heardAt: 0, // our clock, last time the gateway confirmed what we show
  nodes: new Map<string, VillageNode>(),
  nodesAt: 0,
  jobs: new Map<string, Job>(),
  jobsAt: 0,
  health: null as Health | null,
  healthAt: 0,
  info: null as Info | null,
  finished: [] as { at: number; n: number }[], // tasks that ended, by bucket, oldest first
  tasks: { job: "", byIndex: new Map<number, Task>(), at: 0 },
};

const listeners = new Set<() => void>();
let pending = 0;

export function changed(): void {
  if (pending) return;
  pending = window.setTimeout(() => {
    pending = 0;
    for (const tell of [...listeners]) tell();
  }, NOTIFY_MS);
}

/** Renders the component again whenever the store changed. */
export function useStore(): typeof state {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const tell = () => again(undefined as never);
    listeners.add(tell);
    return () => void listeners.delete(tell);
  }, []);
  return state;
}

export function setLink(link: Link): void {
  if (state.link === link) return;
  state.link = link;
  changed();
}

export function heard(): void {
  state.heardAt = Date.now();
}

export function putNode(node: VillageNode): void {
  state.nodes.set(node.id, node);
  state.nodesAt = Date.now();
  changed();
}

export function replaceNodes(nodes: VillageNode[]): void {
  state.nodes = new Map(nodes.map((n) => [n.id, n]));
  state.nodesAt = Date.now();
  changed();
}

function countFinished(n: number): void {
  const at = Math.floor(Date.now() / BUCKET_MS) * BUCKET_MS;
  const last = state.finished.at(-1);
  if (last?.at === at) last.n += n;
  else state.finished.push({ at, n });
  while (state.finished.length > BUCKETS) state.finished.shift();
}

export function putJob(job: Job): void {
  const before = state.jobs.get(job.id);
  const ended = (j: Job) => j.tasks.done + j.tasks.failed;
  // A job that began before this page was opened counts from where we first saw it.
  const from = before ? ended(before) : job.submitted_ms >= openedAt ? 0 : ended(job);
  if (ended(job) > from) countFinished(ended(job) - from);
  state.jobs.set(job.id, job);
  state.jobsAt = Date.now();
  if (state.jobs.size > JOBS_KEPT) {
    const oldest = [...state.jobs.values()].sort((a, b) => a.submitted_ms - b.submitted_ms).slice(0, JOBS_KEPT / 10);
    for (const j of oldest) state.jobs.delete(j.id);
  }
  changed();
}

export function confirmJobs(): void {
  state.jobsAt = Date.now();
  changed();
}

export function putHealth(health: Health): void {
  state.health = health;
  state.healthAt = Date.now();
  changed();
}

export function watchTasks(job: string): void {
  if (state.tasks.job === job) return;
  state.tasks = { job, byIndex: new Map(), at: 0 };
  changed();
}

export function putTask(job: string, task: Task): void {
  if (state.tasks.job !== job) return;
  state.tasks.byIndex.set(task.index, task);
  state.tasks.at = Date.now();
  changed();
}

/** Tasks per second over the last whole 10 s, and the bars of the last five minutes. */
export function rate(): { now: number; bars: number[] } {
  const end = Math.floor(Date.now() / BUCKET_MS) * BUCKET_MS;
  const byTime = new Map(state.finished.map((b) => [b.at, b.n]));
  const bars: number[] = [];
  for (let i = BUCKETS - 1; i >= 0; i--) bars.push((byTime.get(end - i * BUCKET_MS) ?? 0) / (BUCKET_MS / 1000));
  const partial = (Date.now() - end) / 1000;
  const recent = (byTime.get(end) ?? 0) + (byTime.get(end - BUCKET_MS) ?? 0) + (byTime.get(end - 2 * BUCKET_MS) ?? 0);
  return { now: recent / (partial + (2 * BUCKET_MS) / 1000), bars };
}
