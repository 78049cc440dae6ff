/* Intel quotes of third parties with and without their collateral, and what their README says of each. */
#include "attest_vectors.h"
#include "base/text.h"
#include "check.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scene {
    struct attest_files files;
    struct crypto_x509_pool *pool;
    struct attest_input in;
    struct attest_policy policy;
    struct attest_result r;
    char *info, *identity; /* collateral put together from its parts */
};

static void end(struct scene *s) {
    crypto_x509_pool_destroy(s->pool);
    attest_files_free(&s->files);
    free(s->info);
    free(s->identity);
}

/* Some files are hexadecimal text: in place. */
static struct vl_span unhex(struct vl_span text) {
    char *p = (char *)(uintptr_t)text.p;
    size_t skip = text.n > 2 && p[0] == '0' && p[1] == 'x' ? 2 : 0, n = strspn(p + skip, "0123456789abcdefABCDEF") / 2;
    for (size_t i = 0; i < n; i++) {
        uint8_t byte;
        char two[3] = { p[skip + 2 * i], p[skip + 2 * i + 1], '\0' };
        CHECK_OK(vl_hex_decode(two, &byte, 1));
        p[i] = (char)byte;
    }
    return vl_span(p, n);
}

static bool begin(struct scene *s, enum attest_kind kind, const char *quote, const char *when) {
    memset(s, 0, sizeof *s);
    s->pool = crypto_x509_pool_create();
    CHECK(s->pool != NULL);
    s->in = (struct attest_input){ .kind = kind,
                                   .evidence = attest_file(&s->files, quote),
                                   .pool = s->pool,
                                   .when = attest_date(when),
                                   .policy = &s->policy };
    if (s->files.missing) {
        end(s);
        return false;
    }
    if (strstr(quote, ".hex") != NULL) s->in.evidence = unhex(s->in.evidence);
    return true;
}
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

static void add_text(struct crypto_x509_pool *pool, const json_t *o, const char *key) {
    CHECK_OK(crypto_x509_pool_add(pool, vl_span_str(vectors_text(o, key))));
}
static void add_crl_hex(struct crypto_x509_pool *pool, const json_t *o, const char *key) {
    static uint8_t der[65536];
    size_t n = vectors_bytes(o, key, der, sizeof der);
    CHECK_OK(crypto_x509_pool_add_crl(pool, vl_span(der, n)));
}
/* One file with everything in it. */
static void collateral_and(struct scene *s, const char *name, bool lists) {
    char path[128];
    (void)snprintf(path, sizeof path, "attestation/sgx-tdx/%s", name);
    json_t *o = vectors_load(path);
    CHECK(o != NULL);
    add_text(s->pool, o, "pck_crl_issuer_chain");
    add_text(s->pool, o, "tcb_info_issuer_chain");
    if (lists) add_crl_hex(s->pool, o, "root_ca_crl");
    if (lists) add_crl_hex(s->pool, o, "pck_crl");
    s->info = attest_document(o, "tcbInfo", "tcb_info", "tcb_info_signature");
    s->identity = attest_document(o, "enclaveIdentity", "qe_identity", "qe_identity_signature");
    s->in.collateral[0] = vl_span_str(s->info);
    s->in.collateral[1] = vl_span_str(s->identity);
    json_decref(o);
}

static void collateral(struct scene *s, const char *name) { collateral_and(s, name, true); }

#define PHALA_SGX ATTEST_SGX, "sgx-tdx/phala-sgx-v3-quote.bin"
#define PHALA_TDX ATTEST_TDX, "sgx-tdx/phala-tdx-v4-quote.bin"
#define PHALA_NEAR ATTEST_TDX, "sgx-tdx/phala-near-tdx-v4-quote.hex"
#define GOTDX_V4 ATTEST_TDX, "sgx-tdx/gotdx-v4-quote.bin"
#define GOTDX_V5 ATTEST_TDX, "sgx-tdx/gotdx-v5-quote.bin"

