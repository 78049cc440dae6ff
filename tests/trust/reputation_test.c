#include "trust/reputation.h"

#include "base/prng.h"
#include "crypto/random.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 1000000u /* one weight */
#define DAY ((vl_ms)REPUTATION_DAY_MS)
#define START (20000 * DAY) /* October 2024 */

static struct crypto_sign_key key_of(uint8_t n) {
    struct crypto_sign_key key;
    uint8_t seed[32] = { n };
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed(seed, &key);
    return key;
}

static struct reputation *book(void) {
    return reputation_create(&(struct reputation_config){ .seed = 1, .max_nodes = 100, .base_milli = 500 });
}

static struct reputation_beta beta(uint64_t good, uint64_t bad) {
    struct reputation_beta b;
    reputation_beta_of(good * UNIT, bad * UNIT, 500, &b);
    return b;
}

static struct evidence add(struct reputation *r, uint8_t node, enum evidence_kind kind, uint32_t weight, vl_ms at) {
    struct crypto_sign_key key = key_of(9);
    struct evidence e = { .node = { { node } }, .kind = kind, .weight_milli = weight, .at_ms = at };
    uint64_t first = 0, n = 0;
    CHECK_OK(reputation_add(r, &key, &e, &first, &n));
    return e;
}

static struct reputation_score score(const struct reputation *r, uint8_t node, vl_ms now) {
    struct reputation_score s;
    reputation_get(r, (struct vl_node_id){ { node } }, now, &s);
    return s;
}

/* ---- figures ------------------------------------------------------------------------------------------------------- */

TEST(reputation, lower_bounds_are_those_of_the_reference) {
    CHECK_EQ(790, beta(10, 0).lower_ppm / 1000); /* .7906 */
    CHECK_EQ(949, beta(50, 0).lower_ppm / 1000);
    CHECK_EQ(958, beta(100, 1).lower_ppm / 1000);
    CHECK_EQ(991, beta(500, 1).lower_ppm / 1000);
}

TEST(reputation, newcomers_start_at_the_base_rate_and_know_nothing) {
    struct reputation *r = book();
    struct reputation_score s;
    CHECK(!reputation_get(r, (struct vl_node_id){ { 5 } }, START, &s));
    for (unsigned d = 0; d < REPUTATION_DIMS; d++) {
        CHECK_EQ(500000, s.dim[d].expect_ppm);
        CHECK_EQ(1000000, s.dim[d].doubt_ppm);
        CHECK_EQ(25129, s.dim[d].lower_ppm);
    }
    CHECK_EQ(25129, s.trust_ppm);
    CHECK_EQ(1000000, s.error_ppm);
    CHECK(s.flagged && !s.trusted);
    struct reputation_beta b;
    reputation_beta_of(0, 0, REPUTATION_BASE_OPEN_MILLI, &b);
    CHECK_EQ(300000, b.expect_ppm);
    CHECK_EQ(0, b.lower_ppm); /* .3 - 1.645 * .265 */
    reputation_destroy(r);
}

TEST(reputation, belief_disbelief_and_doubt_make_one_and_give_the_expectation) {
    for (uint64_t good = 0; good < 40; good += 3)
        for (uint64_t bad = 0; bad < 40; bad += 7) {
            struct reputation_beta b = beta(good, bad);
            double n = (double)(good + bad + 2), e = (double)(good + 1) / n, sd = sqrt(e * (1 - e) / (n + 1));
            CHECK_EQ(1000000, b.belief_ppm + b.disbelief_ppm + b.doubt_ppm);
            CHECK(fabs(e * 1e6 - b.expect_ppm) <= 1);
            CHECK(fabs(e * 1e6 - b.belief_ppm - b.doubt_ppm / 2.) <= 2);
            CHECK(fabs(sd * 1e6 - b.sd_ppm) <= 1);
            double lower = (e - 1.645 * sd) * 1e6, upper = (e + 1.645 * sd) * 1e6;
            CHECK(b.lower_ppm <= (lower > 0 ? lower : 0) && b.lower_ppm + 2 > lower);
            CHECK(b.upper_ppm >= (upper < 1e6 ? upper : 1e6) && b.upper_ppm < upper + 2);
        }
}

