/* The owner's figures: one table, from which defaults, checks, texts and the API follow. */
#include "fog/harvest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MIN 1440

const struct harvest_param_row harvest_params[HARVEST_PARAMS] = {
    [HARVEST_BATTERY_MIN] = { "battery.min", HARVEST_PERCENT, 20, 0, 100, "least charge" },
    [HARVEST_BATTERY_RESTART] = { "battery.restart", HARVEST_PERCENT, 25, 0, 100, "charge to go on after it was below the least" },
    [HARVEST_BATTERY_BEST] = { "battery.best", HARVEST_PERCENT, 50, 0, 100, "below, without mains, half the processor cap" },
    [HARVEST_MAINS_SUFFICES] = { "battery.mains_suffices", HARVEST_FLAG, 1, 0, 1, "on mains the charge does not matter" },
    [HARVEST_TEMP_START] = { "temperature.start", HARVEST_CELSIUS, 45, 0, 110, "at most, to begin" },
    [HARVEST_TEMP_BACK] = { "temperature.back", HARVEST_CELSIUS, 50, 0, 110, "below, the cap doubles again" },
    [HARVEST_TEMP_THROTTLE] = { "temperature.throttle", HARVEST_CELSIUS, 55, 0, 110, "from here the cap halves, step by step" },
    [HARVEST_TEMP_STOP] = { "temperature.stop", HARVEST_CELSIUS, 65, 1, 110, "from here tasks freeze, and the cool-down begins" },
    [HARVEST_CPU] = { "cpu", HARVEST_PERCENT, 50, 1, 100, "of all processors together" },
    [HARVEST_CPU_FLOOR] = { "cpu.floor", HARVEST_PERCENT, 10, 1, 100, "heat never halves below this" },
    [HARVEST_MEMORY] = { "memory", HARVEST_PERCENT, 30, 1, 100, "of the machine's memory" },
    [HARVEST_BANDWIDTH] = { "bandwidth", HARVEST_MBIT, 10, 1, 100000, "for programs, inputs and outputs, both ways together" },
    [HARVEST_METERED] = { "metered", HARVEST_FLAG, 0, 0, 1, "also over a metered network" },
    [HARVEST_SCREEN] = { "screen", HARVEST_FLAG, 0, 0, 1, "also while a screen is lit" },
    [HARVEST_IDLE] = { "idle", HARVEST_SECONDS, 300, 0, 86400, "since the last input" },
    [HARVEST_LOAD] = { "load", HARVEST_PERCENT, 25, 1, 100, "of all processors, used by others, at most" },
    [HARVEST_PRESSURE] = { "pressure", HARVEST_PERCENT, 10, 1, 100, "of the time stalled for want of memory, at most" },
    [HARVEST_WINDOW_FROM] = { "window.from", HARVEST_CLOCK, 22 * 60, 0, DAY_MIN - 1, "local time" },
    [HARVEST_WINDOW_TO] = { "window.to", HARVEST_CLOCK, 7 * 60, 0, DAY_MIN - 1, "local time, not in it; as window.from: all day" },
    [HARVEST_COOLDOWN] = { "cooldown", HARVEST_SECONDS, 1800, 0, 86400, "after heat" },
    [HARVEST_HANDBACK] = { "handback", HARVEST_SECONDS, 600, 0, 600, "frozen so long, tasks are given back" },
    [HARVEST_SETTLE] = { "settle", HARVEST_SECONDS, 20, 0, 600, "the rules must hold so long before tasks go on" },
    [HARVEST_STEP] = { "throttle.step", HARVEST_SECONDS, 10, 1, 600, "between two changes of the cap" },
    [HARVEST_BLIND_BATTERY] = { "blind.battery", HARVEST_FLAG, 0, 0, 1, "begin although the power supply is unknown" },
    [HARVEST_BLIND_TEMPERATURE] = { "blind.temperature", HARVEST_FLAG, 0, 0, 1, "begin although the temperature is unknown" },
    [HARVEST_BLIND_LOAD] = { "blind.load", HARVEST_FLAG, 0, 0, 1, "begin although the load is unknown" },
    [HARVEST_BLIND_IDLE] = { "blind.idle", HARVEST_FLAG, 0, 0, 1, "begin although input cannot be seen" },
    [HARVEST_BLIND_SCREEN] = { "blind.screen", HARVEST_FLAG, 0, 0, 1, "begin although the screen is unknown" },
    [HARVEST_BLIND_NETWORK] = { "blind.network", HARVEST_FLAG, 0, 0, 1, "begin although the network's price is unknown" },
};

struct harvest_policy harvest_policy_default(void) {
    struct harvest_policy p;
    for (unsigned i = 0; i < HARVEST_PARAMS; i++) p.v[i] = harvest_params[i].def;
    return p;
}

