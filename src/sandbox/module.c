#include "sandbox/module.h"

#include "sandbox/module_priv.h"
#include "sandbox/request.h"
#include "sandbox/wasi_table.h"

#include <stdlib.h>
#include <string.h>

enum section {
    SEC_CUSTOM = 0, SEC_TYPE = 1, SEC_IMPORT = 2, SEC_FUNCTION = 3, SEC_TABLE = 4, SEC_MEMORY = 5, SEC_GLOBAL = 6,
    SEC_EXPORT = 7, SEC_START = 8, SEC_ELEMENT = 9, SEC_CODE = 10, SEC_DATA = 11, SEC_DATA_COUNT = 12, SEC_TAG = 13,
};
/* Place of each section in a module (5.5.2); a later one must not come before an earlier one. */
static const uint8_t section_order[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6 };

static const struct wasi_row {
    const char *name, *signature;
} wasi_rows[] = {
#define WASI_ROW(name, signature) { #name, signature },
    WASI_TABLE(WASI_ROW)
#undef WASI_ROW
};

#define SIGNATURE_MAX 16u /* the longest of the table, "iiiiiIIii:i", fits; longer types are cut and so match nothing */

struct type {
    char signature[SIGNATURE_MAX];
};

struct check {
    struct module_walk w;
    struct type *types;
    uint32_t *func_types; /* of defined functions */
    uint32_t defined, bodies;
    bool datacount, start_found, memory_found;
    uint32_t stack_top, data_low; /* initial value of global 0, lowest data segment */
    struct module_info info;
};

static enum vl_err bad(struct check *c, const char *what) {
    return vl_errmsg_set(c->w.why, VL_EPARSE, "not a valid WebAssembly module: %s", what);
}

/* A name of the module as text for people: printable ASCII, cut. */
struct shown {
    char s[49];
};
static struct shown show(struct vl_span name) {
    struct shown o = { 0 };
    for (size_t i = 0; i < name.n && i < sizeof o.s - 1; i++)
        o.s[i] = name.p[i] > 0x20 && name.p[i] < 0x7f ? (char)name.p[i] : '?';
    return o;
}

static struct vl_span read_name(struct check *c) {
    uint32_t n = module_u32(&c->w.r);
    return vl_read_span(&c->w.r, n);
}

static bool is(struct vl_span name, const char *s) { return vl_span_eq(name, vl_span_str(s)); }

/* A vector's length; every element has at least one byte, so a count beyond the section is a lie. */
static enum vl_err count(struct check *c, uint32_t max, uint32_t *ret) {
    uint32_t n = module_u32(&c->w.r);
    *ret = 0;
    if (c->w.r.failed || n > c->w.r.n) return bad(c, "a list is longer than its section");
    if (n > max) return vl_errmsg_set(c->w.why, VL_ELIMIT, "a list of the module has more than %u entries", max);
    *ret = n;
    return VL_OK;
}

static void signature_add(char *s, size_t *at, char ch) {
    if (*at < SIGNATURE_MAX - 1) s[*at] = ch;
    (*at)++;
}

static enum vl_err valtypes(struct check *c, char *s, size_t *at) {
    uint32_t n;
    enum vl_err err = count(c, 1000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        uint8_t t = vl_read_u8(&c->w.r);
        if (c->w.r.failed) return bad(c, "a type is cut short");
        err = module_valtype(&c->w, t);
        signature_add(s, at, t == 0x7f ? 'i' : t == 0x7e ? 'I' : '?');
    }
    return err;
}

static enum vl_err section_types(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 100000, &n);
    if (err) return err;
    c->types = calloc(n ? n : 1, sizeof *c->types);
    if (c->types == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t form = vl_read_u8(&c->w.r);
        if (form == 0x4e || form == 0x4f || form == 0x50 || form == 0x5e || form == 0x5f)
            return module_valtype(&c->w, 0x6e); /* recursive, sub-, array and struct types: the text of GC */
        if (c->w.r.failed || form != 0x60) return bad(c, "unknown form of type");
        size_t at = 0;
        err = valtypes(c, c->types[i].signature, &at);
        signature_add(c->types[i].signature, &at, ':');
        if (err == VL_OK) err = valtypes(c, c->types[i].signature, &at);
        if (err) return err;
        if (at >= SIGNATURE_MAX) c->types[i].signature[0] = '?';
        c->w.types = i + 1;
    }
    return VL_OK;
}

