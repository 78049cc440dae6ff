import { serverNow } from "../api";
import { count, duration, perSecond, percent, plural, short } from "../format";
import { IconAlert, IconCheck } from "../parts/icons";
import { Age, Ago, Bar, Columns, Empty, State, useTick } from "../parts/ui";
import { href } from "../route";
import { BUCKETS, BUCKET_MS, rate, state, useStore } from "../store";
import { ENDED, NODE_STATES, type Job, type VillageNode } from "../types";

const HOUSES = 60;
const RECENT = 6;
const FAILED_FOR_MS = 3_600_000;

export const jobParts = (job: Job) => [
  { state: "done", n: job.tasks.done },
  { state: "failed", n: job.tasks.failed },
  { state: "running", n: job.tasks.running },
];
export const jobBarLabel = (job: Job) =>
  `${job.tasks.done} of ${job.tasks.total} tasks done, ${job.tasks.running} running, ${job.tasks.failed} failed`;

function House({ node }: { node: VillageNode }) {
  const load = Math.min(100, node.load_milli / 10);
  const gone = node.state === "offline";
  return (
    <a class={`house s-${node.state}`} href={href(["nodes", node.id])}>
      <span class="house-head"><span class="house-name">{node.name || short(node.id)}</span><State of={node.state} /></span>
      <Bar total={100} parts={[{ state: "load", n: gone ? 0 : load }]} label={gone ? "no load known" : `load ${percent(load)}`} />
      <span class="house-figures">
        {gone ? <span>seen <Ago at={node.seen_ms} /></span> : <span>{percent(load)}<span class="of"> of {plural(node.cpus, "CPU")}</span></span>}
        <span>{node.running > 0 ? `${node.running} running` : ""}</span>
      </span>
    </a>
  );
}

function Attention({ nodes, jobs }: { nodes: VillageNode[]; jobs: Job[] }) {
  const now = serverNow();
  const offline = nodes.filter((n) => n.state === "offline");
  const failed = jobs.filter((j) => (j.state === "failed" || j.state === "expired") && now - (j.ended_ms ?? 0) < FAILED_FOR_MS);
  const degraded = state.health && state.health.status !== "ok";
  if (!offline.length && !failed.length && !degraded)
    return <p class="calm"><IconCheck /> Nothing needs attention.</p>;
  return (
    <ul class="attention">
      {degraded && <li><IconAlert /><span>The gateway says it is <b>{state.health?.status}</b>.</span></li>}
      {offline.slice(0, 5).map((n) => (
        <li key={n.id}><IconAlert /><span><a href={href(["nodes", n.id])}>{n.name || short(n.id)}</a> is offline, last seen <Ago at={n.seen_ms} />.</span></li>
      ))}
      {offline.length > 5 && <li><IconAlert /><a href={href(["nodes"], { state: "offline" })}>{count(offline.length - 5)} more nodes are offline</a></li>}
      {failed.slice(0, 5).map((j) => (
        <li key={j.id}><IconAlert /><span><a href={href(["jobs", j.id])}>{j.name || short(j.id)}</a> failed <Ago at={j.ended_ms} />{j.error ? `: ${j.error.detail || j.error.code}` : ""}</span></li>
      ))}
      {failed.length > 5 && <li><IconAlert /><a href={href(["jobs"], { state: "failed" })}>{count(failed.length - 5)} more jobs failed in the last hour</a></li>}
    </ul>
  );
}

function JobLine({ job }: { job: Job }) {
  useTick();
  const end = job.ended_ms ?? serverNow();
  return (
    <li>
      <a class="job-line" href={href(["jobs", job.id])}>
        <span class="job-name">{job.name || short(job.id)}</span>
        <State of={job.state} />
        <Bar parts={jobParts(job)} total={job.tasks.total} label={jobBarLabel(job)} />
        <span class="figure">{count(job.tasks.done)}<span class="faint"> / {count(job.tasks.total)}</span></span>
        <span class="figure faint">{duration(end - (job.started_ms ?? job.submitted_ms))}</span>
      </a>
    </li>
  );
}

function Throughput() {
  useTick();
  const { now, bars } = rate();
  const minutes = (BUCKETS * BUCKET_MS) / 60_000;
  return (
    <section class="tile wide-tile" aria-labelledby="t-rate">
      <div class="tile-head"><h2 id="t-rate">Tasks per second</h2><Age at={state.jobsAt} /></div>
      <p class="big" data-test="rate">{perSecond(now)}</p>
      <Columns values={bars} label={`Tasks finished per second in the last ${minutes} minutes; most ${perSecond(Math.max(...bars))}`} />
      <p class="under">{minutes} min, peak {perSecond(Math.max(...bars))}</p>
    </section>
  );
}

