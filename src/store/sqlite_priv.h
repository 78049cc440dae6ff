/* sqlite_priv.h - what the files of the SQLite driver share.  Private to store/.
 *
 *   owner thread                          writer thread
 *   submit --> [submitted] -------------> takes up to 64, one transaction, COMMIT = fsync
 *   poll   <-- [decided] <-- eventfd ---- outcome of each
 *   get/scan: reader (read-only)          db (read-write, alone checkpoints), trims the log, copies backups
 */
#ifndef VL_STORE_SQLITE_PRIV_H
#define VL_STORE_SQLITE_PRIV_H

#include "store/driver.h"
#include "store/migrate.h"
#include "store/sqlite_sql.h"

#include <pthread.h>
#include <sqlite3.h>

#define SQL_TEXT_MAX 4096u /* the longest generated statement is below 600 bytes */
#define SCAN_CACHE 24u     /* prepared scans kept; about 3 KiB each */

enum write_kind { WRITE_PUT, WRITE_INSERT, WRITE_DELETE, WRITE_LESS = WRITE_DELETE + STORE_KEYS_MAX };
#define WRITE_KINDS (WRITE_LESS + STORE_INDEXES_MAX)

struct backup {
    struct store_batch *job; /* NULL: none running */
    sqlite3 *dst;
    sqlite3_backup *copy;
    char partial[STORE_PATH_MAX + 16];
};

/* Touched by the writer thread only, once it runs. */
struct writer {
    sqlite3 *db;
    sqlite3_stmt *stmts[STORE_TABLE_COUNT][WRITE_KINDS];
    struct store_heads heads;
    uint64_t low[STORE_STREAMS_MAX]; /* lowest event that may still be in the log */
    bool trim_blocked;               /* the last trim failed: not again before a commit succeeds */
    uint64_t fault_epoch;            /* batches up to this epoch share the fate of one that the machine failed */
    enum vl_err fault;
    uint64_t wal_frames, checkpoint_at;
    struct backup backup;
};

struct scan_slot {
    struct sql_scan_shape shape;
    sqlite3_stmt *stmt;
    bool busy;
    uint64_t used;
};

struct sqlite_store {
    struct store base;
    int lock_fd, wake_fd;
    char db_path[STORE_PATH_MAX + 16];
    /* owner */
    sqlite3 *reader;
    sqlite3_stmt *gets[STORE_TABLE_COUNT];
    struct vl_buf row; /* text and blobs of the row that was given out: no read transaction outlives a get */
    struct scan_slot scans[SCAN_CACHE];
    uint64_t clock;
    /* shared, under lock */
    bool has_lock, has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct store_queue submitted, decided;
    size_t taken; /* out of `submitted`, not yet in `decided` */
    bool stop, writer_sleeps;
    struct store_metrics metrics;
    /* writer */
    struct writer w;
};

/* Prepares and keeps a statement in *slot when there is none yet. */
VL_MUST_CHECK enum vl_err sqlite_prepare(sqlite3 *db, const struct vl_buf *sql, sqlite3_stmt **slot);
/* Binds v to ?i without copying. */
VL_MUST_CHECK enum vl_err sqlite_bind(sqlite3 *db, sqlite3_stmt *st, size_t i, const struct store_value *v);

/* Reads the heads of the streams; before the thread starts. */
VL_MUST_CHECK enum vl_err sqlite_writer_load(struct writer *w);
void *sqlite_writer_main(void *store);
void sqlite_writer_free(struct writer *w); /* finalises the statements */

/* Takes the job.  VL_OK: it is running. */
enum vl_err sqlite_backup_start(struct writer *w, struct store_batch *job);
/* Copies a little.  True when it has ended: job->err is set, the job is out of w. */
bool sqlite_backup_step(struct writer *w, struct store_batch **ret_job);
/* Stops it and removes what was copied; the job is destroyed. */
void sqlite_backup_abort(struct writer *w);

/* sqlite_read.c */
enum vl_err sqlite_get(struct store *s, enum store_table table, const struct store_value *key);
enum vl_err sqlite_scan(struct store *s, const struct store_query *q, struct store_iter **ret_iter);
enum vl_err sqlite_next(struct store_iter *it);
void sqlite_end(struct store_iter *it);
/* Ends the read transaction of the last get. */
void sqlite_release(struct sqlite_store *s);
void sqlite_read_free(struct sqlite_store *s);

#endif
