#include "trust/attest.h"

#include "crypto/hash.h"
#include "trust/attest_priv.h"

#include <assert.h>
#include <string.h>

static const struct kind {
    const char *name;
    enum attest_class class;
    void (*verify)(const struct attest_input *in, struct attest_result *r);
} kinds[ATTEST_KINDS] = {
    [ATTEST_SELF] = { "self", ATTEST_CLASS_SELF, NULL },
    [ATTEST_SNP] = { "snp", ATTEST_CLASS_TEE, attest_snp },
    [ATTEST_SGX] = { "sgx", ATTEST_CLASS_TEE, attest_dcap },
    [ATTEST_TDX] = { "tdx", ATTEST_CLASS_TEE, attest_dcap },
    [ATTEST_AZURE] = { "azure", ATTEST_CLASS_TEE, attest_azure },
    [ATTEST_NITRO] = { "nitro", ATTEST_CLASS_TEE, attest_nitro },
    [ATTEST_CCA] = { "cca", ATTEST_CLASS_TEE, attest_arm },
    [ATTEST_PSA] = { "psa", ATTEST_CLASS_MOBILE, attest_arm },
    [ATTEST_ANDROID] = { "android", ATTEST_CLASS_MOBILE, attest_android },
    [ATTEST_NVIDIA] = { "nvidia", ATTEST_CLASS_TEE, attest_nvidia },
    [ATTEST_TPM] = { "tpm", ATTEST_CLASS_TPM, attest_tpm },
};

/* The keys of the vendors' roots: SHA-256 of the SubjectPublicKeyInfo.  The certificates themselves come with the
 * evidence or from a folder. */
static const struct attest_root vendor_roots[] = {
    { { 0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5, 0xff, 0xa8, 0x95, 0xbd, 0xfb,
        0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b, 0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9 },
      ATTEST_SNP,
      ATTEST_ANCHOR_VENDOR,
      "AMD ARK-Milan" },
    { { 0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d, 0xb5, 0xfc, 0xda, 0x9c, 0x64,
        0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a, 0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31 },
      ATTEST_SNP,
      ATTEST_ANCHOR_VENDOR,
      "AMD ARK-Genoa" },
    { { 0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56, 0xf9, 0x24, 0x3f, 0x6f, 0xe0,
        0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03, 0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08 },
      ATTEST_SNP,
      ATTEST_ANCHOR_VENDOR,
      "AMD ARK-Turin" },
    { { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1,
        0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e },
      ATTEST_SGX,
      ATTEST_ANCHOR_VENDOR,
      "Intel SGX Root CA" },
    { { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1,
        0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e },
      ATTEST_TDX,
      ATTEST_ANCHOR_VENDOR,
      "Intel SGX Root CA" },
    { { 0xf2, 0xca, 0xf5, 0xec, 0xc6, 0x19, 0x0b, 0x4a, 0x83, 0x99, 0xb7, 0x8b, 0xc5, 0x8a, 0x2b, 0xbc,
        0xd0, 0x38, 0x23, 0x75, 0xdb, 0x8a, 0x1b, 0xfd, 0x78, 0xa8, 0x27, 0x43, 0x87, 0x4f, 0xd2, 0x25 },
      ATTEST_NITRO,
      ATTEST_ANCHOR_VENDOR,
      "AWS Nitro Enclaves root" },
    { { 0xfe, 0xb2, 0xea, 0x75, 0x51, 0xee, 0x31, 0x6e, 0xd4, 0xbb, 0x44, 0x3c, 0x82, 0x93, 0xb8, 0x84,
        0xdb, 0xfd, 0xea, 0x40, 0xb6, 0x03, 0xee, 0x3e, 0x4f, 0x4a, 0x89, 0x7e, 0x45, 0x80, 0xfb, 0xae },
      ATTEST_ANDROID,
      ATTEST_ANCHOR_VENDOR,
      "Google hardware attestation root, RSA" },
    { { 0x3e, 0xe4, 0x45, 0x12, 0xa1, 0xaf, 0x2b, 0xeb, 0x39, 0xc8, 0x89, 0x49, 0x0c, 0x60, 0xea, 0x3f,
        0x82, 0xe4, 0x3f, 0x5d, 0x5a, 0x55, 0x32, 0xf5, 0xab, 0x94, 0x19, 0xf6, 0x76, 0xcd, 0x07, 0xec },
      ATTEST_ANDROID,
      ATTEST_ANCHOR_VENDOR,
      "Google Key Attestation CA1" },
    { { 0xa9, 0x0c, 0x4e, 0xb5, 0xac, 0xfd, 0x3e, 0x3d, 0x03, 0xa2, 0x5d, 0xb6, 0xa2, 0x6b, 0x84, 0xf7,
        0x20, 0xad, 0x05, 0x03, 0x19, 0x6c, 0x62, 0x7c, 0x21, 0xdd, 0xd4, 0x8d, 0xd8, 0x5b, 0x06, 0xa4 },
      ATTEST_NVIDIA,
      ATTEST_ANCHOR_VENDOR,
      "NVIDIA Device Identity CA" },
    { { 0x56, 0xa6, 0x13, 0xf5, 0x71, 0x26, 0xa3, 0x85, 0xdd, 0x69, 0x49, 0x29, 0x4e, 0x93, 0xb0, 0xb5,
        0x66, 0xf9, 0x6a, 0xb0, 0x57, 0x3b, 0xe0, 0xc2, 0x36, 0x8e, 0x6f, 0x5c, 0xa7, 0x79, 0x83, 0x1f },
      ATTEST_TPM,
      ATTEST_ANCHOR_VENDOR,
      "Google Cloud EK/AK CA Root" },
    { { 0xf2, 0x30, 0x57, 0xf4, 0xf9, 0x7d, 0x1d, 0x90, 0xe4, 0xca, 0xe0, 0xce, 0x91, 0xd5, 0xa0, 0xfc,
        0x99, 0x06, 0x9f, 0x0a, 0x1b, 0xc1, 0x47, 0x02, 0x1d, 0xca, 0x33, 0xb1, 0xe9, 0xc4, 0xd0, 0xd9 },
      ATTEST_TPM,
      ATTEST_ANCHOR_VENDOR,
      "Google Cloud vTPM host root" },
};

