#include "store/sqlite_sql.h"

/* Text goes in through this; the first error sticks in `err`. */
struct sql {
    struct vl_buf *out;
    enum vl_err err;
};
#define SQL(s, ...)                                                                                                    \
    do {                                                                                                               \
        if ((s)->err == VL_OK) (s)->err = vl_buf_printf((s)->out, __VA_ARGS__);                                        \
    } while (0)

static enum vl_err finish(struct sql *s) { return s->err == VL_OK ? vl_buf_append(s->out, "", 1) : s->err; }

static void columns(struct sql *s, const struct store_info *t, size_t n) {
    for (size_t i = 0; i < n; i++) SQL(s, "%s%s", i == 0 ? "" : ",", t->columns[i].name);
}

static void ordered(struct sql *s, const struct store_info *t, const uint8_t *order, size_t n, const char *after) {
    for (size_t i = 0; i < n; i++) SQL(s, "%s%s%s", i == 0 ? "" : ",", t->columns[order[i]].name, after);
}

static void placeholders(struct sql *s, size_t first, size_t n) {
    for (size_t i = 0; i < n; i++) SQL(s, "%s?%zu", i == 0 ? "" : ",", first + i);
}

static void key_equals(struct sql *s, const struct store_info *t, size_t n) {
    for (size_t i = 0; i < n; i++) SQL(s, "%s%s=?%zu", i == 0 ? "" : " AND ", t->columns[i].name, i + 1);
}

/* Says which index to walk, so that no statistics can ever turn a page of a list into a sort of the table. */
static void from_table(struct sql *s, const struct store_info *t, unsigned index) {
    SQL(s, " FROM %s", t->name);
    if (index != 0) SQL(s, " INDEXED BY %s_by_%s", t->name, t->columns[t->indexes[index]].name);
}

enum vl_err sql_write_row(struct vl_buf *out, const struct store_info *t, bool replace) {
    struct sql s = { .out = out };
    SQL(&s, "INSERT INTO %s(", t->name);
    columns(&s, t, t->n_columns);
    SQL(&s, ") VALUES(");
    placeholders(&s, 1, t->n_columns);
    SQL(&s, ")");
    if (replace) {
        SQL(&s, " ON CONFLICT(");
        columns(&s, t, t->n_keys);
        SQL(&s, ") DO UPDATE SET ");
        for (size_t i = t->n_keys; i < t->n_columns; i++)
            SQL(&s, "%s%s=excluded.%s", i == t->n_keys ? "" : ",", t->columns[i].name, t->columns[i].name);
    }
    return finish(&s);
}

enum vl_err sql_delete(struct vl_buf *out, const struct store_info *t, size_t n) {
    struct sql s = { .out = out };
    SQL(&s, "DELETE FROM %s WHERE ", t->name);
    key_equals(&s, t, n);
    return finish(&s);
}

enum vl_err sql_delete_less(struct vl_buf *out, const struct store_info *t, unsigned index) {
    struct sql s = { .out = out };
    uint8_t order[STORE_ORDER_MAX];
    size_t n = store_order(t, index, order);
    SQL(&s, "DELETE FROM %s WHERE (", t->name);
    columns(&s, t, t->n_keys);
    SQL(&s, ") IN (SELECT ");
    columns(&s, t, t->n_keys);
    from_table(&s, t, index);
    SQL(&s, " WHERE %s<?1 ORDER BY ", t->columns[order[0]].name);
    ordered(&s, t, order, n, "");
    SQL(&s, " LIMIT ?2)");
    return finish(&s);
}

enum vl_err sql_get(struct vl_buf *out, const struct store_info *t) {
    struct sql s = { .out = out };
    SQL(&s, "SELECT ");
    columns(&s, t, t->n_columns);
    SQL(&s, " FROM %s WHERE ", t->name);
    key_equals(&s, t, t->n_keys);
    return finish(&s);
}

enum vl_err sql_scan(struct vl_buf *out, const struct sql_scan_shape *shape) {
    struct sql s = { .out = out };
    const struct store_info *t = store_info((enum store_table)shape->table);
    uint8_t order[STORE_ORDER_MAX];
    size_t n = store_order(t, shape->index, order), p = shape->n_prefix, f = shape->n_from;
    SQL(&s, "SELECT ");
    columns(&s, t, t->n_columns);
    from_table(&s, t, shape->index);
    for (size_t i = 0; i < p; i++) SQL(&s, "%s%s=?%zu", i == 0 ? " WHERE " : " AND ", t->columns[order[i]].name, i + 1);
    if (f != 0) {
        SQL(&s, "%s(", p == 0 ? " WHERE " : " AND ");
        ordered(&s, t, order + p, f, "");
        SQL(&s, ")%s%s(", shape->descending ? "<" : ">", shape->inclusive ? "=" : "");
        placeholders(&s, p + 1, f);
        SQL(&s, ")");
    }
    if (p < n) SQL(&s, " ORDER BY ");
    ordered(&s, t, order + p, n - p, shape->descending ? " DESC" : "");
    SQL(&s, " LIMIT ?%zu", p + f + 1);
    return finish(&s);
}
