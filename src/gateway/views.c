/* views.c - the node's views as JSON, the same in REST answers and WebSocket events. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"
#include "wire/job.h"

#include <string.h>

const char *const view_node_state_names[] = { "active", "idle", "busy", "offline", "maintenance", NULL };
const char *const view_job_state_names[] = { "submitted", "priced", "placed",    "running", "verifying",
                                             "done",      "failed", "cancelled", "expired", NULL };
static const char *const task_state_names[] = { "waiting", "placed", "running", "done", "failed", "cancelled" };

void emit_node_id(struct jw *j, struct vl_node_id id) {
    char text[NODE_ID_TEXT];
    node_id_format(id, text);
    jw_str(j, text);
}

static void put_node_id(struct jw *j, const char *key, struct vl_node_id id) {
    jw_key(j, key);
    emit_node_id(j, id);
}

static void put_error(struct jw *j, const struct view_error *e) {
    jw_key(j, "error");
    if (e->code == NULL) {
        jw_null(j);
        return;
    }
    jw_obj(j);
    jw_put_str(j, "code", e->code);
    jw_put_str(j, "detail", e->detail ? e->detail : "");
    jw_obj_end(j);
}

void emit_node(struct jw *j, const struct view_node *v) {
    jw_obj(j);
    put_node_id(j, "id", v->id);
    jw_put_str(j, "name", v->name);
    jw_put_str(j, "kind", v->kind);
    jw_put_str(j, "state", view_node_state_names[v->state]);
    jw_put_str(j, "addr", v->addr);
    jw_put_bool(j, "self", v->self);
    jw_put_u64(j, "cpus", v->cpus);
    jw_put_u64(j, "memory_bytes", v->memory_bytes);
    jw_put_u64(j, "disk_bytes", v->disk_bytes);
    jw_put_u64(j, "free_slots", v->free_slots);
    jw_put_u64(j, "running", v->running);
    jw_put_u64(j, "load_milli", v->load_milli);
    jw_put_ms(j, "joined_ms", v->joined_ms);
    jw_put_ms(j, "seen_ms", v->seen_ms);
    jw_put_u64(j, "done", v->done);
    jw_put_u64(j, "failed", v->failed);
    jw_key(j, "features");
    jw_arr(j);
    if (v->features & VIEW_FEATURE_WASM) jw_str(j, "wasm");
    if (v->features & VIEW_FEATURE_NATIVE) jw_str(j, "native");
    jw_arr_end(j);
    jw_put_str(j, "region", v->region);
    jw_key(j, "labels");
    jw_obj(j);
    for (unsigned d = 0; v->labels && d < DOMAINS; d++)
        if (v->labels[d][0]) jw_put_str(j, domain_name((enum domain)d), v->labels[d]);
    jw_obj_end(j);
    jw_put_u64(j, "cost", v->cost);
    jw_put_u64(j, "ask", v->ask);
    if (v->harvest) jw_put_str(j, "harvest", v->harvest);
    if (v->rated) {
        jw_put_u64(j, "trust_milli", v->trust_milli);
        jw_put_u64(j, "doubt_milli", v->doubt_milli);
        jw_put_bool(j, "flagged", v->flagged);
    }
    if (v->attest_known) {
        jw_put_u64(j, "attestation_milli", v->attest_milli);
        jw_put_bool(j, "quarantined", v->quarantined);
        if (v->attest_why) jw_put_str(j, "attestation", v->attest_why);
    }
    jw_obj_end(j);
}

void emit_job_members(struct jw *j, const struct view_job *v) {
    jw_put_hex(j, "id", v->id.b, sizeof v->id.b);
    jw_put_str(j, "name", v->name);
    jw_put_str(j, "kind", v->kind);
    jw_put_str(j, "state", view_job_state_names[v->state]);
    jw_key(j, "tasks");
    jw_obj(j);
    jw_put_u64(j, "total", v->total);
    jw_put_u64(j, "waiting", v->waiting);
    jw_put_u64(j, "running", v->running);
    jw_put_u64(j, "done", v->done);
    jw_put_u64(j, "failed", v->failed);
    jw_obj_end(j);
    jw_put_ms(j, "submitted_ms", v->submitted_ms);
    jw_put_ms(j, "started_ms", v->started_ms);
    jw_put_ms(j, "ended_ms", v->ended_ms);
    put_error(j, &v->error);
    jw_put_u64(j, "replicas", v->replicas);
    jw_put_str(j, "priority", v->priority);
    jw_put_u64(j, "attempts", v->attempts);
    if (v->waits) jw_put_str(j, "waits_for", v->waits);
}

void emit_job(struct jw *j, const struct view_job *v) {
    jw_obj(j);
    emit_job_members(j, v);
    jw_obj_end(j);
}

static void output_members(struct jw *j, const struct view_output *v) {
    jw_put_str(j, "name", v->name);
    jw_put_hex(j, "hash", v->hash.b, sizeof v->hash.b);
    jw_put_u64(j, "size", v->size);
}

void emit_output(struct jw *j, const struct view_output *v) {
    jw_obj(j);
    jw_put_u64(j, "task", v->task);
    output_members(j, v);
    jw_obj_end(j);
}

static void put_receipt(struct jw *j, const struct view_receipt *v) {
    jw_key(j, "receipt");
    if (v->signature == NULL) {
        jw_null(j);
        return;
    }
    jw_obj(j);
    jw_put_hex(j, "signature", v->signature, 64);
    put_node_id(j, "signer", v->signer);
    jw_put_ms(j, "signed_ms", v->signed_ms);
    jw_obj_end(j);
}

void emit_task(struct jw *j, const struct view_task *v) {
    jw_obj(j);
    jw_put_u64(j, "index", v->index);
    jw_put_str(j, "state", task_state_names[v->state]);
    jw_key(j, "node");
    if (v->has_node)
        emit_node_id(j, v->node);
    else
        jw_null(j);
    jw_put_u64(j, "attempt", v->attempt);
    jw_put_u64(j, "epoch", v->epoch);
    if (v->batch) jw_put_u64(j, "batch", v->batch);
    jw_key(j, "exit_code");
    if (v->has_exit_code)
        jw_i64(j, v->exit_code);
    else
        jw_null(j);
    jw_put_ms(j, "started_ms", v->started_ms);
    jw_put_ms(j, "ended_ms", v->ended_ms);
    jw_put_u64(j, "cpu_us", v->cpu_us);
    jw_put_u64(j, "peak_bytes", v->peak_bytes);
    put_error(j, &v->error);
    jw_key(j, "outputs");
    jw_arr(j);
    for (size_t i = 0; i < v->outputs_n; i++) {
        jw_obj(j);
        output_members(j, &v->outputs[i]);
        jw_obj_end(j);
    }
    jw_arr_end(j);
    put_receipt(j, &v->receipt);
    jw_put_str(j, "input", v->input);
    jw_obj_end(j);
}

static void put_strings(struct jw *j, const char *key, struct vl_span packed) {
    jw_key(j, key);
    jw_arr(j);
    for (const char *s = task_strings_next(&packed); s; s = task_strings_next(&packed)) jw_str(j, s);
    jw_arr_end(j);
}

static void put_env(struct jw *j, struct vl_span packed) {
    jw_key(j, "env");
    jw_obj(j);
    for (const char *s = task_strings_next(&packed); s; s = task_strings_next(&packed)) {
        const char *eq = strchr(s, '=');
        char name[64];
        if (eq == NULL || eq == s || (size_t)(eq - s) >= sizeof name) continue;
        memcpy(name, s, (size_t)(eq - s));
        name[eq - s] = '\0';
        if (strpbrk(name, "\"\\")) continue; /* jw_key takes plain names only; the schema lets no others in */
        jw_put_str(j, name, eq + 1);
    }
    jw_obj_end(j);
}

