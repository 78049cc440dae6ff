#include "cli/units.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Reads digits at *s and moves past them. False: no digit, or the number passes INT64_MAX. */
static bool take_digits(const char **s, int64_t *ret_value) {
    int64_t v = 0;
    if (!is_digit(**s)) return false;
    for (; is_digit(**s); (*s)++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **s - '0', &v)) return false;
    *ret_value = v;
    return true;
}

static enum vl_err within(int64_t v, int64_t min, int64_t max, int64_t *ret_value) {
    if (v < min || v > max) return VL_ERANGE;
    *ret_value = v;
    return VL_OK;
}

enum vl_err units_parse_integer(const char *s, int64_t min, int64_t max, int64_t *ret_value) {
    int64_t v = 0;
    if (strspn(s, "0123456789") != strlen(s) || *s == '\0') return VL_EPARSE;
    if (!take_digits(&s, &v)) return VL_ERANGE;
    return within(v, min, max, ret_value);
}

/* 0 when c is no size unit. */
static int size_shift(char c) {
    switch (c) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    case 't':
    case 'T':
        return 40;
    default:
        return 0;
    }
}

enum vl_err units_parse_size(const char *s, int64_t min, int64_t max, int64_t *ret_bytes) {
    int64_t whole = 0, part = 0, scale = 1;
    if (!is_digit(*s)) return VL_EPARSE;
    if (!take_digits(&s, &whole)) return VL_ERANGE;
    if (*s == '.') {
        const char *from = ++s;
        if (!is_digit(*s)) return VL_EPARSE;
        if (strspn(s, "0123456789") > 6) return VL_EPARSE;
        if (!take_digits(&s, &part)) return VL_ERANGE;
        for (; from < s; from++) scale *= 10;
    }
    int shift = size_shift(*s);
    if (shift > 0) {
        s++;
        if (strcmp(s, "iB") == 0) s += 2;
    }
    if (*s != '\0') return VL_EPARSE;
    int64_t unit = (int64_t)1 << shift, bytes = 0;
    if (__builtin_mul_overflow(whole, unit, &bytes)) return VL_ERANGE;
    if (part * unit % scale != 0 && shift == 0) return VL_ERANGE; /* half a byte */
    if (__builtin_add_overflow(bytes, part * unit / scale, &bytes)) return VL_ERANGE;
    return within(bytes, min, max, ret_bytes);
}

struct duration_unit {
    const char *name;
    int64_t ms;
};
static const struct duration_unit duration_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
#define DURATION_UNITS (sizeof duration_units / sizeof duration_units[0])

enum vl_err units_parse_duration(const char *s, int64_t min, int64_t max, int64_t *ret_ms) {
    int64_t total = 0;
    size_t next = 0; /* first unit that may still follow */
    if (*s == '\0') return VL_EPARSE;
    while (*s != '\0') {
        int64_t v = 0;
        if (!is_digit(*s)) return VL_EPARSE;
        if (!take_digits(&s, &v)) return VL_ERANGE;
        size_t n = strspn(s, "dhms"), i = next;
        if (s[0] == 'm' && s[1] == 's') n = 2;
        while (i < DURATION_UNITS &&
               (strlen(duration_units[i].name) != n || strncmp(duration_units[i].name, s, n) != 0))
            i++;
        if (n == 0 || i == DURATION_UNITS) return VL_EPARSE;
        if (__builtin_mul_overflow(v, duration_units[i].ms, &v) || __builtin_add_overflow(total, v, &total))
            return VL_ERANGE;
        s += n;
        next = i + 1;
    }
    return within(total, min, max, ret_ms);
}

void units_format_size(uint64_t bytes, char dst[UNITS_TEXT]) {
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    size_t unit = 0;
    uint64_t whole = bytes, rest = 0;
    for (; whole >= 1024; unit++) {
        rest = whole % 1024;
        whole /= 1024;
    }
    uint64_t tenth = rest * 10 / 1024;
    if (whole < 100 && tenth > 0)
        snprintf(dst, UNITS_TEXT, "%llu.%llu %s", (unsigned long long)whole, (unsigned long long)tenth, names[unit]);
    else
        snprintf(dst, UNITS_TEXT, "%llu %s", (unsigned long long)whole, names[unit]);
}

void units_format_duration(uint64_t ms, char dst[UNITS_TEXT]) {
    unsigned long long s = ms / 1000;
    if (ms < 1000)
        snprintf(dst, UNITS_TEXT, "%llu ms", (unsigned long long)ms);
    else if (s < 60)
        snprintf(dst, UNITS_TEXT, "%llu.%llu s", s, (unsigned long long)(ms % 1000 / 100));
    else if (s < 3600)
        snprintf(dst, UNITS_TEXT, "%llum %02llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(dst, UNITS_TEXT, "%lluh %02llum", s / 3600, s / 60 % 60);
    else
        snprintf(dst, UNITS_TEXT, "%llud %lluh", s / 86400, s / 3600 % 24);
}

void units_spell_size(uint64_t bytes, char dst[UNITS_TEXT]) {
    static const char *const names[] = { "", "K", "M", "G", "T" };
    size_t unit = 0;
    while (unit + 1 < sizeof names / sizeof names[0] && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(dst, UNITS_TEXT, "%llu%s", (unsigned long long)bytes, names[unit]);
}

void units_spell_duration(uint64_t ms, char dst[UNITS_TEXT]) {
    size_t used = 0;
    for (size_t i = 0; i < DURATION_UNITS; i++) {
        uint64_t unit = (uint64_t)duration_units[i].ms, n = ms / unit;
        if (n == 0 && !(ms == 0 && used == 0 && unit == 1000)) continue;
        ms %= unit;
        int put = snprintf(dst + used, UNITS_TEXT - used, "%llu%s", (unsigned long long)n, duration_units[i].name);
        if (put < 0 || (size_t)put >= UNITS_TEXT - used) return;
        used += (size_t)put;
    }
}
