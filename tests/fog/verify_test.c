/* What is believed, and what it costs: exact figures of the rules, and the table of wrong results and runs per job that they
 * come to among colluding saboteurs, honest errors, copied and lazy results. */
#include "fog_help.h"

#include "base/prng.h"
#include "fog/verify.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct vl_hash root_n(uint8_t n) { return (struct vl_hash){ { n } }; }

static struct verify_result decide(const struct verify_policy *p, struct verify_case c) {
    struct verify_result r = { 0 };
    CHECK_OK(verify_decide(p, &c, &r));
    return r;
}

TEST(verify, error_of_a_node_falls_with_what_it_passed_and_jumps_with_what_was_wrong) {
    struct verify_policy p = { .faulty_ppm = 100000, .floor_ppm = 2000, .audit_ppm = 30000 };
    CHECK_EQ(100000, verify_error_ppm(&p, 0, 0));
    CHECK_EQ(50000, verify_error_ppm(&p, 1, 0));  /* Sarmenta: 1 - f/k */
    CHECK_EQ(10000, verify_error_ppm(&p, 9, 0));
    CHECK_EQ(1000, verify_error_ppm(&p, 99, 0));
    CHECK_EQ(918182, verify_error_ppm(&p, 0, 1)); /* (0.1 + 10) / 11, rounded up */
    CHECK(verify_error_ppm(&p, 100, 1) > 90000);
    CHECK_EQ(1, verify_error_ppm(&p, UINT64_MAX, 0));
    CHECK(verify_error_ppm(&p, 0, UINT64_MAX) <= 1000000);
}

TEST(verify, upper_bound_of_a_rate_is_wilsons) {
    for (uint64_t n = 1; n < 3000; n = n * 3 + 1)
        for (uint64_t w = 0; w <= n; w = w * 2 + 1) {
            double z = 1.645, q = (double)w / (double)n, N = (double)n;
            double want = (q + z * z / (2 * N) + z * sqrt(q * (1 - q) / N + z * z / (4 * N * N))) / (1 + z * z / N);
            double got = verify_upper95_ppm(w, n) / 1e6;
            CHECK(got >= want - 1e-9 && got <= want + 5e-6 + 1e-5);
        }
    CHECK_EQ(1000000, verify_upper95_ppm(0, 0));
    CHECK(verify_upper95_ppm(2, 1000) > 2000 && verify_upper95_ppm(2, 1000) < 7000);
    CHECK(verify_upper95_ppm(UINT64_MAX, UINT64_MAX) == 1000000);
}

TEST(verify, class_b_takes_a_member_at_its_word_until_it_was_wrong) {
    struct verify_policy p;
    verify_policy_defaults(&p);
    struct verify_vote v = { node_n(1), root_n(1), verify_error_ppm(&p, 0, 0) };
    struct verify_case c = { .class = SLA_B, .n = 1, .v = &v, .room = 3 };
    CHECK_EQ(VERIFY_TAKE, decide(&p, c).answer);
    c.audit = true;
    struct verify_result r = decide(&p, c);
    CHECK(r.answer == VERIFY_MORE && r.want == 2);
    c.audit = false;
    v.error_ppm = verify_error_ppm(&p, 0, 1);
    CHECK_EQ(VERIFY_MORE, decide(&p, c).answer);
    p.faulty_ppm = 100000; /* an open village: strangers are repeated until they have passed */
    v.error_ppm = verify_error_ppm(&p, 8, 0);
    CHECK_EQ(VERIFY_MORE, decide(&p, c).answer);
    v.error_ppm = verify_error_ppm(&p, 9, 0);
    CHECK_EQ(VERIFY_TAKE, decide(&p, c).answer);
}

TEST(verify, no_single_result_is_enough_for_99_9_percent_however_good_its_node) {
    struct verify_policy p = { .faulty_ppm = 100000, .floor_ppm = 2000, .audit_ppm = 0 };
    struct verify_vote v = { node_n(1), root_n(1), 0 };
    struct verify_case c = { .class = SLA_B, .tier = TIER_GOLD, .n = 1, .v = &v, .room = 3 };
    struct verify_result r = decide(&p, c);
    CHECK(r.answer == VERIFY_MORE && r.want == 2 && r.error_ppm >= 2000 && r.error_ppm <= 2001); /* the floor */
    p.floor_ppm = 0; /* what BOINC does */
    CHECK_EQ(VERIFY_TAKE, decide(&p, c).answer);
}

