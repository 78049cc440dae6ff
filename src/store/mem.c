#include "store/mem.h"
#include "store/driver.h"
#include "store/mem_table.h"

#include <assert.h>
#include <stdlib.h>

/* What a batch has done so far, to take it back when one of its operations is refused. */
struct undo {
    struct mem_table *table;
    struct mem_row *removed, *added; /* either may be NULL */
};

struct mem {
    struct store base;
    struct mem_table tables[STORE_TABLE_COUNT];
    struct store_heads heads;
    struct store_queue submitted, decided;
    bool manual;
    uint64_t fault_epoch; /* batches up to this epoch share the fate of one that the machine failed */
    enum vl_err fault;
    enum vl_err fail_err;
    size_t fail_n, bytes, n_undo, cap_undo;
    struct undo *undo;
    struct store_metrics metrics;
};

struct mem_iter {
    struct store_iter base;
    const struct mem_table *table;
    unsigned index;
    bool descending;
    size_t n_prefix;
    struct store_value prefix[STORE_ORDER_MAX];
    const struct mem_row *at; /* the row to give next */
};

static enum vl_err undo_reserve(struct mem *m) {
    if (m->n_undo < m->cap_undo) return VL_OK;
    size_t cap = m->cap_undo == 0 ? 16 : m->cap_undo * 2;
    struct undo *u = realloc(m->undo, cap * sizeof *u);
    if (u == NULL) return VL_ENOMEM;
    m->undo = u;
    m->cap_undo = cap;
    return VL_OK;
}

/* Takes `removed` out and puts `added` in, and remembers it. */
static enum vl_err change(struct mem *m, struct mem_table *t, struct mem_row *removed, struct mem_row *added) {
    enum vl_err err = undo_reserve(m);
    if (err != VL_OK) {
        mem_row_destroy(added);
        return err;
    }
    if (removed != NULL) mem_table_remove(t, removed);
    if (added != NULL) mem_table_add(t, added);
    m->undo[m->n_undo++] = (struct undo){ .table = t, .removed = removed, .added = added };
    return VL_OK;
}

static void roll_back(struct mem *m) {
    while (m->n_undo != 0) {
        struct undo u = m->undo[--m->n_undo];
        if (u.added != NULL) mem_table_remove(u.table, u.added);
        mem_row_destroy(u.added);
        if (u.removed != NULL) mem_table_add(u.table, u.removed);
    }
}

static void keep(struct mem *m) {
    m->metrics.rows += m->n_undo;
    for (size_t i = 0; i < m->n_undo; i++) {
        m->bytes += m->undo[i].added == NULL ? 0 : mem_row_bytes(m->undo[i].added);
        m->bytes -= m->undo[i].removed == NULL ? 0 : mem_row_bytes(m->undo[i].removed);
        mem_row_destroy(m->undo[i].removed);
    }
    /* The list of a large batch is not kept: a simulator holds a thousand stores. */
    if (m->cap_undo > 64) {
        free(m->undo);
        m->undo = NULL;
        m->cap_undo = 0;
    }
    m->n_undo = 0;
}

static struct mem_row *find(const struct mem_table *t, const struct store_value *key) {
    struct mem_row *r = mem_table_seek(t, 0, key, t->info->n_keys, true, false);
    return r != NULL && mem_row_has_prefix(t, 0, r, key, t->info->n_keys) ? r : NULL;
}

static enum vl_err put(struct mem *m, struct mem_table *t, const struct store_value *row, bool replace) {
    struct mem_row *old = find(t, row);
    if (old != NULL && !replace) return VL_EEXISTS;
    struct mem_row *r = mem_row_create(t, row);
    return r == NULL ? VL_ENOMEM : change(m, t, old, r);
}

static enum vl_err delete_prefix(struct mem *m, struct mem_table *t, const struct store_value *key, size_t n) {
    for (struct mem_row *r; (r = mem_table_seek(t, 0, key, n, true, false)) != NULL;) {
        if (!mem_row_has_prefix(t, 0, r, key, n)) break;
        enum vl_err err = change(m, t, r, NULL);
        if (err != VL_OK) return err;
    }
    return VL_OK;
}

