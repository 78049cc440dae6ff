/* api_tee.c - trusted execution of this node, and evidence of others (TRU-06, TRU-07). */
#include "crypto/node_id.h"
#include "gateway/gateway_priv.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct tee_call {
    struct gateway *g;
    struct http_req *r;
};

static struct tee_call *call_new(struct gateway *g, struct http_req *r) {
    struct tee_call *c = malloc(sizeof *c);
    if (c) *c = (struct tee_call){ .g = g, .r = r };
    return c;
}

static void put_context(struct jw *j, const struct view_tee_context *v) {
    jw_obj(j);
    jw_put_u64(j, "id", v->id);
    jw_put_str(j, "provider", v->provider);
    jw_put_str(j, "kind", v->kind);
    jw_put_bool(j, "measured", v->measured);
    jw_key(j, "job");
    if (v->has_job)
        jw_hex(j, v->job.b, sizeof v->job.b);
    else
        jw_null(j);
    jw_key(j, "program");
    if (v->has_program)
        jw_hex(j, v->program, sizeof v->program);
    else
        jw_null(j);
    jw_put_ms(j, "created_ms", v->created_ms);
    jw_put_ms(j, "attested_ms", v->attested_ms);
    jw_put_u64(j, "create_us", v->create_us);
    jw_put_u64(j, "attested", v->attested);
    jw_obj_end(j);
}

static void status_done(void *arg, enum vl_err err, const char *detail, const struct view_tee *v) {
    struct tee_call c = *(struct tee_call *)arg;
    free(arg);
    if (err) {
        api_error(c.r, err, detail);
        return;
    }
    struct jw j = api_json(c.r);
    jw_obj(&j);
    jw_key(&j, "providers");
    jw_arr(&j);
    for (uint32_t i = 0; i < v->providers_n; i++) {
        jw_obj(&j);
        jw_put_str(&j, "provider", v->provider[i].name);
        jw_put_str(&j, "what", v->provider[i].what);
        jw_put_str(&j, "kind", v->provider[i].kind);
        jw_put_bool(&j, "present", v->provider[i].present);
        jw_put_bool(&j, "denied", v->provider[i].denied);
        jw_put_str(&j, "why", v->provider[i].why);
        jw_obj_end(&j);
    }
    jw_arr_end(&j);
    jw_key(&j, "contexts");
    jw_arr(&j);
    for (uint32_t i = 0; i < v->contexts_n; i++) put_context(&j, &v->context[i]);
    jw_arr_end(&j);
    jw_key(&j, "village");
    jw_obj(&j);
    jw_put_bool(&j, "known", v->known);
    jw_put_u64(&j, "level_milli", v->level);
    jw_put_u64(&j, "found_milli", v->found);
    jw_put_u64(&j, "admit_milli", v->admit);
    jw_put_bool(&j, "quarantined", v->quarantined);
    jw_key(&j, "barred_classes");
    jw_arr(&j);
    for (unsigned i = 0; i < 3 && v->barred[i]; i++) jw_str(&j, v->barred[i]);
    jw_arr_end(&j);
    jw_put_ms(&j, "verified_ms", v->when_ms);
    jw_put_ms(&j, "counts_until_ms", v->until_ms);
    jw_put_u64(&j, "number", v->number);
    jw_put_str(&j, "reason", v->why);
    jw_obj_end(&j);
    jw_obj_end(&j);
    api_send(c.g, c.r, 200, &j, NULL);
}

void api_tee_status(struct gateway *g, struct http_req *r, const struct call *k) {
    (void)k;
    struct tee_call *c = call_new(g, r);
    enum vl_err err = c ? g->backend->ops->tee_status(g->backend->self, status_done, c) : VL_ENOMEM;
    if (err == VL_OK) return;
    free(c);
    api_error(r, err, NULL);
}

