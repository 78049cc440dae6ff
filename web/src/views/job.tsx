import { useEffect, useState } from "preact/hooks";
import { useAsked } from "../asked";
import { download, get, peek, Problem, send, serverNow } from "../api";
import { bytes, count, credits, duration, moment, plural, share, short, timeOfDay } from "../format";
import { watch } from "../live";
import { IconBack, IconDownload, IconStop } from "../parts/icons";
import { Placement } from "../parts/explain";
import { Table, type Column } from "../parts/table";
import { Age, Ago, Bar, Confirm, Copy, Empty, Fact, Notice, State, useTick } from "../parts/ui";
import { href, setQuery, type Route } from "../route";
import { putJob, state, useStore } from "../store";
import { ENDED, TASK_STATES, type Job, type JobDetail, type JobEvent, type Page, type Task } from "../types";
import type { Agreement, Auction } from "../types_fog";
import { AUCTION_WORDS } from "./market";
import { jobBarLabel, jobParts } from "./overview";

const CELLS = 2_000; // squares of the grid; a job with more tasks shows several in each
const ROWS = 50;
const PEEK = 4_096;
const EVENTS = 200;

const errorText = (task: Task) => (typeof task.error === "string" ? task.error : (task.error?.detail || task.error?.code) ?? "");
const nodeName = (id: string | null) => (id ? state.nodes.get(id)?.name || short(id) : "–");

/** One square a task, coloured by state. For eyes only: the bar and the table say the same to everyone else. */
function Grid({ tasks, total }: { tasks: Map<number, Task>; total: number }) {
  const each = Math.max(1, Math.ceil(total / CELLS));
  const cells = [];
  for (let i = 0; i < total; i += each) {
    let worst = "waiting", rank = Infinity, title = "";
    for (let k = i; k < Math.min(total, i + each); k++) {
      const task = tasks.get(k);
      const r = TASK_STATES.indexOf(task?.state ?? "waiting");
      if (r < rank) {
        rank = r;
        worst = task?.state ?? "waiting";
        title = `task ${k}${task?.input ? `, ${task.input}` : ""}: ${worst}${task?.node ? ` on ${nodeName(task.node)}` : ""}`;
      }
    }
    cells.push(<i key={i} class={`fill-${worst}`} title={title} />);
  }
  return <div class={total > 400 ? "grid fine" : "grid"} aria-hidden="true">{cells}</div>;
}

function Outputs({ job, task }: { job: string; task: Task }) {
  const files = task.outputs.filter((o) => o.size > 0 || o.name !== "stderr");
  if (!files.length) return <span class="faint">–</span>;
  return (
    <span class="files">
      {files.map((o) => (
        <button key={o.name} type="button" class="quiet small" title={`Download ${o.name}, ${bytes(o.size)}`}
          onClick={() => download(`/v1/blobs/${o.hash}`, `${short(job)}-${task.index}-${o.name}`).catch(() => undefined)}>
          <IconDownload />{o.name} <span class="faint">{bytes(o.size)}</span>
        </button>
      ))}
    </span>
  );
}

function columnsOf(job: string): Column<Task>[] {
  return [
    { key: "index", title: "Task", right: true, cell: (t) => t.index },
    { key: "input", title: "Input", cell: (t) => t.input ?? <span class="faint">–</span> },
    { key: "state", title: "State", cell: (t) => <State of={t.state} /> },
    { key: "node", title: "Node", cell: (t) => (t.node ? <a href={href(["nodes", t.node])}>{nodeName(t.node)}</a> : <span class="faint">–</span>) },
    { key: "try", title: "Try", right: true, cell: (t) => t.attempt },
    { key: "exit", title: "Exit", right: true, cell: (t) => (t.exit_code === null ? <span class="faint">–</span> : <span class={t.exit_code ? "bad" : ""}>{t.exit_code}</span>) },
    { key: "took", title: "Time", right: true, cell: (t) => (t.started_ms ? duration((t.ended_ms ?? serverNow()) - t.started_ms) : <span class="faint">–</span>) },
    { key: "cpu", title: "CPU", right: true, cell: (t) => (t.ended_ms ? duration(t.cpu_us / 1_000) : <span class="faint">–</span>) },
    { key: "memory", title: "Memory", right: true, cell: (t) => (t.peak_bytes ? bytes(t.peak_bytes) : <span class="faint">–</span>) },
    { key: "outputs", title: "Outputs", wide: true, cell: (t) => (errorText(t) ? <span class="bad wrap">{errorText(t)}</span> : <Outputs job={job} task={t} />) },
  ];
}

