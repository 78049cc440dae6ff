#include "store/sqlite.h"
#include "store/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER_STACK (512u * 1024u) /* SQLite needs about 100 KiB; the rest is for sanitizers */
#define BUSY_MS 2000                /* a person with a shell in the file: wait that long, then fail */

enum vl_err sqlite_prepare(sqlite3 *db, const struct vl_buf *sql, sqlite3_stmt **slot) {
    int rc = sqlite3_prepare_v3(db, (const char *)sql->p, (int)sql->len, SQLITE_PREPARE_PERSISTENT, slot, NULL);
    return sqlite_err(db, rc);
}

enum vl_err sqlite_bind(sqlite3 *db, sqlite3_stmt *st, size_t i, const struct store_value *v) {
    int rc = SQLITE_OK, at = (int)i;
    switch (v->type) {
    case STORE_NULL:
        rc = sqlite3_bind_null(st, at);
        break;
    case STORE_INT:
        rc = sqlite3_bind_int64(st, at, v->i);
        break;
    case STORE_TEXT:
    case STORE_BLOB: {
        /* A NULL pointer would bind null. */
        const void *p = v->s.n == 0 ? "" : (const void *)v->s.p;
        rc = v->type == STORE_TEXT ? sqlite3_bind_text64(st, at, p, v->s.n, SQLITE_STATIC, SQLITE_UTF8)
                                   : sqlite3_bind_blob64(st, at, p, v->s.n, SQLITE_STATIC);
        break;
    }
    }
    return sqlite_err(db, rc);
}

/* --- operations of the owner ----------------------------------------------------------------------------------- */

static void submit(struct store *base, struct store_batch *b) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    b->at_us = (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
    (void)pthread_mutex_lock(&s->lock);
    store_queue_push(&s->submitted, b);
    bool wake = s->writer_sleeps;
    (void)pthread_mutex_unlock(&s->lock);
    if (wake) (void)pthread_cond_signal(&s->work);
}

static void poll_decided(struct store *base, struct store_queue *ret_decided) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    uint64_t n;
    sqlite_release(s);
    /* Emptied before the queue is: what comes between is seen now and wakes the loop once for nothing. */
    if (read(s->wake_fd, &n, sizeof n) < 0 && errno != EAGAIN) n = 0;
    (void)pthread_mutex_lock(&s->lock);
    store_queue_move(&s->decided, ret_decided);
    (void)pthread_mutex_unlock(&s->lock);
}

static void wait_decided(struct store *base) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    sqlite_release(s);
    (void)pthread_mutex_lock(&s->lock);
    while (s->submitted.first != NULL || s->taken != 0) (void)pthread_cond_wait(&s->idle, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
}

static int wake_fd(const struct store *s) { return ((const struct sqlite_store *)s)->wake_fd; }

static void metrics(struct store *base, struct store_metrics *ret_metrics) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    (void)pthread_mutex_lock(&s->lock);
    *ret_metrics = s->metrics;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Takes what open_store() has built, however far that came. */
static void close_store(struct store *base) {
    struct sqlite_store *s = (struct sqlite_store *)base;
    if (s->has_thread) {
        (void)pthread_mutex_lock(&s->lock);
        s->stop = true;
        (void)pthread_cond_signal(&s->work);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_join(s->thread, NULL);
    }
    sqlite_read_free(s);
    (void)sqlite3_close(s->reader);
    /* The last connection to close checkpoints and removes the WAL: that is the mark of a clean stop. */
    sqlite_writer_free(&s->w);
    (void)sqlite3_close(s->w.db);
    store_queue_free(&s->submitted);
    store_queue_free(&s->decided);
    if (s->has_lock) {
        (void)pthread_cond_destroy(&s->idle);
        (void)pthread_cond_destroy(&s->work);
        (void)pthread_mutex_destroy(&s->lock);
    }
    if (s->wake_fd >= 0) (void)close(s->wake_fd);
    if (s->lock_fd >= 0) (void)close(s->lock_fd);
    free(s);
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .submit = submit,
    .poll = poll_decided,
    .wait = wait_decided,
    .wake_fd = wake_fd,
    .get = sqlite_get,
    .scan = sqlite_scan,
    .next = sqlite_next,
    .end = sqlite_end,
    .metrics = metrics,
    .close = close_store,
    .can_backup = true,
};

/* --- opening --------------------------------------------------------------------------------------------------- */

