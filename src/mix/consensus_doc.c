/* The consensus itself: body, signatures, and everything a client must be able to rely on. */
#include "mix/consensus.h"

#include "crypto/hash.h"
#include "mix/consensus_priv.h"

#include <stdlib.h>
#include <string.h>

#define RELAY_BYTES_MIN 167u /* without address and proof, with their length and age */
#define CLIENT_BYTES 68u

static int by_node(const void *a, const void *b) {
    const struct mix_relay *const *x = a, *const *y = b;
    return memcmp((*x)->node.b, (*y)->node.b, 32);
}

/* One node with two numbers could take two places of a path. */
static enum vl_err relays_distinct(const struct mix_consensus *c) {
    if (c->relays_n < 2) return VL_OK;
    const struct mix_relay **v = malloc(c->relays_n * sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < c->relays_n; i++) v[i] = &c->relays[i];
    qsort(v, c->relays_n, sizeof *v, by_node);
    bool twice = false;
    for (uint32_t i = 1; i < c->relays_n; i++) twice = twice || vl_node_eq(v[i - 1]->node, v[i]->node);
    free(v);
    return twice ? VL_ERANGE : VL_OK;
}

static bool relay_ok(const struct mix_consensus *c, uint32_t i) {
    const struct mix_relay *r = &c->relays[i];
    if (r->number <= (i == 0 ? 0 : c->relays[i - 1].number) || r->number >= c->next_number) return false;
    if ((r->roles & MIX_ROLES_RELAY) == 0 || (r->roles & ~MIX_ROLES_ALL) != 0 || r->layer > 2 ||
        r->reputation > MIX_REPUTATION_MAX || !mix_addr_ok(r->addr))
        return false;
    if (mix_is_zero(r->static_key, 32) || mix_is_zero(r->mix_key, 32) || mix_is_zero(r->vrf_key, 32)) return false;
    if (r->proof_epoch == 0) return true;
    return r->proof_epoch < c->epoch && c->epoch - r->proof_epoch >= MIX_PROOF_AGE &&
           c->epoch - r->proof_epoch <= UINT8_MAX;
}

static bool client_ok(const struct mix_consensus *c, uint32_t i) {
    const struct mix_client *k = &c->clients[i];
    if (i > 0 && memcmp(c->clients[i - 1].node.b, k->node.b, 32) >= 0) return false;
    return !mix_is_zero(k->static_key, 32) && (k->provider == 0 || mix_relay_by_number(c, k->provider) != NULL);
}

/* VL_ERANGE, VL_ENOMEM. */
static enum vl_err consensus_ok(const struct mix_consensus *c) {
    if (c->epoch == 0 || c->valid_from >= c->valid_until || c->next_number == 0 || !mix_delays_ok(c->delay_ms) ||
        c->commitments_n > MIX_AUTHORITIES_MAX || c->relays_n > MIX_RELAYS_MAX || c->clients_n > MIX_CLIENTS_MAX)
        return VL_ERANGE;
    for (uint32_t i = 1; i < c->commitments_n; i++)
        if (memcmp(c->commitment[i - 1].authority.b, c->commitment[i].authority.b, 32) >= 0) return VL_ERANGE;
    for (uint32_t i = 0; i < c->relays_n; i++)
        if (!relay_ok(c, i)) return VL_ERANGE;
    for (uint32_t i = 0; i < c->clients_n; i++)
        if (!client_ok(c, i)) return VL_ERANGE;
    return relays_distinct(c);
}

/* --- body --- */

static void pack_relay(struct pack *w, const struct mix_consensus *c, const struct mix_relay *r) {
    pack_u32(w, r->number);
    pack_bytes(w, r->node.b, sizeof r->node.b);
    pack_u8(w, r->roles);
    pack_u8(w, r->layer);
    pack_bytes(w, r->static_key, sizeof r->static_key);
    pack_bytes(w, r->mix_key, sizeof r->mix_key);
    pack_bytes(w, r->vrf_key, sizeof r->vrf_key);
    pack_bytes(w, r->family, sizeof r->family);
    mix_pack_text(w, r->addr);
    pack_u32(w, r->bandwidth);
    pack_u32(w, r->rate);
    pack_u32(w, r->mean_delay_ms);
    pack_u16(w, r->reputation);
    pack_u8(w, r->proof_epoch ? (uint8_t)(c->epoch - r->proof_epoch) : 0);
    if (r->proof_epoch) pack_bytes(w, r->proof, sizeof r->proof);
}

