#include "crypto/keccak.h"
#include "crypto/transcript.h"

#include "base/text.h"
#include "crypto/random.h"

#include "check.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

static void unhex(const char *hex, uint8_t *dst) { CHECK_OK(vl_hex_decode(hex, dst, strlen(hex) / 2)); }

/* FIPS 202's permutation of zeros, as the Keccak team publishes it (KeccakF-1600-IntermediateValues, first lanes). */
TEST(keccak, permutes_zeros_as_published) {
    uint64_t lane[25] = { 0 };
    keccak_f1600(lane);
    CHECK(lane[0] == 0xf1258f7940e1dde7 && lane[1] == 0x84d5ccf933c0478a && lane[24] == 0xeaf1ff7b5ceca249);
    keccak_f1600(lane);
    CHECK(lane[0] == 0x2d5c954df96ecb3c && lane[1] == 0x6a332cd07057b56d);
}

TEST(keccak, hashes_the_published_texts) {
    static const char *const cases[][3] = {
        /* text, SHA3-256 (FIPS 202 examples), Keccak-256 (the empty code and "abc" of the chain) */
        { "", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
          "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" },
        { "abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
          "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45" },
        { "transfer(address,uint256)", NULL, "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t want[32], got[32];
        if (cases[i][1] != NULL) {
            unhex(cases[i][1], want);
            keccak_sha3_256(vl_span_str(cases[i][0]), got);
            CHECK_MEM(want, got, 32);
        }
        unhex(cases[i][2], want);
        keccak_256(vl_span_str(cases[i][0]), got);
        CHECK_MEM(want, got, 32);
    }
}

/* Lengths around the blocks of both, and outputs longer than one, against OpenSSL. */
TEST(keccak, squeezes_sha3_512_and_shake256_as_openssl_does) {
    uint8_t in[160], want[300], got[300];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)(i * 5 + 3);
    for (size_t n = 0; n <= sizeof in; n++) {
        CHECK_EQ(1, EVP_Digest(in, n, want, NULL, EVP_sha3_512(), NULL));
        keccak_sha3_512(vl_span(in, n), got);
        CHECK_MEM(want, got, 64);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CHECK(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_shake256(), NULL) == 1 && EVP_DigestUpdate(ctx, in, n) == 1 &&
              EVP_DigestFinalXOF(ctx, want, sizeof want) == 1);
        EVP_MD_CTX_free(ctx);
        keccak_shake256(vl_span(in, n), got, sizeof got);
        CHECK_MEM(want, got, sizeof got);
    }
}

/* Every length around two blocks, in pieces, against OpenSSL. */
TEST(keccak, hashes_every_length_as_openssl_does) {
    uint8_t in[300], want[32], got[32];
    for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)(i * 7 + 1);
    for (size_t n = 0; n <= sizeof in; n++) {
        struct keccak k, fork;
        CHECK_EQ(1, EVP_Digest(in, n, want, NULL, EVP_sha3_256(), NULL));
        keccak_init(&k);
        keccak_update(&k, in, n / 3);
        fork = k;
        keccak_update(&k, in + n / 3, n - n / 3);
        keccak_final_sha3_256(&k, got);
        CHECK_MEM(want, got, 32);
        CHECK(sodium_is_zero((const uint8_t *)&k, sizeof k));
        keccak_update(&fork, in + n / 3, n - n / 3);
        keccak_final_keccak_256(&fork, got);
        CHECK(memcmp(want, got, 32) != 0);
    }
}

/* The known answers of the merlin crate: tests equivalence_simple and equivalence_complex. */
TEST(transcript, gives_the_challenges_of_merlin) {
    uint8_t want[32], got[32], data[1024];
    struct transcript t;
    transcript_init(&t, "test protocol");
    transcript_append(&t, "some label", vl_span_str("some data"));
    transcript_challenge(&t, "challenge", got, 32);
    unhex("d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615", want);
    CHECK_MEM(want, got, 32);

    memset(data, 99, sizeof data);
    transcript_init(&t, "test protocol");
    transcript_append(&t, "step1", vl_span_str("some data"));
    for (int i = 0; i < 32; i++) {
        transcript_challenge(&t, "challenge", got, 32);
        transcript_append(&t, "bigdata", vl_span(data, sizeof data));
        transcript_append(&t, "challengedata", vl_span(got, 32));
    }
    unhex("a8c933f54fae76e3f9bea93648c1308e7dfa2152dd51674ff3ca438351cf003c", want);
    CHECK_MEM(want, got, 32);
}

