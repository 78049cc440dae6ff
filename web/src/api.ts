// Requests to the gateway. The token lives in this tab only (sessionStorage) and never in a URL that is sent.

const KEY = "village.token";
const TIMEOUT_MS = 10_000;

export class Problem extends Error {
  constructor(readonly status: number, message: string, readonly requestId = "") {
    super(message);
  }
}

let token = sessionStorage.getItem(KEY) ?? "";
let skew = 0; // ms that the gateway's clock is ahead of ours

export const hasToken = () => token !== "";
export function setToken(value: string): void {
  token = value;
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** The gateway's idea of now: ages stay right on a phone whose clock is wrong. */
export const serverNow = () => Date.now() + skew;

function noteClock(answer: Response): void {
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (Number.isNaN(date)) return;
  const off = date - Date.now();
  skew = Math.abs(off) > 3_000 ? off : 0; // the header counts whole seconds
}

export async function request(path: string, init: RequestInit & { timeout?: number } = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token) headers.set("authorization", `Bearer ${token}`);
  const late = AbortSignal.timeout(init.timeout ?? TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, late]) : late;
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, headers, signal, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, "The gateway does not answer.");
  }
  noteClock(answer);
  if (answer.ok) return answer;
  const id = answer.headers.get("x-request-id") ?? "";
  const body = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string };
  throw new Problem(answer.status, body.detail || body.title || `The gateway answered ${answer.status}.`, id);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await request(path, signal ? { signal } : {});
  return (await answer.json()) as T;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T | null> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  const answer = await request(path, init);
  return answer.headers.get("content-type")?.startsWith("application/json") ? ((await answer.json()) as T) : null;
}

const DOWNLOAD_MS = 600_000;

/** Fetches with the token, then hands the file to the browser: a plain link could not carry the token. */
export async function download(path: string, name: string): Promise<void> {
  const answer = await request(path, { timeout: DOWNLOAD_MS });
  const url = URL.createObjectURL(new Blob([await answer.arrayBuffer()], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replace(/[^\w.\- ]+/g, "_") || "output";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The first `most` bytes as text, and whether there is more. The rest is not fetched. */
export async function peek(path: string, most: number, signal: AbortSignal): Promise<{ text: string; more: boolean }> {
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());
  const answer = await request(path, { signal: stop.signal, timeout: 30_000 });
  const reader = answer.body?.getReader();
  const pieces: Uint8Array[] = [];
  let have = 0;
  let more = false;
  while (reader) {
    const { value, done } = await reader.read();
    if (done) break;
    pieces.push(value);
    have += value.length;
    if (have > most) {
      more = true;
      stop.abort();
      break;
    }
  }
  const all = new Uint8Array(have);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return { text: new TextDecoder().decode(all.subarray(0, most)), more };
}
