#include "fog/harvest.h"

#include "wire/pack.h"

#include <stdio.h>
#include <string.h>

enum { TAG_HARVEST = 0x41, VERSION = 1 };
#define SECONDS_MS 1000u
#define DAY_MIN 1440u
#define MINUTE_MS 60000u

const char *harvest_state_text(enum harvest_state s) {
    switch (s) {
    case HARVEST_OFF:
        return "off";
    case HARVEST_ELIGIBLE:
        return "eligible";
    case HARVEST_RUNNING:
        return "running";
    case HARVEST_THROTTLED:
        return "throttled";
    case HARVEST_PAUSED:
        return "paused";
    case HARVEST_EVICTED:
        return "evicted";
    case HARVEST_COOLING:
        return "cooldown";
    }
    return "unknown";
}

const char *harvest_rule_text(enum harvest_rule r) {
    static const char *const names[HARVEST_RULES] = { "none",    "owner",       "cooldown", "window", "idle",     "screen",
                                                      "battery", "temperature", "network",  "load",   "pressure", "sensors" };
    return (unsigned)r < HARVEST_RULES ? names[r] : "unknown";
}

static vl_ms ms_of(const struct harvest *h, enum harvest_param k) { return (vl_ms)h->policy.v[k] * SECONDS_MS; }

/* ---- rules: each says whether it holds, to begin or to go on ------------------------------------------------------ */

enum aim { TO_START, TO_RESUME, TO_GO_ON }; /* from strict to lenient */
struct asked {
    const struct harvest *h;
    vl_ms now;
    uint16_t minute;
    enum aim aim;
};

/* Half-open, and over midnight when it ends before it begins.  In a night that has an hour twice the window lasts that much longer,
 * in one that lacks an hour shorter: the owner's clock on the wall decides. */
uint32_t harvest_window_wait(const struct harvest_policy *p, uint16_t local_minute) {
    uint32_t from = (uint32_t)p->v[HARVEST_WINDOW_FROM], to = (uint32_t)p->v[HARVEST_WINDOW_TO], m = local_minute % DAY_MIN;
    if (from == to) return 0;
    bool inside = from < to ? m >= from && m < to : m >= from || m < to;
    return inside ? 0 : (from + DAY_MIN - m) % DAY_MIN;
}

static bool rule_window(const struct asked *a, struct harvest_reason *r) {
    r->known = true;
    r->value = a->minute;
    r->limit = a->h->policy.v[HARVEST_WINDOW_FROM];
    return harvest_window_wait(&a->h->policy, a->minute) == 0;
}

/* False: unknown and the owner has not said that this machine lacks it. */
static bool take(const struct asked *a, enum signal_kind s, enum harvest_param blind, struct harvest_reason *r, bool *ret_blind) {
    const struct signal_value *v = &a->h->reading.signal[s];
    r->known = v->known;
    r->value = v->known ? v->v : 0;
    *ret_blind = !v->known && a->h->policy.v[blind];
    return v->known || *ret_blind;
}

static bool rule_idle(const struct asked *a, struct harvest_reason *r) {
    bool blind = false;
    r->limit = (int64_t)ms_of(a->h, HARVEST_IDLE);
    if (!take(a, SIGNAL_IDLE, HARVEST_BLIND_IDLE, r, &blind)) return false;
    return blind || r->value >= r->limit;
}

static bool rule_screen(const struct asked *a, struct harvest_reason *r) {
    bool blind = false;
    if (a->h->policy.v[HARVEST_SCREEN]) return true;
    if (!take(a, SIGNAL_SCREEN, HARVEST_BLIND_SCREEN, r, &blind)) return false;
    return blind || r->value == 0;
}

static bool on_mains(const struct harvest *h) {
    return h->reading.signal[SIGNAL_AC].known && h->reading.signal[SIGNAL_AC].v == 1;
}

