/* api_jobs.c - submit, list, watch and cancel jobs; their tasks, events and results. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"
#include "crypto/random.h"
#include "gateway/idempotency.h"
#include "gateway/job_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DETAIL_OUTPUTS_MAX 1000u /* outputs shown in a job's detail; the rest through its tasks */

/* ---- submit ---- */

struct submit {
    struct gateway *g;
    struct http_req *r;
    char fields[96];
    size_t n;
    uint8_t body[];
};

/* UUID version 7 without its dashes (RFC 9562 5.7, counter as in 6.2 method 1): falls in order of time, and within one
 * millisecond in order of submission, which lists rely on. */
struct vl_job_id gateway_job_id(struct gateway *g, vl_ms now) {
    struct vl_job_id id, *last = &g->last_job;
    uint64_t last_ms = vl_get_u64(last->b) >> 16;
    uint16_t count = (uint16_t)(vl_get_u16(last->b + 6) & 0xfff);
    crypto_random(id.b, sizeof id.b);
    if (now > last_ms) {
        last_ms = now;
        count = (uint16_t)(vl_get_u16(id.b + 6) & 0x7ff); /* room above it for the rest of the millisecond */
    } else if (++count > 0xfff) {
        last_ms++;
        count = 0;
    }
    vl_put_u64(id.b, last_ms << 16 | 0x7000 | count);
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    *last = id;
    return id;
}

/* The summary as it is the moment the job is accepted. It depends on the request alone, so it can be sealed into the
 * same transaction as the job: a crash leaves both or neither. */
static void first_summary(struct jw *j, const struct job_spec *s, struct vl_job_id id, vl_ms now, const json_t *body) {
    char name[64] = "";
    if (s->name.n > 0 && s->name.n < sizeof name) memcpy(name, s->name.p, s->name.n);
    uint32_t tasks = (s->map ? s->n_inputs : 1) + (s->has_merge ? 1 : 0);
    struct view_job v = { .id = id,
                          .name = name,
                          .kind = s->kind == TASK_WASM ? "wasm" : "native",
                          .priority = schema_str(body, "priority", "normal"),
                          .state = VIEW_JOB_SUBMITTED,
                          .total = tasks,
                          .waiting = tasks,
                          .replicas = job_spec_replicas(s),
                          .submitted_ms = now };
    emit_job(j, &v);
}

/* RFC 6585 section 4; the time is another for everybody, so that they do not all come back at once. */
static void overloaded(struct submit *s, const char *detail) {
    char field[40];
    uint32_t wait_s = s->g->backend->ops->retry_s(s->g->backend->self);
    snprintf(field, sizeof field, "Retry-After: %u\r\n", wait_s ? wait_s : 1);
    api_problem(s->r, 429, "overload", detail ? detail : vl_err_text(VL_EOVERLOAD), field, NULL);
}

static void on_submitted(void *arg, enum vl_err err, const char *detail) {
    struct submit *s = arg;
    struct http_answer a = {
        .status = 201, .type = "application/json", .fields = s->fields, .body = vl_span(s->body, s->n)
    };
    if (err == VL_OK)
        http_reply(s->r, &a);
    else if (err == VL_EOVERLOAD)
        overloaded(s, detail);
    else if (err == VL_ENOTFOUND)
        api_problem(s->r, 422, "notfound", detail ? detail : "A blob or job it names is unknown here.", NULL, NULL);
    else
        api_error(s->r, err, detail);
    free(s);
}