static enum vl_err say_errno(struct vl_errmsg *msg, const char *path, const char *what) {
    int e = errno;
    enum vl_err err = e == ENOSPC || e == EDQUOT                ? VL_ENOSPC
                      : e == EACCES || e == EPERM || e == EROFS ? VL_EDENIED
                      : e == ENOMEM                             ? VL_ENOMEM
                                                                : VL_EIO;
    return vl_errmsg_set(msg, err, "%s: %s: %s", path, what, strerror(e));
}

static enum vl_err sync_dir(const char *dir, struct vl_errmsg *msg) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return say_errno(msg, dir, "cannot open the data directory");
    int rc = fsync(fd);
    enum vl_err err = rc == 0 ? VL_OK : say_errno(msg, dir, "cannot sync the data directory");
    (void)close(fd);
    return err;
}

#define LOCK_TRIES 40u
#define LOCK_WAIT_NS 50000000L /* 2 s in all */

/* Whose lock it is by its file; 0: not said. */
static long lock_owner(int fd) {
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

/* An owner that was killed between fork and exec leaves its lock to the child for an instant: that is waited for. */
static bool lock_waited(int fd) {
    const struct timespec pause = { .tv_nsec = LOCK_WAIT_NS };
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        long pid = lock_owner(fd);
        if (errno != EWOULDBLOCK || pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) break;
        (void)nanosleep(&pause, NULL);
    }
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* flock() belongs to the open file, so a second store in this process is refused as well. */
static enum vl_err take_lock(struct sqlite_store *s, const char *dir, struct vl_errmsg *msg) {
    char path[STORE_PATH_MAX + 16], owner[24] = "";
    (void)snprintf(path, sizeof path, "%s/store.lock", dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0) return say_errno(msg, path, "cannot open");
    if (!lock_waited(s->lock_fd)) {
        if (errno != EWOULDBLOCK) return say_errno(msg, path, "cannot lock");
        return vl_errmsg_set(msg, VL_EBUSY, "%s is in use by process %ld; stop it or choose another data directory", dir,
                             lock_owner(s->lock_fd));
    }
    int n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    /* Only for the message above: on a full disk the store must still open. */
    if (ftruncate(s->lock_fd, 0) == 0 && pwrite(s->lock_fd, owner, (size_t)n, 0) < 0) return VL_OK;
    return VL_OK;
}

/* Made by us before SQLite sees it, because the -wal and -shm files inherit its mode.  Never opened again later:
 * closing any descriptor of the file would drop SQLite's locks (fcntl(2)). */
static enum vl_err make_file(struct sqlite_store *s, const char *dir, struct vl_errmsg *msg) {
    int fd = open(s->db_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return say_errno(msg, s->db_path, "cannot open");
    int rc = fchmod(fd, 0600);
    enum vl_err err = rc == 0 ? VL_OK : say_errno(msg, s->db_path, "cannot set its mode");
    (void)close(fd);
    return err == VL_OK ? sync_dir(dir, msg) : err;
}

static enum vl_err open_db(const char *path, bool writer, sqlite3 **ret, struct vl_errmsg *msg) {
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    int rc = sqlite3_open_v2(path, ret, flags, NULL);
    enum vl_err err = sqlite_err(*ret, rc);
    if (err != VL_OK) return vl_errmsg_set(msg, err, "%s: %s", path, sqlite3_errmsg(*ret));
    (void)sqlite3_busy_timeout(*ret, BUSY_MS);
    (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* The savepoint journal of a large batch stays in memory; checkpoints are sqlite_writer.c's. */
    err = sqlite_run(*ret, writer ? "PRAGMA cache_size=-4096; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                                    "PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0"
                                  : "PRAGMA cache_size=-512; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                                    "PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0; PRAGMA query_only=ON");
    if (err == VL_ECORRUPT) /* the list of tables is read by the first statement */
        return vl_errmsg_set(msg, err, "%s is damaged (%s); restore a backup", path, sqlite3_errmsg(*ret));
    return err == VL_OK ? VL_OK : vl_errmsg_set(msg, err, "%s: %s", path, sqlite3_errmsg(*ret));
}

static enum vl_err quick_check(sqlite3 *db, const char *path, struct vl_errmsg *msg) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    enum vl_err err = sqlite_err(db, rc);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : sqlite3_errmsg(db);
    if (err == VL_OK && (text == NULL || strcmp(text, "ok") != 0)) err = VL_ECORRUPT;
    if (err != VL_OK)
        (void)vl_errmsg_set(msg, err, "%s is damaged (%s); restore a backup", path, text == NULL ? "?" : text);
    (void)sqlite3_finalize(st);
    return err;
}

/* synchronous=FULL: every commit syncs the WAL.  The size limit cuts a WAL that a burst has made large. */
static enum vl_err set_wal(sqlite3 *db, const char *path, struct vl_errmsg *msg) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    enum vl_err err = sqlite_err(db, rc);
    bool wal = rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
    (void)sqlite3_finalize(st);
    if (err == VL_OK && !wal) err = VL_EUNSUPPORTED;
    if (err == VL_OK) err = sqlite_run(db, "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=8388608");
    return err == VL_OK
               ? VL_OK
               : vl_errmsg_set(msg, err, "%s: no write-ahead log on this file system: %s", path, sqlite3_errmsg(db));
}

static enum vl_err open_files(struct sqlite_store *s, struct vl_errmsg *msg) {
    char wal[STORE_PATH_MAX + 32];
    struct stat st;
    size_t version = 0;
    (void)snprintf(wal, sizeof wal, "%s-wal", s->db_path);
    bool unclean = stat(wal, &st) == 0 && st.st_size > 0;
    enum vl_err err = open_db(s->db_path, true, &s->w.db, msg);
    if (err == VL_OK && unclean) err = quick_check(s->w.db, s->db_path, msg);
    /* A foreign file is refused before anything is written to it. */
    if (err == VL_OK) err = store_schema_check(s->w.db, store_migrations_n, &version, msg);
    if (err == VL_OK) err = set_wal(s->w.db, s->db_path, msg);
    if (err == VL_OK) err = store_migrate(s->w.db, store_migrations, store_migrations_n, msg);
    return err;
}

static enum vl_err build(struct sqlite_store *s, const char *dir, struct vl_errmsg *msg) {
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return say_errno(msg, dir, "cannot make the data directory");
    enum vl_err err = take_lock(s, dir, msg);
    if (err == VL_OK) err = make_file(s, dir, msg);
    if (err == VL_OK) err = open_files(s, msg);
    if (err == VL_OK) err = open_db(s->db_path, false, &s->reader, msg);
    if (err == VL_OK) err = sqlite_writer_load(&s->w);
    if (err != VL_OK) return err;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->wake_fd >= 0 ? VL_OK : say_errno(msg, dir, "cannot make a wake descriptor");
}

static enum vl_err start_thread(struct sqlite_store *s) {
    pthread_attr_t attr;
    sigset_t all, old;
    if (pthread_mutex_init(&s->lock, NULL) != 0) return VL_ENOMEM;
    (void)pthread_cond_init(&s->work, NULL);
    (void)pthread_cond_init(&s->idle, NULL);
    s->has_lock = true;
    if (pthread_attr_init(&attr) != 0) return VL_ENOMEM;
    (void)pthread_attr_setstacksize(&attr, WRITER_STACK);
    /* Signals are the loop thread's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    s->has_thread = pthread_create(&s->thread, &attr, sqlite_writer_main, s) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    return s->has_thread ? VL_OK : VL_ENOMEM;
}

enum vl_err store_sqlite_open(const char *dir, struct store **ret_store, struct vl_errmsg *msg) {
    size_t n = strlen(dir);
    if (n == 0 || n > STORE_PATH_MAX) return vl_errmsg_set(msg, VL_ERANGE, "the data directory's path is too long");
    struct sqlite_store *s = calloc(1, sizeof *s);
    if (s == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    store_init(&s->base, &sqlite_ops);
    store_queue_init(&s->submitted);
    store_queue_init(&s->decided);
    s->lock_fd = -1;
    s->wake_fd = -1;
    vl_buf_init(&s->row, STORE_SNAPSHOT_MAX + STORE_VALUE_MAX);
    (void)snprintf(s->db_path, sizeof s->db_path, "%s/store.db", dir);
    enum vl_err err = build(s, dir, msg);
    if (err == VL_OK) {
        err = start_thread(s);
        if (err != VL_OK) (void)vl_errmsg_set(msg, err, "cannot start the writer thread");
    }
    if (err != VL_OK) {
        close_store(&s->base);
        return err;
    }
    *ret_store = &s->base;
    return VL_OK;
}

const char *store_sqlite_version(void) { return sqlite3_libversion(); }
bool store_sqlite_has_wal_fix(void) { return sqlite3_libversion_number() >= 3051003; }
