/* draw_rig.h - a village of members with keys of the test, some epochs on: for files of draws and challenges, in tests and fuzz targets.
 * Every byte is fixed. */
#ifndef VL_TESTS_DRAW_RIG_H
#define VL_TESTS_DRAW_RIG_H

#include "trust/challenge.h"
#include "trust/roster.h"
#include "trust/signing.h"

#include <stdlib.h>
#include <string.h>

enum { RIG_NODES = 12, RIG_FIRST = 5000, RIG_EPOCH = RIG_FIRST + 5 };

struct draw_rig {
    struct topology *t;
    struct village_id village;
    struct crypto_sign_key root, sign[RIG_NODES]; /* node 0 is the coordinator */
    struct crypto_vrf_key vrf[RIG_NODES];
    struct vl_node_id node[RIG_NODES];
    uint8_t cert[CERT_BYTES_MAX];
    size_t cert_n;
    struct topology_seal seal;
};

static inline void rig_need(enum vl_err err) {
    if (err != VL_OK) abort();
}

static inline void rig_cert(struct draw_rig *r, uint8_t roles) {
    struct cert c = { .node = r->node[0], .serial = 1, .issued_ms = 1000, .expires_ms = 2000, .roles = roles, .name = "alder" };
    rig_need(cert_sign(&r->root, &c));
    rig_need(cert_encode(&c, r->cert, sizeof r->cert, &r->cert_n));
}

static inline struct draw_rig *rig_make(void) {
    struct draw_rig *r = calloc(1, sizeof *r);
    struct vl_hash id;
    uint8_t seed[32];
    if (r == NULL) abort();
    memset(seed, 200, sizeof seed);
    crypto_sign_key_from_seed(seed, &r->root);
    r->village = village_id_of(r->root.public);
    memset(id.b, 'a', sizeof id.b);
    r->t = topology_create(RIG_NODES, &id, RIG_FIRST);
    if (r->t == NULL) abort();
    for (unsigned i = 0; i < RIG_NODES; i++) {
        memset(seed, (int)i + 1, sizeof seed);
        crypto_sign_key_from_seed(seed, &r->sign[i]);
        r->node[i] = crypto_sign_node_id(&r->sign[i]);
        seed[0] = 99;
        rig_need(crypto_vrf_key_make(CRYPTO_VRF_ELL2, seed, &r->vrf[i]));
        struct crypto_vrf_public p = crypto_vrf_public_of(&r->vrf[i]);
        rig_need(topology_member(r->t, r->node[i], &p, 1000 + 100 * i));
    }
    rig_need(topology_advance(r->t, RIG_EPOCH));
    rig_cert(r, CERT_COORDINATOR | CERT_WORKER);
    rig_need(topology_seal_make(r->t, RIG_EPOCH, r->village, &r->sign[0], vl_span(r->cert, r->cert_n), &r->seal));
    return r;
}
static inline void rig_free(struct draw_rig *r) {
    topology_destroy(r->t);
    free(r);
}

static inline struct topology_cert rig_draw(const struct draw_rig *r, unsigned i, uint16_t role) {
    struct topology_cert c;
    rig_need(topology_draw(r->t, r->node[i], &r->vrf[i], RIG_EPOCH, role, &c));
    return c;
}
static inline unsigned rig_index(const struct draw_rig *r, struct vl_node_id node) {
    for (unsigned i = 0; i < RIG_NODES; i++)
        if (vl_node_eq(r->node[i], node)) return i;
    abort();
}

/* What `witness` states of `subject`, which answers only in slots below `there` and keeps nothing. */
static inline void rig_statement(const struct draw_rig *r, unsigned witness, unsigned subject, unsigned there, struct vl_buf *out) {
    static const struct challenge_promise nothing;
    struct topology_cert own = rig_draw(r, witness, TOPOLOGY_CHALLENGE);
    struct challenge_watch w;
    challenge_watch_begin(&w, &own, r->node[subject]);
    for (unsigned slot = 0; slot <= CHALLENGE_SLOTS; slot++) {
        struct challenge_ask ask;
        vl_ms now = 1000 + 100 * (vl_ms)slot;
        if (!challenge_watch_go(&w, now, slot, 50, &ask) || slot >= there) continue;
        uint8_t signature[CRYPTO_SIGNATURE];
        rig_need(challenge_answer_sign(&r->sign[subject], &ask, &nothing, signature));
        rig_need(challenge_watch_answer(&w, now + 7, 50, ask.slot, &nothing, signature, (struct vl_span){ 0 }, NULL, 0));
    }
    rig_need(challenge_statement_make(&w, &own, &r->sign[witness], out));
}

/* The proof of `subject` with the first n of its witnesses, armoured. */
static inline void rig_availability(const struct draw_rig *r, unsigned subject, uint32_t n, unsigned there, struct vl_buf *out) {
    struct topology_cert c = rig_draw(r, subject, TOPOLOGY_NEIGHBOUR);
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    struct vl_buf one[TOPOLOGY_NEIGHBOURS];
    struct vl_span list[TOPOLOGY_NEIGHBOURS];
    (void)topology_neighbours(r->t, &c, drawn);
    for (uint32_t i = 0; i < n; i++) {
        vl_buf_init(&one[i], CHALLENGE_STATEMENT_MAX);
        rig_statement(r, rig_index(r, drawn[i]), subject, there, &one[i]);
        list[i] = vl_span(one[i].p, one[i].len);
    }
    rig_need(availability_artefact_make(r->t, r->village, &c, &r->seal, list, n, out));
    for (uint32_t i = 0; i < n; i++) vl_buf_free(&one[i]);
}

#endif
