/* The verifier of predicates: reads, asks the policy, and gives every step to one sum.  Public data only. */
#include "trust/zk_proof_priv.h"

#include "crypto/msm.h"
#include "trust/zk_batch.h"
#include "trust/zk_sigma.h"

#include <stdlib.h>

/* An artefact whose steps wait in the sum. */
struct waiting {
    struct zk_verdict *verdict;
    unsigned first, n; /* claims */
};

struct verifier {
    struct zk_kit *kit;
    const struct zk_gens *g;
    struct zk_batch *batch;
    const struct zk_program *p;
    struct transcript t;
    uint8_t commitment[ZK_ATTRS_MAX][32];
    uint8_t lower[ZK_GAPS_MAX][32], upper[ZK_GAPS_MAX][32];
};

static enum vl_err no(struct zk_verdict *v, enum vl_err err, const char *why) {
    v->err = vl_errmsg_set(&v->reason, err, "%s", why);
    return v->err;
}

/* ---- sums of commitments ---- */

/* f with V in place of x, and B in place of 1; end * the end of a gap added. */
static enum vl_err form_commitment(const struct verifier *w, const struct zk_form *f, const uint8_t *end, int factor, uint8_t ret[32]) {
    uint8_t scalar[ZK_ATTRS_MAX + 2][32], point[ZK_ATTRS_MAX + 2][32];
    unsigned n = 0;
    struct ristretto sum;
    for (unsigned i = 0; i < w->p->n_attrs; i++) {
        if (f->k[i] == 0) continue;
        struct zk_scalar k = zk_of_wide(f->k[i]);
        memcpy(scalar[n], k.b, 32);
        memcpy(point[n++], w->commitment[i], 32);
    }
    struct zk_scalar one = zk_of_u64(1);
    if (n == 1 && f->c == 0 && factor == 0 && memcmp(scalar[0], one.b, 32) == 0) {
        memcpy(ret, point[0], 32);
        return VL_OK;
    }
    if (f->c != 0) {
        struct zk_scalar k = zk_of_wide(f->c);
        memcpy(scalar[n], k.b, 32);
        ristretto_encode(zk_gens_value(w->g), point[n++]);
    }
    if (factor != 0) {
        struct zk_scalar k = zk_of_wide(factor);
        memcpy(scalar[n], k.b, 32);
        memcpy(point[n++], end, 32);
    }
    enum vl_err err = msm_encoded_vartime((const uint8_t(*)[32])scalar, (const uint8_t(*)[32])point, n, &sum);
    if (err == VL_OK) ristretto_encode(&sum, ret);
    return err;
}

/* ---- steps ---- */

static enum vl_err add_range(struct verifier *w, const struct zk_work *work, struct vl_span proof) {
    uint8_t commitment[ZK_RANGE_VALUES_MAX][32];
    for (unsigned i = 0; i < work->step.values; i++) {
        int end = 0;
        const struct zk_slot *s = &w->p->slot[work->first + (i < work->slots ? i : work->slots - 1)];
        struct zk_form f = zk_slot_form(w->p, s, &end);
        enum vl_err err = form_commitment(w, &f, end < 0 ? w->lower[s->gap] : w->upper[s->gap], end, commitment[i]);
        if (err != VL_OK) return err;
    }
    return zk_range_add(w->batch, &w->t, (const uint8_t(*)[32])commitment, work->step.values, work->step.bits, proof);
}

static enum vl_err add_linear(struct verifier *w, const struct zk_work *work, struct vl_span proof) {
    const struct zk_form *f = &w->p->atom[work->atom].form;
    struct zk_scalar a[ZK_ATTRS_MAX], k = zk_of_wide(-f->c);
    uint8_t commitment[ZK_ATTRS_MAX][32];
    unsigned n = 0;
    for (unsigned i = 0; i < w->p->n_attrs; i++) {
        if (f->k[i] == 0) continue;
        a[n] = zk_of_wide(f->k[i]);
        memcpy(commitment[n++], w->commitment[i], 32);
    }
    return zk_linear_add(w->batch, &w->t, a, (const uint8_t(*)[32])commitment, n, &k, proof);
}

