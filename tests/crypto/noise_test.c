#include "crypto/noise.h"

#include "base/text.h"
#include "crypto/random.h"

#include "check.h"
#include "noise_vectors.h"

#include <string.h>

/* One side's fixed keys, as the vectors have them. */
struct side {
    struct crypto_dh_key s;
    uint8_t e[32];
};
struct pair {
    struct side side[2]; /* initiator, responder */
    struct noise ns[2];
};

static const enum noise_pattern all_patterns[] = { NOISE_XX, NOISE_XK, NOISE_IK, NOISE_X };

static size_t unhex(const char *hex, uint8_t *dst) {
    size_t n = strlen(hex) / 2;
    CHECK_OK(vl_hex_decode(hex, dst, n));
    return n;
}

static void pair_keys(struct pair *p) {
    CHECK_OK(crypto_init());
    uint8_t seed[32];
    unhex(vector_init_static, seed);
    crypto_dh_key_from_seed(seed, &p->side[0].s);
    unhex(vector_resp_static, seed);
    crypto_dh_key_from_seed(seed, &p->side[1].s);
    unhex(vector_init_ephemeral, p->side[0].e);
    unhex(vector_resp_ephemeral, p->side[1].e);
}

static struct noise_config config_of(const struct pair *p, enum noise_pattern pattern, bool initiator) {
    const struct side *own = &p->side[initiator ? 0 : 1];
    return (struct noise_config){ .pattern = pattern,
                                  .cipher = CRYPTO_AESGCM,
                                  .hash = CRYPTO_SHA256,
                                  .initiator = initiator,
                                  .prologue = vl_span_str("prologue"),
                                  .static_key = &own->s,
                                  .remote_static = initiator && pattern != NOISE_XX ? p->side[1].s.public : NULL,
                                  .ephemeral_seed = own->e };
}

static void pair_start(struct pair *p, enum noise_pattern pattern) {
    pair_keys(p);
    for (int i = 0; i < 2; i++) {
        struct noise_config c = config_of(p, pattern, i == 0);
        CHECK_OK(noise_init(&p->ns[i], &c));
    }
}

static void pair_end(struct pair *p) {
    noise_destroy(&p->ns[0]);
    noise_destroy(&p->ns[1]);
}

/* Message of whose turn it is, with payload "payload"; returns its length. */
static size_t pair_write(struct pair *p, uint8_t *dst, size_t cap, int *ret_from) {
    int from = noise_next(&p->ns[0]) == NOISE_WRITE ? 0 : 1;
    size_t n = 0;
    CHECK_OK(noise_write(&p->ns[from], vl_span_str("payload"), dst, cap, &n));
    *ret_from = from;
    return n;
}

static bool pair_open(const struct pair *p) {
    return noise_next(&p->ns[0]) == NOISE_WRITE || noise_next(&p->ns[1]) == NOISE_WRITE;
}

/* Runs `messages` whole messages of the handshake. */
static void pair_run(struct pair *p, int messages) {
    uint8_t m[256], got[64];
    for (int i = 0; i < messages; i++) {
        int from;
        size_t n = pair_write(p, m, sizeof m, &from), got_n = 0;
        CHECK_OK(noise_read(&p->ns[1 - from], vl_span(m, n), got, sizeof got, &got_n));
        CHECK_EQ(7, got_n);
        CHECK_MEM("payload", got, 7);
    }
}

static int messages_of(enum noise_pattern pattern) { return pattern == NOISE_X ? 1 : pattern == NOISE_IK ? 2 : 3; }