TEST(attest_sgx, a_quote_of_an_enclave_needs_configuration_and_hardening) {
    struct scene s;
    BEGIN(s, PHALA_SGX, "2025-07-01");
    collateral(&s, "phala-sgx-v3-collateral.json");
    s.policy.need_crl = true;
    s.in.nonce = vl_span_str("Hello, world!");
    s.in.nonce_binds_key = true;
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_TCB_CONFIG_HARDENING, s.r.tcb);
    CHECK_STR("ConfigurationAndSWHardeningNeeded", s.r.tcb_why);
    CHECK_STR("INTEL-SA-00289 INTEL-SA-00615", s.r.advisories);
    CHECK_EQ(3, s.r.version);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    CHECK_EQ(ATTEST_NO, s.r.debug.state);
    CHECK_STR("Intel SGX Root CA", s.r.anchor_why);
    static const uint8_t fmspc[6] = { 0x00, 0xa0, 0x67, 0x11, 0x00, 0x00 };
    CHECK_EQ(22, s.r.device_n);
    CHECK_MEM(fmspc, s.r.device + 16, 6);
    CHECK_EQ(600, s.r.level);
    CHECK_EQ(attest_date("2025-07-19T10:01") + 18000, s.r.until); /* that of the QE identity */
    end(&s);
}

TEST(attest_sgx, expired_collateral_is_taken_only_within_the_grace) {
    struct scene s;
    BEGIN(s, PHALA_SGX, "2025-07-20");
    collateral(&s, "phala-sgx-v3-collateral.json");
    refused(&s, "a revocation list has expired");
    s.policy.grace_ms = 86400000;
    s.in.nonce = vl_span_str("Hello, world!");
    s.in.nonce_binds_key = true;
    verify(&s);
    CHECK(s.r.accepted && s.r.late);
    CHECK_EQ(500, s.r.level);
    s.in.when = attest_date("2025-06-19T10:01"); /* before they were issued: a grace does not reach back */
    refused(&s, "a revocation list has expired");
    end(&s);
    BEGIN(s, PHALA_SGX, "2025-07-20");
    collateral_and(&s, "phala-sgx-v3-collateral.json", false);
    refused(&s, "the collateral has expired");
    CHECK_EQ(ATTEST_YES, s.r.genuine.state);
    CHECK_EQ(ATTEST_TCB_BAD, s.r.tcb);
    s.in.when = attest_date("2025-06-19T10:01");
    refused(&s, "the collateral has expired");
    end(&s);
}

TEST(attest_tdx, an_up_to_date_quote_is_worth_900) {
    struct scene s;
    BEGIN(s, PHALA_TDX, "2025-07-01");
    collateral(&s, "phala-tdx-v4-collateral.json");
    s.policy.need_crl = true;
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, s.r.tcb);
    CHECK_STR("", s.r.advisories);
    CHECK_EQ(4, s.r.version);
    CHECK_EQ(48, s.r.measurement_n);
    CHECK_EQ(192, s.r.registers_n);
    CHECK_EQ(300, s.r.level);
    uint8_t data[64];
    memcpy(data, s.r.report_data, 64);
    s.in.nonce = vl_span(data, 64);
    s.in.nonce_binds_key = true;
    verify(&s);
    CHECK_EQ(900, s.r.level);
    data[0] ^= 1;
    refused(&s, "made for another challenge");
    end(&s);
}

TEST(attest_tdx, another_quote_with_its_collateral_is_up_to_date) {
    struct scene s;
    BEGIN(s, PHALA_NEAR, "2025-09-15");
    collateral(&s, "phala-near-tdx-v4-collateral.json");
    s.policy.need_crl = true;
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, s.r.tcb);
    end(&s);
}

TEST(attest_tdx, collateral_of_another_platform_does_not_fit) {
    struct scene s;
    BEGIN(s, PHALA_NEAR, "2025-09-15");
    collateral(&s, "phala-tdx-v4-collateral.json");
    s.policy.grace_ms = 90 * 86400000ull;
    refused(&s, "collateral of another platform");
    end(&s);
    BEGIN(s, PHALA_TDX, "2025-07-01");
    collateral(&s, "phala-sgx-v3-collateral.json");
    refused(&s, "collateral of another kind");
    end(&s);
}

