#include "trust/roster.h"

#include "crypto/hash.h"
#include "trust/signing.h"

#include <stdlib.h>
#include <string.h>

struct roster {
    struct village_id village;
    uint8_t *raw; /* owned, the encoded list; NULL: none yet */
    size_t raw_n;
    struct revocations list; /* borrows raw */
};

struct village_id village_id_of(const uint8_t root[32]) {
    struct village_id id;
    crypto_blake2b_keyed(vl_span(root, 32), vl_span(NULL, 0), NULL, id.b, sizeof id.b);
    return id;
}

struct roster *roster_create(struct village_id village) {
    struct roster *r = calloc(1, sizeof *r);
    if (r) r->village = village;
    return r;
}

void roster_destroy(struct roster *r) {
    if (r == NULL) return;
    free(r->raw);
    free(r);
}

struct village_id roster_village(const struct roster *r) {
    return r->village;
}

enum vl_err roster_revoke(struct roster *r, struct vl_span encoded) {
    struct revocations list;
    enum vl_err err = revocations_decode(encoded, &list);
    if (err) return err;
    if (!village_eq(village_id_of(list.root), r->village)) return VL_EDENIED;
    if (r->raw && vl_span_eq(encoded, vl_span(r->raw, r->raw_n))) return VL_OK;
    err = revocations_verify(&list, encoded);
    if (err) return err;
    if (list.number <= r->list.number) return VL_ESTALE; /* rolling back would readmit the expelled */
    uint8_t *raw = malloc(encoded.n);
    if (raw == NULL) return VL_ENOMEM;
    memcpy(raw, encoded.p, encoded.n);
    err = revocations_decode(vl_span(raw, encoded.n), &list);
    if (err) {
        free(raw);
        return err;
    }
    free(r->raw);
    r->raw = raw;
    r->raw_n = encoded.n;
    r->list = list;
    return VL_OK;
}

uint64_t roster_list_number(const struct roster *r) { return r->list.number; }
struct vl_span roster_list(const struct roster *r) {
    return vl_span(r->raw, r->raw_n);
}

enum vl_err roster_recheck(const struct roster *r, const struct cert *cert, vl_ms now) {
    if (vl_ms_add(now, ROSTER_SKEW_MS) < cert->issued_ms) return VL_EAGAIN;
    if (now >= cert->expires_ms) return VL_EEXPIRED;
    if (r->raw && cert->serial <= revocations_find(&r->list, cert->node, NULL)) return VL_ESTALE;
    return VL_OK;
}

enum vl_err roster_signed_at(const struct roster *r, struct vl_node_id node, vl_ms at) {
    vl_ms revoked = 0;
    if (r->raw == NULL || revocations_find(&r->list, node, &revoked) == 0) return VL_OK;
    return at > revoked ? VL_ESTALE : VL_OK;
}

enum vl_err roster_check(const struct roster *r, struct vl_span encoded, vl_ms now, struct cert *ret) {
    struct cert cert;
    enum vl_err err = cert_decode(encoded, &cert);
    if (err) return err;
    if (!village_eq(village_id_of(cert.root), r->village)) return VL_EDENIED;
    err = cert_verify(&cert, encoded);
    if (err) return err;
    err = roster_recheck(r, &cert, now);
    if (err) return err;
    *ret = cert;
    return VL_OK;
}

const char *roster_problem(enum vl_err err) {
    if (err == VL_OK) return "the certificate is good";
    if (err == VL_EVERSION) return "the certificate is of a newer version of village";
    if (err == VL_EDENIED) return "the certificate is of another village";
    if (err == VL_ECRYPTO) return "the certificate was not signed by this village's root key";
    if (err == VL_EAGAIN) return "the certificate is not valid yet: the clocks of the two machines differ";
    if (err == VL_EEXPIRED) return "the certificate has expired";
    if (err == VL_ESTALE) return "the certificate is revoked: this node was expelled";
    return "this is not a certificate";
}
