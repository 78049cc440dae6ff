#include "trust/membership.h"

#include "base/map.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/roster.h"
#include "trust/signing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct membership {
    struct crypto_sign_key root;
    uint64_t cert_ttl_ms;
    struct counters_record counters;
    struct vl_map members;         /* node id -> owned struct member_record */
    struct ticket_record *tickets; /* owned; by (created_ms, secret_hash), so that a rebuilt book has the same order */
    size_t ticket_n;
    struct revocation_record *revoked; /* owned; by node */
    uint32_t revoked_n;
    vl_ms deadline;
};

typedef struct membership_event event;
typedef struct membership_result result;

/* --- life --- */

struct membership *membership_create(const struct crypto_sign_key *root, uint64_t cert_ttl_ms, size_t max_members,
                                     uint64_t seed) {
    assert(max_members > 0 && max_members <= VL_NODES_MAX);
    struct membership *m = calloc(1, sizeof *m);
    if (m == NULL) return NULL;
    m->root = *root;
    m->cert_ttl_ms = cert_ttl_ms ? cert_ttl_ms : MEMBERSHIP_CERT_TTL;
    m->counters.next_serial = 1;
    m->deadline = VL_MS_NEVER;
    vl_map_init(&m->members, sizeof(struct vl_node_id), max_members, seed);
    m->tickets = calloc(MEMBERSHIP_TICKETS_MAX, sizeof *m->tickets);
    m->revoked = calloc(REVOCATIONS_MAX, sizeof *m->revoked);
    if (m->tickets == NULL || m->revoked == NULL) {
        membership_destroy(m);
        return NULL;
    }
    return m;
}

void membership_destroy(struct membership *m) {
    if (m == NULL) return;
    const void *key;
    size_t it = 0;
    for (void *v; (v = vl_map_next(&m->members, &it, &key)) != NULL;) free(v);
    vl_map_free(&m->members);
    free(m->tickets);
    free(m->revoked);
    crypto_wipe(m, sizeof *m);
    free(m);
}

static void emit(result *ret, const struct membership_record *rec) {
    assert(ret->effects < MEMBERSHIP_EFFECTS_MAX);
    ret->effect[ret->effects++] = *rec;
}

static void emit_counters(const struct membership *m, result *ret) {
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_PUT_COUNTERS, .u.counters = m->counters });
}

/* --- tickets --- */

static void secret_hash(const uint8_t secret[TICKET_SECRET], uint8_t ret[32]) {
    struct vl_hash hash;
    crypto_blake2b256(vl_span(secret, TICKET_SECRET), &hash);
    memcpy(ret, hash.b, sizeof hash.b);
}

static struct ticket_id id_of_hash(const uint8_t hash[32]) {
    struct ticket_id id;
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

static bool id_eq(struct ticket_id a, struct ticket_id b) { return memcmp(a.b, b.b, sizeof a.b) == 0; }

struct ticket_id ticket_id_of(const uint8_t secret[TICKET_SECRET]) {
    uint8_t hash[32];
    secret_hash(secret, hash);
    return id_of_hash(hash);
}

static struct ticket_record *ticket_by_id(const struct membership *m, struct ticket_id id) {
    for (size_t i = 0; i < m->ticket_n; i++)
        if (id_eq(id_of_hash(m->tickets[i].secret_hash), id)) return &m->tickets[i];
    return NULL;
}

static bool ticket_live(const struct ticket_record *t, vl_ms now) {
    return !t->revoked && t->used < t->uses && now < t->expires_ms;
}

static void ticket_remove(struct membership *m, size_t i) {
    memmove(&m->tickets[i], &m->tickets[i + 1], (m->ticket_n - i - 1) * sizeof *m->tickets);
    m->ticket_n--;
}

static void ticket_insert(struct membership *m, const struct ticket_record *t) {
    assert(m->ticket_n < MEMBERSHIP_TICKETS_MAX);
    size_t i = m->ticket_n;
    for (; i > 0; i--) {
        const struct ticket_record *before = &m->tickets[i - 1];
        if (before->created_ms < t->created_ms ||
            (before->created_ms == t->created_ms && memcmp(before->secret_hash, t->secret_hash, 32) < 0))
            break;
        m->tickets[i] = *before;
    }
    m->tickets[i] = *t;
    m->ticket_n++;
}

/* There are fewer live tickets than places, so a dead one can always make room. */
static void ticket_forget_oldest_dead(struct membership *m, vl_ms now, result *ret) {
    for (size_t i = 0; i < m->ticket_n; i++) {
        if (ticket_live(&m->tickets[i], now)) continue;
        emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_DROP_TICKET, .u.ticket = m->tickets[i] });
        ticket_remove(m, i);
        return;
    }
}

