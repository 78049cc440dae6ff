/* node_anchor.c - heads of the log of receipts on a chain, as the gateway shows them. */
#include "gateway/node_backend.h"

#include "node/persist.h"
#include "trust/eth_tx.h"

#include <string.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

static const char *state_of(const struct brain_chain_view *v) {
    const struct anchor *a = &v->anchor;
    if (a->block > 0) return "in a block";
    if (a->tries > 0) return "sent";
    if (a->pending.size > 0 || a->newest.size > a->done.size) return "waits";
    return a->done.size > 0 ? "anchored" : "nothing yet";
}

void node_backend_anchor(void *self, struct view_anchor *ret) {
    struct brain_chain_view v;
    const struct anchor *a = &v.anchor;
    *ret = (struct view_anchor){ .on = brain_chain_view(node_brain(node_of(self)), &v) };
    ret->log_size = v.log_size;
    if (!ret->on) return;
    ret->state = state_of(&v);
    memcpy(ret->problem, v.problem, sizeof ret->problem);
    ret->server = node_anchor_server(node_of(self));
    eth_address_format(&v.config.contract, ret->contract);
    eth_address_format(&v.config.sender, ret->account);
    ret->chain = v.config.chain;
    ret->confirmations = v.config.rules.depth;
    ret->every_ms = v.config.every;
    ret->size = a->done.size;
    ret->block = a->done_block;
    ret->reorgs = a->reorgs;
    ret->anchored = v.anchored;
    ret->sent = v.sent;
    ret->failures = v.failures;
    if (a->tries == 0) return;
    ret->pending_size = a->pending.size;
    ret->pending_block = a->block;
    ret->nonce = a->nonce;
    ret->tries = a->tries;
    ret->fee = a->tried[a->tries - 1].fee;
}

void node_backend_anchor_metrics(void *self, view_metric_fn sink, void *arg) {
    struct view_anchor v;
    node_backend_anchor(self, &v);
    if (!v.on) return;
    const struct view_metric rows[] = {
        { .name = "village_anchored_receipts", .help = "Receipts in the newest head that is on the chain.", .type = VIEW_GAUGE, .value = (double)v.size },
        { .name = "village_anchor_behind_receipts", .help = "Receipts that no head on the chain contains.", .type = VIEW_GAUGE, .value = (double)(v.log_size - v.size) },
        { .name = "village_anchor_trouble", .help = "1: the chain does not answer, or refuses.", .type = VIEW_GAUGE, .value = v.problem[0] ? 1 : 0 },
        { .name = "village_anchors_total", .help = "Heads that came deep enough into the chain.", .type = VIEW_COUNTER, .value = (double)v.anchored },
        { .name = "village_anchor_sent_total", .help = "Transactions handed to the chain, also again.", .type = VIEW_COUNTER, .value = (double)v.sent },
        { .name = "village_anchor_failures_total", .help = "Questions to the chain without an answer.", .type = VIEW_COUNTER, .value = (double)v.failures },
        { .name = "village_anchor_reorgs_total", .help = "Blocks with an anchor that went away.", .type = VIEW_COUNTER, .value = (double)v.reorgs },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) sink(arg, &rows[i]);
}

enum vl_err node_backend_anchored(struct store *s, uint64_t index, struct vl_buf *ret) {
    static const uint8_t no_key[32];
    struct store_value prefix[] = { store_int(ITEM_ANCHORED), store_blob(no_key, sizeof no_key) }, from = store_int((int64_t)index);
    bool newest = index == UINT64_MAX;
    struct store_query q = { .table = STORE_ITEMS, .prefix = prefix, .n_prefix = 2, .from = &from, .n_from = newest ? 0 : 1, .descending = newest, .limit = 1 };
    struct store_iter *it;
    struct store_row row;
    enum vl_err err = store_scan(s, &q, &it), copied = VL_ENOTFOUND;
    if (err) return err;
    while (store_next(it, &row)) {
        struct vl_span bytes = store_row_blob(&row, STORE_ITEMS_RECORD);
        vl_buf_clear(ret);
        copied = vl_buf_append(ret, bytes.p, bytes.n);
    }
    err = store_end(it);
    return err ? err : copied;
}
