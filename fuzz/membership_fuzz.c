/* A list of events for the coordinator's book, 8 bytes each.  After every step: no ticket is used more often than it
 * may be, every certificate given out is good to a member, and a book rebuilt from the records is the same. */
#include "base/bytes.h"
#include "crypto/random.h"
#include "trust/membership.h"
#include "trust/roster.h"

#include <stdlib.h>
#include <string.h>

#define MEMBERS 4u
#define CERT_TTL 3000000u

static struct membership_event event_of(const uint8_t p[8], vl_ms *now) {
    *now += vl_get_u16(p) * 1000u;
    struct membership_event ev = { .kind = (enum membership_event_kind)(p[2] % MEMBERSHIP_RESTORE), .now = *now };
    uint8_t secret[TICKET_SECRET] = { p[3] % 8u };
    if (ev.kind == MEMBERSHIP_TICKET_CREATE) {
        memcpy(ev.u.ticket_create.secret, secret, sizeof secret);
        ev.u.ticket_create.uses = p[4] % 4u;
        ev.u.ticket_create.ttl_ms = p[5] * 30000u;
        ev.u.ticket_create.roles = p[6];
    } else if (ev.kind == MEMBERSHIP_TICKET_REVOKE) {
        ev.u.ticket = ticket_id_of(secret);
    } else if (ev.kind == MEMBERSHIP_SUCCEED) {
        ev.u.succeed.old.b[0] = p[4] % 6u;
        ev.u.succeed.node.b[0] = p[3] % 6u;
        ev.u.succeed.static_key[0] = p[5] % 2u;
    } else if (ev.kind == MEMBERSHIP_EXPEL) {
        ev.u.node.b[0] = p[4] % 6u;
    } else if (ev.kind != MEMBERSHIP_TICK) {
        memcpy(ev.u.join.secret, secret, sizeof secret);
        ev.u.join.node.b[0] = p[4] % 6u;
        ev.u.join.static_key[0] = p[5] % 2u;
        ev.u.join.name = p[7] == 0 ? "" : "node";
        ev.u.join.roles = p[6];
    }
    return ev;
}

static void check_cert(const struct membership *m, const struct cert *cert, vl_ms now) {
    static uint8_t list[REVOCATIONS_BYTES_MAX];
    uint8_t raw[CERT_BYTES_MAX];
    size_t list_n = 0, n = 0;
    struct cert back;
    struct roster *r = roster_create(membership_village(m));
    if (r == NULL) return;
    if (membership_revocations(m, list, sizeof list, &list_n) != VL_OK) abort();
    if (list_n > 0 && roster_revoke(r, vl_span(list, list_n)) != VL_OK) abort();
    if (cert_encode(cert, raw, sizeof raw, &n) != VL_OK) abort();
    if (roster_check(r, vl_span(raw, n), now, &back) != VL_OK) abort();
    roster_destroy(r);
}

static bool same(const struct membership_record *a, const struct membership_record *b) {
    uint8_t x[MEMBERSHIP_RECORD_MAX], y[MEMBERSHIP_RECORD_MAX];
    size_t x_n = 0, y_n = 0;
    if (membership_record_encode(a, x, sizeof x, &x_n) != VL_OK) abort();
    if (membership_record_encode(b, y, sizeof y, &y_n) != VL_OK) abort();
    return vl_span_eq(vl_span(x, x_n), vl_span(y, y_n));
}

static bool same_ticket(const struct ticket_record *a, const struct ticket_record *b) {
    return same(&(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET, .u.ticket = *a },
                &(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET, .u.ticket = *b });
}

static bool same_member(const struct member_record *a, const struct member_record *b) {
    return same(&(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member = *a },
                &(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member = *b });
}

static void check_same(const struct membership *a, const struct membership *b) {
    if (membership_count(a) != membership_count(b) || membership_count(a) > MEMBERS) abort();
    if (membership_ticket_count(a) != membership_ticket_count(b)) abort();
    for (size_t i = 0; i < membership_ticket_count(a); i++) {
        const struct ticket_record *t = membership_ticket_at(a, i);
        if (t->used > t->uses || !same_ticket(t, membership_ticket_at(b, i))) abort();
    }
    for (uint8_t k = 0; k < 6; k++) {
        struct vl_node_id node = { { k } };
        const struct member_record *x = membership_get(a, node), *y = membership_get(b, node);
        if ((x == NULL) != (y == NULL) || (x && !same_member(x, y))) abort();
    }
    if (membership_deadline(a) != membership_deadline(b)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct membership_result out, ignored;
    struct crypto_sign_key root;
    uint8_t seed[32] = { 1 };
    if (crypto_init() != VL_OK) return 0;
    crypto_sign_key_from_seed(seed, &root);
    struct membership *m = membership_create(&root, CERT_TTL, MEMBERS, 1);
    struct membership *copy = membership_create(&root, CERT_TTL, MEMBERS, 2);
    vl_ms now = 1000000;
    for (size_t at = 0; m && copy && at + 8 <= n && at < 64 * 8; at += 8) {
        struct membership_event ev = event_of(p + at, &now);
        enum vl_err err = membership_step(m, &ev, &out);
        if (err && out.effects > 0) abort();
        for (size_t i = 0; i < out.effects; i++) {
            struct membership_event back = { .kind = MEMBERSHIP_RESTORE };
            uint8_t raw[MEMBERSHIP_RECORD_MAX];
            size_t raw_n = 0;
            if (membership_record_encode(&out.effect[i], raw, sizeof raw, &raw_n) != VL_OK) abort();
            if (membership_record_decode(vl_span(raw, raw_n), &back.u.restore) != VL_OK) abort();
            if (membership_step(copy, &back, &ignored) != VL_OK) abort();
        }
        if (err == VL_OK && (ev.kind == MEMBERSHIP_JOIN || ev.kind == MEMBERSHIP_ADMIT || ev.kind == MEMBERSHIP_RENEW))
            check_cert(m, &out.cert, now);
        check_same(m, copy);
    }
    membership_destroy(m);
    membership_destroy(copy);
    return 0;
}