static enum vl_err import_function(struct check *c, struct vl_span module, struct vl_span name, uint32_t type) {
    struct shown m = show(module), f = show(name);
    if (is(module, "wasi_unstable"))
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module wants the old wasi_unstable: compile it with a "
                             "toolchain from 2020 or later (wasi_snapshot_preview1)");
    if (!is(module, WASI_MODULE))
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module imports %s.%s, which only its own host has: compile "
                             "it for wasm32-wasi and link everything statically", m.s, f.s);
    for (size_t i = 0; i < sizeof wasi_rows / sizeof *wasi_rows; i++) {
        if (!is(name, wasi_rows[i].name)) continue;
        if (strcmp(c->types[type].signature, wasi_rows[i].signature) == 0) return VL_OK;
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module imports %s with a type of its own", f.s);
    }
    return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module imports %s, which WASI preview 1 does not have", f.s);
}

static enum vl_err section_imports(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 1000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        struct vl_span module = read_name(c), name = read_name(c);
        uint8_t kind = vl_read_u8(&c->w.r);
        if (c->w.r.failed) return bad(c, "an import is cut short");
        if (kind > 4) return bad(c, "unknown kind of import");
        if (kind != 0) {
            struct shown m = show(module), f = show(name);
            return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module imports a memory, table, global or tag (%s.%s): "
                                 "link it as a program of its own, without --import-memory or shared libraries", m.s, f.s);
        }
        uint32_t type = module_u32(&c->w.r);
        if (c->w.r.failed || type >= c->w.types) return bad(c, "an import names a missing type");
        err = import_function(c, module, name, type);
        c->w.funcs++;
    }
    c->info.imports = c->w.funcs;
    return err;
}

static enum vl_err section_functions(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, MODULE_FUNCTIONS_MAX, &n);
    if (err) return err;
    c->func_types = calloc(n ? n : 1, sizeof *c->func_types);
    if (c->func_types == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        c->func_types[i] = module_u32(&c->w.r);
        if (c->w.r.failed || c->func_types[i] >= c->w.types) return bad(c, "a function names a missing type");
    }
    c->defined = n;
    c->w.funcs += n;
    return VL_OK;
}

/* Limits of a table or memory (5.3.4). */
static enum vl_err limits(struct check *c, uint32_t *ret_min, uint32_t *ret_max) {
    uint8_t flags = vl_read_u8(&c->w.r);
    if (flags & 4)
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module uses memory64, which this sandbox cannot run: "
                             "compile for wasm32, not wasm64");
    if (flags == 2 || flags == 3)
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module uses threads (shared memory), which this sandbox "
                             "cannot run: compile for wasm32-wasi without -pthread (not wasm32-wasi-threads)");
    if (flags > 1) return bad(c, "unknown kind of limits");
    *ret_min = module_u32(&c->w.r);
    *ret_max = flags == 1 ? module_u32(&c->w.r) : UINT32_MAX;
    if (c->w.r.failed || *ret_min > *ret_max) return bad(c, "bad limits");
    return VL_OK;
}

static enum vl_err section_tables(struct check *c) {
    uint32_t n, min, max;
    enum vl_err err = count(c, 100, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        uint8_t t = vl_read_u8(&c->w.r);
        if (t == 0x40) return module_valtype(&c->w, 0x6e); /* a table with an initialiser: function references */
        err = module_valtype(&c->w, t);
        if (err == VL_OK && t != 0x70 && t != 0x6f) return bad(c, "a table of numbers");
        if (err == VL_OK) err = limits(c, &min, &max);
        if (err == VL_OK && min > MODULE_TABLE_MAX)
            return vl_errmsg_set(c->w.why, VL_ELIMIT, "a table of the module has more than %u entries", MODULE_TABLE_MAX);
        c->w.tables++;
    }
    return err;
}

static enum vl_err section_memories(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 100, &n);
    if (err || n == 0) return err;
    if (n > 1)
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module uses more than one memory: compile without "
                             "-mmultimemory");
    err = limits(c, &c->info.pages_min, &c->info.pages_max);
    if (err) return err;
    if (c->info.pages_min > 65536 || (c->info.pages_max != UINT32_MAX && c->info.pages_max > 65536))
        return bad(c, "more than 4 GiB of memory");
    if (c->info.pages_min > MODULE_PAGES_MAX)
        return vl_errmsg_set(c->w.why, VL_ELIMIT, "the module starts with 4 GiB of memory; one page less is the most");
    if (c->info.pages_max > MODULE_PAGES_MAX) c->info.pages_max = MODULE_PAGES_MAX;
    c->w.memories = 1;
    return VL_OK;
}

