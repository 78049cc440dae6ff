#include "gateway/metrics.h"

#include "gateway/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct family {
    const struct metric_def *def;
    struct metric_series *series; /* max_series + 1: the last one takes the overflow */
    size_t n;
};

struct metrics {
    size_t n;
    struct family families[];
};

struct metrics *metrics_create(const struct metric_def *defs, size_t n) {
    struct metrics *m = calloc(1, sizeof *m + n * sizeof m->families[0]);
    if (m == NULL) return NULL;
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        struct family *f = &m->families[i];
        f->def = &defs[i];
        f->series = calloc(defs[i].max_series + 1, sizeof *f->series);
        if (f->series == NULL) {
            metrics_destroy(m);
            return NULL;
        }
    }
    return m;
}

void metrics_destroy(struct metrics *m) {
    if (m == NULL) return;
    for (size_t i = 0; i < m->n; i++) free(m->families[i].series);
    free(m);
}

static size_t label_count(const struct metric_def *d) {
    size_t n = 0;
    while (n < METRIC_LABELS_MAX && d->labels[n]) n++;
    return n;
}

struct metric_series *metrics_series(struct metrics *m, size_t def, const char *const values[METRIC_LABELS_MAX]) {
    struct family *f = &m->families[def];
    size_t labels = label_count(f->def);
    for (size_t i = 0; i < f->n; i++) {
        size_t same = 0;
        while (same < labels && strcmp(f->series[i].values[same], values[same]) == 0) same++;
        if (same == labels) return &f->series[i];
    }
    struct metric_series *s = &f->series[f->n];
    bool over = f->n == f->def->max_series;
    if (!over) f->n++;
    s->def = f->def;
    for (size_t i = 0; i < labels; i++) s->values[i] = over ? "other" : values[i];
    return s;
}

void metric_add(struct metric_series *s, double v) {
    s->value += v;
    s->count++;
}

void metric_set(struct metric_series *s, double v) {
    s->value = v;
    s->count++;
}

void metric_observe(struct metric_series *s, double v) {
    size_t i = 0;
    while (i < s->def->bounds_n && v > s->def->bounds[i]) i++;
    s->buckets[i]++;
    s->count++;
    s->value += v;
}

static enum vl_err put(struct vl_buf *out, const char *s) { return vl_buf_append(out, s, strlen(s)); }

/* HELP escapes backslash and newline, label values the quote too. */
static enum vl_err put_escaped(struct vl_buf *out, const char *s, bool quote) {
    enum vl_err err = VL_OK;
    for (; *s && err == VL_OK; s++) {
        if (*s == '\\')
            err = put(out, "\\\\");
        else if (*s == '\n')
            err = put(out, "\\n");
        else if (*s == '"' && quote)
            err = put(out, "\\\"");
        else
            err = vl_buf_append(out, s, 1);
    }
    return err;
}

static enum vl_err put_value(struct vl_buf *out, double v) {
    char d[32];
    if (isnan(v)) return put(out, " NaN\n");
    if (isinf(v)) return put(out, v > 0 ? " +Inf\n" : " -Inf\n");
    size_t n = v >= 0 && v < 1e15 && v == floor(v) ? jw_format_u64((uint64_t)v, d) : jw_format_double(v, d);
    d[n] = '\n';
    enum vl_err err = put(out, " ");
    return err != VL_OK ? err : vl_buf_append(out, d, n + 1);
}

enum vl_err metrics_write_head(struct vl_buf *out, const char *name, const char *help, enum metric_type type) {
    static const char *const types[] = { "counter", "gauge", "histogram" };
    enum vl_err err = vl_buf_printf(out, "# HELP %s ", name);
    if (err == VL_OK) err = put_escaped(out, help, false);
    if (err == VL_OK) err = vl_buf_printf(out, "\n# TYPE %s %s\n", name, types[type]);
    return err;
}

enum vl_err metrics_write_sample(struct vl_buf *out, const char *name, const char *label, const char *value, double v) {
    enum vl_err err = put(out, name);
    if (err == VL_OK && label) {
        err = vl_buf_printf(out, "{%s=\"", label);
        if (err == VL_OK) err = put_escaped(out, value, true);
        if (err == VL_OK) err = put(out, "\"}");
    }
    return err != VL_OK ? err : put_value(out, v);
}

/* name suffix {labels, le="bound"} value */
static enum vl_err write_line(struct vl_buf *out, const struct metric_series *s, const char *suffix, const char *le,
                              double v) {
    size_t labels = label_count(s->def);
    enum vl_err err = vl_buf_printf(out, "%s%s", s->def->name, suffix);
    if (err == VL_OK && (labels > 0 || le)) err = put(out, "{");
    for (size_t i = 0; i < labels && err == VL_OK; i++) {
        err = vl_buf_printf(out, "%s%s=\"", i ? "," : "", s->def->labels[i]);
        if (err == VL_OK) err = put_escaped(out, s->values[i], true);
        if (err == VL_OK) err = put(out, "\"");
    }
    if (err == VL_OK && le) err = vl_buf_printf(out, "%sle=\"%s\"", labels ? "," : "", le);
    if (err == VL_OK && (labels > 0 || le)) err = put(out, "}");
    return err != VL_OK ? err : put_value(out, v);
}

static enum vl_err write_histogram(struct vl_buf *out, const struct metric_series *s) {
    uint64_t total = 0;
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < s->def->bounds_n && err == VL_OK; i++) {
        char le[33];
        total += s->buckets[i];
        le[jw_format_double(s->def->bounds[i], le)] = '\0';
        err = write_line(out, s, "_bucket", le, (double)total);
    }
    if (err == VL_OK) err = write_line(out, s, "_bucket", "+Inf", (double)s->count);
    if (err == VL_OK) err = write_line(out, s, "_sum", NULL, s->value);
    if (err == VL_OK) err = write_line(out, s, "_count", NULL, (double)s->count);
    return err;
}

enum vl_err metrics_write(const struct metrics *m, struct vl_buf *out) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < m->n && err == VL_OK; i++) {
        const struct family *f = &m->families[i];
        err = metrics_write_head(out, f->def->name, f->def->help, f->def->type);
        for (size_t k = 0; k <= f->def->max_series && err == VL_OK; k++) {
            const struct metric_series *s = &f->series[k];
            if (s->count == 0) continue;
            err = f->def->type == METRIC_HISTOGRAM ? write_histogram(out, s) : write_line(out, s, "", NULL, s->value);
        }
    }
    return err;
}
