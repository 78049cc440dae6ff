#include "trust/verify_more.h"

#include "base/text.h"
#include "crypto/node_id.h"
#include "trust/anchor_artefact.h"
#include "trust/proof_log.h"
#include "trust/zk_proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- anchors ---------------------------------------------------------------------------------------------------------------- */

static void anchor_facts(struct verdict *v, const struct anchor_shown *s) {
    char text[ETH_ADDRESS_TEXT], node[NODE_ID_TEXT];
    node_id_format(s->signer, node);
    verdict_fact(v, "chain", "%" PRIu64, s->chain);
    verdict_fact(v, "block", "%" PRIu64, s->block);
    verdict_fact_hash(v, "block_hash", s->block_name);
    verdict_fact(v, "block_time_s", "%" PRIu64, s->time_s);
    eth_address_format(&s->contract, text);
    verdict_fact(v, "contract", "%s", text);
    eth_address_format(&s->sender, text);
    verdict_fact(v, "account", "%s", text);
    verdict_fact(v, "log", "%s", s->head.origin);
    verdict_fact(v, "log_size", "%" PRIu64, s->head.size);
    verdict_fact_hash(v, "log_root", s->head.root);
    verdict_fact(v, "signer", "%s", node);
}

static bool anchor_expected(struct verdict *v, const struct verify_query *q, const struct anchor_shown *s) {
    char village[33], origin[MERKLE_ORIGIN_MAX];
    vl_hex_encode(q->village.b, sizeof q->village.b, village);
    (void)snprintf(origin, sizeof origin, "village.%s/receipts", village);
    if (q->has_village && strcmp(origin, s->head.origin) != 0) return verdict_refuse(v, "the head is of another log than the receipts of the village expected");
    if (q->has_signer && !vl_node_eq(q->signer, s->signer)) return verdict_refuse(v, "another node signed the head than the one given with --key");
    if (!s->block_trusted)
        return verdict_refuse(v, "all fits together, but whether the block is on the chain only somebody can say whom you trust: ask for its hash, and "
                                 "give it with --block");
    if (s->time_s > vl_ms_add(q->at_ms, VERIFY_SKEW_MS) / 1000) return verdict_refuse(v, "the block is later than the time of judging");
    return true;
}

static bool anchor_leaf(struct verdict *v, const struct anchor_shown *s) {
    struct receipt r;
    char job[JOB_ID_TEXT], node[NODE_ID_TEXT];
    if (s->leaf.n == 0) return true;
    if (proof_receipt_open(s->leaf, &r)) return verdict_refuse(v, "the leaf is no receipt that a worker signed");
    job_id_format(r.job, job);
    node_id_format(r.node, node);
    verdict_fact(v, "leaf", "%" PRIu64, s->leaf_index);
    verdict_fact(v, "job", "%s", job);
    verdict_fact(v, "task", "%" PRIu32, r.task);
    verdict_fact(v, "worker", "%s", node);
    verdict_proves(v, "Leaf %" PRIu64 " of it is the receipt of the node %s for task %" PRIu32 " of job %s.", s->leaf_index, node, r.task, job);
    return true;
}

void verify_anchor(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct anchor_shown s = { .block = 0 };
    char when[VERDICT_TIME], account[ETH_ADDRESS_TEXT];
    enum anchor_verdict a = anchor_artefact_check(bytes, q->has_block ? &q->block : NULL, &s);
    if (a != ANCHOR_SHOWN) {
        verdict_refuse(v, "%s", anchor_verdict_text(a));
        return;
    }
    anchor_facts(v, &s);
    if (!anchor_expected(v, q, &s)) return;
    verdict_time(s.time_s * 1000, when);
    eth_address_format(&s.sender, account);
    verdict_proves(v, "The head of %" PRIu64 " leaves of the log %s existed when block %" PRIu64 " of chain %" PRIu64 " was made, and the account %s wrote it there.",
                   s.head.size, s.head.origin, s.block, s.chain, account);
    if (!anchor_leaf(v, &s)) return;
    verdict_whom(v, "To whoever trusts that the block given with --block is on this chain and stays there, and that the contract, the account and the "
                    "signer named are the village's.");
    verdict_as_of(v, "%s, the block's time.", when);
    verdict_not(v, "That members are shown the same log between anchors.");
    verdict_yes(v);
}

