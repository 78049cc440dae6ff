/* store.h - durable state of a node: event log, snapshots and the tables that the API queries.
 *
 * Writes are batches: everything in one batch becomes durable together or not at all, batches in the order of their
 * submission.  store_submit() returns at once; many batches share one commit (group commit); the outcome comes back
 * on the owner's thread through store_poll().  Let nothing that the outside can see leave before that.
 *
 *     struct store_batch *b = store_batch_create();
 *     store_batch_append(b, STORE_STREAM_FOG, event);
 *     store_batch_put(b, STORE_JOBS, (struct store_value[STORE_JOBS_COLUMNS]){
 *         [STORE_JOBS_ID] = store_blob(id.b, sizeof id.b), [STORE_JOBS_STATE] = store_int(1), ... });
 *     err = store_submit(store, b, on_committed, arg);
 *
 * Reads are synchronous and see committed data only: all whose outcome was delivered, perhaps more.
 *
 * One owner thread per store; nothing here may be called from two threads.  Several stores in one process are fine.
 * Drivers: store/sqlite.h (default) and store/mem.h (simulator, tests); both pass the same contract tests.
 * Sources: platform.md section 3, architecture.md section 2. */
#ifndef VL_STORE_STORE_H
#define VL_STORE_STORE_H

#include "base/bytes.h"
#include "base/err.h"
#include "store/tables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_GROUP_BATCHES 64u        /* architecture.md section 2: batches of one commit at most ... */
#define STORE_GROUP_US 2000u           /* ... or what arrives in this time */
#define STORE_QUEUE_BATCHES 8192u      /* submitted and not yet delivered */
/* Same, memory: half the resident budget of a daemon.  Snapshots are beside it: they are rare, bounded by their own limit,
 * and one of a large book would leave no room for what comes after it. */
#define STORE_QUEUE_BYTES (8u << 20)
#define STORE_BATCH_OPS 32768u         /* a job of VL_JOB_TASKS_MAX tasks with receipts is one event */
#define STORE_VALUE_MAX (8u << 20)     /* one value, one event */
#define STORE_SNAPSHOT_MAX (64u << 20) /* one snapshot */
#define STORE_SCAN_MAX 10000u          /* rows of one scan: bounds the read transaction */
#define STORE_SEQ_HEAD UINT64_MAX      /* store_batch_snapshot: all events up to this batch */
#define STORE_LATENCY_BUCKETS 24       /* bucket i counts times < 2^i us; the last one the rest (> 4 s) */
#define STORE_ERRORS 32                /* slots of failures by error: index is -vl_err */

/* --- values and rows ------------------------------------------------------------------------------------------- */

enum store_type { STORE_NULL = 0, STORE_INT = 1, STORE_TEXT = 2, STORE_BLOB = 3 };

/* Borrowed, never owned.  Text: UTF-8 without NUL; in rows read from the store s.p[s.n] is a NUL. */
struct store_value {
    enum store_type type;
    union {
        int64_t i;
        struct vl_span s;
    };
};
struct store_value store_null(void);
struct store_value store_int(int64_t i);
struct store_value store_text(const char *s); /* borrows s up to its NUL */
struct store_value store_blob(const void *p, size_t n);

/* A row as read; v[column].  Types are those of the catalogue, checked on reading. */
struct store_row {
    enum store_table table;
    const struct store_value *v;
};
/* The getters assert that the column has that type: asking for another is a bug of the caller. */
int64_t store_row_int(const struct store_row *r, unsigned column);
const char *store_row_text(const struct store_row *r, unsigned column);    /* "" when null */
struct vl_span store_row_blob(const struct store_row *r, unsigned column); /* empty when null */
bool store_row_is_null(const struct store_row *r, unsigned column);
/* Copies a blob of exactly n bytes (an id, a hash).  VL_ECORRUPT: null or another size; dst untouched. */
VL_MUST_CHECK enum vl_err store_row_bytes(const struct store_row *r, unsigned column, void *dst, size_t n);

/* --- batches --------------------------------------------------------------------------------------------------- */

struct store;
struct store_batch;

/* NULL when out of memory: the functions below take NULL and store_submit() then answers VL_ENOMEM, so that the
 * writer of a batch checks once.  The first error sticks and is the answer of store_submit():
 *   VL_ERANGE  a value does not fit its column (type, null, text that is not UTF-8 or holds a NUL), a limit of
 *              STORE_VALUE_MAX or STORE_SNAPSHOT_MAX, or a table of the store's own
 *   VL_ELIMIT  more than STORE_BATCH_OPS operations         VL_ENOMEM
 * Values are copied.  Operations apply in the order in which they were added. */
