/* A member that replaces its keys, with a coordinator; what each made durable is kept, so that both can be started again from it. */
#include "brain/priv.h"

#include "trust/roster.h"
#include "trust/succession.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD, MEMBER, NODES };
#define KEPT 64

struct kept { /* the newest record of its key */
    struct record r;
    uint8_t bytes[1024];
};
struct side {
    struct brain *brain;
    uint32_t conn, head, dial;
    struct kept kept[KEPT];
    size_t kept_n;
};
struct rig {
    struct side side[NODES];
    vl_ms now;
    unsigned rotate;
    enum vl_err rotated, last;
    uint8_t reply[32];
    size_t reply_n;
    bool drop_reply; /* nothing reaches the member */
    bool idle_disk;  /* the coordinator's commits are not told */
    uint64_t seq;
};

static void keep(struct side *s, const struct record *r) {
    if (r->kind == RECORD_SNAPSHOT || r->kind == RECORD_LOG || r->bytes.n > sizeof s->kept[0].bytes) return;
    size_t i = 0;
    for (; i < s->kept_n; i++) {
        const struct record *k = &s->kept[i].r;
        if (k->kind == r->kind && k->state == r->state && k->number == r->number && memcmp(k->key, r->key, 32) == 0) break;
    }
    if (r->kind == RECORD_NODE) /* its state is no part of its key */
        for (i = 0; i < s->kept_n && (s->kept[i].r.kind != RECORD_NODE || memcmp(s->kept[i].r.key, r->key, 32) != 0); i++) {}
    if (r->remove && i == s->kept_n) return;
    if (r->remove) {
        s->kept[i] = s->kept[--s->kept_n];
        return;
    }
    CHECK(i < KEPT);
    if (i == s->kept_n) s->kept_n++;
    s->kept[i].r = *r;
    memcpy(s->kept[i].bytes, r->bytes.p, r->bytes.n);
}

static void answer(struct rig *r, unsigned i, const struct brain_effect *e) {
    struct side *s = &r->side[i];
    switch ((int)e->kind) {
    case BRAIN_COMMIT:
        for (size_t k = 0; k < e->records_n; k++) keep(s, &e->records[k]);
        if (i == HEAD && r->idle_disk)
            r->seq = e->seq;
        else
            brain_committed(s->brain, r->now, e->seq);
        return;
    case BRAIN_DIAL:
        s->dial = e->dial;
        return;
    case BRAIN_ROTATE:
        r->rotate++;
        r->rotated = e->err;
        return;
    case BRAIN_REPLY:
        r->last = e->err;
        r->reply_n = e->bytes.n;
        if (e->bytes.n <= sizeof r->reply) memcpy(r->reply, e->bytes.p, e->bytes.n);
        return;
    case BRAIN_CONN_CLOSE:
        if (i == MEMBER && e->conn == s->conn) {
            uint32_t conn = s->conn, head = s->head;
            s->conn = s->head = 0;
            brain_conn_lost(s->brain, conn, r->now);
            brain_conn_lost(r->side[HEAD].brain, head, r->now);
        }
        return;
    }
}

static void pump(struct rig *r) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    struct side *h = &r->side[HEAD], *m = &r->side[MEMBER];
    for (bool moved = true; moved;) {
        struct brain_effect e;
        moved = false;
        for (unsigned i = 0; i < NODES; i++)
            for (; r->side[i].brain && brain_next_effect(r->side[i].brain, &e); moved = true) answer(r, i, &e);
        if (m->brain && m->dial) {
            CHECK_OK(brain_dialled(m->brain, r->now, m->dial, &m->conn));
            CHECK_OK(brain_accept(h->brain, r->now, &m->head));
            m->dial = 0;
            moved = true;
        }
        for (size_t n; m->brain && m->conn && (n = brain_output(m->brain, m->conn, r->now, buf, sizeof buf)) > 0; moved = true)
            vl_ignore(brain_input(h->brain, m->head, r->now, buf, n));
        for (size_t n; m->brain && m->head && (n = brain_output(h->brain, m->head, r->now, buf, sizeof buf)) > 0; moved = true)
            if (!r->drop_reply) vl_ignore(brain_input(m->brain, m->conn, r->now, buf, n));
    }
}

static void pass(struct rig *r, vl_ms ms) {
    for (vl_ms until = r->now + ms; r->now < until;) {
        r->now += 50;
        for (unsigned i = 0; i < NODES; i++)
            if (r->side[i].brain && brain_deadline(r->side[i].brain) <= r->now) brain_tick(r->side[i].brain, r->now);
        pump(r);
    }
}

