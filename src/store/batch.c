#include "base/map.h"
#include "store/driver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 1024u /* a typical batch, one event and a row or two, is one allocation more */
#define CHUNK_MAX 65536u

struct store_chunk {
    struct store_chunk *next;
    size_t len, cap;
    _Alignas(max_align_t) uint8_t bytes[];
};

struct store_batch *store_batch_create(void) {
    struct store_batch *b = calloc(1, sizeof *b);
    if (b != NULL) b->last = &b->first;
    return b;
}

void store_batch_destroy(struct store_batch *b) {
    if (b == NULL) return;
    while (b->chunks != NULL) {
        struct store_chunk *c = b->chunks;
        b->chunks = c->next;
        free(c);
    }
    free(b->seqs);
    free(b);
}

static void *take(struct store_batch *b, size_t n) {
    n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct store_chunk *c = b->chunks;
    if (c == NULL || c->cap - c->len < n) {
        size_t cap = c == NULL ? CHUNK_FIRST : c->cap * 2 > CHUNK_MAX ? CHUNK_MAX : c->cap * 2;
        if (cap < n) cap = n;
        c = malloc(sizeof *c + cap);
        if (c == NULL) return NULL;
        *c = (struct store_chunk){ .next = b->chunks, .cap = cap };
        b->chunks = c;
    }
    void *p = c->bytes + c->len;
    c->len += n;
    return p;
}

const void *store_batch_keep(struct store_batch *b, const void *p, size_t n) {
    void *q = take(b, n);
    return q == NULL ? NULL : memcpy(q, p, n);
}

static bool copy_value(struct store_batch *b, struct store_value *dst, const struct store_value *src) {
    *dst = *src;
    b->bytes += sizeof dst->i;
    if (src->type != STORE_TEXT && src->type != STORE_BLOB) return true;
    uint8_t *p = take(b, src->s.n + 1);
    if (p == NULL) return false;
    if (src->s.n != 0) memcpy(p, src->s.p, src->s.n);
    p[src->s.n] = 0;
    dst->s.p = p;
    b->bytes += src->s.n;
    return true;
}

/* NULL when the batch is already in error or memory is out. */
static struct store_op *add(struct store_batch *b, enum store_op_kind kind, enum store_table table,
                            const struct store_value *v, size_t n) {
    if (b->n_ops == STORE_BATCH_OPS) b->err = VL_ELIMIT;
    if (b->err != VL_OK) return NULL;
    struct store_op *op = take(b, sizeof *op + n * sizeof *v);
    if (op == NULL) {
        b->err = VL_ENOMEM;
        return NULL;
    }
    *op = (struct store_op){ .kind = kind, .table = table, .n = n };
    for (size_t i = 0; i < n; i++) {
        if (!copy_value(b, &op->v[i], &v[i])) {
            b->err = VL_ENOMEM;
            return NULL;
        }
    }
    *b->last = op;
    b->last = &op->next;
    b->n_ops++;
    return op;
}

static bool check(struct store_batch *b, enum store_table table, const struct store_value *v, size_t n) {
    const struct store_info *t = store_info(table);
    if (b->err != VL_OK) return false;
    if (t == NULL || store_is_private(table)) b->err = VL_ERANGE;
    for (size_t i = 0; i < n && b->err == VL_OK; i++)
        b->err = store_value_check(&t->columns[i], &v[i], STORE_VALUE_MAX);
    return b->err == VL_OK;
}

static void add_row(struct store_batch *b, enum store_op_kind kind, enum store_table table,
                    const struct store_value *row) {
    const struct store_info *t = store_info(table);
    if (b == NULL || !check(b, table, row, t == NULL ? 0 : t->n_columns)) return;
    (void)add(b, kind, table, row, t->n_columns);
}

int64_t store_sum(struct vl_span bytes) {
    /* Fixed and public: it finds damage, not attackers, who could write the sum as well. */
    static const uint64_t seed[2] = { 0x56696c6c61676520u, 0x73746f7265206c6fu };
    return (int64_t)vl_siphash(seed, bytes.p, bytes.n);
}

void store_batch_append(struct store_batch *b, unsigned stream, struct vl_span payload) {
    if (b == NULL || b->err != VL_OK) return;
    if (stream == 0 || stream >= STORE_STREAMS_MAX || payload.n > STORE_VALUE_MAX) {
        b->err = VL_ERANGE;
        return;
    }
    struct store_value row[STORE_LOG_COLUMNS] = { [STORE_LOG_STREAM] = store_int(stream),
                                                  [STORE_LOG_SEQ] = store_int(0),
                                                  [STORE_LOG_SUM] = store_int(store_sum(payload)),
                                                  [STORE_LOG_PAYLOAD] = store_blob(payload.p, payload.n) };
    if (add(b, STORE_OP_APPEND, STORE_LOG, row, STORE_LOG_COLUMNS) != NULL) b->n_appends++;
}

