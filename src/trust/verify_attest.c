#include "trust/verify_attest.h"

#include "crypto/node_id.h"
#include "trust/admission.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool zero(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

static void fact_bytes(struct verdict *v, const char *key, const uint8_t p[32]) {
    struct vl_hash h;
    memcpy(h.b, p, sizeof h.b);
    verdict_fact_hash(v, key, h);
}

static void fact_level(struct verdict *v, uint32_t level) { verdict_fact(v, "level", "%u.%03u", level / 1000, level % 1000); }

static void fact_words(struct verdict *v, const uint8_t nonce[32], const struct vl_job_id *job, const uint8_t program[32]) {
    uint8_t wide[32] = { 0 };
    fact_bytes(v, "nonce", nonce);
    memcpy(wide, job->b, sizeof job->b);
    if (!zero(wide, sizeof wide)) {
        char hex[2 * sizeof job->b + 1];
        for (size_t i = 0; i < sizeof job->b; i++) snprintf(hex + 2 * i, 3, "%02x", job->b[i]);
        verdict_fact(v, "job", "%s", hex);
    }
    if (!zero(program, 32)) fact_bytes(v, "program", program);
}

/* Whom it can convince: who chose the nonce, and everybody else of less. */
static bool nonce_asked(const struct verify_query *q, const uint8_t nonce[32], struct verdict *v) {
    if (q->nonce.n > 0 && !vl_span_eq(q->nonce, vl_span(nonce, 32)))
        return verdict_refuse(v, "it answers another nonce than the one asked for");
    if (q->nonce.n > 0)
        verdict_whom(v, "To whoever chose the nonce, and knows that nobody had it before.");
    else
        verdict_not(v, "That it is fresh: no nonce was given that somebody is known to have chosen. It may be as old as its certificates.");
    return true;
}

static const char *root_words(unsigned anchor) {
    return anchor == ATTEST_ANCHOR_VENDOR      ? "a vendor's root"
           : anchor == ATTEST_ANCHOR_OPERATOR  ? "a root that the policy accepts"
           : anchor == ATTEST_ANCHOR_SIMULATED ? "a simulated root"
                                               : "no root";
}

static void facts_of(struct verdict *v, const struct attested_entry *e) {
    static const char *const states[] = { "unknown", "no", "yes" };
    verdict_fact(v, "evidence", "%s", attest_kind_name((enum attest_kind)e->kind));
    verdict_fact_hash(v, "evidence_hash", e->evidence);
    verdict_fact_hash(v, "measurement_hash", e->measurement);
    verdict_fact(v, "genuine", "%s", states[e->genuine]);
    verdict_fact(v, "fresh", "%s", states[e->fresh]);
    verdict_fact(v, "debug", "%s", states[e->debug]);
    verdict_fact(v, "measurement_known", "%s", states[e->measurement_known]);
    verdict_fact(v, "key_bound", "%s", states[e->key_bound]);
    verdict_fact(v, "tcb", "%s", attest_tcb_name((enum attest_tcb)e->tcb));
    verdict_fact(v, "anchor", "%s", root_words(e->anchor));
}

/* ---- evidence ---- */

static bool signer_asked(const struct verify_query *q, struct vl_node_id node, struct verdict *v) {
    if (q->has_signer && !vl_node_eq(q->signer, node)) return verdict_refuse(v, "it speaks of another node than the one asked for");
    return true;
}