static void put_span(struct jw *j, const char *key, struct vl_span s) {
    jw_key(j, key);
    jw_strn(j, (const char *)s.p, s.n);
}

static const char *priority_name(enum task_priority p) {
    switch (p) {
    case TASK_CRITICAL:
        return "critical";
    case TASK_HIGH:
        return "high";
    case TASK_NORMAL:
        return "normal";
    case TASK_LOW:
        return "low";
    case TASK_BULK:
        return "bulk";
    }
    return "normal";
}

static void put_limits(struct jw *j, const struct task_limits *l) {
    jw_key(j, "limits");
    jw_obj(j);
    jw_put_u64(j, "timeout_ms", l->timeout_ms);
    if (l->cpu_ms > 0) jw_put_u64(j, "cpu_ms", l->cpu_ms);
    jw_put_u64(j, "memory_bytes", l->memory_bytes);
    jw_put_u64(j, "disk_bytes", l->disk_bytes);
    jw_put_u64(j, "output_bytes", l->output_bytes);
    jw_put_u64(j, "processes", l->processes);
    jw_obj_end(j);
}

/* What a person could post again. */
static void put_terms(struct jw *j, const struct job_terms *t) {
    char id[NODE_ID_TEXT];
    jw_put_str(j, "class", sla_class_name(t->class));
    jw_put_str(j, "tier", sla_tier_name(t->tier));
    jw_put_str(j, "strategy", strategy_name(t->strategy));
    jw_key(j, "require");
    jw_obj(j);
    if (t->region[0]) jw_put_str(j, "region", t->region);
    if (t->min_trust_milli) jw_put_u64(j, "min_trust", t->min_trust_milli);
    if (t->min_attest_milli) jw_put_u64(j, "min_attestation", t->min_attest_milli);
    if (t->max_latency_us) jw_put_u64(j, "max_latency_ms", t->max_latency_us / 1000);
    if (t->max_price) jw_put_u64(j, "max_price", t->max_price);
    if (t->spread_set) jw_put_str(j, "spread", domain_name(t->spread));
    jw_key(j, "exclude");
    jw_arr(j);
    for (uint32_t i = 0; i < t->n_exclude; i++) {
        node_id_format(t->exclude[i], id);
        jw_str(j, id);
    }
    jw_arr_end(j);
    jw_obj_end(j);
}