static enum vl_err add_member(struct verifier *w, const struct zk_work *work, struct vl_span proof) {
    const struct zk_atom *a = &w->p->atom[work->atom];
    uint8_t commitment[1][32];
    unsigned n = 0;
    enum vl_err err = form_commitment(w, &a->form, NULL, 0, commitment[0]);
    struct zk_scalar *set = err == VL_OK ? zk_member_scalars(a, &n) : NULL;
    if (err == VL_OK && set == NULL) err = VL_ENOMEM;
    if (err == VL_OK && work->step.kind == ZK_STEP_SMALL_SET)
        err = zk_set_add(w->batch, &w->t, set, n, commitment[0], proof);
    else if (err == VL_OK)
        err = zk_many_add(w->batch, &w->t, &(struct zk_many_set){ set, n, 1, 1 }, (const uint8_t(*)[32])commitment, proof);
    free(set);
    return err;
}

static enum vl_err add_gap(struct verifier *w, const struct zk_work *work, struct vl_span proof) {
    const struct zk_atom *a = &w->p->atom[work->atom];
    uint8_t commitment[2][32];
    struct zk_scalar *ends = zk_gap_ends(a);
    if (ends == NULL) return VL_ENOMEM;
    memcpy(commitment, proof.p, sizeof commitment);
    memcpy(w->lower[work->gap], commitment[0], 32);
    memcpy(w->upper[work->gap], commitment[1], 32);
    enum vl_err err = zk_many_add(w->batch, &w->t, &(struct zk_many_set){ ends, a->n + 1, 2, 1 }, (const uint8_t(*)[32])commitment,
                                  vl_span(proof.p + sizeof commitment, proof.n - sizeof commitment));
    free(ends);
    return err;
}

static enum vl_err add_circuit(struct verifier *w, const struct zk_work *work, struct vl_span proof) {
    struct zk_cs *cs = zk_cs_create(w->g, &w->t, false);
    if (cs == NULL) return VL_ENOMEM;
    zk_circuit(cs, w->p, (const uint8_t(*)[32])w->commitment, NULL);
    enum vl_err err = zk_cs_err(cs);
    if (err == VL_OK && zk_cs_gates(cs) != work->step.gates) err = VL_EINTERNAL;
    if (err == VL_OK) err = zk_cs_add(cs, w->batch, proof);
    zk_cs_destroy(cs);
    return err;
}

static enum vl_err add_step(struct verifier *w, unsigned i, struct vl_span proof) {
    const struct zk_work *work = &w->p->work[i];
    zk_begin_step(&w->t, w->p, i);
    switch (work->step.kind) {
    case ZK_STEP_RANGE: return add_range(w, work, proof);
    case ZK_STEP_LINEAR: return add_linear(w, work, proof);
    case ZK_STEP_SMALL_SET:
    case ZK_STEP_SET: return add_member(w, work, proof);
    case ZK_STEP_GAP: return add_gap(w, work, proof);
    case ZK_STEP_CIRCUIT: return add_circuit(w, work, proof);
    }
    return VL_EINTERNAL;
}

static enum vl_err wrong_step(struct zk_verdict *v, const struct zk_program *p, unsigned i, enum vl_err err) {
    if (err == VL_ERANGE || err == VL_EPARSE) err = VL_ECRYPTO; /* points and scalars that are none */
    v->err = vl_errmsg_set(&v->reason, err, err == VL_ECRYPTO ? "the proof is wrong: step %u of %u, %s" : "no verdict: step %u of %u, %s", i + 1,
                           p->plan.n_steps, zk_step_name(p->work[i].step.kind));
    return v->err;
}

/* ---- policy ---- */