static bool rule_battery(const struct asked *a, struct harvest_reason *r) {
    bool blind = false;
    const struct harvest *h = a->h;
    r->limit = h->policy.v[a->aim != TO_GO_ON && h->battery_low ? HARVEST_BATTERY_RESTART : HARVEST_BATTERY_MIN];
    if (on_mains(h) && h->policy.v[HARVEST_MAINS_SUFFICES]) return true;
    if (!take(a, SIGNAL_BATTERY, HARVEST_BLIND_BATTERY, r, &blind)) return false;
    return blind || r->value == -1 || r->value >= r->limit;
}

/* To begin: at most START; to thaw: below BACK; to go on: below STOP.  That heat between slows tasks down is not this rule's. */
static bool rule_temperature(const struct asked *a, struct harvest_reason *r) {
    static const enum harvest_param limits[] = {
        [TO_START] = HARVEST_TEMP_START, [TO_RESUME] = HARVEST_TEMP_BACK, [TO_GO_ON] = HARVEST_TEMP_STOP
    };
    bool blind = false;
    r->limit = (int64_t)a->h->policy.v[limits[a->aim]] * 1000;
    if (!take(a, SIGNAL_TEMPERATURE, HARVEST_BLIND_TEMPERATURE, r, &blind)) return false;
    return blind || (a->aim == TO_START ? r->value <= r->limit : r->value < r->limit);
}

static bool rule_network(const struct asked *a, struct harvest_reason *r) {
    bool blind = false;
    if (a->h->policy.v[HARVEST_METERED]) return true;
    if (!take(a, SIGNAL_METERED, HARVEST_BLIND_NETWORK, r, &blind)) return false;
    return blind || r->value == 0;
}

static bool rule_load(const struct asked *a, struct harvest_reason *r) {
    bool blind = false;
    r->limit = (int64_t)a->h->policy.v[HARVEST_LOAD] * 10;
    if (!take(a, SIGNAL_LOAD, HARVEST_BLIND_LOAD, r, &blind)) return false;
    return blind || r->value <= r->limit;
}

/* Kernels without pressure figures are no reason to stay away: load and memory caps hold without them. */
static bool rule_pressure(const struct asked *a, struct harvest_reason *r) {
    const struct signal_value *v = &a->h->reading.signal[SIGNAL_PRESSURE];
    r->limit = (int64_t)a->h->policy.v[HARVEST_PRESSURE] * 10;
    r->known = v->known;
    r->value = v->known ? v->v : 0;
    return !v->known || v->v <= r->limit;
}

static bool rule_owner(const struct asked *a, struct harvest_reason *r) {
    vl_ms until = a->h->pause_until;
    r->known = true;
    r->value = until == VL_MS_NEVER ? INT64_MAX : until > a->now ? (int64_t)(until - a->now) : 0;
    return r->value == 0;
}

static bool rule_cooldown(const struct asked *a, struct harvest_reason *r) {
    vl_ms until = a->h->cooldown_until;
    r->known = true;
    r->value = until > a->now ? (int64_t)(until - a->now) : 0;
    return r->value == 0;
}

static bool rule_sensors(const struct asked *a, struct harvest_reason *r) {
    r->limit = HARVEST_STALE_MS;
    r->known = a->h->read_at != 0;
    r->value = r->known ? (int64_t)(a->now - a->h->read_at) : 0;
    return r->known && r->value < r->limit;
}

/* In the order in which they are told: what the owner said first, then what is worst. */
static const struct {
    enum harvest_rule rule;
    bool (*holds)(const struct asked *a, struct harvest_reason *r);
} rules[] = {
    { HARVEST_RULE_OWNER, rule_owner },       { HARVEST_RULE_SENSORS, rule_sensors }, { HARVEST_RULE_TEMPERATURE, rule_temperature },
    { HARVEST_RULE_COOLDOWN, rule_cooldown }, { HARVEST_RULE_WINDOW, rule_window },   { HARVEST_RULE_IDLE, rule_idle },
    { HARVEST_RULE_SCREEN, rule_screen },     { HARVEST_RULE_BATTERY, rule_battery }, { HARVEST_RULE_NETWORK, rule_network },
    { HARVEST_RULE_LOAD, rule_load },         { HARVEST_RULE_PRESSURE, rule_pressure },
};

