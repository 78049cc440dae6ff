#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct err_row {
    enum vl_err err;
    enum vl_class class;
    const char *name;
    const char *text;
};

static const struct err_row rows[] = {
#define VL_ERR_ROW(n, number, c, t) { n, c, #n, t },
    VL_ERR_TABLE(VL_ERR_ROW)
#undef VL_ERR_ROW
};

static const struct err_row *err_find(enum vl_err err) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].err == err) return &rows[i];
    return NULL;
}

const char *vl_err_text(enum vl_err err) {
    const struct err_row *row = err_find(err);
    return row ? row->text : "unknown error";
}

const char *vl_err_name(enum vl_err err) {
    const struct err_row *row = err_find(err);
    return row ? row->name + 3 : "EUNKNOWN"; /* without the VL_ */
}

enum vl_class vl_err_class(enum vl_err err) {
    const struct err_row *row = err_find(err);
    return row ? row->class : VL_CLASS_STOP;
}

enum vl_err vl_errmsg_set(struct vl_errmsg *m, enum vl_err err, const char *fmt, ...) {
    if (m == NULL) return err;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->text, sizeof m->text, fmt, ap);
    va_end(ap);
    return err;
}
