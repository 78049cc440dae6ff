/* driver.h - the seam between store.c and the drivers.  Private to store/.
 * A driver is one struct that begins with struct store, and one const struct store_ops. */
#ifndef VL_STORE_DRIVER_H
#define VL_STORE_DRIVER_H

#include "store/catalogue.h"

enum store_op_kind {
    STORE_OP_PUT,
    STORE_OP_INSERT,
    STORE_OP_DELETE,
    STORE_OP_LESS,
    STORE_OP_APPEND,
    STORE_OP_SNAPSHOT
};

/* v: the row (put, insert, append, snapshot), the key's first n columns (delete), the bound (less).
 * Append and snapshot carry a row of STORE_LOG or STORE_SNAPSHOTS whose seq is filled in by store_op_number(). */
struct store_op {
    struct store_op *next;
    enum store_op_kind kind;
    enum store_table table;
    unsigned index;    /* less */
    uint32_t max_rows; /* less */
    bool at_head;      /* snapshot: STORE_SEQ_HEAD was asked for */
    size_t n;
    struct store_value v[];
};

#define STORE_PATH_MAX 4000u /* of a directory or backup, without the NUL: room for suffixes below PATH_MAX */

struct store_chunk;
struct store_batch {
    struct store_batch *next; /* in the driver's queues */
    struct store_op *first, **last;
    struct store_chunk *chunks;
    size_t n_ops, n_appends, n_numbered, bytes;
    size_t snapshot_bytes; /* of bytes: beside the queue's budget, see STORE_QUEUE_BYTES */
    uint64_t *seqs;   /* n_appends */
    enum vl_err err;  /* while building: the sticky error; later: the outcome */
    uint64_t epoch;   /* of the store when submitted, see store_submit()'s prefix rule */
    uint64_t at_us;   /* submitted, for the driver's histogram */
    const char *path; /* a backup travels as a batch without operations */
    store_done *done;
    void *arg;
};

/* Last number of each stream, and the number of its snapshot. */
struct store_heads {
    uint64_t last[STORE_STREAMS_MAX], snapshot[STORE_STREAMS_MAX];
};
/* Numbers an append or checks a snapshot when it is applied.  VL_ERANGE, VL_ESTALE as in store_batch_snapshot(). */
VL_MUST_CHECK enum vl_err store_op_number(struct store_batch *b, struct store_op *op, struct store_heads *h);
/* Copies n bytes into the batch's memory; NULL when that is out. */
const void *store_batch_keep(struct store_batch *b, const void *p, size_t n);
/* Forgets the numbers given: the batch will be applied again. */
void store_batch_rewind(struct store_batch *b);
/* True when the error is the batch's own; false: the machine failed, and the prefix rule applies. */
bool store_err_is_own(enum vl_err err);
int64_t store_sum(struct vl_span bytes);

struct store_queue {
    struct store_batch *first, **last;
    size_t len;
};
void store_queue_init(struct store_queue *q);
void store_queue_push(struct store_queue *q, struct store_batch *b);
struct store_batch *store_queue_pop(struct store_queue *q);              /* NULL when empty */
void store_queue_move(struct store_queue *from, struct store_queue *to); /* appends all of `from` */
void store_queue_free(struct store_queue *q);                            /* destroys the batches */

struct store_ops {
    const char *name;
    void (*submit)(struct store *s, struct store_batch *b);
    void (*poll)(struct store *s, struct store_queue *ret_decided); /* batches whose outcome is known */
    void (*wait)(struct store *s);                                  /* until all that was submitted is decided */
    int (*wake_fd)(const struct store *s);
    /* Fills s->row. */
    enum vl_err (*get)(struct store *s, enum store_table table, const struct store_value *key);
    enum vl_err (*scan)(struct store *s, const struct store_query *q, struct store_iter **ret_iter);
    enum vl_err (*next)(struct store_iter *it); /* fills it->row; VL_ENOTFOUND at the end */
    void (*end)(struct store_iter *it);
    void (*metrics)(struct store *s, struct store_metrics *ret_metrics);
    void (*close)(struct store *s);
    bool can_backup; /* optional: submit() takes batches with a path */
};

struct store {
    const struct store_ops *ops;
    size_t pending, pending_bytes, open_iters;
    uint64_t epoch, refused;
    bool backing_up, polling;
    struct store_value row[STORE_COLUMNS_MAX]; /* of the last get */
};
void store_init(struct store *s, const struct store_ops *ops);

struct store_iter {
    struct store *store;
    enum store_table table;
    uint32_t left;
    enum vl_err err;
    struct store_value row[STORE_COLUMNS_MAX];
};

#endif
