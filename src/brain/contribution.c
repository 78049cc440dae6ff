/* The coordinator's side of contribution sessions (FOG-13): what nodes say they gave, held against the receipts that we accepted from
 * them.  A node may claim what it likes; more processor time than its receipts show is not believed. */
#include "brain/harvest_priv.h"

#include <stdlib.h>
#include <string.h>

enum { SESSION_ACCOUNT = 1 }; /* sequence of the item */

static struct account *account_of(struct brain *b, struct vl_node_id node, bool make) {
    struct account *a = vl_map_get(&b->accounts, node.b);
    if (a != NULL || !make) return a;
    a = calloc(1, sizeof *a);
    if (a == NULL || vl_map_put(&b->accounts, node.b, a)) {
        free(a);
        out_of_memory(b);
        return NULL;
    }
    a->node = node;
    return a;
}

void contribution_create(struct brain *b) {
    vl_map_init(&b->accounts, sizeof(struct vl_node_id), VL_NODES_MAX, vl_prng_next(&b->rng));
}

void contribution_destroy(struct brain *b) {
    size_t it = 0;
    for (struct account *a; (a = vl_map_next(&b->accounts, &it, NULL)) != NULL;) free(a);
    vl_map_free(&b->accounts);
}

static void row_put(struct brain *b, enum record_item kind, struct vl_node_id node, uint64_t seq, const struct contribution_row *row) {
    struct vl_buf buf;
    vl_buf_init(&buf, CONTRIBUTION_RECORD_MAX);
    if (contribution_row_encode(row, &buf))
        out_of_memory(b);
    else
        item_put(b, kind, node.b, seq, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void account_put(struct brain *b, struct account *a) {
    struct contribution_row row = a->row;
    if (row.claimed.start_ms == 0) row.claimed = (struct contribution){ .start_ms = 1, .end_ms = 1, .open = true };
    row_put(b, ITEM_SESSION, a->node, SESSION_ACCOUNT, &row);
}

enum vl_err contribution_restore(struct brain *b, const struct record *r) {
    struct vl_node_id node;
    struct contribution_row row;
    if (!b->cfg.coordinator || r->number != SESSION_ACCOUNT) return VL_OK;
    enum vl_err err = contribution_row_decode(r->bytes, &row);
    if (err) return err;
    memcpy(node.b, r->key, sizeof node.b);
    struct account *a = account_of(b, node, true);
    if (a == NULL) return VL_ENOMEM;
    if (row.claimed.start_ms == 1) row.claimed = (struct contribution){ 0 };
    a->row = row;
    return VL_OK;
}

void contribution_receipt(struct brain *b, struct vl_node_id node, uint64_t cpu_us) {
    const struct node_record *n = registry_get(b->registry, node);
    if (n == NULL || n->harvest == HARVEST_SAYS_ALWAYS) return;
    struct account *a = account_of(b, node, true);
    if (a == NULL) return;
    a->row.receipts_cpu_us += cpu_us <= UINT64_MAX - a->row.receipts_cpu_us ? cpu_us : 0;
    a->row.receipts++;
    account_put(b, a);
}

static bool plausible(const struct brain *b, const struct account *a, const struct contribution *c) {
    if (c->end_ms > vl_ms_add(b->now, CONTRIBUTION_AHEAD_MS) || c->start_ms <= a->closed_start) return false;
    return c->open || a->closed_at == 0 || b->now - a->closed_at >= CONTRIBUTION_GAP_MS;
}

void contribution_message(struct brain *b, struct vl_node_id node, struct vl_span bytes) {
    struct contribution c;
    struct account *a = NULL;
    if (contribution_decode(bytes, &c) || (a = account_of(b, node, true)) == NULL || !plausible(b, a, &c)) {
        b->counters.messages_bad++;
        return;
    }
    vl_ms before = a->row.claimed.start_ms; /* one that was never closed leaves no row behind */
    if (before != 0 && before != c.start_ms) item_remove(b, ITEM_CONTRIBUTION, node.b, before);
    a->row.claimed = c;
    a->row.believed_cpu_us = c.cpu_us < a->row.receipts_cpu_us ? c.cpu_us : a->row.receipts_cpu_us;
    if (c.open) {
        account_put(b, a);
        row_put(b, ITEM_CONTRIBUTION, node, c.start_ms, &a->row);
        return;
    }
    if (c.cpu_us > a->row.receipts_cpu_us && c.failed == 0 && c.handed_back == 0)
        note(b, VL_EDENIED, node, "a node claims more processor time than its receipts show: the rest is not believed");
    row_put(b, ITEM_CONTRIBUTION, node, c.start_ms, &a->row);
    item_remove(b, ITEM_SESSION, node.b, SESSION_ACCOUNT);
    a->row = (struct contribution_row){ 0 };
    a->closed_at = b->now;
    a->closed_start = c.start_ms;
}
