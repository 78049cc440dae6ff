// What the village can show for its word: the log of receipts, promises of availability, what machines gave, and privacy.

import { useAsked, useShedLevel } from "../asked";
import { count, credits, duration, plural, share, short } from "../format";
import { Table, type Column } from "../parts/table";
import { IconAlert, IconCheck } from "../parts/icons";
import { Age, Ago, Copy, Empty, Fact, State } from "../parts/ui";
import { href } from "../route";
import { state, useStore } from "../store";
import type { Agreement, Contribution, LogHead, Mix } from "../types_fog";
import type { Page } from "../types";

const nodeName = (id: string) => state.nodes.get(id)?.name || short(id);

const LEVELS = [
  "All jobs are taken.",
  "Jobs of class B are turned away for now: more comes than can be done.",
  "Only jobs of class S are taken for now: more comes than can be done.",
];

function Overload() {
  const { data } = useShedLevel();
  if (data === null) return null;
  const words = LEVELS[Math.min(data, 2)];
  return data === 0
    ? <p class="calm" data-test="overload"><IconCheck /> {words}</p>
    : <p class="calm" data-test="overload"><IconAlert /> <b>{words}</b></p>;
}

function Log() {
  const { data, at, problem } = useAsked<LogHead>("/v1/fog/log");
  return (
    <section aria-labelledby="h-log">
      <div class="head"><h2 id="h-log">Log of receipts</h2><Age at={at} /></div>
      {!data ? <Empty>{problem || "Loading the log"}</Empty> : (
        <>
          <dl class="facts log">
            <Fact name="Receipts"><span data-test="log-size">{count(data.size)}</span></Fact>
            <Fact name="Signed"><Ago at={data.time_ms} /></Fact>
            <Fact name="By"><a href={href(["nodes", data.signer])}>{nodeName(data.signer)}</a></Fact>
            <Fact name="Root"><span class="mono wrap">{data.root}</span> <Copy text={data.root} what="the root" /></Fact>
          </dl>
          <p class="faint note">
            {data.size
              ? "Each task that ended left a receipt here that its worker signed. The root is one number for all of them: who notes it sees every later change of the past. Check those of a job: "
              : "No receipt yet: each task that ends leaves one, signed by its worker. Run one: "}
            <code class="wrap">{data.size ? "village receipts JOB --check" : "village run wc.wasm --input a.txt"}</code>
          </p>
        </>
      )}
    </section>
  );
}

const promised: Column<Agreement>[] = [
  { key: "job", title: "Job", wide: true, cell: (a) => <a class="title" href={href(["jobs", a.job])}>{state.jobs.get(a.job)?.name || short(a.job)}<span class="mono faint">{short(a.job)}</span></a> },
  { key: "state", title: "Promise", cell: (a) => <State of={a.state} /> },
  { key: "tier", title: "Tier", cell: (a) => a.tier },
  { key: "promised", title: "Promised", right: true, cell: (a) => share(a.promised_ppb) },
  { key: "measured", title: "Measured", right: true, cell: (a) => <span class={a.measured_ppb < a.promised_ppb ? "bad" : ""}>{share(a.measured_ppb)}</span> },
  { key: "down", title: "Down", right: true, cell: (a) => <span title={`${plural(a.outages, "outage")}; the tier allows ${duration(a.allowed_ms)} in its time; ${duration(a.unobserved_ms)} nobody could see`}>{duration(a.down_ms + a.unobserved_ms)}</span> },
  { key: "nodes", title: "Nodes up", right: true, cell: (a) => <>{a.nodes.filter((n) => n.up).length}<span class="faint"> / {a.nodes.length}</span></> },
  { key: "refund", title: "Owed back", right: true, cell: (a) => (a.refund ? <span class="bad">{credits(a.refund)}</span> : <span class="faint">–</span>) },
];