static void submit(struct gateway *g, struct http_req *r, const struct job_spec *spec, const json_t *body) {
    static const char cache[] = "Cache-Control: no-store\r\n";
    vl_ms now = gateway_wall_ms();
    struct vl_job_id id = gateway_job_id(g, now);
    struct jw j = api_json(r);
    first_summary(&j, spec, id, now, body);
    struct submit *s = j.failed ? NULL : malloc(sizeof *s + j.out->len);
    if (s == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    char text[JOB_ID_TEXT];
    job_id_format(id, text);
    snprintf(s->fields, sizeof s->fields, "%sLocation: /v1/fog/jobs/%s\r\n", cache, text);
    s->g = g;
    s->r = r;
    s->n = j.out->len;
    memcpy(s->body, j.out->p, s->n);
    const struct backend_answer *keep = idem_seal(r, 201, s->fields + sizeof cache - 1, vl_span(s->body, s->n));
    enum vl_err err = g->backend->ops->job_submit(g->backend->self, id, now, spec, keep, on_submitted, s);
    if (err != VL_OK) on_submitted(s, err, NULL);
}

void api_job_submit(struct gateway *g, struct http_req *r, const struct call *k) {
    struct job_body b;
    struct schema_errors errors;
    enum vl_err err = job_body_read(k->body, &b, &errors);
    if (err == VL_OK)
        submit(g, r, &b.spec, k->body);
    else if (err == VL_EPARSE)
        api_problem(r, 400, "bad_request", "Fields of the job are wrong.", NULL, &errors);
    else
        api_error(r, err, NULL);
    job_body_free(&b);
}

/* ---- read ---- */

static bool job_of(struct http_req *r, const struct call *k, struct vl_job_id *ret) {
    if (job_id_parse(k->param, ret) == VL_OK) return true;
    api_not_found(r, "No job has this id.");
    return false;
}

static void job_item(void *arg, const struct view_job *v) {
    struct page *p = arg;
    if (page_takes(p, v->id.b, sizeof v->id.b)) emit_job(&p->j, v);
}

void api_jobs(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id before;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (!page_cursor(g, r, k, CURSOR_JOBS, sizeof before.b, key, &n)) return;
    if (n > 0) memcpy(before.b, key, sizeof before.b);
    struct page p = page_begin(r, k);
    g->backend->ops->jobs(g->backend->self, k->choice, n ? &before : NULL, k->limit + 1, job_item, &p);
    page_send(g, r, &p, CURSOR_JOBS);
}

static void detail_job(void *arg, const struct view_job *v) { emit_job_members(arg, v); }

static void detail_spec(void *arg, const struct job_spec *s) {
    struct jw *j = arg;
    jw_key(j, "spec");
    emit_spec(j, s);
}

static void detail_output(void *arg, const struct view_output *v) { emit_output(arg, v); }

void api_job(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    if (!job_of(r, k, &id)) return;
    struct jw j = api_json(r);
    jw_obj(&j);
    enum vl_err err = g->backend->ops->job(g->backend->self, id, detail_job, detail_spec, &j);
    if (err == VL_OK) {
        jw_key(&j, "outputs");
        jw_arr(&j);
        err = g->backend->ops->outputs(g->backend->self, id, DETAIL_OUTPUTS_MAX, detail_output, &j);
        jw_arr_end(&j);
    }
    jw_obj_end(&j);
    if (err == VL_OK)
        api_send(g, r, 200, &j, NULL);
    else
        api_error(r, err, err == VL_ENOTFOUND ? "No job has this id." : NULL);
}

static void task_item(void *arg, const struct view_task *v) {
    struct page *p = arg;
    uint8_t key[4];
    vl_put_u32(key, v->index);
    if (page_takes(p, key, sizeof key)) emit_task(&p->j, v);
}

void api_job_tasks(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (!job_of(r, k, &id) || !page_cursor(g, r, k, CURSOR_TASKS, 4, key, &n)) return;
    struct page p = page_begin(r, k);
    enum vl_err err =
        g->backend->ops->tasks(g->backend->self, id, n ? vl_get_u32(key) + 1 : 0, k->limit + 1, task_item, &p);
    if (err == VL_OK)
        page_send(g, r, &p, CURSOR_TASKS);
    else
        api_error(r, err, err == VL_ENOTFOUND ? "No job has this id." : NULL);
}

static void event_item(void *arg, const struct view_event *v) {
    struct page *p = arg;
    uint8_t key[8];
    vl_put_u64(key, v->seq);
    if (!page_takes(p, key, sizeof key)) return;
    jw_obj(&p->j);
    jw_put_u64(&p->j, "seq", v->seq);
    jw_put_ms(&p->j, "at_ms", v->at_ms);
    jw_put_str(&p->j, "kind", v->kind);
    jw_put_str(&p->j, "detail", v->detail);
    jw_key(&p->j, "task");
    if (v->has_task)
        jw_u64(&p->j, v->task);
    else
        jw_null(&p->j);
    jw_key(&p->j, "node");
    if (v->has_node)
        emit_node_id(&p->j, v->node);
    else
        jw_null(&p->j);
    jw_obj_end(&p->j);
}

void api_job_events(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (!job_of(r, k, &id) || !page_cursor(g, r, k, CURSOR_EVENTS, 8, key, &n)) return;
    struct page p = page_begin(r, k);
    enum vl_err err =
        g->backend->ops->events(g->backend->self, id, n ? vl_get_u64(key) : 0, k->limit + 1, event_item, &p);
    if (err == VL_OK)
        page_send(g, r, &p, CURSOR_EVENTS);
    else
        api_error(r, err, err == VL_ENOTFOUND ? "No job has this id." : NULL);
}

/* ---- result ---- */

/* The parts of a result one after another: the blobs are opened as their turn comes. */
struct result {
    const struct backend *b;
    struct {
        struct vl_hash hash;
        uint64_t size;
    } * parts;
    size_t n, cap, at;
    bool failed;
    void *reader; /* of parts[at] */
    uint64_t offset, total;
};

static void result_part(void *arg, const struct view_output *v) {
    struct result *s = arg;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        void *p = cap <= 2u * VL_JOB_TASKS_MAX ? realloc(s->parts, cap * sizeof s->parts[0]) : NULL;
        if (p == NULL) {
            s->failed = true;
            return;
        }
        s->parts = p;
        s->cap = cap;
    }
    s->parts[s->n].hash = v->hash;
    s->parts[s->n++].size = v->size;
    s->total += v->size;
}

