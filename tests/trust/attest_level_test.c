/* The level rule, row by row (docs/trust.md, "Attestation"). */
#include "check.h"
#include "trust/attest.h"

#include <string.h>

#define DAY_MS 86400000ull

/* Accepted in every respect. */
static struct attest_result good(enum attest_kind kind, enum attest_class class) {
    return (struct attest_result){ .kind = kind,
                                   .class = class,
                                   .genuine = { ATTEST_YES, "" },
                                   .fresh = { ATTEST_YES, "" },
                                   .debug = { ATTEST_NO, "" },
                                   .key_bound = { ATTEST_YES, "" },
                                   .tcb = ATTEST_TCB_UP_TO_DATE,
                                   .anchor = ATTEST_ANCHOR_VENDOR };
}
static struct attest_result tee(void) { return good(ATTEST_SNP, ATTEST_CLASS_TEE); }
static uint32_t level(struct attest_result r) { return attest_level(&r, NULL); }

TEST(attest_level, base_is_300_500_700_900_by_class) {
    CHECK_EQ(300, level(good(ATTEST_SELF, ATTEST_CLASS_SELF)));
    CHECK_EQ(500, level(good(ATTEST_ANDROID, ATTEST_CLASS_MOBILE)));
    CHECK_EQ(700, level(good(ATTEST_TPM, ATTEST_CLASS_TPM)));
    CHECK_EQ(900, level(tee()));
}

TEST(attest_level, forged_revoked_or_refused_is_worth_nothing) {
    struct attest_result r = tee();
    r.genuine.state = ATTEST_NO;
    CHECK_EQ(0, level(r));
    r = tee();
    r.genuine.state = ATTEST_UNKNOWN;
    CHECK_EQ(0, level(r));
    r = tee();
    r.revoked = true;
    CHECK_EQ(0, level(r));
    r = tee();
    r.refused = "a rule";
    CHECK_EQ(0, level(r));
}

TEST(attest_level, evidence_for_another_challenge_or_key_is_worth_nothing) {
    struct attest_result r = tee();
    r.fresh.state = ATTEST_NO;
    CHECK_EQ(0, level(r));
    r = tee();
    r.key_bound.state = ATTEST_NO;
    CHECK_EQ(0, level(r));
}

TEST(attest_level, without_challenge_or_key_it_is_worth_300) {
    struct attest_result r = tee();
    r.fresh.state = ATTEST_UNKNOWN;
    CHECK_EQ(300, level(r));
    r = tee();
    r.key_bound.state = ATTEST_UNKNOWN;
    CHECK_EQ(300, level(r));
}

TEST(attest_level, debugging_makes_it_300_and_so_does_not_knowing) {
    struct attest_result r = tee();
    r.debug.state = ATTEST_YES;
    CHECK_EQ(300, level(r));
    r.debug.state = ATTEST_UNKNOWN;
    CHECK_EQ(300, level(r));
}

TEST(attest_level, an_unknown_measurement_makes_it_300) {
    struct attest_result r = tee();
    r.measurement_known.state = ATTEST_NO;
    CHECK_EQ(300, level(r));
    r.measurement_known.state = ATTEST_YES;
    CHECK_EQ(900, level(r));
}

TEST(attest_level, a_simulated_root_or_none_is_worth_300) {
    struct attest_result r = good(ATTEST_TPM, ATTEST_CLASS_TPM);
    r.anchor = ATTEST_ANCHOR_SIMULATED;
    CHECK_EQ(300, level(r));
    r.anchor = ATTEST_ANCHOR_NONE;
    CHECK_EQ(300, level(r));
    r.anchor = ATTEST_ANCHOR_OPERATOR;
    CHECK_EQ(700, level(r));
}