static enum vl_err section_globals(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 1000000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        uint8_t t = vl_read_u8(&c->w.r), mutable = vl_read_u8(&c->w.r);
        uint32_t value = 0;
        if (c->w.r.failed || mutable > 1) return bad(c, "bad global");
        err = module_valtype(&c->w, t);
        if (err == VL_OK) err = module_const_expr(&c->w, &value);
        if (i == 0 && t == 0x7f && mutable) c->stack_top = value; /* LLVM puts __stack_pointer first */
        c->w.globals++;
    }
    return err;
}

static enum vl_err section_exports(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 100000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        struct vl_span name = read_name(c);
        uint8_t kind = vl_read_u8(&c->w.r);
        uint32_t index = module_u32(&c->w.r);
        const uint32_t have[] = { c->w.funcs, c->w.tables, c->w.memories, c->w.globals };
        if (c->w.r.failed || kind > 3 || index >= have[kind]) return bad(c, "an export names something that is missing");
        if (kind == 2 && is(name, "memory")) c->memory_found = true;
        if (kind != 0 || !is(name, "_start")) continue;
        if (index < c->info.imports || strcmp(c->types[c->func_types[index - c->info.imports]].signature, ":") != 0)
            return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "_start must be a function of the module without arguments "
                                 "and results");
        c->start_found = true;
    }
    return err;
}

static enum vl_err func_indexes(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 10000000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++)
        if (module_u32(&c->w.r) >= c->w.funcs) return bad(c, "an element names a missing function");
    return err;
}

static enum vl_err const_exprs(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 10000000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) err = module_const_expr(&c->w, NULL);
    return err;
}

/* The eight forms of 5.5.12: bit 0 passive or declarative, bit 1 explicit table or declarative, bit 2 expressions. */
static enum vl_err section_elements(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, 1000000, &n);
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        uint32_t form = module_u32(&c->w.r);
        if (c->w.r.failed || form > 7) return bad(c, "unknown form of element segment");
        if ((form & 1) == 0) {
            uint32_t table = form & 2 ? module_u32(&c->w.r) : 0;
            if (c->w.r.failed || table >= c->w.tables) return bad(c, "an element segment names a missing table");
            err = module_const_expr(&c->w, NULL);
        }
        if (err == VL_OK && (form & 3) != 0) {
            uint8_t kind = vl_read_u8(&c->w.r);
            if (form & 4) err = module_valtype(&c->w, kind);
            else if (kind != 0) return bad(c, "unknown kind of element");
        }
        if (err == VL_OK) err = form & 4 ? const_exprs(c) : func_indexes(c);
    }
    return err;
}

/* Data comes after code, but bodies name data segments: data_count says how many there will be. */
static enum vl_err section_data_count(struct check *c) {
    c->w.datas = module_u32(&c->w.r);
    c->datacount = true;
    return c->w.r.failed ? bad(c, "the data count is cut short") : VL_OK;
}

static enum vl_err section_code(struct check *c) {
    uint32_t n;
    enum vl_err err = count(c, MODULE_FUNCTIONS_MAX, &n);
    if (err) return err;
    if (n != c->defined) return bad(c, "as many bodies as functions are needed");
    c->info.code_bytes = (uint32_t)c->w.r.n;
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        uint32_t size = module_u32(&c->w.r);
        struct vl_span body = vl_read_span(&c->w.r, size);
        if (c->w.r.failed || size == 0) return bad(c, "a function body is cut short");
        struct vl_reader rest = c->w.r;
        c->w.r = vl_reader(body.p, body.n);
        err = module_body(&c->w);
        c->w.r = rest;
    }
    c->bodies = n;
    return err;
}

static enum vl_err section_data(struct check *c) {
    uint32_t n, offset = 0;
    enum vl_err err = count(c, 1000000, &n);
    if (err == VL_OK && c->datacount && n != c->w.datas) return bad(c, "the data count is wrong");
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        uint32_t form = module_u32(&c->w.r);
        if (form == 2 && module_u32(&c->w.r) != 0) return bad(c, "a data segment names a missing memory");
        if (c->w.r.failed || form > 2) return bad(c, "unknown form of data segment");
        if (form != 1) {
            if (c->w.memories == 0) return bad(c, "data without a memory");
            err = module_const_expr(&c->w, &offset);
            if (offset != 0 && offset < c->data_low) c->data_low = offset;
        }
        uint32_t size = module_u32(&c->w.r);
        vl_read_span(&c->w.r, size);
        if (c->w.r.failed) return bad(c, "data is cut short");
    }
    return err;
}

