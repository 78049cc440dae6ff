#include "wire/job.h"

#include "wire/pack.h"
#include "wire/task_priv.h"

#include <string.h>

enum { TAG_JOB = 0x20, VERSION = 4 };
enum { INPUT_FIXED = 1 + 32 + 8 };

void job_spec_defaults(struct job_spec *ret) {
    *ret = (struct job_spec){
        .limits = { .timeout_ms = 600000,
                    .memory_bytes = 268435456,
                    .disk_bytes = 268435456,
                    .output_bytes = 67108864,
                    .processes = 32 },
        .max_attempts = 3,
        .priority = TASK_NORMAL,
    };
}

enum vl_err job_inputs_append(struct vl_buf *packed, struct vl_span name, struct vl_hash hash, uint64_t size) {
    struct pack w = pack_begin(packed);
    if (!task_name_ok(name) || size > VL_BLOB_MAX) pack_fail(&w, VL_ERANGE);
    pack_span8(&w, name);
    pack_bytes(&w, hash.b, sizeof hash.b);
    pack_u64(&w, size);
    return pack_end(&w);
}

bool job_inputs_next(struct vl_span *rest, struct task_input *ret) {
    struct vl_reader r = vl_reader(rest->p, rest->n);
    struct task_input in = { .name = unpack_span8(&r, VL_NAME_MAX - 1) };
    in.hash = unpack_hash(&r);
    in.size = unpack_u64_in(&r, 0, VL_BLOB_MAX);
    if (r.failed || !task_name_ok(in.name)) return false;
    *rest = vl_span(r.p, r.n);
    *ret = in;
    return true;
}

/* Names matter only among the inputs of one task; n is small then. */
static bool names_differ(struct vl_span packed) {
    struct vl_span outer = packed;
    struct task_input a, b;
    while (job_inputs_next(&outer, &a))
        for (struct vl_span inner = outer; job_inputs_next(&inner, &b);)
            if (vl_span_eq(a.name, b.name)) return false;
    return true;
}

static enum vl_err inputs_check(const struct job_spec *s, struct vl_errmsg *msg) {
    if (s->n_inputs > VL_JOB_TASKS_MAX)
        return vl_errmsg_set(msg, VL_ELIMIT, "a job takes at most %u inputs", VL_JOB_TASKS_MAX);
    if (s->map && s->n_inputs == 0) return vl_errmsg_set(msg, VL_ERANGE, "map needs at least one input");
    if (!s->map && s->n_inputs > VL_TASK_INPUTS_MAX)
        return vl_errmsg_set(msg, VL_ELIMIT, "without map a job takes at most %u inputs", VL_TASK_INPUTS_MAX);
    if (!s->map && s->has_merge) return vl_errmsg_set(msg, VL_ERANGE, "merge needs map");
    if (s->inputs.n > (size_t)s->n_inputs * (INPUT_FIXED + VL_NAME_MAX - 1))
        return vl_errmsg_set(msg, VL_ERANGE, "the list of inputs is malformed");
    struct vl_span rest = s->inputs;
    struct task_input in;
    uint32_t n = 0;
    while (job_inputs_next(&rest, &in)) n++;
    if (rest.n != 0 || n != s->n_inputs) return vl_errmsg_set(msg, VL_ERANGE, "the list of inputs is malformed");
    if (!s->map && !names_differ(s->inputs)) return vl_errmsg_set(msg, VL_ERANGE, "two inputs have the same name");
    return VL_OK;
}

static uint32_t class_replicas(enum sla_class c) { return c == SLA_S ? 3 : c == SLA_A ? 2 : 1; }

uint32_t job_spec_replicas(const struct job_spec *s) { return s->replicas ? s->replicas : class_replicas(s->terms.class); }

