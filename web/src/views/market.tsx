// What computing costs here: prices by tier, auctions, and where the money is.

import { useAsked } from "../asked";
import { count, credits, CREDITS, duration, plural, short, trust } from "../format";
import { serverNow } from "../api";
import { PriceLine } from "../parts/line";
import { Table, type Column } from "../parts/table";
import { Age, Ago, Copy, Empty, Fact, State, useTick } from "../parts/ui";
import { IconBack } from "../parts/icons";
import { href } from "../route";
import { state, useStore } from "../store";
import type { Auction, Bid, Money, Prices, TierPrices } from "../types_fog";

const OPEN = new Set(["commit", "reveal", "cleared"]);
const nodeName = (id: string) => state.nodes.get(id)?.name || short(id);
const HOW = "village market auction --work 5000 --reserve 40";

/** What the state of an auction means for who looks at it. */
export const AUCTION_WORDS: Record<string, string> = {
  commit: "takes sealed bids: nobody can read them yet",
  reveal: "bids are being opened",
  cleared: "the price is found, the winners work",
  settled: "done, all is paid",
  failed: "no sale",
  cancelled: "called off, all money went back",
};
const BID_WORDS: Record<string, string> = {
  sealed: "not opened yet",
  revealed: "opened",
  above: "above the most that is paid",
  silent: "never opened: costs a tenth of the deposit",
  lost: "another was lower",
  won: "works for the price found",
  paid: "work done, paid",
  abandoned: "left before the end: costs half of the deposit",
  wrong: "wrong result: costs the whole deposit",
};

function Tier({ of }: { of: TierPrices }) {
  const last = of.hours.at(-1);
  const next = of.forecast[0];
  return (
    <li class="tile tier">
      <h3>{of.tier}</h3>
      <p class="big" title={`An H200-hour. ${CREDITS}.`}>{credits(last?.price ?? of.list_price)}<small> {last ? "last sale" : "list price"}</small></p>
      {last ? <PriceLine of={of} /> : <p class="faint">No sale in the last week: quotes hold the list price.</p>}
      {last && (
        <p class="under">
          List {credits(of.list_price)}. {next
            ? <>In {next.hours_ahead} h: {credits(next.low)} to {credits(next.high)}.</>
            : <>A forecast needs three hours with sales.</>}
        </p>
      )}
    </li>
  );
}

function Sums({ money }: { money: Money }) {
  return (
    <section aria-labelledby="h-money">
      <h2 id="h-money" class="above">Money</h2>
      <dl class="facts" title={CREDITS}>
        <Fact name="Held now"><span data-test="held-now">{credits(money.now)}</span></Fact>
        <Fact name="Ever held">{credits(money.held)}</Fact>
        <Fact name="Given back">{credits(money.released)}</Fact>
        <Fact name="Paid for work">{credits(money.paid)}</Fact>
        <Fact name="Penalties">{credits(money.slashed)}</Fact>
        <Fact name="Treasury">{credits(money.treasury)}</Fact>
      </dl>
      <p class="faint note">What was ever held is what went back, was paid, went as a penalty, or is held now. {CREDITS}.</p>
    </section>
  );
}

function Until({ of }: { of: Auction }) {
  useTick();
  if (!OPEN.has(of.state)) return <Ago at={of.ended_ms ?? of.until_ms} />;
  const left = (of.until_ms ?? 0) - serverNow();
  return of.state === "cleared" || left <= 0 ? <Ago at={of.opened_ms} /> : <>{duration(left)} left</>;
}

const columns: Column<Auction>[] = [
  { key: "title", title: "Auction", wide: true, cell: (a) => <a class="title" href={href(["market", a.id])}>{a.title || "untitled"}<span class="mono faint">{short(a.id)}</span></a> },
  { key: "state", title: "State", cell: (a) => <span title={AUCTION_WORDS[a.state]}><State of={a.state} /></span> },
  { key: "tier", title: "Tier", cell: (a) => a.tier },
  { key: "work", title: "Work", right: true, cell: (a) => <span title="nano-H200-hours, for each of so many nodes">{a.units > 1 ? `${a.units} × ` : ""}{count(a.work_nh)} nH</span> },
  { key: "bids", title: "Bids", right: true, cell: (a) => <span title={`${a.min_providers} different owners must bid`}>{count(a.bids_n)}<span class="faint"> / {a.min_providers}</span></span> },
  { key: "reserve", title: "At most", right: true, cell: (a) => credits(a.reserve) },
  { key: "price", title: "H200-hour", right: true, cell: (a) => (a.hour_price ? credits(a.hour_price) : <span class="faint">–</span>) },
  { key: "paid", title: "Paid", right: true, cell: (a) => (a.paid ? credits(a.paid) : <span class="faint">–</span>) },
  { key: "when", title: "When", right: true, cell: (a) => <Until of={a} /> },
];

function Auctions({ title, id, all, none }: { title: string; id: string; all: Auction[]; none: preact.ComponentChildren }) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id} class="above">{title}</h2>
      {all.length ? <Table caption={title} columns={columns} rows={all} id={(a) => a.id} /> : <Empty>{none}</Empty>}
    </section>
  );
}

