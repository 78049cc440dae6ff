/* node_tee.c - trusted execution and evidence of a node, for the gateway: the part of node_backend.c that deals with them. */
#include "gateway/node_backend.h"

#include "crypto/random.h"
#include "fog/registry.h"
#include "node/persist.h"
#include "trust/admission.h"
#include "wire/armor.h"

#include <stdlib.h>
#include <string.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }

static bool zero(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

void node_backend_attested(struct node *n, struct view_node *v, struct brain_attested *room) {
    if (!brain_attested(node_brain(n), v->id, room)) return;
    v->attest_known = true;
    v->attest_milli = room->level;
    v->quarantined = room->level < room->admit;
    if (room->known) v->attest_why = room->why;
}

struct call {
    struct node_backend *backend;
    backend_done_fn done;
    backend_tee_fn status;
    backend_tee_made_fn made;
    void *arg;
};

static struct call *call_new(void *self, void *arg) {
    struct call *c = calloc(1, sizeof *c);
    if (c) *c = (struct call){ .backend = self, .arg = arg };
    return c;
}

static void attest_done(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct call c = *(struct call *)arg;
    (void)bytes;
    free(arg);
    c.done(c.arg, err, detail);
}

enum vl_err node_backend_attest(void *self, struct vl_node_id id, backend_done_fn done, void *arg) {
    struct call *c = call_new(self, arg);
    if (c == NULL) return VL_ENOMEM;
    c->done = done;
    node_attest_now(node_of(self), id, attest_done, c);
    return VL_OK;
}

static void context_of(const struct tees_status *s, struct view_tee_context *ret) {
    *ret = (struct view_tee_context){ .id = s->id,
                                      .provider = s->provider,
                                      .kind = attest_kind_name((enum attest_kind)s->kind),
                                      .measured = s->measured,
                                      .has_job = !zero(s->job.b, sizeof s->job.b),
                                      .has_program = !zero(s->program, sizeof s->program),
                                      .job = s->job,
                                      .created_ms = s->created_ms,
                                      .attested_ms = s->attested_ms,
                                      .create_us = s->create_us,
                                      .attested = s->attested };
    memcpy(ret->program, s->program, sizeof ret->program);
}

static void status_done(void *arg, const struct node_tee_answer *a) {
    struct call c = *(struct call *)arg;
    struct brain_attested k = { .level = 300 };
    struct view_tee *v = calloc(1, sizeof *v);
    struct node *n = c.backend->node;
    free(arg);
    if (v == NULL || n == NULL) {
        free(v);
        c.status(c.arg, VL_ENOMEM, NULL, NULL);
        return;
    }
    for (unsigned i = 0; i < TEE_PROVIDERS && i < VIEW_TEE_PROVIDERS; i++) {
        v->provider[v->providers_n].name = a->found[i].name;
        v->provider[v->providers_n].what = a->found[i].what;
        v->provider[v->providers_n].kind = attest_kind_name((enum attest_kind)a->found[i].kind);
        v->provider[v->providers_n].why = a->found[i].why;
        v->provider[v->providers_n].present = a->found[i].here;
        v->provider[v->providers_n++].denied = a->found[i].denied;
    }
    for (size_t i = 0; i < a->open_n && i < VIEW_TEE_CONTEXTS; i++) context_of(&a->open[i], &v->context[v->contexts_n++]);
    (void)brain_attested(node_brain(n), brain_node_id(node_brain(n)), &k);
    v->known = k.known;
    v->level = k.level;
    v->found = k.found;
    v->admit = k.admit;
    v->quarantined = k.level < k.admit;
    for (unsigned cl = 0, at = 0; cl < SLA_CLASSES; cl++)
        if (k.barred >> cl & 1) v->barred[at++] = sla_class_name((enum sla_class)cl);
    v->when_ms = k.when_ms;
    v->until_ms = k.until_ms;
    v->number = k.number;
    v->why = k.known ? k.why : "nothing was found of this node yet: it counts as its own word";
    c.status(c.arg, VL_OK, NULL, v);
    free(v);
}

enum vl_err node_backend_tee_status(void *self, backend_tee_fn done, void *arg) {
    struct call *c = call_new(self, arg);
    if (c == NULL) return VL_ENOMEM;
    c->status = done;
    enum vl_err err = node_tee_status(node_of(self), status_done, c);
    if (err) free(c);
    return err;
}

static void create_done(void *arg, const struct node_tee_answer *a) {
    struct call c = *(struct call *)arg;
    struct view_tee_made v = { .took_us = a->took_us };
    struct vl_buf bytes, text;
    free(arg);
    if (a->err) {
        c.made(c.arg, a->err, a->msg.text[0] ? a->msg.text : NULL, NULL);
        return;
    }
    vl_buf_init(&bytes, ATTESTATION_MAX);
    vl_buf_init(&text, 2 * ATTESTATION_MAX);
    enum vl_err err = attestation_encode(&a->proof.view, &bytes);
    if (err == VL_OK) err = armor_write(ATTESTATION_LABEL, vl_span(bytes.p, bytes.len), &text);
    context_of(&a->status, &v.context);
    v.context.attested_ms = a->proof.view.made_ms;
    v.context.attested = 1;
    v.evidence = (const char *)text.p;
    v.evidence_n = text.len;
    v.level = a->verdict.level;
    v.accepted = a->verdict.n > 0 && a->verdict.entry[0].accepted;
    v.reason = a->verdict.n > 0 ? a->verdict.entry[0].why : a->verdict.why;
    c.made(c.arg, err, NULL, err ? NULL : &v);
    vl_buf_free(&bytes);
    vl_buf_free(&text);
}

enum vl_err node_backend_tee_create(void *self, const struct backend_tee_wish *in, backend_tee_made_fn done, void *arg) {
    struct node_tee_wish wish = { .provider = in->provider, .job = in->job, .module = in->module, .config_n = strlen(in->config) };
    struct call *c = wish.config_n <= sizeof wish.config ? call_new(self, arg) : NULL;
    if (c == NULL) return wish.config_n <= sizeof wish.config ? VL_ENOMEM : VL_ERANGE;
    c->made = done;
    memcpy(wish.config, in->config, wish.config_n);
    memcpy(wish.nonce, in->nonce, sizeof wish.nonce);
    if (!in->has_nonce) crypto_random(wish.nonce, sizeof wish.nonce);
    enum vl_err err = node_tee_create(node_of(self), &wish, create_done, c);
    if (err) free(c);
    return err;
}

/* ---- what is kept ---- */

static enum vl_err item(struct store *s, enum record_item kind, const uint8_t key[32], uint64_t number, struct store_row *row, struct vl_span *ret) {
    struct store_value k[] = { store_int(kind), store_blob(key, 32), store_int((int64_t)number) };
    enum vl_err err = store_get(s, STORE_ITEMS, k, row);
    if (err == VL_OK) *ret = store_row_blob(row, STORE_ITEMS_RECORD);
    return err;
}

struct kept {
    struct vl_buf row, list, result, evidence[ATTESTATIONS_MAX], policy;
};

static enum vl_err armour(const char *label, struct vl_span bytes, struct vl_buf *out) {
    vl_buf_init(out, 2 * ATTESTATION_MAX);
    return armor_write(label, bytes, out);
}

static enum vl_err evidence_of(struct vl_span list, struct kept *k, unsigned *ret_n) {
    struct attestation v[ATTESTATIONS_MAX];
    size_t n = 0;
    enum vl_err err = list.n > 0 ? attestation_list_decode(list, v, &n) : VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i++) {
        struct vl_buf one;
        vl_buf_init(&one, ATTESTATION_MAX);
        err = attestation_encode(&v[i], &one);
        if (err == VL_OK) err = armour(ATTESTATION_LABEL, vl_span(one.p, one.len), &k->evidence[i]);
        vl_buf_free(&one);
    }
    *ret_n = err == VL_OK ? (unsigned)n : 0;
    return err;
}

