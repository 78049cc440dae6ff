/* The village's benchmark: bench NONCE SEGMENTS writes eight bytes for each segment (src/fog/rate_kernel.h).
 * NONCE: 32 hexadecimal digits, fresh for each run.  Without a C library: a few KiB that travel to every node. */
#include "fog/rate_kernel.h"

#include <stddef.h>

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
WASI(args_sizes_get) int args_sizes_get(size_t *count, size_t *bytes);
WASI(args_get) int args_get(char **argv, char *text);
struct out {
    const void *p;
    size_t n;
};
WASI(fd_write) int fd_write(int fd, const struct out *v, size_t n, size_t *written);
WASI(proc_exit) _Noreturn void proc_exit(int code);

static uint64_t words[RATE_SEGMENTS][RATE_SEGMENT_WORDS], spun[RATE_SEGMENTS];
static uint8_t answer[RATE_SEGMENTS * 8];

static _Noreturn void refuse(const char *why, size_t n) {
    size_t done = 0;
    (void)fd_write(2, &(struct out){ why, n }, 1, &done);
    proc_exit(2);
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static uint32_t read_args(uint64_t nonce[2]) {
    static const char usage[] = "usage: bench NONCE SEGMENTS\n";
    static char *argv[8], text[512];
    size_t count = 0, bytes = 0;
    uint32_t segments = 0;
    if (args_sizes_get(&count, &bytes) || count != 3 || bytes > sizeof text || args_get(argv, text))
        refuse(usage, sizeof usage - 1);
    for (unsigned i = 0; i < 32; i++) {
        int d = digit(argv[1][i]);
        if (d < 0) refuse(usage, sizeof usage - 1);
        nonce[i / 16] = nonce[i / 16] << 4 | (uint64_t)d;
    }
    for (const char *p = argv[2]; *p; p++) {
        if (*p < '0' || *p > '9') refuse(usage, sizeof usage - 1);
        segments = segments * 10 + (uint32_t)(*p - '0');
        if (segments > RATE_SEGMENTS) refuse(usage, sizeof usage - 1);
    }
    if (argv[1][32] != 0 || segments == 0) refuse(usage, sizeof usage - 1);
    return segments;
}

void _start(void);
void _start(void) {
    uint64_t nonce[2] = { 0, 0 };
    uint32_t segments = read_args(nonce);
    /* three passes, so that the memory is that of all segments: no cache holds it for long */
    for (uint32_t s = 0; s < segments; s++) rate_fill(nonce, s, words[s]);
    for (uint32_t s = 0; s < segments; s++) spun[s] = rate_spin(nonce, s);
    for (uint32_t s = 0; s < segments; s++) {
        uint64_t h = rate_fold(spun[s], words[s]);
        for (unsigned i = 0; i < 8; i++) answer[s * 8 + i] = (uint8_t)(h >> (56 - 8 * i));
    }
    for (size_t at = 0, n = (size_t)segments * 8; at < n;) {
        size_t done = 0;
        if (fd_write(1, &(struct out){ answer + at, n - at }, 1, &done) || done == 0) proc_exit(1);
        at += done;
    }
    proc_exit(0);
}
