#include "sandbox/request.h"

#include <string.h>

#define DAY_MS 86400000ull
#define TIB (1ull << 40)

const char *sandbox_outcome_name(enum sandbox_outcome o) {
    switch (o) {
    case SANDBOX_EXITED: return "exited";
    case SANDBOX_TRAPPED: return "trapped";
    case SANDBOX_TIMED_OUT: return "timed_out";
    case SANDBOX_CPU_EXCEEDED: return "cpu_exceeded";
    case SANDBOX_MEMORY_EXCEEDED: return "memory_exceeded";
    case SANDBOX_DISK_EXCEEDED: return "disk_exceeded";
    case SANDBOX_OUTPUT_EXCEEDED: return "output_exceeded";
    case SANDBOX_PROCESS_LIMIT: return "process_limit";
    case SANDBOX_KILLED: return "killed";
    case SANDBOX_REFUSED: return "refused";
    case SANDBOX_INTERNAL: return "internal";
    }
    return "unknown";
}

const char *sandbox_trap_name(enum sandbox_trap t) {
    switch (t) {
    case SANDBOX_TRAP_NONE: return "none";
    case SANDBOX_TRAP_OUT_OF_BOUNDS: return "out_of_bounds";
    case SANDBOX_TRAP_INT_OVERFLOW: return "int_overflow";
    case SANDBOX_TRAP_DIVIDE_BY_ZERO: return "divide_by_zero";
    case SANDBOX_TRAP_BAD_CONVERSION: return "bad_conversion";
    case SANDBOX_TRAP_UNREACHABLE: return "unreachable";
    case SANDBOX_TRAP_BAD_INDIRECT_CALL: return "bad_indirect_call";
    case SANDBOX_TRAP_STACK_OVERFLOW: return "stack_overflow";
    case SANDBOX_TRAP_SIGNAL: return "signal";
    case SANDBOX_TRAP_FORBIDDEN: return "forbidden";
    }
    return "unknown";
}

struct sandbox_limits sandbox_limits_default(void) {
    return (struct sandbox_limits){ .timeout_ms = 600000, .memory_bytes = 256ull << 20, .disk_bytes = 256ull << 20,
                                    .output_bytes = 64ull << 20, .processes = 32, .files = 1024 };
}

/* ---------------------------------------------------------------------------------------------- strings */

static void write_str(struct vl_writer *w, const char *s, size_t max) {
    size_t n = s ? strlen(s) : 0;
    if (n >= max) w->failed = true;
    vl_write_u16(w, (uint16_t)n);
    vl_write_bytes(w, s ? s : "", n + 1);
}

/* Never NULL, so that a failed reader still gives callers a string. */
static const char *read_str(struct vl_reader *r, size_t max) {
    size_t n = vl_read_u16(r);
    struct vl_span s = vl_read_span(r, n + 1);
    if (r->failed) return "";
    if (n >= max || memchr(s.p, 0, n) || s.p[n] != 0) {
        r->failed = true;
        return "";
    }
    return (const char *)s.p;
}

static bool read_bool(struct vl_reader *r) {
    uint8_t v = vl_read_u8(r);
    if (v > 1) r->failed = true;
    return v == 1;
}

/* Exactly n NUL-terminated strings and nothing else; `pairs`: each is NAME=VALUE with a name. */
static bool packed_ok(struct vl_span s, uint32_t n, bool pairs) {
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *end = at < s.n ? memchr(s.p + at, 0, s.n - at) : NULL;
        if (end == NULL) return false;
        size_t len = (size_t)(end - (s.p + at));
        if (pairs) {
            const uint8_t *eq = memchr(s.p + at, '=', len);
            if (eq == NULL || eq == s.p + at) return false;
        }
        at += len + 1;
    }
    return at == s.n;
}

static bool absolute(const char *s) { return s && s[0] == '/' && strlen(s) < SANDBOX_PATH_MAX; }