/* The first rule that is broken; NONE. */
static struct harvest_reason broken(const struct harvest *h, const struct harvest_input *in, enum aim aim) {
    struct asked a = { .h = h, .now = in->now, .minute = in->local_minute, .aim = aim };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct harvest_reason r = { .rule = rules[i].rule };
        if (!rules[i].holds(&a, &r)) return r;
    }
    return (struct harvest_reason){ .rule = HARVEST_RULE_NONE };
}

/* ---- heat ---------------------------------------------------------------------------------------------------------- */

static int64_t temperature(const struct harvest *h, int64_t unknown) {
    const struct signal_value *v = &h->reading.signal[SIGNAL_TEMPERATURE];
    return v->known ? v->v : unknown;
}

/* What the owner gives while nothing is hot. */
static uint32_t full_cap(const struct harvest *h) {
    uint32_t cap = (uint32_t)h->policy.v[HARVEST_CPU] * 10, floor = (uint32_t)h->policy.v[HARVEST_CPU_FLOOR] * 10;
    const struct signal_value *b = &h->reading.signal[SIGNAL_BATTERY];
    if (!on_mains(h) && b->known && b->v >= 0 && b->v < h->policy.v[HARVEST_BATTERY_BEST]) cap /= 2;
    return cap > floor ? cap : floor;
}

static uint32_t hot_cap(const struct harvest *h) {
    uint32_t cap = full_cap(h) * h->heat_milli / 1000, floor = (uint32_t)h->policy.v[HARVEST_CPU_FLOOR] * 10;
    return cap > floor ? cap : floor;
}

static void heat_step(struct harvest *h, vl_ms now) {
    int64_t t = temperature(h, 0);
    if (now < h->step_at) return;
    if (t >= (int64_t)h->policy.v[HARVEST_TEMP_THROTTLE] * 1000) {
        if (hot_cap(h) > (uint32_t)h->policy.v[HARVEST_CPU_FLOOR] * 10) h->heat_milli /= 2;
    } else if (t < (int64_t)h->policy.v[HARVEST_TEMP_BACK] * 1000 && h->heat_milli < 1000) {
        h->heat_milli = h->heat_milli >= 500 ? 1000 : h->heat_milli * 2;
    } else {
        return; /* the next change may come at once */
    }
    h->step_at = vl_ms_add(now, ms_of(h, HARVEST_STEP));
}

/* ---- the state machine --------------------------------------------------------------------------------------------- */

static void enter(struct harvest *h, enum harvest_state to, vl_ms now) {
    if (h->state == to) return;
    h->state = to;
    h->since = now;
    h->hold_since = 0;
}

/* Whether tasks would be frozen for longer than the owner lets them wait: then they are better off elsewhere at once. */
static bool long_wait(const struct harvest *h, const struct harvest_input *in) {
    int64_t limit = (int64_t)ms_of(h, HARVEST_HANDBACK);
    if (h->cooldown_until > in->now && (int64_t)(h->cooldown_until - in->now) > limit) return true;
    if (h->reason.rule == HARVEST_RULE_OWNER) return h->reason.value > limit;
    return h->reason.rule == HARVEST_RULE_WINDOW &&
           (int64_t)harvest_window_wait(&h->policy, in->local_minute) * MINUTE_MS > limit;
}

static enum harvest_state rest_state(const struct harvest *h, vl_ms now) {
    return h->cooldown_until > now ? HARVEST_COOLING : HARVEST_OFF;
}

/* Too hot with our tasks on it, frozen or not: leave the machine alone for a while. */
static void too_hot(struct harvest *h, vl_ms now) {
    if (temperature(h, 0) < (int64_t)h->policy.v[HARVEST_TEMP_STOP] * 1000 || h->cooldown_until > now) return;
    h->cooldown_until = vl_ms_add(now, ms_of(h, HARVEST_COOLDOWN));
    h->dirty = true;
}

