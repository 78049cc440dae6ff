/* AWS Nitro attestation documents (AWS Nitro Enclaves user guide, "Verifying the root of trust"): COSE_Sign1 with ES384
 * over a CBOR map that carries its own certificate and the chain to AWS's root.  The certificate lives three hours, so
 * the evaluation time must be near the document's. */
#include "trust/attest_priv.h"
#include "trust/cbor.h"

#include <string.h>

#define PCR_BYTES 48u
#define PCR_MAX 32
#define NONCE_MAX 512u /* of the user guide; the same for user data */
#define KEY_MAX 1024u
#define SKEW_MS 300000u /* the enclave's clock may be ahead of ours */

struct document {
    struct vl_span certificate, bundle, nonce, user_data, key;
    struct vl_span pcr[PCR_MAX];
    vl_ms made;
};

/* Bytes of 1..max, or null, or absent: then empty. */
static bool optional(const struct cbor_item *map, const char *name, size_t max, struct vl_span *ret) {
    struct cbor_item v;
    *ret = vl_span(NULL, 0);
    if (!cbor_at_text(map, name, &v) || (v.major == CBOR_SIMPLE && v.value == CBOR_NULL)) return true;
    *ret = v.body;
    return v.major == CBOR_BYTES && v.body.n <= max;
}

static bool read_pcrs(const struct cbor_item *map, struct document *ret) {
    struct vl_span rest = map->body;
    struct cbor_item k, v;
    int64_t index;
    if (map->major != CBOR_MAP || map->value == 0 || map->value > PCR_MAX) return false;
    while (cbor_next(&rest, &k) && cbor_next(&rest, &v)) {
        if (!cbor_int(&k, &index) || index < 0 || index >= PCR_MAX) return false;
        if (v.major != CBOR_BYTES || v.body.n != PCR_BYTES) return false;
        ret->pcr[index] = v.body;
    }
    return ret->pcr[0].n != 0 && ret->pcr[1].n != 0 && ret->pcr[2].n != 0;
}

static bool read_document(struct vl_span payload, struct document *ret) {
    struct cbor_item map, v;
    *ret = (struct document){ 0 };
    if (!cbor_read(payload, &map) || map.major != CBOR_MAP) return false;
    if (!cbor_at_text(&map, "module_id", &v) || v.major != CBOR_TEXT || v.body.n == 0) return false;
    if (!cbor_at_text(&map, "digest", &v) || !cbor_is_text(&v, "SHA384")) return false;
    if (!cbor_at_text(&map, "timestamp", &v) || v.major != CBOR_UINT || v.value == 0) return false;
    ret->made = v.value;
    if (!cbor_at_text(&map, "pcrs", &v) || !read_pcrs(&v, ret)) return false;
    if (!cbor_at_text(&map, "certificate", &v) || v.major != CBOR_BYTES) return false;
    ret->certificate = v.body;
    if (!cbor_at_text(&map, "cabundle", &v) || v.major != CBOR_ARRAY || v.value == 0) return false;
    ret->bundle = v.body;
    return optional(&map, "nonce", NONCE_MAX, &ret->nonce) && optional(&map, "user_data", NONCE_MAX, &ret->user_data) &&
           optional(&map, "public_key", KEY_MAX, &ret->key);
}

/* The leaf first, then the bundle. */
static bool fill(struct crypto_x509_pool *pool, const struct document *d) {
    struct vl_span rest = d->bundle;
    struct cbor_item one;
    if (crypto_x509_pool_add(pool, d->certificate) != VL_OK || crypto_x509_pool_count(pool) != 1) return false;
    while (cbor_next(&rest, &one))
        if (one.major != CBOR_BYTES || crypto_x509_pool_add(pool, one.body) != VL_OK) return false;
    return true;
}

static const char *verify(const struct attest_input *in, const struct cose_sign1 *cose, const struct document *d,
                          struct crypto_x509_pool *pool, struct attest_result *r) {
    struct crypto_x509_path path;
    struct crypto_pubkey *key;
    if (!fill(pool, d)) return "malformed certificates in the document";
    const struct crypto_x509 *leaf = crypto_x509_pool_get(pool, 0);
    if (crypto_x509_key(leaf, &key) != VL_OK) return "the certificate has no key that can sign a document";
    enum vl_err err = cose_verify(cose, key);
    crypto_pubkey_free(key);
    if (err != VL_OK) return "the signature of the document is not good";
    if (!attest_chain(in, ATTEST_NITRO, leaf, pool, false, r, &path)) return r->genuine.why;
    if (path.n < 2) return "the root itself made the document";
    uint64_t from_s, until_s;
    crypto_x509_times(leaf, &from_s, &until_s);
    if (d->made / 1000 < from_s || d->made / 1000 > until_s) return "made outside the time of its certificate";
    if (d->made > in->when && d->made - in->when > SKEW_MS) return "the document is from the future";
    return NULL;
}

void attest_nitro(const struct attest_input *in, struct attest_result *r) {
    struct cose_sign1 cose;
    struct document d;
    if (!cose_read(in->evidence, &cose) || cose.algorithm != COSE_ES384 || !read_document(cose.payload, &d)) {
        attest_no(r, "malformed document");
        return;
    }
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    const char *why = pool == NULL ? "out of memory" : verify(in, &cose, &d, pool, r);
    crypto_x509_pool_destroy(pool);
    if (why != NULL) {
        attest_no(r, why);
        return;
    }
    static const unsigned shown[] = { 0, 1, 2, 8 }; /* image, kernel, application; signer of the image */
    for (unsigned i = 0; i < 4; i++)
        if (d.pcr[shown[i]].n > 0) memcpy(r->registers + i * PCR_BYTES, d.pcr[shown[i]].p, PCR_BYTES);
    r->registers_n = 4 * PCR_BYTES;
    attest_copy(r->measurement, &r->measurement_n, d.pcr[0]);
    attest_copy(r->report_data, &r->report_data_n, d.nonce);
    r->made = d.made;
    r->version = 1;
    r->tcb = ATTEST_TCB_NONE;
    r->tcb_why = "AWS does not state one";
    bool debug = attest_zero(d.pcr[0]) || attest_zero(d.pcr[1]) || attest_zero(d.pcr[2]);
    attest_set(&r->debug, debug ? ATTEST_YES : ATTEST_NO,
               debug ? "the enclave runs in debug mode: its PCRs are zero" : "PCRs 0 to 2 are measured");
    attest_fresh_exact(in, d.nonce, r);
    attest_key(in, d.key, r);
    attest_measured(in, r);
    attest_yes(r);
}
