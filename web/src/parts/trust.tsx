// Trust and measured speed in words. The figures come from the coordinator: docs/fog.md, Reputation and Market.

import { count, credits, CREDITS, percent, trust } from "../format";
import type { Belief, Promised, Rate, Score } from "../types_fog";
import type { VillageNode } from "../types";

const TRUSTED = 800; // thousandths, as src/trust/reputation.h
const SURE = 200;

/** What a trust of that much says, as one sentence. */
export function trustWords(milli: number, doubt: number): string {
  const chance = Math.floor(milli / 10);
  if (doubt > SURE) return `New: too little is known of this node (uncertainty ${trust(doubt)}), so its results are checked. So far no more than ${chance} % is sure.`;
  const what = `With 95 % confidence at least ${chance} of 100 tasks end right, as many in time, and as many honestly metered`;
  return milli >= TRUSTED ? `Trusted. ${what}.` : `Not trusted: below 0.80. ${what}.`;
}

export function Trust({ node }: { node: VillageNode }) {
  if (node.trust_milli === undefined) return <span class="faint">–</span>;
  const doubt = node.doubt_milli ?? 1_000;
  return (
    <span class="trust" title={trustWords(node.trust_milli, doubt)}>
      {trust(node.trust_milli)}
      {node.flagged ? <span class="tag warn">new</span> : node.trust_milli < TRUSTED && <span class="tag warn">low</span>}
    </span>
  );
}

/** Where a node runs, by evidence: nothing is shown for its own word, which is what every node has. */
export function Evidence({ node }: { node: VillageNode }) {
  const level = node.attestation_milli;
  if (level === undefined) return null;
  const title = `Evidence of where it runs: level ${trust(level)} (0.30 its own word, 0.50 mobile, 0.70 TPM, 0.90 TEE). ${node.attestation ?? "Not asked yet"}.`;
  if (node.quarantined) return <span class="tag warn" title={`${title} In quarantine: no tasks, and it may send no jobs.`}>quarantine</span>;
  if (level < 300) return <span class="tag warn" title={title}>refused</span>;
  if (level === 300) return null;
  return <span class="tag" title={title}>proven {trust(level)}</span>;
}

const VERDICTS: Record<Rate["verdict"], string> = {
  unknown: "Not measured yet: the coordinator measures a node when it has nothing to do, or at once with village bench NODE.",
  good: "Measured by the coordinator; what a node says of itself does not count.",
  oversold: "Oversold: more slots were claimed than the machine has cores for; it gets tasks for those that were found.",
  false: "False: the answer to the measurement was wrong. It counts as a wrong result.",
};

export function Speed({ rate }: { rate: Rate | undefined }) {
  if (!rate) return <span class="faint">–</span>;
  if (rate.running) return <span class="faint" title="The coordinator measures it just now.">measuring</span>;
  const odd = rate.verdict === "oversold" || rate.verdict === "false";
  if (!rate.rate_nh && !odd) return <span class="faint" title={VERDICTS.unknown}>unknown</span>;
  const title = `${VERDICTS[rate.verdict]} ${rate.rate_nh ? `One slot does ${count(rate.rate_nh)} nH an hour, ${percent(rate.rate_milli / 10)} of the median node.` : ""}`;
  return <span title={title}>{rate.rate_nh ? percent(rate.rate_milli / 10) : ""}{odd && <span class="tag warn">{rate.verdict}</span>}</span>;
}

export function HourPrice({ rate }: { rate: Rate | undefined }) {
  if (!rate) return <span class="faint">–</span>;
  return <span class="nowrap" title={`An hour of one slot of this node, by its measured speed and what its owner asks. ${CREDITS}.`}>{rate.hour_price ? credits(rate.hour_price) : "free"}</span>;
}

const PROMISES: { key: Promised; title: string; words: string }[] = [
  { key: "correct", title: "Correct", words: "results that were compared with others and right" },
  { key: "in_time", title: "In time", words: "tasks that ended before their lease" },
  { key: "honest", title: "Honest", words: "receipts that claim no more time than passed" },
  { key: "available", title: "Available", words: "time it was there; counts for promises of availability, not for trust" },
];
const W = 300, H = 18;

/** What is believed: the bar from the lower to the upper bound, the tick at what is expected. */
function Range({ of, title }: { of: Belief; title: string }) {
  const x = (ppm: number) => (ppm / 1e6) * W;
  const label = `${title}: expected ${percent(of.expect_ppm / 1e4)}, at least ${percent(of.lower_ppm / 1e4)}, at most ${percent(of.upper_ppm / 1e4)}`;
  return (
    <svg class="range" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="bar-rest" y="6" width={W} height="6" />
      <rect class="range-sure" x={x(of.lower_ppm)} y="6" width={Math.max(2, x(of.upper_ppm - of.lower_ppm))} height="6" />
      <rect class="range-mean" x={Math.min(W - 4, Math.max(0, x(of.expect_ppm) - 2))} y="1" width="4" height="16" />
    </svg>
  );
}

export function Promises({ score, node }: { score: Score; node: VillageNode }) {
  return (
    <section aria-labelledby="h-trust">
      <h2 id="h-trust" class="above">Trust</h2>
      <p class="lead" data-test="trust-words">
        <b>{trust(score.trust_ppm / 1e3)}</b> {trustWords(score.trust_ppm / 1e3, score.doubt_ppm / 1e3)}
      </p>
      <ul class="ranges">
        {PROMISES.map(({ key, title, words }) => {
          const d = score.dimensions[key];
          return (
            <li key={key}>
              <span><b>{title}</b> <span class="faint">{words}</span></span>
              <Range of={d} title={title} />
              <span class="figure" title={`expected ${percent(d.expect_ppm / 1e4)}; with 90 % confidence between these`}>{percent(d.lower_ppm / 1e4)} to {percent(d.upper_ppm / 1e4)}</span>
            </li>
          );
        })}
      </ul>
      <p class="faint">
        {score.pieces ? <>From {count(score.pieces)} signed pieces of evidence; old ones fade. Check them yourself:</> : <>No evidence yet: it comes with the first tasks. Look again with:</>}{" "}
        <code class="wrap">village reputation {node.name || node.id}{score.pieces ? " --check" : ""}</code>
      </p>
    </section>
  );
}
