/* request.h - what node and runner say to each other over their SOCK_SEQPACKET socket pair: one packet, one message.
 * A small fixed table of typed messages with strict codecs (the idea is OpenSSH's mon_table): every field has its range,
 * an unknown kind, a wrong length or one trailing byte is VL_EPARSE. Both sides use this file.
 * Layout: u8 kind, then the fields in the order of the structs, big-endian; a string is u16 length, its bytes, a NUL that
 * is not counted (so that decoded strings are C strings borrowed from the packet, without inner NULs).
 *
 * Conversation: node HELLO -> runner HELLO; then COMPILE -> COMPILED; RUN -> STARTED -> EXITED, or EXITED alone when
 * refused; the files that EXITED names live until RELEASE; KILL ends a task early (EXITED still comes); STATS -> STATS;
 * PACE, which counts from then on for all tasks, also those that start later.
 * An EXITED with outcome REFUSED ends the task at once: nothing to release. A message that is not allowed in the present
 * state is answered by REFUSED and changes nothing; for RUN: VL_EBUSY all SANDBOX_JOBS_MAX places are taken (try after a
 * RELEASE), VL_EEXISTS the number is in use, VL_ESTATE before HELLO; for KILL and RELEASE: VL_ENOTFOUND, VL_ESTATE. */
#ifndef VL_SANDBOX_REQUEST_H
#define VL_SANDBOX_REQUEST_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_PROTOCOL 1u
#define SANDBOX_MESSAGE_MAX 65536u     /* a packet; 64 paths of 512 bytes, arguments and headers fit */
#define SANDBOX_PATH_MAX 512u          /* a path on this machine, with the NUL */
#define SANDBOX_TEXT_MAX 2048u         /* a message for people, with the NUL */
#define SANDBOX_JOBS_MAX 64u           /* tasks inside a runner that run, wait for a compilation or wait for RELEASE */
#define SANDBOX_MODULE_MAX (64u << 20) /* bytes of a WebAssembly module: more would take minutes of compiler time */

/* Numbers are on the wire of the socket pair and, as outcome, in receipts and in the store: never renumber. */
enum sandbox_kind { SANDBOX_WASM = 1, SANDBOX_NATIVE = 2 };
enum sandbox_outcome {
    SANDBOX_EXITED = 1,           /* by itself; exit_code 0..255 */
    SANDBOX_TRAPPED = 2,          /* WebAssembly trap, or a native program ended by a signal: see trap */
    SANDBOX_TIMED_OUT = 3,        /* limits.timeout_ms of wall time */
    SANDBOX_CPU_EXCEEDED = 4,
    SANDBOX_MEMORY_EXCEEDED = 5,
    SANDBOX_DISK_EXCEEDED = 6,    /* disk_bytes or files */
    SANDBOX_OUTPUT_EXCEEDED = 7,  /* stdout and stderr together */
    SANDBOX_PROCESS_LIMIT = 8,    /* native only: a fork was refused and the program failed */
    SANDBOX_KILLED = 9,           /* by KILL */
    SANDBOX_REFUSED = 10,         /* never started: bad module, not possible on this machine, out of slots; see message */
    SANDBOX_INTERNAL = 11,        /* the sandbox itself failed: try elsewhere */
};
enum sandbox_trap {
    SANDBOX_TRAP_NONE = 0,
    SANDBOX_TRAP_OUT_OF_BOUNDS = 1,
    SANDBOX_TRAP_INT_OVERFLOW = 2,
    SANDBOX_TRAP_DIVIDE_BY_ZERO = 3,
    SANDBOX_TRAP_BAD_CONVERSION = 4,
    SANDBOX_TRAP_UNREACHABLE = 5,
    SANDBOX_TRAP_BAD_INDIRECT_CALL = 6,
    SANDBOX_TRAP_STACK_OVERFLOW = 7,
    SANDBOX_TRAP_SIGNAL = 8,      /* exit_code is 128 + the signal */
    SANDBOX_TRAP_FORBIDDEN = 9,   /* a system call that the sandbox forbids */
};
/* Stable short names ("timed_out", "divide_by_zero") for receipts, REST and logs; "unknown" outside the table. */
const char *sandbox_outcome_name(enum sandbox_outcome o);
const char *sandbox_trap_name(enum sandbox_trap t);

