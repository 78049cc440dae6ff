/* timing_zk.c - does the time of a prover of zero-knowledge proofs depend on the witness?  The other half of timing_main.c.
 * Usage: timing_zk [MEASUREMENTS] (10,000).  Class 0: number 0, the first place, blinding factor 1; class 1: all random.
 * Exit 1 when a time depends on a secret, or when the planted leak is not seen. */
#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_sigma.h"

#include "crypto/msm.h"
#include "crypto/random.h"
#include "timing.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SET 64u   /* numbers 0, 3, 6, ...; the small set is the first SMALL of them */
#define SMALL 8u
typedef const uint8_t (*rows)[32];

struct witness {
    struct zk_scalar v;
    unsigned index;
    uint8_t blind[1][32], commitment[1][32], random[32];
};
struct subject {
    struct zk_gens *g;
    struct zk_scalar set[SET];
    struct witness is, candidate[2];
    uint8_t proof[ZK_R1CS_PROOF_MAX + ZK_SET_PROOF_MAX];
};

static void prepare(void *arg, int class) {
    struct subject *s = arg;
    for (int c = 0; c < 2; c++) {
        struct witness *w = &s->candidate[c];
        crypto_core_ristretto255_scalar_random(w->blind[0]);
        crypto_random(w->random, sizeof w->random);
        w->index = w->random[0] % SMALL;
        crypto_random(w->random, sizeof w->random);
        if (c == 0) {
            memset(w->blind[0], 0, 32);
            w->blind[0][0] = 1;
            w->index = 0;
        }
        w->v = s->set[w->index];
        zk_commit_scalar(s->g, &w->v, w->blind[0], w->commitment[0]);
    }
    memcpy(&s->is, &s->candidate[class], sizeof s->is);
}
static void check(enum vl_err err) {
    if (err == VL_OK) return;
    (void)fprintf(stderr, "timing_zk: %d\n", (int)err);
    exit(1);
}
static struct transcript context(void) {
    struct transcript t;
    transcript_init(&t, "timing");
    return t;
}

static void planted_sum(void *arg) {
    struct subject *s = arg;
    struct ristretto sum;
    check(msm_vartime((rows)s->is.blind, zk_gens_blind(s->g), 1, &sum));
}
static void commit(void *arg) {
    struct subject *s = arg;
    zk_commit_scalar(s->g, &s->is.v, s->is.blind[0], s->proof);
}
/* v = 0: a relation whose numbers are public, so that the blinding factor is all there is to hide. */
static void linear(void *arg) {
    struct subject *s = arg;
    struct transcript t = context();
    const struct zk_scalar a[1] = { zk_of_u64(1) }, zero = zk_of_u64(0);
    struct witness *w = &s->is;
    uint8_t commitment[1][32];
    zk_commit_scalar(s->g, &zero, w->blind[0], commitment[0]);
    check(zk_linear_prove(s->g, &t, a, (rows)commitment, 1, &zero, (rows)w->blind, w->random, s->proof));
}
static void open_one(void *arg) {
    struct subject *s = arg;
    struct transcript t = context();
    check(zk_open_prove(s->g, &t, (rows)s->is.commitment, 1, &s->is.v, (rows)s->is.blind, s->is.random, s->proof));
}
static void small_set(void *arg) {
    struct subject *s = arg;
    struct transcript t = context();
    check(zk_set_prove(s->g, &t, s->set, SMALL, s->is.commitment[0], s->is.index, s->is.blind[0], s->is.random, s->proof));
}
static void many(void *arg) {
    struct subject *s = arg;
    struct transcript t = context();
    const struct zk_many_set set = { s->set, SET, 1, 1 };
    unsigned index = zk_many_find(&set, &s->is.v);
    check(zk_many_prove(s->g, &t, &set, (rows)s->is.commitment, index, (rows)s->is.blind, s->is.random, s->proof));
}
static void circuit(void *arg) {
    struct subject *s = arg;
    struct transcript t = context();
    struct zk_cs *cs = zk_cs_create(s->g, &t, true);
    const struct zk_opening o = { s->is.v, zk_of_bytes(s->is.blind[0]) };
    if (cs == NULL) abort();
    struct zk_lc v = zk_lc_var(zk_cs_commit(cs, s->is.commitment[0], &o)), twenty = zk_lc_const(20);
    struct zk_lc is = zk_gadget_at_least(cs, &v, &twenty, 6), zero = zk_gadget_is_zero(cs, &v);
    zk_gadget_or(cs, &is, &zero);
    check(zk_cs_prove(cs, s->is.random, s->proof));
    zk_cs_destroy(cs);
}

int main(int argc, char **argv) {
    static struct subject s;
    static const struct {
        const char *name;
        timing_run *run;
        size_t share; /* of the measurements: these take longer */
        bool leaks;
    } runs[] = { { "planted_sum", planted_sum, 10, true },
                 { "commit_scalar", commit, 1, false },
                 { "linear_prove", linear, 1, false },
                 { "open_prove", open_one, 1, false },
                 { "set_prove", small_set, 2, false },
                 { "many_prove", many, 2, false },
                 { "r1cs_prove", circuit, 4, false } };
    unsigned long long n = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
    int bad = 0;
    if (crypto_init() != VL_OK || (s.g = zk_gens_create(64, 1)) == NULL) return 1;
    for (unsigned i = 0; i < SET; i++) s.set[i] = zk_of_u64(3 * (uint64_t)i);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        double t = timing_t(prepare, runs[i].run, &s, (size_t)n / runs[i].share);
        bool right = (t > TIMING_LEAK) == runs[i].leaks;
        bad += !right;
        printf("{\"name\":\"timing.zk_%s\",\"value\":%.2f,\"unit\":\"t\",\"peer\":%.1f,\"ratio\":%.3f,\"leaks\":%s,\"as_it_must_be\":%s}\n", runs[i].name, t,
               TIMING_LEAK, t / TIMING_LEAK, t > TIMING_LEAK ? "true" : "false", right ? "true" : "false");
        (void)fflush(stdout);
    }
    zk_gens_destroy(s.g);
    return bad != 0;
}
