/* Proofs of linear relations, openings, sets, many and circuits: any bytes give a verdict; a proof of ours with bytes of
 * the input over it is accepted only when nothing has changed; a batch says of each what is said of it alone. */
#include "crypto/random.h"
#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_sigma.h"

#include <stdlib.h>
#include <string.h>

#define KINDS 5u
#define N 3u
typedef const uint8_t (*rows)[32];

static struct zk_gens *gens;
static struct zk_scalar value[N], coefficient[N], total;
static uint8_t blind[N][32], good_v[N][32], good[KINDS][ZK_R1CS_PROOF_MAX];
static size_t size[KINDS];
static const struct zk_many_set set = { value, N, 1, 1 };

/* Two numbers of which one is at least the other, in a circuit. */
static struct zk_cs *circuit(struct transcript *t, uint8_t (*v)[32], bool prover) {
    struct zk_cs *cs = zk_cs_create(gens, t, prover);
    if (cs == NULL) abort();
    struct zk_lc lc[2];
    for (unsigned i = 0; i < 2; i++) {
        struct zk_opening o = { value[i], zk_of_bytes(blind[i]) };
        lc[i] = zk_lc_var(zk_cs_commit(cs, v[i], prover ? &o : NULL));
    }
    struct zk_lc is = zk_gadget_at_least(cs, &lc[1], &lc[0], 4);
    zk_gadget_true(cs, &is);
    return cs;
}

/* Adds to b when there is one. */
static enum vl_err check(unsigned kind, struct zk_batch *b, uint8_t (*v)[32], struct vl_span p) {
    struct transcript t;
    transcript_init(&t, "fuzz");
    struct zk_cs *cs = kind == 4 ? circuit(&t, v, false) : NULL;
    enum vl_err err = VL_OK;
    switch (kind) {
    case 0: err = b != NULL ? zk_linear_add(b, &t, coefficient, (rows)v, N, &total, p) : zk_linear_verify(gens, &t, coefficient, (rows)v, N, &total, p); break;
    case 1: err = b != NULL ? zk_open_add(b, &t, (rows)v, N, p) : zk_open_verify(gens, &t, (rows)v, N, p); break;
    case 2: err = b != NULL ? zk_set_add(b, &t, value, N, v[0], p) : zk_set_verify(gens, &t, value, N, v[0], p); break;
    case 3: err = b != NULL ? zk_many_add(b, &t, &set, (rows)v, p) : zk_many_verify(gens, &t, &set, (rows)v, p); break;
    default: err = b != NULL ? zk_cs_add(cs, b, p) : zk_cs_verify(cs, p); break;
    }
    zk_cs_destroy(cs);
    return err;
}

static void make_all(void) {
    struct transcript t;
    const uint8_t random[32] = { 7 };
    if (crypto_init() != VL_OK || (gens = zk_gens_create(64, 1)) == NULL) abort();
    for (unsigned i = 0; i < N; i++) {
        value[i] = zk_of_u64(3 + 4 * i);
        coefficient[i] = zk_of_u64(i + 1);
        total = zk_muladd(value[i], coefficient[i], total);
        blind[i][0] = (uint8_t)(i + 1);
        zk_commit_scalar(gens, &value[i], blind[i], good_v[i]);
    }
    transcript_init(&t, "fuzz");
    if (zk_linear_prove(gens, &t, coefficient, (rows)good_v, N, &total, (rows)blind, random, good[0]) != VL_OK) abort();
    transcript_init(&t, "fuzz");
    if (zk_open_prove(gens, &t, (rows)good_v, N, value, (rows)blind, random, good[1]) != VL_OK) abort();
    transcript_init(&t, "fuzz");
    if (zk_set_prove(gens, &t, value, N, good_v[0], 0, blind[0], random, good[2]) != VL_OK) abort();
    transcript_init(&t, "fuzz");
    if (zk_many_prove(gens, &t, &set, (rows)good_v, 0, (rows)blind, random, good[3]) != VL_OK) abort();
    transcript_init(&t, "fuzz");
    struct zk_cs *cs = circuit(&t, good_v, true);
    if (zk_cs_prove(cs, random, good[4]) != VL_OK) abort();
    const size_t n[KINDS] = { ZK_LINEAR_PROOF, ZK_OPEN_PROOF, zk_set_size(N), zk_many_size(N), zk_cs_proof_size(zk_cs_gates(cs)) };
    memcpy(size, n, sizeof size);
    zk_cs_destroy(cs);
    for (unsigned i = 0; i < KINDS; i++)
        if (check(i, NULL, good_v, vl_span(good[i], size[i])) != VL_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    uint8_t v[N][32], proof[ZK_R1CS_PROOF_MAX];
    enum vl_err each[KINDS];
    if (gens == NULL) make_all();
    if (n < 40) return 0;
    unsigned kind = p[0] % KINDS;
    if (check(kind, NULL, good_v, vl_span(p + 4, n - 4)) == VL_OK && (n - 4 != size[kind] || memcmp(p + 4, good[kind], n - 4) != 0)) abort();
    memcpy(proof, good[kind], sizeof proof);
    memcpy(v, good_v, sizeof v);
    size_t at = vl_get_u16(p + 1) % (size[kind] + 32), len = 1 + p[3] % 64;
    for (size_t i = 0; i < len && 4 + i < n && at + i < size[kind] + 32; i++)
        *(at + i < size[kind] ? &proof[at + i] : &v[0][at + i - size[kind]]) = p[4 + i];
    bool same = memcmp(proof, good[kind], size[kind]) == 0 && memcmp(v, good_v, sizeof v) == 0;
    enum vl_err alone = check(kind, NULL, v, vl_span(proof, size[kind]));
    if ((alone == VL_OK) != same) abort();
    struct zk_batch *b = zk_batch_create(gens);
    if (b == NULL) return 0;
    for (unsigned i = 0; i < KINDS; i++)
        vl_ignore(check(i, b, i == kind ? v : good_v, vl_span(i == kind ? proof : good[i], size[i])));
    if (zk_batch_check(b, p + 4, each) != alone) abort();
    for (unsigned i = 0; i < KINDS; i++)
        if (each[i] != (i == kind ? alone : VL_OK)) abort();
    zk_batch_destroy(b);
    return 0;
}
