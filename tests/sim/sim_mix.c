/* sim_mix.c - the private network in virtual time, measured: delay, loss and the entropy of the set of senders.
 * sim_mix --help lists the options. */
#include "crypto/random.h"
#include "sim/mixnet.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    struct sim_mixnet_cfg cfg;
    enum mix_level first, last;
    bool cover_follows, json;
};

static void usage(void) {
    fputs("usage: sim_mix [options]\n"
          "  --level private|confidential|secret|public|all   of messages (all: the first three)\n"
          "  --clients N --relays R\n"
          "  --minutes M        measured, after epoch 1 and a while\n"
          "  --rate R           payload slots a second of each client; loops and drops a tenth of it each\n"
          "  --load F           messages per client and minute\n"
          "  --bytes B          of a message\n"
          "  --loss P           per cent of packets, at each link to a relay\n"
          "  --latency MIN MAX  of links, ms\n"
          "  --floor K          packets that should wait at each relay; 0: none\n"
          "  --cover LEVEL|same level of cover: private, as members do; same: that of the messages\n"
          "  --seed N\n"
          "  --json             a line of JSON for each level\n",
          stderr);
}

static bool number(const char *text, double least, double most, double *ret) {
    char *end;
    *ret = strtod(text, &end);
    return end != text && *end == 0 && *ret >= least && *ret <= most;
}

static bool option_level(struct options *o, const char *value) {
    o->first = MIX_PRIVATE;
    o->last = MIX_SECRET;
    if (strcmp(value, "all") == 0) return true;
    bool ok = mix_level_parse(value, &o->first) && o->first != MIX_OFF;
    o->last = o->first;
    return ok;
}

static bool option_cover(struct options *o, const char *value) {
    o->cover_follows = strcmp(value, "same") == 0;
    return o->cover_follows || (mix_level_parse(value, &o->cfg.cover_level) && o->cfg.cover_level != MIX_OFF);
}

static bool option_number(struct options *o, const char *name, const char *value) {
    struct sim_mixnet_cfg *c = &o->cfg;
    double v;
    if (strcmp(name, "--seed") == 0) {
        char *end;
        c->seed = strtoull(value, &end, 10);
        return end != value && *end == 0;
    }
    if (!number(value, 0, 1e6, &v)) return false;
    if (strcmp(name, "--clients") == 0)
        c->clients = (uint32_t)v;
    else if (strcmp(name, "--relays") == 0)
        c->relays = (uint32_t)v;
    else if (strcmp(name, "--minutes") == 0)
        c->measure_ms = (vl_ms)(v * 60000);
    else if (strcmp(name, "--rate") == 0)
        c->rates = (struct cover_rates){ .payload_mhz = (uint32_t)(v * 1000 + 0.5),
                                         .loop_mhz = (uint32_t)(v * 100 + 0.5),
                                         .drop_mhz = (uint32_t)(v * 100 + 0.5) };
    else if (strcmp(name, "--load") == 0)
        c->load = v;
    else if (strcmp(name, "--bytes") == 0)
        c->message_bytes = (uint32_t)v;
    else if (strcmp(name, "--loss") == 0)
        c->loss_ppm = (uint32_t)(v * 10000 + 0.5);
    else if (strcmp(name, "--floor") == 0)
        c->floor = (uint32_t)v;
    else
        return false;
    return true;
}

static bool options_read(struct options *o, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--json") == 0) {
            o->json = true;
            continue;
        }
        if (++i >= argc) return false;
        bool ok;
        double low, high;
        if (strcmp(name, "--level") == 0)
            ok = option_level(o, argv[i]);
        else if (strcmp(name, "--cover") == 0)
            ok = option_cover(o, argv[i]);
        else if (strcmp(name, "--latency") == 0) {
            ok = i + 1 < argc && number(argv[i], 0, SIM_MIX_LATENCY_MAX, &low) &&
                 number(argv[i + 1], low, SIM_MIX_LATENCY_MAX, &high);
            if (ok) o->cfg.latency_min_ms = (vl_ms)low, o->cfg.latency_max_ms = (vl_ms)high, i++;
        } else
            ok = option_number(o, name, argv[i]);
        if (!ok) return false;
    }
    return true;
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct cost {
    double wall_s, cpu_s;
};

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

