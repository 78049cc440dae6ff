/* node_market.c - the market and the measured rates of a node, for the gateway. */
#include "gateway/node_backend.h"

#include "brain/brain.h"

#include <stdlib.h>
#include <string.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }
static const struct brain *brain_of(void *self) { return node_brain(node_of(self)); }

const struct market *node_backend_market(void *self, struct view_sums *ret) {
    struct brain_market_sums s;
    brain_market_sums(brain_of(self), &s);
    *ret = (struct view_sums){ .held = s.held,
                               .released = s.released,
                               .paid = s.paid,
                               .slashed = s.slashed,
                               .treasury = s.treasury,
                               .now = s.now };
    return brain_market(brain_of(self));
}

const struct price_series *node_backend_prices(void *self, enum sla_tier tier) {
    return brain_prices(brain_of(self), tier);
}

enum vl_err node_backend_quote(void *self, enum sla_tier tier, uint64_t work, uint64_t slot_ms, struct price_quote *ret) {
    uint64_t nh = work ? work : brain_work_of(brain_of(self), slot_ms);
    return brain_quote(brain_of(self), node_now(node_of(self)), tier, nh, ret);
}

void node_backend_rates(void *self, view_rate_fn sink, void *arg) {
    const struct registry *reg = brain_registry(brain_of(self));
    for (const struct node_record *r = NULL; reg && (r = registry_next(reg, r ? &r->id : NULL));) {
        struct brain_rate b;
        if (!brain_rate(brain_of(self), r->id, &b)) continue;
        sink(arg, &(struct view_rate){ .id = r->id,
                                       .name = r->name,
                                       .known = b.known,
                                       .running = b.running,
                                       .due_ms = b.due_ms,
                                       .verdict = b.known ? rate_verdict_text(b.record.verdict) : "unknown",
                                       .rate = b.record.rate,
                                       .rate_milli = b.rate_milli,
                                       .hour_price = b.hour_price,
                                       .slots_claimed = r->caps.slots,
                                       .slots_measured = rate_slots(b.known ? &b.record : NULL, r->caps.slots),
                                       .cpus_claimed = r->caps.cpus,
                                       .wide = b.record.run.wide,
                                       .alone_ms = b.record.run.alone_ms,
                                       .wide_ms = b.record.run.wide_ms,
                                       .measured_ms = b.record.measured_ms,
                                       .signature = b.record.signature });
    }
}

void node_backend_market_metrics(void *self, view_metric_fn sink, void *arg) {
    struct view_sums s;
    struct market_view v;
    uint32_t open = 0;
    const struct market *m = node_backend_market(self, &s);
    if (m == NULL) return;
    for (bool more = market_older(m, NULL, &v); more; more = market_older(m, &v.id, &v))
        open += !market_state_final(v.state);
    const struct {
        const char *name, *help;
        enum view_metric_type type;
        double value;
    } rows[] = {
        { "village_market_auctions", "Auctions that have not ended.", VIEW_GAUGE, open },
        { "village_market_held_microcredits", "In escrow and deposits now.", VIEW_GAUGE, (double)s.now },
        { "village_market_paid_microcredits_total", "Paid to providers.", VIEW_COUNTER, (double)s.paid },
        { "village_market_slashed_microcredits_total", "Taken from deposits.", VIEW_COUNTER, (double)s.slashed },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sink(arg, &(struct view_metric){
                      .name = rows[i].name, .help = rows[i].help, .type = rows[i].type, .value = rows[i].value });
}

/* ---- commands ------------------------------------------------------------------------------------------------------ */

struct call {
    backend_done_fn done;
    backend_auction_fn opened;
    void *arg;
};

static struct call *call_new(backend_done_fn done, backend_auction_fn opened, void *arg) {
    struct call *c = malloc(sizeof *c);
    if (c) *c = (struct call){ .done = done, .opened = opened, .arg = arg };
    return c;
}

static void call_done(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct call c = *(struct call *)arg;
    struct vl_hash id = { { 0 } };
    free(arg);
    if (bytes.n == sizeof id.b) memcpy(id.b, bytes.p, sizeof id.b);
    if (c.opened)
        c.opened(c.arg, err, detail, id);
    else
        c.done(c.arg, err, detail);
}

enum vl_err node_backend_measure(void *self, const struct vl_node_id *node, backend_done_fn done, void *arg) {
    struct call *c = call_new(done, NULL, arg);
    if (c == NULL) return VL_ENOMEM;
    node_measure(node_of(self), node ? *node : (struct vl_node_id){ { 0 } }, call_done, c);
    return VL_OK;
}

enum vl_err node_backend_auction_open(void *self, const struct market_order *order, struct vl_job_id id,
                                      const struct job_spec *spec, backend_auction_fn done, void *arg) {
    enum vl_err err = spec && node_is_coordinator(node_of(self)) ? node_backend_inputs_here(node_of(self), spec) : VL_OK;
    if (err) return err;
    struct call *c = call_new(NULL, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_auction_open(node_of(self), order, id, spec, call_done, c);
    return VL_OK;
}

enum vl_err node_backend_auction_cancel(void *self, struct vl_hash auction, backend_done_fn done, void *arg) {
    struct call *c = call_new(done, NULL, arg);
    if (c == NULL) return VL_ENOMEM;
    node_auction_cancel(node_of(self), auction, call_done, c);
    return VL_OK;
}
