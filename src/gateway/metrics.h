/* metrics.h - counters, gauges and histograms from one table, and their Prometheus text (exposition format 0.0.4).
 * A series is looked up once and then costs an addition. Labels hold templates and classes, never what a client chose;
 * each metric has a hard limit of series, beyond which one series of "other" takes the rest. */
#ifndef VL_GATEWAY_METRICS_H
#define VL_GATEWAY_METRICS_H

#include "base/bytes.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define METRIC_LABELS_MAX 3u
#define METRIC_BUCKETS_MAX 16u

enum metric_type { METRIC_COUNTER = 0, METRIC_GAUGE = 1, METRIC_HISTOGRAM = 2 };

struct metric_def {
    const char *name; /* base units: _seconds, _bytes; counters end in _total */
    const char *help;
    enum metric_type type;
    const char *labels[METRIC_LABELS_MAX]; /* NULL after the last */
    const double *bounds;                  /* histogram: rising upper bounds, without +Inf */
    size_t bounds_n;                       /* <= METRIC_BUCKETS_MAX */
    size_t max_series;
};

struct metric_series {
    const char *values[METRIC_LABELS_MAX]; /* borrowed: constants or text that outlives the table */
    double value;                          /* counter, gauge; sum of a histogram */
    uint64_t buckets[METRIC_BUCKETS_MAX + 1];
    uint64_t count;
    const struct metric_def *def;
};

struct metrics;
/* Borrows the table.  NULL: out of memory. */
struct metrics *metrics_create(const struct metric_def *defs, size_t n);
void metrics_destroy(struct metrics *m);
/* The series of those label values (NULL after the last), made when new; never NULL. */
struct metric_series *metrics_series(struct metrics *m, size_t def, const char *const values[METRIC_LABELS_MAX]);

void metric_add(struct metric_series *s, double v);
void metric_set(struct metric_series *s, double v);
void metric_observe(struct metric_series *s, double v);

/* Appends everything.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err metrics_write(const struct metrics *m, struct vl_buf *out);
/* For samples kept elsewhere: HELP and TYPE, and one line. */
VL_MUST_CHECK enum vl_err metrics_write_head(struct vl_buf *out, const char *name, const char *help,
                                             enum metric_type type);
VL_MUST_CHECK enum vl_err metrics_write_sample(struct vl_buf *out, const char *name, const char *label,
                                               const char *value, double v);

#endif
