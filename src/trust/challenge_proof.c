/* Statements of witnesses put together, and what follows from them. */
#include "trust/challenge.h"

#include "wire/armor.h"

enum { TAG_AVAILABILITY = 0xa4, VERSION = 1 };

enum vl_err availability_artefact_make(const struct topology *t, struct village_id village, const struct topology_cert *subject,
                                       const struct topology_seal *seal, const struct vl_span *statements, uint32_t n, struct vl_buf *out) {
    struct vl_buf bytes;
    if (n > TOPOLOGY_NEIGHBOURS) return VL_ERANGE;
    if (subject->role != TOPOLOGY_NEIGHBOUR) return VL_EDENIED;
    vl_buf_init(&bytes, ARMOR_BYTES_MAX);
    struct pack w = pack_message(&bytes, TAG_AVAILABILITY, VERSION);
    enum vl_err err = topology_proof_pack(t, village, subject, seal, &w), end;
    pack_u8(&w, (uint8_t)n);
    for (uint32_t i = 0; i < n; i++) pack_span16(&w, statements[i]);
    end = pack_end(&w);
    if (err == VL_OK) err = end;
    if (err == VL_OK) err = armor_write(CHALLENGE_LABEL, vl_span(bytes.p, bytes.len), out);
    vl_buf_free(&bytes);
    return err;
}

static void add(struct challenge_count *sum, const struct challenge_count *c) {
    sum->due += c->due;
    sum->answered += c->answered;
    sum->unanswered += c->unanswered;
    sum->not_asked += c->not_asked;
    sum->stored += c->stored;
    sum->latency_ms += c->latency_ms;
}

static uint32_t ppm(uint64_t part, uint64_t whole) { return whole ? (uint32_t)(part * 1000000u / whole) : 0; }

static uint64_t promise_of_most(const struct availability_verdict *v) {
    for (uint32_t i = 0; i < v->witnesses; i++) {
        uint32_t same = 0;
        for (uint32_t k = 0; k < v->witnesses; k++)
            same += v->by[k].promise.size == v->by[i].promise.size && vl_hash_eq(v->by[k].promise.root, v->by[i].promise.root);
        if (2 * same > v->witnesses) return v->by[i].promise.size;
    }
    return 0;
}

static enum vl_err statements_read(struct vl_reader *r, const struct topology_proof *p, struct availability_verdict *v, struct vl_errmsg *why) {
    uint32_t n = unpack_u8_in(r, 0, TOPOLOGY_NEIGHBOURS);
    for (uint32_t i = 0; i < n && !r->failed; i++) {
        struct vl_span one = unpack_span16(r, CHALLENGE_STATEMENT_MAX);
        if (r->failed) break;
        enum vl_err err = challenge_statement_check(p->t, &p->cert, one, &v->by[i], why);
        if (err) return err;
        for (uint32_t k = 0; k < i; k++)
            if (vl_node_eq(v->by[k].witness, v->by[i].witness)) return vl_errmsg_set(why, VL_EEXISTS, "a witness is counted twice");
        add(&v->sum, &v->by[i].count);
        v->witnesses++;
        v->asking += v->by[i].count.answered + v->by[i].count.unanswered > 0;
    }
    return vl_reader_end(r) ? vl_errmsg_set(why, VL_EPARSE, "the statements are cut off, or something follows them") : VL_OK;
}

enum vl_err availability_artefact_check(struct vl_span bytes, struct availability_verdict *ret, struct vl_errmsg *why) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct topology_proof p;
    *ret = (struct availability_verdict){ .epoch = 0 };
    enum vl_err err = unpack_message(&r, TAG_AVAILABILITY, VERSION);
    if (err) return vl_errmsg_set(why, err, "this is no proof of availability of a version known here");
    err = topology_proof_unpack(&r, &p, why);
    if (err) return err;
    struct availability_verdict v = { .village = p.village, .node = p.cert.node, .coordinator = p.coordinator, .epoch = p.cert.epoch, .drawn = p.n };
    if (p.cert.role != TOPOLOGY_NEIGHBOUR)
        err = vl_errmsg_set(why, VL_EDENIED, "the certificate is a draw for something else");
    else
        err = statements_read(&r, &p, &v, why);
    topology_proof_free(&p);
    if (err) return err;
    uint32_t asked = v.sum.answered + v.sum.unanswered;
    v.enough = v.asking >= CHALLENGE_WITNESSES;
    v.answered_ppm = ppm(v.sum.answered, asked);
    v.at_least_ppm = ppm(v.sum.answered, asked + (uint64_t)(v.drawn - v.witnesses) * CHALLENGE_MEAN);
    v.promised = promise_of_most(&v);
    *ret = v;
    return VL_OK;
}
