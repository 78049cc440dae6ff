/* wasi_fd.c - the fd_* functions. */
#include "sandbox/wasi_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOVS_MAX 64u /* of one call; more are cut, which readv and writev may do */

struct wasi_fd *wasi_fd_get(wasi *w, uint32_t fd) {
    return fd < WASI_FDS_MAX && w->fds[fd].kind != WASI_FREE ? &w->fds[fd] : NULL;
}

uint32_t wasi_fd_take(wasi *w, enum wasi_fd_kind kind, int host) {
    uint32_t fd = 0;
    while (fd < WASI_FDS_MAX && w->fds[fd].kind != WASI_FREE) fd++;
    if (fd < WASI_FDS_MAX) w->fds[fd] = (struct wasi_fd){ .kind = kind, .host = host };
    return fd;
}

static void listing_free(struct wasi_listing *l) {
    free(l->names);
    free(l->types);
    free(l->starts);
    *l = (struct wasi_listing){ 0 };
}

void wasi_fd_drop(struct wasi_fd *f) {
    if (f->kind != WASI_IN_FILE && f->kind != WASI_OUTPUT && f->host >= 0) close(f->host);
    listing_free(&f->list);
    *f = (struct wasi_fd){ .kind = WASI_FREE };
}

void wasi_charge_disk(wasi *w, int host, uint64_t end) {
    struct stat st;
    uint64_t old = fstat(host, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (end <= old) return;
    if (end - old > w->disk_left)
        wasi_end(w, SANDBOX_DISK_EXCEEDED, 0, "the program wrote more than its disk limit to /out and /tmp");
    w->disk_left -= end - old;
}

/* The guest's list of buffers as ours.  0 or an errno of WASI; *ret_total is cut at 2 GiB as in readv(2). */
static uint32_t iovs_read(const wasi *w, uint32_t at, uint32_t n, struct iovec iov[IOVS_MAX], int *ret_n,
                          uint64_t *ret_total) {
    uint64_t total = 0;
    if (n > IOVS_MAX) n = IOVS_MAX;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p, len;
        if ((uint64_t)at + 8ull * i > UINT32_MAX - 8) return WI_FAULT;
        if (!wasi_get32(w, at + 8 * i, &p) || !wasi_get32(w, at + 8 * i + 4, &len)) return WI_FAULT;
        if (total + len > INT32_MAX) len = (uint32_t)(INT32_MAX - total);
        iov[i].iov_base = wasi_mem(w, p, len);
        iov[i].iov_len = len;
        if (iov[i].iov_base == NULL) return WI_FAULT;
        total += len;
    }
    *ret_n = (int)n;
    *ret_total = total;
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- writing */

/* Writes what the limit still allows, then ends the program: so the limit is exact. */
static uint32_t write_output(wasi *w, int host, struct iovec *iov, int n, uint64_t total, uint32_t *ret) {
    bool last = total > w->output_left;
    if (last) {
        uint64_t left = w->output_left;
        for (int i = 0; i < n; i++) {
            if (iov[i].iov_len > left) iov[i].iov_len = (size_t)left;
            left -= iov[i].iov_len;
        }
    }
    ssize_t done = writev(host, iov, n);
    if (last) wasi_end(w, SANDBOX_OUTPUT_EXCEEDED, 0, "the program wrote more than its output limit");
    if (done < 0) return wasi_errno(errno);
    w->output_left -= (uint64_t)done;
    *ret = (uint32_t)done;
    return WI_OK;
}

static uint32_t write_file(wasi *w, struct wasi_fd *f, struct iovec *iov, int n, uint64_t total, const uint64_t *at,
                           uint32_t *ret) {
    off_t from = at ? (off_t)*at : lseek(f->host, 0, f->flags & WI_FDFLAG_APPEND ? SEEK_END : SEEK_CUR);
    if (from < 0) return wasi_errno(at ? EINVAL : errno);
    if (total > 0) wasi_charge_disk(w, f->host, (uint64_t)from + total);
    ssize_t done = at ? pwritev(f->host, iov, n, from) : writev(f->host, iov, n);
    if (done < 0) return wasi_errno(errno);
    *ret = (uint32_t)done;
    return WI_OK;
}

static uint32_t do_write(wasi *w, uint32_t fd, uint32_t iovs, uint32_t n, const uint64_t *at, uint32_t out) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    struct iovec iov[IOVS_MAX];
    int count;
    uint64_t total;
    uint32_t done = 0;
    if (f == NULL || !f->writable || f->kind == WASI_DIR) return WI_BADF;
    uint32_t err = wasi_mem(w, out, 4) ? iovs_read(w, iovs, n, iov, &count, &total) : WI_FAULT;
    if (err) return err;
    if (f->kind == WASI_OUTPUT) err = at ? WI_SPIPE : write_output(w, f->host, iov, count, total, &done);
    else err = write_file(w, f, iov, count, total, at, &done);
    if (err == WI_OK) wasi_put32(w, out, done);
    return err;
}

