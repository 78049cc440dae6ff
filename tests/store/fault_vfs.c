#include "fault_vfs.h"

#include "base/prng.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define FILES 8

struct change {
    struct change *next;
    sqlite3_int64 at; /* -1: truncation to n */
    size_t n;
    uint8_t bytes[];
};
struct image {
    char path[600];
    uint8_t *p; /* what is on the disk for certain */
    size_t n;
    struct change *first, **last; /* what may or may not be */
};
struct file {
    sqlite3_file base;
    struct image *image; /* NULL: not one of the two that count */
    sqlite3_file *real;  /* behind this struct */
};

static struct {
    sqlite3_vfs vfs, *below;
    pthread_mutex_t lock;
    pthread_cond_t released;
    enum fault kind;
    int after, times, syncs, cut_after, cut_counter;
    bool hold;
    uint64_t seed;
    const int *counter;
    char dir[512];
    struct image images[FILES];
} g = { .lock = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER, .cut_after = -1 };

static void grow(struct image *m, size_t n) {
    if (n <= m->n) return;
    m->p = realloc(m->p, n);
    if (m->p == NULL) abort();
    memset(m->p + m->n, 0, n - m->n);
    m->n = n;
}

static void apply(struct image *m, const struct change *c, size_t from, size_t n) {
    if (c->at < 0) {
        grow(m, c->n);
        m->n = c->n;
        return;
    }
    grow(m, (size_t)c->at + from + n);
    memcpy(m->p + c->at + from, c->bytes + from, n);
}

static void remember(struct image *m, sqlite3_int64 at, const void *p, size_t n) {
    struct change *c = malloc(sizeof *c + (at < 0 ? 0 : n));
    if (c == NULL) abort();
    *c = (struct change){ .at = at, .n = n };
    if (at >= 0) memcpy(c->bytes, p, n);
    *m->last = c;
    m->last = &c->next;
}

static void settle(struct image *m, bool keep) {
    while (m->first != NULL) {
        struct change *c = m->first;
        m->first = c->next;
        if (keep) apply(m, c, 0, c->n);
        free(c);
    }
    m->last = &m->first;
}

/* Each unsynced write has arrived whole, not at all, or in some of its sectors. */
static void leave(const struct image *m, struct vl_prng *r) {
    struct image left = { .p = malloc(m->n + 1), .n = m->n };
    if (left.p == NULL) abort();
    if (m->n != 0) memcpy(left.p, m->p, m->n);
    for (const struct change *c = m->first; c != NULL; c = c->next) {
        uint64_t fate = vl_prng_below(r, 3);
        if (fate == 0) continue;
        if (fate == 1 || c->at < 0) {
            apply(&left, c, 0, c->n);
            continue;
        }
        for (size_t i = 0; i < c->n; i += SECTOR) {
            if (vl_prng_below(r, 2) == 0) apply(&left, c, i, c->n - i < SECTOR ? c->n - i : SECTOR);
        }
    }
    char path[1200];
    (void)snprintf(path, sizeof path, "%s%s", g.dir, strrchr(m->path, '/'));
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(left.p, 1, left.n, f) != left.n || fclose(f) != 0) abort();
    free(left.p);
}

/* Under the lock, before each write and sync. */
static void count_down_to_cut(void) {
    if (g.cut_after < 0 || g.cut_after-- != 0) return;
    struct vl_prng r;
    vl_prng_seed(&r, g.seed);
    g.cut_counter = __atomic_load_n(g.counter, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < FILES; i++) {
        if (g.images[i].path[0] != 0) leave(&g.images[i], &r);
    }
}

