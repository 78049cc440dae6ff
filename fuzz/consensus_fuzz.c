/* Consensuses, votes and equivocations: as they come, and signed by the authorities for whatever they say.  What is
 * decoded encodes to the same bytes and keeps the rules that path selection relies on. */
#include "directory_help.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

static struct mix_charter charter;
static struct crypto_sign_key keys[MIX_AUTHORITIES_MAX], root;

static void check(const struct mix_consensus *c) {
    if (c->relays_n > MIX_RELAYS_MAX || c->clients_n > MIX_CLIENTS_MAX || c->valid_until <= c->valid_from) abort();
    for (uint32_t i = 0; i < c->relays_n; i++) {
        const struct mix_relay *r = &c->relays[i];
        if (r->number == 0 || r->number >= c->next_number || r->layer > 2 || mix_relay_by_number(c, r->number) != r ||
            mix_relay_by_node(c, r->node) != r)
            abort();
    }
    for (uint32_t i = 0; i < c->clients_n; i++) {
        const struct mix_client *k = &c->clients[i];
        if (mix_client_by_node(c, k->node) != k) abort();
        if (k->provider != 0 && mix_relay_by_number(c, k->provider) == NULL) abort();
    }
}

static void body(struct vl_span in, bool whole) {
    struct mix_consensus c;
    struct vl_buf b;
    enum vl_err err = whole ? mix_consensus_decode(in, &charter, 0, &c) : mix_consensus_decode_body(in, &charter, &c);
    if (err != VL_OK) return;
    check(&c);
    vl_buf_init(&b, MIX_DOC_MAX);
    if (mix_consensus_encode(&c, &b) != VL_OK) abort();
    if (b.len > in.n || (!whole && b.len != in.n) || memcmp(b.p, in.p, b.len) != 0) abort();
    if (!whole) { /* and signed it is accepted */
        help_consensus_doc(&c, &charter, keys, 5, &b);
        struct mix_consensus again;
        if (mix_consensus_decode(vl_span(b.p, b.len), &charter, 0, &again) != VL_OK) abort();
        mix_consensus_free(&again);
    }
    vl_buf_free(&b);
    mix_consensus_free(&c);
}

static void vote(struct vl_span in) {
    struct mix_vote v;
    struct vl_buf b;
    if (mix_vote_decode(in, &charter, &v) != VL_OK) return;
    for (uint32_t i = 0; i < v.entries_n; i++)
        if (mix_vote_find(&v, v.entries[i].digest) != &v.entries[i]) abort();
    int who = mix_charter_find(&charter, v.authority);
    vl_buf_init(&b, MIX_DOC_MAX);
    if (mix_vote_sign(&v, &charter, &keys[who], &b) != VL_OK) abort();
    if (b.len != in.n || memcmp(b.p, in.p, in.n) != 0) abort();
    vl_buf_free(&b);
    mix_vote_free(&v);
}

static void signed_vote(struct vl_span in) {
    struct mix_statement s = { .kind = MIX_STATEMENT_VOTE };
    struct vl_hash hash;
    uint8_t *whole = malloc(in.n + CRYPTO_SIGNATURE);
    if (whole == NULL || in.n < 42) {
        free(whole);
        return;
    }
    memcpy(whole, in.p, in.n);
    memcpy(whole + 2, keys[1].public, 32);
    s.epoch = vl_get_u64(whole + 34);
    crypto_blake2b256(vl_span(whole, in.n), &hash);
    memcpy(s.hash, hash.b, 32);
    mix_statement_sign(&s, &charter, &keys[1]);
    memcpy(whole + in.n, s.signature, CRYPTO_SIGNATURE);
    vote(vl_span(whole, in.n + CRYPTO_SIGNATURE));
    free(whole);
}

/* A good document with bytes changed: u16 place, value. */
static void edited(const uint8_t *p, size_t n, const struct vl_buf *good, size_t tail, void (*use)(struct vl_span)) {
    uint8_t *copy = malloc(good->len);
    if (copy == NULL) abort();
    memcpy(copy, good->p, good->len);
    for (size_t i = 0; i + 3 <= n; i += 3) copy[vl_get_u16(p + i) % good->len] = p[i + 2];
    use(vl_span(copy, good->len - tail));
    free(copy);
}
static void bare_body(struct vl_span in) { body(in, false); }
static void whole_doc(struct vl_span in) { body(in, true); }

static void edits(const uint8_t *p, size_t n) {
    static struct vl_buf doc, ballot;
    if (doc.len == 0) {
        struct mix_consensus c;
        struct mix_vote_entry entries[3] = { { .digest = { 1 } }, { .digest = { 2 } }, { .digest = { 3 } } };
        struct mix_vote v = { .epoch = 7, .entries = entries, .entries_n = 3 };
        for (uint16_t i = 0; i < MIX_DELAYS; i++) v.delay_ms[i] = (uint16_t)(i + 1);
        vl_buf_init(&doc, MIX_DOC_MAX);
        vl_buf_init(&ballot, MIX_DOC_MAX);
        help_consensus(&charter, 9, 3, 3, &c);
        help_consensus_doc(&c, &charter, keys, 7, &doc);
        mix_consensus_free(&c);
        if (mix_vote_sign(&v, &charter, &keys[1], &ballot) != VL_OK) abort();
    }
    edited(p, n, &doc, 0, whole_doc);
    edited(p, n, &doc, 1 + 3 * 65, bare_body);
    edited(p, n, &ballot, 0, vote);
    edited(p, n, &ballot, CRYPTO_SIGNATURE, signed_vote);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct mix_equivocation e;
    if (charter.n == 0) help_charter(3, 2, MIX_EPOCH_MS, &charter, keys, &root);
    body(vl_span(p, n), true);
    body(vl_span(p, n), false);
    vote(vl_span(p, n));
    signed_vote(vl_span(p, n));
    edits(p, n);
    if (mix_equivocation_check(vl_span(p, n), &charter, &e) == VL_OK) {
        struct vl_buf b;
        vl_buf_init(&b, 1024);
        if (mix_equivocation_encode(&e, &b) != VL_OK || b.len != n || memcmp(b.p, p, n) != 0) abort();
        vl_buf_free(&b);
    }
    return 0;
}