/* ---- predicates --------------------------------------------------------------------------------------------------------------- */

/* Canonical, printable but for its line feeds. */
static void predicate_text(struct verdict *v, struct vl_span text) {
    char line[VERDICT_TEXT];
    size_t n = text.n < sizeof line ? text.n : sizeof line - 1;
    memcpy(line, text.p, n);
    while (n > 0 && line[n - 1] == '\n') n--;
    line[n] = 0;
    for (size_t i = 0; i < n; i++)
        if (line[i] == '\n') line[i] = ';';
    verdict_fact(v, "predicate", "%s", line);
}

static void predicate_words(struct vl_span bytes, struct verdict *v, const struct zk_verdict *z) {
    static const struct vl_node_id nobody;
    char issuer[65], nonce[65], from[VERDICT_TIME], until[VERDICT_TIME];
    struct vl_span text = { NULL, 0 };
    vl_hex_encode(z->issuer.b, 32, issuer);
    vl_hex_encode(z->context.nonce, 32, nonce);
    verdict_fact_hash(v, "predicate_id", z->program);
    if (zk_artefact_text(bytes, &text) == VL_OK) predicate_text(v, text);
    verdict_fact(v, "purpose", "%s", z->context.purpose);
    verdict_fact(v, "nonce", "%s", nonce);
    verdict_fact(v, "epoch", "%" PRIu64, z->context.epoch);
    if (z->signed_attributes) {
        verdict_fact(v, "issuer", "%s", issuer);
        verdict_fact(v, "about", "%s", z->about);
        verdict_proves(v, "The predicate is true of numbers that the key %s signed about \"%s\"; nothing else of them is shown.", issuer, z->about);
        verdict_time(z->from_ms, from);
        verdict_time(z->until_ms, until);
        verdict_as_of(v, "The credential is good from %s to %s.", from, until);
        verdict_not(v, "That the numbers are true: that is the issuer's word.");
    }
    if (z->self_asserted) {
        verdict_proves(v, "%s", z->signed_attributes ? "Other numbers in it are the prover's own choice."
                                                     : "Whoever made it knows numbers of which the predicate is true: numbers of its own choice.");
        verdict_not(v, "That the numbers of its own choice say anything about the world.");
    }
    if (!vl_node_eq(z->context.verifier, nobody))
        verdict_whom(v, "To the one verifier named in it, for the purpose \"%s\" and with its nonce: if that is not you, somebody passes on what was shown to "
                        "another.", z->context.purpose);
    else
        verdict_whom(v, "To anyone who trusts the issuer, if there is one, for the purpose \"%s\".", z->context.purpose);
    verdict_not(v, "That it is fresh: compare the nonce with the one you gave.");
}

void verify_predicate(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct zk_verdict *z = NULL;
    struct zk_kit *kit = NULL;
    struct zk_policy policy = { .issuer = &q->signer, .n_issuers = q->has_signer, .any_issuer = !q->has_signer, .allow_self_asserted = true, .at_ms = q->at_ms };
    if (!q->has_seed) {
        verdict_refuse(v, "proofs of predicates take too long to be checked here: use `village verify` or `village zk verify` on your own machine");
        return;
    }
    z = calloc(1, sizeof *z);
    kit = zk_kit_create(q->seed);
    if (z == NULL || kit == NULL)
        verdict_refuse(v, "out of memory");
    else if (zk_verify(kit, bytes, &policy, z) != VL_OK)
        verdict_refuse(v, "%s", z->reason.text[0] ? z->reason.text : "it is refused");
    else
        predicate_words(bytes, v, z);
    bool yes = z != NULL && z->err == VL_OK && v->reason[0] == 0 && kit != NULL;
    zk_kit_destroy(kit);
    free(z);
    if (yes) verdict_yes(v);
}
