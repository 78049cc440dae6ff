// The frame of every page: header, navigation, the state of the connection, and the page that the address names.

import { useEffect, useRef, useState } from "preact/hooks";
import { hasToken, setToken } from "./api";
import { ago } from "./format";
import { retryNow, start, stop } from "./live";
import { IconJobs, IconMarket, IconNodes, IconOverview, IconTheme, IconTrust, Logo } from "./parts/icons";
import { useTick } from "./parts/ui";
import { href, useRoute } from "./route";
import { setLink, state, useStore, type Link } from "./store";
import { nextTheme, theme } from "./theme";
import { JobPage } from "./views/job";
import { Jobs } from "./views/jobs";
import { AuctionPage, Market } from "./views/market";
import { NodePage } from "./views/node";
import { Nodes } from "./views/nodes";
import { Overview } from "./views/overview";
import { SignIn } from "./views/signin";
import { TrustPage } from "./views/trust";

const PAGES = [
  { path: [] as string[], title: "Overview", icon: IconOverview },
  { path: ["nodes"], title: "Nodes", icon: IconNodes },
  { path: ["jobs"], title: "Jobs", icon: IconJobs },
  { path: ["market"], title: "Market", icon: IconMarket },
  { path: ["trust"], title: "Trust", icon: IconTrust },
];

function linkText(link: Link, old: number): string {
  const age = state.heardAt ? `${ago(old).replace("now", "0 s ago").replace(" ago", "")} old` : "no data yet";
  switch (link) {
    case "live": return old > 15_000 ? `Silent, ${age}` : "Live";
    case "polling": return `Polling, ${age}`;
    case "connecting": return "Connecting";
    case "lost": return `Reconnecting, ${age}`;
    case "denied": return "Signed out";
  }
}

function Connection() {
  useStore();
  useTick();
  const old = Date.now() - state.heardAt;
  const shown = state.link === "live" && old > 15_000 ? "lost" : state.link;
  return (
    <div class={`link l-${shown}`}>
      <span class="dot" aria-hidden="true" />
      <span data-test="link">{linkText(state.link, old)}</span>
      {state.link === "lost" && <button type="button" class="quiet small" onClick={retryNow}>Retry now</button>}
      {/* Told when the state changes, not at every second of age. */}
      <span class="hidden" role="status">{`Connection: ${state.link}`}</span>
    </div>
  );
}

function Theme() {
  const [now, set] = useState(theme());
  const names = { auto: "as the system", light: "light", dark: "dark" };
  return (
    <button type="button" class="quiet" onClick={() => set(nextTheme())} title={`Colours: ${names[now]}`} aria-label={`Colours: ${names[now]}. Change`}>
      <IconTheme />
    </button>
  );
}

export function App() {
  useStore();
  const route = useRoute();
  const [, signedIn] = useState(hasToken());
  const main = useRef<HTMLElement>(null);
  const where = route.path.join("/");
  const first = useRef(true);

  // A new page: put the reader at its start, as a browser does after a real navigation.
  useEffect(() => {
    const title = PAGES.find((p) => p.path[0] === route.path[0])?.title ?? "Overview";
    document.title = `${title} · ${state.info?.name ?? "Village"}`;
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [where]);

  if (!hasToken() || state.link === "denied") {
    const enter = (token: string) => {
      stop();
      setToken(token);
      setLink("connecting");
      start();
      signedIn(true);
    };
    return <SignIn refused={state.link === "denied"} onToken={enter} />;
  }
  const [page, id] = route.path;
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>Skip to content</a>
      <header>
        <div class="inside">
          <a class="brand" href={href([])} aria-label="Village, overview"><Logo /><span>Village</span></a>
          <nav aria-label="Pages">
            {PAGES.map(({ path, title, icon: PageIcon }) => (
              <a key={title} href={href(path)} aria-current={(page ?? "") === (path[0] ?? "") ? "page" : undefined}><PageIcon /><span>{title}</span></a>
            ))}
          </nav>
          <Connection />
          <Theme />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} class="inside">
        {page === "nodes" && id ? <NodePage id={id} />
          : page === "nodes" ? <Nodes route={route} />
          : page === "jobs" && id ? <JobPage id={id} route={route} />
          : page === "jobs" ? <Jobs route={route} />
          : page === "market" && id ? <AuctionPage key={id} id={id} />
          : page === "market" ? <Market />
          : page === "trust" ? <TrustPage />
          : <Overview />}
      </main>
      <footer class="inside">
        {state.info && <span>{state.info.name} · Village {state.info.version}</span>}
        {state.info && <span class="faint mono" title={state.info.village_id}>village {state.info.village_id.slice(0, 12)}</span>}
      </footer>
    </>
  );
}