static enum vl_err delete_less(struct mem *m, struct mem_table *t, unsigned index, const struct store_value *bound,
                               uint32_t max_rows) {
    uint8_t order[STORE_ORDER_MAX];
    (void)store_order(t->info, index, order);
    for (uint32_t i = 0; i < max_rows; i++) {
        struct mem_row *r = mem_table_seek(t, index, NULL, 0, true, false);
        if (r == NULL || store_value_cmp(&mem_row_values(r)[order[0]], bound) >= 0) break;
        enum vl_err err = change(m, t, r, NULL);
        if (err != VL_OK) return err;
    }
    return VL_OK;
}

static enum vl_err trim(struct mem *m, const struct store_value *stream, int64_t up_to) {
    struct mem_table *t = &m->tables[STORE_LOG];
    for (struct mem_row *r; (r = mem_table_seek(t, 0, stream, 1, true, false)) != NULL;) {
        if (!mem_row_has_prefix(t, 0, r, stream, 1) || mem_row_values(r)[STORE_LOG_SEQ].i > up_to) break;
        enum vl_err err = change(m, t, r, NULL);
        if (err != VL_OK) return err;
    }
    return VL_OK;
}

static enum vl_err apply_op(struct mem *m, struct store_batch *b, struct store_op *op) {
    struct mem_table *t = &m->tables[op->table];
    enum vl_err err;
    switch (op->kind) {
    case STORE_OP_PUT:
        return put(m, t, op->v, true);
    case STORE_OP_INSERT:
        return put(m, t, op->v, false);
    case STORE_OP_DELETE:
        return delete_prefix(m, t, op->v, op->n);
    case STORE_OP_LESS:
        return delete_less(m, t, op->index, op->v, op->max_rows);
    case STORE_OP_APPEND:
        err = store_op_number(b, op, &m->heads);
        return err == VL_OK ? put(m, t, op->v, false) : err;
    case STORE_OP_SNAPSHOT:
        err = store_op_number(b, op, &m->heads);
        if (err == VL_OK) err = put(m, t, op->v, true);
        return err == VL_OK ? trim(m, &op->v[STORE_SNAPSHOTS_STREAM], op->v[STORE_SNAPSHOTS_SEQ].i) : err;
    }
    return VL_EINTERNAL;
}

static enum vl_err apply(struct mem *m, struct store_batch *b) {
    if (b->epoch <= m->fault_epoch) return m->fault;
    if (m->fail_n != 0) {
        m->fail_n--;
        return m->fail_err;
    }
    struct store_heads before = m->heads;
    enum vl_err err = VL_OK;
    for (struct store_op *op = b->first; op != NULL && err == VL_OK; op = op->next) err = apply_op(m, b, op);
    if (err == VL_OK) {
        keep(m);
    } else {
        roll_back(m);
        m->heads = before;
    }
    return err;
}

static size_t make_durable(struct mem *m, size_t n) {
    size_t done = 0;
    uint64_t before = m->metrics.batches;
    for (struct store_batch *b; done < n && (b = store_queue_pop(&m->submitted)) != NULL; done++) {
        b->err = apply(m, b);
        if (b->err == VL_OK) {
            m->metrics.batches++;
            m->metrics.bytes += b->bytes;
        } else {
            m->metrics.failed[-b->err % STORE_ERRORS]++;
            if (!store_err_is_own(b->err) && b->epoch > m->fault_epoch) {
                m->fault_epoch = b->epoch;
                m->fault = b->err;
            }
        }
        store_queue_push(&m->decided, b);
    }
    m->metrics.commits += m->metrics.batches != before;
    return done;
}

static void mem_submit(struct store *s, struct store_batch *b) { store_queue_push(&((struct mem *)s)->submitted, b); }

static void mem_poll(struct store *s, struct store_queue *ret_decided) {
    struct mem *m = (struct mem *)s;
    if (!m->manual) (void)make_durable(m, m->submitted.len);
    store_queue_move(&m->decided, ret_decided);
}

static void mem_wait(struct store *s) {
    struct mem *m = (struct mem *)s;
    (void)make_durable(m, m->submitted.len);
}

static int mem_wake_fd(__attribute__((unused)) const struct store *s) { return -1; }

static enum vl_err mem_get(struct store *s, enum store_table table, const struct store_value *key) {
    struct mem *m = (struct mem *)s;
    const struct mem_row *r = find(&m->tables[table], key);
    if (r == NULL) return VL_ENOTFOUND;
    for (size_t i = 0; i < m->tables[table].info->n_columns; i++) s->row[i] = mem_row_values(r)[i];
    return VL_OK;
}

