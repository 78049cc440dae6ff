#include "mix/guard.h"

#include "mix/path_priv.h"
#include "wire/pack.h"

#include <assert.h>
#include <string.h>

enum { TAG_GUARDS = 0x47, GUARDS_VERSION = 1, NOT_CONFIRMED = 0xff };
#define HOUR_MS 3600000ull
_Static_assert(GUARD_SAMPLE_MAX < NOT_CONFIRMED, "places fit a byte");

/* ---- small things ---- */

static bool is_confirmed(const struct guard *e) { return e->confirmed_ms != 0; }

/* A time up to `span` before now, and not before `least`; > 0, as 0 means never. */
static vl_ms some_time_ago(struct crypto_drbg *rng, vl_ms now, vl_ms span, vl_ms least) {
    vl_ms back = crypto_drbg_below(rng, span + 1);
    vl_ms at = back < now ? now - back : 1;
    return at < least ? least : at;
}

/* How long a guard that fails since `failing` and was last tried at `tried` is left alone. */
static vl_ms retry_ms(bool primary, vl_ms failing, vl_ms tried) {
    static const struct {
        vl_ms until, primary, other;
    } row[] = {
        { 6 * HOUR_MS, HOUR_MS / 6, HOUR_MS },
        { 96 * HOUR_MS, HOUR_MS + HOUR_MS / 2, 4 * HOUR_MS },
        { 168 * HOUR_MS, 4 * HOUR_MS, 18 * HOUR_MS },
        { VL_MS_NEVER, 9 * HOUR_MS, 36 * HOUR_MS },
    };
    size_t i = 0;
    while (tried - failing >= row[i].until) i++;
    return primary ? row[i].primary : row[i].other;
}

/* Places of filtered guards in the order of preference; how many. */
static uint32_t by_preference(const struct guards *g, uint8_t ret[GUARD_SAMPLE_MAX]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->confirmed_n; i++)
        if (g->v[g->confirmed[i]].filtered) ret[n++] = g->confirmed[i];
    for (uint32_t i = 0; i < g->n; i++)
        if (g->v[i].filtered && !is_confirmed(&g->v[i])) ret[n++] = (uint8_t)i;
    return n;
}

static void remove_at(struct guards *g, uint32_t at) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->confirmed_n; i++) {
        uint8_t place = g->confirmed[i];
        if (place != at) g->confirmed[kept++] = (uint8_t)(place > at ? place - 1 : place);
    }
    g->confirmed_n = kept;
    g->n--;
    memmove(&g->v[at], &g->v[at + 1], (g->n - at) * sizeof g->v[0]);
    g->changed = true;
}

/* ---- sampling ---- */

bool guards_short(const struct guards *g) {
    uint32_t usable = 0;
    for (uint32_t i = 0; i < g->n; i++) usable += g->v[i].filtered && g->v[i].reach != GUARD_NO;
    return usable < GUARD_SAMPLE_MIN;
}

/* Room for one more.  In a village that is sampled whole a guard that left longest ago gives way. */
static bool make_room(struct guards *g, uint32_t listed) {
    if (listed > GUARD_SAMPLE_MIN) return g->n < g->sample_limit;
    if (g->n < GUARD_SAMPLE_MAX) return true;
    uint32_t oldest = GUARD_SAMPLE_MAX;
    for (uint32_t i = 0; i < g->n; i++)
        if (g->v[i].unlisted_ms != 0 && (oldest == GUARD_SAMPLE_MAX || g->v[i].unlisted_ms < g->v[oldest].unlisted_ms))
            oldest = i;
    if (oldest == GUARD_SAMPLE_MAX) return false;
    remove_at(g, oldest);
    return true;
}

static bool sampled(const struct guards *g, struct vl_node_id node) {
    for (uint32_t i = 0; i < g->n; i++)
        if (vl_node_eq(g->v[i].node, node)) return true;
    return false;
}

void guards_sample(struct guards *g, vl_ms now, const struct guard_candidate *v, uint32_t n, struct crypto_drbg *rng) {
    uint64_t weight[MIX_RELAYS_MAX];
    assert(n <= MIX_RELAYS_MAX);
    for (uint32_t i = 0; i < n; i++) weight[i] = sampled(g, v[i].node) ? 0 : v[i].weight;
    while (guards_short(g)) {
        uint32_t at = topo_weighted(weight, n, rng);
        if (at == n || !make_room(g, n)) return;
        weight[at] = 0;
        g->v[g->n++] = (struct guard){ .node = v[at].node,
                                       .added_ms = some_time_ago(rng, now, GUARD_LIFETIME_MS / 10, 1),
                                       .number = v[at].number,
                                       .filtered = v[at].filtered };
        g->changed = true;
    }
}

