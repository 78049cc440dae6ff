/* No branch and no address depends on a secret: secrets are marked as undefined, and valgrind's memcheck tells of each jump and each
 * index that follows from them (the idea is A. Langley's ctgrind, 2010).  The program runs itself again under valgrind; without it, or
 * without its header at build time, the tests are skipped.  Structure, not time: what the processor makes of it is `./dev timing`'s. */
#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/random.h"
#include "crypto/ristretto.h"
#include "crypto/sealed.h"
#include "crypto/sign.h"
#include "crypto/transcript.h"
#include "crypto/vrf.h"
#include "trust/zk_range.h"
#ifdef WITH_SECP256K1
#include "crypto/secp256k1.h"
#endif

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_COUNT_ERRORS 0u
#define VALGRIND_MAKE_MEM_UNDEFINED(p, n) ((void)(p), (void)(n))
#define VALGRIND_MAKE_MEM_DEFINED(p, n) ((void)(p), (void)(n))
#endif
#define ABSENT "valgrind is not installed, or was not when this was built"

__attribute__((constructor)) static void again_under_valgrind(void) {
    static char line[4096];
    char *argv[64] = { (char[]){ "valgrind" }, (char[]){ "-q" }, (char[]){ "--error-limit=no" } }, self[512];
    if (RUNNING_ON_VALGRIND || getenv("VILLAGE_SECRETS_AGAIN")) return;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    FILE *f = fopen("/proc/self/cmdline", "re");
    if (n <= 0 || f == NULL) return;
    self[n] = '\0';
    size_t got = fread(line, 1, sizeof line - 1, f), at = strlen(line) + 1, k = 4;
    fclose(f);
    argv[3] = self;
    for (; at < got && k < 62; at += strlen(line + at) + 1) argv[k++] = line + at;
    setenv("VILLAGE_SECRETS_AGAIN", "1", 1);
    execvp("valgrind", argv); /* when it is not there the tests are skipped */
}

static void secret(const void *p, size_t n) { VALGRIND_MAKE_MEM_UNDEFINED((void *)(uintptr_t)p, n); }
static void open_(const void *p, size_t n) { VALGRIND_MAKE_MEM_DEFINED((void *)(uintptr_t)p, n); }
/* A verdict that everybody may know. */
static enum vl_err told(enum vl_err err) {
    VALGRIND_MAKE_MEM_DEFINED(&err, sizeof err);
    return err;
}
#define BEGIN() \
    if (!RUNNING_ON_VALGRIND) SKIP(ABSENT); \
    CHECK_OK(crypto_init()); \
    unsigned before = VALGRIND_COUNT_ERRORS
#define END() CHECK_EQ(before, VALGRIND_COUNT_ERRORS)
/* Of these a few branches ask what everybody may know: whether a tag is right, whether a result is zero or the identity, which has the
 * probability 2^-250.  A loop over a secret, or an index, makes hundreds. */
#define END_VERDICTS(n) CHECK(VALGRIND_COUNT_ERRORS - before <= (n))

static bool planted(const uint8_t *a, const uint8_t *b, size_t n) {
    volatile bool same = true;
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) { /* the leak */
            same = false;
            break;
        }
    return same;
}

TEST(secrets, a_comparison_that_stops_early_is_seen) {
    uint8_t a[16] = { 1, 2 }, b[16] = { 1, 2 };
    BEGIN();
    secret(a, sizeof a);
    (void)planted(a, b, sizeof a);
    CHECK(VALGRIND_COUNT_ERRORS > before);
}

TEST(secrets, an_index_that_is_secret_is_seen) {
    static const uint8_t table[256] = { 7 };
    volatile uint8_t sink;
    uint8_t i = 3;
    BEGIN();
    secret(&i, 1);
    sink = table[i];
    (void)sink;
    CHECK(VALGRIND_COUNT_ERRORS > before);
}

TEST(secrets, comparing_and_wiping) {
    uint8_t a[32] = { 1 }, b[32] = { 2 };
    BEGIN();
    secret(a, sizeof a);
    bool same = crypto_equal(a, b, sizeof a);
    open_(&same, sizeof same);
    CHECK(!same);
    crypto_wipe(a, sizeof a);
    END();
}

TEST(secrets, messages_enciphered_and_their_tags_compared) {
    static const enum crypto_aead_kind kinds[] = { CRYPTO_CHACHAPOLY, CRYPTO_AESGCM };
    for (int k = 0; k < 2; k++) {
        struct crypto_aead a;
        uint8_t key[CRYPTO_AEAD_KEY] = { 1, 2, 3 }, text[100] = { 4 }, out[116], back[100];
        BEGIN();
        secret(key, sizeof key);
        secret(text, sizeof text);
        crypto_aead_init(&a, kinds[k], key);
        CHECK_OK(told(crypto_aead_seal(&a, 5, vl_span_str("ad"), text, sizeof text, out)));
        open_(out, sizeof out); /* on the wire */
        CHECK_OK(told(crypto_aead_open(&a, 5, vl_span_str("ad"), out, sizeof out, back)));
        out[110] ^= 1;
        CHECK_EQ(VL_ECRYPTO, told(crypto_aead_open(&a, 5, vl_span_str("ad"), out, sizeof out, back)));
        crypto_aead_destroy(&a);
        END_VERDICTS(6);
    }
}

