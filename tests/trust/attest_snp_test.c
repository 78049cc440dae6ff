/* SEV-SNP reports of third parties, and what their README says of each. */
#include "attest_vectors.h"
#include "check.h"

#include <string.h>

static const char *const milan[] = { "snp/amd-ask-ark-milan.pem", NULL };
static const char *const all_amd[] = { "snp/amd-ask-ark-genoa.pem",
                                       "snp/amd-ask-ark-genoa_vlek.pem",
                                       "snp/amd-ask-ark-milan.pem",
                                       "snp/amd-ask-ark-milan_vlek.pem",
                                       "snp/amd-ask-ark-turin_vcek.pem",
                                       "snp/amd-ask-ark-turin_vlek.pem",
                                       NULL };

struct scene {
    struct attest_files files;
    struct crypto_x509_pool *pool;
    struct attest_input in;
    struct attest_policy policy;
    struct attest_result r;
};

static void end(struct scene *s) {
    crypto_x509_pool_destroy(s->pool);
    attest_files_free(&s->files);
}
/* false: the vectors are not there. */
static bool begin(struct scene *s, const char *report, const char *leaf, const char *const *pool) {
    memset(s, 0, sizeof *s);
    s->pool = attest_pool(&s->files, pool);
    s->in = (struct attest_input){ .kind = ATTEST_SNP,
                                   .evidence = attest_file(&s->files, report),
                                   .leaf = attest_file(&s->files, leaf),
                                   .pool = s->pool,
                                   .when = attest_date("2025-06-01"),
                                   .policy = &s->policy };
    if (s->files.missing) end(s);
    return !s->files.missing;
}
/* s, report, leaf, pool */
#define BEGIN(s, ...)                                                                                                  \
    do {                                                                                                               \
        if (!begin(&(s), __VA_ARGS__)) SKIP("the attestation vectors are not here");                                   \
    } while (0)

static void verify(struct scene *s) { attest_verify(&s->in, &s->r); }
static void refused(struct scene *s, const char *why) {
    verify(s);
    CHECK_STR(why, s->r.reason);
    CHECK(!s->r.accepted);
    CHECK_EQ(0, s->r.level);
}
#define VIRTEE "snp/virtee-milan-v2-report.bin", "snp/virtee-milan-vcek.der"
#define GOSEV "snp/gosev-milan-v2-DEBUG-report.bin", "snp/gosev-milan-vcek.der"

TEST(attest_snp, a_milan_report_is_accepted) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK(s.r.accepted);
    CHECK_EQ(ATTEST_YES, s.r.genuine.state);
    CHECK_EQ(ATTEST_NO, s.r.debug.state);
    CHECK_EQ(ATTEST_UNKNOWN, s.r.fresh.state);
    CHECK_EQ(ATTEST_ANCHOR_VENDOR, s.r.anchor);
    CHECK_STR("AMD ARK-Milan", s.r.anchor_why);
    CHECK_EQ(ATTEST_TCB_UNKNOWN, s.r.tcb);
    CHECK_EQ(2, s.r.version);
    CHECK_EQ(attest_date("2030-04-03T19:23") + 43000, s.r.until); /* the VCEK's end */
    CHECK_EQ(300, s.r.level);                                     /* no challenge, no key */
    end(&s);
}

TEST(attest_snp, with_challenge_key_and_minimum_it_is_worth_900) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    uint8_t nonce[64];
    memcpy(nonce, s.in.evidence.p + 0x50, 64);
    s.in.nonce = vl_span(nonce, 64);
    verify(&s);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    CHECK_EQ(300, s.r.level);
    s.in.nonce_binds_key = true;
    verify(&s);
    CHECK_EQ(600, s.r.level); /* nothing says what firmware is good */
    s.policy.snp_minimum.set = true;
    s.policy.snp_minimum.bootloader = 3;
    s.policy.snp_minimum.snp = 8;
    s.policy.snp_minimum.microcode = 0x73;
    verify(&s);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, s.r.tcb);
    CHECK_EQ(900, s.r.level);
    s.policy.snp_minimum.microcode = 0x74;
    refused(&s, "firmware below the minimum of the policy");
    s.policy.snp_minimum.microcode = 0x73;
    nonce[63] ^= 1;
    refused(&s, "made for another challenge");
    end(&s);
}

TEST(attest_snp, a_report_of_a_guest_that_may_be_debugged_is_genuine_and_refused) {
    struct scene s;
    BEGIN(s, GOSEV, milan);
    verify(&s);
    CHECK_EQ(ATTEST_YES, s.r.genuine.state);
    CHECK_EQ(ATTEST_YES, s.r.debug.state);
    CHECK(!s.r.accepted);
    CHECK_EQ(300, s.r.level);
    CHECK_STR("the guest may be debugged", s.r.reason);
    end(&s);
}

TEST(attest_snp, the_certificate_of_another_chip_does_not_fit) {
    struct scene s;
    BEGIN(s, "snp/virtee-milan-v2-report.bin", "snp/gosev-milan-vcek.der", milan);
    refused(&s, "the signature of the report is not good");
    end(&s);
    BEGIN(s, "snp/virtee-milan-v2-report.bin", "snp/virtee-turin-vcek.der", all_amd);
    refused(&s, "the signature of the report is not good");
    end(&s);
}

