/* An H100's report, and what its README says of it. */
#include "attest_vectors.h"
#include "check.h"

#include <string.h>

struct scene {
    struct attest_files files;
    uint8_t report[8192];
    struct attest_input in;
    struct attest_policy policy;
    struct attest_result r;
};
static unsigned digit(uint8_t c) { return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10); }
static bool begin(struct scene *s, const char *hex, const char *chain) {
    memset(s, 0, sizeof *s);
    struct vl_span text = attest_file(&s->files, hex), pem = attest_file(&s->files, chain);
    if (s->files.missing) {
        attest_files_free(&s->files);
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i + 1 < text.n && text.p[i] > ' '; i += 2)
        s->report[n++] = (uint8_t)(digit(text.p[i]) << 4 | digit(text.p[i + 1]));
    s->in = (struct attest_input){ .kind = ATTEST_NVIDIA,
                                   .evidence = vl_span(s->report, n),
                                   .leaf = pem,
                                   .when = attest_date("2025-06-01"),
                                   .policy = &s->policy };
    return true;
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
#define H100 "nvidia/h100-report1.hex", "nvidia/h100-chain1.pem"

TEST(attest_nvidia, a_report_is_accepted_and_needs_known_measurements_to_be_worth_900) {
    struct scene s;
    BEGIN(s, H100);
    CHECK_EQ(4117, s.in.evidence.n);
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    CHECK_EQ(ATTEST_ANCHOR_VENDOR, s.r.anchor);
    CHECK_MEM("\x93\x1d\x8d\xd0", s.r.report_data, 4);
    CHECK_EQ(ATTEST_UNKNOWN, s.r.debug.state);
    uint8_t nonce[32], known[48];
    memcpy(nonce, s.r.report_data, 32);
    memcpy(known, s.r.measurement, 48);
    s.in.nonce = vl_span(nonce, 32);
    s.in.nonce_binds_key = true;
    verify(&s);
    CHECK_EQ(300, s.r.level);
    struct vl_span list = vl_span(known, 48);
    s.policy.measurements = &list;
    s.policy.nmeasurements = 1;
    verify(&s);
    CHECK_EQ(ATTEST_NO, s.r.debug.state);
    CHECK_EQ(900, s.r.level);
    nonce[0] ^= 1;
    refused(&s, "made for another challenge");
    end(&s);
}

TEST(attest_nvidia, the_length_comes_from_the_header_and_not_from_the_file) {
    struct scene s;
    BEGIN(s, H100);
    s.in.evidence.n++; /* a zero byte */
    refused(&s, "malformed report");
    end(&s);
}
TEST(attest_nvidia, a_published_report_with_a_byte_too_many_is_refused) {
    struct scene s;
    BEGIN(s, "nvidia/h100-report2-trailing0.hex", "nvidia/h100-chain2.pem");
    refused(&s, "malformed report");
    s.in.evidence.n--;
    verify(&s);
    CHECK_STR("accepted", s.r.reason);
    end(&s);
}

TEST(attest_nvidia, broken_chains_are_refused) {
    struct scene s;
    BEGIN(s, "nvidia/h100-report1.hex", "nvidia/h100-chain-BAD-rootonly.pem");
    refused(&s, "the certificate does not name a firmware");
    end(&s);
    BEGIN(s, "nvidia/h100-report1.hex", "nvidia/h100-chain-BAD-missing-leaf.pem");
    refused(&s, "the certificate does not name a firmware");
    end(&s);
    BEGIN(s, "nvidia/h100-report1.hex", "nvidia/h100-chain-BAD-missing-intermediate.pem");
    verify(&s);
    CHECK_EQ(ATTEST_NO, s.r.genuine.state);
    CHECK_EQ(0, s.r.level);
    s.in.leaf = vl_span(NULL, 0);
    refused(&s, "no certificate of the device");
    end(&s);
}

TEST(attest_nvidia, no_cut_and_no_flipped_bit_is_taken) {
    struct scene s;
    BEGIN(s, H100);
    attest_check_truncations(&s.in, 0);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 600, 6, 26));
    end(&s);
}
