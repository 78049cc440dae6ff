#include "trust/membership.h"

#include "crypto/random.h"
#include "trust/roster.h"
#include "trust/signing.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define T0 1000000u
#define HOUR 3600000u

/* A book, and a second one that is fed nothing but the first one's records, through their codec. */
struct world {
    struct crypto_sign_key root;
    struct membership *m, *copy;
    struct membership_result out;
    size_t effects; /* of all steps */
};

static void world_start(struct world *w, uint64_t cert_ttl_ms, size_t max_members) {
    uint8_t seed[32] = { 42 };
    CHECK_OK(crypto_init());
    *w = (struct world){ 0 };
    crypto_sign_key_from_seed(seed, &w->root);
    w->m = membership_create(&w->root, cert_ttl_ms, max_members, 1);
    w->copy = membership_create(&w->root, cert_ttl_ms, max_members, 2);
    CHECK(w->m != NULL && w->copy != NULL);
}

static void world_end(struct world *w) {
    membership_destroy(w->m);
    membership_destroy(w->copy);
}

static enum vl_err step(struct world *w, const struct membership_event *ev) {
    enum vl_err err = membership_step(w->m, ev, &w->out);
    if (err) CHECK_EQ(0, w->out.effects);
    for (size_t i = 0; i < w->out.effects; i++) {
        uint8_t raw[MEMBERSHIP_RECORD_MAX];
        size_t n = 0;
        static struct membership_result ignored;
        struct membership_event back = { .kind = MEMBERSHIP_RESTORE };
        CHECK_OK(membership_record_encode(&w->out.effect[i], raw, sizeof raw, &n));
        CHECK_OK(membership_record_decode(vl_span(raw, n), &back.u.restore));
        CHECK_OK(membership_step(w->copy, &back, &ignored));
        CHECK_EQ(0, ignored.effects);
    }
    w->effects += w->out.effects;
    return err;
}

static enum vl_err ticket(struct world *w, vl_ms now, uint8_t secret, uint32_t uses, uint64_t ttl_ms) {
    struct membership_event ev = {
        .kind = MEMBERSHIP_TICKET_CREATE,
        .now = now,
        .u.ticket_create = { .secret = { secret }, .uses = uses, .ttl_ms = ttl_ms, .roles = CERT_WORKER },
    };
    return step(w, &ev);
}

static enum vl_err revoke(struct world *w, vl_ms now, uint8_t secret) {
    uint8_t bytes[TICKET_SECRET] = { secret };
    struct membership_event ev = { .kind = MEMBERSHIP_TICKET_REVOKE, .now = now, .u.ticket = ticket_id_of(bytes) };
    return step(w, &ev);
}

static struct membership_event asks(enum membership_event_kind kind, vl_ms now, uint8_t secret, uint8_t node) {
    return (struct membership_event){ .kind = kind,
                                      .now = now,
                                      .u.join = { .secret = { secret },
                                                  .node = { { node } },
                                                  .static_key = { node, 0xee },
                                                  .name = "node",
                                                  .roles = CERT_WORKER } };
}

static enum vl_err join(struct world *w, vl_ms now, uint8_t secret, uint8_t node) {
    struct membership_event ev = asks(MEMBERSHIP_JOIN, now, secret, node);
    return step(w, &ev);
}

static enum vl_err expel(struct world *w, vl_ms now, uint8_t node) {
    struct membership_event ev = { .kind = MEMBERSHIP_EXPEL, .now = now, .u.node = { { node } } };
    return step(w, &ev);
}

static enum vl_err tick(struct world *w, vl_ms now) {
    struct membership_event ev = { .kind = MEMBERSHIP_TICK, .now = now };
    return step(w, &ev);
}

