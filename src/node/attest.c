/* Evidence: of this machine, made by its providers, and of members, verified; both on threads of the pool (decision 35).
 * And the operator's policy on it, read at start. */
#include "node/priv.h"

#include "crypto/random.h"
#include "crypto/sign.h"
#include "os/file.h"
#include "os/folder.h"
#include "trust/admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- policy and folder ---- */

static enum vl_err admission_of(struct node *n, struct vl_span policy, const struct folder *folder, struct vl_errmsg *msg) {
    struct vl_errmsg why = { "" };
    struct admission_file *list = calloc(folder->n + 1, sizeof *list);
    enum vl_err err = list ? VL_OK : VL_ENOMEM;
    for (size_t i = 0; list && i < folder->n; i++)
        list[i] = (struct admission_file){ folder->file[i].name, vl_span(folder->file[i].bytes.p, folder->file[i].bytes.len) };
    if (err == VL_OK) err = admission_create(policy, list, folder->n, &n->admission, &why);
    free(list);
    if (err == VL_OK) return err;
    return vl_errmsg_set(msg, err, "%.180s; see \"Admission by evidence\" in docs/operations.md",
                         why.text[0] ? why.text : "the attestation policy cannot be read");
}

enum vl_err attest_open(struct node *n, struct vl_errmsg *msg) {
    struct vl_errmsg why = { "" };
    struct vl_buf policy;
    struct folder folder = { .n = 0 };
    vl_buf_init(&policy, ADMISSION_POLICY_MAX);
    enum vl_err err = n->cfg.attest_policy ? os_file_read(n->cfg.attest_policy, &policy) : VL_OK;
    if (err)
        vl_errmsg_set(msg, err, "--attest-policy: cannot read %s: %s", n->cfg.attest_policy, vl_err_text(err));
    else if (n->cfg.attest_policy && policy.len == 0)
        err = vl_errmsg_set(msg, VL_EPARSE, "--attest-policy %s is empty: {\"version\": 1} admits everybody", n->cfg.attest_policy);
    if (err == VL_OK && n->cfg.attest_dir && (err = folder_read(n->cfg.attest_dir, &folder, &why)))
        vl_errmsg_set(msg, err, "--attest-dir: %.200s", why.text);
    if (err == VL_OK) err = admission_of(n, vl_span(policy.p, policy.len), &folder, msg);
    folder_free(&folder);
    vl_buf_free(&policy);
    n->brain_cfg.admission = n->admission;
    return err;
}

enum vl_err node_tees_open(struct node *n, struct vl_errmsg *msg) {
    struct crypto_sign_key key;
    struct tees_config cfg = { .machine = { .root = n->cfg.device_root, .tpm = n->cfg.tpm, .ek = n->cfg.ek, .qgs = n->cfg.qgs, .seed = n->keyfile.keys.sign_seed } };
    crypto_sign_key_from_seed(n->keyfile.keys.sign_seed, &key);
    cfg.node = crypto_sign_node_id(&key);
    crypto_sign_key_wipe(&key);
    return tees_create(&cfg, &n->tees, msg);
}

void attest_close(struct node *n) {
    admission_destroy(n->admission);
    tees_destroy(n->tees);
}

/* ---- work of the pool ---- */

enum work_kind { WORK_QUOTE, WORK_ACTIVATE, WORK_VERIFY };
struct node_attest {
    uv_work_t work;
    struct node *node;
    enum work_kind kind;
    uint32_t generation;
    uint64_t req;
    struct brain_attest *attest; /* VERIFY */
    uint8_t in[1024], program[32]; /* QUOTE: report data; ACTIVATE: the credential */
    size_t in_n;
    struct tee_evidence made[ATTESTATIONS_MAX];
    size_t made_n;
    char why[160];
    uint8_t secret[TEE_SECRET_MAX];
    size_t secret_n;
};

static void run(uv_work_t *w) {
    struct node_attest *a = w->data;
    struct vl_errmsg msg = { "" };
    switch (a->kind) {
    case WORK_QUOTE:
        if (tees_quote(a->node->tees, a->in, a->program, a->made, &a->made_n, a->why))
            snprintf(a->why, sizeof a->why, "out of memory");
        return;
    case WORK_ACTIVATE:
        if (tees_credential(a->node->tees, vl_span(a->in, a->in_n), a->secret, &a->secret_n, &msg)) a->secret_n = 0;
        return;
    case WORK_VERIFY:
        brain_attest_run(a->attest);
        return;
    }
}

static void quoted(struct node_attest *a, vl_ms now) {
    struct attestation v[ATTESTATIONS_MAX] = { { .kind = 0 } };
    for (size_t i = 0; i < a->made_n; i++) {
        tee_evidence_view(&a->made[i], &v[i]);
        v[i].made_ms = now;
    }
    brain_tee_quoted(a->node->brain, now, a->req, v, a->made_n, a->why);
}