static bool issuer_trusted(const struct zk_program *p, const struct zk_policy *policy, const struct vl_node_id *issuer) {
    if (policy->any_issuer) return true;
    for (unsigned i = 0; i < policy->n_issuers; i++)
        if (vl_node_eq(policy->issuer[i], *issuer)) return true;
    /* A predicate that its prover chose may name whomever it likes. */
    return policy->n_issuers == 0 && policy->program != NULL && p->has_issuer && vl_node_eq(p->issuer, *issuer);
}

static enum vl_err judge_credential(const struct zk_program *p, const struct zk_artefact *a, const struct zk_policy *policy,
                                    struct zk_credential *c, struct zk_verdict *v) {
    enum vl_err err = zk_credential_read(a->credential, c);
    if (err != VL_OK) return no(v, err, "the credential is malformed");
    v->issuer = c->issuer;
    v->holder = c->holder;
    v->from_ms = c->from_ms;
    v->until_ms = c->until_ms;
    memcpy(v->about, c->about, sizeof v->about);
    err = zk_credential_check(c, policy->at_ms);
    if (err == VL_ECRYPTO) return no(v, err, "the credential is not signed by its issuer");
    if (err == VL_EEXPIRED) return no(v, err, "the credential has expired");
    if (err == VL_EAGAIN) return no(v, err, "the credential is not valid yet");
    if (err != VL_OK) return no(v, err, vl_err_text(err));
    if (p->has_issuer && !vl_node_eq(p->issuer, c->issuer)) return no(v, VL_EDENIED, "the credential is not from the issuer that the predicate names");
    if (!issuer_trusted(p, policy, &c->issuer))
        return no(v, VL_EDENIED, policy->n_issuers > 0 ? "the issuer of the credential is none of those accepted" : "no issuer was named that may sign these attributes");
    if (policy->holder != NULL && !vl_node_eq(*policy->holder, c->holder)) return no(v, VL_EDENIED, "the credential belongs to another holder");
    if (policy->about != NULL && strcmp(policy->about, c->about) != 0) return no(v, VL_EDENIED, "the credential is about something else");
    return VL_OK;
}

/* Who stands for each attribute; fills the commitments. */
static enum vl_err judge_attributes(struct verifier *w, const struct zk_artefact *a, const struct zk_policy *policy, struct zk_credential *c,
                                    struct zk_verdict *v) {
    const struct zk_program *p = w->p;
    unsigned own = 0;
    for (unsigned i = 0; i < p->n_attrs; i++) {
        v->self_asserted |= p->attr[i].self_asserted;
        v->signed_attributes |= !p->attr[i].self_asserted;
    }
    if (v->self_asserted && !policy->allow_self_asserted)
        return no(v, VL_EDENIED, "it has attributes that only the prover vouches for, and these are not accepted here");
    if (v->signed_attributes != (a->credential.n > 0))
        return no(v, VL_EPARSE, v->signed_attributes ? "there is no credential for its signed attributes" : "it has a credential, and no attribute that needs it");
    if (v->signed_attributes) {
        enum vl_err err = judge_credential(p, a, policy, c, v);
        if (err != VL_OK) return err;
        if (a->has_holder != zk_credential_held(c)) return no(v, VL_EPARSE, "the holder's signature is missing, or nobody needs it");
    } else if (a->has_holder) {
        return no(v, VL_EPARSE, "it has a holder's signature, and no credential");
    } else if (policy->holder != NULL || policy->about != NULL) {
        return no(v, VL_EDENIED, "it has no credential, and a holder or a subject is demanded");
    }
    for (unsigned i = 0; i < p->n_attrs; i++) {
        if (p->attr[i].self_asserted) {
            if (own == a->n_own) return no(v, VL_EPARSE, "a commitment is missing");
            memcpy(w->commitment[i], a->own[own++], 32);
            continue;
        }
        int at = zk_credential_find(c, p->attr[i].name);
        if (at < 0) return no(v, VL_EDENIED, "the credential lacks an attribute of the predicate");
        if (c->attr[at].bits > p->attr[i].bits) return no(v, VL_EDENIED, "the credential vouches for more bits of an attribute than the predicate allows");
        memcpy(w->commitment[i], c->attr[at].commitment, 32);
    }
    return own == a->n_own ? VL_OK : no(v, VL_EPARSE, "there are commitments that no attribute needs");
}