const given: Column<Contribution>[] = [
  { key: "node", title: "Machine", wide: true, cell: (c) => <a class="title" href={href(["nodes", c.node])}>{nodeName(c.node)}<span class="mono faint">{short(c.node)}</span></a> },
  { key: "open", title: "State", cell: (c) => <State of={c.open ? "running" : "ended"} /> },
  { key: "start", title: "Began", right: true, cell: (c) => <Ago at={c.start_ms} /> },
  { key: "cpu", title: "Processor", right: true, cell: (c) => <span title="Processor time it says it gave; below: what its signed receipts show and the coordinator believes">{duration(c.cpu_us / 1000)}</span> },
  { key: "believed", title: "Proven", right: true, cell: (c) => duration(c.believed_cpu_us / 1000) },
  { key: "done", title: "Done", right: true, cell: (c) => count(c.tasks_done) },
  { key: "failed", title: "Failed", right: true, cell: (c) => <span class={c.tasks_failed ? "bad" : "faint"}>{count(c.tasks_failed)}</span> },
  { key: "back", title: "Handed back", right: true, cell: (c) => <span title="Tasks given back because the owner needed the machine">{count(c.tasks_handed_back)}</span> },
];

function Privacy() {
  const { data: mix, at, problem } = useAsked<Mix>("/v1/mix");
  const can = mix?.levels.filter((l) => l.available) ?? [];
  return (
    <section aria-labelledby="h-mix">
      <div class="head"><h2 id="h-mix">Private network</h2><Age at={at} /></div>
      {!mix ? <Empty>{problem || "Loading"}</Empty> : (
        <>
          <p class="lead" data-test="mix">
            {can.length
              ? <>Levels that can be had: <b>{can.map((l) => `${l.name} (${duration(l.mean_delay_ms ?? 0)})`).join(", ")}</b>, through {plural(mix.relays, "relay")}.</>
              : <>No private level can be had: {mix.levels[0]?.reason ?? "unknown"}.</>}
          </p>
          <p class="faint">
            {mix.charter
              ? <>Epoch {count(mix.epoch)}; this node {mix.relay.on ? `is a relay and passed on ${plural(mix.relay.forwarded, "packet")}` : "is no relay"}; {count(mix.client.messages_out)} messages out, {count(mix.client.messages_in)} in.</>
              : <>Name three or more members that keep its directory: <code class="wrap">village mix authorities NODE NODE NODE</code></>}
          </p>
        </>
      )}
    </section>
  );
}

export function TrustPage() {
  useStore();
  const agreements = useAsked<Page<Agreement>>("/v1/fog/agreements?limit=100");
  const gifts = useAsked<Page<Contribution>>("/v1/fog/contributions?limit=100");
  return (
    <>
      <div class="head"><h1>Trust</h1></div>
      <Overload />
      <Log />
      <section aria-labelledby="h-agreements">
        <div class="head"><h2 id="h-agreements">Promises of availability</h2><Age at={agreements.at} /></div>
        {agreements.data?.items.length
          ? <Table caption="Promises of availability, newest first" columns={promised} rows={agreements.data.items} id={(a) => a.job} />
          : <Empty>{!agreements.data ? agreements.problem || "Loading promises" : <>No promise yet. A job with a tier gets one:<code>village run count.wasm --tier bronze --input a.txt</code></>}</Empty>}
      </section>
      <section aria-labelledby="h-gifts">
        <div class="head"><h2 id="h-gifts">Lent machines</h2><Age at={gifts.at} /></div>
        {gifts.data?.items.length
          ? <Table caption="What lent machines gave" columns={given} rows={gifts.data.items} id={(c) => `${c.node}${c.start_ms}`} />
          : <Empty>{!gifts.data ? gifts.problem || "Loading" : <>No lent machine has given anything yet. Lend one while its owner is away:<code>village join TICKET --harvest</code></>}</Empty>}
      </section>
      <Privacy />
    </>
  );
}
