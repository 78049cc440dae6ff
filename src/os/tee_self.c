/* Two that hardware does not vouch for in a form that others can check: the node's own word, and OP-TEE. */
#include "os/tee_priv.h"

#include "crypto/random.h"
#include "crypto/sign.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the node's own word: Ed25519 of the report data.  Level 0.3 whatever it says ---- */

static bool self_detect(const struct tee *t, struct tee_found *ret) {
    if (!t->has_seed) {
        snprintf(ret->why, sizeof ret->why, "a running node states this under its own key; it proves the key and no hardware");
        return false;
    }
    snprintf(ret->why, sizeof ret->why, "the node's own statement: it proves the key and no hardware");
    return true;
}

static enum vl_err self_attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
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
                                       .detect = self_detect,
                                       .attest = self_attest };

/* ---- OP-TEE (TrustZone on servers and boards): found, and said why it is not enough ----
 * Its attestation PTA signs hashes with an RSA key that it makes itself: no certificate leads from that key to a maker, and
 * trust/attest.h has no kind for it.  So it never speaks for a node; phones' TrustZone does, by Android's key attestation. */

#define TEE_DEVICE "/dev/tee0"

static bool optee_detect(const struct tee *t, struct tee_found *ret) {
    int err = 0, fd = tee_open(t, TEE_DEVICE, O_RDWR, &err);
    if (fd < 0) {
        ret->denied = tee_open_why(t, TEE_DEVICE, err, "no Arm TrustZone with OP-TEE, or a kernel without CONFIG_OPTEE", ret->why);
        return false;
    }
    close(fd);
    void *lib = dlopen("libteec.so.1", RTLD_NOW | RTLD_LOCAL);
    if (lib) dlclose(lib);
    snprintf(ret->why, sizeof ret->why,
             "%s is there (client library libteec.so.1 %s), but OP-TEE's attestation key has no certificate of a maker: nothing that others can check",
             TEE_DEVICE, lib ? "too" : "is not");
    return false;
}

static enum vl_err optee_attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    (void)t;
    (void)data;
    (void)ret;
    return vl_errmsg_set(msg, VL_EUNSUPPORTED, "OP-TEE's attestation has no maker's certificate");
}

const struct tee_provider tee_optee = { .name = "op-tee",
                                        .what = "Arm TrustZone, by OP-TEE",
                                        .kind = TEE_KIND_PSA,
                                        .automatic = false,
                                        .detect = optee_detect,
                                        .attest = optee_attest };
