/* node_harvest.c - a harvested node, for the gateway: the part of node_backend.c that deals with it. */
#include "gateway/node_backend.h"

#include "brain/record.h"
#include "store/tables.h"

#include <stdlib.h>
#include <string.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

static struct view_contribution view_of(const struct contribution *c) {
    return (struct view_contribution){ .start_ms = c->start_ms,
                                       .end_ms = c->end_ms,
                                       .open = c->open,
                                       .cpu_us = c->cpu_us,
                                       .gpu_us = c->gpu_us,
                                       .memory_byte_s = c->memory_byte_s,
                                       .storage_bytes = c->storage_bytes,
                                       .network_bytes = c->network_bytes,
                                       .frozen_ms = c->frozen_ms,
                                       .throttled_ms = c->throttled_ms,
                                       .done = c->done,
                                       .failed = c->failed,
                                       .handed_back = c->handed_back };
}

static const char *says_text(enum node_harvest h) {
    static const char *const names[] = { "always", "ready", "throttled", "paused", "away" };
    return (unsigned)h < sizeof names / sizeof names[0] ? names[h] : "unknown";
}

void node_backend_harvest(void *self, struct view_harvest *ret) {
    const struct brain *b = node_brain(node_of(self));
    const struct harvest *h = brain_harvest_view(b);
    const struct contribution *c = brain_harvest_session(b);
    *ret = (struct view_harvest){ .harvested = h != NULL };
    if (h == NULL) return;
    ret->state = harvest_state_text(h->state);
    ret->rule = harvest_rule_text(h->reason.rule);
    ret->says = says_text(h->orders.says);
    ret->since_ms = h->since;
    ret->read_ms = h->read_at;
    ret->cooldown_until_ms = h->cooldown_until;
    ret->pause_until_ms = h->pause_until;
    ret->rule_known = h->reason.known;
    ret->rule_value = h->reason.value;
    ret->rule_limit = h->reason.limit;
    harvest_reason_format(&h->reason, ret->reason);
    ret->cap_milli = h->orders.cap_milli;
    ret->memory_percent = h->orders.memory_percent;
    ret->bandwidth_bps = h->orders.bandwidth_bps;
    ret->running = h->running;
    for (unsigned i = 0; i < SIGNALS && i < VIEW_SIGNALS_MAX; i++, ret->signals_n++)
        ret->signals[i] = (struct view_signal){ .name = signal_name((enum signal_kind)i),
                                                .unit = signal_unit((enum signal_kind)i),
                                                .known = h->reading.signal[i].known,
                                                .value = h->reading.signal[i].v };
    for (unsigned i = 0; i < HARVEST_PARAMS && i < VIEW_POLICY_MAX; i++, ret->policy_n++) {
        ret->policy[i].name = harvest_params[i].name;
        ret->policy[i].help = harvest_params[i].help;
        harvest_param_format((enum harvest_param)i, h->policy.v[i], ret->policy[i].value);
    }
    ret->in_session = c != NULL;
    if (c) ret->session = view_of(c);
}

void node_backend_contributions(void *self, const struct vl_node_id *after, vl_ms after_start, uint32_t max, view_contribution_fn sink,
                                void *arg) {
    static const uint8_t lowest[32];
    struct store_value prefix = store_int(ITEM_CONTRIBUTION);
    struct store_value from[] = { store_blob(after ? after->b : lowest, 32), store_int(after ? (int64_t)after_start : -1) };
    struct store_query q = { .table = STORE_ITEMS, .prefix = &prefix, .n_prefix = 1, .from = from, .n_from = 2, .limit = max };
    struct store_iter *it;
    struct store_row row;
    struct contribution_row c;
    if (max == 0 || store_scan(node_store(node_of(self)), &q, &it)) return;
    while (store_next(it, &row)) {
        if (contribution_row_decode(store_row_blob(&row, STORE_ITEMS_RECORD), &c)) continue;
        struct view_contribution v = view_of(&c.claimed);
        if (store_row_bytes(&row, STORE_ITEMS_KEY, v.node.b, sizeof v.node.b)) continue;
        v.receipts = c.receipts;
        v.receipts_cpu_us = c.receipts_cpu_us;
        v.believed_cpu_us = c.believed_cpu_us;
        sink(arg, &v);
    }
    vl_ignore(store_end(it));
}

struct harvest_call {
    backend_done_fn done;
    void *arg;
};

static void on_done(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct harvest_call c = *(struct harvest_call *)arg;
    (void)bytes;
    free(arg);
    c.done(c.arg, err, detail);
}

static struct harvest_call *call_make(backend_done_fn done, void *arg) {
    struct harvest_call *c = malloc(sizeof *c);
    if (c) *c = (struct harvest_call){ .done = done, .arg = arg };
    return c;
}

enum vl_err node_backend_harvest_policy(void *self, const char *const *names, const char *const *values, size_t n, struct vl_errmsg *why,
                                        backend_done_fn done, void *arg) {
    const struct harvest *h = brain_harvest_view(node_brain(node_of(self)));
    if (h == NULL) return VL_ESTATE;
    struct harvest_policy p = h->policy;
    enum vl_err err = VL_OK;
    for (size_t i = 0; err == VL_OK && i < n; i++) err = harvest_policy_set(&p, names[i], values[i], why);
    if (err == VL_OK) err = harvest_policy_check(&p, why);
    if (err) return err;
    struct harvest_call *c = call_make(done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_harvest_policy(node_of(self), &p, on_done, c);
    return VL_OK;
}

enum vl_err node_backend_harvest_pause(void *self, bool pause, vl_ms duration, backend_done_fn done, void *arg) {
    if (brain_harvest_view(node_brain(node_of(self))) == NULL) return VL_ESTATE;
    struct harvest_call *c = call_make(done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_harvest_pause(node_of(self), pause, duration, on_done, c);
    return VL_OK;
}
