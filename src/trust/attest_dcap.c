/* Intel quotes for SGX and TDX (Intel SGX ECDSA QuoteGenReference and Intel TDX DCAP Quote Generation, formats 3, 4 and
 * 5) with ECDSA P-256 and a PCK certificate chain in the quote. */
#include "trust/attest_dcap.h"

#include "crypto/der.h"
#include "crypto/hash.h"

#include <string.h>

#define HEADER 48u
#define TD_BODY 584u
#define TD15_BODY 648u
#define TYPE_SGX 0u
#define TYPE_TDX 0x81u
#define KEY_P256 2u
#define CERT_PEM 5u
#define CERT_QE 6u
#define POINT 64u
#define AUTH_MAX 1024u
#define PATH_LENGTH 3u /* PCK, Platform or Processor CA, root */

#define OID_SGX "1.2.840.113741.1.13.1"

/* Offsets in a TD report. */
#define TD_MRSIGNERSEAM 64u
#define TD_SEAMATTRIBUTES 112u
#define TD_ATTRIBUTES 120u
#define TD_MRTD 136u
#define TD_RTMR 328u
#define TD_REPORT_DATA 520u

static const uint8_t vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                    0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
/* Who signs Intel's quoting enclaves, for SGX and for TDs: without a QE identity at hand this is what tells them from
 * any other enclave of the same platform. */
static const uint8_t qe_signer[2][32] = {
    { 0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f, 0x77, 0xc6, 0x8a, 0x82, 0x9a,
      0x00, 0x56, 0xac, 0x8d, 0xed, 0x70, 0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44, 0x90, 0xc5, 0x7b, 0xff },
    { 0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
      0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5 },
};

/* The project's readers are big-endian; these quotes are not. */
static uint16_t le16(struct vl_reader *r) {
    uint16_t v = vl_read_u16(r);
    return (uint16_t)(v << 8 | v >> 8);
}
static uint32_t le32(struct vl_reader *r) { return __builtin_bswap32(vl_read_u32(r)); }

/* --- taking it apart --- */

static bool body_length(struct dcap_quote *q, uint32_t type, struct vl_reader *at, size_t *ret) {
    if (q->version < 5) {
        *ret = q->tdx ? TD_BODY : DCAP_SGX_BODY;
        return true;
    }
    uint16_t kind = le16(at);
    uint32_t n = le32(at);
    *ret = n;
    if (type == TYPE_SGX) return kind == 1 && n == DCAP_SGX_BODY;
    return (kind == 2 && n == TD_BODY) || (kind == 3 && n == TD15_BODY);
}

static bool read_header(struct vl_reader *at, struct dcap_quote *q, uint32_t *ret_type) {
    q->version = le16(at);
    uint16_t key = le16(at);
    uint32_t type = le32(at);
    (void)vl_read_u32(at); /* versions of QE and PCE: signed, and the PCK certificate has the ones that count */
    struct vl_span who = vl_read_span(at, sizeof vendor);
    (void)vl_read_span(at, 20); /* user data */
    if (at->failed || q->version < 3 || q->version > 5 || key != KEY_P256) return false;
    if (q->version == 3) type = TYPE_SGX; /* reserved there */
    q->tdx = type == TYPE_TDX;
    *ret_type = type;
    return (type == TYPE_SGX || type == TYPE_TDX) && memcmp(who.p, vendor, sizeof vendor) == 0;
}

/* QE report, its signature, authentication data and the certificates. */
static bool read_qe(struct vl_reader *at, struct dcap_quote *q) {
    q->qe = vl_read_span(at, DCAP_SGX_BODY);
    q->qe_signature = vl_read_span(at, POINT);
    uint16_t n = le16(at);
    if (n > AUTH_MAX) return false;
    q->auth = vl_read_span(at, n);
    uint16_t type = le16(at);
    q->certificates = vl_read_span(at, le32(at));
    return vl_reader_end(at) == VL_OK && type == CERT_PEM;
}

static bool read_signatures(struct vl_span data, struct dcap_quote *q) {
    struct vl_reader at = vl_reader(data.p, data.n);
    q->signature = vl_read_span(&at, POINT);
    q->key = vl_read_span(&at, POINT);
    if (q->version == 3) return read_qe(&at, q);
    uint16_t type = le16(&at);
    struct vl_span inner = vl_read_span(&at, le32(&at));
    if (vl_reader_end(&at) != VL_OK || type != CERT_QE) return false;
    at = vl_reader(inner.p, inner.n);
    return read_qe(&at, q);
}

