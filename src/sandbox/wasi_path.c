/* wasi_path.c - the path_* functions.  A host path is only ever resolved by openat2 with RESOLVE_BENEATH and without
 * symbolic links, from a folder of the task; the last component is then used by itself on the folder found. */
#include "sandbox/wasi_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES 1024u /* of a guest path, with the NUL */

enum { OFLAG_CREAT = 1, OFLAG_DIRECTORY = 2, OFLAG_EXCL = 4, OFLAG_TRUNC = 8 };

static int open_beneath(int dir, const char *path, uint64_t flags, uint64_t mode) {
    struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
    int fd;
    do fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd;
}

int wasi_dir_host(wasi *w, struct wasi_fd *f) {
    if (f->host >= 0 || f->preopen == NULL) return f->host;
    const char *name = f->preopen + 1;
    if (mkdirat(w->root, name, 0700) != 0 && errno != EEXIST) return -1;
    f->host = open_beneath(w->root, name, O_RDONLY | O_DIRECTORY, 0);
    return f->host;
}

/* The guest's path as a C string, without trailing slashes; *ret_slash: it had one, so it must be a folder. */
static uint32_t path_read(const wasi *w, uint32_t at, uint32_t n, char path[PATH_BYTES], bool *ret_slash) {
    const uint8_t *p = wasi_mem(w, at, n);
    if (p == NULL) return WI_FAULT;
    if (n == 0) return WI_NOENT;
    if (n >= PATH_BYTES) return WI_NAMETOOLONG;
    if (memchr(p, 0, n)) return WI_ILSEQ;
    if (p[0] == '/') return WI_NOTCAPABLE;
    memcpy(path, p, n);
    path[n] = 0;
    *ret_slash = path[n - 1] == '/';
    while (n > 1 && path[n - 1] == '/') path[--n] = 0;
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- /in */

/* "a", "./a", "." as seen from /in.  WI_OK with *ret_input = inputs_n means the folder itself. */
static uint32_t in_find(const wasi *w, const char *path, uint32_t *ret_input) {
    int depth = 0;
    const char *name = NULL;
    size_t len = 0;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') return WI_NOTCAPABLE; /* /in has no folders: .. always leaves it */
        if (n > 0 && !(n == 1 && p[0] == '.')) {
            if (depth++ > 0) return WI_NOTDIR;
            name = p;
            len = n;
        }
        p += n;
        while (*p == '/') p++;
    }
    *ret_input = w->inputs_n;
    if (name == NULL) return WI_OK;
    for (uint32_t i = 0; i < w->inputs_n; i++) {
        if (strlen(w->inputs[i].name) != len || memcmp(w->inputs[i].name, name, len) != 0) continue;
        *ret_input = i;
        return WI_OK;
    }
    return WI_NOENT;
}

static uint32_t in_open(wasi *w, const char *path, bool dir, uint32_t oflags, bool writing, uint32_t *ret_fd) {
    uint32_t input, err = in_find(w, path, &input);
    if (err == WI_NOENT && (oflags & OFLAG_CREAT)) return WI_ROFS;
    if (err) return err;
    if (writing || (oflags & OFLAG_TRUNC)) return WI_ROFS;
    if ((oflags & OFLAG_CREAT) && (oflags & OFLAG_EXCL)) return WI_EXIST;
    if (input < w->inputs_n && dir) return WI_NOTDIR;
    uint32_t fd = wasi_fd_take(w, input < w->inputs_n ? WASI_IN_FILE : WASI_IN_DIR, -1);
    if (fd == WASI_FDS_MAX) return WI_MFILE;
    w->fds[fd].input = input;
    w->fds[fd].readable = true;
    *ret_fd = fd;
    return WI_OK;
}

