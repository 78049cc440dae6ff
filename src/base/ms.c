#include "base/ms.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void vl_ms_format(vl_ms t, char dst[25]) {
    const vl_ms last = 253402300799999u; /* 9999-12-31T23:59:59.999Z: four digits of year */
    if (t > last) t = last;
    time_t s = (time_t)(t / 1000);
    struct tm tm;
    if (gmtime_r(&s, &tm) == NULL) memset(&tm, 0, sizeof tm);
    size_t n = strftime(dst, 25, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(dst + n, 25 - n, ".%03uZ", (unsigned)(t % 1000));
}
