#include "wire/attestation.h"

#include "wire/pack.h"

#include <string.h>

enum {
    TAG_ATTESTATION = 0x80,
    TAG_LIST = 0x81,
    TAG_ASK = 0x82,
    TAG_PART = 0x83,
    TAG_CREDENTIAL = 0x84,
    TAG_ATTESTED = 0x85,
    VERSION = 1,
};
#define KIND_SELF 0u
#define MILLI 1000u

static void pack_ascii(struct pack *w, const char *s, size_t size) {
    size_t n = strnlen(s, size);
    if (n == size) pack_fail(w, VL_ERANGE);
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x20 || s[i] >= 0x7f) pack_fail(w, VL_ERANGE);
    pack_span8(w, vl_span(s, n));
}
static void pack_span_max(struct pack *w, struct vl_span s, size_t max) {
    if (s.n > max) pack_fail(w, VL_ERANGE);
    pack_span32(w, s);
}

/* ---- evidence ---- */

static bool evidence_ok(const struct attestation *a) {
    return a->kind < ATTESTATION_KINDS && (a->evidence.n > 0 || a->kind == KIND_SELF) && a->made_ms != VL_MS_NEVER;
}

enum vl_err attestation_encode(const struct attestation *a, struct vl_buf *out) {
    size_t before = out->len;
    struct pack w = pack_message(out, TAG_ATTESTATION, VERSION);
    if (!evidence_ok(a)) pack_fail(&w, VL_ERANGE);
    pack_u8(&w, a->kind);
    pack_bytes(&w, a->nonce, sizeof a->nonce);
    pack_bytes(&w, a->binding, sizeof a->binding);
    pack_bytes(&w, a->node.b, sizeof a->node.b);
    pack_bytes(&w, a->job.b, sizeof a->job.b);
    pack_bytes(&w, a->program, sizeof a->program);
    pack_u64(&w, a->made_ms);
    pack_span_max(&w, a->evidence, ATTESTATION_EVIDENCE_MAX);
    pack_span_max(&w, a->leaf, ATTESTATION_LEAF_MAX);
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) pack_span_max(&w, a->collateral[i], ATTESTATION_PIECE_MAX);
    pack_span_max(&w, a->certificates, ATTESTATION_CERTIFICATES_MAX);
    if (w.err == VL_OK && out->len - before > ATTESTATION_MAX) pack_fail(&w, VL_ERANGE);
    return pack_end(&w);
}

enum vl_err attestation_decode(struct vl_span in, struct attestation *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_ATTESTATION, VERSION);
    if (err) return err;
    struct attestation a = { .kind = unpack_u8_in(&r, 0, ATTESTATION_KINDS - 1) };
    vl_read_bytes(&r, a.nonce, sizeof a.nonce);
    vl_read_bytes(&r, a.binding, sizeof a.binding);
    a.node = unpack_node(&r);
    a.job = unpack_job(&r);
    vl_read_bytes(&r, a.program, sizeof a.program);
    a.made_ms = vl_read_u64(&r);
    a.evidence = unpack_span32(&r, ATTESTATION_EVIDENCE_MAX);
    a.leaf = unpack_span32(&r, ATTESTATION_LEAF_MAX);
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) a.collateral[i] = unpack_span32(&r, ATTESTATION_PIECE_MAX);
    a.certificates = unpack_span32(&r, ATTESTATION_CERTIFICATES_MAX);
    unpack_require(&r, evidence_ok(&a) && in.n <= ATTESTATION_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = a;
    return err;
}

enum vl_err attestation_list_encode(const struct attestation *v, size_t n, struct vl_buf *out) {
    size_t before = out->len;
    struct pack w = pack_message(out, TAG_LIST, VERSION);
    if (n > ATTESTATIONS_MAX) pack_fail(&w, VL_ERANGE);
    pack_u8(&w, (uint8_t)n);
    for (size_t i = 0; i < n && w.err == VL_OK; i++) {
        size_t length_at = out->len;
        if (i > 0 && v[i].kind <= v[i - 1].kind) pack_fail(&w, VL_ERANGE);
        pack_u32(&w, 0);
        if (w.err == VL_OK) w.err = attestation_encode(&v[i], out);
        if (w.err == VL_OK) vl_put_u32(out->p + length_at, (uint32_t)(out->len - length_at - 4));
    }
    if (w.err == VL_OK && out->len - before > ATTESTATION_LIST_MAX) pack_fail(&w, VL_ERANGE);
    return pack_end(&w);
}