static enum vl_err ticket_create(struct membership *m, const event *ev, result *ret) {
    struct ticket_record t = { .created_ms = ev->now,
                               .expires_ms = vl_ms_add(ev->now, ev->u.ticket_create.ttl_ms),
                               .uses = ev->u.ticket_create.uses,
                               .roles = ev->u.ticket_create.roles };
    uint64_t ttl = ev->u.ticket_create.ttl_ms;
    if (t.uses == 0 || t.uses > MEMBERSHIP_TICKET_USES_MAX || t.roles == 0 || (t.roles & ~CERT_ROLES_ALL) != 0 ||
        ttl < MEMBERSHIP_TICKET_TTL_MIN || ttl > MEMBERSHIP_TICKET_TTL_MAX || t.created_ms >= t.expires_ms)
        return VL_ERANGE;
    secret_hash(ev->u.ticket_create.secret, t.secret_hash);
    ret->ticket = id_of_hash(t.secret_hash);
    if (ticket_by_id(m, ret->ticket)) return VL_EEXISTS;
    size_t live = 0;
    for (size_t i = 0; i < m->ticket_n; i++) live += ticket_live(&m->tickets[i], ev->now);
    if (live >= MEMBERSHIP_TICKETS_LIVE) return VL_ELIMIT;
    if (m->ticket_n == MEMBERSHIP_TICKETS_MAX) ticket_forget_oldest_dead(m, ev->now, ret);
    ticket_insert(m, &t);
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET, .u.ticket = t });
    return VL_OK;
}

static enum vl_err ticket_revoke(struct membership *m, const event *ev, result *ret) {
    struct ticket_record *t = ticket_by_id(m, ev->u.ticket);
    if (t == NULL) return VL_ENOTFOUND;
    if (!ticket_live(t, ev->now)) return VL_OK;
    t->revoked = true;
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET, .u.ticket = *t });
    return VL_OK;
}

/* --- revocations --- */

