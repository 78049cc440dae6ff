import { useEffect, useState } from "preact/hooks";
import { useAsked } from "../asked";
import { get, Problem, send } from "../api";
import { bytes, count, short } from "../format";
import { IconBack, IconSleep } from "../parts/icons";
import { Age, Ago, Copy, Empty, Fact, Notice, State } from "../parts/ui";
import { Evidence, HourPrice, Promises, Speed, Trust } from "../parts/trust";
import { href } from "../route";
import { putNode, state, useStore } from "../store";
import type { VillageNode } from "../types";
import type { Harvest, Rate, Score } from "../types_fog";
import { Harvested, LoadBar } from "./nodes";

export function NodePage({ id }: { id: string }) {
  useStore();
  const [missing, setMissing] = useState("");
  const [said, say] = useState<{ text: string; bad?: boolean } | null>(null);
  const node = state.nodes.get(id);
  const rate = useAsked<{ items: Rate[] }>("/v1/fog/rates", 15_000).data?.items.find((r) => r.id === id);
  const score = useAsked<Score>(`/v1/fog/reputation/${encodeURIComponent(id)}?limit=1`, 10_000).data;
  const lent = useAsked<Harvest>(node?.self ? "/v1/fog/harvest" : "").data;

  useEffect(() => {
    const stop = new AbortController();
    setMissing("");
    get<VillageNode>(`/v1/fog/nodes/${encodeURIComponent(id)}`, stop.signal).then(putNode, (e: unknown) => {
      if (e instanceof Problem && e.status === 404) setMissing(e.message);
    });
    return () => stop.abort();
  }, [id]);

  const maintain = async (on: boolean) => {
    try {
      await send("POST", `/v1/fog/nodes/${encodeURIComponent(id)}/maintenance`, { on });
      say({ text: on ? "The node gets no new tasks. Those that run there go on to their end." : "The node gets tasks again." });
      putNode(await get<VillageNode>(`/v1/fog/nodes/${encodeURIComponent(id)}`));
    } catch (e) {
      say({ text: e instanceof Error ? e.message : "That did not work.", bad: true });
    }
  };

  const back = <a class="back" href={href(["nodes"])}><IconBack />All nodes</a>;
  if (!node) return <>{back}<Empty>{missing || "Loading the node"}</Empty></>;
  const resting = node.state === "maintenance";
  return (
    <>
      {back}
      <div class="head">
        <h1>{node.name || short(node.id)}{node.self && <span class="tag">gateway</span>}</h1>
        <State of={node.state} /><Harvested node={node} />
        <Age at={state.nodesAt} />
        <span class="push" />
        <button type="button" onClick={() => maintain(!resting)}><IconSleep />{resting ? "End maintenance" : "Start maintenance"}</button>
      </div>
      {said && <Notice {...said} />}
      {lent?.harvested && (
        <p class="lead" data-test="harvest">Its owner lends it: <b>{lent.state}</b>{lent.since_ms ? <> since <Ago at={lent.since_ms} /></> : ""}{lent.reason?.text && <>, {lent.reason.text}</>}. <span class="faint">Rules: <code>village harvest policy</code></span></p>
      )}
      <dl class="facts">
        <Fact name="Load"><LoadBar node={node} /></Fact>
        <Fact name="Running tasks">{count(node.running)} <span class="faint">of {count(node.running + node.free_slots)} slots</span></Fact>
        <Fact name="Heartbeat"><Ago at={node.seen_ms} /></Fact>
        <Fact name="Tasks done">{count(node.done)}</Fact>
        <Fact name="Tasks failed"><span class={node.failed ? "bad" : ""}>{count(node.failed)}</span></Fact>
        <Fact name="Joined"><Ago at={node.joined_ms} /></Fact>
        <Fact name="CPUs">{count(node.cpus)}</Fact>
        <Fact name="Memory">{bytes(node.memory_bytes)}</Fact>
        <Fact name="Free disk">{bytes(node.disk_bytes)}</Fact>
        <Fact name="Kind">{node.kind.replaceAll("_", " ")}</Fact>
        <Fact name="Runs">{node.features.join(", ") || "–"}</Fact>
        <Fact name="Trust"><Trust node={node} /></Fact>
        {node.attestation && <Fact name="Evidence"><Evidence node={node} />{node.attestation_milli === 300 && !node.quarantined ? "its own word" : ""}</Fact>}
        <Fact name="Speed of a slot"><Speed rate={rate} />{rate?.rate_nh ? <span class="faint"> of the median</span> : ""}</Fact>
        <Fact name="Hour of a slot"><HourPrice rate={rate} /></Fact>
        {Object.entries(node.labels ?? {}).map(([k, v]) => <Fact key={k} name={k.charAt(0).toUpperCase() + k.slice(1).replaceAll("_", " ")}>{v}</Fact>)}
        <Fact name="Address"><span class="mono">{node.addr || "–"}</span></Fact>
      </dl>
      {node.attestation && <p class="faint">Where it runs: {node.attestation}.</p>}
      {score && <Promises score={score} node={node} />}
      <p class="id-line"><span class="faint">Id</span> <span class="mono wrap">{node.id}</span> <Copy text={node.id} what="the node's id" /></p>
    </>
  );
}
