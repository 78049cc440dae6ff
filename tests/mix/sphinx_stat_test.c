/* Packets of all kinds, lengths and places look alike.  Samples of packets from fixed seeds, counted bit by bit and
 * byte by byte, once as they lie on the wire and once as the node sees what is behind its slot.  Thresholds are six
 * standard deviations (one in 5e8 for each figure, and the seeds are fixed), so a red test is a flaw; each measure is
 * shown to turn red for packets that a careless format would have made. */
#include "mix/sphinx_rig.h"

#include "crypto/stream.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PACKETS 192u
#define SIGMAS 6.0

/* Counts over PACKETS strings of n bytes. */
struct sample {
    size_t n;
    uint32_t strings;
    uint64_t byte[256];
    uint32_t one[8 * SPHINX_PACKET];
};

static void count(struct sample *s, const uint8_t *p, size_t n) {
    s->n = n;
    s->strings++;
    for (size_t i = 0; i < n; i++) {
        s->byte[p[i]]++;
        for (size_t bit = 0; bit < 8; bit++) s->one[8 * i + bit] += p[i] >> bit & 1u;
    }
}

/* Largest deviation of any bit from even, in standard deviations. */
static double worst_bit(const struct sample *s) {
    double worst = 0, half = s->strings / 2.0, sigma = sqrt(s->strings) / 2.0;
    for (size_t i = 0; i < 8 * s->n; i++) {
        double z = fabs(s->one[i] - half) / sigma;
        if (z > worst) worst = z;
    }
    return worst;
}

/* How far the histogram of bytes is from flat: chi-square with 255 degrees of freedom, as standard deviations of it. */
static double byte_skew(const struct sample *s) {
    double chi = 0, want = (double)s->n * s->strings / 256.0;
    for (size_t v = 0; v < 256; v++) chi += ((double)s->byte[v] - want) * ((double)s->byte[v] - want) / want;
    return (chi - 255.0) / sqrt(2 * 255.0);
}

static bool even(const struct sample *s) { return worst_bit(s) < SIGMAS && byte_skew(s) < SIGMAS; }

/* Two samples of as many strings: no bit is set oftener in one.  For what has a shape of its own, as E. */
static bool alike(const struct sample *a, const struct sample *b) {
    for (size_t i = 0; i < 8 * a->n; i++) {
        double sum = a->one[i] + b->one[i], share = sum / (a->strings + b->strings);
        double sigma = sqrt(share * (1 - share) * (a->strings + b->strings));
        if (fabs((double)a->one[i] - b->one[i]) > SIGMAS * sigma) return false; /* both constant: 0 > 0 */
    }
    return true;
}

/* One kind of packet at one place. */
struct view {
    struct sample e, wire, behind, change; /* change: what comes out of the node xor what went in */
};
enum { FORWARD_KIND = 0, REPLY_KIND = 1 };
static const uint32_t lengths[4] = { 1, 3, 5, 7 };
struct views {
    struct view of[2][4][SPHINX_HOPS_MAX];
};

static void make_packet(struct sphinx_rig *r, int kind, uint32_t n, uint8_t packet[SPHINX_PACKET]) {
    uint8_t body[SPHINX_BODY];
    uint32_t first = 0;
    CHECK_OK(sphinx_body(1, vl_span_str("the same for all"), body));
    struct sphinx_path path = sphinx_rig_path(r, n, kind == REPLY_KIND ? SPHINX_REPLY : SPHINX_DELIVER);
    if (kind == REPLY_KIND) {
        uint8_t surb[1][SPHINX_SURB];
        struct sphinx_surb_keys keys;
        CHECK_OK(sphinx_surb_build(&path, 1, 9, &r->rng, surb, &keys));
        CHECK_OK(sphinx_surb_use(surb[0], body, packet, &first));
    } else {
        struct sphinx_prebuilt pre;
        CHECK_OK(sphinx_build(&path, 1, &r->rng, &pre));
        sphinx_seal(&pre, body, packet);
    }
}

/* What node i finds behind its slot. */
static void look_behind(const struct sphinx_work *w, uint8_t behind[SPHINX_BETA]) {
    uint8_t p[SPHINX_STREAM] = { 0 };
    memcpy(p, w->packet + SPHINX_AT_BETA, SPHINX_BETA);
    crypto_chacha20_xor(w->okm + SPHINX_OKM_HEADER, p, sizeof p, p);
    memcpy(behind, p + SPHINX_SLOT, SPHINX_BETA);
}

static void watch(struct sphinx_rig *r, int kind, uint32_t n, struct view *of) {
    uint8_t packet[SPHINX_PACKET], before[SPHINX_PACKET], behind[SPHINX_BETA];
    struct sphinx_work w;
    make_packet(r, kind, n, packet);
    for (uint32_t i = 0; i < n; i++) {
        count(&of[i].e, packet + SPHINX_AT_E, 32);
        count(&of[i].wire, packet + SPHINX_AT_GAMMA, SPHINX_PACKET - SPHINX_AT_GAMMA);
        CHECK_EQ(SPHINX_OK, sphinx_rig_open(r, i, packet, &w));
        look_behind(&w, behind);
        count(&of[i].behind, behind, sizeof behind);
        memcpy(before, packet, sizeof before);
        sphinx_peel(&w, 1);
        CHECK_EQ(SPHINX_OK, w.verdict);
        sphinx_xor(before, packet, sizeof before);
        if (i + 1 < n) count(&of[i].change, before + SPHINX_AT_GAMMA, SPHINX_PACKET - SPHINX_AT_GAMMA);
    }
}