static struct brain_config config(unsigned i, uint8_t key, uint8_t next) {
    struct brain_config cfg = { .coordinator = i == HEAD, .boot_epoch = 1, .caps = { .disk_bytes = 1ull << 40 }, .heartbeat_ms = 1000 };
    struct crypto_sign_key root;
    uint8_t seed[32];
    memset(seed, 3, sizeof seed);
    crypto_sign_key_from_seed(seed, &root);
    snprintf(cfg.name, sizeof cfg.name, "n%u", i);
    memset(cfg.sign_seed, key, 32);
    memset(cfg.static_secret, key + 100, 32);
    memset(cfg.seed, key + 1, 32);
    if (i == HEAD) memcpy(cfg.root_seed, seed, 32);
    memcpy(cfg.ticket_village, village_id_of(root.public).b, 16);
    cfg.ticket_secret[0] = 5;
    snprintf(cfg.coordinator_addr, sizeof cfg.coordinator_addr, "head:1");
    cfg.has_next = next != 0;
    memset(cfg.next_seed, next, 32);
    memset(cfg.next_secret, next + 100, 32);
    return cfg;
}

/* As node_brain_open(): everything kept comes back, and then it starts. */
static void open_side(struct rig *r, unsigned i, const struct brain_config *cfg) {
    struct side *s = &r->side[i];
    CHECK_OK(brain_create(cfg, r->now, &s->brain));
    for (int kind = RECORD_IDENTITY; kind <= RECORD_ITEM; kind++)
        for (size_t k = 0; k < s->kept_n; k++) {
            struct record back = s->kept[k].r;
            back.bytes = vl_span(s->kept[k].bytes, back.bytes.n);
            back.text = (struct vl_span){ 0 };
            if ((int)back.kind == kind && (kind != RECORD_ITEM || back.state < ITEM_VIEWS)) CHECK_OK(brain_restore(s->brain, r->now, &back));
        }
    brain_start(s->brain, r->now);
    pump(r);
}

static void close_side(struct rig *r, unsigned i) {
    struct side *m = &r->side[MEMBER];
    brain_destroy(r->side[i].brain);
    r->side[i].brain = NULL;
    if (i == MEMBER && m->head && r->side[HEAD].brain) brain_conn_lost(r->side[HEAD].brain, m->head, r->now);
    if (i == HEAD && m->conn && m->brain) brain_conn_lost(m->brain, m->conn, r->now);
    m->conn = m->head = m->dial = 0;
}

static struct rig *rig_new(void) {
    struct rig *r = calloc(1, sizeof *r);
    struct brain_config cfg = config(HEAD, 10, 0);
    r->now = 1000000;
    open_side(r, HEAD, &cfg);
    brain_create_ticket(r->side[HEAD].brain, r->now, 1, (const uint8_t[16]){ 5 }, 10, 3600000);
    pump(r);
    cfg = config(MEMBER, 20, 0);
    open_side(r, MEMBER, &cfg);
    pass(r, 2000);
    CHECK(brain_is_member(r->side[MEMBER].brain));
    return r;
}

static void rig_end(struct rig *r) {
    for (unsigned i = 0; i < NODES; i++) brain_destroy(r->side[i].brain);
    free(r);
}

static struct vl_node_id id_of(uint8_t key) {
    uint8_t seed[32];
    struct crypto_sign_key k;
    memset(seed, key, 32);
    crypto_sign_key_from_seed(seed, &k);
    return crypto_sign_node_id(&k);
}

static const struct record *kept_item(const struct side *s, enum record_item kind) {
    for (size_t i = 0; i < s->kept_n; i++)
        if (s->kept[i].r.kind == RECORD_ITEM && s->kept[i].r.state == (int)kind) return &s->kept[i].r;
    return NULL;
}

static void rotate(struct rig *r, uint8_t next) {
    struct brain_config cfg = config(MEMBER, 0, next);
    brain_rotate(r->side[MEMBER].brain, r->now, 9, cfg.next_seed, cfg.next_secret);
    pump(r);
}