/* By their bytes on disk: structs have padding. */
static void check_same(const struct membership_record *a, const struct membership_record *b) {
    uint8_t x[MEMBERSHIP_RECORD_MAX], y[MEMBERSHIP_RECORD_MAX];
    size_t x_n = 0, y_n = 0;
    CHECK_OK(membership_record_encode(a, x, sizeof x, &x_n));
    CHECK_OK(membership_record_encode(b, y, sizeof y, &y_n));
    CHECK_EQ(x_n, y_n);
    CHECK_MEM(x, y, x_n);
}

static void check_same_cert(const struct cert *a, const struct cert *b) {
    check_same(&(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member.cert = *a },
               &(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member.cert = *b });
}

/* The copy must answer as the original does, down to the signature of the list. */
static void check_copy(const struct world *w) {
    static uint8_t a[REVOCATIONS_BYTES_MAX], b[REVOCATIONS_BYTES_MAX];
    size_t a_n = 0, b_n = 0;
    CHECK_EQ(membership_count(w->m), membership_count(w->copy));
    CHECK_EQ(membership_ticket_count(w->m), membership_ticket_count(w->copy));
    for (size_t i = 0; i < membership_ticket_count(w->m); i++)
        check_same(
            &(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET, .u.ticket = *membership_ticket_at(w->m, i) },
            &(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET,
                                         .u.ticket = *membership_ticket_at(w->copy, i) });
    for (unsigned node = 0; node < 256; node++) {
        struct vl_node_id id = { { (uint8_t)node } };
        const struct member_record *x = membership_get(w->m, id), *y = membership_get(w->copy, id);
        CHECK((x == NULL) == (y == NULL));
        if (x)
            check_same(&(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member = *x },
                       &(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member = *y });
    }
    CHECK_OK(membership_revocations(w->m, a, sizeof a, &a_n));
    CHECK_OK(membership_revocations(w->copy, b, sizeof b, &b_n));
    CHECK_EQ(a_n, b_n);
    CHECK_MEM(a, b, a_n);
    CHECK(membership_deadline(w->m) == membership_deadline(w->copy));
}

TEST(membership, a_ticket_admits_and_the_certificate_is_good_to_every_member) {
    struct world w;
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    struct cert cert;
    world_start(&w, 0, 10);
    CHECK_OK(ticket(&w, T0, 1, 1, HOUR));
    uint8_t secret[TICKET_SECRET] = { 1 };
    CHECK_MEM(ticket_id_of(secret).b, w.out.ticket.b, sizeof w.out.ticket.b);
    CHECK_OK(join(&w, T0 + 1, 1, 7));
    CHECK_EQ(1, w.out.cert.serial);
    CHECK(w.out.cert.expires_ms == T0 + 1 + MEMBERSHIP_CERT_TTL);
    CHECK_EQ(CERT_WORKER, w.out.cert.roles);
    CHECK_EQ(1, membership_count(w.m));
    struct roster *r = roster_create(membership_village(w.m));
    CHECK_OK(cert_encode(&w.out.cert, raw, sizeof raw, &n));
    CHECK_OK(roster_check(r, vl_span(raw, n), T0 + 1, &cert));
    check_same_cert(&w.out.cert, &cert);
    roster_destroy(r);
    check_copy(&w);
    world_end(&w);
}

TEST(membership, answers_tell_unknown_used_expired_and_revoked_apart) {
    struct world w;
    world_start(&w, 0, 10);
    CHECK_OK(ticket(&w, T0, 1, 2, HOUR));
    CHECK_EQ(VL_ENOTFOUND, join(&w, T0, 9, 7));
    CHECK_OK(join(&w, T0, 1, 7));
    CHECK_OK(join(&w, T0, 1, 8)); /* the last use */
    CHECK_EQ(VL_EUSED, join(&w, T0, 1, 9));
    CHECK_OK(ticket(&w, T0, 2, 1, HOUR));
    CHECK_EQ(VL_EEXPIRED, join(&w, T0 + HOUR, 2, 9)); /* the end is exclusive */
    CHECK_OK(join(&w, T0 + HOUR - 1, 2, 9));
    CHECK_OK(ticket(&w, T0, 3, 1, HOUR));
    CHECK_OK(revoke(&w, T0, 3));
    CHECK_EQ(VL_EDENIED, join(&w, T0, 3, 10));
    CHECK_OK(revoke(&w, T0, 3));
    CHECK_EQ(0, w.out.effects); /* it was dead already */
    CHECK_EQ(VL_ENOTFOUND, revoke(&w, T0, 99));
    CHECK(strcmp(membership_problem(VL_EUSED), membership_problem(VL_EEXPIRED)) != 0);
    check_copy(&w);
    world_end(&w);
}

