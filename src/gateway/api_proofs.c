/* api_proofs.c - artefacts that prove something offline: made, and checked as `village verify` does (TRU-10). */
#include "gateway/gateway_priv.h"

#include "base/text.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "trust/verify.h"
#include "wire/armor.h"
#include "wire/task.h"

#include <stdlib.h>
#include <string.h>

#define ELSEWHERE "Proofs of the log of receipts are made at the coordinator: ask its gateway."

struct asked {
    struct gateway *g;
    struct http_req *r;
    const char *kind;
};

static void wrong(struct http_req *r, const char *field, const char *detail) {
    struct schema_errors e = { 0 };
    schema_error_add(&e, field, "%s", detail);
    api_problem(r, 422, "validation", "A field of the body is wrong.", NULL, &e);
}

static void made(void *arg, enum vl_err err, const char *detail, const struct view_proof *v) {
    struct asked a = *(struct asked *)arg;
    struct vl_buf text;
    free(arg);
    vl_buf_init(&text, 2 * ARMOR_BYTES_MAX);
    if (err == VL_OK && v->label != NULL)
        err = armor_write(v->label, v->bytes, &text);
    else if (err == VL_OK)
        err = vl_buf_append(&text, v->bytes.p, v->bytes.n);
    if (err == VL_OK) err = vl_buf_append(&text, "", 1);
    if (err == VL_ENOTFOUND) {
        api_not_found(a.r, detail ? detail : "No such receipt is in the log.");
    } else if (err != VL_OK) {
        api_error(a.r, err, detail ? detail : err == VL_EUNSUPPORTED ? ELSEWHERE : NULL);
    } else {
        struct jw j = api_json(a.r);
        jw_obj(&j);
        jw_put_str(&j, "kind", a.kind);
        jw_put_u64(&j, "witnesses", v->witnesses);
        jw_put_str(&j, "artefact", (const char *)text.p);
        jw_obj_end(&j);
        api_send(a.g, a.r, 201, &j, NULL);
    }
    vl_buf_free(&text);
}

/* ---- kinds that are made here: what each needs of the body ------------------------------------------------------------------ */

static bool execution(const json_t *body, struct http_req *r, struct backend_proof_query *q) {
    if (job_id_parse(schema_str(body, "job", ""), &q->job) != VL_OK) {
        wrong(r, "/job", "is no job id; an execution is named by job and task");
        return false;
    }
    q->task = (uint32_t)schema_u64(body, "task", 0);
    q->epoch = schema_u64(body, "epoch", 0);
    return true;
}

static bool certificate(const json_t *body, struct http_req *r, struct backend_proof_query *q) {
    if (node_id_parse(schema_str(body, "node", ""), &q->node) == VL_OK) return true;
    wrong(r, "/node", "is no whole node id");
    return false;
}

static bool contradiction(const json_t *body, struct http_req *r, struct backend_proof_query *q) {
    q->first = schema_u64(body, "first", 0);
    q->second = schema_u64(body, "second", 0);
    if (q->first != q->second) return true;
    wrong(r, "/second", "two leaves of the log are needed: `first` and `second`");
    return false;
}

static bool consistency(const json_t *body, struct http_req *r, struct backend_proof_query *q) {
    const char *text = schema_str(body, "older", NULL);
    if (text != NULL) {
        q->older = vl_span_str(text);
        return true;
    }
    wrong(r, "/older", "is needed: the text of a head that you hold");
    return false;
}

static bool nothing(const json_t *body, struct http_req *r, struct backend_proof_query *q) {
    (void)body, (void)r, (void)q;
    return true;
}

/* To add a kind: a row here, its name in proof_kinds, and its making in the backend. */
static const struct maker {
    const char *name;
    enum backend_proof_kind kind;
    bool (*read)(const json_t *body, struct http_req *r, struct backend_proof_query *q);
} makers[] = {
    { "execution", BACKEND_PROOF_EXECUTION, execution },       { "certificate", BACKEND_PROOF_CERTIFICATE, certificate },
    { "contradiction", BACKEND_PROOF_CONTRADICTION, contradiction }, { "consistency", BACKEND_PROOF_CONSISTENCY, consistency },
    { "checkpoint", BACKEND_PROOF_CHECKPOINT, nothing },
    { "neighbours", BACKEND_PROOF_NEIGHBOURS, nothing }, { "availability", BACKEND_PROOF_AVAILABILITY, certificate },
};
static const char *const proof_kinds[] = { "execution", "certificate", "contradiction", "consistency", "checkpoint", "neighbours", "availability", NULL };

