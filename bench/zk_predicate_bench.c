/* zk_predicate_bench.c - what predicates cost on one core, CPU time.
 * zk.reference_prove_ms, zk.reference_verify_ms: four ranges of 64 bits over signed attributes and membership in a public
 * set of 1,000; medians.  zk.worst_prove_ms, zk.worst_verify_ms: the costliest predicate that the compiler was found to
 * accept (the largest circuit, ranges up to the limit of its estimate), and zk.worst_check_prove_ms,
 * zk.worst_check_verify_ms: the costliest to check (eight gaps in sets of 8,191); the slowest of all rounds.
 * zk.batch32_reference_ms: each of 32 reference proofs in a batch; the peer is one by one.  zk.compile_us: the reference
 * predicate, its set hashed before; median. */
#include "bench.h"

#include "crypto/random.h"
#include "base/text.h"
#include "trust/zk_proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 15
#define BATCH 32u

static struct zk_kit *kit;
static struct crypto_sign_key issuer;

static double now_ms(void) { return bench_cpu_s() * 1e3; }
static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "zk_predicate_bench: %s\n", what);
    exit(1);
}
static void print(const char *name, double value, const char *unit, const char *peer, double other) {
    printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.4f}\n", name, value, unit, peer, value / other);
    (void)fflush(stdout);
}

static struct zk_set *numbers(uint32_t n, int64_t first) {
    struct zk_set *s = NULL;
    int64_t *v = calloc(n, sizeof *v);
    if (v == NULL) die("out of memory");
    for (uint32_t i = 0; i < n; i++) v[i] = first + 3 * (int64_t)i;
    if (zk_set_make(v, n, &s) != VL_OK) die("set");
    free(v);
    return s;
}

struct setting {
    struct zk_program *p;
    struct zk_credential c;
    uint64_t value[ZK_ATTRS_MAX];
    uint8_t blind[ZK_ATTRS_MAX][32];
    struct zk_context context;
};

/* Attributes of the program are in order of their names, all signed or all not; every value is `value`. */
static void set_up(struct setting *s, struct zk_program *p, uint64_t value) {
    *s = (struct setting){ .p = p, .context = { .purpose = "bench" } };
    s->c = (struct zk_credential){ .from_ms = 1, .until_ms = 1000, .n = zk_program_attributes(p) };
    for (unsigned i = 0; i < s->c.n; i++) {
        s->value[i] = value;
        s->blind[i][0] = (uint8_t)(i + 1);
        memcpy(s->c.attr[i].name, zk_program_attribute(p, i)->name, ZK_NAME_SIZE);
        s->c.attr[i].bits = zk_program_attribute(p, i)->bits;
    }
    if (zk_credential_issue(&s->c, &issuer, zk_kit_gens(kit, 1), s->value, (const uint8_t(*)[32])s->blind) != VL_OK) die("issue");
}

static double prove(const struct setting *s, struct vl_buf *out) {
    struct zk_proving in = { .program = s->p, .credential = &s->c, .value = s->value, .blind = (const uint8_t(*)[32])s->blind, .context = &s->context };
    struct vl_errmsg msg;
    crypto_random(in.random, sizeof in.random);
    vl_buf_clear(out);
    double began = now_ms();
    if (zk_prove(kit, &in, out, &msg) != VL_OK) die(msg.text);
    return now_ms() - began;
}

static double verify(struct vl_span artefact) {
    static const struct zk_policy policy = { .any_issuer = true, .allow_self_asserted = true, .at_ms = 5 };
    struct zk_verdict v;
    double began = now_ms();
    if (zk_verify(kit, artefact, &policy, &v) != VL_OK) die(v.reason.text);
    return now_ms() - began;
}

static double batch(struct vl_span artefact) {
    static const struct zk_policy policy = { .any_issuer = true, .at_ms = 5 };
    struct zk_claim claim[BATCH];
    struct zk_verdict v[BATCH];
    for (unsigned i = 0; i < BATCH; i++) claim[i] = (struct zk_claim){ artefact, &policy };
    double began = now_ms();
    if (zk_verify_batch(kit, claim, BATCH, v) != VL_OK) die("batch");
    return (now_ms() - began) / BATCH;
}

