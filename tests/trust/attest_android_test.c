/* Chains of real phones, and what their README says of each. */
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
        .kind = ATTEST_ANDROID, .evidence = attest_file(&s->files, file), .when = attest_date(when), .policy = &s->policy
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
#define AKITA "android/akita-sdk34-TEE_EC_NONE.pem", "2024-10-01"
#define BLUELINE "android/blueline-sdk28-TEE_EC_NONE.pem", "2024-10-01"

static void unlocked(struct scene *s) {
    s->in.nonce = vl_span("challenge", 9);
    s->in.nonce_binds_key = true;
    verify(s);
    CHECK_STR("the bootloader is unlocked", s->r.reason);
    CHECK_EQ(ATTEST_YES, s->r.genuine.state);
    CHECK_EQ(ATTEST_YES, s->r.fresh.state);
    CHECK_EQ(ATTEST_NO, s->r.secure_boot);
    CHECK(!s->r.accepted);
    CHECK_EQ(300, s->r.level);
}

TEST(attest_android, a_phone_that_is_locked_and_booted_what_was_signed_is_accepted) {
    static const char *const phones[][2] = { { "android/tegu-sdk36-SB_EC_2026_ROOT.pem", "2026-03-01" },
                                             { "android/caiman-sdk36-SB_EC_RKP.pem", "2025-09-25" },
                                             { "android/caiman-sdk36-TEE_EC_RKP.pem", "2025-09-25" },
                                             { "android/tegu-sdk36-TEE_EC_2026_ROOT.pem", "2026-03-01" },
                                             { "android/sony-xperia10-iii-sdk33-TEE_EC.pem", "2024-01-01" } };
    size_t done = 0;
    for (size_t i = 0; i < sizeof phones / sizeof *phones; i++) {
        struct scene s;
        if (!begin(&s, phones[i][0], phones[i][1])) continue;
        verify(&s);
        CHECK_STR("accepted", s.r.reason);
        done++;
        end(&s);
    }
    if (done == 0) SKIP("these attestation vectors are not here");
}

TEST(attest_android, an_unlocked_phone_has_a_genuine_key_and_is_worth_300) {
    static const char *const phones[][2] = { { AKITA },
                                             { "android/akita-sdk34-SB_RSA_NONE.pem", "2024-10-01" },
                                             { BLUELINE },
                                             { "android/blueline-sdk28-SB_RSA_NONE.pem", "2024-10-01" } };
    for (size_t i = 0; i < sizeof phones / sizeof *phones; i++) {
        struct scene s;
        BEGIN(s, phones[i][0], phones[i][1]);
        unlocked(&s);
        end(&s);
    }
}

TEST(attest_android, a_phone_whose_key_is_ml_dsa_is_judged_by_its_classical_chain) {
    struct scene s;
    BEGIN(s, "android/tokay-sdk37-TEE_MLDSA_RKP.pem", "2026-05-01");
    unlocked(&s);
    CHECK_STR("Google Key Attestation CA1", s.r.anchor_why);
    end(&s);
}

TEST(attest_android, certificates_of_remote_provisioning_live_weeks) {
    struct scene s;
    BEGIN(s, "android/akita-sdk34-TEE_EC_NONE.pem", "2024-11-01");
    refused(&s, "a certificate has expired");
    end(&s);
}

TEST(attest_android, a_software_key_leads_to_no_root) {
    struct scene s;
    BEGIN(s, "android/marlin-sdk29-TEE_EC_NONE.pem", "2024-01-01");
    refused(&s, "no chain of certificates to a root we accept");
    end(&s);
}

TEST(attest_android, defects_of_the_description_are_refused) {
    struct scene s;
    BEGIN(s, "android/INVALID-malformed_rot_device_locked.pem", "2026-03-01");
    refused(&s, "malformed description of the key");
    end(&s);
    BEGIN(s, "android/INVALID-tags_not_in_ascending_order.pem", "2024-10-01");
    refused(&s, "malformed description of the key");
    end(&s);
}

TEST(attest_android, a_serial_number_on_the_list_revokes) {
    struct scene s;
    char list[128];
    BEGIN(s, BLUELINE);
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    CHECK_OK(crypto_x509_pool_add(pool, s.in.evidence));
    struct vl_span serial = crypto_x509_serial(crypto_x509_pool_get(pool, 1));
    size_t n = 0;
    memcpy(list, "abc\n", 4);
    n = 4;
    bool leading = true;
    for (size_t i = 0; i < 2 * serial.n; i++) {
        unsigned d = serial.p[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
        leading = leading && d == 0;
        if (!leading) list[n++] = "0123456789abcdef"[d];
    }
    crypto_x509_pool_destroy(pool);
    s.in.collateral[0] = vl_span(list, n);
    verify(&s);
    CHECK_STR("a certificate is on the list of revoked serial numbers", s.r.reason);
    CHECK(s.r.revoked);
    CHECK_EQ(0, s.r.level);
    list[n - 1] = list[n - 1] == '0' ? '1' : '0';
    verify(&s);
    CHECK_STR("the bootloader is unlocked", s.r.reason);
    list[0] = 'A';
    refused(&s, "malformed list of revoked serial numbers");
    s.in.collateral[0] = vl_span(NULL, 0);
    s.policy.need_crl = true;
    refused(&s, "no list of revoked serial numbers");
    end(&s);
}

TEST(attest_android, an_old_patch_level_is_refused_when_the_policy_asks) {
    struct scene s;
    BEGIN(s, AKITA);
    s.policy.android_patch_minimum = 202408;
    verify(&s);
    CHECK_EQ(ATTEST_TCB_UP_TO_DATE, s.r.tcb);
    s.policy.android_patch_minimum = 202409;
    verify(&s);
    CHECK_EQ(ATTEST_TCB_NO_MATCH, s.r.tcb);
    CHECK_EQ(0, s.r.level);
    end(&s);
}

TEST(attest_android, no_cut_and_no_flipped_bit_changes_what_it_says) {
    struct scene s;
    BEGIN(s, AKITA);
    s.in.nonce = vl_span("challenge", 9);
    /* What is lost of the root's own certificate, whose key is pinned, may still leave the phone's chain whole: all that
     * matters is that nothing is taken to say something else. */
    (void)attest_check_flips(&s.in, &s.in.evidence, 1024, 7, 27);
    end(&s);
    BEGIN(s, "android/blueline-sdk28-SB_RSA_NONE.pem", "2024-10-01");
    (void)attest_check_flips(&s.in, &s.in.evidence, 512, 11, 28);
    struct vl_span whole = s.in.evidence;
    for (size_t n = 0; n < whole.n; n += 3) {
        s.in.evidence = vl_span(whole.p, n);
        attest_verify(&s.in, &s.r);
        CHECK(!s.r.accepted);
        if (n + 64 < whole.n) CHECK_EQ(ATTEST_NO, s.r.genuine.state);
    }
    end(&s);
}