TEST(verify, class_a_takes_two_equal_and_class_s_three) {
    struct verify_policy p;
    verify_policy_defaults(&p);
    struct verify_vote v[6];
    for (uint32_t i = 0; i < 6; i++) v[i] = (struct verify_vote){ node_n(i), root_n(1), 5000 };
    struct verify_case c = { .class = SLA_A, .n = 1, .v = v, .coming = 1, .room = 3 };
    CHECK_EQ(VERIFY_MORE, decide(&p, c).answer);
    CHECK_EQ(2, decide(&p, c).want); /* the one that is coming may do */
    c.n = 2, c.coming = 0;
    CHECK_EQ(VERIFY_TAKE, decide(&p, c).answer);
    c.class = SLA_S;
    CHECK_EQ(VERIFY_MORE, decide(&p, c).answer);
    c.n = 3;
    CHECK_EQ(VERIFY_TAKE, decide(&p, c).answer);
    v[1].root = root_n(2);
    struct verify_result r = decide(&p, c);
    CHECK(r.answer == VERIFY_MORE && r.want == 4 && r.equal == 2 && r.winner != 1);
    c.room = 0;
    CHECK_EQ(VERIFY_HOPELESS, decide(&p, c).answer);
}

TEST(verify, two_good_names_outweigh_three_bad_ones) {
    struct verify_policy p = { .faulty_ppm = 100000, .floor_ppm = 2000, .audit_ppm = 0 };
    struct verify_vote v[5];
    for (uint32_t i = 0; i < 5; i++)
        v[i] = (struct verify_vote){ node_n(i), root_n(i < 3 ? 1 : 2), i < 3 ? 950000 : verify_error_ppm(&p, 200, 0) };
    struct verify_case c = { .class = SLA_A, .n = 5, .v = v, .room = 0 };
    struct verify_result r = decide(&p, c);
    CHECK(r.answer == VERIFY_TAKE && r.winner == 3 && r.equal == 2);
    v[4].node = node_n(3);
    CHECK_EQ(VL_ERANGE, verify_decide(&p, &c, &r)); /* a node speaks once */
}

TEST(verify, audits_fall_on_their_share_and_cannot_be_told_before_the_beacon) {
    struct verify_policy p;
    verify_policy_defaults(&p);
    uint32_t hit = 0, both = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        struct vl_hash one = { { 1, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16) } }, two = one;
        two.b[31] = 1;
        bool a = verify_audit(&p, job_n(i), 0, 1, &one), b = verify_audit(&p, job_n(i), 0, 1, &two);
        hit += a;
        both += a && b;
    }
    CHECK(hit > 2800 && hit < 3200); /* 3 % */
    CHECK(both < 150);               /* 0.09 %: another beacon, another choice */
    p.audit_ppm = 0;
    CHECK(!verify_audit(&p, job_n(1), 0, 1, &(struct vl_hash){ { 0 } }));
}

TEST(verify, commitment_binds_the_result_and_who_when_and_for_what) {
    struct vl_hash root = root_n(1), other = root_n(2);
    uint8_t salt[TASK_SALT] = { 1 }, salt2[TASK_SALT] = { 2 };
    struct vl_hash c = verify_commitment(&root, salt, node_n(1), job_n(1), 2, 3);
    struct vl_hash not[] = {
        verify_commitment(&other, salt, node_n(1), job_n(1), 2, 3), verify_commitment(&root, salt2, node_n(1), job_n(1), 2, 3),
        verify_commitment(&root, salt, node_n(2), job_n(1), 2, 3),  verify_commitment(&root, salt, node_n(1), job_n(2), 2, 3),
        verify_commitment(&root, salt, node_n(1), job_n(1), 3, 3),  verify_commitment(&root, salt, node_n(1), job_n(1), 2, 4),
    };
    for (size_t i = 0; i < sizeof not/ sizeof not[0]; i++) CHECK(!vl_hash_eq(c, not[i]));
    struct vl_hash again = verify_commitment(&root, salt, node_n(1), job_n(1), 2, 3);
    CHECK(vl_hash_eq(c, again));
}

