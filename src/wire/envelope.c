#include "wire/envelope.h"

#include "envelope.pb.h"
#include "wire/canon.h"

#include <string.h>

/* No overlong forms, surrogates or controls (RFC 3629 section 4): a topic is shown to people and compared as bytes. */
static bool utf8_text(struct vl_span s) {
    for (size_t i = 0; i < s.n;) {
        uint8_t c = s.p[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 9;
        if (c < 0x20 || c == 0x7f || more > s.n - i - 1) return false;
        for (size_t k = 1; k <= more; k++)
            if ((s.p[i + k] & 0xc0) != 0x80) return false;
        uint8_t d = more ? s.p[i + 1] : 0;
        if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static bool all_zero(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

static bool body_sound(const struct envelope_body *b) {
    bool to_node = !all_zero(b->recipient.b, sizeof b->recipient.b);
    return !all_zero(b->id.b, sizeof b->id.b) && !all_zero(b->sender.b, sizeof b->sender.b) &&
           to_node != (b->topic.n != 0) && b->topic.n <= ENVELOPE_TOPIC_MAX && utf8_text(b->topic) && b->type != 0 &&
           (uint32_t)b->priority < ENVELOPE_PRIORITIES && b->chunk_total >= 1 && b->chunk_total <= ENVELOPE_CHUNKS_MAX &&
           b->chunk_index < b->chunk_total && b->created_ms <= b->expires_ms && b->payload.n <= VL_PAYLOAD_MAX &&
           (!b->compressed || b->payload.n > 4);
}

static void body_to_pb(struct envelope_body *b, village_v1_EnvelopeBody *p) {
    *p = (village_v1_EnvelopeBody){ .version = ENVELOPE_VERSION,
                                    .topic = canon_field_write(&b->topic),
                                    .epoch = b->epoch,
                                    .seq = b->seq,
                                    .type = b->type,
                                    .priority = (uint32_t)b->priority,
                                    .requires_ack = b->requires_ack,
                                    .chunk_index = b->chunk_index,
                                    .chunk_total = b->chunk_total,
                                    .compressed = b->compressed,
                                    .encrypted = b->encrypted,
                                    .created_ms = b->created_ms,
                                    .expires_ms = b->expires_ms,
                                    .payload = canon_field_write(&b->payload) };
    memcpy(p->id, b->id.b, sizeof p->id);
    memcpy(p->sender, b->sender.b, sizeof p->sender);
    if (b->topic.n != 0) return;
    p->recipient.size = sizeof b->recipient.b;
    memcpy(p->recipient.bytes, b->recipient.b, sizeof b->recipient.b);
}

enum vl_err envelope_body_encode(const struct envelope_body *body, struct vl_buf *dst) {
    struct envelope_body b = *body;
    village_v1_EnvelopeBody p;
    if (!body_sound(&b)) return VL_ERANGE;
    body_to_pb(&b, &p);
    return canon_append(village_v1_EnvelopeBody_fields, &p, dst);
}

static void body_from_pb(const village_v1_EnvelopeBody *p, struct envelope_body *b) {
    b->epoch = p->epoch;
    b->seq = p->seq;
    b->type = p->type;
    b->priority = (enum envelope_priority)p->priority;
    b->requires_ack = p->requires_ack;
    b->chunk_index = p->chunk_index;
    b->chunk_total = p->chunk_total;
    b->compressed = p->compressed;
    b->encrypted = p->encrypted;
    b->created_ms = p->created_ms;
    b->expires_ms = p->expires_ms;
    memcpy(b->id.b, p->id, sizeof p->id);
    memcpy(b->sender.b, p->sender, sizeof p->sender);
    memcpy(b->recipient.b, p->recipient.bytes, p->recipient.size);
}

enum vl_err envelope_body_decode(struct vl_span in, struct envelope_body *ret) {
    struct envelope_body b = { .type = 0 };
    village_v1_EnvelopeBody p = { .topic = canon_field_read(&b.topic), .payload = canon_field_read(&b.payload) };
    if (in.n > ENVELOPE_BODY_MAX) return VL_ELIMIT;
    enum vl_err err = canon_read(in, village_v1_EnvelopeBody_fields, &p);
    if (err) return err;
    if (p.version != ENVELOPE_VERSION) return VL_EVERSION;
    if (p.recipient.size != 0 && p.recipient.size != sizeof b.recipient.b) return VL_EPARSE;
    body_from_pb(&p, &b);
    if (!body_sound(&b)) return VL_EPARSE;
    p.topic = canon_field_write(&b.topic);
    p.payload = canon_field_write(&b.payload);
    err = canon_check(in, village_v1_EnvelopeBody_fields, &p);
    if (err) return err;
    *ret = b;
    return VL_OK;
}

static bool hops_sound(const struct envelope *e) {
    return e->body.n >= 1 && e->body.n <= ENVELOPE_BODY_MAX && e->hop_limit >= 1 && e->hop_limit <= ENVELOPE_HOPS_MAX &&
           e->hop_count <= e->hop_limit;
}

enum vl_err envelope_encode(const struct envelope *e, struct vl_buf *dst) {
    struct vl_span body = e->body;
    village_v1_Envelope p = { .body = canon_field_write(&body),
                              .attempt = e->attempt,
                              .hop_limit = e->hop_limit,
                              .hop_count = e->hop_count,
                              .path_count = (pb_size_t)e->hop_count };
    if (!hops_sound(e)) return VL_ERANGE;
    memcpy(p.signature, e->signature, sizeof p.signature);
    for (uint32_t i = 0; i < e->hop_count; i++) memcpy(p.path[i], e->path[i].b, sizeof p.path[i]);
    return canon_append(village_v1_Envelope_fields, &p, dst);
}

enum vl_err envelope_decode(struct vl_span in, struct envelope *ret) {
    struct envelope e = { .attempt = 0 };
    village_v1_Envelope p = { .body = canon_field_read(&e.body) };
    if (in.n > ENVELOPE_MAX) return VL_ELIMIT;
    enum vl_err err = canon_read(in, village_v1_Envelope_fields, &p);
    if (err) return err;
    e.attempt = p.attempt;
    e.hop_limit = p.hop_limit;
    e.hop_count = p.hop_count;
    if (!hops_sound(&e) || p.path_count != p.hop_count) return VL_EPARSE;
    memcpy(e.signature, p.signature, sizeof e.signature);
    for (uint32_t i = 0; i < e.hop_count; i++) memcpy(e.path[i].b, p.path[i], sizeof e.path[i].b);
    p.body = canon_field_write(&e.body);
    err = canon_check(in, village_v1_Envelope_fields, &p);
    if (err) return err;
    *ret = e;
    return VL_OK;
}

enum vl_err envelope_ack_body_encode(const struct envelope_ack *ack, struct vl_buf *dst) {
    village_v1_AckBody p = { .version = ENVELOPE_VERSION, .ids_count = (pb_size_t)ack->n };
    if (ack->n < 1 || ack->n > ENVELOPE_ACK_IDS_MAX) return VL_ERANGE;
    memcpy(p.from, ack->from.b, sizeof p.from);
    memcpy(p.to, ack->to.b, sizeof p.to);
    for (size_t i = 0; i < ack->n; i++) memcpy(p.ids[i], ack->ids[i].b, sizeof p.ids[i]);
    return canon_append(village_v1_AckBody_fields, &p, dst);
}

enum vl_err envelope_ack_body_decode(struct vl_span in, struct envelope_ack *ret) {
    village_v1_AckBody p = { .version = 0 };
    if (in.n > ENVELOPE_ACK_MAX) return VL_ELIMIT;
    enum vl_err err = canon_read(in, village_v1_AckBody_fields, &p);
    if (err) return err;
    if (p.version != ENVELOPE_VERSION) return VL_EVERSION;
    if (p.ids_count == 0) return VL_EPARSE;
    err = canon_check(in, village_v1_AckBody_fields, &p);
    if (err) return err;
    ret->n = p.ids_count;
    memcpy(ret->from.b, p.from, sizeof p.from);
    memcpy(ret->to.b, p.to, sizeof p.to);
    for (size_t i = 0; i < p.ids_count; i++) memcpy(ret->ids[i].b, p.ids[i], sizeof p.ids[i]);
    return VL_OK;
}

enum vl_err envelope_ack_encode(struct vl_span body, const uint8_t signature[ENVELOPE_SIGNATURE], struct vl_buf *dst) {
    village_v1_Ack p = { .body = canon_field_write(&body) };
    memcpy(p.signature, signature, sizeof p.signature);
    return canon_append(village_v1_Ack_fields, &p, dst);
}

enum vl_err envelope_ack_decode(struct vl_span in, struct vl_span *ret_body, uint8_t ret_signature[ENVELOPE_SIGNATURE]) {
    struct vl_span body = { 0 };
    village_v1_Ack p = { .body = canon_field_read(&body) };
    if (in.n > ENVELOPE_ACK_MAX) return VL_ELIMIT;
    enum vl_err err = canon_read(in, village_v1_Ack_fields, &p);
    if (err) return err;
    p.body = canon_field_write(&body);
    err = canon_check(in, village_v1_Ack_fields, &p);
    if (err) return err;
    if (body.n == 0) return VL_EPARSE;
    *ret_body = body;
    memcpy(ret_signature, p.signature, sizeof p.signature);
    return VL_OK;
}