enum vl_err job_spec_check(const struct job_spec *s, struct vl_errmsg *msg) {
    if (s->name.n != 0 && !task_name_ok(s->name))
        return vl_errmsg_set(msg, VL_ERANGE, "name: 1 to 63 bytes of UTF-8 without '/' and control characters");
    if (!task_program_ok(s->kind, &s->program, s->command))
        return vl_errmsg_set(msg, VL_ERANGE,
                             "kind wasm needs a program hash, kind native an absolute path as command, not both");
    if (!task_strings_ok(s->args, s->env))
        return vl_errmsg_set(msg, VL_ERANGE, "args and env: at most %u each, %u bytes in all, env as KEY=value",
                             VL_ARGS_MAX, VL_ARGS_BYTES);
    if (!task_strings_ok(s->merge_args, s->env) || (!s->has_merge && s->merge_args.n != 0))
        return vl_errmsg_set(msg, VL_ERANGE, "merge: at most %u arguments, %u bytes with env", VL_ARGS_MAX,
                             VL_ARGS_BYTES);
    if (!task_limits_ok(&s->limits)) return vl_errmsg_set(msg, VL_ERANGE, "limits: a value is zero or too large");
    if (s->replicas > JOB_REPLICAS_MAX)
        return vl_errmsg_set(msg, VL_ERANGE, "replicas: 1 to %u", JOB_REPLICAS_MAX);
    if (s->max_attempts < 1 || s->max_attempts > JOB_ATTEMPTS_MAX)
        return vl_errmsg_set(msg, VL_ERANGE, "max_attempts: 1 to %u", JOB_ATTEMPTS_MAX);
    if (s->priority < TASK_CRITICAL || s->priority > TASK_BULK)
        return vl_errmsg_set(msg, VL_ERANGE, "priority is unknown");
    if ((unsigned)s->privacy >= MIX_LEVELS) return vl_errmsg_set(msg, VL_ERANGE, "privacy is unknown");
    if (!job_terms_ok(&s->terms))
        return vl_errmsg_set(msg, VL_ERANGE, "terms: trust 0 to 1, a region of at most %u ASCII characters, nodes to exclude in order",
                             LABEL_MAX - 1);
    if (job_spec_replicas(s) < class_replicas(s->terms.class))
        return vl_errmsg_set(msg, VL_ERANGE, "replicas: class %s compares at least %u", sla_class_name(s->terms.class),
                             class_replicas(s->terms.class));
    if (s->ttl_ms != 0 && (s->ttl_ms < 1000 || s->ttl_ms > JOB_TTL_MAX_MS))
        return vl_errmsg_set(msg, VL_ERANGE, "time to live: 1 s to 90 days");
    if (s->n_after > JOB_AFTER_MAX) return vl_errmsg_set(msg, VL_ELIMIT, "after: at most %u jobs", JOB_AFTER_MAX);
    for (uint32_t i = 0; i < s->n_after; i++)
        for (uint32_t j = 0; j < i; j++)
            if (vl_job_eq(s->after[i], s->after[j])) return vl_errmsg_set(msg, VL_ERANGE, "after names a job twice");
    return inputs_check(s, msg);
}

static void terms_pack(struct pack *w, const struct job_terms *t) {
    pack_u8(w, (uint8_t)t->class);
    pack_u8(w, (uint8_t)t->tier);
    pack_u8(w, (uint8_t)t->strategy);
    pack_bool(w, t->spread_set);
    pack_u8(w, (uint8_t)t->spread);
    pack_u16(w, (uint16_t)t->min_trust_milli);
    pack_u16(w, (uint16_t)t->min_attest_milli);
    pack_u32(w, t->max_latency_us);
    pack_u64(w, t->max_price);
    pack_span8(w, vl_span(t->region, strnlen(t->region, sizeof t->region)));
    pack_u8(w, (uint8_t)t->n_exclude);
    for (uint32_t i = 0; i < t->n_exclude && w->err == VL_OK; i++)
        pack_bytes(w, t->exclude[i].b, sizeof t->exclude[i].b);
}

