import { serverNow } from "../api";
import { ago, credits, plural } from "../format";
import type { TierPrices } from "../types_fog";

const W = 320, H = 96, TOP = 8, BOTTOM = 18, LEFT = 2, RIGHT = 2;
const HOUR_MS = 3_600_000;

/** Price by hour as a line, what is foretold as a dashed one in the band it is expected in. */
export function PriceLine({ of }: { of: TierPrices }) {
  const hours = of.hours, last = hours.at(-1);
  if (!last) return null;
  const ahead = of.forecast.map((f) => ({ ...f, at: last.at_ms + f.hours_ahead * HOUR_MS }));
  const from = hours[0]!.at_ms, to = Math.max(last.at_ms, ...ahead.map((f) => f.at), from + HOUR_MS);
  const all = [of.list_price, ...hours.flatMap((h) => [h.low, h.high]), ...ahead.flatMap((f) => [f.low, f.high])];
  const low = Math.min(...all), high = Math.max(...all, low + 1);
  const x = (at: number) => (LEFT + ((at - from) / (to - from)) * (W - LEFT - RIGHT)).toFixed(1);
  const y = (price: number) => (H - BOTTOM - ((price - low) / (high - low)) * (H - TOP - BOTTOM)).toFixed(1);
  const points = (all: { at: number; price: number }[]) => all.map((p) => `${x(p.at)},${y(p.price)}`).join(" ");
  const start = { at: last.at_ms, price: last.price, low: last.price, high: last.price };
  const told = [start, ...ahead];
  const band = [...told.map((f) => `${x(f.at)},${y(f.high)}`), ...told.map((f) => `${x(f.at)},${y(f.low)}`).reverse()].join(" ");
  const label = `Price of an H200-hour, ${of.tier}: ${plural(hours.length, "hour")} with sales, last ${credits(last.price)}, between ${credits(low)} and ${credits(high)}`
    + (ahead.length ? `; foretold ${ahead.map((f) => `in ${f.hours_ahead} h ${credits(f.price)} (${credits(f.low)} to ${credits(f.high)})`).join(", ")}` : "");
  return (
    <svg class="price-line" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={label} data-test="price-line">
      {ahead.length > 0 && <polygon class="band" points={band} />}
      <line class="list" x1={LEFT} x2={W - RIGHT} y1={y(of.list_price)} y2={y(of.list_price)} />
      {hours.length > 1 && <polyline class="past" points={points(hours.map((h) => ({ at: h.at_ms, price: h.price })))} />}
      {ahead.length > 0 && <polyline class="told" points={points(told)} />}
      <circle class="now" cx={x(last.at_ms)} cy={y(last.price)} r="3" />
      <text x={LEFT} y={H - 4}>{ago(serverNow() - from)}</text>
      <text x={W - RIGHT} y={H - 4} text-anchor="end">{ahead.length ? `in ${ahead.at(-1)!.hours_ahead} h` : ""}</text>
    </svg>
  );
}
