#include "sandbox/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DEPTH_MAX 64u /* of what is measured; deeper counts as over the limit */

static bool dots(const char *s) { return strcmp(s, ".") == 0 || strcmp(s, "..") == 0; }

/* A folder whose rights its maker took away; as root or its owner we may give them back. */
static int open_dir(int dir, const char *name) {
    int fd = openat(dir, name, OPEN_DIR);
    if (fd >= 0 || errno != EACCES) return fd;
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode)) return -1;
    return fchmodat(dir, name, 0700, 0) == 0 ? openat(dir, name, OPEN_DIR) : -1;
}

/* Empties the folder `fd`: files are unlinked; folders that are not empty move up into `top` under a number, where the
 * caller will find them. So a chain of any depth goes away without recursion and without a long path. */
static bool empty_into(int fd, int top, uint64_t *number) {
    DIR *d = fdopendir(dup(fd));
    if (d == NULL) return false;
    for (struct dirent *e; (e = readdir(d));) {
        char name[32];
        if (dots(e->d_name) || unlinkat(fd, e->d_name, 0) == 0 || unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0) continue;
        snprintf(name, sizeof name, "\x01%llu", (unsigned long long)(*number)++);
        /* to move a folder one must be able to write its ".." */
        if (fchmodat(fd, e->d_name, 0700, 0) != 0 || renameat(fd, e->d_name, top, name) != 0) {
            closedir(d);
            return false;
        }
    }
    closedir(d);
    return true;
}

/* One round over the folders in `top`.  *ret_left: there was at least one. */
static bool flatten(int top, uint64_t *number, bool *ret_left) {
    DIR *d = fdopendir(dup(top));
    if (d == NULL) return false;
    bool ok = true;
    *ret_left = false;
    rewinddir(d);
    for (struct dirent *e; ok && (e = readdir(d));) {
        if (dots(e->d_name) || unlinkat(top, e->d_name, 0) == 0) continue;
        int fd = open_dir(top, e->d_name);
        if (fd < 0) {
            ok = errno == ENOENT;
            continue;
        }
        *ret_left = true;
        ok = empty_into(fd, top, number);
        close(fd);
        unlinkat(top, e->d_name, AT_REMOVEDIR);
    }
    closedir(d);
    return ok;
}

enum vl_err tree_remove(int dir, const char *name) {
    if (unlinkat(dir, name, 0) == 0 || unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return VL_OK;
    int top = open_dir(dir, name);
    if (top < 0) return errno == ENOENT ? VL_OK : VL_EIO;
    uint64_t number = 0;
    bool left = true, ok = true;
    while (ok && left) ok = flatten(top, &number, &left);
    close(top);
    return ok && unlinkat(dir, name, AT_REMOVEDIR) == 0 ? VL_OK : VL_EIO;
}

void tree_usage(int dir, const char *name, uint32_t max_entries, struct tree_usage *ret) {
    DIR *stack[DEPTH_MAX];
    uint32_t depth = 0;
    *ret = (struct tree_usage){ 0 };
    int fd = openat(dir, name, OPEN_DIR);
    if (fd < 0) return;
    if ((stack[depth++] = fdopendir(fd)) == NULL) {
        close(fd);
        return;
    }
    while (depth > 0) {
        struct stat st;
        struct dirent *e = ret->entries > max_entries ? NULL : readdir(stack[depth - 1]);
        if (e == NULL) {
            closedir(stack[--depth]);
            continue;
        }
        int at = dirfd(stack[depth - 1]);
        if (dots(e->d_name) || fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        ret->entries++;
        ret->bytes += (uint64_t)st.st_blocks * 512u;
        if (!S_ISDIR(st.st_mode)) continue;
        fd = openat(at, e->d_name, OPEN_DIR);
        if (depth == DEPTH_MAX) ret->entries = max_entries + 1;
        DIR *sub = fd >= 0 && depth < DEPTH_MAX ? fdopendir(fd) : NULL;
        if (sub) stack[depth++] = sub;
        else if (fd >= 0) close(fd);
    }
}

static bool clean_name(const char *from, char to[VL_NAME_MAX]) {
    size_t n = strlen(from);
    if (n == 0 || n >= VL_NAME_MAX) return false;
    for (size_t i = 0; i <= n; i++) {
        unsigned char c = (unsigned char)from[i];
        bool ok = c == 0 || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '.' || c == '_' || c == '-';
        to[i] = ok ? (char)c : '_';
    }
    return strcmp(to, "stdout") != 0 && strcmp(to, "stderr") != 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct tree_file *)a)->name, ((const struct tree_file *)b)->name);
}

/* One entry; false: not an output. */
static bool take(int dir, const char *name, struct tree_file *ret) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) return false;
    if (!clean_name(name, ret->name)) return false;
    if (strcmp(name, ret->name) != 0 && renameat2(dir, name, dir, ret->name, RENAME_NOREPLACE) != 0) return false;
    ret->size = (uint64_t)st.st_size;
    return true;
}

uint32_t tree_outputs(int dir, const char *name, struct tree_file *files, uint32_t max, uint32_t *ret_ignored) {
    uint32_t n = 0, ignored = 0;
    int fd = open_dir(dir, name);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (d == NULL && fd >= 0) close(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct tree_file f;
        if (dots(e->d_name)) continue;
        bool seen = false; /* a renamed file may come by again under its new name */
        for (uint32_t i = 0; i < n; i++) seen = seen || strcmp(files[i].name, e->d_name) == 0;
        if (seen) continue;
        if (n < max && take(fd, e->d_name, &f)) files[n++] = f;
        else ignored++;
    }
    if (d) closedir(d);
    qsort(files, n, sizeof *files, by_name);
    *ret_ignored = ignored;
    return n;
}
