#include "trust/verify.h"

#include "crypto/node_id.h"
#include "trust/anchor_artefact.h"
#include "trust/challenge.h"
#include "trust/proof_execution.h"
#include "trust/proof_log.h"
#include "trust/sla.h"
#include "trust/verify_attest.h"
#include "trust/verify_draw.h"
#include "trust/verify_more.h"
#include "trust/verify_time.h"
#include "trust/zk_proof.h"
#include "wire/attestation.h"
#include "wire/armor.h"

#include <inttypes.h>
#include <string.h>

static void certificate(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct cert cert;
    char village[33], node[NODE_ID_TEXT], from[VERDICT_TIME], until[VERDICT_TIME];
    if (!proof_cert(v, "the member", bytes, NULL, &cert) || !proof_village(v, q, cert.root, village)) return;
    node_id_format(cert.node, node);
    verdict_fact(v, "node", "%s", node);
    verdict_fact(v, "serial", "%" PRIu64, cert.serial);
    verdict_fact(v, "roles", "%s%s%s", cert.roles & CERT_WORKER ? "worker " : "", cert.roles & CERT_GATEWAY ? "gateway " : "",
                 cert.roles & CERT_COORDINATOR ? "coordinator" : "");
    if (cert.issued_ms > vl_ms_add(q->at_ms, VERIFY_SKEW_MS)) {
        verdict_refuse(v, "the certificate is not valid yet at the time of judging");
        return;
    }
    if (cert.expires_ms <= q->at_ms) {
        verdict_refuse(v, "the certificate has expired at the time of judging");
        return;
    }
    verdict_time(cert.issued_ms, from);
    verdict_time(cert.expires_ms, until);
    verdict_proves(v, "The village's root key made %s a member, from %s to %s.", node, from, until);
    verdict_time(q->at_ms, from);
    verdict_as_of(v, "%s, the time of judging.", from);
    verdict_not(v, "That it was not expelled since: ask a member for the list of revocations.");
    verdict_yes(v);
}

/* One row for each kind.  `label`: of the armoured file (wire/armor.h), whose bytes `verify` gets; NULL: a file of another form, which
 * `looks` recognises (cheaply, and no two rows the same bytes).  `verify` begins with a refused verdict of this kind and ends in
 * verdict_yes() only when all was looked at; any bytes must be safe.  To add a kind: a row, and a line in docs/trust.md. */
static const struct kind {
    const char *name, *label;
    bool (*looks)(struct vl_span bytes);
    void (*verify)(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
} kinds[] = {
    { "execution", PROOF_EXECUTION_LABEL, NULL, proof_execution_verify },
    { "contradiction", PROOF_CONTRADICTION_LABEL, NULL, proof_contradiction_verify },
    { "consistency", PROOF_CONSISTENCY_LABEL, NULL, proof_consistency_verify },
    { "neighbours", TOPOLOGY_FILE_LABEL, NULL, verify_neighbours },
    { "availability", CHALLENGE_LABEL, NULL, verify_availability },
    { "sla", SLA_LABEL, NULL, verify_sla },
    { "certificate", VERIFY_CERTIFICATE_LABEL, NULL, certificate },
    { "anchor", ANCHOR_ARTEFACT_LABEL, NULL, verify_anchor },
    { "predicate", ZK_ARTEFACT_LABEL, NULL, verify_predicate },
    { "attestation", ATTESTATION_LABEL, NULL, attest_artefact },
    { "attested", ATTESTED_LABEL, NULL, attested_artefact },
    { "checkpoint", NULL, proof_checkpoint_is, proof_checkpoint_verify },
    { "opentimestamps", NULL, verify_ots_is, verify_ots },
    { "timestamp", NULL, verify_rfc3161_is, verify_rfc3161 },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

const char *verify_kind(size_t i) { return i < KINDS ? kinds[i].name : NULL; }

static void run(const struct kind *k, struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    verdict_begin(v, k->name);
    if (q->kind != NULL && strcmp(q->kind, k->name) != 0) {
        verdict_refuse(v, "it is of the kind \"%s\", not the one asked for", k->name);
        return;
    }
    k->verify(bytes, q, v);
    if (!v->proved && v->reason[0] == 0) verdict_refuse(v, "it was not looked at to the end");
}

static void armoured(struct vl_span text, const struct verify_query *q, struct verdict *v) {
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_buf bytes;
    vl_buf_init(&bytes, ARMOR_BYTES_MAX);
    enum vl_err err = armor_read(text, label, &bytes);
    const struct kind *k = NULL;
    for (size_t i = 0; err == VL_OK && i < KINDS; i++)
        if (kinds[i].label != NULL && strcmp(kinds[i].label, label) == 0) k = &kinds[i];
    if (err == VL_ENOMEM)
        verdict_refuse(v, "out of memory");
    else if (err)
        verdict_refuse(v, "it looks like an armoured file (-----BEGIN ...), but is damaged or followed by something else");
    else if (k == NULL)
        verdict_refuse(v, "no artefact called \"%s\" is known to this version", label);
    else
        run(k, vl_span(bytes.p, bytes.len), q, v);
    vl_buf_free(&bytes);
}

void verify_artefact(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    verdict_begin(v, "");
    if (bytes.n == 0 || bytes.n > VERIFY_BYTES_MAX) {
        verdict_refuse(v, bytes.n == 0 ? "it is empty" : "it is larger than any artefact");
        return;
    }
    if (armor_is(bytes)) {
        armoured(bytes, q, v);
        return;
    }
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].looks != NULL && kinds[i].looks(bytes)) {
            run(&kinds[i], bytes, q, v);
            return;
        }
    verdict_refuse(v, "it is no artefact that this version knows");
}
