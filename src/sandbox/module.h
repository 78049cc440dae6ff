/* module.h - may this WebAssembly module be given to wasm2c?  A strict walk over all sections and every instruction of
 * every body (types on the operand stack are checked by wasm2c itself). wasm2c 1.0.32 aborts on SIMD and knows nothing of
 * threads, so modules with such features are refused here, with the name of the feature and the flag that avoids it.
 * Source: WebAssembly Core Specification 2.0, section 5 (binary format). Pure; allocates one table. */
#ifndef VL_SANDBOX_MODULE_H
#define VL_SANDBOX_MODULE_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define MODULE_PAGES_MAX 65535u     /* 65,536 pages overflow the 32-bit size of wasm2c's runtime */
#define MODULE_FUNCTIONS_MAX 200000u /* a 64 MiB module of one-line functions; the C compiler would need hours */
#define MODULE_TABLE_MAX 1000000u   /* entries at the start: 24 MB of host memory */
#define MODULE_LOCALS_MAX 50000u    /* of a function, as in browsers: bounds the native stack frame */
#define MODULE_NESTING_MAX 20000u   /* blocks in blocks: a switch of many cases is one nest */

struct module_info {
    uint32_t pages_min;    /* of the memory, 64 KiB each */
    uint32_t pages_max;    /* as declared, at most MODULE_PAGES_MAX */
    uint32_t functions;    /* defined, without imports */
    uint32_t imports;
    uint32_t code_bytes;
    bool stack_above_data; /* a stack overflow would silently overwrite globals: link with -Wl,--stack-first */
};

/* VL_EPARSE: not a WebAssembly module.  VL_EUNSUPPORTED: a feature, an import or a missing export; VL_ELIMIT: too large.
 * `why` (not NULL) then holds one sentence for the module's author.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err module_check(struct vl_span wasm, struct module_info *ret, struct vl_errmsg *why);

/* Appends the module without its custom sections (names, debug information): less for the compiler to read and to trip
 * over.  `wasm` has passed module_check().  Errors of vl_buf_append. */
VL_MUST_CHECK enum vl_err module_strip(struct vl_span wasm, struct vl_buf *out);

#endif
