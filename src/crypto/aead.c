#include "crypto/aead.h"

#include "crypto/vaes.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#define AES_LARGE_MIN 512u /* bytes from which libcrypto beats libsodium, and vaes.h repays its set-up of 1.2 us */
#define CHACHA_EVP_MIN 1024u

_Static_assert(sizeof(crypto_aead_aes256gcm_state) <= sizeof((struct crypto_aead *)0)->aes, "state of libsodium");

static const crypto_aead_aes256gcm_state *aes_of(const struct crypto_aead *a) { return (const void *)a->aes; }

void crypto_aead_init(struct crypto_aead *a, enum crypto_aead_kind kind, const uint8_t key[CRYPTO_AEAD_KEY]) {
    assert(kind == CRYPTO_CHACHAPOLY || kind == CRYPTO_AESGCM);
    a->kind = kind;
    a->evp = NULL;
    a->evp_seals = false;
    a->vaes = NULL;
    a->use_vaes = kind == CRYPTO_AESGCM && crypto_vaes_available();
    memcpy(a->key, key, sizeof a->key);
    if (kind == CRYPTO_AESGCM && crypto_aead_aes256gcm_is_available())
        crypto_aead_aes256gcm_beforenm((void *)a->aes, a->key);
}

void crypto_aead_destroy(struct crypto_aead *a) {
    EVP_CIPHER_CTX_free(a->evp); /* cleanses its copy of the key */
    crypto_vaes_free(a->vaes);
    sodium_memzero(a, sizeof *a);
}

static void nonce_bytes(enum crypto_aead_kind kind, uint64_t nonce, uint8_t dst[12]) {
    memset(dst, 0, 4);
    vl_put_u64(dst + 4, kind == CRYPTO_AESGCM ? nonce : __builtin_bswap64(nonce));
}

static bool evp_wanted(const struct crypto_aead *a, size_t n) {
    if (a->kind == CRYPTO_CHACHAPOLY) return n >= CHACHA_EVP_MIN;
    return n >= AES_LARGE_MIN || !crypto_aead_aes256gcm_is_available();
}

static bool vaes_wanted(const struct crypto_aead *a, size_t n) {
    return a->use_vaes && (n >= AES_LARGE_MIN || a->vaes != NULL);
}
static enum vl_err vaes_start(struct crypto_aead *a) {
    if (a->vaes == NULL) a->vaes = crypto_vaes_new(a->key);
    return a->vaes == NULL ? VL_ENOMEM : VL_OK;
}

/* Sets up the context for one message; only the nonce when the direction is the last one. */
static enum vl_err evp_start(struct crypto_aead *a, bool seals, const uint8_t nonce[12], struct vl_span ad) {
    int ok, len = 0;
    if (a->evp != NULL && a->evp_seals == seals) {
        ok = EVP_CipherInit_ex(a->evp, NULL, NULL, NULL, nonce, -1);
    } else {
        if (a->evp == NULL) a->evp = EVP_CIPHER_CTX_new();
        if (a->evp == NULL) return VL_ENOMEM;
        const EVP_CIPHER *cipher = a->kind == CRYPTO_AESGCM ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
        ok = EVP_CipherInit_ex(a->evp, cipher, NULL, a->key, nonce, seals);
        a->evp_seals = seals;
    }
    if (ok == 1 && ad.n > 0) ok = EVP_CipherUpdate(a->evp, NULL, &len, ad.p, (int)ad.n);
    return ok == 1 ? VL_OK : VL_ENOMEM;
}

/* After a failure the context may be half set up, and our errors must not reach a TLS connection's SSL_get_error(). */
static enum vl_err evp_fail(struct crypto_aead *a, enum vl_err err) {
    EVP_CIPHER_CTX_free(a->evp);
    a->evp = NULL;
    ERR_clear_error();
    return err;
}

static enum vl_err evp_seal(struct crypto_aead *a, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                            size_t n, uint8_t *dst) {
    int len = 0, ok = evp_start(a, true, nonce, ad) == VL_OK;
    if (ok && n > 0) ok = EVP_CipherUpdate(a->evp, dst, &len, src, (int)n) == 1 && len == (int)n;
    ok = ok && EVP_CipherFinal_ex(a->evp, dst + n, &len) == 1 &&
         EVP_CIPHER_CTX_ctrl(a->evp, EVP_CTRL_AEAD_GET_TAG, CRYPTO_AEAD_TAG, dst + n) == 1;
    return ok ? VL_OK : evp_fail(a, VL_ENOMEM);
}