/* A row of the store lives until the next one is read. */
static enum vl_err copy(struct vl_span from, struct vl_buf *to, size_t max) {
    vl_buf_init(to, max);
    return vl_buf_append(to, from.p, from.n);
}

static enum vl_err read_kept(struct store *s, struct vl_node_id id, struct kept *k, struct view_attestation *v) {
    struct store_row row;
    struct vl_span bytes, result, list = { 0 };
    struct attested r;
    enum vl_err err = item(s, ITEM_ATTESTED, id.b, 0, &row, &bytes);
    if (err == VL_OK) err = copy(bytes, &k->row, ATTESTATION_LIST_MAX);
    if (err == VL_OK) err = attested_row_decode(vl_span(k->row.p, k->row.len), &result, &list);
    if (err == VL_OK) err = attested_open(result, &r, &v->id);
    if (err == VL_OK) err = armour(ATTESTED_LABEL, result, &k->result);
    if (err) return err;
    if (item(s, ITEM_ATTESTATION, id.b, r.number, &row, &bytes) == VL_OK && (err = copy(bytes, &k->list, 2 * ATTESTATION_LIST_MAX)) == VL_OK &&
        (err = attested_row_decode(vl_span(k->list.p, k->list.len), &result, &list)) == VL_OK)
        err = evidence_of(list, k, &v->n);
    if (err == VL_OK && item(s, ITEM_ATTESTATION, r.policy.b, 0, &row, &bytes) == VL_OK) err = copy(bytes, &k->policy, ADMISSION_POLICY_MAX);
    return err;
}