static bool name_ok(const char *s) {
    size_t n = s ? strlen(s) : 0;
    return n > 0 && n < VL_NAME_MAX && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

/* ---------------------------------------------------------------------------------------------- ranges */

static bool limits_ok(const struct sandbox_limits *l) {
    return l->timeout_ms >= 1 && l->timeout_ms <= 30 * DAY_MS && l->cpu_ms <= 30 * DAY_MS && l->memory_bytes >= 65536 &&
           l->memory_bytes <= TIB && l->disk_bytes <= TIB && l->output_bytes <= TIB && l->processes >= 1 &&
           l->processes <= 4096 && l->files >= 1 && l->files <= 1000000;
}

static bool run_ok(const struct sandbox_run *r) {
    if (r->kind != SANDBOX_WASM && r->kind != SANDBOX_NATIVE) return false;
    if (r->kind == SANDBOX_NATIVE && r->deterministic) return false;
    if (r->kind == SANDBOX_WASM && r->network) return false;
    if (!absolute(r->program) || r->argc < 1 || r->argc > VL_ARGS_MAX || r->envc > VL_ARGS_MAX) return false;
    if (r->argv.n + r->env.n > VL_ARGS_BYTES) return false;
    if (!packed_ok(r->argv, r->argc, false) || !packed_ok(r->env, r->envc, true)) return false;
    if (r->stdin_path == NULL || (r->stdin_path[0] && !absolute(r->stdin_path))) return false;
    if (r->inputs_n > VL_TASK_INPUTS_MAX || !limits_ok(&r->limits)) return false;
    for (uint32_t i = 0; i < r->inputs_n; i++) {
        if (!name_ok(r->inputs[i].name) || !absolute(r->inputs[i].path)) return false;
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(r->inputs[i].name, r->inputs[j].name) == 0) return false;
    }
    return true;
}

static bool compile_ok(const struct sandbox_compile *c) {
    return absolute(c->module_path) && (c->level == 1 || c->level == 2);
}

static bool exited_ok(const struct sandbox_exited *e) {
    if (e->outcome < SANDBOX_EXITED || e->outcome > SANDBOX_INTERNAL) return false;
    if ((unsigned)e->trap > SANDBOX_TRAP_FORBIDDEN || e->exit_code < -1 || e->exit_code > 255) return false;
    if (e->outputs_n > VL_TASK_OUTPUTS_MAX) return false;
    for (uint32_t i = 0; i < e->outputs_n; i++)
        if (!name_ok(e->outputs[i].name) || !absolute(e->outputs[i].path)) return false;
    return true;
}

/* ---------------------------------------------------------------------------------------------- requests */

static void write_limits(struct vl_writer *w, const struct sandbox_limits *l) {
    vl_write_u64(w, l->timeout_ms);
    vl_write_u64(w, l->cpu_ms);
    vl_write_u64(w, l->memory_bytes);
    vl_write_u64(w, l->disk_bytes);
    vl_write_u64(w, l->output_bytes);
    vl_write_u32(w, l->processes);
    vl_write_u32(w, l->files);
}

static void write_run(struct vl_writer *w, const struct sandbox_run *r) {
    vl_write_u64(w, r->task);
    vl_write_u8(w, (uint8_t)r->kind);
    vl_write_bytes(w, r->module.b, sizeof r->module.b);
    write_str(w, r->program, SANDBOX_PATH_MAX);
    vl_write_u8(w, (uint8_t)r->argc);
    vl_write_u16(w, (uint16_t)r->argv.n);
    vl_write_bytes(w, r->argv.p, r->argv.n);
    vl_write_u8(w, (uint8_t)r->envc);
    vl_write_u16(w, (uint16_t)r->env.n);
    if (r->env.n) vl_write_bytes(w, r->env.p, r->env.n);
    write_str(w, r->stdin_path, SANDBOX_PATH_MAX);
    vl_write_u8(w, (uint8_t)r->inputs_n);
    for (uint32_t i = 0; i < r->inputs_n; i++) {
        write_str(w, r->inputs[i].name, VL_NAME_MAX);
        write_str(w, r->inputs[i].path, SANDBOX_PATH_MAX);
    }
    write_limits(w, &r->limits);
    vl_write_u8(w, r->deterministic);
    vl_write_u8(w, r->network);
    vl_write_bytes(w, r->seed, sizeof r->seed);
}

