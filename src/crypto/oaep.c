#include "crypto/oaep.h"

#include "crypto/random.h"
#include "crypto/x509_priv.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#define DIGEST 32u

/* dst ^= MGF1(seed), RFC 8017 B.2.1 */
static void mask(struct vl_span seed, uint8_t *dst, size_t n) {
    uint8_t text[CRYPTO_RSA_BYTES_MAX + 4], block[DIGEST];
    memcpy(text, seed.p, seed.n);
    for (uint32_t i = 0; i * DIGEST < n; i++) {
        vl_put_u32(text + seed.n, i);
        crypto_sha256(vl_span(text, seed.n + 4), block);
        for (size_t k = 0; k < DIGEST && i * DIGEST + k < n; k++) dst[i * DIGEST + k] ^= block[k];
    }
    crypto_wipe(text, sizeof text);
    crypto_wipe(block, sizeof block);
}

static enum vl_err raw(EVP_PKEY *key, struct vl_span block, uint8_t *ret, size_t *ret_n) {
    size_t n = block.n;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool good = ctx != NULL && EVP_PKEY_encrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
                EVP_PKEY_encrypt(ctx, ret, &n, block.p, block.n) == 1 && n == block.n;
    EVP_PKEY_CTX_free(ctx);
    if (!good) {
        ERR_clear_error();
        return VL_ECRYPTO;
    }
    *ret_n = n;
    return VL_OK;
}

enum vl_err crypto_oaep_encrypt(const struct crypto_pubkey *k, struct vl_span label, struct vl_span message, const uint8_t seed[CRYPTO_OAEP_SEED],
                                uint8_t ret[CRYPTO_RSA_BYTES_MAX], size_t *ret_n) {
    uint8_t em[CRYPTO_RSA_BYTES_MAX] = { 0 };
    if (EVP_PKEY_get_base_id(k->pkey) != EVP_PKEY_RSA) return VL_EUNSUPPORTED;
    int size = EVP_PKEY_get_size(k->pkey); /* 256..1024: struct crypto_pubkey has no others */
    if (size < 0 || (size_t)size > sizeof em || message.n > (size_t)size - 2 * DIGEST - 2) return VL_ERANGE;
    size_t n = (size_t)size, db_n = n - DIGEST - 1;
    uint8_t *seed_at = em + 1, *db = em + 1 + DIGEST; /* 00 || masked seed || masked (hash of the label || 0... || 01 || message) */
    memcpy(seed_at, seed, DIGEST);
    crypto_sha256(label, db);
    db[db_n - message.n - 1] = 1;
    if (message.n > 0) memcpy(db + db_n - message.n, message.p, message.n);
    mask(vl_span(seed_at, DIGEST), db, db_n);
    mask(vl_span(db, db_n), seed_at, DIGEST);
    enum vl_err err = raw(k->pkey, vl_span(em, n), ret, ret_n);
    crypto_wipe(em, sizeof em);
    return err;
}

enum vl_err crypto_aes128_cfb(const uint8_t key[16], const uint8_t iv[16], struct vl_span in, uint8_t *dst) {
    int n = 0;
    if (in.n > CRYPTO_X509_MAX) return VL_ECRYPTO;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key, iv) == 1 &&
                EVP_EncryptUpdate(ctx, dst, &n, in.p, (int)in.n) == 1 && (size_t)n == in.n;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good ? VL_OK : VL_ECRYPTO;
}
