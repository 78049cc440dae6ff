#include "gateway/job_body.h"

#include "crypto/node_id.h"
#include "gateway/gateway_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = { "wasm", "native", NULL };
static const char *const priorities[] = { "critical", "high", "normal", "low", "bulk", NULL };

static const char *const privacies[] = { "off", "public", "private", "confidential", "secret", NULL };

static const char *const classes[] = { "B", "A", "S", NULL };
static const char *const tiers[] = { "none", "bronze", "silver", "gold", "platinum", NULL };
static const char *const strategies[] = { "default",      "nsga2",    "latency_first", "load_balance",
                                          "trust_first",  "cost",     "round_robin",   "least_loaded",
                                          "affinity",     "proximity", "privacy_aware", "random",
                                          NULL }; /* names of wire/terms.h; a test holds them together */
static const char *const spreads[] = { "host",     "site",   "owner", "power",  "isp",
                                       "platform", "vendor", "infra", "region", NULL };

static const struct schema_row arg_row[] = { { .name = "", .type = SCHEMA_TEXT, .max = VL_ARGS_BYTES - 1 } };
static const struct schema_row input_rows[] = {
    { .name = "name",
      .type = SCHEMA_STRING,
      .required = true,
      .min = 1,
      .max = 63,
      .doc = "File name inside the task." },
    { .name = "hash", .type = SCHEMA_HEX, .required = true, .max = 64, .doc = "BLAKE2b-256 of the content." },
    { .name = "size", .type = SCHEMA_INT, .required = true, .min = 0, .max = (int64_t)VL_BLOB_MAX, .doc = "Bytes." },
    { 0 },
};
static const struct schema_row input_row[] = { { .name = "", .type = SCHEMA_OBJECT, .rows = input_rows } };
static const struct schema_row after_row[] = { { .name = "", .type = SCHEMA_HEX, .max = 32 } };
static const struct schema_row merge_rows[] = {
    { .name = "args",
      .type = SCHEMA_LIST,
      .max = VL_ARGS_MAX,
      .rows = arg_row,
      .doc = "Arguments of the merging task." },
    { 0 },
};
static const struct schema_row exclude_row[] = { { .name = "", .type = SCHEMA_STRING, .min = 1, .max = 64 } };
static const struct schema_row require_rows[] = {
    { .name = "region", .type = SCHEMA_STRING, .min = 1, .max = LABEL_MAX - 1, .doc = "Only nodes in this region." },
    { .name = "min_trust",
      .type = SCHEMA_INT,
      .min = 0,
      .max = 1000,
      .doc = "Lower bound of a node's reputation, in thousandths." },
    { .name = "min_attestation",
      .type = SCHEMA_INT,
      .min = 0,
      .max = 1000,
      .doc = "Level of a node's evidence of where it runs, in thousandths; 300: none is needed." },
    { .name = "max_latency_ms", .type = SCHEMA_INT, .min = 1, .max = 60000, .doc = "Round trip to the node." },
    { .name = "max_price",
      .type = SCHEMA_INT,
      .min = 1,
      .max = (int64_t)TERMS_PRICE_MAX,
      .doc = "Micro-credits for an hour of one slot." },
    { .name = "spread",
      .type = SCHEMA_ENUM,
      .values = spreads,
      .doc = "Failure domain that no two replicas share; by default the class decides." },
    { .name = "exclude",
      .type = SCHEMA_LIST,
      .max = TERMS_EXCLUDE_MAX,
      .rows = exclude_row,
      .fallback = "[]",
      .doc = "Node ids that it must not run on." },
    { 0 },
};
static const struct schema_row limit_rows[] = {
    { .name = "timeout_ms",
      .type = SCHEMA_INT,
      .min = 1,
      .max = (int64_t)TASK_TIMEOUT_MAX_MS,
      .fallback = "600000",
      .doc = "Wall time of a task." },
    { .name = "cpu_ms",
      .type = SCHEMA_INT,
      .min = 1,
      .max = (int64_t)TASK_TIMEOUT_MAX_MS,
      .doc = "CPU time of a task; none by default." },
    { .name = "memory_bytes", .type = SCHEMA_INT, .min = 1, .max = (int64_t)TASK_MEMORY_MAX, .fallback = "268435456" },
    { .name = "disk_bytes", .type = SCHEMA_INT, .min = 1, .max = (int64_t)TASK_MEMORY_MAX, .fallback = "268435456" },
    { .name = "output_bytes", .type = SCHEMA_INT, .min = 1, .max = (int64_t)TASK_MEMORY_MAX, .fallback = "67108864" },
    { .name = "processes", .type = SCHEMA_INT, .min = 1, .max = TASK_PROCESSES_MAX, .fallback = "32" },
    { 0 },
};

