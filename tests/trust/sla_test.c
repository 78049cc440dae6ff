/* A node proves a service level about counters that nobody sees: true claims hold, false ones cannot be made, and every change is refused. */
#include "draw_rig.h"

#include "crypto/random.h"
#include "trust/sla.h"
#include "trust/verify.h"
#include "wire/armor.h"

#include "check.h"

#include <sodium.h>

struct desk {
    struct draw_rig *r;
    struct zk_kit *kit;
    struct zk_credential c;
    uint64_t value[SLA_ATTRS];
    uint8_t blind[SLA_ATTRS][32], random[32];
};
static void open_desk(struct desk *d, uint64_t answered, uint64_t asked, uint64_t latency) {
    struct sla_counters n = { .answered = answered, .asked = asked, .epochs = 80, .stored = 3, .latency_ms = latency, .first_epoch = 10, .last_epoch = 20 };
    CHECK_OK(crypto_init());
    memset(d, 0, sizeof *d);
    d->r = rig_make();
    memset(d->random, 5, sizeof d->random);
    d->kit = zk_kit_create(d->random);
    CHECK(d->kit != NULL);
    for (unsigned i = 0; i < SLA_ATTRS; i++) crypto_core_ristretto255_scalar_random(d->blind[i]);
    sla_values(&n, d->value);
    CHECK_OK(sla_credential_issue(&d->c, &d->r->sign[0], zk_kit_gens(d->kit, 1), &n, d->r->node[5], 1000, 5000, (const uint8_t(*)[32])d->blind));
}
static void close_desk(struct desk *d) {
    zk_kit_destroy(d->kit);
    rig_free(d->r);
}
static enum vl_err make(struct desk *d, struct sla_claim claim, struct vl_buf *text) {
    struct sla_making in = { .credential = &d->c, .value = d->value, .blind = (const uint8_t(*)[32])d->blind, .holder = &d->r->sign[5],
                             .issuer_cert = vl_span(d->r->cert, d->r->cert_n), .random = d->random };
    vl_buf_init(text, 2u << 20);
    return sla_artefact_make(d->kit, &claim, &in, text, NULL);
}
static struct vl_buf opened(const struct vl_buf *text) {
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_buf raw;
    vl_buf_init(&raw, ARMOR_BYTES_MAX);
    CHECK_OK(armor_read(vl_span(text->p, text->len), label, &raw));
    CHECK(strcmp(label, SLA_LABEL) == 0);
    return raw;
}

TEST(sla, a_true_claim_is_proved_without_the_numbers_and_a_false_one_cannot_be_made) {
    struct desk d;
    struct vl_buf text;
    struct sla_verdict v;
    open_desk(&d, 9991, 10000, 9991 * 20); /* 99.91 %, 20 ms */
    CHECK_EQ(VL_ERANGE, make(&d, (struct sla_claim){ 999101, 1, 0 }, &text)); /* one ppm too much */
    CHECK_EQ(VL_ERANGE, make(&d, (struct sla_claim){ 999000, 10001, 0 }, &text));
    CHECK_EQ(VL_ERANGE, make(&d, (struct sla_claim){ 999000, 1, 19 }, &text));
    CHECK_EQ(VL_ERANGE, make(&d, (struct sla_claim){ 0, 1, 0 }, &text));
    CHECK_EQ(VL_ERANGE, make(&d, (struct sla_claim){ 999000, 0, 0 }, &text));
    CHECK_EQ(VL_ERANGE, make(&d, (struct sla_claim){ SLA_PPM + 1, 1, 0 }, &text));
    for (unsigned with_mean = 0; with_mean < 2; with_mean++) {
        struct sla_claim claim = { 999100, 10000, with_mean ? 20 : 0 };
        CHECK_OK(make(&d, claim, &text));
        struct vl_buf raw = opened(&text);
        CHECK_OK(sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL));
        CHECK(vl_node_eq(v.node, d.r->node[5]) && vl_node_eq(v.coordinator, d.r->node[0]) && village_eq(v.village, d.r->village));
        CHECK(memcmp(&v.claim, &claim, sizeof claim) == 0);
        CHECK(strcmp(v.about, "availability, epochs 10-20") == 0);
        CHECK_EQ(VL_EEXPIRED, sla_artefact_check(vl_span(raw.p, raw.len), 5000, &v, NULL));
        CHECK_EQ(VL_EAGAIN, sla_artefact_check(vl_span(raw.p, raw.len), 999, &v, NULL));
        vl_buf_free(&raw);
        vl_buf_free(&text);
    }
    close_desk(&d);
}

