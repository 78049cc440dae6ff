import type { Batch, Objective } from "../types";

const W = 640, H = 220, TOP = 34, BOTTOM = 30, SIDE = 56;
const AXES: { key: Objective; title: string; text: (v: number) => string }[] = [
  { key: "latency", title: "Latency", text: (v) => `${v.toFixed(1)} ms` },
  { key: "balance", title: "Imbalance", text: (v) => v.toFixed(4) },
  { key: "trust", title: "Distrust", text: (v) => v.toFixed(3) },
  { key: "cost", title: "Cost", text: (v) => v.toFixed(0) },
  { key: "price", title: "Price", text: (v) => v.toFixed(0) },
];

/** The front as parallel coordinates: one axis an objective, lower is better; one line a placement that nothing beats in
 *  everything; the one taken is drawn strong. Below each axis, what no placement can beat. */
export function Front({ batch }: { batch: Batch }) {
  const range = AXES.map((a) => {
    const all = batch.front.map((p) => p.objectives[a.key] ?? 0);
    const bound = batch.bound[a.key];
    const lo = Math.min(...all, bound ?? Infinity), hi = Math.max(...all);
    return { lo, span: hi > lo ? hi - lo : 1, best: Math.min(...all), worst: hi, bound };
  });
  const x = (i: number) => SIDE + (i * (W - 2 * SIDE)) / (AXES.length - 1);
  const y = (i: number, v: number) => H - BOTTOM - ((v - range[i]!.lo) / range[i]!.span) * (H - TOP - BOTTOM);
  const path = (p: Batch["front"][number]) => AXES.map((a, i) => `${x(i).toFixed(1)},${y(i, p.objectives[a.key] ?? 0).toFixed(1)}`).join(" ");
  const taken = batch.front.find((p) => p.taken);
  const label = `${batch.front.length} placements of which none is better in everything; taken: ${AXES.map((a) => `${a.title.toLowerCase()} ${taken ? a.text(taken.objectives[a.key] ?? 0) : "unknown"}`).join(", ")}`;
  return (
    <svg class="front" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={label} data-test="front">
      {AXES.map((a, i) => (
        <g key={a.key}>
          <line class="axis" x1={x(i)} x2={x(i)} y1={TOP} y2={H - BOTTOM} />
          <text class="title" x={x(i)} y={14} text-anchor="middle">{a.title}</text>
          <text x={x(i)} y={28} text-anchor="middle">{a.text(range[i]!.worst)}</text>
          <text x={x(i)} y={H - 12} text-anchor="middle">{a.text(range[i]!.best)}</text>
          {range[i]!.bound !== null && range[i]!.bound !== undefined && (
            <line class="bound" x1={x(i) - 7} x2={x(i) + 7} y1={y(i, range[i]!.bound!)} y2={y(i, range[i]!.bound!)}><title>{`no placement can be below ${a.text(range[i]!.bound!)}`}</title></line>
          )}
        </g>
      ))}
      {batch.front.filter((p) => !p.taken).map((p, i) => <polyline key={i} points={path(p)} />)}
      {taken && <polyline class="taken" points={path(taken)} />}
    </svg>
  );
}
