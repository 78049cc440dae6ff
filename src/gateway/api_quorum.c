/* api_quorum.c - promises of availability: what could be promised, what was, and how it was kept. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"
#include "wire/job.h"

#include <stdio.h>
#include <string.h>

static const char *const tiers[] = { "bronze", "silver", "gold", "platinum", NULL };
static const char *const classes[] = { "B", "A", "S", NULL };
static const char *const kinds[] = { "wasm", "native", NULL };

const struct schema_row quorum_rows[] = {
    { .name = "tier", .type = SCHEMA_ENUM, .required = true, .values = tiers, .doc = "Availability asked for." },
    { .name = "class", .type = SCHEMA_ENUM, .values = classes, .fallback = "\"B\"", .doc = "As of a job." },
    { .name = "kind", .type = SCHEMA_ENUM, .values = kinds, .fallback = "\"wasm\"", .doc = "As of a job." },
    { .name = "replicas",
      .type = SCHEMA_INT,
      .min = 1,
      .max = JOB_REPLICAS_MAX,
      .fallback = "1",
      .doc = "More than 1: results are compared, so more than half must be up." },
    { .name = "tasks",
      .type = SCHEMA_INT,
      .min = 1,
      .max = (int64_t)VL_JOB_TASKS_MAX,
      .fallback = "1",
      .doc = "How wide the job is: it gets as many groups of nodes as are of use." },
    { .name = "region", .type = SCHEMA_STRING, .min = 1, .max = LABEL_MAX - 1, .doc = "Only nodes in this region." },
    { .name = "max_price",
      .type = SCHEMA_INT,
      .min = 1,
      .max = (int64_t)TERMS_PRICE_MAX,
      .doc = "Micro-credits for an hour of one slot." },
    { .name = "memory_bytes", .type = SCHEMA_INT, .min = 1, .max = (int64_t)TASK_MEMORY_MAX, .fallback = "268435456" },
    { 0 },
};

static void put_quorum(struct jw *j, const char *tier, const struct view_quorum *v) {
    jw_obj(j);
    jw_put_str(j, "tier", tier);
    jw_put_bool(j, "possible", v->possible);
    jw_put_str(j, "reason", v->possible ? NULL : v->reason);
    jw_put_u64(j, "promised_ppb", v->promised_ppb);
    jw_put_u64(j, "computed_ppb", v->computed_ppb);
    jw_put_bool(j, "majority", v->majority);
    jw_put_str(j, "decided_by", v->decided_by[0] ? v->decided_by : NULL);
    jw_put_u64(j, "domains", v->domains);
    jw_put_u64(j, "candidates", v->candidates);
    jw_put_u64(j, "price", v->price);
    jw_put_u64(j, "groups", v->groups);
    jw_key(j, "nodes");
    jw_arr(j);
    for (uint32_t i = 0; i < v->n; i++) {
        jw_obj(j);
        jw_key(j, "id");
        emit_node_id(j, v->nodes[i].id);
        jw_put_u64(j, "group", v->groups ? i / (v->n / v->groups) : 0);
        jw_put_u64(j, "availability_ppb", v->nodes[i].availability_ppb);
        jw_put_u64(j, "price", v->nodes[i].price);
        jw_obj_end(j);
    }
    jw_arr_end(j);
    jw_obj_end(j);
}

void api_quorum_check(struct gateway *g, struct http_req *r, const struct call *k) {
    struct job_spec s;
    struct view_quorum v;
    const char *tier = schema_str(k->body, "tier", "");
    job_spec_defaults(&s);
    s.kind = strcmp(schema_str(k->body, "kind", "wasm"), "wasm") == 0 ? TASK_WASM : TASK_NATIVE;
    (void)sla_tier_parse(tier, &s.terms.tier); /* the schema knows no other names */
    (void)sla_class_parse(schema_str(k->body, "class", "B"), &s.terms.class);
    s.replicas = (uint32_t)schema_u64(k->body, "replicas", 1);
    s.map = true;
    s.n_inputs = (uint32_t)schema_u64(k->body, "tasks", 1);
    s.limits.memory_bytes = schema_u64(k->body, "memory_bytes", s.limits.memory_bytes);
    s.terms.max_price = schema_u64(k->body, "max_price", 0);
    snprintf(s.terms.region, sizeof s.terms.region, "%s", schema_str(k->body, "region", ""));
    enum vl_err err = g->backend->ops->quorum_check(g->backend->self, &s, &v);
    if (err) {
        api_error(r, err, err == VL_EUNSUPPORTED ? "Only the coordinator knows how available nodes are." : NULL);
        return;
    }
    struct jw j = api_json(r);
    put_quorum(&j, tier, &v);
    api_send(g, r, 200, &j, NULL);
}

