#include "crypto/vrf.h"

#include "crypto/edwards.h"
#include "crypto/msm.h"

#include <sodium.h>
#include <string.h>

/* Domain separators of RFC 9381: front of the hash, and a zero at its back. */
enum { FRONT_ENCODE = 0x01, FRONT_CHALLENGE = 0x02, FRONT_OUTPUT = 0x03, BACK = 0x00 };

#define POINT 32u
#define CHALLENGE 16u
#define SCALAR 32u

static bool known(unsigned suite) { return suite == CRYPTO_VRF_TAI || suite == CRYPTO_VRF_ELL2; }

/* s < q = 2^252 + 27742317777372353535851937790883648493, little-endian.  s is public. */
static bool scalar_reduced(const uint8_t s[SCALAR]) {
    static const uint8_t q[SCALAR] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                       0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    for (size_t i = SCALAR; i-- > 0;)
        if (s[i] != q[i]) return s[i] < q[i];
    return false;
}

/* RFC 9381 5.4.1.1, encode_to_curve_salt = the public key. */
static bool encode_tai(const uint8_t public[32], struct vl_span input, struct edwards *ret) {
    crypto_hash_sha512_state head;
    const uint8_t front[] = { CRYPTO_VRF_TAI, FRONT_ENCODE };
    crypto_hash_sha512_init(&head);
    crypto_hash_sha512_update(&head, front, sizeof front);
    crypto_hash_sha512_update(&head, public, 32);
    if (input.n > 0) crypto_hash_sha512_update(&head, input.p, input.n);
    for (unsigned ctr = 0; ctr < 256; ctr++) {
        crypto_hash_sha512_state h = head;
        const uint8_t tail[] = { (uint8_t)ctr, BACK };
        uint8_t digest[64];
        crypto_hash_sha512_update(&h, tail, sizeof tail);
        crypto_hash_sha512_final(&h, digest);
        if (edwards_decode_vartime(digest, ret) != VL_OK) continue;
        *ret = edwards_clear_cofactor(ret);
        if (!edwards_is_identity_vartime(ret)) return true;
    }
    return false;
}

/* RFC 9381 5.4.1.2: encode_to_curve of suite edwards25519_XMD:SHA-512_ELL2_NU_ (RFC 9380 8.5) of public || input.  One
 * block of expand_message_xmd (RFC 9380 5.3.1) holds the 48 bytes of one field element. */
static bool encode_ell2(const uint8_t public[32], struct vl_span input, struct edwards *ret) {
    static const uint8_t zeros[128], count[] = { 0, 48, 0 };
    static const char tag[] = "ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_\4", length[] = { sizeof tag - 1 };
    crypto_hash_sha512_state h;
    uint8_t digest[64], little[64] = { 0 };
    crypto_hash_sha512_init(&h);
    crypto_hash_sha512_update(&h, zeros, sizeof zeros);
    crypto_hash_sha512_update(&h, public, 32);
    if (input.n > 0) crypto_hash_sha512_update(&h, input.p, input.n);
    crypto_hash_sha512_update(&h, count, sizeof count);
    crypto_hash_sha512_update(&h, (const uint8_t *)tag, sizeof tag - 1);
    crypto_hash_sha512_update(&h, (const uint8_t *)length, 1);
    crypto_hash_sha512_final(&h, digest);
    crypto_hash_sha512_init(&h);
    crypto_hash_sha512_update(&h, digest, sizeof digest);
    crypto_hash_sha512_update(&h, (const uint8_t[]){ 1 }, 1);
    crypto_hash_sha512_update(&h, (const uint8_t *)tag, sizeof tag - 1);
    crypto_hash_sha512_update(&h, (const uint8_t *)length, 1);
    crypto_hash_sha512_final(&h, digest);
    for (unsigned i = 0; i < 48; i++) little[i] = digest[47 - i];
    struct edwards p = edwards_elligator2_vartime(fe_decode_wide(little));
    *ret = edwards_clear_cofactor(&p);
    return !edwards_is_identity_vartime(ret);
}

static bool encode_to_curve(unsigned suite, const uint8_t public[32], struct vl_span input, struct edwards *ret) {
    return suite == CRYPTO_VRF_TAI ? encode_tai(public, input, ret) : encode_ell2(public, input, ret);
}