/* As the shell does at BRAIN_ROTATE. */
static void take_over(struct rig *r, uint8_t next) {
    struct side *m = &r->side[MEMBER];
    struct vl_buf out;
    struct vl_node_id old;
    struct vl_span heir = { 0 };
    struct kept *identity = NULL;
    close_side(r, MEMBER);
    vl_buf_init(&out, 4096);
    for (size_t i = 0; i < m->kept_n; i++) {
        if (m->kept[i].r.kind == RECORD_IDENTITY) identity = &m->kept[i];
        if (m->kept[i].r.kind == RECORD_ITEM && m->kept[i].r.state == ITEM_HEIR) heir = vl_span(m->kept[i].bytes, m->kept[i].r.bytes.n);
    }
    CHECK(identity != NULL);
    const struct vl_span was = vl_span(identity->bytes, identity->r.bytes.n);
    CHECK_EQ(VL_ESTALE, brain_identity_adopt(was, (struct vl_span){ 0 }, id_of(next), &out, &old));
    CHECK_EQ(VL_ESTALE, brain_identity_adopt(was, heir, id_of(99), &out, &old)); /* somebody else's node.keys */
    CHECK_EQ(0, out.len);
    CHECK_OK(brain_identity_adopt(was, heir, id_of(next), &out, &old));
    memcpy(identity->bytes, out.p, out.len);
    identity->r.bytes.n = out.len;
    out.len = 0;
    CHECK_OK(brain_identity_adopt(vl_span(identity->bytes, identity->r.bytes.n), heir, id_of(next), &out, &old));
    CHECK_EQ(0, out.len); /* done already */
    for (size_t i = 0; i < m->kept_n;) {
        int kind = (int)m->kept[i].r.kind;
        if (kind == RECORD_INBOX || kind == RECORD_OUTBOX || kind == RECORD_ITEM)
            m->kept[i] = m->kept[--m->kept_n];
        else
            i++;
    }
    vl_buf_free(&out);
    struct brain_config cfg = config(MEMBER, next, 0);
    cfg.boot_epoch = 2;
    open_side(r, MEMBER, &cfg);
}

static bool member(const struct rig *r, uint8_t key) { return membership_get(brain_members(r->side[HEAD].brain), id_of(key)) != NULL; }

TEST(keys, of_a_member_are_replaced_and_the_old_ones_revoked_with_the_first_link_of_the_new) {
    struct rig *r = rig_new();
    rotate(r, 40);
    CHECK_EQ(VL_OK, r->last);
    CHECK(r->reply_n == 32 && memcmp(r->reply, id_of(40).b, 32) == 0);
    CHECK(member(r, 20) && member(r, 40));
    CHECK_EQ(NODE_MAINTENANCE, registry_get(brain_registry(r->side[HEAD].brain), id_of(20))->state);
    pass(r, 300);
    CHECK_EQ(1, r->rotate);
    CHECK_EQ(VL_OK, r->rotated);
    CHECK(kept_item(&r->side[MEMBER], ITEM_HEIR) != NULL);
    take_over(r, 40);
    pass(r, 1000);
    CHECK(!member(r, 20) && member(r, 40));
    CHECK(registry_get(brain_registry(r->side[HEAD].brain), id_of(20)) == NULL);
    CHECK(registry_get(brain_registry(r->side[HEAD].brain), id_of(40))->linked);
    const struct succession *s = brain_succession_to(r->side[HEAD].brain, id_of(40));
    CHECK(s != NULL && vl_node_eq(s->old, id_of(20)));
    CHECK_OK(succession_chain(s, 1, roster_village(r->side[HEAD].brain->roster), id_of(20), id_of(40)));
    CHECK(vl_node_eq(id_of(20), brain_origin(r->side[HEAD].brain, id_of(40)))); /* where its reputation is */
    CHECK_EQ(1, roster_list_number(r->side[MEMBER].brain->roster)); /* members are told */
    rig_end(r);
}

TEST(keys, are_not_replaced_before_all_that_was_said_under_them_has_arrived) {
    struct rig *r = rig_new();
    struct brain *b = r->side[MEMBER].brain;
    rotate(r, 40);
    r->idle_disk = true; /* what the coordinator gets it does not acknowledge */
    step_begin(b, r->now);
    CHECK_OK(message_send(b, b->coordinator, MIX_OFF, MSG_DISPUTE, ENVELOPE_NORMAL, vl_span_str("x"), NULL));
    step_end(b);
    pass(r, 3000);
    CHECK_EQ(0, r->rotate);
    r->idle_disk = false;
    brain_committed(r->side[HEAD].brain, r->now, r->seq);
    pass(r, 1000);
    CHECK_EQ(1, r->rotate);
    rig_end(r);
}

TEST(keys, rotation_goes_on_where_it_was_when_a_member_is_killed_anywhere) {
    struct rig *r = rig_new();
    struct brain_config cfg;
    r->drop_reply = true;
    rotate(r, 40); /* the answer never comes: power failure */
    close_side(r, MEMBER);
    r->drop_reply = false;
    CHECK(member(r, 40) && kept_item(&r->side[MEMBER], ITEM_HEIR) == NULL);
    cfg = config(MEMBER, 20, 40); /* node.keys has both pairs */
    cfg.boot_epoch = 2;
    open_side(r, MEMBER, &cfg);
    pass(r, 1000);
    CHECK(kept_item(&r->side[MEMBER], ITEM_HEIR) != NULL);
    CHECK_EQ(1, r->rotate);
    close_side(r, MEMBER); /* before the shell has put the new pair in place */
    cfg.boot_epoch = 3;
    open_side(r, MEMBER, &cfg);
    pass(r, 1000);
    CHECK_EQ(2, r->rotate);
    CHECK_EQ(3, membership_count(brain_members(r->side[HEAD].brain)));
    take_over(r, 40);
    pass(r, 1000);
    CHECK_EQ(2, membership_count(brain_members(r->side[HEAD].brain)));
    CHECK(member(r, 40));
    rig_end(r);
}