TEST(membership, a_lost_reply_costs_no_use) {
    struct world w;
    world_start(&w, 0, 10);
    CHECK_OK(ticket(&w, T0, 1, 1, HOUR));
    CHECK_OK(join(&w, T0, 1, 7));
    struct cert first = w.out.cert;
    CHECK_OK(join(&w, T0 + 5, 1, 7)); /* its ticket is used up by now */
    check_same_cert(&first, &w.out.cert);
    CHECK_EQ(0, w.out.effects);
    CHECK_OK(revoke(&w, T0, 1));
    CHECK_OK(join(&w, T0 + 2 * HOUR, 1, 7)); /* expired as well */
    check_same_cert(&first, &w.out.cert);
    CHECK_OK(ticket(&w, T0, 2, 1, HOUR));
    CHECK_OK(join(&w, T0 + 6, 2, 7)); /* another ticket: not taken either */
    check_same_cert(&first, &w.out.cert);
    CHECK_EQ(0, membership_ticket_at(w.m, 1)->used + membership_ticket_at(w.m, 0)->used - 1);
    CHECK_EQ(VL_ENOTFOUND, join(&w, T0, 9, 7));       /* a wrong ticket stays wrong */
    CHECK_EQ(VL_EEXPIRED, join(&w, T0 + HOUR, 2, 7)); /* and a dead one that is not its own, dead */
    CHECK_EQ(VL_EUSED, join(&w, T0 + 7, 1, 8));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, a_new_static_key_or_an_expired_certificate_needs_a_use) {
    struct world w;
    world_start(&w, HOUR, 10);
    CHECK_OK(ticket(&w, T0, 1, 2, 3 * HOUR));
    CHECK_OK(join(&w, T0, 1, 7));
    struct membership_event ev = asks(MEMBERSHIP_JOIN, T0 + 1, 1, 7);
    ev.u.join.static_key[5] = 1;
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(2, w.out.cert.serial);
    CHECK_EQ(2, membership_ticket_at(w.m, 0)->used);
    ev.now = T0 + HOUR; /* still one ms of life in the second certificate */
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(2, w.out.cert.serial);
    ev.now = T0 + HOUR + 1;
    CHECK_EQ(VL_EUSED, step(&w, &ev));
    CHECK_EQ(1, membership_count(w.m));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, grants_no_role_beyond_the_ticket) {
    struct world w;
    world_start(&w, 0, 10);
    CHECK_OK(ticket(&w, T0, 1, 5, HOUR));
    struct membership_event ev = asks(MEMBERSHIP_JOIN, T0, 1, 7);
    ev.u.join.roles = CERT_WORKER | CERT_COORDINATOR | 0x100;
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(CERT_WORKER, w.out.cert.roles);
    ev = asks(MEMBERSHIP_JOIN, T0, 1, 8);
    ev.u.join.roles = CERT_COORDINATOR;
    CHECK_EQ(VL_ERANGE, step(&w, &ev));
    ev.u.join.roles = 0x100 | 0;
    CHECK_EQ(VL_ERANGE, step(&w, &ev));
    ev = asks(MEMBERSHIP_JOIN, T0, 1, 8);
    ev.u.join.name = "line\nbreak";
    CHECK_EQ(VL_EPARSE, step(&w, &ev));
    CHECK_EQ(1, membership_ticket_at(w.m, 0)->used);
    world_end(&w);
}

