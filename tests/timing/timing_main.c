/* timing_main.c - does the time of what holds secrets depend on them?  By the method of dudect (tests/crypto/timing.h): inputs of two
 * classes, one fixed and one random, in random order; |t| of Welch's test.  One JSON line for each, in the form of bench/:
 *   {"name":"timing.vrf_prove","value":2.1,"unit":"t","peer":10.0,"ratio":0.21,"leaks":false,"as_it_must_be":true}
 * peer: above it is no chance.  Lines whose name begins with timing.planted leak on purpose, and must be seen to.  Exit 1 when one is not
 * as it must be.  Not a test of the suite: what else runs on the machine moves the figures.  `timing [MEASUREMENTS] [PART-OF-A-NAME]`. */
#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
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
#if __has_include("crypto/msm_secret.h")
#include "crypto/msm_secret.h"
#define WITH_MSM_SECRET
#endif

#include "timing.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t file_key[32] = { 5 };

struct input { /* all a class may differ in */
    uint8_t bytes[64], scalar[32], tag[16], file[512], fresh[32];
    struct ristretto point;
    struct crypto_vrf_key vrf;
    struct crypto_sign_key sign;
    uint64_t value;
};
struct subject {
    struct input is, candidate[2];
    /* the same for both classes */
    uint8_t fixed[64], cipher[116], out[1024], good_tag[16];
    size_t file_n;
    struct ristretto base, result;
    struct crypto_aead aead;
    struct zk_gens *gens;
    void *secp;
};

#define CHECK_AT 70u /* of a file without params and note: crypto/sealed.h */

/* Its check is wrong in its first byte, or in its last. */
static void sealed_make(struct subject *s, bool early, uint8_t file[512], const uint8_t key[32]) {
    static const uint8_t nonce[SEALED_NONCE] = { 1 };
    struct vl_buf b;
    const struct sealed_head h = { .kind = SEALED_DIRECT, .purpose = SEALED_NODE_KEYS };
    vl_buf_init(&b, SEALED_FILE_MAX);
    if (sealed_write(&h, key, nonce, vl_span(s->fixed, 64), &b) || b.len > 512) abort();
    memcpy(file, b.p, b.len);
    s->file_n = b.len;
    file[CHECK_AT + (early ? 0 : 15)] ^= 1;
    crypto_blake2b_keyed(vl_span(file, b.len - 16), (struct vl_span){ 0 }, "village-seal-sum", file + b.len - 16, 16);
    vl_buf_free(&b);
}

/* Class 0: zeros, scalar 1, the identity, a tag and a check that are wrong in their last byte alone; class 1: random, wrong in the first.
 * Both are made every time and one is copied, so that caches know nothing of the choice. */
static void prepare(void *arg, int class) {
    struct subject *s = arg;
    static const uint8_t secret_key[32] = { 9 };
    for (int c = 0; c < 2; c++) {
        struct input *in = &s->candidate[c];
        crypto_random(in->bytes, sizeof in->bytes);
        crypto_random(in->fresh, sizeof in->fresh); /* of both: with it a prover's challenges are public, and may show */
        if (c == 0) memset(in->bytes, 0, sizeof in->bytes);
        crypto_core_ristretto255_scalar_reduce(in->scalar, in->bytes);
        if (c == 0) in->scalar[0] = 1;
        ristretto_from_uniform(in->bytes, &in->point);
        memcpy(in->tag, s->good_tag, 16);
        in->tag[c ? 0 : 15] ^= 1;
        vl_ignore(crypto_vrf_key_make(CRYPTO_VRF_ELL2, secret_key, &in->vrf)); /* the public half is the same: that much may show */
        memcpy(in->vrf.scalar, in->bytes, 32);
        memcpy(in->vrf.nonce_key, in->bytes + 32, 32);
        in->vrf.scalar[0] &= 248;
        in->vrf.scalar[31] = (uint8_t)((in->vrf.scalar[31] & 63) | 64);
        crypto_sign_key_from_seed(in->bytes, &in->sign);
        in->value = c ? vl_get_u64(in->bytes) : 0;
    }
    memcpy(&s->is, &s->candidate[class], sizeof s->is);
}

/* ---- planted: early ends, as memcmp() has them on bytes ---- */
static int compare_early(const uint8_t *a, const uint8_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return (int)i + 1;
    return 0;
}
static void planted_tag(void *arg) {
    struct subject *s = arg;
    s->out[0] = (uint8_t)compare_early(s->is.tag, s->good_tag, 16);
}
static void planted_scalar(void *arg) { /* a loop as long as the scalar has bits */
    struct subject *s = arg;
    struct ristretto sum = ristretto_identity(), p = s->base;
    for (int bit = 0; bit < 252; bit++, p = ristretto_double(&p))
        if (s->is.scalar[bit / 8] >> bit % 8 & 1) sum = ristretto_add(&sum, &p);
    s->result = sum;
}

