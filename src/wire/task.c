#include "wire/task.h"

#include "wire/pack.h"
#include "wire/task_priv.h"

#include <string.h>

enum {
    TAG_SPEC = 0x10,
    TAG_ASSIGNMENT = 0x11,
    TAG_REVOKE = 0x12,
    TAG_STATUS = 0x13,
    TAG_RECEIPT = 0x14,
    TAG_REPORT = 0x15,
    TAG_COMMIT = 0x16,
    TAG_REVEAL = 0x17
};
enum { VERSION = 1, ASSIGNMENT_VERSION = 2, REPORT_VERSION = 2 };

/* Length of the UTF-8 sequence at p (n > 0 bytes left); 0: malformed (RFC 3629 section 4). */
static size_t utf8_len(const uint8_t *p, size_t n) {
    uint8_t a = p[0];
    if (a < 0x80) return 1;
    size_t len = a >= 0xc2 && a <= 0xdf ? 2 : (a & 0xf0) == 0xe0 ? 3 : a >= 0xf0 && a <= 0xf4 ? 4 : 0;
    if (len == 0 || len > n) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    bool bad = (a == 0xe0 && p[1] < 0xa0) || (a == 0xed && p[1] > 0x9f) || (a == 0xf0 && p[1] < 0x90) ||
               (a == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : len;
}

bool task_text_ok(struct vl_span text, size_t max) {
    if (text.n > max) return false;
    for (size_t i = 0; i < text.n;) {
        size_t len = utf8_len(text.p + i, text.n - i);
        bool c1 = len == 2 && text.p[i] == 0xc2 && text.p[i + 1] < 0xa0; /* control characters U+0080..U+009F */
        if (len == 0 || text.p[i] < 0x20 || text.p[i] == 0x7f || c1) return false;
        i += len;
    }
    return true;
}

bool task_name_ok(struct vl_span name) {
    if (name.n == 0 || !task_text_ok(name, VL_NAME_MAX - 1) || memchr(name.p, '/', name.n) != NULL) return false;
    return !vl_span_eq(name, vl_span_str(".")) && !vl_span_eq(name, vl_span_str(".."));
}

uint32_t task_strings_count(struct vl_span packed) {
    if (packed.n == 0) return 0;
    if (packed.p[packed.n - 1] != 0) return UINT32_MAX;
    uint32_t n = 0;
    for (size_t i = 0; i < packed.n; i++) n += packed.p[i] == 0;
    return n;
}

const char *task_strings_next(struct vl_span *rest) {
    if (rest->n == 0) return NULL;
    const uint8_t *nul = memchr(rest->p, 0, rest->n);
    if (nul == NULL) return NULL;
    const char *s = (const char *)rest->p;
    size_t n = (size_t)(nul - rest->p) + 1;
    *rest = vl_span(rest->p + n, rest->n - n);
    return s;
}

static bool env_key_char(char c, bool first) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

bool task_strings_ok(struct vl_span args, struct vl_span env) {
    if (args.n + env.n > VL_ARGS_BYTES) return false;
    if (task_strings_count(args) > VL_ARGS_MAX || task_strings_count(env) > VL_ARGS_MAX) return false;
    for (const char *s; (s = task_strings_next(&env)) != NULL;) {
        const char *at = s;
        while (env_key_char(*at, at == s)) at++;
        if (at == s || *at != '=') return false;
    }
    return true;
}

bool task_program_ok(enum task_kind kind, const struct vl_hash *program, struct vl_span command) {
    static const struct vl_hash none = { { 0 } };
    if (kind == TASK_WASM) return command.n == 0 && !vl_hash_eq(*program, none);
    return kind == TASK_NATIVE && vl_hash_eq(*program, none) && command.n >= 2 && command.n <= TASK_COMMAND_MAX &&
           command.p[0] == '/' && memchr(command.p, 0, command.n) == NULL;
}

bool task_limits_ok(const struct task_limits *l) {
    return l->timeout_ms >= 1 && l->timeout_ms <= TASK_TIMEOUT_MAX_MS &&
           l->cpu_ms <= TASK_TIMEOUT_MAX_MS * TASK_PROCESSES_MAX && l->memory_bytes >= 1 &&
           l->memory_bytes <= TASK_MEMORY_MAX && l->disk_bytes >= 1 && l->disk_bytes <= TASK_MEMORY_MAX &&
           l->output_bytes >= 1 && l->output_bytes <= TASK_MEMORY_MAX && l->processes >= 1 &&
           l->processes <= TASK_PROCESSES_MAX;
}

/* Inputs and outputs are the same four fields; one check for both. */
static bool files_ok(const struct task_input *f, uint32_t n, uint32_t max) {
    if (n > max) return false;
    size_t inline_total = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t len = f[i].inline_bytes.n;
        inline_total += len;
        if (!task_name_ok(f[i].name) || f[i].size > VL_BLOB_MAX) return false;
        if (len != 0 && (len != f[i].size || len > VL_INLINE_MAX)) return false;
        for (uint32_t j = 0; j < i; j++)
            if (vl_span_eq(f[i].name, f[j].name)) return false;
    }
    return inline_total <= TASK_INLINE_TOTAL_MAX;
}