/* Place of node in the sorted list, or where it would stand. */
static uint32_t revoked_place(const struct membership *m, struct vl_node_id node, bool *ret_found) {
    uint32_t low = 0, high = m->revoked_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = memcmp(m->revoked[mid].entry.node.b, node.b, sizeof node.b);
        if (order == 0) {
            *ret_found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = false;
    return low;
}

static const struct revocation_record *revoked_find(const struct membership *m, struct vl_node_id node) {
    bool found;
    uint32_t i = revoked_place(m, node, &found);
    return found ? &m->revoked[i] : NULL;
}

static enum vl_err revoked_put(struct membership *m, const struct revocation_record *rec) {
    bool found;
    uint32_t i = revoked_place(m, rec->entry.node, &found);
    if (!found) {
        if (m->revoked_n == REVOCATIONS_MAX) return VL_ELIMIT;
        memmove(&m->revoked[i + 1], &m->revoked[i], (m->revoked_n - i) * sizeof *m->revoked);
        m->revoked_n++;
    }
    m->revoked[i] = *rec;
    return VL_OK;
}

static void revoked_remove(struct membership *m, uint32_t i) {
    memmove(&m->revoked[i], &m->revoked[i + 1], (m->revoked_n - i - 1) * sizeof *m->revoked);
    m->revoked_n--;
}

static void list_changed(struct membership *m, vl_ms now, result *ret) {
    m->counters.list_number++;
    m->counters.list_issued_ms = now;
    ret->list_changed = true;
    emit_counters(m, ret);
}

/* --- members --- */

static struct member_record *member_find(const struct membership *m, struct vl_node_id node) {
    return vl_map_get(&m->members, node.b);
}

/* The member's slot, made when there is none. */
static enum vl_err member_slot(struct membership *m, struct vl_node_id node, struct member_record **ret) {
    struct member_record *slot = member_find(m, node);
    if (slot == NULL) {
        slot = calloc(1, sizeof *slot);
        if (slot == NULL) return VL_ENOMEM;
        enum vl_err err = vl_map_put(&m->members, node.b, slot);
        if (err) {
            free(slot);
            return err;
        }
    }
    *ret = slot;
    return VL_OK;
}

/* Signs the next certificate of a member and puts it into the book. */
static enum vl_err issue(struct membership *m, vl_ms now, const struct member_record *wanted, result *ret) {
    struct member_record rec = *wanted;
    rec.cert.serial = m->counters.next_serial;
    rec.cert.issued_ms = now;
    rec.cert.expires_ms = vl_ms_add(now, m->cert_ttl_ms);
    rec.until_ms = rec.until_ms > rec.cert.expires_ms ? rec.until_ms : rec.cert.expires_ms;
    enum vl_err err = cert_sign(&m->root, &rec.cert);
    if (err) return err;
    struct member_record *slot;
    err = member_slot(m, rec.cert.node, &slot);
    if (err) return err;
    *slot = rec;
    m->counters.next_serial++;
    ret->cert = rec.cert;
    emit_counters(m, ret);
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_PUT_MEMBER, .u.member = rec });
    return VL_OK;
}

/* What a certificate for this request says; a member's longest validity is carried on. */
static enum vl_err member_wanted(const struct membership *m, const event *ev, uint8_t roles, struct ticket_id ticket,
                                 struct member_record *ret) {
    const struct member_record *have = member_find(m, ev->u.join.node);
    const char *name = ev->u.join.name;
    if (name == NULL || cert_name_check(name) != VL_OK) return VL_EPARSE;
    *ret = (struct member_record){ .ticket = ticket, .until_ms = have ? have->until_ms : 0 };
    ret->cert.node = ev->u.join.node;
    memcpy(ret->cert.static_key, ev->u.join.static_key, sizeof ret->cert.static_key);
    ret->cert.roles = roles;
    memcpy(ret->cert.name, name, strlen(name));
    return VL_OK;
}

static bool same_static(const struct member_record *have, const event *ev) {
    return memcmp(have->cert.static_key, ev->u.join.static_key, sizeof have->cert.static_key) == 0;
}

static bool more_than_half_left(const struct cert *c, vl_ms now) {
    return now < c->expires_ms && c->expires_ms - now > (c->expires_ms - c->issued_ms) / 2;
}

static enum vl_err join(struct membership *m, const event *ev, result *ret) {
    uint8_t hash[32];
    secret_hash(ev->u.join.secret, hash);
    struct ticket_id id = id_of_hash(hash);
    struct ticket_record *t = ticket_by_id(m, id);
    if (t == NULL || !crypto_equal(t->secret_hash, hash, sizeof hash)) return VL_ENOTFOUND;
    const struct member_record *have = member_find(m, ev->u.join.node);
    if (have && same_static(have, ev) && ev->now < have->cert.expires_ms &&
        (id_eq(have->ticket, id) || ticket_live(t, ev->now))) {
        ret->cert = have->cert;
        return VL_OK;
    }
    const struct revocation_record *expelled = revoked_find(m, ev->u.join.node);
    if (t->revoked || (expelled && have == NULL && t->created_ms <= expelled->at_ms)) return VL_EDENIED;
    if (ev->now >= t->expires_ms) return VL_EEXPIRED;
    if (t->used >= t->uses) return VL_EUSED;
    uint8_t roles = (uint8_t)(ev->u.join.roles & t->roles);
    if (roles == 0) return VL_ERANGE;
    struct member_record wanted;
    enum vl_err err = member_wanted(m, ev, roles, id, &wanted);
    if (err == VL_OK) err = issue(m, ev->now, &wanted, ret);
    if (err) return err;
    t->used++;
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_PUT_TICKET, .u.ticket = *t });
    return VL_OK;
}

