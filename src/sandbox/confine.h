/* confine.h - the walls around a WebAssembly task, and the seccomp filters of all tasks.
 * A WebAssembly program is held first by its own translation (every memory access inside its linear memory); these walls
 * stand in case wasm2c, the C compiler or our WASI functions have a hole: rlimits, an empty root folder (chroot), a user
 * of its own without capabilities, no_new_privs, Landlock where the kernel has it, and seccomp filters that know no
 * socket, no exec, no fork, no signal. No namespaces for these tasks: without those system calls there is nothing left
 * for them to separate, and a network namespace alone costs more than the whole task. */
#ifndef VL_SANDBOX_CONFINE_H
#define VL_SANDBOX_CONFINE_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFINE_UID_FIRST 61300u /* with root: uid of slot 0; inside systemd's range for such users (61184-65519) */

/* Made once at the start of the runner, before the first task. */
struct confine {
    bool root;           /* the runner is root and may change users: tasks get uids of their own */
    bool user_namespace; /* not root, but a user namespace gives the right to chroot */
    bool chroot;         /* possible, by whichever way */
    int landlock;      /* version of its interface; 0: this kernel has none */
    struct vl_buf load, run; /* BPF: while a module is loaded; while it runs */
    int native_fd;     /* memory file with the BPF of native tasks, for bubblewrap; close-on-exec; -1: not made */
    int native_net_fd; /* the same for tasks with network */
};

/* Builds filters and probes.  VL_EUNSUPPORTED: no seccomp here, nothing can run.  VL_ENOMEM, VL_EIO. */
VL_MUST_CHECK enum vl_err confine_create(struct confine *c, struct vl_errmsg *why);
void confine_destroy(struct confine *c);

struct confine_limits {
    uint64_t memory_bytes; /* beside the program's own: adds room for the runtime */
    uint64_t file_bytes;   /* the largest single file */
    uint64_t cpu_ms;       /* 0: none */
};

/* The following run in the child only, in this order; each returns 0 or an errno, and the child must then end. */
int confine_limit(const struct confine_limits *l);
/* Enters `root_fd` as the root folder (when possible), becomes the user of `slot`, asks to die with `parent`. */
int confine_enter(const struct confine *c, int root_fd, uint32_t slot, int parent);
/* Only loading a shared object is possible from here. */
int confine_load(const struct confine *c);
/* Only what WASI needs is possible from here. */
int confine_run(const struct confine *c);
/* For a program started without bubblewrap: no new privileges, no capabilities, the filter of native tasks. */
int confine_native(const struct confine *c);

#endif
