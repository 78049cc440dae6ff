// What changes seldom is asked for again and again while its page is open. The last answer stays, so that a page that is
// opened again shows it at once, with its age.

import { useEffect, useReducer } from "preact/hooks";
import { get, Problem, request } from "./api";

export interface Asked<T> {
  data: T | null;
  at: number; // our clock; 0: not answered yet
  problem: string; // why there is no answer, in the gateway's words
}

const answers = new Map<string, Asked<unknown>>();
const KEPT = 100;
const EVERY_MS = 5_000;

function keep<T>(path: string, answer: Asked<T>): void {
  answers.delete(path);
  answers.set(path, answer);
  if (answers.size > KEPT) answers.delete(answers.keys().next().value ?? "");
}

function useAnswer<T>(path: string, ask: (path: string, signal: AbortSignal) => Promise<T>, every: number): Asked<T> {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    if (!path) return;
    const stop = new AbortController();
    let timer = 0;
    const next = async () => {
      if (!document.hidden) {
        const before = answers.get(path) as Asked<T> | undefined;
        try {
          keep(path, { data: await ask(path, stop.signal), at: Date.now(), problem: "" });
        } catch (e) {
          if (stop.signal.aborted) return;
          // What the gateway refuses is an answer; when it is silent, the last one stays with its age.
          const refused = e instanceof Problem && e.status >= 400 && e.status < 500;
          keep(path, { data: refused ? null : (before?.data ?? null), at: refused ? Date.now() : (before?.at ?? 0), problem: e instanceof Error ? e.message : "" });
        }
        if (stop.signal.aborted) return;
        again(undefined as never);
      }
      timer = window.setTimeout(next, every);
    };
    void next();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [path]);
  return (answers.get(path) as Asked<T> | undefined) ?? { data: null, at: 0, problem: "" };
}

/** The answer to GET `path`, asked again every 5 s; "" asks nothing. */
export const useAsked = <T>(path: string, every = EVERY_MS): Asked<T> => useAnswer<T>(path, get, every);

async function level(path: string, signal: AbortSignal): Promise<number | null> {
  const text = await (await request(path, { signal })).text();
  const found = /^village_shed_level (\d+)/m.exec(text);
  return found ? Number(found[1]) : null;
}

/** How many classes of jobs are turned away at present; null when the node does not say. */
export const useShedLevel = (): Asked<number | null> => useAnswer<number | null>("/v1/system/metrics", level, 15_000);