TEST(attest_level, each_tcb_has_its_cap) {
    static const struct {
        enum attest_tcb tcb;
        uint32_t level;
    } rows[] = {
        { ATTEST_TCB_NONE, 900 },        { ATTEST_TCB_UP_TO_DATE, 900 },
        { ATTEST_TCB_UNKNOWN, 600 },     { ATTEST_TCB_HARDENING, 600 },
        { ATTEST_TCB_CONFIG, 600 },      { ATTEST_TCB_CONFIG_HARDENING, 600 },
        { ATTEST_TCB_OUT_OF_DATE, 600 }, { ATTEST_TCB_OUT_OF_DATE_CONFIG, 600 },
        { ATTEST_TCB_REVOKED, 0 },       { ATTEST_TCB_NO_MATCH, 0 },
        { ATTEST_TCB_BAD, 0 },
    };
    struct attest_policy p = { .cap_tcb = 450 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct attest_result r = tee();
        r.tcb = rows[i].tcb;
        CHECK_EQ(rows[i].level, attest_level(&r, NULL));
        CHECK_EQ(rows[i].level == 600 ? 450 : rows[i].level, attest_level(&r, &p));
    }
}

TEST(attest_level, a_tcb_judged_in_part_is_capped_as_an_unknown_one) {
    struct attest_result r = tee();
    r.tcb_partial = true;
    CHECK_EQ(600, level(r));
    r.tcb = ATTEST_TCB_NO_MATCH;
    CHECK_EQ(0, level(r));
}

TEST(attest_level, expired_within_the_grace_is_capped_at_500) {
    struct attest_result r = tee();
    struct attest_policy p = { .cap_late = 400 };
    r.late = true;
    CHECK_EQ(500, level(r));
    CHECK_EQ(400, attest_level(&r, &p));
}

TEST(attest_level, a_sha1_bank_is_capped_at_500) {
    struct attest_result r = good(ATTEST_TPM, ATTEST_CLASS_TPM);
    struct attest_policy p = { .cap_sha1 = 350 };
    r.sha1 = true;
    CHECK_EQ(500, level(r));
    CHECK_EQ(350, attest_level(&r, &p));
}

TEST(attest_level, half_of_what_is_above_300_is_left_after_a_half_life) {
    CHECK_EQ(900, attest_level_aged(900, 0, NULL));
    CHECK_EQ(750, attest_level_aged(900, 15 * DAY_MS, NULL));
    CHECK_EQ(600, attest_level_aged(900, 30 * DAY_MS, NULL));
    CHECK_EQ(450, attest_level_aged(900, 60 * DAY_MS, NULL));
    CHECK_EQ(300, attest_level_aged(900, UINT64_MAX, NULL));
    CHECK_EQ(300, attest_level_aged(300, 90 * DAY_MS, NULL));
    CHECK_EQ(0, attest_level_aged(0, 90 * DAY_MS, NULL));
    struct attest_policy p = { .half_life_ms = 1000 };
    CHECK_EQ(600, attest_level_aged(900, 1000, &p));
    p.half_life_ms = UINT64_MAX / 2; /* no product may wrap */
    CHECK_EQ(600, attest_level_aged(900, UINT64_MAX / 2, &p));
    CHECK_EQ(900, attest_level_aged(900, 1, &p));
}

TEST(attest_level, ages_without_ever_rising) {
    uint32_t last = 1000;
    for (uint64_t age = 0; age < 400 * DAY_MS; age += DAY_MS / 3) {
        uint32_t now = attest_level_aged(1000, age, NULL);
        CHECK(now <= last && now >= 300);
        last = now;
    }
    CHECK_EQ(300, last);
}