TEST(reputation, extreme_weights_do_not_overflow) {
    struct reputation_beta b;
    reputation_beta_of(1000000000000u, 0, 500, &b);
    CHECK_EQ(999999, b.expect_ppm);
    CHECK_EQ(2, b.doubt_ppm); /* rounded up */
    reputation_beta_of(0, 1000000000000u, 1, &b);
    CHECK_EQ(0, b.expect_ppm);
    CHECK_EQ(0, b.lower_ppm);
    CHECK_EQ(3, reputation_error_ppm(1000000000000u, 0));
    CHECK_EQ(1000000, reputation_error_ppm(0, 1000000000000u));
}

/* Clopper & Pearson 1934, in millionths: found by bisection of the binomial distribution in Python. */
TEST(reputation, the_bound_of_wrong_results_is_never_below_the_exact_one_and_close_to_it) {
    static const struct {
        uint32_t checked, wrong, exact;
    } rows[] = {
        { 10, 0, 258866 }, { 50, 0, 58155 }, { 100, 0, 29513 }, { 600, 0, 4980 },   { 3000, 0, 998 },
        { 9, 1, 394163 },  { 99, 1, 46560 }, { 598, 2, 10455 }, { 990, 10, 16903 }, { 70, 30, 384221 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t got = reputation_error_ppm((uint64_t)rows[i].checked * UNIT, (uint64_t)rows[i].wrong * UNIT);
        CHECK(got >= rows[i].exact);
        CHECK(got <= rows[i].exact + rows[i].exact / 40);
    }
    CHECK_EQ(1000000, reputation_error_ppm(0, 0));
}

/* ---- evidence ------------------------------------------------------------------------------------------------------ */

TEST(reputation, a_wrong_result_weighs_ten_right_ones_a_handed_back_task_a_fifth_of_a_late_one) {
    struct reputation *r = book();
    add(r, 1, EVIDENCE_WRONG, 1000, START);
    add(r, 2, EVIDENCE_LATE, 1000, START);
    add(r, 3, EVIDENCE_HANDED_BACK, 1000, START);
    add(r, 4, EVIDENCE_AGREED, 250, START);
    add(r, 5, EVIDENCE_FALSE_METER, 1000, START);
    add(r, 6, EVIDENCE_SILENT, 1000, START);
    add(r, 7, EVIDENCE_OFFLINE, 700, START);
    CHECK_EQ(10 * UNIT, score(r, 1, START).dim[REPUTATION_CORRECT].bad_micro);
    CHECK_EQ(0, score(r, 1, START).dim[REPUTATION_IN_TIME].bad_micro);
    CHECK_EQ(UNIT, score(r, 2, START).dim[REPUTATION_IN_TIME].bad_micro);
    CHECK_EQ(UNIT / 5, score(r, 3, START).dim[REPUTATION_IN_TIME].bad_micro);
    CHECK_EQ(UNIT / 4, score(r, 4, START).dim[REPUTATION_CORRECT].good_micro);
    CHECK_EQ(UNIT / 4, score(r, 4, START).dim[REPUTATION_HONEST].good_micro);
    CHECK_EQ(10 * UNIT, score(r, 5, START).dim[REPUTATION_HONEST].bad_micro);
    CHECK_EQ(2 * UNIT, score(r, 6, START).dim[REPUTATION_IN_TIME].bad_micro);
    CHECK_EQ(700000, score(r, 7, START).dim[REPUTATION_AVAILABLE].bad_micro);
    reputation_destroy(r);
}

static bool within(uint64_t want, uint64_t got, uint64_t slack) { return got + slack >= want && got <= want + slack; }

TEST(reputation, forgets_half_of_what_it_saw_in_a_half_life) {
    static const uint64_t days[REPUTATION_DIMS] = { 60, 14, 14, 60 };
    struct reputation *r = book();
    for (unsigned i = 0; i < 100; i++) {
        add(r, 1, EVIDENCE_AGREED, 1000, START + 12345);
        add(r, 1, EVIDENCE_ONLINE, 1000, START + 12345);
    }
    for (unsigned d = 0; d < REPUTATION_DIMS; d++) {
        vl_ms half = days[d] * DAY;
        CHECK_EQ(half, reputation_half_life_ms((enum reputation_dim)d));
        CHECK(within(100 * UNIT, score(r, 1, START + 12345).dim[d].good_micro, 2));
        CHECK(within(50 * UNIT, score(r, 1, START + 12345 + half).dim[d].good_micro, 2));
        CHECK(within(25 * UNIT, score(r, 1, START + 12345 + 2 * half).dim[d].good_micro, 2));
        CHECK(score(r, 1, START + 40 * half).dim[d].good_micro == 0);
    }
    reputation_destroy(r);
}

TEST(reputation, decay_at_any_time_is_right_to_two_hundred_thousandths) {
    struct reputation *r = book();
    struct vl_prng rng;
    vl_prng_seed(&rng, 3);
    for (unsigned i = 0; i < 200; i++) {
        vl_ms at = START + vl_prng_below(&rng, 60 * DAY), now = at + vl_prng_below(&rng, 300 * DAY);
        uint8_t node = (uint8_t)(i % 90 + 1);
        vl_ignore(reputation_forget(r, (struct vl_node_id){ { node } }));
        add(r, node, EVIDENCE_WRONG, 1000, at);
        double want = 1e7 * exp2(-(double)(now - at) / (double)(60 * DAY));
        CHECK(fabs((double)score(r, node, now).dim[REPUTATION_CORRECT].bad_micro - want) <= want * 2.2e-5 + 2);
    }
    reputation_destroy(r);
}

/* What others compute must not change by a bit: sums of whole pieces at each bit of 2^x, and a score over several
 * half-lives, from a model of docs/rest.md in Python. */
TEST(reputation, sums_and_scores_are_those_of_another_implementation) {
    static const uint64_t sums[18] = {
        16777216000, 16777393453, 16777570890, 16777925796, 16778635625, 16780055375, 16782895218, 16788576375, 16799944421,
        16822703640, 16868314625, 16959907906, 17144589187, 17520006812, 18295683781, 19951584640, 23726566406, 33554076984,
    };
    struct reputation *r = book();
    uint64_t h = 60 * DAY;
    for (uint8_t i = 0; i < 18; i++) {
        uint64_t x = i == 0 ? 0 : i == 17 ? 0xffff : 1u << (i - 1);
        add(r, (uint8_t)(i + 1), EVIDENCE_AGREED, 1000, 343 * h + (x * h + 65535) / 65536);
        const struct reputation_state *s = reputation_state(r, (struct vl_node_id){ { (uint8_t)(i + 1) } });
        CHECK_EQ(2 * REPUTATION_CORRECT, s->cells[0].slot);
        CHECK_EQ(343, s->cells[0].epoch);
        CHECK_EQ(sums[i], s->cells[0].sum);
    }
    add(r, 50, EVIDENCE_AGREED, 777, START + 12345678);
    add(r, 50, EVIDENCE_WRONG, 1000, START + 33 * DAY + 1);
    add(r, 50, EVIDENCE_AGREED, 250, START + 71 * DAY + 999);
    add(r, 50, EVIDENCE_AGREED, 1000, START + 200 * DAY);
    struct reputation_score s = score(r, 50, START + 291 * DAY + 54321);
    CHECK_EQ(396162, s.dim[REPUTATION_CORRECT].good_micro);
    CHECK_EQ(507657, s.dim[REPUTATION_CORRECT].bad_micro);
    reputation_destroy(r);
}

TEST(reputation, time_does_not_run_backwards) {
    struct reputation *r = book();
    add(r, 1, EVIDENCE_AGREED, 1000, START + 30 * DAY);
    struct evidence e = add(r, 1, EVIDENCE_AGREED, 1000, START); /* the clock was set back */
    CHECK_EQ(START + 30 * DAY, e.at_ms);
    struct reputation_score s = score(r, 1, START);
    CHECK_EQ(START + 30 * DAY, s.at_ms);
    CHECK(within(2 * UNIT, s.dim[REPUTATION_CORRECT].good_micro, 2)); /* not more than there is */
    reputation_destroy(r);
}

TEST(reputation, is_flagged_above_a_fifth_of_doubt_and_trusted_from_four_fifths_of_trust) {
    struct reputation *r = book();
    for (unsigned i = 1; i <= 12; i++) {
        add(r, 1, EVIDENCE_AGREED, 1000, START);
        struct reputation_score s = score(r, 1, START);
        CHECK_EQ(i < 8, s.flagged); /* 2 / (8 + 2) is not above */
        CHECK_EQ(i >= 11, s.trusted); /* 10 / 0: .7906, 11 / 0: .8059 */
    }
    reputation_destroy(r);
}

TEST(reputation, trust_is_that_of_the_worst_promise_and_presence_is_apart) {
    struct reputation *r = book();
    for (unsigned i = 0; i < 100; i++) add(r, 1, EVIDENCE_AGREED, 1000, START);
    for (unsigned i = 0; i < 100; i++) add(r, 1, EVIDENCE_OFFLINE, 1000, START);
    CHECK(score(r, 1, START).trusted);
    CHECK(score(r, 1, START).dim[REPUTATION_AVAILABLE].lower_ppm < 10000);
    for (unsigned i = 0; i < 100; i++) add(r, 1, EVIDENCE_LATE, 1000, START);
    struct reputation_score s = score(r, 1, START);
    CHECK_EQ(s.dim[REPUTATION_IN_TIME].lower_ppm, s.trust_ppm);
    CHECK(s.dim[REPUTATION_CORRECT].lower_ppm > 900000);
    CHECK(!s.trusted);
    for (unsigned i = 0; i < 100; i++) add(r, 2, EVIDENCE_ACCEPTED, 1000, START); /* much punctual, nothing looked at */
    CHECK(score(r, 2, START).flagged);
    CHECK_EQ(25129, score(r, 2, START).trust_ppm);
    reputation_destroy(r);
}

TEST(reputation, refuses_evidence_out_of_range_and_stays_as_it_was) {
    struct reputation *r = book();
    struct crypto_sign_key key = key_of(9);
    static const struct {
        int kind;
        uint32_t weight;
        vl_ms at;
    } bad[] = { { 0, 1000, START },  { 7, 1000, START }, { 12, 1000, START },
                { 99, 1000, START }, { 1, 0, START },    { 1, 1001, START },
                { 1, UINT32_MAX, START }, { 1, 1000, EVIDENCE_TIME_MAX + 1 }, { 1, 1000, VL_MS_NEVER } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t first = 7, n = 7;
        struct evidence e = { .node = { { 1 } },
                              .kind = (enum evidence_kind)bad[i].kind,
                              .weight_milli = bad[i].weight,
                              .at_ms = bad[i].at };
        CHECK_EQ(VL_ERANGE, reputation_add(r, &key, &e, &first, &n));
        CHECK_EQ(7, n);
        CHECK_EQ(0, e.seq);
    }
    CHECK_EQ(0, reputation_count(r));
    reputation_destroy(r);
}

TEST(reputation, knows_no_more_nodes_than_it_was_made_for_and_nothing_passes_to_another_key) {
    struct crypto_sign_key key = key_of(9);
    struct reputation *r = reputation_create(&(struct reputation_config){ .max_nodes = 2, .base_milli = 500 });
    struct evidence e = { .node = { { 3 } }, .kind = EVIDENCE_AGREED, .weight_milli = 1000, .at_ms = START };
    uint64_t first, n;
    add(r, 1, EVIDENCE_WRONG, 1000, START);
    add(r, 2, EVIDENCE_AGREED, 1000, START);
    CHECK_EQ(VL_ELIMIT, reputation_add(r, &key, &e, &first, &n));
    CHECK_OK(reputation_forget(r, (struct vl_node_id){ { 1 } }));
    CHECK_EQ(VL_ENOTFOUND, reputation_forget(r, (struct vl_node_id){ { 1 } }));
    CHECK_OK(reputation_add(r, &key, &e, &first, &n));
    CHECK_EQ(1000000, score(r, 1, START).dim[REPUTATION_CORRECT].doubt_ppm);
    reputation_destroy(r);
}

/* ---- what others can check ------------------------------------------------------------------------------------------ */

/* A life of `n` random pieces over years; the last ones stay in `kept`, as the coordinator keeps its rows. */
struct life {
    struct reputation *r;
    struct evidence kept[REPUTATION_KEPT];
    uint32_t n;
    vl_ms now;
};

static void live(struct life *l, struct vl_prng *rng, uint32_t pieces) {
    static const enum evidence_kind kinds[] = { EVIDENCE_AGREED, EVIDENCE_AGREED,  EVIDENCE_ACCEPTED, EVIDENCE_WRONG,
                                                EVIDENCE_LATE,   EVIDENCE_OFFLINE, EVIDENCE_ONLINE,   EVIDENCE_SILENT };
    struct crypto_sign_key key = key_of(9);
    for (uint32_t i = 0; i < pieces; i++) {
        l->now += vl_prng_below(rng, 3) == 0 ? vl_prng_below(rng, 3 * DAY) : vl_prng_below(rng, 60000);
        struct evidence e = { .node = { { 1 } },
                              .kind = kinds[vl_prng_below(rng, 8)],
                              .weight_milli = 1 + (uint32_t)vl_prng_below(rng, 1000),
                              .at_ms = l->now - vl_prng_below(rng, 1000),
                              .job = { { 4 } },
                              .task = i,
                              .epoch = i + 1 };
        uint64_t first = 0, n = 0;
        CHECK_OK(reputation_add(l->r, &key, &e, &first, &n));
        CHECK(l->n < REPUTATION_KEPT);
        l->kept[l->n++] = e;
        if (n == 0) continue;
        CHECK_EQ(l->kept[0].seq, first);
        CHECK_EQ(REPUTATION_FOLD, n);
        l->n -= (uint32_t)n;
        memmove(l->kept, l->kept + n, l->n * sizeof l->kept[0]);
    }
}

static void shuffle(struct evidence *v, uint32_t n, struct vl_prng *rng) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)vl_prng_below(rng, i);
        struct evidence t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
}