/* ---- the product's ---- */
static void equal(void *arg) {
    struct subject *s = arg;
    s->out[0] = crypto_equal(s->is.tag, s->good_tag, 16);
}
static void aead_open(void *arg) {
    struct subject *s = arg;
    memcpy(s->cipher + 100, s->is.tag, 16);
    vl_ignore(crypto_aead_open(&s->aead, 1, (struct vl_span){ 0 }, s->cipher, sizeof s->cipher, s->out));
}
static void key_file_open(void *arg) { /* how much of the check agrees must not show */
    struct subject *s = arg;
    size_t n = 0;
    vl_ignore(sealed_open(vl_span(s->is.file, s->file_n), file_key, s->out, sizeof s->out, &n));
}
static void sign(void *arg) {
    struct subject *s = arg;
    vl_ignore(crypto_sign_message(&s->is.sign, "village-timing-1:", vl_span(s->fixed, 64), s->out));
}
static void shared(void *arg) {
    struct subject *s = arg;
    vl_ignore(crypto_dh(s->is.scalar, s->fixed, s->out));
}
static void product(void *arg) {
    struct subject *s = arg;
    ristretto_mul(s->is.scalar, &s->base, &s->result);
}
static void sums(void *arg) {
    struct subject *s = arg;
    s->result = ristretto_add(&s->is.point, &s->base);
    for (int i = 0; i < 20; i++) s->result = ristretto_sub(&s->result, &s->is.point);
    s->out[0] = ristretto_equal(&s->result, &s->is.point);
}
static void encode(void *arg) {
    struct subject *s = arg;
    ristretto_encode(&s->is.point, s->out);
}
static void from_uniform(void *arg) {
    struct subject *s = arg;
    ristretto_from_uniform(s->is.bytes, &s->result);
}
static void vrf_prove(void *arg) {
    struct subject *s = arg;
    vl_ignore(crypto_vrf_prove(&s->is.vrf, vl_span_str("input"), s->out));
}
static void commit(void *arg) {
    struct subject *s = arg;
    zk_commit(s->gens, s->is.value, s->is.scalar, s->out);
}
static void range_prove(void *arg) {
    struct subject *s = arg;
    struct transcript t;
    uint64_t v = s->is.value & 0xff;
    transcript_init(&t, "timing");
    vl_ignore(zk_range_prove(s->gens, &t, &v, (const uint8_t(*)[32])s->is.scalar, 1, 8, s->is.fresh, (uint8_t(*)[32])(s->out + 960), s->out));
}
#ifdef WITH_MSM_SECRET
static void secret_sum(void *arg) {
    struct subject *s = arg;
    uint8_t scalar[3][32];
    const struct ristretto point[3] = { s->base, s->base, s->base };
    for (int i = 0; i < 3; i++) memcpy(scalar[i], s->is.scalar, 32);
    vl_ignore(msm_secret((const uint8_t(*)[32])scalar, point, 3, &s->result));
}
#endif
#ifdef WITH_SECP256K1
static void chain_sign(void *arg) {
    struct subject *s = arg;
    struct secp_signature sig;
    vl_ignore(secp_sign(s->secp, s->is.scalar, s->fixed, &sig));
}
#endif

static const struct {
    const char *name;
    timing_run *run;
    size_t share; /* of the measurements: these take longer */
    bool leaks;
} runs[] = {
    { "planted_compare", planted_tag, 1, true },
    { "planted_product", planted_scalar, 50, true },
    { "compare", equal, 1, false },
    { "aead_open", aead_open, 1, false },
    { "key_file_open", key_file_open, 1, false },
    { "sign", sign, 4, false },
    { "link_key", shared, 4, false },
    { "ristretto_product", product, 4, false },
    { "ristretto_sums", sums, 1, false },
    { "ristretto_encode", encode, 1, false },
    { "ristretto_from_uniform", from_uniform, 1, false },
    { "vrf_prove", vrf_prove, 8, false },
    { "zk_commit", commit, 8, false },
    { "zk_range_prove", range_prove, 100, false },
#ifdef WITH_MSM_SECRET
    { "zk_secret_sum", secret_sum, 8, false },
#endif
#ifdef WITH_SECP256K1
    { "secp256k1_sign", chain_sign, 4, false },
#endif
};

int main(int argc, char **argv) {
    static struct subject s;
    static const uint8_t key[32] = { 5 };
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 50000;
    int bad = 0;
    if (crypto_init() != VL_OK || n < 1000) {
        fprintf(stderr, "timing [MEASUREMENTS, at least 1000] [PART-OF-A-NAME]\n");
        return 2;
    }
    s.base = ristretto_base();
    crypto_scalarmult_base(s.fixed, key);
    crypto_aead_init(&s.aead, CRYPTO_CHACHAPOLY, key);
    if (crypto_aead_seal(&s.aead, 1, (struct vl_span){ 0 }, s.out, 100, s.cipher)) return 2;
    memcpy(s.good_tag, s.cipher + 100, 16);
    s.gens = zk_gens_create(8, 1);
#ifdef WITH_SECP256K1
    s.secp = secp_create((const uint8_t[32]){ 7 });
#endif
    for (int c = 0; c < 2; c++) sealed_make(&s, c == 1, s.candidate[c].file, file_key);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        if (argc > 2 && strstr(runs[i].name, argv[2]) == NULL) continue;
        double t = timing_t(prepare, runs[i].run, &s, n / runs[i].share > 200 ? n / runs[i].share : 200);
        bool right = (t > TIMING_LEAK) == runs[i].leaks;
        bad += !right;
        printf("{\"name\":\"timing.%s\",\"value\":%.2f,\"unit\":\"t\",\"peer\":%.1f,\"ratio\":%.3f,\"leaks\":%s,\"as_it_must_be\":%s}\n", runs[i].name, t,
               TIMING_LEAK, t / TIMING_LEAK, t > TIMING_LEAK ? "true" : "false", right ? "true" : "false");
        fflush(stdout);
    }
    return bad != 0;
}
