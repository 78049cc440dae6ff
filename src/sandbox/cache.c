#include "sandbox/cache.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LEN (64u + 1 + 64 + 3) /* KEY-SUM.so */

static void entry_path(const struct cache *c, const struct cache_entry *e, char path[SANDBOX_PATH_MAX]) {
    char key[65], sum[65];
    vl_hex_encode(e->key.b, sizeof e->key.b, key);
    vl_hex_encode(e->sum.b, sizeof e->sum.b, sum);
    snprintf(path, SANDBOX_PATH_MAX, "%s/%s-%s.so", c->dir, key, sum);
}

static bool entry_parse(const char *name, struct cache_entry *ret) {
    char part[65] = { 0 };
    if (strlen(name) != NAME_LEN || name[64] != '-' || strcmp(name + 129, ".so") != 0) return false;
    memcpy(part, name, 64);
    if (vl_hex_decode(part, ret->key.b, sizeof ret->key.b)) return false;
    memcpy(part, name + 65, 64);
    return vl_hex_decode(part, ret->sum.b, sizeof ret->sum.b) == VL_OK;
}

static void entry_remove(struct cache *c, uint32_t i) {
    char path[SANDBOX_PATH_MAX];
    entry_path(c, &c->v[i], path);
    unlink(path);
    c->bytes -= c->v[i].size;
    c->v[i] = c->v[--c->n];
}

static void make_room(struct cache *c, uint64_t bytes) {
    while (c->n > 0 && (c->n >= CACHE_ENTRIES_MAX || c->bytes + bytes > c->max_bytes)) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < c->n; i++)
            if (c->v[i].used < c->v[oldest].used) oldest = i;
        entry_remove(c, oldest);
    }
}

static int by_time(const void *a, const void *b) {
    const struct timespec *x = &((const struct cache_entry *)a)->mtime, *y = &((const struct cache_entry *)b)->mtime;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static void scan(struct cache *c, DIR *d) {
    for (struct dirent *f; (f = readdir(d));) {
        struct cache_entry e = { 0 };
        struct stat st;
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0) continue;
        if (c->n < CACHE_ENTRIES_MAX && entry_parse(f->d_name, &e) &&
            fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            e.size = (uint64_t)st.st_size;
            e.mtime = st.st_mtim;
            c->v[c->n++] = e;
            c->bytes += e.size;
        } else {
            unlinkat(dirfd(d), f->d_name, 0);
        }
    }
    qsort(c->v, c->n, sizeof *c->v, by_time);
    for (uint32_t i = 0; i < c->n; i++) c->v[i].used = ++c->clock;
}

enum vl_err cache_open(struct cache *c, const char *dir, uint64_t max_bytes) {
    *c = (struct cache){ .max_bytes = max_bytes };
    if (strlen(dir) >= sizeof c->dir) return VL_ELIMIT;
    snprintf(c->dir, sizeof c->dir, "%s", dir);
    enum vl_err err = os_mkdir_all(dir, 0700);
    if (err) return err;
    c->v = calloc(CACHE_ENTRIES_MAX, sizeof *c->v);
    DIR *d = c->v ? opendir(dir) : NULL;
    if (d == NULL) {
        err = c->v ? os_err(errno) : VL_ENOMEM;
        cache_close(c);
        return err;
    }
    scan(c, d);
    closedir(d);
    make_room(c, 0);
    return VL_OK;
}

void cache_close(struct cache *c) {
    free(c->v);
    c->v = NULL;
    c->n = 0;
}

enum vl_err cache_read_file(const char *path, struct vl_buf *b) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return errno == ELOOP ? VL_EDENIED : os_err(errno);
    enum vl_err err = fstat(fd, &st) != 0 ? os_err(errno) : !S_ISREG(st.st_mode) ? VL_EDENIED : VL_OK;
    if (err == VL_OK) err = vl_buf_reserve(b, (size_t)st.st_size);
    for (uint64_t left = err ? 0 : (uint64_t)st.st_size; left > 0;) {
        ssize_t n = read(fd, b->p + b->len, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            err = VL_EIO;
            break;
        }
        b->len += (size_t)n;
        left -= (uint64_t)n;
    }
    close(fd);
    return err;
}

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/* Damage is looked for where it costs nothing: the whole file once, its size and time at each use. */
static bool entry_sound(struct cache_entry *e, const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->size) return false;
    if (e->checked && same_time(st.st_mtim, e->mtime)) return true;
    struct vl_buf b;
    struct vl_hash sum;
    vl_buf_init(&b, CACHE_FILE_MAX);
    if (cache_read_file(path, &b) == VL_OK) {
        crypto_blake2b256(vl_span(b.p, b.len), &sum);
        e->checked = vl_hash_eq(sum, e->sum);
    } else {
        e->checked = false;
    }
    vl_buf_free(&b);
    e->mtime = st.st_mtim;
    return e->checked;
}

enum vl_err cache_get(struct cache *c, const struct vl_hash *key, char ret_path[SANDBOX_PATH_MAX]) {
    for (uint32_t i = 0; i < c->n; i++) {
        char path[SANDBOX_PATH_MAX];
        if (!vl_hash_eq(c->v[i].key, *key)) continue;
        entry_path(c, &c->v[i], path);
        if (!entry_sound(&c->v[i], path)) {
            c->rebuilt++;
            entry_remove(c, i--);
            continue;
        }
        c->v[i].used = ++c->clock;
        snprintf(ret_path, SANDBOX_PATH_MAX, "%s", path);
        return VL_OK;
    }
    return VL_ENOTFOUND;
}

enum vl_err cache_put(struct cache *c, const struct vl_hash *key, const char *path) {
    struct vl_buf b;
    struct cache_entry e = { .key = *key };
    char to[SANDBOX_PATH_MAX];
    vl_buf_init(&b, CACHE_FILE_MAX);
    enum vl_err err = cache_read_file(path, &b);
    if (err == VL_OK) {
        crypto_blake2b256(vl_span(b.p, b.len), &e.sum);
        e.size = b.len;
        make_room(c, e.size);
        for (uint32_t i = 0; i < c->n; i++)
            if (vl_hash_eq(c->v[i].key, *key)) entry_remove(c, i--);
        entry_path(c, &e, to);
        err = os_file_write(to, b.p, b.len, 0444); /* read-only: a task's copy is a hard link to it */
    }
    vl_buf_free(&b);
    if (err) return err;
    e.used = ++c->clock;
    c->v[c->n++] = e;
    c->bytes += e.size;
    return VL_OK;
}
