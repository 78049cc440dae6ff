#include "trust/zk_range.h"

#include "crypto/keccak.h"
#include "trust/zk_priv.h"
#include "trust/zk_sigma.h"

#include <assert.h>
#include <stdlib.h>

/* dalek's chain of one party: SHAKE256("GeneratorsChain" || letter || number, 4 bytes little-endian), 64 bytes each. */
static void chain(char letter, unsigned value, unsigned n, struct ristretto *ret) {
    uint8_t in[20] = "GeneratorsChain", out[ZK_RANGE_BITS_MAX * RISTRETTO_UNIFORM];
    in[15] = (uint8_t)letter;
    in[16] = (uint8_t)value;
    keccak_shake256(vl_span(in, sizeof in), out, (size_t)n * RISTRETTO_UNIFORM);
    for (unsigned i = 0; i < n; i++) ristretto_from_uniform(out + (size_t)i * RISTRETTO_UNIFORM, &ret[i]);
}

struct zk_gens *zk_gens_create(unsigned bits, unsigned values) {
    uint8_t base[32], wide[64];
    assert(bits == 8 || bits == 16 || bits == 32 || bits == 64);
    assert(values >= 1 && values <= ZK_GENS_VALUES_MAX && (values & (values - 1)) == 0);
    struct zk_gens *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    g->bits = bits;
    g->values = values;
    g->g = calloc((size_t)bits * values, sizeof *g->g);
    g->h = calloc((size_t)bits * values, sizeof *g->h);
    if (g->g == NULL || g->h == NULL) {
        zk_gens_destroy(g);
        return NULL;
    }
    g->value = ristretto_base();
    ristretto_encode(&g->value, base);
    keccak_sha3_512(vl_span(base, sizeof base), wide);
    ristretto_from_uniform(wide, &g->blind);
    for (unsigned j = 0; j < values; j++) {
        chain('G', j, bits, &g->g[(size_t)j * bits]);
        chain('H', j, bits, &g->h[(size_t)j * bits]);
    }
    return g;
}

void zk_gens_destroy(struct zk_gens *g) {
    if (g == NULL) return;
    free(g->g);
    free(g->h);
    free(g);
}

const struct ristretto *zk_gens_value(const struct zk_gens *g) { return &g->value; }
const struct ristretto *zk_gens_blind(const struct zk_gens *g) { return &g->blind; }

void zk_commit_point(const struct zk_gens *g, struct zk_scalar v, struct zk_scalar blind, struct ristretto *ret) {
    struct ristretto a, b;
    ristretto_mul_base(v.b, &a);
    ristretto_mul(blind.b, &g->blind, &b);
    *ret = ristretto_add(&a, &b);
    sodium_memzero(&a, sizeof a);
    sodium_memzero(&b, sizeof b);
}

void zk_commit_scalar(const struct zk_gens *g, const struct zk_scalar *v, const uint8_t blind[32], uint8_t ret[32]) {
    struct ristretto p;
    zk_commit_point(g, *v, zk_of_bytes(blind), &p);
    ristretto_encode(&p, ret);
}

void zk_commit(const struct zk_gens *g, uint64_t v, const uint8_t blind[32], uint8_t ret[32]) {
    struct zk_scalar value = zk_of_u64(v);
    zk_commit_scalar(g, &value, blind, ret);
    sodium_memzero(&value, sizeof value);
}

struct zk_scalar zk_challenge(struct transcript *t, const char *label) {
    struct zk_scalar r;
    transcript_challenge_scalar(t, label, r.b);
    return r;
}

struct zk_scalar zk_nonce(struct transcript *rng) {
    uint8_t wide[64];
    struct zk_scalar r;
    transcript_rng_fill(rng, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(r.b, wide);
    sodium_memzero(wide, sizeof wide);
    return r;
}

void zk_powers(struct zk_scalar x, unsigned n, struct zk_scalar *ret) {
    for (unsigned i = 0; i < n; i++) ret[i] = i == 0 ? zk_of_u64(1) : zk_mul(ret[i - 1], x);
}

struct zk_scalar zk_inner_product(const struct zk_scalar *a, const struct zk_scalar *b, unsigned n) {
    struct zk_scalar r = zk_of_u64(0);
    for (unsigned i = 0; i < n; i++) r = zk_muladd(a[i], b[i], r);
    return r;
}

struct zk_scalar zk_select(uint64_t take, struct zk_scalar a, struct zk_scalar b) {
    uint8_t mask = (uint8_t)(0 - take);
    for (unsigned i = 0; i < sizeof a.b; i++) b.b[i] = (uint8_t)(b.b[i] ^ (mask & (a.b[i] ^ b.b[i])));
    return b;
}

uint64_t zk_same(uint64_t a, uint64_t b) {
    uint64_t d = a ^ b;
    return ((d | (0 - d)) >> 63) ^ 1;
}

bool zk_canonical_all_vartime(const struct zk_scalar *v, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        if (!zk_canonical_vartime(v[i].b)) return false;
    return true;
}

enum vl_err zk_opens(const struct zk_gens *g, const uint8_t commitment[32], struct zk_scalar v,
                     struct zk_scalar blind) {
    struct ristretto is, claimed;
    if (ristretto_decode(commitment, &claimed) != VL_OK) return VL_EPARSE;
    zk_commit_point(g, v, blind, &is);
    return ristretto_equal(&is, &claimed) ? VL_OK : VL_ERANGE;
}
