/* node_quorum.c - promises of availability, for the gateway: open ones from the brain, ended ones from the store. */
#include "gateway/node_backend.h"

#include "brain/brain.h"
#include "brain/record.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

enum vl_err node_backend_quorum_check(void *self, const struct job_spec *spec, struct view_quorum *ret) {
    struct brain_quorum q;
    enum vl_err err = brain_quorum_check(node_brain(node_of(self)), spec, &q);
    if (err) return err;
    *ret = (struct view_quorum){ .possible = q.choice.ok,
                                 .majority = q.majority,
                                 .promised_ppb = quorum_tier(spec->terms.tier).promise_ppb,
                                 .computed_ppb = q.choice.avail_ppb,
                                 .decided_by = q.choice.n ? domain_name(q.choice.worst) : "",
                                 .domains = q.choice.domains,
                                 .candidates = q.candidates,
                                 .price = q.choice.price,
                                 .n = q.n,
                                 .groups = q.groups };
    snprintf(ret->reason, sizeof ret->reason, "%s", q.choice.why);
    for (uint32_t i = 0; i < ret->n; i++) {
        ret->nodes[i].id = q.node[i].id;
        ret->nodes[i].availability_ppb = q.node[i].avail_ppb;
        ret->nodes[i].price = q.node[i].price;
    }
    return VL_OK;
}

static void show(const struct agreement *a, vl_ms now, uint64_t price, view_agreement_fn sink, void *arg) {
    struct agreement_bill bill;
    agreement_bill(a, now, &bill);
    struct view_agreement v = { .job = a->job,
                                .tier = sla_tier_name(a->tier),
                                .open = !a->closed,
                                .majority = a->majority,
                                .breach = bill.breach,
                                .promised_ppb = quorum_tier(a->tier).promise_ppb,
                                .computed_ppb = a->computed_ppb,
                                .measured_ppb = bill.measured_ppb,
                                .share_ppb = bill.share_ppb,
                                .start_ms = a->start_ms,
                                .end_ms = a->closed ? a->end_ms : 0,
                                .up_ms = bill.up_ms,
                                .down_ms = bill.down_ms,
                                .blind_ms = bill.blind_ms,
                                .allowed_ms = bill.allowed_ms,
                                .outages = a->outages,
                                .price = price,
                                .refund = a->closed ? agreement_refund(&bill, price) : 0,
                                .n = a->n,
                                .groups = a->groups };
    for (uint32_t i = 0; i < a->n; i++) {
        v.nodes[i].id = a->node[i];
        (void)agreement_holds(a, a->node[i], &v.nodes[i].up);
    }
    sink(arg, &v);
}

static void key_of(uint8_t key[32], struct vl_job_id job) {
    memset(key, 0, 32);
    memcpy(key, job.b, sizeof job.b);
}

/* Only breaches have a row with a price. */
static uint64_t price_of(struct store *s, struct vl_job_id job) {
    uint8_t bytes[32];
    struct agreement_refund_row refund;
    struct store_row row;
    key_of(bytes, job);
    struct store_value key[] = { store_int(ITEM_REFUND), store_blob(bytes, sizeof bytes), store_int(0) };
    if (store_get(s, STORE_ITEMS, key, &row) != VL_OK ||
        agreement_refund_decode(store_row_blob(&row, STORE_ITEMS_RECORD), &refund) != VL_OK)
        return 0;
    return refund.price;
}

/* The newest ended one below *before. */
static bool ended_below(struct store *s, const struct vl_job_id *before, struct agreement *ret) {
    uint8_t bytes[32];
    struct store_value prefix = store_int(ITEM_AGREEMENT_ENDED), from[2];
    struct store_query q = {
        .table = STORE_ITEMS, .prefix = &prefix, .n_prefix = 1, .descending = true, .from = from, .limit = 1
    };
    struct store_iter *it;
    struct store_row row;
    bool found = false;
    if (before) {
        key_of(bytes, *before);
        from[0] = store_blob(bytes, sizeof bytes);
        from[1] = store_int(0);
        q.n_from = 2;
    }
    if (store_scan(s, &q, &it)) return false;
    if (store_next(it, &row)) found = agreement_decode(store_row_blob(&row, STORE_ITEMS_RECORD), ret) == VL_OK;
    return store_end(it) == VL_OK && found;
}

void node_backend_agreements(void *self, const struct vl_job_id *before, uint32_t max, view_agreement_fn sink, void *arg) {
    const struct brain *b = node_brain(node_of(self));
    struct store *s = node_store(node_of(self));
    struct vl_job_id at;
    struct agreement ended;
    bool more = true;
    for (uint32_t i = 0; i < max; i++) {
        const struct agreement *open = brain_agreement_below(b, before);
        more = more && ended_below(s, before, &ended);
        if (open == NULL && !more) return;
        if (open != NULL && (!more || memcmp(open->job.b, ended.job.b, sizeof at.b) > 0)) {
            at = open->job;
            show(open, node_now(node_of(self)), 0, sink, arg);
        } else {
            at = ended.job;
            show(&ended, ended.end_ms, price_of(s, ended.job), sink, arg);
        }
        before = &at;
    }
}

enum vl_err node_backend_agreement(void *self, struct vl_job_id job, view_agreement_fn sink, void *arg) {
    const struct agreement *open = brain_agreement(node_brain(node_of(self)), job);
    struct store *s = node_store(node_of(self));
    uint8_t bytes[32];
    struct agreement ended;
    struct store_row row;
    if (open) {
        show(open, node_now(node_of(self)), 0, sink, arg);
        return VL_OK;
    }
    key_of(bytes, job);
    struct store_value key[] = { store_int(ITEM_AGREEMENT_ENDED), store_blob(bytes, sizeof bytes), store_int(0) };
    enum vl_err err = store_get(s, STORE_ITEMS, key, &row);
    if (err == VL_OK) err = agreement_decode(store_row_blob(&row, STORE_ITEMS_RECORD), &ended);
    if (err == VL_OK) show(&ended, ended.end_ms, price_of(s, job), sink, arg);
    return err;
}