TEST(attest_tdx, the_identity_of_another_quoting_enclave_makes_the_quote_worthless) {
    struct scene s, sgx;
    BEGIN(s, PHALA_TDX, "2025-07-01");
    collateral(&s, "phala-tdx-v4-collateral.json");
    BEGIN(sgx, PHALA_SGX, "2025-07-01");
    collateral(&sgx, "phala-sgx-v3-collateral.json");
    s.in.collateral[1] = sgx.in.collateral[1];
    refused(&s, "collateral of an unknown version or another kind");
    end(&s);
    end(&sgx);
}

/* Its file has bytes behind the quote; n: without them. */
static void cut(struct scene *s) {
    const uint8_t *p = s->in.evidence.p;
    size_t at = 48 + 584;
    s->in.evidence.n = at + 4 + ((size_t)p[at] | (size_t)p[at + 1] << 8 | (size_t)p[at + 2] << 16);
}
static void gotdx_v4(struct scene *s) {
    s->in.collateral[0] = attest_file(&s->files, "sgx-tdx/gotdx-v4-tcbinfo.json");
    s->in.collateral[1] = attest_file(&s->files, "sgx-tdx/gotdx-v4-qeidentity.json");
    CHECK_OK(crypto_x509_pool_add(s->pool, attest_file(&s->files, "sgx-tdx/gotdx-v4-pckcrl-issuer-chain.pem")));
    CHECK_OK(crypto_x509_pool_add(s->pool, attest_file(&s->files, "sgx-tdx/gotdx-v4-tcb-signing-chain.pem")));
    CHECK_OK(crypto_x509_pool_add_crl(s->pool, attest_file(&s->files, "sgx-tdx/gotdx-v4-pckcrl.der")));
    CHECK_OK(crypto_x509_pool_add_crl(s->pool, attest_file(&s->files, "sgx-tdx/gotdx-v4-rootcrl.der")));
}

TEST(attest_tdx, an_early_platform_reaches_no_level) {
    struct scene s;
    BEGIN(s, GOTDX_V4, "2023-07-01");
    gotdx_v4(&s);
    refused(&s, "bytes after the end of the quote");
    cut(&s);
    s.policy.need_crl = true;
    refused(&s, "below every TCB level of the vendor");
    CHECK_EQ(ATTEST_YES, s.r.genuine.state);
    CHECK_EQ(ATTEST_TCB_NO_MATCH, s.r.tcb);
    s.in.when = attest_date("2024-07-01");
    s.policy.need_crl = false;
    refused(&s, "a revocation list has expired");
    end(&s);
}

TEST(attest_tdx, collateral_that_was_changed_is_refused) {
    struct scene s;
    BEGIN(s, PHALA_TDX, "2025-07-01");
    collateral(&s, "phala-tdx-v4-collateral.json");
    char *svn = strstr(s.info, "\"pcesvn\":11");
    CHECK(svn != NULL);
    svn[10] = '2';
    refused(&s, "the signature of the collateral is not good");
    end(&s);
}

TEST(attest_tdx, a_v5_quote_is_up_to_date_under_the_certificate_of_its_time) {
    struct scene s, other;
    BEGIN(s, GOTDX_V5, "2026-02-15");
    s.in.collateral[0] = attest_file(&s.files, "sgx-tdx/gotdx-v5-tcbinfo.json");
    /* that of 2018 to 2025 alone */
    CHECK_OK(crypto_x509_pool_add(s.pool, attest_file(&s.files, "sgx-tdx/gotdx-v4-tcb-signing-chain.pem")));
    refused(&s, "a certificate has expired");
    BEGIN(other, PHALA_TDX, "2026-02-15");
    json_t *o = vectors_load("attestation/sgx-tdx/phala-near-tdx-v4-collateral.json");
    add_text(s.pool, o, "tcb_info_issuer_chain"); /* the same key, 2025 to 2032 */
    json_decref(o);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, s.r.tcb);
    CHECK(s.r.tcb_partial); /* no identity of the quoting enclave */
    CHECK_EQ(5, s.r.version);
    end(&other);
    end(&s);
}