TEST(membership, refuses_tickets_out_of_range) {
    struct world w;
    world_start(&w, 0, 10);
    CHECK_EQ(VL_ERANGE, ticket(&w, T0, 1, 0, HOUR));
    CHECK_EQ(VL_ERANGE, ticket(&w, T0, 1, MEMBERSHIP_TICKET_USES_MAX + 1, HOUR));
    CHECK_EQ(VL_ERANGE, ticket(&w, T0, 1, 1, MEMBERSHIP_TICKET_TTL_MIN - 1));
    CHECK_EQ(VL_ERANGE, ticket(&w, T0, 1, 1, MEMBERSHIP_TICKET_TTL_MAX + 1ull));
    CHECK_EQ(VL_ERANGE, ticket(&w, VL_MS_NEVER, 1, 1, HOUR));
    CHECK_OK(ticket(&w, T0, 1, MEMBERSHIP_TICKET_USES_MAX, MEMBERSHIP_TICKET_TTL_MAX));
    CHECK_OK(ticket(&w, T0, 2, 1, MEMBERSHIP_TICKET_TTL_MIN));
    CHECK_EQ(VL_EEXISTS, ticket(&w, T0, 1, 1, HOUR));
    CHECK_EQ(2, membership_ticket_count(w.m));
    world_end(&w);
}

static enum vl_err ticket_number(struct world *w, vl_ms now, uint32_t i) {
    struct membership_event ev = {
        .kind = MEMBERSHIP_TICKET_CREATE,
        .now = now,
        .u.ticket_create = { .uses = 1, .ttl_ms = HOUR, .roles = CERT_WORKER },
    };
    vl_put_u32(ev.u.ticket_create.secret, i);
    return step(w, &ev);
}