static const char *read_quote(struct vl_span quote, struct dcap_quote *q) {
    struct vl_reader at = vl_reader(quote.p, quote.n);
    uint32_t type;
    size_t n;
    if (!read_header(&at, q, &type)) return "not a quote of Intel with an ECDSA P-256 key";
    if (!body_length(q, type, &at, &n)) return "a body of an unknown kind";
    q->body = vl_read_span(&at, n);
    if (at.failed) return "the quote is too short";
    q->signed_part = vl_span(quote.p, quote.n - at.n);
    struct vl_span data = vl_read_span(&at, le32(&at));
    if (at.failed) return "the quote is too short";
    /* Some hand out the whole buffer of the driver, zeros to its end. */
    if (!attest_zero(vl_span(at.p, at.n))) return "bytes after the end of the quote";
    return read_signatures(data, q) ? NULL : "malformed signature data";
}

/* --- the PCK certificate --- */

static bool octets(struct vl_span v, uint8_t *dst, size_t n) {
    struct vl_span inside;
    if (!der_take(&v, DER_OCTETS, &inside) || v.n != 0 || inside.n != n) return false;
    memcpy(dst, inside.p, n);
    return true;
}

/* SEQUENCE { OID arc.i, value } for the arc of Intel's extension, of which `base` is the DER. */
static bool entry(struct vl_span *at, struct vl_span base, uint8_t *ret_i, struct vl_span *ret) {
    struct vl_span pair, oid;
    if (!der_take(at, DER_SEQUENCE, &pair) || !der_take(&pair, DER_OID, &oid)) return false;
    if (oid.n != base.n + 1 || memcmp(oid.p, base.p, base.n) != 0 || oid.p[base.n] >= 0x80) return false;
    *ret_i = oid.p[base.n];
    *ret = pair;
    return true;
}

static bool read_tcb(struct vl_span v, struct vl_span base, struct dcap_pck *ret) {
    struct vl_span list, one;
    uint8_t cpusvn[16], i;
    uint32_t x;
    if (!der_take(&v, DER_SEQUENCE, &list) || v.n != 0) return false;
    for (uint8_t want = 1; want <= 18; want++) {
        if (!entry(&list, base, &i, &one) || i != want) return false;
        if (want == 18) return octets(one, cpusvn, sizeof cpusvn) && list.n == 0;
        if (!der_u32(&one, DER_INTEGER, &x) || one.n != 0) return false;
        if (want == 17) {
            if (x > UINT16_MAX) return false;
            ret->pcesvn = x;
        } else {
            if (x > UINT8_MAX) return false;
            ret->component[want - 1] = (uint8_t)x;
        }
    }
    return false;
}

bool dcap_pck_read(const struct crypto_x509 *c, struct dcap_pck *ret) {
    static const uint8_t arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x02 };
    struct vl_span v, list, one, base = vl_span(arc, sizeof arc - 1);
    uint8_t i;
    unsigned seen = 0;
    if (crypto_x509_extension(c, OID_SGX, &v) != VL_OK || !der_take(&v, DER_SEQUENCE, &list) || v.n != 0) return false;
    while (list.n > 0) {
        if (!entry(&list, base, &i, &one) || i == 0 || i > 7 || (seen & 1u << i) != 0) return false;
        seen |= 1u << i;
        if (i == 1 && !octets(one, ret->ppid, sizeof ret->ppid)) return false;
        if (i == 2 && !read_tcb(one, vl_span(arc, sizeof arc), ret)) return false;
        if (i == 3 && !octets(one, ret->pceid, sizeof ret->pceid)) return false;
        if (i == 4 && !octets(one, ret->fmspc, sizeof ret->fmspc)) return false;
    }
    return (seen & 0x1e) == 0x1e;
}

/* --- signatures --- */

static bool signed_p256(struct vl_span xy, struct vl_span message, struct vl_span signature) {
    struct crypto_pubkey *key;
    if (crypto_pubkey_point(CRYPTO_P256, xy, &key) != VL_OK) return false;
    enum vl_err err = crypto_pubkey_verify(key, CRYPTO_ECDSA_SHA256, message, signature);
    crypto_pubkey_free(key);
    return err == VL_OK;
}

/* The quoting enclave vouches for the attestation key in its report data. */
static bool qe_binds_key(const struct dcap_quote *q) {
    uint8_t text[POINT + AUTH_MAX], digest[32];
    const uint8_t *data = q->qe.p + SGX_REPORT_DATA;
    memcpy(text, q->key.p, POINT);
    if (q->auth.n > 0) memcpy(text + POINT, q->auth.p, q->auth.n);
    crypto_sha256(vl_span(text, POINT + q->auth.n), digest);
    return memcmp(data, digest, 32) == 0 && attest_zero(vl_span(data + 32, 32));
}

static bool qe_signed(const struct dcap_quote *q, const struct crypto_x509 *pck) {
    struct crypto_pubkey *key;
    if (crypto_x509_key(pck, &key) != VL_OK) return false;
    enum vl_err err = crypto_pubkey_verify(key, CRYPTO_ECDSA_SHA256, q->qe, q->qe_signature);
    crypto_pubkey_free(key);
    return err == VL_OK;
}