TEST(attest_tdx, without_collateral_a_quote_is_genuine_and_its_tcb_unknown) {
    static const struct {
        enum attest_kind kind;
        const char *file;
    } quotes[] = {
        { ATTEST_TDX, "sgx-tdx/gotdx-cos113-v4-padded-quote.bin" },
        { ATTEST_TDX, "sgx-tdx/coco-tdx-v4-fmspc00a06d08-quote.bin" },
        { ATTEST_TDX, "sgx-tdx/gotdx-v5-quote.bin" },
        { ATTEST_TDX, "sgx-tdx/phala-tdx-v4-quote.bin" },
        { ATTEST_TDX, "sgx-tdx/phala-near-tdx-v4-quote.hex" },
        { ATTEST_SGX, "sgx-tdx/phala-sgx-v3-quote.bin" },
    };
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
        struct scene s;
        BEGIN(s, quotes[i].kind, quotes[i].file, "2026-02-15");
        verify(&s);
        CHECK_STR("accepted", s.r.reason);
        CHECK_EQ(ATTEST_TCB_UNKNOWN, s.r.tcb);
        CHECK_EQ(ATTEST_NO, s.r.debug.state);
        s.policy.need_crl = true;
        refused(&s, "no revocation list of an issuer");
        end(&s);
    }
}

TEST(attest_tdx, the_padded_quote_answers_its_nonce) {
    struct scene s;
    BEGIN(s, ATTEST_TDX, "sgx-tdx/gotdx-cos113-v4-padded-quote.bin", "2025-07-01");
    struct vl_span nonce = attest_file(&s.files, "sgx-tdx/gotdx-cos113-nonce.bin");
    s.in.nonce = nonce;
    verify(&s);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    end(&s);
}

TEST(attest_tdx, debugged_enclaves_and_tds_are_genuine_and_refused) {
    static const struct {
        enum attest_kind kind;
        const char *file, *why;
    } quotes[] = {
        { ATTEST_SGX, "sgx-tdx/coco-sgx-v3-DEBUG-quote.bin", "the enclave may be debugged" },
        { ATTEST_TDX, "sgx-tdx/coco-tdx-v4-DEBUG-quote.bin", "the TD may be debugged" },
    };
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        BEGIN(s, quotes[i].kind, quotes[i].file, "2025-07-01");
        verify(&s);
        CHECK_STR(quotes[i].why, s.r.reason);
        CHECK_EQ(ATTEST_YES, s.r.genuine.state);
        CHECK_EQ(ATTEST_YES, s.r.debug.state);
        CHECK(!s.r.accepted);
        CHECK(s.r.level <= 300);
        if (i == 0) {
            s.in.nonce = vl_span_str("test");
            verify(&s);
            CHECK_EQ(ATTEST_YES, s.r.fresh.state);
        }
        end(&s);
    }
}

TEST(attest_tdx, a_local_report_is_no_evidence) {
    struct scene s;
    BEGIN(s, ATTEST_TDX, "sgx-tdx/gotdx-tdreport.bin", "2025-07-01");
    refused(&s, "not a quote of Intel with an ECDSA P-256 key");
    end(&s);
}

