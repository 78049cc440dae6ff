/* toolchain.h - from a checked module to a shared object: wasm2c and gcc, themselves inside a jail, because both read
 * bytes that a stranger chose. Limits: 60 s of CPU, 120 s of wall time, 1 GiB of address space, no network, one writable
 * folder. The flags are those of deterministic results: the same module gives the same output bytes on x86-64 and ARM,
 * at -O1 and -O2. NaN: the sign of a NaN that arithmetic made differs between processors, so the one quiet NaN without
 * payload is made positive wherever a program could see its bits (float stores, reinterpretation, copysign). NaNs with a
 * payload pass untouched; which of two such payloads an operation keeps is the processor's choice. */
#ifndef VL_SANDBOX_TOOLCHAIN_H
#define VL_SANDBOX_TOOLCHAIN_H

#include "base/id.h"
#include "sandbox/confine.h"

#include <stdbool.h>
#include <sys/types.h>

#define TOOLCHAIN_CPU_S 60u
#define TOOLCHAIN_WALL_MS 120000u
#define TOOLCHAIN_MEMORY (1ul << 30) /* of address space */
#define TOOLCHAIN_INPUT "in.wasm"
#define TOOLCHAIN_OUTPUT "out.so"
#define TOOLCHAIN_LOG "log"

struct toolchain {
    bool ok;     /* wasm2c 1.0.32 and gcc are there */
    bool jailed; /* bubblewrap works: else rlimits, seccomp and (as root) a user of its own must do */
    char wasm2c[32], cc[128], bwrap[64]; /* versions, "" when missing */
    char missing[256];                   /* what to install, "" when nothing */
    struct vl_hash hash;                 /* versions, flags, our C text and the ABI */
};

/* Runs the three programs with --version and a trial jail: some 30 ms. */
void toolchain_probe(struct toolchain *t, const struct confine *c);

/* Starts the compilation of dir/in.wasm to dir/out.so with messages in dir/log; the folder belongs to the user of
 * `uid_slot`.  The child's pid, or -1 with errno set.  Kill it after TOOLCHAIN_WALL_MS. */
pid_t toolchain_start(const struct toolchain *t, const struct confine *c, const char *dir, unsigned level,
                      uint32_t uid_slot, int parent);
/* A sentence for people of how it ended (a status of waitpid, not 0), with what its log says beside warnings. */
void toolchain_explain(int status, const char *dir, char *text, size_t cap);

#endif
