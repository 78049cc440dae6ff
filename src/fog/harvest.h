/* harvest.h - core: may this machine work for the village now, and how hard (FOG-12)?  Its owner comes first.
 * Time, the local minute and readings of the machine come in; orders with their reason come out.  No clock, no I/O.
 *
 *         all rules hold          a task runs            T >= throttle
 *   OFF <----------------> ELIGIBLE <-------> RUNNING <---------------> THROTTLED     the cap halves every step, and
 *    ^                                           |  T < back, cap full    |           doubles again below `back`
 *    |                              a rule is    |                        |
 *    |  none runs                   broken       v                        v
 *    +------------- EVICTED <---------------- PAUSED: frozen; goes on when the rules held for `settle`
 *    |                 |    frozen too long,
 *    |                 |    or will be
 *    +-- COOLDOWN <----+    after T >= stop
 *
 * Rules to start are stricter than those to go on.  A signal that is unknown breaks its rule, unless the owner's policy says that
 * this machine lacks it.  Units: vl_ms of the node's clock, which never runs backwards; minutes of the local day. */
#ifndef VL_FOG_HARVEST_H
#define VL_FOG_HARVEST_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"
#include "wire/heartbeat.h"
#include "wire/reading.h"

#define HARVEST_STALE_MS 5000u /* a reading older than this says nothing any more */
#define HARVEST_RECORD_MAX 512u

/* ---- policy: the owner's figures, one table (harvest_policy.c).  Numbers are on disk: never renumber. */
enum harvest_param {
    HARVEST_BATTERY_MIN = 0,
    HARVEST_BATTERY_RESTART = 1, /* once it was below the minimum */
    HARVEST_BATTERY_BEST = 2,    /* below, and not on mains: half the processor cap */
    HARVEST_MAINS_SUFFICES = 3,  /* on mains the battery may be as empty as it likes */
    HARVEST_TEMP_START = 4,
    HARVEST_TEMP_BACK = 5,
    HARVEST_TEMP_THROTTLE = 6,
    HARVEST_TEMP_STOP = 7,
    HARVEST_CPU = 8,
    HARVEST_CPU_FLOOR = 9,
    HARVEST_MEMORY = 10,
    HARVEST_BANDWIDTH = 11,
    HARVEST_METERED = 12, /* 1: also over a metered network */
    HARVEST_SCREEN = 13,  /* 1: also while a screen is lit */
    HARVEST_IDLE = 14,
    HARVEST_LOAD = 15,
    HARVEST_PRESSURE = 16,
    HARVEST_WINDOW_FROM = 17,
    HARVEST_WINDOW_TO = 18, /* not in it; the same as FROM: all day */
    HARVEST_COOLDOWN = 19,
    HARVEST_HANDBACK = 20,
    HARVEST_SETTLE = 21,
    HARVEST_STEP = 22, /* between two halvings of the cap */
    HARVEST_BLIND_BATTERY = 23,
    HARVEST_BLIND_TEMPERATURE = 24,
    HARVEST_BLIND_LOAD = 25,
    HARVEST_BLIND_IDLE = 26,
    HARVEST_BLIND_SCREEN = 27,
    HARVEST_BLIND_NETWORK = 28,
};
#define HARVEST_PARAMS 29u
enum harvest_unit { HARVEST_PERCENT, HARVEST_CELSIUS, HARVEST_MBIT, HARVEST_SECONDS, HARVEST_CLOCK, HARVEST_FLAG };
struct harvest_param_row {
    const char *name; /* as in `village harvest policy NAME=VALUE` */
    enum harvest_unit unit;
    int32_t def, min, max; /* CLOCK: minutes after midnight, 0..1439 */
    const char *help;
};
extern const struct harvest_param_row harvest_params[HARVEST_PARAMS];

struct harvest_policy {
    int32_t v[HARVEST_PARAMS];
};
struct harvest_policy harvest_policy_default(void);
/* VL_ERANGE: a figure outside its range, or two that contradict each other; `why` names them. */
VL_MUST_CHECK enum vl_err harvest_policy_check(const struct harvest_policy *p, struct vl_errmsg *why);
/* Sets one figure from text: digits, "HH:MM" for CLOCK, "yes"/"no" for FLAG.  VL_ENOTFOUND: no such name; VL_EPARSE;
 * VL_ERANGE.  The whole is not checked. */
VL_MUST_CHECK enum vl_err harvest_policy_set(struct harvest_policy *p, const char *name, const char *value,
                                             struct vl_errmsg *why);
/* "45", "22:00", "yes". */
void harvest_param_format(enum harvest_param k, int32_t v, char ret[16]);