bool task_spec_ok(const struct task_spec *s) {
    return task_program_ok(s->kind, &s->program, s->command) && (s->deterministic || s->seed == 0) &&
           task_name_ok(s->name) && task_strings_ok(s->args, s->env) && task_limits_ok(&s->limits) &&
           files_ok(s->inputs, s->n_inputs, VL_TASK_INPUTS_MAX);
}

void task_limits_pack(struct pack *w, const struct task_limits *l) {
    pack_u64(w, l->timeout_ms);
    pack_u64(w, l->cpu_ms);
    pack_u64(w, l->memory_bytes);
    pack_u64(w, l->disk_bytes);
    pack_u64(w, l->output_bytes);
    pack_u32(w, l->processes);
}

void task_limits_unpack(struct vl_reader *r, struct task_limits *ret) {
    ret->timeout_ms = vl_read_u64(r);
    ret->cpu_ms = vl_read_u64(r);
    ret->memory_bytes = vl_read_u64(r);
    ret->disk_bytes = vl_read_u64(r);
    ret->output_bytes = vl_read_u64(r);
    ret->processes = vl_read_u32(r);
}

static void files_pack(struct pack *w, const struct task_input *f, uint32_t n) {
    pack_u8(w, (uint8_t)n);
    for (uint32_t i = 0; i < n; i++) {
        pack_span8(w, f[i].name);
        pack_bytes(w, f[i].hash.b, sizeof f[i].hash.b);
        pack_u64(w, f[i].size);
        pack_span16(w, f[i].inline_bytes);
    }
}

static uint32_t files_unpack(struct vl_reader *r, struct task_input *ret, uint32_t max) {
    uint32_t n = unpack_u8_in(r, 0, (uint8_t)max);
    for (uint32_t i = 0; i < n && !r->failed; i++) {
        ret[i].name = unpack_span8(r, VL_NAME_MAX - 1);
        ret[i].hash = unpack_hash(r);
        ret[i].size = vl_read_u64(r);
        ret[i].inline_bytes = unpack_span16(r, VL_INLINE_MAX);
    }
    return n;
}

static void spec_pack(struct pack *w, const struct task_spec *s) {
    if (!task_spec_ok(s)) {
        pack_fail(w, VL_ERANGE);
        return;
    }
    pack_u8(w, (uint8_t)s->kind);
    pack_bool(w, s->deterministic);
    pack_bool(w, s->network);
    pack_u64(w, s->seed);
    pack_span8(w, s->name);
    pack_bytes(w, s->program.b, sizeof s->program.b);
    pack_span8(w, s->command);
    pack_span16(w, s->args);
    pack_span16(w, s->env);
    task_limits_pack(w, &s->limits);
    files_pack(w, s->inputs, s->n_inputs);
}

static void spec_unpack(struct vl_reader *r, struct task_spec *s) {
    s->kind = (enum task_kind)unpack_u8_in(r, TASK_WASM, TASK_NATIVE);
    s->deterministic = unpack_bool(r);
    s->network = unpack_bool(r);
    s->seed = vl_read_u64(r);
    s->name = unpack_span8(r, VL_NAME_MAX - 1);
    s->program = unpack_hash(r);
    s->command = unpack_span8(r, TASK_COMMAND_MAX);
    s->args = unpack_span16(r, VL_ARGS_BYTES);
    s->env = unpack_span16(r, VL_ARGS_BYTES);
    task_limits_unpack(r, &s->limits);
    s->n_inputs = files_unpack(r, s->inputs, VL_TASK_INPUTS_MAX);
    unpack_require(r, !r->failed && task_spec_ok(s));
}