const char *attest_kind_name(enum attest_kind kind) {
    return (unsigned)kind < ATTEST_KINDS ? kinds[kind].name : "unknown";
}

const char *attest_tcb_name(enum attest_tcb tcb) {
    static const char *const names[] = { "Unknown",
                                         "None",
                                         "UpToDate",
                                         "SWHardeningNeeded",
                                         "ConfigurationNeeded",
                                         "ConfigurationAndSWHardeningNeeded",
                                         "OutOfDate",
                                         "OutOfDateConfigurationNeeded",
                                         "Revoked",
                                         "NoMatch",
                                         "BadCollateral" };
    return (size_t)tcb < sizeof names / sizeof *names ? names[tcb] : "Unknown";
}

const struct attest_root *attest_vendor_roots(size_t *ret_n) {
    *ret_n = sizeof vendor_roots / sizeof *vendor_roots;
    return vendor_roots;
}

/* --- what verifiers share --- */

void attest_set(struct attest_finding *f, enum attest_state state, const char *why) {
    *f = (struct attest_finding){ state, why };
}
void attest_no(struct attest_result *r, const char *why) { attest_set(&r->genuine, ATTEST_NO, why); }
void attest_yes(struct attest_result *r) { attest_set(&r->genuine, ATTEST_YES, "signed by hardware under its root"); }

void attest_copy(uint8_t dst[ATTEST_DATA], size_t *ret_n, struct vl_span from) {
    *ret_n = from.n < ATTEST_DATA ? from.n : ATTEST_DATA;
    memset(dst, 0, ATTEST_DATA);
    if (*ret_n > 0) memcpy(dst, from.p, *ret_n);
}

bool attest_zero(struct vl_span s) {
    uint8_t any = 0;
    for (size_t i = 0; i < s.n; i++) any |= s.p[i];
    return any == 0;
}

static vl_ms ms_of_s(uint64_t s) { return s > VL_MS_NEVER / 1000 ? VL_MS_NEVER : s * 1000; }

/* The accepted roots of a kind: `which` holds them in the order of `key`. */
struct roots {
    uint8_t key[ATTEST_ROOTS][32];
    const struct attest_root *which[ATTEST_ROOTS];
    size_t n;
};
static void roots_add(struct roots *s, enum attest_kind kind, const struct attest_root *from, size_t n) {
    for (size_t i = 0; i < n && s->n < ATTEST_ROOTS; i++) {
        if (from[i].kind != kind) continue;
        memcpy(s->key[s->n], from[i].key, 32);
        s->which[s->n++] = &from[i];
    }
}

