#include "trust/topology.h"

#include "base/prng.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include "check.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { N = 12, FIRST = 1000 };

/* The scenario of topology_model.py. */
struct rig {
    struct topology *t;
    struct vl_node_id node[N];
    struct crypto_vrf_key key[N];
};

static void enrol(struct rig *r, unsigned i, uint32_t weight) {
    struct crypto_vrf_public p = crypto_vrf_public_of(&r->key[i]);
    CHECK_OK(topology_member(r->t, r->node[i], &p, weight));
}

static void begin(struct rig *r) {
    struct vl_hash village;
    CHECK_OK(crypto_init());
    memset(village.b, 'v', sizeof village.b);
    r->t = topology_create(N, &village, FIRST);
    CHECK(r->t != NULL);
    for (unsigned i = 0; i < N; i++) {
        uint8_t seed[32];
        memset(r->node[i].b, (int)(i * 37 + 11) % 256, sizeof r->node[i].b);
        memset(seed, (int)i + 1, sizeof seed);
        CHECK_OK(crypto_vrf_key_make(i % 2 ? CRYPTO_VRF_ELL2 : CRYPTO_VRF_TAI, seed, &r->key[i]));
        enrol(r, i, 100 + 50 * i);
    }
}

static void cert_of(const struct rig *r, unsigned i, uint64_t epoch, uint16_t role, uint8_t ret[TOPOLOGY_CERT_BYTES]) {
    struct topology_cert c;
    CHECK_OK(topology_draw(r->t, r->node[i], &r->key[i], epoch, role, &c));
    topology_cert_encode(&c, ret);
}

static enum vl_err reveal(struct rig *r, unsigned i) {
    uint8_t cert[TOPOLOGY_CERT_BYTES];
    cert_of(r, i, topology_epoch(r->t), TOPOLOGY_BEACON, cert);
    return topology_reveal(r->t, vl_span(cert, sizeof cert));
}

/* To `epoch`, all revealing but `silent` in the first epoch that has a roll; in an order that must not matter. */
static void go_to(struct rig *r, uint64_t epoch, unsigned silent) {
    for (uint64_t e = topology_epoch(r->t); e < epoch; e++) {
        for (unsigned k = 0; k < N && e >= FIRST + 4; k++) {
            unsigned i = (k * 5 + (unsigned)e) % N;
            if (e != FIRST + 4 || i != silent) CHECK_OK(reveal(r, i));
        }
        CHECK_OK(topology_advance(r->t, e + 1));
    }
}

static void check_seed(const struct rig *r, const char *want) {
    char got[65];
    struct vl_hash s = topology_seed(r->t);
    vl_hex_encode(s.b, sizeof s.b, got);
    CHECK_STR(want, got);
}

static void check_neighbours(const struct rig *r, unsigned i, const char *want) {
    struct topology_cert c;
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    char got[64] = "";
    CHECK_OK(topology_draw(r->t, r->node[i], &r->key[i], topology_epoch(r->t), TOPOLOGY_NEIGHBOUR, &c));
    unsigned n = topology_neighbours(r->t, &c, drawn);
    for (unsigned k = 0; k < n; k++)
        for (unsigned m = 0; m < N; m++)
            if (vl_node_eq(drawn[k], r->node[m])) {
                size_t len = strlen(got);
                (void)snprintf(got + len, sizeof got - len, "%s%u", k ? " " : "", m);
                CHECK(topology_is_neighbour(r->t, &c, r->node[m]));
            }
    CHECK_STR(want, got);
    CHECK(!topology_is_neighbour(r->t, &c, r->node[i]));
}