TEST(sla, the_head_of_the_file_and_the_predicate_are_fixed) {
    static const uint8_t head[] = { 0xa8, 1, 0, 0x0f, 0x3e, 0x58, 0, 0, 0, 50, 0, 0, 0, 7 };
    static const char text[] = "attribute answered : 32\nattribute asked : 32\nattribute latency_ms : 48\n"
                               "prove answered * 1000000 >= asked * 999000 and asked >= 50 and latency_ms <= answered * 7\n";
    struct desk d;
    struct vl_buf file, said;
    open_desk(&d, 100, 100, 700);
    CHECK_OK(make(&d, (struct sla_claim){ 999000, 50, 7 }, &file));
    struct vl_buf raw = opened(&file);
    CHECK(raw.len > sizeof head && memcmp(raw.p, head, sizeof head) == 0);
    vl_buf_init(&said, 1024);
    CHECK_OK(sla_predicate(&(struct sla_claim){ 999000, 50, 7 }, d.r->node[0], &said));
    CHECK_EQ(72 + sizeof text - 1, said.len); /* "issuer ", 64 digits, a line's end */
    CHECK(memcmp(said.p + 72, text, sizeof text - 1) == 0);
    vl_buf_free(&raw);
    vl_buf_free(&said);
    vl_buf_free(&file);
    close_desk(&d);
}

TEST(sla, every_changed_bit_and_every_cut_is_refused) {
    struct desk d;
    struct vl_buf text;
    struct sla_verdict v;
    open_desk(&d, 100, 100, 100);
    CHECK_OK(make(&d, (struct sla_claim){ 999000, 50, 0 }, &text));
    struct vl_buf raw = opened(&text);
    for (size_t i = 0; i < raw.len; i++) {
        if (i > 40 && i % 7 != 0) continue; /* each check takes milliseconds */
        raw.p[i] ^= (uint8_t)(1u << (i % 8));
        CHECK(sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL) != VL_OK);
        raw.p[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t n = 0; n < raw.len; n += 1 + n / 16) CHECK(sla_artefact_check(vl_span(raw.p, n), 2000, &v, NULL) != VL_OK);
    CHECK_OK(sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL));
    struct verify_query q = { .at_ms = 2000 };
    struct verdict *say = calloc(1, sizeof *say);
    verify_artefact(vl_span(text.p, text.len), &q, say);
    CHECK(say->proved && strcmp(say->kind, "sla") == 0);
    q.has_village = true;
    verify_artefact(vl_span(text.p, text.len), &q, say);
    CHECK(!say->proved);
    free(say);
    vl_buf_free(&raw);
    vl_buf_free(&text);
    close_desk(&d);
}

TEST(sla, counters_signed_by_another_than_the_coordinator_or_for_nobody_are_refused) {
    struct desk d;
    struct vl_buf text;
    struct sla_verdict v;
    struct sla_counters n = { .answered = 100, .asked = 100 };
    open_desk(&d, 100, 100, 100);
    CHECK_OK(sla_credential_issue(&d.c, &d.r->sign[3], zk_kit_gens(d.kit, 1), &n, d.r->node[5], 1000, 5000, (const uint8_t(*)[32])d.blind));
    sla_values(&n, d.value);
    CHECK_OK(make(&d, (struct sla_claim){ 999000, 1, 0 }, &text)); /* a member signed for it */
    struct vl_buf raw = opened(&text);
    CHECK(sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL) != VL_OK);
    vl_buf_free(&raw);
    vl_buf_free(&text);
    rig_cert(d.r, CERT_WORKER); /* the coordinator's key, without the role */
    CHECK_OK(sla_credential_issue(&d.c, &d.r->sign[0], zk_kit_gens(d.kit, 1), &n, d.r->node[5], 1000, 5000, (const uint8_t(*)[32])d.blind));
    CHECK_OK(make(&d, (struct sla_claim){ 999000, 1, 0 }, &text));
    raw = opened(&text);
    CHECK_EQ(VL_EDENIED, sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL));
    vl_buf_free(&raw);
    vl_buf_free(&text);
    close_desk(&d);
}

TEST(sla, counters_of_another_kind_are_refused_though_the_coordinator_signed_them) {
    struct desk d;
    struct vl_buf text;
    struct sla_verdict v;
    open_desk(&d, 100, 100, 100);
    for (unsigned kind = 0; kind < 2; kind++) {
        (void)snprintf(d.c.about, sizeof d.c.about, "%s", kind ? "availability, epochs 1-2" : "results of an examination");
        CHECK_OK(zk_credential_issue(&d.c, &d.r->sign[0], zk_kit_gens(d.kit, 1), d.value, (const uint8_t(*)[32])d.blind));
        CHECK_OK(make(&d, (struct sla_claim){ 999000, 50, 0 }, &text));
        struct vl_buf raw = opened(&text);
        CHECK_EQ(kind ? VL_OK : VL_EDENIED, sla_artefact_check(vl_span(raw.p, raw.len), 2000, &v, NULL));
        CHECK_EQ(kind ? VL_OK : VL_EDENIED, sla_artefact_check_with(d.kit, vl_span(raw.p, raw.len), 2000, &v, NULL));
        vl_buf_free(&raw);
        vl_buf_free(&text);
    }
    close_desk(&d);
}
