import { useEffect, useState } from "preact/hooks";
import { get, serverNow } from "../api";
import { count, duration, plural, short } from "../format";
import { IconSearch } from "../parts/icons";
import { Age, Ago, Bar, Empty, State, useTick } from "../parts/ui";
import { parseOrder, sorted, Table, type Column } from "../parts/table";
import { href, setQuery, type Route } from "../route";
import { putJob, state, useStore } from "../store";
import { ENDED, type Job, type JobState, type Page } from "../types";
import { jobBarLabel, jobParts } from "./overview";

const FILTERS: { key: string; title: string; states: JobState[] }[] = [
  { key: "running", title: "running", states: ["running", "verifying"] },
  { key: "waiting", title: "waiting", states: ["submitted", "priced", "placed"] },
  { key: "done", title: "done", states: ["done"] },
  { key: "failed", title: "failed", states: ["failed", "expired"] },
  { key: "cancelled", title: "cancelled", states: ["cancelled"] },
];
const SHOWN = 100;

function Took({ job }: { job: Job }) {
  useTick();
  if (!job.started_ms) return <span class="faint">–</span>;
  return <>{duration((job.ended_ms ?? serverNow()) - job.started_ms)}</>;
}

const columns: Column<Job>[] = [
  { key: "name", title: "Job", wide: true, sort: (j) => j.name, cell: (j) => (
    <a class="title" href={href(["jobs", j.id])}>{j.name || short(j.id)}<span class="mono faint">{short(j.id)}</span></a>
  ) },
  { key: "state", title: "State", sort: (j) => (ENDED.has(j.state) ? 1 : 0) + j.state, cell: (j) => <State of={j.state} /> },
  { key: "progress", title: "Progress", wide: true, sort: (j) => j.tasks.done / Math.max(1, j.tasks.total), cell: (j) => (
    <span class="load"><Bar parts={jobParts(j)} total={j.tasks.total} label={jobBarLabel(j)} /><span class="figure">{count(j.tasks.done)}<span class="faint"> / {count(j.tasks.total)}</span></span></span>
  ) },
  { key: "failed", title: "Failed", right: true, sort: (j) => j.tasks.failed, cell: (j) => <span class={j.tasks.failed ? "bad" : "faint"}>{count(j.tasks.failed)}</span> },
  { key: "took", title: "Time", right: true, sort: (j) => (j.started_ms ? (j.ended_ms ?? serverNow()) - j.started_ms : 0), cell: (j) => <Took job={j} /> },
  { key: "submitted", title: "Submitted", right: true, sort: (j) => j.submitted_ms, cell: (j) => <Ago at={j.submitted_ms} /> },
];

export function Jobs({ route }: { route: Route }) {
  useStore();
  const [cursor, setCursor] = useState<string | null>("");
  const text = (route.query.get("q") ?? "").toLowerCase();
  const only = FILTERS.find((f) => f.key === route.query.get("state"));
  const most = Number(route.query.get("n") ?? SHOWN) || SHOWN;
  const order = parseOrder(route.query.get("sort"), "-submitted");

  // The jobs of a filter may all be older than those that were loaded: ask for them by state.
  useEffect(() => {
    for (const s of only?.states ?? [])
      get<Page<Job>>(`/v1/fog/jobs?limit=200&state=${s}`).then((p) => p.items.forEach(putJob), () => undefined);
  }, [only?.key]);

  const older = async () => {
    const page: Page<Job> = await get(`/v1/fog/jobs?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    page.items.forEach(putJob);
    // The first page is on the screen already; take the one behind it as well.
    const next: Page<Job> = cursor || !page.next ? page : await get(`/v1/fog/jobs?limit=200&cursor=${encodeURIComponent(page.next)}`);
    next.items.forEach(putJob);
    setCursor(next.next);
    setQuery(route, { n: String(most + 200) });
  };

  const all = [...state.jobs.values()];
  const found = all.filter((j) => (!only || only.states.includes(j.state)) && (!text || `${j.name} ${j.id}`.toLowerCase().includes(text)));
  const rows = sorted(found, columns, order);
  const mayHaveOlder = all.length >= 200 && cursor !== null;
  return (
    <>
      <div class="head">
        <h1>Jobs</h1>
        <Age at={state.jobsAt} />
        <label class="search"><IconSearch /><span class="hidden">Search jobs</span>
          <input type="search" value={route.query.get("q") ?? ""} onInput={(e) => setQuery(route, { q: e.currentTarget.value })} />
          {!route.query.get("q") && <span class="hint" aria-hidden="true">Name or id</span>}
        </label>
      </div>
      <div class="chips" role="group" aria-label="Filter by state">
        <button type="button" aria-pressed={!only} onClick={() => setQuery(route, { state: undefined })}>All <b>{count(all.length)}</b></button>
        {FILTERS.map((f) => (
          <button key={f.key} type="button" aria-pressed={only === f} onClick={() => setQuery(route, { state: only === f ? undefined : f.key })}>
            <span class={`dot fill-${f.key}`} aria-hidden="true" />{f.title} <b>{count(all.filter((j) => f.states.includes(j.state)).length)}</b>
          </button>
        ))}
      </div>
      {rows.length === 0
        ? <Empty>{!state.jobsAt ? "Loading jobs" : all.length ? "No job matches." : <>No jobs yet. Start one in a terminal:<code>village run wc.wasm --input 'texts/*.txt'</code></>}</Empty>
        : <Table caption="Jobs, newest first" columns={columns} rows={rows.slice(0, most)} id={(j) => j.id} order={order} onOrder={(sort) => setQuery(route, { sort })} />}
      {(rows.length > most || mayHaveOlder) && <p class="more"><button type="button" onClick={() => older().catch(() => undefined)}>Show more {rows.length > most ? `of ${plural(rows.length, "job")}` : "older jobs"}</button></p>}
    </>
  );
}
