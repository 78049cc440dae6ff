#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define HASH_BLOCK_MAX 128u /* of BLAKE2b; SHA-256 has 64 */

void crypto_blake2b_keyed(struct vl_span in, struct vl_span key, const char personal[16], uint8_t *dst, size_t n) {
    assert(n >= 1 && n <= 64 && key.n <= 64);
    static const uint8_t no_salt[16] = { 0 }, no_personal[16] = { 0 };
    crypto_generichash_blake2b_salt_personal(dst, n, in.p, in.n, key.p, key.n, no_salt,
                                             personal ? (const uint8_t *)personal : no_personal);
}

void crypto_sha256(struct vl_span in, uint8_t ret[32]) { crypto_hash_sha256(ret, in.p, in.n); }

size_t crypto_hash_len(enum crypto_hash_kind kind) {
    switch (kind) {
    case CRYPTO_SHA256:
        return 32;
    case CRYPTO_BLAKE2B:
        return 64;
    }
    assert(!"a hash of this folder");
    return 0;
}

struct hasher {
    enum crypto_hash_kind kind;
    union {
        crypto_hash_sha256_state sha;
        crypto_generichash_state blake;
    } u;
};

static void hasher_init(struct hasher *h, enum crypto_hash_kind kind) {
    h->kind = kind;
    if (kind == CRYPTO_SHA256)
        crypto_hash_sha256_init(&h->u.sha);
    else
        crypto_generichash_init(&h->u.blake, NULL, 0, 64);
}

static void hasher_add(struct hasher *h, struct vl_span s) {
    if (s.n == 0) return;
    if (h->kind == CRYPTO_SHA256)
        crypto_hash_sha256_update(&h->u.sha, s.p, s.n);
    else
        crypto_generichash_update(&h->u.blake, s.p, s.n);
}

static void hasher_end(struct hasher *h, uint8_t *dst) {
    if (h->kind == CRYPTO_SHA256)
        crypto_hash_sha256_final(&h->u.sha, dst);
    else
        crypto_generichash_final(&h->u.blake, dst, 64);
    sodium_memzero(h, sizeof *h);
}

void crypto_hash2(enum crypto_hash_kind kind, struct vl_span a, struct vl_span b, uint8_t *dst) {
    struct hasher h;
    hasher_init(&h, kind);
    hasher_add(&h, a);
    hasher_add(&h, b);
    hasher_end(&h, dst);
}

void crypto_hmac(enum crypto_hash_kind kind, struct vl_span key, struct vl_span a, struct vl_span b, struct vl_span c,
                 uint8_t *dst) {
    size_t block = kind == CRYPTO_SHA256 ? 64 : HASH_BLOCK_MAX, len = crypto_hash_len(kind);
    uint8_t pad[HASH_BLOCK_MAX] = { 0 }, inner[CRYPTO_HASH_MAX];
    if (key.n > block)
        crypto_hash2(kind, key, vl_span(NULL, 0), pad);
    else if (key.n > 0)
        memcpy(pad, key.p, key.n);
    struct hasher h;
    for (size_t i = 0; i < block; i++) pad[i] ^= 0x36;
    hasher_init(&h, kind);
    hasher_add(&h, vl_span(pad, block));
    hasher_add(&h, a);
    hasher_add(&h, b);
    hasher_add(&h, c);
    hasher_end(&h, inner);
    for (size_t i = 0; i < block; i++) pad[i] ^= 0x36 ^ 0x5c;
    crypto_hash2(kind, vl_span(pad, block), vl_span(inner, len), dst);
    sodium_memzero(pad, sizeof pad);
    sodium_memzero(inner, sizeof inner);
}

void crypto_hkdf_extract(enum crypto_hash_kind kind, struct vl_span salt, struct vl_span ikm, uint8_t *dst) {
    crypto_hmac(kind, salt, ikm, vl_span(NULL, 0), vl_span(NULL, 0), dst);
}

enum vl_err crypto_hkdf_expand(enum crypto_hash_kind kind, struct vl_span prk, struct vl_span info, uint8_t *dst,
                               size_t n) {
    size_t len = crypto_hash_len(kind), done = 0;
    if (n > 255 * len) return VL_ERANGE;
    uint8_t t[CRYPTO_HASH_MAX];
    for (uint8_t i = 1; done < n; i++) {
        crypto_hmac(kind, prk, vl_span(t, i == 1 ? 0 : len), info, vl_span(&i, 1), t);
        size_t take = n - done < len ? n - done : len;
        memcpy(dst + done, t, take);
        done += take;
    }
    sodium_memzero(t, sizeof t);
    return VL_OK;
}
