#include "trust/signing.h"

#include "crypto/hash.h"

#include <string.h>

#define CERT_CONTEXT "village-cert-1:"
#define LIST_CONTEXT "village-revocations-1:"

enum vl_err cert_sign(const struct crypto_sign_key *root, struct cert *cert) {
    struct cert c = *cert;
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    memcpy(c.root, root->public, sizeof c.root);
    enum vl_err err = cert_encode(&c, raw, sizeof raw, &n);
    if (err == VL_OK) err = crypto_sign_message(root, CERT_CONTEXT, cert_body(vl_span(raw, n)), c.signature);
    if (err == VL_OK) *cert = c;
    return err;
}

enum vl_err cert_verify(const struct cert *cert, struct vl_span encoded) {
    return crypto_verify_message(cert->root, CERT_CONTEXT, cert_body(encoded), cert->signature);
}

/* A list may be longer than a signed message, so its hash is signed. */
enum vl_err revocations_sign(const struct crypto_sign_key *root, uint8_t *body, size_t n) {
    struct vl_hash hash;
    crypto_blake2b256(vl_span(body, n), &hash);
    return crypto_sign_message(root, LIST_CONTEXT, vl_span(hash.b, sizeof hash.b), body + n);
}

enum vl_err revocations_verify(const struct revocations *list, struct vl_span encoded) {
    struct vl_hash hash;
    crypto_blake2b256(cert_body(encoded), &hash);
    return crypto_verify_message(list->root, LIST_CONTEXT, vl_span(hash.b, sizeof hash.b), list->signature);
}
