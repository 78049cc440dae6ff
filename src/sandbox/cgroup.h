/* cgroup.h - memory, process and CPU accounting of native tasks by control groups, version 1 or 2, where we may make
 * them; where not, rlimits alone hold the tasks and the runner says so. WebAssembly tasks need none: one process, whose
 * memory is bounded by its own linear memory. */
#ifndef VL_SANDBOX_CGROUP_H
#define VL_SANDBOX_CGROUP_H

#include "sandbox/request.h"

#include <stdbool.h>
#include <stdint.h>

struct cgroups {
    enum sandbox_cgroup version;
    bool memory, pids, cpu;                     /* which of them can be used */
    char memory_dir[256], pids_dir[256], cpu_dir[256]; /* version 2: all the same folder */
    int held[3];                                       /* locks on them: this runner lives; -1: none */
};

/* Makes the runner's own folder in each hierarchy and removes those of dead runners.  None possible: version NONE.
 * Version 2: when the runner and its parent are alone in a group that was delegated, both move into a group below. */
void cgroups_open(struct cgroups *g);
void cgroups_close(struct cgroups *g);

/* A group for the task of `slot`.  false: it could not be made or limited (then it is gone again). */
bool cgroup_make(const struct cgroups *g, uint32_t slot, uint64_t memory_bytes, uint32_t processes);
/* The calling process enters it; in the child, before exec.  false: it could not. */
bool cgroup_enter(const struct cgroups *g, uint32_t slot);

struct cgroup_figures {
    uint64_t peak_bytes, cpu_us; /* 0: unknown */
    bool out_of_memory, out_of_pids;
};
void cgroup_read(const struct cgroups *g, uint32_t slot, struct cgroup_figures *ret);
/* All processes of the task stand still, or go on.  Version 2 only; false: not possible here. */
bool cgroup_freeze(const struct cgroups *g, uint32_t slot, bool on);
/* After all processes of the task are gone. */
void cgroup_remove(const struct cgroups *g, uint32_t slot);

#endif