TEST(reputation, anyone_recomputes_the_very_same_score_whatever_the_order_and_however_much_is_folded) {
    static const uint32_t lives[] = { 1, 7, 255, 256, 257, 511, 512, 513, 767, 768, 2000 };
    struct life *l = calloc(1, sizeof *l);
    struct vl_prng rng;
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        vl_prng_seed(&rng, i);
        *l = (struct life){ .r = book(), .now = START };
        for (uint32_t done = 0; done < lives[i];) { /* asking between changes nothing */
            uint32_t part = lives[i] - done < 97 ? lives[i] - done : 97;
            live(l, &rng, part);
            done += part;
            (void)score(l->r, 1, l->now + vl_prng_below(&rng, 900 * DAY));
        }
        const struct reputation_state *s = reputation_state(l->r, (struct vl_node_id){ { 1 } });
        CHECK_EQ(lives[i], s->folded + l->n);
        vl_ms now = l->now + vl_prng_below(&rng, 90 * DAY);
        struct reputation_score want = score(l->r, 1, now), got;
        for (unsigned k = 0; k < 4; k++) {
            struct vl_hash head;
            shuffle(l->kept, l->n, &rng);
            CHECK_OK(reputation_recompute(s, l->kept, l->n, 500, now, &got, &head));
            CHECK(reputation_score_same(&want, &got));
            CHECK(vl_hash_eq(s->head, head));
        }
        reputation_destroy(l->r);
    }
    free(l);
}

