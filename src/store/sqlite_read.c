#include "store/sqlite_priv.h"

#include <stdlib.h>
#include <string.h>

#define ROW_KEEP (256u << 10) /* a larger copy is given back at the next read */

struct sqlite_iter {
    struct store_iter base;
    sqlite3_stmt *stmt;
    struct scan_slot *slot; /* NULL: the statement is the iterator's own */
};

void sqlite_release(struct sqlite_store *s) {
    if (s->row.cap > ROW_KEEP) vl_buf_free(&s->row); /* after a snapshot */
    vl_buf_clear(&s->row);
}

void sqlite_read_free(struct sqlite_store *s) {
    vl_buf_free(&s->row);
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++) (void)sqlite3_finalize(s->gets[i]);
    for (size_t i = 0; i < SCAN_CACHE; i++) (void)sqlite3_finalize(s->scans[i].stmt);
}

/* The disk is not trusted: what stands there must be what the catalogue says. */
static enum vl_err fetch(sqlite3_stmt *st, const struct store_info *t, struct store_value *row) {
    for (int i = 0; i < t->n_columns; i++) {
        const void *p = NULL;
        switch (sqlite3_column_type(st, i)) {
        case SQLITE_INTEGER:
            row[i] = store_int(sqlite3_column_int64(st, i));
            break;
        case SQLITE_TEXT:
            p = sqlite3_column_text(st, i);
            row[i] = store_blob(p, (size_t)sqlite3_column_bytes(st, i));
            row[i].type = STORE_TEXT;
            break;
        case SQLITE_BLOB:
            p = sqlite3_column_blob(st, i);
            row[i] = store_blob(p, (size_t)sqlite3_column_bytes(st, i));
            break;
        case SQLITE_NULL:
            row[i] = store_null();
            break;
        default:
            return VL_ECORRUPT;
        }
        bool span = row[i].type == STORE_TEXT || row[i].type == STORE_BLOB;
        if (span && p == NULL && row[i].s.n != 0) return VL_ENOMEM;
        if (span && p == NULL) row[i].s.p = (const uint8_t *)"";
        if (store_value_check(&t->columns[i], &row[i], SIZE_MAX) != VL_OK) return VL_ECORRUPT;
    }
    return VL_OK;
}

/* Copies what the row borrows from its statement.  A statement left open would keep its read transaction, and the writer
 * would wait for it at the next checkpoint while the owner waits for the writer. */
static enum vl_err keep_row(struct sqlite_store *s, const struct store_info *t, struct store_value *row) {
    size_t need = 0, at = 0;
    for (int i = 0; i < t->n_columns; i++)
        if (row[i].type == STORE_TEXT || row[i].type == STORE_BLOB) need += row[i].s.n + 1;
    enum vl_err err = vl_buf_reserve(&s->row, need);
    if (err != VL_OK) return err;
    for (int i = 0; i < t->n_columns; i++) {
        if (row[i].type != STORE_TEXT && row[i].type != STORE_BLOB) continue;
        uint8_t *to = s->row.p + at;
        if (row[i].s.n != 0) memcpy(to, row[i].s.p, row[i].s.n);
        to[row[i].s.n] = 0; /* text is promised to end so */
        row[i].s.p = to;
        at += row[i].s.n + 1;
    }
    return VL_OK;
}

enum vl_err sqlite_get(struct store *base, enum store_table table, const struct store_value *key) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    const struct store_info *t = store_info(table);
    sqlite_release(s);
    enum vl_err err = VL_OK;
    if (s->gets[table] == NULL) {
        struct vl_buf sql;
        vl_buf_init(&sql, SQL_TEXT_MAX);
        err = sql_get(&sql, t);
        if (err == VL_OK) err = sqlite_prepare(s->reader, &sql, &s->gets[table]);
        vl_buf_free(&sql);
    }
    sqlite3_stmt *st = s->gets[table];
    for (size_t i = 0; i < t->n_keys && err == VL_OK; i++) err = sqlite_bind(s->reader, st, i + 1, &key[i]);
    if (err != VL_OK) return err;
    int rc = sqlite3_step(st);
    err = rc == SQLITE_DONE ? VL_ENOTFOUND : rc == SQLITE_ROW ? fetch(st, t, base->row) : sqlite_err(s->reader, rc);
    if (err == VL_OK) err = keep_row(s, t, base->row);
    (void)sqlite3_reset(st);
    return err;
}