enum vl_err sandbox_request_encode(const struct sandbox_request *req, void *dst, size_t cap, size_t *ret_n) {
    struct vl_writer w = vl_writer(dst, cap);
    vl_write_u8(&w, (uint8_t)req->kind);
    switch (req->kind) {
    case SANDBOX_REQ_HELLO: vl_write_u32(&w, req->u.protocol); break;
    case SANDBOX_REQ_COMPILE:
        if (!compile_ok(&req->u.compile)) return VL_ERANGE;
        vl_write_bytes(&w, req->u.compile.module.b, sizeof req->u.compile.module.b);
        write_str(&w, req->u.compile.module_path, SANDBOX_PATH_MAX);
        vl_write_u8(&w, req->u.compile.level);
        break;
    case SANDBOX_REQ_RUN:
        if (!run_ok(&req->u.run)) return VL_ERANGE;
        write_run(&w, &req->u.run);
        break;
    case SANDBOX_REQ_KILL:
    case SANDBOX_REQ_RELEASE: vl_write_u64(&w, req->u.task); break;
    case SANDBOX_REQ_PACE:
        if (req->u.cap_milli > 1000) return VL_ERANGE;
        vl_write_u32(&w, req->u.cap_milli);
        break;
    case SANDBOX_REQ_STATS: break;
    }
    if (w.failed) return VL_ELIMIT;
    *ret_n = w.len;
    return VL_OK;
}

static void read_run(struct vl_reader *r, struct sandbox_run *ret) {
    ret->task = vl_read_u64(r);
    ret->kind = (enum sandbox_kind)vl_read_u8(r);
    vl_read_bytes(r, ret->module.b, sizeof ret->module.b);
    ret->program = read_str(r, SANDBOX_PATH_MAX);
    ret->argc = vl_read_u8(r);
    ret->argv = vl_read_span(r, vl_read_u16(r));
    ret->envc = vl_read_u8(r);
    ret->env = vl_read_span(r, vl_read_u16(r));
    ret->stdin_path = read_str(r, SANDBOX_PATH_MAX);
    ret->inputs_n = vl_read_u8(r);
    if (ret->inputs_n > VL_TASK_INPUTS_MAX) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < ret->inputs_n; i++) {
        ret->inputs[i].name = read_str(r, VL_NAME_MAX);
        ret->inputs[i].path = read_str(r, SANDBOX_PATH_MAX);
    }
    ret->limits.timeout_ms = vl_read_u64(r);
    ret->limits.cpu_ms = vl_read_u64(r);
    ret->limits.memory_bytes = vl_read_u64(r);
    ret->limits.disk_bytes = vl_read_u64(r);
    ret->limits.output_bytes = vl_read_u64(r);
    ret->limits.processes = vl_read_u32(r);
    ret->limits.files = vl_read_u32(r);
    ret->deterministic = read_bool(r);
    ret->network = read_bool(r);
    vl_read_bytes(r, ret->seed, sizeof ret->seed);
    if (!r->failed && !run_ok(ret)) r->failed = true;
}

enum vl_err sandbox_request_decode(struct vl_span packet, struct sandbox_request *ret) {
    struct vl_reader r = vl_reader(packet.p, packet.n);
    struct sandbox_request q = { .kind = (enum sandbox_request_kind)vl_read_u8(&r) };
    switch ((uint8_t)q.kind) { /* bytes of a peer: the compiler cannot know them all */
    case SANDBOX_REQ_HELLO: q.u.protocol = vl_read_u32(&r); break;
    case SANDBOX_REQ_COMPILE:
        vl_read_bytes(&r, q.u.compile.module.b, sizeof q.u.compile.module.b);
        q.u.compile.module_path = read_str(&r, SANDBOX_PATH_MAX);
        q.u.compile.level = vl_read_u8(&r);
        if (!r.failed && !compile_ok(&q.u.compile)) r.failed = true;
        break;
    case SANDBOX_REQ_RUN: read_run(&r, &q.u.run); break;
    case SANDBOX_REQ_KILL:
    case SANDBOX_REQ_RELEASE: q.u.task = vl_read_u64(&r); break;
    case SANDBOX_REQ_PACE:
        q.u.cap_milli = vl_read_u32(&r);
        if (q.u.cap_milli > 1000) r.failed = true;
        break;
    case SANDBOX_REQ_STATS: break;
    default: return VL_EPARSE;
    }
    enum vl_err err = vl_reader_end(&r);
    if (err == VL_OK) *ret = q;
    return err;
}

