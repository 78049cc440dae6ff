import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { count, plural, timeOfDay } from "../format";
import type { Batch, Explain, Job } from "../types";
import { Front } from "./front";

const SHOWN = 3; // batches; the command line lists more

const percent = (v: number | null | undefined) => (v === null || v === undefined ? "unknown" : `${(100 * v).toFixed(1)} %`);
const listed = (by: Record<string, number>) => Object.entries(by).map(([k, n]) => `${count(n)} ${k.replaceAll("_", " ")}`).join(", ");

function OneBatch({ batch }: { batch: Batch }) {
  const gaps = Object.entries(batch.gap).filter(([, v]) => v !== null).map(([k, v]) => `${k} ${percent(v)}`).join(", ");
  return (
    <li>
      <p>
        <time class="faint">{timeOfDay(batch.at_ms)}</time>{" "}
        <b>{batch.strategy.replaceAll("_", " ")}</b>{batch.sampled && " by sampling"}: {plural(batch.tasks_of_job, "task")} of this job
        among {count(batch.tasks)} on {plural(batch.nodes, "node")}, weights of class {batch.class}
        {batch.conflicts > 0 && `, ${count(batch.conflicts)} placed again after a conflict`}
      </p>
      {batch.front.length > 0 && <Front batch={batch} />}
      <p class="faint">
        {batch.generations > 0 && <>{count(batch.generations)} generations, hypervolume {batch.hypervolume?.toFixed(4) ?? "unknown"} (began at {batch.hypervolume_first?.toFixed(4) ?? "unknown"}). </>}
        {gaps && <>Distance to what no placement can beat, at most: {gaps}.</>}
        {Object.keys(batch.left_by_reason).length > 0 && <> Left: {listed(batch.left_by_reason)}.</>}
      </p>
    </li>
  );
}

/** Why the tasks are where they are, and what others wait for. */
export function Placement({ job }: { job: Job }) {
  const [said, say] = useState<Explain | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      get<Explain>(`/v1/fog/jobs/${job.id}/explain`, stop.signal).then(say, () => undefined);
    }, said ? 2_000 : 0); // asked again when something moved, at most every 2 s
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [job.id, job.state, job.tasks.waiting, job.tasks.running]);
  if (!said || (!said.waiting && !said.batches.length)) return null;
  return (
    <section aria-labelledby="h-placement">
      <h2 id="h-placement">Placement</h2>
      {said.waiting && (
        <p data-test="waits"><b>{plural(said.waiting.tasks, "task")} waiting:</b> {said.waiting.reason} <span class="faint">({plural(said.waiting.nodes, "node")}: {listed(said.waiting.nodes_by_reason)})</span></p>
      )}
      <ol class="batches">{said.batches.slice(0, SHOWN).map((b) => <OneBatch key={b.batch} batch={b} />)}</ol>
      {said.batches.length > SHOWN && <p class="faint">All of them: <code>village explain {job.id.slice(-8)}</code></p>}
    </section>
  );
}
