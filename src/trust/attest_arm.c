/* Arm CCA tokens (Realm Management Monitor specification, "Attestation token"; draft-ffm-rats-cca-token) and PSA tokens
 * (RFC 9783 and its predecessor PSA_IOT_PROFILE_1).  Neither carries a certificate: the leaf of the input is the key
 * that endorses the machine (CPAK, IAK), as a DER SubjectPublicKeyInfo, and that very key must be among the policy's
 * roots.  Arm has no root of its own, so what a key is worth is what the operator says of it. */
#include "trust/attest_priv.h"
#include "trust/cbor.h"

#include "crypto/hash.h"

#include <string.h>

#define TAG_CCA 399u
#define CCA_PLATFORM 44234
#define CCA_REALM 44241

#define CLAIM_NONCE 10
#define CLAIM_UEID 256
#define CLAIM_PROFILE 265
#define CLAIM_LIFECYCLE 2395
#define CLAIM_IMPLEMENTATION 2396
#define CLAIM_SOFTWARE 2399
#define CLAIM_HASH 2402
#define LEGACY (-75000) /* claims of PSA_IOT_PROFILE_1 */

#define REALM_PERSONAL 44235
#define REALM_HASH 44236
#define REALM_KEY 44237
#define REALM_RIM 44238
#define REALM_REM 44239
#define REALM_KEY_HASH 44240
#define REALM_REMS 4u

#define LIFECYCLE_SECURED 0x30
#define LIFECYCLE_DEBUG 0x40 /* parts outside the root of trust are open to a debugger */
#define LIFECYCLE_DEBUG_ROT 0x50

static bool bytes_at(const struct cbor_item *map, int64_t key, struct vl_span *ret) {
    struct cbor_item v;
    if (!cbor_at(map, key, &v) || v.major != CBOR_BYTES) return false;
    *ret = v.body;
    return true;
}
static bool is_digest(struct vl_span s) { return s.n == 32 || s.n == 48 || s.n == 64; }

/* 0: not a hash we know. */
static size_t digest_of(const struct cbor_item *name, struct vl_span of, uint8_t ret[64]) {
    if (cbor_is_text(name, "sha-256")) return crypto_sha256(of, ret), 32;
    if (cbor_is_text(name, "sha-384")) return crypto_sha384(of, ret), 48;
    if (cbor_is_text(name, "sha-512")) return crypto_sha512(of, ret), 64;
    return 0;
}

/* --- the key of the machine --- */

/* NULL: the token is signed by the key of the input, and that is one of the policy's.  Fills the anchor. */
static const char *endorsed(const struct attest_input *in, const struct cose_sign1 *token, struct attest_result *r) {
    struct crypto_pubkey *key;
    uint8_t hash[32];
    if (in->leaf.n == 0) return "no key that endorses the machine";
    if (crypto_pubkey_spki(in->leaf, &key) != VL_OK) return "malformed key of the machine";
    enum vl_err hashed = crypto_pubkey_hash(key, hash), err = cose_verify(token, key);
    crypto_pubkey_free(key);
    if (err != VL_OK || hashed != VL_OK) return "the signature of the token is not good";
    for (size_t i = 0; i < in->policy->nroots; i++) {
        const struct attest_root *root = &in->policy->roots[i];
        if (root->kind != in->kind || memcmp(root->key, hash, 32) != 0) continue;
        r->anchor = root->anchor;
        r->anchor_why = root->name;
        return NULL;
    }
    return "nobody vouches for the key of the machine";
}

static const char *lifecycle(const struct cbor_item *claims, int64_t key, struct attest_result *r) {
    struct cbor_item v;
    if (!cbor_at(claims, key, &v) || v.major != CBOR_UINT || v.value > UINT16_MAX) return "no lifecycle";
    switch (v.value >> 8) {
    case LIFECYCLE_SECURED:
        attest_set(&r->debug, ATTEST_NO, "the machine is secured");
        return NULL;
    case LIFECYCLE_DEBUG:
    case LIFECYCLE_DEBUG_ROT:
        attest_set(&r->debug, ATTEST_YES, "the machine is open to a debugger");
        return NULL;
    default:
        return "the machine is not in the secured part of its life";
    }
}

/* At least one component with a measurement, each with well-formed parts.  *ret: hash of all of them. */
static bool software(const struct cbor_item *claims, int64_t key, uint8_t ret[32]) {
    struct cbor_item list, one;
    struct vl_span v;
    if (!cbor_at(claims, key, &list) || list.major != CBOR_ARRAY || list.value == 0) return false;
    struct vl_span rest = list.body;
    while (cbor_next(&rest, &one))
        if (one.major != CBOR_MAP || !bytes_at(&one, 2, &v) || !is_digest(v) || !bytes_at(&one, 5, &v) || !is_digest(v))
            return false;
    crypto_sha256(list.body, ret);
    return true;
}