static void judge(const struct admission *a, const struct attestation *e, const struct verify_query *q, struct verdict *v) {
    struct admission_verdict found;
    struct admission_case c = { .node = e->node, .verifier = e->node, .job = e->job, .when = q->at_ms, .number = 1, .answer = e, .n = 1 };
    char node[NODE_ID_TEXT], at[VERDICT_TIME];
    memcpy(c.nonce, e->nonce, sizeof c.nonce);
    memcpy(c.binding, e->binding, sizeof c.binding);
    memcpy(c.program, e->program, sizeof c.program);
    admission_judge(a, &c, &found);
    const struct attested_entry *r = &found.result.entry[0];
    node_id_format(e->node, node);
    facts_of(v, r);
    fact_level(v, found.result.level);
    verdict_time(q->at_ms, at);
    if (found.activate) {
        verdict_refuse(v, "a TPM's quote whose key only a conversation ties to the certificate (credential activation): it proves nothing in a "
                          "file; ask for the verifier's signed result");
        return;
    }
    if (!r->accepted) {
        verdict_refuse(v, "%s", r->why);
        return;
    }
    verdict_proves(v, "Hardware of kind %s, under %s, signed this nonce%s%s for the key of %s.", attest_kind_name((enum attest_kind)e->kind),
                   root_words(r->anchor), zero(e->job.b, sizeof e->job.b) ? "" : ", this job",
                   zero(e->program, sizeof e->program) ? "" : ", this program", node);
    if (zero(e->binding, sizeof e->binding))
        verdict_not(v, "That the node's key is where that hardware is: it was made for a file and not over a channel.");
    else
        verdict_proves(v, "It was asked for over the channel whose binding is given, and is worthless over another.");
    if (r->measurement_known != ATTEST_YES) verdict_not(v, "That what was measured is any good: the policy names no measurements.");
    if (!zero(e->program, sizeof e->program))
        verdict_not(v, "That this program runs there now: it is named in what was signed; who measured it is the node's software.");
    verdict_as_of(v, "%s, the time of judging, by the certificates and lists that are here.", at);
    verdict_yes(v);
}

void attest_artefact(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct attestation e;
    struct admission *own = NULL;
    char made[VERDICT_TIME], node[NODE_ID_TEXT];
    if (attestation_decode(bytes, &e)) {
        verdict_refuse(v, "its form is not that of evidence");
        return;
    }
    node_id_format(e.node, node);
    verdict_time(e.made_ms, made);
    verdict_fact(v, "node", "%s", node);
    verdict_fact(v, "made_by_its_own_clock", "%s", made);
    fact_words(v, e.nonce, &e.job, e.program);
    fact_bytes(v, "channel", e.binding);
    if (e.kind == ATTEST_SELF) {
        verdict_refuse(v, "it is the node's own statement: nobody else vouches for where it runs");
        return;
    }
    if (!nonce_asked(q, e.nonce, v) || !signer_asked(q, e.node, v)) return;
    if (q->admission == NULL && admission_create((struct vl_span){ 0 }, NULL, 0, &own, NULL)) {
        verdict_refuse(v, "out of memory");
        return;
    }
    judge(q->admission ? q->admission : own, &e, q, v);
    admission_destroy(own);
}

/* ---- results ---- */

void attested_artefact(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct attested r;
    struct vl_hash id;
    char node[NODE_ID_TEXT], verifier[NODE_ID_TEXT], at[VERDICT_TIME];
    enum vl_err err = attested_open(bytes, &r, &id);
    if (err) {
        verdict_refuse(v, err == VL_ECRYPTO ? "it is not signed by the verifier that it names" : "its form is not that of a result");
        return;
    }
    node_id_format(r.node, node);
    node_id_format(r.verifier, verifier);
    verdict_time(r.when_ms, at);
    verdict_fact(v, "node", "%s", node);
    verdict_fact(v, "verifier", "%s", verifier);
    verdict_fact(v, "verified", "%s", at);
    verdict_fact(v, "number", "%" PRIu64, r.number);
    verdict_fact_hash(v, "id", id);
    fact_words(v, r.nonce, &r.job, r.program);
    fact_level(v, r.level);
    verdict_fact_hash(v, "policy", r.policy);
    verdict_fact_hash(v, "files", r.snapshot);
    for (unsigned i = 0; i < r.n; i++) verdict_fact(v, "entry", "%s: %s", attest_kind_name((enum attest_kind)r.entry[i].kind), r.entry[i].why);
    if (r.when_ms > vl_ms_add(q->at_ms, VERIFY_SKEW_MS)) {
        verdict_refuse(v, "it is of after the time of judging");
        return;
    }
    if (q->has_signer && !vl_node_eq(q->signer, r.verifier)) {
        verdict_refuse(v, "it is signed by another verifier than the one asked for");
        return;
    }
    verdict_proves(v, "%s found %s at level %u.%03u: %s.", verifier, node, r.level / 1000, r.level % 1000, r.why);
    if (!q->has_signer) verdict_not(v, "That this verifier is the coordinator of any village: name it with --key.");
    verdict_not(v, "What the evidence was: whoever wants to see for himself needs that, with the policy and files of these hashes.");
    verdict_whom(v, "To whoever trusts that verifier.");
    verdict_as_of(v, "%s. Where the node runs later is another question.", at);
    verdict_yes(v);
}
