#include "node/tee.h"

#include "crypto/hash.h"
#include "trust/attest_bind.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define PROGRAM_TAG "village-tee-program-v1"
#define STRING_MAX 256u

struct context {
    struct tee *tee; /* NULL: free */
    struct tees_status status;
};
struct tees {
    pthread_mutex_t hardware; /* held while the machine's providers work, and around every change of a context's tee */
    pthread_mutex_t book;     /* held for moments, around every look at a status; taken last */
    struct tee_config machine;
    char root[STRING_MAX], tpm[STRING_MAX], qgs[STRING_MAX], ek[STRING_MAX];
    uint8_t seed[32];
    struct vl_node_id node;
    uint64_t last;
    struct context context[TEES_MAX]; /* those in use come first, oldest first */
    size_t n;
};

static bool zero(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

/* ---- making and ending ---- */

static bool keep(const char *from, char to[STRING_MAX], const char **ret) {
    *ret = from ? to : NULL;
    if (from == NULL) return true;
    size_t n = strlen(from);
    if (n >= STRING_MAX) return false;
    memcpy(to, from, n + 1);
    return true;
}

enum vl_err tees_create(const struct tees_config *cfg, struct tees **ret, struct vl_errmsg *msg) {
    struct tees *t = calloc(1, sizeof *t);
    if (t == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    t->node = cfg->node;
    if (!keep(cfg->machine.root, t->root, &t->machine.root) || !keep(cfg->machine.tpm, t->tpm, &t->machine.tpm) ||
        !keep(cfg->machine.qgs, t->qgs, &t->machine.qgs) || !keep(cfg->machine.ek, t->ek, &t->machine.ek)) {
        free(t);
        return vl_errmsg_set(msg, VL_ERANGE, "a path of trusted execution is longer than %u bytes", STRING_MAX - 1);
    }
    if (cfg->machine.seed) {
        memcpy(t->seed, cfg->machine.seed, sizeof t->seed);
        t->machine.seed = t->seed;
    }
    if (pthread_mutex_init(&t->hardware, NULL) != 0 || pthread_mutex_init(&t->book, NULL) != 0) {
        explicit_bzero(t, sizeof *t);
        free(t);
        return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    }
    *ret = t;
    return VL_OK;
}

void tees_destroy(struct tees *t) {
    if (t == NULL) return;
    for (size_t i = 0; i < t->n; i++) tee_destroy(t->context[i].tee);
    pthread_mutex_destroy(&t->book);
    pthread_mutex_destroy(&t->hardware);
    explicit_bzero(t, sizeof *t);
    free(t);
}

void tees_detect(struct tees *t, struct tee_found ret[TEE_PROVIDERS]) {
    pthread_mutex_lock(&t->hardware);
    tee_detect(&t->machine, ret);
    pthread_mutex_unlock(&t->hardware);
}

void tees_program(const struct vl_hash *module, struct vl_span config, uint8_t ret[32]) {
    struct vl_hash of_config, all;
    struct crypto_blake2b h;
    memcpy(ret, module->b, 32);
    if (config.n == 0) return;
    crypto_blake2b256(config, &of_config);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, PROGRAM_TAG, sizeof PROGRAM_TAG - 1);
    crypto_blake2b_update(&h, module->b, sizeof module->b);
    crypto_blake2b_update(&h, of_config.b, sizeof of_config.b);
    crypto_blake2b_final(&h, &all);
    memcpy(ret, all.b, 32);
}

/* ---- contexts; the caller holds `hardware` ---- */

static struct context *find(struct tees *t, uint64_t id) {
    for (size_t i = 0; i < t->n; i++)
        if (t->context[i].status.id == id) return &t->context[i];
    return NULL;
}

static void drop(struct tees *t, struct context *c) {
    struct tee *tee = c->tee;
    pthread_mutex_lock(&t->book);
    size_t i = (size_t)(c - t->context);
    memmove(c, c + 1, (t->n - i - 1) * sizeof *c);
    t->n--;
    t->context[t->n] = (struct context){ 0 };
    pthread_mutex_unlock(&t->book);
    tee_destroy(tee);
}

static enum vl_err allowed(const struct tees *t, const struct tees_wish *w, struct vl_errmsg *msg) {
    if (zero(w->module.b, sizeof w->module.b) && w->config.n > 0)
        return vl_errmsg_set(msg, VL_ERANGE, "a configuration is measured with its module: name the module too");
    if (t->n == TEES_MAX) return vl_errmsg_set(msg, VL_ELIMIT, "%u contexts are open: close one first", TEES_MAX);
    for (size_t i = 0; i < t->n; i++)
        if (!zero(w->job.b, sizeof w->job.b) && vl_job_eq(t->context[i].status.job, w->job))
            return vl_errmsg_set(msg, VL_EEXISTS, "this job has context %llu already", (unsigned long long)t->context[i].status.id);
    return VL_OK;
}

static enum vl_err open_locked(struct tees *t, const struct tees_wish *w, vl_ms now, struct tees_status *ret, struct vl_errmsg *msg) {
    struct tees_status s = { .job = w->job, .created_ms = now };
    struct tee *tee = NULL;
    enum vl_err err = allowed(t, w, msg);
    if (err) return err;
    uint64_t began = uv_hrtime();
    tees_program(&w->module, w->config, s.program);
    err = tee_create(&t->machine, w->provider, &tee, msg);
    if (err) return err;
    s.provider = tee_name(tee);
    s.kind = tee_kind(tee);
    if (!zero(s.program, sizeof s.program)) {
        err = tee_measure(tee, s.program, msg);
        s.measured = err == VL_OK && tee_measures(tee);
    }
    if (err) {
        tee_destroy(tee);
        return err;
    }
    uint64_t us = (uv_hrtime() - began) / 1000;
    s.create_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    pthread_mutex_lock(&t->book);
    s.id = ++t->last;
    t->context[t->n++] = (struct context){ .tee = tee, .status = s };
    pthread_mutex_unlock(&t->book);
    *ret = s;
    return VL_OK;
}

enum vl_err tees_open(struct tees *t, const struct tees_wish *wish, vl_ms now, struct tees_status *ret, struct vl_errmsg *msg) {
    pthread_mutex_lock(&t->hardware);
    enum vl_err err = open_locked(t, wish, now, ret, msg);
    pthread_mutex_unlock(&t->hardware);
    return err;
}

static enum vl_err attest_locked(struct tees *t, struct context *c, struct tees_proof *p, struct vl_errmsg *msg) {
    uint8_t data[TEE_DATA];
    attest_bind(&p->view, data);
    enum vl_err err = tee_attest(c->tee, data, &p->own, msg);
    if (err) return err;
    tee_evidence_view(&p->own, &p->view);
    pthread_mutex_lock(&t->book);
    c->status.attested_ms = p->view.made_ms;
    c->status.attested++;
    pthread_mutex_unlock(&t->book);
    return VL_OK;
}

enum vl_err tees_attest(struct tees *t, uint64_t id, const uint8_t nonce[32], const uint8_t binding[32], vl_ms now, struct tees_proof *ret,
                        struct vl_errmsg *msg) {
    struct tees_proof p = { .view = { .node = t->node, .made_ms = now } };
    memcpy(p.view.nonce, nonce, sizeof p.view.nonce);
    memcpy(p.view.binding, binding, sizeof p.view.binding);
    tee_evidence_init(&p.own);
    pthread_mutex_lock(&t->hardware);
    struct context *c = find(t, id);
    enum vl_err err = VL_ENOTFOUND;
    if (c == NULL) {
        vl_errmsg_set(msg, err, "there is no context %llu", (unsigned long long)id);
    } else {
        p.view.job = c->status.job;
        memcpy(p.view.program, c->status.program, sizeof p.view.program);
        err = attest_locked(t, c, &p, msg);
    }
    pthread_mutex_unlock(&t->hardware);
    if (err)
        tee_evidence_free(&p.own);
    else
        *ret = p;
    return err;
}

void tees_proof_free(struct tees_proof *p) {
    tee_evidence_free(&p->own);
    *p = (struct tees_proof){ .view = { .kind = 0 } };
    tee_evidence_init(&p->own);
}

enum vl_err tees_close(struct tees *t, uint64_t id) {
    pthread_mutex_lock(&t->hardware);
    struct context *c = find(t, id);
    if (c) drop(t, c);
    pthread_mutex_unlock(&t->hardware);
    return c ? VL_OK : VL_ENOTFOUND;
}

void tees_job_ended(struct tees *t, struct vl_job_id job) {
    pthread_mutex_lock(&t->hardware);
    for (size_t i = 0; i < t->n; i++)
        if (!zero(job.b, sizeof job.b) && vl_job_eq(t->context[i].status.job, job)) {
            drop(t, &t->context[i]);
            break; /* a job has one */
        }
    pthread_mutex_unlock(&t->hardware);
}

size_t tees_list(struct tees *t, struct tees_status ret[TEES_MAX]) {
    pthread_mutex_lock(&t->book);
    size_t n = t->n;
    for (size_t i = 0; i < n; i++) ret[i] = t->context[i].status;
    pthread_mutex_unlock(&t->book);
    return n;
}

/* ---- for the brain ---- */

static void note(char why[160], const char *text) {
    size_t n = strnlen(text, 159);
    for (size_t i = 0; i < n; i++) why[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    why[n] = '\0';
}

/* One provider's evidence. */
static enum vl_err one(struct tees *t, const char *name, const uint8_t data[TEE_DATA], const uint8_t program[32], struct tee_evidence *ret,
                       struct vl_errmsg *msg) {
    struct tee *tee = NULL;
    enum vl_err err = tee_create(&t->machine, name, &tee, msg);
    if (err == VL_OK && !zero(program, 32)) err = tee_measure(tee, program, msg);
    if (err == VL_OK) err = tee_attest(tee, data, ret, msg);
    tee_destroy(tee);
    return err;
}

static bool has_kind(const struct tee_evidence *v, size_t n, uint8_t kind) {
    for (size_t i = 0; i < n; i++)
        if (v[i].kind == kind) return true;
    return false;
}

enum vl_err tees_quote(struct tees *t, const uint8_t data[TEE_DATA], const uint8_t program[32], struct tee_evidence ret[ATTESTATIONS_MAX],
                       size_t *ret_n, char why[160]) {
    struct tee_found found[TEE_PROVIDERS];
    enum vl_err err = VL_OK;
    size_t n = 0;
    note(why, "this machine has nothing to attest with; `village tee list` says what was looked for");
    pthread_mutex_lock(&t->hardware);
    tee_detect(&t->machine, found);
    for (unsigned i = 0; i < TEE_PROVIDERS && n < ATTESTATIONS_MAX && err == VL_OK; i++) {
        struct vl_errmsg msg = { "" };
        if (!found[i].here || !found[i].automatic || has_kind(ret, n, found[i].kind)) continue;
        tee_evidence_init(&ret[n]);
        enum vl_err made = one(t, found[i].name, data, program, &ret[n], &msg);
        if (made == VL_OK)
            n++;
        else
            note(why, msg.text);
        if (made == VL_ENOMEM) err = made;
    }
    pthread_mutex_unlock(&t->hardware);
    for (; err && n > 0; n--) tee_evidence_free(&ret[n - 1]);
    *ret_n = n;
    return err;
}

enum vl_err tees_credential(struct tees *t, struct vl_span in, uint8_t ret[TEE_SECRET_MAX], size_t *ret_n, struct vl_errmsg *msg) {
    struct tee *tee = NULL;
    pthread_mutex_lock(&t->hardware);
    enum vl_err err = tee_create(&t->machine, "tpm", &tee, msg);
    if (err == VL_OK) err = tee_credential(tee, in, ret, ret_n, msg);
    tee_destroy(tee);
    pthread_mutex_unlock(&t->hardware);
    return err;
}
