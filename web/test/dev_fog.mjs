// Invented market, trust and promises for dev_backend.mjs: what a village of one does not show.

const HOUR = 3_600_000;

function prices() {
  const now = Math.floor(Date.now() / HOUR) * HOUR;
  return ["bronze", "silver", "gold", "platinum"].map((tier, i) => {
    const list = [2e6, 3e6, 4e6, 6e6][i];
    const hours = i === 3 ? [] : Array.from({ length: i === 0 ? 1 : 30 }, (_, k) => {
      const price = Math.round(list * (0.8 + 0.12 * Math.sin(k / 4) + 0.002 * k));
      return { at_ms: now - (29 - k) * HOUR, price, low: Math.round(price * 0.95), high: Math.round(price * 1.06), work_nh: 40_000, sales: 3 };
    });
    const last = hours.at(-1)?.price ?? 0;
    const forecast = hours.length < 3 ? [] : [1, 6, 24].map((h) => ({ hours_ahead: h, price: Math.round(last * (1 + h / 300)), low: Math.round(last * (0.96 - h / 200)), high: Math.round(last * (1.04 + h / 120)), samples: 29, error_permille: 31 }));
    return { tier, list_price: list, hours, forecast };
  });
}

export function inventFog(village) {
  const jobs = [...village.jobs.values()], now = Date.now();
  const bid = (i, state, bid, price, slashed = 0) => ({ node: village.nodes[i].id, state, bid, trust_milli: 900 + i, price, deposit: 8, slashed });
  const auction = (n, state, more) => ({
    id: String(n).repeat(64), title: `nightly-${n}`, state, reason: null, tier: "gold", units: 2, work_nh: 5000, reserve: 40, min_providers: 3, duration_ms: 3e5, quality: n === 2, job: null, requester: village.nodes[0].id,
    opened_ms: now - n * 4e5, until_ms: now + 2.4e5, ended_ms: null, bids_n: more.bids.length, hour_price: 0, escrow: 80, deposits: 24, held: 104, released: 0, paid: 0, slashed: 0, ...more,
  });
  const auctions = [
    auction(1, "commit", { bids: [bid(1, "sealed", null, 0), bid(2, "sealed", null, 0)] }),
    auction(2, "cleared", { job: jobs.at(-2).id, hour_price: 3_400_000, bids: [bid(1, "won", 12, 17), bid(2, "won", 14, 17), bid(3, "lost", 17, 0), bid(8, "silent", null, 0, 1)] }),
    auction(3, "settled", { job: jobs[0].id, ended_ms: now - 9e5, hour_price: 3_100_000, escrow: 0, deposits: 0, paid: 31, bids: [bid(1, "paid", 12, 15), bid(2, "paid", 13, 16), bid(4, "wrong", 11, 0, 8)] }),
    auction(4, "failed", { ended_ms: now - 5e6, escrow: 0, deposits: 0, reason: "fewer owners bid than wanted", bids: [bid(1, "lost", 12, 0)] }),
  ];
  const belief = (e, w) => ({ good_micro: 9e6, bad_micro: 0, expect_ppm: e, lower_ppm: Math.max(0, e - w), upper_ppm: Math.min(1e6, e + w), doubt_ppm: 40_000 });
  const score = (n) => ({ id: n.id, name: n.name, trusted: n.trust_milli >= 800, flagged: n.flagged, trust_ppm: n.trust_milli * 1000, doubt_ppm: n.doubt_milli * 1000, error_ppm: 9000, pieces: n.flagged ? 0 : 412,
    dimensions: n.flagged ? Object.fromEntries(["correct", "in_time", "available", "honest"].map((k) => [k, belief(500_000, 474_871)])) : { correct: belief(985_000, 14_000), in_time: belief(962_000, 24_000), available: belief(891_000, 60_000), honest: belief(990_000, 9_000) } });
  const agreement = (job, i) => ({ job: job.id, tier: "silver", state: ["open", "kept", "missed"][i], majority: false, promised_ppb: 995_000_000, computed_ppb: 998_120_000, measured_ppb: [1e9, 999_310_000, 962_500_000][i], start_ms: job.submitted_ms, end_ms: null,
    up_ms: 9e6, down_ms: i * 41_000, unobserved_ms: 0, allowed_ms: 36_000, outages: i, breach: i === 2, price: 1200, refund: i === 2 ? 460 : 0, nodes: [1, 2, 3].map((k) => ({ id: village.nodes[k].id, up: k !== 3 || i !== 2 })) });
  const agreements = jobs.slice(-3).map(agreement);
  const odd = jobs.at(-2), tell = (kind, detail, task, node) => odd.events.push({ seq: odd.events.length + 1, at_ms: now - 400, kind, detail, task, node: node === undefined ? null : village.nodes[node].id });
  tell("agreement", "silver on 3 nodes, any one: 99.812 % computed", null);
  tell("wrong", "its result is not the one accepted", 3, 4);
  tell("disputed", "the run is done again here", 3, 4);
  tell("dispute_ended", "run again: the accepted result is right", 3, 4);
  const root = "c4d1".repeat(16);
  const fixed = {
    "/v1/fog/market/prices": { tiers: prices(), money: { held: 12_400, released: 9_200, paid: 2_950, slashed: 46, treasury: 12, now: 204 } },
    "/v1/fog/market/auctions": { items: auctions.map(({ bids: _, ...a }) => a), next: null },
    "/v1/fog/rates": { items: village.nodes.map((n, i) => ({ id: n.id, name: n.name, verdict: i === 4 ? "oversold" : i === 9 ? "unknown" : "good", running: i === 6, rate_nh: i === 9 ? 0 : 9_000 + i * 800, rate_milli: i === 9 ? 0 : 700 + i * 70, hour_price: 20 + i * 3, slots_claimed: n.cpus, slots_measured: n.cpus, measured_ms: now - 6e5 })) },
    "/v1/fog/log": { size: 4_812, root, time_ms: now - 4_000, signer: village.nodes[0].id, checkpoint: "" },
    "/v1/fog/agreements": { items: agreements, next: null },
    "/v1/fog/contributions": { items: [2, 8].map((i) => ({ node: village.nodes[i].id, start_ms: now - i * 3e6, end_ms: i === 8 ? now - 6e5 : null, open: i === 2, cpu_us: 4.1e9, tasks_done: 311, tasks_failed: i === 8 ? 1 : 0, tasks_handed_back: i, receipts: 300, believed_cpu_us: 4.0e9 })), next: null },
    "/v1/fog/harvest": { harvested: true, state: "running", since_ms: now - 6e5, says: "ready", reason: { rule: "none", text: "nothing speaks against it" } },
    "/v1/mix": { charter: true, epoch: 1042, relays: 6, levels: [{ name: "public", available: true, mean_delay_ms: 0 }, { name: "private", available: true, mean_delay_ms: 180 }, { name: "secret", available: false, reason: "fewer than nine relays" }], client: { messages_out: 31, messages_in: 29, loss_permille: 0 }, relay: { on: true, forwarded: 90_211 } },
    "/v1/system/metrics": "village_shed_level 0\n",
  };
  return {
    auctions,
    answer(path) {
      const last = path.split("/").at(-1);
      if (path.startsWith("/v1/fog/market/auctions/")) return auctions.find((a) => a.id === last);
      if (path.startsWith("/v1/fog/agreements/")) return agreements.find((a) => a.job === last);
      if (path.startsWith("/v1/fog/reputation/")) return score(village.nodes.find((n) => n.id === last));
      return fixed[path];
    },
  };
}
