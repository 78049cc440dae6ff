/* Azure confidential VMs: a paravisor inside the TEE gives the guest a vTPM, and has the TEE's report vouch for the
 * vTPM's attestation key.  Evidence is the HCL report as read from the vTPM's NV index 0x01400001: header, SNP report
 * or TDREPORT, and runtime data, a JSON text with the key.  Collateral: [0] TPMS_ATTEST of the quote, [1] its RSA
 * signature, [2] 24 SHA-256 PCRs in order, for TDX [3] the TD quote, [4] TCB info and [5] QE identity.
 * The chain: report -> SHA-256 of the runtime data -> key -> quote -> PCRs and nonce. */
#include "trust/attest_priv.h"

#include "crypto/hash.h"
#include "trust/json.h"

#include <string.h>

#define HCL_HEADER 32u
#define HARDWARE 1184u /* room for the report of either kind */
#define RUNTIME_HEADER 20u
#define TD_REPORT 1024u
#define TD_REPORT_DATA 128u
#define TD_REPORT_MRTD 528u
#define TYPE_SNP 2u
#define TYPE_TDX 4u
#define HASH_SHA256 1u
#define HCL_MAX 16384u

#define PCRS 24u
#define TPM_MAGIC 0xff544347u
#define TPM_QUOTE 0x8018u
#define TPM_SHA256 0x000bu

struct hcl {
    uint32_t type;
    struct vl_span hardware, runtime;
};

static uint32_t le32(struct vl_reader *r) { return __builtin_bswap32(vl_read_u32(r)); }

static bool read_hcl(struct vl_span evidence, struct hcl *ret) {
    struct vl_reader at = vl_reader(evidence.p, evidence.n);
    struct vl_span magic = vl_read_span(&at, 4);
    uint32_t version = le32(&at), size = le32(&at), request = le32(&at);
    struct vl_span reserved = vl_read_span(&at, 16);
    ret->hardware = vl_read_span(&at, HARDWARE);
    uint32_t data = le32(&at), data_version = le32(&at);
    ret->type = le32(&at);
    uint32_t hash = le32(&at), text = le32(&at);
    ret->runtime = vl_read_span(&at, text);
    if (at.failed || evidence.n > HCL_MAX || memcmp(magic.p, "HCLA", 4) != 0 || version < 1 || version > 2)
        return false;
    if (request != 2 || !attest_zero(reserved) || data_version != 1 || hash != HASH_SHA256) return false;
    /* The NV index has a fixed size: zeros follow. */
    return data == RUNTIME_HEADER + text && size == HCL_HEADER + HARDWARE + data && attest_zero(vl_span(at.p, at.n));
}

/* --- the key in the runtime data --- */

static int digit64(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}
/* base64url without padding (RFC 4648 section 5), spare bits zero. */
static bool base64url(struct vl_span text, uint8_t *dst, size_t cap, size_t *ret_n) {
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int v = digit64(text.p[i]);
        if (v < 0) return false;
        bits = (bits << 6 | (uint32_t)v) & 0xffff;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (n == cap) return false;
        dst[n++] = (uint8_t)(bits >> have);
    }
    *ret_n = n;
    return have < 6 && (bits & ((1u << have) - 1)) == 0;
}

static bool rsa_of(struct vl_span key, struct crypto_pubkey **ret) {
    uint8_t n[512], e[8];
    size_t n_len, e_len;
    struct vl_span v, text;
    return jspan_member(key, "kty", &v) && jspan_is(v, "RSA") && jspan_member(key, "n", &v) && jspan_text(v, &text) &&
           base64url(text, n, sizeof n, &n_len) && jspan_member(key, "e", &v) && jspan_text(v, &text) &&
           base64url(text, e, sizeof e, &e_len) &&
           crypto_pubkey_rsa(vl_span(n, n_len), vl_span(e, e_len), ret) == VL_OK;
}

static bool attestation_key(struct vl_span runtime, struct crypto_pubkey **ret) {
    struct vl_span keys, one, v;
    if (!jspan_member(runtime, "keys", &keys)) return false;
    while (jspan_next(&keys, &one))
        if (jspan_member(one, "kid", &v) && jspan_is(v, "HCLAkPub")) return rsa_of(one, ret);
    return false;
}

/* What the paravisor says of the machine; it is inside the TEE. */
static void configuration(const struct attest_input *in, struct vl_span runtime, struct attest_result *r) {
    struct vl_span v, user;
    uint8_t data[64];
    if (jspan_member(runtime, "vm-configuration", &v) && jspan_member(v, "secure-boot", &v))
        r->secure_boot = vl_span_eq(v, vl_span_str("true")) ? ATTEST_YES : ATTEST_NO;
    if (jspan_member(runtime, "user-data", &user) && jspan_hex(user, data, sizeof data))
        attest_key(in, vl_span(data, sizeof data), r);
}

/* --- the quote of the vTPM --- */

