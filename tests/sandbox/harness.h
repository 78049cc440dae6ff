/* harness.h - a real runner in a process of its own, and programs made by clang for wasm32-wasi at test time. */
#ifndef VL_TESTS_SANDBOX_HARNESS_H
#define VL_TESTS_SANDBOX_HARNESS_H

#include "check.h"

#include "sandbox/request.h"
#include "sandbox/runner.h"

#include <stdbool.h>
#include <sys/types.h>

struct rig {
    pid_t pid;
    int fd;
    char dir[128]; /* holds work/, cache/, files/ */
    uint8_t packet[SANDBOX_MESSAGE_MAX];
    struct sandbox_event ev; /* the last one received; borrows packet */
};
/* A runner that has said HELLO (in rig.ev).  `keep`: a folder with a cache of its own, NULL: a new one, and the cache that
 * all tests share. */
struct rig *rig_start(const char *keep);
struct rig *rig_start_with(const char *keep, struct runner_config cfg);
/* Closes the socket, waits, checks exit code 0 and that the work folder is empty; removes the folder when `drop`. */
void rig_stop(struct rig *g, bool drop);
void rig_send(struct rig *g, const struct sandbox_request *q);
/* The next event, within 120 s (a first compilation under sanitizers on a busy machine). */
struct sandbox_event *rig_event(struct rig *g);
/* false: no event within ms. */
bool rig_event_within(struct rig *g, int ms);
/* Skips others until the EXITED of `task`. */
struct sandbox_exited *rig_exited(struct rig *g, uint64_t task);
void rig_release(struct rig *g, uint64_t task);

/* A RUN with defaults: one argument, short limits (20 s), nothing else. */
struct sandbox_request run_wasm(uint64_t task, const char *module_path);
struct sandbox_request run_native(uint64_t task, const char *program);
/* Sends, skips STARTED, returns the end. */
struct sandbox_exited *rig_run(struct rig *g, struct sandbox_request *q);
/* The words, as packed arguments; static storage, one call at a time. */
void run_args(struct sandbox_request *q, const char *const words[]);
void run_env(struct sandbox_request *q, const char *const words[]);

/* Whole content of an output, NUL-terminated, static storage; "" when absent. */
const char *output_text(const struct sandbox_exited *e, const char *name);
/* Writes files/NAME in the rig's folder and returns its path (static ring of 8). */
const char *rig_file(struct rig *g, const char *name, const void *p, size_t n);
/* Compiles programs/NAME (or an absolute path) for wasm32-wasi; the path of the .wasm, or NULL when clang, its wasm target or wasi-libc is missing.
 * One compilation for each name in the life of the test program.  flags: NULL or one more. */
const char *wasm_from_c(const char *name, const char *flags);
const char *wasm_from_rust(const char *name); /* NULL: no rustc, or not for wasm32-wasi */
/* `compiler`: "go" or "tinygo".  NULL: it is not here or cannot compile for wasip1. */
const char *wasm_from_go(const char *compiler, const char *name);
void hash_of_file(const char *path, struct vl_hash *ret);
#define NEED_WASM(path)                                                                                                \
    do {                                                                                                               \
        if ((path) == NULL) SKIP("clang, lld or wasi-libc is missing");                                                \
    } while (0)

#endif