/* Also tells which root it was. */
static enum crypto_x509_fault chain(const struct attest_input *in, enum attest_kind kind,
                                    const struct crypto_x509 *leaf, const struct crypto_x509_pool *own,
                                    bool leaf_undated, struct attest_result *r, struct crypto_x509_path *ret,
                                    const struct attest_root **ret_root) {
    struct roots roots = { .n = 0 };
    roots_add(&roots, kind, vendor_roots, sizeof vendor_roots / sizeof *vendor_roots);
    roots_add(&roots, kind, in->policy->roots, in->policy->nroots);
    struct crypto_x509_rules rules = { .pool = { own, in->pool },
                                       .roots = (const uint8_t(*)[32])roots.key,
                                       .nroots = roots.n,
                                       .when_s = in->when / 1000,
                                       .grace_s = in->policy->grace_ms / 1000,
                                       .need_crl = in->policy->need_crl,
                                       .leaf_undated = leaf_undated };
    struct crypto_x509_path path;
    enum crypto_x509_fault fault = crypto_x509_verify(leaf, &rules, &path);
    if (fault != CRYPTO_X509_OK) return fault;
    *ret_root = roots.which[path.root];
    if (ms_of_s(path.from_s) > r->from) r->from = ms_of_s(path.from_s);
    if (ms_of_s(path.until_s) < r->until) r->until = ms_of_s(path.until_s);
    r->late = r->late || path.late;
    if (ret != NULL) *ret = path;
    return fault;
}

bool attest_chain(const struct attest_input *in, enum attest_kind kind, const struct crypto_x509 *leaf,
                  const struct crypto_x509_pool *own, bool leaf_undated, struct attest_result *r,
                  struct crypto_x509_path *ret) {
    const struct attest_root *root = NULL;
    enum crypto_x509_fault fault = chain(in, kind, leaf, own, leaf_undated, r, ret, &root);
    if (fault != CRYPTO_X509_OK) {
        r->revoked = r->revoked || fault == CRYPTO_X509_REVOKED;
        r->unanchored = fault == CRYPTO_X509_NO_ROOT;
        attest_no(r, crypto_x509_fault_text(fault));
        return false;
    }
    r->anchor = root->anchor;
    r->anchor_why = root->name;
    return true;
}

enum crypto_x509_fault attest_chain_quiet(const struct attest_input *in, enum attest_kind kind,
                                          const struct crypto_x509 *leaf, const struct crypto_x509_pool *own,
                                          struct attest_result *r, struct crypto_x509_path *ret) {
    const struct attest_root *root = NULL;
    return chain(in, kind, leaf, own, false, r, ret, &root);
}

static void fresh(const struct attest_input *in, bool same, struct attest_result *r) {
    if (in->nonce.n == 0) return;
    if (!same) {
        attest_set(&r->fresh, ATTEST_NO, "made for another challenge");
        return;
    }
    attest_set(&r->fresh, ATTEST_YES, "answers the challenge");
    if (in->nonce_binds_key && r->key_bound.state == ATTEST_UNKNOWN)
        attest_set(&r->key_bound, ATTEST_YES, "the challenge names the node's key");
}

void attest_fresh_padded(const struct attest_input *in, struct vl_span field, struct attest_result *r) {
    size_t n = in->nonce.n;
    bool same =
        n > 0 && n <= field.n && memcmp(in->nonce.p, field.p, n) == 0 && attest_zero(vl_span(field.p + n, field.n - n));
    fresh(in, same, r);
}
void attest_fresh_exact(const struct attest_input *in, struct vl_span nonce, struct attest_result *r) {
    fresh(in, vl_span_eq(in->nonce, nonce), r);
}

void attest_key(const struct attest_input *in, struct vl_span key, struct attest_result *r) {
    if (in->key.n == 0) return;
    if (vl_span_eq(in->key, key))
        attest_set(&r->key_bound, ATTEST_YES, "carries the node's key");
    else
        attest_set(&r->key_bound, ATTEST_NO, "bound to another key");
}