static void step_running(struct harvest *h, const struct harvest_input *in) {
    struct harvest_reason hold = broken(h, in, TO_GO_ON);
    too_hot(h, in->now);
    h->reason = hold;
    if (hold.rule != HARVEST_RULE_NONE) {
        enter(h, HARVEST_PAUSED, in->now);
        return;
    }
    heat_step(h, in->now);
    enter(h, h->heat_milli < 1000 ? HARVEST_THROTTLED : HARVEST_RUNNING, in->now);
    if (h->heat_milli < 1000)
        h->reason = (struct harvest_reason){ .rule = HARVEST_RULE_TEMPERATURE,
                                             .known = true,
                                             .value = temperature(h, 0),
                                             .limit = (int64_t)h->policy.v[HARVEST_TEMP_BACK] * 1000 };
}

static void step_paused(struct harvest *h, const struct harvest_input *in) {
    struct harvest_reason hold = broken(h, in, TO_RESUME);
    too_hot(h, in->now);
    if (hold.rule == HARVEST_RULE_NONE && h->cooldown_until == 0) {
        if (h->hold_since == 0) h->hold_since = in->now;
        if (in->now - h->hold_since >= ms_of(h, HARVEST_SETTLE)) {
            h->reason = hold;
            enter(h, h->heat_milli < 1000 ? HARVEST_THROTTLED : HARVEST_RUNNING, in->now);
            return;
        }
    } else {
        h->hold_since = 0;
        h->reason = hold;
    }
    if (long_wait(h, in) || in->now - h->since >= ms_of(h, HARVEST_HANDBACK)) enter(h, HARVEST_EVICTED, in->now);
}

static void step_empty(struct harvest *h, const struct harvest_input *in) {
    h->reason = broken(h, in, TO_START);
    h->heat_milli = 1000;
    h->step_at = 0;
    enter(h, h->reason.rule == HARVEST_RULE_NONE ? HARVEST_ELIGIBLE : rest_state(h, in->now), in->now);
}

static void orders(struct harvest *h) {
    static const enum node_harvest says[] = {
        [HARVEST_OFF] = HARVEST_SAYS_AWAY,           [HARVEST_ELIGIBLE] = HARVEST_SAYS_READY,
        [HARVEST_RUNNING] = HARVEST_SAYS_READY,      [HARVEST_THROTTLED] = HARVEST_SAYS_THROTTLED,
        [HARVEST_PAUSED] = HARVEST_SAYS_PAUSED,      [HARVEST_EVICTED] = HARVEST_SAYS_AWAY,
        [HARVEST_COOLING] = HARVEST_SAYS_AWAY,
    };
    bool works = h->state == HARVEST_ELIGIBLE || h->state == HARVEST_RUNNING || h->state == HARVEST_THROTTLED;
    h->orders = (struct harvest_orders){
        .cap_milli = works ? hot_cap(h) : 0,
        .bandwidth_bps = (uint64_t)h->policy.v[HARVEST_BANDWIDTH] * 1000000u,
        .memory_percent = (uint32_t)h->policy.v[HARVEST_MEMORY],
        .may_start = h->state == HARVEST_ELIGIBLE || h->state == HARVEST_RUNNING,
        /* OFF, COOLDOWN: what was assigned while word of them was on its way */
        .hand_back = h->running > 0 && says[h->state] == HARVEST_SAYS_AWAY,
        .says = says[h->state],
    };
}

static void take_reading(struct harvest *h, const struct harvest_input *in) {
    h->running = in->running;
    if (in->reading) {
        h->reading = *in->reading;
        h->read_at = in->now ? in->now : 1;
    }
    const struct signal_value *b = &h->reading.signal[SIGNAL_BATTERY];
    if (b->known && b->v >= 0 && b->v < h->policy.v[HARVEST_BATTERY_MIN]) h->battery_low = true;
    if (b->known && (b->v < 0 || b->v >= h->policy.v[HARVEST_BATTERY_RESTART])) h->battery_low = false;
    if (h->pause_until != 0 && h->pause_until != VL_MS_NEVER && h->pause_until <= in->now) harvest_resume(h);
    if (h->cooldown_until != 0 && h->cooldown_until <= in->now) {
        h->cooldown_until = 0;
        h->dirty = true;
    }
}

