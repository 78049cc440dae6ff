#include "mix/cover.h"

#include "crypto/drbg.h"
#include "crypto/random.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256, LOST_FACTOR = 4, ID = 32 };

struct loop {
    bool out;
    uint8_t id[ID];
    vl_ms sent, expected_ms, lost_at;
};
struct outcome {
    bool lost;
    uint32_t transit_ms;
};
struct cover {
    struct cover_rates rates;
    uint32_t total_mhz;
    uint16_t tolerance_permille;
    struct crypto_drbg rng;
    vl_ms next_ms; /* of the next slot, with next_us below a millisecond; VL_MS_NEVER */
    uint32_t next_us;
    struct cover_stats stats;
    struct loop loop[COVER_LOOPS_OUT];
    struct outcome window[WINDOW]; /* ring */
    uint32_t window_n, window_next;
};

struct cover_rates cover_rates_default(void) {
    return (struct cover_rates){ .payload_mhz = 10000, .loop_mhz = 1000, .drop_mhz = 1000 };
}

/* ---- time of slots ---- */

/* -ln(u) with 20 bits behind the point, u uniform in (0, 1]: integers only, so that a seed gives the same slots on
 * every machine.  log2 bit by bit: squaring a number in [1, 2) doubles its logarithm. */
static uint64_t exponential(struct crypto_drbg *rng) {
    enum { BITS = 20 };
    static const uint64_t ln2 = 726817; /* with BITS behind the point */
    uint64_t u = crypto_drbg_u64(rng) | 1, fraction = 0;
    unsigned zeros = (unsigned)__builtin_clzll(u);
    uint64_t m = u << zeros >> 32; /* [1, 2) with 31 bits behind the point */
    for (int i = 0; i < BITS; i++) {
        m = m * m >> 31;
        fraction = fraction << 1 | m >> 32;
        m >>= m >> 32;
    }
    return ((((uint64_t)zeros + 1) << BITS) - fraction) * ln2 >> BITS;
}

static void schedule(struct cover *c, vl_ms from_ms, uint32_t from_us) {
    uint64_t gap_us = (exponential(&c->rng) * 1000000000u / c->total_mhz) >> 20;
    uint64_t us = gap_us + from_us;
    c->next_ms = vl_ms_add(from_ms, us / 1000);
    c->next_us = (uint32_t)(us % 1000);
}

enum vl_err cover_create(const struct cover_rates *rates, const uint8_t seed[32], vl_ms now, struct cover **ret) {
    uint64_t total = (uint64_t)rates->payload_mhz + rates->loop_mhz + rates->drop_mhz;
    if (total > COVER_RATE_MAX) return VL_ERANGE;
    struct cover *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    *c = (struct cover){ .rates = *rates,
                         .total_mhz = (uint32_t)total,
                         .tolerance_permille = COVER_TOLERANCE_DEFAULT,
                         .next_ms = VL_MS_NEVER };
    crypto_drbg_init(&c->rng, seed);
    if (total > 0) schedule(c, now, 0);
    *ret = c;
    return VL_OK;
}

void cover_destroy(struct cover *c) {
    if (c == NULL) return;
    sodium_memzero(c, sizeof *c);
    free(c);
}

vl_ms cover_deadline(const struct cover *c) { return c->next_ms; }

/* ---- loops ---- */

static void note(struct cover *c, bool lost, vl_ms transit_ms) {
    c->window[c->window_next] =
        (struct outcome){ .lost = lost, .transit_ms = transit_ms < UINT32_MAX ? (uint32_t)transit_ms : UINT32_MAX };
    c->window_next = (c->window_next + 1) % WINDOW;
    if (c->window_n < WINDOW) c->window_n++;
}

static void forget(struct cover *c, struct loop *l) {
    sodium_memzero(l, sizeof *l);
    c->stats.out--;
}