TEST(attest_tdx, a_root_is_matched_by_its_key_and_not_by_its_name) {
    struct scene s;
    BEGIN(s, ATTEST_TDX, "sgx-tdx/intelqvl-SYNTHETIC-tdx-v4-quote.bin", "2025-07-01");
    CHECK_OK(crypto_x509_pool_add(s.pool, attest_file(&s.files, "sgx-tdx/intelqvl-SYNTHETIC-root.pem")));
    CHECK_OK(crypto_x509_pool_add(s.pool, attest_file(&s.files, "sgx-tdx/intel-sgx-root-ca.pem")));
    verify(&s);
    CHECK_EQ(ATTEST_NO, s.r.genuine.state);
    CHECK_EQ(0, s.r.level);
    struct crypto_x509_pool *one = crypto_x509_pool_create();
    struct crypto_x509_path path;
    CHECK_OK(crypto_x509_pool_add(one, attest_file(&s.files, "sgx-tdx/intelqvl-SYNTHETIC-pck.pem")));
    CHECK_OK(crypto_x509_pool_add(one, attest_file(&s.files, "sgx-tdx/intelqvl-SYNTHETIC-pck-sign-chain.pem")));
    size_t n;
    const struct attest_root *roots = attest_vendor_roots(&n);
    uint8_t key[2][32] = { { 0 } };
    for (size_t i = 0; i < n; i++)
        if (roots[i].kind == ATTEST_TDX) memcpy(key[0], roots[i].key, 32);
    struct crypto_x509_rules rules = { .pool = { one, s.pool },
                                       .roots = (const uint8_t(*)[32])key,
                                       .nroots = 1,
                                       .when_s = attest_date("2025-07-01") / 1000 };
    const struct crypto_x509 *pck = crypto_x509_pool_get(one, 0);
    CHECK(crypto_x509_verify(pck, &rules, &path) != CRYPTO_X509_OK);
    /* The fake root itself, pinned by its key: now the same chain is good. */
    crypto_x509_key_hash(crypto_x509_pool_get(s.pool, 0), key[1]);
    rules.nroots = 2;
    CHECK_EQ(CRYPTO_X509_OK, crypto_x509_verify(pck, &rules, &path));
    CHECK_EQ(1, path.root);
    crypto_x509_pool_destroy(one);
    end(&s);
}

TEST(attest_tdx, quotes_of_enclaves_and_tds_are_not_taken_for_each_other) {
    struct scene s;
    BEGIN(s, PHALA_SGX, "2025-07-01");
    s.in.kind = ATTEST_TDX;
    refused(&s, "a quote of an enclave, not of a TD");
    end(&s);
    BEGIN(s, PHALA_TDX, "2025-07-01");
    s.in.kind = ATTEST_SGX;
    refused(&s, "a quote of a TD, not of an enclave");
    end(&s);
}

TEST(attest_tdx, a_part_of_a_quote_is_never_genuine) {
    struct scene s;
    BEGIN(s, PHALA_TDX, "2025-07-01");
    attest_check_truncations(&s.in, 70);
    end(&s);
    BEGIN(s, PHALA_SGX, "2025-07-01");
    attest_check_truncations(&s.in, 0);
    end(&s);
    BEGIN(s, GOTDX_V5, "2025-07-01");
    attest_check_truncations(&s.in, 70);
    end(&s);
}

TEST(attest_tdx, a_flipped_bit_of_a_quote_changes_nothing_or_everything) {
    static const struct {
        enum attest_kind kind;
        const char *file;
    } quotes[] = {
        { ATTEST_TDX, "sgx-tdx/phala-tdx-v4-quote.bin" },
        { ATTEST_SGX, "sgx-tdx/phala-sgx-v3-quote.bin" },
        { ATTEST_TDX, "sgx-tdx/gotdx-v5-quote.bin" },
    };
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
        struct scene s;
        BEGIN(s, quotes[i].kind, quotes[i].file, "2025-07-01");
        /* The root's own certificate, which its key stands for, and the padding: nothing before them. */
        const uint8_t *at = s.in.evidence.p, *end_of = at + s.in.evidence.n;
        for (unsigned third = 0; third < 3; third++) {
            at = memmem(at + 1, (size_t)(end_of - at - 1), "-----BEGIN", 10);
            CHECK(at != NULL);
        }
        CHECK(attest_check_flips(&s.in, &s.in.evidence, 128, 4, i) >= (size_t)(at - s.in.evidence.p));
        end(&s);
    }
}

TEST(attest_tdx, a_flipped_bit_of_the_collateral_never_makes_it_better) {
    struct scene s;
    BEGIN(s, PHALA_SGX, "2025-07-01");
    collateral(&s, "phala-sgx-v3-collateral.json");
    (void)attest_check_flips(&s.in, &s.in.collateral[0], 0, 16, 1);
    (void)attest_check_flips(&s.in, &s.in.collateral[1], 0, 8, 2);
    for (unsigned c = 0; c < 2; c++) {
        struct vl_span whole = s.in.collateral[c];
        for (size_t n = 1; n < whole.n; n += 7) {
            s.in.collateral[c].n = n;
            refused(&s, "malformed collateral");
        }
        s.in.collateral[c] = whole;
    }
    end(&s);
}