static uint32_t in_stat(const wasi *w, const char *path, uint8_t out[64]) {
    struct stat st = { .st_mode = S_IFDIR | 0500, .st_nlink = 1 };
    uint32_t input, err = in_find(w, path, &input);
    if (err) return err;
    if (input < w->inputs_n && fstat(w->inputs[input].fd, &st) != 0) return wasi_errno(errno);
    wasi_filestat(w, &st, wasi_name_ino(path, strlen(path)), out);
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- opening */

static uint32_t host_open(wasi *w, struct wasi_fd *dir, const char *path, uint32_t oflags, bool reading, bool writing,
                          uint32_t fdflags, uint32_t *ret_fd) {
    int at = wasi_dir_host(w, dir);
    if (at < 0) return wasi_errno(errno);
    uint64_t flags = writing && !reading ? O_WRONLY : writing ? O_RDWR : O_RDONLY;
    if (oflags & OFLAG_DIRECTORY) flags = O_RDONLY | O_DIRECTORY;
    if (oflags & OFLAG_TRUNC) {
        if (!writing) return WI_INVAL;
        flags |= O_TRUNC;
    }
    if (fdflags & WI_FDFLAG_APPEND) flags |= O_APPEND;
    uint32_t fd = wasi_fd_take(w, WASI_FILE, -1);
    if (fd == WASI_FDS_MAX) return WI_MFILE;
    int host = oflags & OFLAG_EXCL && oflags & OFLAG_CREAT ? -1 : open_beneath(at, path, flags, 0);
    if (host < 0 && (oflags & OFLAG_CREAT) && !(oflags & OFLAG_DIRECTORY) && ((oflags & OFLAG_EXCL) || errno == ENOENT)) {
        if (w->files_left == 0) wasi_end(w, SANDBOX_DISK_EXCEEDED, 0, "the program made more files than its limit");
        host = open_beneath(at, path, flags | O_CREAT | O_EXCL, 0600);
        if (host >= 0) w->files_left--;
    }
    struct stat st;
    if (host < 0 || fstat(host, &st) != 0) {
        uint32_t err = wasi_errno(errno);
        if (host >= 0) close(host);
        w->fds[fd].kind = WASI_FREE;
        return err;
    }
    w->fds[fd] = (struct wasi_fd){ .kind = S_ISDIR(st.st_mode) ? WASI_DIR : WASI_FILE, .host = host, .readable = reading,
                                   .writable = writing, .flags = (uint16_t)fdflags,
                                   .ino = wasi_name_ino(path, strlen(path)) };
    if (S_ISDIR(st.st_mode)) w->fds[fd].readable = w->fds[fd].writable = true; /* what is below may be written */
    *ret_fd = fd;
    return WI_OK;
}

WASI_FN(path_open, uint32_t dir, uint32_t lookup, uint32_t at, uint32_t n, uint32_t oflags, uint64_t rights,
        uint64_t inheriting, uint32_t fdflags, uint32_t out) {
    struct wasi_fd *d = wasi_fd_get(w, dir);
    char path[PATH_BYTES];
    bool slash;
    uint32_t fd = 0;
    (void)lookup; /* there are no symbolic links to follow */
    (void)inheriting;
    if (d == NULL) return WI_BADF;
    if (d->kind != WASI_DIR && d->kind != WASI_IN_DIR) return WI_NOTDIR;
    if (oflags > 15 || (fdflags & ~WI_FDFLAGS_ALL)) return WI_INVAL;
    uint32_t err = path_read(w, at, n, path, &slash);
    if (err) return err;
    if (wasi_mem(w, out, 4) == NULL) return WI_FAULT;
    if (slash) oflags |= OFLAG_DIRECTORY;
    /* FD_WRITE alone says that it wants to write: Go keeps the right to set the size when it opens for reading. */
    bool writing = (rights & WI_RIGHT_WRITE) != 0 && !(oflags & OFLAG_DIRECTORY);
    bool reading = (rights & WI_RIGHTS_READING) != 0 || !writing;
    if (d->kind == WASI_IN_DIR)
        /* wasi-libc asks for every right the folder has, so for /in it asks for none that writes */
        err = in_open(w, path, oflags & OFLAG_DIRECTORY, oflags, writing, &fd);
    else
        err = host_open(w, d, path, oflags, reading, writing, fdflags, &fd);
    if (err == WI_OK) wasi_put32(w, out, fd);
    return err;
}

/* ---------------------------------------------------------------------------------------------- the others */

/* The host folder that holds the last component of a guest path, opened; and that component in `path`. */
struct place {
    int dir;
    char path[PATH_BYTES];
    const char *last;
};

static uint32_t place_find(wasi *w, uint32_t fd, uint32_t at, uint32_t n, struct place *ret) {
    struct wasi_fd *d = wasi_fd_get(w, fd);
    bool slash;
    if (d == NULL) return WI_BADF;
    if (d->kind != WASI_DIR && d->kind != WASI_IN_DIR) return WI_NOTDIR;
    uint32_t err = path_read(w, at, n, ret->path, &slash);
    if (err) return err;
    if (d->kind == WASI_IN_DIR) return WI_ROFS;
    int host = wasi_dir_host(w, d);
    if (host < 0) return wasi_errno(errno);
    char *cut = strrchr(ret->path, '/');
    ret->last = cut ? cut + 1 : ret->path;
    if (strcmp(ret->last, ".") == 0) return WI_INVAL;
    if (strcmp(ret->last, "..") == 0) return WI_NOTCAPABLE;
    if (cut) *cut = 0;
    ret->dir = open_beneath(host, cut ? ret->path : ".", O_PATH | O_DIRECTORY, 0);
    return ret->dir < 0 ? wasi_errno(errno) : WI_OK;
}

static uint32_t finish(const struct place *p, int result) {
    uint32_t err = result == 0 ? WI_OK : wasi_errno(errno);
    close(p->dir);
    return err;
}

WASI_FN(path_create_directory, uint32_t fd, uint32_t at, uint32_t n) {
    struct place p;
    uint32_t err = place_find(w, fd, at, n, &p);
    if (err) return err;
    if (w->files_left == 0) wasi_end(w, SANDBOX_DISK_EXCEEDED, 0, "the program made more files than its limit");
    w->files_left--;
    return finish(&p, mkdirat(p.dir, p.last, 0700));
}

WASI_FN(path_remove_directory, uint32_t fd, uint32_t at, uint32_t n) {
    struct place p;
    uint32_t err = place_find(w, fd, at, n, &p);
    return err ? err : finish(&p, unlinkat(p.dir, p.last, AT_REMOVEDIR));
}

WASI_FN(path_unlink_file, uint32_t fd, uint32_t at, uint32_t n) {
    struct place p;
    uint32_t err = place_find(w, fd, at, n, &p);
    return err ? err : finish(&p, unlinkat(p.dir, p.last, 0));
}

WASI_FN(path_rename, uint32_t from_fd, uint32_t from, uint32_t from_n, uint32_t to_fd, uint32_t to, uint32_t to_n) {
    struct place a, b;
    uint32_t err = place_find(w, from_fd, from, from_n, &a);
    if (err) return err;
    err = place_find(w, to_fd, to, to_n, &b);
    if (err == WI_OK) err = finish(&b, renameat(a.dir, a.last, b.dir, b.last));
    close(a.dir);
    return err;
}

WASI_FN(path_filestat_get, uint32_t fd, uint32_t lookup, uint32_t at, uint32_t n, uint32_t out) {
    struct wasi_fd *d = wasi_fd_get(w, fd);
    char path[PATH_BYTES];
    bool slash;
    (void)lookup;
    if (d == NULL) return WI_BADF;
    if (d->kind != WASI_DIR && d->kind != WASI_IN_DIR) return WI_NOTDIR;
    uint32_t err = path_read(w, at, n, path, &slash);
    uint8_t *p = wasi_mem(w, out, 64);
    if (err) return err;
    if (p == NULL) return WI_FAULT;
    if (d->kind == WASI_IN_DIR) return in_stat(w, path, p);
    int dir = wasi_dir_host(w, d);
    int host = dir < 0 ? -1 : open_beneath(dir, path, O_PATH | (slash ? O_DIRECTORY : 0), 0);
    struct stat st;
    if (host < 0) return wasi_errno(errno);
    err = fstat(host, &st) == 0 ? WI_OK : wasi_errno(errno);
    close(host);
    if (err == WI_OK) wasi_filestat(w, &st, wasi_name_ino(path, strlen(path)), p);
    return err;
}

/* Times are not part of a result: accepted and forgotten, but the file must be there. */
WASI_FN(path_filestat_set_times, uint32_t fd, uint32_t lookup, uint32_t at, uint32_t n, uint64_t atim, uint64_t mtim,
        uint32_t flags) {
    struct place p;
    struct stat st;
    (void)lookup;
    (void)atim;
    (void)mtim;
    if (flags & ~15u) return WI_INVAL;
    uint32_t err = place_find(w, fd, at, n, &p);
    return err ? err : finish(&p, fstatat(p.dir, p.last, &st, AT_SYMLINK_NOFOLLOW));
}

WASI_FN(path_link, uint32_t from_fd, uint32_t flags, uint32_t from, uint32_t from_n, uint32_t to_fd, uint32_t to,
        uint32_t to_n) {
    (void)flags;
    (void)from;
    (void)from_n;
    (void)to;
    (void)to_n;
    return wasi_fd_get(w, from_fd) && wasi_fd_get(w, to_fd) ? WI_PERM : WI_BADF;
}

WASI_FN(path_symlink, uint32_t from, uint32_t from_n, uint32_t fd, uint32_t to, uint32_t to_n) {
    (void)from;
    (void)from_n;
    (void)to;
    (void)to_n;
    return wasi_fd_get(w, fd) ? WI_PERM : WI_BADF;
}

WASI_FN(path_readlink, uint32_t fd, uint32_t at, uint32_t n, uint32_t buf, uint32_t size, uint32_t out) {
    (void)at;
    (void)n;
    (void)buf;
    (void)size;
    (void)out;
    return wasi_fd_get(w, fd) ? WI_INVAL : WI_BADF; /* nothing here is a symbolic link */
}