TEST(transcript, tells_messages_labels_and_borders_apart) {
    uint8_t seen[6][32];
    static const char *const parts[6][4] = {
        { "a", "xy", "b", "z" }, { "a", "x", "b", "yz" }, { "b", "xy", "a", "z" },
        { "ab", "xy", "", "z" }, { "a", "xyz", "b", "" }, { "a", "xy", "b", "Z" },
    };
    for (int i = 0; i < 6; i++) {
        struct transcript t;
        transcript_init(&t, "borders");
        transcript_append(&t, parts[i][0], vl_span_str(parts[i][1]));
        transcript_append(&t, parts[i][2], vl_span_str(parts[i][3]));
        transcript_challenge(&t, "c", seen[i], 32);
        for (int k = 0; k < i; k++) CHECK(memcmp(seen[i], seen[k], 32) != 0);
    }
}

TEST(transcript, reduces_64_bytes_to_a_scalar_and_goes_on_from_there) {
    struct transcript t, u;
    uint8_t wide[64], want[32], got[32], again[32];
    CHECK_OK(crypto_init());
    transcript_init(&t, "scalars");
    transcript_append_u64(&t, "n", 0x0102030405060708);
    u = t;
    transcript_append(&u, "ignored", vl_span(NULL, 0));
    transcript_challenge_scalar(&u, "y", again);
    u = t;
    transcript_challenge(&u, "y", wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(want, wide);
    transcript_challenge_scalar(&t, "y", got);
    CHECK_MEM(want, got, 32);
    CHECK(memcmp(again, got, 32) != 0);
    transcript_challenge_scalar(&t, "y", again);
    CHECK(memcmp(again, got, 32) != 0); /* the same label, later */
    transcript_init(&u, "scalars");
    transcript_append(&u, "n", vl_span((const uint8_t[]){ 8, 7, 6, 5, 4, 3, 2, 1 }, 8));
    transcript_challenge_scalar(&u, "y", again);
    CHECK_MEM(again, got, 32);
}

/* Equal random bytes (the worst case) and another transcript or witness, or the same and other bytes: other nonces. */
TEST(transcript, draws_nonces_bound_to_statement_witness_and_randomness) {
    enum { SAME, STATEMENT, WITNESS, RANDOM, SAME_AGAIN, CASES };
    uint8_t nonce[CASES][48], later[48], after[CASES][16], random[32] = { 9 };
    for (int i = 0; i < CASES; i++) {
        struct transcript t, rng;
        transcript_init(&t, "nonces");
        transcript_append_u64(&t, "statement", i == STATEMENT);
        transcript_rng_begin(&t, &rng);
        transcript_rng_rekey(&rng, "witness", vl_span_str(i == WITNESS ? "other" : "value"));
        random[0] = i == RANDOM ? 8 : 9;
        transcript_rng_finish(&rng, random);
        transcript_rng_fill(&rng, nonce[i], sizeof nonce[i]);
        transcript_rng_fill(&rng, later, sizeof later);
        CHECK(memcmp(nonce[i], later, sizeof later) != 0);
        for (int k = 0; k < i; k++)
            CHECK_EQ(k == SAME && i == SAME_AGAIN, memcmp(nonce[i], nonce[k], sizeof nonce[i]) == 0);
        transcript_wipe(&rng);
        CHECK(sodium_is_zero((const uint8_t *)&rng, sizeof rng));
        transcript_challenge(&t, "x", after[i], sizeof after[i]);
    }
    CHECK_MEM(after[SAME], after[WITNESS], 16); /* the transcript itself knows nothing of it */
    CHECK(memcmp(after[SAME], after[STATEMENT], 16) != 0);
}
