/* wasi.h - WASI preview 1 for one program in one process: state, start values, and how it ends.
 * All 46 functions are there; sockets and links answer "not supported", the rest is real. The program sees three folders:
 * /in (read only, made of files opened beforehand), /out and /tmp (made on first use below the task's root folder).
 * Guest pointers are checked as offset + length in 64 bits. In deterministic mode the clock is virtual (starts at
 * WASI_CLOCK_START and advances by WASI_CLOCK_STEP a question, or by the time slept), random bytes are ChaCha20 of the
 * seed, file times are 0, inode numbers are a hash of the name; listings are sorted and fd numbers lowest-first in any
 * mode. Names follow the witx of WASI legacy/preview1. Not thread-safe; one instance a process. */
#ifndef VL_SANDBOX_WASI_H
#define VL_SANDBOX_WASI_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "crypto/drbg.h"
#include "sandbox/request.h"

#include <stdbool.h>
#include <stdint.h>
#include <wasm-rt.h>

#define WASI_FDS_MAX 256u                          /* open at once; below confine's RLIMIT_NOFILE */
#define WASI_CLOCK_START 1600000000000000000ull    /* ns; any fixed moment: 2020-09-13 */
#define WASI_CLOCK_STEP 1000ull                    /* ns */
#define WASI_POLL_MAX 1024u                        /* subscriptions of one poll_oneoff */
#define WASI_LISTING_MAX 65536u                    /* entries of one folder */

/* A page shared with the runner; the runner believes nothing in it without a check (the task may have broken out). */
struct wasi_report {
    uint32_t phase;        /* enum wasi_phase */
    uint32_t outcome;      /* enum sandbox_outcome, 0 while it runs */
    uint32_t trap;         /* wasm_rt_trap_t */
    uint32_t exit_code;
    uint32_t pages;        /* of linear memory, at the end */
    uint32_t grow_refused; /* memory.grow said no because of the limit */
    char text[256];
};
enum wasi_phase { WASI_SETUP = 0, WASI_RUNNING = 1, WASI_ENDED = 2 };

enum wasi_fd_kind {
    WASI_FREE = 0,
    WASI_OUTPUT,   /* stdout, stderr: counted against output_bytes */
    WASI_FILE,     /* host file with its own offset: stdin, files of /out and /tmp */
    WASI_IN_DIR,   /* /in */
    WASI_IN_FILE,  /* one input: shares the host file, has an offset here */
    WASI_DIR,      /* host folder */
};
struct wasi_listing {
    char *names;      /* NUL-terminated, sorted */
    uint8_t *types;
    uint32_t *starts;
    uint32_t n;
};
struct wasi_fd {
    enum wasi_fd_kind kind;
    int host;              /* -1: a preopened folder not made yet */
    const char *preopen;   /* "/out" */
    bool readable, writable;
    uint16_t flags;        /* fdflags as asked for */
    uint32_t input;        /* WASI_IN_FILE */
    uint64_t offset;
    uint64_t ino;          /* deterministic mode */
    struct wasi_listing list;
};

struct wasi_input {
    const char *name;
    int fd;
    uint64_t size;
};

/* The type name is wasm2c's: it makes it of the import module's name. */
typedef struct Z_wasi_snapshot_preview1_instance_t {
    wasm_rt_memory_t *memory;
    struct wasi_report *report;
    uint32_t argc, envc;
    struct vl_span argv, env;
    struct wasi_input inputs[VL_TASK_INPUTS_MAX];
    uint32_t inputs_n;
    int root; /* O_PATH: holds out and tmp */
    uint64_t output_left, disk_left;
    uint32_t files_left;
    uint32_t pages_max;
    bool deterministic;
    struct crypto_drbg random;
    uint64_t clock_ns;
    struct wasi_fd fds[WASI_FDS_MAX];
} wasi;

/* Fills in everything but memory.  Host descriptors 0, 1, 2 are the standard streams; `inputs` have their names and
 * files; borrows run (also its strings) and report for as long as the program runs. */
void wasi_init(wasi *w, const struct sandbox_run *run, const struct wasi_input *inputs, int root,
               struct wasi_report *report);
/* Ends the process; the runner reads the report.  text may be NULL. */
_Noreturn void wasi_end(wasi *w, enum sandbox_outcome outcome, uint32_t exit_code, const char *text);

/* In place of wasm_rt_allocate_memory and wasm_rt_grow_memory (the compiler flags rename the calls): the same, held to
 * pages_max of the one instance that wasi_init made last. */
void wasm_guest_allocate(wasm_rt_memory_t *m, uint32_t pages, uint32_t pages_max);
uint32_t wasm_guest_grow(wasm_rt_memory_t *m, uint32_t delta);

#endif
