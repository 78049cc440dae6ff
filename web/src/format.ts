// Numbers and times as people read them.

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${n < 10 && unit > 0 ? n.toFixed(1).replace(/\.0$/, "") : Math.round(n)} ${units[unit]}`;
}

export function duration(ms: number): string {
  if (!(ms >= 0)) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const s = ms / 1_000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} m ${String(Math.floor(s % 60)).padStart(2, "0")} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${String(Math.floor((s / 60) % 60)).padStart(2, "0")} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s / 3_600) % 24)} h`;
}

export function ago(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1_000));
  if (s < 2) return "now";
  if (s < 120) return `${s} s ago`;
  if (s < 7_200) return `${Math.floor(s / 60)} min ago`;
  if (s < 172_800) return `${Math.floor(s / 3_600)} h ago`;
  return `${Math.floor(s / 86_400)} d ago`;
}

const whole = new Intl.NumberFormat("en");
export const count = (n: number) => whole.format(n);
export const percent = (n: number) => `${Math.round(n)} %`;
export function perSecond(n: number): string {
  if (n === 0) return "0";
  return n < 10 ? n.toFixed(1) : whole.format(Math.round(n));
}

const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
export const moment = (ms: number) => clock.format(ms);
const hours = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
export const timeOfDay = (ms: number) => hours.format(ms);

/** The end of an id, as the command line shows it. */
export const short = (id: string) => (id.length > 8 ? id.slice(-8) : id);
export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

const places = (n: number, most: number) => new Intl.NumberFormat("en", { maximumFractionDigits: most }).format(n);

/** Money: from micro-credits (µcr); from a hundredth of a credit on in credits (cr). */
export const credits = (micro: number) => (micro < 10_000 ? `${whole.format(micro)} µcr` : `${places(micro / 1e6, micro < 1e6 ? 4 : 2)} cr`);
export const CREDITS = "1 cr (credit) is 1,000,000 µcr (micro-credits)";

/** A share in parts of a billion, with as many nines as it has. */
export const share = (ppb: number) => `${places(Math.floor(ppb / 1e3) / 1e4, 4)} %`;

/** A probability in thousandths, two digits, rounded down: trust must not look greater than it is. */
export const trust = (milli: number) => (Math.floor(milli / 10) / 100).toFixed(2);
