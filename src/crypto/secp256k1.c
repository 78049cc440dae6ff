#include "crypto/secp256k1.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>
#include <string.h>

struct secp {
    secp256k1_context *context;
};

struct secp *secp_create(const uint8_t blind[32]) {
    struct secp *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    if (c->context == NULL || secp256k1_context_randomize(c->context, blind) != 1) {
        secp_destroy(c);
        return NULL;
    }
    return c;
}

void secp_destroy(struct secp *c) {
    if (c == NULL) return;
    if (c->context != NULL) secp256k1_context_destroy(c->context);
    free(c);
}

/* The uncompressed form of SEC 1 without its first byte. */
static void point_out(const struct secp *c, const secp256k1_pubkey *key, uint8_t ret[64]) {
    uint8_t sec1[65];
    size_t n = sizeof sec1;
    secp256k1_ec_pubkey_serialize(c->context, sec1, &n, key, SECP256K1_EC_UNCOMPRESSED);
    memcpy(ret, sec1 + 1, 64);
}

enum vl_err secp_public(const struct secp *c, const uint8_t secret[32], uint8_t ret[64]) {
    secp256k1_pubkey key;
    if (secp256k1_ec_pubkey_create(c->context, &key, secret) != 1) return VL_ERANGE;
    point_out(c, &key, ret);
    return VL_OK;
}

enum vl_err secp_sign(const struct secp *c, const uint8_t secret[32], const uint8_t digest[32], struct secp_signature *ret) {
    secp256k1_ecdsa_recoverable_signature raw;
    uint8_t both[64];
    int id = 0;
    if (secp256k1_ec_seckey_verify(c->context, secret) != 1) return VL_ERANGE;
    if (secp256k1_ecdsa_sign_recoverable(c->context, &raw, digest, secret, NULL, NULL) != 1) return VL_EINTERNAL;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(c->context, both, &id, &raw);
    if (id > 1) return VL_EINTERNAL; /* the chain's encoding has no room for it */
    memcpy(ret->r, both, 32);
    memcpy(ret->s, both + 32, 32);
    ret->parity = (uint8_t)id;
    return VL_OK;
}

enum vl_err secp_recover(const struct secp *c, const struct secp_signature *s, const uint8_t digest[32], uint8_t ret[64]) {
    secp256k1_ecdsa_recoverable_signature raw;
    secp256k1_ecdsa_signature plain;
    secp256k1_pubkey key;
    uint8_t both[64];
    if (s->parity > 1) return VL_ECRYPTO;
    memcpy(both, s->r, 32);
    memcpy(both + 32, s->s, 32);
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(c->context, &raw, both, s->parity) != 1) return VL_ECRYPTO;
    secp256k1_ecdsa_recoverable_signature_convert(c->context, &plain, &raw);
    if (secp256k1_ecdsa_signature_normalize(c->context, NULL, &plain) == 1) return VL_ECRYPTO; /* s was high */
    if (secp256k1_ecdsa_recover(c->context, &key, &raw, digest) != 1) return VL_ECRYPTO;
    point_out(c, &key, ret);
    return VL_OK;
}
