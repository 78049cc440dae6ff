/* Where this node runs: what it answers to a challenge of the coordinator, and what that found. */
#include "brain/attest_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust/attest_bind.h"

#define PIECE 32768u      /* of a list, for each message */
#define BUSY_MS 60000u    /* the shell that does not answer is not waited for longer */

bool attest_answer_begin(struct brain *b, const struct attestation *blank) {
    struct attest_answer *a = &b->attests->answer;
    uint8_t data[ATTEST_DATA];
    if (a->busy && a->until_ms > b->now) return false;
    *a = (struct attest_answer){ .busy = true, .req = ++b->attests->reqs, .until_ms = vl_ms_add(b->now, BUSY_MS), .blank = *blank };
    attest_bind(blank, data);
    struct brain_effect *e = effect_now(b, BRAIN_TEE_QUOTE, vl_span(data, sizeof data), NULL);
    e->req = a->req;
    e->job = blank->job;
    memcpy(e->hash.b, blank->program, sizeof e->hash.b);
    return true;
}

static bool send_part(struct brain *b, const struct attestation_part *m) {
    struct vl_buf out;
    vl_buf_init(&out, PIECE + 512);
    bool sent = attestation_part_encode(m, &out) == VL_OK &&
                link_send(b, b->coordinator, LANE_MESSAGE, LINK_ATTEST_PART, vl_span(out.p, out.len), (struct vl_span){ 0 });
    vl_buf_free(&out);
    return sent;
}

static void send_list(struct brain *b, const uint8_t nonce[32], struct vl_span list, const char *why) {
    struct attestation_part m = { .total = (uint32_t)list.n };
    memcpy(m.nonce, nonce, sizeof m.nonce);
    if (list.n == 0) snprintf(m.why, sizeof m.why, "%s", why && why[0] ? why : "this node has no evidence");
    bool sent = list.n > 0 || send_part(b, &m);
    for (size_t at = 0; sent && at < list.n; at += m.bytes.n) {
        m.at = (uint32_t)at;
        m.bytes = vl_span(list.p + at, list.n - at < PIECE ? list.n - at : PIECE);
        sent = send_part(b, &m);
    }
    if (!sent) note(b, VL_EAGAIN, b->coordinator, "evidence could not be sent; the coordinator asks again");
}

static int by_kind(const void *a, const void *b) {
    return ((const struct attestation *)a)->kind - ((const struct attestation *)b)->kind;
}

/* What the shell made, with the words it was made for. */
static enum vl_err list_of(const struct attest_answer *a, const struct attestation *v, size_t n, struct vl_buf *out) {
    struct attestation one[ATTESTATIONS_MAX];
    if (n > ATTESTATIONS_MAX) return VL_ERANGE;
    for (size_t i = 0; i < n; i++) {
        one[i] = a->blank;
        one[i].kind = v[i].kind;
        one[i].made_ms = v[i].made_ms;
        one[i].evidence = v[i].evidence;
        one[i].leaf = v[i].leaf;
        one[i].certificates = v[i].certificates;
        memcpy(one[i].collateral, v[i].collateral, sizeof one[i].collateral);
    }
    if (n > 1) qsort(one, n, sizeof one[0], by_kind);
    return attestation_list_encode(one, n, out);
}

void brain_tee_quoted(struct brain *b, vl_ms now, uint64_t req, const struct attestation *v, size_t n, const char *why) {
    struct attest_answer *a = &b->attests->answer;
    struct vl_buf list;
    step_begin(b, now);
    if (a->busy && a->req == req) {
        a->busy = false;
        a->made = true;
        vl_buf_init(&list, ATTESTATION_LIST_MAX);
        if (n > 0 && list_of(a, v, n, &list)) why = "its evidence is too large to send";
        struct vl_span bytes = vl_span(list.p, list.len);
        if (b->cfg.coordinator)
            attest_self_answered(b, bytes, why);
        else
            send_list(b, a->blank.nonce, bytes, why);
        vl_buf_free(&list);
    }
    step_end(b);
}

void brain_tee_activated(struct brain *b, vl_ms now, uint64_t req, struct vl_span secret) {
    struct attest_answer *a = &b->attests->answer;
    struct attestation_credential m = { .bytes = secret };
    struct vl_buf out;
    step_begin(b, now);
    if (a->made && a->req == req) {
        a->made = false;
        memcpy(m.nonce, a->blank.nonce, sizeof m.nonce);
        vl_buf_init(&out, ATTESTATION_CREDENTIAL_MAX + 64);
        if (b->cfg.coordinator)
            attest_self_activated(b, secret);
        else if (attestation_credential_encode(&m, &out) == VL_OK)
            (void)link_send(b, b->coordinator, LANE_MESSAGE, LINK_ATTEST_SECRET, vl_span(out.p, out.len), (struct vl_span){ 0 });
        vl_buf_free(&out);
    }
    step_end(b);
}

static void asked(struct brain *b, const struct peer *p, const struct attestation_ask *m) {
    struct attestation blank = { .node = b->self, .job = m->job };
    memcpy(blank.nonce, m->nonce, sizeof blank.nonce);
    memcpy(blank.program, m->program, sizeof blank.program);
    if (htx_binding(b->htx, p->session, blank.binding) || !attest_answer_begin(b, &blank)) return; /* it asks again */
    b->counters.attest_asked++;
}

static void credential(struct brain *b, const struct attestation_credential *m) {
    struct attest_answer *a = &b->attests->answer;
    if (!a->made || memcmp(a->blank.nonce, m->nonce, sizeof m->nonce) != 0) {
        b->counters.attest_stale++;
        return;
    }
    effect_now(b, BRAIN_TEE_ACTIVATE, m->bytes, NULL)->req = a->req;
}

void attest_member_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    struct attestation_ask ask;
    struct attestation_credential c;
    if (kind == LINK_ATTEST_ASK && attestation_ask_decode(body, &ask) == VL_OK)
        asked(b, p, &ask);
    else if (kind == LINK_ATTEST_CREDENTIAL && attestation_credential_decode(body, &c) == VL_OK)
        credential(b, &c);
    else
        b->counters.messages_bad++;
}

void attest_told(struct brain *b, struct vl_span bytes) {
    struct attested r;
    struct vl_hash id;
    bool good = attested_open(bytes, &r, &id) == VL_OK && vl_node_eq(r.node, b->self) && vl_node_eq(r.verifier, b->coordinator);
    if (!good) {
        b->counters.messages_bad++;
        return;
    }
    if (b->attests->self.known && r.number <= b->attests->self.number && r.when_ms <= b->attests->self.when_ms) return;
    attest_known_set(&b->attests->self, &r);
    b->attestation = id;
    attest_put(b, &r, (struct vl_span){ 0 });
}
