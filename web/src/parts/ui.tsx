// Small parts that every page uses.

import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { serverNow } from "../api";
import { ago, moment } from "../format";
import { state } from "../store";
import { IconCheck, IconCopy } from "./icons";

const ticks = new Set<() => void>();
setInterval(() => {
  if (!document.hidden) for (const tick of [...ticks]) tick();
}, 1_000);

/** Renders the component again every second; one timer for all. */
export function useTick(): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const tick = () => again(undefined as never);
    ticks.add(tick);
    return () => void ticks.delete(tick);
  }, []);
}

/** "12 s ago" of a time by the gateway's clock. */
export function Ago({ at }: { at: number | null | undefined }) {
  useTick();
  if (!at) return <span class="faint">–</span>;
  return <time dateTime={new Date(at).toISOString()} title={moment(at)}>{ago(serverNow() - at)}</time>;
}

const FRESH_MS = 7_000; // a live connection is heard from every 5 s
const STALE_MS = 15_000;

/** When a number on this page was last known to be true: while the connection lives, silence means nothing changed. */
export function Age({ at }: { at: number }) {
  useTick();
  if (!at) return <span class="age">no data yet</span>;
  const old = Date.now() - (state.link === "live" ? Math.max(at, state.heardAt) : at);
  return <span class={old > STALE_MS ? "age stale" : "age"}>{old < FRESH_MS ? "now" : ago(old)}</span>;
}

const WORDS: Record<string, string> = { verifying: "verifying", submitted: "waiting", priced: "waiting", placed: "placed" };

export function State({ of }: { of: string }) {
  return <span class={`state s-${of}`}>{WORDS[of] ?? of}</span>;
}

export interface Part {
  state: string;
  n: number;
}

/** A bar whose parts add up to `total`; what is missing stays empty. */
export function Bar({ parts, total, label }: { parts: Part[]; total: number; label: string }) {
  let x = 0;
  return (
    <svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="bar-rest" width="100" height="1" />
      {total > 0 && parts.map(({ state, n }) => {
        const width = (n / total) * 100;
        const rect = <rect key={state} class={`fill-${state}`} x={x} width={width} height="1" />;
        x += width;
        return rect;
      })}
    </svg>
  );
}

/** Columns, newest at the right. */
export function Columns({ values, label }: { values: number[]; label: string }) {
  const top = Math.max(1, ...values);
  return (
    <svg class="columns" viewBox={`0 0 ${values.length * 4} 40`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((v, i) => (
        <rect key={i} class={v > 0 ? "column" : "column-none"} x={i * 4} width="3" y={v > 0 ? 40 - Math.max(2, (v / top) * 40) : 39}
          height={v > 0 ? Math.max(2, (v / top) * 40) : 1} />
      ))}
    </svg>
  );
}

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(text).catch(() => undefined);
    set(true);
    setTimeout(() => set(false), 1_500);
  };
  return (
    <button type="button" class="quiet small" onClick={copy} aria-label={done ? "Copied" : `Copy ${what}`} title={`Copy ${what}`}>
      {done ? <IconCheck /> : <IconCopy />}
    </button>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}

/** A question before something that cannot be taken back. */
export function Confirm({ title, children, yes, onYes, onClose }: {
  title: string;
  children: ComponentChildren;
  yes: string;
  onYes: () => void;
  onClose: () => void;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} onClose={onClose} aria-labelledby="confirm-title">
      <form method="dialog">
        <h2 id="confirm-title">{title}</h2>
        <p>{children}</p>
        <div class="actions">
          <button type="submit" autofocus>Keep it</button>
          <button type="submit" class="danger" onClick={onYes}>{yes}</button>
        </div>
      </form>
    </dialog>
  );
}

/** A line that says what an action did or why it did not work. */
export function Notice({ text, bad }: { text: string; bad?: boolean }) {
  return <p class={bad ? "notice bad" : "notice"} role={bad ? "alert" : "status"}>{text}</p>;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