TEST(attest_level, a_tpm_a_second_tee_and_secure_boot_add_50_each) {
    struct attest_result r[3] = { tee(), good(ATTEST_TPM, ATTEST_CLASS_TPM), good(ATTEST_NVIDIA, ATTEST_CLASS_TEE) };
    CHECK_EQ(300, attest_level_all(r, 0, NULL));
    CHECK_EQ(900, attest_level_all(r, 1, NULL));
    CHECK_EQ(950, attest_level_all(r, 2, NULL));
    CHECK_EQ(1000, attest_level_all(r, 3, NULL));
    r[1].secure_boot = ATTEST_YES;
    CHECK_EQ(1000, attest_level_all(r, 2, NULL));
    CHECK_EQ(1000, attest_level_all(r, 3, NULL)); /* never more */
    CHECK_EQ(750, attest_level_all(&r[1], 1, NULL));
    struct attest_policy p = { .bonus_tpm = 7, .bonus_tee = 11, .bonus_secure_boot = 13 };
    CHECK_EQ(931, attest_level_all(r, 3, &p));
    r[0].with_tpm = true;
    CHECK_EQ(907, attest_level_all(r, 1, &p));
}

TEST(attest_level, the_same_kind_twice_earns_no_bonus) {
    struct attest_result r[2] = { tee(), tee() };
    CHECK_EQ(900, attest_level_all(r, 2, NULL));
}

TEST(attest_level, a_simulated_tpm_earns_no_bonus) {
    struct attest_result r[2] = { tee(), good(ATTEST_TPM, ATTEST_CLASS_TPM) };
    r[1].anchor = ATTEST_ANCHOR_SIMULATED;
    r[1].secure_boot = ATTEST_YES;
    CHECK_EQ(900, attest_level_all(r, 2, NULL));
}

TEST(attest_level, bonuses_never_lift_the_best_over_its_cap) {
    struct attest_result r[2] = { tee(), good(ATTEST_TPM, ATTEST_CLASS_TPM) };
    r[0].tcb = ATTEST_TCB_OUT_OF_DATE;
    r[1].late = true;
    r[1].secure_boot = ATTEST_YES;
    CHECK_EQ(600, attest_level_all(r, 2, NULL));
}

TEST(attest_level, a_forged_one_counts_for_nothing_and_a_revoked_one_for_less) {
    struct attest_result r[2] = { tee(), good(ATTEST_TPM, ATTEST_CLASS_TPM) };
    r[1].genuine.state = ATTEST_NO;
    CHECK_EQ(900, attest_level_all(r, 2, NULL));
    CHECK_EQ(0, attest_level_all(&r[1], 1, NULL));
    r[1].revoked = true;
    CHECK_EQ(0, attest_level_all(r, 2, NULL));
}

TEST(attest, a_statement_of_the_node_itself_is_worth_300) {
    struct attest_input in = { .kind = ATTEST_SELF };
    struct attest_result r;
    attest_verify(&in, &r);
    CHECK(r.accepted);
    CHECK_EQ(300, r.level);
}

TEST(attest, an_unknown_kind_is_refused) {
    uint8_t byte = 0;
    struct attest_input in = { .kind = (enum attest_kind)77, .evidence = { &byte, 1 } };
    struct attest_result r;
    attest_verify(&in, &r);
    CHECK(!r.accepted && r.level == 0);
    CHECK_STR("an unknown kind of evidence", r.reason);
    CHECK_STR("unknown", attest_kind_name((enum attest_kind)77));
}

TEST(attest, report_data_names_nonce_key_and_channel) {
    uint8_t key[32] = { 1 }, channel[32] = { 2 }, a[64], b[64];
    /* computed with another implementation (Python's hashlib) */
    static const uint8_t want[8] = { 0x78, 0x2f, 0x8d, 0x95, 0x32, 0x93, 0x0f, 0x4a };
    attest_report_data(vl_span_str("nonce"), key, channel, a);
    CHECK_MEM(want, a, 8);
    key[31] ^= 1;
    attest_report_data(vl_span_str("nonce"), key, channel, b);
    CHECK(memcmp(a, b, 64) != 0);
    key[31] ^= 1;
    channel[31] ^= 1;
    attest_report_data(vl_span_str("nonce"), key, channel, b);
    CHECK(memcmp(a, b, 64) != 0);
}
