/* node_reputation.c - reputations of a node's village, for the gateway: the part of node_backend.c that deals with them. */
#include "gateway/node_backend.h"

#include "fog/registry.h"
#include "node/persist.h"
#include "trust/reputation.h"

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

void node_backend_rate(struct node *n, struct view_node *v) {
    const struct reputation *book = brain_reputation(node_brain(n));
    struct reputation_score s;
    if (book == NULL) return;
    (void)reputation_get(book, brain_origin(node_brain(n), v->id), node_now(n), &s);
    v->rated = true;
    v->trust_milli = s.trust_ppm / 1000;
    v->doubt_milli = (s.doubt_ppm + 999) / 1000;
    v->flagged = s.flagged;
}

void node_backend_reputations(void *self, const struct vl_node_id *after, uint32_t max, view_reputation_fn sink,
                              void *arg) {
    struct node *n = node_of(self);
    const struct reputation *book = brain_reputation(node_brain(n));
    const struct registry *reg = brain_registry(node_brain(n));
    const struct node_record *r = NULL;
    struct reputation_score s;
    if (book == NULL) return;
    for (r = registry_next(reg, after); r && max > 0; r = registry_next(reg, &r->id), max--) {
        (void)reputation_get(book, brain_origin(node_brain(n), r->id), node_now(n), &s);
        sink(arg, &(struct view_reputation){
                      .id = r->id, .name = r->name, .score = &s, .base_milli = reputation_base_milli(book) });
    }
}

/* Pieces of the stored list that the state counts: rows written after it was read are of the next answer. */
static enum vl_err pieces(struct store *store, const struct reputation_state *s, uint64_t after, uint32_t max,
                          view_evidence_fn sink, void *arg) {
    struct store_value prefix[] = { store_int(ITEM_EVIDENCE), store_blob(s->node.b, sizeof s->node.b) };
    struct store_value from = store_int((int64_t)(after > s->folded ? after : s->folded));
    struct store_query q = {
        .table = STORE_ITEMS, .prefix = prefix, .n_prefix = 2, .from = &from, .n_from = 1, .limit = max
    };
    struct store_iter *it;
    struct store_row row;
    struct evidence e;
    enum vl_err err = store_scan(store, &q, &it);
    if (err) return err;
    while (store_next(it, &row))
        if (evidence_decode(store_row_blob(&row, STORE_ITEMS_RECORD), &e) == VL_OK && e.seq <= s->seq) sink(arg, &e);
    return store_end(it);
}

/* From the store, not from memory: what is shown is durable, and list and sums are of one transaction unless one more
 * was committed between the two reads, which the chain of hashes tells. */
enum vl_err node_backend_reputation(void *self, struct vl_node_id id, uint64_t after, uint32_t max,
                                    view_reputation_fn head, view_evidence_fn sink, void *arg) {
    struct node *n = node_of(self);
    const struct reputation *book = brain_reputation(node_brain(n));
    if (book == NULL) return VL_EUNSUPPORTED;
    const struct node_record *r = registry_get(brain_registry(node_brain(n)), id);
    const struct vl_node_id origin = brain_origin(node_brain(n), id);
    struct store_value key[] = { store_int(ITEM_REPUTATION), store_blob(origin.b, sizeof origin.b), store_int(0) };
    struct reputation_state s = { .node = origin };
    struct reputation_score score;
    struct store_row row;
    enum vl_err err = store_get(node_store(n), STORE_ITEMS, key, &row);
    if (err == VL_OK) err = reputation_state_decode(store_row_blob(&row, STORE_ITEMS_RECORD), &s);
    if (err && (err != VL_ENOTFOUND || r == NULL)) return err;
    bool known = err == VL_OK;
    reputation_state_score(&s, reputation_base_milli(book), node_now(n), &score);
    head(arg, &(struct view_reputation){ .id = id,
                                         .name = r ? r->name : "",
                                         .score = &score,
                                         .base_milli = reputation_base_milli(book),
                                         .state = known ? &s : NULL });
    err = known ? pieces(node_store(n), &s, after, max, sink, arg) : VL_OK;
    reputation_state_free(&s);
    return err;
}