/* ---- state */
enum harvest_state {
    HARVEST_OFF = 1,
    HARVEST_ELIGIBLE = 2,
    HARVEST_RUNNING = 3,
    HARVEST_THROTTLED = 4,
    HARVEST_PAUSED = 5,
    HARVEST_EVICTED = 6,
    HARVEST_COOLING = 7,
};
const char *harvest_state_text(enum harvest_state s); /* "off" ... "cooldown" */

enum harvest_rule {
    HARVEST_RULE_NONE = 0, /* nothing is in the way */
    HARVEST_RULE_OWNER = 1, /* paused by hand */
    HARVEST_RULE_COOLDOWN = 2,
    HARVEST_RULE_WINDOW = 3,
    HARVEST_RULE_IDLE = 4,
    HARVEST_RULE_SCREEN = 5,
    HARVEST_RULE_BATTERY = 6,
    HARVEST_RULE_TEMPERATURE = 7,
    HARVEST_RULE_NETWORK = 8,
    HARVEST_RULE_LOAD = 9,
    HARVEST_RULE_PRESSURE = 10,
    HARVEST_RULE_SENSORS = 11, /* no reading came for HARVEST_STALE_MS */
};
#define HARVEST_RULES 12u
const char *harvest_rule_text(enum harvest_rule r); /* "none", "owner" ... */

/* Why: the rule, what was read and the limit it was held against, in the unit of the signal (window: minutes; owner and cooldown:
 * ms left, INT64_MAX: until resumed). */
struct harvest_reason {
    enum harvest_rule rule;
    bool known;
    int64_t value, limit;
};
#define HARVEST_REASON_TEXT 128u
/* A sentence for people: "temperature 66.0 C, at most 45.0 C". */
void harvest_reason_format(const struct harvest_reason *r, char ret[HARVEST_REASON_TEXT]);

struct harvest_input {
    vl_ms now;
    uint16_t local_minute; /* of the local day, 0..1439: the caller knows the time zone and its changes */
    uint32_t running;      /* tasks this node holds */
    const struct machine_reading *reading; /* NULL: time passed, nothing new was read */
};

struct harvest_orders {
    uint32_t cap_milli;      /* share of all processors that tasks may use; 0: frozen */
    uint64_t bandwidth_bps;
    uint32_t memory_percent; /* of the machine's memory */
    bool may_start;          /* tasks that wait here may begin */
    bool hand_back;          /* give back all tasks now */
    enum node_harvest says;
};

/* Plain, but only this core writes it. */
struct harvest {
    struct harvest_policy policy;
    enum harvest_state state;
    vl_ms since;                   /* of the state */
    struct harvest_reason reason;  /* why not more than this state: NONE in ELIGIBLE and RUNNING */
    struct machine_reading reading;
    vl_ms read_at;                 /* 0: never */
    vl_ms cooldown_until, pause_until; /* 0: none; pause: VL_MS_NEVER until resumed */
    vl_ms hold_since;              /* PAUSED: the rules hold since then; 0: they do not */
    vl_ms step_at;                 /* next change of the cap */
    uint32_t heat_milli;           /* what heat leaves of the cap, 1000: all */
    uint32_t running;
    bool battery_low;              /* was below the minimum, and not above RESTART since */
    bool dirty;                    /* harvest_encode() would differ from what was stored */
    struct harvest_orders orders;
};

void harvest_init(struct harvest *h, vl_ms now);
void harvest_step(struct harvest *h, const struct harvest_input *in);
/* When to step without a new reading; VL_MS_NEVER. */
vl_ms harvest_deadline(const struct harvest *h);
/* Checked before by harvest_policy_check(). */
void harvest_policy_take(struct harvest *h, const struct harvest_policy *p);
void harvest_pause(struct harvest *h, vl_ms now, vl_ms duration /* VL_MS_NEVER: until resumed */);
void harvest_resume(struct harvest *h);
/* Minutes until the window opens; 0: it is open. */
uint32_t harvest_window_wait(const struct harvest_policy *p, uint16_t local_minute);

/* Durable part: policy, pause, cooldown.  What is left of both is stored beside their ends, and the smaller counts: a clock that was
 * set back never makes them longer than they were.  VL_EPARSE, VL_EVERSION; a policy that fails the check: VL_EPARSE. */
VL_MUST_CHECK enum vl_err harvest_encode(struct harvest *h, vl_ms now, struct vl_buf *out);
VL_MUST_CHECK enum vl_err harvest_restore(struct harvest *h, vl_ms now, struct vl_span in);

#endif