static enum vl_err prepare_scan(struct sqlite_store *s, const struct sql_scan_shape *shape, sqlite3_stmt **ret) {
    struct vl_buf sql;
    vl_buf_init(&sql, SQL_TEXT_MAX);
    enum vl_err err = sql_scan(&sql, shape);
    if (err == VL_OK) err = sqlite_prepare(s->reader, &sql, ret);
    vl_buf_free(&sql);
    return err;
}

/* A kept statement of this shape, or the slot that was used longest ago; NULL when all are busy. */
static struct scan_slot *find_slot(struct sqlite_store *s, const struct sql_scan_shape *shape) {
    struct scan_slot *best = NULL;
    for (struct scan_slot *i = s->scans; i < s->scans + SCAN_CACHE; i++) {
        if (i->busy) continue;
        if (i->stmt != NULL && memcmp(&i->shape, shape, sizeof *shape) == 0) return i;
        if (best == NULL || i->used < best->used) best = i;
    }
    if (best != NULL) {
        (void)sqlite3_finalize(best->stmt);
        best->stmt = NULL;
        best->shape = *shape;
    }
    return best;
}

static enum vl_err bind_query(struct sqlite_store *s, sqlite3_stmt *st, const struct store_query *q) {
    enum vl_err err = VL_OK;
    size_t n = 0;
    for (size_t i = 0; i < q->n_prefix && err == VL_OK; i++) err = sqlite_bind(s->reader, st, ++n, &q->prefix[i]);
    for (size_t i = 0; i < q->n_from && err == VL_OK; i++) err = sqlite_bind(s->reader, st, ++n, &q->from[i]);
    struct store_value limit = store_int(q->limit);
    return err == VL_OK ? sqlite_bind(s->reader, st, ++n, &limit) : err;
}

enum vl_err sqlite_scan(struct store *base, const struct store_query *q, struct store_iter **ret_iter) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    sqlite_release(s);
    struct sqlite_iter *it = calloc(1, sizeof *it);
    if (it == NULL) return VL_ENOMEM;
    struct sql_scan_shape shape = { .table = (uint8_t)q->table,
                                    .index = (uint8_t)q->index,
                                    .n_prefix = (uint8_t)q->n_prefix,
                                    .n_from = (uint8_t)q->n_from,
                                    .descending = q->descending,
                                    .inclusive = q->inclusive };
    it->slot = find_slot(s, &shape);
    sqlite3_stmt **slot = it->slot != NULL ? &it->slot->stmt : &it->stmt;
    enum vl_err err = *slot == NULL ? prepare_scan(s, &shape, slot) : VL_OK;
    it->stmt = *slot;
    if (err == VL_OK) err = bind_query(s, it->stmt, q);
    if (err != VL_OK) {
        if (it->slot == NULL) (void)sqlite3_finalize(it->stmt);
        free(it);
        return err;
    }
    if (it->slot != NULL) {
        it->slot->busy = true;
        it->slot->used = ++s->clock;
    }
    *ret_iter = &it->base;
    return VL_OK;
}

enum vl_err sqlite_next(struct store_iter *base) {
    struct sqlite_iter *it = (struct sqlite_iter *)base;
    int rc = sqlite3_step(it->stmt);
    if (rc == SQLITE_DONE) return VL_ENOTFOUND;
    if (rc != SQLITE_ROW) return sqlite_err(((struct sqlite_store *)base->store)->reader, rc);
    return fetch(it->stmt, store_info(base->table), base->row);
}

void sqlite_end(struct store_iter *base) {
    struct sqlite_iter *it = (struct sqlite_iter *)base;
    if (it->slot != NULL) {
        (void)sqlite3_reset(it->stmt);
        /* What the caller lent for the query may be gone. */
        (void)sqlite3_clear_bindings(it->stmt);
        it->slot->busy = false;
    } else {
        (void)sqlite3_finalize(it->stmt);
    }
    free(it);
}