/* --- CCA --- */

struct realm {
    struct vl_span nonce, key, rim;
    struct cbor_item rems, key_hash;
    uint8_t point[96];
};

/* An uncompressed point, or a COSE_Key (RFC 9053, 7.1.1) of kty 2, curve P-384. */
static bool realm_point(struct realm *m) {
    struct cbor_item map, v;
    struct vl_span x, y;
    int64_t kty, curve;
    if (m->key.n == 97 && m->key.p[0] == 4) {
        memcpy(m->point, m->key.p + 1, 96);
        return true;
    }
    if (!cbor_read(m->key, &map) || map.major != CBOR_MAP) return false;
    if (!cbor_at(&map, 1, &v) || !cbor_int(&v, &kty) || kty != 2) return false;
    if (!cbor_at(&map, -1, &v) || !cbor_int(&v, &curve) || curve != 2) return false;
    if (!bytes_at(&map, -2, &x) || !bytes_at(&map, -3, &y) || x.n != 48 || y.n != 48) return false;
    memcpy(m->point, x.p, 48);
    memcpy(m->point + 48, y.p, 48);
    return true;
}

static bool read_realm(struct vl_span payload, struct realm *m) {
    struct cbor_item claims, v;
    struct vl_span personal;
    if (!cbor_read(payload, &claims) || claims.major != CBOR_MAP) return false;
    if (!bytes_at(&claims, CLAIM_NONCE, &m->nonce) || m->nonce.n != 64) return false;
    if (!bytes_at(&claims, REALM_PERSONAL, &personal) || personal.n != 64) return false;
    if (!bytes_at(&claims, REALM_RIM, &m->rim) || !is_digest(m->rim)) return false;
    if (!cbor_at(&claims, REALM_HASH, &v) || v.major != CBOR_TEXT) return false;
    if (!cbor_at(&claims, REALM_KEY_HASH, &m->key_hash)) return false;
    if (!cbor_at(&claims, REALM_REM, &m->rems) || m->rems.major != CBOR_ARRAY || m->rems.value != REALM_REMS)
        return false;
    struct vl_span rest = m->rems.body;
    while (cbor_next(&rest, &v))
        if (v.major != CBOR_BYTES || v.body.n != m->rim.n) return false;
    return bytes_at(&claims, REALM_KEY, &m->key) && realm_point(m);
}

/* Both tokens, once each and nothing else. */
static bool read_collection(struct vl_span evidence, struct cose_sign1 *platform, struct cose_sign1 *realm) {
    struct cbor_item top, map, p, m;
    if (!cbor_read(evidence, &top) || top.major != CBOR_TAG || top.value != TAG_CCA) return false;
    struct vl_span inside = top.body;
    if (!cbor_next(&inside, &map) || map.major != CBOR_MAP || map.value != 2) return false;
    return cbor_at(&map, CCA_PLATFORM, &p) && cbor_at(&map, CCA_REALM, &m) && p.major == CBOR_BYTES &&
           m.major == CBOR_BYTES && cose_read(p.body, platform) && cose_read(m.body, realm) &&
           realm->algorithm == COSE_ES384;
}

static const char *platform_defect(const struct cbor_item *claims, const struct realm *m, struct attest_result *r) {
    struct cbor_item v;
    struct vl_span nonce, id;
    uint8_t digest[64], components[32];
    if (!cbor_at(claims, CLAIM_PROFILE, &v) ||
        (!cbor_is_text(&v, "http://arm.com/CCA-SSD/1.0.0") && !cbor_is_text(&v, "tag:arm.com,2023:cca_platform#1.0.0")))
        return "an unknown profile";
    if (!bytes_at(claims, CLAIM_NONCE, &nonce)) return "no binding of the realm to its machine";
    size_t n = digest_of(&m->key_hash, m->key, digest);
    if (n == 0 || !vl_span_eq(nonce, vl_span(digest, n))) return "the machine vouches for another realm";
    if (!bytes_at(claims, CLAIM_IMPLEMENTATION, &id) || id.n != 32) return "no implementation";
    if (!bytes_at(claims, CLAIM_UEID, &id) || id.n != 33) return "no instance";
    attest_copy(r->device, &r->device_n, id);
    if (!cbor_at(claims, CLAIM_HASH, &v) || v.major != CBOR_TEXT) return "no hash is named";
    if (!software(claims, CLAIM_SOFTWARE, components)) return "no software is named";
    return lifecycle(claims, CLAIM_LIFECYCLE, r);
}