/* The same pieces, all at once and folded many times over: sums do not depend on the cuts. */
TEST(reputation, folding_loses_nothing) {
    struct crypto_sign_key key = key_of(9);
    struct evidence *all = calloc(1500, sizeof *all);
    struct reputation *r = book();
    struct reputation_score got, want;
    struct vl_hash head;
    vl_ms at = START;
    for (uint32_t i = 0; i < 1500; i++) {
        uint64_t first, n;
        at += 40000000; /* 11 h: two years in all */
        all[i] = (struct evidence){ .node = { { 1 } },
                                    .kind = i % 5 ? EVIDENCE_AGREED : EVIDENCE_WRONG,
                                    .weight_milli = 1 + i % 1000,
                                    .at_ms = at };
        CHECK_OK(reputation_add(r, &key, &all[i], &first, &n));
    }
    want = score(r, 1, at + 5 * DAY);
    CHECK_OK(reputation_recompute(&(struct reputation_state){ .node = { { 1 } } }, all, 1500, 500, at + 5 * DAY, &got,
                                  &head));
    CHECK(reputation_score_same(&want, &got));
    free(all);
    reputation_destroy(r);
}

TEST(reputation, a_list_that_was_tampered_with_is_refused) {
    struct life *l = calloc(1, sizeof *l);
    struct vl_prng rng;
    struct reputation_score got = { .trust_ppm = 77 };
    struct vl_hash head;
    vl_prng_seed(&rng, 5);
    *l = (struct life){ .r = book(), .now = START };
    live(l, &rng, 600);
    const struct reputation_state *s = reputation_state(l->r, (struct vl_node_id){ { 1 } });
    struct evidence keep = l->kept[10];
#define AGAIN reputation_recompute(s, l->kept, l->n, 500, l->now, &got, &head)
    l->kept[10].kind = EVIDENCE_WRONG;
    l->kept[10].weight_milli = 3;
    CHECK_EQ(VL_ECRYPTO, AGAIN);
    CHECK_EQ(VL_ECRYPTO, evidence_verify(&l->kept[10]));
    l->kept[10] = l->kept[11];
    CHECK_EQ(VL_EEXISTS, AGAIN);
    l->kept[10] = keep;
    l->kept[10].at_ms = l->now + 1; /* from the future */
    CHECK_EQ(VL_ERANGE, AGAIN);
    l->kept[10] = keep;
    l->kept[10].weight_milli = 1000000;
    CHECK_EQ(VL_ERANGE, AGAIN);
    l->kept[10] = keep;
    l->kept[10].node.b[0] = 2; /* somebody else's merits */
    CHECK_EQ(VL_ERANGE, AGAIN);
    l->kept[10] = keep;
    l->kept[10].seq = 0;
    CHECK_EQ(VL_ENOTFOUND, AGAIN);
    l->kept[10].seq = UINT64_MAX;
    CHECK_EQ(VL_ENOTFOUND, AGAIN);
    l->kept[10] = keep;
    l->n--; /* the newest left out: the head says so */
    CHECK_OK(AGAIN);
    CHECK(!vl_hash_eq(s->head, head));
    l->n++;
    memmove(l->kept + 10, l->kept + 11, (l->n - 11) * sizeof keep); /* one in the middle */
    l->n--;
    CHECK_EQ(VL_ENOTFOUND, AGAIN);
    CHECK_EQ(VL_ERANGE, reputation_recompute(s, l->kept, 1, 500, VL_MS_NEVER, &got, &head));
#undef AGAIN
    reputation_destroy(l->r);
    free(l);
}