static void check_vector(const struct noise_vector *v) {
    struct pair p;
    pair_keys(&p);
    uint8_t prologue[32], want[256], payload[64], m[256], got[256];
    size_t prologue_n = unhex(vector_prologue, prologue);
    for (int i = 0; i < 2; i++) {
        struct noise_config c = config_of(&p, v->pattern, i == 0);
        c.cipher = v->cipher;
        c.hash = v->hash;
        c.prologue = vl_span(prologue, prologue_n);
        if (v->pattern == NOISE_X && i == 1) c.ephemeral_seed = NULL;
        CHECK_OK(noise_init(&p.ns[i], &c));
    }
    int handshake = messages_of(v->pattern);
    struct noise_cipher send[2], recv[2];
    for (int i = 0; i < 6; i++) {
        int from = v->pattern == NOISE_X ? 0 : i % 2;
        size_t want_n = unhex(v->message[i], want), payload_n = unhex(vector_payload[i], payload), n = 0, got_n = 0;
        if (i < handshake) {
            CHECK_EQ(want_n - payload_n, noise_overhead(&p.ns[from]));
            CHECK_EQ(want_n - payload_n, noise_overhead(&p.ns[1 - from]));
            CHECK_OK(noise_write(&p.ns[from], vl_span(payload, payload_n), m, sizeof m, &n));
            CHECK_OK(noise_read(&p.ns[1 - from], vl_span(m, n), got, sizeof got, &got_n));
        } else {
            CHECK_OK(noise_cipher_seal(&send[from], vl_span(NULL, 0), payload, payload_n, m));
            n = payload_n + 16;
            CHECK_OK(noise_cipher_open(&recv[1 - from], vl_span(NULL, 0), m, n, got));
            got_n = n - 16;
        }
        CHECK_EQ(want_n, n);
        CHECK_MEM(want, m, n);
        CHECK_EQ(payload_n, got_n);
        CHECK_MEM(payload, got, got_n);
        if (i + 1 == handshake)
            for (int k = 0; k < 2; k++) CHECK_OK(noise_split(&p.ns[k], &send[k], &recv[k]));
    }
    uint8_t hash[64];
    size_t hash_n = unhex(v->handshake_hash, hash);
    for (int k = 0; k < 2; k++) {
        CHECK_EQ(hash_n, noise_hash(&p.ns[k]).n);
        CHECK_MEM(hash, noise_hash(&p.ns[k]).p, hash_n);
        CHECK_MEM(p.side[1 - k].s.public, noise_remote_static(&p.ns[k]), 32);
        noise_cipher_destroy(&send[k]);
        noise_cipher_destroy(&recv[k]);
    }
    pair_end(&p);
}

TEST(noise, reproduces_the_sixteen_cacophony_vectors_byte_for_byte) {
    for (size_t i = 0; i < sizeof noise_vectors / sizeof noise_vectors[0]; i++) check_vector(&noise_vectors[i]);
}

/* A flipped byte of a message in clear is noticed with the next sealed thing; until then a handshake may go on, but it
 * never completes on both sides. */
static bool completes_with_flip(enum noise_pattern pattern, int message, size_t at, uint8_t bit) {
    struct pair p;
    pair_start(&p, pattern);
    uint8_t m[256], got[64];
    bool refused = false;
    for (int i = 0; pair_open(&p) && !refused; i++) {
        int from;
        size_t n = pair_write(&p, m, sizeof m, &from), got_n = 99;
        if (i == message) m[at] ^= bit;
        enum vl_err err = noise_read(&p.ns[1 - from], vl_span(m, n), got, sizeof got, &got_n);
        if (err) {
            CHECK_EQ(VL_ECRYPTO, err);
            CHECK_EQ(99, got_n);
            CHECK_EQ(NOISE_FAILED, noise_next(&p.ns[1 - from]));
            refused = true;
        }
    }
    pair_end(&p);
    return !refused;
}

TEST(noise, refuses_a_flipped_bit_at_each_byte_of_each_message) {
    for (size_t k = 0; k < 4; k++) {
        struct pair p;
        pair_start(&p, all_patterns[k]);
        size_t len[3];
        for (int i = 0; i < messages_of(all_patterns[k]); i++) {
            len[i] = noise_overhead(&p.ns[0]) + 7;
            pair_run(&p, 1);
        }
        pair_end(&p);
        for (int i = 0; i < messages_of(all_patterns[k]); i++)
            for (size_t at = 0; at < len[i]; at++) CHECK(!completes_with_flip(all_patterns[k], i, at, 1));
    }
}