static void created(void *arg, enum vl_err err, const char *detail, const struct view_tee_made *v) {
    struct tee_call c = *(struct tee_call *)arg;
    free(arg);
    if (err) {
        api_error(c.r, err, detail);
        return;
    }
    struct jw j = api_json(c.r);
    jw_obj(&j);
    jw_key(&j, "context");
    put_context(&j, &v->context);
    jw_put_u64(&j, "took_us", v->took_us);
    jw_key(&j, "evidence");
    jw_strn(&j, v->evidence, v->evidence_n);
    jw_key(&j, "verdict");
    jw_obj(&j);
    jw_put_bool(&j, "accepted", v->accepted);
    jw_put_str(&j, "reason", v->reason);
    jw_put_u64(&j, "level_milli", v->level);
    jw_obj_end(&j);
    jw_obj_end(&j);
    api_send(c.g, c.r, 201, &j, NULL);
}

void api_tee_create(struct gateway *g, struct http_req *r, const struct call *k) {
    struct backend_tee_wish wish = { .provider = schema_str(k->body, "provider", NULL), .config = schema_str(k->body, "config", "") };
    const char *job = schema_str(k->body, "job", NULL), *program = schema_str(k->body, "program", NULL), *nonce = schema_str(k->body, "nonce", NULL);
    struct schema_errors e = { 0 };
    if (job && job_id_parse(job, &wish.job) != VL_OK) schema_error_add(&e, "/job", "is no id of a job");
    if (program && vl_hex_decode(program, wish.module.b, sizeof wish.module.b) != VL_OK) schema_error_add(&e, "/program", "is no hash");
    if (nonce && vl_hex_decode(nonce, wish.nonce, sizeof wish.nonce) != VL_OK) schema_error_add(&e, "/nonce", "is not 64 hex digits");
    if (wish.config[0] && program == NULL) schema_error_add(&e, "/config", "is measured with its program: name that too");
    wish.has_nonce = nonce != NULL;
    if (e.n > 0) {
        api_problem(r, 422, "validation", "A field of the body is wrong.", NULL, &e);
        return;
    }
    struct tee_call *c = call_new(g, r);
    enum vl_err err = c ? g->backend->ops->tee_create(g->backend->self, &wish, created, c) : VL_ENOMEM;
    if (err == VL_OK) return;
    free(c);
    api_error(r, err, NULL);
}

static void asked(void *arg, enum vl_err err, const char *detail) {
    struct tee_call c = *(struct tee_call *)arg;
    free(arg);
    if (err)
        api_error(c.r, err, detail);
    else
        api_no_content(c.g, c.r, 204);
}

void api_node_attest(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    if (node_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    struct tee_call *c = call_new(g, r);
    enum vl_err err = c ? g->backend->ops->node_attest(g->backend->self, id, asked, c) : VL_ENOMEM;
    if (err == VL_OK) return;
    free(c);
    api_error(r, err, NULL);
}

static void attestation(void *arg, const struct view_attestation *v) {
    struct jw *j = arg;
    jw_obj(j);
    jw_put_hex(j, "id", v->id.b, sizeof v->id.b);
    jw_key(j, "result");
    jw_strn(j, v->result, v->result_n);
    jw_key(j, "evidence");
    jw_arr(j);
    for (unsigned i = 0; i < v->n; i++) jw_strn(j, v->evidence[i], v->evidence_n[i]);
    jw_arr_end(j);
    jw_key(j, "policy");
    jw_strn(j, v->policy, v->policy_n);
    jw_obj_end(j);
}

void api_node_attestation(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    struct jw j = api_json(r);
    enum vl_err err = node_id_parse(k->param, &id) ? VL_ENOTFOUND : g->backend->ops->node_attestation(g->backend->self, id, attestation, &j);
    if (err == VL_ENOTFOUND)
        api_not_found(r, "Nothing was found of such a node, or it is not known here.");
    else if (err)
        api_error(r, err, NULL);
    else
        api_send(g, r, 200, &j, NULL);
}

void api_tee_close(struct gateway *g, struct http_req *r, const struct call *k) {
    uint64_t id = 0;
    for (const char *p = k->param; *p >= '0' && *p <= '9' && id < UINT64_MAX / 16; p++) id = id * 10 + (uint64_t)(*p - '0');
    struct tee_call *c = call_new(g, r);
    enum vl_err err = c ? g->backend->ops->tee_close(g->backend->self, id, asked, c) : VL_ENOMEM;
    if (err == VL_OK) return;
    free(c);
    api_error(r, err, NULL);
}
