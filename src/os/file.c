#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum vl_err os_err(int e) {
    switch (e) {
    case 0:
        return VL_OK;
    case ENOENT:
    case ENOTDIR:
        return VL_ENOTFOUND;
    case EEXIST:
        return VL_EEXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return VL_EDENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return VL_ENOSPC;
    case ENOMEM:
        return VL_ENOMEM;
    case EMFILE:
    case ENFILE:
        return VL_ELIMIT;
    case EAGAIN:
        return VL_EAGAIN;
    case ETIMEDOUT:
        return VL_ETIMEOUT;
    default:
        return VL_EIO;
    }
}

enum vl_err os_mkdir_all(const char *path, unsigned mode) {
    char p[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof p) return VL_ERANGE;
    memcpy(p, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (p[i] != '/' && p[i] != '\0') continue;
        char keep = p[i];
        p[i] = '\0';
        if (mkdir(p, mode) != 0 && errno != EEXIST) return os_err(errno);
        p[i] = keep;
    }
    struct stat st;
    if (stat(path, &st) != 0) return os_err(errno);
    return S_ISDIR(st.st_mode) ? VL_OK : VL_EEXISTS;
}

enum vl_err os_file_read(const char *path, struct vl_buf *b) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return os_err(errno);
    enum vl_err err = VL_OK;
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) err = os_err(errno);
        if (n <= 0) break;
        if ((err = vl_buf_append(b, chunk, (size_t)n))) break;
    }
    close(fd);
    return err;
}

static enum vl_err write_all(int fd, const uint8_t *p, size_t n) {
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return os_err(errno);
        p += w;
        n -= (size_t)w;
    }
    return VL_OK;
}

enum vl_err os_dir_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return os_err(errno);
    enum vl_err err = fsync(fd) == 0 ? VL_OK : os_err(errno);
    close(fd);
    return err;
}

enum vl_err os_file_write(const char *path, const void *p, size_t n, unsigned mode) {
    char tmp[PATH_MAX], dir[PATH_MAX];
    if (snprintf(tmp, sizeof tmp, "%s.new", path) >= (int)sizeof tmp) return VL_ERANGE;
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return os_err(errno);
    enum vl_err err = fchmod(fd, mode) == 0 ? VL_OK : os_err(errno);
    if (err == VL_OK) err = write_all(fd, p, n);
    if (err == VL_OK && fsync(fd) != 0) err = os_err(errno);
    if (close(fd) != 0 && err == VL_OK) err = os_err(errno);
    if (err == VL_OK && rename(tmp, path) != 0) err = os_err(errno);
    if (err) {
        unlink(tmp);
        return err;
    }
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL) return os_dir_sync(".");
    slash[slash == dir] = '\0'; /* keep the root's own slash */
    return os_dir_sync(dir);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

enum vl_err os_tree_remove(const char *path) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return VL_OK;
    return os_err(errno);
}

void os_file_shred(const char *path) {
    static const uint8_t zero[4096];
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        for (off_t left = st.st_size; left > 0;) {
            ssize_t put = write(fd, zero, left < (off_t)sizeof zero ? (size_t)left : sizeof zero);
            if (put <= 0) break;
            left -= put;
        }
        (void)fsync(fd);
    }
    if (fd >= 0) close(fd);
    unlink(path);
}

enum vl_err os_dir_each(const char *path, void (*each)(void *arg, const char *name), void *arg) {
    DIR *d = opendir(path);
    if (d == NULL) return errno == ENOENT ? VL_OK : os_err(errno);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) each(arg, e->d_name);
    closedir(d);
    return VL_OK;
}

enum vl_err os_file_lock(const char *path, int *ret_fd) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return os_err(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum vl_err err = errno == EWOULDBLOCK ? VL_EBUSY : os_err(errno);
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return VL_OK;
}