TEST(membership, holds_1000_live_tickets_and_forgets_the_oldest_dead_one_for_a_new_one) {
    struct world w;
    world_start(&w, 0, 10);
    for (uint32_t i = 0; i < 1000; i++) CHECK_OK(ticket_number(&w, T0, i));
    CHECK_EQ(VL_ELIMIT, ticket_number(&w, T0 + HOUR - 1, 1000));
    for (uint32_t i = 1000; i < 2000; i++) CHECK_OK(ticket_number(&w, T0 + HOUR, i)); /* the first 1000 are dead now */
    CHECK_EQ(2000, membership_ticket_count(w.m));
    CHECK_EQ(VL_ELIMIT, ticket_number(&w, T0 + HOUR, 2000));
    CHECK_OK(ticket_number(&w, T0 + 2 * HOUR, 2000));
    CHECK_EQ(2, w.out.effects);
    CHECK_EQ(MEMBERSHIP_DROP_TICKET, w.out.effect[0].kind);
    CHECK_EQ(2000, membership_ticket_count(w.m));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, a_full_village_says_so) {
    struct world w;
    world_start(&w, 0, 2);
    CHECK_OK(ticket(&w, T0, 1, 5, HOUR));
    CHECK_OK(join(&w, T0, 1, 7));
    CHECK_OK(join(&w, T0, 1, 8));
    CHECK_EQ(VL_ELIMIT, join(&w, T0, 1, 9));
    CHECK_EQ(2, membership_ticket_at(w.m, 0)->used);
    CHECK_OK(expel(&w, T0, 7));
    CHECK_OK(join(&w, T0, 1, 9));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, the_owner_admits_its_own_node_once_and_renews_it_at_half_life) {
    struct world w;
    world_start(&w, 1000, 10);
    struct membership_event ev = asks(MEMBERSHIP_ADMIT, T0, 0, 1);
    ev.u.join.roles = CERT_ROLES_ALL;
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(CERT_ROLES_ALL, w.out.cert.roles);
    ev.now = T0 + 499;
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(1, w.out.cert.serial);
    ev.now = T0 + 500; /* exactly half is left */
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(2, w.out.cert.serial);
    ev.u.join.name = "other";
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(3, w.out.cert.serial);
    ev.u.join.roles = 8;
    CHECK_EQ(VL_ERANGE, step(&w, &ev));
    ev.u.join.roles = 0;
    CHECK_EQ(VL_ERANGE, step(&w, &ev));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, renewal_keeps_roles_and_name_and_ends_with_the_certificate) {
    struct world w;
    world_start(&w, 1000, 10);
    CHECK_OK(ticket(&w, T0, 1, 1, HOUR));
    CHECK_OK(join(&w, T0, 1, 7));
    struct membership_event ev = asks(MEMBERSHIP_RENEW, T0 + 499, 0, 7);
    ev.u.join.name = NULL;
    ev.u.join.roles = CERT_COORDINATOR;
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(1, w.out.cert.serial);
    ev.u.join.static_key[9] = 9; /* a new static key is certified at once */
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(2, w.out.cert.serial);
    CHECK_EQ(CERT_WORKER, w.out.cert.roles);
    CHECK_STR("node", w.out.cert.name);
    ev.now = T0 + 499 + 999;
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(3, w.out.cert.serial);
    ev.now += 1000;
    CHECK_EQ(VL_EEXPIRED, step(&w, &ev));
    ev.u.join.node.b[0] = 8;
    CHECK_EQ(VL_ENOTFOUND, step(&w, &ev));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, an_expelled_node_stays_out_until_a_new_ticket_is_made) {
    struct world w;
    static uint8_t list[REVOCATIONS_BYTES_MAX];
    uint8_t raw[CERT_BYTES_MAX], again[CERT_BYTES_MAX];
    size_t n = 0, raw_n = 0, again_n = 0;
    struct cert cert;
    world_start(&w, 0, 10);
    struct roster *r = roster_create(membership_village(w.m));
    CHECK_OK(membership_revocations(w.m, list, sizeof list, &n));
    CHECK_EQ(0, n);
    CHECK_OK(ticket(&w, T0, 1, 9, HOUR));
    CHECK_OK(join(&w, T0, 1, 7));
    CHECK_OK(cert_encode(&w.out.cert, raw, sizeof raw, &raw_n));
    CHECK_EQ(VL_ENOTFOUND, expel(&w, T0, 8));
    CHECK_OK(expel(&w, T0 + 10, 7));
    CHECK(w.out.list_changed);
    CHECK(membership_get(w.m, (struct vl_node_id){ { 7 } }) == NULL);
    CHECK_OK(membership_revocations(w.m, list, sizeof list, &n));
    CHECK_OK(roster_check(r, vl_span(raw, raw_n), T0 + 11, &cert)); /* the news has not come yet */
    CHECK_OK(roster_revoke(r, vl_span(list, n)));
    CHECK_EQ(VL_ESTALE, roster_check(r, vl_span(raw, raw_n), T0 + 11, &cert));
    CHECK_EQ(VL_EDENIED, join(&w, T0 + 11, 1, 7)); /* the ticket has uses left, but was made before */
    struct membership_event ev = asks(MEMBERSHIP_RENEW, T0 + 11, 0, 7);
    CHECK_EQ(VL_EDENIED, step(&w, &ev));
    CHECK_OK(ticket(&w, T0 + 10, 2, 1, HOUR)); /* in the same ms: before */
    CHECK_EQ(VL_EDENIED, join(&w, T0 + 12, 2, 7));
    CHECK_OK(ticket(&w, T0 + 11, 3, 1, HOUR));
    CHECK_OK(join(&w, T0 + 12, 3, 7));
    CHECK_OK(cert_encode(&w.out.cert, again, sizeof again, &again_n));
    CHECK_OK(roster_check(r, vl_span(again, again_n), T0 + 12, &cert)); /* the list names the old serial only */
    CHECK_EQ(VL_ESTALE, roster_check(r, vl_span(raw, raw_n), T0 + 12, &cert));
    check_copy(&w);
    roster_destroy(r);
    world_end(&w);
}