struct store_batch *store_batch_create(void);
/* For a batch that was not submitted.  NULL is a no-op. */
void store_batch_destroy(struct store_batch *b);
/* An event for `stream` (1..STORE_STREAMS_MAX-1).  Gets the next number of its stream, from 1, without gaps. */
void store_batch_append(struct store_batch *b, unsigned stream, struct vl_span payload);
/* The state of a core after event `up_to_seq`; replaces the older snapshot and drops the log up to there.
 * Fails the batch: VL_ERANGE no such event yet; VL_ESTALE the stored snapshot is newer. */
void store_batch_snapshot(struct store_batch *b, unsigned stream, uint64_t up_to_seq, struct vl_span bytes);
/* Adds a row or replaces the one with the same key.  `row` has all columns of the table. */
void store_batch_put(struct store_batch *b, enum store_table table, const struct store_value *row);
/* Adds a row; fails the batch with VL_EEXISTS when the key exists (tickets, idempotency keys). */
void store_batch_insert(struct store_batch *b, enum store_table table, const struct store_value *row);
/* Deletes the row with this key, or with n < key columns all rows whose key starts so.  None there: no error. */
void store_batch_delete(struct store_batch *b, enum store_table table, const struct store_value *key, size_t n);
/* Deletes at most max_rows (1..STORE_SCAN_MAX) rows whose first column in the order of `index` is < bound, lowest
 * first. */
void store_batch_delete_less(struct store_batch *b, enum store_table table, unsigned index, struct store_value bound,
                             uint32_t max_rows);

/* Outcome of a batch, borrowed for the call. */
struct store_result {
    enum vl_err err;      /* see store_submit() */
    const uint64_t *seqs; /* number of each appended event, in order; NULL on error or when there is none */
    size_t n_seqs;
};
typedef void store_done(void *arg, const struct store_result *result);

/* Takes `b` in every case.  On VL_OK `done` (may be NULL) is called once from a later store_poll() or store_flush(),
 * never from within this call; on an error it is not called.
 * VL_ELIMIT: the queue is full (see store_room()) or the batch is too large; VL_ERANGE, VL_ENOMEM: see above.
 * Outcomes of a batch: VL_OK, durable.  VL_EEXISTS, VL_ERANGE, VL_ESTALE: this batch alone was refused.
 * VL_ENOSPC, VL_EIO, VL_ENOMEM, VL_EBUSY (a foreign program holds the file), VL_ECORRUPT: the machine failed; then
 * every batch submitted before the owner was told (by store_poll) fails with the same error, so that the stored state
 * is a prefix of what was submitted and no event becomes durable without those before it.  After such an outcome the
 * owner's own state is ahead of the stored one: build it again from the store, then submit; that is tried as usual.
 * (When a sync failed and the machine then crashes before anything else is written, the refused group may be found
 * committed after all: still a prefix, but an error is no promise of absence.) */
VL_MUST_CHECK enum vl_err store_submit(struct store *s, struct store_batch *b, store_done *done, void *arg);
/* Batches that store_submit() takes now for certain.  0: stop feeding events until store_poll() delivered some. */
size_t store_room(const struct store *s);
/* Submitted and not yet delivered. */
size_t store_pending(const struct store *s);
/* Delivers outcomes, at most those that are ready on entry; returns how many.  No iterator may be open.
 * An outcome's callback may submit and read; it must not poll, flush or close this store. */
size_t store_poll(struct store *s);
/* Readable when store_poll() has something to deliver; owned by the store; -1: driver without one (mem), poll after
 * each step. */
int store_wake_fd(const struct store *s);
/* Waits until all that was submitted before the call is decided and delivers it.  No iterator may be open. */
void store_flush(struct store *s);
/* Commits what was submitted, without calling back, and frees the store.  NULL is a no-op. */
void store_close(struct store *s);

/* --- reads ----------------------------------------------------------------------------------------------------- */

/* One row by its full key.  The row is borrowed until the next call with this store.
 * VL_ENOTFOUND, VL_ERANGE (key of the wrong type), VL_EIO, VL_ENOMEM, VL_ECORRUPT. */
