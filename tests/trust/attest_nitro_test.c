/* AWS Nitro documents of third parties, and what their README says of each. */
#include "attest_vectors.h"
#include "check.h"

#include <string.h>

struct scene {
    struct attest_files files;
    struct attest_input in;
    struct attest_policy policy;
    struct attest_result r;
};
static bool begin(struct scene *s, const char *file, const char *when) {
    memset(s, 0, sizeof *s);
    s->in = (struct attest_input){
        .kind = ATTEST_NITRO, .evidence = attest_file(&s->files, file), .when = attest_date(when), .policy = &s->policy
    };
    if (s->files.missing) attest_files_free(&s->files);
    return !s->files.missing;
}
#define BEGIN(s, ...)                                                                                                  \
    do {                                                                                                               \
        if (!begin(&(s), __VA_ARGS__)) SKIP("this attestation vector is not here");                                    \
    } while (0)
static void end(struct scene *s) { attest_files_free(&s->files); }
static void verify(struct scene *s) { attest_verify(&s->in, &s->r); }
static void refused(struct scene *s, const char *why) {
    verify(s);
    CHECK_STR(why, s->r.reason);
    CHECK(!s->r.accepted);
    CHECK_EQ(0, s->r.level);
}
#define VERACRUZ "nitro/veracruz-doc.cbor", "2022-11-09T23:00"

TEST(attest_nitro, a_document_is_accepted_in_the_three_hours_of_its_certificate) {
    struct scene s;
    BEGIN(s, VERACRUZ);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK(s.r.accepted);
    CHECK_EQ(ATTEST_NO, s.r.debug.state);
    CHECK_EQ(ATTEST_ANCHOR_VENDOR, s.r.anchor);
    CHECK_EQ(1668034320696, s.r.made);
    CHECK_EQ(48, s.r.measurement_n);
    CHECK_MEM("\x22\xf9\xe1\xc9", s.r.measurement, 4);
    CHECK_MEM("\xc6\x78\xc8\x61", s.r.report_data, 4);
    CHECK_EQ(300, s.r.level);
    s.in.when = attest_date("2022-11-10T03:00");
    refused(&s, "a certificate has expired");
    s.in.when = attest_date("2022-11-09T22:00");
    refused(&s, "a certificate is not valid yet");
    end(&s);
}

TEST(attest_nitro, with_challenge_and_key_it_is_worth_900) {
    struct scene s;
    BEGIN(s, VERACRUZ);
    verify(&s);
    uint8_t nonce[32];
    memcpy(nonce, s.r.report_data, 32);
    s.in.nonce = vl_span(nonce, 32);
    s.in.nonce_binds_key = true;
    verify(&s);
    CHECK_EQ(900, s.r.level);
    struct vl_span pcr0 = vl_span(s.r.measurement, 48);
    uint8_t known[48];
    memcpy(known, pcr0.p, 48);
    struct vl_span list = vl_span(known, 48);
    s.policy.measurements = &list;
    s.policy.nmeasurements = 1;
    verify(&s);
    CHECK_EQ(900, s.r.level);
    known[47] ^= 1;
    verify(&s);
    CHECK_STR("runs something the policy does not name", s.r.reason);
    CHECK_EQ(300, s.r.level);
    nonce[31] ^= 1;
    refused(&s, "made for another challenge");
    nonce[31] ^= 1;
    s.in.key = vl_span("key", 3); /* the document has none */
    refused(&s, "bound to another key");
    end(&s);
}

TEST(attest_nitro, other_documents_are_accepted_at_their_time) {
    static const char *const docs[][2] = { { "nitro/evervault-doc.cbor", "2022-10-13T10:00" },
                                           { "nitro/base-doc1.cbor", "2024-02-26T08:00" },
                                           { "nitro/base-doc2.cbor", "2024-04-03T14:00" } };
    size_t done = 0;
    for (size_t i = 0; i < sizeof docs / sizeof *docs; i++) {
        struct scene s;
        if (!begin(&s, docs[i][0], docs[i][1])) continue;
        verify(&s);
        CHECK_STR("accepted", s.r.reason);
        done++;
        end(&s);
    }
    if (done == 0) SKIP("these attestation vectors are not here");
}

TEST(attest_nitro, zero_registers_are_debug_mode_genuine_and_refused) {
    static const char *const docs[][2] = { { "nitro/evervault-DEBUG-doc.cbor", "2022-10-12T14:00" },
                                           { "nitro/evervault-DEBUG2-doc.cbor", "2023-09-18T15:10" } };
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        BEGIN(s, docs[i][0], docs[i][1]);
        verify(&s);
        CHECK_EQ(ATTEST_YES, s.r.genuine.state);
        CHECK_EQ(ATTEST_YES, s.r.debug.state);
        CHECK(!s.r.accepted);
        CHECK_STR("the enclave runs in debug mode: its PCRs are zero", s.r.reason);
        end(&s);
    }
}

TEST(attest_nitro, the_public_key_of_the_document_is_held_against_the_expected_one) {
    struct scene s;
    BEGIN(s, "nitro/evervault-DEBUG-doc.cbor", "2022-10-12T14:00");
    s.in.key = vl_span("my super secret key", 19);
    verify(&s);
    CHECK_EQ(ATTEST_YES, s.r.key_bound.state);
    s.in.key = vl_span("my super secret kez", 19);
    verify(&s);
    CHECK_EQ(ATTEST_NO, s.r.key_bound.state);
    end(&s);
}

TEST(attest_nitro, a_bad_signature_is_refused) {
    struct scene s;
    BEGIN(s, VERACRUZ);
    uint8_t copy[8192];
    CHECK(s.in.evidence.n < sizeof copy);
    memcpy(copy, s.in.evidence.p, s.in.evidence.n);
    copy[s.in.evidence.n - 1] ^= 1;
    s.in.evidence = vl_span(copy, s.in.evidence.n);
    refused(&s, "the signature of the document is not good");
    end(&s);
}
TEST(attest_nitro, a_published_document_with_a_bad_signature_is_refused) {
    struct scene s;
    BEGIN(s, "nitro/veracruz-BADSIG-doc.cbor", "2022-11-09T23:00");
    refused(&s, "the signature of the document is not good");
    end(&s);
}

TEST(attest_nitro, no_cut_and_no_flipped_bit_is_taken) {
    struct scene s;
    BEGIN(s, VERACRUZ);
    verify(&s);
    uint8_t nonce[32];
    memcpy(nonce, s.r.report_data, 32);
    s.in.nonce = vl_span(nonce, 32);
    attest_check_truncations(&s.in, 0);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 2048, 9, 21));
    end(&s);
}
