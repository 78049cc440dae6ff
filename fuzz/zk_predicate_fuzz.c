/* Proofs of predicates: any bytes give a verdict with a reason; a proof of ours with bytes of the input over it is
 * accepted only when nothing has changed, and a batch says of each what is said of it alone. */
#include "crypto/random.h"
#include "trust/zk_proof.h"

#include <stdlib.h>
#include <string.h>

static struct zk_kit *kit;
static struct vl_buf good;
static const struct zk_policy policy = { .any_issuer = true, .allow_self_asserted = true, .at_ms = 1500 };

static void make(void) {
    static const char text[] = "attribute a : 8 attribute b : 8 self-asserted prove a > 3 and b in {1, 2} and (a = 5 or b = 9) and a + b = 7";
    static const uint8_t blind[2][32] = { { 1 }, { 2 } };
    struct zk_credential c = { .from_ms = 1000, .until_ms = 2000, .n = 1 };
    struct zk_context context = { .purpose = "fuzz" };
    struct crypto_sign_key key;
    struct zk_program *p = NULL;
    if (crypto_init() != VL_OK || (kit = zk_kit_create((const uint8_t[32]){ 1 })) == NULL) abort();
    crypto_sign_key_from_seed((const uint8_t[32]){ 1 }, &key);
    c.holder = crypto_sign_node_id(&key);
    c.attr[0].name[0] = 'a';
    c.attr[0].bits = 8;
    if (zk_credential_issue(&c, &key, zk_kit_gens(kit, 1), (const uint64_t[]){ 5 }, blind) != VL_OK) abort();
    if (zk_compile(vl_span_str(text), NULL, 0, &p, NULL) != VL_OK) abort();
    struct zk_proving in = { .program = p, .credential = &c, .value = (const uint64_t[]){ 5, 2 }, .blind = blind, .holder = &key, .context = &context };
    vl_buf_init(&good, ZK_ARTEFACT_MAX);
    if (zk_prove(kit, &in, &good, NULL) != VL_OK) abort();
    zk_program_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct zk_verdict v, each[2];
    if (kit == NULL) make();
    enum vl_err err = zk_verify(kit, vl_span(p, n), &policy, &v);
    if (v.err != err || v.reason.text[0] == '\0') abort();
    if (err == VL_OK && !vl_span_eq(vl_span(p, n), vl_span(good.p, good.len))) abort();
    if (n < 3) return 0;
    uint8_t *near = malloc(good.len);
    if (near == NULL) abort();
    memcpy(near, good.p, good.len);
    size_t at = vl_get_u16(p) % good.len;
    for (size_t i = 2; i < n && at + i - 2 < good.len; i++) near[at + i - 2] = p[i];
    bool same = memcmp(near, good.p, good.len) == 0;
    if ((zk_verify(kit, vl_span(near, good.len), &policy, &v) == VL_OK) != same) abort();
    if (p[2] % 8 != 0) { /* a batch takes twice as long; under the sanitizers that counts */
        free(near);
        return 0;
    }
    const struct zk_claim claim[2] = { { vl_span(near, good.len), &policy }, { vl_span(good.p, good.len), &policy } };
    if (zk_verify_batch(kit, claim, 2, each) != v.err || each[0].err != v.err || each[1].err != VL_OK) abort();
    free(near);
    return 0;
}
