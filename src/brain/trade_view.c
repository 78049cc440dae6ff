/* Commands of the market and of measuring, and what the API reads of it. */
#include "brain/trade_priv.h"

#include "crypto/hash.h"

#include <string.h>

static const struct vl_span nothing;

/* Never the same twice: time, boot and a draw; nobody need be unable to guess it. */
static struct vl_hash fresh_id(struct brain *b) {
    struct crypto_blake2b h;
    struct vl_hash id;
    uint8_t text[24];
    vl_put_u64(text, b->now);
    vl_put_u64(text + 8, b->cfg.boot_epoch);
    vl_put_u64(text + 16, vl_prng_next(&b->rng));
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, "village-auction-id:", 19);
    crypto_blake2b_update(&h, b->self.b, sizeof b->self.b);
    crypto_blake2b_update(&h, text, sizeof text);
    crypto_blake2b_final(&h, &id);
    return id;
}

static enum vl_err submit(struct brain *b, struct vl_job_id id, const struct job_spec *spec, struct vl_errmsg *why) {
    struct vl_buf buf;
    uint64_t retry_ms = 0;
    enum vl_err err = job_spec_check(spec, why);
    vl_buf_init(&buf, JOB_SPEC_MAX);
    if (err == VL_OK) err = job_spec_encode(spec, &buf);
    if (err == VL_OK) err = load_admit(b, spec->terms.class, why, &retry_ms); /* an auction is no way around the queue */
    if (err == VL_OK)
        err = coordinator_job(b, &(struct job_event){ .kind = JOB_EV_SUBMIT, .now = b->now, .job = id, .spec = spec });
    if (err == VL_OK) record_add(b, RECORD_SPEC, id.b, sizeof id.b, nothing, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
    return err;
}

/* The job is taken first, then the auction; when that cannot be opened the job is cancelled in the same step, before
 * anything of it was placed. */
static enum vl_err open_auction(struct brain *b, struct market_event *ev, struct vl_job_id id,
                                const struct job_spec *spec, struct vl_errmsg *why) {
    ev->order.requester = b->self;
    ev->order.has_job = spec != NULL;
    ev->order.job = id;
    if (ev->order.period == 0) ev->order.period = ev->order.quantity / 10 ? ev->order.quantity / 10 : 1;
    enum vl_err err = market_order_check(&ev->order, why);
    if (err == VL_OK && spec && spec->replicas > ev->order.units)
        return vl_errmsg_set(why, VL_ERANGE, "%u replicas need as many units: each goes to another node", spec->replicas);
    if (err == VL_OK && spec && spec->terms.tier != TIER_NONE)
        return vl_errmsg_set(why, VL_ERANGE, "a job with a promise of availability runs where that is kept, not where it is cheapest: "
                                             "leave its tier out, or submit it without an auction");
    if (err == VL_OK && spec) err = submit(b, id, spec, why);
    if (err) return err;
    err = trade_step(b, ev);
    if (err && spec) vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_CANCEL, .now = b->now, .job = id }));
    return err;
}

void brain_auction_open(struct brain *b, vl_ms now, uint64_t token, const struct market_order *order, struct vl_job_id id,
                        const struct job_spec *spec) {
    struct vl_errmsg why = { "" };
    step_begin(b, now);
    struct market_event ev = { .kind = MARKET_EV_OPEN, .now = b->now, .order = *order, .auction = fresh_id(b) };
    enum vl_err err = VL_EUNSUPPORTED;
    if (b->cfg.coordinator)
        err = open_auction(b, &ev, id, spec, &why);
    else
        vl_ignore(vl_errmsg_set(&why, err, "auctions are opened at the coordinator's gateway"));
    if (err == VL_ELIMIT && why.text[0] == '\0')
        vl_ignore(vl_errmsg_set(&why, err, "%u auctions run already: wait until one has ended", MARKET_OPEN_MAX));
    reply(b, token, err, why.text[0] ? why.text : NULL, err ? nothing : vl_span(ev.auction.b, sizeof ev.auction.b));
    step_end(b);
}

void brain_auction_cancel(struct brain *b, vl_ms now, uint64_t token, struct vl_hash auction) {
    step_begin(b, now);
    enum vl_err err = VL_EUNSUPPORTED;
    if (b->cfg.coordinator)
        err = trade_step(b, &(struct market_event){
                                .kind = MARKET_EV_CANCEL, .now = b->now, .auction = auction, .node = b->self });
    reply(b, token, err,
          err == VL_ESTATE      ? "its bids have been opened: an order stands from then on"
          : err == VL_ENOTFOUND ? "no such auction"
                                : NULL,
          nothing);
    step_end(b);
}

const struct market *brain_market(const struct brain *b) { return b->trade->core; }

const struct price_series *brain_prices(const struct brain *b, enum sla_tier tier) {
    return b->trade->core && (unsigned)tier < SLA_TIERS ? &b->trade->prices[tier] : NULL;
}

void brain_market_sums(const struct brain *b, struct brain_market_sums *ret) { *ret = b->trade->sums; }

enum vl_err brain_quote(const struct brain *b, vl_ms now, enum sla_tier tier, uint64_t nh, struct price_quote *ret) {
    uint8_t text[24];
    if (!b->cfg.coordinator) return VL_EUNSUPPORTED;
    struct price_quote q = { .tier = tier, .nh = nh, .made_ms = now, .until_ms = vl_ms_add(now, PRICE_QUOTE_MS) };
    q.hour_price = price_tier(trade_base(b), tier);
    q.price = price_of_work(q.hour_price, nh);
    vl_put_u64(text, now);
    vl_put_u64(text + 8, nh);
    vl_put_u64(text + 16, (uint64_t)tier);
    crypto_blake2b_keyed(vl_span(text, sizeof text), vl_span(b->self.b, sizeof b->self.b), "village-quote-id", q.id,
                         sizeof q.id);
    enum vl_err err = price_quote_sign(&q, &b->key);
    if (err == VL_OK) *ret = q;
    return err;
}

uint64_t brain_work_of(const struct brain *b, uint64_t slot_ms) { return rate_of_time(bench_median(b), slot_ms); }