static void tell_json(const struct sim_mixnet_cfg *c, const struct sim_mixnet_result *r, struct cost cost) {
    printf("{\"level\":\"%s\",\"clients\":%u,\"relays\":%u,\"slots_s\":%.3f,\"load_min\":%.3f,\"loss_percent\":%.3f,"
           "\"floor\":%u,\"cover_level\":\"%s\",\"seed\":%" PRIu64 ",",
           mix_level_name(c->level), c->clients, c->relays,
           (c->rates.payload_mhz + c->rates.loop_mhz + c->rates.drop_mhz) / 1000.0, c->load, c->loss_ppm / 10000.0,
           c->floor, mix_level_name(c->cover_level), c->seed);
    if (r->refused.text[0]) {
        printf("\"relay_rate\":%u,\"refused\":\"%s\"}\n", r->relay_rate, r->refused.text);
        return;
    }
    printf("\"relay_rate\":%u,\"mean_ms\":%.1f,\"delay_p50_ms\":%u,\"delay_p95_ms\":%u,\"delay_p99_ms\":%u,"
           "\"loops_back\":%" PRIu64 ",\"loops_lost\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"lost\":%" PRIu64 ",",
           r->relay_rate, r->mean_ms, r->delay_p50_ms, r->delay_p95_ms, r->delay_p99_ms, r->loops_back, r->loops_lost,
           r->packets, r->lost);
    printf("\"messages\":%" PRIu64 ",\"received\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"fragments\":%" PRIu64
           ",\"retransmitted\":%" PRIu64 ",\"samples\":%" PRIu64 ",\"entropy\":%.3f,\"entropy_p5\":%.3f,"
           "\"effective\":%.1f,\"fraction\":%.4f,\"surprise\":%.3f,\"pool\":%.1f,\"hops\":%" PRIu64 ","
           "\"age_rank\":%.4f,\"wait_ratio\":%.4f,\"no_path\":%" PRIu64
           ",\"virtual_s\":%.1f,\"wall_s\":%.2f,\"cpu_s\":%.2f}\n",
           r->messages, r->received, r->failed, r->fragments, r->retransmitted, r->samples, r->entropy, r->entropy_5,
           r->effective, r->fraction, r->surprise, r->pool, r->hops, r->age_rank, r->wait_ratio, r->no_path,
           r->virtual_s, cost.wall_s, cost.cpu_s);
}

static void tell_head(const struct sim_mixnet_cfg *c) {
    printf("# %u clients, %u relays, %.2f packets/s each, %.2f messages/min each of %u B, loss %.1f %% a link, K = %u, "
           "seed %" PRIu64 "; log2(clients) = %.2f bits\n",
           c->clients, c->relays, (c->rates.payload_mhz + c->rates.loop_mhz + c->rates.drop_mhz) / 1000.0, c->load,
           c->message_bytes, c->loss_ppm / 10000.0, c->floor, c->seed, log2(c->clients));
    printf("%-12s %6s %7s %22s %6s %6s %8s %6s %7s %15s %9s %6s %9s %6s %6s\n", "level", "rate/s", "mean ms",
           "delay p50/p95/p99 s", "loops-", "lost", "messages", "failed", "resent", "entropy mean/p5", "effective",
           "among", "virtual s", "wall s", "cpu s");
}

static void tell_row(const struct sim_mixnet_cfg *c, const struct sim_mixnet_result *r, struct cost cost) {
    char delays[32], bits[32];
    if (r->refused.text[0]) {
        printf("%-12s %6u refused: %s\n", mix_level_name(c->level), r->relay_rate, r->refused.text);
        return;
    }
    snprintf(delays, sizeof delays, "%.2f/%.2f/%.2f", r->delay_p50_ms / 1000.0, r->delay_p95_ms / 1000.0,
             r->delay_p99_ms / 1000.0);
    snprintf(bits, sizeof bits, "%.2f/%.2f", r->entropy, r->entropy_5);
    printf("%-12s %6u %7.0f %22s %5.1f%% %5.1f%% %8" PRIu64 " %6" PRIu64
           " %6.1f%% %15s %9.0f %6.0f %9.0f %6.1f %6.1f\n",
           mix_level_name(c->level), r->relay_rate, r->mean_ms, delays,
           percent(r->loops_lost, r->loops_lost + r->loops_back), percent(r->lost, r->packets), r->received,
           r->messages - r->received, percent(r->retransmitted, r->fragments), bits, r->effective, r->pool,
           r->virtual_s, cost.wall_s, cost.cpu_s);
}

int main(int argc, char **argv) {
    struct options o = { .cfg = sim_mixnet_cfg_default(), .first = MIX_PRIVATE, .last = MIX_SECRET };
    int failed = 0;
    o.cfg.clients = 2000;
    o.cfg.relays = 60;
    o.cfg.measure_ms = 20000;
    if (!options_read(&o, argc, argv) || crypto_init()) {
        usage();
        return 2;
    }
    if (!o.json) tell_head(&o.cfg);
    for (enum mix_level level = o.first; level <= o.last; level++) {
        struct sim_mixnet_result r;
        double from = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        o.cfg.level = level;
        if (o.cover_follows) o.cfg.cover_level = level;
        enum vl_err err = sim_mixnet_run(&o.cfg, &r);
        struct cost cost = { seconds(CLOCK_MONOTONIC) - from, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu };
        if (err) {
            fprintf(stderr, "sim_mix: %s: %s\n", mix_level_name(level), vl_err_text(err));
            return 1;
        }
        (o.json ? tell_json : tell_row)(&o.cfg, &r, cost);
        const char *wrong = sim_mixnet_wrong(&o.cfg, &r);
        if (wrong) fprintf(stderr, "# %s: %s\n", mix_level_name(level), wrong);
        failed += wrong != NULL;
        fflush(stdout);
    }
    return failed ? 1 : 0;
}