enum vl_err attestation_list_decode(struct vl_span in, struct attestation ret[ATTESTATIONS_MAX], size_t *ret_n) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct attestation v[ATTESTATIONS_MAX];
    enum vl_err err = unpack_message(&r, TAG_LIST, VERSION);
    if (err) return err;
    size_t n = unpack_u8_in(&r, 0, ATTESTATIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct vl_span one = unpack_span32(&r, ATTESTATION_MAX);
        if (r.failed) return VL_EPARSE;
        err = attestation_decode(one, &v[i]);
        if (err) return err;
        unpack_require(&r, i == 0 || v[i].kind > v[i - 1].kind);
    }
    unpack_require(&r, in.n <= ATTESTATION_LIST_MAX);
    err = vl_reader_end(&r);
    if (err) return err;
    for (size_t i = 0; i < n; i++) ret[i] = v[i];
    *ret_n = n;
    return VL_OK;
}

/* ---- messages ---- */

enum vl_err attestation_ask_encode(const struct attestation_ask *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_ASK, VERSION);
    pack_bytes(&w, m->nonce, sizeof m->nonce);
    pack_bytes(&w, m->job.b, sizeof m->job.b);
    pack_bytes(&w, m->program, sizeof m->program);
    return pack_end(&w);
}

enum vl_err attestation_ask_decode(struct vl_span in, struct attestation_ask *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct attestation_ask m;
    enum vl_err err = unpack_message(&r, TAG_ASK, VERSION);
    if (err) return err;
    vl_read_bytes(&r, m.nonce, sizeof m.nonce);
    m.job = unpack_job(&r);
    vl_read_bytes(&r, m.program, sizeof m.program);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

static bool part_ok(const struct attestation_part *m) {
    if (m->total == 0) return m->at == 0 && m->bytes.n == 0 && m->why[0] != '\0';
    return m->total <= ATTESTATION_LIST_MAX && m->bytes.n > 0 && m->bytes.n <= ATTESTATION_PART_MAX && m->at < m->total &&
           m->bytes.n <= m->total - m->at && m->why[0] == '\0';
}

enum vl_err attestation_part_encode(const struct attestation_part *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_PART, VERSION);
    if (!part_ok(m)) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->nonce, sizeof m->nonce);
    pack_u32(&w, m->total);
    pack_u32(&w, m->at);
    pack_span32(&w, m->bytes);
    pack_ascii(&w, m->why, sizeof m->why);
    return pack_end(&w);
}

enum vl_err attestation_part_decode(struct vl_span in, struct attestation_part *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct attestation_part m = { .total = 0 };
    enum vl_err err = unpack_message(&r, TAG_PART, VERSION);
    if (err) return err;
    vl_read_bytes(&r, m.nonce, sizeof m.nonce);
    m.total = vl_read_u32(&r);
    m.at = vl_read_u32(&r);
    m.bytes = unpack_span32(&r, ATTESTATION_PART_MAX);
    unpack_ascii8(&r, m.why, sizeof m.why);
    unpack_require(&r, part_ok(&m));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err attestation_credential_encode(const struct attestation_credential *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_CREDENTIAL, VERSION);
    if (m->bytes.n > ATTESTATION_CREDENTIAL_MAX) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->nonce, sizeof m->nonce);
    pack_span16(&w, m->bytes);
    return pack_end(&w);
}

