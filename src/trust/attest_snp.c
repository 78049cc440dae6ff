/* AMD SEV-SNP attestation reports (SEV-SNP Firmware ABI Specification, 56860, table ATTESTATION_REPORT; versions 2, 3
 * and 5) signed by a VCEK or a VLEK (57230, Versioned Chip Endorsement Key Certificate and KDS). */
#include "trust/attest_priv.h"

#include <string.h>

#define REPORT_BYTES 1184u
#define SIGNED_BYTES 0x2a0u
#define SIGNATURE_INT 72u /* little-endian, of which 48 bytes are used */
#define KEY_VCEK 0u
#define KEY_VLEK 1u
#define POLICY_SMT (1ull << 16)
#define POLICY_ONE (1ull << 17) /* reserved, must be 1 */
#define POLICY_MIGRATION (1ull << 18)
#define POLICY_DEBUG (1ull << 19)
#define POLICY_SINGLE_SOCKET (1ull << 20)
#define POLICY_BITS 26
#define FAMILY_TURIN 0x1au
#define PATH_LENGTH 3u /* VCEK, ASK, ARK */

#define OID_BOOTLOADER "1.3.6.1.4.1.3704.1.3.1"
#define OID_TEE "1.3.6.1.4.1.3704.1.3.2"
#define OID_SNP "1.3.6.1.4.1.3704.1.3.3"
#define OID_MICROCODE "1.3.6.1.4.1.3704.1.3.8"
#define OID_FMC "1.3.6.1.4.1.3704.1.3.9"
#define OID_HWID "1.3.6.1.4.1.3704.1.4"

struct tcb {
    uint8_t fmc, bootloader, tee, snp, microcode;
};

static uint32_t le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint64_t le64(const uint8_t *p) { return le32(p) | (uint64_t)le32(p + 4) << 32; }

/* The bytes that are not named are reserved; they are not looked at, the signature covers them. */
static struct tcb tcb_read(const uint8_t p[8], bool turin) {
    if (turin) return (struct tcb){ p[0], p[1], p[2], p[3], p[7] };
    return (struct tcb){ 0, p[0], p[1], p[6], p[7] };
}

/* An extension that is one DER INTEGER of 0..255. */
static bool small(const struct crypto_x509 *c, const char *oid, uint8_t *ret) {
    struct vl_span v;
    if (crypto_x509_extension(c, oid, &v) != VL_OK) return false;
    if (v.n == 3 && v.p[0] == 2 && v.p[1] == 1 && v.p[2] < 0x80) {
        *ret = v.p[2];
        return true;
    }
    if (v.n == 4 && v.p[0] == 2 && v.p[1] == 2 && v.p[2] == 0 && v.p[3] >= 0x80) {
        *ret = v.p[3];
        return true;
    }
    return false;
}

static bool tcb_of_certificate(const struct crypto_x509 *c, bool turin, struct tcb *ret) {
    *ret = (struct tcb){ 0 };
    return small(c, OID_BOOTLOADER, &ret->bootloader) && small(c, OID_TEE, &ret->tee) && small(c, OID_SNP, &ret->snp) &&
           small(c, OID_MICROCODE, &ret->microcode) && (!turin || small(c, OID_FMC, &ret->fmc));
}

static bool tcb_same(struct tcb a, struct tcb b) {
    return a.fmc == b.fmc && a.bootloader == b.bootloader && a.tee == b.tee && a.snp == b.snp &&
           a.microcode == b.microcode;
}

static void tcb_minimum(const struct attest_policy *p, struct tcb t, struct attest_result *r) {
    if (!p->snp_minimum.set) return;
    bool good = t.fmc >= p->snp_minimum.fmc && t.bootloader >= p->snp_minimum.bootloader &&
                t.tee >= p->snp_minimum.tee && t.snp >= p->snp_minimum.snp && t.microcode >= p->snp_minimum.microcode;
    r->tcb = good ? ATTEST_TCB_UP_TO_DATE : ATTEST_TCB_NO_MATCH;
    r->tcb_why = good ? "at least the minimum of the policy" : "firmware below the minimum of the policy";
}

/* 72 bytes little-endian to 48 big-endian; false: what is above is not zero. */
static bool integer(const uint8_t *from, uint8_t *dst) {
    for (size_t i = 0; i < 48; i++) dst[i] = from[47 - i];
    return attest_zero(vl_span(from + 48, SIGNATURE_INT - 48));
}

static bool report_signed(const uint8_t *p, const struct crypto_x509 *c) {
    uint8_t raw[96];
    struct crypto_pubkey *key;
    if (le32(p + 0x34) != 1) return false; /* ECDSA P-384 with SHA-384 */
    if (!integer(p + SIGNED_BYTES, raw) || !integer(p + SIGNED_BYTES + SIGNATURE_INT, raw + 48)) return false;
    if (!attest_zero(vl_span(p + SIGNED_BYTES + 2 * SIGNATURE_INT, REPORT_BYTES - SIGNED_BYTES - 2 * SIGNATURE_INT)))
        return false;
    if (crypto_x509_key(c, &key) != VL_OK) return false;
    enum vl_err err = crypto_pubkey_verify(key, CRYPTO_ECDSA_SHA384, vl_span(p, SIGNED_BYTES), vl_span(raw, 96));
    crypto_pubkey_free(key);
    return err == VL_OK;
}

