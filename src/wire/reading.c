#include "wire/reading.h"

static const struct {
    const char *name, *unit;
} rows[SIGNALS] = {
    [SIGNAL_BATTERY] = { "battery", "percent" },         [SIGNAL_AC] = { "ac", "flag" },
    [SIGNAL_TEMPERATURE] = { "temperature", "milli_c" }, [SIGNAL_LOAD] = { "load", "permille" },
    [SIGNAL_PRESSURE] = { "pressure", "permille" },      [SIGNAL_IDLE] = { "idle", "ms" },
    [SIGNAL_LOCKED] = { "locked", "flag" },              [SIGNAL_SCREEN] = { "screen", "flag" },
    [SIGNAL_METERED] = { "metered", "flag" },
};

const char *signal_name(enum signal_kind s) { return (unsigned)s < SIGNALS ? rows[s].name : "unknown"; }
const char *signal_unit(enum signal_kind s) { return (unsigned)s < SIGNALS ? rows[s].unit : ""; }
