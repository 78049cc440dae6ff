/* overload_main.c - bad times of a whole village in virtual time, with the figure that must hold for each (docs/fog.md,
 * Overload).  One TAP line for each scenario; `--nodes N` makes them as large as wanted, `--seed N` another course of things.
 *   sim_overload [--nodes N] [--seed N] [--tiers 0|1] [--only liars|flappers|cut] */
#include "crypto/random.h"
#include "sim/village.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 2u
#define CLAIM 40u              /* what a liar says it has, within BRAIN_SLOTS_MAX */
#define LIES_MAX 80u           /* placements that one liar may waste: coming down from 32 ahead of it, then one try in a while; audits try
                                  it as well */
#define FLAP_UP_MS 20000u
#define FLAP_DOWN_MS 10000u
#define FLAP_LOSS_PERCENT 15u /* of the tasks a second, at most, with a tenth of the nodes flapping */
#define CUT_MS 100000u         /* of the mass loss: longer than a node may be silent, shorter than the pause that follows */

struct options {
    uint32_t nodes;
    uint64_t seed;
    const char *only;
    bool tiers; /* every second job is bronze: more copies of each task, so the bounds below are not meant for it */
};

struct run { /* what a scenario ends with */
    struct sim_village_stats stats;
    struct brain_counters c;
    uint32_t tasks;
    vl_ms took; /* until all jobs had ended, from the start of the village */
    char why[256];
};

static unsigned lines;

