#include "trust/verify_draw.h"

#include "base/text.h"
#include "crypto/node_id.h"
#include "trust/challenge.h"
#include "trust/sla.h"

#include <inttypes.h>

/* Whose draw it is, and of which village. */
static bool head(struct verdict *v, const struct verify_query *q, struct village_id village, struct vl_node_id node, struct vl_node_id coordinator,
                 uint64_t epoch, char ret_node[NODE_ID_TEXT]) {
    char id[33], lead[NODE_ID_TEXT];
    vl_hex_encode(village.b, sizeof village.b, id);
    if (q->has_village && !village_eq(village, q->village)) return verdict_refuse(v, "it is of the village %s, not of the one expected", id);
    node_id_format(node, ret_node);
    node_id_format(coordinator, lead);
    verdict_fact(v, "village", "%s", id);
    verdict_fact(v, "node", "%s", ret_node);
    verdict_fact(v, "epoch", "%" PRIu64, epoch);
    verdict_fact(v, "coordinator", "%s", lead);
    verdict_whom(v, "Anybody who knows that the village is %s: its root key certifies the coordinator that sealed the roll.", id);
    verdict_as_of(v, "Epoch %" PRIu64 " of this village; which hours that was, the file does not say.", epoch);
    return true;
}

void verify_neighbours(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct topology_proof p;
    struct vl_errmsg why = { "" };
    char node[NODE_ID_TEXT], other[NODE_ID_TEXT];
    enum vl_err err = neighbours_artefact_check(bytes, &p, &why);
    if (err) {
        verdict_refuse(v, "%s", why.text[0] ? why.text : vl_err_text(err));
        return;
    }
    if (head(v, q, p.village, p.cert.node, p.coordinator, p.cert.epoch, node)) {
        verdict_fact(v, "members", "%u", p.members);
        verdict_fact(v, "weight", "%u", p.cert.weight);
        for (uint32_t i = 0; i < p.n; i++) {
            node_id_format(p.neighbour[i], other);
            verdict_fact(v, "neighbour", "%s", other);
        }
        verdict_proves(v, "These %u are the neighbours that %s drew for this epoch, and it could draw no others.", p.n, node);
        verdict_not(v, "That the coordinator sealed no second roll for the same epoch: two files that differ in it convict it.");
        verdict_not(v, "That weights and keys in the roll are deserved.");
        verdict_yes(v);
    }
    topology_proof_free(&p);
}

void verify_availability(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct availability_verdict a;
    struct vl_errmsg why = { "" };
    char node[NODE_ID_TEXT], other[NODE_ID_TEXT];
    enum vl_err err = availability_artefact_check(bytes, &a, &why);
    uint32_t least = q->witnesses > CHALLENGE_WITNESSES ? q->witnesses : CHALLENGE_WITNESSES;
    if (err) {
        verdict_refuse(v, "%s", why.text[0] ? why.text : vl_err_text(err));
        return;
    }
    if (!head(v, q, a.village, a.node, a.coordinator, a.epoch, node)) return;
    verdict_fact(v, "witnesses", "%u of %u drawn", a.witnesses, a.drawn);
    verdict_fact(v, "challenges", "%u asked, %u answered in time, %u not asked", a.sum.answered + a.sum.unanswered, a.sum.answered, a.sum.not_asked);
    verdict_fact(v, "answered", "%u.%04u %%", a.answered_ppm / 10000, a.answered_ppm % 10000);
    verdict_fact(v, "at least", "%u.%04u %%, counting witnesses that are missing against it", a.at_least_ppm / 10000, a.at_least_ppm % 10000);
    if (a.sum.answered > 0) verdict_fact(v, "mean answer", "%" PRIu64 " ms", a.sum.latency_ms / a.sum.answered);
    verdict_fact(v, "kept", "%" PRIu64 " bytes promised, %u chunks shown", a.promised, a.sum.stored);
    for (uint32_t i = 0; i < a.witnesses; i++) {
        const struct challenge_count *c = &a.by[i].count;
        node_id_format(a.by[i].witness, other);
        verdict_fact(v, "witness", "%s: %u of %u", other, c->answered, c->answered + c->unanswered);
    }
    if (a.asking < least) {
        verdict_refuse(v, "%u witnesses that asked anything speak in it, and %u are needed", a.asking, least);
        return;
    }
    verdict_proves(v, "%u witnesses that %s did not choose challenged it %u times at times that it could not foresee; it answered %u in time.", a.asking,
                   node, a.sum.answered + a.sum.unanswered, a.sum.answered);
    verdict_not(v, "That a challenge without an answer reached it: that is the word of its witness, and of the coordinator that carries them.");
    verdict_not(v, "That witnesses and node were not in league; what each of them counted is shown.");
    if (a.sum.stored > 0) verdict_not(v, "That the chunks came: witnesses say so. The root is the node's word for what it keeps.");
    verdict_yes(v);
}

void verify_sla(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct sla_verdict a;
    struct vl_errmsg why = { "" };
    char village[33], node[NODE_ID_TEXT], lead[NODE_ID_TEXT], from[VERDICT_TIME], until[VERDICT_TIME];
    enum vl_err err = sla_artefact_check(bytes, q->at_ms, &a, &why);
    if (err) {
        verdict_refuse(v, "%s", why.text[0] ? why.text : vl_err_text(err));
        return;
    }
    vl_hex_encode(a.village.b, sizeof a.village.b, village);
    if (q->has_village && !village_eq(a.village, q->village)) {
        verdict_refuse(v, "it is of the village %s, not of the one expected", village);
        return;
    }
    node_id_format(a.node, node);
    node_id_format(a.coordinator, lead);
    verdict_time(a.from_ms, from);
    verdict_time(a.until_ms, until);
    verdict_fact(v, "village", "%s", village);
    verdict_fact(v, "node", "%s", node);
    verdict_fact(v, "coordinator", "%s", lead);
    verdict_fact(v, "about", "%s", a.about);
    verdict_fact(v, "answered", "at least %u.%04u %%", a.claim.answered_ppm / 10000, a.claim.answered_ppm % 10000);
    verdict_fact(v, "asked", "at least %u times", a.claim.least_asked);
    if (a.claim.mean_ms) verdict_fact(v, "mean answer", "at most %u ms", a.claim.mean_ms);
    verdict_proves(v, "%s answered at least %u.%04u %% of at least %u challenges in time: true of the numbers that the coordinator signed (%s).", node,
                   a.claim.answered_ppm / 10000, a.claim.answered_ppm % 10000, a.claim.least_asked, a.about);
    verdict_not(v, "What the numbers are; nothing of them but the claim is shown.");
    verdict_not(v, "That coordinator and witnesses counted right, or that another span of epochs was as good.");
    verdict_whom(v, "Anybody who knows that the village is %s.", village);
    verdict_as_of(v, "The counters were signed on %s, and stand until %s.", from, until);
    verdict_yes(v);
}
