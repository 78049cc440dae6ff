#include "crypto/msm.h"
#include "crypto/msm_secret.h"

#include "base/prng.h"
#include "base/text.h"
#include "crypto/random.h"

#include "check.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void unhex(const char *hex, uint8_t *dst) { CHECK_OK(vl_hex_decode(hex, dst, strlen(hex) / 2)); }

static void draw(struct vl_prng *rng, void *dst, size_t n) {
    for (uint8_t *p = dst; n-- > 0;) *p++ = (uint8_t)vl_prng_next(rng);
}
static void draw_scalar(struct vl_prng *rng, uint8_t ret[32]) {
    uint8_t wide[64];
    draw(rng, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(ret, wide);
}
static struct ristretto draw_point(struct vl_prng *rng, uint8_t ret_encoded[32]) {
    uint8_t wide[64];
    struct ristretto p;
    draw(rng, wide, sizeof wide);
    ristretto_from_uniform(wide, &p);
    ristretto_encode(&p, ret_encoded);
    return p;
}

/* --- the field, against plain arithmetic on bytes: L and p are checked by what they do below --- */
static const uint8_t prime[32] = { 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f };

/* a * b mod p by shifting and adding bytes. */
static void slow_mul(const uint8_t a[32], const uint8_t b[32], uint8_t ret[32]) {
    uint8_t r[33] = { 0 }, p[33] = { 0 }, add[33] = { 0 };
    memcpy(p, prime, 32);
    memcpy(add, a, 32);
    for (int bit = 255; bit >= 0; bit--) {
        sodium_add(r, r, 33);
        if (sodium_compare(r, p, 33) >= 0) sodium_sub(r, p, 33);
        if (b[bit / 8] >> bit % 8 & 1) sodium_add(r, add, 33);
        while (sodium_compare(r, p, 33) >= 0) sodium_sub(r, p, 33);
    }
    memcpy(ret, r, 32);
}

TEST(fe25519, multiplies_squares_and_inverts_as_plain_arithmetic_does) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 25519);
    for (int i = 0; i < 200; i++) {
        uint8_t a[32], b[32], want[32], got[32];
        draw(&rng, a, 32);
        draw(&rng, b, 32);
        if (i % 4 == 1) memset(a + 1, 0xff, 31); /* limbs of ones, also above p */
        if (i % 8 == 1) memset(b, 0xff, 32);
        if (i % 16 == 3) memset(b, 0, 32);
        a[31] &= 0x7f;
        b[31] &= 0x7f;
        struct fe x = fe_decode(a), y = fe_decode(b);
        slow_mul(a, b, want);
        fe_encode(fe_mul(x, y), got);
        CHECK_MEM(want, got, 32);
        slow_mul(a, a, want);
        fe_encode(fe_sq(x), got);
        CHECK_MEM(want, got, 32);
        struct fe z = fe_invert(x);
        CHECK(fe_equal(fe_mul(z, x), FE_ONE) || fe_is_zero(x));
    }
}

/* Where every limb is as large as the header allows, and where the value is p, p - 1, 2 p. */
TEST(fe25519, holds_at_the_edges_of_its_limbs) {
    const uint64_t most = (1ull << 54) - 1;
    struct fe full = { { most, most, most, most, most } }, reduced = fe_carry(full);
    uint8_t a[32], b[32], want[32];
    fe_encode(full, a);
    fe_encode(reduced, b);
    CHECK_MEM(a, b, 32);
    slow_mul(a, a, want);
    fe_encode(fe_mul(full, full), b);
    CHECK_MEM(want, b, 32);
    fe_encode(fe_sq(full), b);
    CHECK_MEM(want, b, 32);
    for (int i = 0; i < 5; i++) {
        CHECK(fe_mul(full, full).v[i] < (1ull << 51) + (1u << 15));
        CHECK(reduced.v[i] < (1ull << 51) + (1u << 15));
    }
    struct fe p = { { FE_MASK - 18, FE_MASK, FE_MASK, FE_MASK, FE_MASK } }, zero = FE_ZERO;
    CHECK(fe_is_zero(p) && fe_is_zero(fe_add(p, p)) && fe_is_zero(fe_sub(zero, p)) && !fe_is_zero(FE_ONE));
    struct fe below = fe_sub(p, FE_ONE);
    fe_encode(below, a);
    memcpy(b, prime, 32);
    b[0]--;
    CHECK_MEM(b, a, 32);
    CHECK_EQ(0, fe_is_negative(below)); /* p - 1 is even */
    CHECK_EQ(1, fe_is_negative(FE_ONE));
    CHECK(!fe_canonical_vartime(prime) && fe_canonical_vartime(a));
}