enum vl_err mix_consensus_encode(const struct mix_consensus *c, struct vl_buf *out) {
    enum vl_err err = consensus_ok(c);
    if (err) return err;
    struct pack w = pack_message(out, TAG_CONSENSUS, MIX_VERSION);
    pack_u64(&w, c->epoch);
    pack_u64(&w, c->valid_from);
    pack_u64(&w, c->valid_until);
    pack_bytes(&w, c->previous, sizeof c->previous);
    pack_bytes(&w, c->shared_random, sizeof c->shared_random);
    pack_u32(&w, c->next_number);
    for (size_t i = 0; i < MIX_DELAYS; i++) pack_u16(&w, c->delay_ms[i]);
    pack_u16(&w, c->tolerance_permille);
    pack_u32(&w, c->anonymity_floor);
    pack_u8(&w, c->commitments_n);
    for (size_t i = 0; i < c->commitments_n; i++) {
        pack_bytes(&w, c->commitment[i].authority.b, 32);
        pack_bytes(&w, c->commitment[i].value, 32);
    }
    pack_u32(&w, c->relays_n);
    for (uint32_t i = 0; i < c->relays_n; i++) pack_relay(&w, c, &c->relays[i]);
    pack_u32(&w, c->clients_n);
    for (uint32_t i = 0; i < c->clients_n; i++) {
        pack_bytes(&w, c->clients[i].node.b, 32);
        pack_bytes(&w, c->clients[i].static_key, 32);
        pack_u32(&w, c->clients[i].provider);
    }
    return pack_end(&w);
}

static void unpack_relay(struct vl_reader *r, uint64_t epoch, struct mix_relay *ret) {
    ret->number = vl_read_u32(r);
    ret->node = unpack_node(r);
    ret->roles = vl_read_u8(r);
    ret->layer = vl_read_u8(r);
    vl_read_bytes(r, ret->static_key, 32);
    vl_read_bytes(r, ret->mix_key, 32);
    vl_read_bytes(r, ret->vrf_key, 32);
    vl_read_bytes(r, ret->family, sizeof ret->family);
    unpack_ascii8(r, ret->addr, sizeof ret->addr);
    ret->bandwidth = vl_read_u32(r);
    ret->rate = vl_read_u32(r);
    ret->mean_delay_ms = vl_read_u32(r);
    ret->reputation = vl_read_u16(r);
    ret->subnet = mix_subnet(ret->addr);
    uint8_t age = vl_read_u8(r);
    if (age == 0) return;
    unpack_require(r, age < epoch);
    ret->proof_epoch = epoch - age;
    vl_read_bytes(r, ret->proof, sizeof ret->proof);
}

static void unpack_head(struct vl_reader *r, struct mix_consensus *c) {
    c->epoch = vl_read_u64(r);
    c->valid_from = vl_read_u64(r);
    c->valid_until = vl_read_u64(r);
    vl_read_bytes(r, c->previous, sizeof c->previous);
    vl_read_bytes(r, c->shared_random, sizeof c->shared_random);
    c->next_number = vl_read_u32(r);
    for (size_t i = 0; i < MIX_DELAYS; i++) c->delay_ms[i] = vl_read_u16(r);
    c->tolerance_permille = vl_read_u16(r);
    c->anonymity_floor = vl_read_u32(r);
    c->commitments_n = unpack_u8_in(r, 0, MIX_AUTHORITIES_MAX);
    for (size_t i = 0; i < c->commitments_n; i++) {
        c->commitment[i].authority = unpack_node(r);
        vl_read_bytes(r, c->commitment[i].value, 32);
    }
}

/* Room for as many as the input can hold, at most max: a number alone allocates nothing. */
static enum vl_err list_begin(struct vl_reader *r, uint32_t max, size_t least, size_t size, void **ret,
                              uint32_t *ret_n) {
    uint32_t n = unpack_u32_in(r, 0, max);
    unpack_require(r, n <= r->n / least);
    if (r->failed) return VL_EPARSE;
    *ret = calloc(n ? n : 1, size);
    if (*ret == NULL) return VL_ENOMEM;
    *ret_n = n;
    return VL_OK;
}

static enum vl_err unpack_lists(struct vl_reader *r, struct mix_consensus *c) {
    void *list = NULL;
    enum vl_err err = list_begin(r, MIX_RELAYS_MAX, RELAY_BYTES_MIN, sizeof *c->relays, &list, &c->relays_n);
    if (err) return err;
    c->relays = list;
    for (uint32_t i = 0; i < c->relays_n; i++) unpack_relay(r, c->epoch, &c->relays[i]);
    err = list_begin(r, MIX_CLIENTS_MAX, CLIENT_BYTES, sizeof *c->clients, &list, &c->clients_n);
    if (err) return err;
    c->clients = list;
    for (uint32_t i = 0; i < c->clients_n; i++) {
        c->clients[i].node = unpack_node(r);
        vl_read_bytes(r, c->clients[i].static_key, 32);
        c->clients[i].provider = vl_read_u32(r);
    }
    return r->failed ? VL_EPARSE : VL_OK;
}