static void deliver(struct node_attest *a) {
    vl_ms now = node_now(a->node);
    switch (a->kind) {
    case WORK_QUOTE:
        quoted(a, now);
        return;
    case WORK_ACTIVATE:
        brain_tee_activated(a->node->brain, now, a->req, vl_span(a->secret, a->secret_n));
        return;
    case WORK_VERIFY:
        brain_attest_done(a->node->brain, now, a->attest);
        a->attest = NULL;
        return;
    }
}

static void ran(uv_work_t *w, int status) {
    struct node_attest *a = w->data;
    struct node *n = a->node;
    (void)status;
    if (n->brain && !n->stopping && a->generation == n->generation) {
        deliver(a);
        node_pump(n);
    }
    brain_attest_free(a->attest); /* of a brain that is gone */
    for (size_t i = 0; i < a->made_n; i++) tee_evidence_free(&a->made[i]);
    crypto_wipe(a->secret, sizeof a->secret);
    free(a);
    node_handle_closed(n);
}

static struct node_attest *begin(struct node *n, enum work_kind kind, uint64_t req) {
    struct node_attest *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    a->node = n;
    a->kind = kind;
    a->generation = n->generation;
    a->req = req;
    a->work.data = a;
    return a;
}
static void queue(struct node_attest *a) {
    a->node->handles++;
    uv_queue_work(a->node->loop, &a->work, run, ran);
}

void attest_batch(struct node *n, struct brain_attest *attest) {
    struct node_attest *a = begin(n, WORK_VERIFY, 0);
    if (a == NULL) { /* no memory for the pool: here and now */
        brain_attest_run(attest);
        brain_attest_done(n->brain, node_now(n), attest);
        return;
    }
    a->attest = attest;
    queue(a);
}

void tee_quote(struct node *n, const struct brain_effect *e) {
    struct node_attest *a = begin(n, WORK_QUOTE, e->req);
    if (a == NULL || e->bytes.n != TEE_DATA) {
        brain_tee_quoted(n->brain, node_now(n), e->req, NULL, 0, "out of memory");
        free(a);
        return;
    }
    memcpy(a->in, e->bytes.p, TEE_DATA);
    memcpy(a->program, e->hash.b, sizeof a->program);
    queue(a);
}

void tee_activate(struct node *n, const struct brain_effect *e) {
    struct node_attest *a = e->bytes.n <= sizeof a->in ? begin(n, WORK_ACTIVATE, e->req) : NULL;
    if (a == NULL) {
        brain_tee_activated(n->brain, node_now(n), e->req, (struct vl_span){ 0 });
        return;
    }
    memcpy(a->in, e->bytes.p, e->bytes.n);
    a->in_n = e->bytes.n;
    queue(a);
}

/* ---- for the API ---- */

struct node_tee_call {
    uv_work_t work;
    struct node *node;
    enum { CALL_STATUS, CALL_CREATE, CALL_CLOSE, CALL_ENDED, CALL_REKEY } what;
    uint64_t id;      /* CLOSE */
    uint8_t seed[32]; /* REKEY */
    struct node_tee_wish wish;
    char provider[32];
    struct node_tee_answer answer;
    node_tee_fn done;
    void *arg;
};

/* How the evidence looks here, a TPM's with its credential activated; offline, so bound to no channel. */
static void judge(struct node_tee_call *c) {
    struct node_tee_answer *r = &c->answer;
    struct admission_verdict v;
    struct admission_case k = { .node = r->proof.view.node,
                                .verifier = r->proof.view.node,
                                .job = r->proof.view.job,
                                .when = c->wish.now,
                                .number = 1,
                                .answer = &r->proof.view,
                                .n = 1 };
    uint8_t secret[TPM_SECRET], random[TPM_CREDENTIAL_RANDOM], answer[TEE_SECRET_MAX];
    size_t n = 0;
    struct vl_buf credential;
    struct vl_errmsg msg;
    memcpy(k.nonce, r->proof.view.nonce, sizeof k.nonce);
    memcpy(k.program, r->proof.view.program, sizeof k.program);
    admission_judge(c->node->admission, &k, &v);
    r->verdict = v.result;
    if (!v.activate) return;
    vl_buf_init(&credential, TPM_CREDENTIAL_MAX);
    crypto_random(secret, sizeof secret);
    crypto_random(random, sizeof random);
    if (tpm_credential_make(v.endorsement, vl_span(v.name, v.name_n), secret, random, &credential) == VL_OK &&
        tees_credential(c->node->tees, vl_span(credential.p, credential.len), answer, &n, &msg) == VL_OK &&
        tpm_credential_answered(secret, vl_span(answer, n))) {
        struct admission_verdict again;
        k.activated = vl_span(v.name, v.name_n);
        admission_judge(c->node->admission, &k, &again);
        r->verdict = again.result;
    }
    vl_buf_free(&credential);
}