TEST(membership, forgets_dead_tickets_after_a_week_and_revocations_with_the_certificate) {
    struct world w;
    world_start(&w, 1000, 10);
    CHECK(membership_deadline(w.m) == VL_MS_NEVER);
    CHECK_OK(ticket(&w, T0, 1, 1, HOUR));
    CHECK(membership_deadline(w.m) == T0 + HOUR + MEMBERSHIP_TICKET_KEEP);
    CHECK_OK(join(&w, T0, 1, 7));
    CHECK_OK(expel(&w, T0, 7));
    vl_ms end = T0 + 1000 + MEMBERSHIP_LIST_MARGIN;
    CHECK(membership_deadline(w.m) == end);
    CHECK_OK(tick(&w, end - 1));
    CHECK_EQ(0, w.out.effects);
    CHECK_OK(tick(&w, end));
    CHECK_EQ(2, w.out.effects);
    CHECK(w.out.list_changed);
    CHECK_EQ(VL_EEXPIRED, join(&w, T0 + HOUR + MEMBERSHIP_TICKET_KEEP - 1, 1, 8));
    CHECK_OK(tick(&w, T0 + HOUR + MEMBERSHIP_TICKET_KEEP));
    CHECK_EQ(VL_ENOTFOUND, join(&w, T0, 1, 8));
    CHECK(membership_deadline(w.m) == VL_MS_NEVER);
    check_copy(&w);
    world_end(&w);
}

TEST(membership, a_tick_with_much_to_forget_takes_several_steps) {
    struct world w;
    world_start(&w, 0, 10);
    for (uint32_t i = 0; i < 40; i++) CHECK_OK(ticket_number(&w, T0, i));
    vl_ms now = membership_deadline(w.m);
    int ticks = 0;
    for (; membership_deadline(w.m) <= now; ticks++) CHECK_OK(tick(&w, now));
    CHECK_EQ(3, ticks);
    CHECK_EQ(0, membership_ticket_count(w.m));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, serials_never_come_twice_after_a_rebuild) {
    struct world w;
    world_start(&w, 0, 200);
    CHECK_OK(ticket(&w, T0, 1, 200, HOUR));
    for (uint8_t i = 1; i <= 100; i++) {
        CHECK_OK(join(&w, T0 + i, 1, i));
        CHECK_EQ(i, w.out.cert.serial);
        if (i % 3 == 0) CHECK_OK(expel(&w, T0 + i, i));
    }
    check_copy(&w);
    CHECK_OK(expel(&w, T0 + 200, 100)); /* the highest serial leaves the book of members */
    struct membership_event ev = asks(MEMBERSHIP_JOIN, T0 + 200, 1, 150);
    CHECK_OK(membership_step(w.copy, &ev, &w.out));
    CHECK_EQ(101, w.out.cert.serial);
    world_end(&w);
}

TEST(membership, a_serial_seen_in_a_member_alone_is_not_given_again) {
    struct world w, other;
    world_start(&w, 0, 10);
    world_start(&other, 0, 10);
    struct membership_event ev = asks(MEMBERSHIP_ADMIT, T0, 0, 1), back = { .kind = MEMBERSHIP_RESTORE };
    CHECK_OK(step(&w, &ev));
    for (size_t i = 0; i < w.out.effects; i++)
        if (w.out.effect[i].kind == MEMBERSHIP_PUT_MEMBER) back.u.restore = w.out.effect[i];
    CHECK_OK(membership_step(other.m, &back, &other.out));
    ev = asks(MEMBERSHIP_ADMIT, T0, 0, 2);
    CHECK_OK(step(&other, &ev));
    CHECK_EQ(2, other.out.cert.serial);
    world_end(&w);
    world_end(&other);
}

