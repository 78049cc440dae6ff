/* Configuration, names and weights of the multi-objective placement. */
#include "fog/plan.h"

const char *plan_objective_name(enum plan_objective o) {
    switch (o) {
    case PLAN_LATENCY:
        return "latency";
    case PLAN_BALANCE:
        return "balance";
    case PLAN_TRUST:
        return "trust";
    case PLAN_COST:
        return "cost";
    case PLAN_PRICE:
        return "price";
    }
    return "unknown";
}

struct plan_config plan_config_default(void) {
    return (struct plan_config){ .population = 50,
                                 .generations = 100,
                                 .tournament = 3,
                                 .crossover = 0.8,
                                 .mutation = 0.1,
                                 .sweep = 50,
                                 .sample = 32,
                                 .full_scan = 200,
                                 .archive = 512 };
}

void plan_weights(enum sla_class c, double ret[PLAN_OBJECTIVES]) {
    /* latency, balance, trust, cost, price (fog.md 2.5 item 5) */
    static const double weights[SLA_CLASSES][PLAN_OBJECTIVES] = {
        [SLA_B] = { 0.10, 0.10, 0.10, 0.35, 0.35 },
        [SLA_A] = { 0.20, 0.20, 0.20, 0.20, 0.20 },
        [SLA_S] = { 0.20, 0.10, 0.50, 0.10, 0.10 },
    };
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) ret[o] = weights[c][o];
}
