#include "crypto/vrf.h"

#include "base/text.h"
#include "crypto/edwards.h"
#include "crypto/random.h"

#include "check.h"

#include <sodium.h>
#include <string.h>

/* RFC 9381 appendix B.3, ECVRF-EDWARDS25519-SHA512-TAI, examples 16 to 18, and B.4, -ELL2, 19 to 21. */
static const struct example {
    enum crypto_vrf_suite suite;
    const char *sk, *pk, *alpha, *pi, *beta;
} examples[] = {
    { CRYPTO_VRF_TAI, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97"
      "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
      "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af02679"
      "8e8f81cd2e333de5cdf4f3e140fdd8ae" },
    { CRYPTO_VRF_TAI, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465"
      "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
      "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848"
      "a0bef4553a41befc57663b56373a5031" },
    { CRYPTO_VRF_TAI, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0"
      "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
      "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241"
      "578be7217ba85a2687f7a0310b2df19f" },
    { CRYPTO_VRF_ELL2, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "7d9c633ffeee27349264cf5c667579fc583b4bda63ab71d001f89c10003ab46f14adf9a3cd8b8412d9038531e865c341"
      "cafa73589b023d14311c331a9ad15ff2fb37831e00f0acaa6d73bc9997b06501",
      "9d574bf9b8302ec0fc1e21c3ec5368269527b87b462ce36dab2d14ccf80c53cccf6758f058c5b1c856b116388152bbe5"
      "09ee3b9ecfe63d93c3b4346c1fbc6c54" },
    { CRYPTO_VRF_ELL2, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "47b327393ff2dd81336f8a2ef10339112401253b3c714eeda879f12c509072ef055b48372bb82efbdce8e10c8cb9a2f9"
      "d60e93908f93df1623ad78a86a028d6bc064dbfc75a6a57379ef855dc6733801",
      "38561d6b77b71d30eb97a062168ae12b667ce5c28caccdf76bc88e093e4635987cd96814ce55b4689b3dd2947f80e59a"
      "ac7b7675f8083865b46c89b2ce9cc735" },
    { CRYPTO_VRF_ELL2, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "926e895d308f5e328e7aa159c06eddbe56d06846abf5d98c2512235eaa57fdce35b46edfc655bc828d44ad09d1150f31"
      "374e7ef73027e14760d42e77341fe05467bb286cc2c9d7fde29120a0b2320d04",
      "121b7f9b9aaaa29099fc04a94ba52784d44eac976dd1a3cca458733be5cd090a7b5fbd148444f17f8daf1fb55cb04b1a"
      "e85a626e30a54b4b0f8abf4a43314a58" },
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
    struct crypto_vrf_public public;
    struct vl_span input;
};
static void rig_suite(struct rig *r, enum crypto_vrf_suite suite) {
    uint8_t seed[32];
    CHECK_OK(crypto_init());
    memset(seed, 7, sizeof seed);
    CHECK_OK(crypto_vrf_key_make(suite, seed, &r->key));
    r->public = crypto_vrf_public_of(&r->key);
    r->input = vl_span_str("input");
    CHECK_OK(crypto_vrf_prove(&r->key, r->input, r->proof));
    CHECK_OK(crypto_vrf_check(&r->public, r->input, vl_span(r->proof, sizeof r->proof), NULL));
}
static void rig_init(struct rig *r) { rig_suite(r, CRYPTO_VRF_TAI); }
static enum vl_err rig_check(const struct rig *r, const uint8_t proof[CRYPTO_VRF_PROOF]) {
    return crypto_vrf_check(&r->public, r->input, vl_span(proof, CRYPTO_VRF_PROOF), NULL);
}