static enum vl_err find_program(struct verifier *w, const struct zk_artefact *a, struct zk_verdict *v) {
    struct zk_set *set[ZK_SETS_MAX] = { NULL };
    struct zk_diag diag = { .line = 0 };
    enum vl_err err = VL_OK;
    for (unsigned i = 0; i < a->n_sets && err == VL_OK; i++) err = zk_artefact_get_set(a->set[i], &set[i]);
    if (err != VL_OK) {
        (void)no(v, err, "a set of numbers is malformed");
    } else {
        err = zk_kit_program(w->kit, a->text, (const struct zk_set *const *)set, a->n_sets, &w->p, &diag);
        if (err != VL_OK) {
            if (err == VL_EINTERNAL || err == VL_ERANGE || err == VL_ENOTFOUND) err = VL_EPARSE;
            v->err = vl_errmsg_set(&v->reason, err, "the predicate: %.180s", diag.msg.text);
        }
    }
    bool same = err == VL_OK && w->p->n_sets == a->n_sets;
    for (unsigned i = 0; same && i < a->n_sets; i++) same = vl_hash_eq(w->p->set[i]->hash, set[i]->hash);
    if (err == VL_OK && !same) err = no(v, VL_EPARSE, "the sets are not those of the predicate");
    for (unsigned i = 0; i < a->n_sets; i++) zk_set_destroy(set[i]);
    return err;
}

/* All but the proof. */
static enum vl_err judge(struct verifier *w, struct vl_span bytes, const struct zk_policy *policy, struct zk_artefact *a, struct zk_verdict *v) {
    struct zk_credential c = { .n = 0 };
    *v = (struct zk_verdict){ .err = VL_EINTERNAL };
    enum vl_err err = zk_artefact_read(bytes, a);
    if (err != VL_OK) return no(v, err, err == VL_EVERSION ? "a version of the format that is not known here" : "these bytes are no proof of a predicate");
    v->context = a->context;
    v->program = zk_text_id(a->text);
    if (policy->program != NULL && !vl_hash_eq(*policy->program, v->program)) return no(v, VL_ESTALE, "it proves another predicate than the one demanded");
    if (policy->context != NULL && !zk_context_eq(policy->context, &a->context))
        return no(v, VL_ESTALE, "it was made for another verifier, purpose, nonce or epoch");
    err = find_program(w, a, v);
    if (err == VL_OK) err = judge_attributes(w, a, policy, &c, v);
    if (err == VL_OK && a->proof.n != w->p->plan.bytes) err = no(v, VL_EPARSE, "the proof has not the length that its predicate gives");
    return err;
}

/* ---- one sum ---- */

static enum vl_err add_proof(struct verifier *w, const struct zk_artefact *a, struct zk_verdict *v) {
    size_t at = 0;
    zk_begin(&w->t, a->text, a->credential, (const uint8_t(*)[32])w->commitment, w->p->n_attrs, &a->context);
    for (unsigned i = 0; i < w->p->plan.n_steps; i++) {
        size_t n = w->p->work[i].step.bytes;
        enum vl_err err = add_step(w, i, vl_span(a->proof.p + at, n));
        if (err != VL_OK) return wrong_step(v, w->p, i, err);
        at += n;
    }
    if (!a->has_holder) return VL_OK;
    uint8_t digest[32];
    zk_holder_digest(&w->t, a->proof, digest);
    return crypto_verify_message(v->holder.b, ZK_HOLDER_CONTEXT, vl_span(digest, sizeof digest), a->holder) == VL_OK
               ? VL_OK
               : no(v, VL_ECRYPTO, "the holder of the credential has not signed this proof");
}

static void yes(struct zk_verdict *v) {
    v->err = vl_errmsg_set(&v->reason, VL_OK, v->self_asserted ? "true; attributes that are self-asserted are the prover's own word" : "true");
}