TEST(fe25519, reduces_64_bytes) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 3);
    for (int i = 0; i < 100; i++) {
        uint8_t in[64], low[32] = { 0 }, high[32] = { 0 }, got[32], want[32], p[33] = { 0 }, sum[33] = { 0 },
                        wide[33] = { 0 };
        draw(&rng, in, 64);
        if (i < 4) memset(in, i % 2 ? 0xff : 0, 64);
        if (i >= 2 && i < 4) in[31] = 0x80;
        memcpy(low, in, 32);
        slow_mul(in + 32, (const uint8_t[32]){ 38 }, high);
        memcpy(p, prime, 32);
        memcpy(sum, low, 32);
        memcpy(wide, high, 32);
        sodium_add(sum, wide, 33);
        while (sodium_compare(sum, p, 33) >= 0) sodium_sub(sum, p, 33);
        memcpy(want, sum, 32);
        fe_encode(fe_decode_wide(in), got);
        CHECK_MEM(want, got, 32);
    }
}

/* --- ristretto255 --- */

/* RFC 9496 appendix A.1: 0 to 15 times the generator. */
static const char *const multiples[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57",
    "e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e",
    "f64746d3c92b13050ed8d80236a7f0007c3b3f962f5ba793d19a601ebb1df403",
    "44f53520926ec81fbd5a387845beb7df85a96a24ece18738bdcfa6a7822a176d",
    "903293d8f2287ebe10e2374dc1a53e0bc887e592699f02d077d5263cdd55601c",
    "02622ace8f7303a31cafc63f8fc48fdc16e1c8c8d234b2f0d6685282a9076031",
    "20706fd788b2720a1ed2a5dad4952b01f413bcf0e7564de8cdc816689e2db95f",
    "bce83f8ba5dd2fa572864c24ba1810f9522bc6004afe95877ac73241cafdab42",
    "e4549ee16b9aa03099ca208c67adafcafa4c3f3e4e5303de6026e3ca8ff84460",
    "aa52e000df2e16f55fb1032fc33bc42742dad6bd5a8fc0be0167436c5948501f",
    "46376b80f409b29dc2b5f6f0c52591990896e5716f41477cd30085ab7f10301e",
    "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e",
};

TEST(ristretto, encodes_and_decodes_the_multiples_of_rfc_9496) {
    struct ristretto sum = ristretto_identity(), base = ristretto_base();
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < sizeof multiples / sizeof *multiples; i++) {
        uint8_t want[32], got[32];
        struct ristretto p, q;
        unhex(multiples[i], want);
        ristretto_encode(&sum, got);
        CHECK_MEM(want, got, 32);
        CHECK_OK(ristretto_decode(want, &p));
        CHECK(ristretto_equal(&p, &sum));
        CHECK_EQ(i == 0, ristretto_is_identity(&p));
        ristretto_mul_base((const uint8_t[32]){ (uint8_t)i }, &q);
        CHECK(ristretto_equal(&q, &sum));
        ristretto_mul((const uint8_t[32]){ (uint8_t)i }, &base, &q);
        CHECK(ristretto_equal(&q, &sum));
        q = ristretto_double(&sum);
        p = ristretto_sub(&q, &sum);
        CHECK(ristretto_equal(&p, &sum));
        p = ristretto_neg(&sum);
        q = ristretto_add(&p, &sum);
        CHECK(ristretto_is_identity(&q));
        CHECK_EQ(i == 0, ristretto_equal(&p, &sum));
        sum = ristretto_add(&sum, &base);
    }
}

