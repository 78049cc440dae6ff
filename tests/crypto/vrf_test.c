#include "crypto/vrf.h"

#include "base/text.h"
#include "crypto/random.h"

#include "check.h"

#include <sodium.h>
#include <string.h>

/* RFC 9381 appendix B.3, ECVRF-EDWARDS25519-SHA512-TAI, examples 16 to 18. */
static const struct example {
    const char *sk, *pk, *alpha, *pi, *beta;
} examples[] = {
    { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97"
      "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
      "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af02679"
      "8e8f81cd2e333de5cdf4f3e140fdd8ae" },
    { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465"
      "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
      "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848"
      "a0bef4553a41befc57663b56373a5031" },
    { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0"
      "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
      "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241"
      "578be7217ba85a2687f7a0310b2df19f" },
};
#define EXAMPLES (sizeof examples / sizeof *examples)

static struct vl_span unhex(const char *hex, uint8_t *dst) {
    size_t n = strlen(hex) / 2;
    CHECK_OK(vl_hex_decode(hex, dst, n));
    return vl_span(dst, n);
}

/* An honest proof to spoil. */
struct rig {
    struct crypto_vrf_key key;
    uint8_t proof[CRYPTO_VRF_PROOF];
    struct vl_span input;
};
static void rig_init(struct rig *r) {
    uint8_t seed[32];
    CHECK_OK(crypto_init());
    memset(seed, 7, sizeof seed);
    crypto_vrf_key_from_seed(seed, &r->key);
    r->input = vl_span_str("input");
    CHECK_OK(crypto_vrf_prove(&r->key, r->input, r->proof));
    CHECK_OK(crypto_vrf_verify(r->key.public, r->input, r->proof, NULL));
}

TEST(vrf, gives_the_proofs_and_outputs_of_rfc_9381) {
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < EXAMPLES; i++) {
        uint8_t sk[32], pk[32], alpha[8], pi[80], beta[64], proof[80], out[64], out2[64];
        struct crypto_vrf_key key;
        unhex(examples[i].sk, sk);
        unhex(examples[i].pk, pk);
        unhex(examples[i].pi, pi);
        unhex(examples[i].beta, beta);
        struct vl_span in = unhex(examples[i].alpha, alpha);
        crypto_vrf_key_from_seed(sk, &key);
        CHECK_MEM(pk, key.public, 32);
        CHECK_OK(crypto_vrf_prove(&key, in, proof));
        CHECK_MEM(pi, proof, 80);
        CHECK_OK(crypto_vrf_output(proof, out));
        CHECK_MEM(beta, out, 64);
        CHECK_OK(crypto_vrf_verify(pk, in, pi, out2));
        CHECK_MEM(beta, out2, 64);
    }
}

TEST(vrf, refuses_a_proof_for_another_input_or_key) {
    struct rig r;
    uint8_t seed[32] = { 1 }, out[64];
    struct crypto_vrf_key other;
    rig_init(&r);
    crypto_vrf_key_from_seed(seed, &other);
    memset(out, 0xaa, sizeof out);
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(r.key.public, vl_span_str("inpuu"), r.proof, out));
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(r.key.public, vl_span(NULL, 0), r.proof, out));
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(other.public, r.input, r.proof, out));
    for (size_t i = 0; i < sizeof out; i++) CHECK_EQ(0xaa, out[i]); /* not clobbered */
}

TEST(vrf, refuses_a_proof_with_any_bit_flipped) {
    struct rig r;
    rig_init(&r);
    for (size_t bit = 0; bit < 8 * CRYPTO_VRF_PROOF; bit++) {
        uint8_t p[CRYPTO_VRF_PROOF];
        memcpy(p, r.proof, sizeof p);
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(r.key.public, r.input, p, NULL));
    }
}