export function Overview() {
  useStore();
  const nodes = [...state.nodes.values()].sort((a, b) => NODE_STATES.indexOf(a.state) - NODE_STATES.indexOf(b.state) || a.name.localeCompare(b.name, "en", { numeric: true }));
  const jobs = [...state.jobs.values()].sort((a, b) => b.submitted_ms - a.submitted_ms);
  const active = jobs.filter((j) => !ENDED.has(j.state));
  const recent = jobs.filter((j) => ENDED.has(j.state)).slice(0, RECENT);
  const byState = NODE_STATES.map((s) => ({ state: s as string, n: nodes.filter((n) => n.state === s).length }));
  const ready = nodes.filter((n) => n.state !== "offline" && n.state !== "maintenance");
  const running = active.reduce((sum, j) => sum + j.tasks.running, 0);
  const waiting = active.reduce((sum, j) => sum + j.tasks.waiting, 0);
  const slots = ready.reduce((sum, n) => sum + n.free_slots + n.running, 0);
  return (
    <>
      <h1 class="hidden">Overview</h1>
      <div class="tiles">
        <section class="tile" aria-labelledby="t-nodes">
          <div class="tile-head"><h2 id="t-nodes"><a href={href(["nodes"])}>Nodes ready</a></h2><Age at={state.nodesAt} /></div>
          <p class="big" data-test="nodes-ready">{state.nodesAt ? count(ready.length) : "–"}<small> of {count(nodes.length)}</small></p>
          <Bar parts={byState} total={nodes.length} label={byState.map((b) => `${b.n} ${b.state}`).join(", ")} />
          <p class="under">{byState.filter((b) => b.n > 0).map((b) => `${b.n} ${b.state}`).join(", ") || "no nodes"}</p>
        </section>
        <section class="tile" aria-labelledby="t-jobs">
          <div class="tile-head"><h2 id="t-jobs"><a href={href(["jobs"])}>Active jobs</a></h2><Age at={state.jobsAt} /></div>
          <p class="big" data-test="jobs-active">{state.jobsAt ? count(active.length) : "–"}<small> {plural(running, "task")} running</small></p>
          <Bar parts={[{ state: "running", n: Math.min(running, slots) }]} total={slots} label={`${running} of ${slots} slots in use`} />
          <p class="under">{plural(waiting, "task")} waiting, {plural(slots, "slot")}</p>
        </section>
        <Throughput />
        <section class="tile" aria-labelledby="t-health">
          <div class="tile-head"><h2 id="t-health">Gateway</h2><Age at={state.healthAt} /></div>
          <p class={`big health-${state.health?.status ?? "unknown"}`} data-test="health">{state.health ? (state.health.status === "ok" ? "Healthy" : state.health.status) : "–"}</p>
          <p class="under">{state.health ? `up ${duration(state.health.uptime_ms)}` : ""}</p>
        </section>
      </div>
      <section aria-labelledby="h-attention" class="panel"><h2 id="h-attention" class="hidden">Needs attention</h2><Attention nodes={nodes} jobs={jobs} /></section>
      <div class="split">
        <section aria-labelledby="h-jobs">
          <h2 id="h-jobs">Jobs</h2>
          {active.length + recent.length === 0
            ? <Empty>{state.jobsAt ? <>No jobs yet. Start one in a terminal:<code>village run wc.wasm --input 'texts/*.txt'</code></> : "Loading jobs"}</Empty>
            : <ul class="lines">{active.slice(0, 12).map((j) => <JobLine key={j.id} job={j} />)}{recent.map((j) => <JobLine key={j.id} job={j} />)}</ul>}
          {jobs.length > 0 && <p class="more"><a href={href(["jobs"])}>All jobs</a></p>}
        </section>
        <section aria-labelledby="h-nodes">
          <h2 id="h-nodes">Nodes</h2>
          {nodes.length === 0
            ? <Empty>{state.nodesAt ? <>No nodes yet. Let one join:<code>village ticket</code></> : "Loading nodes"}</Empty>
            : <div class="houses">{nodes.slice(0, HOUSES).map((n) => <House key={n.id} node={n} />)}</div>}
          {nodes.length > HOUSES && <p class="more"><a href={href(["nodes"])}>All {count(nodes.length)} nodes</a></p>}
        </section>
      </div>
    </>
  );
}