TEST(reputation, a_list_and_its_sums_are_checked_down_to_the_signatures) {
    struct life *l = calloc(1, sizeof *l);
    struct vl_prng rng;
    struct vl_buf sums, list;
    struct reputation_score got;
    struct vl_node_id by;
    struct vl_errmsg why = { "" };
    vl_prng_seed(&rng, 6);
    *l = (struct life){ .r = book(), .now = START };
    live(l, &rng, 700);
    vl_buf_init(&sums, REPUTATION_RECORD_MAX);
    vl_buf_init(&list, REPUTATION_KEPT * EVIDENCE_BYTES);
    CHECK_OK(reputation_state_encode(reputation_state(l->r, (struct vl_node_id){ { 1 } }), &sums));
    for (uint32_t i = 0; i < l->n; i++) CHECK_OK(evidence_encode(&l->kept[i], &list));
#define AGAIN(bytes) reputation_check(vl_span(sums.p, sums.len), vl_span(list.p, bytes), 500, l->now, &got, &by, &why)
    CHECK_OK(AGAIN(list.len));
    struct reputation_score want = score(l->r, 1, l->now);
    CHECK(reputation_score_same(&want, &got));
    struct crypto_sign_key key = key_of(9);
    CHECK(vl_node_eq(crypto_sign_node_id(&key), by));
    CHECK_EQ(VL_EPARSE, AGAIN(list.len - 1));
    CHECK_EQ(VL_ENOTFOUND, AGAIN(list.len - EVIDENCE_BYTES)); /* the newest kept back */
    CHECK_STR("the list does not end with the newest piece", why.text);
    list.p[list.len - 1] ^= 1;
    CHECK_EQ(VL_ECRYPTO, AGAIN(list.len));
    list.p[list.len - 1] ^= 1;
    sums.p[sums.len - 5] ^= 1; /* another score than the evidence gives: 2^32 of the last sum */
    CHECK_EQ(VL_ECRYPTO, AGAIN(list.len));
    CHECK_STR("the score does not follow from the evidence", why.text);
#undef AGAIN
    vl_buf_free(&sums);
    vl_buf_free(&list);
    reputation_destroy(l->r);
    free(l);
}

