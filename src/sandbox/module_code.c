#include "sandbox/module_priv.h"

#include <string.h>

static enum vl_err bad(struct module_walk *m, const char *what) {
    return vl_errmsg_set(m->why, VL_EPARSE, "not a valid WebAssembly module: %s", what);
}

static enum vl_err unsupported(struct module_walk *m, const char *what, const char *how) {
    return vl_errmsg_set(m->why, VL_EUNSUPPORTED, "the module uses %s, which this sandbox cannot run: %s", what, how);
}

/* WebAssembly 5.2.2: the last byte of an N-bit integer may carry only the bits that are left. */
static uint64_t leb(struct vl_reader *r, unsigned bits, bool is_signed) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t b = vl_read_u8(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b & 0x80) continue;
        unsigned left = bits - shift;
        if (left < 7) {
            uint8_t top = (uint8_t)(b >> (is_signed ? left - 1 : left));
            uint8_t ones = (uint8_t)(0x7f >> (is_signed ? left - 1 : left));
            if (top != 0 && !(is_signed && top == ones)) r->failed = true;
        }
        if (is_signed && (b & 0x40) && shift + 7 < 64) v |= UINT64_MAX << (shift + 7);
        return r->failed ? 0 : v;
    }
    r->failed = true;
    return 0;
}

uint32_t module_u32(struct vl_reader *r) { return (uint32_t)leb(r, 32, false); }
int64_t module_s33(struct vl_reader *r) { return (int64_t)leb(r, 33, true); }
void module_skip_s64(struct vl_reader *r) { (void)leb(r, 64, true); }

static enum vl_err simd(struct module_walk *m) {
    return unsupported(m, "SIMD (128-bit vectors)",
                       "compile without -msimd128 (Rust: -C target-feature=-simd128; Zig: -mcpu=baseline)");
}

static enum vl_err gc(struct module_walk *m) {
    return unsupported(m, "garbage-collected types or typed function references",
                       "compile for plain WebAssembly 2.0 (linear memory), not WasmGC");
}

static enum vl_err exceptions(struct module_walk *m) {
    return unsupported(m, "exception handling",
                       "compile with -fno-exceptions, without -fwasm-exceptions (Rust: -C panic=abort)");
}

static enum vl_err tail_calls(struct module_walk *m) {
    return unsupported(m, "tail calls", "compile without -mtail-call (Rust: -C target-feature=-tail-call)");
}

enum vl_err module_valtype(struct module_walk *m, uint8_t t) {
    if ((t >= 0x7c && t <= 0x7f) || t == 0x70 || t == 0x6f) return VL_OK;
    if (t == 0x7b) return simd(m);
    if (t == 0x69) return exceptions(m);
    if (t >= 0x63 && t <= 0x6e) return gc(m);
    return bad(m, "unknown value type");
}

static enum vl_err index_below(struct module_walk *m, uint32_t limit, const char *what) {
    uint32_t i = module_u32(&m->r);
    if (m->r.failed || i >= limit) return bad(m, what);
    return VL_OK;
}

static enum vl_err block_type(struct module_walk *m) {
    int64_t t = module_s33(&m->r);
    if (m->r.failed) return bad(m, "a block type is cut short");
    if (t >= 0) return t < m->types ? VL_OK : bad(m, "a block names a type that does not exist");
    if (t == -64) return VL_OK; /* 0x40: empty */
    return t < -64 ? bad(m, "unknown block type") : module_valtype(m, (uint8_t)(t & 0x7f));
}

static enum vl_err memarg(struct module_walk *m) {
    uint32_t align = module_u32(&m->r);
    module_u32(&m->r);
    if (align & 0x40) return unsupported(m, "more than one memory", "compile without -mmultimemory");
    if (m->r.failed || align > 3 || m->memories == 0) return bad(m, "bad memory access");
    return VL_OK;
}

static enum vl_err zero_byte(struct module_walk *m) {
    uint8_t b = vl_read_u8(&m->r);
    if (m->r.failed || m->memories == 0) return bad(m, "bad memory instruction");
    return b == 0 ? VL_OK : unsupported(m, "more than one memory", "compile without -mmultimemory");
}

static enum vl_err prefixed_fc(struct module_walk *m) {
    uint32_t op = module_u32(&m->r);
    enum vl_err err = VL_OK;
    if (m->r.failed) return bad(m, "an instruction is cut short");
    if (op <= 7) return VL_OK; /* saturating truncations */
    switch (op) {
    case 8: /* memory.init */
        err = index_below(m, m->datas, "memory.init names a missing data segment");
        return err ? err : zero_byte(m);
    case 9: return index_below(m, m->datas, "data.drop names a missing data segment");
    case 10: /* memory.copy */
        err = zero_byte(m);
        return err ? err : zero_byte(m);
    case 11: return zero_byte(m);
    case 12: /* table.init */
        err = index_below(m, m->elems, "table.init names a missing element segment");
        return err ? err : index_below(m, m->tables, "table.init names a missing table");
    case 13: return index_below(m, m->elems, "elem.drop names a missing element segment");
    case 14: /* table.copy */
        err = index_below(m, m->tables, "table.copy names a missing table");
        return err ? err : index_below(m, m->tables, "table.copy names a missing table");
    case 15:
    case 16:
    case 17: return index_below(m, m->tables, "a table instruction names a missing table");
    default: return bad(m, "unknown instruction 0xfc");
    }
}