TEST(keys, coordinator_remembers_who_followed_whom_through_a_restart) {
    struct rig *r = rig_new();
    struct brain_config cfg = config(HEAD, 10, 0);
    rotate(r, 40);
    close_side(r, HEAD); /* between certificate and first link */
    cfg.boot_epoch = 2;
    open_side(r, HEAD, &cfg);
    CHECK(member(r, 20) && member(r, 40));
    CHECK(brain_succession_to(r->side[HEAD].brain, id_of(40)) != NULL);
    take_over(r, 40);
    pass(r, 40000);
    CHECK(!member(r, 20) && member(r, 40));
    close_side(r, HEAD);
    cfg.boot_epoch = 3;
    open_side(r, HEAD, &cfg);
    CHECK(!member(r, 20) && member(r, 40)); /* the revocation is durable, too */
    CHECK(vl_node_eq(id_of(20), brain_origin(r->side[HEAD].brain, id_of(40))));
    CHECK(brain_revocations(r->side[HEAD].brain).n > 0);
    rig_end(r);
}

/* Over the member's link: that the key `old` is followed by `next`. */
static void say(struct rig *r, uint8_t old_key, uint8_t next_key, size_t cut) {
    struct brain *b = r->side[MEMBER].brain;
    struct crypto_sign_key old, next;
    uint8_t seed[32], raw[SUCCESSION_BYTES];
    memset(seed, old_key, 32);
    crypto_sign_key_from_seed(seed, &old);
    memset(seed, next_key, 32);
    crypto_sign_key_from_seed(seed, &next);
    struct succession s = { .village = roster_village(b->roster), .at_ms = r->now };
    succession_sign(&old, &next, &s);
    succession_encode(&s, raw);
    CHECK(link_send(b, b->coordinator, LANE_CONTROL, LINK_SUCCEED, vl_span(raw, sizeof raw - cut), (struct vl_span){ 0 }));
    pump(r);
}

static uint64_t bad(const struct rig *r) {
    struct brain_counters c;
    brain_counters(r->side[HEAD].brain, &c);
    return c.messages_bad;
}

TEST(keys, statement_that_a_peer_makes_about_somebody_else_is_refused) {
    struct rig *r = rig_new();
    rotate(r, 40); /* two members now: 20, whose link this is, and 40 */
    say(r, 40, 50, 0); /* even with the other's key */
    say(r, 10, 50, 0); /* or the coordinator's */
    CHECK(!member(r, 50));
    CHECK_EQ(3, membership_count(brain_members(r->side[HEAD].brain)));
    uint64_t before = bad(r);
    say(r, 20, 50, 1);
    CHECK_EQ(before + 1, bad(r));
    say(r, 20, 50, 0); /* and nobody has two heirs */
    CHECK(!member(r, 50));
    rig_end(r);
}

TEST(keys, of_a_coordinator_are_not_replaced_and_it_says_why) {
    struct rig *r = rig_new();
    brain_rotate(r->side[HEAD].brain, r->now, 9, (const uint8_t[32]){ 1 }, (const uint8_t[32]){ 2 });
    pump(r);
    CHECK_EQ(VL_EUNSUPPORTED, r->last);
    const char *why = NULL;
    CHECK_EQ(VL_EUNSUPPORTED, brain_rotate_check(r->side[HEAD].brain, &why));
    CHECK(strstr(why, "name the village") != NULL);
    rig_end(r);
}

TEST(keys, that_are_revoked_count_for_nothing_at_once_even_before_the_disk_has_it) {
    struct rig *r = rig_new();
    r->idle_disk = true;
    brain_revoke_key(r->side[HEAD].brain, r->now, 9, id_of(20));
    pump(r); /* the link still stands: closing it is seen outside, and waits for the commit */
    uint64_t before = bad(r);
    say(r, 20, 60, 0); /* well made, and of a key that is none any more */
    CHECK_EQ(before + 1, bad(r));
    r->idle_disk = false;
    brain_committed(r->side[HEAD].brain, r->now, r->seq);
    pump(r);
    CHECK_EQ(8, r->reply_n);
    CHECK_EQ(r->now, vl_get_u64(r->reply));
    struct brain_counters first, last;
    brain_counters(r->side[HEAD].brain, &first);
    pass(r, 40000); /* it dials again */
    brain_counters(r->side[HEAD].brain, &last);
    CHECK(last.peers_denied > first.peers_denied && !member(r, 20));
    rig_end(r);
}