WASI_FN(fd_write, uint32_t fd, uint32_t iovs, uint32_t n, uint32_t out) { return do_write(w, fd, iovs, n, NULL, out); }
WASI_FN(fd_pwrite, uint32_t fd, uint32_t iovs, uint32_t n, uint64_t at, uint32_t out) {
    return do_write(w, fd, iovs, n, &at, out);
}

/* ---------------------------------------------------------------------------------------------- reading */

static uint32_t do_read(wasi *w, uint32_t fd, uint32_t iovs, uint32_t n, const uint64_t *at, uint32_t out) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    struct iovec iov[IOVS_MAX];
    int count;
    uint64_t total;
    if (f == NULL || !f->readable) return WI_BADF;
    if (f->kind == WASI_DIR || f->kind == WASI_IN_DIR) return WI_ISDIR;
    uint32_t err = wasi_mem(w, out, 4) ? iovs_read(w, iovs, n, iov, &count, &total) : WI_FAULT;
    if (err) return err;
    ssize_t got;
    if (f->kind == WASI_IN_FILE) {
        got = preadv(w->inputs[f->input].fd, iov, count, (off_t)(at ? *at : f->offset));
        if (got > 0 && at == NULL) f->offset += (uint64_t)got;
    } else {
        got = at ? preadv(f->host, iov, count, (off_t)*at) : readv(f->host, iov, count);
    }
    if (got < 0) return wasi_errno(errno);
    wasi_put32(w, out, (uint32_t)got);
    return WI_OK;
}

WASI_FN(fd_read, uint32_t fd, uint32_t iovs, uint32_t n, uint32_t out) { return do_read(w, fd, iovs, n, NULL, out); }
WASI_FN(fd_pread, uint32_t fd, uint32_t iovs, uint32_t n, uint64_t at, uint32_t out) {
    return do_read(w, fd, iovs, n, &at, out);
}

/* ---------------------------------------------------------------------------------------------- position */

static uint32_t seek(wasi *w, uint32_t fd, int64_t by, uint32_t whence, uint32_t out) {
    static const int host_whence[] = { SEEK_SET, SEEK_CUR, SEEK_END };
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL) return WI_BADF;
    if (f->kind == WASI_OUTPUT) return WI_SPIPE;
    if (f->kind == WASI_DIR || f->kind == WASI_IN_DIR) return WI_BADF;
    if (whence > 2) return WI_INVAL;
    if (f->kind == WASI_FILE) {
        off_t at = lseek(f->host, by, host_whence[whence]);
        if (at < 0) return wasi_errno(errno);
        return wasi_put64(w, out, (uint64_t)at) ? WI_OK : WI_FAULT;
    }
    int64_t base = whence == 0 ? 0 : whence == 1 ? (int64_t)f->offset : (int64_t)w->inputs[f->input].size;
    int64_t at;
    if (__builtin_add_overflow(base, by, &at) || at < 0) return WI_INVAL;
    f->offset = (uint64_t)at;
    return wasi_put64(w, out, f->offset) ? WI_OK : WI_FAULT;
}

WASI_FN(fd_seek, uint32_t fd, uint64_t by, uint32_t whence, uint32_t out) { return seek(w, fd, (int64_t)by, whence, out); }
WASI_FN(fd_tell, uint32_t fd, uint32_t out) { return seek(w, fd, 0, 1, out); }

/* ---------------------------------------------------------------------------------------------- closing */

WASI_FN(fd_close, uint32_t fd) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL) return WI_BADF;
    wasi_fd_drop(f);
    return WI_OK;
}

