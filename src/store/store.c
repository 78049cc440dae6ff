#include "store/store.h"
#include "store/driver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct store_value store_null(void) {
    return (struct store_value){ .type = STORE_NULL };
}
struct store_value store_int(int64_t i) {
    return (struct store_value){ .type = STORE_INT, .i = i };
}
struct store_value store_text(const char *s) {
    return (struct store_value){ .type = STORE_TEXT, .s = { (const uint8_t *)s, strlen(s) } };
}
struct store_value store_blob(const void *p, size_t n) {
    return (struct store_value){ .type = STORE_BLOB, .s = { p, n } };
}

static const struct store_value *cell(const struct store_row *r, unsigned column, enum store_type type) {
    const struct store_info *t = store_info(r->table);
    assert(t != NULL && column < t->n_columns && t->columns[column].type == type);
    return &r->v[column];
}

int64_t store_row_int(const struct store_row *r, unsigned column) {
    const struct store_value *v = cell(r, column, STORE_INT);
    return v->type == STORE_NULL ? 0 : v->i;
}

const char *store_row_text(const struct store_row *r, unsigned column) {
    const struct store_value *v = cell(r, column, STORE_TEXT);
    return v->type == STORE_NULL ? "" : (const char *)v->s.p;
}

struct vl_span store_row_blob(const struct store_row *r, unsigned column) {
    const struct store_value *v = cell(r, column, STORE_BLOB);
    return v->type == STORE_NULL ? vl_span(NULL, 0) : v->s;
}

bool store_row_is_null(const struct store_row *r, unsigned column) { return r->v[column].type == STORE_NULL; }

enum vl_err store_row_bytes(const struct store_row *r, unsigned column, void *dst, size_t n) {
    struct vl_span s = store_row_blob(r, column);
    if (s.n != n || n == 0) return VL_ECORRUPT;
    memcpy(dst, s.p, n);
    return VL_OK;
}

void store_init(struct store *s, const struct store_ops *ops) { *s = (struct store){ .ops = ops, .epoch = 1 }; }

static enum vl_err enqueue(struct store *s, struct store_batch *b, store_done *done, void *arg) {
    if (b->err != VL_OK) return b->err;
    if (s->pending >= STORE_QUEUE_BATCHES || s->pending_bytes >= STORE_QUEUE_BYTES) {
        s->refused++;
        return VL_ELIMIT;
    }
    if (b->n_appends != 0) {
        b->seqs = calloc(b->n_appends, sizeof *b->seqs);
        if (b->seqs == NULL) return VL_ENOMEM;
    }
    b->done = done;
    b->arg = arg;
    b->epoch = s->epoch;
    s->pending++;
    s->pending_bytes += b->bytes - b->snapshot_bytes;
    s->ops->submit(s, b);
    return VL_OK;
}

enum vl_err store_submit(struct store *s, struct store_batch *b, store_done *done, void *arg) {
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = enqueue(s, b, done, arg);
    if (err != VL_OK) store_batch_destroy(b);
    return err;
}

size_t store_room(const struct store *s) {
    return s->pending_bytes >= STORE_QUEUE_BYTES ? 0 : STORE_QUEUE_BATCHES - s->pending;
}

size_t store_pending(const struct store *s) { return s->pending; }

static void deliver(struct store *s, struct store_batch *b) {
    s->pending--;
    s->pending_bytes -= b->bytes - b->snapshot_bytes;
    if (b->path != NULL) s->backing_up = false;
    /* From here on the owner knows: what it submits next is no longer built on what failed. */
    if (b->path == NULL && b->err != VL_OK && !store_err_is_own(b->err) && b->epoch == s->epoch) s->epoch++;
    struct store_result r = { .err = b->err };
    if (b->err == VL_OK && b->n_appends != 0) {
        r.seqs = b->seqs;
        r.n_seqs = b->n_appends;
    }
    if (b->done != NULL) b->done(b->arg, &r);
    store_batch_destroy(b);
}