void harvest_step(struct harvest *h, const struct harvest_input *in) {
    take_reading(h, in);
    switch (h->state) {
    case HARVEST_OFF:
    case HARVEST_ELIGIBLE:
    case HARVEST_COOLING:
        step_empty(h, in);
        if (h->state == HARVEST_ELIGIBLE && h->running > 0) enter(h, HARVEST_RUNNING, in->now);
        break;
    case HARVEST_RUNNING:
    case HARVEST_THROTTLED:
        step_running(h, in); /* also when the last task has just ended: its heat counts */
        if (h->running == 0) step_empty(h, in);
        break;
    case HARVEST_PAUSED:
        step_paused(h, in);
        if (h->running == 0) step_empty(h, in);
        break;
    case HARVEST_EVICTED:
        if (h->running == 0) step_empty(h, in);
        break;
    }
    orders(h);
}

void harvest_init(struct harvest *h, vl_ms now) {
    *h = (struct harvest){ .policy = harvest_policy_default(), .state = HARVEST_OFF, .since = now, .heat_milli = 1000,
                           .reason = { .rule = HARVEST_RULE_SENSORS, .limit = HARVEST_STALE_MS } };
    orders(h);
}

vl_ms harvest_deadline(const struct harvest *h) {
    vl_ms at = h->read_at ? vl_ms_add(h->read_at, HARVEST_STALE_MS) : VL_MS_NEVER;
    if (h->reason.rule == HARVEST_RULE_SENSORS) at = VL_MS_NEVER; /* known already */
    if (h->state == HARVEST_PAUSED) at = vl_ms_min(at, vl_ms_add(h->since, ms_of(h, HARVEST_HANDBACK)));
    return at;
}

void harvest_policy_take(struct harvest *h, const struct harvest_policy *p) {
    h->policy = *p;
    h->dirty = true;
    vl_ms longest = ms_of(h, HARVEST_COOLDOWN); /* a shorter cool-down holds for the one that runs, too */
    if (h->cooldown_until != 0 && h->read_at != 0 && h->cooldown_until > vl_ms_add(h->read_at, longest))
        h->cooldown_until = vl_ms_add(h->read_at, longest);
}

void harvest_pause(struct harvest *h, vl_ms now, vl_ms duration) {
    h->pause_until = vl_ms_add(now, duration);
    h->dirty = true;
}

void harvest_resume(struct harvest *h) {
    h->pause_until = 0;
    h->dirty = true;
}

/* ---- why ----------------------------------------------------------------------------------------------------------- */