/* Values of topology_model.py: the same on every machine and by every compiler. */
TEST(topology, draws_what_an_independent_model_draws) {
    struct rig r;
    char elected[64] = "";
    static const char *const certs[] = { "188ee76ec99921cdc85ae874de6dccd957b45f8351c7379bda30b944a7dba97e",
                                         "73c65ba1eade756bab5704c76dd8fc8e40c1013ef784f20869a57009d56bf592" };
    begin(&r);
    go_to(&r, FIRST + 4, 3);
    check_seed(&r, "c4031a1ae89c77660b522aa0937eff809c85af6bd8a6a39556cc0e5023d45c66");
    check_neighbours(&r, 5, "11 7 8 10 4 1 2 6");
    check_neighbours(&r, 6, "3 11 7 9 4 8 10 2");
    go_to(&r, FIRST + 5, 3);
    check_seed(&r, "ab99cf38d722b5a9f354a77ddc80fdd9b19442e539b38c8557f9ac4eeab7fe11");
    go_to(&r, FIRST + 8, 3);
    check_seed(&r, "8270666549607d317616d076a80b820d124d739d25f5411e46b01de2c11c30fc");
    check_neighbours(&r, 5, "4 7 11 9 8 0 1 6");
    check_neighbours(&r, 6, "10 9 5 4 11 7 8 1");
    for (unsigned i = 0; i < N; i++) {
        struct topology_cert c;
        CHECK_OK(topology_draw(r.t, r.node[i], &r.key[i], FIRST + 8, TOPOLOGY_COMMITTEE, &c));
        size_t len = strlen(elected);
        if (topology_elected(r.t, &c, 4)) (void)snprintf(elected + len, sizeof elected - len, "%u ", i);
    }
    CHECK_STR("7 10 11 ", elected);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t cert[TOPOLOGY_CERT_BYTES];
        struct vl_hash h;
        char got[65];
        cert_of(&r, 5 + i, FIRST + 8, TOPOLOGY_NEIGHBOUR, cert);
        crypto_blake2b256(vl_span(cert, sizeof cert), &h);
        vl_hex_encode(h.b, sizeof h.b, got);
        CHECK_STR(certs[i], got);
    }
    topology_destroy(r.t);
}

/* ceil(share * 2^256 / total) by long division: r is below it exactly when its share of total is below share. */
static bool below_threshold(const uint8_t r[32], uint64_t share, uint64_t total) {
    uint8_t threshold[33] = { 0 }; /* big-endian, with room for 2^256 itself */
    __extension__ unsigned __int128 rest = share % total;
    threshold[0] = share >= total;
    for (int i = 1; i < 33; i++) {
        rest <<= 8;
        threshold[i] = (uint8_t)(rest / total);
        rest %= total;
    }
    bool up = rest > 0;
    int c = threshold[0] ? -1 : memcmp(r, threshold + 1, 32);
    return c < 0 || (c == 0 && up);
}

TEST(topology, shares_are_comparisons_with_256_bit_thresholds) {
    struct vl_prng rng;
    static const uint64_t totals[] = { 1, 2, 3, 7, 1000, 6700, UINT32_MAX, (1ull << 50) + 1, 3ull << 62, UINT64_MAX };
    vl_prng_seed(&rng, 9381);
    for (unsigned k = 0; k < 2000; k++) {
        uint64_t total = totals[k % 10], share;
        uint8_t r[32];
        for (int i = 0; i < 32; i++) r[i] = (uint8_t)vl_prng_next(&rng);
        if (k % 50 < 10) memset(r, k % 100 < 50 ? 0 : 0xff, 32);
        if (k % 50 >= 40) { /* next to a threshold */
            uint64_t edge = vl_prng_below(&rng, total);
            __extension__ unsigned __int128 rest = edge;
            for (int i = 0; i < 32; i++) {
                rest <<= 8;
                r[i] = (uint8_t)(rest / total);
                rest %= total;
            }
            if (k % 3 == 0) sodium_increment(r, 0);
        }
        share = topology_share(r, total);
        CHECK(share < total);
        CHECK(below_threshold(r, share + 1, total) && (share == 0 || !below_threshold(r, share, total)));
    }
    CHECK_EQ(0, topology_share((const uint8_t[32]){ 0xff }, 0));
}

