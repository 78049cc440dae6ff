#include "sandbox/wasi.h"

#include "base/map.h"
#include "crypto/random.h"
#include "sandbox/wasi_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static wasi *the_instance; /* for memory.grow, whose call carries no instance; one job = one process */

uint32_t wasi_errno(int e) {
    static const struct {
        int host;
        uint8_t guest;
    } rows[] = { { 0, WI_OK },           { EACCES, WI_ACCES },     { EBADF, WI_BADF },   { EBUSY, WI_BUSY },
                 { EEXIST, WI_EXIST },   { EFAULT, WI_FAULT },     { EFBIG, WI_FBIG },   { EILSEQ, WI_ILSEQ },
                 { EINTR, WI_INTR },     { EINVAL, WI_INVAL },     { EIO, WI_IO },       { EISDIR, WI_ISDIR },
                 { ELOOP, WI_LOOP },     { EMFILE, WI_MFILE },     { ENAMETOOLONG, WI_NAMETOOLONG },
                 { ENFILE, WI_NFILE },   { ENOENT, WI_NOENT },     { ENOMEM, WI_NOMEM }, { ENOSPC, WI_NOSPC },
                 { EDQUOT, WI_NOSPC },   { ENOSYS, WI_NOSYS },     { ENOTDIR, WI_NOTDIR }, { ENOTEMPTY, WI_NOTEMPTY },
                 { EOPNOTSUPP, WI_NOTSUP }, { EOVERFLOW, WI_OVERFLOW }, { EPERM, WI_PERM }, { EROFS, WI_ROFS },
                 { ESPIPE, WI_SPIPE },   { EXDEV, WI_NOTCAPABLE } /* openat2: the path leaves its folder */ };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].host == e) return rows[i].guest;
    return WI_IO;
}

uint8_t *wasi_mem(const wasi *w, uint32_t at, uint64_t n) {
    return n <= w->memory->size && at <= w->memory->size - n ? w->memory->data + at : NULL;
}

void wasi_le32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (8 * i));
}

void wasi_le64(uint8_t *p, uint64_t v) {
    wasi_le32(p, (uint32_t)v);
    wasi_le32(p + 4, (uint32_t)(v >> 32));
}

bool wasi_put32(wasi *w, uint32_t at, uint32_t v) {
    uint8_t *p = wasi_mem(w, at, 4);
    if (p) wasi_le32(p, v);
    return p != NULL;
}

bool wasi_put64(wasi *w, uint32_t at, uint64_t v) {
    uint8_t *p = wasi_mem(w, at, 8);
    if (p) wasi_le64(p, v);
    return p != NULL;
}

