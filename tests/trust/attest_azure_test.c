/* Azure confidential VMs: evidence of third parties, and what their README says of each. */
#include "attest_vectors.h"
#include "base/text.h"
#include "check.h"
#include "vectors.h"

#include <stdlib.h>
#include <string.h>

struct scene {
    struct attest_files files;
    struct crypto_x509_pool *pool;
    struct attest_input in;
    struct attest_policy policy;
    struct attest_result r;
    uint8_t report[2600], message[512], signature[256], pcrs[24 * 32], quote[8192], leaf[4096];
    size_t report_n, message_n, signature_n, quote_n, leaf_n;
};

static void end(struct scene *s) {
    crypto_x509_pool_destroy(s->pool);
    attest_files_free(&s->files);
}

/* Base64 of either alphabet, as the origins have it. */
static size_t base64(const char *text, uint8_t *dst, size_t cap) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (; *text != '\0' && *text != '='; text++) {
        char c = *text == '-' ? '+' : *text == '_' ? '/' : *text;
        const char *at = strchr(digits, c);
        CHECK(at != NULL);
        bits = (bits << 6 | (uint32_t)(at - digits)) & 0xffff;
        if ((have += 6) < 8) continue;
        have -= 8;
        CHECK(n < cap);
        dst[n++] = (uint8_t)(bits >> have);
    }
    return n;
}
static size_t numbers(const json_t *list, uint8_t *dst, size_t cap) {
    size_t n = json_array_size(list);
    CHECK(n > 0 && n <= cap);
    for (size_t i = 0; i < n; i++) dst[i] = (uint8_t)json_integer_value(json_array_get(list, i));
    return n;
}
static size_t hex(const char *text, uint8_t *dst, size_t cap) {
    size_t n = strlen(text) / 2;
    CHECK(n <= cap);
    CHECK_OK(vl_hex_decode(text, dst, n));
    return n;
}

static void load_old(struct scene *s, const json_t *o) {
    const json_t *quote = json_object_get(o, "quote"), *pcrs = json_object_get(quote, "pcrs");
    s->report_n = numbers(json_object_get(o, "report"), s->report, sizeof s->report);
    s->message_n = numbers(json_object_get(quote, "message"), s->message, sizeof s->message);
    s->signature_n = numbers(json_object_get(quote, "signature"), s->signature, sizeof s->signature);
    CHECK_EQ(24, json_array_size(pcrs));
    for (size_t i = 0; i < 24; i++) CHECK_EQ(32, numbers(json_array_get(pcrs, i), s->pcrs + 32 * i, 32));
    const char *pem = vectors_text(o, "vcek");
    s->leaf_n = strlen(pem);
    CHECK(s->leaf_n <= sizeof s->leaf);
    memcpy(s->leaf, pem, s->leaf_n);
}
static void load(struct scene *s, const json_t *o) {
    const json_t *pcrs = json_object_get(json_object_get(o, "tpm_quote"), "pcrs");
    s->report_n = base64(vectors_text(o, "hcl_report"), s->report, sizeof s->report);
    s->message_n = hex(vectors_text(o, "tpm_quote/message"), s->message, sizeof s->message);
    s->signature_n = hex(vectors_text(o, "tpm_quote/signature"), s->signature, sizeof s->signature);
    CHECK_EQ(24, json_array_size(pcrs));
    for (size_t i = 0; i < 24; i++) CHECK_EQ(32, hex(json_string_value(json_array_get(pcrs, i)), s->pcrs + 32 * i, 32));
    if (json_object_get(o, "vcek") != NULL) s->leaf_n = base64(vectors_text(o, "vcek"), s->leaf, sizeof s->leaf);
    if (json_object_get(o, "td_quote") != NULL)
        s->quote_n = base64(vectors_text(o, "td_quote"), s->quote, sizeof s->quote);
}

static bool begin(struct scene *s, const char *file) {
    static const char *const amd[] = { "snp/amd-ask-ark-milan.pem", "snp/amd-ask-ark-genoa.pem", NULL };
    memset(s, 0, sizeof *s);
    s->pool = attest_pool(&s->files, amd);
    json_t *o = vectors_load(file);
    if (o == NULL || s->files.missing) {
        json_decref(o);
        end(s);
        return false;
    }
    (json_object_get(o, "report") != NULL ? load_old : load)(s, o);
    json_decref(o);
    s->in = (struct attest_input){ .kind = ATTEST_AZURE,
                                   .evidence = { s->report, s->report_n },
                                   .leaf = { s->leaf, s->leaf_n },
                                   .collateral = { { s->message, s->message_n },
                                                   { s->signature, s->signature_n },
                                                   { s->pcrs, sizeof s->pcrs },
                                                   { s->quote, s->quote_n } },
                                   .pool = s->pool,
                                   .when = attest_date("2025-06-01"),
                                   .policy = &s->policy };
    return true;
}
#define GENOA "attestation/azure-vtpm/snp-genoa-evidence-v0fmt.json"
#define MILAN "attestation/azure-vtpm/snp-milan-evidence-v1.json"
#define TDX "attestation/azure-vtpm/tdx-evidence-v1.json"
#define BEGIN(s, file)                                                                                                 \
    do {                                                                                                               \
        if (!begin(&(s), (file))) SKIP("the attestation vectors are not here");                                        \
    } while (0)

static void verify(struct scene *s) { attest_verify(&s->in, &s->r); }
static void refused(struct scene *s, const char *why) {
    verify(s);
    CHECK_STR(why, s->r.reason);
    CHECK(!s->r.accepted);
    CHECK_EQ(0, s->r.level);
}

