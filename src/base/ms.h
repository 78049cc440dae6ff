/* ms.h - one notion of time for cores: milliseconds since the Unix epoch that never run backwards.
 * Cores get it in their events; only node/ (from the clock) and sim/ (virtual) make it. */
#ifndef VL_BASE_MS_H
#define VL_BASE_MS_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t vl_ms;
#define VL_MS_NEVER UINT64_MAX

static inline vl_ms vl_ms_add(vl_ms a, vl_ms b) { return b > VL_MS_NEVER - a ? VL_MS_NEVER : a + b; }
static inline vl_ms vl_ms_min(vl_ms a, vl_ms b) { return a < b ? a : b; }
/* RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z"; dst holds >= 25 bytes. */
void vl_ms_format(vl_ms t, char dst[25]);

#endif