bool wasi_get32(const wasi *w, uint32_t at, uint32_t *ret) {
    const uint8_t *p = wasi_mem(w, at, 4);
    if (p) *ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return p != NULL;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* Deterministic inode numbers: equal names give equal numbers on every machine. */
uint64_t wasi_name_ino(const char *name, size_t n) {
    static const uint64_t seed[2] = { 0x76696c6c616765, 0x77617369 };
    return vl_siphash(seed, name, n) | 1;
}

void wasi_init(wasi *w, const struct sandbox_run *run, const struct wasi_input *inputs, int root,
               struct wasi_report *report) {
    *w = (wasi){ .report = report, .argc = run->argc, .envc = run->envc, .argv = run->argv, .env = run->env,
                 .inputs_n = run->inputs_n, .root = root, .output_left = run->limits.output_bytes,
                 .disk_left = run->limits.disk_bytes, .files_left = run->limits.files,
                 .deterministic = run->deterministic, .clock_ns = WASI_CLOCK_START };
    for (uint32_t i = 0; i < run->inputs_n; i++) w->inputs[i] = inputs[i];
    crypto_drbg_init(&w->random, run->seed);
    uint64_t pages = run->limits.memory_bytes / 65536;
    w->pages_max = pages > 65535 ? 65535 : (uint32_t)pages;
    w->fds[0] = (struct wasi_fd){ .kind = WASI_FILE, .host = 0, .readable = true };
    w->fds[1] = (struct wasi_fd){ .kind = WASI_OUTPUT, .host = 1, .writable = true };
    w->fds[2] = (struct wasi_fd){ .kind = WASI_OUTPUT, .host = 2, .writable = true };
    w->fds[3] = (struct wasi_fd){ .kind = WASI_IN_DIR, .host = -1, .preopen = "/in", .readable = true };
    w->fds[4] = (struct wasi_fd){ .kind = WASI_DIR, .host = -1, .preopen = "/out", .readable = true, .writable = true };
    w->fds[5] = (struct wasi_fd){ .kind = WASI_DIR, .host = -1, .preopen = "/tmp", .readable = true, .writable = true };
    the_instance = w;
}

void wasi_end(wasi *w, enum sandbox_outcome outcome, uint32_t exit_code, const char *text) {
    struct wasi_report *r = w->report;
    r->pages = w->memory ? w->memory->pages : 0;
    r->exit_code = exit_code;
    if (text) snprintf(r->text, sizeof r->text, "%s", text);
    r->outcome = outcome;
    r->phase = WASI_ENDED;
    _exit(0);
}

void wasm_guest_allocate(wasm_rt_memory_t *m, uint32_t pages, uint32_t pages_max) {
    wasi *w = the_instance;
    if (pages > w->pages_max) {
        char text[128];
        snprintf(text, sizeof text, "the module starts with %u KiB of memory, the task's limit is %u KiB", pages * 64u,
                 w->pages_max * 64u);
        w->report->pages = pages;
        wasi_end(w, SANDBOX_MEMORY_EXCEEDED, 0, text);
    }
    wasm_rt_allocate_memory(m, pages, pages_max < w->pages_max ? pages_max : w->pages_max);
}

uint32_t wasm_guest_grow(wasm_rt_memory_t *m, uint32_t delta) {
    uint32_t old = wasm_rt_grow_memory(m, delta);
    if (old == UINT32_MAX) the_instance->report->grow_refused = 1;
    return old;
}

/* ---------------------------------------------------------------------------------------------- start values */

/* Pointers to each string at `list`, the strings one after another at `buf`. */
static uint32_t give_strings(wasi *w, struct vl_span packed, uint32_t n, uint32_t list, uint32_t buf) {
    uint8_t *text = wasi_mem(w, buf, packed.n);
    uint8_t *table = wasi_mem(w, list, 4ull * n);
    if (text == NULL || table == NULL) return WI_FAULT;
    if (packed.n) memcpy(text, packed.p, packed.n);
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        wasi_le32(table + 4ul * i, buf + (uint32_t)at);
        at += strlen((const char *)packed.p + at) + 1;
    }
    return WI_OK;
}

WASI_FN(args_get, uint32_t list, uint32_t buf) { return give_strings(w, w->argv, w->argc, list, buf); }
WASI_FN(environ_get, uint32_t list, uint32_t buf) { return give_strings(w, w->env, w->envc, list, buf); }

WASI_FN(args_sizes_get, uint32_t n, uint32_t size) {
    return wasi_put32(w, n, w->argc) && wasi_put32(w, size, (uint32_t)w->argv.n) ? WI_OK : WI_FAULT;
}

WASI_FN(environ_sizes_get, uint32_t n, uint32_t size) {
    return wasi_put32(w, n, w->envc) && wasi_put32(w, size, (uint32_t)w->env.n) ? WI_OK : WI_FAULT;
}

/* ---------------------------------------------------------------------------------------------- time and chance */

