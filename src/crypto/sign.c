#include "crypto/sign.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

void crypto_sign_key_from_seed(const uint8_t seed[CRYPTO_SIGN_SEED], struct crypto_sign_key *ret) {
    crypto_sign_ed25519_seed_keypair(ret->public, ret->secret, seed);
}

void crypto_sign_key_wipe(struct crypto_sign_key *key) { sodium_memzero(key, sizeof *key); }

struct vl_node_id crypto_sign_node_id(const struct crypto_sign_key *key) {
    struct vl_node_id id;
    memcpy(id.b, key->public, sizeof id.b);
    return id;
}

/* Our own contexts only: input of peers never chooses one. */
static bool context_ok(const char *context) {
    const char *colon = strchr(context, ':');
    return context[0] == '\0' || (colon != NULL && colon[1] == '\0');
}

static enum vl_err join(const char *context, struct vl_span message, uint8_t dst[CRYPTO_SIGN_MAX], size_t *ret_n) {
    assert(context_ok(context));
    size_t head = strlen(context);
    if (head > CRYPTO_SIGN_MAX || message.n > CRYPTO_SIGN_MAX - head) return VL_ELIMIT;
    memcpy(dst, context, head);
    if (message.n > 0) memcpy(dst + head, message.p, message.n);
    *ret_n = head + message.n;
    return VL_OK;
}

enum vl_err crypto_sign_message(const struct crypto_sign_key *key, const char *context, struct vl_span message,
                                uint8_t ret[CRYPTO_SIGNATURE]) {
    uint8_t whole[CRYPTO_SIGN_MAX];
    size_t n = 0;
    enum vl_err err = join(context, message, whole, &n);
    if (err) return err;
    crypto_sign_ed25519_detached(ret, NULL, whole, n, key->secret);
    return VL_OK;
}

enum vl_err crypto_verify_message(const uint8_t public[32], const char *context, struct vl_span message,
                                  const uint8_t signature[CRYPTO_SIGNATURE]) {
    uint8_t whole[CRYPTO_SIGN_MAX];
    size_t n = 0;
    enum vl_err err = join(context, message, whole, &n);
    if (err) return err;
    return crypto_sign_ed25519_verify_detached(signature, whole, n, public) == 0 ? VL_OK : VL_ECRYPTO;
}