/* ---- a new consensus ---- */

static bool has_had_its_time(const struct guard *e, vl_ms now) {
    if (e->unlisted_ms != 0 && now - e->unlisted_ms >= GUARD_UNLISTED_MS) return true;
    return now - e->added_ms >= GUARD_LIFETIME_MS && (!is_confirmed(e) || now - e->confirmed_ms >= GUARD_CONFIRMED_MS);
}

/* Times that lie ahead come from a clock that was wrong: such a guard would otherwise stay for as long. */
static void tame(struct guards *g, struct guard *e, vl_ms now) {
    vl_ms *times[] = { &e->added_ms, &e->confirmed_ms, &e->unlisted_ms };
    for (size_t i = 0; i < 3; i++)
        if (*times[i] > now) {
            *times[i] = now;
            g->changed = true;
        }
}

void guards_bind(struct guards *g, const struct guard_candidate *v, uint32_t n) {
    for (uint32_t k = 0; k < g->n; k++) {
        struct guard *e = &g->v[k];
        e->number = 0;
        e->filtered = false;
        for (uint32_t i = 0; i < n; i++)
            if (vl_node_eq(v[i].node, e->node)) {
                e->number = v[i].number;
                e->filtered = v[i].filtered;
            }
    }
}

static void relist(struct guards *g, struct guard *e, vl_ms now, struct crypto_drbg *rng) {
    if ((e->number != 0) == (e->unlisted_ms == 0)) return;
    e->unlisted_ms = e->number != 0 ? 0 : some_time_ago(rng, now, GUARD_UNLISTED_MS / 5, e->added_ms);
    g->changed = true;
}

void guards_consensus(struct guards *g, vl_ms now, const struct guard_candidate *v, uint32_t n,
                      struct crypto_drbg *rng) {
    if (now == 0) now = 1;
    uint32_t part = n / GUARD_SAMPLE_PART;
    g->sample_limit = part < GUARD_SAMPLE_MIN ? GUARD_SAMPLE_MIN : part > GUARD_SAMPLE_MAX ? GUARD_SAMPLE_MAX : part;
    guards_bind(g, v, n);
    for (uint32_t i = g->n; i-- > 0;) {
        tame(g, &g->v[i], now);
        relist(g, &g->v[i], now, rng);
        if (has_had_its_time(&g->v[i], now)) remove_at(g, i);
    }
    guards_sample(g, now, v, n, rng);
}

/* ---- choosing ---- */

static uint32_t list_usable(struct guards *g, vl_ms now, uint32_t ret[GUARD_SAMPLE_MAX]) {
    uint8_t order[GUARD_SAMPLE_MAX];
    uint32_t n = by_preference(g, order), usable = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct guard *e = &g->v[order[i]];
        if (e->reach == GUARD_NO &&
            now >= vl_ms_add(e->tried_ms, retry_ms(i < GUARD_PRIMARY, e->failing_ms, e->tried_ms)))
            e->reach = GUARD_MAYBE;
        if (e->reach != GUARD_NO) ret[usable++] = e->number;
    }
    return usable;
}

uint32_t guards_list(struct guards *g, vl_ms now, uint32_t ret[GUARD_SAMPLE_MAX]) {
    uint32_t n = list_usable(g, now, ret);
    if (n > 0 || now < vl_ms_add(g->failed_ms, GUARD_EXHAUSTED_MS)) return n;
    for (uint32_t i = 0; i < g->n; i++)
        if (g->v[i].reach == GUARD_NO) g->v[i].reach = GUARD_MAYBE;
    return list_usable(g, now, ret);
}

uint32_t guards_filtered(const struct guards *g) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n; i++) n += g->v[i].filtered;
    return n;
}

vl_ms guards_next_ms(const struct guards *g) {
    return guards_filtered(g) == 0 ? VL_MS_NEVER : vl_ms_add(g->failed_ms, GUARD_EXHAUSTED_MS);
}

