/* tee_bench.c - tee.create_ms: opening a context of trusted execution, measuring a program into it and one quote over a challenge, on a
 * TPM made by swtpm.  Elapsed time, since the work is the TPM's and not ours; the peer is the target, 100 ms.  tee.activate_ms: a
 * credential that the verifier makes and the TPM opens, without a peer.  Without swtpm it says so and prints nothing. */
#include "bench.h"

#include "crypto/random.h"
#include "node/tee.h"
#include "swtpm.h"
#include "trust/tpm_credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 21
#define TARGET_MS 100.0

static struct swtpm tpm;

static double now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
static void must(enum vl_err err, const struct vl_errmsg *msg) {
    if (err == VL_OK) return;
    (void)fprintf(stderr, "tee_bench: %s\n", msg->text);
    swtpm_end(&tpm);
    exit(1);
}

static double create(struct tees *t, unsigned round, struct tees_proof *p) {
    struct tees_wish w = { .provider = "tpm", .module = { { (uint8_t)(round + 1) } } };
    struct tees_status s;
    struct vl_errmsg msg = { "" };
    uint8_t nonce[32] = { (uint8_t)round }, binding[32] = { 0 };
    double began = now_ms();
    must(tees_open(t, &w, 1, &s, &msg), &msg);
    must(tees_attest(t, s.id, nonce, binding, 1, p, &msg), &msg);
    double took = now_ms() - began;
    must(tees_close(t, s.id), &msg);
    return took;
}

static double activate(struct tees *t, const struct tees_proof *p) {
    uint8_t name[TPM_NAME_MAX], secret[TPM_SECRET], random[TPM_CREDENTIAL_RANDOM], answer[TEE_SECRET_MAX];
    size_t name_n = 0, n = 0;
    struct vl_errmsg msg = { "a credential cannot be made" };
    struct vl_buf b;
    vl_buf_init(&b, TPM_CREDENTIAL_MAX);
    crypto_random(secret, sizeof secret);
    crypto_random(random, sizeof random);
    double began = now_ms();
    must(tpm_name(p->view.collateral[1], name, &name_n), &msg);
    must(tpm_credential_make(p->view.leaf, vl_span(name, name_n), secret, random, &b), &msg);
    must(tees_credential(t, vl_span(b.p, b.len), answer, &n, &msg), &msg);
    double took = now_ms() - began;
    if (!tpm_credential_answered(secret, vl_span(answer, n))) must(VL_ECRYPTO, &msg);
    vl_buf_free(&b);
    return took;
}

int main(void) {
    struct tees *t = NULL;
    struct vl_errmsg msg = { "no randomness" };
    double created[ROUNDS], activated[ROUNDS];
    must(crypto_init(), &msg);
    if (!swtpm_begin(&tpm)) {
        (void)fprintf(stderr, "tee_bench: " SWTPM_ABSENT "\n");
        return 0;
    }
    must(tees_create(&(struct tees_config){ .machine = { .root = "/nowhere", .tpm = tpm.tcti } }, &t, &msg), &msg);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct tees_proof p;
        created[i] = create(t, i, &p);
        activated[i] = activate(t, &p);
        tees_proof_free(&p);
    }
    tees_destroy(t);
    swtpm_end(&tpm);
    qsort(created, ROUNDS, sizeof *created, bench_by_value);
    qsort(activated, ROUNDS, sizeof *activated, bench_by_value);
    printf("{\"name\":\"tee.create_ms\",\"value\":%.1f,\"unit\":\"ms\",\"peer\":\"target of 100 ms\",\"ratio\":%.2f}\n", created[ROUNDS / 2],
           created[ROUNDS / 2] / TARGET_MS);
    printf("{\"name\":\"tee.activate_ms\",\"value\":%.1f,\"unit\":\"ms\",\"peer\":null,\"ratio\":null}\n", activated[ROUNDS / 2]);
    return 0;
}