size_t store_poll(struct store *s) {
    assert(s->open_iters == 0 && !s->polling);
    struct store_queue decided;
    s->polling = true;
    store_queue_init(&decided);
    s->ops->poll(s, &decided);
    size_t n = decided.len;
    for (struct store_batch *b; (b = store_queue_pop(&decided)) != NULL;) deliver(s, b);
    s->polling = false;
    return n;
}

int store_wake_fd(const struct store *s) { return s->ops->wake_fd(s); }

void store_flush(struct store *s) {
    assert(s->open_iters == 0);
    s->ops->wait(s);
    (void)store_poll(s);
}

void store_close(struct store *s) {
    if (s == NULL) return;
    assert(s->open_iters == 0 && !s->polling);
    s->ops->close(s);
}

static enum vl_err check_values(const struct store_info *t, const uint8_t *columns, const struct store_value *v,
                                size_t n) {
    for (size_t i = 0; i < n; i++) {
        enum vl_err err = store_value_check(&t->columns[columns[i]], &v[i], STORE_VALUE_MAX);
        if (err != VL_OK) return err;
    }
    return VL_OK;
}

static enum vl_err get(struct store *s, enum store_table table, const struct store_value *key,
                       struct store_row *ret_row) {
    const struct store_info *t = store_info(table);
    uint8_t order[STORE_ORDER_MAX];
    size_t n = store_order(t, 0, order);
    enum vl_err err = check_values(t, order, key, n);
    if (err == VL_OK) err = s->ops->get(s, table, key);
    if (err == VL_OK) *ret_row = (struct store_row){ .table = table, .v = s->row };
    return err;
}

enum vl_err store_get(struct store *s, enum store_table table, const struct store_value *key,
                      struct store_row *ret_row) {
    if (store_info(table) == NULL || store_is_private(table)) return VL_ERANGE;
    return get(s, table, key, ret_row);
}

static enum vl_err scan(struct store *s, const struct store_query *q, struct store_iter **ret_iter) {
    const struct store_info *t = store_info(q->table);
    if (t == NULL || q->index >= t->n_indexes || q->limit == 0 || q->limit > STORE_SCAN_MAX) return VL_ERANGE;
    uint8_t order[STORE_ORDER_MAX];
    size_t n = store_order(t, q->index, order);
    if (q->n_prefix > n || q->n_from > n - q->n_prefix) return VL_ERANGE;
    enum vl_err err = check_values(t, order, q->prefix, q->n_prefix);
    if (err == VL_OK) err = check_values(t, order + q->n_prefix, q->from, q->n_from);
    if (err != VL_OK) return err;
    struct store_iter *it = NULL;
    err = s->ops->scan(s, q, &it);
    if (err != VL_OK) return err;
    it->store = s;
    it->table = q->table;
    it->left = q->limit;
    it->err = VL_OK;
    s->open_iters++;
    *ret_iter = it;
    return VL_OK;
}

enum vl_err store_scan(struct store *s, const struct store_query *q, struct store_iter **ret_iter) {
    return store_is_private(q->table) ? VL_ERANGE : scan(s, q, ret_iter);
}

bool store_next(struct store_iter *it, struct store_row *ret_row) {
    if (it->left == 0 || it->err != VL_OK) return false;
    it->err = it->store->ops->next(it);
    if (it->err != VL_OK) return false;
    it->left--;
    *ret_row = (struct store_row){ .table = it->table, .v = it->row };
    return true;
}

enum vl_err store_end(struct store_iter *it) {
    if (it == NULL) return VL_OK;
    enum vl_err err = it->err == VL_ENOTFOUND ? VL_OK : it->err;
    it->store->open_iters--;
    it->store->ops->end(it);
    return err;
}

struct store_log {
    struct store_iter *iter;
    uint64_t next; /* number that must come; 0: any */
    enum vl_err err;
};