TEST(topology, takes_any_peers_word_for_nothing) {
    static const struct {
        size_t at;
        enum vl_err want;
    } fields[] = { { 0, VL_EVERSION },   { 2, VL_ECRYPTO },    { 3, VL_ERANGE },    { 10, VL_ECRYPTO },
                   { 11, VL_ENOTFOUND }, { 42, VL_ENOTFOUND }, { 46, VL_EDENIED },  { 47, VL_ECRYPTO },
                   { 110, VL_ECRYPTO },  { 111, VL_ECRYPTO },  { 143, VL_ECRYPTO }, { 190, VL_ECRYPTO } };
    struct rig r;
    uint8_t cert[TOPOLOGY_CERT_BYTES + 1] = { 0 };
    struct topology_cert c;
    struct vl_errmsg why;
    begin(&r);
    go_to(&r, FIRST + 5, N);
    cert_of(&r, 4, FIRST + 5, TOPOLOGY_NEIGHBOUR, cert);
    CHECK_OK(topology_check(r.t, vl_span(cert, TOPOLOGY_CERT_BYTES), &c, &why));
    CHECK(c.epoch == FIRST + 5 && c.role == TOPOLOGY_NEIGHBOUR && c.weight == 300 && vl_node_eq(c.node, r.node[4]));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint8_t bad[TOPOLOGY_CERT_BYTES];
        memcpy(bad, cert, sizeof bad);
        bad[fields[i].at] ^= 1;
        why.text[0] = 0;
        CHECK_EQ(fields[i].want, topology_check(r.t, vl_span(bad, sizeof bad), &c, &why));
        CHECK(why.text[0] != 0);
        CHECK_EQ(fields[i].want, topology_check(r.t, vl_span(bad, sizeof bad), &c, NULL));
    }
    for (size_t n = 0; n <= sizeof cert; n++)
        CHECK_EQ(n == TOPOLOGY_CERT_BYTES ? VL_OK : VL_EPARSE, topology_check(r.t, vl_span(cert, n), &c, NULL));
    /* another member's proof under one's own name */
    cert_of(&r, 5, FIRST + 5, TOPOLOGY_NEIGHBOUR, cert);
    memcpy(cert + 11, r.node[4].b, 32);
    vl_put_u32(cert + 43, 300);
    CHECK_EQ(VL_ECRYPTO, topology_check(r.t, vl_span(cert, TOPOLOGY_CERT_BYTES), &c, NULL));
    topology_destroy(r.t);
}

TEST(topology, knows_the_last_the_current_and_the_next_epoch) {
    struct rig r;
    uint8_t cert[3][TOPOLOGY_CERT_BYTES];
    struct topology_cert c;
    begin(&r);
    go_to(&r, FIRST + 6, N);
    for (unsigned i = 0; i < 3; i++) cert_of(&r, 1, FIRST + 5 + i, TOPOLOGY_NEIGHBOUR, cert[i]);
    CHECK_EQ(VL_ERANGE, topology_draw(r.t, r.node[1], &r.key[1], FIRST + 8, TOPOLOGY_NEIGHBOUR, &c));
    CHECK_EQ(VL_ERANGE, topology_draw(r.t, r.node[1], &r.key[1], FIRST + 4, TOPOLOGY_NEIGHBOUR, &c));
    CHECK_EQ(VL_ERANGE, topology_draw(r.t, r.node[1], &r.key[1], 0, TOPOLOGY_NEIGHBOUR, &c));
    CHECK_EQ(VL_ERANGE, topology_draw(r.t, r.node[1], &r.key[1], UINT64_MAX, TOPOLOGY_NEIGHBOUR, &c));
    for (unsigned i = 0; i < 3; i++) CHECK_OK(topology_check(r.t, vl_span(cert[i], sizeof cert[i]), &c, NULL));
    CHECK_OK(topology_advance(r.t, FIRST + 7));
    for (unsigned i = 0; i < 3; i++) /* what was drawn ahead is right when its time comes */
        CHECK_EQ(i == 0 ? VL_ERANGE : VL_OK, topology_check(r.t, vl_span(cert[i], sizeof cert[i]), &c, NULL));
    CHECK_EQ(FIRST + 7, topology_epoch(r.t));
    CHECK_EQ(VL_ERANGE, topology_advance(r.t, FIRST + 6));
    CHECK_EQ(VL_ERANGE, topology_advance(r.t, FIRST + 7 + TOPOLOGY_CATCH_UP + 1));
    CHECK_OK(topology_advance(r.t, FIRST + 7 + TOPOLOGY_CATCH_UP));
    CHECK_EQ(481u, topology_epoch_of(481ull * 3600000 + 3599999));
    topology_destroy(r.t);
}

