#include "trust/verdict.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX_MS 253402300800000ull /* the year 10000 */

static void write_to(char dst[VERDICT_TEXT], const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void write_to(char dst[VERDICT_TEXT], const char *fmt, va_list ap) { vsnprintf(dst, VERDICT_TEXT, fmt, ap); }

void verdict_begin(struct verdict *v, const char *kind) {
    memset(v, 0, sizeof *v);
    snprintf(v->kind, sizeof v->kind, "%s", kind);
}

bool verdict_refuse(struct verdict *v, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (v->reason[0] == 0) write_to(v->reason, fmt, ap);
    va_end(ap);
    v->proved = false;
    v->n_proves = v->n_not = 0; /* nothing of a refused one stands */
    v->whom[0] = v->as_of[0] = 0;
    return false;
}

void verdict_proves(struct verdict *v, const char *fmt, ...) {
    va_list ap;
    if (v->n_proves == VERDICT_LINES || v->reason[0] != 0) return;
    va_start(ap, fmt);
    write_to(v->proves[v->n_proves++], fmt, ap);
    va_end(ap);
}

void verdict_not(struct verdict *v, const char *fmt, ...) {
    va_list ap;
    if (v->n_not == VERDICT_LINES || v->reason[0] != 0) return;
    va_start(ap, fmt);
    write_to(v->not[v->n_not++], fmt, ap);
    va_end(ap);
}

void verdict_whom(struct verdict *v, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    write_to(v->whom, fmt, ap);
    va_end(ap);
}

void verdict_as_of(struct verdict *v, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    write_to(v->as_of, fmt, ap);
    va_end(ap);
}

void verdict_fact(struct verdict *v, const char *key, const char *fmt, ...) {
    va_list ap;
    if (v->n_facts == VERDICT_FACTS) return;
    struct verdict_fact *f = &v->fact[v->n_facts++];
    snprintf(f->key, sizeof f->key, "%s", key);
    va_start(ap, fmt);
    write_to(f->value, fmt, ap);
    va_end(ap);
}

void verdict_fact_hash(struct verdict *v, const char *key, struct vl_hash hash) {
    char text[2 * sizeof hash.b + 1];
    vl_hex_encode(hash.b, sizeof hash.b, text);
    verdict_fact(v, key, "%s", text);
}

void verdict_yes(struct verdict *v) { v->proved = v->reason[0] == 0; }

void verdict_time(vl_ms t, char ret[VERDICT_TIME]) {
    if (t >= TIME_MAX_MS) {
        snprintf(ret, VERDICT_TIME, "%" PRIu64 " ms", t);
        return;
    }
    uint64_t s = t / 1000, day = s / 86400;
    /* days to a date, the year beginning in March (Hinnant, "chrono-compatible low-level date algorithms") */
    uint64_t z = day + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint64_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);
    snprintf(ret, VERDICT_TIME, "%04u-%02u-%02u %02u:%02u:%02u UTC", (unsigned)(y % 10000), (unsigned)(m % 13), (unsigned)(d % 32),
             (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}