static void call_run(uv_work_t *w) {
    struct node_tee_call *c = w->data;
    struct node_tee_answer *r = &c->answer;
    static const uint8_t offline[32];
    if (c->what == CALL_STATUS) {
        tees_detect(c->node->tees, r->found);
        r->open_n = tees_list(c->node->tees, r->open);
    }
    if (c->what == CALL_CLOSE) r->err = tees_close(c->node->tees, c->id);
    if (c->what == CALL_REKEY) tees_rekey(c->node->tees, c->seed);
    if (c->what == CALL_ENDED) tees_job_ended(c->node->tees, c->wish.job);
    if (c->what != CALL_CREATE) return;
    struct tees_wish wish = { .provider = c->provider[0] ? c->provider : NULL,
                              .job = c->wish.job,
                              .module = c->wish.module,
                              .config = vl_span(c->wish.config, c->wish.config_n) };
    uint64_t began = uv_hrtime();
    r->err = tees_open(c->node->tees, &wish, c->wish.now, &r->status, &r->msg);
    if (r->err) return;
    r->err = tees_attest(c->node->tees, r->status.id, c->wish.nonce, offline, c->wish.now, &r->proof, &r->msg);
    r->took_us = (uv_hrtime() - began) / 1000;
    r->made = r->err == VL_OK;
    if (r->made) judge(c);
    if (r->err && tees_close(c->node->tees, r->status.id) == VL_OK) r->status.id = 0; /* created and unproven is worth nothing */
}

static void call_ran(uv_work_t *w, int status) {
    struct node_tee_call *c = w->data;
    struct node *n = c->node;
    (void)status;
    if (c->done) c->done(c->arg, &c->answer);
    if (c->answer.made) tees_proof_free(&c->answer.proof);
    crypto_wipe(c->seed, sizeof c->seed);
    free(c);
    node_handle_closed(n);
}

static struct node_tee_call *call(struct node *n, node_tee_fn done, void *arg) {
    struct node_tee_call *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->node = n;
    c->done = done;
    c->arg = arg;
    c->work.data = c;
    return c;
}
static enum vl_err go(struct node_tee_call *c) {
    c->node->handles++;
    uv_queue_work(c->node->loop, &c->work, call_run, call_ran);
    return VL_OK;
}

enum vl_err node_tee_create(struct node *n, const struct node_tee_wish *wish, node_tee_fn done, void *arg) {
    struct node_tee_call *c = NULL;
    if (wish->provider && strlen(wish->provider) >= sizeof c->provider) return VL_ERANGE;
    if (wish->config_n > NODE_TEE_CONFIG_MAX) return VL_ERANGE;
    c = call(n, done, arg);
    if (c == NULL) return VL_ENOMEM;
    c->what = CALL_CREATE;
    c->wish = *wish;
    c->wish.now = node_now(n);
    if (wish->provider) snprintf(c->provider, sizeof c->provider, "%s", wish->provider);
    return go(c);
}

enum vl_err node_tee_status(struct node *n, node_tee_fn done, void *arg) {
    struct node_tee_call *c = call(n, done, arg);
    return c ? go(c) : VL_ENOMEM;
}

enum vl_err node_tee_close(struct node *n, uint64_t id, node_tee_fn done, void *arg) {
    struct node_tee_call *c = call(n, done, arg);
    if (c == NULL) return VL_ENOMEM;
    c->what = CALL_CLOSE;
    c->id = id;
    return go(c);
}

void tee_rekey(struct node *n) {
    struct node_tee_call *c = call(n, NULL, NULL);
    if (c == NULL) return; /* until the next start contexts speak of the key before: whoever asked sees that */
    c->what = CALL_REKEY;
    memcpy(c->seed, n->keyfile.keys.sign_seed, sizeof c->seed);
    vl_ignore(go(c));
}

void tee_job_changed(struct node *n, struct vl_job_id job) {
    struct tees_status open[TEES_MAX];
    struct job_view v;
    size_t count = tees_list(n->tees, open), i = 0;
    while (i < count && !vl_job_eq(open[i].job, job)) i++;
    if (i == count || brain_jobs(n->brain) == NULL || (job_book_job(brain_jobs(n->brain), job, &v) && v.ended_ms == 0)) return;
    struct node_tee_call *c = call(n, NULL, NULL);
    if (c == NULL) return; /* it stays open, and is listed */
    c->what = CALL_ENDED;
    c->wish.job = job;
    vl_ignore(go(c));
}
const struct admission *node_admission(const struct node *n) { return n->admission; }