enum vl_err task_spec_encode(const struct task_spec *spec, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_SPEC, VERSION);
    spec_pack(&w, spec);
    return pack_end(&w);
}

enum vl_err task_spec_decode(struct vl_span in, struct task_spec *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_SPEC, VERSION);
    if (err) return err;
    struct task_spec s = { 0 };
    spec_unpack(&r, &s);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = s;
    return err;
}

static void run_pack(struct pack *w, struct vl_job_id job, uint32_t task, uint64_t epoch) {
    if (epoch == 0 || task >= TASK_INDEX_MAX) pack_fail(w, VL_ERANGE);
    pack_bytes(w, job.b, sizeof job.b);
    pack_u32(w, task);
    pack_u64(w, epoch);
}

static void run_unpack(struct vl_reader *r, struct vl_job_id *job, uint32_t *task, uint64_t *epoch) {
    *job = unpack_job(r);
    *task = unpack_u32_in(r, 0, TASK_INDEX_MAX - 1);
    *epoch = unpack_u64_in(r, 1, UINT64_MAX);
}

enum vl_err assignment_encode(const struct assignment *a, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_ASSIGNMENT, ASSIGNMENT_VERSION);
    if (a->attempt == 0 || a->priority < TASK_CRITICAL || a->priority > TASK_BULK || a->n_sources > TASK_SOURCES_MAX)
        pack_fail(&w, VL_ERANGE);
    run_pack(&w, a->job, a->task, a->epoch);
    pack_u64(&w, a->lease_ms);
    pack_u32(&w, a->attempt);
    pack_u8(&w, (uint8_t)a->priority);
    if ((unsigned)a->privacy >= MIX_LEVELS) pack_fail(&w, VL_ERANGE);
    pack_u8(&w, (uint8_t)a->privacy);
    pack_bool(&w, a->commit);
    spec_pack(&w, &a->spec);
    pack_u8(&w, (uint8_t)a->n_sources);
    for (uint32_t i = 0; i < a->n_sources && w.err == VL_OK; i++)
        pack_bytes(&w, a->sources[i].b, sizeof a->sources[i].b);
    return pack_end(&w);
}

enum vl_err assignment_decode(struct vl_span in, struct assignment *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_ASSIGNMENT, ASSIGNMENT_VERSION);
    if (err) return err;
    struct assignment a = { 0 };
    run_unpack(&r, &a.job, &a.task, &a.epoch);
    a.lease_ms = vl_read_u64(&r);
    a.attempt = unpack_u32_in(&r, 1, UINT32_MAX);
    a.priority = (enum task_priority)unpack_u8_in(&r, TASK_CRITICAL, TASK_BULK);
    a.privacy = (enum mix_level)unpack_u8_in(&r, MIX_OFF, MIX_SECRET);
    a.commit = unpack_bool(&r);
    spec_unpack(&r, &a.spec);
    a.n_sources = unpack_u8_in(&r, 0, TASK_SOURCES_MAX);
    for (uint32_t i = 0; i < a.n_sources; i++) a.sources[i] = unpack_node(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = a;
    return err;
}

enum vl_err revoke_encode(const struct revoke *v, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_REVOKE, VERSION);
    run_pack(&w, v->job, v->task, v->epoch);
    return pack_end(&w);
}

enum vl_err revoke_decode(struct vl_span in, struct revoke *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_REVOKE, VERSION);
    if (err) return err;
    struct revoke v = { 0 };
    run_unpack(&r, &v.job, &v.task, &v.epoch);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = v;
    return err;
}

enum vl_err task_commit_encode(const struct task_commit *c, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_COMMIT, VERSION);
    run_pack(&w, c->job, c->task, c->epoch);
    pack_bytes(&w, c->hash.b, sizeof c->hash.b);
    return pack_end(&w);
}