const struct schema_row proof_generate_rows[] = {
    { .name = "kind", .type = SCHEMA_ENUM, .required = true, .values = proof_kinds, .doc = "What is to be proved." },
    { .name = "job", .type = SCHEMA_STRING, .min = 1, .max = 64, .doc = "Execution: the job." },
    { .name = "task", .type = SCHEMA_INT, .min = 0, .max = TASK_INDEX_MAX - 1, .fallback = "0", .doc = "Execution: the task." },
    { .name = "epoch", .type = SCHEMA_INT, .min = 0, .max = 281474976710655, .fallback = "0", .doc = "Execution: the run; 0: the last that has a receipt." },
    { .name = "node", .type = SCHEMA_STRING, .min = 1, .max = 64, .doc = "Certificate, availability: the member." },
    { .name = "first", .type = SCHEMA_INT, .min = 0, .max = 281474976710655, .fallback = "0", .doc = "Contradiction: index of a leaf of the log." },
    { .name = "second", .type = SCHEMA_INT, .min = 0, .max = 281474976710655, .fallback = "0", .doc = "Contradiction: index of the other." },
    { .name = "older", .type = SCHEMA_TEXT, .min = 1, .max = 32768, .doc = "Consistency: a signed head, as it was got." },
    { 0 },
};

void api_proof_generate(struct gateway *g, struct http_req *r, const struct call *k) {
    const char *name = schema_str(k->body, "kind", "");
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (strcmp(makers[i].name, name) != 0) continue;
        struct backend_proof_query q = { .kind = makers[i].kind };
        if (!makers[i].read(k->body, r, &q)) return;
        struct asked *a = malloc(sizeof *a);
        if (a == NULL) {
            api_error(r, VL_ENOMEM, NULL);
            return;
        }
        *a = (struct asked){ .g = g, .r = r, .kind = makers[i].name };
        enum vl_err err = g->backend->ops->prove(g->backend->self, &q, made, a);
        if (err != VL_OK) made(a, err, NULL, NULL);
        return;
    }
    wrong(r, "/kind", "is not made here");
}

/* ---- checking ----------------------------------------------------------------------------------------------------------- */

const struct schema_row proof_verify_rows[] = {
    { .name = "artefact", .type = SCHEMA_TEXT, .min = 1, .max = 1 << 20, .doc = "The file: text; or in base64 with `base64`." },
    { .name = "base64", .type = SCHEMA_TEXT, .min = 1, .max = 1 << 20, .doc = "The file in base64, for those that are no text." },
    { .name = "kind", .type = SCHEMA_STRING, .min = 1, .max = 24, .doc = "The kind that it must be." },
    { .name = "village", .type = SCHEMA_HEX, .max = 32, .doc = "The village that it must be of." },
    { .name = "key", .type = SCHEMA_STRING, .min = 1, .max = 64, .doc = "Node id, or 64 hex digits, of the key that must have signed a bare head of a log, or a predicate's numbers." },
    { .name = "witnesses", .type = SCHEMA_INT, .min = 0, .max = 64, .fallback = "0", .doc = "Least number of cosignatures." },
    { .name = "at_ms", .type = SCHEMA_INT, .min = 0, .max = 253402300799999, .fallback = "0", .doc = "Time of judging; 0: now." },
    { .name = "sha256", .type = SCHEMA_HEX, .max = 64, .doc = "SHA-256 of the file that a timestamp is for." },
    { .name = "header", .type = SCHEMA_HEX, .max = 160, .doc = "Header of the Bitcoin block." },
    { .name = "roots", .type = SCHEMA_TEXT, .min = 1, .max = 262144, .doc = "Certificates (PEM) that authorities for time-stamps must lead to." },
    { 0 },
};

struct judged {
    struct verify_query q;
    struct verdict v;
    uint8_t header[80];
};

static bool query_read(const json_t *body, struct http_req *r, struct judged *a) {
    struct verify_query *q = &a->q;
    const char *village = schema_str(body, "village", NULL), *key = schema_str(body, "key", NULL), *sha256 = schema_str(body, "sha256", NULL),
               *header = schema_str(body, "header", NULL), *roots = schema_str(body, "roots", NULL);
    q->at_ms = schema_u64(body, "at_ms", 0);
    if (q->at_ms == 0) q->at_ms = gateway_wall_ms();
    q->kind = schema_str(body, "kind", NULL);
    q->witnesses = (uint32_t)schema_u64(body, "witnesses", 0);
    q->has_village = village != NULL && vl_hex_decode(village, q->village.b, sizeof q->village.b) == VL_OK;
    q->has_signer = key != NULL;
    if (key != NULL && node_id_parse(key, &q->signer) && (strlen(key) != 64 || vl_hex_decode(key, q->signer.b, sizeof q->signer.b))) {
        wrong(r, "/key", "is no whole node id, nor a key of 64 hex digits");
        return false;
    }
    q->has_file = sha256 != NULL && vl_hex_decode(sha256, q->sha256, sizeof q->sha256) == VL_OK;
    if (header != NULL && vl_hex_decode(header, a->header, sizeof a->header) == VL_OK) q->header = vl_span(a->header, sizeof a->header);
    if (roots != NULL) q->ca = vl_span_str(roots);
    crypto_random(q->seed, sizeof q->seed);
    q->has_seed = true;
    return true;
}

