/* guest.h - the process of one WebAssembly task, from fork to its end: descriptors, walls, load, run.
 * Started by fork without exec, because exec and dynamic linking alone would cost more than the rest. */
#ifndef VL_SANDBOX_GUEST_H
#define VL_SANDBOX_GUEST_H

#include "sandbox/confine.h"
#include "sandbox/request.h"
#include "sandbox/wasi.h"

#define GUEST_ABI 1u /* of the table below; part of the toolchain hash */
#define GUEST_MODULE_FILE "m.so" /* the compiled module in the task's root folder; removed before the program starts */

/* What a compiled module exports, one symbol "village_module"; written in C text by compile.c. */
struct guest_module {
    uint32_t abi, instance_size;
    void (*init)(void);
    void (*instantiate)(void *instance, wasi *w);
    wasm_rt_memory_t *(*memory)(void *instance);
    void (*start)(void *instance);
};

struct guest {
    const struct confine *confine;
    const struct sandbox_run *run;
    struct wasi_report *report;    /* shared with the runner */
    const char *root_dir;          /* the program's root folder, holds GUEST_MODULE_FILE */
    const char *stdout_path, *stderr_path;
    uint32_t slot;
    int parent;                    /* pid of the runner */
};

/* In the child, never returns. */
_Noreturn void guest_main(const struct guest *g);

/* The trap number of wasm2c's runtime as ours, and a sentence for people. */
enum sandbox_trap guest_trap(uint32_t wasm_rt_trap);
const char *guest_trap_text(enum sandbox_trap trap);

#endif