/* The roll of x is closed when x - 3 begins: what is changed in x - 3 counts in x + 1, and not before. */
TEST(topology, lets_keys_and_weights_count_only_after_their_seeds_are_past) {
    struct rig r;
    struct topology_cert c;
    struct crypto_vrf_key old;
    begin(&r);
    CHECK_EQ(VL_ENOTFOUND, topology_draw(r.t, r.node[0], &r.key[0], FIRST + 1, TOPOLOGY_NEIGHBOUR, &c));
    go_to(&r, FIRST + 4, N);
    old = r.key[2];
    CHECK_OK(crypto_vrf_key_make(CRYPTO_VRF_TAI, (const uint8_t[32]){ 99 }, &r.key[2]));
    enrol(&r, 2, 999);
    CHECK_OK(topology_leave(r.t, r.node[7]));
    CHECK_EQ(VL_ENOTFOUND, topology_leave(r.t, r.node[7]));
    for (uint64_t e = FIRST + 4; e < FIRST + 10; e++) {
        bool counts = e >= FIRST + 8;
        CHECK_EQ(counts ? VL_ENOTFOUND : VL_OK, topology_draw(r.t, r.node[2], &old, e, TOPOLOGY_NEIGHBOUR, &c));
        CHECK_EQ(counts ? VL_OK : VL_ENOTFOUND, topology_draw(r.t, r.node[2], &r.key[2], e, TOPOLOGY_NEIGHBOUR, &c));
        CHECK_EQ(counts ? VL_ENOTFOUND : VL_OK, topology_draw(r.t, r.node[7], &r.key[7], e, TOPOLOGY_NEIGHBOUR, &c));
        CHECK_OK(topology_draw(r.t, r.node[1], &r.key[1], e, TOPOLOGY_NEIGHBOUR, &c));
        CHECK_OK(topology_advance(r.t, e + 1));
    }
    topology_destroy(r.t);
}

TEST(topology, takes_one_reveal_a_member_and_epoch) {
    struct rig r;
    uint8_t cert[TOPOLOGY_CERT_BYTES];
    begin(&r);
    go_to(&r, FIRST + 5, N);
    CHECK_OK(reveal(&r, 1));
    CHECK_EQ(VL_EEXISTS, reveal(&r, 1));
    cert_of(&r, 2, FIRST + 5, TOPOLOGY_NEIGHBOUR, cert);
    CHECK_EQ(VL_EDENIED, topology_reveal(r.t, vl_span(cert, sizeof cert)));
    cert_of(&r, 2, FIRST + 4, TOPOLOGY_BEACON, cert);
    CHECK_EQ(VL_ESTALE, topology_reveal(r.t, vl_span(cert, sizeof cert)));
    cert_of(&r, 2, FIRST + 6, TOPOLOGY_BEACON, cert);
    CHECK_EQ(VL_ESTALE, topology_reveal(r.t, vl_span(cert, sizeof cert)));
    CHECK_EQ(VL_EPARSE, topology_reveal(r.t, vl_span(cert, 5)));
    topology_destroy(r.t);
}