const struct schema_row job_body_rows[] = {
    { .name = "name", .type = SCHEMA_STRING, .min = 1, .max = 63, .doc = "For people." },
    { .name = "kind",
      .type = SCHEMA_ENUM,
      .required = true,
      .values = kinds,
      .doc = "WebAssembly module or program of the machine." },
    { .name = "program", .type = SCHEMA_HEX, .max = 64, .doc = "wasm: hash of the module's blob." },
    { .name = "command", .type = SCHEMA_STRING, .min = 2, .max = TASK_COMMAND_MAX, .doc = "native: absolute path." },
    { .name = "args", .type = SCHEMA_LIST, .max = VL_ARGS_MAX, .rows = arg_row, .fallback = "[]" },
    { .name = "env", .type = SCHEMA_MAP, .max = 64, .rows = arg_row, .fallback = "{}" },
    { .name = "inputs", .type = SCHEMA_LIST, .max = VL_JOB_TASKS_MAX, .rows = input_row, .fallback = "[]" },
    { .name = "map", .type = SCHEMA_BOOL, .doc = "One task per input; default true when there are inputs." },
    { .name = "merge",
      .type = SCHEMA_OBJECT,
      .nullable = true,
      .rows = merge_rows,
      .fallback = "null",
      .doc = "A last task over the outputs of all others." },
    { .name = "replicas", .type = SCHEMA_INT, .min = 1, .max = JOB_REPLICAS_MAX,
      .doc = "Results of each task that are compared; by default as the class says: B 1, A 2, S 3." },
    { .name = "limits", .type = SCHEMA_OBJECT, .rows = limit_rows, .fallback = "{}" },
    { .name = "deterministic",
      .type = SCHEMA_BOOL,
      .fallback = "false",
      .doc = "Virtual clock, random seeded by the job." },
    { .name = "priority", .type = SCHEMA_ENUM, .values = priorities, .fallback = "\"normal\"" },
    { .name = "privacy",
      .type = SCHEMA_ENUM,
      .values = privacies,
      .fallback = "\"off\"",
      .doc = "Level of the private network at which its assignments and reports travel." },
    { .name = "max_attempts", .type = SCHEMA_INT, .min = 1, .max = JOB_ATTEMPTS_MAX, .fallback = "3" },
    { .name = "after",
      .type = SCHEMA_LIST,
      .max = JOB_AFTER_MAX,
      .rows = after_row,
      .fallback = "[]",
      .doc = "Jobs that must be done first." },
    { .name = "class",
      .type = SCHEMA_ENUM,
      .values = classes,
      .fallback = "\"B\"",
      .doc = "B: one copy, checked by credibility and audits; A: replicated; S: replicated on attested or audited nodes." },
    { .name = "tier",
      .type = SCHEMA_ENUM,
      .values = tiers,
      .fallback = "\"none\"",
      .doc = "Availability promised: 95, 99.5, 99.9 or 99.99 %." },
    { .name = "deadline_ms",
      .type = SCHEMA_INT,
      .min = 1000,
      .max = (int64_t)JOB_TTL_MAX_MS,
      .doc = "From now until it must have ended; then it expires. By default it has a week." },
    { .name = "strategy",
      .type = SCHEMA_ENUM,
      .values = strategies,
      .fallback = "\"default\"",
      .doc = "How its tasks are placed." },
    { .name = "require", .type = SCHEMA_OBJECT, .rows = require_rows, .fallback = "{}", .doc = "What its nodes must be." },
    { .name = "network", .type = SCHEMA_BOOL, .fallback = "false", .doc = "Network inside the sandbox." },
    { 0 },
};

static struct vl_span span_of(const json_t *s) {
    return s ? vl_span(json_string_value(s), json_string_length(s)) : vl_span(NULL, 0);
}

/* Packs the strings of a list, each with its NUL; *ret_at is where they begin. */
static enum vl_err pack_list(struct vl_buf *b, const json_t *list, size_t *ret_n) {
    size_t before = b->len;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        enum vl_err err = vl_buf_append(b, json_string_value(s), json_string_length(s) + 1);
        if (err != VL_OK) return err;
    }
    *ret_n = b->len - before;
    return VL_OK;
}

