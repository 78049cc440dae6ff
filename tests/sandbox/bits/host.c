/* host.c - just enough of WASI to run one module of wasm2c outside of a sandbox: what it prints is all that matters here. */
#include "m.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Z_wasi_snapshot_preview1_instance_t {
    Z_prog_instance_t prog;
};
typedef struct Z_wasi_snapshot_preview1_instance_t wasi;

static u32 get32(wasi *w, u32 at) {
    u32 v;
    __builtin_memcpy(&v, w->prog.w2c_memory.data + at, 4);
    return v;
}
static void put32(wasi *w, u32 at, u32 v) { __builtin_memcpy(w->prog.w2c_memory.data + at, &v, 4); }

u32 Z_wasi_snapshot_preview1Z_fd_write(wasi *w, u32 fd, u32 iov, u32 n, u32 ret) {
    u32 sum = 0;
    for (u32 i = 0; i < n; i++) {
        u32 len = get32(w, iov + 8 * i + 4);
        fwrite(w->prog.w2c_memory.data + get32(w, iov + 8 * i), 1, len, fd == 1 ? stdout : stderr);
        sum += len;
    }
    put32(w, ret, sum);
    return 0;
}
u32 Z_wasi_snapshot_preview1Z_fd_close(wasi *w, u32 fd) { return (void)w, (void)fd, 0; }
u32 Z_wasi_snapshot_preview1Z_fd_seek(wasi *w, u32 fd, u64 to, u32 whence, u32 ret) { return (void)w, (void)fd, (void)to, (void)whence, (void)ret, 29; }
u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(wasi *w, u32 fd, u32 ret) {
    memset(w->prog.w2c_memory.data + ret, 0, 24);
    w->prog.w2c_memory.data[ret] = fd < 3 ? 2 : 4; /* a character device */
    return 0;
}
u32 Z_wasi_snapshot_preview1Z_args_sizes_get(wasi *w, u32 n, u32 bytes) { return put32(w, n, 0), put32(w, bytes, 0), 0; }
u32 Z_wasi_snapshot_preview1Z_args_get(wasi *w, u32 a, u32 b) { return (void)w, (void)a, (void)b, 0; }
void Z_wasi_snapshot_preview1Z_proc_exit(wasi *w, u32 code) {
    (void)w;
    fflush(stdout);
    exit((int)code);
}

int main(void) {
    static wasi w;
    wasm_rt_init();
    Z_prog_init_module();
    Z_prog_instantiate(&w.prog, &w);
    Z_progZ__start(&w.prog);
    fflush(stdout);
    return 0;
}