static void settle(struct verifier *w, const struct waiting *wait, unsigned n) {
    enum vl_err each[ZK_BATCH_MAX];
    uint8_t seed[32];
    zk_kit_seed(w->kit, seed);
    enum vl_err all = zk_batch_check(w->batch, seed, each);
    for (unsigned i = 0; i < n; i++) {
        enum vl_err err = VL_OK;
        unsigned k = 0;
        for (; all != VL_OK && k < wait[i].n && err == VL_OK; k++) err = each[wait[i].first + k];
        if (err == VL_OK)
            yes(wait[i].verdict);
        else if (err == VL_ENOMEM)
            (void)no(wait[i].verdict, err, "out of memory");
        else
            wait[i].verdict->err = vl_errmsg_set(&wait[i].verdict->reason, VL_ECRYPTO, "the proof is wrong: step %u of %u", k, wait[i].n);
    }
}

/* As many artefacts as one sum takes, from claim[0] on.  Returns how many. */
static unsigned check_some(struct verifier *w, const struct zk_claim *claim, unsigned n, unsigned gens, struct zk_verdict *ret, bool *done) {
    struct waiting wait[ZK_BATCH_MAX];
    unsigned waiting = 0, i = 0;
    w->g = zk_kit_gens(w->kit, gens);
    w->batch = w->g != NULL ? zk_batch_create(w->g) : NULL;
    for (; i < n; i++) {
        struct zk_artefact a;
        if (done[i]) continue;
        enum vl_err err = w->batch != NULL ? judge(w, claim[i].artefact, claim[i].policy, &a, &ret[i]) : no(&ret[i], VL_ENOMEM, "out of memory");
        if (err != VL_OK) continue;
        unsigned first = zk_batch_count(w->batch);
        if (first + w->p->plan.n_steps > ZK_BATCH_MAX || zk_program_gens(w->p) > gens) break;
        if (add_proof(w, &a, &ret[i]) == VL_OK) wait[waiting++] = (struct waiting){ &ret[i], first, w->p->plan.n_steps };
    }
    if (w->batch != NULL) settle(w, wait, waiting);
    zk_batch_destroy(w->batch);
    w->batch = NULL;
    return i;
}

/* What can be refused without the proof is; the others say how many generators the sum needs. */
static unsigned look_ahead(struct verifier *w, const struct zk_claim *claim, unsigned n, struct zk_verdict *ret, bool *done) {
    unsigned gens = 1;
    for (unsigned i = 0; i < n; i++) {
        struct zk_artefact a;
        done[i] = judge(w, claim[i].artefact, claim[i].policy, &a, &ret[i]) != VL_OK;
        if (!done[i] && zk_program_gens(w->p) > gens) gens = zk_program_gens(w->p);
    }
    return gens;
}

enum vl_err zk_verify_batch(struct zk_kit *kit, const struct zk_claim *claim, unsigned n, struct zk_verdict *ret) {
    struct verifier *w = calloc(1, sizeof *w);
    bool *done = calloc(n + 1u, sizeof *done);
    enum vl_err err = VL_OK;
    if (w == NULL || done == NULL) {
        for (unsigned i = 0; i < n; i++) {
            ret[i] = (struct zk_verdict){ .err = VL_ENOMEM };
            err = no(&ret[i], VL_ENOMEM, "out of memory");
        }
    } else {
        w->kit = kit;
        unsigned gens = look_ahead(w, claim, n, ret, done);
        for (unsigned at = 0; at < n;) at += check_some(w, claim + at, n - at, gens, ret + at, done + at);
        for (unsigned i = 0; i < n && err == VL_OK; i++) err = ret[i].err;
    }
    free(w);
    free(done);
    return err;
}

enum vl_err zk_verify(struct zk_kit *kit, struct vl_span artefact, const struct zk_policy *policy, struct zk_verdict *ret) {
    struct zk_claim claim = { artefact, policy };
    return zk_verify_batch(kit, &claim, 1, ret);
}