TEST(noise, refuses_every_shorter_message) {
    for (size_t k = 0; k < 4; k++) {
        for (int i = 0; i < messages_of(all_patterns[k]); i++) {
            struct pair p;
            pair_start(&p, all_patterns[k]);
            pair_run(&p, i);
            size_t len = noise_overhead(&p.ns[0]);
            pair_end(&p);
            for (size_t cut = 0; cut < len; cut++) {
                uint8_t m[256], got[64];
                int from;
                size_t got_n;
                pair_start(&p, all_patterns[k]);
                pair_run(&p, i);
                pair_write(&p, m, sizeof m, &from);
                CHECK_EQ(VL_EPARSE, noise_read(&p.ns[1 - from], vl_span(m, cut), got, sizeof got, &got_n));
                CHECK_EQ(NOISE_FAILED, noise_next(&p.ns[1 - from]));
                pair_end(&p);
            }
        }
    }
}

/* The points of order 1, 2, 4 and 8 and non-canonical forms of them (RFC 7748 section 6.1; list of cr.yp.to/ecdh.html).
 */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

TEST(noise, refuses_low_order_keys_of_the_remote_side) {
    for (size_t i = 0; i < sizeof low_order / sizeof low_order[0]; i++) {
        uint8_t bad[32], m[256], got[64];
        size_t n, got_n;
        unhex(low_order[i], bad);
        for (size_t k = 0; k < 4; k++) {
            struct pair p;
            pair_start(&p, all_patterns[k]);
            if (all_patterns[k] != NOISE_XX) { /* as its static key, in our configuration */
                struct noise_config c = config_of(&p, all_patterns[k], true);
                struct noise ns;
                c.remote_static = bad;
                CHECK_OK(noise_init(&ns, &c));
                CHECK_EQ(VL_ECRYPTO, noise_write(&ns, vl_span(NULL, 0), m, sizeof m, &n));
                CHECK_EQ(NOISE_FAILED, noise_next(&ns));
                noise_destroy(&ns);
            }
            CHECK_OK(noise_write(&p.ns[0], vl_span(NULL, 0), m, sizeof m, &n)); /* as its ephemeral key */
            memcpy(m, bad, 32);
            enum vl_err err = noise_read(&p.ns[1], vl_span(m, n), got, sizeof got, &got_n);
            if (err == VL_OK) { /* XX takes the key as it is and meets it in its answer */
                CHECK_EQ(NOISE_XX, all_patterns[k]);
                err = noise_write(&p.ns[1], vl_span(NULL, 0), m, sizeof m, &n);
            }
            CHECK_EQ(VL_ECRYPTO, err);
            CHECK_EQ(NOISE_FAILED, noise_next(&p.ns[1]));
            pair_end(&p);
        }
    }
}

TEST(noise, refuses_another_prologue_pattern_or_responder_key) {
    for (size_t k = 0; k < 4; k++) {
        for (int what = 0; what < 2; what++) {
            struct pair p;
            uint8_t m[256], got[64];
            size_t n, got_n;
            if (what == 1 && all_patterns[k] == NOISE_XX) continue;
            pair_start(&p, all_patterns[k]);
            struct noise_config c = config_of(&p, all_patterns[k], true);
            if (what == 0) c.prologue = vl_span_str("Prologue");
            if (what == 1) c.remote_static = p.side[0].s.public;
            noise_destroy(&p.ns[0]);
            CHECK_OK(noise_init(&p.ns[0], &c));
            CHECK_OK(noise_write(&p.ns[0], vl_span(NULL, 0), m, sizeof m, &n));
            enum vl_err err = noise_read(&p.ns[1], vl_span(m, n), got, sizeof got, &got_n);
            if (err == VL_OK) {
                CHECK_EQ(NOISE_XX, all_patterns[k]); /* nothing is sealed in its first message */
                CHECK_OK(noise_write(&p.ns[1], vl_span(NULL, 0), m, sizeof m, &n));
                err = noise_read(&p.ns[0], vl_span(m, n), got, sizeof got, &got_n);
            }
            CHECK_EQ(VL_ECRYPTO, err);
            pair_end(&p);
        }
    }
}

