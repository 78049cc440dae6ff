/* sched_priv.h - what the files of the scheduler share: what a task asks with its replicas looked up, refusals that
 * hold for the rest of a batch, and the best-first search over a heap of nodes. */
#ifndef VL_FOG_SCHED_PRIV_H
#define VL_FOG_SCHED_PRIV_H

#include "fog/sched.h"

#include <stddef.h>

/* A task with the indexes of the nodes that its replicas hold. */
struct sched_ask {
    const struct sched_task *task;
    bool spread, crowded; /* crowded: more replicas in the batch than fit below; takes no further one */
    enum domain domain;
    uint32_t n_apart, n_never; /* apart: all hard ones, whose domains count; never: those of this batch */
    uint32_t apart[2 * SCHED_AVOID_MAX], never[SCHED_AVOID_MAX];
};
/* Does the task ask anything of the node's name, domains, attestation or speed?  The compact copies of the nodes hold none. */
/* Features, and above them a bit for each class that the node may have tasks of: one comparison in compact copies. */
#define SCHED_CLASS_SHIFT 29u
static inline uint32_t sched_node_bits(const struct sched_node *n) {
    return (n->features & ((1u << SCHED_CLASS_SHIFT) - 1)) | (~n->barred & ((1u << SLA_CLASSES) - 1)) << SCHED_CLASS_SHIFT;
}
static inline uint32_t sched_task_bits(const struct sched_task *t) { return t->features | 1u << ((unsigned)t->class + SCHED_CLASS_SHIFT); }
static inline bool sched_particular(const struct sched_task *t) {
    return t->class == SLA_S || t->region != 0 || t->n_exclude > 0 || t->n_only > 0 || t->n_avoid > 0 || t->left_ms != 0 ||
           t->min_attest_milli != 0;
}
/* Task k of a batch whose earlier choices are known. */
void sched_ask_of(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_task *tasks, uint32_t k,
                  const struct sched_choice *before, struct sched_ask *ret);
/* sched_fits(), and the spread. */
enum sched_reason sched_ask_fits(const struct sched_node *nodes, uint32_t node, const struct sched_ask *a,
                                 bool *ret_soft);
/* Only the part that depends on avoided nodes, siblings and spread. */
enum sched_reason sched_ask_apart(const struct sched_node *nodes, uint32_t node, const struct sched_ask *a);
enum sched_reason sched_furthest(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_ask *a);
/* Index of the node; n_nodes: not in the list. */
uint32_t sched_node_index(const struct sched_node *nodes, uint32_t n_nodes, const struct vl_node_id *id);
/* Sorted, all different, not too many? */
bool sched_nodes_ok(const struct sched_node *nodes, uint32_t n_nodes);
bool sched_tasks_ok(const struct sched_task *tasks, uint32_t n_tasks);

/* Room only shrinks within a batch: what did not fit for one task will not fit for the next that asks for the same.
 * Without this a long queue of unplaceable tasks would cost a full scan each.  Direct-mapped by what is asked. */
#define SCHED_REFUSALS 64u
struct sched_refusals {
    struct {
        const struct sched_task *task; /* NULL: none */
        enum sched_reason reason;
    } v[SCHED_REFUSALS];
};
/* SCHED_PLACED: not refused before. */
enum sched_reason sched_refused(const struct sched_refusals *r, const struct sched_task *t);
enum sched_reason sched_refuse(struct sched_refusals *r, const struct sched_node *nodes, uint32_t n_nodes,
                               const struct sched_ask *a);

/* Order of nodes for a strategy: smaller first, then smaller index. */
struct sched_key {
    double first, second;
};
/* Share of the slots in use, or of the machine as measured, whichever is more; bounded, so that squares stay exact. */
#define SCHED_LOAD_MAX 64.0
double sched_load(const struct sched_node *n);
/* Latency with the unknown as the worst known (1 when none is known); speed; 64 bits well mixed. */
uint32_t sched_worst_latency(const struct sched_node *nodes, uint32_t n_nodes);
double sched_price_of_work(uint64_t per_hour, uint32_t rate_milli);
uint64_t sched_mix(uint64_t x);
/* Of a job's task, for everything that is drawn by hash. */
uint64_t sched_task_hash(const struct sched_task *t, uint64_t seed);

#define SCHED_PLACE(name)                                                                                              \
    enum vl_err name(struct sched_state *state, struct sched_node *nodes, uint32_t n_nodes,                            \
                     const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret)
SCHED_PLACE(sched_place_default);
SCHED_PLACE(sched_place_latency_first);
SCHED_PLACE(sched_place_load_balance);
SCHED_PLACE(sched_place_trust_first);
SCHED_PLACE(sched_place_cost);
SCHED_PLACE(sched_place_round_robin);
SCHED_PLACE(sched_place_least_loaded);
SCHED_PLACE(sched_place_affinity);
SCHED_PLACE(sched_place_proximity);
SCHED_PLACE(sched_place_privacy_aware);
SCHED_PLACE(sched_place_random);

#endif