static enum vl_err mem_scan(struct store *s, const struct store_query *q, struct store_iter **ret_iter) {
    struct mem *m = (struct mem *)s;
    struct mem_iter *it = calloc(1, sizeof *it);
    if (it == NULL) return VL_ENOMEM;
    it->table = &m->tables[q->table];
    it->index = q->index;
    it->descending = q->descending;
    /* The caller's values need not outlive the call, so the prefix is kept as the found row's own. */
    struct store_value bound[STORE_ORDER_MAX];
    for (size_t i = 0; i < q->n_prefix; i++) bound[i] = q->prefix[i];
    for (size_t i = 0; i < q->n_from; i++) bound[q->n_prefix + i] = q->from[i];
    const struct mem_row *r = mem_table_seek(it->table, q->index, bound, q->n_prefix + q->n_from,
                                             q->n_from == 0 || q->inclusive, q->descending);
    if (r != NULL && mem_row_has_prefix(it->table, q->index, r, q->prefix, q->n_prefix)) {
        uint8_t order[STORE_ORDER_MAX];
        (void)store_order(it->table->info, q->index, order);
        it->n_prefix = q->n_prefix;
        for (size_t i = 0; i < q->n_prefix; i++) it->prefix[i] = mem_row_values(r)[order[i]];
        it->at = r;
    }
    *ret_iter = &it->base;
    return VL_OK;
}

static enum vl_err mem_next(struct store_iter *base) {
    struct mem_iter *it = (struct mem_iter *)base;
    if (it->at == NULL) return VL_ENOTFOUND;
    for (size_t i = 0; i < it->table->info->n_columns; i++) base->row[i] = mem_row_values(it->at)[i];
    it->at = mem_table_after(it->table, it->index, it->at, it->descending);
    if (it->at != NULL && !mem_row_has_prefix(it->table, it->index, it->at, it->prefix, it->n_prefix)) it->at = NULL;
    return VL_OK;
}

static void mem_end(struct store_iter *it) { free(it); }

static void mem_metrics(struct store *s, struct store_metrics *ret_metrics) {
    *ret_metrics = ((struct mem *)s)->metrics;
}

static void mem_close(struct store *s) {
    struct mem *m = (struct mem *)s;
    store_queue_free(&m->submitted);
    store_queue_free(&m->decided);
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++) mem_table_clear(&m->tables[i]);
    free(m->undo);
    free(m);
}

static const struct store_ops mem_ops = {
    .name = "mem",
    .submit = mem_submit,
    .poll = mem_poll,
    .wait = mem_wait,
    .wake_fd = mem_wake_fd,
    .get = mem_get,
    .scan = mem_scan,
    .next = mem_next,
    .end = mem_end,
    .metrics = mem_metrics,
    .close = mem_close,
};

static struct mem *mem_of(const struct store *s) {
    assert(s->ops == &mem_ops);
    return (struct mem *)s;
}

enum vl_err store_mem_open(struct store **ret_store) {
    struct mem *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    store_init(&m->base, &mem_ops);
    store_queue_init(&m->submitted);
    store_queue_init(&m->decided);
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++) m->tables[i].info = store_info((enum store_table)i);
    *ret_store = &m->base;
    return VL_OK;
}

void store_mem_set_manual(struct store *s, bool manual) { mem_of(s)->manual = manual; }

size_t store_mem_sync(struct store *s, size_t n) { return make_durable(mem_of(s), n); }

void store_mem_crash(struct store *s) {
    struct mem *m = mem_of(s);
    assert(s->open_iters == 0 && !s->polling);
    store_queue_free(&m->submitted);
    store_queue_free(&m->decided);
    s->pending = 0;
    s->pending_bytes = 0;
    s->epoch = m->fault_epoch + 1;
    m->fail_n = 0;
}

void store_mem_fail(struct store *s, enum vl_err err, size_t n) {
    struct mem *m = mem_of(s);
    assert(!store_err_is_own(err) && err != VL_OK);
    m->fail_err = err;
    m->fail_n = n;
}

size_t store_mem_bytes(const struct store *s) { return mem_of(s)->bytes; }
