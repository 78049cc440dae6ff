/* The node's own word: Ed25519 of the report data.  No hardware vouches for it: level 0.3 whatever it says. */
#include "os/tee_priv.h"

#include "crypto/random.h"
#include "crypto/sign.h"

#include <stdio.h>

static bool detect(const struct tee *t, struct tee_found *ret) {
    if (!t->has_seed) {
        snprintf(ret->why, sizeof ret->why, "a running node states this under its own key; it proves the key and no hardware");
        return false;
    }
    snprintf(ret->why, sizeof ret->why, "the node's own statement: it proves the key and no hardware");
    return true;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    struct crypto_sign_key key;
    uint8_t signature[CRYPTO_SIGNATURE];
    crypto_sign_key_from_seed(t->seed, &key);
    enum vl_err err = crypto_sign_message(&key, "village-tee-self-1:", vl_span(data, TEE_DATA), signature);
    crypto_sign_key_wipe(&key);
    if (err == VL_OK) err = vl_buf_append(&ret->evidence, data, TEE_DATA);
    if (err == VL_OK) err = vl_buf_append(&ret->evidence, signature, sizeof signature);
    return err ? vl_errmsg_set(msg, err, "out of memory") : VL_OK;
}

const struct tee_provider tee_self = { .name = "self",
                                       .what = "the node's own statement",
                                       .kind = TEE_KIND_SELF,
                                       .automatic = false,
                                       .detect = detect,
                                       .attest = attest };