function Tasks({ job, route }: { job: Job; route: Route }) {
  const only = route.query.get("task") ?? "";
  const page = Math.max(0, Number(route.query.get("page") ?? 0) || 0);
  const all = [...state.tasks.byIndex.values()].sort((a, b) => a.index - b.index);
  const rows = only ? all.filter((t) => t.state === only) : all;
  const pages = Math.ceil(rows.length / ROWS);
  const at = Math.min(page, Math.max(0, pages - 1));
  return (
    <section aria-labelledby="h-tasks">
      <div class="head"><h2 id="h-tasks">Tasks</h2><Age at={state.tasks.at} /></div>
      {job.tasks.total > 1 && <Grid tasks={state.tasks.byIndex} total={job.tasks.total} />}
      <div class="chips" role="group" aria-label="Filter tasks by state">
        <button type="button" aria-pressed={!only} onClick={() => setQuery(route, { task: undefined, page: undefined })}>All <b>{count(all.length)}</b></button>
        {TASK_STATES.map((s) => {
          const n = all.filter((t) => t.state === s).length;
          if (!n && only !== s) return null;
          return <button key={s} type="button" aria-pressed={only === s} onClick={() => setQuery(route, { task: only === s ? undefined : s, page: undefined })}><span class={`dot fill-${s}`} aria-hidden="true" />{s} <b>{count(n)}</b></button>;
        })}
      </div>
      {rows.length > 0
        ? <Table caption="Tasks of the job" columns={columnsOf(job.id)} rows={rows.slice(at * ROWS, (at + 1) * ROWS)} id={(t) => String(t.index)} />
        : <Empty>{state.tasks.at ? "No task in this state." : "Loading tasks"}</Empty>}
      {pages > 1 && (
        <nav class="pages" aria-label="Pages of tasks">
          <button type="button" disabled={at === 0} onClick={() => setQuery(route, { page: String(at - 1) })}>Before</button>
          <span>{count(at * ROWS + 1)} to {count(Math.min(rows.length, (at + 1) * ROWS))} of {count(rows.length)}</span>
          <button type="button" disabled={at + 1 >= pages} onClick={() => setQuery(route, { page: String(at + 1) })}>Next</button>
        </nav>
      )}
    </section>
  );
}

/** The start of the result, so that a word count is read at a glance. */
function Result({ job }: { job: Job }) {
  const [shown, show] = useState<{ text: string; more: boolean } | null>(null);
  const [said, say] = useState("");
  const path = `/v1/fog/jobs/${job.id}/output`;
  useEffect(() => {
    const stop = new AbortController();
    show(null);
    if (job.state === "done") peek(path, PEEK, stop.signal).then(show, (e: unknown) => { if (!stop.signal.aborted && e instanceof Problem) say(e.message); });
    return () => stop.abort();
  }, [job.id, job.state]);
  if (job.state !== "done") return null;
  return (
    <section aria-labelledby="h-result">
      <div class="head">
        <h2 id="h-result">Result</h2><span class="push" />
        <button type="button" onClick={() => download(path, `${job.name || short(job.id)}.txt`).catch((e: Error) => say(e.message))}><IconDownload />Download</button>
      </div>
      {said && <Notice bad text={said} />}
      {shown && (shown.text
        ? <pre tabIndex={0} aria-label="Start of the result" data-test="result">{shown.text}{shown.more && "\n…"}</pre>
        : <Empty>The job printed nothing.</Empty>)}
    </section>
  );
}

// Events as people would say them; what is not here is shown by its name.
const EVENT_WORDS: Record<string, string> = {
  wrong: "wrong result", disagreed: "results differ", referee: "another run decides", audited: "checked by one more run",
  disputed: "a worker disputes the result", dispute_ended: "dispute ended", agreement: "promise of availability",
  availability: "availability cannot be kept", refund: "owed back", auction: "auction", duplicated: "a second copy",
};
const EVENT_BAD = new Set(["wrong", "disputed", "disagreed", "refund", "task_failed", "failed", "node_lost", "timeout", "expired"]);

