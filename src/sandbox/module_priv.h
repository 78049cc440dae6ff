/* module_priv.h - shared by module.c (sections) and module_code.c (instructions). */
#ifndef VL_SANDBOX_MODULE_PRIV_H
#define VL_SANDBOX_MODULE_PRIV_H

#include "sandbox/module.h"

struct module_walk {
    struct vl_reader r;     /* the section or body at hand */
    struct vl_errmsg *why;
    uint32_t types, funcs, tables, memories, globals, elems, datas; /* how many of each index exist so far */
};

/* LEB128 of at most 32 (33 signed, 64 signed) bits, minimal bits checked; fail the reader on overlong forms. */
uint32_t module_u32(struct vl_reader *r);
int64_t module_s33(struct vl_reader *r);
void module_skip_s64(struct vl_reader *r);

/* One value type.  VL_EUNSUPPORTED names SIMD, GC and so on. */
VL_MUST_CHECK enum vl_err module_valtype(struct module_walk *m, uint8_t t);
/* A constant expression up to its `end`; *ret_i32 (may be NULL) is its value when it is one i32.const, else 0. */
VL_MUST_CHECK enum vl_err module_const_expr(struct module_walk *m, uint32_t *ret_i32);
/* A function body: locals, then instructions up to the last byte of m->r. */
VL_MUST_CHECK enum vl_err module_body(struct module_walk *m);

#endif