export function Market() {
  useStore();
  const prices = useAsked<Prices>("/v1/fog/market/prices");
  const auctions = useAsked<{ items: Auction[] }>("/v1/fog/market/auctions");
  const all = auctions.data?.items ?? [];
  const head = <div class="head"><h1>Market</h1><Age at={prices.at} /></div>;
  if (!prices.data) return <>{head}<Empty>{prices.problem || "Loading prices"}</Empty></>;
  return (
    <>
      {head}
      <section aria-labelledby="h-prices">
        <h2 id="h-prices" class="above">Price of an H200-hour</h2>
        <ul class="tiles tiers">{prices.data.tiers.map((t) => <Tier key={t.tier} of={t} />)}</ul>
        <p class="faint note">The line is what auctions cleared at, by hour; dashed the list price; the band is where the next hours are expected. What a job of yours would cost: <code class="wrap">village market quote --time 2h --tier silver</code></p>
      </section>
      <Auctions id="h-open" title="Open auctions" all={all.filter((a) => OPEN.has(a.state))} none={
        !auctions.at ? "Loading auctions"
          : <>{all.length ? "None is open." : "No auction yet."} Let nodes bid for work:<code>{HOW}</code></>} />
      {all.some((a) => !OPEN.has(a.state)) && <Auctions id="h-past" title="Past auctions" all={all.filter((a) => !OPEN.has(a.state))} none="" />}
      <Sums money={prices.data.money} />
    </>
  );
}

const bidColumns: Column<Bid>[] = [
  { key: "node", title: "Node", wide: true, cell: (b) => <a class="title" href={href(["nodes", b.node])}>{nodeName(b.node)}<span class="mono faint">{short(b.node)}</span></a> },
  { key: "state", title: "State", cell: (b) => <span title={BID_WORDS[b.state]}><State of={b.state} /></span> },
  { key: "bid", title: "Bid", right: true, cell: (b) => (b.bid === null ? <span class="faint" title="Sealed until all are in">sealed</span> : credits(b.bid)) },
  { key: "trust", title: "Trust", right: true, cell: (b) => trust(b.trust_milli) },
  { key: "price", title: "Gets", right: true, cell: (b) => (b.price ? credits(b.price) : <span class="faint">–</span>) },
  { key: "deposit", title: "Deposit", right: true, cell: (b) => credits(b.deposit) },
  { key: "slashed", title: "Penalty", right: true, cell: (b) => (b.slashed ? <span class="bad">{credits(b.slashed)}</span> : <span class="faint">–</span>) },
];

export function AuctionPage({ id }: { id: string }) {
  useStore();
  const { data: a, at, problem } = useAsked<Auction>(`/v1/fog/market/auctions/${encodeURIComponent(id)}`, 3_000);
  const back = <a class="back" href={href(["market"])}><IconBack />Market</a>;
  if (!a) return <>{back}<Empty>{problem || "Loading the auction"}</Empty></>;
  const bids = a.bids ?? [], winners = bids.filter((b) => b.state === "won" || b.state === "paid");
  const said = AUCTION_WORDS[a.state] ?? a.state;
  const opened = bids.filter((b) => b.bid !== null).length;
  return (
    <>
      {back}
      <div class="head">
        <h1>{a.title || "Auction"}</h1><State of={a.state} />
        <span class="mono faint nowrap">{short(a.id)} <Copy text={a.id} what="the auction's id" /></span><Age at={at} />
      </div>
      <p class="lead" data-test="auction-words">
        {a.state === "settled" && !a.job ? "A price was found; without a job nothing is bought, and all money went back" : said.charAt(0).toUpperCase() + said.slice(1)}{a.reason && `: ${a.reason}`}.
        {winners.length > 0 && <> Winners: {winners.map((b) => nodeName(b.node)).join(", ")}; each {a.job ? "gets" : "would get"} {a.quality ? "the price at which it would just have won" : "the lowest price that lost"}.</>}
      </p>
      <dl class="facts">
        <Fact name="Time"><Until of={a} /></Fact>
        <Fact name="Work">{a.units > 1 && `${a.units} × `}{count(a.work_nh)} nH</Fact>
        <Fact name="At most, a unit">{credits(a.reserve)}</Fact>
        <Fact name="Tier">{a.tier}</Fact>
        <Fact name="Bids opened">{count(opened)} <span class="faint">of {count(a.bids_n)}</span></Fact>
        <Fact name="Owners needed">{count(a.min_providers)}</Fact>
        <Fact name="H200-hour">{a.hour_price ? credits(a.hour_price) : "–"}</Fact>
        <Fact name="Compared by">{a.quality ? "price over trust" : "price"}</Fact>
        <Fact name="Held for it">{credits(a.escrow + a.deposits)}</Fact>
        <Fact name="Paid">{credits(a.paid)}</Fact>
        <Fact name="Job">{a.job ? <a href={href(["jobs", a.job])}>{state.jobs.get(a.job)?.name || short(a.job)}</a> : "none, a price only"}</Fact>
      </dl>
      <section aria-labelledby="h-bids">
        <h2 id="h-bids" class="above">{plural(bids.length, "bid")}</h2>
        {bids.length
          ? <Table caption="Bids" columns={bidColumns} rows={bids} id={(b) => b.node} />
          : <Empty>{a.state === "commit" ? <>No bid yet. Members bid what their owner asks:<code>village join TICKET --ask 40</code></> : "Nobody bid."}</Empty>}
      </section>
    </>
  );
}
