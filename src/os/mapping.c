#include "os/mapping.h"

#include "base/text.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum vl_err map(int fd, size_t size, struct os_mapping *ret) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED) return os_err(errno);
    (void)madvise(p, size, MADV_HUGEPAGE); /* where the file system can: lines are touched at random */
    (void)madvise(p, size, MADV_DONTDUMP);
    *ret = (struct os_mapping){ .p = p, .size = size };
    return VL_OK;
}

enum vl_err os_mapping_create(const char *path, size_t size, struct os_mapping *ret) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return os_err(errno);
    int rc = posix_fallocate(fd, 0, (off_t)size);
    enum vl_err err = rc ? os_err(rc) : map(fd, size, ret);
    close(fd);
    if (err) unlink(path);
    return err;
}

enum vl_err os_mapping_open(const char *path, struct os_mapping *ret) {
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return os_err(errno);
    enum vl_err err = fstat(fd, &st) ? os_err(errno) : VL_OK;
    /* a hole would ask for disk space on first touch, and end the process by a signal when there is none */
    if (err == VL_OK && (st.st_size <= 0 || (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size)) err = VL_ECORRUPT;
    if (err == VL_OK) err = map(fd, (size_t)st.st_size, ret);
    close(fd);
    return err;
}

void os_mapping_close(struct os_mapping *m) {
    if (m->p) munmap(m->p, m->size);
    *m = (struct os_mapping){ 0 };
}

enum vl_err os_boot_id(uint8_t ret[16]) {
    char text[64] = "", hex[33];
    size_t n = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return VL_EIO;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    for (ssize_t i = 0; i < got && n < 32; i++)
        if (text[i] != '-' && text[i] != '\n') hex[n++] = text[i];
    hex[n] = '\0';
    return n == 32 && vl_hex_decode(hex, ret, 16) == VL_OK ? VL_OK : VL_EIO;
}