WASI_FN(fd_renumber, uint32_t from, uint32_t to) {
    struct wasi_fd *a = wasi_fd_get(w, from), *b = wasi_fd_get(w, to);
    if (a == NULL || b == NULL) return WI_BADF; /* witx: `to` must be open, else numbers could be made up */
    if (a == b) return WI_OK;
    wasi_fd_drop(b);
    *b = *a;
    *a = (struct wasi_fd){ .kind = WASI_FREE };
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- what it is */

static uint8_t filetype(const struct wasi_fd *f) {
    return f->kind == WASI_DIR || f->kind == WASI_IN_DIR ? WI_TYPE_DIR : WI_TYPE_FILE;
}

/* Standard output calls itself a file, not a terminal, so that the C library of the guest buffers it whole. */
WASI_FN(fd_fdstat_get, uint32_t fd, uint32_t out) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    uint8_t *p = wasi_mem(w, out, 24);
    if (f == NULL) return WI_BADF;
    if (p == NULL) return WI_FAULT;
    uint64_t rights = WI_RIGHTS_ALL;
    if (!f->writable) rights &= ~WI_RIGHTS_WRITING;
    if (!f->readable) rights &= ~WI_RIGHTS_READING;
    if (f->kind == WASI_OUTPUT) rights &= ~(WI_RIGHT_SEEK | WI_RIGHT_TELL);
    memset(p, 0, 24);
    p[0] = filetype(f);
    p[2] = (uint8_t)f->flags;
    wasi_le64(p + 8, rights);
    wasi_le64(p + 16, rights);
    return WI_OK;
}

WASI_FN(fd_fdstat_set_flags, uint32_t fd, uint32_t flags) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL) return WI_BADF;
    if (flags & ~WI_FDFLAGS_ALL) return WI_INVAL;
    /* O_APPEND is honoured by write_file's seek; the host descriptor stays as it was opened. */
    if (f->kind == WASI_FILE && ((flags ^ f->flags) & WI_FDFLAG_APPEND)) return WI_NOTSUP;
    f->flags = (uint16_t)flags;
    return WI_OK;
}

WASI_FN(fd_fdstat_set_rights, uint32_t fd, uint64_t base, uint64_t inheriting) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    (void)inheriting;
    if (f == NULL) return WI_BADF;
    if (!(base & WI_RIGHT_READ)) f->readable = false; /* rights can only be given up */
    if (!(base & WI_RIGHT_WRITE)) f->writable = false;
    return WI_OK;
}

void wasi_filestat(const wasi *w, const struct stat *st, uint64_t ino, uint8_t out[64]) {
    bool d = w->deterministic;
    uint8_t type = S_ISDIR(st->st_mode) ? WI_TYPE_DIR : S_ISREG(st->st_mode) ? WI_TYPE_FILE
                   : S_ISLNK(st->st_mode) ? WI_TYPE_SYMLINK : WI_TYPE_UNKNOWN;
    const struct timespec *times[] = { &st->st_atim, &st->st_mtim, &st->st_ctim };
    memset(out, 0, 64);
    wasi_le64(out, d ? 1 : st->st_dev);
    wasi_le64(out + 8, d ? ino : st->st_ino);
    out[16] = type;
    wasi_le64(out + 24, type == WI_TYPE_DIR ? 1 : st->st_nlink);
    wasi_le64(out + 32, d && type == WI_TYPE_DIR ? 0 : (uint64_t)st->st_size); /* a folder's size is the file system's */
    for (int i = 0; i < 3 && !d; i++)
        wasi_le64(out + 40 + 8 * i, (uint64_t)times[i]->tv_sec * 1000000000u + (uint64_t)times[i]->tv_nsec);
}

WASI_FN(fd_filestat_get, uint32_t fd, uint32_t out) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    uint8_t *p = wasi_mem(w, out, 64);
    struct stat st = { .st_mode = S_IFDIR | 0500, .st_nlink = 1 };
    if (f == NULL) return WI_BADF;
    if (p == NULL) return WI_FAULT;
    uint64_t ino = f->ino ? f->ino : fd + 2;
    if (f->kind == WASI_OUTPUT) st = (struct stat){ .st_mode = S_IFREG | 0600, .st_nlink = 1, .st_ino = ino };
    int host = f->kind == WASI_IN_FILE ? w->inputs[f->input].fd : f->host;
    if (f->kind == WASI_DIR) host = wasi_dir_host(w, f);
    if (f->kind == WASI_DIR || f->kind == WASI_FILE || f->kind == WASI_IN_FILE)
        if (fstat(host, &st) != 0) return wasi_errno(errno);
    wasi_filestat(w, &st, ino, p);
    return WI_OK;
}