enum vl_err node_backend_attestation(void *self, struct vl_node_id id, view_attestation_fn sink, void *arg) {
    struct view_attestation v = { .n = 0 };
    struct kept *k = calloc(1, sizeof *k);
    if (k == NULL) return VL_ENOMEM;
    enum vl_err err = read_kept(node_store(node_of(self)), id, k, &v);
    if (err == VL_OK) {
        v.result = (const char *)k->result.p;
        v.result_n = k->result.len;
        for (unsigned i = 0; i < v.n; i++) {
            v.evidence[i] = (const char *)k->evidence[i].p;
            v.evidence_n[i] = k->evidence[i].len;
        }
        v.policy = (const char *)k->policy.p;
        v.policy_n = k->policy.len;
        sink(arg, &v);
    }
    vl_buf_free(&k->row);
    vl_buf_free(&k->list);
    vl_buf_free(&k->result);
    vl_buf_free(&k->policy);
    for (unsigned i = 0; i < ATTESTATIONS_MAX; i++) vl_buf_free(&k->evidence[i]);
    free(k);
    return err;
}

static void close_done(void *arg, const struct node_tee_answer *a) {
    struct call c = *(struct call *)arg;
    free(arg);
    c.done(c.arg, a->err, a->err ? "No such context is open." : NULL);
}

enum vl_err node_backend_tee_close(void *self, uint64_t id, backend_done_fn done, void *arg) {
    struct call *c = call_new(self, arg);
    if (c == NULL) return VL_ENOMEM;
    c->done = done;
    enum vl_err err = node_tee_close(node_of(self), id, close_done, c);
    if (err) free(c);
    return err;
}

void node_backend_attest_metrics(void *self, view_metric_fn sink, void *arg) {
    struct node_stats s;
    struct node *n = node_of(self);
    const struct registry *reg = brain_registry(node_brain(n));
    uint32_t self_only = 0, shown = 0, quarantined = 0;
    node_stats(n, &s);
    for (const struct node_record *r = NULL; reg && (r = registry_next(reg, r ? &r->id : NULL));) {
        struct brain_attested k;
        if (!brain_attested(node_brain(n), r->id, &k)) continue;
        shown += k.level > 300;
        self_only += k.level <= 300;
        quarantined += k.level < k.admit;
    }
    const struct {
        const char *name, *help;
        enum view_metric_type type;
        double value;
    } rows[] = {
        { "village_attest_challenges_total", "Challenges for evidence: sent by the coordinator, taken up by a member.", VIEW_COUNTER,
          (double)s.brain.attest_asked },
        { "village_attest_results_total", "Results of evidence, signed.", VIEW_COUNTER, (double)s.brain.attested },
        { "village_attest_refused_total", "Of these, with evidence that is forged, revoked or for another challenge.", VIEW_COUNTER,
          (double)s.brain.attest_refused },
        { "village_attest_silent_total", "Challenges that nobody answered in time.", VIEW_COUNTER, (double)s.brain.attest_silent },
        { "village_attest_stale_total", "Answers to challenges that were over or never made: replays.", VIEW_COUNTER,
          (double)s.brain.attest_stale },
        { "village_attest_nodes_proven", "Nodes whose level is above their own word.", VIEW_GAUGE, shown },
        { "village_attest_nodes_unproven", "Nodes that count as their own word, or less.", VIEW_GAUGE, self_only },
        { "village_attest_nodes_quarantined", "Nodes below what the policy admits.", VIEW_GAUGE, quarantined },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sink(arg,
             &(struct view_metric){ .name = rows[i].name, .help = rows[i].help, .type = rows[i].type, .value = rows[i].value });
}
