/* The market of a simulated village: some jobs are auctioned, members ask different prices, and the books must balance
 * after every event of the coordinator, whatever was lost, cut or killed. */
#include "sim/village_priv.h"

void sim_market_config(struct sim_village *v, uint32_t index, struct brain_config *cfg) {
    if (v->cfg.market_percent > 0) cfg->caps.ask = 1000000ull * (1 + index % 5);
}

bool sim_market_submit(struct sim_node *n, vl_ms now, uint64_t token, struct vl_job_id id, const struct job_spec *spec) {
    struct vl_prng *rng = world_workload(n->v->world);
    if (n->index != 0 || n->v->cfg.market_percent == 0 || vl_prng_below(rng, 100) >= n->v->cfg.market_percent) return false;
    struct market_order o = { .tier = (enum sla_tier)(TIER_BRONZE + vl_prng_below(rng, 4)),
                              .title = "simulated",
                              .units = 1 + (uint32_t)vl_prng_below(rng, 2),
                              .quantity = 1000000,
                              .reserve = 1500 + vl_prng_below(rng, 6) * 1000, /* bids are 1000 to 5000 */
                              .min_providers = 1 + (uint32_t)vl_prng_below(rng, 3),
                              .duration_ms = 2000 + vl_prng_below(rng, 8000),
                              .quality = vl_prng_below(rng, 2) };
    n->v->stats.auctions++;
    brain_auction_open(n->brain, now, token, &o, id, spec);
    return true;
}

static const char *auction_check(struct sim_village *v, const struct market_view *a) {
    if (a->state == MARKET_CLEARED || a->state == MARKET_SETTLED)
        for (uint32_t i = 0; i < a->n_bids; i++) {
            const struct market_bid *b = &a->bids[i];
            bool won = b->state == BID_WON || b->state == BID_PAID || b->state == BID_ABANDONED || b->state == BID_WRONG;
            if (won && (b->price < b->bid || b->price > a->order.reserve)) return "a winner gets less than its bid, or more than the reserve";
            if (b->state == BID_WRONG && !(v->cfg.forger && vl_node_eq(b->node, sim_node_id(v, v->cfg.world.nodes - 1))))
                return "an honest winner's result was called wrong";
        }
    return NULL;
}

const char *sim_market_check(struct sim_node *n) {
    struct brain_market_sums s;
    struct market_view a;
    uint64_t held = 0;
    const struct market *m = n->index == 0 ? brain_market(n->brain) : NULL;
    if (m == NULL || n->v->cfg.market_percent == 0) return NULL;
    if (!market_sound(m)) return "the sums of an auction do not agree";
    brain_market_sums(n->brain, &s);
    for (bool more = market_older(m, NULL, &a); more; more = market_older(m, &a.id, &a)) {
        held += a.escrow + a.deposits;
        const char *wrong = auction_check(n->v, &a);
        if (wrong) return wrong;
    }
    if (s.held != s.released + s.paid + s.slashed + s.now) return "money was lost or made";
    if (s.now != held) return "the village's sums are not those of its auctions";
    return NULL;
}

bool sim_market_settled(struct sim_village *v) {
    struct brain_market_sums s;
    struct market_view a;
    const struct sim_node *head = world_node(v->world, 0);
    if (v->cfg.market_percent == 0) return true;
    if (head == NULL) return false;
    const struct market *m = brain_market(head->brain);
    v->stats.auctions_paid = 0;
    for (bool more = market_older(m, NULL, &a); more; more = market_older(m, &a.id, &a)) {
        if (!market_state_final(a.state)) return false;
        v->stats.auctions_paid += a.paid > 0;
    }
    brain_market_sums(head->brain, &s);
    return s.now == 0;
}
