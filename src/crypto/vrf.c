#include "crypto/vrf.h"

#include <sodium.h>
#include <string.h>

/* Suite 0x03.  Domain separators of RFC 9381: front of the hash, and a zero at its back. */
enum { SUITE = 0x03, FRONT_ENCODE = 0x01, FRONT_CHALLENGE = 0x02, FRONT_OUTPUT = 0x03, BACK = 0x00 };

#define POINT 32u
#define CHALLENGE 16u
#define SCALAR 32u

/* y < 2^255 - 19, sign bit aside.  libsodium's decoder takes the 19 other encodings too.  RFC 8032 5.1.3 step 4 also
 * refuses x = 0 with a sign; those points have order 1 or 2 and fall to the checks of order here. */
static bool canonical(const uint8_t p[POINT]) {
    if ((p[31] & 0x7f) != 0x7f || p[0] < 0xed) return true;
    for (size_t i = 1; i < 31; i++)
        if (p[i] != 0xff) return true;
    return false;
}

/* s < q = 2^252 + 27742317777372353535851937790883648493, little-endian.  s is public. */
static bool scalar_reduced(const uint8_t s[SCALAR]) {
    static const uint8_t q[SCALAR] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                       0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    for (size_t i = SCALAR; i-- > 0;)
        if (s[i] != q[i]) return s[i] < q[i];
    return false;
}

/* 8 * p by three doublings: the multiplications of libsodium refuse points outside the prime-order group, its addition
 * does not.  False: p is no point. */
static bool clear_cofactor(const uint8_t p[POINT], uint8_t ret[POINT]) {
    uint8_t two[POINT], four[POINT];
    return crypto_core_ed25519_add(two, p, p) == 0 && crypto_core_ed25519_add(four, two, two) == 0 &&
           crypto_core_ed25519_add(ret, four, four) == 0;
}

/* RFC 9381 5.4.1.1, encode_to_curve_salt = the public key. */
static bool encode_to_curve(const uint8_t public[32], struct vl_span input, uint8_t ret[POINT]) {
    static const uint8_t identity[POINT] = { 1 };
    crypto_hash_sha512_state head;
    const uint8_t front[] = { SUITE, FRONT_ENCODE };
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
        if (canonical(digest) && clear_cofactor(digest, ret) && memcmp(ret, identity, POINT) != 0) return true;
    }
    return false;
}

/* RFC 9381 5.4.3; the 16 bytes are a little-endian number. */
static void challenge(const uint8_t public[32], const uint8_t h[POINT], const uint8_t gamma[POINT],
                      const uint8_t u[POINT], const uint8_t v[POINT], uint8_t ret[CHALLENGE]) {
    crypto_hash_sha512_state st;
    const uint8_t front[] = { SUITE, FRONT_CHALLENGE }, back[] = { BACK };
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

void crypto_vrf_key_from_seed(const uint8_t seed[32], struct crypto_vrf_key *ret) {
    uint8_t digest[64], secret[64];
    memcpy(ret->seed, seed, sizeof ret->seed);
    crypto_hash_sha512(digest, seed, 32);
    memcpy(ret->scalar, digest, SCALAR);
    ret->scalar[0] &= 248;
    ret->scalar[31] = (uint8_t)((ret->scalar[31] & 63) | 64);
    memcpy(ret->nonce_key, digest + 32, sizeof ret->nonce_key);
    crypto_sign_ed25519_seed_keypair(ret->public, secret, seed);
    sodium_memzero(digest, sizeof digest);
    sodium_memzero(secret, sizeof secret);
}

void crypto_vrf_key_wipe(struct crypto_vrf_key *key) { sodium_memzero(key, sizeof *key); }

enum vl_err crypto_vrf_prove(const struct crypto_vrf_key *key, struct vl_span input,
                             uint8_t ret_proof[CRYPTO_VRF_PROOF]) {
    uint8_t h[POINT], gamma[POINT], u[POINT], v[POINT], k[SCALAR], c[SCALAR] = { 0 }, s[SCALAR];
    if (!encode_to_curve(key->public, input, h)) return VL_ECRYPTO;
    nonce(key, h, k);
    /* h is in the prime-order group and no scalar is a multiple of q, so none of these can fail but for k = 0. */
    int bad = crypto_scalarmult_ed25519_noclamp(gamma, key->scalar, h);
    bad |= crypto_scalarmult_ed25519_base_noclamp(u, k);
    bad |= crypto_scalarmult_ed25519_noclamp(v, k, h);
    if (bad == 0) {
        challenge(key->public, h, gamma, u, v, c);
        crypto_core_ed25519_scalar_mul(s, c, key->scalar);
        crypto_core_ed25519_scalar_add(s, s, k);
        memcpy(ret_proof, gamma, POINT);
        memcpy(ret_proof + POINT, c, CHALLENGE);
        memcpy(ret_proof + POINT + CHALLENGE, s, SCALAR);
    }
    sodium_memzero(k, sizeof k);
    return bad == 0 ? VL_OK : VL_ECRYPTO;
}

/* RFC 9381 5.2 for a Gamma that is a point. */
static enum vl_err output_of(const uint8_t gamma[POINT], uint8_t ret[CRYPTO_VRF_OUTPUT]) {
    uint8_t in[3 + POINT] = { SUITE, FRONT_OUTPUT };
    if (!clear_cofactor(gamma, in + 2)) return VL_ECRYPTO;
    in[2 + POINT] = BACK;
    crypto_hash_sha512(ret, in, sizeof in);
    return VL_OK;
}

enum vl_err crypto_vrf_output(const uint8_t proof[CRYPTO_VRF_PROOF], uint8_t ret[CRYPTO_VRF_OUTPUT]) {
    if (!canonical(proof) || !scalar_reduced(proof + POINT + CHALLENGE)) return VL_ECRYPTO;
    return output_of(proof, ret);
}

enum vl_err crypto_vrf_verify(const uint8_t public[32], struct vl_span input, const uint8_t proof[CRYPTO_VRF_PROOF],
                              uint8_t ret_output[CRYPTO_VRF_OUTPUT]) {
    const uint8_t *gamma = proof, *s = proof + POINT + CHALLENGE;
    uint8_t h[POINT], u[POINT], v[POINT], a[POINT], b[POINT], c[SCALAR] = { 0 }, again[CHALLENGE];
    memcpy(c, proof + POINT, CHALLENGE);
    if (!scalar_reduced(s) || crypto_core_ed25519_is_valid_point(public) != 1 ||
        crypto_core_ed25519_is_valid_point(gamma) != 1 || !encode_to_curve(public, input, h))
        return VL_ECRYPTO;
    /* U = s B - c Y, V = s H - c Gamma.  The multiplications refuse the scalar 0, which no honest prover meets. */
    if (crypto_scalarmult_ed25519_base_noclamp(a, s) != 0 || crypto_scalarmult_ed25519_noclamp(b, c, public) != 0 ||
        crypto_core_ed25519_sub(u, a, b) != 0)
        return VL_ECRYPTO;
    if (crypto_scalarmult_ed25519_noclamp(a, s, h) != 0 || crypto_scalarmult_ed25519_noclamp(b, c, gamma) != 0 ||
        crypto_core_ed25519_sub(v, a, b) != 0)
        return VL_ECRYPTO;
    challenge(public, h, gamma, u, v, again);
    if (memcmp(c, again, CHALLENGE) != 0) return VL_ECRYPTO;
    return ret_output == NULL ? VL_OK : output_of(gamma, ret_output);
}