TEST(attest_azure, a_vtpm_under_a_milan_is_accepted) {
    struct scene s;
    BEGIN(s, MILAN);
    s.in.nonce = vl_span_str("challenge");
    s.in.nonce_binds_key = true;
    s.policy.snp_minimum.set = true;
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    CHECK_EQ(ATTEST_YES, s.r.secure_boot);
    CHECK_EQ(ATTEST_NO, s.r.debug.state);
    CHECK(s.r.with_tpm);
    CHECK_STR("AMD ARK-Milan", s.r.anchor_why);
    CHECK_EQ(900, s.r.level);
    CHECK_EQ(1000, attest_level_all(&s.r, 1, &s.policy)); /* its TPM and secure boot */
    end(&s);
}

TEST(attest_azure, a_vtpm_under_a_genoa_is_accepted) {
    struct scene s;
    BEGIN(s, GENOA);
    s.in.nonce = vl_span(s.message + 44, 48);
    CHECK_EQ(0x02, s.in.nonce.p[0]);
    CHECK_EQ(0x18, s.in.nonce.p[1]);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    CHECK_EQ(3, s.r.version);
    CHECK_STR("AMD ARK-Genoa", s.r.anchor_why);
    end(&s);
}

TEST(attest_azure, a_vtpm_under_a_td_is_accepted) {
    struct scene s;
    BEGIN(s, TDX);
    s.in.nonce = vl_span_str("challenge");
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_YES, s.r.fresh.state);
    CHECK_STR("Intel SGX Root CA", s.r.anchor_why);
    CHECK_EQ(ATTEST_TCB_UNKNOWN, s.r.tcb);
    s.report[32 + 128] ^= 1;
    refused(&s, "the TD's report and its quote differ");
    end(&s);
}

TEST(attest_azure, a_changed_pcr_is_refused) {
    struct scene s;
    BEGIN(s, MILAN);
    for (size_t i = 0; i < 24; i++) {
        s.pcrs[32 * i] ^= 1;
        refused(&s, "the PCRs are not those of the quote");
        s.pcrs[32 * i] ^= 1;
    }
    s.in.collateral[2].n = 23 * 32;
    refused(&s, "24 PCRs of 32 bytes were expected");
    end(&s);
}

TEST(attest_azure, changed_runtime_data_is_refused) {
    struct scene s;
    BEGIN(s, MILAN);
    s.report[1236 + 40] ^= 1;
    refused(&s, "the TEE does not vouch for the runtime data");
    end(&s);
}

TEST(attest_azure, the_key_of_another_machine_signs_nothing_here) {
    struct scene s, other;
    BEGIN(s, MILAN);
    BEGIN(other, GENOA);
    s.in.collateral[0] = other.in.collateral[0];
    s.in.collateral[1] = other.in.collateral[1];
    s.in.collateral[2] = other.in.collateral[2];
    refused(&s, "the signature of the vTPM's quote is not good");
    /* The other one's runtime data, key and all, under this report */
    memcpy(s.report + 1216, other.report + 1216, sizeof s.report - 1216);
    memcpy(s.report + 8, other.report + 8, 4);
    refused(&s, "the TEE does not vouch for the runtime data");
    end(&s);
    end(&other);
}

TEST(attest_azure, another_nonce_is_refused) {
    struct scene s;
    BEGIN(s, MILAN);
    s.in.nonce = vl_span_str("challenge2");
    refused(&s, "made for another challenge");
    end(&s);
}

TEST(attest_azure, user_data_in_the_runtime_data_names_a_key) {
    struct scene s;
    BEGIN(s, MILAN);
    uint8_t key[64] = { 0 };
    s.in.key = vl_span(key, 64);
    verify(&s);
    CHECK_EQ(ATTEST_YES, s.r.key_bound.state);
    key[5] = 1;
    refused(&s, "bound to another key");
    end(&s);
}

TEST(attest_azure, a_part_of_the_evidence_is_never_genuine) {
    struct scene s;
    BEGIN(s, MILAN);
    attest_check_truncations(&s.in, 2600 - 2346);
    for (unsigned c = 0; c < 3; c++) {
        struct vl_span whole = s.in.collateral[c];
        for (size_t n = 0; n < whole.n; n += 3) {
            s.in.collateral[c].n = n;
            verify(&s);
            CHECK_EQ(ATTEST_NO, s.r.genuine.state);
        }
        s.in.collateral[c] = whole;
    }
    end(&s);
    BEGIN(s, TDX);
    for (size_t n = 0; n < 4000; n += 7) {
        s.in.collateral[3].n = n;
        verify(&s);
        CHECK_EQ(ATTEST_NO, s.r.genuine.state);
    }
    end(&s);
}

TEST(attest_azure, a_flipped_bit_is_never_genuine) {
    struct scene s;
    BEGIN(s, MILAN);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 256, 4, 1));
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.collateral[0], 0, 1, 2));
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.collateral[1], 0, 1, 3));
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.collateral[2], 0, 2, 4));
    end(&s);
}

TEST(attest_azure, a_flipped_bit_of_a_td_changes_nothing_or_everything) {
    struct scene s;
    BEGIN(s, TDX);
    (void)attest_check_flips(&s.in, &s.in.evidence, 256, 8, 1);
    (void)attest_check_flips(&s.in, &s.in.collateral[3], 0, 8, 2);
    end(&s);
}
