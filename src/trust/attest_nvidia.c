/* NVIDIA GPU reports (H100): a GET_MEASUREMENTS request of SPDM 1.1 (DMTF DSP0274, 10.11) and its response, signed with
 * ECDSA P-384 over everything before the signature.  The input's leaf is the device's chain as PEM, the device's own
 * certificate first. */
#include "trust/attest_priv.h"

#include "crypto/der.h"

#include <string.h>

#define SPDM_1_1 0x11u
#define GET_MEASUREMENTS 0xe0u
#define MEASUREMENTS 0x60u
#define WITH_SIGNATURE 1u
#define ALL_BLOCKS 0xffu
#define NONCE 32u
#define SIGNATURE 96u
#define DMTF_MEASUREMENT 1u
#define DIGEST 48u
#define BLOCK_HEAD 3u /* type and size inside a block */
#define OPAQUE_FWID 20u
#define OID_FWID "2.23.133.5.4.1" /* TCG DICE, composite device id */

struct report {
    struct vl_span nonce, record, fwid, signed_part, signature;
    uint8_t blocks;
};

static uint16_t le16(struct vl_reader *r) {
    uint16_t v = vl_read_u16(r);
    return (uint16_t)(v << 8 | v >> 8);
}

/* Blocks 1..n in order, each a SHA-384 digest. */
static bool read_blocks(const struct report *m) {
    struct vl_reader at = vl_reader(m->record.p, m->record.n);
    for (unsigned i = 1; i <= m->blocks; i++) {
        uint8_t index = vl_read_u8(&at), specification = vl_read_u8(&at);
        uint16_t size = le16(&at);
        (void)vl_read_u8(&at); /* kind of the measurement; signed, and not ours to judge */
        uint16_t value = le16(&at);
        (void)vl_read_span(&at, DIGEST);
        if (at.failed || index != i || specification != DMTF_MEASUREMENT || size != BLOCK_HEAD + DIGEST ||
            value != DIGEST)
            return false;
    }
    return m->blocks > 0 && vl_reader_end(&at) == VL_OK;
}

static bool read_opaque(struct vl_span opaque, struct report *m) {
    struct vl_reader at = vl_reader(opaque.p, opaque.n);
    while (at.n > 0) {
        uint16_t type = le16(&at), n = le16(&at);
        struct vl_span v = vl_read_span(&at, n);
        if (at.failed) return false;
        if (type != OPAQUE_FWID) continue;
        if (m->fwid.n != 0 || v.n != DIGEST) return false;
        m->fwid = v;
    }
    return m->fwid.n != 0;
}

static bool read_report(struct vl_span evidence, struct report *m) {
    struct vl_reader at = vl_reader(evidence.p, evidence.n);
    *m = (struct report){ .blocks = 0 };
    struct vl_span request = vl_read_span(&at, 4);
    m->nonce = vl_read_span(&at, NONCE);
    uint8_t slot = vl_read_u8(&at);
    struct vl_span response = vl_read_span(&at, 4);
    m->blocks = vl_read_u8(&at);
    uint32_t low = le16(&at), n = low | (uint32_t)vl_read_u8(&at) << 16;
    m->record = vl_read_span(&at, n);
    (void)vl_read_span(&at, NONCE); /* the responder's */
    struct vl_span opaque = vl_read_span(&at, le16(&at));
    m->signature = vl_read_span(&at, SIGNATURE);
    if (vl_reader_end(&at) != VL_OK) return false;
    if (request.p[0] != SPDM_1_1 || request.p[1] != GET_MEASUREMENTS || request.p[2] != WITH_SIGNATURE ||
        request.p[3] != ALL_BLOCKS || response.p[0] != SPDM_1_1 || response.p[1] != MEASUREMENTS ||
        response.p[2] != 0 || (response.p[3] & 15) != slot)
        return false;
    m->signed_part = vl_span(evidence.p, evidence.n - SIGNATURE);
    return read_blocks(m) && read_opaque(opaque, m);
}

/* The firmware's digest in the certificate: version, key of the device, algorithm with digest. */
static bool certificate_fwid(const struct crypto_x509 *c, struct vl_span *ret) {
    static const uint8_t sha384[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02 };
    struct vl_span v, seq, key, fwid, oid;
    uint32_t version;
    return crypto_x509_extension(c, OID_FWID, &v) == VL_OK && der_take(&v, DER_SEQUENCE, &seq) && v.n == 0 &&
           der_u32(&seq, DER_INTEGER, &version) && version == 1 && der_take(&seq, DER_SEQUENCE, &key) &&
           der_take(&seq, DER_SEQUENCE, &fwid) && seq.n == 0 && der_take(&fwid, DER_OID, &oid) &&
           vl_span_eq(oid, vl_span(sha384, sizeof sha384)) && der_take(&fwid, DER_OCTETS, ret) && fwid.n == 0;
}

static const char *verify(const struct attest_input *in, const struct report *m, struct crypto_x509_pool *pool,
                          struct attest_result *r) {
    struct crypto_x509_path path;
    struct crypto_pubkey *key;
    struct vl_span fwid;
    if (in->leaf.n == 0) return "no certificate of the device";
    if (crypto_x509_pool_add(pool, in->leaf) != VL_OK || crypto_x509_pool_count(pool) == 0)
        return "malformed certificates of the device";
    const struct crypto_x509 *leaf = crypto_x509_pool_get(pool, 0);
    if (!certificate_fwid(leaf, &fwid)) return "the certificate does not name a firmware";
    if (crypto_x509_key(leaf, &key) != VL_OK) return "the certificate has no key that can sign a report";
    enum vl_err err = crypto_pubkey_verify(key, CRYPTO_ECDSA_SHA384, m->signed_part, m->signature);
    crypto_pubkey_free(key);
    if (err != VL_OK) return "the signature of the report is not good";
    if (!attest_chain(in, ATTEST_NVIDIA, leaf, pool, false, r, &path)) return r->genuine.why;
    if (path.n < 3) return "the certificate was not issued by a device";
    if (!vl_span_eq(fwid, m->fwid)) return "the certificate is of another firmware than the report states";
    crypto_x509_key_hash(path.cert[1], r->device);
    r->device_n = 32;
    return NULL;
}

void attest_nvidia(const struct attest_input *in, struct attest_result *r) {
    struct report m;
    uint8_t digest[DIGEST];
    if (!read_report(in->evidence, &m)) {
        attest_no(r, "malformed report");
        return;
    }
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    const char *why = pool == NULL ? "out of memory" : verify(in, &m, pool, r);
    crypto_x509_pool_destroy(pool);
    if (why != NULL) {
        attest_no(r, why);
        return;
    }
    r->version = SPDM_1_1;
    r->tcb = ATTEST_TCB_NONE;
    r->tcb_why = "measurements say which firmware and driver it is";
    crypto_sha384(m.record, digest);
    attest_copy(r->measurement, &r->measurement_n, vl_span(digest, DIGEST));
    attest_copy(r->report_data, &r->report_data_n, m.nonce);
    attest_fresh_exact(in, m.nonce, r);
    attest_measured(in, r);
    /* The report has no bit for it: a device that may be debugged measures otherwise. */
    if (r->measurement_known.state == ATTEST_YES)
        attest_set(&r->debug, ATTEST_NO, "measures as a device whose debugging is off");
    else
        attest_set(&r->debug, ATTEST_UNKNOWN, "only known measurements tell that debugging is off");
    attest_yes(r);
}
