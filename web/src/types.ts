// What the gateway answers (docs of the REST contract: GET /v1/openapi.json). Only fields that the pages show.

export type NodeState = "active" | "idle" | "busy" | "offline" | "maintenance";
export const NODE_STATES: readonly NodeState[] = ["active", "busy", "idle", "maintenance", "offline"];

export interface VillageNode {
  id: string;
  name: string;
  kind: string;
  state: NodeState;
  addr: string;
  self: boolean;
  cpus: number;
  memory_bytes: number;
  disk_bytes: number;
  free_slots: number;
  running: number;
  load_milli: number;
  joined_ms: number;
  seen_ms: number;
  done: number;
  failed: number;
  features: string[];
  region: string;
  labels?: Record<string, string>;
  harvest?: string;
  trust_milli?: number;
  doubt_milli?: number;
  flagged?: boolean;
  attestation_milli?: number;
  quarantined?: boolean;
  attestation?: string;
}

export type JobState =
  | "submitted" | "priced" | "placed" | "running" | "verifying" | "done" | "failed" | "cancelled" | "expired";

export interface Counts {
  total: number;
  waiting: number;
  running: number;
  done: number;
  failed: number;
}

export interface Failure {
  code: string;
  detail: string;
}

export interface Job {
  id: string;
  name: string;
  kind: string;
  state: JobState;
  tasks: Counts;
  submitted_ms: number;
  started_ms: number | null;
  ended_ms: number | null;
  error: Failure | null;
  replicas: number;
  priority: string;
  attempts: number;
  waits_for?: string;
}

export interface JobSpec {
  program?: string;
  command?: string;
  args?: string[];
  env?: Record<string, string>;
  inputs?: { name: string; hash: string; size: number }[];
  map?: boolean;
  merge?: { args: string[] } | null;
  limits?: Record<string, number>;
  deterministic?: boolean;
  after?: string[];
  privacy?: string;
  class?: string;
  tier?: string;
  strategy?: string;
  require?: { region?: string; min_trust?: number; max_latency_ms?: number; max_price?: number; spread?: string; exclude?: string[] };
}

export interface JobDetail extends Job {
  spec?: JobSpec;
}

export interface Output {
  name: string;
  hash: string;
  size: number;
}

export type TaskState = "waiting" | "placed" | "running" | "done" | "failed" | "cancelled";
export const TASK_STATES: readonly TaskState[] = ["failed", "running", "placed", "waiting", "cancelled", "done"];

export interface Task {
  index: number;
  state: TaskState;
  node: string | null;
  attempt: number;
  epoch: number;
  exit_code: number | null;
  started_ms: number | null;
  ended_ms: number | null;
  cpu_us: number;
  peak_bytes: number;
  error: Failure | string | null;
  outputs: Output[];
  receipt: { signature: string } | null;
  input: string | null;
}

export interface JobEvent {
  seq: number;
  at_ms: number;
  kind: string;
  detail?: string;
  task?: number | null;
  node?: string | null;
}

export type Objective = "latency" | "balance" | "trust" | "cost" | "price";
export type Objectives = Record<Objective, number | null>;

export interface Batch {
  batch: number;
  at_ms: number;
  strategy: string;
  sampled: boolean;
  class: string;
  tasks: number;
  tasks_of_job: number;
  placed: number;
  conflicts: number;
  nodes: number;
  left_by_reason: Record<string, number>;
  generations: number;
  cut: boolean;
  hypervolume: number | null;
  hypervolume_first: number | null;
  bound: Objectives;
  gap: Objectives;
  front: { objectives: Objectives; placed: number; taken: boolean }[];
}

export interface Explain {
  job: string;
  waiting?: { tasks: number; reason: string; nodes: number; nodes_by_reason: Record<string, number> };
  batches: Batch[];
}

export interface Health {
  status: string;
  version: string;
  uptime_ms: number;
}

export interface Info {
  name: string;
  village_id: string;
  node_id?: string;
  version: string;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export const ENDED: ReadonlySet<JobState> = new Set(["done", "failed", "cancelled", "expired"]);