/* ---- many jobs on many hosts, a tenth of which lie together --------------------------------------------------------- */

enum { HOSTS = 500 };
enum rule { NONE, SPOT, QUORUM2, BOINC, CREDIBILITY, CLASS_B, CLASS_A, CLASS_S };
struct host {
    bool saboteur, banned;
    uint64_t passed, wrong, streak;
};
struct crowd {
    struct host host[HOSTS];
    struct vl_prng rng;
    double honest_error, cheat;
    uint64_t jobs, runs, bad, honest_blamed;
    struct verify_policy policy;
};

static double chance(struct crowd *w) { return (double)(vl_prng_next(&w->rng) >> 11) * 0x1p-53; }

/* 0: right; 1: the lie that the colluders agreed on; else some error of its own. */
static uint32_t run(struct crowd *w, uint32_t h) {
    w->runs++;
    if (w->host[h].saboteur && chance(w) < w->cheat) return 1;
    return chance(w) < w->honest_error ? 2 + (uint32_t)vl_prng_below(&w->rng, 1u << 30) : 0;
}

static uint32_t pick(struct crowd *w, const uint32_t *used, uint32_t n) {
    for (;;) {
        uint32_t h = (uint32_t)vl_prng_below(&w->rng, HOSTS);
        bool taken = w->host[h].banned;
        for (uint32_t i = 0; i < n; i++) taken |= used[i] == h;
        if (!taken) return h;
    }
}

static void learn(struct crowd *w, uint32_t h, bool right, bool truly_right) {
    struct host *x = &w->host[h];
    x->passed += right;
    x->wrong += !right;
    x->streak = right ? x->streak + 1 : 0;
    w->honest_blamed += !right && truly_right;
}

/* Results until two are equal; the index of one of them. */
static uint32_t two_equal(struct crowd *w, uint32_t *host, uint32_t *got, uint32_t *n) {
    for (;; ++*n) {
        for (uint32_t i = 0; i < *n; i++)
            for (uint32_t k = 0; k < i; k++)
                if (got[i] == got[k]) return i;
        host[*n] = pick(w, host, *n);
        got[*n] = run(w, host[*n]);
    }
}

static uint32_t judged(struct crowd *w, struct verify_case c, bool floor) {
    uint32_t host[VERIFY_VOTES_MAX], got[VERIFY_VOTES_MAX], n = 0, want = c.class == SLA_S ? 3 : c.class == SLA_A ? 2 : 1;
    struct verify_vote v[VERIFY_VOTES_MAX];
    struct verify_policy p = w->policy;
    struct verify_result r;
    if (!floor) p.floor_ppm = 0;
    c.audit = c.audit && chance(w) * 1e6 < p.audit_ppm;
    do {
        for (; n < want; n++) {
            host[n] = pick(w, host, n);
            got[n] = run(w, host[n]);
            v[n] = (struct verify_vote){ node_n(host[n]), { { 0 } }, verify_error_ppm(&p, w->host[host[n]].passed, w->host[host[n]].wrong) };
            vl_put_u32(v[n].root.b, got[n]);
        }
        c.n = n;
        c.v = v;
        c.room = VERIFY_VOTES_MAX - n;
        CHECK_OK(verify_decide(&p, &c, &r));
        want = r.want;
    } while (r.answer == VERIFY_MORE);
    CHECK_EQ(VERIFY_TAKE, r.answer);
    for (uint32_t i = 0; n > 1 && i < n; i++) learn(w, host[i], got[i] == got[r.winner], got[i] == 0);
    return got[r.winner];
}