static enum vl_err pack_env(struct vl_buf *b, json_t *env, size_t *ret_n) {
    size_t before = b->len;
    const char *key;
    json_t *value;
    json_object_foreach(env, key, value) {
        enum vl_err err = vl_buf_append(b, key, strlen(key));
        if (err == VL_OK) err = vl_buf_append(b, "=", 1);
        if (err == VL_OK) err = vl_buf_append(b, json_string_value(value), json_string_length(value) + 1);
        if (err != VL_OK) return err;
    }
    *ret_n = b->len - before;
    return VL_OK;
}

static enum vl_err pack_strings(struct job_body *b, const json_t *root, struct schema_errors *errors) {
    const json_t *merge = json_object_get(root, "merge");
    struct job_spec *s = &b->spec;
    size_t args = 0, env = 0, merge_args = 0;
    enum vl_err err = vl_buf_reserve(&b->strings, 1); /* never NULL: offsets are taken into it */
    if (err == VL_OK) err = pack_list(&b->strings, json_object_get(root, "args"), &args);
    if (err == VL_OK) err = pack_env(&b->strings, json_object_get(root, "env"), &env);
    if (err == VL_OK) err = pack_list(&b->strings, json_object_get(merge, "args"), &merge_args);
    if (err == VL_ENOMEM) return err;
    s->has_merge = json_is_object(merge);
    if (err == VL_ELIMIT || args + env > VL_ARGS_BYTES || merge_args + env > VL_ARGS_BYTES) {
        schema_error_add(errors, args > env ? "/args" : "/env", "arguments and environment together may have %u bytes",
                         VL_ARGS_BYTES);
        return VL_EPARSE;
    }
    s->args = vl_span(b->strings.p, args);
    s->env = vl_span(b->strings.p + args, env);
    s->merge_args = vl_span(b->strings.p + args + env, merge_args);
    return VL_OK;
}

static enum vl_err pack_inputs(struct job_body *b, const json_t *root, struct schema_errors *errors) {
    const json_t *list = json_object_get(root, "inputs");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *in = json_array_get(list, i);
        struct vl_hash hash;
        char at[48];
        snprintf(at, sizeof at, "/inputs/%zu/name", i);
        if (hash_parse(schema_str(in, "hash", ""), &hash) != VL_OK) return VL_EPARSE;
        enum vl_err err =
            job_inputs_append(&b->inputs, span_of(json_object_get(in, "name")), hash, schema_u64(in, "size", 0));
        if (err == VL_ERANGE) {
            schema_error_add(errors, at, "is no file name");
            return VL_EPARSE;
        }
        if (err != VL_OK) return err;
    }
    b->spec.n_inputs = (uint32_t)json_array_size(list);
    b->spec.inputs = vl_span(b->inputs.p, b->inputs.len);
    return VL_OK;
}

static void read_limits(struct task_limits *l, const json_t *o) {
    l->timeout_ms = schema_u64(o, "timeout_ms", l->timeout_ms);
    l->cpu_ms = schema_u64(o, "cpu_ms", l->cpu_ms);
    l->memory_bytes = schema_u64(o, "memory_bytes", l->memory_bytes);
    l->disk_bytes = schema_u64(o, "disk_bytes", l->disk_bytes);
    l->output_bytes = schema_u64(o, "output_bytes", l->output_bytes);
    l->processes = (uint32_t)schema_u64(o, "processes", l->processes);
}

/* What the program is must fit the kind. */
static void read_program(struct job_spec *s, const json_t *root, struct schema_errors *errors) {
    const json_t *program = json_object_get(root, "program"), *command = json_object_get(root, "command");
    bool wasm = strcmp(schema_str(root, "kind", ""), "wasm") == 0;
    s->kind = wasm ? TASK_WASM : TASK_NATIVE;
    if (wasm && program == NULL) schema_error_add(errors, "/program", "is required for kind wasm");
    if (!wasm && command == NULL) schema_error_add(errors, "/command", "is required for kind native");
    if (wasm && command) schema_error_add(errors, "/command", "goes with kind native only");
    if (!wasm && program) schema_error_add(errors, "/program", "goes with kind wasm only");
    if (!wasm && command && json_string_value(command)[0] != '/')
        schema_error_add(errors, "/command", "must be an absolute path");
    if (errors->n > 0) return;
    if (!wasm)
        s->command = span_of(command);
    else if (hash_parse(json_string_value(program), &s->program) != VL_OK)
        schema_error_add(errors, "/program", "is no hash");
}