static enum vl_err admit(struct membership *m, const event *ev, result *ret) {
    if (ev->u.join.roles == 0 || (ev->u.join.roles & ~(uint32_t)CERT_ROLES_ALL) != 0) return VL_ERANGE;
    struct member_record wanted;
    enum vl_err err = member_wanted(m, ev, (uint8_t)ev->u.join.roles, (struct ticket_id){ { 0 } }, &wanted);
    if (err) return err;
    const struct member_record *have = member_find(m, ev->u.join.node);
    if (have && same_static(have, ev) && have->cert.roles == wanted.cert.roles &&
        strcmp(have->cert.name, wanted.cert.name) == 0 && more_than_half_left(&have->cert, ev->now)) {
        ret->cert = have->cert;
        return VL_OK;
    }
    return issue(m, ev->now, &wanted, ret);
}

static enum vl_err renew(struct membership *m, const event *ev, result *ret) {
    const struct member_record *have = member_find(m, ev->u.join.node);
    if (have == NULL) return revoked_find(m, ev->u.join.node) ? VL_EDENIED : VL_ENOTFOUND;
    if (ev->now >= have->cert.expires_ms) return VL_EEXPIRED;
    if (same_static(have, ev) && more_than_half_left(&have->cert, ev->now)) {
        ret->cert = have->cert;
        return VL_OK;
    }
    struct member_record wanted = *have;
    memcpy(wanted.cert.static_key, ev->u.join.static_key, sizeof wanted.cert.static_key);
    return issue(m, ev->now, &wanted, ret);
}

static enum vl_err succeed(struct membership *m, const event *ev, result *ret) {
    const struct member_record *have = member_find(m, ev->u.succeed.old), *there = member_find(m, ev->u.succeed.node);
    if (have == NULL) return revoked_find(m, ev->u.succeed.old) ? VL_EDENIED : VL_ENOTFOUND;
    if (ev->now >= have->cert.expires_ms) return VL_EEXPIRED;
    if (revoked_find(m, ev->u.succeed.node)) return VL_EDENIED;
    if (there && memcmp(there->cert.static_key, ev->u.succeed.static_key, 32) != 0) return VL_EEXISTS;
    if (there && ev->now < there->cert.expires_ms) {
        ret->cert = there->cert;
        return VL_OK;
    }
    struct member_record wanted = *have;
    wanted.until_ms = there ? there->until_ms : 0;
    wanted.cert.node = ev->u.succeed.node;
    memcpy(wanted.cert.static_key, ev->u.succeed.static_key, sizeof wanted.cert.static_key);
    return issue(m, ev->now, &wanted, ret);
}

static enum vl_err expel(struct membership *m, const event *ev, result *ret) {
    struct member_record *have = member_find(m, ev->u.node);
    if (have == NULL) return VL_ENOTFOUND;
    struct revocation_record rec = { .entry = { .node = ev->u.node, .serial = have->cert.serial },
                                     .at_ms = ev->now,
                                     .until_ms = vl_ms_add(have->until_ms, MEMBERSHIP_LIST_MARGIN) };
    const struct revocation_record *before = revoked_find(m, ev->u.node);
    if (before && before->until_ms > rec.until_ms) rec.until_ms = before->until_ms;
    enum vl_err err = revoked_put(m, &rec);
    if (err) return err;
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_DROP_MEMBER, .u.member = *have });
    emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_PUT_REVOCATION, .u.revocation = rec });
    list_changed(m, ev->now, ret);
    free(vl_map_del(&m->members, ev->u.node.b));
    return VL_OK;
}