/* RFC 9496 appendix A.2. */
static const char *const refused[] = {
    /* not canonical */
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    /* negative */
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
    "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
    "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
    "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
    "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
    /* x^2 is no square */
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
    "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
    "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
    "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
    "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
    "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
    /* x y is negative */
    "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
    "d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
    "8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
    "32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
    "227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
    "5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
    "445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
    /* s = -1, hence y = 0 */
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

TEST(ristretto, refuses_the_encodings_that_rfc_9496_calls_invalid) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        uint8_t in[32];
        struct ristretto p;
        unhex(refused[i], in);
        CHECK_EQ(VL_EPARSE, ristretto_decode(in, &p));
    }
}

/* libsodium 1.0.18 takes these: an element would have two encodings. */
TEST(ristretto, refuses_a_last_bit_that_is_set) {
    for (size_t i = 0; i < sizeof multiples / sizeof *multiples; i++) {
        uint8_t in[32];
        struct ristretto p;
        unhex(multiples[i], in);
        in[31] |= 0x80;
        CHECK_EQ(VL_EPARSE, ristretto_decode(in, &p));
    }
}

/* RFC 9496 appendix A.3, from the SHA-512 of these texts. */
TEST(ristretto, derives_the_elements_of_rfc_9496) {
    static const char *const cases[][2] = {
        { "Ristretto is traditionally a short shot of espresso coffee",
          "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46" },
        { "made with the normal amount of ground coffee but extracted with",
          "f26e5b6f7d362d2d2a94c5d0e7602cb4773c95a2e5c31a64f133189fa76ed61b" },
        { "about half the amount of water in the same amount of time",
          "006ccd2a9e6867e6a2c5cea83d3302cc9de128dd2a9a57dd8ee7b9d7ffe02826" },
        { "by using a finer grind.", "f8f0c87cf237953c5890aec3998169005dae3eca1fbb04548c635953c817f92a" },
        { "This produces a concentrated shot of coffee per volume.",
          "ae81e7dedf20a497e10c304a765c1767a42d6e06029758d2d7e8ef7cc4c41179" },
        { "Just pulling a normal shot short will produce a weaker shot",
          "e2705652ff9f5e44d3e841bf1c251cf7dddb77d140870d1ab2ed64f1a9ce8628" },
        { "and is not a Ristretto as some believe.",
          "80bd07262511cdde4863f8a7434cef696750681cb9510eea557088f76d9e5065" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t wide[64], want[32], got[32];
        struct ristretto p;
        crypto_hash_sha512(wide, (const uint8_t *)cases[i][0], strlen(cases[i][0]));
        unhex(cases[i][1], want);
        ristretto_from_uniform(wide, &p);
        ristretto_encode(&p, got);
        CHECK_MEM(want, got, 32);
    }
}

TEST(ristretto, agrees_with_libsodium_on_everything_it_can_do) {
    struct vl_prng rng;
    unsigned decoded = 0;
    CHECK_OK(crypto_init());
    vl_prng_seed(&rng, 9496);
    for (int i = 0; i < 300; i++) {
        uint8_t wide[64], a[32], b[32], want[32], got[32], scalar[32];
        struct ristretto p, q, r;
        draw(&rng, wide, sizeof wide);
        if (i == 0) memset(wide, 0xff, sizeof wide); /* the bits that are masked */
        if (i == 1) memset(wide, 0, sizeof wide);
        CHECK_OK(crypto_core_ristretto255_from_hash(want, wide));
        ristretto_from_uniform(wide, &p);
        ristretto_encode(&p, a);
        CHECK_MEM(want, a, 32);
        q = draw_point(&rng, b);
        r = ristretto_add(&p, &q);
        ristretto_encode(&r, got);
        CHECK_OK(crypto_core_ristretto255_add(want, a, b));
        CHECK_MEM(want, got, 32);
        r = ristretto_sub(&p, &q);
        ristretto_encode(&r, got);
        CHECK_OK(crypto_core_ristretto255_sub(want, a, b));
        CHECK_MEM(want, got, 32);
        draw_scalar(&rng, scalar);
        ristretto_mul(scalar, &p, &r);
        ristretto_encode(&r, got);
        int identity = crypto_scalarmult_ristretto255(want, scalar, a); /* case 1: p is the identity */
        CHECK_EQ(identity != 0, ristretto_is_identity(&r));
        CHECK_MEM(want, got, 32);
        /* raw bytes: both take or both refuse them */
        draw(&rng, got, 32);
        got[31] &= 0x7f;
        got[0] &= 0xfe;
        enum vl_err err = ristretto_decode(got, &r);
        CHECK_EQ(crypto_core_ristretto255_is_valid_point(got), err == VL_OK);
        if (err == VL_OK) {
            ristretto_encode(&r, want);
            CHECK_MEM(got, want, 32);
            decoded++;
        }
    }
    CHECK(decoded > 50 && decoded < 100); /* a quarter */
}

/* Coordinates of one element that differ by a point of order 4 have one encoding, and are equal. */
TEST(ristretto, sees_one_element_in_all_its_coordinates) {
    static const char *const order_4 = "0000000000000000000000000000000000000000000000000000000000000000";
    struct vl_prng rng;
    uint8_t in[32], want[32], got[32];
    struct edwards torsion;
    struct ristretto p, q;
    vl_prng_seed(&rng, 4);
    unhex(order_4, in);
    CHECK_OK(edwards_decode_vartime(in, &torsion));
    struct edwards_cached c = edwards_cache(&torsion);
    for (int i = 0; i < 20; i++) {
        p = i == 0 ? ristretto_identity() : draw_point(&rng, want);
        ristretto_encode(&p, want);
        q = p;
        for (int k = 0; k < 4; k++) {
            q.e = edwards_add(&q.e, &c);
            CHECK(ristretto_equal(&p, &q));
            CHECK_EQ(i == 0, ristretto_is_identity(&q));
            ristretto_encode(&q, got);
            CHECK_MEM(want, got, 32);
        }
    }
}

/* --- the curve --- */
TEST(edwards, agrees_with_libsodium_about_points_and_their_order) {
    struct vl_prng rng;
    unsigned points = 0;
    CHECK_OK(crypto_init());
    vl_prng_seed(&rng, 8032);
    for (int i = 0; i < 400; i++) {
        uint8_t in[32], got[32], sum[32], two[32];
        struct edwards p;
        draw(&rng, in, 32);
        bool decoded = edwards_decode_vartime(in, &p) == VL_OK;
        CHECK_EQ(crypto_core_ed25519_add(sum, in, in) == 0, decoded); /* takes any point */
        if (!decoded) continue;
        points++;
        edwards_encode(&p, got);
        CHECK_MEM(in, got, 32);
        struct edwards d = edwards_double(&p);
        edwards_encode(&d, got);
        CHECK_MEM(sum, got, 32);
        CHECK_EQ(crypto_core_ed25519_is_valid_point(in), edwards_is_prime_order_vartime(&p));
        d = edwards_clear_cofactor(&p);
        edwards_encode(&d, got);
        CHECK_OK(crypto_core_ed25519_add(two, sum, sum));
        CHECK_OK(crypto_core_ed25519_add(two, two, two));
        CHECK_MEM(two, got, 32);
        CHECK(edwards_is_prime_order_vartime(&d));
    }
    CHECK(points > 150 && points < 250);
    struct edwards base = edwards_base, none = edwards_identity();
    CHECK(edwards_is_prime_order_vartime(&base) && edwards_is_prime_order_vartime(&none));
    CHECK(edwards_is_identity_vartime(&none) && !edwards_is_identity_vartime(&base));
}

TEST(edwards, decodes_no_point_twice) {
    static const char *const bad[] = {
        "0100000000000000000000000000000000000000000000000000000000000080", /* x = 0 with a sign */
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* y = p, p + 1, p + 3 */
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t in[32];
        struct edwards p;
        unhex(bad[i], in);
        CHECK_EQ(VL_EPARSE, edwards_decode_vartime(in, &p));
    }
}

TEST(edwards, two_products_at_once_are_those_of_libsodium) {
    struct vl_prng rng;
    CHECK_OK(crypto_init());
    vl_prng_seed(&rng, 2);
    for (int i = 0; i < 100; i++) {
        uint8_t a[32], b[32], k[32], p[32], ap[32], bb[32], want[32], got[32];
        struct edwards point, base = edwards_base;
        draw_scalar(&rng, a);
        draw_scalar(&rng, b);
        draw_scalar(&rng, k);
        CHECK_OK(crypto_scalarmult_ed25519_base_noclamp(p, k));
        CHECK_OK(edwards_decode_vartime(p, &point));
        CHECK_OK(crypto_scalarmult_ed25519_noclamp(ap, a, p));
        CHECK_OK(crypto_scalarmult_ed25519_base_noclamp(bb, b));
        CHECK_OK(crypto_core_ed25519_add(want, ap, bb));
        struct edwards r = edwards_mul2_vartime(a, &point, b, &base);
        edwards_encode(&r, got);
        CHECK_MEM(want, got, 32);
    }
}

/* --- many products --- */
enum { MOST = 700 };
typedef const uint8_t (*rows)[32];
struct terms {
    uint8_t scalar[MOST][32], encoded[MOST][32];
    struct ristretto point[MOST];
};

/* The sum on libsodium's interface; it refuses products that are the identity, which add nothing. */
static void slow_sum(const struct terms *t, size_t n, uint8_t ret[32]) {
    memset(ret, 0, 32);
    for (size_t i = 0; i < n; i++) {
        uint8_t product[32], scalar[32], wide[64] = { 0 };
        memcpy(wide, t->scalar[i], 32);
        crypto_core_ristretto255_scalar_reduce(scalar, wide);
        if (crypto_scalarmult_ristretto255(product, scalar, t->encoded[i]) != 0) continue;
        CHECK_OK(crypto_core_ristretto255_add(ret, ret, product));
    }
}

/* Of the same scalars modulo L, since it takes no others. */
static void check_secret_sum(const struct terms *t, size_t n, const uint8_t want[32]) {
    static uint8_t reduced[MOST][32];
    uint8_t got[32], wide[64] = { 0 };
    struct ristretto sum;
    for (size_t i = 0; i < n; i++) {
        memcpy(wide, t->scalar[i], 32);
        crypto_core_ristretto255_scalar_reduce(reduced[i], wide);
    }
    CHECK_OK(msm_secret((rows)reduced, t->point, n, &sum));
    ristretto_encode(&sum, got);
    CHECK_MEM(want, got, 32);
}

static void check_sum(const struct terms *t, size_t n) {
    uint8_t want[32], got[32];
    struct ristretto sum;
    slow_sum(t, n, want);
    check_secret_sum(t, n, want);
    CHECK_OK(msm_vartime((rows)t->scalar, t->point, n, &sum));
    ristretto_encode(&sum, got);
    CHECK_MEM(want, got, 32);
    CHECK_OK(msm_encoded_vartime((rows)t->scalar, (rows)t->encoded, n, &sum));
    ristretto_encode(&sum, got);
    CHECK_MEM(want, got, 32);
}

static void draw_terms(struct terms *t, uint64_t seed) {
    struct vl_prng rng;
    vl_prng_seed(&rng, seed);
    for (size_t i = 0; i < MOST; i++) {
        draw_scalar(&rng, t->scalar[i]);
        t->point[i] = draw_point(&rng, t->encoded[i]);
    }
}

TEST(msm, sums_as_libsodium_does_for_every_method_and_window) {
    static const size_t sizes[] = { 0, 1, 2, 3, 31, 32, 63, 64, 65, MSM_STRAUS_MAX, MSM_STRAUS_MAX + 1, 257, MOST };
    struct terms *t = malloc(sizeof *t);
    CHECK(t != NULL);
    CHECK_OK(crypto_init());
    draw_terms(t, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_sum(t, sizes[i]);
    free(t);
}

/* 0, 1, L - 1, L, 2^256 - 1, runs of ones and single bits, beside the identity, a point twice and its opposite. */
TEST(msm, sums_hard_scalars_and_points) {
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                       0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    static const size_t sizes[] = { 12, 24, MSM_STRAUS_MAX + 20 };
    struct terms *t = malloc(sizeof *t);
    CHECK(t != NULL);
    CHECK_OK(crypto_init());
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        draw_terms(t, 2 + s);
        for (size_t i = 0; i < sizes[s]; i++) {
            uint8_t *k = t->scalar[i];
            unsigned bit = (unsigned)(i * 37 % 256);
            switch (i % 12) {
            case 0:
                memset(k, 0, 32);
                break;
            case 1:
                memset(k, 0xff, 32);
                break;
            case 2:
                memcpy(k, order, 32);
                break;
            case 3:
                memcpy(k, order, 32), k[0]--;
                break;
            case 4:
                memset(k, 0, 32), k[0] = 1;
                break;
            case 5:
                memset(k, 0, 32), k[bit / 8] = (uint8_t)(1u << bit % 8);
                break;
            case 6:
                memset(k, 0x55, 32);
                break;
            case 7:
                t->point[i] = ristretto_identity();
                break;
            case 8:
                t->point[i] = t->point[i - 8];
                break;
            case 9:
                t->point[i] = ristretto_neg(&t->point[i - 9]);
                break;
            case 10:
                memset(k, 0x84, 32);
                break; /* digits of the same size, all negative */
            default:
                break;
            }
            ristretto_encode(&t->point[i], t->encoded[i]);
        }
        check_sum(t, sizes[s]);
    }
    free(t);
}

TEST(msm, of_opposite_terms_is_the_identity) {
    struct terms *t = malloc(sizeof *t);
    struct ristretto sum;
    CHECK(t != NULL);
    CHECK_OK(crypto_init());
    for (size_t n = 2; n <= MOST; n *= 7) {
        draw_terms(t, n);
        for (size_t i = 0; i < n / 2; i++) {
            memcpy(t->scalar[n - 1 - i], t->scalar[i], 32);
            t->point[n - 1 - i] = ristretto_neg(&t->point[i]);
        }
        CHECK_OK(msm_vartime((rows)t->scalar, t->point, n, &sum));
        CHECK(ristretto_is_identity(&sum));
        t->scalar[n / 2][0] ^= 1;
        CHECK_OK(msm_vartime((rows)t->scalar, t->point, n, &sum));
        CHECK(!ristretto_is_identity(&sum));
    }
    free(t);
}

/* The largest it takes: all digits are the most negative, or carry; and a single digit of every size at every place. */
TEST(msm, secret_sums_hold_for_every_digit) {
    struct ristretto base = ristretto_base(), sum, minus;
    uint8_t scalar[2][32], want[32], got[32];
    const struct ristretto points[2] = { base, base };
    CHECK_OK(crypto_init());
    for (unsigned at = 0; at < 64; at++)
        for (unsigned digit = 0; digit < (at == 63 ? 2u : 16u); digit++) {
            memset(scalar, 0, sizeof scalar);
            scalar[0][at / 2] = (uint8_t)(digit << at % 2 * 4);
            CHECK_OK(msm_secret((rows)scalar, points, 1, &sum));
            CHECK_OK(msm_vartime((rows)scalar, points, 1, &minus));
            CHECK(ristretto_equal(&sum, &minus));
        }
    memset(scalar, 0xff, sizeof scalar);
    scalar[0][31] = scalar[1][31] = 0x1f; /* 2^253 - 1 */
    memset(scalar[1], 0x88, 31);
    CHECK_OK(msm_secret((rows)scalar, points, 2, &sum));
    CHECK_OK(msm_vartime((rows)scalar, points, 2, &minus));
    ristretto_encode(&sum, got);
    ristretto_encode(&minus, want);
    CHECK_MEM(want, got, 32);
}

TEST(msm, refuses_an_encoding_that_is_none_and_too_many_terms) {
    uint8_t scalar[2][32] = { { 1 }, { 2 } }, point[2][32] = { { 0 }, { 1 } };
    struct ristretto sum;
    CHECK_EQ(VL_EPARSE, msm_encoded_vartime((rows)scalar, (rows)point, 2, &sum));
    CHECK_OK(msm_encoded_vartime((rows)scalar, (rows)point, 1, &sum));
    CHECK_EQ(VL_ERANGE, msm_encoded_vartime(NULL, NULL, MSM_MAX + 1, &sum));
    CHECK_EQ(VL_ERANGE, msm_vartime(NULL, NULL, MSM_MAX + 1, &sum));
}
