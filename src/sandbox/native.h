/* native.h - the process of one native task, from fork to the exec of bubblewrap. */
#ifndef VL_SANDBOX_NATIVE_H
#define VL_SANDBOX_NATIVE_H

#include "sandbox/cgroup.h"
#include "sandbox/confine.h"
#include "sandbox/request.h"
#include "sandbox/wasi.h"

struct native {
    const struct confine *confine;
    const struct cgroups *cgroups;
    const struct sandbox_run *run;
    struct wasi_report *report; /* phase and text tell of a failure before exec */
    const char *root_dir;       /* holds out, and in for inputs that had to be copied */
    const char *stdout_path, *stderr_path;
    uint32_t slot;
    int parent, info_fd;
};
/* In the child, never returns. */
_Noreturn void native_main(const struct native *n);

#endif