struct sandbox_limits {
    uint64_t timeout_ms;   /* wall time of the program, 1 .. 30 days */
    uint64_t cpu_ms;       /* of all its processes; 0: no limit beside the wall time */
    uint64_t memory_bytes; /* 64 KiB .. 1 TiB; WebAssembly: linear memory, at most 4 GiB - 64 KiB whatever is said here */
    uint64_t disk_bytes;   /* all it writes to /out and /tmp, up to 1 TiB */
    uint64_t output_bytes; /* stdout and stderr together, up to 1 TiB */
    uint32_t processes;    /* 1 .. 4096, native only; a WebAssembly program is always one */
    uint32_t files;        /* files and directories it may create, 1 .. 1000000 */
};
/* The defaults of the REST contract. */
struct sandbox_limits sandbox_limits_default(void);

/* ------------------------------------------------------------------------------------------- node -> runner */
enum sandbox_request_kind {
    SANDBOX_REQ_HELLO = 1,
    SANDBOX_REQ_COMPILE = 2,
    SANDBOX_REQ_RUN = 3,
    SANDBOX_REQ_KILL = 4,
    SANDBOX_REQ_RELEASE = 5,
    SANDBOX_REQ_STATS = 6,
    SANDBOX_REQ_PACE = 7, /* of all tasks together; no answer */
};

struct sandbox_compile {
    struct vl_hash module;   /* BLAKE2b-256 of the file */
    const char *module_path; /* absolute */
    uint8_t level;           /* 1 (quick) or 2 */
};
struct sandbox_input {
    const char *name; /* 1 .. VL_NAME_MAX - 1 bytes, no '/', not "." or "..", unique */
    const char *path; /* absolute; mode 0444 spares native tasks a copy when the runner is root */
};
struct sandbox_run {
    uint64_t task;                /* the node's own number; unique among the tasks it has not released */
    enum sandbox_kind kind;
    struct vl_hash module;        /* wasm: BLAKE2b-256 of module_path; all zero for native */
    const char *program;          /* wasm: absolute path of the module (compiled first when the cache has it not);
                                     native: absolute path of the program as the sandbox sees it, "/usr/bin/wc" */
    uint32_t argc, envc;          /* argc 1 .. VL_ARGS_MAX with argv[0]; envc 0 .. VL_ARGS_MAX */
    struct vl_span argv, env;     /* packed "a\0b\0" and "K=V\0"; together at most VL_ARGS_BYTES */
    const char *stdin_path;       /* absolute, or "" for empty input */
    uint32_t inputs_n;
    struct sandbox_input inputs[VL_TASK_INPUTS_MAX]; /* appear as /in/NAME, read only */
    struct sandbox_limits limits;
    bool deterministic;           /* wasm: virtual clock, random from seed */
    bool network;                 /* native only: share the machine's network */
    uint8_t seed[32];
};
struct sandbox_request {
    enum sandbox_request_kind kind;
    union {
        uint32_t protocol;              /* HELLO: SANDBOX_PROTOCOL */
        struct sandbox_compile compile; /* COMPILE */
        struct sandbox_run run;         /* RUN */
        uint64_t task;                  /* KILL, RELEASE */
        uint32_t cap_milli;             /* PACE: share of all processors in 1/1000; 0: frozen, 1000: no limit */
    } u;
};

