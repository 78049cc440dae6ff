/* Proofs of service levels: raw bytes, or the honest one with bytes changed.  No proof is guessed. */
#include "../tests/trust/draw_rig.h"

#include "crypto/random.h"
#include "trust/sla.h"
#include "wire/armor.h"

static struct vl_buf honest;
static struct zk_kit *kept; /* generators are most of a check */

static void begin(void) {
    struct sla_counters n = { .answered = 99, .asked = 100, .epochs = 8, .latency_ms = 990 };
    struct sla_claim claim = { 990000, 100, 10 };
    uint8_t blind[SLA_ATTRS][32], random[32] = { 1 };
    uint64_t value[SLA_ATTRS];
    char label[ARMOR_LABEL_MAX + 1];
    struct zk_credential c;
    struct vl_buf text;
    rig_need(crypto_init());
    struct draw_rig *r = rig_make();
    struct zk_kit *kit = zk_kit_create(random);
    memset(blind, 0, sizeof blind);
    for (unsigned i = 0; i < SLA_ATTRS; i++) blind[i][0] = (uint8_t)(i + 1);
    sla_values(&n, value);
    rig_need(sla_credential_issue(&c, &r->sign[0], zk_kit_gens(kit, 1), &n, r->node[5], 1000, 5000, (const uint8_t(*)[32])blind));
    struct sla_making in = { .credential = &c, .value = value, .blind = (const uint8_t(*)[32])blind, .holder = &r->sign[5],
                             .issuer_cert = vl_span(r->cert, r->cert_n), .random = random };
    vl_buf_init(&text, 2u << 20);
    vl_buf_init(&honest, ARMOR_BYTES_MAX);
    rig_need(sla_artefact_make(kit, &claim, &in, &text, NULL));
    rig_need(armor_read(vl_span(text.p, text.len), label, &honest));
    vl_buf_free(&text);
    kept = kit;
    rig_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct sla_verdict v;
    if (honest.len == 0) begin();
    if (sla_artefact_check_with(kept, vl_span(p, n), 2000, &v, NULL) == VL_OK && !(n == honest.len && memcmp(p, honest.p, n) == 0)) abort();
    if (n < 5) return 0;
    uint8_t *copy = malloc(honest.len);
    if (copy == NULL) return 0;
    memcpy(copy, honest.p, honest.len);
    size_t at = vl_get_u32(p) % honest.len;
    for (size_t i = 4; i < n && at + i - 4 < honest.len; i++) copy[at + i - 4] ^= p[i];
    bool same = memcmp(copy, honest.p, honest.len) == 0;
    if ((sla_artefact_check_with(kept, vl_span(copy, honest.len), 2000, &v, NULL) == VL_OK) != same) abort();
    free(copy);
    return 0;
}