TEST(attest_snp, roots_are_found_among_all_of_amds) {
    struct scene s;
    BEGIN(s, VIRTEE, all_amd);
    verify(&s);
    CHECK(s.r.accepted);
    end(&s);
}

TEST(attest_snp, without_amds_certificates_there_is_no_root) {
    static const char *const vlek[] = { "snp/amd-ask-ark-milan_vlek.pem", "snp/amd-ask-ark-genoa.pem", NULL };
    struct scene s;
    BEGIN(s, VIRTEE, vlek);
    refused(&s, "no chain of certificates to a root we accept");
    s.in.leaf = vl_span(NULL, 0);
    refused(&s, "no certificate of the signing key");
    end(&s);
}

TEST(attest_snp, before_and_after_its_time_the_certificate_is_refused) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    s.in.when = attest_date("2023-04-03T19:23");
    refused(&s, "a certificate is not valid yet");
    s.in.when = attest_date("2023-04-03T19:24");
    verify(&s);
    CHECK(s.r.accepted);
    s.in.when = attest_date("2030-04-03T19:24");
    refused(&s, "a certificate has expired");
    s.policy.grace_ms = 60000;
    verify(&s);
    CHECK(s.r.accepted);
    CHECK(s.r.late);
    s.policy.grace_ms = 16000; /* it ended 17 s before */
    refused(&s, "a certificate has expired");
    end(&s);
}

TEST(attest_snp, a_missing_revocation_list_is_refused_where_the_policy_asks_for_one) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    s.policy.need_crl = true;
    refused(&s, "no revocation list of an issuer");
    end(&s);
}

TEST(attest_snp, the_policy_says_what_guest_it_takes) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    s.policy.no_smt = true;
    refused(&s, "multithreading is allowed, and the policy forbids it");
    s.policy.no_smt = false;
    s.policy.snp_single_socket = true;
    refused(&s, "the guest may run on several sockets");
    s.policy.snp_single_socket = false;
    struct vl_span known[2] = { vl_span_str("another"), vl_span(s.in.evidence.p + 0x90, 48) };
    s.policy.measurements = known;
    s.policy.nmeasurements = 2;
    verify(&s);
    CHECK_EQ(ATTEST_YES, s.r.measurement_known.state);
    s.policy.nmeasurements = 1;
    verify(&s);
    CHECK(!s.r.accepted);
    CHECK_STR("runs something the policy does not name", s.r.reason);
    end(&s);
}

TEST(attest_snp, the_certificate_of_a_turin_leads_to_its_root) {
    struct attest_files f = { .n = 0 };
    static const char *const turin[] = { "snp/amd-ask-ark-turin_vcek.pem", "snp/virtee-turin-vcek.der", NULL };
    struct crypto_x509_pool *pool = attest_pool(&f, turin);
    if (f.missing) {
        crypto_x509_pool_destroy(pool);
        attest_files_free(&f);
        SKIP("the attestation vectors are not here");
    }
    size_t n = 0;
    const struct attest_root *roots = attest_vendor_roots(&n);
    uint8_t key[8][32];
    size_t keys = 0;
    for (size_t i = 0; i < n; i++)
        if (roots[i].kind == ATTEST_SNP) memcpy(key[keys++], roots[i].key, 32);
    struct crypto_x509_rules rules = { .pool = { pool, NULL },
                                       .roots = (const uint8_t(*)[32])key,
                                       .nroots = keys,
                                       .when_s = attest_date("2025-06-01") / 1000 };
    struct crypto_x509_path path;
    struct vl_span v;
    const struct crypto_x509 *leaf = crypto_x509_pool_get(pool, 2);
    CHECK_EQ(CRYPTO_X509_OK, crypto_x509_verify(leaf, &rules, &path));
    CHECK_EQ(3, path.n);
    CHECK_OK(crypto_x509_extension(leaf, "1.3.6.1.4.1.3704.1.4", &v));
    CHECK_EQ(8, v.n);
    CHECK_OK(crypto_x509_extension(leaf, "1.3.6.1.4.1.3704.1.3.9", &v));
    CHECK_EQ(VL_ENOTFOUND, crypto_x509_extension(leaf, "1.3.6.1.4.1.3704.1.5", &v));
    crypto_x509_pool_destroy(pool);
    attest_files_free(&f);
}

TEST(attest_snp, a_flipped_bit_of_a_report_is_never_genuine) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 128, 1, 1));
    end(&s);
}

TEST(attest_snp, a_flipped_bit_of_a_certificate_is_never_genuine) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.leaf, 64, 1, 2));
    end(&s);
}

TEST(attest_snp, a_part_of_a_report_or_more_than_one_is_never_genuine) {
    struct scene s;
    BEGIN(s, VIRTEE, milan);
    attest_check_truncations(&s.in, 0);
    struct vl_span leaf = s.in.leaf;
    for (size_t n = 0; n < leaf.n; n++) {
        s.in.leaf.n = n;
        verify(&s);
        CHECK_EQ(ATTEST_NO, s.r.genuine.state);
    }
    s.in.leaf = leaf;
    uint8_t longer[1185] = { 0 };
    memcpy(longer, s.in.evidence.p, 1184);
    s.in.evidence = vl_span(longer, sizeof longer);
    refused(&s, "a report has 1,184 bytes");
    end(&s);
}