static void confirm(struct guards *g, vl_ms now, uint32_t at, struct crypto_drbg *rng) {
    struct guard *e = &g->v[at];
    e->confirmed_ms = some_time_ago(rng, now, GUARD_LIFETIME_MS / 10, e->added_ms);
    g->confirmed[g->confirmed_n++] = (uint8_t)at;
    g->changed = true;
}

/* After an outage everything looks dead: give the preferred guards a chance before we settle on a lesser one. */
static void retry_primary(struct guards *g, uint32_t reached) {
    uint8_t order[GUARD_SAMPLE_MAX];
    uint32_t n = by_preference(g, order), primary = n < GUARD_PRIMARY ? n : GUARD_PRIMARY;
    for (uint32_t i = 0; i < primary; i++)
        if (order[i] == reached) return;
    for (uint32_t i = 0; i < primary; i++)
        if (g->v[order[i]].reach == GUARD_NO) g->v[order[i]].reach = GUARD_MAYBE;
}

void guards_result(struct guards *g, vl_ms now, uint32_t number, bool reached, struct crypto_drbg *rng) {
    uint32_t at = 0;
    while (at < g->n && g->v[at].number != number) at++;
    if (number == 0 || at == g->n) return;
    struct guard *e = &g->v[at];
    if (!reached) {
        if (!e->failing) e->failing_ms = now;
        e->failing = true;
        e->reach = GUARD_NO;
        e->tried_ms = g->failed_ms = now;
        return;
    }
    if (!g->reached || now - g->reached_ms >= GUARD_DOWN_MS) retry_primary(g, at);
    e->reach = GUARD_YES;
    e->failing = false;
    if (!is_confirmed(e)) confirm(g, now == 0 ? 1 : now, at, rng);
    g->reached = true;
    g->reached_ms = now;
}

/* ---- stored form: tag, version, count, entries in the order of sampling, then the confirmed ones' places ---- */

enum vl_err guards_encode(const struct guards *g, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_GUARDS, GUARDS_VERSION);
    pack_u8(&w, (uint8_t)g->n);
    for (uint32_t i = 0; i < g->n; i++) {
        pack_bytes(&w, g->v[i].node.b, sizeof g->v[i].node.b);
        pack_u64(&w, g->v[i].added_ms);
        pack_u64(&w, g->v[i].confirmed_ms);
        pack_u64(&w, g->v[i].unlisted_ms);
    }
    pack_u8(&w, (uint8_t)g->confirmed_n);
    pack_bytes(&w, g->confirmed, g->confirmed_n);
    return pack_end(&w);
}

static void decode_entry(struct vl_reader *r, struct guards *g) {
    struct guard e = { .node = unpack_node(r) };
    e.added_ms = unpack_u64_in(r, 1, VL_MS_NEVER - 1);
    e.confirmed_ms = vl_read_u64(r);
    e.unlisted_ms = vl_read_u64(r);
    unpack_require(r, e.confirmed_ms == 0 || e.confirmed_ms >= e.added_ms);
    unpack_require(r, e.unlisted_ms == 0 || e.unlisted_ms >= e.added_ms);
    unpack_require(r, !sampled(g, e.node));
    g->v[g->n++] = e;
}

enum vl_err guards_decode(struct vl_span bytes, struct guards *ret) {
    struct guards g = { 0 };
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    bool placed[GUARD_SAMPLE_MAX] = { false };
    uint32_t confirmed = 0;
    if (unpack_message(&r, TAG_GUARDS, GUARDS_VERSION) != VL_OK) return VL_ECORRUPT;
    uint32_t n = unpack_u8_in(&r, 0, GUARD_SAMPLE_MAX);
    for (uint32_t i = 0; i < n && !r.failed; i++) {
        decode_entry(&r, &g);
        confirmed += is_confirmed(&g.v[i]);
    }
    g.confirmed_n = vl_read_u8(&r);
    unpack_require(&r, g.confirmed_n == confirmed);
    for (uint32_t i = 0; i < g.confirmed_n && !r.failed; i++) {
        uint8_t place = vl_read_u8(&r);
        unpack_require(&r, place < g.n && !placed[place] && is_confirmed(&g.v[place]));
        if (r.failed) break;
        placed[place] = true;
        g.confirmed[i] = place;
    }
    if (vl_reader_end(&r) != VL_OK) return VL_ECORRUPT;
    *ret = g;
    return VL_OK;
}