WASI_FN(fd_filestat_set_size, uint32_t fd, uint64_t size) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL || f->kind != WASI_FILE || !f->writable) return WI_BADF;
    if (size > INT64_MAX) return WI_INVAL;
    wasi_charge_disk(w, f->host, size);
    return ftruncate(f->host, (off_t)size) == 0 ? WI_OK : wasi_errno(errno);
}

WASI_FN(fd_filestat_set_times, uint32_t fd, uint64_t atim, uint64_t mtim, uint32_t flags) {
    (void)atim;
    (void)mtim;
    if (wasi_fd_get(w, fd) == NULL) return WI_BADF;
    return flags & ~15u ? WI_INVAL : WI_OK; /* times are not part of a result: accepted and forgotten */
}

WASI_FN(fd_allocate, uint32_t fd, uint64_t at, uint64_t n) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL || f->kind != WASI_FILE || !f->writable) return WI_BADF;
    if (n == 0 || at > INT64_MAX || n > INT64_MAX - at) return WI_INVAL;
    wasi_charge_disk(w, f->host, at + n);
    return fallocate(f->host, 0, (off_t)at, (off_t)n) == 0 ? WI_OK : wasi_errno(errno);
}

WASI_FN(fd_advise, uint32_t fd, uint64_t at, uint64_t n, uint32_t advice) {
    (void)at;
    (void)n;
    if (wasi_fd_get(w, fd) == NULL) return WI_BADF;
    return advice > 5 ? WI_INVAL : WI_OK;
}

/* Results are read by the node from the page cache and live only until they are stored there: nothing to wait for. */
WASI_FN(fd_sync, uint32_t fd) { return wasi_fd_get(w, fd) ? WI_OK : WI_BADF; }
WASI_FN(fd_datasync, uint32_t fd) { return wasi_fd_get(w, fd) ? WI_OK : WI_BADF; }

/* ---------------------------------------------------------------------------------------------- preopens */

WASI_FN(fd_prestat_get, uint32_t fd, uint32_t out) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL || f->preopen == NULL) return WI_BADF;
    return wasi_put32(w, out, 0) && wasi_put32(w, out + 4, (uint32_t)strlen(f->preopen)) ? WI_OK : WI_FAULT;
}

WASI_FN(fd_prestat_dir_name, uint32_t fd, uint32_t out, uint32_t n) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL || f->preopen == NULL) return WI_BADF;
    size_t len = strlen(f->preopen);
    if (n < len) return WI_NAMETOOLONG;
    uint8_t *p = wasi_mem(w, out, len);
    if (p == NULL) return WI_FAULT;
    memcpy(p, f->preopen, len);
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- listings */

struct entry {
    const char *name;
    uint8_t type;
};
struct gather {
    char *names;
    size_t used, cap;
    uint32_t *at;
    uint8_t *types;
    uint32_t n, room;
};

static uint32_t gather_add(struct gather *g, const char *name, uint8_t type) {
    size_t len = strlen(name) + 1;
    if (g->n == WASI_LISTING_MAX) return WI_OVERFLOW;
    if (g->used + len > g->cap) {
        size_t cap = (g->used + len) * 2;
        char *p = realloc(g->names, cap);
        if (p == NULL) return WI_NOMEM;
        g->names = p;
        g->cap = cap;
    }
    if (g->n == g->room) {
        uint32_t room = g->room ? g->room * 2 : 64;
        uint32_t *at = realloc(g->at, room * sizeof *at);
        if (at) g->at = at;
        uint8_t *types = realloc(g->types, room);
        if (types) g->types = types;
        if (at == NULL || types == NULL) return WI_NOMEM;
        g->room = room;
    }
    memcpy(g->names + g->used, name, len);
    g->at[g->n] = (uint32_t)g->used;
    g->types[g->n++] = type;
    g->used += len;
    return WI_OK;
}

