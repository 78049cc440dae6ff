/* shed.h - core: which new jobs a coordinator turns away while it cannot keep up (FOG-05; figures: fog.md section 7).
 * A plain value: no clock, no allocation.  It never looks at a queue's length, for that says nothing about time; what it
 * looks at is the time that work waits, as CoDel does (Nichols & Jacobson, RFC 8289), at two places (gauges):
 *
 *   SHED_COMMIT  from the moment a step begins (a submit has arrived) until what it promises is on disk
 *   SHED_LOOP    how late the loop comes to what is due: the time that events wait in front of it
 *
 *   level 0: all are taken      over 100 ms for 1 s, no sample below     level 1: class B is turned away
 *           <---------------------------------------------------------> level 2: classes B and A are
 *                               under 50 ms for 1 s, no sample above
 *
 * One step at a time, each after a second of its own.  Between 50 and 100 ms nothing moves.  Class S is never turned away
 * for a delay.  Beside that, jobs that have not ended are bounded: B may fill four fifths of the room, A nine tenths, S all.
 * Who is turned away is told when to come back: later the longer the trouble has lasted, and spread out at random, so that
 * they do not all come back at once. */
#ifndef VL_FOG_SHED_H
#define VL_FOG_SHED_H

#include "base/ms.h"
#include "base/prng.h"
#include "wire/terms.h"

#define SHED_TARGET_MS 100u
#define SHED_CALM_MS 50u
#define SHED_INTERVAL_MS 1000u
#define SHED_LOOK_MS 250u      /* between two looks while there is trouble, so that it ends although nobody asks */
#define SHED_RETRY_MIN_MS 2000u
#define SHED_RETRY_MAX_MS 60000u
#define SHED_LEVELS 3u

enum shed_gauge { SHED_COMMIT = 0, SHED_LOOP = 1 };
#define SHED_GAUGES 2u

struct shed_state {
    vl_ms over_since;  /* VL_MS_NEVER: the last sample was not over the target */
    vl_ms under_since; /* same, not under the calm */
    vl_ms trouble_since; /* level 0 was left */
    uint64_t delay_ms; /* last sample */
    uint32_t level;
};
struct shed {
    struct vl_prng rng;
    struct shed_state gauge[SHED_GAUGES];
    uint64_t taken[SLA_CLASSES], refused[SLA_CLASSES];
};
/* Counts nothing, level 0.  `seed`: of the jitter. */
void shed_init(struct shed *s, uint64_t seed);
/* One sample.  Times never run backwards. */
void shed_note(struct shed *s, enum shed_gauge g, vl_ms now, uint64_t delay_ms);
/* The higher of the gauges' levels; 0, 1, 2. */
uint32_t shed_level(const struct shed *s);
/* When to give samples although nothing happened; VL_MS_NEVER: there is no trouble. */
vl_ms shed_deadline(const struct shed *s, vl_ms now);

enum shed_why { SHED_TAKEN = 0, SHED_SLOW_COMMIT, SHED_SLOW_LOOP, SHED_FULL };
struct shed_answer {
    enum shed_why why;
    uint32_t level;
    uint64_t delay_ms; /* of the gauge that refused */
    uint64_t retry_ms; /* SHED_RETRY_MIN_MS .. 2 * SHED_RETRY_MAX_MS; 0 when taken */
};
/* May a job of this class come in beside `waiting` jobs that have not ended, of at most `room`?  Counts the answer. */
struct shed_answer shed_ask(struct shed *s, vl_ms now, enum sla_class class, uint64_t waiting, uint64_t room);
/* How many jobs may be there before one of this class is refused. */
uint64_t shed_share(enum sla_class class, uint64_t room);

#endif
