#include "os/blob_dir.h"

#include "base/text.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum vl_err os_blob_dir_open(struct os_blob_dir *d, const char *dir) {
    char sub[640];
    if (snprintf(d->dir, sizeof d->dir, "%s", dir) > 400) return VL_ERANGE;
    snprintf(sub, sizeof sub, "%s/part", dir);
    return os_mkdir_all(sub, 0700);
}

void os_blob_path(const struct os_blob_dir *d, const struct vl_hash *h, char dst[640]) {
    char hex[65];
    vl_hex_encode(h->b, sizeof h->b, hex);
    snprintf(dst, 640, "%s/%.2s/%s", d->dir, hex, hex);
}

void os_blob_part_path(const struct os_blob_dir *d, const struct vl_hash *h, char dst[640]) {
    char hex[65];
    vl_hex_encode(h->b, sizeof h->b, hex);
    snprintf(dst, 640, "%s/part/%s", d->dir, hex);
}

static enum vl_err file_size(const char *path, uint64_t *ret) {
    struct stat st;
    if (stat(path, &st) != 0) return os_err(errno);
    if (!S_ISREG(st.st_mode)) return VL_ENOTFOUND;
    *ret = (uint64_t)st.st_size;
    return VL_OK;
}

enum vl_err os_blob_size(const struct os_blob_dir *d, const struct vl_hash *h, uint64_t *ret) {
    char path[640];
    os_blob_path(d, h, path);
    return file_size(path, ret);
}

uint64_t os_blob_part_size(const struct os_blob_dir *d, const struct vl_hash *h) {
    char path[640];
    uint64_t n = 0;
    os_blob_part_path(d, h, path);
    return file_size(path, &n) == VL_OK ? n : 0;
}

enum vl_err os_blob_read(const struct os_blob_dir *d, const struct vl_hash *h, uint64_t offset, void *p, size_t n) {
    char path[640];
    os_blob_path(d, h, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return os_err(errno);
    ssize_t got = pread(fd, p, n, (off_t)offset);
    enum vl_err err = got == (ssize_t)n ? VL_OK : got < 0 ? os_err(errno) : VL_ERANGE;
    close(fd);
    return err;
}

enum vl_err os_blob_write(const struct os_blob_dir *d, const struct vl_hash *h, uint64_t offset, const void *p,
                          size_t n) {
    char path[640];
    os_blob_part_path(d, h, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return os_err(errno);
    ssize_t put = pwrite(fd, p, n, (off_t)offset);
    enum vl_err err = put == (ssize_t)n ? VL_OK : put < 0 ? os_err(errno) : VL_ENOSPC;
    if (close(fd) != 0 && err == VL_OK) err = os_err(errno);
    return err;
}

void os_blob_discard(const struct os_blob_dir *d, const struct vl_hash *h) {
    char path[640];
    os_blob_part_path(d, h, path);
    unlink(path);
}

void os_blob_remove(const struct os_blob_dir *d, const struct vl_hash *h) {
    char path[640];
    os_blob_path(d, h, path);
    unlink(path);
}

enum vl_err os_blob_adopt(const struct os_blob_dir *d, const struct vl_hash *h, const char *path) {
    char to[640], dir[640];
    uint64_t n;
    os_blob_path(d, h, to);
    if (file_size(to, &n) == VL_OK) {
        unlink(path);
        return VL_OK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return os_err(errno);
    enum vl_err err = fchmod(fd, 0444) == 0 && fsync(fd) == 0 ? VL_OK : os_err(errno);
    close(fd);
    if (err) return err;
    snprintf(dir, sizeof dir, "%s/%02x", d->dir, h->b[0]);
    if (mkdir(dir, 0700) == 0)
        err = os_dir_sync(d->dir);
    else if (errno != EEXIST)
        err = os_err(errno);
    if (err) return err;
    if (rename(path, to) != 0) return os_err(errno);
    return os_dir_sync(dir);
}

enum vl_err os_blob_cache(const struct os_blob_dir *d, const struct vl_hash *h, const void *p, size_t n) {
    char to[640], part[640], dir[640];
    os_blob_path(d, h, to);
    os_blob_part_path(d, h, part);
    snprintf(dir, sizeof dir, "%s/%02x", d->dir, h->b[0]);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return os_err(errno);
    unlink(part); /* an older fetch may have left more bytes than these */
    enum vl_err err = os_blob_write(d, h, 0, p, n);
    if (err == VL_OK && (chmod(part, 0444) != 0 || rename(part, to) != 0)) err = os_err(errno);
    return err;
}

void os_blob_touch(const struct os_blob_dir *d, const struct vl_hash *h) {
    char path[640];
    os_blob_path(d, h, path);
    utimensat(AT_FDCWD, path, NULL, 0);
}

struct cached {
    char path[640];
    int64_t used_s;
    uint64_t size;
};

static int older_first(const void *a, const void *b) {
    const struct cached *x = a, *y = b;
    return (x->used_s > y->used_s) - (x->used_s < y->used_s);
}

/* The complete blobs of one folder, appended to the list. */
static void folder_list(const char *folder, struct cached **v, size_t *n, size_t *cap) {
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        struct cached c;
        if (strlen(e->d_name) != 64) continue; /* hashes only */
        if (snprintf(c.path, sizeof c.path, "%s/%s", folder, e->d_name) >= (int)sizeof c.path) continue;
        if (lstat(c.path, &st) != 0 || !S_ISREG(st.st_mode)) continue;
        if (*n == *cap) {
            size_t more = *cap ? *cap * 2 : 256;
            struct cached *grown = realloc(*v, more * sizeof **v);
            if (grown == NULL) break;
            *v = grown;
            *cap = more;
        }
        c.used_s = st.st_mtim.tv_sec;
        c.size = (uint64_t)st.st_size;
        (*v)[(*n)++] = c;
    }
    if (dir) closedir(dir);
}

uint64_t os_blob_trim(const struct os_blob_dir *d, uint64_t max_bytes, int64_t keep_s) {
    struct cached *v = NULL;
    size_t n = 0, cap = 0;
    uint64_t total = 0;
    for (unsigned i = 0; i < 256; i++) {
        char folder[640];
        snprintf(folder, sizeof folder, "%s/%02x", d->dir, i);
        folder_list(folder, &v, &n, &cap);
    }
    for (size_t i = 0; i < n; i++) total += v[i].size;
    if (n > 0) qsort(v, n, sizeof *v, older_first);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < n && total > max_bytes && v[i].used_s < now.tv_sec - keep_s; i++)
        if (unlink(v[i].path) == 0) total -= v[i].size;
    free(v);
    return total;
}
