#include "store/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKUP_PAGES 64 /* copied between two commits: 256 KiB, below a millisecond */

static enum vl_err err_of(int e) {
    return e == ENOSPC || e == EDQUOT || e == EFBIG ? VL_ENOSPC
           : e == EEXIST                            ? VL_EEXISTS
           : e == EACCES || e == EPERM              ? VL_EDENIED
           : e == ENOENT || e == ENOTDIR            ? VL_ENOTFOUND
                                                    : VL_EIO;
}

static enum vl_err open_partial(struct backup *b, sqlite3 *src) {
    /* Left by a crash during an earlier backup to the same name. */
    (void)unlink(b->partial);
    int fd = open(b->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return err_of(errno);
    (void)close(fd);
    int rc = sqlite3_open_v2(b->partial, &b->dst, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) return sqlite_err(b->dst, rc);
    /* No journal: a copy that does not end is thrown away. */
    enum vl_err err = sqlite_run(b->dst, "PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL; PRAGMA cache_size=-256");
    if (err != VL_OK) return err;
    b->copy = sqlite3_backup_init(b->dst, "main", src, "main");
    return b->copy == NULL ? sqlite_err(b->dst, sqlite3_errcode(b->dst)) : VL_OK;
}

static enum vl_err release(struct backup *b, enum vl_err err) {
    if (b->copy != NULL) {
        int rc = sqlite3_backup_finish(b->copy);
        if (err == VL_OK && rc != SQLITE_OK) err = sqlite_err(b->dst, rc);
    }
    if (sqlite3_close(b->dst) != SQLITE_OK && err == VL_OK) err = VL_EIO;
    if (err != VL_OK) (void)unlink(b->partial);
    b->copy = NULL;
    b->dst = NULL;
    b->job = NULL;
    return err;
}

enum vl_err sqlite_backup_start(struct writer *w, struct store_batch *job) {
    struct backup *b = &w->backup;
    if (access(job->path, F_OK) == 0) return VL_EEXISTS;
    (void)snprintf(b->partial, sizeof b->partial, "%s.partial", job->path);
    b->job = job;
    enum vl_err err = open_partial(b, w->db);
    return err == VL_OK ? VL_OK : release(b, err);
}

/* The name appears when the bytes are on the disk; a file that has come there meanwhile is left alone. */
static enum vl_err publish(const char *partial, const char *path) {
    char dir[STORE_PATH_MAX + 1];
    int rc = link(partial, path);
    int e = errno;
    (void)unlink(partial);
    if (rc != 0) return err_of(e);
    (void)snprintf(dir, sizeof dir, "%s", path);
    int fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_of(errno);
    enum vl_err err = fsync(fd) == 0 ? VL_OK : err_of(errno);
    (void)close(fd);
    return err;
}

bool sqlite_backup_step(struct writer *w, struct store_batch **ret_job) {
    struct backup *b = &w->backup;
    struct store_batch *job = b->job;
    int rc = sqlite3_backup_step(b->copy, BACKUP_PAGES);
    if (rc == SQLITE_OK) return false;
    enum vl_err err = rc == SQLITE_DONE ? VL_OK : sqlite_err(b->dst, rc);
    err = release(b, err);
    job->err = err == VL_OK ? publish(b->partial, job->path) : err;
    *ret_job = job;
    return true;
}

void sqlite_backup_abort(struct writer *w) {
    struct store_batch *job = w->backup.job;
    if (job == NULL) return;
    (void)release(&w->backup, VL_ECLOSED);
    store_batch_destroy(job);
}