void emit_spec(struct jw *j, const struct job_spec *s) {
    struct vl_span rest = s->inputs;
    struct task_input in;
    jw_obj(j);
    put_span(j, "name", s->name);
    jw_put_str(j, "kind", s->kind == TASK_WASM ? "wasm" : "native");
    if (s->kind == TASK_WASM)
        jw_put_hex(j, "program", s->program.b, sizeof s->program.b);
    else
        put_span(j, "command", s->command);
    put_strings(j, "args", s->args);
    put_env(j, s->env);
    jw_key(j, "inputs");
    jw_arr(j);
    while (job_inputs_next(&rest, &in)) {
        jw_obj(j);
        put_span(j, "name", in.name);
        jw_put_hex(j, "hash", in.hash.b, sizeof in.hash.b);
        jw_put_u64(j, "size", in.size);
        jw_obj_end(j);
    }
    jw_arr_end(j);
    jw_put_bool(j, "map", s->map);
    jw_key(j, "merge");
    if (s->has_merge) {
        jw_obj(j);
        put_strings(j, "args", s->merge_args);
        jw_obj_end(j);
    } else {
        jw_null(j);
    }
    jw_put_u64(j, "replicas", s->replicas);
    put_limits(j, &s->limits);
    jw_put_bool(j, "deterministic", s->deterministic);
    jw_put_str(j, "priority", priority_name(s->priority));
    jw_put_str(j, "privacy", mix_level_name(s->privacy));
    jw_put_u64(j, "max_attempts", s->max_attempts);
    jw_key(j, "after");
    jw_arr(j);
    for (uint32_t i = 0; i < s->n_after; i++) jw_hex(j, s->after[i].b, sizeof s->after[i].b);
    jw_arr_end(j);
    put_terms(j, &s->terms);
    if (s->ttl_ms) jw_put_u64(j, "deadline_ms", s->ttl_ms);
    jw_put_bool(j, "network", s->network);
    jw_obj_end(j);
}

void emit_ticket_members(struct jw *j, const struct view_ticket *v) {
    jw_put_str(j, "id", v->id);
    jw_put_u64(j, "uses", v->uses);
    jw_put_u64(j, "used", v->used);
    jw_put_ms(j, "created_ms", v->created_ms);
    jw_put_ms(j, "expires_ms", v->expires_ms);
    jw_put_bool(j, "revoked", v->revoked);
}