static enum vl_err br_table(struct module_walk *m) {
    uint32_t n = module_u32(&m->r);
    if (m->r.failed || n > m->r.n) return bad(m, "a branch table is cut short");
    for (uint64_t i = 0; i <= n; i++) module_u32(&m->r);
    return m->r.failed ? bad(m, "a branch table is cut short") : VL_OK;
}

/* Immediates of the opcodes from 0x00 to 0x26 and from 0xd0; 0x05 and 0x0b are the caller's. */
static enum vl_err control(struct module_walk *m, uint8_t op) {
    enum vl_err err;
    switch (op) {
    case 0x00: /* unreachable */
    case 0x01: /* nop */
    case 0x0f: /* return */
    case 0x1a: /* drop */
    case 0x1b: /* select */
    case 0xd1: /* ref.is_null */ return VL_OK;
    case 0x02:
    case 0x03:
    case 0x04: return block_type(m);
    case 0x0c:
    case 0x0d: module_u32(&m->r); return VL_OK;
    case 0x0e: return br_table(m);
    case 0x10:
    case 0xd2: return index_below(m, m->funcs, "a call names a missing function");
    case 0x11:
        err = index_below(m, m->types, "call_indirect names a missing type");
        return err ? err : index_below(m, m->tables, "call_indirect names a missing table");
    case 0x1c: /* select with types: exactly one (5.4.2) */
        if (module_u32(&m->r) != 1) return bad(m, "select with more than one type");
        return module_valtype(m, vl_read_u8(&m->r));
    case 0x20:
    case 0x21:
    case 0x22: module_u32(&m->r); return VL_OK;
    case 0x23:
    case 0x24: return index_below(m, m->globals, "a missing global is named");
    case 0x25:
    case 0x26: return index_below(m, m->tables, "a missing table is named");
    case 0xd0: return module_valtype(m, vl_read_u8(&m->r));
    case 0x06: case 0x07: case 0x08: case 0x09: case 0x0a: case 0x18: case 0x19: case 0x1f: return exceptions(m);
    case 0x12:
    case 0x13: return tail_calls(m);
    case 0x14: case 0x15: case 0xd3: case 0xd4: case 0xd5: case 0xd6: case 0xfb: return gc(m);
    case 0xfc: return prefixed_fc(m);
    case 0xfd: return simd(m);
    case 0xfe:
        return unsupported(m, "threads (atomic instructions)",
                           "compile for wasm32-wasi without -pthread and -matomics (not wasm32-wasi-threads)");
    default: return bad(m, "unknown instruction");
    }
}

static enum vl_err immediates(struct module_walk *m, uint8_t op) {
    if (op >= 0x28 && op <= 0x3e) return memarg(m);
    if (op >= 0x45 && op <= 0xc4) return VL_OK; /* numeric */
    switch (op) {
    case 0x3f:
    case 0x40: return zero_byte(m);
    case 0x41: (void)leb(&m->r, 32, true); return VL_OK;
    case 0x42: module_skip_s64(&m->r); return VL_OK;
    case 0x43: vl_read_span(&m->r, 4); return VL_OK;
    case 0x44: vl_read_span(&m->r, 8); return VL_OK;
    default: return control(m, op);
    }
}

enum vl_err module_const_expr(struct module_walk *m, uint32_t *ret_i32) {
    uint32_t value = 0, n = 0;
    for (;; n++) {
        uint8_t op = vl_read_u8(&m->r);
        if (m->r.failed) return bad(m, "a constant expression is cut short");
        if (op == 0x0b) break;
        if (op == 0x41) {
            value = (uint32_t)leb(&m->r, 32, true);
            continue;
        }
        if (op != 0x42 && op != 0x43 && op != 0x44 && op != 0x23 && op != 0xd0 && op != 0xd2 && op != 0xfd)
            return bad(m, "an instruction that is not constant, in a constant expression");
        enum vl_err err = immediates(m, op);
        if (err) return err;
        value = 0;
    }
    if (m->r.failed || n != 1) return bad(m, "bad constant expression");
    if (ret_i32) *ret_i32 = value;
    return VL_OK;
}

enum vl_err module_body(struct module_walk *m) {
    uint32_t groups = module_u32(&m->r);
    uint64_t locals = 0;
    if (m->r.failed || groups > m->r.n) return bad(m, "locals are cut short");
    for (uint32_t i = 0; i < groups; i++) {
        locals += module_u32(&m->r);
        uint8_t t = vl_read_u8(&m->r);
        if (m->r.failed) return bad(m, "locals are cut short");
        if (locals > MODULE_LOCALS_MAX)
            return vl_errmsg_set(m->why, VL_ELIMIT, "a function has more than %u local variables", MODULE_LOCALS_MAX);
        enum vl_err err = module_valtype(m, t);
        if (err) return err;
    }
    uint32_t depth = 1;
    while (m->r.n > 0) {
        uint8_t op = vl_read_u8(&m->r);
        if (op == 0x0b && --depth == 0) break;
        if (op == 0x0b || op == 0x05) continue;
        if (op >= 0x02 && op <= 0x04 && ++depth > MODULE_NESTING_MAX)
            return vl_errmsg_set(m->why, VL_ELIMIT, "blocks are nested deeper than %u", MODULE_NESTING_MAX);
        enum vl_err err = immediates(m, op);
        if (err) return err;
        if (m->r.failed) return bad(m, "an instruction is cut short");
    }
    if (m->r.failed || depth != 0 || m->r.n != 0) return bad(m, "a function body does not end where its size says");
    return VL_OK;
}
