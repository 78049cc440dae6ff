// Market, trust, promises and the private network as the gateway answers (docs/rest.md). Only fields that the pages show.

export interface Rate {
  id: string;
  name: string;
  verdict: "unknown" | "good" | "oversold" | "false";
  running: boolean;
  rate_nh: number;
  rate_milli: number;
  hour_price: number;
  slots_claimed: number;
  slots_measured: number;
  measured_ms: number | null;
}

export interface Hour { at_ms: number; price: number; low: number; high: number; work_nh: number; sales: number }
export interface Forecast { hours_ahead: number; price: number; low: number; high: number; samples: number; error_permille: number }
export interface TierPrices { tier: string; list_price: number; hours: Hour[]; forecast: Forecast[] }
export interface Money { held: number; released: number; paid: number; slashed: number; treasury: number; now: number }
export interface Prices { tiers: TierPrices[]; money: Money }

export interface Bid { node: string; state: string; bid: number | null; trust_milli: number; price: number; deposit: number; slashed: number }
export type AuctionState = "commit" | "reveal" | "cleared" | "settled" | "failed" | "cancelled";
export interface Auction {
  id: string;
  title: string;
  state: AuctionState;
  reason: string | null;
  tier: string;
  units: number;
  work_nh: number;
  reserve: number;
  min_providers: number;
  quality: boolean;
  job: string | null;
  opened_ms: number;
  until_ms: number | null;
  ended_ms: number | null;
  bids_n: number;
  hour_price: number;
  escrow: number;
  deposits: number;
  held: number;
  released: number;
  paid: number;
  slashed: number;
  bids?: Bid[];
}

export interface Belief { good_micro: number; bad_micro: number; expect_ppm: number; lower_ppm: number; upper_ppm: number; doubt_ppm: number }
export type Promised = "correct" | "in_time" | "available" | "honest";
export interface Score {
  id: string;
  trusted: boolean;
  flagged: boolean;
  trust_ppm: number;
  doubt_ppm: number;
  error_ppm: number;
  pieces: number;
  dimensions: Record<Promised, Belief>;
}

export interface Agreement {
  job: string;
  tier: string;
  state: "open" | "kept" | "missed";
  majority: boolean;
  promised_ppb: number;
  computed_ppb: number;
  measured_ppb: number;
  start_ms: number;
  up_ms: number;
  down_ms: number;
  unobserved_ms: number;
  allowed_ms: number;
  outages: number;
  price: number;
  refund: number;
  nodes: { id: string; up: boolean }[];
}

export interface LogHead { size: number; root: string; time_ms: number; signer: string }

export interface Contribution {
  node: string;
  start_ms: number;
  end_ms: number | null;
  open: boolean;
  cpu_us: number;
  tasks_done: number;
  tasks_failed: number;
  tasks_handed_back: number;
  receipts: number;
  believed_cpu_us: number;
}

export interface Harvest {
  harvested: boolean;
  state?: string;
  since_ms?: number | null;
  says?: string;
  reason?: { rule: string; text: string };
  paused?: boolean;
  pause_until_ms?: number | null;
}

export interface Mix {
  charter: boolean;
  epoch: number;
  relays: number;
  levels: { name: string; available: boolean; mean_delay_ms?: number; reason?: string }[];
  client: { messages_out: number; messages_in: number; loss_permille: number };
  relay: { on: boolean; forwarded: number };
}