/* --- what it says --- */

static const char *sgx_body(const struct dcap_quote *q, struct attest_result *r) {
    const uint8_t *p = q->body.p;
    attest_copy(r->measurement, &r->measurement_n, vl_span(p + SGX_MRENCLAVE, 32));
    attest_copy(r->report_data, &r->report_data_n, vl_span(p + SGX_REPORT_DATA, 64));
    if ((p[SGX_ATTRIBUTES] & SGX_DEBUG) != 0)
        attest_set(&r->debug, ATTEST_YES, "the enclave may be debugged");
    else
        attest_set(&r->debug, ATTEST_NO, "debugging is off");
    return (p[SGX_ATTRIBUTES] & 1) != 0 ? NULL : "an enclave that was never initialised";
}

static const char *td_body(const struct dcap_quote *q, struct attest_result *r) {
    const uint8_t *p = q->body.p;
    attest_copy(r->measurement, &r->measurement_n, vl_span(p + TD_MRTD, 48));
    attest_copy(r->report_data, &r->report_data_n, vl_span(p + TD_REPORT_DATA, 64));
    memcpy(r->registers, p + TD_RTMR, ATTEST_REGISTERS);
    r->registers_n = ATTEST_REGISTERS;
    /* The first byte is the group "TD under debug": any bit of it opens the TD. */
    if (p[TD_ATTRIBUTES] != 0)
        attest_set(&r->debug, ATTEST_YES, "the TD may be debugged");
    else
        attest_set(&r->debug, ATTEST_NO, "debugging is off");
    /* Zero stands for a module signed by Intel; there has been no other. */
    if (!attest_zero(vl_span(p + TD_MRSIGNERSEAM, 48)) || !attest_zero(vl_span(p + TD_SEAMATTRIBUTES, 8)))
        return "a TDX module that Intel did not sign";
    return NULL;
}

static const char *verify(const struct attest_input *in, struct dcap_quote *q, const struct crypto_x509_pool *own,
                          struct attest_result *r) {
    const struct crypto_x509 *pck = crypto_x509_pool_get(own, 0);
    struct crypto_x509_path path;
    if (!signed_p256(q->key, q->signed_part, q->signature)) return "the signature of the quote is not good";
    if (!qe_binds_key(q)) return "the quoting enclave does not vouch for the attestation key";
    if (!qe_signed(q, pck)) return "the quoting enclave is not signed by the platform";
    if ((q->qe.p[SGX_ATTRIBUTES] & SGX_DEBUG) != 0) return "the quoting enclave may be debugged";
    if (memcmp(q->qe.p + SGX_MRSIGNER, qe_signer[q->tdx], 32) != 0) return "the quoting enclave is not Intel's";
    if (!attest_chain(in, in->kind == ATTEST_SGX ? ATTEST_SGX : ATTEST_TDX, pck, own, false, r, &path))
        return r->genuine.why;
    if (path.n != PATH_LENGTH || !dcap_pck_read(pck, &q->pck)) return "not the certificate of a platform";
    attest_copy(r->device, &r->device_n, vl_span(q->pck.ppid, sizeof q->pck.ppid));
    memcpy(r->device + r->device_n, q->pck.fmspc, sizeof q->pck.fmspc);
    r->device_n += sizeof q->pck.fmspc;
    memcpy(r->fmspc, q->pck.fmspc, sizeof r->fmspc);
    r->has_fmspc = true;
    const char *why = q->tdx ? td_body(q, r) : sgx_body(q, r);
    if (why != NULL) return why;
    return dcap_judge(in, q, r) ? NULL : "the quoting enclave is not the one of Intel's identity";
}

bool attest_dcap_quote(const struct attest_input *in, struct vl_span quote, bool tdx, struct attest_result *r) {
    struct dcap_quote q = { .version = 0 };
    struct crypto_x509_pool *own = NULL;
    const char *why = read_quote(quote, &q);
    if (why == NULL && q.tdx != tdx)
        why = tdx ? "a quote of an enclave, not of a TD" : "a quote of a TD, not of an enclave";
    if (why == NULL) {
        r->version = q.version;
        own = crypto_x509_pool_create();
        if (own == NULL)
            why = "out of memory";
        else if (crypto_x509_pool_add(own, q.certificates) != VL_OK)
            why = "malformed certificates in the quote";
        else
            why = verify(in, &q, own, r);
        crypto_x509_pool_destroy(own);
    }
    if (why != NULL) attest_no(r, why);
    return why == NULL;
}

void attest_dcap(const struct attest_input *in, struct attest_result *r) {
    if (!attest_dcap_quote(in, in->evidence, in->kind == ATTEST_TDX, r)) return;
    attest_fresh_padded(in, vl_span(r->report_data, r->report_data_n), r);
    attest_measured(in, r);
    attest_yes(r);
}