static sqlite3_file *real(sqlite3_file *f) { return ((struct file *)f)->real; }
static int x_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
    return real(f)->pMethods->xRead(real(f), p, n, at);
}
static int x_size(sqlite3_file *f, sqlite3_int64 *n) { return real(f)->pMethods->xFileSize(real(f), n); }
static int x_lock(sqlite3_file *f, int x) { return real(f)->pMethods->xLock(real(f), x); }
static int x_unlock(sqlite3_file *f, int x) { return real(f)->pMethods->xUnlock(real(f), x); }
static int x_reserved(sqlite3_file *f, int *r) { return real(f)->pMethods->xCheckReservedLock(real(f), r); }
static int x_control(sqlite3_file *f, int op, void *arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
static int x_sector(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int x_device(sqlite3_file *f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
static int x_shm_map(sqlite3_file *f, int a, int b, int c, void volatile **p) {
    return real(f)->pMethods->xShmMap(real(f), a, b, c, p);
}
static int x_shm_lock(sqlite3_file *f, int a, int b, int c) { return real(f)->pMethods->xShmLock(real(f), a, b, c); }
static void x_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int x_shm_unmap(sqlite3_file *f, int x) { return real(f)->pMethods->xShmUnmap(real(f), x); }

static int x_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }

static int x_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
    struct image *m = ((struct file *)f)->image;
    int rc = SQLITE_OK;
    (void)pthread_mutex_lock(&g.lock);
    if (m != NULL) {
        count_down_to_cut();
        if (g.times > 0 && g.after-- <= 0) {
            g.times--;
            rc = g.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        } else {
            remember(m, at, p, (size_t)n);
        }
    }
    (void)pthread_mutex_unlock(&g.lock);
    if (rc != SQLITE_OK) {
        errno = EIO;
        return rc;
    }
    return real(f)->pMethods->xWrite(real(f), p, n, at);
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 n) {
    struct image *m = ((struct file *)f)->image;
    (void)pthread_mutex_lock(&g.lock);
    if (m != NULL) remember(m, -1, NULL, (size_t)n);
    (void)pthread_mutex_unlock(&g.lock);
    return real(f)->pMethods->xTruncate(real(f), n);
}

static int x_sync(sqlite3_file *f, int flags) {
    struct image *m = ((struct file *)f)->image;
    int rc = SQLITE_OK;
    (void)pthread_mutex_lock(&g.lock);
    if (m != NULL) {
        while (g.hold) (void)pthread_cond_wait(&g.released, &g.lock);
        count_down_to_cut();
        if (g.syncs > 0) {
            g.syncs--;
            rc = SQLITE_IOERR_FSYNC;
        } else {
            settle(m, true);
        }
    }
    (void)pthread_mutex_unlock(&g.lock);
    if (rc == SQLITE_OK) return real(f)->pMethods->xSync(real(f), flags);
    errno = EIO;
    return rc;
}

static struct image *image_of(const char *path) {
    struct image *m = NULL;
    (void)pthread_mutex_lock(&g.lock);
    for (size_t i = 0; i < FILES && m == NULL; i++) {
        if (strcmp(g.images[i].path, path) == 0) m = &g.images[i];
    }
    for (size_t i = 0; i < FILES && m == NULL; i++) {
        if (g.images[i].path[0] != 0) continue;
        m = &g.images[i];
        (void)snprintf(m->path, sizeof m->path, "%s", path);
        m->last = &m->first;
    }
    (void)pthread_mutex_unlock(&g.lock);
    return m;
}

static int x_open(__attribute__((unused)) sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                  int *ret_flags) {
    static const sqlite3_io_methods methods = { 2,        x_close,   x_read,     x_write,       x_truncate,  x_sync,
                                                x_size,   x_lock,    x_unlock,   x_reserved,    x_control,   x_sector,
                                                x_device, x_shm_map, x_shm_lock, x_shm_barrier, x_shm_unmap, NULL,
                                                NULL };
    struct file *mine = (struct file *)f;
    *mine = (struct file){ .real = (sqlite3_file *)(void *)(mine + 1) };
    int rc = g.below->xOpen(g.below, name, mine->real, flags, ret_flags);
    if (rc != SQLITE_OK) return rc;
    if (name != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) mine->image = image_of(name);
    mine->base.pMethods = &methods;
    return SQLITE_OK;
}

static int x_delete(__attribute__((unused)) sqlite3_vfs *vfs, const char *name, int sync) {
    (void)pthread_mutex_lock(&g.lock);
    for (size_t i = 0; i < FILES; i++) {
        if (strcmp(g.images[i].path, name) != 0) continue;
        settle(&g.images[i], false);
        g.images[i].n = 0;
    }
    (void)pthread_mutex_unlock(&g.lock);
    return g.below->xDelete(g.below, name, sync);
}

void fault_vfs_install(void) {
    g.below = sqlite3_vfs_find(NULL);
    g.vfs = *g.below;
    g.vfs.zName = "fault";
    g.vfs.szOsFile = (int)sizeof(struct file) + g.below->szOsFile;
    g.vfs.xOpen = x_open;
    g.vfs.xDelete = x_delete;
    if (sqlite3_vfs_register(&g.vfs, 1) != SQLITE_OK) abort();
    fault_writes(FAULT_NONE, 0, 0);
    fault_syncs(0);
}

void fault_vfs_remove(void) {
    (void)sqlite3_vfs_unregister(&g.vfs);
    (void)sqlite3_vfs_register(g.below, 1);
    for (size_t i = 0; i < FILES; i++) {
        settle(&g.images[i], false);
        free(g.images[i].p);
        g.images[i] = (struct image){ .path = "" };
    }
    g.cut_after = -1;
}

void fault_writes(enum fault kind, int after, int times) {
    (void)pthread_mutex_lock(&g.lock);
    g.kind = kind;
    g.after = after;
    g.times = kind == FAULT_NONE ? 0 : times;
    (void)pthread_mutex_unlock(&g.lock);
}

void fault_syncs(int times) {
    (void)pthread_mutex_lock(&g.lock);
    g.syncs = times;
    (void)pthread_mutex_unlock(&g.lock);
}

void fault_hold(void) {
    (void)pthread_mutex_lock(&g.lock);
    g.hold = true;
    (void)pthread_mutex_unlock(&g.lock);
}

void fault_release(void) {
    (void)pthread_mutex_lock(&g.lock);
    g.hold = false;
    (void)pthread_cond_broadcast(&g.released);
    (void)pthread_mutex_unlock(&g.lock);
}

void fault_cut(int after, uint64_t seed, const char *dir, const int *counter) {
    (void)pthread_mutex_lock(&g.lock);
    g.cut_after = after;
    g.cut_counter = -1;
    g.seed = seed;
    g.counter = counter;
    (void)snprintf(g.dir, sizeof g.dir, "%s", dir);
    (void)pthread_mutex_unlock(&g.lock);
}

int fault_cut_counter(void) {
    (void)pthread_mutex_lock(&g.lock);
    int n = g.cut_counter;
    (void)pthread_mutex_unlock(&g.lock);
    return n;
}
