#include "fog/shed.h"

#include <assert.h>

void shed_init(struct shed *s, uint64_t seed) {
    *s = (struct shed){ 0 };
    vl_prng_seed(&s->rng, seed);
    for (unsigned g = 0; g < SHED_GAUGES; g++)
        s->gauge[g].over_since = s->gauge[g].under_since = s->gauge[g].trouble_since = VL_MS_NEVER;
}

/* True once in each interval in which the condition held without a break. */
static bool lasted(vl_ms *since, bool holds, vl_ms now) {
    if (!holds) {
        *since = VL_MS_NEVER;
    } else if (*since == VL_MS_NEVER) {
        *since = now;
    } else if (now >= vl_ms_add(*since, SHED_INTERVAL_MS)) {
        *since = now;
        return true;
    }
    return false;
}

void shed_note(struct shed *s, enum shed_gauge g, vl_ms now, uint64_t delay_ms) {
    assert((unsigned)g < SHED_GAUGES);
    struct shed_state *t = &s->gauge[g];
    t->delay_ms = delay_ms;
    if (lasted(&t->over_since, delay_ms > SHED_TARGET_MS, now) && t->level + 1 < SHED_LEVELS && t->level++ == 0)
        t->trouble_since = now;
    if (lasted(&t->under_since, delay_ms < SHED_CALM_MS, now) && t->level > 0 && --t->level == 0)
        t->trouble_since = VL_MS_NEVER;
}

uint32_t shed_level(const struct shed *s) {
    return s->gauge[SHED_COMMIT].level > s->gauge[SHED_LOOP].level ? s->gauge[SHED_COMMIT].level : s->gauge[SHED_LOOP].level;
}

vl_ms shed_deadline(const struct shed *s, vl_ms now) {
    for (unsigned g = 0; g < SHED_GAUGES; g++)
        if (s->gauge[g].level > 0 || s->gauge[g].over_since != VL_MS_NEVER) return vl_ms_add(now, SHED_LOOK_MS);
    return VL_MS_NEVER;
}

uint64_t shed_share(enum sla_class class, uint64_t room) {
    switch (class) {
    case SLA_B:
        return room - room / 5;
    case SLA_A:
        return room - room / 10;
    case SLA_S:
        return room;
    }
    return 0;
}

/* Half of the time the trouble has lasted by now, then as much again at random. */
static uint64_t retry_after(struct shed *s, vl_ms since, vl_ms now) {
    uint64_t wait = since < now ? (now - since) / 2 : 0;
    if (wait < SHED_RETRY_MIN_MS) wait = SHED_RETRY_MIN_MS;
    if (wait > SHED_RETRY_MAX_MS) wait = SHED_RETRY_MAX_MS;
    return wait + vl_prng_below(&s->rng, wait + 1);
}

struct shed_answer shed_ask(struct shed *s, vl_ms now, enum sla_class class, uint64_t waiting, uint64_t room) {
    assert((unsigned)class < SLA_CLASSES);
    enum shed_gauge worst = s->gauge[SHED_LOOP].level > s->gauge[SHED_COMMIT].level ? SHED_LOOP : SHED_COMMIT;
    struct shed_answer a = { .level = s->gauge[worst].level, .delay_ms = s->gauge[worst].delay_ms };
    /* level 1 turns away the lowest class, level 2 the lowest two; there is no level for S */
    if ((unsigned)class < a.level && class != SLA_S) {
        a.why = worst == SHED_LOOP ? SHED_SLOW_LOOP : SHED_SLOW_COMMIT;
        a.retry_ms = retry_after(s, s->gauge[worst].trouble_since, now);
    } else if (waiting >= shed_share(class, room)) {
        a.why = SHED_FULL;
        a.retry_ms = retry_after(s, now > 20000 ? now - 20000 : 0, now); /* jobs end within tens of seconds, not two */
    }
    (a.why == SHED_TAKEN ? s->taken : s->refused)[class]++;
    return a;
}