static void duration(int64_t ms, char ret[32]) {
    long long s = (long long)((ms + 999) / 1000);
    if (s >= 3600)
        snprintf(ret, 32, "%lld h %lld min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(ret, 32, "%lld min %lld s", s / 60, s % 60);
    else
        snprintf(ret, 32, "%lld s", s);
}

void harvest_reason_format(const struct harvest_reason *r, char ret[HARVEST_REASON_TEXT]) {
    char a[32], b[32];
    long long v = (long long)r->value, l = (long long)r->limit;
    duration(r->value < INT64_MAX / 2 ? r->value : 0, a);
    duration(r->limit < INT64_MAX / 2 ? r->limit : 0, b);
    ret[0] = '\0';
    if (!r->known && r->rule != HARVEST_RULE_NONE) {
        snprintf(ret, HARVEST_REASON_TEXT, "%s: unknown on this machine", harvest_rule_text(r->rule));
        return;
    }
    switch (r->rule) {
    case HARVEST_RULE_NONE:
        return;
    case HARVEST_RULE_OWNER:
        snprintf(ret, HARVEST_REASON_TEXT, r->value == INT64_MAX ? "paused by its owner until resumed" : "paused by its owner for %s", a);
        return;
    case HARVEST_RULE_COOLDOWN:
        snprintf(ret, HARVEST_REASON_TEXT, "cooling down for %s", a);
        return;
    case HARVEST_RULE_WINDOW:
        snprintf(ret, HARVEST_REASON_TEXT, "outside the window: it is %02lld:%02lld, it begins at %02lld:%02lld", v / 60, v % 60, l / 60, l % 60);
        return;
    case HARVEST_RULE_IDLE:
        snprintf(ret, HARVEST_REASON_TEXT, "in use: last input %s ago, at least %s", a, b);
        return;
    case HARVEST_RULE_SCREEN:
        snprintf(ret, HARVEST_REASON_TEXT, "a screen is lit");
        return;
    case HARVEST_RULE_BATTERY:
        snprintf(ret, HARVEST_REASON_TEXT, "battery %lld %%, at least %lld %%", v, l);
        return;
    case HARVEST_RULE_TEMPERATURE:
        snprintf(ret, HARVEST_REASON_TEXT, "temperature %.1f C, limit %.1f C", (double)v / 1000, (double)l / 1000);
        return;
    case HARVEST_RULE_NETWORK:
        snprintf(ret, HARVEST_REASON_TEXT, "the network is metered");
        return;
    case HARVEST_RULE_LOAD:
        snprintf(ret, HARVEST_REASON_TEXT, "others use %.1f %% of the processors, at most %.1f %%", (double)v / 10, (double)l / 10);
        return;
    case HARVEST_RULE_PRESSURE:
        snprintf(ret, HARVEST_REASON_TEXT, "memory is short %.1f %% of the time, at most %.1f %%", (double)v / 10, (double)l / 10);
        return;
    case HARVEST_RULE_SENSORS:
        snprintf(ret, HARVEST_REASON_TEXT, "no reading of the machine for %s", a);
        return;
    }
}

/* ---- what is durable ------------------------------------------------------------------------------------------------ */

static vl_ms left_of(vl_ms until, vl_ms now) { return until == VL_MS_NEVER ? VL_MS_NEVER : until > now ? until - now : 0; }

enum vl_err harvest_encode(struct harvest *h, vl_ms now, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_HARVEST, VERSION);
    pack_u64(&w, h->cooldown_until);
    pack_u64(&w, left_of(h->cooldown_until, now));
    pack_u64(&w, h->pause_until);
    pack_u64(&w, left_of(h->pause_until, now));
    pack_bool(&w, h->battery_low);
    pack_u8(&w, HARVEST_PARAMS);
    for (unsigned i = 0; i < HARVEST_PARAMS; i++) pack_u32(&w, (uint32_t)h->policy.v[i]);
    enum vl_err err = pack_end(&w);
    if (err == VL_OK) h->dirty = false;
    return err;
}

static vl_ms until_of(vl_ms now, vl_ms until, vl_ms left) {
    if (until == VL_MS_NEVER && left == VL_MS_NEVER) return VL_MS_NEVER;
    vl_ms by_clock = left_of(until, now), least = vl_ms_min(by_clock, left);
    return least ? vl_ms_add(now, least) : 0;
}

enum vl_err harvest_restore(struct harvest *h, vl_ms now, struct vl_span in) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct harvest_policy p = harvest_policy_default();
    enum vl_err err = unpack_message(&r, TAG_HARVEST, VERSION);
    if (err) return err;
    vl_ms cool = vl_read_u64(&r), cool_left = vl_read_u64(&r), pause = vl_read_u64(&r), pause_left = vl_read_u64(&r);
    bool low = unpack_bool(&r);
    uint32_t n = unpack_u8_in(&r, 0, HARVEST_PARAMS); /* fewer: written before the others were thought of */
    for (uint32_t i = 0; i < n && !r.failed; i++) p.v[i] = (int32_t)vl_read_u32(&r);
    err = vl_reader_end(&r);
    if (err) return err;
    if (harvest_policy_check(&p, NULL) || cool == VL_MS_NEVER) return VL_EPARSE;
    h->policy = p;
    h->battery_low = low;
    h->cooldown_until = until_of(now, cool, cool_left);
    h->pause_until = until_of(now, pause, pause_left);
    h->state = rest_state(h, now);
    h->since = now;
    orders(h);
    return VL_OK;
}