static const char *cca(const struct attest_input *in, struct realm *m, struct attest_result *r) {
    struct cose_sign1 platform, token;
    struct cbor_item claims;
    struct crypto_pubkey *key;
    if (!read_collection(in->evidence, &platform, &token) || !read_realm(token.payload, m)) return "malformed token";
    if (!cbor_read(platform.payload, &claims) || claims.major != CBOR_MAP) return "malformed token";
    if (crypto_pubkey_point(CRYPTO_P384, vl_span(m->point, 96), &key) != VL_OK) return "malformed key of the realm";
    enum vl_err err = cose_verify(&token, key);
    crypto_pubkey_free(key);
    if (err != VL_OK) return "the signature of the realm's token is not good";
    const char *why = endorsed(in, &platform, r);
    return why != NULL ? why : platform_defect(&claims, m, r);
}

static void measured(const struct attest_input *in, struct attest_result *r) {
    r->tcb = ATTEST_TCB_NONE;
    r->tcb_why = "the token states components, not a level";
    attest_measured(in, r);
    attest_yes(r);
}

static void verify_cca(const struct attest_input *in, struct attest_result *r) {
    struct realm m;
    struct cbor_item rem;
    const char *why = cca(in, &m, r);
    if (why != NULL) {
        attest_no(r, why);
        return;
    }
    struct vl_span rest = m.rems.body;
    /* REMs of SHA-512 do not fit; then their hash stands for them. */
    if (REALM_REMS * m.rim.n <= ATTEST_REGISTERS) {
        while (cbor_next(&rest, &rem)) {
            memcpy(r->registers + r->registers_n, rem.body.p, rem.body.n);
            r->registers_n += rem.body.n;
        }
    } else {
        crypto_sha256(m.rems.body, r->registers);
        r->registers_n = 32;
    }
    attest_copy(r->measurement, &r->measurement_n, m.rim);
    attest_copy(r->report_data, &r->report_data_n, m.nonce);
    attest_fresh_padded(in, m.nonce, r);
    measured(in, r);
}

/* --- PSA --- */

struct psa_claims {
    int64_t client, lifecycle, implementation, software, nonce, instance;
    uint32_t version;
};
static const struct psa_claims psa_claims[] = {
    { 2394, CLAIM_LIFECYCLE, CLAIM_IMPLEMENTATION, CLAIM_SOFTWARE, CLAIM_NONCE, CLAIM_UEID, 2 },
    { LEGACY - 1, LEGACY - 2, LEGACY - 3, LEGACY - 6, LEGACY - 8, LEGACY - 9, 1 },
};

static const struct psa_claims *profile(const struct cbor_item *claims) {
    struct cbor_item v;
    if (cbor_at(claims, CLAIM_PROFILE, &v))
        return cbor_is_text(&v, "http://arm.com/psa/2.0.0") || cbor_is_text(&v, "tag:psacertified.org,2023:psa#tfm")
                   ? &psa_claims[0]
                   : NULL;
    return cbor_at(claims, LEGACY, &v) && cbor_is_text(&v, "PSA_IOT_PROFILE_1") ? &psa_claims[1] : NULL;
}

static const char *psa(const struct attest_input *in, struct vl_span *nonce, struct attest_result *r) {
    struct cose_sign1 token;
    struct cbor_item claims, v;
    struct vl_span id;
    int64_t client;
    if (!cose_read(in->evidence, &token) || !cbor_read(token.payload, &claims) || claims.major != CBOR_MAP)
        return "malformed token";
    const char *why = endorsed(in, &token, r);
    if (why != NULL) return why;
    const struct psa_claims *p = profile(&claims);
    if (p == NULL) return "an unknown profile";
    if (!cbor_at(&claims, p->client, &v) || !cbor_int(&v, &client)) return "no client";
    if (!bytes_at(&claims, p->nonce, nonce) || !is_digest(*nonce)) return "no challenge";
    if (!bytes_at(&claims, p->implementation, &id) || id.n != 32) return "no implementation";
    if (!bytes_at(&claims, p->instance, &id) || id.n != 33 || id.p[0] != 1) return "no instance";
    attest_copy(r->device, &r->device_n, id);
    if (!software(&claims, p->software, r->measurement)) return "no software is named";
    r->measurement_n = 32;
    r->version = p->version;
    return lifecycle(&claims, p->lifecycle, r);
}

void attest_arm(const struct attest_input *in, struct attest_result *r) {
    struct vl_span nonce;
    if (in->kind == ATTEST_CCA) {
        verify_cca(in, r);
        return;
    }
    const char *why = psa(in, &nonce, r);
    if (why != NULL) {
        attest_no(r, why);
        return;
    }
    attest_copy(r->report_data, &r->report_data_n, nonce);
    attest_fresh_exact(in, nonce, r);
    measured(in, r);
}