static void read_after(struct job_spec *s, const json_t *list, struct schema_errors *errors) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct vl_job_id id;
        char at[32];
        snprintf(at, sizeof at, "/after/%zu", i);
        bool ok = job_id_parse(json_string_value(json_array_get(list, i)), &id) == VL_OK;
        for (uint32_t k = 0; ok && k < s->n_after; k++) ok = !vl_job_eq(id, s->after[k]);
        if (ok)
            s->after[s->n_after++] = id;
        else
            schema_error_add(errors, at, "is named twice or is no job id");
    }
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, sizeof(struct vl_node_id)); }

static void read_exclude(struct job_terms *t, const json_t *list, struct schema_errors *errors) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        char at[40];
        snprintf(at, sizeof at, "/require/exclude/%zu", i);
        if (node_id_parse(json_string_value(json_array_get(list, i)), &t->exclude[t->n_exclude]) == VL_OK)
            t->n_exclude++;
        else
            schema_error_add(errors, at, "is no node id");
    }
    qsort(t->exclude, t->n_exclude, sizeof t->exclude[0], by_id);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n_exclude; i++)
        if (kept == 0 || !vl_node_eq(t->exclude[kept - 1], t->exclude[i])) t->exclude[kept++] = t->exclude[i];
    t->n_exclude = kept;
}

/* The schema knows no other names than wire/terms.h. */
static void read_terms(struct job_terms *t, const json_t *root, struct schema_errors *errors) {
    const json_t *o = json_object_get(root, "require"), *spread = json_object_get(o, "spread");
    (void)sla_class_parse(schema_str(root, "class", "B"), &t->class);
    (void)sla_tier_parse(schema_str(root, "tier", "none"), &t->tier);
    (void)strategy_parse(schema_str(root, "strategy", "default"), &t->strategy);
    t->spread_set = spread != NULL && domain_parse(json_string_value(spread), &t->spread);
    t->min_trust_milli = (uint32_t)schema_u64(o, "min_trust", 0);
    t->min_attest_milli = (uint32_t)schema_u64(o, "min_attestation", 0);
    t->max_latency_us = (uint32_t)schema_u64(o, "max_latency_ms", 0) * 1000;
    t->max_price = schema_u64(o, "max_price", 0);
    snprintf(t->region, sizeof t->region, "%s", schema_str(o, "region", ""));
    read_exclude(t, json_object_get(o, "exclude"), errors);
}

static enum task_priority priority_of(const char *name) {
    int i = 0;
    while (priorities[i] && strcmp(priorities[i], name) != 0) i++;
    return (enum task_priority)(TASK_CRITICAL + i);
}

enum vl_err job_body_read(const json_t *root, struct job_body *ret, struct schema_errors *errors) {
    struct job_spec *s = &ret->spec;
    struct vl_errmsg msg = { "" };
    errors->n = 0;
    vl_buf_init(&ret->inputs, JOB_SPEC_MAX);
    vl_buf_init(&ret->strings, 3 * VL_ARGS_BYTES);
    job_spec_defaults(s);
    read_program(s, root, errors);
    s->name = span_of(json_object_get(root, "name"));
    read_limits(&s->limits, json_object_get(root, "limits"));
    s->deterministic = schema_bool(root, "deterministic", false);
    s->network = schema_bool(root, "network", false);
    s->replicas = (uint32_t)schema_u64(root, "replicas", 0);
    s->max_attempts = (uint32_t)schema_u64(root, "max_attempts", 3);
    s->priority = priority_of(schema_str(root, "priority", "normal"));
    (void)mix_level_parse(schema_str(root, "privacy", "off"), &s->privacy); /* the schema knows no other names */
    read_after(s, json_object_get(root, "after"), errors);
    read_terms(&s->terms, root, errors);
    s->ttl_ms = schema_u64(root, "deadline_ms", 0);
    enum vl_err err = pack_strings(ret, root, errors);
    if (err == VL_OK) err = pack_inputs(ret, root, errors);
    if (err != VL_OK || errors->n > 0) return err == VL_OK ? VL_EPARSE : err;
    s->map = schema_bool(root, "map", s->n_inputs > 0);
    err = job_spec_check(s, &msg);
    if (err == VL_OK) return VL_OK;
    schema_error_add(errors, "", "%s", msg.text[0] ? msg.text : vl_err_text(err));
    return VL_EPARSE;
}

void job_body_free(struct job_body *b) {
    vl_buf_free(&b->inputs);
    vl_buf_free(&b->strings);
}
