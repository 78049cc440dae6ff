/* units.h - sizes and durations as people type and read them. Strict: no spaces, no signs, no bare duration.
 * Sizes use powers of 1024 whatever the spelling; the text says so wherever one is printed (KiB, MiB). */
#ifndef VL_CLI_UNITS_H
#define VL_CLI_UNITS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only, no leading '+', no spaces. VL_EPARSE; VL_ERANGE: outside min..max. */
VL_MUST_CHECK enum vl_err units_parse_integer(const char *s, int64_t min, int64_t max, int64_t *ret_value);
/* "4096", "64K", "1.5G", "2MiB" -> bytes. VL_EPARSE; VL_ERANGE: outside min..max or not a whole number of bytes. */
VL_MUST_CHECK enum vl_err units_parse_size(const char *s, int64_t min, int64_t max, int64_t *ret_bytes);
/* "250ms", "30s", "1h30m", "2d" -> milliseconds; units from large to small, each once. Errors as above. */
VL_MUST_CHECK enum vl_err units_parse_duration(const char *s, int64_t min, int64_t max, int64_t *ret_ms);

#define UNITS_TEXT 32 /* room that every formatter below needs, NUL included */
/* "512 B", "1.5 KiB", "20 MiB". */
void units_format_size(uint64_t bytes, char dst[UNITS_TEXT]);
/* "250 ms", "4.2 s", "3m 05s", "2h 10m", "5d 3h". */
void units_format_duration(uint64_t ms, char dst[UNITS_TEXT]);
/* The shortest text units_parse_size() or units_parse_duration() reads back: "64M", "1h30m". For ranges in help. */
void units_spell_size(uint64_t bytes, char dst[UNITS_TEXT]);
void units_spell_duration(uint64_t ms, char dst[UNITS_TEXT]);

#endif
