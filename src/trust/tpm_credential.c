#include "trust/tpm_credential.h"

#include "crypto/hash.h"
#include "crypto/oaep.h"
#include "crypto/random.h"
#include "trust/tpm_eventlog.h"

#include <string.h>

#define DIGEST 32u
#define ENDORSEMENT_BYTES 256u /* modulus of 2048 bits */
#define LABEL_MAX 16u

enum vl_err tpm_name(struct vl_span public_area, uint8_t ret[TPM_NAME_MAX], size_t *ret_n) {
    struct vl_reader r = vl_reader(public_area.p, public_area.n);
    (void)vl_read_u16(&r); /* type */
    uint16_t algorithm = vl_read_u16(&r);
    size_t n = r.failed ? 0 : tpm_digest_size(algorithm);
    if (n == 0 || n > TPM_NAME_MAX - 2) return VL_EPARSE;
    vl_put_u16(ret, algorithm);
    tpm_digest(algorithm, public_area, ret + 2);
    *ret_n = 2 + n;
    return VL_OK;
}

/* KDFa with SHA-256, one block: HMAC(key, 1 || label || 00 || context || bits). */
static void derive(const uint8_t key[DIGEST], const char *label, struct vl_span context, uint32_t bits, uint8_t ret[DIGEST]) {
    uint8_t head[4 + LABEL_MAX] = { 0, 0, 0, 1 }, tail[4];
    size_t n = strlen(label) + 1; /* its NUL is the zero byte */
    memcpy(head + 4, label, n);
    vl_put_u32(tail, bits);
    crypto_hmac(CRYPTO_SHA256, vl_span(key, DIGEST), vl_span(head, 4 + n), context, vl_span(tail, 4), ret);
}

/* TPM2B_ID_OBJECT of the secret under `seed`: its HMAC, then the encrypted TPM2B of the secret. */
static enum vl_err object(const uint8_t seed[DIGEST], struct vl_span name, const uint8_t secret[TPM_SECRET], struct vl_buf *out) {
    static const uint8_t zero[16];
    uint8_t key[DIGEST], identity[2 + TPM_SECRET], head[4], mac[DIGEST];
    derive(seed, "STORAGE", name, 128, key);
    vl_put_u16(identity, TPM_SECRET);
    memcpy(identity + 2, secret, TPM_SECRET);
    enum vl_err err = crypto_aes128_cfb(key, zero, vl_span(identity, sizeof identity), identity); /* the key is of this seed alone */
    derive(seed, "INTEGRITY", vl_span(NULL, 0), 256, key);
    crypto_hmac(CRYPTO_SHA256, vl_span(key, DIGEST), vl_span(identity, sizeof identity), name, vl_span(NULL, 0), mac);
    vl_put_u16(head, (uint16_t)(2 + DIGEST + sizeof identity));
    vl_put_u16(head + 2, DIGEST);
    if (err == VL_OK) err = vl_buf_append(out, head, sizeof head);
    if (err == VL_OK) err = vl_buf_append(out, mac, DIGEST);
    if (err == VL_OK) err = vl_buf_append(out, identity, sizeof identity);
    crypto_wipe(key, sizeof key);
    crypto_wipe(identity, sizeof identity);
    return err;
}

static enum vl_err endorsement_key(struct vl_span certificate, struct crypto_pubkey **ret) {
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    if (pool == NULL) return VL_ENOMEM;
    enum vl_err err = crypto_x509_pool_add(pool, certificate);
    if (err == VL_OK && crypto_x509_pool_count(pool) == 0) err = VL_EPARSE;
    if (err == VL_OK) err = crypto_x509_key(crypto_x509_pool_get(pool, 0), ret);
    crypto_x509_pool_destroy(pool);
    return err == VL_ELIMIT ? VL_EPARSE : err;
}

enum vl_err tpm_credential_make(struct vl_span endorsement, struct vl_span name, const uint8_t secret[TPM_SECRET],
                                const uint8_t random[TPM_CREDENTIAL_RANDOM], struct vl_buf *out) {
    struct crypto_pubkey *key = NULL;
    const uint8_t *seed = random;
    uint8_t wrapped[CRYPTO_RSA_BYTES_MAX], head[2];
    size_t n = 0, before = out->len;
    struct vl_reader r = vl_reader(name.p, name.n);
    size_t digest = tpm_digest_size(vl_read_u16(&r));
    if (digest == 0 || name.n != 2 + digest) return VL_EPARSE;
    enum vl_err err = endorsement_key(endorsement, &key);
    if (err) return err;
    err = crypto_oaep_encrypt(key, vl_span("IDENTITY", sizeof "IDENTITY"), vl_span(seed, DIGEST), random + DIGEST, wrapped, &n);
    crypto_pubkey_free(key);
    if (err == VL_OK && n != ENDORSEMENT_BYTES) err = VL_EUNSUPPORTED;
    if (err == VL_OK) err = object(seed, name, secret, out);
    vl_put_u16(head, (uint16_t)n);
    if (err == VL_OK) err = vl_buf_append(out, head, sizeof head);
    if (err == VL_OK) err = vl_buf_append(out, wrapped, n);
    if (err) out->len = before;
    return err;
}

bool tpm_credential_answered(const uint8_t secret[TPM_SECRET], struct vl_span answer) {
    return answer.n == TPM_SECRET && crypto_equal(secret, answer.p, TPM_SECRET);
}