enum vl_err task_commit_decode(struct vl_span in, struct task_commit *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_COMMIT, VERSION);
    if (err) return err;
    struct task_commit c = { 0 };
    run_unpack(&r, &c.job, &c.task, &c.epoch);
    c.hash = unpack_hash(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = c;
    return err;
}

enum vl_err task_reveal_encode(const struct task_reveal *v, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_REVEAL, VERSION);
    run_pack(&w, v->job, v->task, v->epoch);
    return pack_end(&w);
}

enum vl_err task_reveal_decode(struct vl_span in, struct task_reveal *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_REVEAL, VERSION);
    if (err) return err;
    struct task_reveal v = { 0 };
    run_unpack(&r, &v.job, &v.task, &v.epoch);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = v;
    return err;
}

enum vl_err task_status_encode(const struct task_status *s, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_STATUS, VERSION);
    if (s->phase < TASK_ACCEPTED || s->phase > TASK_FROZEN) pack_fail(&w, VL_ERANGE);
    run_pack(&w, s->job, s->task, s->epoch);
    pack_u8(&w, (uint8_t)s->phase);
    return pack_end(&w);
}

enum vl_err task_status_decode(struct vl_span in, struct task_status *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_STATUS, VERSION);
    if (err) return err;
    struct task_status s = { 0 };
    run_unpack(&r, &s.job, &s.task, &s.epoch);
    s.phase = (enum task_phase)unpack_u8_in(&r, TASK_ACCEPTED, TASK_FROZEN);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = s;
    return err;
}

static void receipt_body_pack(struct pack *w, const struct receipt *c) {
    if (c->ended_ms < c->started_ms) pack_fail(w, VL_ERANGE);
    run_pack(w, c->job, c->task, c->epoch);
    pack_bytes(w, c->program.b, 32);
    pack_bytes(w, c->toolchain.b, 32);
    pack_bytes(w, c->input_root.b, 32);
    pack_bytes(w, c->output_root.b, 32);
    pack_u32(w, (uint32_t)c->exit_code);
    pack_u64(w, c->cpu_us);
    pack_u64(w, c->started_ms);
    pack_u64(w, c->ended_ms);
    pack_bytes(w, c->node.b, 32);
    if (receipt_version(c) < 2) return;
    pack_bytes(w, c->previous.b, 32);
    pack_bytes(w, c->attestation.b, 32);
}

uint8_t receipt_version(const struct receipt *r) {
    static const struct vl_hash none;
    return vl_hash_eq(r->previous, none) && vl_hash_eq(r->attestation, none) ? 1 : 2;
}

static void receipt_unpack(struct vl_reader *r, uint8_t version, struct receipt *c) {
    run_unpack(r, &c->job, &c->task, &c->epoch);
    c->program = unpack_hash(r);
    c->toolchain = unpack_hash(r);
    c->input_root = unpack_hash(r);
    c->output_root = unpack_hash(r);
    c->exit_code = (int32_t)vl_read_u32(r);
    c->cpu_us = vl_read_u64(r);
    c->started_ms = vl_read_u64(r);
    c->ended_ms = unpack_u64_in(r, c->started_ms, UINT64_MAX);
    c->node = unpack_node(r);
    if (version == 2) {
        c->previous = unpack_hash(r);
        c->attestation = unpack_hash(r);
        unpack_require(r, r->failed || receipt_version(c) == 2); /* one encoding for each value */
    }
    vl_read_bytes(r, c->signature, sizeof c->signature);
}

enum vl_err receipt_body_encode(const struct receipt *c, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_RECEIPT, receipt_version(c));
    receipt_body_pack(&w, c);
    return pack_end(&w);
}

enum vl_err receipt_encode(const struct receipt *c, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_RECEIPT, receipt_version(c));
    receipt_body_pack(&w, c);
    pack_bytes(&w, c->signature, sizeof c->signature);
    return pack_end(&w);
}

enum vl_err receipt_decode(struct vl_span in, struct receipt *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    uint8_t version = in.n > 1 && in.p[1] == 2 ? 2 : 1;
    enum vl_err err = unpack_message(&r, TAG_RECEIPT, version);
    if (err) return err;
    struct receipt c = { 0 };
    receipt_unpack(&r, version, &c);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = c;
    return err;
}

