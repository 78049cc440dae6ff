/* api_market.c - measured rates, quotes, auctions and their prices (FOG-15). */
#include "gateway/gateway_priv.h"

#include "base/text.h"
#include "crypto/node_id.h"
#include "fog/market.h"
#include "fog/price.h"
#include "gateway/job_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELSEWHERE "The market is at the coordinator: ask its gateway."

/* ---- rates --------------------------------------------------------------------------------------------------------- */

static void on_rate(void *arg, const struct view_rate *v) {
    struct jw *j = arg;
    jw_obj(j);
    jw_key(j, "id");
    emit_node_id(j, v->id);
    jw_put_str(j, "name", v->name);
    jw_put_str(j, "verdict", v->verdict);
    jw_put_bool(j, "running", v->running);
    jw_put_u64(j, "rate_nh", v->rate);
    jw_put_u64(j, "rate_milli", v->rate_milli);
    jw_put_u64(j, "hour_price", v->hour_price);
    jw_put_u64(j, "slots_claimed", v->slots_claimed);
    jw_put_u64(j, "slots_measured", v->slots_measured);
    jw_put_u64(j, "cpus_claimed", v->cpus_claimed);
    jw_put_u64(j, "tasks_at_once", v->wide);
    jw_put_u64(j, "alone_ms", v->alone_ms);
    jw_put_u64(j, "together_ms", v->wide_ms);
    jw_put_ms(j, "measured_ms", v->measured_ms);
    jw_put_ms(j, "due_ms", v->due_ms == VL_MS_NEVER ? 0 : v->due_ms);
    if (v->known)
        jw_put_hex(j, "signature", v->signature, 64);
    else
        jw_put_str(j, "signature", NULL);
    jw_obj_end(j);
}