TEST(secrets, key_files_sealed_and_opened) {
    uint8_t key[SEALED_KEY] = { 1, 2 }, wrong[SEALED_KEY] = { 3 }, nonce[SEALED_NONCE] = { 4 }, text[171] = { 5 }, back[SEALED_SECRET_MAX];
    struct sealed_head h = { .kind = SEALED_DIRECT, .purpose = SEALED_NODE_KEYS };
    struct vl_buf b;
    size_t n = 0;
    BEGIN();
    vl_buf_init(&b, SEALED_FILE_MAX);
    secret(key, sizeof key);
    secret(wrong, sizeof wrong);
    secret(text, sizeof text);
    CHECK_OK(told(sealed_write(&h, key, nonce, vl_span(text, sizeof text), &b)));
    open_(b.p, b.len);
    CHECK_OK(told(sealed_open(vl_span(b.p, b.len), key, back, sizeof back, &n)));
    CHECK_EQ(sizeof text, n);
    CHECK_EQ(VL_ECRYPTO, told(sealed_open(vl_span(b.p, b.len), wrong, back, sizeof back, &n)));
    vl_buf_free(&b);
    END_VERDICTS(6);
}

TEST(secrets, signatures) {
    uint8_t seed[32] = { 1, 2 }, signature[64];
    struct crypto_sign_key k;
    BEGIN();
    secret(seed, sizeof seed);
    crypto_sign_key_from_seed(seed, &k);
    open_(k.public, sizeof k.public);
    CHECK_OK(told(crypto_sign_message(&k, "village-test-1:", vl_span_str("text"), signature)));
    open_(signature, sizeof signature);
    CHECK_OK(crypto_verify_message(k.public, "village-test-1:", vl_span_str("text"), signature));
    END();
}

TEST(secrets, shared_keys_of_links) {
    uint8_t seed[32] = { 1, 2 }, shared[32];
    struct crypto_dh_key mine, theirs;
    BEGIN();
    crypto_dh_key_from_seed((const uint8_t[32]){ 9 }, &theirs);
    secret(seed, sizeof seed);
    crypto_dh_key_from_seed(seed, &mine);
    /* libsodium refuses a shared key of zeros, which tells of the peer's public key only */
    vl_ignore(told(crypto_dh(mine.secret, theirs.public, shared)));
    END_VERDICTS(2);
}

TEST(secrets, products_and_sums_of_group_elements) {
    uint8_t wide[64] = { 3 }, out[32];
    struct ristretto p, q, base = ristretto_base();
    BEGIN();
    secret(wide, sizeof wide);
    ristretto_from_uniform(wide, &p);
    q = ristretto_add(&p, &base);
    q = ristretto_sub(&q, &p);
    q = ristretto_double(&q);
    q = ristretto_neg(&q);
    bool same = ristretto_equal(&p, &q);
    open_(&same, sizeof same);
    CHECK(!same);
    ristretto_encode(&q, out);
    END();
}

TEST(secrets, the_vrf_s_prover) {
    uint8_t seed[32] = { 1, 2 }, proof[CRYPTO_VRF_PROOF];
    struct crypto_vrf_key k;
    BEGIN();
    secret(seed, sizeof seed);
    CHECK_OK(told(crypto_vrf_key_make(CRYPTO_VRF_ELL2, seed, &k)));
    open_(&k.public, sizeof k.public);
    open_(&k.suite, sizeof k.suite);
    CHECK_OK(told(crypto_vrf_prove(&k, vl_span_str("input"), proof)));
    open_(proof, sizeof proof);
    struct crypto_vrf_public public = crypto_vrf_public_of(&k);
    uint8_t beta[CRYPTO_VRF_OUTPUT];
    CHECK_OK(crypto_vrf_check(&public, vl_span_str("input"), vl_span(proof, sizeof proof), beta));
    END_VERDICTS(8);
}

#ifdef WITH_SECP256K1
TEST(secrets, signatures_for_the_chain) {
    uint8_t key[32] = { 1, 2 }, digest[32] = { 3 };
    struct secp_signature sig = { 0 };
    BEGIN();
    struct secp *c = secp_create((const uint8_t[32]){ 7 });
    secret(key, sizeof key);
    CHECK_OK(told(secp_sign(c, key, digest, &sig)));
    secp_destroy(c);
    END_VERDICTS(10); /* the key is in range, the nonce is, r and s are */
}
#endif

TEST(secrets, products_with_secret_scalars_and_commitments) {
    uint8_t scalar[32] = { 7, 8, 9 }, blind[32] = { 5 }, commitment[32];
    uint64_t v = 77;
    struct ristretto p, base = ristretto_base();
    BEGIN();
    secret(scalar, sizeof scalar);
    ristretto_mul(scalar, &base, &p);
    ristretto_mul_base(scalar, &p);
    END_VERDICTS(16);
    struct zk_gens *g = zk_gens_create(8, 1);
    before = VALGRIND_COUNT_ERRORS;
    secret(&v, sizeof v);
    secret(blind, sizeof blind);
    zk_commit(g, v, blind, commitment);
    END_VERDICTS(16);
    zk_gens_destroy(g);
}

/* Provers of predicates take challenges from hashes of their own commitments: public, but made of secrets, so that memcheck cannot tell them
 * apart.  Their secret sums are looked at alone, the rest by `./dev timing`. */
#if __has_include("crypto/msm_secret.h")
#include "crypto/msm_secret.h"
TEST(secrets, sums_of_products_with_secret_scalars) {
    uint8_t scalar[3][32] = { { 1 }, { 2 }, { 3 } };
    struct ristretto sum;
    const struct ristretto point[3] = { ristretto_base(), ristretto_base(), ristretto_base() };
    BEGIN();
    secret(scalar, sizeof scalar);
    vl_ignore(told(msm_secret((const uint8_t(*)[32])scalar, point, 3, &sum)));
    END_VERDICTS(8);
}
#endif