uint64_t wasi_now(wasi *w, bool monotonic) {
    if (w->deterministic) return w->clock_ns += WASI_CLOCK_STEP;
    struct timespec t;
    clock_gettime(monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* witx clockid: 0 realtime, 1 monotonic, 2 process CPU, 3 thread CPU. */
WASI_FN(clock_time_get, uint32_t id, uint64_t precision, uint32_t out) {
    (void)precision;
    if (id > 3) return WI_INVAL;
    uint64_t now;
    if (id >= 2 && !w->deterministic) {
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    } else {
        now = wasi_now(w, id == 1);
    }
    return wasi_put64(w, out, now) ? WI_OK : WI_FAULT;
}

WASI_FN(clock_res_get, uint32_t id, uint32_t out) {
    if (id > 3) return WI_INVAL;
    return wasi_put64(w, out, w->deterministic ? WASI_CLOCK_STEP : 1) ? WI_OK : WI_FAULT;
}

WASI_FN(random_get, uint32_t at, uint32_t n) {
    uint8_t *p = wasi_mem(w, at, n);
    if (p == NULL) return WI_FAULT;
    if (w->deterministic) crypto_drbg_bytes(&w->random, p, n);
    else crypto_random(p, n);
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- waiting */

static void sleep_until(wasi *w, uint64_t end, uint32_t clock) {
    if (w->deterministic) {
        if (end > w->clock_ns) w->clock_ns = end;
        return;
    }
    struct timespec t = { .tv_sec = (time_t)(end / 1000000000u), .tv_nsec = (long)(end % 1000000000u) };
    while (clock_nanosleep(clock == 1 ? CLOCK_MONOTONIC : CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

/* subscription: userdata u64, tag u8 at 8 (0 clock, 1 read, 2 write); clock: id u32 at 16, timeout u64 at 24, precision
 * u64 at 32, flags u16 at 40 (1: absolute); fd u32 at 16.  event: userdata u64, errno u16 at 8, type u8 at 10. */
struct subscription {
    uint64_t userdata, end;
    uint32_t clock, error;
    uint8_t tag;
};

static struct subscription subscription_read(wasi *w, const uint8_t *p) {
    struct subscription s = { .userdata = get64(p), .tag = p[8] };
    if (s.tag == 0) {
        s.clock = p[16];
        if (s.clock > 1) s.error = WI_NOTSUP;
        s.end = get64(p + 24);
        uint64_t now = p[40] & 1 ? 0 : wasi_now(w, s.clock == 1);
        s.end = s.end > UINT64_MAX - now ? UINT64_MAX : s.end + now;
        if (s.end / 1000000000u > INT32_MAX) s.end = INT32_MAX * 1000000000ull; /* the wall limit ends it long before */
        return s;
    }
    uint32_t fd = (uint32_t)get64(p + 16);
    if (s.tag > 2) s.error = WI_INVAL;
    else if (wasi_fd_get(w, fd) == NULL) s.error = WI_BADF;
    return s;
}

static void event_write(uint8_t *p, const struct subscription *s) {
    memset(p, 0, 32);
    wasi_le64(p, s->userdata);
    p[8] = (uint8_t)s->error;
    p[10] = s->tag;
    if (s->tag != 0 && s->error == WI_OK) wasi_le64(p + 16, 1); /* bytes: files are always ready */
}

WASI_FN(poll_oneoff, uint32_t in, uint32_t out, uint32_t n, uint32_t ret) {
    if (n == 0 || n > WASI_POLL_MAX) return WI_INVAL;
    const uint8_t *subs = wasi_mem(w, in, 48ull * n);
    if (subs == NULL || wasi_mem(w, out, 32ull * n) == NULL || wasi_mem(w, ret, 4) == NULL) return WI_FAULT;
    struct subscription all[WASI_POLL_MAX]; /* copied: input and output may overlap */
    uint64_t first = UINT64_MAX;
    uint32_t clock = 1, ready = 0;
    for (uint32_t i = 0; i < n; i++) {
        all[i] = subscription_read(w, subs + 48ul * i);
        if (all[i].tag != 0 || all[i].error) ready++;
        else if (all[i].end < first) {
            first = all[i].end;
            clock = all[i].clock;
        }
    }
    if (ready == 0) sleep_until(w, first, clock);
    uint32_t done = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].tag == 0 && all[i].error == WI_OK && (ready > 0 || all[i].end > first)) continue;
        event_write(wasi_mem(w, out + 32u * done, 32), &all[i]);
        done++;
    }
    wasi_put32(w, ret, done);
    return WI_OK;
}

WASI_FN(sched_yield) {
    (void)w;
    return WI_OK;
}

/* ---------------------------------------------------------------------------------------------- the end */

void Z_wasi_snapshot_preview1Z_proc_exit(wasi *w, uint32_t code);
void Z_wasi_snapshot_preview1Z_proc_exit(wasi *w, uint32_t code) { wasi_end(w, SANDBOX_EXITED, code & 0xff, NULL); }

WASI_FN(proc_raise, uint32_t signal) {
    (void)w;
    (void)signal;
    return WI_NOTSUP;
}

/* ---------------------------------------------------------------------------------------------- no network */

WASI_FN(sock_accept, uint32_t fd, uint32_t flags, uint32_t out) {
    (void)flags;
    (void)out;
    return wasi_fd_get(w, fd) ? WI_NOTSUP : WI_BADF;
}

WASI_FN(sock_recv, uint32_t fd, uint32_t iovs, uint32_t n, uint32_t flags, uint32_t size, uint32_t out) {
    (void)iovs;
    (void)n;
    (void)flags;
    (void)size;
    (void)out;
    return wasi_fd_get(w, fd) ? WI_NOTSUP : WI_BADF;
}

WASI_FN(sock_send, uint32_t fd, uint32_t iovs, uint32_t n, uint32_t flags, uint32_t out) {
    (void)iovs;
    (void)n;
    (void)flags;
    (void)out;
    return wasi_fd_get(w, fd) ? WI_NOTSUP : WI_BADF;
}

WASI_FN(sock_shutdown, uint32_t fd, uint32_t how) {
    (void)how;
    return wasi_fd_get(w, fd) ? WI_NOTSUP : WI_BADF;
}