/* RFC 9381 5.4.3; the 16 bytes are a little-endian number. */
static void challenge(uint8_t suite, const uint8_t public[32], const uint8_t h[POINT], const uint8_t gamma[POINT],
                      const uint8_t u[POINT], const uint8_t v[POINT], uint8_t ret[CHALLENGE]) {
    crypto_hash_sha512_state st;
    const uint8_t front[] = { suite, FRONT_CHALLENGE }, back[] = { BACK };
    uint8_t digest[64];
    crypto_hash_sha512_init(&st);
    crypto_hash_sha512_update(&st, front, sizeof front);
    crypto_hash_sha512_update(&st, public, 32);
    crypto_hash_sha512_update(&st, h, POINT);
    crypto_hash_sha512_update(&st, gamma, POINT);
    crypto_hash_sha512_update(&st, u, POINT);
    crypto_hash_sha512_update(&st, v, POINT);
    crypto_hash_sha512_update(&st, back, sizeof back);
    crypto_hash_sha512_final(&st, digest);
    memcpy(ret, digest, CHALLENGE);
}

/* RFC 9381 5.4.2.2. */
static void nonce(const struct crypto_vrf_key *key, const uint8_t h[POINT], uint8_t ret[SCALAR]) {
    crypto_hash_sha512_state st;
    uint8_t digest[64];
    crypto_hash_sha512_init(&st);
    crypto_hash_sha512_update(&st, key->nonce_key, sizeof key->nonce_key);
    crypto_hash_sha512_update(&st, h, POINT);
    crypto_hash_sha512_final(&st, digest);
    crypto_core_ed25519_scalar_reduce(ret, digest);
    sodium_memzero(digest, sizeof digest);
    sodium_memzero(&st, sizeof st);
}

enum vl_err crypto_vrf_key_make(enum crypto_vrf_suite suite, const uint8_t seed[32], struct crypto_vrf_key *ret) {
    uint8_t digest[64], secret[64];
    if (!known(suite)) return VL_EVERSION;
    ret->suite = (uint8_t)suite;
    memcpy(ret->seed, seed, sizeof ret->seed);
    crypto_hash_sha512(digest, seed, 32);
    memcpy(ret->scalar, digest, SCALAR);
    ret->scalar[0] &= 248;
    ret->scalar[31] = (uint8_t)((ret->scalar[31] & 63) | 64);
    memcpy(ret->nonce_key, digest + 32, sizeof ret->nonce_key);
    crypto_sign_ed25519_seed_keypair(ret->public, secret, seed);
    sodium_memzero(digest, sizeof digest);
    sodium_memzero(secret, sizeof secret);
    return VL_OK;
}

void crypto_vrf_key_from_seed(const uint8_t seed[32], struct crypto_vrf_key *ret) {
    vl_ignore(crypto_vrf_key_make(CRYPTO_VRF_TAI, seed, ret)); /* the suite is known */
}

void crypto_vrf_key_wipe(struct crypto_vrf_key *key) { sodium_memzero(key, sizeof *key); }

struct crypto_vrf_public crypto_vrf_public_of(const struct crypto_vrf_key *key) {
    struct crypto_vrf_public r = { .suite = key->suite };
    memcpy(r.key, key->public, sizeof r.key);
    return r;
}

enum vl_err crypto_vrf_prove(const struct crypto_vrf_key *key, struct vl_span input,
                             uint8_t ret_proof[CRYPTO_VRF_PROOF]) {
    uint8_t h[POINT], gamma[POINT], u[POINT], v[POINT], k[SCALAR], c[SCALAR] = { 0 }, s[SCALAR];
    struct edwards point;
    if (!encode_to_curve(key->suite, key->public, input, &point)) return VL_ECRYPTO;
    edwards_encode(&point, h);
    nonce(key, h, k);
    /* h is in the prime-order group and no scalar is a multiple of q, so none of these can fail but for k = 0. */
    int bad = crypto_scalarmult_ed25519_noclamp(gamma, key->scalar, h);
    bad |= crypto_scalarmult_ed25519_base_noclamp(u, k);
    bad |= crypto_scalarmult_ed25519_noclamp(v, k, h);
    if (bad == 0) {
        challenge(key->suite, key->public, h, gamma, u, v, c);
        crypto_core_ed25519_scalar_mul(s, c, key->scalar);
        crypto_core_ed25519_scalar_add(s, s, k);
        memcpy(ret_proof, gamma, POINT);
        memcpy(ret_proof + POINT, c, CHALLENGE);
        memcpy(ret_proof + POINT + CHALLENGE, s, SCALAR);
    }
    sodium_memzero(k, sizeof k);
    return bad == 0 ? VL_OK : VL_ECRYPTO;
}