TEST(membership, refuses_to_restore_a_member_of_another_village) {
    struct world w, other;
    world_start(&w, 0, 10);
    world_start(&other, 0, 10);
    uint8_t seed[32] = { 43 };
    struct crypto_sign_key root;
    crypto_sign_key_from_seed(seed, &root);
    CHECK_OK(ticket(&w, T0, 1, 1, HOUR));
    CHECK_OK(join(&w, T0, 1, 7));
    struct membership_event ev = { .kind = MEMBERSHIP_RESTORE };
    for (size_t i = 0; i < w.out.effects; i++)
        if (w.out.effect[i].kind == MEMBERSHIP_PUT_MEMBER) ev.u.restore = w.out.effect[i];
    CHECK_OK(cert_sign(&root, &ev.u.restore.u.member.cert));
    CHECK_EQ(VL_EPARSE, membership_step(other.m, &ev, &w.out));
    CHECK_EQ(0, membership_count(other.m));
    world_end(&w);
    world_end(&other);
}

TEST(membership, records_refuse_every_cut_and_values_out_of_range) {
    struct world w;
    uint8_t raw[MEMBERSHIP_RECORD_MAX + 1];
    size_t n = 0;
    struct membership_record rec;
    world_start(&w, 0, 10);
    CHECK_OK(ticket(&w, T0, 1, 2, HOUR));
    struct membership_record all[5] = { w.out.effect[0] };
    CHECK_OK(join(&w, T0, 1, 7));
    all[1] = w.out.effect[0];
    all[2] = w.out.effect[1];
    CHECK_OK(expel(&w, T0, 7));
    all[3] = w.out.effect[0];
    all[4] = w.out.effect[1];
    for (size_t i = 0; i < 5; i++) {
        memset(raw, 0, sizeof raw);
        CHECK_OK(membership_record_encode(&all[i], raw, MEMBERSHIP_RECORD_MAX, &n));
        for (size_t cut = 0; cut < n; cut++) CHECK(membership_record_decode(vl_span(raw, cut), &rec) != VL_OK);
        CHECK_EQ(VL_EPARSE, membership_record_decode(vl_span(raw, n + 1), &rec));
        for (size_t cap = 0; cap < n; cap++) CHECK_EQ(VL_ELIMIT, membership_record_encode(&all[i], raw, cap, &n));
        raw[0] = 2;
        CHECK_EQ(VL_EVERSION, membership_record_decode(vl_span(raw, n), &rec));
        raw[0] = 1;
        raw[1] = 8;
        CHECK_EQ(VL_EPARSE, membership_record_decode(vl_span(raw, n), &rec));
    }
    rec = all[0];
    rec.u.ticket.used = 3; /* of 2 */
    CHECK_EQ(VL_ERANGE, membership_record_encode(&rec, raw, sizeof raw, &n));
    CHECK_OK(membership_record_encode(&all[0], raw, sizeof raw, &n));
    raw[n - 1] = 2; /* neither revoked nor not */
    CHECK_EQ(VL_EPARSE, membership_record_decode(vl_span(raw, n), &rec));
    raw[n - 1] = 0;
    raw[n - 3] = 3; /* used 3 of 2 */
    CHECK_EQ(VL_EPARSE, membership_record_decode(vl_span(raw, n), &rec));
    world_end(&w);
}

TEST(membership, no_record_holds_the_secret) {
    struct world w;
    uint8_t raw[MEMBERSHIP_RECORD_MAX], secret[TICKET_SECRET];
    size_t n = 0;
    world_start(&w, 0, 10);
    memset(secret, 0x5a, sizeof secret);
    struct membership_event ev = asks(MEMBERSHIP_TICKET_CREATE, T0, 0, 0);
    memset(&ev.u, 0, sizeof ev.u);
    ev.u.ticket_create.uses = 1;
    ev.u.ticket_create.ttl_ms = HOUR;
    ev.u.ticket_create.roles = CERT_WORKER;
    memcpy(ev.u.ticket_create.secret, secret, sizeof secret);
    CHECK_OK(step(&w, &ev));
    CHECK_EQ(1, w.out.effects);
    CHECK_OK(membership_record_encode(&w.out.effect[0], raw, sizeof raw, &n));
    CHECK(memmem(raw, n, secret, 4) == NULL);
    CHECK(memmem(&w.out, sizeof w.out, secret, 4) == NULL);
    world_end(&w);
}