static uint32_t one_job(struct crowd *w, enum rule rule) {
    uint32_t host[VERIFY_VOTES_MAX] = { 0 }, got[VERIFY_VOTES_MAX] = { 0 }, n = 1, i;
    if (rule >= CLASS_B)
        return judged(w, (struct verify_case){ .class = (enum sla_class)(rule - CLASS_B), .audit = rule == CLASS_B }, true);
    if (rule == CREDIBILITY) return judged(w, (struct verify_case){ .tier = TIER_GOLD }, false);
    host[0] = pick(w, NULL, 0);
    struct host *first = &w->host[host[0]];
    got[0] = run(w, host[0]);
    switch (rule) {
    case SPOT: /* a job whose result is known: it says nothing about this one */
        if (chance(w) < 0.1) first->banned = run(w, host[0]) == 1;
        return got[0];
    case QUORUM2:
        return got[two_equal(w, host, got, &n)];
    case BOINC:
        if (first->streak >= 10 && chance(w) >= 1.0 / (double)first->streak) return got[0];
        i = two_equal(w, host, got, &n);
        for (uint32_t k = 0; k < n; k++) learn(w, host[k], got[k] == got[i], got[k] == 0);
        return got[i];
    case NONE:
    case CREDIBILITY:
    case CLASS_B:
    case CLASS_A:
    case CLASS_S:
        return got[0];
    }
    return got[0];
}

static struct crowd *crowd_of(enum rule rule, double saboteurs, uint64_t jobs) {
    struct crowd *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    vl_prng_seed(&w->rng, 7);
    w->honest_error = 0.002;
    w->cheat = 0.3;
    w->policy = (struct verify_policy){ .faulty_ppm = 100000, .floor_ppm = 2000, .audit_ppm = 30000 };
    for (uint32_t i = 0; i < HOSTS; i++) w->host[i].saboteur = i < (uint32_t)(saboteurs * HOSTS);
    for (w->jobs = 0; w->jobs < jobs; w->jobs++) w->bad += one_job(w, rule) != 0;
    return w;
}

/* Wrong rate and runs per job lie in these ranges; printed, for the documents. */
static void expect(const char *name, enum rule rule, double saboteurs, uint64_t jobs, double wrong_max, double wrong_min, double runs_max) {
    struct crowd *w = crowd_of(rule, saboteurs, jobs);
    double wrong = (double)w->bad / (double)w->jobs, runs = (double)w->runs / (double)w->jobs;
    print_message("# %-28s %2.0f %% saboteurs: wrong %.1e, %.2f runs per job\n", name, saboteurs * 100, wrong, runs);
    CHECK(wrong <= wrong_max && wrong >= wrong_min);
    CHECK(runs <= runs_max);
    free(w);
}

TEST(verify, reproduces_the_known_table_and_classes_a_and_s_stay_below_one_in_a_thousand) {
    expect("none", NONE, 0.1, 60000, 3.6e-2, 2.8e-2, 1.001);
    expect("none", NONE, 0, 60000, 2.6e-3, 1.5e-3, 1.001);
    expect("spot checks and blacklist", SPOT, 0.1, 60000, 1.6e-2, 5e-3, 1.15);
    expect("quorum of 2", QUORUM2, 0.1, 60000, 3.5e-3, 1.5e-3, 2.15);
    expect("quorum of 2", QUORUM2, 0, 60000, 1e-4, 0, 2.05);
    expect("adaptive as in BOINC", BOINC, 0.1, 60000, 1.2e-2, 5e-3, 1.45);
    expect("adaptive as in BOINC", BOINC, 0, 60000, 2.6e-3, 1.2e-3, 1.25);
    expect("credibility .999, no cap", CREDIBILITY, 0.1, 60000, 1.5e-3, 2e-4, 2.2);
    expect("the same, 600 jobs a host", CREDIBILITY, 0.1, 300000, 2.6e-3, 2e-4, 2.4);
    expect("the same, 600 jobs a host", CREDIBILITY, 0, 300000, 2.6e-3, 2e-4, 2.4);
    expect("class B", CLASS_B, 0.1, 60000, 3e-3, 0, 1.5);
    expect("class B", CLASS_B, 0, 60000, 3e-3, 0, 1.4);
    expect("class A", CLASS_A, 0.1, 60000, 1e-3, 0, 2.5);
    expect("class A, 600 jobs a host", CLASS_A, 0.1, 300000, 1e-3, 0, 2.5);
    expect("class A", CLASS_A, 0, 60000, 1e-4, 0, 2.2);
    expect("class S", CLASS_S, 0.1, 60000, 1e-4, 0, 3.4);
    expect("class S", CLASS_S, 0, 60000, 1e-5, 0, 3.2);
}