/* RFC 9381 5.2. */
static void output_of(uint8_t suite, const struct edwards *gamma, uint8_t ret[CRYPTO_VRF_OUTPUT]) {
    uint8_t in[3 + POINT] = { suite, FRONT_OUTPUT };
    struct edwards cleared = edwards_clear_cofactor(gamma);
    edwards_encode(&cleared, in + 2);
    in[2 + POINT] = BACK;
    crypto_hash_sha512(ret, in, sizeof in);
}

enum vl_err crypto_vrf_output_of(enum crypto_vrf_suite suite, const uint8_t proof[CRYPTO_VRF_PROOF],
                                 uint8_t ret[CRYPTO_VRF_OUTPUT]) {
    struct edwards gamma;
    if (!known(suite)) return VL_EVERSION;
    if (!scalar_reduced(proof + POINT + CHALLENGE) || edwards_decode_vartime(proof, &gamma) != VL_OK) return VL_ECRYPTO;
    output_of((uint8_t)suite, &gamma, ret);
    return VL_OK;
}

enum vl_err crypto_vrf_output(const uint8_t proof[CRYPTO_VRF_PROOF], uint8_t ret[CRYPTO_VRF_OUTPUT]) {
    return crypto_vrf_output_of(CRYPTO_VRF_TAI, proof, ret);
}

/* Of order q exactly: no part of small order, and not the identity. */
static bool decode_full_order(const uint8_t in[POINT], struct edwards *ret) {
    return edwards_decode_vartime(in, ret) == VL_OK && edwards_is_prime_order_vartime(ret) &&
           !edwards_is_identity_vartime(ret);
}

enum vl_err crypto_vrf_check(const struct crypto_vrf_public *public, struct vl_span input, struct vl_span proof,
                             uint8_t ret_output[CRYPTO_VRF_OUTPUT]) {
    struct edwards y, gamma, h, minus, base = edwards_base;
    uint8_t he[POINT], ue[POINT], ve[POINT], c[SCALAR] = { 0 }, again[CHALLENGE];
    if (!known(public->suite)) return VL_EVERSION;
    if (proof.n != CRYPTO_VRF_PROOF) return VL_EPARSE;
    const uint8_t *s = proof.p + POINT + CHALLENGE;
    memcpy(c, proof.p + POINT, CHALLENGE);
    if (!scalar_reduced(s) || !decode_full_order(public->key, &y) || !decode_full_order(proof.p, &gamma) ||
        !encode_to_curve(public->suite, public->key, input, &h))
        return VL_ECRYPTO;
    /* U = s B - c Y, V = s H - c Gamma */
    minus = edwards_neg(&y);
    struct edwards u = edwards_mul2_vartime(s, &base, c, &minus);
    minus = edwards_neg(&gamma);
    struct edwards v = edwards_mul2_vartime(s, &h, c, &minus);
    edwards_encode(&h, he);
    edwards_encode(&u, ue);
    edwards_encode(&v, ve);
    challenge(public->suite, public->key, he, proof.p, ue, ve, again);
    if (memcmp(c, again, CHALLENGE) != 0) return VL_ECRYPTO;
    if (ret_output != NULL) output_of(public->suite, &gamma, ret_output);
    return VL_OK;
}

enum vl_err crypto_vrf_verify(const uint8_t public[32], struct vl_span input, const uint8_t proof[CRYPTO_VRF_PROOF],
                              uint8_t ret_output[CRYPTO_VRF_OUTPUT]) {
    struct crypto_vrf_public p = { .suite = CRYPTO_VRF_TAI };
    memcpy(p.key, public, sizeof p.key);
    return crypto_vrf_check(&p, input, vl_span(proof, CRYPTO_VRF_PROOF), ret_output);
}
