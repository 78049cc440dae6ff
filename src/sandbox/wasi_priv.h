/* wasi_priv.h - shared by the wasi_*.c files: guest memory, error numbers, the fd table. */
#ifndef VL_SANDBOX_WASI_PRIV_H
#define VL_SANDBOX_WASI_PRIV_H

#include "sandbox/wasi.h"

#include <sys/stat.h>
#include <sys/types.h>

/* Defines an import as wasm2c 1.0.32 calls it (Z_<module>Z_<name>, instance first), with its prototype. */
#define WASI_FN(name, ...)                                                                                             \
    uint32_t Z_wasi_snapshot_preview1Z_##name(wasi *w __VA_OPT__(, ) __VA_ARGS__);                                     \
    uint32_t Z_wasi_snapshot_preview1Z_##name(wasi *w __VA_OPT__(, ) __VA_ARGS__)

/* witx: errno.  Only those we answer. */
enum {
    W_OK = 0, W_2BIG = 1, W_ACCES = 2, W_BADF = 8, W_BUSY = 10, W_EXIST = 20, W_FAULT = 21, W_FBIG = 22, W_ILSEQ = 25,
    W_INTR = 27, W_INVAL = 28, W_IO = 29, W_ISDIR = 31, W_LOOP = 32, W_MFILE = 33, W_NAMETOOLONG = 37, W_NFILE = 41,
    W_NOENT = 44, W_NOMEM = 48, W_NOSPC = 51, W_NOSYS = 52, W_NOTDIR = 54, W_NOTEMPTY = 55, W_NOTSUP = 58,
    W_OVERFLOW = 61, W_PERM = 63, W_ROFS = 69, W_SPIPE = 70, W_XDEV = 75, W_NOTCAPABLE = 76,
};
enum { W_TYPE_UNKNOWN = 0, W_TYPE_DIR = 3, W_TYPE_FILE = 4, W_TYPE_SYMLINK = 7 };
#define W_RIGHT_READ (1ull << 1)
#define W_RIGHT_SEEK (1ull << 2)
#define W_RIGHT_TELL (1ull << 5)
#define W_RIGHT_WRITE (1ull << 6)
#define W_RIGHTS_WRITING ((1ull << 0) | W_RIGHT_WRITE | (1ull << 8) | (1ull << 22)) /* datasync, write, allocate, size */
#define W_RIGHTS_READING (W_RIGHT_READ | (1ull << 14))                             /* read, readdir */
#define W_RIGHTS_ALL ((1ull << 29) - 1)
#define W_FDFLAG_APPEND 1u
#define W_FDFLAGS_ALL 31u

uint32_t wasi_errno(int host_errno);

/* Guest memory.  NULL when [at, at + n) is not all inside; n == 0 is inside anywhere up to the end. */
uint8_t *wasi_mem(const wasi *w, uint32_t at, uint64_t n);
/* Little-endian stores and loads; false: outside. */
bool wasi_put32(wasi *w, uint32_t at, uint32_t v);
bool wasi_put64(wasi *w, uint32_t at, uint64_t v);
bool wasi_get32(const wasi *w, uint32_t at, uint32_t *ret);
void wasi_le32(uint8_t *p, uint32_t v);
void wasi_le64(uint8_t *p, uint64_t v);

uint64_t wasi_now(wasi *w, bool monotonic);

/* NULL: not open. */
struct wasi_fd *wasi_fd_get(wasi *w, uint32_t fd);
/* Lowest free number, marked as `kind`; WASI_FDS_MAX: none is free. */
uint32_t wasi_fd_take(wasi *w, enum wasi_fd_kind kind, int host);
void wasi_fd_drop(struct wasi_fd *f);
/* The host folder of f, made when it is a preopened one and still missing; -1 with errno set. */
int wasi_dir_host(wasi *w, struct wasi_fd *f);
/* Counts growth of a file to `end` bytes against disk_bytes and ends the program when it is used up. */
void wasi_charge_disk(wasi *w, int host, uint64_t end);
void wasi_filestat(const wasi *w, const struct stat *st, uint64_t ino, uint8_t out[64]);
uint64_t wasi_name_ino(const char *name, size_t n);

#endif
