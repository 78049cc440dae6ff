/* log.h - structured log lines: JSON or logfmt, one line an event, written with one write(2).
 * Cores do not log; node/, gateway/, cli/ and the runner do.  Secrets never go in; addresses of people neither. */
#ifndef VL_BASE_LOG_H
#define VL_BASE_LOG_H

#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

enum vl_level { VL_DEBUG = 0, VL_INFO = 1, VL_WARN = 2, VL_ERROR = 3 };
enum vl_log_form { VL_LOG_JSON = 0, VL_LOG_FMT = 1 };

struct vl_log {
    int fd;
    enum vl_level min;
    enum vl_log_form form;
    uint64_t written, dropped; /* lines; dropped: write(2) failed */
};

struct vl_field {
    const char *key;
    char kind; /* 's' string, 'i' signed, 'u' unsigned, 'b' bool */
    union {
        const char *s;
        int64_t i;
        uint64_t u;
    } v;
};
#define VL_S(k, x) ((struct vl_field){ .key = (k), .kind = 's', .v = { .s = (x) } })
#define VL_I(k, x) ((struct vl_field){ .key = (k), .kind = 'i', .v = { .i = (x) } })
#define VL_U(k, x) ((struct vl_field){ .key = (k), .kind = 'u', .v = { .u = (x) } })
#define VL_B(k, x) ((struct vl_field){ .key = (k), .kind = 'b', .v = { .u = (x) } })

/* One line with time `now`; `what` is a stable short sentence.  Fields end with .key NULL.  Lines are cut at 4 KiB. */
void vl_log_write(struct vl_log *log, vl_ms now, enum vl_level level, const char *what, const struct vl_field *fields);
#define vl_log(log, now, level, what, ...)                                                                             \
    vl_log_write((log), (now), (level), (what), (const struct vl_field[]){ __VA_ARGS__ __VA_OPT__(, ){ .key = NULL } })

#endif
