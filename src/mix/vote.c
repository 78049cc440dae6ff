#include "mix/vote.h"

#include "crypto/hash.h"
#include "mix/consensus_priv.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES 34u

/* --- statements --- */

#define SIGNED_BYTES 80u

static const char *context_of(enum mix_statement_kind kind) {
    return kind == MIX_STATEMENT_VOTE ? "village-mix-vote-1:" : "village-mix-consensus-1:";
}

static void statement_bytes(const struct mix_statement *s, const struct mix_charter *charter,
                            uint8_t ret[SIGNED_BYTES]) {
    memcpy(ret, charter->root, 32);
    vl_put_u64(ret + 32, charter->number);
    vl_put_u64(ret + 40, s->epoch);
    memcpy(ret + 48, s->hash, 32);
}

void mix_statement_sign(struct mix_statement *s, const struct mix_charter *charter, const struct crypto_sign_key *key) {
    uint8_t bytes[SIGNED_BYTES];
    statement_bytes(s, charter, bytes);
    vl_ignore(crypto_sign_message(key, context_of(s->kind), vl_span(bytes, sizeof bytes), s->signature)); /* short */
}

enum vl_err mix_statement_check(const struct mix_statement *s, const struct mix_charter *charter,
                                struct vl_node_id authority) {
    uint8_t bytes[SIGNED_BYTES];
    statement_bytes(s, charter, bytes);
    return crypto_verify_message(authority.b, context_of(s->kind), vl_span(bytes, sizeof bytes), s->signature);
}

/* --- equivocation --- */

enum vl_err mix_equivocation_of(struct vl_node_id authority, const struct mix_statement *a,
                                const struct mix_statement *b, struct mix_equivocation *ret) {
    int order = memcmp(a->hash, b->hash, 32);
    if (a->kind != b->kind || a->epoch != b->epoch || order == 0) return VL_ERANGE;
    const struct mix_statement *const s[2] = { order < 0 ? a : b, order < 0 ? b : a };
    *ret = (struct mix_equivocation){ .authority = authority, .kind = a->kind, .epoch = a->epoch };
    for (size_t i = 0; i < 2; i++) {
        memcpy(ret->statement[i].hash, s[i]->hash, 32);
        memcpy(ret->statement[i].signature, s[i]->signature, CRYPTO_SIGNATURE);
    }
    return VL_OK;
}

enum vl_err mix_equivocation_encode(const struct mix_equivocation *e, struct vl_buf *out) {
    if (memcmp(e->statement[0].hash, e->statement[1].hash, 32) >= 0) return VL_ERANGE;
    struct pack w = pack_message(out, TAG_EQUIVOCATION, MIX_VERSION);
    pack_bytes(&w, e->authority.b, 32);
    pack_u8(&w, (uint8_t)e->kind);
    pack_u64(&w, e->epoch);
    for (size_t i = 0; i < 2; i++) {
        pack_bytes(&w, e->statement[i].hash, 32);
        pack_bytes(&w, e->statement[i].signature, CRYPTO_SIGNATURE);
    }
    return pack_end(&w);
}

enum vl_err mix_equivocation_check(struct vl_span in, const struct mix_charter *charter, struct mix_equivocation *ret) {
    struct mix_equivocation e;
    struct vl_reader r = vl_reader(in.p, in.n);
    memset(&e, 0, sizeof e);
    enum vl_err err = unpack_message(&r, TAG_EQUIVOCATION, MIX_VERSION);
    if (err) return err;
    e.authority = unpack_node(&r);
    e.kind = (enum mix_statement_kind)unpack_u8_in(&r, MIX_STATEMENT_VOTE, MIX_STATEMENT_CONSENSUS);
    e.epoch = vl_read_u64(&r);
    for (size_t i = 0; i < 2; i++) {
        vl_read_bytes(&r, e.statement[i].hash, 32);
        vl_read_bytes(&r, e.statement[i].signature, CRYPTO_SIGNATURE);
    }
    err = vl_reader_end(&r);
    if (err) return err;
    if (memcmp(e.statement[0].hash, e.statement[1].hash, 32) >= 0) return VL_EPARSE;
    if (mix_charter_find(charter, e.authority) < 0) return VL_ERANGE;
    for (size_t i = 0; i < 2; i++) {
        struct mix_statement s = { .kind = e.kind, .epoch = e.epoch };
        memcpy(s.hash, e.statement[i].hash, 32);
        memcpy(s.signature, e.statement[i].signature, CRYPTO_SIGNATURE);
        err = mix_statement_check(&s, charter, e.authority);
        if (err) return err;
    }
    *ret = e;
    return VL_OK;
}

/* --- votes --- */

void mix_vote_free(struct mix_vote *v) {
    free(v->entries);
    memset(v, 0, sizeof *v);
}