static bool result(bool ok, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool result(bool ok, const char *name, const char *fmt, ...) {
    va_list ap;
    printf("%sok %u - overload: %s\n# ", ok ? "" : "not ", ++lines, name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    return ok;
}

static struct sim_village_cfg calm(const struct options *o) {
    struct sim_village_cfg cfg = sim_village_cfg_default();
    cfg.world.seed = o->seed;
    cfg.world.nodes = o->nodes + 1;
    cfg.slots = SLOTS;
    cfg.fail_ppm = 0;
    cfg.submit_at_members = false;
    cfg.tiers = o->tiers; /* one copy of each task: what is moved can be counted */
    cfg.task_min_ms = 5000;
    cfg.task_max_ms = 10000;
    cfg.tasks_max = 40;
    cfg.jobs_max = o->nodes;
    cfg.submit_every_ms = 40000 / o->nodes + 1; /* more than all slots can do */
    return cfg;
}

/* All up, then `script` once a second of virtual time, until every job has ended. */
static bool play(const struct sim_village_cfg *cfg, void (*script)(struct world *w, const struct sim_village_cfg *cfg, uint32_t second),
                 struct run *ret) {
    struct sim_village *v;
    struct job_stats jobs;
    *ret = (struct run){ 0 };
    if (sim_village_create(cfg, &v)) return false;
    struct world *w = sim_village_world(v);
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; i < cfg->world.nodes && err == VL_OK; i++) err = world_start(w, i);
    vl_ms start = world_now(w);
    for (uint32_t s = 0; s < 3600 && err == VL_OK && !sim_village_settled(v, w); s++) {
        if (script) script(w, cfg, s);
        err = world_run(w, start + 1000ull * (s + 1));
    }
    ret->took = world_now(w) - start;
    sim_village_stats(v, &ret->stats);
    if (sim_village_coordinator(v)) {
        brain_counters(sim_village_coordinator(v), &ret->c);
        job_book_stats(brain_jobs(sim_village_coordinator(v)), &jobs);
        ret->tasks = jobs.tasks;
    }
    bool ok = err == VL_OK && sim_village_settled(v, w) && ret->stats.done == ret->stats.submitted;
    snprintf(ret->why, sizeof ret->why, "%s", world_failure(w) ? world_failure(w) : ok ? "" : "not all jobs are done");
    sim_village_destroy(v);
    return ok;
}

/* ---- scenarios ---- */

/* The coordinator loses its power every half minute: what it learned must not be learned anew each time. */
static void lose_coordinator(struct world *w, const struct sim_village_cfg *cfg, uint32_t second) {
    (void)cfg;
    if (second > 0 && second % 30 == 0) world_crash(w, 0);
    if (second % 30 == 2) vl_ignore(world_start(w, 0));
}

static bool liars(const struct options *o) {
    struct sim_village_cfg cfg = calm(o);
    struct run r;
    cfg.liars = o->nodes / 10 ? o->nodes / 10 : 1;
    cfg.liar_slots = CLAIM;
    cfg.jobs_max = 3 * o->nodes;
    bool ok = play(&cfg, lose_coordinator, &r);
    return result(ok && r.stats.lies <= (uint64_t)LIES_MAX * cfg.liars && r.stats.lies > 0,
                  "nodes_that_claim_twenty_times_their_slots_waste_few_placements_although_the_coordinator_crashes",
                  "%u liars, %u tasks in %.0f s, %" PRIu64 " placements wasted, %.1f for each liar; at most %u may be %s", cfg.liars, r.tasks,
                  (double)r.took / 1000,
                  r.stats.lies, (double)r.stats.lies / cfg.liars, LIES_MAX, r.why);
}

static void flap(struct world *w, const struct sim_village_cfg *cfg, uint32_t second) {
    uint32_t flappers = (cfg->world.nodes - 1) / 10, cycle = (FLAP_UP_MS + FLAP_DOWN_MS) / 1000;
    for (uint32_t i = 1; i <= flappers; i++) {
        uint32_t at = (second + i * 7) % cycle;
        if (second > 10 && at == FLAP_UP_MS / 1000) world_crash(w, i);
        if (at == 0) vl_ignore(world_start(w, i));
    }
}

static bool flappers(const struct options *o) {
    struct sim_village_cfg cfg = calm(o);
    struct run quiet, bad;
    cfg.jobs_max = 3 * o->nodes; /* minutes of work for all slots: what the last task waits for does not decide */
    cfg.submit_every_ms = 10000 / o->nodes + 1;
    bool ok = play(&cfg, NULL, &quiet);
    ok = play(&cfg, flap, &bad) && ok;
    double before = quiet.tasks / (double)quiet.took * 1000, after = bad.tasks / (double)bad.took * 1000;
    return result(ok && after * 100 >= before * (100 - FLAP_LOSS_PERCENT),
                  "a_tenth_of_the_nodes_coming_and_going_slows_the_village_little_and_every_task_ends",
                  "%u tasks: %.2f a second without, %.2f with flappers, %.0f %% less; at most %u %% may be %s%s", bad.tasks, before, after,
                  100 - after * 100 / before, FLAP_LOSS_PERCENT, quiet.why, bad.why);
}

static uint32_t cut_percent; /* of the nodes; set before play() */

static void cut(struct world *w, const struct sim_village_cfg *cfg, uint32_t second) {
    uint32_t n = (cfg->world.nodes - 1) * cut_percent / 100, from = 60;
    for (uint32_t i = 1; i <= n && (second == from || second == from + CUT_MS / 1000); i++) world_group_set(w, i, second == from);
}

static bool mass_loss(const struct options *o, uint32_t percent, struct run *r) {
    struct sim_village_cfg cfg = calm(o);
    cfg.task_min_ms = 150000; /* all are running when the cut comes, and none has ended when it heals */
    cfg.task_max_ms = 200000;
    cfg.tasks_max = 2 * SLOTS;
    cfg.jobs_max = o->nodes / 2;
    cfg.submit_every_ms = 20000 / cfg.jobs_max + 1;
    cut_percent = percent;
    return play(&cfg, cut, r);
}

static bool partition(const struct options *o) {
    struct run few, many;
    bool ok = mass_loss(o, 20, &few);
    ok = mass_loss(o, 40, &many) && ok;
    uint64_t moved_few = few.c.lost, moved_many = many.c.lost; /* other copies are audits */
    return result(ok && moved_few > 0 && moved_many * 20 <= many.tasks, "a_cut_of_two_fifths_is_waited_out_and_no_storm",
                  "%u nodes, %u tasks: 20 %% cut off for %u s moved %" PRIu64 " tasks, 40 %% moved %" PRIu64 "; at most a twentieth of all may"
                  " %s%s",
                  o->nodes, many.tasks, CUT_MS / 1000, moved_few, moved_many, few.why, many.why);
}

int main(int argc, char **argv) {
    struct options o = { .nodes = 40, .seed = 1 };
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--nodes") == 0) o.nodes = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) o.seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--tiers") == 0) o.tiers = strcmp(argv[i + 1], "1") == 0;
        if (strcmp(argv[i], "--only") == 0) o.only = argv[i + 1];
    }
    if (argc % 2 == 0 || o.nodes < 10 || o.nodes > 1000 || crypto_init()) {
        fprintf(stderr, "usage: sim_overload [--nodes 10..1000] [--seed N] [--only liars|flappers|cut]\n");
        return 2;
    }
    static const struct {
        const char *name;
        bool (*play)(const struct options *o);
    } scenarios[] = { { "liars", liars }, { "flappers", flappers }, { "cut", partition } };
    bool ok = true;
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (o.only == NULL || strcmp(o.only, scenarios[i].name) == 0) ok = scenarios[i].play(&o) && ok;
    printf("1..%u\n", lines);
    return ok ? 0 : 1;
}