static enum vl_err tick(struct membership *m, const event *ev, result *ret) {
    const size_t most =
        MEMBERSHIP_EFFECTS_MAX - 1; /* one is left for the counters; the rest comes with the next tick */
    for (size_t i = m->ticket_n; i-- > 0 && ret->effects < most;) {
        if (ev->now < vl_ms_add(m->tickets[i].expires_ms, MEMBERSHIP_TICKET_KEEP)) continue;
        emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_DROP_TICKET, .u.ticket = m->tickets[i] });
        ticket_remove(m, i);
    }
    bool shorter = false;
    for (uint32_t i = m->revoked_n; i-- > 0 && ret->effects < most;) {
        if (ev->now < m->revoked[i].until_ms) continue;
        emit(ret, &(struct membership_record){ .kind = MEMBERSHIP_DROP_REVOCATION, .u.revocation = m->revoked[i] });
        revoked_remove(m, i);
        shorter = true;
    }
    if (shorter) list_changed(m, ev->now, ret);
    return VL_OK;
}

/* --- restore --- */

static enum vl_err restore_ticket(struct membership *m, const struct ticket_record *t, bool drop) {
    struct ticket_record *have = ticket_by_id(m, id_of_hash(t->secret_hash));
    if (have) ticket_remove(m, (size_t)(have - m->tickets));
    if (drop) return VL_OK;
    if (m->ticket_n == MEMBERSHIP_TICKETS_MAX) return VL_ELIMIT;
    ticket_insert(m, t);
    return VL_OK;
}

static enum vl_err restore_member(struct membership *m, const struct member_record *rec) {
    if (memcmp(rec->cert.root, m->root.public, sizeof rec->cert.root) != 0) return VL_EPARSE;
    struct member_record *slot;
    enum vl_err err = member_slot(m, rec->cert.node, &slot);
    if (err) return err;
    *slot = *rec;
    if (m->counters.next_serial <= rec->cert.serial) m->counters.next_serial = rec->cert.serial + 1;
    return VL_OK;
}

static enum vl_err restore(struct membership *m, const struct membership_record *rec) {
    bool found;
    uint32_t i;
    switch (rec->kind) {
    case MEMBERSHIP_PUT_COUNTERS:
        if (m->counters.next_serial < rec->u.counters.next_serial)
            m->counters.next_serial = rec->u.counters.next_serial;
        if (m->counters.list_number > rec->u.counters.list_number) return VL_OK;
        m->counters.list_number = rec->u.counters.list_number;
        m->counters.list_issued_ms = rec->u.counters.list_issued_ms;
        return VL_OK;
    case MEMBERSHIP_PUT_TICKET:
        return restore_ticket(m, &rec->u.ticket, false);
    case MEMBERSHIP_DROP_TICKET:
        return restore_ticket(m, &rec->u.ticket, true);
    case MEMBERSHIP_PUT_MEMBER:
        return restore_member(m, &rec->u.member);
    case MEMBERSHIP_DROP_MEMBER:
        free(vl_map_del(&m->members, rec->u.member.cert.node.b));
        return VL_OK;
    case MEMBERSHIP_PUT_REVOCATION:
        return revoked_put(m, &rec->u.revocation);
    case MEMBERSHIP_DROP_REVOCATION:
        i = revoked_place(m, rec->u.revocation.entry.node, &found);
        if (found) revoked_remove(m, i);
        return VL_OK;
    }
    return VL_EPARSE;
}

/* --- step --- */

