/* village_main.c - whole villages in virtual time: scenarios with faults, one TAP line for each seed.
 * sim_village [--seed N | --seeds COUNT] [--nodes N] [--hours H] [--jobs N] [--calm] [--json] [--mix] [--owners] [--market]
 * --mix: six of eight nodes are relays, three keep the directory, some jobs are private, charters change.
 * --market: half of the jobs submitted at the coordinator are auctioned.
 * A failing line carries the seed; --seed N replays it. */
#include "crypto/random.h"
#include "sim/village.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIX_SETTLE_MS 900000u /* a private message that met the faults goes on at its own pace, up to its ttl of 10 minutes */
#define SETTLE_MS 300000u /* all acknowledged jobs end within this once the faults stop: many heartbeats, far below a task time-out */

struct options {
    uint64_t seed, seeds;
    uint32_t nodes, jobs;
    double hours;
    bool calm, json, mix, owners, market;
};

static bool options_read(struct options *o, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--calm") == 0) {
            o->calm = true;
            continue;
        }
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
            continue;
        }
        if (strcmp(argv[i], "--owners") == 0) {
            o->owners = true;
            continue;
        }
        if (strcmp(argv[i], "--market") == 0) {
            o->market = true;
            continue;
        }
        if (strcmp(argv[i], "--mix") == 0) {
            o->mix = true;
            o->nodes = 8;
            o->jobs = 20;
            o->hours = 0.05;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0) {
            o->seed = strtoull(value, NULL, 10);
            o->seeds = 1;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            o->seeds = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--nodes") == 0) {
            o->nodes = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--jobs") == 0) {
            o->jobs = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--hours") == 0) {
            o->hours = strtod(value, NULL);
        } else {
            return false;
        }
        i++;
    }
    return o->nodes >= 2 && o->seeds > 0;
}