/* s + q is the same number: without the check of its range one proof would have several encodings. */
TEST(vrf, refuses_a_response_that_is_not_reduced) {
    static const uint8_t q[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                   0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                   0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    struct rig r;
    uint8_t out[64];
    rig_init(&r);
    sodium_add(r.proof + 48, q, 32);
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(r.key.public, r.input, r.proof, NULL));
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_output(r.proof, out));
    memcpy(r.proof + 48, q, 32);
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_output(r.proof, out));
    sodium_sub(r.proof + 48, (const uint8_t[32]){ 1 }, 32);
    CHECK_OK(crypto_vrf_output(r.proof, out)); /* q - 1 is a scalar */
}

/* The points of order 1, 2, 4 and 8, then encodings with y >= p. */
static const char *const bad_points[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* y = p + 3: a point of large order */
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0200000000000000000000000000000000000000000000000000000000000000", /* no point at all */
};

TEST(vrf, refuses_keys_and_points_that_are_small_non_canonical_or_none) {
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof bad_points / sizeof *bad_points; i++) {
        uint8_t point[32], p[CRYPTO_VRF_PROOF];
        unhex(bad_points[i], point);
        CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(point, r.input, r.proof, NULL));
        memcpy(p, r.proof, sizeof p);
        memcpy(p, point, 32);
        CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(r.key.public, r.input, p, NULL));
    }
}

TEST(vrf, gives_no_output_for_a_gamma_that_is_no_canonical_point) {
    struct rig r;
    uint8_t out[64];
    rig_init(&r);
    for (size_t i = 10; i < sizeof bad_points / sizeof *bad_points; i++) {
        unhex(bad_points[i], r.proof);
        CHECK_EQ(VL_ECRYPTO, crypto_vrf_output(r.proof, out));
    }
}

/* A key of small order would make one proof good for every input (RFC 9381 7.1.1: trust in the key). */
TEST(vrf, a_key_of_small_order_cannot_prove_anything) {
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < 8; i++) {
        uint8_t point[32], proof[CRYPTO_VRF_PROOF] = { 0 };
        unhex(bad_points[i], point);
        memcpy(proof, point, 32);
        proof[32] = 8; /* c Y = identity */
        proof[48] = 8;
        CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(point, vl_span_str("x"), proof, NULL));
    }
}

/* The same gamma with a point of order 8 added is refused although 8 * gamma, and so the output, are the same. */
TEST(vrf, refuses_a_gamma_with_a_part_of_small_order) {
    struct rig r;
    uint8_t torsion[32], out[64], out2[64];
    rig_init(&r);
    CHECK_OK(crypto_vrf_output(r.proof, out));
    unhex(bad_points[4], torsion);
    CHECK_OK(crypto_core_ed25519_add(r.proof, r.proof, torsion));
    CHECK_OK(crypto_vrf_output(r.proof, out2));
    CHECK_MEM(out, out2, sizeof out);
    CHECK_EQ(VL_ECRYPTO, crypto_vrf_verify(r.key.public, r.input, r.proof, NULL));
}

/* Try-and-increment must go on over hashes that are no points: half of all inputs need a second try. */
TEST(vrf, proves_and_verifies_many_inputs_with_different_outputs) {
    struct rig r;
    uint8_t before[64] = { 0 }, out[64], big[5000];
    rig_init(&r);
    memset(big, 3, sizeof big);
    for (size_t n = 0; n < sizeof big; n = n * 3 + 1) {
        CHECK_OK(crypto_vrf_prove(&r.key, vl_span(big, n), r.proof));
        CHECK_OK(crypto_vrf_verify(r.key.public, vl_span(big, n), r.proof, out));
        CHECK(memcmp(before, out, sizeof out) != 0);
        memcpy(before, out, sizeof out);
    }
}

TEST(vrf, wipes_its_key) {
    struct rig r;
    rig_init(&r);
    crypto_vrf_key_wipe(&r.key);
    CHECK(sodium_is_zero((const uint8_t *)&r.key, sizeof r.key));
}