TEST(noise, refuses_calls_out_of_turn_and_stays_usable) {
    struct pair p;
    uint8_t m[256], got[64];
    size_t n = 0, got_n = 0;
    struct noise_cipher send, recv;
    pair_start(&p, NOISE_XK);
    CHECK_EQ(VL_ESTATE, noise_read(&p.ns[0], vl_span(m, 0), got, sizeof got, &got_n));
    CHECK_EQ(VL_ESTATE, noise_write(&p.ns[1], vl_span(NULL, 0), m, sizeof m, &n));
    CHECK_EQ(VL_ESTATE, noise_split(&p.ns[0], &send, &recv));
    CHECK(noise_remote_static(&p.ns[0]) != NULL);
    CHECK(noise_remote_static(&p.ns[1]) == NULL);
    pair_run(&p, 3);
    CHECK(noise_remote_static(&p.ns[1]) != NULL);
    CHECK_EQ(NOISE_SPLIT, noise_next(&p.ns[0]));
    CHECK_EQ(0, noise_overhead(&p.ns[0]));
    CHECK_EQ(VL_ESTATE, noise_write(&p.ns[0], vl_span(NULL, 0), m, sizeof m, &n));
    CHECK_EQ(VL_ESTATE, noise_read(&p.ns[0], vl_span(m, 0), got, sizeof got, &got_n));
    CHECK_OK(noise_split(&p.ns[0], &send, &recv));
    noise_cipher_destroy(&send);
    noise_cipher_destroy(&recv);
    CHECK_EQ(NOISE_ENDED, noise_next(&p.ns[0]));
    CHECK_EQ(VL_ESTATE, noise_split(&p.ns[0], &send, &recv));
    pair_end(&p);
}

TEST(noise, a_failed_handshake_holds_no_secret_and_does_nothing_more) {
    struct pair p;
    uint8_t m[256] = { 0 }, got[64];
    size_t n = 0;
    pair_start(&p, NOISE_IK);
    CHECK_EQ(VL_ECRYPTO, noise_read(&p.ns[1], vl_span(m, 96), got, sizeof got, &n));
    CHECK_EQ(NOISE_FAILED, noise_next(&p.ns[1]));
    CHECK_EQ(VL_ESTATE, noise_read(&p.ns[1], vl_span(m, 96), got, sizeof got, &n));
    CHECK_EQ(0, noise_hash(&p.ns[1]).n);
    CHECK(noise_remote_static(&p.ns[1]) == NULL);
    static const struct noise blank = { .next = NOISE_FAILED }; /* static: its padding is zero too */
    CHECK_MEM(&blank, &p.ns[1], sizeof blank);
    pair_end(&p);
    noise_destroy(NULL);
}

TEST(noise, split_wipes_the_keys_but_keeps_hash_and_remote_key) {
    struct pair p;
    static const uint8_t zeros[64] = { 0 };
    struct noise_cipher send, recv;
    pair_start(&p, NOISE_XX);
    pair_run(&p, 3);
    CHECK_OK(noise_split(&p.ns[1], &send, &recv));
    CHECK_MEM(zeros, p.ns[1].ck, 64);
    CHECK_MEM(zeros, &p.ns[1].s, sizeof p.ns[1].s);
    CHECK_MEM(zeros, &p.ns[1].e, sizeof p.ns[1].e);
    CHECK_MEM(zeros, p.ns[1].aead.key, 32);
    CHECK_EQ(32, noise_hash(&p.ns[1]).n);
    CHECK_MEM(p.side[0].s.public, noise_remote_static(&p.ns[1]), 32);
    noise_cipher_destroy(&send);
    noise_cipher_destroy(&recv);
    pair_end(&p);
}