TEST(topology, halves_the_weight_of_the_silent_until_they_have_spoken_again) {
    struct rig r;
    struct topology_cert c;
    begin(&r);
    go_to(&r, FIRST + 5, 3);
    CHECK_EQ(TOPOLOGY_MISSED_STEP, topology_missed(r.t, r.node[3]));
    CHECK_EQ(0, topology_missed(r.t, r.node[4]));
    enrol(&r, 3, 1u << 20);
    for (unsigned k = 0; k < 20; k++) { /* speaks from here on */
        uint64_t e = topology_epoch(r.t);
        unsigned missed = k < 16 ? 16 - k : 0;
        CHECK_EQ(missed, topology_missed(r.t, r.node[3]));
        CHECK_OK(reveal(&r, 3));
        CHECK_OK(topology_draw(r.t, r.node[3], &r.key[3], e, TOPOLOGY_NEIGHBOUR, &c));
        uint32_t want = k < 3 ? 250 : k == 3 ? 0 : (1u << 20) >> (k < 19 ? 19 - k : 0); /* closed three epochs before */
        CHECK_EQ(want, c.weight);
        CHECK_OK(topology_advance(r.t, e + 1));
    }
    for (unsigned k = 0; k < 5; k++) CHECK_OK(topology_advance(r.t, topology_epoch(r.t) + 1));
    CHECK_EQ(TOPOLOGY_MISSED_MAX, topology_missed(r.t, r.node[3]));
    enrol(&r, 3, 7); /* not forgotten for a new weight or key */
    CHECK_EQ(TOPOLOGY_MISSED_MAX, topology_missed(r.t, r.node[3]));
    CHECK_EQ(0, topology_missed(r.t, (struct vl_node_id){ { 1 } }));
    topology_destroy(r.t);
}

TEST(topology, draws_all_there_are_when_there_are_few) {
    struct rig r;
    struct topology_cert c;
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    begin(&r);
    for (unsigned i = 3; i < N; i++) CHECK_OK(topology_leave(r.t, r.node[i]));
    enrol(&r, 1, 0); /* never drawn */
    go_to(&r, FIRST + 1, N);
    CHECK_OK(topology_advance(r.t, FIRST + 4));
    CHECK_OK(topology_draw(r.t, r.node[0], &r.key[0], FIRST + 4, TOPOLOGY_NEIGHBOUR, &c));
    CHECK_EQ(1, topology_neighbours(r.t, &c, drawn));
    CHECK(vl_node_eq(drawn[0], r.node[2]));
    CHECK_OK(topology_draw(r.t, r.node[0], &r.key[0], FIRST + 4, TOPOLOGY_BEACON, &c));
    CHECK_EQ(0, topology_neighbours(r.t, &c, drawn)); /* a beta of another role draws nobody */
    CHECK_OK(topology_draw(r.t, r.node[1], &r.key[1], FIRST + 4, TOPOLOGY_COMMITTEE, &c));
    CHECK(!topology_elected(r.t, &c, UINT32_MAX));
    CHECK_OK(topology_draw(r.t, r.node[2], &r.key[2], FIRST + 4, TOPOLOGY_COMMITTEE, &c));
    CHECK(topology_elected(r.t, &c, UINT32_MAX) && !topology_elected(r.t, &c, 0));
    topology_destroy(r.t);
}

static void saved(const struct topology *t, struct vl_buf *b) {
    vl_buf_init(b, 1u << 20);
    CHECK_OK(topology_save(t, b));
}

