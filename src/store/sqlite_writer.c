#include "store/sqlite_priv.h"

#include <assert.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CHECKPOINT_FRAMES 1000u /* 4 MiB of WAL, SQLite's own default: larger only delays, smaller syncs more often */
#define CHECKPOINT_AGAIN 250u   /* frames more before the next try when a reader was in the way */
#define CHECKPOINT_WAIT 8192u   /* 32 MiB: from here on wait for the readers rather than let the file grow */
#define TRIM_ROWS 1024u         /* events removed in one transaction: a few ms at most */
#define WRITER_NICE (-5)        /* platform.md section 3: on a loaded machine wake-ups cost more than the disk */

static uint64_t now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void count_latency(uint64_t *buckets, uint64_t us) {
    unsigned i = 0;
    while (i < STORE_LATENCY_BUCKETS - 1 && us >= (1ull << i)) i++;
    buckets[i]++;
}

/* --- one batch ------------------------------------------------------------------------------------------------- */

static enum vl_err statement(struct writer *w, enum store_table table, unsigned kind, sqlite3_stmt **ret) {
    const struct store_info *t = store_info(table);
    sqlite3_stmt **slot = &w->stmts[table][kind];
    enum vl_err err = VL_OK;
    if (*slot == NULL) {
        struct vl_buf sql;
        vl_buf_init(&sql, SQL_TEXT_MAX);
        if (kind == WRITE_PUT || kind == WRITE_INSERT) {
            err = sql_write_row(&sql, t, kind == WRITE_PUT);
        } else if (kind < WRITE_LESS) {
            err = sql_delete(&sql, t, kind - WRITE_DELETE + 1);
        } else {
            err = sql_delete_less(&sql, t, kind - WRITE_LESS);
        }
        if (err == VL_OK) err = sqlite_prepare(w->db, &sql, slot);
        vl_buf_free(&sql);
    }
    *ret = *slot;
    return err;
}

static unsigned kind_of(const struct store_op *op) {
    switch (op->kind) {
    case STORE_OP_PUT:
    case STORE_OP_SNAPSHOT:
        return WRITE_PUT;
    case STORE_OP_INSERT:
    case STORE_OP_APPEND:
        return WRITE_INSERT;
    case STORE_OP_DELETE:
        return WRITE_DELETE + (unsigned)op->n - 1;
    case STORE_OP_LESS:
        return WRITE_LESS + op->index;
    }
    return WRITE_KINDS;
}

static enum vl_err run_op(struct writer *w, struct store_batch *b, struct store_op *op) {
    enum vl_err err = VL_OK;
    if (op->kind == STORE_OP_APPEND || op->kind == STORE_OP_SNAPSHOT) err = store_op_number(b, op, &w->heads);
    sqlite3_stmt *st = NULL;
    if (err == VL_OK) err = statement(w, op->table, kind_of(op), &st);
    for (size_t i = 0; i < op->n && err == VL_OK; i++) err = sqlite_bind(w->db, st, i + 1, &op->v[i]);
    if (err == VL_OK && op->kind == STORE_OP_LESS) {
        struct store_value most = store_int(op->max_rows);
        err = sqlite_bind(w->db, st, 2, &most);
    }
    if (err != VL_OK) return err;
    err = sqlite_err(w->db, sqlite3_step(st));
    (void)sqlite3_reset(st);
    return err;
}

static enum vl_err run_batch(struct writer *w, struct store_batch *b) {
    enum vl_err err = VL_OK;
    store_batch_rewind(b);
    for (struct store_op *op = b->first; op != NULL && err == VL_OK; op = op->next) err = run_op(w, b, op);
    return err;
}

/* A refused batch leaves nothing behind and the others stand. */
static enum vl_err run_batch_apart(struct writer *w, struct store_batch *b) {
    struct store_heads before = w->heads;
    enum vl_err err = sqlite_run(w->db, "SAVEPOINT one");
    if (err != VL_OK) return err;
    b->err = run_batch(w, b);
    if (b->err == VL_OK) return sqlite_run(w->db, "RELEASE one");
    if (!store_err_is_own(b->err)) return b->err;
    w->heads = before;
    return sqlite_run(w->db, "ROLLBACK TO one; RELEASE one");
}

/* --- one group ------------------------------------------------------------------------------------------------- */

