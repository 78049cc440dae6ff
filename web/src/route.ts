// The state of a view is in the part of the address behind '#', so that every view can be shared and reloaded.

import { useEffect, useState } from "preact/hooks";
import { setToken } from "./api";

export interface Route {
  path: string[];
  query: URLSearchParams;
}

function parse(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

/** `village up` prints an address that ends in #token=...: take it and remove it from address and history. */
export function takeToken(): void {
  const found = /^#token=([^&]+)(?:&to=(.*))?$/.exec(location.hash);
  if (!found?.[1]) return;
  setToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}#/${(found[2] ?? "").replace(/^\/+/, "")}`);
}

export function href(path: string[], query: Record<string, string | undefined> = {}): string {
  const kept = Object.entries(query).filter((e): e is [string, string] => Boolean(e[1]));
  const tail = new URLSearchParams(kept).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${tail ? `?${tail}` : ""}`;
}

/** Changes one value of the view in place, without a new entry in the history for every key typed. */
export function setQuery(route: Route, changes: Record<string, string | undefined>): void {
  const query = { ...Object.fromEntries(route.query), ...changes };
  history.replaceState(null, "", href(route.path, query));
  window.dispatchEvent(new Event("hashchange"));
}

export function useRoute(): Route {
  const [route, set] = useState(parse);
  useEffect(() => {
    const tell = () => set(parse());
    window.addEventListener("hashchange", tell);
    return () => window.removeEventListener("hashchange", tell);
  }, []);
  return route;
}