static uint32_t gather_host(struct gather *g, int dir) {
    _Alignas(8) char buf[4096];
    if (lseek(dir, 0, SEEK_SET) < 0) return wasi_errno(errno);
    for (;;) {
        long n = syscall(SYS_getdents64, dir, buf, sizeof buf);
        if (n <= 0) return n == 0 ? WI_OK : wasi_errno(errno);
        for (long at = 0; at < n;) { /* struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name (getdents(2)) */
            uint16_t len;
            memcpy(&len, buf + at + 16, sizeof len);
            uint8_t host = (uint8_t)buf[at + 18];
            uint8_t type = host == 4 ? WI_TYPE_DIR : host == 8 ? WI_TYPE_FILE : host == 10 ? WI_TYPE_SYMLINK : WI_TYPE_UNKNOWN;
            uint32_t err = gather_add(g, buf + at + 19, type);
            if (err) return err;
            at += len;
        }
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static uint32_t gather_sort(struct gather *g, struct wasi_listing *ret) {
    struct entry *v = calloc(g->n ? g->n : 1, sizeof *v);
    char *names = malloc(g->used ? g->used : 1);
    if (v == NULL || names == NULL) {
        free(v);
        free(names);
        return WI_NOMEM;
    }
    for (uint32_t i = 0; i < g->n; i++) v[i] = (struct entry){ .name = g->names + g->at[i], .type = g->types[i] };
    qsort(v, g->n, sizeof *v, by_name);
    uint32_t used = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        size_t len = strlen(v[i].name) + 1;
        memcpy(names + used, v[i].name, len);
        g->at[i] = used;
        g->types[i] = v[i].type;
        used += (uint32_t)len;
    }
    free(v);
    *ret = (struct wasi_listing){ .names = names, .types = g->types, .starts = g->at, .n = g->n };
    g->types = NULL;
    g->at = NULL;
    return WI_OK;
}

static uint32_t list(wasi *w, struct wasi_fd *f) {
    struct gather g = { 0 };
    uint32_t err = WI_OK;
    listing_free(&f->list);
    if (f->kind == WASI_IN_DIR) {
        err = gather_add(&g, ".", WI_TYPE_DIR);
        if (err == WI_OK) err = gather_add(&g, "..", WI_TYPE_DIR);
        for (uint32_t i = 0; err == WI_OK && i < w->inputs_n; i++) err = gather_add(&g, w->inputs[i].name, WI_TYPE_FILE);
    } else {
        int host = wasi_dir_host(w, f);
        err = host < 0 ? wasi_errno(errno) : gather_host(&g, host);
    }
    if (err == WI_OK) err = gather_sort(&g, &f->list);
    free(g.names);
    free(g.at);
    free(g.types);
    return err;
}

/* dirent: next cookie u64, inode u64, name length u32, type u8, padding to 24, name.  The last one may be cut. */
WASI_FN(fd_readdir, uint32_t fd, uint32_t buf, uint32_t n, uint64_t cookie, uint32_t out) {
    struct wasi_fd *f = wasi_fd_get(w, fd);
    if (f == NULL || !f->readable) return WI_BADF;
    if (f->kind != WASI_DIR && f->kind != WASI_IN_DIR) return WI_NOTDIR;
    uint8_t *p = wasi_mem(w, buf, n);
    if (p == NULL || wasi_mem(w, out, 4) == NULL) return WI_FAULT;
    if (cookie == 0 || f->list.names == NULL) {
        uint32_t err = list(w, f);
        if (err) return err;
    }
    uint32_t used = 0;
    for (uint64_t i = cookie; i < f->list.n && used < n; i++) {
        const char *name = f->list.names + f->list.starts[i];
        size_t len = strlen(name);
        uint8_t head[24] = { 0 };
        wasi_le64(head, i + 1);
        wasi_le64(head + 8, wasi_name_ino(name, len));
        wasi_le32(head + 16, (uint32_t)len);
        head[20] = f->list.types[i];
        uint32_t part = n - used < sizeof head ? n - used : (uint32_t)sizeof head;
        memcpy(p + used, head, part);
        used += part;
        part = n - used < len ? n - used : (uint32_t)len;
        memcpy(p + used, name, part);
        used += part;
    }
    wasi_put32(w, out, used);
    return WI_OK;
}
