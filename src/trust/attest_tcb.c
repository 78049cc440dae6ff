/* Intel's collateral: TCB info (version 3) and identities of quoting enclaves (version 2) of the Provisioning
 * Certification Service, and the level of a platform among them.  The signatures cover the JSON as it came: the text is
 * read in place and never written again. */
#include "trust/attest_dcap.h"
#include "trust/json.h"

#include <string.h>

#define TCB_SIGNER "Intel SGX TCB Signing"
#define TD_TCB_SVN 0u /* offsets in a TD report */
#define TD_MRSIGNERSEAM 64u
#define TD_SEAMATTRIBUTES 112u
#define LEVELS_MAX 64u

static bool bad(struct attest_result *r, const char *why) {
    r->tcb = ATTEST_TCB_BAD;
    r->tcb_why = why;
    return false;
}

/* --- dates: "2025-06-19T10:16:03Z" and nothing else --- */

static bool two(const uint8_t *p, unsigned *ret) {
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') return false;
    *ret = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    return true;
}
static bool date(struct vl_span value, vl_ms *ret) {
    struct vl_span s;
    unsigned century, year, month, day, hour, minute, second;
    if (!jspan_text(value, &s) || s.n != 20) return false;
    if (s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' || s.p[19] != 'Z')
        return false;
    if (!two(s.p, &century) || !two(s.p + 2, &year) || !two(s.p + 5, &month) || !two(s.p + 8, &day) ||
        !two(s.p + 11, &hour) || !two(s.p + 14, &minute) || !two(s.p + 17, &second))
        return false;
    if (century < 20 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
        return false;
    /* Years that begin in March: the leap day is the last of them. */
    uint64_t y = 100ull * century + year - (month < 3), m = (month + 9) % 12;
    uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
    *ret = ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000ull;
    return true;
}
static bool in_time(const struct attest_input *in, struct vl_span document, struct attest_result *r) {
    struct vl_span v;
    vl_ms from, until;
    return jspan_member(document, "issueDate", &v) && date(v, &from) && jspan_member(document, "nextUpdate", &v) &&
           date(v, &until) && attest_in_time(in, from, until, r);
}

/* --- who signed it --- */

static bool signed_by(const struct crypto_x509 *c, struct vl_span text, const uint8_t signature[64]) {
    struct crypto_pubkey *key;
    if (crypto_x509_key(c, &key) != VL_OK) return false;
    enum vl_err err = crypto_pubkey_verify(key, CRYPTO_ECDSA_SHA256, text, vl_span(signature, 64));
    crypto_pubkey_free(key);
    return err == VL_OK;
}

/* {"NAME":{...},"signature":"..."}: *ret is the inner object, signed under a TCB signing certificate that holds at this
 * time; there may be several of the same key, for other times. */
static bool open_document(const struct attest_input *in, struct vl_span text, const char *name, struct attest_result *r,
                          struct vl_span *ret) {
    struct vl_span whole, inner, v;
    uint8_t signature[64];
    char common[32];
    if (!jspan_read(text, &whole) || !jspan_member(whole, name, &inner) || !jspan_member(whole, "signature", &v) ||
        !jspan_hex(v, signature, sizeof signature))
        return bad(r, "malformed collateral");
    enum crypto_x509_fault fault = CRYPTO_X509_NO_ROOT;
    bool forged = false;
    for (size_t i = 0; in->pool != NULL && i < crypto_x509_pool_count(in->pool); i++) {
        const struct crypto_x509 *c = crypto_x509_pool_get(in->pool, i);
        crypto_x509_common_name(c, common, sizeof common);
        if (strcmp(common, TCB_SIGNER) != 0) continue;
        if (!signed_by(c, inner, signature)) {
            forged = true;
            continue;
        }
        struct crypto_x509_path path;
        fault = attest_chain_quiet(in, in->kind == ATTEST_SGX ? ATTEST_SGX : ATTEST_TDX, c, NULL, r, &path);
        if (fault != CRYPTO_X509_OK || path.n != 2) continue;
        if (!in_time(in, inner, r)) return bad(r, "the collateral has expired");
        *ret = inner;
        return true;
    }
    return bad(r, fault == CRYPTO_X509_NO_ROOT && forged ? "the signature of the collateral is not good"
                                                         : crypto_x509_fault_text(fault));
}

/* --- levels --- */

static bool status(struct vl_span level, enum attest_tcb *ret) {
    static const enum attest_tcb all[] = { ATTEST_TCB_UP_TO_DATE,  ATTEST_TCB_HARDENING,
                                           ATTEST_TCB_CONFIG,      ATTEST_TCB_CONFIG_HARDENING,
                                           ATTEST_TCB_OUT_OF_DATE, ATTEST_TCB_OUT_OF_DATE_CONFIG,
                                           ATTEST_TCB_REVOKED };
    struct vl_span v;
    if (!jspan_member(level, "tcbStatus", &v)) return false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (jspan_is(v, attest_tcb_name(all[i]))) {
            *ret = all[i];
            return true;
        }
    return false;
}

/* Platform, module and quoting enclave may name the same one. */
static bool advised(const struct attest_result *r, struct vl_span id) {
    const char *at = r->advisories;
    while (*at != '\0') {
        size_t n = strcspn(at, " ");
        if (vl_span_eq(vl_span(at, n), id)) return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static void advise(struct vl_span level, struct attest_result *r) {
    struct vl_span list, v, s;
    if (!jspan_member(level, "advisoryIDs", &list)) return;
    size_t n = strlen(r->advisories);
    while (jspan_next(&list, &v)) {
        if (!jspan_text(v, &s) || n + s.n + 2 > sizeof r->advisories) return;
        if (advised(r, s)) continue;
        if (n > 0) r->advisories[n++] = ' ';
        memcpy(r->advisories + n, s.p, s.n);
        n += s.n;
        r->advisories[n] = '\0';
    }
}

static bool outdated(enum attest_tcb t) { return t == ATTEST_TCB_OUT_OF_DATE || t == ATTEST_TCB_OUT_OF_DATE_CONFIG; }
static bool configured(enum attest_tcb t) {
    return t == ATTEST_TCB_CONFIG || t == ATTEST_TCB_CONFIG_HARDENING || t == ATTEST_TCB_OUT_OF_DATE_CONFIG;
}
static bool hardened(enum attest_tcb t) { return t == ATTEST_TCB_HARDENING || t == ATTEST_TCB_CONFIG_HARDENING; }

/* What the platform and a part of it (module, quoting enclave) are together: every need of either remains.  Out of date
 * swallows the need for hardening, as in Intel's words for it. */
static enum attest_tcb both(enum attest_tcb a, enum attest_tcb b) {
    if (a == ATTEST_TCB_REVOKED || b == ATTEST_TCB_REVOKED) return ATTEST_TCB_REVOKED;
    bool config = configured(a) || configured(b);
    if (outdated(a) || outdated(b)) return config ? ATTEST_TCB_OUT_OF_DATE_CONFIG : ATTEST_TCB_OUT_OF_DATE;
    if (hardened(a) || hardened(b)) return config ? ATTEST_TCB_CONFIG_HARDENING : ATTEST_TCB_HARDENING;
    return config ? ATTEST_TCB_CONFIG : ATTEST_TCB_UP_TO_DATE;
}

/* Whether each of 16 components from `from` on is at least that of the list.  *ret_malformed: it is no list of 16. */
static bool components(struct vl_span tcb, const char *name, const uint8_t *have, size_t from, bool *ret_malformed) {
    struct vl_span list, one, v;
    uint64_t svn;
    bool enough = true;
    if (!jspan_member(tcb, name, &list)) {
        *ret_malformed = true;
        return false;
    }
    size_t n = 0;
    while (jspan_next(&list, &one)) {
        if (n == DCAP_COMPONENTS || !jspan_member(one, "svn", &v) || !jspan_uint(v, &svn) || svn > UINT8_MAX) {
            *ret_malformed = true;
            return false;
        }
        if (n >= from && have[n] < svn) enough = false;
        n++;
    }
    if (n != DCAP_COMPONENTS) *ret_malformed = true;
    return enough && n == DCAP_COMPONENTS;
}

static bool platform_reaches(struct vl_span level, const struct dcap_quote *q, bool *ret_malformed) {
    struct vl_span tcb, v;
    uint64_t pcesvn;
    if (!jspan_member(level, "tcb", &tcb) || !jspan_member(tcb, "pcesvn", &v) || !jspan_uint(v, &pcesvn)) {
        *ret_malformed = true;
        return false;
    }
    if (!components(tcb, "sgxtcbcomponents", q->pck.component, 0, ret_malformed) || q->pck.pcesvn < pcesvn)
        return false;
    if (!q->tdx) return true;
    const uint8_t *svn = q->body.p + TD_TCB_SVN;
    /* With a module version of its own the first two are judged by the module's identity. */
    return components(tcb, "tdxtcbcomponents", svn, svn[1] > 0 ? 2 : 0, ret_malformed);
}

/* The first level of the list that is reached; they go from new to old. */
static bool platform_level(struct vl_span info, const struct dcap_quote *q, struct attest_result *r) {
    struct vl_span list, level;
    size_t n = 0;
    if (!jspan_member(info, "tcbLevels", &list)) return bad(r, "malformed collateral");
    while (jspan_next(&list, &level)) {
        bool malformed = n++ == LEVELS_MAX, reached = platform_reaches(level, q, &malformed);
        if (malformed) return bad(r, "malformed collateral");
        if (!reached) continue;
        if (!status(level, &r->tcb)) return bad(r, "malformed collateral");
        advise(level, r);
        return true;
    }
    r->tcb = ATTEST_TCB_NO_MATCH;
    r->tcb_why = "below every TCB level of the vendor";
    return false;
}

/* The level of an enclave or a module by its security version. */
static bool isv_level(struct vl_span identity, uint64_t have, struct attest_result *r, enum attest_tcb *ret) {
    struct vl_span list, level, v;
    uint64_t svn;
    if (!jspan_member(identity, "tcbLevels", &list)) return bad(r, "malformed collateral");
    for (size_t n = 0; n < LEVELS_MAX && jspan_next(&list, &level); n++) {
        if (!jspan_member(level, "tcb", &v) || !jspan_member(v, "isvsvn", &v) || !jspan_uint(v, &svn))
            return bad(r, "malformed collateral");
        if (have < svn) continue;
        if (!status(level, ret)) return bad(r, "malformed collateral");
        advise(level, r);
        return true;
    }
    r->tcb = ATTEST_TCB_NO_MATCH;
    r->tcb_why = "below every TCB level of the vendor";
    return false;
}

/* --- the TDX module --- */

/* Fields as wide as 48 bytes under a mask. */
static bool masked(struct vl_span o, const char *name, const char *mask_name, const uint8_t *have, size_t n) {
    uint8_t want[16], mask[16];
    struct vl_span v;
    if (n > sizeof want || !jspan_member(o, name, &v) || !jspan_hex(v, want, n)) return false;
    if (!jspan_member(o, mask_name, &v) || !jspan_hex(v, mask, n)) return false;
    for (size_t i = 0; i < n; i++)
        if ((have[i] & mask[i]) != want[i]) return false;
    return true;
}
static bool signer_is(struct vl_span o, const uint8_t *have, size_t n) {
    uint8_t want[48];
    struct vl_span v;
    return jspan_member(o, "mrsigner", &v) && jspan_hex(v, want, n) && memcmp(want, have, n) == 0;
}
static bool module_is(struct vl_span o, const uint8_t *body) {
    return signer_is(o, body + TD_MRSIGNERSEAM, 48) &&
           masked(o, "attributes", "attributesMask", body + TD_SEAMATTRIBUTES, 8);
}

static bool module_level(struct vl_span info, const struct dcap_quote *q, struct attest_result *r) {
    const uint8_t *svn = q->body.p + TD_TCB_SVN;
    static const char digits[] = "0123456789ABCDEF";
    char id[] = "TDX_00";
    struct vl_span list, one, v;
    enum attest_tcb module;
    if (svn[1] == 0) {
        if (!jspan_member(info, "tdxModule", &one)) return bad(r, "malformed collateral");
        return module_is(one, q->body.p) || bad(r, "the TDX module is not the vendor's");
    }
    id[4] = digits[svn[1] >> 4];
    id[5] = digits[svn[1] & 15];
    if (!jspan_member(info, "tdxModuleIdentities", &list))
        return bad(r, "the collateral does not know this TDX module");
    while (jspan_next(&list, &one)) {
        if (!jspan_member(one, "id", &v) || !jspan_is(v, id)) continue;
        if (!module_is(one, q->body.p)) return bad(r, "the TDX module is not the vendor's");
        if (!isv_level(one, svn[0], r, &module)) return false;
        r->tcb = both(r->tcb, module);
        return true;
    }
    return bad(r, "the collateral does not know this TDX module");
}

/* --- the two documents --- */

static bool judge_platform(const struct attest_input *in, const struct dcap_quote *q, struct attest_result *r) {
    struct vl_span info, v;
    uint64_t version, type;
    uint8_t fmspc[6], pceid[2];
    if (!open_document(in, in->collateral[0], "tcbInfo", r, &info)) return false;
    if (!jspan_member(info, "version", &v) || !jspan_uint(v, &version) || version != 3 ||
        !jspan_member(info, "tcbType", &v) || !jspan_uint(v, &type) || type != 0)
        return bad(r, "collateral of an unknown version");
    if (!jspan_member(info, "id", &v) || !jspan_is(v, q->tdx ? "TDX" : "SGX"))
        return bad(r, "collateral of another kind");
    if (!jspan_member(info, "fmspc", &v) || !jspan_hex(v, fmspc, 6) || !jspan_member(info, "pceId", &v) ||
        !jspan_hex(v, pceid, 2))
        return bad(r, "malformed collateral");
    if (memcmp(fmspc, q->pck.fmspc, 6) != 0 || memcmp(pceid, q->pck.pceid, 2) != 0)
        return bad(r, "collateral of another platform");
    return platform_level(info, q, r) && (!q->tdx || module_level(info, q, r));
}

static bool is_qe(struct vl_span identity, const struct dcap_quote *q) {
    const uint8_t *p = q->qe.p;
    struct vl_span v;
    uint64_t product;
    return masked(identity, "miscselect", "miscselectMask", p + SGX_MISCSELECT, 4) &&
           masked(identity, "attributes", "attributesMask", p + SGX_ATTRIBUTES, 16) &&
           signer_is(identity, p + SGX_MRSIGNER, 32) && jspan_member(identity, "isvprodid", &v) &&
           jspan_uint(v, &product) && product == ((unsigned)p[SGX_PRODID] | (unsigned)p[SGX_PRODID + 1] << 8);
}

/* false: *ret_other, the enclave is another one; else r->tcb says what is wrong. */
static bool judge_qe(const struct attest_input *in, const struct dcap_quote *q, struct attest_result *r,
                     bool *ret_other) {
    struct vl_span identity, v;
    uint64_t version;
    enum attest_tcb qe, platform = r->tcb;
    if (!open_document(in, in->collateral[1], "enclaveIdentity", r, &identity)) return false;
    if (!jspan_member(identity, "version", &v) || !jspan_uint(v, &version) || version != 2 ||
        !jspan_member(identity, "id", &v) || !jspan_is(v, q->tdx ? "TD_QE" : "QE"))
        return bad(r, "collateral of an unknown version or another kind");
    if (!is_qe(identity, q)) {
        *ret_other = true;
        return false;
    }
    const uint8_t *p = q->qe.p + SGX_SVN;
    if (!isv_level(identity, (unsigned)p[0] | (unsigned)p[1] << 8, r, &qe)) return false;
    r->tcb = both(platform, qe);
    return true;
}

bool dcap_judge(const struct attest_input *in, const struct dcap_quote *q, struct attest_result *r) {
    bool other = false;
    if (in->collateral[0].n == 0) {
        r->tcb_why = "no collateral";
        return true;
    }
    if (!judge_platform(in, q, r)) return true;
    if (in->collateral[1].n == 0)
        r->tcb_partial = true;
    else if (!judge_qe(in, q, r, &other))
        return !other;
    r->tcb_why = attest_tcb_name(r->tcb);
    return true;
}
