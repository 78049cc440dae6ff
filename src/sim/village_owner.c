/* Machines with owners: people who come and go, processors that get hot.  What must hold of them: nothing runs while somebody is there. */
#include "sim/village_priv.h"

#define READ_MS 1000u
#define IDLE_S 20        /* short figures, so that all of it happens in minutes */
#define COMES_MS 60000u  /* mean time between two visits */
#define STAYS_MS 50000u  /* at most */
#define HOT_EVERY 150u   /* readings */

static bool owned(const struct sim_node *n) { return n->index >= 1 && n->index <= n->v->cfg.owners; }

void sim_owner_config(const struct sim_node *n, struct brain_config *cfg) { cfg->harvest = owned(n); }

void sim_owner_start(struct sim_node *n, vl_ms now) {
    n->owner_at = VL_MS_NEVER;
    n->frozen_at = 0;
    if (!owned(n)) return;
    struct harvest_policy p = brain_harvest_view(n->brain)->policy;
    p.v[HARVEST_IDLE] = IDLE_S;
    p.v[HARVEST_SETTLE] = 2;
    p.v[HARVEST_HANDBACK] = 30;
    p.v[HARVEST_COOLDOWN] = 60;
    brain_harvest_policy(n->brain, now, 0, &p);
    n->owner_at = now;
    n->left_ms = now > STAYS_MS ? now - STAYS_MS : 0;
}

void sim_owner_order(struct sim_node *n, uint32_t cap_milli, vl_ms now) {
    if (cap_milli == 0 && n->frozen_at == 0) n->frozen_at = now;
    if (cap_milli == 0 || n->frozen_at == 0) return;
    for (struct sim_run *r = n->runs; r; r = r->next) r->at += now - n->frozen_at;
    n->frozen_at = 0;
}

void sim_owner_step(struct sim_node *n, vl_ms now) {
    struct vl_prng *rng = world_workload(n->v->world);
    n->owner_at = now + READ_MS;
    if (n->left_ms <= now && vl_prng_below(rng, COMES_MS / READ_MS) == 0) { /* nobody there, and somebody comes */
        n->left_ms = now + vl_prng_below(rng, STAYS_MS);
        n->v->stats.visits++;
    }
    bool hot = vl_prng_below(rng, HOT_EVERY) == 0;
    const int64_t v[SIGNALS] = { [SIGNAL_BATTERY] = -1,
                                 [SIGNAL_AC] = 1,
                                 [SIGNAL_TEMPERATURE] = hot ? 70000 : 40000,
                                 [SIGNAL_IDLE] = n->left_ms > now ? 0 : (int64_t)(now - n->left_ms) };
    struct machine_reading r;
    for (unsigned i = 0; i < SIGNALS; i++) r.signal[i] = (struct signal_value){ .known = true, .v = v[i] };
    brain_harvest(n->brain, now, &(struct brain_harvest_input){ .local_minute = 60, .reading = &r });
}

const char *sim_owner_check(const struct sim_node *n, vl_ms now) {
    if (owned(n) && n->left_ms > now && n->owner_at > now && n->runs != NULL && n->frozen_at == 0 &&
        n->owner_at - now < READ_MS) /* since this visit was seen */
        return "a task runs although somebody is at the machine";
    return NULL;
}