/* ------------------------------------------------------------------------------------------- runner -> node */
enum sandbox_event_kind {
    SANDBOX_EVT_HELLO = 1,
    SANDBOX_EVT_COMPILED = 2,
    SANDBOX_EVT_STARTED = 3,
    SANDBOX_EVT_EXITED = 4,
    SANDBOX_EVT_STATS = 5,
    SANDBOX_EVT_REFUSED = 6,
};
enum sandbox_cgroup { SANDBOX_CGROUP_NONE = 0, SANDBOX_CGROUP_V1 = 1, SANDBOX_CGROUP_V2 = 2 };

/* What this machine can do.  wasm and native false: tasks of that kind are refused, `text` says why. */
struct sandbox_hello {
    uint32_t protocol;
    bool wasm;                /* wasm2c 1.0.32, a C compiler and seccomp are there */
    bool native;              /* bubblewrap works here */
    bool chroot;              /* WebAssembly tasks lose sight of the file system (root, or user namespaces permitted);
                                 false: seccomp, rlimits and WASI's own path rules only, degraded */
    bool landlock;
    bool compile_sandboxed;   /* wasm2c and the C compiler run inside bubblewrap */
    enum sandbox_cgroup cgroup;
    struct vl_hash toolchain; /* of everything that may change a compiled module: goes into receipts */
    const char *wasm2c;       /* versions as text, "" when missing */
    const char *cc;
    const char *bwrap;
    const char *text;         /* what is missing or degraded and what to install, "" when nothing */
};
struct sandbox_compiled {
    struct vl_hash module;
    uint8_t level;
    bool ok, cached;  /* cached: it was there already */
    uint32_t ms;
    const char *text; /* ok false: what is wrong with the module and which compiler flag avoids it; else warnings */
};
struct sandbox_output {
    const char *name; /* "stdout", "stderr", or the name of a file in /out made safe: [A-Za-z0-9._-] and bytes >= 0x80 */
    const char *path; /* absolute, of the runner's work folder; readable until RELEASE */
    uint64_t size;
};
struct sandbox_exited {
    uint64_t task;
    enum sandbox_outcome outcome;
    enum sandbox_trap trap;
    int32_t exit_code;   /* 0..255; 128 + signal; -1 when it did not end by itself */
    uint64_t cpu_us, wall_us, peak_bytes;
    uint32_t ignored;    /* things in /out that are not returned: links, folders, pipes, too many, bad names */
    const char *text;    /* for people; "" after a plain exit */
    uint32_t outputs_n;  /* 0 when refused; else stdout and stderr first, then files sorted by name */
    struct sandbox_output outputs[VL_TASK_OUTPUTS_MAX];
};
struct sandbox_stats {
    uint64_t started, ended, compiled, compile_failed, cache_hits, cache_rebuilt, cache_bytes, malformed;
    uint32_t running, waiting, unreleased;
};
struct sandbox_event {
    enum sandbox_event_kind kind;
    union {
        struct sandbox_hello hello;
        struct sandbox_compiled compiled;
        uint64_t task; /* STARTED */
        struct sandbox_exited exited;
        struct sandbox_stats stats;
        struct {
            uint8_t request; /* its kind, 0 when it could not be read */
            uint64_t task;   /* 0 when it has none */
            enum vl_err err;
            const char *text;
        } refused;
    } u;
};

/* ------------------------------------------------------------------------------------------- codecs
 * Encoders check the same ranges as decoders: VL_ERANGE for a value outside them, VL_ELIMIT when cap is too small
 * (SANDBOX_MESSAGE_MAX always suffices).  Decoders borrow from `packet`: *ret lives as long as it does.  VL_EPARSE. */
VL_MUST_CHECK enum vl_err sandbox_request_encode(const struct sandbox_request *req, void *dst, size_t cap, size_t *ret_n);
VL_MUST_CHECK enum vl_err sandbox_request_decode(struct vl_span packet, struct sandbox_request *ret);
VL_MUST_CHECK enum vl_err sandbox_event_encode(const struct sandbox_event *ev, void *dst, size_t cap, size_t *ret_n);
VL_MUST_CHECK enum vl_err sandbox_event_decode(struct vl_span packet, struct sandbox_event *ret);

#endif
