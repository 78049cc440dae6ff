import { useAsked } from "../asked";
import { bytes, count, percent, plural, short } from "../format";
import { IconSearch } from "../parts/icons";
import { Age, Ago, Bar, Empty, State } from "../parts/ui";
import { Evidence, HourPrice, Speed, Trust } from "../parts/trust";
import { parseOrder, sorted, Table, type Column } from "../parts/table";
import { href, setQuery, type Route } from "../route";
import { state, useStore } from "../store";
import { NODE_STATES, type VillageNode } from "../types";
import type { Rate } from "../types_fog";

const SHOWN = 200; // rows at a time: a page of thousands is slow to draw and nobody reads it

export const LoadBar = ({ node }: { node: VillageNode }) => {
  const load = Math.min(100, node.load_milli / 10);
  if (node.state === "offline") return <span class="faint">–</span>;
  return (
    <span class="load">
      <Bar total={100} parts={[{ state: "load", n: load }]} label={`load ${percent(load)}`} />
      <span class="figure">{percent(node.load_milli / 10)}</span>
    </span>
  );
};

const LABELS = ["site", "owner", "region"]; // what people call it by; the others are on the node's page
const labelText = (n: VillageNode) => LABELS.map((k) => n.labels?.[k]).filter(Boolean).join(", ");

/** What a machine that its owner lends says of itself. */
export const HARVEST_WORDS: Record<string, string> = {
  ready: "Lent: its owner does not need it, it takes tasks.",
  throttled: "Lent, but slowed down: it is warm or runs on battery.",
  paused: "Lent, but paused: its tasks stand still.",
  away: "Lent, but its owner needs it now: it takes no tasks.",
};

export const Harvested = ({ node }: { node: VillageNode }) =>
  node.harvest ? <span class="tag" title={HARVEST_WORDS[node.harvest]}>lent, {node.harvest}</span> : null;

const columnsOf = (rates: Map<string, Rate>): Column<VillageNode>[] => [
  { key: "name", title: "Node", wide: true, sort: (n) => n.name, cell: (n) => (
    <a class="title" href={href(["nodes", n.id])}>{n.name || short(n.id)}{n.self && <span class="tag">gateway</span>}<span class="mono faint">{short(n.id)}</span>{labelText(n) && <span class="below faint" title="site, owner, region">{labelText(n)}</span>}</a>
  ) },
  { key: "state", title: "State", sort: (n) => NODE_STATES.indexOf(n.state), cell: (n) => <><State of={n.state} />{n.harvest && <span class="below faint" title={HARVEST_WORDS[n.harvest]}>lent, {n.harvest}</span>}</> },
  { key: "load", title: "Load", wide: true, sort: (n) => (n.state === "offline" ? -1 : n.load_milli), cell: (n) => <LoadBar node={n} /> },
  { key: "running", title: "Running", right: true, sort: (n) => n.running, cell: (n) => <>{count(n.running)}<span class="faint"> / {count(n.running + n.free_slots)}</span></> },
  { key: "trust", title: "Trust", right: true, sort: (n) => n.trust_milli ?? -1, cell: (n) => <><Trust node={n} /><Evidence node={n} /></> },
  { key: "speed", title: "Speed", right: true, sort: (n) => rates.get(n.id)?.rate_nh ?? -1, cell: (n) => <Speed rate={rates.get(n.id)} /> },
  { key: "price", title: "Hour", right: true, sort: (n) => rates.get(n.id)?.hour_price ?? -1, cell: (n) => <HourPrice rate={rates.get(n.id)} /> },
  { key: "cpus", title: "CPUs", right: true, sort: (n) => n.cpus, cell: (n) => <>{count(n.cpus)}<span class="faint"> · {bytes(n.memory_bytes)}</span></> },
  { key: "done", title: "Done", right: true, sort: (n) => n.done, cell: (n) => <>{count(n.done)}{n.failed > 0 && <span class="below bad">{count(n.failed)} failed</span>}</> },
  { key: "seen", title: "Heartbeat", right: true, sort: (n) => -n.seen_ms, cell: (n) => <Ago at={n.seen_ms} /> },
];

export function Nodes({ route }: { route: Route }) {
  useStore();
  const rates = useAsked<{ items: Rate[] }>("/v1/fog/rates", 15_000).data?.items ?? [];
  const columns = columnsOf(new Map(rates.map((r) => [r.id, r])));
  const text = (route.query.get("q") ?? "").toLowerCase();
  const only = route.query.get("state") ?? "";
  const most = Number(route.query.get("n") ?? SHOWN) || SHOWN;
  const order = parseOrder(route.query.get("sort"), "name");
  const all = [...state.nodes.values()];
  const found = all.filter((n) => (!only || n.state === only) && (!text || `${n.name} ${n.id} ${n.addr} ${n.kind} ${Object.values(n.labels ?? {}).join(" ")} ${n.region}`.toLowerCase().includes(text)));
  const rows = sorted(found, columns, order);
  return (
    <>
      <div class="head">
        <h1>Nodes</h1>
        <Age at={state.nodesAt} />
        <label class="search"><IconSearch /><span class="hidden">Search nodes</span>
          <input type="search" value={route.query.get("q") ?? ""} onInput={(e) => setQuery(route, { q: e.currentTarget.value })} />
          {!route.query.get("q") && <span class="hint" aria-hidden="true">Name, id, owner</span>}
        </label>
      </div>
      <div class="chips" role="group" aria-label="Filter by state">
        <button type="button" aria-pressed={!only} onClick={() => setQuery(route, { state: undefined })}>All <b>{count(all.length)}</b></button>
        {NODE_STATES.map((s) => (
          <button key={s} type="button" aria-pressed={only === s} onClick={() => setQuery(route, { state: only === s ? undefined : s })}>
            <span class={`dot fill-${s}`} aria-hidden="true" />{s} <b>{count(all.filter((n) => n.state === s).length)}</b>
          </button>
        ))}
      </div>
      {rows.length === 0
        ? <Empty>{!state.nodesAt ? "Loading nodes" : all.length ? "No node matches." : <>No nodes yet. Let one join:<code>village ticket</code></>}</Empty>
        : <Table caption="Nodes of the village" columns={columns} rows={rows.slice(0, most)} id={(n) => n.id} order={order} onOrder={(sort) => setQuery(route, { sort })} />}
      {rows.length > most && <p class="more"><button type="button" onClick={() => setQuery(route, { n: String(most + SHOWN) })}>Show more of {plural(rows.length, "node")}</button></p>}
    </>
  );
}