/* Moves what is there into the group, up to its limits.  A backup request ends a group and is a group of its own. */
static size_t take_more(struct sqlite_store *s, struct store_queue *group, uint64_t began_us) {
    if (group->len >= STORE_GROUP_BATCHES || now_us() - began_us >= STORE_GROUP_US) return 0;
    size_t n = 0;
    (void)pthread_mutex_lock(&s->lock);
    while (s->submitted.first != NULL && s->submitted.first->path == NULL && group->len < STORE_GROUP_BATCHES) {
        store_queue_push(group, store_queue_pop(&s->submitted));
        n++;
    }
    s->taken += n;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

/* One transaction.  On an error nothing of it is left and the heads are as before.  While `apart` is false it also
 * takes batches that arrive meanwhile, and the first refused batch ends it: the caller runs the group again, each
 * batch in a savepoint, which costs too much to do always. */
static enum vl_err run_group(struct sqlite_store *s, struct store_queue *group, bool apart, uint64_t began_us) {
    struct writer *w = &s->w;
    struct store_heads before = w->heads;
    enum vl_err err = sqlite_run(w->db, "BEGIN IMMEDIATE");
    struct store_batch **at = &group->first;
    while (err == VL_OK && (*at != NULL || (!apart && take_more(s, group, began_us) != 0))) {
        struct store_batch *b = *at;
        at = &b->next;
        if (b->epoch <= w->fault_epoch) {
            b->err = w->fault;
            continue;
        }
        b->err = VL_OK;
        err = apart ? run_batch_apart(w, b) : run_batch(w, b);
    }
    if (err == VL_OK) err = sqlite_run(w->db, "COMMIT");
    if (err != VL_OK) {
        /* Some errors have rolled back already. */
        if (!sqlite3_get_autocommit(w->db)) (void)sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
        w->heads = before;
    }
    return err;
}

/* The machine failed: none of the group is durable, and nothing submitted before the owner hears of it will be. */
static void fail_group(struct writer *w, struct store_queue *group, enum vl_err err) {
    for (struct store_batch *b = group->first; b != NULL; b = b->next) {
        if (b->epoch > w->fault_epoch) {
            w->fault_epoch = b->epoch;
            w->fault = err;
        }
        b->err = err;
    }
    w->checkpoint_at = 0; /* a full disk: space inside the WAL may be had by checkpointing it */
}

static void decide(struct sqlite_store *s, struct store_queue *group) {
    (void)pthread_mutex_lock(&s->lock);
    s->taken -= group->len;
    store_queue_move(group, &s->decided);
    s->metrics.wal_bytes = s->w.wal_frames * 4096u;
    (void)pthread_cond_broadcast(&s->idle);
    (void)pthread_mutex_unlock(&s->lock);
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the descriptor is readable anyway. */
    if (write(s->wake_fd, &one, sizeof one) < 0) return;
}

static void count_group(struct sqlite_store *s, const struct store_queue *group, uint64_t began_us, uint64_t rows) {
    struct store_metrics *m = &s->metrics;
    uint64_t now = now_us();
    size_t good = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (const struct store_batch *b = group->first; b != NULL; b = b->next) {
        if (b->err != VL_OK) {
            m->failed[-b->err % STORE_ERRORS]++;
            continue;
        }
        good++;
        m->bytes += b->bytes;
        count_latency(m->ack_us, now - b->at_us);
    }
    m->batches += good;
    if (good != 0) {
        m->commits++;
        m->rows += rows;
        count_latency(m->commit_us, now - began_us);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void commit_group(struct sqlite_store *s, struct store_queue *group) {
    struct writer *w = &s->w;
    uint64_t began = now_us();
    int64_t rows = sqlite3_total_changes64(w->db);
    enum vl_err err = run_group(s, group, false, began);
    if (store_err_is_own(err)) {
        rows = sqlite3_total_changes64(w->db);
        err = run_group(s, group, true, began);
    }
    if (err != VL_OK) {
        fail_group(w, group, err);
    } else {
        w->trim_blocked = false;
    }
    count_group(s, group, began, (uint64_t)(sqlite3_total_changes64(w->db) - rows));
    decide(s, group);
}

/* --- chores between the groups --------------------------------------------------------------------------------- */

static int on_wal(void *arg, __attribute__((unused)) sqlite3 *db, __attribute__((unused)) const char *name,
                  int frames) {
    ((struct writer *)arg)->wal_frames = (uint64_t)frames;
    return SQLITE_OK;
}

static void checkpoint(struct sqlite_store *s) {
    struct writer *w = &s->w;
    if (w->wal_frames == 0 || w->wal_frames < w->checkpoint_at) return;
    int frames = 0, moved = 0;
    int mode = w->wal_frames >= CHECKPOINT_WAIT ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(w->db, "main", mode, &frames, &moved);
    bool whole = rc == SQLITE_OK && frames == moved;
    w->checkpoint_at = whole ? CHECKPOINT_FRAMES : w->wal_frames + CHECKPOINT_AGAIN;
    /* All is in the file: the next commit begins the WAL anew. */
    if (whole) w->wal_frames = 0;
    (void)pthread_mutex_lock(&s->lock);
    s->metrics.checkpoints += whole;
    (void)pthread_mutex_unlock(&s->lock);
}

/* The stream whose snapshot covers events that are still in the log; 0: none. */
static unsigned trim_due(const struct writer *w) {
    for (unsigned i = 1; i < STORE_STREAMS_MAX && !w->trim_blocked; i++) {
        if (w->low[i] <= w->heads.snapshot[i]) return i;
    }
    return 0;
}

static void trim(struct writer *w, unsigned stream) {
    uint64_t to = w->low[stream] + TRIM_ROWS;
    if (to > w->heads.snapshot[stream] + 1) to = w->heads.snapshot[stream] + 1;
    char sql[96];
    (void)snprintf(sql, sizeof sql, "DELETE FROM log WHERE stream=%u AND seq<%lld", stream, (long long)to);
    if (sqlite_run(w->db, sql) == VL_OK) {
        w->low[stream] = to;
    } else {
        w->trim_blocked = true;
    }
}

static void do_chores(struct sqlite_store *s) {
    struct writer *w = &s->w;
    checkpoint(s);
    unsigned stream = trim_due(w);
    if (stream != 0) trim(w, stream);
    struct store_batch *job;
    if (w->backup.job != NULL && sqlite_backup_step(w, &job)) {
        struct store_queue q;
        store_queue_init(&q);
        store_queue_push(&q, job);
        decide(s, &q);
    }
}

static void start_backup(struct sqlite_store *s, struct store_queue *group) {
    struct store_batch *job = store_queue_pop(group);
    job->err = sqlite_backup_start(&s->w, job);
    if (job->err == VL_OK) return;
    store_queue_push(group, job);
    decide(s, group);
}

/* --- the thread ------------------------------------------------------------------------------------------------ */

static enum vl_err load_numbers(struct writer *w, const char *sql, uint64_t *a, uint64_t *b) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(w->db, sql, -1, &st, NULL);
    enum vl_err err = VL_OK;
    while (rc == SQLITE_OK && err == VL_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        int64_t stream = sqlite3_column_int64(st, 0), x = sqlite3_column_int64(st, 1), y = sqlite3_column_int64(st, 2);
        rc = SQLITE_OK;
        if (stream < 1 || stream >= STORE_STREAMS_MAX || x < 0 || y < 0) {
            err = VL_ECORRUPT;
        } else {
            a[stream] = (uint64_t)x;
            b[stream] = (uint64_t)y;
        }
    }
    if (err == VL_OK && rc != SQLITE_DONE) err = sqlite_err(w->db, rc);
    (void)sqlite3_finalize(st);
    return err;
}

enum vl_err sqlite_writer_load(struct writer *w) {
    uint64_t low[STORE_STREAMS_MAX] = { 0 }, last[STORE_STREAMS_MAX] = { 0 }, unused[STORE_STREAMS_MAX];
    enum vl_err err = load_numbers(w, "SELECT stream, seq, 0 FROM snapshots", w->heads.snapshot, unused);
    if (err == VL_OK) err = load_numbers(w, "SELECT stream, min(seq), max(seq) FROM log GROUP BY stream", low, last);
    if (err != VL_OK) return err;
    for (size_t i = 1; i < STORE_STREAMS_MAX; i++) {
        uint64_t covered = w->heads.snapshot[i];
        w->heads.last[i] = last[i] > covered ? last[i] : covered;
        w->low[i] = low[i] != 0 ? low[i] : covered + 1;
    }
    w->checkpoint_at = CHECKPOINT_FRAMES;
    (void)sqlite3_wal_hook(w->db, on_wal, w);
    return VL_OK;
}

void sqlite_writer_free(struct writer *w) {
    sqlite_backup_abort(w);
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++) {
        for (size_t k = 0; k < WRITE_KINDS; k++) (void)sqlite3_finalize(w->stmts[i][k]);
    }
}

void *sqlite_writer_main(void *arg) {
    struct sqlite_store *s = arg;
    /* Needs a privilege; without it the writer just runs at the common priority. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), WRITER_NICE);
    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        bool chores = trim_due(&s->w) != 0 || s->w.backup.job != NULL;
        if (s->submitted.first == NULL && s->stop) break;
        if (s->submitted.first == NULL && !chores) {
            s->writer_sleeps = true;
            (void)pthread_cond_wait(&s->work, &s->lock);
            s->writer_sleeps = false;
            continue;
        }
        struct store_queue group;
        store_queue_init(&group);
        if (s->submitted.first != NULL) {
            store_queue_push(&group, store_queue_pop(&s->submitted));
            s->taken++;
        }
        (void)pthread_mutex_unlock(&s->lock);
        if (group.first != NULL && group.first->path != NULL) {
            start_backup(s, &group);
        } else if (group.first != NULL) {
            commit_group(s, &group);
        }
        do_chores(s);
        (void)pthread_mutex_lock(&s->lock);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}
