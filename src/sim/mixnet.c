#include "sim/mixnet.h"

#include "sim/mixnet_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sim_mixnet_cfg sim_mixnet_cfg_default(void) {
    struct sim_mixnet_cfg c = { .seed = 1,
                                .clients = 200,
                                .relays = 25,
                                .level = MIX_PRIVATE,
                                .cover_level = MIX_PRIVATE,
                                .rates = { .payload_mhz = 1000, .loop_mhz = 100, .drop_mhz = 100 },
                                .load = 1,
                                .message_bytes = 600,
                                .latency_min_ms = 5,
                                .latency_max_ms = 40,
                                .floor = MIX_FLOOR_DEFAULT,
                                .rate_ms = 10000,
                                .measure_ms = 60000,
                                .drain_ms = 600000 };
    mix_delays_default(MIX_EPOCH_MS, c.delay_ms);
    return c;
}

static bool sound(const struct sim_mixnet_cfg *c) {
    bool ok = c->clients >= 2 && c->clients <= SIM_MIX_CLIENTS_MAX && c->relays >= 1 && c->relays <= MIX_RELAYS_MAX;
    ok = ok && c->level > MIX_OFF && c->level < MIX_LEVELS && c->cover_level > MIX_OFF && c->cover_level < MIX_LEVELS;
    ok = ok && c->message_bytes >= 16 && c->message_bytes <= CHANNEL_MESSAGE_MAX && c->loss_ppm <= 1000000;
    ok = ok && c->latency_min_ms <= c->latency_max_ms && c->latency_max_ms <= SIM_MIX_LATENCY_MAX;
    ok = ok && c->rate_ms >= 1000 && c->load >= 0 && c->delay_ms[0] > 0;
    for (unsigned i = 1; i < MIX_DELAYS; i++) ok = ok && c->delay_ms[i] > c->delay_ms[i - 1];
    return ok;
}

/* ---- a run ---- */

/* Every packet that was handed over and not lost is somewhere, once. */
static bool balanced(const struct sim_mixnet *s) {
    uint64_t received = 0, forwarded = 0;
    for (uint32_t i = 0; i < s->cfg.relays; i++) {
        if (!relay_balanced(s->relays[i].r)) return false;
        received += s->relays[i].r->stats.received;
        forwarded += s->relays[i].r->stats.forwarded;
    }
    return s->ret.packets == s->ret.lost + s->in_flight + received && forwarded <= s->ret.packets;
}

static void run_until(struct sim_mixnet *s, vl_ms end, bool settled) {
    while (!s->err && s->now < end && !(settled && s->open == 0)) {
        sim_step(s);
        if (!balanced(s)) sim_fail(s, VL_EINTERNAL);
    }
}

static void rates_mark(struct sim_mixnet *s) {
    for (uint32_t i = 0; i < s->cfg.relays; i++) s->relays[i].mark = s->relays[i].r->stats.delay_n;
}
static void rates_publish(struct sim_mixnet *s, vl_ms since_ms) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->cfg.relays; i++) {
        struct sim_relay *r = &s->relays[i];
        r->rate = (uint32_t)((r->r->stats.delay_n - r->mark) * 1000 / since_ms);
        sum += r->rate;
    }
    s->ret.relay_rate = (uint32_t)(sum / s->cfg.relays);
}

/* Of the level, asked as a member does; *ret_mean_ms of the longest path. */
static bool level_there(struct sim_mixnet *s) {
    struct paths *p = s->clients[0].paths;
    return paths_level(p, s->now, s->cfg.level, &s->ret.level_mean_ms, &s->ret.refused) == VL_OK;
}