/* Reads a body from the front of r.  On error c is freed. */
static enum vl_err unpack_body(struct vl_reader *r, const struct mix_charter *charter, struct mix_consensus *c) {
    const uint8_t *begin = r->p;
    memset(c, 0, sizeof *c);
    enum vl_err err = unpack_message(r, TAG_CONSENSUS, MIX_VERSION);
    if (err) return err;
    unpack_head(r, c);
    err = unpack_lists(r, c);
    if (!err) err = consensus_ok(c);
    if (!err && (c->valid_from != mix_epoch_start(charter, c->epoch) ||
                 c->valid_until != mix_epoch_start(charter, vl_ms_add(c->epoch, 2))))
        err = VL_ERANGE;
    if (err) {
        mix_consensus_free(c);
        return err == VL_ERANGE ? VL_EPARSE : err;
    }
    struct vl_hash hash;
    crypto_blake2b256(vl_span(begin, (size_t)(r->p - begin)), &hash);
    memcpy(c->hash, hash.b, sizeof c->hash);
    return VL_OK;
}

enum vl_err mix_consensus_decode_body(struct vl_span in, const struct mix_charter *charter, struct mix_consensus *ret) {
    struct mix_consensus c;
    struct vl_reader r = vl_reader(in.p, in.n);
    if (in.n > MIX_DOC_MAX) return VL_EPARSE;
    enum vl_err err = unpack_body(&r, charter, &c);
    if (err) return err;
    err = vl_reader_end(&r);
    if (err) {
        mix_consensus_free(&c);
        return err;
    }
    *ret = c;
    return VL_OK;
}

/* --- signatures --- */

struct signatures {
    uint8_t n, signer[MIX_AUTHORITIES_MAX];
    const uint8_t *signature[MIX_AUTHORITIES_MAX];
};

static struct mix_statement statement_of(const struct mix_consensus *c, const struct signatures *s, uint8_t i) {
    struct mix_statement ret = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = c->epoch };
    memcpy(ret.hash, c->hash, sizeof ret.hash);
    memcpy(ret.signature, s->signature[i], sizeof ret.signature);
    return ret;
}

static enum vl_err check_signatures(struct vl_reader *r, const struct mix_charter *charter,
                                    const struct mix_consensus *c, struct signatures *ret) {
    ret->n = unpack_u8_in(r, 0, charter->n);
    for (uint8_t i = 0; i < ret->n; i++) {
        ret->signer[i] = vl_read_u8(r);
        ret->signature[i] = vl_read_span(r, CRYPTO_SIGNATURE).p;
        unpack_require(r, ret->signer[i] < charter->n && (i == 0 || ret->signer[i] > ret->signer[i - 1]));
    }
    enum vl_err err = vl_reader_end(r);
    if (err) return err;
    for (uint8_t i = 0; i < ret->n; i++) {
        struct mix_statement s = statement_of(c, ret, i);
        err = mix_statement_check(&s, charter, charter->authority[ret->signer[i]].node);
        if (err) return err;
    }
    return ret->n >= charter->threshold ? VL_OK : VL_EDENIED;
}

static enum vl_err decode_signed(struct vl_span in, const struct mix_charter *charter, struct mix_consensus *ret,
                                 struct signatures *ret_signatures) {
    struct mix_consensus c;
    struct vl_reader r = vl_reader(in.p, in.n);
    if (in.n > MIX_DOC_MAX) return VL_EPARSE;
    enum vl_err err = unpack_body(&r, charter, &c);
    if (err) return err;
    err = check_signatures(&r, charter, &c, ret_signatures);
    if (err)
        mix_consensus_free(&c);
    else
        *ret = c;
    return err;
}

enum vl_err mix_consensus_decode(struct vl_span in, const struct mix_charter *charter, vl_ms now,
                                 struct mix_consensus *ret) {
    struct mix_consensus c;
    struct signatures signatures;
    enum vl_err err = decode_signed(in, charter, &c, &signatures);
    if (err) return err;
    if (c.valid_until <= now) {
        mix_consensus_free(&c);
        return VL_EEXPIRED;
    }
    *ret = c;
    return VL_OK;
}

enum vl_err mix_equivocation_of_consensuses(struct vl_span a, struct vl_span b, const struct mix_charter *charter,
                                            struct mix_equivocation *ret) {
    struct mix_consensus x, y;
    struct signatures xs, ys;
    enum vl_err err = decode_signed(a, charter, &x, &xs);
    if (err) return err;
    err = decode_signed(b, charter, &y, &ys);
    if (err) {
        mix_consensus_free(&x);
        return err;
    }
    err = VL_ERANGE;
    for (uint8_t i = 0, k = 0; i < xs.n && k < ys.n && err;) {
        if (xs.signer[i] == ys.signer[k]) {
            struct mix_statement first = statement_of(&x, &xs, i), second = statement_of(&y, &ys, k);
            err = mix_equivocation_of(charter->authority[xs.signer[i]].node, &first, &second, ret);
            i++;
            k++;
        } else if (xs.signer[i] < ys.signer[k])
            i++;
        else
            k++;
    }
    mix_consensus_free(&x);
    mix_consensus_free(&y);
    return err;
}