static void put_strings(struct jw *j, const char *key, const char list[][VERDICT_TEXT], uint32_t n) {
    jw_key(j, key);
    jw_arr(j);
    for (uint32_t i = 0; i < n; i++) jw_str(j, list[i]);
    jw_arr_end(j);
}

static void verdict_send(struct gateway *g, struct http_req *r, const struct verdict *v) {
    struct jw j = api_json(r);
    jw_obj(&j);
    jw_put_bool(&j, "proved", v->proved);
    jw_put_str(&j, "kind", v->kind);
    jw_put_str(&j, "reason", v->reason);
    put_strings(&j, "proves", v->proves, v->n_proves);
    put_strings(&j, "not_proved", v->not, v->n_not);
    jw_put_str(&j, "to_whom", v->whom);
    jw_put_str(&j, "as_of", v->as_of);
    jw_key(&j, "facts");
    jw_arr(&j);
    for (uint32_t i = 0; i < v->n_facts; i++) {
        jw_obj(&j);
        jw_put_str(&j, "name", v->fact[i].key);
        jw_put_str(&j, "value", v->fact[i].value);
        jw_obj_end(&j);
    }
    jw_arr_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

/* One artefact on the pool's way: a predicate takes up to tens of milliseconds, and the loop has others to serve.  What the
 * query borrows is kept here. */
struct check {
    uv_work_t work;
    struct gateway *g; /* NULL: it is gone, nobody is to be answered */
    struct http_req *r;
    struct check *next, **back;
    struct judged a;
    json_t *body;
    uint8_t *raw;
    struct vl_span bytes;
};

static void check_free(struct check *c) {
    if (c == NULL) return;
    json_decref(c->body);
    free(c->raw);
    free(c);
}

static void check_run(uv_work_t *w) {
    struct check *c = w->data;
    verify_artefact(c->bytes, &c->a.q, &c->a.v);
}

static void check_done(uv_work_t *w, int status) {
    struct check *c = w->data;
    if (c->g != NULL) {
        *c->back = c->next;
        if (c->next != NULL) c->next->back = c->back;
        if (status == 0)
            verdict_send(c->g, c->r, &c->a.v);
        else
            api_error(c->r, VL_EBUSY, NULL);
    }
    check_free(c);
}

void api_proofs_forget(struct gateway *g) {
    for (struct check *c = g->checks; c != NULL; c = c->next) c->g = NULL;
    g->checks = NULL;
}

static void check_start(struct gateway *g, struct http_req *r, struct check *c) {
    c->g = g;
    c->r = r;
    c->work.data = c;
    if (uv_queue_work(g->loop, &c->work, check_run, check_done) != 0) {
        api_error(r, VL_ENOMEM, NULL);
        check_free(c);
        return;
    }
    c->next = g->checks;
    c->back = &g->checks;
    if (c->next != NULL) c->next->back = &c->next;
    g->checks = c;
}

void api_proof_verify(struct gateway *g, struct http_req *r, const struct call *k) {
    struct check *c = calloc(1, sizeof *c);
    const char *text = schema_str(k->body, "artefact", NULL), *base64 = schema_str(k->body, "base64", NULL);
    if (c != NULL) {
        c->body = json_incref((json_t *)k->body); /* its strings live on */
        c->raw = base64 != NULL ? malloc(strlen(base64) + 1) : NULL;
    }
    if (c == NULL || (base64 != NULL && c->raw == NULL)) {
        api_error(r, VL_ENOMEM, NULL);
    } else if ((text == NULL) == (base64 == NULL)) {
        wrong(r, "/artefact", "either this or `base64` is needed");
    } else if (base64 != NULL && vl_base64_decode(base64, c->raw, strlen(base64) + 1, &c->bytes.n) != VL_OK) {
        wrong(r, "/base64", "is no base64");
    } else if (query_read(k->body, r, &c->a)) {
        c->bytes = text != NULL ? vl_span_str(text) : vl_span(c->raw, c->bytes.n);
        check_start(g, r, c);
        return;
    }
    check_free(c);
}