void api_rates(struct gateway *g, struct http_req *r, const struct call *k) {
    struct jw j = api_json(r);
    (void)k;
    jw_obj(&j);
    jw_key(&j, "items");
    jw_arr(&j);
    g->backend->ops->rates(g->backend->self, on_rate, &j);
    jw_arr_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

struct wait {
    struct gateway *g;
    struct http_req *r;
    uint16_t status;
    const char *missing;
};

static struct wait *wait_new(struct gateway *g, struct http_req *r, uint16_t status, const char *missing) {
    struct wait *w = malloc(sizeof *w);
    if (w) *w = (struct wait){ .g = g, .r = r, .status = status, .missing = missing };
    return w;
}

static void waited(void *arg, enum vl_err err, const char *detail) {
    struct wait w = *(struct wait *)arg;
    free(arg);
    if (err)
        api_error(w.r, err, err == VL_ENOTFOUND ? w.missing : detail);
    else
        api_no_content(w.g, w.r, w.status);
}

void api_measure(struct gateway *g, struct http_req *r, const struct call *k) {
    const char *text = schema_str(k->body, "node", "");
    struct vl_node_id id;
    if (text[0] && node_id_parse(text, &id) != VL_OK) {
        struct schema_errors e = { 0 };
        schema_error_add(&e, "/node", "is no node id");
        api_problem(r, 422, "validation", "A field of the body is wrong.", NULL, &e);
        return;
    }
    struct wait *w = wait_new(g, r, 202, "No node has this id.");
    enum vl_err err = w ? g->backend->ops->measure(g->backend->self, text[0] ? &id : NULL, waited, w) : VL_ENOMEM;
    if (err == VL_OK) return;
    free(w);
    api_error(r, err, NULL);
}

/* ---- quotes and prices --------------------------------------------------------------------------------------------- */

static enum sla_tier tier_of(const json_t *body) {
    enum sla_tier t = TIER_GOLD;
    (void)sla_tier_parse(schema_str(body, "tier", "gold"), &t);
    return t;
}

void api_quote(struct gateway *g, struct http_req *r, const struct call *k) {
    uint64_t work = schema_u64(k->body, "work_nh", 0);
    uint64_t slot_ms = schema_u64(k->body, "slot_s", 3600) * schema_u64(k->body, "tasks", 1) * 1000;
    struct price_quote q;
    enum vl_err err = g->backend->ops->quote(g->backend->self, tier_of(k->body), work, slot_ms, &q);
    if (err) {
        api_error(r, err, err == VL_EUNSUPPORTED ? ELSEWHERE : "So much work has no price.");
        return;
    }
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_put_hex(&j, "id", q.id, sizeof q.id);
    jw_put_str(&j, "tier", sla_tier_name(q.tier));
    jw_put_u64(&j, "work_nh", q.nh);
    jw_put_u64(&j, "hour_price", q.hour_price);
    jw_put_u64(&j, "price", q.price);
    jw_put_ms(&j, "made_ms", q.made_ms);
    jw_put_ms(&j, "until_ms", q.until_ms);
    jw_key(&j, "signer");
    emit_node_id(&j, q.signer);
    jw_put_hex(&j, "signature", q.signature, sizeof q.signature);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

static void put_hours(struct jw *j, const struct price_series *s) {
    jw_key(j, "hours");
    jw_arr(j);
    for (uint32_t i = 0; i < s->n; i++) {
        jw_obj(j);
        jw_put_ms(j, "at_ms", s->v[i].hour * PRICE_HOUR_MS);
        jw_put_u64(j, "price", price_mean(&s->v[i]));
        jw_put_u64(j, "low", s->v[i].low);
        jw_put_u64(j, "high", s->v[i].high);
        jw_put_u64(j, "work_nh", s->v[i].nh);
        jw_put_u64(j, "sales", s->v[i].sales);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

static void put_forecast(struct jw *j, const struct price_series *s) {
    static const uint32_t ahead[] = { 1, 6, 24 };
    jw_key(j, "forecast");
    jw_arr(j);
    for (size_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
        struct price_forecast f;
        if (price_foretell(s, ahead[i], &f)) continue;
        jw_obj(j);
        jw_put_u64(j, "hours_ahead", ahead[i]);
        jw_put_u64(j, "price", f.value);
        jw_put_u64(j, "low", f.low);
        jw_put_u64(j, "high", f.high);
        jw_put_u64(j, "samples", f.samples);
        jw_put_u64(j, "error_permille", f.error_permille);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

void api_prices(struct gateway *g, struct http_req *r, const struct call *k) {
    struct view_sums sums;
    (void)k;
    if (g->backend->ops->market(g->backend->self, &sums) == NULL) {
        api_error(r, VL_EUNSUPPORTED, ELSEWHERE);
        return;
    }
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_key(&j, "tiers");
    jw_arr(&j);
    for (enum sla_tier t = TIER_BRONZE; t <= TIER_PLATINUM; t++) {
        const struct price_series *s = g->backend->ops->prices(g->backend->self, t);
        struct price_quote q;
        if (s == NULL || g->backend->ops->quote(g->backend->self, t, 1, 0, &q)) continue;
        jw_obj(&j);
        jw_put_str(&j, "tier", sla_tier_name(t));
        jw_put_u64(&j, "list_price", q.hour_price);
        put_hours(&j, s);
        put_forecast(&j, s);
        jw_obj_end(&j);
    }
    jw_arr_end(&j);
    jw_key(&j, "money");
    jw_obj(&j);
    jw_put_u64(&j, "held", sums.held);
    jw_put_u64(&j, "released", sums.released);
    jw_put_u64(&j, "paid", sums.paid);
    jw_put_u64(&j, "slashed", sums.slashed);
    jw_put_u64(&j, "treasury", sums.treasury);
    jw_put_u64(&j, "now", sums.now);
    jw_obj_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

/* ---- auctions ------------------------------------------------------------------------------------------------------ */

static void put_job(struct jw *j, const struct market_order *o) {
    jw_key(j, "job");
    if (o->has_job)
        jw_hex(j, o->job.b, sizeof o->job.b);
    else
        jw_null(j);
}

static void put_auction(struct jw *j, const struct market_view *v) {
    jw_put_hex(j, "id", v->id.b, sizeof v->id.b);
    jw_put_str(j, "title", v->order.title);
    jw_put_str(j, "state", market_state_text(v->state));
    jw_put_str(j, "reason", v->failure ? market_failure_text(v->failure) : NULL);
    jw_put_str(j, "tier", sla_tier_name(v->order.tier));
    jw_put_u64(j, "units", v->order.units);
    jw_put_u64(j, "work_nh", v->order.quantity);
    jw_put_u64(j, "reserve", v->order.reserve);
    jw_put_u64(j, "min_providers", v->order.min_providers);
    jw_put_u64(j, "duration_ms", v->order.duration_ms);
    jw_put_bool(j, "quality", v->order.quality);
    put_job(j, &v->order);
    jw_key(j, "requester");
    emit_node_id(j, v->order.requester);
    jw_put_ms(j, "opened_ms", v->opened_ms);
    jw_put_ms(j, "until_ms", v->until_ms);
    jw_put_ms(j, "ended_ms", v->ended_ms);
    jw_put_u64(j, "bids_n", v->n_bids);
    jw_put_u64(j, "hour_price", v->hour_price);
    jw_put_u64(j, "escrow", v->escrow);
    jw_put_u64(j, "deposits", v->deposits);
    jw_put_u64(j, "held", v->held);
    jw_put_u64(j, "released", v->released);
    jw_put_u64(j, "paid", v->paid);
    jw_put_u64(j, "slashed", v->slashed);
}

static void put_bids(struct jw *j, const struct market_view *v) {
    jw_key(j, "bids");
    jw_arr(j);
    for (uint32_t i = 0; i < v->n_bids; i++) {
        const struct market_bid *b = &v->bids[i];
        bool seen = b->state != BID_SEALED && b->state != BID_SILENT;
        jw_obj(j);
        jw_key(j, "node");
        emit_node_id(j, b->node);
        jw_put_str(j, "state", market_bid_state_text(b->state));
        jw_key(j, "bid");
        if (seen && v->state != MARKET_REVEAL && v->state != MARKET_CANCELLED) /* not before all are in */
            jw_u64(j, b->bid);
        else
            jw_null(j);
        jw_put_u64(j, "trust_milli", b->trust_milli);
        jw_put_u64(j, "price", b->price);
        jw_put_u64(j, "deposit", b->deposit);
        jw_put_u64(j, "slashed", b->slashed);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

static const struct market *market_here(struct gateway *g, struct http_req *r) {
    struct view_sums sums;
    const struct market *m = g->backend->ops->market(g->backend->self, &sums);
    if (m == NULL) api_error(r, VL_EUNSUPPORTED, ELSEWHERE);
    return m;
}

void api_auctions(struct gateway *g, struct http_req *r, const struct call *k) {
    const struct market *m = market_here(g, r);
    struct market_view v;
    (void)k;
    if (m == NULL) return;
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_key(&j, "items");
    jw_arr(&j);
    for (bool more = market_older(m, NULL, &v); more; more = market_older(m, &v.id, &v)) {
        jw_obj(&j);
        put_auction(&j, &v);
        jw_obj_end(&j);
    }
    jw_arr_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

static bool id_of(struct http_req *r, const struct call *k, struct vl_hash *ret) {
    if (vl_hex_decode(k->param, ret->b, sizeof ret->b) == VL_OK) return true;
    api_not_found(r, "No auction has this id.");
    return false;
}

static void show(struct gateway *g, struct http_req *r, uint16_t status, struct vl_hash id) {
    const struct market *m = market_here(g, r);
    struct market_view v;
    if (m == NULL) return;
    if (!market_get(m, id, &v)) {
        api_not_found(r, "No auction has this id.");
        return;
    }
    struct jw j = api_json(r);
    jw_obj(&j);
    put_auction(&j, &v);
    put_bids(&j, &v);
    jw_obj_end(&j);
    api_send(g, r, status, &j, NULL);
}

void api_auction(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_hash id;
    if (id_of(r, k, &id)) show(g, r, 200, id);
}

void api_auction_cancel(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_hash id;
    if (!id_of(r, k, &id)) return;
    struct wait *w = wait_new(g, r, 204, "No auction has this id.");
    enum vl_err err = w ? g->backend->ops->auction_cancel(g->backend->self, id, waited, w) : VL_ENOMEM;
    if (err == VL_OK) return;
    free(w);
    api_error(r, err, NULL);
}

static void on_opened(void *arg, enum vl_err err, const char *detail, struct vl_hash id) {
    struct wait w = *(struct wait *)arg;
    free(arg);
    if (err == VL_OK)
        show(w.g, w.r, 201, id);
    else if (err == VL_ENOTFOUND)
        api_problem(w.r, 422, "notfound", detail ? detail : "A blob or job it names is unknown here.", NULL, NULL);
    else
        api_error(w.r, err, detail);
}

void api_auction_open(struct gateway *g, struct http_req *r, const struct call *k) {
    const json_t *job = json_object_get(k->body, "job");
    struct job_body b = { 0 };
    struct schema_errors errors = { 0 };
    struct market_order o = { .tier = tier_of(k->body),
                              .units = (uint32_t)schema_u64(k->body, "units", 1),
                              .quantity = schema_u64(k->body, "work_nh", 0),
                              .reserve = schema_u64(k->body, "reserve", 0),
                              .min_providers = (uint32_t)schema_u64(k->body, "min_providers", MARKET_PROVIDERS),
                              .duration_ms = schema_u64(k->body, "duration_ms", MARKET_DURATION_MS),
                              .quality = schema_bool(k->body, "quality", false) };
    snprintf(o.title, sizeof o.title, "%s", schema_str(k->body, "title", ""));
    enum vl_err err = json_is_object(job) ? job_body_read(job, &b, &errors) : VL_OK;
    struct wait *w = err == VL_OK ? wait_new(g, r, 201, NULL) : NULL;
    if (err == VL_OK && w == NULL) err = VL_ENOMEM;
    if (err == VL_OK)
        err = g->backend->ops->auction_open(g->backend->self, &o, gateway_job_id(g, gateway_wall_ms()),
                                            json_is_object(job) ? &b.spec : NULL, on_opened, w);
    if (err == VL_EPARSE)
        api_problem(r, 400, "bad_request", "Fields of the job are wrong.", NULL, &errors);
    else if (err)
        api_error(r, err, err == VL_ENOTFOUND ? "A blob that the job names is unknown here." : NULL);
    if (err) free(w);
    if (json_is_object(job)) job_body_free(&b);
}