/* An output is an input by shape; the names differ because their meaning does. */
_Static_assert(sizeof(struct task_input) == sizeof(struct task_output), "same fields");

static bool report_ok(const struct task_report *p) {
    bool done = p->outcome == TASK_DONE;
    if (p->outcome < TASK_DONE || p->outcome > TASK_LOST || p->ended_ms < p->started_ms) return false;
    if (done ? p->error != 0 || p->exit_code != 0 : p->error >= 0) return false;
    if (!task_text_ok(p->detail, TASK_ERROR_MAX)) return false;
    const struct receipt *c = &p->receipt;
    return !p->has_receipt ||
           (vl_job_eq(c->job, p->job) && c->task == p->task && c->epoch == p->epoch && c->exit_code == p->exit_code &&
            c->started_ms == p->started_ms && c->ended_ms == p->ended_ms);
}

enum vl_err task_report_encode(const struct task_report *p, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_REPORT, REPORT_VERSION);
    struct task_input files[VL_TASK_OUTPUTS_MAX];
    uint32_t n = p->n_outputs <= VL_TASK_OUTPUTS_MAX ? p->n_outputs : 0;
    for (uint32_t i = 0; i < n; i++)
        files[i] = (struct task_input){ p->outputs[i].name, p->outputs[i].hash, p->outputs[i].size,
                                        p->outputs[i].inline_bytes };
    if (n != p->n_outputs || !report_ok(p) || !files_ok(files, n, VL_TASK_OUTPUTS_MAX)) pack_fail(&w, VL_ERANGE);
    run_pack(&w, p->job, p->task, p->epoch);
    pack_u8(&w, (uint8_t)p->outcome);
    pack_u32(&w, (uint32_t)p->error);
    pack_span8(&w, p->detail);
    pack_u32(&w, (uint32_t)p->exit_code);
    pack_u64(&w, p->started_ms);
    pack_u64(&w, p->ended_ms);
    pack_u64(&w, p->cpu_us);
    pack_u64(&w, p->peak_bytes);
    files_pack(&w, files, n);
    pack_u8(&w, p->has_receipt ? receipt_version(&p->receipt) : 0);
    if (p->has_receipt) {
        receipt_body_pack(&w, &p->receipt);
        pack_bytes(&w, p->receipt.signature, sizeof p->receipt.signature);
    }
    pack_bool(&w, p->has_salt);
    if (p->has_salt) pack_bytes(&w, p->salt, sizeof p->salt);
    return pack_end(&w);
}

enum vl_err task_report_decode(struct vl_span in, struct task_report *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_REPORT, REPORT_VERSION);
    if (err) return err;
    struct task_report p = { 0 };
    struct task_input files[VL_TASK_OUTPUTS_MAX];
    run_unpack(&r, &p.job, &p.task, &p.epoch);
    p.outcome = (enum task_outcome)unpack_u8_in(&r, TASK_DONE, TASK_LOST);
    p.error = (int32_t)vl_read_u32(&r);
    p.detail = unpack_span8(&r, TASK_ERROR_MAX);
    p.exit_code = (int32_t)vl_read_u32(&r);
    p.started_ms = vl_read_u64(&r);
    p.ended_ms = vl_read_u64(&r);
    p.cpu_us = vl_read_u64(&r);
    p.peak_bytes = vl_read_u64(&r);
    p.n_outputs = files_unpack(&r, files, VL_TASK_OUTPUTS_MAX);
    uint8_t receipt = unpack_u8_in(&r, 0, 2); /* its version */
    p.has_receipt = receipt != 0;
    if (p.has_receipt) receipt_unpack(&r, receipt, &p.receipt);
    p.has_salt = unpack_bool(&r);
    if (p.has_salt) vl_read_bytes(&r, p.salt, sizeof p.salt);
    err = vl_reader_end(&r);
    if (err) return err;
    if (!report_ok(&p) || !files_ok(files, p.n_outputs, VL_TASK_OUTPUTS_MAX)) return VL_EPARSE;
    for (uint32_t i = 0; i < p.n_outputs; i++)
        p.outputs[i] = (struct task_output){ files[i].name, files[i].hash, files[i].size, files[i].inline_bytes };
    *ret = p;
    return VL_OK;
}