void attest_measured(const struct attest_input *in, struct attest_result *r) {
    if (in->policy->nmeasurements == 0) return;
    for (size_t i = 0; i < in->policy->nmeasurements; i++)
        if (vl_span_eq(in->policy->measurements[i], vl_span(r->measurement, r->measurement_n))) {
            attest_set(&r->measurement_known, ATTEST_YES, "runs what the policy names");
            return;
        }
    attest_set(&r->measurement_known, ATTEST_NO, "runs something the policy does not name");
}

bool attest_in_time(const struct attest_input *in, vl_ms from, vl_ms until, struct attest_result *r) {
    if (in->when < from) return false;
    if (in->when > until) {
        if (in->when - until > in->policy->grace_ms) return false;
        r->late = true;
    }
    if (from > r->from) r->from = from;
    if (until < r->until) r->until = until;
    return true;
}

/* --- the verdict --- */

/* The first thing that does not hold; NULL: everything does. */
static const char *defect(const struct attest_result *r) {
    if (r->kind == ATTEST_SELF) return NULL;
    if (r->genuine.state != ATTEST_YES) return r->genuine.why;
    if (r->revoked) return "a certificate is revoked";
    if (r->refused != NULL) return r->refused;
    if (r->anchor == ATTEST_ANCHOR_NONE) return r->anchor_why;
    if (r->debug.state == ATTEST_YES) return r->debug.why;
    if (r->tcb == ATTEST_TCB_REVOKED || r->tcb == ATTEST_TCB_NO_MATCH || r->tcb == ATTEST_TCB_BAD) return r->tcb_why;
    if (r->fresh.state == ATTEST_NO) return r->fresh.why;
    if (r->key_bound.state == ATTEST_NO) return r->key_bound.why;
    if (r->measurement_known.state == ATTEST_NO) return r->measurement_known.why;
    return NULL;
}

void attest_verify(const struct attest_input *in, struct attest_result *ret) {
    static const struct attest_policy no_policy;
    struct attest_input input = *in;
    if (input.policy == NULL) input.policy = &no_policy;
    *ret = (struct attest_result){ .kind = in->kind,
                                   .class = ATTEST_CLASS_SELF,
                                   .genuine = { ATTEST_NO, "not verified" },
                                   .fresh = { ATTEST_UNKNOWN, "no challenge was expected" },
                                   .debug = { ATTEST_UNKNOWN, "not read" },
                                   .measurement_known = { ATTEST_UNKNOWN, "no list of measurements was given" },
                                   .key_bound = { ATTEST_UNKNOWN, "nothing names the node's key" },
                                   .tcb_why = "nothing to hold it against",
                                   .anchor_why = "no root",
                                   .until = VL_MS_NEVER };
    if ((unsigned)in->kind >= ATTEST_KINDS)
        attest_no(ret, "an unknown kind of evidence");
    else if (in->kind == ATTEST_SELF)
        attest_set(&ret->genuine, ATTEST_UNKNOWN, "a statement of the node itself");
    else if (kinds[in->kind].verify == NULL)
        attest_no(ret, "no verifier for this kind of evidence");
    else if (in->evidence.n == 0 || in->evidence.n > ATTEST_EVIDENCE_MAX)
        attest_no(ret, in->evidence.n == 0 ? "no evidence" : "evidence is too long");
    else {
        ret->class = kinds[in->kind].class;
        kinds[in->kind].verify(&input, ret);
    }
    const char *why = defect(ret);
    ret->accepted = why == NULL;
    ret->reason = why != NULL ? why : "accepted";
    ret->level = attest_level(ret, input.policy);
}

void attest_report_data(struct vl_span nonce, const uint8_t node_key[32], const uint8_t exporter[32],
                        uint8_t ret[ATTEST_DATA]) {
    uint8_t text[14 + 4 + ATTEST_DATA + 64];
    struct vl_writer w = vl_writer(text, sizeof text);
    assert(nonce.n <= ATTEST_DATA);
    vl_write_bytes(&w, "fog-attest-v1", 13);
    vl_write_u32(&w, (uint32_t)nonce.n);
    vl_write_bytes(&w, nonce.p, nonce.n);
    vl_write_bytes(&w, node_key, 32);
    vl_write_bytes(&w, exporter, 32);
    assert(!w.failed);
    crypto_sha512(vl_span(w.p, w.len), ret);
}