/* Part 2 of the TPM 2.0 library, section 10.12: one bank of SHA-256 with all 24 PCRs. */
static bool read_quote(struct vl_span message, struct vl_span *ret_nonce, struct vl_span *ret_digest) {
    struct vl_reader at = vl_reader(message.p, message.n);
    uint32_t magic = vl_read_u32(&at);
    uint16_t type = vl_read_u16(&at);
    (void)vl_read_span(&at, vl_read_u16(&at)); /* name of the signer */
    *ret_nonce = vl_read_span(&at, vl_read_u16(&at));
    (void)vl_read_span(&at, 17 + 8); /* clock, reset and restart counts, safe; firmware version */
    uint32_t banks = vl_read_u32(&at);
    uint16_t hash = vl_read_u16(&at);
    uint8_t n = vl_read_u8(&at);
    struct vl_span which = vl_read_span(&at, 3);
    *ret_digest = vl_read_span(&at, vl_read_u16(&at));
    return vl_reader_end(&at) == VL_OK && magic == TPM_MAGIC && type == TPM_QUOTE && banks == 1 && hash == TPM_SHA256 &&
           n == 3 && memcmp(which.p, "\xff\xff\xff", 3) == 0 && ret_digest->n == 32;
}

static const char *quote_defect(const struct attest_input *in, struct vl_span runtime, struct attest_result *r) {
    struct crypto_pubkey *key;
    struct vl_span nonce, want;
    uint8_t digest[32];
    if (!attestation_key(runtime, &key)) return "no attestation key in the runtime data";
    enum vl_err err = crypto_pubkey_verify(key, CRYPTO_RSA_SHA256, in->collateral[0], in->collateral[1]);
    crypto_pubkey_free(key);
    if (err != VL_OK) return "the signature of the vTPM's quote is not good";
    if (!read_quote(in->collateral[0], &nonce, &want)) return "not a quote over the 24 PCRs of the SHA-256 bank";
    if (in->collateral[2].n != 32 * PCRS) return "24 PCRs of 32 bytes were expected";
    crypto_sha256(in->collateral[2], digest);
    if (memcmp(digest, want.p, 32) != 0) return "the PCRs are not those of the quote";
    memcpy(r->registers, digest, 32);
    r->registers_n = 32;
    attest_fresh_exact(in, nonce, r);
    return NULL;
}

/* --- the TEE under it --- */

static bool binds(struct vl_span data, const uint8_t digest[32]) {
    return data.n == 64 && memcmp(data.p, digest, 32) == 0 && attest_zero(vl_span(data.p + 32, 32));
}

/* false: attest_no() was called. */
static bool tee(const struct attest_input *in, const struct hcl *h, const uint8_t digest[32], struct attest_result *r) {
    if (h->type == TYPE_SNP) {
        /* Only the paravisor, at level 0, speaks for the vTPM: whatever the policy lets guests do elsewhere. */
        struct attest_policy policy = *in->policy;
        struct attest_input snp = *in;
        policy.snp_vmpl_max = 0;
        snp.policy = &policy;
        if (!attest_snp_report(&snp, h->hardware, r)) return false;
    } else if (h->type == TYPE_TDX) {
        struct attest_input td = *in;
        td.collateral[0] = in->collateral[ATTEST_AZURE_TCB];
        td.collateral[1] = in->collateral[ATTEST_AZURE_TCB + 1];
        if (!attest_dcap_quote(&td, in->collateral[3], true, r)) return false;
        /* The local report has no signature that we could check; it must say what the quote says. */
        const uint8_t *local = h->hardware.p;
        if (!binds(vl_span(local + TD_REPORT_DATA, 64), digest) ||
            memcmp(local + TD_REPORT_MRTD, r->measurement, r->measurement_n) != 0 ||
            !attest_zero(vl_span(local + TD_REPORT, HARDWARE - TD_REPORT))) {
            attest_no(r, "the TD's report and its quote differ");
            return false;
        }
    } else {
        attest_no(r, "a TEE of an unknown kind");
        return false;
    }
    if (binds(vl_span(r->report_data, r->report_data_n), digest)) return true;
    attest_no(r, "the TEE does not vouch for the runtime data");
    return false;
}

void attest_azure(const struct attest_input *in, struct attest_result *r) {
    struct hcl h;
    struct vl_span runtime;
    uint8_t digest[32];
    if (!read_hcl(in->evidence, &h)) {
        attest_no(r, "malformed HCL report");
        return;
    }
    crypto_sha256(h.runtime, digest);
    if (!tee(in, &h, digest, r)) return;
    if (!jspan_read(h.runtime, &runtime)) {
        attest_no(r, "malformed runtime data");
        return;
    }
    const char *why = quote_defect(in, runtime, r);
    if (why != NULL) {
        attest_no(r, why);
        return;
    }
    configuration(in, runtime, r);
    r->with_tpm = true;
    attest_measured(in, r);
    attest_yes(r);
}