enum vl_err attestation_credential_decode(struct vl_span in, struct attestation_credential *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct attestation_credential m;
    enum vl_err err = unpack_message(&r, TAG_CREDENTIAL, VERSION);
    if (err) return err;
    vl_read_bytes(&r, m.nonce, sizeof m.nonce);
    m.bytes = unpack_span16(&r, ATTESTATION_CREDENTIAL_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

/* ---- results ---- */

enum { STATE_MAX = 2, CLASS_MAX = 3, TCB_MAX = 10, ANCHOR_MAX = 3 };

static bool entry_ok(const struct attested_entry *e) {
    return e->kind < ATTESTATION_KINDS && e->class <= CLASS_MAX && e->genuine <= STATE_MAX && e->fresh <= STATE_MAX &&
           e->debug <= STATE_MAX && e->measurement_known <= STATE_MAX && e->key_bound <= STATE_MAX && e->tcb <= TCB_MAX &&
           e->anchor <= ANCHOR_MAX && e->secure_boot <= STATE_MAX && e->level <= MILLI;
}

static void entry_pack(struct pack *w, const struct attested_entry *e) {
    const uint8_t bytes[] = { e->kind, e->class, e->genuine, e->fresh, e->debug, e->measurement_known, e->key_bound,
                              e->tcb, e->anchor, e->secure_boot };
    if (!entry_ok(e)) pack_fail(w, VL_ERANGE);
    pack_bytes(w, bytes, sizeof bytes);
    pack_bool(w, e->late);
    pack_bool(w, e->revoked);
    pack_bool(w, e->sha1);
    pack_bool(w, e->with_tpm);
    pack_bool(w, e->tcb_partial);
    pack_bool(w, e->accepted);
    pack_u32(w, e->level);
    pack_bytes(w, e->evidence.b, sizeof e->evidence.b);
    pack_bytes(w, e->measurement.b, sizeof e->measurement.b);
    pack_ascii(w, e->why, sizeof e->why);
}

static struct attested_entry entry_unpack(struct vl_reader *r) {
    struct attested_entry e = { .kind = vl_read_u8(r) };
    uint8_t *const bytes[] = { &e.class, &e.genuine, &e.fresh, &e.debug, &e.measurement_known, &e.key_bound,
                               &e.tcb, &e.anchor, &e.secure_boot };
    bool *const bits[] = { &e.late, &e.revoked, &e.sha1, &e.with_tpm, &e.tcb_partial, &e.accepted };
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) *bytes[i] = vl_read_u8(r);
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) *bits[i] = unpack_bool(r);
    e.level = vl_read_u32(r);
    e.evidence = unpack_hash(r);
    e.measurement = unpack_hash(r);
    unpack_ascii8(r, e.why, sizeof e.why);
    unpack_require(r, entry_ok(&e));
    return e;
}

enum vl_err attested_encode(const struct attested *a, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_ATTESTED, VERSION);
    if (a->n > ATTESTATIONS_MAX || a->level > MILLI || a->number == 0 || a->when_ms == VL_MS_NEVER) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, a->node.b, sizeof a->node.b);
    pack_bytes(&w, a->verifier.b, sizeof a->verifier.b);
    pack_bytes(&w, a->nonce, sizeof a->nonce);
    pack_bytes(&w, a->job.b, sizeof a->job.b);
    pack_bytes(&w, a->program, sizeof a->program);
    pack_u64(&w, a->when_ms);
    pack_u64(&w, a->number);
    pack_u32(&w, a->level);
    pack_u32(&w, a->half_life_s);
    pack_bytes(&w, a->policy.b, sizeof a->policy.b);
    pack_bytes(&w, a->snapshot.b, sizeof a->snapshot.b);
    pack_u8(&w, a->n);
    for (unsigned i = 0; i < a->n && w.err == VL_OK; i++) {
        if (i > 0 && a->entry[i].kind <= a->entry[i - 1].kind) pack_fail(&w, VL_ERANGE);
        entry_pack(&w, &a->entry[i]);
    }
    pack_ascii(&w, a->why, sizeof a->why);
    pack_bytes(&w, a->signature, sizeof a->signature);
    return pack_end(&w);
}

enum vl_err attested_decode(struct vl_span in, struct attested *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_ATTESTED, VERSION);
    if (err) return err;
    struct attested a = { .node = unpack_node(&r) };
    a.verifier = unpack_node(&r);
    vl_read_bytes(&r, a.nonce, sizeof a.nonce);
    a.job = unpack_job(&r);
    vl_read_bytes(&r, a.program, sizeof a.program);
    a.when_ms = vl_read_u64(&r);
    a.number = vl_read_u64(&r);
    a.level = unpack_u32_in(&r, 0, MILLI);
    a.half_life_s = vl_read_u32(&r);
    a.policy = unpack_hash(&r);
    a.snapshot = unpack_hash(&r);
    a.n = unpack_u8_in(&r, 0, ATTESTATIONS_MAX);
    for (unsigned i = 0; i < a.n && !r.failed; i++) {
        a.entry[i] = entry_unpack(&r);
        unpack_require(&r, i == 0 || a.entry[i].kind > a.entry[i - 1].kind);
    }
    unpack_ascii8(&r, a.why, sizeof a.why);
    vl_read_bytes(&r, a.signature, sizeof a.signature);
    unpack_require(&r, a.number > 0 && a.when_ms != VL_MS_NEVER);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = a;
    return err;
}

struct vl_span attested_body(struct vl_span encoded) {
    return encoded.n < ATTESTED_SIGNATURE ? vl_span(NULL, 0) : vl_span(encoded.p, encoded.n - ATTESTED_SIGNATURE);
}