/* Whether the certificate speaks of this chip with this firmware. */
static const char *certificate_defect(const uint8_t *p, const struct crypto_x509 *c, bool turin, bool vlek) {
    char name[16];
    struct vl_span hwid;
    struct tcb t;
    crypto_x509_common_name(c, name, sizeof name);
    if (strcmp(name, vlek ? "SEV-VLEK" : "SEV-VCEK") != 0)
        return "the certificate is not of the kind that the report names";
    if (!tcb_of_certificate(c, turin, &t)) return "the certificate does not state a firmware";
    if (!tcb_same(t, tcb_read(p + 0x180, turin)))
        return "the certificate is of another firmware than the report states";
    if (vlek) return crypto_x509_extension(c, OID_HWID, &hwid) == VL_ENOTFOUND ? NULL : "a VLEK that names a chip";
    if (crypto_x509_extension(c, OID_HWID, &hwid) != VL_OK || hwid.n != (turin ? 8u : 64u))
        return "the certificate does not name a chip";
    if (memcmp(hwid.p, p + 0x1a0, hwid.n) != 0 || !attest_zero(vl_span(p + 0x1a0 + hwid.n, 64 - hwid.n)))
        return "the certificate is of another chip";
    return NULL;
}

/* The caller's rules, for a report that is known to be signed. */
static const char *policy_breach(const struct attest_policy *policy, const uint8_t *p) {
    uint64_t guest = le64(p + 8);
    uint32_t vmpl = le32(p + 0x30);
    if (vmpl > policy->snp_vmpl_max) return "requested by a less privileged part of the guest than the policy allows";
    if ((guest & POLICY_MIGRATION) != 0 && !policy->allow_migration) return "a migration agent may be associated";
    if (policy->no_smt && ((guest & POLICY_SMT) != 0 || (le64(p + 0x40) & 1) != 0))
        return "multithreading is allowed, and the policy forbids it";
    if (policy->snp_single_socket && (guest & POLICY_SINGLE_SOCKET) == 0) return "the guest may run on several sockets";
    return NULL;
}

static const char *body_defect(const struct attest_input *in, const uint8_t *p, struct attest_result *r) {
    uint64_t guest = le64(p + 8);
    if ((guest & POLICY_ONE) == 0 || guest >> POLICY_BITS != 0) return "a guest policy with unknown bits";
    if (le32(p + 0x30) > 3) return "requested by the host, not by the guest";
    r->refused = policy_breach(in->policy, p);
    if ((guest & POLICY_DEBUG) != 0)
        attest_set(&r->debug, ATTEST_YES, "the guest may be debugged");
    else
        attest_set(&r->debug, ATTEST_NO, "debugging is off");
    return NULL;
}

static const char *verify(const struct attest_input *in, const uint8_t *p, const struct crypto_x509 *c,
                          struct attest_result *r) {
    struct vl_span fmc;
    struct crypto_x509_path path;
    bool turin = crypto_x509_extension(c, OID_FMC, &fmc) != VL_ENOTFOUND;
    bool vlek = (le32(p + 0x48) >> 2 & 7) == KEY_VLEK;
    if (!vlek && (le32(p + 0x48) >> 2 & 7) != KEY_VCEK) return "signed by no key";
    /* From version 3 on the report names the processor, hence the layout of its TCB. */
    if (r->version >= 3 && (p[0x188] == FAMILY_TURIN) != turin) return "the certificate is of another generation";
    if (!report_signed(p, c)) return "the signature of the report is not good";
    if (!attest_chain(in, ATTEST_SNP, c, NULL, false, r, &path)) return r->genuine.why;
    if (path.n != PATH_LENGTH) return "the certificate was not issued by a signing key of AMD";
    const char *why = certificate_defect(p, c, turin, vlek);
    if (why == NULL) why = body_defect(in, p, r);
    if (why != NULL) return why;
    tcb_minimum(in->policy, tcb_read(p + 0x180, turin), r);
    return NULL;
}

bool attest_snp_report(const struct attest_input *in, struct vl_span report, struct attest_result *r) {
    struct crypto_x509_pool *own = NULL;
    const char *why = NULL;
    if (report.n != REPORT_BYTES) {
        attest_no(r, "a report has 1,184 bytes");
        return false;
    }
    const uint8_t *p = report.p;
    r->version = le32(p);
    if (r->version != 2 && r->version != 3 && r->version != 5) {
        attest_no(r, "an unknown version of the report");
        return false;
    }
    attest_copy(r->report_data, &r->report_data_n, vl_span(p + 0x50, 64));
    attest_copy(r->measurement, &r->measurement_n, vl_span(p + 0x90, 48));
    attest_copy(r->device, &r->device_n, vl_span(p + 0x1a0, 64));
    own = crypto_x509_pool_create();
    if (own == NULL)
        why = "out of memory";
    else if (in->leaf.n == 0)
        why = "no certificate of the signing key";
    else if (crypto_x509_pool_add(own, in->leaf) != VL_OK || crypto_x509_pool_count(own) != 1)
        why = "malformed certificate of the signing key";
    else
        why = verify(in, p, crypto_x509_pool_get(own, 0), r);
    crypto_x509_pool_destroy(own);
    if (why == NULL) return true;
    attest_no(r, why);
    return false;
}

void attest_snp(const struct attest_input *in, struct attest_result *r) {
    if (!attest_snp_report(in, in->evidence, r)) return;
    attest_fresh_padded(in, vl_span(r->report_data, r->report_data_n), r);
    attest_measured(in, r);
    attest_yes(r);
}