/* ---------------------------------------------------------------------------------------------- events */

static void write_hello(struct vl_writer *w, const struct sandbox_hello *h) {
    vl_write_u32(w, h->protocol);
    vl_write_u8(w, h->wasm);
    vl_write_u8(w, h->native);
    vl_write_u8(w, h->chroot);
    vl_write_u8(w, h->landlock);
    vl_write_u8(w, h->compile_sandboxed);
    vl_write_u8(w, (uint8_t)h->cgroup);
    vl_write_bytes(w, h->toolchain.b, sizeof h->toolchain.b);
    write_str(w, h->wasm2c, SANDBOX_TEXT_MAX);
    write_str(w, h->cc, SANDBOX_TEXT_MAX);
    write_str(w, h->bwrap, SANDBOX_TEXT_MAX);
    write_str(w, h->text, SANDBOX_TEXT_MAX);
}

static void read_hello(struct vl_reader *r, struct sandbox_hello *h) {
    h->protocol = vl_read_u32(r);
    h->wasm = read_bool(r);
    h->native = read_bool(r);
    h->chroot = read_bool(r);
    h->landlock = read_bool(r);
    h->compile_sandboxed = read_bool(r);
    uint8_t cg = vl_read_u8(r);
    if (cg > SANDBOX_CGROUP_V2) r->failed = true;
    h->cgroup = (enum sandbox_cgroup)cg;
    vl_read_bytes(r, h->toolchain.b, sizeof h->toolchain.b);
    h->wasm2c = read_str(r, SANDBOX_TEXT_MAX);
    h->cc = read_str(r, SANDBOX_TEXT_MAX);
    h->bwrap = read_str(r, SANDBOX_TEXT_MAX);
    h->text = read_str(r, SANDBOX_TEXT_MAX);
}

static void write_exited(struct vl_writer *w, const struct sandbox_exited *e) {
    vl_write_u64(w, e->task);
    vl_write_u8(w, (uint8_t)e->outcome);
    vl_write_u8(w, (uint8_t)e->trap);
    vl_write_u32(w, (uint32_t)e->exit_code);
    vl_write_u64(w, e->cpu_us);
    vl_write_u64(w, e->wall_us);
    vl_write_u64(w, e->peak_bytes);
    vl_write_u32(w, e->ignored);
    write_str(w, e->text, SANDBOX_TEXT_MAX);
    vl_write_u8(w, (uint8_t)e->outputs_n);
    for (uint32_t i = 0; i < e->outputs_n; i++) {
        write_str(w, e->outputs[i].name, VL_NAME_MAX);
        write_str(w, e->outputs[i].path, SANDBOX_PATH_MAX);
        vl_write_u64(w, e->outputs[i].size);
    }
}

static void read_exited(struct vl_reader *r, struct sandbox_exited *e) {
    e->task = vl_read_u64(r);
    e->outcome = (enum sandbox_outcome)vl_read_u8(r);
    e->trap = (enum sandbox_trap)vl_read_u8(r);
    e->exit_code = (int32_t)vl_read_u32(r);
    e->cpu_us = vl_read_u64(r);
    e->wall_us = vl_read_u64(r);
    e->peak_bytes = vl_read_u64(r);
    e->ignored = vl_read_u32(r);
    e->text = read_str(r, SANDBOX_TEXT_MAX);
    e->outputs_n = vl_read_u8(r);
    if (e->outputs_n > VL_TASK_OUTPUTS_MAX) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < e->outputs_n; i++) {
        e->outputs[i].name = read_str(r, VL_NAME_MAX);
        e->outputs[i].path = read_str(r, SANDBOX_PATH_MAX);
        e->outputs[i].size = vl_read_u64(r);
    }
    if (!r->failed && !exited_ok(e)) r->failed = true;
}

static void write_stats(struct vl_writer *w, const struct sandbox_stats *s) {
    const uint64_t v[] = { s->started,    s->ended,         s->compiled,    s->compile_failed,
                           s->cache_hits, s->cache_rebuilt, s->cache_bytes, s->malformed };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) vl_write_u64(w, v[i]);
    vl_write_u32(w, s->running);
    vl_write_u32(w, s->waiting);
    vl_write_u32(w, s->unreleased);
}