enum vl_err store_snapshot_get(struct store *s, unsigned stream, uint64_t *ret_seq, struct vl_span *ret_bytes) {
    struct store_row r;
    struct store_value key = store_int(stream);
    enum vl_err err = get(s, STORE_SNAPSHOTS, &key, &r);
    if (err != VL_OK) return err;
    struct vl_span bytes = store_row_blob(&r, STORE_SNAPSHOTS_BYTES);
    if (store_row_int(&r, STORE_SNAPSHOTS_SUM) != store_sum(bytes)) return VL_ECORRUPT;
    *ret_seq = (uint64_t)store_row_int(&r, STORE_SNAPSHOTS_SEQ);
    *ret_bytes = bytes;
    return VL_OK;
}

/* The log below the snapshot is removed little by little: it must not be seen. */
static enum vl_err snapshot_seq(struct store *s, unsigned stream, uint64_t *ret_seq) {
    struct store_row r;
    struct store_value key = store_int(stream);
    enum vl_err err = get(s, STORE_SNAPSHOTS, &key, &r);
    *ret_seq = err == VL_OK ? (uint64_t)store_row_int(&r, STORE_SNAPSHOTS_SEQ) : 0;
    return err == VL_ENOTFOUND ? VL_OK : err;
}

enum vl_err store_log_read(struct store *s, unsigned stream, uint64_t after_seq, uint32_t limit,
                           struct store_log **ret_log) {
    if (stream == 0 || stream >= STORE_STREAMS_MAX || after_seq > INT64_MAX) return VL_ERANGE;
    uint64_t covered;
    enum vl_err err = snapshot_seq(s, stream, &covered);
    if (err != VL_OK) return err;
    struct store_log *l = calloc(1, sizeof *l);
    if (l == NULL) return VL_ENOMEM;
    if (after_seq < covered) after_seq = covered;
    l->next = after_seq + 1;
    struct store_value prefix = store_int(stream), from = store_int((int64_t)after_seq);
    struct store_query q = {
        .table = STORE_LOG, .prefix = &prefix, .n_prefix = 1, .from = &from, .n_from = 1, .limit = limit
    };
    err = scan(s, &q, &l->iter);
    if (err != VL_OK) {
        free(l);
        return err;
    }
    *ret_log = l;
    return VL_OK;
}

bool store_log_next(struct store_log *l, struct store_event *ret_event) {
    struct store_row r;
    if (l->err != VL_OK || !store_next(l->iter, &r)) return false;
    uint64_t seq = (uint64_t)store_row_int(&r, STORE_LOG_SEQ);
    struct vl_span payload = store_row_blob(&r, STORE_LOG_PAYLOAD);
    if (seq != l->next || store_row_int(&r, STORE_LOG_SUM) != store_sum(payload)) {
        l->err = VL_ECORRUPT;
        return false;
    }
    l->next++;
    *ret_event = (struct store_event){ .seq = seq, .payload = payload };
    return true;
}

enum vl_err store_log_end(struct store_log *l) {
    if (l == NULL) return VL_OK;
    enum vl_err own = l->err, err = store_end(l->iter);
    free(l);
    return own != VL_OK ? own : err;
}

enum vl_err store_backup(struct store *s, const char *path, store_done *done, void *arg) {
    if (!s->ops->can_backup) return VL_EUNSUPPORTED;
    if (s->backing_up) return VL_EBUSY;
    size_t n = strlen(path);
    if (n == 0 || n >= STORE_PATH_MAX) return VL_ERANGE;
    struct store_batch *b = store_batch_create();
    if (b == NULL) return VL_ENOMEM;
    b->path = store_batch_keep(b, path, n + 1);
    if (b->path == NULL) b->err = VL_ENOMEM;
    enum vl_err err = store_submit(s, b, done, arg);
    s->backing_up = err == VL_OK;
    return err;
}

void store_metrics_get(struct store *s, struct store_metrics *ret_metrics) {
    struct store_metrics m = { 0 };
    s->ops->metrics(s, &m);
    m.refused = s->refused;
    m.queue_batches = s->pending;
    m.queue_bytes = s->pending_bytes;
    *ret_metrics = m;
}
