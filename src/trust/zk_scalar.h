/* zk_scalar.h - integers modulo L for the proofs of this folder, over libsodium: constant time, hence also for secrets.
 * Internal to zk_*.c.  Pure. */
#ifndef VL_TRUST_ZK_SCALAR_H
#define VL_TRUST_ZK_SCALAR_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* 32 bytes little-endian, below L wherever one of these functions made it. */
struct zk_scalar {
    uint8_t b[32];
};

static inline struct zk_scalar zk_of_u64(uint64_t v) {
    struct zk_scalar r = { { 0 } };
    for (int i = 0; i < 8; i++) r.b[i] = (uint8_t)(v >> 8 * i);
    return r;
}
static inline struct zk_scalar zk_of_bytes(const uint8_t in[32]) {
    struct zk_scalar r;
    memcpy(r.b, in, sizeof r.b);
    return r;
}
static inline struct zk_scalar zk_mul(struct zk_scalar a, struct zk_scalar b) {
    struct zk_scalar r;
    crypto_core_ristretto255_scalar_mul(r.b, a.b, b.b);
    return r;
}
static inline struct zk_scalar zk_add(struct zk_scalar a, struct zk_scalar b) {
    struct zk_scalar r;
    crypto_core_ristretto255_scalar_add(r.b, a.b, b.b);
    return r;
}
static inline struct zk_scalar zk_sub(struct zk_scalar a, struct zk_scalar b) {
    struct zk_scalar r;
    crypto_core_ristretto255_scalar_sub(r.b, a.b, b.b);
    return r;
}
static inline struct zk_scalar zk_neg(struct zk_scalar a) { return zk_sub(zk_of_u64(0), a); }
/* a * b + c */
static inline struct zk_scalar zk_muladd(struct zk_scalar a, struct zk_scalar b, struct zk_scalar c) {
    return zk_add(zk_mul(a, b), c);
}
static inline bool zk_is_zero(struct zk_scalar a) { return sodium_is_zero(a.b, sizeof a.b) != 0; }
/* Below L, as bytes of a proof must be: one encoding for each number.  `in` is public. */
static inline bool zk_canonical_vartime(const uint8_t in[32]) {
    uint8_t wide[64] = { 0 }, reduced[32];
    memcpy(wide, in, 32);
    crypto_core_ristretto255_scalar_reduce(reduced, wide);
    return memcmp(reduced, in, 32) == 0;
}
/* 1 / v[i] for n public numbers, none of them 0, at the price of one inversion.  work: room for n. */
static inline void zk_invert_all(const struct zk_scalar *v, unsigned n, struct zk_scalar *work, struct zk_scalar *ret) {
    struct zk_scalar all = zk_of_u64(1);
    for (unsigned i = 0; i < n; i++) {
        work[i] = all;
        all = zk_mul(all, v[i]);
    }
    int ignored = crypto_core_ristretto255_scalar_invert(all.b, all.b); /* fails for 0 alone */
    (void)ignored;
    for (unsigned i = n; i-- > 0;) {
        ret[i] = zk_mul(all, work[i]);
        all = zk_mul(all, v[i]);
    }
}

#endif