static void emit_agreement(struct jw *j, const struct view_agreement *v) {
    char job[JOB_ID_TEXT];
    job_id_format(v->job, job);
    jw_obj(j);
    jw_put_str(j, "job", job);
    jw_put_str(j, "tier", v->tier);
    jw_put_str(j, "state", v->open ? "open" : v->breach ? "missed" : "kept");
    jw_put_bool(j, "majority", v->majority);
    jw_put_u64(j, "promised_ppb", v->promised_ppb);
    jw_put_u64(j, "computed_ppb", v->computed_ppb);
    jw_put_u64(j, "measured_ppb", v->measured_ppb);
    jw_put_ms(j, "start_ms", v->start_ms);
    jw_put_ms(j, "end_ms", v->end_ms);
    jw_put_u64(j, "up_ms", v->up_ms);
    jw_put_u64(j, "down_ms", v->down_ms);
    jw_put_u64(j, "unobserved_ms", v->blind_ms);
    jw_put_u64(j, "allowed_ms", v->allowed_ms);
    jw_put_u64(j, "outages", v->outages);
    jw_put_bool(j, "breach", v->breach);
    jw_put_u64(j, "refund_ppb", v->share_ppb);
    jw_put_u64(j, "price", v->price);
    jw_put_u64(j, "refund", v->refund);
    jw_put_u64(j, "groups", v->groups);
    jw_key(j, "nodes");
    jw_arr(j);
    for (uint32_t i = 0; i < v->n; i++) {
        jw_obj(j);
        jw_key(j, "id");
        emit_node_id(j, v->nodes[i].id);
        jw_put_u64(j, "group", v->groups ? i / (v->n / v->groups) : 0);
        jw_put_bool(j, "up", v->nodes[i].up);
        jw_obj_end(j);
    }
    jw_arr_end(j);
    jw_obj_end(j);
}

static void on_agreement(void *arg, const struct view_agreement *v) {
    struct page *p = arg;
    if (page_takes(p, v->job.b, sizeof v->job.b)) emit_agreement(&p->j, v);
}

void api_agreements(struct gateway *g, struct http_req *r, const struct call *k) {
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    struct vl_job_id before;
    if (!page_cursor(g, r, k, CURSOR_AGREEMENTS, sizeof before.b, key, &n)) return;
    memcpy(before.b, key, n);
    struct page p = page_begin(r, k);
    g->backend->ops->agreements(g->backend->self, n ? &before : NULL, k->limit + 1, on_agreement, &p);
    page_send(g, r, &p, CURSOR_AGREEMENTS);
}

static void on_one(void *arg, const struct view_agreement *v) { emit_agreement(arg, v); }

void api_agreement(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    struct jw j = api_json(r);
    enum vl_err err = job_id_parse(k->param, &id);
    if (err == VL_OK) err = g->backend->ops->agreement(g->backend->self, id, on_one, &j);
    if (err == VL_OK)
        api_send(g, r, 200, &j, NULL);
    else if (err == VL_ENOTFOUND || err == VL_EPARSE)
        api_not_found(r, "No promise of availability was made for a job of this id.");
    else
        api_error(r, err, NULL);
}