TEST(noise, message_length_ends_exactly_at_65535) {
    static uint8_t payload[NOISE_MESSAGE_MAX], m[NOISE_MESSAGE_MAX + 1], got[NOISE_MESSAGE_MAX];
    struct pair p;
    size_t n = 0, got_n = 0;
    pair_start(&p, NOISE_XK);
    size_t most = NOISE_MESSAGE_MAX - noise_overhead(&p.ns[0]);
    CHECK_EQ(VL_ELIMIT, noise_write(&p.ns[0], vl_span(payload, most + 1), m, sizeof m, &n));
    CHECK_EQ(VL_ELIMIT, noise_write(&p.ns[0], vl_span(payload, most), m, NOISE_MESSAGE_MAX - 1, &n));
    CHECK_EQ(0, n);
    CHECK_OK(noise_write(&p.ns[0], vl_span(payload, most), m, NOISE_MESSAGE_MAX, &n));
    CHECK_EQ(NOISE_MESSAGE_MAX, n);
    CHECK_EQ(VL_ELIMIT, noise_read(&p.ns[1], vl_span(m, n), got, most - 1, &got_n));
    CHECK_OK(noise_read(&p.ns[1], vl_span(m, n), got, most, &got_n)); /* the cap's refusal changed nothing */
    CHECK_EQ(most, got_n);
    CHECK_EQ(VL_EPARSE, noise_read(&p.ns[0], vl_span(m, sizeof m), got, sizeof got, &got_n));
    pair_end(&p);
}

TEST(noise, refuses_a_wrong_configuration) {
    struct pair p;
    struct noise ns;
    pair_keys(&p);
    struct noise_config good = config_of(&p, NOISE_XK, true), c = good;
    c.remote_static = NULL;
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = good;
    c.initiator = false; /* and yet a remote key */
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = good;
    c.static_key = NULL;
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = good;
    c.ephemeral_seed = NULL;
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = good;
    c.pattern = (enum noise_pattern)5;
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = good;
    c.cipher = (enum crypto_aead_kind)0;
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = good;
    c.hash = (enum crypto_hash_kind)3;
    CHECK_EQ(VL_ERANGE, noise_init(&ns, &c));
    c = config_of(&p, NOISE_X, false);
    c.ephemeral_seed = NULL;
    CHECK_OK(noise_init(&ns, &c));
    noise_destroy(&ns);
}

static void pair_split(struct pair *p, struct noise_cipher *to, struct noise_cipher *from) {
    struct noise_cipher a, b;
    CHECK_OK(noise_split(&p->ns[0], to, &a));
    CHECK_OK(noise_split(&p->ns[1], &b, from));
    noise_cipher_destroy(&a);
    noise_cipher_destroy(&b);
    pair_end(p);
}

TEST(noise, the_last_nonce_is_two_to_the_64_minus_2) {
    struct pair p;
    struct noise_cipher to, from;
    uint8_t m[32];
    pair_start(&p, NOISE_IK);
    pair_run(&p, 2);
    pair_split(&p, &to, &from);
    noise_cipher_set_nonce(&to, UINT64_MAX - 1);
    noise_cipher_set_nonce(&from, UINT64_MAX - 1);
    CHECK_OK(noise_cipher_seal(&to, vl_span(NULL, 0), (const uint8_t *)"x", 1, m));
    CHECK_OK(noise_cipher_open(&from, vl_span(NULL, 0), m, 17, m));
    CHECK_EQ('x', m[0]);
    for (int i = 0; i < 2; i++) { /* asking again does not wrap to nonce 0 */
        CHECK_EQ(VL_ELIMIT, noise_cipher_seal(&to, vl_span(NULL, 0), (const uint8_t *)"x", 1, m));
        CHECK_EQ(VL_ELIMIT, noise_cipher_open(&from, vl_span(NULL, 0), m, 17, m));
    }
    noise_cipher_destroy(&to);
    noise_cipher_destroy(&from);
}