TEST(reputation, goes_on_after_a_restart_as_if_nothing_had_been) {
    struct life *a = calloc(1, sizeof *a);
    struct vl_prng rng;
    vl_prng_seed(&rng, 8);
    *a = (struct life){ .r = book(), .now = START };
    live(a, &rng, 700);
    struct vl_buf buf, after;
    vl_buf_init(&buf, REPUTATION_RECORD_MAX);
    vl_buf_init(&after, REPUTATION_RECORD_MAX);
    CHECK_OK(reputation_state_encode(reputation_state(a->r, (struct vl_node_id){ { 1 } }), &buf));
    struct reputation *b = book();
    CHECK_OK(reputation_restore(b, vl_span(buf.p, buf.len)));
    CHECK_EQ(VL_EEXISTS, reputation_restore(b, vl_span(buf.p, buf.len)));
    for (unsigned i = 0; i < 400; i++) {
        add(a->r, 1, EVIDENCE_AGREED, 900, a->now + i * DAY / 9);
        add(b, 1, EVIDENCE_AGREED, 900, a->now + i * DAY / 9);
    }
    vl_buf_clear(&buf);
    CHECK_OK(reputation_state_encode(reputation_state(a->r, (struct vl_node_id){ { 1 } }), &buf));
    CHECK_OK(reputation_state_encode(reputation_state(b, (struct vl_node_id){ { 1 } }), &after));
    CHECK(vl_span_eq(vl_span(buf.p, buf.len), vl_span(after.p, after.len)));
    CHECK(buf.len < 2500); /* of a varied year: mostly ten times less */
    vl_buf_free(&buf);
    vl_buf_free(&after);
    reputation_destroy(a->r);
    reputation_destroy(b);
    free(a);
}