static void life(struct sim_mixnet *s) {
    if (!level_there(s)) return;
    vl_ms first = s->cfg.rate_ms / 4, rest = s->cfg.rate_ms - first;
    run_until(s, s->now + first, false);
    rates_mark(s);
    run_until(s, s->now + rest, false);
    if (s->err) return;
    rates_publish(s, rest);
    sim_fail(s, sim_epoch(s, 2));
    if (s->err || !level_there(s)) return;
    /* Until the pools are what the new delays make them: most packets of epoch 1 are gone then. */
    run_until(s, s->now + 1000 + 2 * mix_level_hops(s->cfg.level) * s->ret.level_mean_ms, false);
    s->measure_from = s->now;
    s->measure_to = s->now + s->cfg.measure_ms;
    run_until(s, s->measure_to, false);
    run_until(s, s->now + s->cfg.drain_ms, true);
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
/* The smallest that so many of a hundred do not exceed.  v ascending. */
static double percentile(const double *v, size_t n, unsigned percent) {
    return n == 0 ? 0 : v[(n * percent + 99) / 100 - 1];
}

static void tell_messages(struct sim_mixnet *s) {
    struct sim_mixnet_result *r = &s->ret;
    double *delay = calloc(s->messages_n + 1, sizeof *delay);
    size_t n = 0;
    if (delay == NULL) {
        sim_fail(s, VL_ENOMEM);
        return;
    }
    for (size_t i = 0; i < s->messages_n; i++) {
        const struct sim_message *m = &s->messages[i];
        if (!m->measured) continue;
        r->messages++;
        if (m->received) delay[n++] = m->delay_ms;
    }
    r->received = n;
    r->pending = r->messages - n;
    qsort(delay, n, sizeof *delay, by_value);
    r->delay_p50_ms = (uint32_t)percentile(delay, n, 50);
    r->delay_p95_ms = (uint32_t)percentile(delay, n, 95);
    r->delay_p99_ms = (uint32_t)percentile(delay, n, 99);
    free(delay);
}

static void tell_clients(struct sim_mixnet *s) {
    struct sim_mixnet_result *r = &s->ret;
    uint64_t slots = 0;
    for (uint32_t i = 0; i < s->cfg.clients; i++) {
        struct sim_client *c = &s->clients[i];
        struct cover_stats cs = cover_stats(c->cover);
        r->loops_back += cs.back;
        r->loops_lost += cs.lost;
        slots += c->slots;
        if (c->channel == NULL) continue;
        struct channel_stats ch = channel_stats(c->channel);
        r->fragments += ch.fragments;
        r->retransmitted += ch.retransmitted;
        r->failed += ch.failed;
    }
    if (s->measure_from != VL_MS_NEVER && s->cfg.measure_ms > 0)
        r->sent_rate = (double)slots * 1000 / (double)s->cfg.measure_ms / s->cfg.clients;
}

static void tell_entropy(struct sim_mixnet *s) {
    struct sim_mixnet_result *r = &s->ret;
    double n = (double)s->bits_n, sum = 0;
    r->samples = s->bits_n;
    if (r->waits) r->pool = s->pool_sum / (double)r->waits, r->wait_ratio = s->wait_ratio / (double)r->waits;
    if (r->ranks) r->age_rank = s->age_rank / (double)r->ranks;
    if (s->means) r->mean_ms = s->mean_sum / (double)s->means;
    if (s->bits_n == 0) return;
    qsort(s->bits, s->bits_n, sizeof *s->bits, by_value);
    for (size_t i = 0; i < s->bits_n; i++) sum += s->bits[i];
    r->entropy = sum / n;
    r->entropy_5 = percentile(s->bits, s->bits_n, 5);
    r->effective = exp2(r->entropy);
    r->fraction = r->entropy / log2(s->cfg.clients);
    r->surprise = s->surprise / n;
}

enum vl_err sim_mixnet_run(const struct sim_mixnet_cfg *cfg, struct sim_mixnet_result *ret) {
    if (!sound(cfg)) return VL_ERANGE;
    struct sim_mixnet *s = calloc(1, sizeof *s);
    if (s == NULL) return VL_ENOMEM;
    s->cfg = *cfg;
    sim_fail(s, sim_setup(s));
    if (!s->err) life(s);
    if (!s->err) {
        tell_messages(s);
        tell_clients(s);
        tell_entropy(s);
        s->ret.virtual_s = (double)(s->now - SIM_MIX_START) / 1000;
    }
    enum vl_err err = s->err;
    *ret = s->ret;
    sim_teardown(s);
    free(s);
    return err;
}

/* ---- what cannot be ---- */

/* Five standard deviations of a mean of n values, each of deviation sd. */
static double five(double sd, uint64_t n) { return n ? 5 * sd / sqrt((double)n) : 0; }

const char *sim_mixnet_wrong(const struct sim_mixnet_cfg *cfg, const struct sim_mixnet_result *r) {
    double rate = (cfg->rates.payload_mhz + cfg->rates.loop_mhz + cfg->rates.drop_mhz) / 1000.0;
    double slots = rate * cfg->clients * (double)cfg->measure_ms / 1000;
    if (r->refused.text[0]) return NULL;
    if (r->wrong || r->doubled) return "a message came twice, or other than it was sent";
    if (r->failed || r->pending) return "a message did not arrive";
    if (r->bad || r->undeliverable) return "a packet was refused";
    /* What there is to say must not show on the first link. */
    if (fabs(r->sent_rate / rate - 1) > five(1, (uint64_t)slots))
        return "clients do not send at the rate of their slots";
    if (mix_level_hops(cfg->level) == 1) return NULL;
    /* Delays are rounded up to milliseconds, of which short ones are long. */
    if (fabs(r->wait_ratio - 1) > 0.05 + five(1, r->waits)) return "packets do not wait as long as they ask for";
    /* A rank is uniform: its deviation is 1 / sqrt(12), and more where but two wait. */
    if (fabs(r->age_rank - 0.5) > 0.01 + five(0.5, r->ranks)) return "when packets leave depends on when they came";
    if (fabs(r->surprise - r->entropy) > 0.1 + five(2, r->samples)) return "the true senders are less likely than told";
    return NULL;
}