static enum vl_err succeed(struct world *w, vl_ms now, uint8_t old, uint8_t node, uint8_t static_key) {
    struct membership_event ev = { .kind = MEMBERSHIP_SUCCEED,
                                   .now = now,
                                   .u.succeed = { .old = { { old } }, .node = { { node } }, .static_key = { static_key } } };
    return step(w, &ev);
}

TEST(membership, gives_a_successor_the_same_terms_and_the_same_answer_twice) {
    struct world w;
    world_start(&w, 10 * HOUR, 10);
    CHECK_OK(ticket(&w, T0, 1, 5, HOUR));
    CHECK_OK(join(&w, T0, 1, 1));
    struct cert old = w.out.cert;
    CHECK_EQ(VL_ENOTFOUND, succeed(&w, T0, 9, 2, 7));
    CHECK_OK(succeed(&w, T0 + 5, 1, 2, 7));
    struct cert next = w.out.cert;
    CHECK_EQ(2, next.node.b[0]);
    CHECK_EQ(7, next.static_key[0]);
    CHECK_STR(old.name, next.name);
    CHECK(next.roles == old.roles && next.serial > old.serial && next.issued_ms == T0 + 5);
    CHECK_EQ(2, membership_count(w.m));
    CHECK_OK(succeed(&w, T0 + 6, 1, 2, 7)); /* the answer was lost */
    CHECK_EQ(0, w.out.effects);
    check_same_cert(&next, &w.out.cert);
    CHECK_EQ(VL_EEXISTS, succeed(&w, T0 + 6, 1, 2, 8));
    CHECK_OK(expel(&w, T0 + 7, 1));
    CHECK_EQ(VL_EDENIED, succeed(&w, T0 + 8, 1, 3, 7)); /* a revoked key has no heir */
    CHECK_EQ(VL_EDENIED, succeed(&w, T0 + 8, 2, 1, 7)); /* and is none */
    CHECK_EQ(VL_EEXPIRED, succeed(&w, T0 + 5 + 10 * HOUR, 2, 4, 7));
    check_copy(&w);
    world_end(&w);
}

TEST(membership, tells_in_the_signed_list_when_a_key_was_revoked) {
    struct world w;
    static uint8_t raw[REVOCATIONS_BYTES_MAX];
    size_t n = 0;
    struct revocations list;
    vl_ms at = 0;
    world_start(&w, 10 * HOUR, 10);
    CHECK_OK(ticket(&w, T0, 1, 5, HOUR));
    CHECK_OK(join(&w, T0, 1, 1));
    CHECK_OK(expel(&w, T0 + 77, 1));
    CHECK_OK(membership_revocations(w.copy, raw, sizeof raw, &n)); /* of what was stored */
    CHECK_OK(revocations_decode(vl_span(raw, n), &list));
    CHECK(revocations_find(&list, (struct vl_node_id){ { 1 } }, &at) > 0);
    CHECK_EQ(T0 + 77, at);
    struct roster *r = roster_create(membership_village(w.m));
    CHECK_OK(roster_revoke(r, vl_span(raw, n)));
    CHECK_OK(roster_signed_at(r, (struct vl_node_id){ { 1 } }, T0 + 77));
    CHECK_EQ(VL_ESTALE, roster_signed_at(r, (struct vl_node_id){ { 1 } }, T0 + 78));
    CHECK_OK(roster_signed_at(r, (struct vl_node_id){ { 2 } }, T0 + 78));
    roster_destroy(r);
    world_end(&w);
}