TEST(reputation, damaged_records_are_refused) {
    struct life *l = calloc(1, sizeof *l);
    struct vl_prng rng;
    struct vl_buf buf;
    struct reputation_state s;
    vl_prng_seed(&rng, 2);
    *l = (struct life){ .r = book(), .now = START };
    live(l, &rng, 300);
    vl_buf_init(&buf, REPUTATION_RECORD_MAX);
    CHECK_OK(reputation_state_encode(reputation_state(l->r, (struct vl_node_id){ { 1 } }), &buf));
    for (size_t n = 0; n < buf.len; n++) CHECK(reputation_state_decode(vl_span(buf.p, n), &s) == VL_EPARSE);
    buf.p[1] = 2;
    CHECK_EQ(VL_EVERSION, reputation_state_decode(vl_span(buf.p, buf.len), &s));
    buf.p[1] = 1;
    size_t cells = 2 + 32 + 24 + 96 + 8 + 2;
    for (unsigned at = 0; at < 2; at++) { /* part, slot of the first cell */
        uint8_t was = buf.p[cells + at];
        buf.p[cells + at] = 9;
        CHECK_EQ(VL_EPARSE, reputation_state_decode(vl_span(buf.p, buf.len), &s));
        buf.p[cells + at] = was;
    }
    memcpy(buf.p + cells + 14, buf.p + cells, 14); /* twice the same */
    CHECK_EQ(VL_EPARSE, reputation_state_decode(vl_span(buf.p, buf.len), &s));
    vl_buf_free(&buf);
    reputation_destroy(l->r);
    free(l);
}