static bool vote_ok(const struct mix_vote *v) {
    if (v->epoch == 0 || v->previous_epoch >= v->epoch || !mix_delays_ok(v->delay_ms) ||
        v->entries_n > MIX_VOTE_ENTRIES_MAX)
        return false;
    if ((v->previous_epoch == 0) != mix_is_zero(v->previous, sizeof v->previous)) return false;
    for (uint32_t i = 0; i < v->entries_n; i++) {
        if (v->entries[i].reputation > MIX_REPUTATION_MAX) return false;
        if (i > 0 && memcmp(v->entries[i - 1].digest, v->entries[i].digest, 32) >= 0) return false;
    }
    return true;
}

static void vote_hash(struct vl_span body, struct mix_vote *v) {
    struct vl_hash hash;
    crypto_blake2b256(body, &hash);
    v->statement.kind = MIX_STATEMENT_VOTE;
    v->statement.epoch = v->epoch;
    memcpy(v->statement.hash, hash.b, 32);
}

enum vl_err mix_vote_sign(struct mix_vote *v, const struct mix_charter *charter, const struct crypto_sign_key *key,
                          struct vl_buf *out) {
    size_t start = out->len;
    v->authority = crypto_sign_node_id(key);
    if (!vote_ok(v)) return VL_ERANGE;
    struct pack w = pack_message(out, TAG_VOTE, MIX_VERSION);
    pack_bytes(&w, v->authority.b, 32);
    pack_u64(&w, v->epoch);
    pack_u64(&w, v->previous_epoch);
    pack_bytes(&w, v->previous, 32);
    pack_bytes(&w, v->reveal, 32);
    pack_bytes(&w, v->commitment, 32);
    for (size_t i = 0; i < MIX_DELAYS; i++) pack_u16(&w, v->delay_ms[i]);
    pack_u16(&w, v->tolerance_permille);
    pack_u32(&w, v->anonymity_floor);
    pack_u32(&w, v->entries_n);
    for (uint32_t i = 0; i < v->entries_n; i++) {
        pack_bytes(&w, v->entries[i].digest, 32);
        pack_u16(&w, v->entries[i].reputation);
    }
    if (w.err == VL_OK) {
        vote_hash(vl_span(out->p + start, out->len - start), v);
        mix_statement_sign(&v->statement, charter, key);
        pack_bytes(&w, v->statement.signature, CRYPTO_SIGNATURE);
    }
    return pack_end(&w);
}

static void unpack_vote_head(struct vl_reader *r, struct mix_vote *v) {
    v->authority = unpack_node(r);
    v->epoch = vl_read_u64(r);
    v->previous_epoch = vl_read_u64(r);
    vl_read_bytes(r, v->previous, 32);
    vl_read_bytes(r, v->reveal, 32);
    vl_read_bytes(r, v->commitment, 32);
    for (size_t i = 0; i < MIX_DELAYS; i++) v->delay_ms[i] = vl_read_u16(r);
    v->tolerance_permille = vl_read_u16(r);
    v->anonymity_floor = vl_read_u32(r);
    v->entries_n = unpack_u32_in(r, 0, MIX_VOTE_ENTRIES_MAX);
}

enum vl_err mix_vote_decode(struct vl_span in, const struct mix_charter *charter, struct mix_vote *ret) {
    struct mix_vote v;
    struct vl_reader r = vl_reader(in.p, in.n);
    memset(&v, 0, sizeof v);
    enum vl_err err = unpack_message(&r, TAG_VOTE, MIX_VERSION);
    if (err) return err;
    unpack_vote_head(&r, &v);
    struct vl_span list = vl_read_span(&r, (size_t)ENTRY_BYTES * v.entries_n);
    vl_read_bytes(&r, v.statement.signature, CRYPTO_SIGNATURE);
    err = vl_reader_end(&r);
    if (err) return err;
    /* before anything is allocated */
    if (mix_charter_find(charter, v.authority) < 0) return VL_EDENIED;
    vote_hash(vl_span(in.p, in.n - CRYPTO_SIGNATURE), &v);
    err = mix_statement_check(&v.statement, charter, v.authority);
    if (err) return err;
    v.entries = calloc(v.entries_n ? v.entries_n : 1, sizeof *v.entries);
    if (v.entries == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < v.entries_n; i++) {
        memcpy(v.entries[i].digest, list.p + (size_t)ENTRY_BYTES * i, 32);
        v.entries[i].reputation = vl_get_u16(list.p + (size_t)ENTRY_BYTES * i + 32);
    }
    if (!vote_ok(&v)) {
        mix_vote_free(&v);
        return VL_EPARSE;
    }
    *ret = v;
    return VL_OK;
}

const struct mix_vote_entry *mix_vote_find(const struct mix_vote *v, const uint8_t digest[32]) {
    uint32_t low = 0, high = v->entries_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = memcmp(v->entries[mid].digest, digest, 32);
        if (order == 0) return &v->entries[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

void mix_share_step(const uint8_t in[32], uint8_t ret[32]) {
    crypto_blake2b_keyed(vl_span(in, 32), vl_span(NULL, 0), "village-mix-shar", ret, 32);
}

void mix_descriptor_digest(struct vl_span encoded, uint8_t ret[32]) {
    struct vl_hash hash;
    crypto_blake2b256(encoded, &hash);
    memcpy(ret, hash.b, 32);
}