static void reference(void) {
    struct zk_set *set = numbers(1000, 1);
    struct zk_program *p = NULL;
    struct setting s;
    struct vl_buf b;
    char text[512], hex[65];
    double pr[ROUNDS], ve[ROUNDS], ba[ROUNDS], co[ROUNDS];
    vl_hex_encode(set->hash.b, 32, hex);
    (void)snprintf(text, sizeof text,
                   "attribute a : 64 attribute b : 64 attribute c : 64 attribute d : 64 attribute e : 64 "
                   "prove a > 100 and b > 200 and c > 300 and d > 400 and e in set@%s",
                   hex);
    if (zk_compile(vl_span_str(text), (const struct zk_set *const[]){ set }, 1, &p, NULL) != VL_OK) die("compile");
    set_up(&s, p, 2998);
    vl_buf_init(&b, ZK_ARTEFACT_MAX);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct zk_program *again = NULL;
        double began = now_ms();
        if (zk_compile(vl_span_str(text), (const struct zk_set *const[]){ set }, 1, &again, NULL) != VL_OK) die("compile");
        co[i] = (now_ms() - began) * 1e3;
        zk_program_destroy(again);
        pr[i] = prove(&s, &b);
        ve[i] = verify(vl_span(b.p, b.len));
        ba[i] = batch(vl_span(b.p, b.len));
    }
    double alone = bench_at(ve, ROUNDS, ROUNDS / 2);
    print("zk.reference_prove_ms", bench_at(pr, ROUNDS, ROUNDS / 2), "ms", "200 ms", 200);
    print("zk.reference_verify_ms", alone, "ms", "25 ms", 25);
    print("zk.batch32_reference_ms", bench_at(ba, ROUNDS, ROUNDS / 2), "ms", "one by one", alone);
    print("zk.compile_us", bench_at(co, ROUNDS, ROUNDS / 2), "us", "1 ms", 1000);
    vl_buf_free(&b);
    zk_program_destroy(p);
    zk_set_destroy(set);
}

/* A circuit that is filled up to 4,096 multipliers, and as many self-asserted attributes as go beside it. */
static struct zk_program *worst_to_prove(void) {
    static char text[ZK_TEXT_MAX];
    for (unsigned attrs = ZK_ATTRS_MAX; attrs > 3; attrs--) {
        struct zk_program *p = NULL;
        size_t n = 0;
        for (unsigned i = 0; i < attrs; i++) n += (size_t)snprintf(text + n, sizeof text - n, "attribute a%u : 56 self-asserted ", i);
        n += (size_t)snprintf(text + n, sizeof text - n, "prove (a0 = 1");
        for (unsigned i = 0; i < 60; i++) n += (size_t)snprintf(text + n, sizeof text - n, " or a1 > %u", 1000 + i);
        n += (size_t)snprintf(text + n, sizeof text - n, ") and a2");
        for (unsigned i = 3; i < attrs; i++) n += (size_t)snprintf(text + n, sizeof text - n, " + a%u", i);
        (void)snprintf(text + n, sizeof text - n, " > 9");
        if (zk_compile(vl_span_str(text), NULL, 0, &p, NULL) == VL_OK) return p;
    }
    die("no predicate is accepted");
}

static struct zk_program *worst_to_check(void) {
    static char text[ZK_TEXT_MAX];
    struct zk_set *set[ZK_SETS_MAX];
    struct zk_program *p = NULL;
    char hex[65];
    size_t n = (size_t)snprintf(text, sizeof text, "attribute a : 62 attribute b : 62 prove (a = 1");
    for (unsigned i = 0; i < 15; i++) n += (size_t)snprintf(text + n, sizeof text - n, " or b > %u", 1000 + i);
    n += (size_t)snprintf(text + n, sizeof text - n, ")");
    for (unsigned i = 0; i < ZK_SETS_MAX; i++) {
        set[i] = numbers(8191, i + 10);
        vl_hex_encode(set[i]->hash.b, 32, hex);
        n += (size_t)snprintf(text + n, sizeof text - n, " and a not in set@%s and b not in set@%s", hex, hex);
    }
    if (zk_compile(vl_span_str(text), (const struct zk_set *const *)set, ZK_SETS_MAX, &p, NULL) != VL_OK) die("compile the worst to check");
    for (unsigned i = 0; i < ZK_SETS_MAX; i++) zk_set_destroy(set[i]);
    return p;
}

static void slowest(struct zk_program *p, const char *prove_name, const char *verify_name) {
    struct setting s = { .p = p, .context = { .purpose = "bench" } };
    struct vl_buf b;
    double pr[ROUNDS], ve[ROUNDS];
    if (zk_program_attribute(p, 0)->self_asserted)
        for (unsigned i = 0; i < zk_program_attributes(p); i++) {
            s.value[i] = 1u << 20;
            s.blind[i][0] = (uint8_t)(i + 1);
        }
    else
        set_up(&s, p, 1u << 20);
    vl_buf_init(&b, ZK_ARTEFACT_MAX);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pr[i] = prove(&s, &b);
        ve[i] = verify(vl_span(b.p, b.len));
    }
    print(prove_name, bench_at(pr, ROUNDS, ROUNDS - 1), "ms", "1 s", 1000);
    print(verify_name, bench_at(ve, ROUNDS, ROUNDS - 1), "ms", "500 ms", 500);
    vl_buf_free(&b);
    zk_program_destroy(p);
}

int main(void) {
    if (crypto_init() != VL_OK) die("crypto_init");
    kit = zk_kit_create((const uint8_t[32]){ 1 });
    if (kit == NULL || zk_kit_gens(kit, ZK_GENS_VALUES_MAX) == NULL) die("out of memory");
    crypto_sign_key_from_seed((const uint8_t[32]){ 1 }, &issuer);
    reference();
    slowest(worst_to_prove(), "zk.worst_prove_ms", "zk.worst_verify_ms");
    slowest(worst_to_check(), "zk.worst_check_prove_ms", "zk.worst_check_verify_ms");
    zk_kit_destroy(kit);
    return 0;
}
