#include "fog/uptime.h"

#include "wire/pack.h"

#define TAG 0x75u
#define VERSION 1u
#define HOUR 3600000u
#define ONE 1000000000u
#define Z_MILLI 1645u        /* 95 %, one-sided */
#define SUM_MAX (1ull << 40) /* 34 years: far above what decay leaves (14 days / ln 2), and products stay in 64 bits */

/* 2^(-1/4096) in parts of 2^32: half a period of decay takes 4,096 steps of UPTIME_HALF_MS / 4096 (about 5 minutes). */
#define STEP_FACTOR 4294240541ull
#define STEP_MS (UPTIME_HALF_MS / 4096)

/* What is left of v after so many steps: repeated squaring of the factor. */
static uint64_t decayed(uint64_t v, uint64_t steps) {
    uint64_t f = STEP_FACTOR;
    for (; steps > 0 && v > 0; steps >>= 1) {
        if (steps & 1) v = (v >> 32) * f + ((v & UINT32_MAX) * f >> 32);
        f = f * f >> 32;
    }
    return v;
}

void uptime_begin(struct uptime *u, vl_ms now, bool up) {
    *u = (struct uptime){ .up_ms = UPTIME_PRIOR_UP_MS, .down_ms = UPTIME_PRIOR_DOWN_MS, .at_ms = now, .up = up };
}

/* Old evidence fades in whole steps, counted from the epoch, so that it does not matter how often one looks. */
static void fade(struct uptime *u, vl_ms now) {
    uint64_t steps = now / STEP_MS - u->at_ms / STEP_MS;
    u->up_ms = decayed(u->up_ms, steps);
    u->down_ms = decayed(u->down_ms, steps);
}

void uptime_pass(struct uptime *u, vl_ms now) {
    if (now <= u->at_ms) return;
    uint64_t gone = now - u->at_ms, most = 4 * UPTIME_HALF_MS;
    fade(u, now);
    /* A long stretch fades while it lasts; in pieces of half a day the error is below 2 %, and errs to neither side. */
    uint64_t *sum = u->up ? &u->up_ms : &u->down_ms, piece = UPTIME_HALF_MS / 28;
    for (uint64_t left = gone > most ? most : gone; left > 0;) {
        uint64_t n = left < piece ? left : piece;
        left -= n;
        *sum += decayed(n, (left + n / 2) / STEP_MS);
    }
    if (*sum > SUM_MAX) *sum = SUM_MAX;
    u->at_ms = now;
}

void uptime_mark(struct uptime *u, vl_ms at, bool up) {
    uptime_pass(u, at);
    u->up = up;
}

void uptime_blind(struct uptime *u, vl_ms now) {
    if (now > u->at_ms) u->at_ms = now;
}

uint32_t uptime_mean_ppb(const struct uptime *u) {
    uint64_t a = u->up_ms + HOUR, b = u->down_ms + HOUR;
    return (uint32_t)(ONE * (a >> 12) / ((a + b) >> 12)); /* sums below 2^41, shifted: products below 2^59 */
}

static uint64_t root(uint64_t v) {
    uint64_t r = 0;
    for (uint64_t bit = 1ull << 62; bit > 0; bit >>= 2) {
        if (v >= r + bit) {
            v -= r + bit;
            r = (r >> 1) + bit;
        } else {
            r >>= 1;
        }
    }
    return r;
}

uint32_t uptime_lower_ppb(const struct uptime *u) {
    uint64_t a = u->up_ms + HOUR, b = u->down_ms + HOUR;
    uint64_t mean = uptime_mean_ppb(u), rest = ONE - mean;
    /* Var = mean (1 - mean) / (n + 1), n in observations of an hour; in parts of 10^18 */
    uint64_t n_milli = (a + b) / (HOUR / 1000) + 1000;
    uint64_t var = mean * rest / n_milli * 1000; /* <= 2.5e17 / 3000 * 1000 */
    uint64_t off = (root(var) + 1) * Z_MILLI / 1000;
    return off >= mean ? 0 : (uint32_t)(mean - off);
}

enum vl_err uptime_encode(const struct uptime *u, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG, VERSION);
    if (u->up_ms > SUM_MAX || u->down_ms > SUM_MAX) pack_fail(&w, VL_ERANGE);
    pack_u64(&w, u->up_ms);
    pack_u64(&w, u->down_ms);
    pack_u64(&w, u->at_ms);
    pack_bool(&w, u->up);
    return pack_end(&w);
}

enum vl_err uptime_decode(struct vl_span in, struct uptime *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct uptime u = { 0 };
    enum vl_err err = unpack_message(&r, TAG, VERSION);
    if (err) return err;
    u.up_ms = unpack_u64_in(&r, 0, SUM_MAX);
    u.down_ms = unpack_u64_in(&r, 0, SUM_MAX);
    u.at_ms = vl_read_u64(&r);
    u.up = unpack_bool(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = u;
    return err;
}
