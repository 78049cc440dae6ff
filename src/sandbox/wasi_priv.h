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

/* witx: errno.  Only those we answer.  (Not W_: unistd.h has a W_OK of its own.) */
enum {
    WI_OK = 0, WI_2BIG = 1, WI_ACCES = 2, WI_BADF = 8, WI_BUSY = 10, WI_EXIST = 20, WI_FAULT = 21, WI_FBIG = 22, WI_ILSEQ = 25,
    WI_INTR = 27, WI_INVAL = 28, WI_IO = 29, WI_ISDIR = 31, WI_LOOP = 32, WI_MFILE = 33, WI_NAMETOOLONG = 37, WI_NFILE = 41,
    WI_NOENT = 44, WI_NOMEM = 48, WI_NOSPC = 51, WI_NOSYS = 52, WI_NOTDIR = 54, WI_NOTEMPTY = 55, WI_NOTSUP = 58,
    WI_OVERFLOW = 61, WI_PERM = 63, WI_ROFS = 69, WI_SPIPE = 70, WI_XDEV = 75, WI_NOTCAPABLE = 76,
};
enum { WI_TYPE_UNKNOWN = 0, WI_TYPE_DIR = 3, WI_TYPE_FILE = 4, WI_TYPE_SYMLINK = 7 };
#define WI_RIGHT_READ (1ull << 1)
#define WI_RIGHT_SEEK (1ull << 2)
#define WI_RIGHT_TELL (1ull << 5)
#define WI_RIGHT_WRITE (1ull << 6)
#define WI_RIGHTS_WRITING ((1ull << 0) | WI_RIGHT_WRITE | (1ull << 8) | (1ull << 22)) /* datasync, write, allocate, size */
#define WI_RIGHTS_READING (WI_RIGHT_READ | (1ull << 14))                             /* read, readdir */
#define WI_RIGHTS_ALL ((1ull << 29) - 1)
#define WI_FDFLAG_APPEND 1u
#define WI_FDFLAGS_ALL 31u

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
