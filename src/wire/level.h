/* level.h - privacy levels: how many mixes a message passes (MIX-10).  Numbers are on the wire and in job descriptions.
 */
#ifndef VL_WIRE_LEVEL_H
#define VL_WIRE_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

enum mix_level {
    MIX_OFF = 0,          /* straight over a link */
    MIX_PUBLIC = 1,       /* 1 hop: no anonymity towards that relay */
    MIX_PRIVATE = 2,      /* 3 hops: guard, mix, exit */
    MIX_CONFIDENTIAL = 3, /* 5 hops */
    MIX_SECRET = 4,       /* 7 hops */
};
#define MIX_LEVELS 5u

/* 0, 1, 3, 5, 7. */
uint32_t mix_level_hops(enum mix_level level);
/* "off", "public", "private", "confidential", "secret".  Static storage. */
const char *mix_level_name(enum mix_level level);
/* False: text is none of these names; *ret_level is untouched. */
bool mix_level_parse(const char *text, enum mix_level *ret_level);

#endif