static void terms_unpack(struct vl_reader *r, struct job_terms *t) {
    t->class = (enum sla_class)unpack_u8_in(r, 0, SLA_CLASSES - 1);
    t->tier = (enum sla_tier)unpack_u8_in(r, 0, SLA_TIERS - 1);
    t->strategy = (enum strategy)unpack_u8_in(r, 0, STRATEGIES - 1);
    t->spread_set = unpack_bool(r);
    t->spread = (enum domain)unpack_u8_in(r, 0, DOMAINS - 1);
    t->min_trust_milli = vl_read_u16(r);
    t->min_attest_milli = vl_read_u16(r);
    t->max_latency_us = vl_read_u32(r);
    t->max_price = vl_read_u64(r);
    unpack_ascii8(r, t->region, sizeof t->region);
    t->n_exclude = unpack_u8_in(r, 0, TERMS_EXCLUDE_MAX);
    for (uint32_t i = 0; i < t->n_exclude; i++) t->exclude[i] = unpack_node(r);
    unpack_require(r, job_terms_ok(t));
}

enum vl_err job_spec_encode(const struct job_spec *s, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_JOB, VERSION);
    enum vl_err bad = job_spec_check(s, NULL);
    if (bad) pack_fail(&w, bad);
    pack_span8(&w, s->name);
    pack_u8(&w, (uint8_t)s->kind);
    pack_bytes(&w, s->program.b, sizeof s->program.b);
    pack_span8(&w, s->command);
    pack_span16(&w, s->args);
    pack_span16(&w, s->env);
    task_limits_pack(&w, &s->limits);
    pack_bool(&w, s->deterministic);
    pack_bool(&w, s->network);
    pack_bool(&w, s->map);
    pack_bool(&w, s->has_merge);
    pack_span16(&w, s->merge_args);
    pack_u8(&w, (uint8_t)s->replicas);
    pack_u8(&w, (uint8_t)s->max_attempts);
    pack_u8(&w, (uint8_t)s->priority);
    pack_u8(&w, (uint8_t)s->privacy);
    terms_pack(&w, &s->terms);
    pack_u64(&w, s->ttl_ms);
    pack_u8(&w, (uint8_t)s->n_after);
    for (uint32_t i = 0; i < s->n_after && w.err == VL_OK; i++) pack_bytes(&w, s->after[i].b, sizeof s->after[i].b);
    pack_u32(&w, s->n_inputs);
    pack_span32(&w, s->inputs);
    return pack_end(&w);
}

enum vl_err job_spec_reopen(struct vl_span in, struct job_spec *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_JOB, VERSION);
    if (err) return err;
    struct job_spec s = { .name = unpack_span8(&r, VL_NAME_MAX - 1) };
    s.kind = (enum task_kind)unpack_u8_in(&r, TASK_WASM, TASK_NATIVE);
    s.program = unpack_hash(&r);
    s.command = unpack_span8(&r, TASK_COMMAND_MAX);
    s.args = unpack_span16(&r, VL_ARGS_BYTES);
    s.env = unpack_span16(&r, VL_ARGS_BYTES);
    task_limits_unpack(&r, &s.limits);
    s.deterministic = unpack_bool(&r);
    s.network = unpack_bool(&r);
    s.map = unpack_bool(&r);
    s.has_merge = unpack_bool(&r);
    s.merge_args = unpack_span16(&r, VL_ARGS_BYTES);
    s.replicas = vl_read_u8(&r);
    s.max_attempts = vl_read_u8(&r);
    s.priority = (enum task_priority)unpack_u8_in(&r, TASK_CRITICAL, TASK_BULK);
    s.privacy = (enum mix_level)unpack_u8_in(&r, MIX_OFF, MIX_SECRET);
    terms_unpack(&r, &s.terms);
    s.ttl_ms = vl_read_u64(&r);
    s.n_after = unpack_u8_in(&r, 0, JOB_AFTER_MAX);
    for (uint32_t i = 0; i < s.n_after; i++) s.after[i] = unpack_job(&r);
    s.n_inputs = unpack_u32_in(&r, 0, VL_JOB_TASKS_MAX);
    s.inputs = unpack_span32(&r, JOB_SPEC_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = s;
    return err;
}

enum vl_err job_spec_decode(struct vl_span in, struct job_spec *ret) {
    struct job_spec s;
    enum vl_err err = job_spec_reopen(in, &s);
    if (err) return err;
    if (job_spec_check(&s, NULL) != VL_OK) return VL_EPARSE;
    *ret = s;
    return VL_OK;
}
