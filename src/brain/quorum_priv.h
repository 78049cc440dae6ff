/* quorum_priv.h - what quorum.c and quorum_choose.c share.  Not for others. */
#ifndef VL_BRAIN_QUORUM_PRIV_H
#define VL_BRAIN_QUORUM_PRIV_H

#include "brain/priv.h"

/* What a task of the job asks of a node, as the job book would say it. */
void quorum_task_of(const struct job_spec *s, struct sched_task *t);
/* Which set of nodes the job asks for. */
struct quorum_ask quorum_ask_of(const struct job_spec *s, const struct sched_task *t);
/* Nodes that are there and could run it if they were empty.  `kept` (may be NULL) are free of charge: the agreement has
 * them.  Owned by the caller; NULL: out of memory. */
struct quorum_node *quorum_candidates(const struct brain *b, const struct sched_task *t, const struct agreement *kept,
                                      uint32_t *ret_n);
/* How many tasks it has. */
uint32_t quorum_width(const struct job_spec *s);
/* All of it together, for a new job; wide: groups for all of its tasks, else one.  Errors of quorum_choose(); VL_ENOMEM. */
enum vl_err quorum_find(const struct brain *b, const struct job_spec *s, bool wide, struct brain_quorum *ret);
/* Promises that the node is bound by. */
uint32_t quorum_busy(const struct brain *b, struct vl_node_id node);

#endif