static void give_up(struct cover *c, vl_ms now) {
    for (size_t i = 0; i < COVER_LOOPS_OUT; i++)
        if (c->loop[i].out && now >= c->loop[i].lost_at) {
            c->stats.lost++;
            note(c, true, 0);
            forget(c, &c->loop[i]);
        }
}

static vl_ms with_tolerance(const struct cover *c, vl_ms ms) {
    vl_ms more = ms / 1000 * c->tolerance_permille + ms % 1000 * c->tolerance_permille / 1000;
    return vl_ms_add(ms, more);
}

void cover_loop_sent(struct cover *c, vl_ms now, vl_ms expected_ms, uint8_t ret_data[32]) {
    give_up(c, now);
    crypto_drbg_bytes(&c->rng, ret_data, ID);
    if (expected_ms > UINT32_MAX) expected_ms = UINT32_MAX; /* 49 days: no path is as slow */
    for (size_t i = 0; i < COVER_LOOPS_OUT; i++) {
        struct loop *l = &c->loop[i];
        if (l->out) continue;
        vl_ms patience = vl_ms_add(with_tolerance(c, expected_ms * LOST_FACTOR), COVER_SLACK_MS);
        *l = (struct loop){ .out = true, .sent = now, .expected_ms = expected_ms, .lost_at = vl_ms_add(now, patience) };
        memcpy(l->id, ret_data, ID);
        c->stats.out++;
        return;
    }
}

enum vl_err cover_loop_back(struct cover *c, vl_ms now, const uint8_t data[32]) {
    struct loop *found = NULL;
    give_up(c, now);
    for (size_t i = 0; i < COVER_LOOPS_OUT; i++) /* all of them: how long it takes tells nothing of the ids */
        if (crypto_equal(c->loop[i].id, data, ID) && c->loop[i].out) found = &c->loop[i];
    if (found == NULL) return VL_ENOTFOUND;
    vl_ms transit = now > found->sent ? now - found->sent : 0;
    c->stats.back++;
    c->stats.late += transit > with_tolerance(c, found->expected_ms);
    note(c, false, transit);
    forget(c, found);
    return VL_OK;
}

/* ---- slots ---- */

bool cover_next(struct cover *c, vl_ms now, enum cover_slot *ret_slot) {
    give_up(c, now);
    if (c->total_mhz == 0 || now < c->next_ms) return false;
    if (now - c->next_ms > COVER_CATCH_UP_MS)
        schedule(c, now, 0);
    else
        schedule(c, c->next_ms, c->next_us);
    /* Three Poisson streams are one of the sum of their rates, each slot of which belongs to one by chance. */
    uint64_t which = crypto_drbg_below(&c->rng, c->total_mhz);
    if (which < c->rates.payload_mhz) {
        *ret_slot = COVER_PAYLOAD;
        c->stats.payload++;
    } else if (which < (uint64_t)c->rates.payload_mhz + c->rates.loop_mhz) {
        *ret_slot = COVER_LOOP;
        c->stats.loops++;
    } else {
        *ret_slot = COVER_DROP;
        c->stats.drops++;
    }
    return true;
}

void cover_filled(struct cover *c) { c->stats.filled++; }

void cover_tolerance(struct cover *c, uint16_t permille) { c->tolerance_permille = permille; }

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

struct cover_stats cover_stats(const struct cover *c) {
    struct cover_stats s = c->stats;
    uint32_t transit[WINDOW], n = 0;
    for (uint32_t i = 0; i < c->window_n; i++)
        if (!c->window[i].lost) transit[n++] = c->window[i].transit_ms;
    if (c->window_n > 0) s.loss_permille = ((c->window_n - n) * 1000 + c->window_n / 2) / c->window_n;
    if (n == 0) return s;
    qsort(transit, n, sizeof transit[0], by_size);
    s.delay_p50_ms = transit[(n * 50 + 99) / 100 - 1]; /* the smallest that so many per cent do not exceed */
    s.delay_p95_ms = transit[(n * 95 + 99) / 100 - 1];
    return s;
}