TEST(vrf, gives_the_proofs_and_outputs_of_rfc_9381) {
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < EXAMPLES; i++) {
        uint8_t sk[32], pk[32], alpha[8], pi[80], beta[64], proof[80], out[64], out2[64];
        enum crypto_vrf_suite suite = examples[i].suite;
        struct crypto_vrf_key key;
        unhex(examples[i].sk, sk);
        unhex(examples[i].pk, pk);
        unhex(examples[i].pi, pi);
        unhex(examples[i].beta, beta);
        struct vl_span in = unhex(examples[i].alpha, alpha);
        CHECK_OK(crypto_vrf_key_make(suite, sk, &key));
        struct crypto_vrf_public public = crypto_vrf_public_of(&key);
        CHECK_EQ(suite, public.suite);
        CHECK_MEM(pk, public.key, 32);
        CHECK_OK(crypto_vrf_prove(&key, in, proof));
        CHECK_MEM(pi, proof, 80);
        CHECK_OK(crypto_vrf_output_of(suite, proof, out));
        CHECK_MEM(beta, out, 64);
        CHECK_OK(crypto_vrf_check(&public, in, vl_span(pi, sizeof pi), out2));
        CHECK_MEM(beta, out2, 64);
        /* under the other suite the proof is none, and would stand for another output */
        public.suite = (uint8_t)(CRYPTO_VRF_TAI + CRYPTO_VRF_ELL2 - suite);
        CHECK_EQ(VL_ECRYPTO, crypto_vrf_check(&public, in, vl_span(pi, sizeof pi), out2));
        CHECK_OK(crypto_vrf_output_of((enum crypto_vrf_suite) public.suite, proof, out2));
        CHECK(memcmp(out, out2, sizeof out) != 0);
    }
}