VL_MUST_CHECK enum vl_err store_get(struct store *s, enum store_table table, const struct store_value *key,
                                    struct store_row *ret_row);

/* Rows in the order of `index`, whose columns are: the indexed column (none for STORE_x_BY_KEY), then the key columns
 * that are not the indexed column.  A page of a list: `prefix` is the filter, `from` the cursor (the last row's columns
 * after the prefix), e.g. jobs of one state, newest first:
 *   { .table = STORE_JOBS, .index = STORE_JOBS_BY_STATE, .descending = true, .prefix = &state, .n_prefix = 1,
 *     .from = &last_id, .n_from = 1, .limit = 50 } */
struct store_query {
    enum store_table table;
    unsigned index; /* STORE_x_BY_y */
    bool descending;
    bool inclusive;                   /* a row equal to `from` is given too */
    const struct store_value *prefix; /* first n_prefix index columns equal these */
    size_t n_prefix;
    const struct store_value *from; /* next n_from index columns are past these, compared as one tuple */
    size_t n_from;
    uint32_t limit; /* 1..STORE_SCAN_MAX */
};
struct store_iter;
/* On VL_OK the caller owns *ret_iter and ends it with store_end() before the next store_poll(), store_flush() or
 * store_close().  An open iterator sees one state.  VL_ERANGE: wrong types, counts or limit; VL_EIO, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err store_scan(struct store *s, const struct store_query *q, struct store_iter **ret_iter);
/* False at the end and on an error.  The row is borrowed until the next call on this iterator. */
bool store_next(struct store_iter *it, struct store_row *ret_row);
/* Frees the iterator; NULL is a no-op.  VL_OK, or what made store_next() stop early: VL_EIO, VL_ENOMEM, VL_ECORRUPT. */
enum vl_err store_end(struct store_iter *it);

struct store_event {
    uint64_t seq;
    struct vl_span payload; /* borrowed until the next call on the iterator */
};
struct store_log;
/* Events of `stream` with seq > after_seq that no snapshot covers, oldest first, at most `limit`
 * (1..STORE_SCAN_MAX; replay page by page).  Ownership and errors as store_scan(). */
VL_MUST_CHECK enum vl_err store_log_read(struct store *s, unsigned stream, uint64_t after_seq, uint32_t limit,
                                         struct store_log **ret_log);
bool store_log_next(struct store_log *l, struct store_event *ret_event);
/* As store_end(); VL_ECORRUPT also when an event's checksum is wrong or a number is missing. */
enum vl_err store_log_end(struct store_log *l);
/* The newest snapshot, bytes borrowed until the next call with this store.  VL_ENOTFOUND, VL_ECORRUPT, VL_EIO. */
VL_MUST_CHECK enum vl_err store_snapshot_get(struct store *s, unsigned stream, uint64_t *ret_seq,
                                             struct vl_span *ret_bytes);

/* --- care ------------------------------------------------------------------------------------------------------ */

/* Writes a consistent copy of all that is committed to the new file `path` while writes go on; the file appears
 * complete or not at all.  `done` comes from store_poll() with .err VL_OK, VL_ENOSPC, VL_EIO, VL_EDENIED,
 * VL_EEXISTS (path exists), VL_ENOTFOUND (no such directory).
 * VL_EBUSY: one is running already; VL_EUNSUPPORTED: driver without one (mem); VL_ERANGE: path too long. */
VL_MUST_CHECK enum vl_err store_backup(struct store *s, const char *path, store_done *done, void *arg);

/* All counters since open. */
struct store_metrics {
    uint64_t batches;                          /* committed */
    uint64_t commits;                          /* transactions that carried them */
    uint64_t rows;                             /* written or deleted */
    uint64_t bytes;                            /* of values in committed batches */
    uint64_t refused;                          /* by store_submit(): the queue was full */
    uint64_t failed[STORE_ERRORS];             /* batches, by -err */
    uint64_t commit_us[STORE_LATENCY_BUCKETS]; /* one transaction: begin to durable */
    uint64_t ack_us[STORE_LATENCY_BUCKETS];    /* one batch: submit to durable */
    uint64_t checkpoints;
    uint64_t wal_bytes;                  /* now; 0 where there is no such file */
    uint64_t queue_batches, queue_bytes; /* now */
};
void store_metrics_get(struct store *s, struct store_metrics *ret_metrics);

#endif
