#include "trust/succession.h"

#include "base/map.h"
#include "trust/roster.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXT "village-succession-1:"

void succession_sign(const struct crypto_sign_key *old, const struct crypto_sign_key *next, struct succession *s) {
    uint8_t body[SUCCESSION_BODY];
    s->old = crypto_sign_node_id(old);
    s->next = crypto_sign_node_id(next);
    succession_body(s, body);
    /* the only error is of a message that is too long */
    vl_ignore(crypto_sign_message(old, CONTEXT, vl_span(body, sizeof body), s->by_old));
    vl_ignore(crypto_sign_message(next, CONTEXT, vl_span(body, sizeof body), s->by_next));
}

enum vl_err succession_verify(const struct succession *s, struct village_id village) {
    uint8_t body[SUCCESSION_BODY];
    if (!village_eq(s->village, village)) return VL_EDENIED;
    if (vl_node_eq(s->old, s->next)) return VL_ECRYPTO;
    succession_body(s, body);
    enum vl_err err = crypto_verify_message(s->old.b, CONTEXT, vl_span(body, sizeof body), s->by_old);
    return err ? err : crypto_verify_message(s->next.b, CONTEXT, vl_span(body, sizeof body), s->by_next);
}

enum vl_err succession_chain(const struct succession *v, size_t n, struct village_id village, struct vl_node_id first, struct vl_node_id last) {
    struct vl_node_id at = first;
    if (n == 0 || n > SUCCESSION_CHAIN_MAX) return VL_ERANGE;
    for (size_t i = 0; i < n; i++) {
        if (!vl_node_eq(v[i].old, at) || (i > 0 && v[i].at_ms < v[i - 1].at_ms)) return VL_ESTALE;
        for (size_t j = 0; j <= i; j++)
            if (vl_node_eq(v[j].old, v[i].next)) return VL_ESTALE;
        enum vl_err err = succession_verify(&v[i], village);
        if (err) return err;
        at = v[i].next;
    }
    return vl_node_eq(at, last) ? VL_OK : VL_ESTALE;
}

/* ---- the book ---- */

struct entry {
    struct succession s;
    struct vl_node_id origin;
};
struct succession_book {
    struct village_id village;
    struct vl_map by_next, by_old; /* struct entry, owned by by_next */
};

struct succession_book *succession_book_create(struct village_id village, uint64_t seed) {
    struct succession_book *b = calloc(1, sizeof *b);
    if (b == NULL) return NULL;
    b->village = village;
    vl_map_init(&b->by_next, sizeof(struct vl_node_id), SUCCESSION_BOOK_MAX, seed);
    vl_map_init(&b->by_old, sizeof(struct vl_node_id), SUCCESSION_BOOK_MAX, seed ^ 1);
    return b;
}

void succession_book_destroy(struct succession_book *b) {
    size_t it = 0;
    if (b == NULL) return;
    for (void *e; (e = vl_map_next(&b->by_next, &it, NULL)) != NULL;) free(e);
    vl_map_free(&b->by_next);
    vl_map_free(&b->by_old);
    free(b);
}

static const struct entry *entry_to(const struct succession_book *b, struct vl_node_id node) { return vl_map_get(&b->by_next, node.b); }

/* VL_OK with *ret: it is there.  VL_OK without: there is room for it. */
static enum vl_err place(const struct succession_book *b, const struct succession *s, const struct entry **ret) {
    const struct entry *to = entry_to(b, s->next), *from = vl_map_get(&b->by_old, s->old.b);
    *ret = NULL;
    if (to && to == from && memcmp(to->s.static_key, s->static_key, 32) == 0) {
        *ret = to;
        return VL_OK;
    }
    if (to || from) return VL_EEXISTS;
    if (vl_node_eq(succession_origin(b, s->old), s->next)) return VL_EEXISTS; /* a ring would have no origin */
    return b->by_next.len >= SUCCESSION_BOOK_MAX ? VL_ELIMIT : VL_OK;
}

enum vl_err succession_may(const struct succession_book *b, const struct succession *s, vl_ms now) {
    const struct entry *there;
    enum vl_err err = succession_verify(s, b->village);
    if (err) return err;
    if (s->at_ms > vl_ms_add(now, ROSTER_SKEW_MS)) return VL_EAGAIN;
    err = place(b, s, &there);
    /* a key that was replaced must not come back, not even into another line */
    return err == VL_OK && there == NULL && vl_map_get(&b->by_old, s->next.b) ? VL_EEXISTS : err;
}

enum vl_err succession_take(struct succession_book *b, const struct succession *s, bool *ret_new) {
    const struct entry *there;
    enum vl_err err = place(b, s, &there);
    if (err) return err;
    *ret_new = there == NULL;
    if (there) return VL_OK;
    struct entry *e = malloc(sizeof *e);
    if (e == NULL) return VL_ENOMEM;
    *e = (struct entry){ .s = *s, .origin = succession_origin(b, s->old) };
    err = vl_map_put(&b->by_next, s->next.b, e);
    if (err == VL_OK && (err = vl_map_put(&b->by_old, s->old.b, e))) vl_map_del(&b->by_next, s->next.b);
    if (err) {
        free(e);
        return err;
    }
    /* Stored rows come in the order of keys, not of time: whoever came before its elders learns of them now. */
    struct vl_node_id origin = e->origin;
    for (struct entry *later = e; (later = vl_map_get(&b->by_old, later->s.next.b)) != NULL;) later->origin = origin;
    return VL_OK;
}

const struct succession *succession_to(const struct succession_book *b, struct vl_node_id node) {
    const struct entry *e = entry_to(b, node);
    return e ? &e->s : NULL;
}

const struct succession *succession_from(const struct succession_book *b, struct vl_node_id node) {
    const struct entry *e = vl_map_get(&b->by_old, node.b);
    return e ? &e->s : NULL;
}

struct vl_node_id succession_origin(const struct succession_book *b, struct vl_node_id node) {
    const struct entry *e = entry_to(b, node);
    return e ? e->origin : node;
}

size_t succession_count(const struct succession_book *b) { return b->by_next.len; }