/* H, to which both examples and RFC 9380 fix the sign: half of the inputs would hide a wrong one. */
TEST(vrf, elligator_hits_the_points_of_rfc_9380) {
    /* appendix J.5.2, edwards25519_XMD:SHA-512_ELL2_NU_: u and the mapped point before its cofactor is cleared */
    static const char *const cases[][3] = {
        { "7f3e7fb9428103ad7f52db32f9df32505d7b427d894c5093f7a0f0374a30641d", /* "" */
          "42836f691d05211ebc65ef8fcf01e0fb6328ec9c4737c26050471e50803022eb",
          "22cb4aaa555e23bd460262d2130d6a3c9207aa8bbb85060928beb263d6d42a95" },
        { "09cfa30ad79bd59456594a0f5d3a76f6b71c6787b04de98be5cd201a556e253b", /* "abc" */
          "333e41b61c6dd43af220c1ac34a3663e1cf537f996bab50ab66e33c4bd8e4e19",
          "51b6f178eb08c4a782c820e306b82c6e273ab22e258d972cd0c511787b2a3443" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t b[3][32], in[32], x[32], y[32];
        for (int k = 0; k < 3; k++) unhex(cases[i][k], b[k]); /* big-endian */
        for (int k = 0; k < 32; k++) in[k] = b[0][31 - k];
        struct edwards p = edwards_elligator2_vartime(fe_decode(in));
        struct fe inverse = fe_invert(p.z);
        fe_encode(fe_mul(p.x, inverse), x);
        fe_encode(fe_mul(p.y, inverse), y);
        for (int k = 0; k < 32; k++) CHECK(x[k] == b[1][31 - k] && y[k] == b[2][31 - k]);
        CHECK(fe_equal(fe_mul(p.t, p.z), fe_mul(p.x, p.y)));
    }
    struct edwards p = edwards_elligator2_vartime(FE_ZERO); /* the exceptional case: y of the Montgomery curve is 0 */
    CHECK(edwards_is_identity_vartime(&p) && !fe_is_zero(p.z));
}

TEST(vrf, refuses_unknown_suites_and_proofs_of_another_length) {
    struct crypto_vrf_key key, made;
    uint8_t proof[CRYPTO_VRF_PROOF + 1] = { 0 }, out[64];
    struct vl_span in = vl_span_str("x");
    CHECK_OK(crypto_init());
    CHECK_OK(crypto_vrf_key_make(CRYPTO_VRF_ELL2, (const uint8_t[32]){ 5 }, &key));
    CHECK_OK(crypto_vrf_prove(&key, in, proof));
    struct crypto_vrf_public public = crypto_vrf_public_of(&key);
    for (size_t n = 0; n <= sizeof proof; n++)
        CHECK_EQ(n == CRYPTO_VRF_PROOF ? VL_OK : VL_EPARSE, crypto_vrf_check(&public, in, vl_span(proof, n), out));
    for (unsigned suite = 0; suite < 256; suite++) {
        if (suite == CRYPTO_VRF_TAI || suite == CRYPTO_VRF_ELL2) continue;
        public.suite = (uint8_t)suite;
        CHECK_EQ(VL_EVERSION, crypto_vrf_check(&public, in, vl_span(proof, CRYPTO_VRF_PROOF), out));
        CHECK_EQ(VL_EVERSION, crypto_vrf_output_of((enum crypto_vrf_suite)suite, proof, out));
        CHECK_EQ(VL_EVERSION, crypto_vrf_key_make((enum crypto_vrf_suite)suite, key.seed, &made));
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
    for (int suite = CRYPTO_VRF_TAI; suite <= CRYPTO_VRF_ELL2; suite++) {
        rig_suite(&r, (enum crypto_vrf_suite)suite);
        for (size_t bit = 0; bit < 8 * CRYPTO_VRF_PROOF; bit++) {
            uint8_t p[CRYPTO_VRF_PROOF];
            memcpy(p, r.proof, sizeof p);
            p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK_EQ(VL_ECRYPTO, rig_check(&r, p));
        }
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
    struct rig r, bad;
    for (int suite = CRYPTO_VRF_TAI; suite <= CRYPTO_VRF_ELL2; suite++) {
        rig_suite(&r, (enum crypto_vrf_suite)suite);
        for (size_t i = 0; i < sizeof bad_points / sizeof *bad_points; i++) {
            uint8_t p[CRYPTO_VRF_PROOF];
            bad = r;
            unhex(bad_points[i], bad.public.key);
            CHECK_EQ(VL_ECRYPTO, rig_check(&bad, r.proof));
            memcpy(p, r.proof, sizeof p);
            unhex(bad_points[i], p);
            CHECK_EQ(VL_ECRYPTO, rig_check(&r, p));
        }
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

/* Try-and-increment must go on over hashes that are no points, Elligator takes the other x: half of all inputs each. */
TEST(vrf, proves_and_verifies_many_inputs_with_different_outputs) {
    struct rig r;
    uint8_t before[64] = { 0 }, out[64], big[5000];
    memset(big, 3, sizeof big);
    for (int suite = CRYPTO_VRF_TAI; suite <= CRYPTO_VRF_ELL2; suite++) {
        rig_suite(&r, (enum crypto_vrf_suite)suite);
        for (size_t n = 0; n < sizeof big; n += 1 + n / 3) {
            r.input = vl_span(big, n);
            CHECK_OK(crypto_vrf_prove(&r.key, r.input, r.proof));
            CHECK_OK(crypto_vrf_check(&r.public, r.input, vl_span(r.proof, sizeof r.proof), out));
            CHECK(memcmp(before, out, sizeof out) != 0);
            memcpy(before, out, sizeof out);
        }
    }
}

/* What libsodium 1.0.18 can do of Elligator 2 is the same point up to its sign. */
TEST(vrf, elligator_agrees_with_libsodium_up_to_the_sign) {
    CHECK_OK(crypto_init());
    for (unsigned i = 0; i < 100; i++) {
        uint8_t r[64], in[32], want[32], got[32];
        crypto_hash_sha512(r, (const uint8_t *)&i, sizeof i);
        memcpy(in, r, 32);
        in[31] &= 0x7f;
        CHECK_OK(crypto_core_ed25519_from_uniform(want, in));
        struct edwards p = edwards_elligator2_vartime(fe_decode(in));
        p = edwards_clear_cofactor(&p);
        edwards_encode(&p, got);
        want[31] &= 0x7f;
        got[31] &= 0x7f;
        CHECK_MEM(want, got, 32);
    }
}

TEST(vrf, wipes_its_key) {
    struct rig r;
    rig_init(&r);
    crypto_vrf_key_wipe(&r.key);
    CHECK(sodium_is_zero((const uint8_t *)&r.key, sizeof r.key));
}