void harvest_param_format(enum harvest_param k, int32_t v, char ret[16]) {
    enum harvest_unit unit = (unsigned)k < HARVEST_PARAMS ? harvest_params[k].unit : HARVEST_PERCENT;
    if (unit == HARVEST_CLOCK)
        snprintf(ret, 16, "%02u:%02u", (unsigned)v / 60 % 24, (unsigned)v % 60);
    else if (unit == HARVEST_FLAG)
        snprintf(ret, 16, "%s", v ? "yes" : "no");
    else
        snprintf(ret, 16, "%d", (int)v);
}

/* Pairs that must be in order: a <= b. */
static const struct {
    enum harvest_param a, b;
} ordered[] = {
    { HARVEST_BATTERY_MIN, HARVEST_BATTERY_RESTART }, { HARVEST_BATTERY_MIN, HARVEST_BATTERY_BEST },
    { HARVEST_TEMP_START, HARVEST_TEMP_BACK },        { HARVEST_TEMP_BACK, HARVEST_TEMP_THROTTLE },
    { HARVEST_TEMP_THROTTLE, HARVEST_TEMP_STOP },     { HARVEST_CPU_FLOOR, HARVEST_CPU },
};

enum vl_err harvest_policy_check(const struct harvest_policy *p, struct vl_errmsg *why) {
    for (unsigned i = 0; i < HARVEST_PARAMS; i++) {
        const struct harvest_param_row *r = &harvest_params[i];
        char least[16], most[16];
        if (p->v[i] >= r->min && p->v[i] <= r->max) continue;
        harvest_param_format((enum harvest_param)i, r->min, least);
        harvest_param_format((enum harvest_param)i, r->max, most);
        return vl_errmsg_set(why, VL_ERANGE, "%s: %s to %s", r->name, least, most);
    }
    for (size_t i = 0; i < sizeof ordered / sizeof ordered[0]; i++)
        if (p->v[ordered[i].a] > p->v[ordered[i].b])
            return vl_errmsg_set(why, VL_ERANGE, "%s must not be above %s", harvest_params[ordered[i].a].name,
                                 harvest_params[ordered[i].b].name);
    return VL_OK;
}

static bool number(const char *text, int32_t max, int32_t *ret, const char **ret_end) {
    int64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9' && p - text < 9; p++) v = v * 10 + (*p - '0');
    if (p == text || v > max) return false;
    *ret = (int32_t)v;
    *ret_end = p;
    return true;
}

static bool parse(enum harvest_unit unit, const char *text, int32_t *ret) {
    const char *end = text;
    int32_t a = 0, b = 0;
    switch (unit) {
    case HARVEST_FLAG:
        *ret = strcmp(text, "yes") == 0;
        return *ret || strcmp(text, "no") == 0;
    case HARVEST_CLOCK:
        if (!number(text, 23, &a, &end) || *end != ':' || !number(end + 1, 59, &b, &end) || *end != '\0') return false;
        *ret = a * 60 + b;
        return true;
    case HARVEST_PERCENT:
    case HARVEST_CELSIUS:
    case HARVEST_MBIT:
    case HARVEST_SECONDS:
        return number(text, INT32_MAX, ret, &end) && *end == '\0';
    }
    return false;
}

enum vl_err harvest_policy_set(struct harvest_policy *p, const char *name, const char *value, struct vl_errmsg *why) {
    static const char *const forms[] = { [HARVEST_PERCENT] = "a whole number of percent",
                                         [HARVEST_CELSIUS] = "whole degrees Celsius",
                                         [HARVEST_MBIT] = "whole megabits per second",
                                         [HARVEST_SECONDS] = "whole seconds",
                                         [HARVEST_CLOCK] = "a time of day, such as 22:00",
                                         [HARVEST_FLAG] = "yes or no" };
    for (unsigned i = 0; i < HARVEST_PARAMS; i++) {
        const struct harvest_param_row *r = &harvest_params[i];
        int32_t v = 0;
        if (strcmp(r->name, name) != 0) continue;
        if (!parse(r->unit, value, &v)) return vl_errmsg_set(why, VL_EPARSE, "%s: %s", r->name, forms[r->unit]);
        char least[16], most[16];
        harvest_param_format((enum harvest_param)i, r->min, least);
        harvest_param_format((enum harvest_param)i, r->max, most);
        if (v < r->min || v > r->max) return vl_errmsg_set(why, VL_ERANGE, "%s: %s to %s", r->name, least, most);
        p->v[i] = v;
        return VL_OK;
    }
    return vl_errmsg_set(why, VL_ENOTFOUND, "there is no policy '%.40s'", name);
}