static double wall(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Honest members and an honest coordinator: whatever broke between them, no book differs and no reveal that was taken is left out. */
static bool draws_agree(struct sim_village *v, uint32_t nodes, char why[256]) {
    for (uint32_t i = 0; i < nodes; i++) {
        struct brain_topology t;
        if (sim_village_brain(v, i) == NULL) continue;
        brain_topology(sim_village_brain(v, i), &t);
        if (t.counters.disagreed + t.counters.refused_rolls + t.counters.left_out == 0) continue;
        snprintf(why, 256, "draws: node %u: %" PRIu64 " books differed, %" PRIu64 " rolls refused, %" PRIu64 " reveals left out", i, t.counters.disagreed,
                 t.counters.refused_rolls, t.counters.left_out);
        return false;
    }
    return true;
}

/* Faults while jobs come in, then a quiet world in which everything must end. */
static enum vl_err scenario(const struct options *o, uint64_t seed, struct sim_village_stats *ret, char why[256]) {
    struct sim_village_cfg cfg = sim_village_cfg_default();
    struct sim_village *v;
    const vl_ms hour = 3600000;
    cfg.world.seed = seed;
    cfg.world.nodes = o->nodes;
    cfg.jobs_max = o->jobs;
    cfg.submit_every_ms = (vl_ms)(o->hours * (double)hour * 0.8 / (o->jobs ? o->jobs : 1));
    cfg.mix = o->mix;
    cfg.owners = o->owners ? o->nodes / 2 : 0;
    cfg.market_percent = o->market ? 50 : 0;
    cfg.epoch_ms = o->json ? 0 : 15000; /* draws meet every fault, too */
    cfg.mix_charters = 3;
    cfg.mix_charter_ms = (vl_ms)(o->hours * (double)hour * 0.35);
    cfg.tiers = !o->json;
    cfg.submit_at_members = !o->json; /* the measured one keeps its meaning */
    cfg.fail_ppm = o->calm ? 0 : 20000;
    if (!o->calm) {
        cfg.world.link.loss_ppm = 20000; /* a lost segment stalls its stream and lets others overtake it */
        cfg.world.link.kill_ppm = 300;
        cfg.world.link.stall_ms = 200;
        cfg.heartbeat_ms = 5000; /* faults are minutes apart: a lost node must be noticed in between */
        cfg.lost_ms = 20000;
    }
    enum vl_err err = sim_village_create(&cfg, &v);
    if (err) return err;
    struct world *w = sim_village_world(v);
    for (uint32_t i = 0; i < o->nodes && err == VL_OK; i++) err = world_start(w, i);
    vl_ms start = world_now(w), busy = (vl_ms)(o->hours * (double)hour);
    if (err == VL_OK && !o->calm)
        world_faults_set(w, &(struct world_faults){ .crash_ms = 20000,
                                                    .down_ms = 5000,
                                                    .partition_ms = 60000,
                                                    .heal_ms = 15000,
                                                    .cut_ms = 10000,
                                                    .clock_ms = 120000,
                                                    .clock_step_ms = 2000 });
    if (err == VL_OK) err = world_run(w, start + busy);
    if (err == VL_OK) err = world_heal(w);
    if (err == VL_OK) err = world_run_until(w, sim_village_settled, start + busy + (o->mix ? MIX_SETTLE_MS : SETTLE_MS));
    sim_village_stats(v, ret);
    snprintf(why, 256, "%s", world_failure(w) ? world_failure(w) : err ? vl_err_text(err) : "");
    if (err) sim_village_describe(v, stderr);
    if (err == VL_OK && ret->acknowledged != ret->done + ret->failed) {
        err = VL_EINTERNAL;
        snprintf(why, 256, "%u acknowledged, but %u done and %u failed", ret->acknowledged, ret->done, ret->failed);
    }
    if (err == VL_OK && o->calm && ret->failed > 0 && !o->market) { /* auctions fail when nobody bids so little */
        err = VL_EINTERNAL;
        snprintf(why, 256, "%u jobs failed although nothing was broken", ret->failed);
    }
    if (err == VL_OK && !draws_agree(v, o->nodes, why)) err = VL_EINTERNAL;
    sim_village_destroy(v);
    return err;
}

int main(int argc, char **argv) {
    struct options o = { .seed = 1, .seeds = 4, .nodes = 6, .jobs = 60, .hours = 0.2 };
    int failed = 0;
    if (!options_read(&o, argc, argv) || crypto_init()) {
        fprintf(stderr,
                "usage: sim_village [--seed N | --seeds COUNT] [--nodes N] [--jobs N] [--hours H] [--calm] [--json] [--mix] [--owners] [--market]\n");
        return 2;
    }
    if (!o.json) printf("1..%" PRIu64 "\n", o.seeds);
    for (uint64_t i = 0; i < o.seeds; i++) {
        struct sim_village_stats s = { 0 };
        char why[256] = "";
        double from = wall();
        enum vl_err err = scenario(&o, o.seed + i, &s, why);
        double took = wall() - from;
        if (o.json)
            printf("{\"name\":\"sim.jobs_1000_s\",\"value\":%.3f,\"unit\":\"s\",\"peer\":null,\"ratio\":null}\n", took);
        else
            printf("%sok %" PRIu64 " - village: survives_crashes_cuts_and_partitions_with_seed_%" PRIu64 "\n",
                   err ? "not " : "", i + 1, o.seed + i);
        if (!o.json || err)
            fprintf(stderr,
                    "# seed %" PRIu64 ": %u jobs acknowledged, %u done, %u failed, %u of them at members, %u members, %u private done, %u consensuses, %u auctions, %u sold, %" PRIu64
                    " runs, %" PRIu64 " events, %.1f s %s\n",
                    o.seed + i, s.acknowledged, s.done, s.failed, s.ended_at_members, s.members, s.private_done, s.consensuses, s.auctions, s.auctions_paid, s.runs, s.events, took, why);
        if (o.owners) fprintf(stderr, "# %" PRIu64 " visits of owners, %" PRIu64 " tasks taken from their machines\n", s.visits, s.handed_back);
        fflush(stdout);
        failed += err != VL_OK;
    }
    return failed ? 1 : 0;
}