TEST(noise, transport_refuses_replay_and_forgery_without_losing_its_place) {
    struct pair p;
    struct noise_cipher to, from;
    uint8_t m1[20], m2[20], got[4];
    pair_start(&p, NOISE_XX);
    pair_run(&p, 3);
    pair_split(&p, &to, &from);
    CHECK_OK(noise_cipher_seal(&to, vl_span(NULL, 0), (const uint8_t *)"one.", 4, m1));
    CHECK_OK(noise_cipher_seal(&to, vl_span(NULL, 0), (const uint8_t *)"two.", 4, m2));
    CHECK_EQ(VL_ECRYPTO, noise_cipher_open(&from, vl_span(NULL, 0), m2, 20, got)); /* out of order */
    CHECK_OK(noise_cipher_open(&from, vl_span(NULL, 0), m1, 20, got));
    CHECK_EQ(VL_ECRYPTO, noise_cipher_open(&from, vl_span(NULL, 0), m1, 20, got)); /* replayed */
    CHECK_EQ(VL_ECRYPTO, noise_cipher_open(&from, vl_span(NULL, 0), m2, 15, got)); /* shorter than a tag */
    CHECK_OK(noise_cipher_open(&from, vl_span(NULL, 0), m2, 20, got));
    CHECK_MEM("two.", got, 4);
    noise_cipher_destroy(&to);
    noise_cipher_destroy(&from);
}

TEST(noise, both_ends_rekey_together) {
    struct pair p;
    struct noise_cipher to, from;
    uint8_t m[20], got[4];
    pair_start(&p, NOISE_XX);
    pair_run(&p, 3);
    pair_split(&p, &to, &from);
    CHECK_OK(noise_cipher_rekey(&to));
    CHECK_OK(noise_cipher_seal(&to, vl_span(NULL, 0), (const uint8_t *)"new!", 4, m));
    CHECK_EQ(VL_ECRYPTO, noise_cipher_open(&from, vl_span(NULL, 0), m, 20, got));
    CHECK_OK(noise_cipher_rekey(&from));
    CHECK_OK(noise_cipher_open(&from, vl_span(NULL, 0), m, 20, got));
    CHECK_MEM("new!", got, 4);
    noise_cipher_destroy(&to);
    noise_cipher_destroy(&from);
}

TEST(noise, pattern_x_has_one_direction_only) {
    struct pair p;
    struct noise_cipher send[2], recv[2];
    uint8_t m[17];
    pair_start(&p, NOISE_X);
    pair_run(&p, 1);
    for (int i = 0; i < 2; i++) CHECK_OK(noise_split(&p.ns[i], &send[i], &recv[i]));
    CHECK_OK(noise_cipher_seal(&send[0], vl_span(NULL, 0), (const uint8_t *)"x", 1, m));
    CHECK_EQ(VL_ESTATE, noise_cipher_open(&recv[0], vl_span(NULL, 0), m, 17, m));
    CHECK_EQ(VL_ESTATE, noise_cipher_seal(&send[1], vl_span(NULL, 0), (const uint8_t *)"x", 1, m));
    CHECK_EQ(VL_ESTATE, noise_cipher_rekey(&send[1]));
    CHECK_OK(noise_cipher_open(&recv[1], vl_span(NULL, 0), m, 17, m));
    for (int i = 0; i < 2; i++) {
        noise_cipher_destroy(&send[i]);
        noise_cipher_destroy(&recv[i]);
    }
    pair_end(&p);
}