static enum vl_err section(struct check *c, uint8_t id) {
    switch ((enum section)id) {
    case SEC_CUSTOM: read_name(c); c->w.r.n = 0; return c->w.r.failed ? bad(c, "a custom section without a name") : VL_OK;
    case SEC_TYPE: return section_types(c);
    case SEC_IMPORT: return section_imports(c);
    case SEC_FUNCTION: return section_functions(c);
    case SEC_TABLE: return section_tables(c);
    case SEC_MEMORY: return section_memories(c);
    case SEC_GLOBAL: return section_globals(c);
    case SEC_EXPORT: return section_exports(c);
    case SEC_START: return module_u32(&c->w.r) < c->w.funcs ? VL_OK : bad(c, "the start function is missing");
    case SEC_ELEMENT: c->w.elems = module_u32(&(struct vl_reader){ c->w.r.p, c->w.r.n, false }); return section_elements(c);
    case SEC_CODE: return section_code(c);
    case SEC_DATA: return section_data(c);
    case SEC_DATA_COUNT: return section_data_count(c);
    case SEC_TAG: return module_valtype(&c->w, 0x69); /* the text of exception handling */
    }
    return bad(c, "unknown section");
}

static enum vl_err header(struct vl_reader *r, struct vl_errmsg *why) {
    struct vl_span magic = vl_read_span(r, 4), version = vl_read_span(r, 4);
    if (r->failed || memcmp(magic.p, "\0asm", 4) != 0)
        return vl_errmsg_set(why, VL_EPARSE, "not a WebAssembly file: it does not start with \\0asm");
    if (version.p[2] == 1 && version.p[3] == 0)
        return vl_errmsg_set(why, VL_EUNSUPPORTED, "this is a WebAssembly component: compile for wasm32-wasip1 (preview 1) "
                             "to get a core module");
    if (memcmp(version.p, "\1\0\0\0", 4) != 0)
        return vl_errmsg_set(why, VL_EUNSUPPORTED, "unknown version of the WebAssembly format: version 1 is needed");
    return VL_OK;
}

static enum vl_err walk(struct check *c, struct vl_reader r) {
    uint8_t last = 0;
    while (r.n > 0) {
        uint8_t id = vl_read_u8(&r);
        uint32_t size = module_u32(&r);
        struct vl_span body = vl_read_span(&r, size);
        if (r.failed) return bad(c, "a section is cut short");
        if (id >= sizeof section_order) return bad(c, "unknown section");
        if (id != SEC_CUSTOM && section_order[id] <= last) return bad(c, "sections out of order");
        if (id != SEC_CUSTOM) last = section_order[id];
        c->w.r = vl_reader(body.p, body.n);
        enum vl_err err = section(c, id);
        if (err) return err;
        if (vl_reader_end(&c->w.r)) return bad(c, "a section does not end where its size says");
    }
    if (c->bodies != c->defined) return bad(c, "as many bodies as functions are needed");
    if (!c->memory_found)
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module does not export its memory as \"memory\": link it as "
                             "a WASI program");
    if (!c->start_found)
        return vl_errmsg_set(c->w.why, VL_EUNSUPPORTED, "the module has no _start: link it as a program (a command), not "
                             "as a library (-mexec-model=reactor, --no-entry or cdylib)");
    return VL_OK;
}

enum vl_err module_check(struct vl_span wasm, struct module_info *ret, struct vl_errmsg *why) {
    struct check c = { .w = { .why = why }, .data_low = UINT32_MAX };
    if (wasm.n > SANDBOX_MODULE_MAX)
        return vl_errmsg_set(why, VL_ELIMIT, "the module is larger than %u MiB", SANDBOX_MODULE_MAX >> 20);
    struct vl_reader r = vl_reader(wasm.p, wasm.n);
    enum vl_err err = header(&r, why);
    if (err == VL_OK) err = walk(&c, r);
    if (err == VL_ENOMEM) vl_errmsg_set(why, err, "out of memory while reading the module");
    free(c.types);
    free(c.func_types);
    if (err) return err;
    c.info.functions = c.defined;
    c.info.stack_above_data = c.stack_top != 0 && c.data_low < c.stack_top;
    *ret = c.info;
    return VL_OK;
}

enum vl_err module_strip(struct vl_span wasm, struct vl_buf *out) {
    struct vl_reader r = vl_reader(wasm.p, wasm.n);
    struct vl_span head = vl_read_span(&r, 8);
    enum vl_err err = vl_buf_append(out, head.p, head.n);
    while (err == VL_OK && r.n > 0 && !r.failed) {
        const uint8_t *from = r.p;
        uint8_t id = vl_read_u8(&r);
        uint32_t size = module_u32(&r);
        vl_read_span(&r, size);
        if (id != SEC_CUSTOM && !r.failed) err = vl_buf_append(out, from, (size_t)(r.p - from));
    }
    return err == VL_OK && r.failed ? VL_EPARSE : err;
}