static vl_ms next_deadline(const struct membership *m) {
    vl_ms at = VL_MS_NEVER;
    for (size_t i = 0; i < m->ticket_n; i++)
        at = vl_ms_min(at, vl_ms_add(m->tickets[i].expires_ms, MEMBERSHIP_TICKET_KEEP));
    for (uint32_t i = 0; i < m->revoked_n; i++) at = vl_ms_min(at, m->revoked[i].until_ms);
    return at;
}

static enum vl_err dispatch(struct membership *m, const event *ev, result *ret) {
    switch (ev->kind) {
    case MEMBERSHIP_TICKET_CREATE:
        return ticket_create(m, ev, ret);
    case MEMBERSHIP_TICKET_REVOKE:
        return ticket_revoke(m, ev, ret);
    case MEMBERSHIP_JOIN:
        return join(m, ev, ret);
    case MEMBERSHIP_ADMIT:
        return admit(m, ev, ret);
    case MEMBERSHIP_RENEW:
        return renew(m, ev, ret);
    case MEMBERSHIP_SUCCEED:
        return succeed(m, ev, ret);
    case MEMBERSHIP_EXPEL:
        return expel(m, ev, ret);
    case MEMBERSHIP_TICK:
        return tick(m, ev, ret);
    case MEMBERSHIP_RESTORE:
        return restore(m, &ev->u.restore);
    }
    return VL_ERANGE;
}

enum vl_err membership_step(struct membership *m, const event *ev, result *ret) {
    memset(ret, 0, sizeof *ret);
    enum vl_err err = dispatch(m, ev, ret);
    if (err)
        memset(ret, 0, sizeof *ret);
    else if (ret->effects > 0 || (ev->kind == MEMBERSHIP_RESTORE && ev->u.restore.kind != MEMBERSHIP_PUT_MEMBER))
        m->deadline = next_deadline(m);
    return err;
}

vl_ms membership_deadline(const struct membership *m) { return m->deadline; }

const char *membership_problem(enum vl_err err) {
    if (err == VL_OK) return "welcome";
    if (err == VL_ENOTFOUND) return "this village knows no such ticket: ask its owner for a new one";
    if (err == VL_EDENIED)
        return "the ticket was revoked, or this node was expelled: ask the village's owner for a new one";
    if (err == VL_EEXPIRED) return "the ticket has expired: ask the village's owner for a new one";
    if (err == VL_EUSED) return "the ticket is used up: ask the village's owner for a new one";
    if (err == VL_ELIMIT) return "the village is full";
    if (err == VL_EPARSE) return "the node's name is not usable: 1 to 63 bytes of UTF-8 without control characters";
    if (err == VL_ERANGE) return "the ticket grants none of the roles that were asked for";
    return "the village could not take the node in: try again";
}

/* --- views --- */

struct village_id membership_village(const struct membership *m) {
    return village_id_of(m->root.public);
}
size_t membership_count(const struct membership *m) { return m->members.len; }
const struct member_record *membership_get(const struct membership *m, struct vl_node_id node) {
    return member_find(m, node);
}
size_t membership_ticket_count(const struct membership *m) { return m->ticket_n; }
const struct ticket_record *membership_ticket_at(const struct membership *m, size_t i) {
    assert(i < m->ticket_n);
    return &m->tickets[i];
}

enum vl_err membership_revocations(const struct membership *m, uint8_t *dst, size_t cap, size_t *ret_n) {
    if (m->counters.list_number == 0) {
        *ret_n = 0;
        return VL_OK;
    }
    struct revocation *v = calloc(m->revoked_n ? m->revoked_n : 1, sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < m->revoked_n; i++) {
        v[i] = m->revoked[i].entry;
        v[i].at_ms = m->revoked[i].at_ms;
    }
    size_t n = 0;
    enum vl_err err = revocations_encode_body(m->root.public, m->counters.list_number, m->counters.list_issued_ms, v,
                                              m->revoked_n, dst, cap, &n);
    free(v);
    if (err == VL_OK) err = revocations_sign(&m->root, dst, n);
    if (err == VL_OK) *ret_n = n + CERT_SIGNATURE;
    return err;
}