static void result_close(void *arg) {
    struct result *s = arg;
    if (s->reader) s->b->ops->blob_close(s->b->self, s->reader);
    free(s->parts);
    free(s);
}

static enum vl_err result_read(void *arg, uint8_t *dst, size_t n, size_t *ret_n) {
    struct result *s = arg;
    while (s->at < s->n && s->offset == s->parts[s->at].size) { /* also skips empty ones */
        if (s->reader) s->b->ops->blob_close(s->b->self, s->reader);
        s->reader = NULL;
        s->offset = 0;
        s->at++;
    }
    if (s->at == s->n) return VL_EIO;
    uint64_t size = s->parts[s->at].size, have = 0;
    if (s->reader == NULL) {
        enum vl_err err = s->b->ops->blob_open(s->b->self, s->parts[s->at].hash, &s->reader, &have);
        if (err != VL_OK) return err;
        if (have != size) return VL_EIO;
    }
    if (n > size - s->offset) n = (size_t)(size - s->offset);
    enum vl_err err = s->b->ops->blob_read(s->b->self, s->reader, s->offset, dst, n);
    if (err != VL_OK) return err;
    s->offset += n;
    *ret_n = n;
    return VL_OK;
}

/* All parts must be here before a length is promised. */
static enum vl_err result_present(const struct result *s) {
    for (size_t i = 0; i < s->n; i++) {
        uint64_t size = 0;
        enum vl_err err = s->parts[i].size ? s->b->ops->blob_stat(s->b->self, s->parts[i].hash, &size) : VL_OK;
        if (err != VL_OK || size != s->parts[i].size) return err == VL_OK ? VL_EIO : VL_EAGAIN;
    }
    return VL_OK;
}

void api_job_output(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    if (!job_of(r, k, &id)) return;
    struct result *s = calloc(1, sizeof *s);
    if (s == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    s->b = g->backend;
    enum vl_err err = g->backend->ops->result(g->backend->self, id, result_part, s);
    const char *why = err == VL_ENOTFOUND ? "No job has this id." : err == VL_ESTATE ? "The job is not done." : NULL;
    if (err == VL_OK && s->failed) err = VL_ENOMEM;
    if (err == VL_OK) {
        err = result_present(s);
        why = "A part of the result is not on this node: members keep 4 MiB of a job, its coordinator all.";
        if (err == VL_EAGAIN) err = VL_ESTATE; /* a done job brings nothing more */
    }
    if (err != VL_OK) {
        result_close(s);
        api_error(r, err, why);
        return;
    }
    struct http_answer a = {
        .status = 200,
        .type = "application/octet-stream",
        .fields = "Cache-Control: no-store\r\nContent-Disposition: attachment\r\nContent-Security-Policy: sandbox\r\n"
    };
    http_reply_stream(r, &a, s->total, (struct http_source){ .read = result_read, .close = result_close, .arg = s });
}

/* ---- cancel ---- */

static void on_cancelled(void *arg, enum vl_err err, const char *detail) {
    struct http_req *r = arg;
    if (err == VL_OK)
        api_no_content(gateway_of(r), r, 202);
    else if (err == VL_ESTATE)
        api_problem(r, 409, "ended", detail ? detail : "The job has ended already.", NULL, NULL);
    else
        api_error(r, err, err == VL_ENOTFOUND ? "No job has this id." : detail);
}

void api_job_cancel(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_job_id id;
    if (!job_of(r, k, &id)) return;
    enum vl_err err = g->backend->ops->job_cancel(g->backend->self, id, on_cancelled, r);
    if (err != VL_OK) on_cancelled(r, err, NULL);
}
