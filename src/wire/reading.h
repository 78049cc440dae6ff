/* reading.h - what a machine says of itself at one moment (FOG-12): each signal is a value and whether it is known.
 * Filled by os/sensors.h, judged by fog/harvest.h.  What cannot be read is unknown, never a guess. */
#ifndef VL_WIRE_READING_H
#define VL_WIRE_READING_H

#include <stdbool.h>
#include <stdint.h>

enum signal_kind {
    SIGNAL_BATTERY = 0,     /* percent, the emptiest battery; -1: the machine has none */
    SIGNAL_AC = 1,          /* 1: mains or USB power is connected */
    SIGNAL_TEMPERATURE = 2, /* 1/1000 degree Celsius, the hottest of processor, battery and skin */
    SIGNAL_LOAD = 3,        /* 1/1000 of all processors, used by others than this node and its tasks */
    SIGNAL_PRESSURE = 4,    /* 1/1000 of the last 10 s in which nothing could run for want of memory */
    SIGNAL_IDLE = 5,        /* ms since the last input of a person */
    SIGNAL_LOCKED = 6,      /* 1: the session is locked */
    SIGNAL_SCREEN = 7,      /* 1: a screen is lit; 0: dark, or there is none */
    SIGNAL_METERED = 8,     /* 1: the network costs by volume */
};
#define SIGNALS 9u

struct signal_value {
    bool known;
    int64_t v;
};
struct machine_reading {
    struct signal_value signal[SIGNALS];
};
/* "battery" ... as in the API; "percent" ...  Static storage; "unknown" and "" outside the table. */
const char *signal_name(enum signal_kind s);
const char *signal_unit(enum signal_kind s);

#endif
