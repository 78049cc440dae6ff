/* pace.h - how fast all tasks and compilations of a runner may go together: freely, within a share of all processors, or not at all.
 *
 * One bucket of processor time for all of them, filled at the rate of the cap and emptied by what they used, as measured; while it is
 * empty they stand still.  Stopping is the kernel's freezer where tasks have a group of version 2, else SIGSTOP to each process of the
 * tree.  Not used: quotas of control groups, because WebAssembly tasks have no groups and one cap must hold for all; the freezer of
 * version 1, because there SIGKILL waits for the thaw, so that a runner's sudden death would leave its tasks undead.
 * Time spent stopped counts against no time limit. */
#ifndef VL_SANDBOX_PACE_H
#define VL_SANDBOX_PACE_H

#include "sandbox/runner_priv.h"

#define PACE_TICK_US 10000u   /* between two looks at a paced task */
#define PACE_AGAIN_US 200000u /* between two looks at a frozen tree of processes */
#define PACE_BURST_US 100000u /* of wall time: how much of the cap may be saved up */

/* cap: 1..999 in 1/1000 of all processors; 1000: freely; 0: stand still. */
void pace_set(struct runner *r, uint32_t cap_milli);
/* Measures, stops and lets go; lowers *deadline_us while it has to look again. */
void pace_tick(struct runner *r, uint64_t now_us, uint64_t *deadline_us);
/* A task or compilation that was killed must be able to die. */
void pace_killed(struct runner *r, struct job *j);

#endif