static enum vl_err evp_open(struct crypto_aead *a, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                            size_t n, uint8_t *dst) {
    uint8_t tag[CRYPTO_AEAD_TAG], end[CRYPTO_AEAD_TAG];
    memcpy(tag, src + n, sizeof tag);
    int len = 0, ok = evp_start(a, false, nonce, ad) == VL_OK;
    if (ok && n > 0) ok = EVP_CipherUpdate(a->evp, dst, &len, src, (int)n) == 1 && len == (int)n;
    ok = ok && EVP_CIPHER_CTX_ctrl(a->evp, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1;
    if (!ok) return evp_fail(a, VL_ENOMEM);
    if (EVP_CipherFinal_ex(a->evp, end, &len) == 1) return VL_OK;
    ERR_clear_error();
    return VL_ECRYPTO;
}

/* Any nonce, the reserved one of REKEY among them. */
static enum vl_err seal(struct crypto_aead *a, uint64_t counter, struct vl_span ad, const uint8_t *src, size_t n,
                        uint8_t *dst) {
    uint8_t nonce[12];
    nonce_bytes(a->kind, counter, nonce);
    if (vaes_wanted(a, n)) {
        if (vaes_start(a) != VL_OK) return VL_ENOMEM;
        crypto_vaes_seal(a->vaes, nonce, ad, src, n, dst);
        return VL_OK;
    }
    if (evp_wanted(a, n)) return evp_seal(a, nonce, ad, src, n, dst);
    if (a->kind == CRYPTO_AESGCM)
        crypto_aead_aes256gcm_encrypt_afternm(dst, NULL, src, n, ad.p, ad.n, NULL, nonce, aes_of(a));
    else
        crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, src, n, ad.p, ad.n, NULL, nonce, a->key);
    return VL_OK;
}

enum vl_err crypto_aead_seal(struct crypto_aead *a, uint64_t nonce, struct vl_span ad, const uint8_t *src, size_t n,
                             uint8_t *dst) {
    if (nonce > CRYPTO_AEAD_NONCE_LAST || n > CRYPTO_AEAD_MAX || ad.n > CRYPTO_AEAD_MAX) return VL_ELIMIT;
    return seal(a, nonce, ad, src, n, dst);
}

enum vl_err crypto_aead_open(struct crypto_aead *a, uint64_t counter, struct vl_span ad, const uint8_t *src, size_t n,
                             uint8_t *dst) {
    if (n < CRYPTO_AEAD_TAG) return VL_ECRYPTO;
    size_t plain = n - CRYPTO_AEAD_TAG;
    if (counter > CRYPTO_AEAD_NONCE_LAST || plain > CRYPTO_AEAD_MAX || ad.n > CRYPTO_AEAD_MAX) return VL_ELIMIT;
    uint8_t nonce[12];
    nonce_bytes(a->kind, counter, nonce);
    enum vl_err err;
    if (vaes_wanted(a, plain)) {
        err = vaes_start(a);
        if (err == VL_OK && !crypto_vaes_open(a->vaes, nonce, ad, src, plain, dst)) err = VL_ECRYPTO;
    } else if (evp_wanted(a, plain)) {
        err = evp_open(a, nonce, ad, src, plain, dst);
    } else {
        int bad = a->kind == CRYPTO_AESGCM
                      ? crypto_aead_aes256gcm_decrypt_afternm(dst, NULL, NULL, src, n, ad.p, ad.n, nonce, aes_of(a))
                      : crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, n, ad.p, ad.n, nonce, a->key);
        err = bad ? VL_ECRYPTO : VL_OK;
    }
    if (err && plain > 0) sodium_memzero(dst, plain);
    return err;
}

enum vl_err crypto_aead_rekey(struct crypto_aead *a) {
    static const uint8_t zeros[CRYPTO_AEAD_KEY] = { 0 };
    uint8_t sealed[CRYPTO_AEAD_KEY + CRYPTO_AEAD_TAG];
    enum vl_err err = seal(a, UINT64_MAX, vl_span(NULL, 0), zeros, sizeof zeros, sealed);
    if (err == VL_OK) {
        enum crypto_aead_kind kind = a->kind;
        crypto_aead_destroy(a);
        crypto_aead_init(a, kind, sealed);
    }
    sodium_memzero(sealed, sizeof sealed);
    return err;
}
