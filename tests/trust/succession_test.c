#include "trust/succession.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/roster.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define T0 5000000u
static const struct village_id village = { { 1, 2, 3 } };

static struct crypto_sign_key key_of(uint8_t n) {
    uint8_t seed[32] = { n };
    struct crypto_sign_key k;
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed(seed, &k);
    return k;
}

static struct vl_node_id id_of(uint8_t n) {
    struct crypto_sign_key k = key_of(n);
    return crypto_sign_node_id(&k);
}

static struct succession made(uint8_t old, uint8_t next, vl_ms at) {
    struct crypto_sign_key a = key_of(old), b = key_of(next);
    struct succession s = { .village = village, .static_key = { next }, .at_ms = at };
    succession_sign(&a, &b, &s);
    return s;
}

TEST(succession, is_signed_by_both_keys_and_for_one_village) {
    struct succession s = made(1, 2, T0), other = made(3, 2, T0), back;
    uint8_t raw[SUCCESSION_BYTES];
    CHECK_OK(succession_verify(&s, village));
    CHECK_EQ(VL_EDENIED, succession_verify(&s, (struct village_id){ { 9 } }));
    succession_encode(&s, raw);
    CHECK_OK(succession_decode(vl_span(raw, sizeof raw), &back));
    CHECK_OK(succession_verify(&back, village));
    for (size_t i = 0; i < sizeof raw; i++) {
        raw[i] ^= 1;
        if (succession_decode(vl_span(raw, sizeof raw), &back) == VL_OK) CHECK(succession_verify(&back, village) != VL_OK);
        raw[i] ^= 1;
        CHECK(succession_decode(vl_span(raw, i), &back) != VL_OK);
    }
    back = s;
    memcpy(back.by_next, s.by_old, 64); /* old alone cannot do it */
    CHECK_EQ(VL_ECRYPTO, succession_verify(&back, village));
    back = s;
    memcpy(back.by_old, other.by_old, 64);
    CHECK_EQ(VL_ECRYPTO, succession_verify(&back, village));
    memset(raw, 0, sizeof raw);
    CHECK_EQ(VL_EVERSION, succession_decode(vl_span(raw, sizeof raw), &back));
    raw[0] = 1; /* old and new alike */
    CHECK_EQ(VL_EPARSE, succession_decode(vl_span(raw, sizeof raw), &back));
}

TEST(succession, proves_a_line_from_its_first_key_to_its_last_and_nothing_else) {
    struct succession v[] = { made(1, 2, T0), made(2, 3, T0 + 1), made(3, 4, T0 + 1) };
    CHECK_OK(succession_chain(v, 3, village, id_of(1), id_of(4)));
    CHECK_OK(succession_chain(v + 1, 1, village, id_of(2), id_of(3)));
    CHECK_EQ(VL_ERANGE, succession_chain(v, 0, village, id_of(1), id_of(1)));
    CHECK_EQ(VL_ESTALE, succession_chain(v, 3, village, id_of(1), id_of(3)));
    CHECK_EQ(VL_ESTALE, succession_chain(v, 3, village, id_of(2), id_of(4)));
    CHECK_EQ(VL_ESTALE, succession_chain((struct succession[]){ v[0], v[2] }, 2, village, id_of(1), id_of(4))); /* a gap */
    struct succession loop[] = { made(1, 2, T0), made(2, 1, T0) };
    CHECK_EQ(VL_ESTALE, succession_chain(loop, 2, village, id_of(1), id_of(1)));
    struct succession back[] = { made(1, 2, T0 + 1), made(2, 3, T0) };
    CHECK_EQ(VL_ESTALE, succession_chain(back, 2, village, id_of(1), id_of(3)));
    v[1].by_old[3] ^= 1;
    CHECK_EQ(VL_ECRYPTO, succession_chain(v, 3, village, id_of(1), id_of(4)));
}

TEST(succession, book_knows_the_origin_of_every_key_in_whatever_order_it_learns) {
    struct succession v[] = { made(3, 4, T0 + 2), made(1, 2, T0), made(2, 3, T0 + 1) };
    struct succession_book *b = succession_book_create(village, 7);
    bool fresh = false;
    CHECK(b != NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(succession_take(b, &v[i], &fresh));
        CHECK(fresh);
    }
    CHECK_OK(succession_take(b, &v[1], &fresh));
    CHECK(!fresh);
    CHECK_EQ(3, succession_count(b));
    for (uint8_t k = 1; k <= 4; k++) CHECK(vl_node_eq(id_of(1), succession_origin(b, id_of(k))));
    CHECK(vl_node_eq(id_of(9), succession_origin(b, id_of(9))));
    CHECK(vl_node_eq(id_of(2), succession_to(b, id_of(3))->old));
    CHECK(vl_node_eq(id_of(4), succession_from(b, id_of(3))->next));
    CHECK(succession_to(b, id_of(1)) == NULL && succession_from(b, id_of(4)) == NULL);
    succession_book_destroy(b);
}

TEST(succession, book_lets_no_key_have_two_heirs_or_come_back_into_a_line) {
    struct succession s = made(1, 2, T0), again = made(1, 2, T0 + 9), other = made(1, 3, T0), back = made(2, 1, T0), into = made(5, 2, T0),
                      late = made(6, 7, T0 + ROSTER_SKEW_MS + 1);
    struct succession_book *b = succession_book_create(village, 7);
    bool fresh = false;
    CHECK_OK(succession_may(b, &s, T0));
    CHECK_OK(succession_take(b, &s, &fresh));
    CHECK_OK(succession_may(b, &again, T0 + 9)); /* made anew after a restart: the same two keys */
    CHECK_OK(succession_take(b, &again, &fresh));
    CHECK(!fresh);
    CHECK_EQ(T0, succession_to(b, id_of(2))->at_ms); /* the first one stays */
    CHECK_EQ(VL_EEXISTS, succession_may(b, &other, T0));
    CHECK_EQ(VL_EEXISTS, succession_may(b, &back, T0));
    CHECK_EQ(VL_EEXISTS, succession_may(b, &into, T0));
    again.static_key[0] ^= 1;
    CHECK_EQ(VL_ECRYPTO, succession_may(b, &again, T0 + 9));
    CHECK_EQ(VL_EAGAIN, succession_may(b, &late, T0));
    late = made(6, 7, T0 + ROSTER_SKEW_MS);
    CHECK_OK(succession_may(b, &late, T0));
    late.at_ms++;
    CHECK_EQ(VL_ECRYPTO, succession_may(b, &late, T0));
    CHECK_EQ(1, succession_count(b));
    succession_book_destroy(b);
}

/* Statements that exist must stay good: context and layout never change under version 1. */
TEST(succession, writes_version_1_byte_for_byte) {
    struct succession s = made(1, 2, T0);
    uint8_t raw[SUCCESSION_BYTES];
    struct vl_hash h;
    char text[65];
    succession_encode(&s, raw);
    crypto_blake2b256(vl_span(raw, sizeof raw), &h);
    vl_hex_encode(h.b, sizeof h.b, text);
    CHECK_STR("5377351962119f54934b1067e852ea92ab5da515598e0e1ce323ae4f2d3b223c", text);
}