TEST(reputation, sums_stop_at_their_end_rather_than_begin_anew) {
    struct reputation_cell cell = { .sum = UINT64_MAX - 5, .slot = 2 * REPUTATION_CORRECT + 1 };
    cell.epoch = (uint32_t)(START / (60 * DAY));
    struct reputation_state s = {
        .node = { { 1 } }, .seq = 1, .head = { { 1 } }, .last_ms = START, .n_cells = 1, .cells = &cell
    };
    struct vl_buf buf;
    vl_buf_init(&buf, REPUTATION_RECORD_MAX);
    struct reputation *r = book();
    CHECK_OK(reputation_state_encode(&s, &buf));
    CHECK_OK(reputation_restore(r, vl_span(buf.p, buf.len)));
    for (unsigned i = 0; i < 300; i++) add(r, 1, EVIDENCE_WRONG, 1000, START);
    struct reputation_score v = score(r, 1, START);
    CHECK_EQ(1000000000000u, v.dim[REPUTATION_CORRECT].bad_micro);
    CHECK_EQ(0, v.trust_ppm);
    vl_buf_free(&buf);
    reputation_destroy(r);
}

TEST(evidence, comes_back_as_it_was_written_and_its_signature_covers_it) {
    struct reputation *r = book();
    struct vl_buf buf;
    struct evidence e = add(r, 1, EVIDENCE_AGREED, 900, START), got;
    vl_buf_init(&buf, 1024);
    CHECK_OK(evidence_encode(&e, &buf));
    CHECK_EQ(EVIDENCE_BYTES, buf.len);
    CHECK_OK(evidence_decode(vl_span(buf.p, buf.len), &got));
    CHECK_OK(evidence_verify(&got));
    CHECK(vl_hash_eq(evidence_hash(&e), evidence_hash(&got)));
    for (size_t i = 2; i < buf.len; i++) { /* any byte else: no evidence, or not signed */
        buf.p[i] ^= 1;
        CHECK(evidence_decode(vl_span(buf.p, buf.len), &got) == VL_EPARSE || evidence_verify(&got) == VL_ECRYPTO);
        buf.p[i] ^= 1;
    }
    for (size_t n = 0; n < buf.len; n++) CHECK_EQ(VL_EPARSE, evidence_decode(vl_span(buf.p, n), &got));
    buf.p[1] = 2;
    CHECK_EQ(VL_EVERSION, evidence_decode(vl_span(buf.p, buf.len), &got));
    vl_buf_free(&buf);
    reputation_destroy(r);
}