void store_batch_snapshot(struct store_batch *b, unsigned stream, uint64_t up_to_seq, struct vl_span bytes) {
    if (b == NULL || b->err != VL_OK) return;
    bool at_head = up_to_seq == STORE_SEQ_HEAD;
    if (stream == 0 || stream >= STORE_STREAMS_MAX || bytes.n > STORE_SNAPSHOT_MAX ||
        (!at_head && up_to_seq > INT64_MAX)) {
        b->err = VL_ERANGE;
        return;
    }
    struct store_value row[STORE_SNAPSHOTS_COLUMNS] = {
        [STORE_SNAPSHOTS_STREAM] = store_int(stream),
        [STORE_SNAPSHOTS_SEQ] = store_int(at_head ? 0 : (int64_t)up_to_seq),
        [STORE_SNAPSHOTS_SUM] = store_int(store_sum(bytes)),
        [STORE_SNAPSHOTS_BYTES] = store_blob(bytes.p, bytes.n),
    };
    struct store_op *op = add(b, STORE_OP_SNAPSHOT, STORE_SNAPSHOTS, row, STORE_SNAPSHOTS_COLUMNS);
    if (op == NULL) return;
    op->at_head = at_head;
    b->snapshot_bytes += bytes.n;
}

void store_batch_put(struct store_batch *b, enum store_table table, const struct store_value *row) {
    add_row(b, STORE_OP_PUT, table, row);
}

void store_batch_insert(struct store_batch *b, enum store_table table, const struct store_value *row) {
    add_row(b, STORE_OP_INSERT, table, row);
}

void store_batch_delete(struct store_batch *b, enum store_table table, const struct store_value *key, size_t n) {
    const struct store_info *t = store_info(table);
    if (b == NULL || !check(b, table, key, t == NULL || n > t->n_keys ? 0 : n)) return;
    if (n == 0 || n > t->n_keys) {
        b->err = VL_ERANGE;
        return;
    }
    (void)add(b, STORE_OP_DELETE, table, key, n);
}

void store_batch_delete_less(struct store_batch *b, enum store_table table, unsigned index, struct store_value bound,
                             uint32_t max_rows) {
    if (b == NULL || !check(b, table, NULL, 0)) return;
    const struct store_info *t = store_info(table);
    if (index >= t->n_indexes || max_rows == 0 || max_rows > STORE_SCAN_MAX) {
        b->err = VL_ERANGE;
        return;
    }
    uint8_t order[STORE_ORDER_MAX];
    (void)store_order(t, index, order);
    b->err = store_value_check(&t->columns[order[0]], &bound, STORE_VALUE_MAX);
    if (b->err != VL_OK) return;
    struct store_op *op = add(b, STORE_OP_LESS, table, &bound, 1);
    if (op == NULL) return;
    op->index = index;
    op->max_rows = max_rows;
}

void store_batch_rewind(struct store_batch *b) { b->n_numbered = 0; }

enum vl_err store_op_number(struct store_batch *b, struct store_op *op, struct store_heads *h) {
    size_t stream = (size_t)op->v[0].i;
    assert(stream < STORE_STREAMS_MAX);
    if (op->kind == STORE_OP_APPEND) {
        uint64_t seq = ++h->last[stream];
        op->v[STORE_LOG_SEQ].i = (int64_t)seq;
        b->seqs[b->n_numbered++] = seq;
        return VL_OK;
    }
    int64_t *seq = &op->v[STORE_SNAPSHOTS_SEQ].i;
    if (op->at_head) *seq = (int64_t)h->last[stream];
    if ((uint64_t)*seq > h->last[stream]) return VL_ERANGE;
    if ((uint64_t)*seq < h->snapshot[stream]) return VL_ESTALE;
    h->snapshot[stream] = (uint64_t)*seq;
    return VL_OK;
}

bool store_err_is_own(enum vl_err err) { return err == VL_EEXISTS || err == VL_ERANGE || err == VL_ESTALE; }

void store_queue_init(struct store_queue *q) { *q = (struct store_queue){ .last = &q->first }; }

void store_queue_push(struct store_queue *q, struct store_batch *b) {
    b->next = NULL;
    *q->last = b;
    q->last = &b->next;
    q->len++;
}

struct store_batch *store_queue_pop(struct store_queue *q) {
    struct store_batch *b = q->first;
    if (b == NULL) return NULL;
    q->first = b->next;
    if (q->first == NULL) q->last = &q->first;
    q->len--;
    b->next = NULL;
    return b;
}

void store_queue_move(struct store_queue *from, struct store_queue *to) {
    if (from->first == NULL) return;
    *to->last = from->first;
    to->last = from->last;
    to->len += from->len;
    store_queue_init(from);
}

void store_queue_free(struct store_queue *q) {
    for (struct store_batch *b; (b = store_queue_pop(q)) != NULL;) store_batch_destroy(b);
}