/* In the middle of an epoch, with a member changed and some reveals in: both go the same way from there. */
TEST(topology, goes_on_after_a_restart_as_if_there_had_been_none) {
    struct rig r, again;
    struct vl_buf b, c;
    begin(&r);
    go_to(&r, FIRST + 6, 3);
    CHECK_OK(reveal(&r, 8));
    CHECK_OK(reveal(&r, 2));
    enrol(&r, 4, 1234);
    saved(r.t, &b);
    again = r;
    CHECK_OK(topology_restore(vl_span(b.p, b.len), N, &again.t));
    saved(again.t, &c);
    CHECK(vl_span_eq(vl_span(b.p, b.len), vl_span(c.p, c.len)));
    vl_buf_free(&c);
    CHECK_EQ(VL_EEXISTS, reveal(&again, 8));
    for (unsigned k = 0; k < 6; k++) {
        for (unsigned i = 3; i < 8; i++) {
            CHECK_OK(reveal(&r, i));
            CHECK_OK(reveal(&again, i));
        }
        CHECK_OK(topology_advance(r.t, topology_epoch(r.t) + 1));
        CHECK_OK(topology_advance(again.t, topology_epoch(again.t) + 1));
    }
    vl_buf_free(&b);
    saved(r.t, &b);
    saved(again.t, &c);
    CHECK(vl_span_eq(vl_span(b.p, b.len), vl_span(c.p, c.len)));
    vl_buf_free(&b);
    vl_buf_free(&c);
    topology_destroy(r.t);
    topology_destroy(again.t);
}

TEST(topology, restores_nothing_but_what_it_saves) {
    struct rig r;
    struct vl_buf b, small;
    struct topology *t = NULL;
    begin(&r);
    go_to(&r, FIRST + 4, N);
    CHECK_OK(reveal(&r, 0));
    saved(r.t, &b);
    CHECK_EQ(VL_EPARSE, topology_restore(vl_span(b.p, b.len), N - 1, &t)); /* more members than there is room for */
    for (size_t n = 0; n < b.len; n++) CHECK_EQ(VL_EPARSE, topology_restore(vl_span(b.p, n), N, &t));
    CHECK_OK(vl_buf_append(&b, "", 1));
    CHECK_EQ(VL_EPARSE, topology_restore(vl_span(b.p, b.len), N, &t));
    b.len--;
    const size_t members = 1 + 8 + 4 * 32 + 4;
    const struct {
        size_t at;
        uint8_t now;
        enum vl_err want;
    } bad[] = { { 0, 2, VL_EVERSION },          { 1, 0xff, VL_EPARSE },
                { members + 32, 5, VL_EPARSE }, { members + 69, 32, VL_EPARSE },
                { members, 0xff, VL_EPARSE },   { b.len - 1, 2, VL_EPARSE },
                { members - 4, 1, VL_EPARSE },  { members + N * 70u, 1, VL_EPARSE } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t was = b.p[bad[i].at];
        b.p[bad[i].at] = bad[i].now;
        CHECK_EQ(bad[i].want, topology_restore(vl_span(b.p, b.len), N, &t));
        b.p[bad[i].at] = was;
    }
    CHECK(t == NULL);
    CHECK_OK(topology_restore(vl_span(b.p, b.len), N, &t));
    topology_destroy(t);
    vl_buf_init(&small, b.len + 2);
    CHECK_OK(vl_buf_append(&small, "abc", 3));
    CHECK_EQ(VL_ELIMIT, topology_save(r.t, &small));
    CHECK_EQ(3, small.len);
    vl_buf_free(&small);
    vl_buf_free(&b);
    topology_destroy(r.t);
}

TEST(topology, refuses_members_beyond_its_limit_and_unknown_suites) {
    struct rig r;
    struct crypto_vrf_public p = { .suite = 5 };
    begin(&r);
    CHECK_EQ(VL_EVERSION, topology_member(r.t, r.node[0], &p, 1));
    p.suite = CRYPTO_VRF_TAI;
    CHECK_EQ(VL_ELIMIT, topology_member(r.t, (struct vl_node_id){ { 1 } }, &p, 1));
    topology_destroy(r.t);
    topology_destroy(NULL);
}
