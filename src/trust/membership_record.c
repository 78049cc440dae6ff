/* The records of membership.h as bytes: u8 version=1 | u8 kind | body, big-endian. */
#include "trust/membership.h"

#include <string.h>

#define RECORD_VERSION 1u

static bool ticket_in_range(const struct ticket_record *t) {
    return t->created_ms < t->expires_ms && t->uses > 0 && t->uses <= MEMBERSHIP_TICKET_USES_MAX &&
           t->used <= t->uses && t->roles != 0 && (t->roles & ~CERT_ROLES_ALL) == 0;
}

static bool in_range(const struct membership_record *rec) {
    switch (rec->kind) {
    case MEMBERSHIP_PUT_COUNTERS:
        return rec->u.counters.next_serial > 0;
    case MEMBERSHIP_PUT_TICKET:
        return ticket_in_range(&rec->u.ticket);
    case MEMBERSHIP_PUT_REVOCATION:
        return rec->u.revocation.entry.serial > 0;
    case MEMBERSHIP_PUT_MEMBER: /* the certificate's codec looks */
    case MEMBERSHIP_DROP_TICKET:
    case MEMBERSHIP_DROP_MEMBER:
    case MEMBERSHIP_DROP_REVOCATION:
        return true;
    }
    return false;
}

static void write_ticket(struct vl_writer *w, const struct ticket_record *t) {
    vl_write_bytes(w, t->secret_hash, sizeof t->secret_hash);
    vl_write_u64(w, t->created_ms);
    vl_write_u64(w, t->expires_ms);
    vl_write_u32(w, t->uses);
    vl_write_u32(w, t->used);
    vl_write_u8(w, t->roles);
    vl_write_u8(w, t->revoked);
}

static void read_ticket(struct vl_reader *r, struct ticket_record *t) {
    vl_read_bytes(r, t->secret_hash, sizeof t->secret_hash);
    t->created_ms = vl_read_u64(r);
    t->expires_ms = vl_read_u64(r);
    t->uses = vl_read_u32(r);
    t->used = vl_read_u32(r);
    t->roles = vl_read_u8(r);
    uint8_t revoked = vl_read_u8(r);
    if (revoked > 1) r->failed = true;
    t->revoked = revoked == 1;
}

static enum vl_err write_member(struct vl_writer *w, const struct member_record *m) {
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    enum vl_err err = cert_encode(&m->cert, raw, sizeof raw, &n);
    if (err) return err;
    vl_write_bytes(w, m->ticket.b, sizeof m->ticket.b);
    vl_write_u64(w, m->until_ms);
    vl_write_bytes(w, raw, n);
    return VL_OK;
}

static enum vl_err read_member(struct vl_reader *r, struct member_record *m) {
    vl_read_bytes(r, m->ticket.b, sizeof m->ticket.b);
    m->until_ms = vl_read_u64(r);
    return cert_decode(vl_read_span(r, r->n), &m->cert);
}

enum vl_err membership_record_encode(const struct membership_record *rec, uint8_t *dst, size_t cap, size_t *ret_n) {
    if (!in_range(rec)) return VL_ERANGE;
    struct vl_writer w = vl_writer(dst, cap);
    enum vl_err err = VL_OK;
    vl_write_u8(&w, RECORD_VERSION);
    vl_write_u8(&w, (uint8_t)rec->kind);
    switch (rec->kind) {
    case MEMBERSHIP_PUT_COUNTERS:
        vl_write_u64(&w, rec->u.counters.next_serial);
        vl_write_u64(&w, rec->u.counters.list_number);
        vl_write_u64(&w, rec->u.counters.list_issued_ms);
        break;
    case MEMBERSHIP_PUT_TICKET:
        write_ticket(&w, &rec->u.ticket);
        break;
    case MEMBERSHIP_DROP_TICKET:
        vl_write_bytes(&w, rec->u.ticket.secret_hash, 32);
        break;
    case MEMBERSHIP_PUT_MEMBER:
        err = write_member(&w, &rec->u.member);
        break;
    case MEMBERSHIP_DROP_MEMBER:
        vl_write_bytes(&w, rec->u.member.cert.node.b, 32);
        break;
    case MEMBERSHIP_PUT_REVOCATION:
        vl_write_bytes(&w, rec->u.revocation.entry.node.b, 32);
        vl_write_u64(&w, rec->u.revocation.entry.serial);
        vl_write_u64(&w, rec->u.revocation.at_ms);
        vl_write_u64(&w, rec->u.revocation.until_ms);
        break;
    case MEMBERSHIP_DROP_REVOCATION:
        vl_write_bytes(&w, rec->u.revocation.entry.node.b, 32);
        break;
    }
    if (err) return err;
    if (w.failed) return VL_ELIMIT;
    *ret_n = w.len;
    return VL_OK;
}

enum vl_err membership_record_decode(struct vl_span in, struct membership_record *ret) {
    struct membership_record rec = { 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = VL_OK;
    uint8_t version = vl_read_u8(&r), kind = vl_read_u8(&r);
    if (r.failed) return VL_EPARSE;
    if (version != RECORD_VERSION) return VL_EVERSION;
    if (kind < MEMBERSHIP_PUT_COUNTERS || kind > MEMBERSHIP_DROP_REVOCATION) return VL_EPARSE;
    rec.kind = (enum membership_record_kind)kind;
    switch (rec.kind) {
    case MEMBERSHIP_PUT_COUNTERS:
        rec.u.counters.next_serial = vl_read_u64(&r);
        rec.u.counters.list_number = vl_read_u64(&r);
        rec.u.counters.list_issued_ms = vl_read_u64(&r);
        break;
    case MEMBERSHIP_PUT_TICKET:
        read_ticket(&r, &rec.u.ticket);
        break;
    case MEMBERSHIP_DROP_TICKET:
        vl_read_bytes(&r, rec.u.ticket.secret_hash, 32);
        break;
    case MEMBERSHIP_PUT_MEMBER:
        err = read_member(&r, &rec.u.member);
        break;
    case MEMBERSHIP_DROP_MEMBER:
        vl_read_bytes(&r, rec.u.member.cert.node.b, 32);
        break;
    case MEMBERSHIP_PUT_REVOCATION:
        vl_read_bytes(&r, rec.u.revocation.entry.node.b, 32);
        rec.u.revocation.entry.serial = vl_read_u64(&r);
        rec.u.revocation.at_ms = vl_read_u64(&r);
        rec.u.revocation.until_ms = vl_read_u64(&r);
        break;
    case MEMBERSHIP_DROP_REVOCATION:
        vl_read_bytes(&r, rec.u.revocation.entry.node.b, 32);
        break;
    }
    if (err) return err;
    err = vl_reader_end(&r);
    if (err) return err;
    if (!in_range(&rec)) return VL_EPARSE;
    *ret = rec;
    return VL_OK;
}