static void read_stats(struct vl_reader *r, struct sandbox_stats *s) {
    s->started = vl_read_u64(r);
    s->ended = vl_read_u64(r);
    s->compiled = vl_read_u64(r);
    s->compile_failed = vl_read_u64(r);
    s->cache_hits = vl_read_u64(r);
    s->cache_rebuilt = vl_read_u64(r);
    s->cache_bytes = vl_read_u64(r);
    s->malformed = vl_read_u64(r);
    s->running = vl_read_u32(r);
    s->waiting = vl_read_u32(r);
    s->unreleased = vl_read_u32(r);
}

enum vl_err sandbox_event_encode(const struct sandbox_event *ev, void *dst, size_t cap, size_t *ret_n) {
    struct vl_writer w = vl_writer(dst, cap);
    vl_write_u8(&w, (uint8_t)ev->kind);
    switch (ev->kind) {
    case SANDBOX_EVT_HELLO: write_hello(&w, &ev->u.hello); break;
    case SANDBOX_EVT_COMPILED:
        vl_write_bytes(&w, ev->u.compiled.module.b, sizeof ev->u.compiled.module.b);
        vl_write_u8(&w, ev->u.compiled.level);
        vl_write_u8(&w, ev->u.compiled.ok);
        vl_write_u8(&w, ev->u.compiled.cached);
        vl_write_u32(&w, ev->u.compiled.ms);
        write_str(&w, ev->u.compiled.text, SANDBOX_TEXT_MAX);
        break;
    case SANDBOX_EVT_STARTED: vl_write_u64(&w, ev->u.task); break;
    case SANDBOX_EVT_EXITED:
        if (!exited_ok(&ev->u.exited)) return VL_ERANGE;
        write_exited(&w, &ev->u.exited);
        break;
    case SANDBOX_EVT_STATS: write_stats(&w, &ev->u.stats); break;
    case SANDBOX_EVT_REFUSED:
        vl_write_u8(&w, ev->u.refused.request);
        vl_write_u64(&w, ev->u.refused.task);
        vl_write_u32(&w, (uint32_t)ev->u.refused.err);
        write_str(&w, ev->u.refused.text, SANDBOX_TEXT_MAX);
        break;
    }
    if (w.failed) return VL_ELIMIT;
    *ret_n = w.len;
    return VL_OK;
}

enum vl_err sandbox_event_decode(struct vl_span packet, struct sandbox_event *ret) {
    struct vl_reader r = vl_reader(packet.p, packet.n);
    struct sandbox_event e = { .kind = (enum sandbox_event_kind)vl_read_u8(&r) };
    switch ((uint8_t)e.kind) { /* bytes of a peer: the compiler cannot know them all */
    case SANDBOX_EVT_HELLO: read_hello(&r, &e.u.hello); break;
    case SANDBOX_EVT_COMPILED:
        vl_read_bytes(&r, e.u.compiled.module.b, sizeof e.u.compiled.module.b);
        e.u.compiled.level = vl_read_u8(&r);
        if (e.u.compiled.level < 1 || e.u.compiled.level > 2) r.failed = true;
        e.u.compiled.ok = read_bool(&r);
        e.u.compiled.cached = read_bool(&r);
        e.u.compiled.ms = vl_read_u32(&r);
        e.u.compiled.text = read_str(&r, SANDBOX_TEXT_MAX);
        break;
    case SANDBOX_EVT_STARTED: e.u.task = vl_read_u64(&r); break;
    case SANDBOX_EVT_EXITED: read_exited(&r, &e.u.exited); break;
    case SANDBOX_EVT_STATS: read_stats(&r, &e.u.stats); break;
    case SANDBOX_EVT_REFUSED:
        e.u.refused.request = vl_read_u8(&r);
        e.u.refused.task = vl_read_u64(&r);
        e.u.refused.err = (enum vl_err)(int32_t)vl_read_u32(&r);
        e.u.refused.text = read_str(&r, SANDBOX_TEXT_MAX);
        break;
    default: return VL_EPARSE;
    }
    enum vl_err err = vl_reader_end(&r);
    if (err == VL_OK) *ret = e;
    return err;
}