static struct views *watch_all(struct sphinx_rig *r) {
    struct views *v = calloc(1, sizeof *v);
    CHECK(v != NULL);
    sphinx_rig_init(r, "statistics");
    for (int kind = 0; kind < 2; kind++)
        for (size_t l = 0; l < 4; l++)
            for (uint32_t k = 0; k < PACKETS; k++) watch(r, kind, lengths[l], v->of[kind][l]);
    return v;
}

TEST(sphinx_stat, packets_of_every_kind_length_and_place_look_alike_on_the_wire_and_behind_the_slot) {
    struct sphinx_rig r;
    struct views *v = watch_all(&r);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t l = 0; l < 4; l++) {
            for (uint32_t i = 0; i < lengths[l]; i++) {
                struct view *of = &v->of[kind][l][i];
                CHECK(even(&of->wire));
                CHECK(even(&of->behind));
                CHECK(i + 1 == lengths[l] || even(&of->change));
                CHECK(alike(&v->of[0][0][0].e, &of->e));
                CHECK(alike(&v->of[0][0][0].wire, &of->wire));
            }
        }
    }
    free(v);
}

/* ---- the measures can fail: the same packets, spoilt afterwards as a careless format would have it ---- */

TEST(sphinx_stat, turns_red_for_zeros_behind_the_last_slot) {
    struct sphinx_rig r;
    uint8_t packet[SPHINX_PACKET], behind[SPHINX_BETA];
    struct sphinx_work w;
    sphinx_rig_init(&r, "zero padding");
    for (size_t l = 0; l < 4; l++) {
        struct sample *spoilt = calloc(2, sizeof *spoilt), *sound = spoilt + 1;
        size_t padding = SPHINX_SLOT * (SPHINX_HOPS_MAX - lengths[l]);
        CHECK(spoilt != NULL);
        for (uint32_t k = 0; k < PACKETS; k++) {
            make_packet(&r, FORWARD_KIND, lengths[l], packet);
            for (uint32_t i = 0; i + 1 < lengths[l]; i++) CHECK_EQ(SPHINX_OK, sphinx_rig_pass(&r, i, packet, &w));
            CHECK_EQ(SPHINX_OK, sphinx_rig_open(&r, lengths[l] - 1, packet, &w));
            look_behind(&w, behind);
            count(sound, behind, sizeof behind);
            memset(behind, 0, padding);
            count(spoilt, behind, sizeof behind);
        }
        CHECK(even(sound));
        CHECK_EQ(padding == 0, even(spoilt)); /* seven nodes leave no room for it */
        CHECK_EQ(padding == 0, alike(sound, spoilt));
        free(spoilt);
    }
}

TEST(sphinx_stat, turns_red_for_one_constant_byte_of_padding_a_missing_filler_and_a_payload_in_the_clear) {
    struct sphinx_rig r;
    uint8_t packet[SPHINX_PACKET];
    struct sphinx_work w;
    struct sample *s = calloc(4, sizeof *s);
    CHECK(s != NULL);
    sphinx_rig_init(&r, "broken variants");
    for (uint32_t k = 0; k < PACKETS; k++) {
        make_packet(&r, FORWARD_KIND, 3, packet);
        CHECK_EQ(SPHINX_OK, sphinx_rig_pass(&r, 0, packet, &w));
        count(&s[0], packet + SPHINX_AT_GAMMA, SPHINX_PACKET - SPHINX_AT_GAMMA);
        for (size_t spoil = 1; spoil < 4; spoil++) {
            uint8_t copy[SPHINX_PACKET];
            memcpy(copy, packet, sizeof copy);
            if (spoil == 1) copy[SPHINX_AT_BETA + 300] = 0x55;
            if (spoil == 2) memset(copy + SPHINX_AT_BETA + SPHINX_BETA - SPHINX_SLOT, 0, SPHINX_SLOT);
            if (spoil == 3) memset(copy + SPHINX_HEADER, 0, SPHINX_ZEROS);
            count(&s[spoil], copy + SPHINX_AT_GAMMA, SPHINX_PACKET - SPHINX_AT_GAMMA);
        }
    }
    CHECK(even(&s[0]));
    for (size_t spoil = 1; spoil < 4; spoil++) {
        CHECK(!even(&s[spoil]));
        CHECK(!alike(&s[0], &s[spoil]));
    }
    free(s);
}

/* A bias that no single bit shows: bytes drawn from 192 of 256 values with every bit still even. */
TEST(sphinx_stat, turns_red_for_bytes_that_are_even_in_bits_and_skewed_in_values) {
    struct sphinx_rig r;
    struct sample *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    sphinx_rig_init(&r, "skew");
    for (uint32_t k = 0; k < PACKETS; k++) {
        uint8_t p[SPHINX_BETA];
        crypto_drbg_bytes(&r.rng, p, sizeof p);
        for (size_t i = 0; i < sizeof p; i++)
            if ((p[i] & 3) == ((p[i] >> 2) & 3)) p[i] ^= 0x03; /* the two pairs are never equal */
        count(s, p, sizeof p);
    }
    CHECK(worst_bit(s) < SIGMAS);
    CHECK(!(byte_skew(s) < SIGMAS));
    free(s);
}