function History({ job }: { job: Job }) {
  const [events, set] = useState<JobEvent[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    // Asked again when a task ends, at most every 2 s: the history of a busy job grows fast.
    const timer = setTimeout(() => {
      get<Page<JobEvent>>(`/v1/fog/jobs/${job.id}/events?limit=${EVENTS}`, stop.signal).then((p) => set(p.items), () => undefined);
    }, events.length ? 2_000 : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [job.id, job.state, job.tasks.done, job.tasks.failed, job.tasks.running]);
  if (!events.length) return null;
  return (
    <section aria-labelledby="h-history">
      <h2 id="h-history">History</h2>
      <ol class="history">
        {events.map((e) => (
          <li key={e.seq}>
            <time dateTime={new Date(e.at_ms).toISOString()} title={moment(e.at_ms)}>{timeOfDay(e.at_ms)}</time>
            <span class={EVENT_BAD.has(e.kind) ? "bad" : undefined}>{EVENT_WORDS[e.kind] ?? e.kind.replaceAll("_", " ")}{e.task !== null && e.task !== undefined && `${EVENT_WORDS[e.kind] ? ", task" : ""} ${e.task}`}{e.node && ` on ${nodeName(e.node)}`}</span>
            {e.detail && <span class="faint wrap">{e.detail}</span>}
          </li>
        ))}
      </ol>
      {events.length === EVENTS && <p class="faint">The first {EVENTS} events. All of them: <code>village job {short(job.id)} --events</code></p>}
    </section>
  );
}

const CLASSES: Record<string, string> = {
  B: "Class B: one result, 3 % of them checked by another run; believed at 99 %.",
  A: "Class A: two equal results of different owners; believed at 99.9 %.",
  S: "Class S: three equal results of different, proven owners; believed at 99.99 %.",
};

function requirements(spec: JobDetail["spec"]): string {
  const r = spec?.require;
  if (!r) return "";
  return [
    r.region && `region ${r.region}`, r.min_trust && `trust ${(r.min_trust / 1000).toFixed(2)}`, r.max_latency_ms && `within ${r.max_latency_ms} ms`,
    r.max_price && `an hour for ${credits(r.max_price)} at most`, r.spread && `copies apart by ${r.spread}`, r.exclude?.length && `not on ${r.exclude.map(nodeName).join(", ")}`,
  ].filter(Boolean).join("; ");
}

/** The promise of availability and the auction of this job, when it has them. */
function Deal({ job, spec }: { job: Job; spec: JobDetail["spec"] }) {
  const tier = spec?.tier && spec.tier !== "none";
  const { data: a } = useAsked<Agreement>(tier ? `/v1/fog/agreements/${job.id}` : "");
  const { data: auctions } = useAsked<Page<Auction>>("/v1/fog/market/auctions", 10_000);
  const auction = auctions?.items.find((x) => x.job === job.id);
  if (!a && !auction) return null;
  return (
    <section aria-labelledby="h-deal" class="panel deal" data-test="deal">
      <h2 id="h-deal" class="hidden">Promise and price</h2>
      {a && (
        <p>
          <b>{share(a.promised_ppb)}</b> promised ({a.tier}), <b class={a.measured_ppb < a.promised_ppb ? "bad" : ""}>{share(a.measured_ppb)}</b> measured: <State of={a.state} />{" "}
          <span class="faint">{plural(a.outages, "outage")}, down {duration(a.down_ms + a.unobserved_ms)} of {duration(a.allowed_ms)} allowed</span>
          {a.refund > 0 && <b class="bad">; {credits(a.refund)} owed back</b>}
        </p>
      )}
      {auction && (
        <p>
          <a href={href(["market", auction.id])}>Auction</a> <State of={auction.state} /> <span class="faint">{AUCTION_WORDS[auction.state]}; {plural(auction.bids_n, "bid")}, {credits(auction.reserve)} a unit at most{auction.paid ? `, ${credits(auction.paid)} paid` : ""}</span>
        </p>
      )}
    </section>
  );
}

function Facts({ job, spec }: { job: Job; spec: JobDetail["spec"] }) {
  useTick();
  return (
    <dl class="facts">
      <Fact name="Submitted"><Ago at={job.submitted_ms} /></Fact>
      <Fact name="Time">{job.started_ms ? duration((job.ended_ms ?? serverNow()) - job.started_ms) : "–"}</Fact>
      <Fact name="Program">{job.kind === "wasm" ? <>WebAssembly <span class="mono faint">{spec?.program?.slice(0, 8) ?? ""}</span></> : <span class="mono">{spec?.command ?? "native"}</span>}</Fact>
      <Fact name="Arguments">{spec?.args?.length ? <span class="mono wrap">{spec.args.join(" ")}</span> : "–"}</Fact>
      <Fact name="Inputs">{plural(spec?.inputs?.length ?? 0, "file")}{spec?.inputs?.length ? <span class="faint">, {bytes(spec.inputs.reduce((n, i) => n + i.size, 0))}</span> : ""}</Fact>
      <Fact name="Replicas">{job.replicas}{job.replicas > 1 ? <span class="faint">, compared</span> : ""}</Fact>
      <Fact name="Class"><span title={CLASSES[spec?.class ?? ""]}>{spec?.class ?? "–"}</span></Fact>
      <Fact name="Tier">{spec?.tier && spec.tier !== "none" ? spec.tier : <span class="faint" title="No availability is promised">none</span>}</Fact>
      <Fact name="Placed by">{spec?.strategy?.replaceAll("_", " ") ?? "–"}</Fact>
      {requirements(spec) && <Fact name="Requires">{requirements(spec)}</Fact>}
      <Fact name="Priority">{job.priority}</Fact>
      <Fact name="Attempts">{count(job.attempts)}</Fact>
    </dl>
  );
}

export function JobPage({ id, route }: { id: string; route: Route }) {
  useStore();
  const [spec, setSpec] = useState<JobDetail["spec"]>();
  const [missing, setMissing] = useState("");
  const [asking, ask] = useState(false);
  const [said, say] = useState<{ text: string; bad?: boolean } | null>(null);
  const job = state.jobs.get(id);

  useEffect(() => {
    const stop = new AbortController();
    setMissing("");
    setSpec(undefined);
    say(null);
    watch(id);
    get<JobDetail>(`/v1/fog/jobs/${encodeURIComponent(id)}`, stop.signal).then(
      (detail) => {
        setSpec(detail.spec);
        putJob(detail);
      },
      (e: unknown) => {
        if (e instanceof Problem && e.status >= 400 && e.status < 500) setMissing(e.message);
      },
    );
    return () => {
      stop.abort();
      watch("");
    };
  }, [id]);

  const cancel = async () => {
    try {
      await send("DELETE", `/v1/fog/jobs/${encodeURIComponent(id)}`);
      say({ text: "The job is being cancelled." });
    } catch (e) {
      say({ text: e instanceof Error ? e.message : "That did not work.", bad: true });
    }
  };

  const back = <a class="back" href={href(["jobs"])}><IconBack />All jobs</a>;
  if (!job) return <>{back}<Empty>{missing || "Loading the job"}</Empty></>;
  return (
    <>
      {back}
      <div class="head">
        <h1>{job.name || short(job.id)}</h1>
        <State of={job.state} />
        <span class="mono faint nowrap">{short(job.id)} <Copy text={job.id} what="the job's id" /></span>
        <span class="push" />
        {!ENDED.has(job.state) && <button type="button" class="danger" onClick={() => ask(true)}><IconStop />Cancel job</button>}
      </div>
      {asking && <Confirm title="Cancel this job?" yes="Cancel the job" onYes={cancel} onClose={() => ask(false)}>Tasks that run are stopped. What is finished stays. A cancelled job cannot be resumed.</Confirm>}
      {said && <Notice {...said} />}
      {job.error && <Notice bad text={job.error.detail || job.error.code} />}
      <div class="progress">
        <Bar parts={jobParts(job)} total={job.tasks.total} label={jobBarLabel(job)} />
        <p data-test="progress">
          <b>{count(job.tasks.done)}</b> of {plural(job.tasks.total, "task")} done
          {job.tasks.running > 0 && <>, <b>{count(job.tasks.running)}</b> running</>}
          {job.tasks.waiting > 0 && <>, {count(job.tasks.waiting)} waiting</>}
          {job.tasks.failed > 0 && <span class="bad">, {count(job.tasks.failed)} failed</span>}
          {job.waits_for && <span class="faint">; waiting: {job.waits_for}</span>}
        </p>
      </div>
      <Facts job={job} spec={spec} />
      <Deal job={job} spec={spec} />
      <Result job={job} />
      <Tasks job={job} route={route} />
      <Placement job={job} />
      <History job={job} />
    </>
  );
}
