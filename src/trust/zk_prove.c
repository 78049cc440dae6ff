/* The prover of predicates.  Values and blinding factors are secret: sums are taken without asking for their size or sign,
 * places in sets are found by looking at every member, and the back-ends are constant time in theirs. */
#include "trust/zk_proof_priv.h"
#include "trust/zk_sigma.h"

#include <assert.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 zk_uwide;

struct prover {
    struct zk_kit *kit;
    const struct zk_gens *g;
    const struct zk_program *p;
    const struct zk_proving *in;
    struct transcript t, rng;
    uint8_t commitment[ZK_ATTRS_MAX][32];
    struct zk_scalar lower[ZK_GAPS_MAX], upper[ZK_GAPS_MAX]; /* blinding factors of the ends of gaps */
    zk_wide low[ZK_GAPS_MAX], high[ZK_GAPS_MAX];
    struct vl_buf *out; /* of proofs */
};

static void random32(struct prover *w, uint8_t ret[32]) { transcript_rng_fill(&w->rng, ret, 32); }

static struct zk_scalar random_scalar(struct prover *w) {
    uint8_t wide[64];
    struct zk_scalar r;
    transcript_rng_fill(&w->rng, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(r.b, wide);
    sodium_memzero(wide, sizeof wide);
    return r;
}

/* Blinding factor of a form's commitment. */
static struct zk_scalar form_blind(const struct prover *w, const struct zk_form *f) {
    struct zk_scalar r = zk_of_u64(0);
    for (unsigned i = 0; i < w->p->n_attrs; i++)
        if (f->k[i] != 0) r = zk_muladd(zk_of_wide(f->k[i]), zk_of_bytes(w->in->blind[i]), r);
    return r;
}

static uint8_t *room(struct prover *w, unsigned bytes) {
    if (vl_buf_reserve(w->out, bytes) != VL_OK) return NULL;
    w->out->len += bytes;
    return w->out->p + w->out->len - bytes;
}

static enum vl_err prove_range(struct prover *w, const struct zk_work *work) {
    uint64_t v[ZK_RANGE_VALUES_MAX];
    uint8_t blind[ZK_RANGE_VALUES_MAX][32], random[32], commitment[ZK_RANGE_VALUES_MAX][32];
    uint64_t outside = 0;
    for (unsigned i = 0; i < work->step.values; i++) {
        int end = 0;
        const struct zk_slot *s = &w->p->slot[work->first + (i < work->slots ? i : work->slots - 1)];
        struct zk_form f = zk_slot_form(w->p, s, &end);
        struct zk_scalar r = form_blind(w, &f);
        zk_wide x = zk_form_at(&f, w->in->value, w->p->n_attrs);
        if (end < 0) {
            x -= w->low[s->gap];
            r = zk_sub(r, w->lower[s->gap]);
        } else if (end > 0) {
            x += w->high[s->gap];
            r = zk_add(r, w->upper[s->gap]);
        }
        outside |= (uint64_t)((zk_uwide)x >> 64);
        v[i] = (uint64_t)(zk_uwide)x;
        memcpy(blind[i], r.b, 32);
    }
    random32(w, random);
    uint8_t *proof = room(w, work->step.bytes);
    enum vl_err err = proof == NULL ? VL_ENOMEM : outside != 0 ? VL_ERANGE
                                                : zk_range_prove(w->g, &w->t, v, (const uint8_t(*)[32])blind, work->step.values,
                                                                 work->step.bits, random, commitment, proof);
    sodium_memzero(v, sizeof v);
    sodium_memzero(blind, sizeof blind);
    return err;
}

static enum vl_err prove_linear(struct prover *w, const struct zk_work *work) {
    const struct zk_form *f = &w->p->atom[work->atom].form;
    struct zk_scalar a[ZK_ATTRS_MAX], k = zk_of_wide(-f->c);
    uint8_t commitment[ZK_ATTRS_MAX][32], blind[ZK_ATTRS_MAX][32], random[32];
    unsigned n = 0;
    for (unsigned i = 0; i < w->p->n_attrs; i++) {
        if (f->k[i] == 0) continue;
        a[n] = zk_of_wide(f->k[i]);
        memcpy(commitment[n], w->commitment[i], 32);
        memcpy(blind[n++], w->in->blind[i], 32);
    }
    random32(w, random);
    uint8_t *proof = room(w, work->step.bytes);
    enum vl_err err = proof == NULL ? VL_ENOMEM
                                    : zk_linear_prove(w->g, &w->t, a, (const uint8_t(*)[32])commitment, n, &k,
                                                      (const uint8_t(*)[32])blind, random, proof);
    sodium_memzero(blind, sizeof blind);
    return err;
}

static enum vl_err prove_member(struct prover *w, const struct zk_work *work) {
    const struct zk_atom *a = &w->p->atom[work->atom];
    struct zk_scalar v = zk_of_wide(zk_form_at(&a->form, w->in->value, w->p->n_attrs)), r = form_blind(w, &a->form);
    uint8_t commitment[1][32], blind[1][32], random[32];
    unsigned n = 0;
    struct zk_scalar *set = zk_member_scalars(a, &n);
    uint8_t *proof = room(w, work->step.bytes);
    enum vl_err err = VL_ENOMEM;
    if (set != NULL && proof != NULL) {
        struct zk_many_set many = { set, n, 1, 1 };
        unsigned at = zk_many_find(&many, &v);
        zk_commit_scalar(w->g, &v, r.b, commitment[0]);
        memcpy(blind[0], r.b, 32);
        random32(w, random);
        if (at >= n) /* says only that there is no proof */
            err = VL_ERANGE;
        else if (work->step.kind == ZK_STEP_SMALL_SET)
            err = zk_set_prove(w->g, &w->t, set, n, commitment[0], at, blind[0], random, proof);
        else
            err = zk_many_prove(w->g, &w->t, &many, (const uint8_t(*)[32])commitment, at, (const uint8_t(*)[32])blind, random, proof);
    }
    free(set);
    sodium_memzero(&v, sizeof v);
    sodium_memzero(&r, sizeof r);
    sodium_memzero(blind, sizeof blind);
    return err;
}

/* The ends of the gap in which x lies: the largest member below x and the smallest above, chosen by masks. */
static void neighbours(const struct zk_atom *a, zk_wide x, zk_wide *ret_low, zk_wide *ret_high, unsigned *ret_at) {
    zk_wide low = a->bounds.lo - 1, high = a->bounds.hi + 1;
    unsigned at = 0;
    for (unsigned i = 0; i < a->n; i++) {
        zk_wide v = a->v[i], below = (v - x) >> 127; /* all ones where v < x */
        low = (v & below) | (low & ~below);
        at += (unsigned)(below & 1);
    }
    for (unsigned i = a->n; i-- > 0;) {
        zk_wide v = a->v[i], above = (x - v) >> 127;
        high = (v & above) | (high & ~above);
    }
    *ret_low = low;
    *ret_high = high;
    *ret_at = at;
}

static enum vl_err prove_gap(struct prover *w, const struct zk_work *work) {
    const struct zk_atom *a = &w->p->atom[work->atom];
    uint8_t commitment[2][32], blind[2][32], random[32];
    unsigned at = 0;
    zk_wide x = zk_form_at(&a->form, w->in->value, w->p->n_attrs);
    neighbours(a, x, &w->low[work->gap], &w->high[work->gap], &at);
    struct zk_scalar low = zk_of_wide(w->low[work->gap]), high = zk_of_wide(w->high[work->gap]);
    w->lower[work->gap] = random_scalar(w);
    w->upper[work->gap] = random_scalar(w);
    memcpy(blind[0], w->lower[work->gap].b, 32);
    memcpy(blind[1], w->upper[work->gap].b, 32);
    zk_commit_scalar(w->g, &low, blind[0], commitment[0]);
    zk_commit_scalar(w->g, &high, blind[1], commitment[1]);
    random32(w, random);
    struct zk_scalar *ends = zk_gap_ends(a);
    uint8_t *proof = room(w, work->step.bytes);
    enum vl_err err = VL_ENOMEM;
    if (ends != NULL && proof != NULL) {
        struct zk_many_set many = { ends, a->n + 1, 2, 1 };
        memcpy(proof, commitment, sizeof commitment);
        err = zk_many_prove(w->g, &w->t, &many, (const uint8_t(*)[32])commitment, at, (const uint8_t(*)[32])blind, random,
                            proof + sizeof commitment);
    }
    free(ends);
    sodium_memzero(blind, sizeof blind);
    sodium_memzero(&low, sizeof low);
    sodium_memzero(&high, sizeof high);
    return err;
}

static enum vl_err prove_circuit(struct prover *w, const struct zk_work *work) {
    struct zk_opening opening[ZK_ATTRS_MAX];
    uint8_t random[32];
    struct zk_cs *cs = zk_cs_create(w->g, &w->t, true);
    if (cs == NULL) return VL_ENOMEM;
    for (unsigned i = 0; i < w->p->n_attrs; i++)
        opening[i] = (struct zk_opening){ zk_of_u64(w->in->value[i]), zk_of_bytes(w->in->blind[i]) };
    zk_circuit(cs, w->p, (const uint8_t(*)[32])w->commitment, opening);
    random32(w, random);
    enum vl_err err = zk_cs_err(cs);
    if (err == VL_OK && zk_cs_gates(cs) != work->step.gates) err = VL_EINTERNAL;
    uint8_t *proof = err == VL_OK ? room(w, work->step.bytes) : NULL;
    if (err == VL_OK) err = proof != NULL ? zk_cs_prove(cs, random, proof) : VL_ENOMEM;
    zk_cs_destroy(cs);
    sodium_memzero(opening, sizeof opening);
    return err;
}

static enum vl_err prove_step(struct prover *w, unsigned i) {
    const struct zk_work *work = &w->p->work[i];
    zk_begin_step(&w->t, w->p, i);
    switch (work->step.kind) {
    case ZK_STEP_RANGE: return prove_range(w, work);
    case ZK_STEP_LINEAR: return prove_linear(w, work);
    case ZK_STEP_SMALL_SET:
    case ZK_STEP_SET: return prove_member(w, work);
    case ZK_STEP_GAP: return prove_gap(w, work);
    case ZK_STEP_CIRCUIT: return prove_circuit(w, work);
    }
    return VL_EINTERNAL;
}

/* ---- what surrounds the proof ---- */

static bool reduced(const uint8_t blind[32]) {
    uint8_t wide[64] = { 0 }, r[32];
    memcpy(wide, blind, 32);
    crypto_core_ristretto255_scalar_reduce(r, wide);
    bool same = sodium_memcmp(r, blind, 32) == 0;
    sodium_memzero(wide, sizeof wide);
    sodium_memzero(r, sizeof r);
    return same;
}

static enum vl_err check_inputs(const struct zk_proving *in, bool *ret_signed, struct vl_errmsg *msg) {
    const struct zk_program *p = in->program;
    const struct zk_credential *c = in->credential;
    bool any_signed = false;
    for (unsigned i = 0; i < p->n_attrs; i++) {
        const struct zk_attribute *a = &p->attr[i];
        if (a->bits < 64 && in->value[i] >> a->bits != 0)
            return vl_errmsg_set(msg, VL_ERANGE, "the value of %s has more than %u bits", a->name, a->bits);
        if (!reduced(in->blind[i])) return vl_errmsg_set(msg, VL_ERANGE, "the blinding factor of %s is not below L", a->name);
        if (a->self_asserted) continue;
        any_signed = true;
        if (c == NULL) return vl_errmsg_set(msg, VL_ENOTFOUND, "attribute %s must be signed, and there is no credential", a->name);
        int at = zk_credential_find(c, a->name);
        if (at < 0) return vl_errmsg_set(msg, VL_ENOTFOUND, "the credential has no attribute %s", a->name);
        if (c->attr[at].bits > a->bits)
            return vl_errmsg_set(msg, VL_EDENIED, "the credential vouches for %u bits of %s, and the predicate wants %u: declare %u there",
                                 c->attr[at].bits, a->name, a->bits, c->attr[at].bits);
    }
    *ret_signed = any_signed;
    if (!zk_context_ok(in->context)) return vl_errmsg_set(msg, VL_ERANGE, "the purpose is empty or not printable");
    if (!any_signed) return VL_OK;
    if (p->has_issuer && !vl_node_eq(p->issuer, c->issuer))
        return vl_errmsg_set(msg, VL_EDENIED, "the credential is not from the issuer that the predicate names");
    if (zk_credential_held(c) && (in->holder == NULL || !vl_node_eq(crypto_sign_node_id(in->holder), c->holder)))
        return vl_errmsg_set(msg, VL_EDENIED, "the credential belongs to another holder, or the holder's key is missing");
    return VL_OK;
}

static enum vl_err commit_all(struct prover *w, struct zk_artefact *a, struct vl_errmsg *msg) {
    for (unsigned i = 0; i < w->p->n_attrs; i++) {
        const struct zk_attribute *attr = &w->p->attr[i];
        zk_commit(w->g, w->in->value[i], w->in->blind[i], w->commitment[i]);
        if (attr->self_asserted) {
            memcpy(a->own[a->n_own++], w->commitment[i], 32);
            continue;
        }
        const struct zk_credential *c = w->in->credential;
        if (sodium_memcmp(w->commitment[i], c->attr[zk_credential_find(c, attr->name)].commitment, 32) != 0)
            return vl_errmsg_set(msg, VL_ECRYPTO, "value and blinding factor of %s do not open the commitment in the credential", attr->name);
    }
    return VL_OK;
}

static void begin(struct prover *w, const struct zk_artefact *a) {
    const struct zk_program *p = w->p;
    zk_begin(&w->t, a->text, a->credential, (const uint8_t(*)[32])w->commitment, p->n_attrs, w->in->context);
    transcript_rng_begin(&w->t, &w->rng);
    for (unsigned i = 0; i < p->n_attrs; i++) {
        uint8_t v[8];
        vl_put_u64(v, w->in->value[i]);
        transcript_rng_rekey(&w->rng, "value", vl_span(v, sizeof v));
        transcript_rng_rekey(&w->rng, "blind", vl_span(w->in->blind[i], 32));
        sodium_memzero(v, sizeof v);
    }
    transcript_rng_finish(&w->rng, w->in->random);
}

static enum vl_err steps(struct prover *w, struct vl_errmsg *msg) {
    for (unsigned i = 0; i < w->p->plan.n_steps; i++) {
        enum vl_err err = prove_step(w, i);
        if (err == VL_ERANGE) return vl_errmsg_set(msg, err, "the predicate is not true of these values");
        if (err != VL_OK) return vl_errmsg_set(msg, err, "step %u, %s: %s", i + 1, zk_step_name(w->p->work[i].step.kind), vl_err_text(err));
    }
    return VL_OK;
}

static enum vl_err sign(const struct prover *w, struct zk_artefact *a) {
    uint8_t digest[32];
    zk_holder_digest(&w->t, a->proof, digest);
    a->has_holder = true;
    return crypto_sign_message(w->in->holder, ZK_HOLDER_CONTEXT, vl_span(digest, sizeof digest), a->holder);
}

enum vl_err zk_prove(struct zk_kit *kit, const struct zk_proving *in, struct vl_buf *out, struct vl_errmsg *msg) {
    const struct zk_program *p = in->program;
    struct zk_artefact a = { .text = zk_program_text(p), .n_sets = p->n_sets, .context = *in->context };
    struct vl_buf proof, credential, sets[ZK_SETS_MAX];
    bool any_signed = false;
    enum vl_err err = check_inputs(in, &any_signed, msg);
    if (err != VL_OK) return err;
    struct prover *w = calloc(1, sizeof *w);
    if (w == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    *w = (struct prover){ .kit = kit, .g = zk_kit_gens(kit, zk_program_gens(p)), .p = p, .in = in, .out = &proof };
    vl_buf_init(&proof, p->plan.bytes);
    vl_buf_init(&credential, ZK_CREDENTIAL_MAX);
    for (unsigned i = 0; i < ZK_SETS_MAX; i++) vl_buf_init(&sets[i], 8 * ZK_SET_SIZE_MAX);
    err = w->g != NULL ? VL_OK : VL_ENOMEM;
    for (unsigned i = 0; i < p->n_sets && err == VL_OK; i++) {
        err = zk_artefact_put_set(p->set[i], &sets[i]);
        a.set[i] = vl_span(sets[i].p, sets[i].len);
    }
    if (err == VL_OK && any_signed) err = zk_credential_write(in->credential, &credential);
    a.credential = vl_span(credential.p, credential.len);
    if (err != VL_OK) vl_errmsg_set(msg, err, "%s", vl_err_text(err));
    if (err == VL_OK) err = commit_all(w, &a, msg);
    if (err == VL_OK) {
        begin(w, &a);
        err = steps(w, msg);
    }
    if (err == VL_OK) {
        assert(proof.len == p->plan.bytes);
        a.proof = vl_span(proof.p, proof.len);
        if (any_signed && zk_credential_held(in->credential)) err = sign(w, &a);
        if (err == VL_OK) err = zk_artefact_write(&a, out);
        if (err != VL_OK) vl_errmsg_set(msg, err, "%s", vl_err_text(err));
    }
    sodium_memzero(w, sizeof *w);
    free(w);
    vl_buf_free(&proof);
    vl_buf_free(&credential);
    for (unsigned i = 0; i < ZK_SETS_MAX; i++) vl_buf_free(&sets[i]);
    return err;
}
