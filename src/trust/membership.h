/* membership.h - the coordinator's book of its village: tickets, members, expulsions; signs with the root key.
 * Core: pure.  One event in, a result and a list of records to persist out; the records put back (in the order written,
 * or only the last of each key) rebuild it.  Ticket and node secrets are never in a record.
 * The caller persists the effects before it lets the result out. */
#ifndef VL_TRUST_MEMBERSHIP_H
#define VL_TRUST_MEMBERSHIP_H

#include "base/bounds.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/sign.h"
#include "wire/cert.h"
#include "wire/ticket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMBERSHIP_TICKETS_LIVE 1000u /* tickets that can still admit somebody */
#define MEMBERSHIP_TICKETS_MAX 2000u  /* with the dead, kept so that their holder gets a clear answer */
#define MEMBERSHIP_TICKET_USES_MAX 1000u
#define MEMBERSHIP_TICKET_TTL_MIN 60000u      /* 1 min */
#define MEMBERSHIP_TICKET_TTL_MAX 2592000000u /* 30 days */
#define MEMBERSHIP_TICKET_KEEP 604800000u     /* 7 days: how long a dead ticket is remembered */
#define MEMBERSHIP_CERT_TTL 31536000000u      /* 365 days, when create is given 0 */
#define MEMBERSHIP_EFFECTS_MAX 16u
#define MEMBERSHIP_LIST_MARGIN 86400000u /* 1 day in the list after expiry, for slow clocks */
#define MEMBERSHIP_RECORD_MAX (CERT_BYTES_MAX + 18u)
#define MEMBERSHIP_TICKET_ID 8u

/* First 8 bytes of the BLAKE2b-256 of the secret; shown as 16 hex digits. */
struct ticket_id {
    uint8_t b[MEMBERSHIP_TICKET_ID];
};
struct ticket_id ticket_id_of(const uint8_t secret[TICKET_SECRET]);

struct ticket_record {
    uint8_t secret_hash[32]; /* never the secret */
    vl_ms created_ms, expires_ms;
    uint32_t uses, used;
    uint8_t roles; /* the most that it may grant */
    bool revoked;
};
struct member_record {
    struct cert cert;        /* the newest */
    struct ticket_id ticket; /* that admitted it; zeros: admitted without one */
    vl_ms until_ms;          /* when the last of its certificates, old ones too, has expired */
};
struct revocation_record {
    struct revocation entry;
    vl_ms at_ms;    /* expelled; tickets made before do not let it in again */
    vl_ms until_ms; /* forgotten then: the last certificate it names has expired */
};
struct counters_record {
    uint64_t next_serial;
    uint64_t list_number; /* of the revocation list; 0: no list yet */
    vl_ms list_issued_ms;
};

/* Stable: stored. */
enum membership_record_kind {
    MEMBERSHIP_PUT_COUNTERS = 1,
    MEMBERSHIP_PUT_TICKET = 2,
    MEMBERSHIP_DROP_TICKET = 3, /* ticket.secret_hash only */
    MEMBERSHIP_PUT_MEMBER = 4,
    MEMBERSHIP_DROP_MEMBER = 5, /* member.cert.node only */
    MEMBERSHIP_PUT_REVOCATION = 6,
    MEMBERSHIP_DROP_REVOCATION = 7, /* revocation.entry.node only */
};
struct membership_record {
    enum membership_record_kind kind;
    union {
        struct counters_record counters;
        struct ticket_record ticket;
        struct member_record member;
        struct revocation_record revocation;
    } u;
};
/* VL_ELIMIT: cap too small (MEMBERSHIP_RECORD_MAX does).  VL_ERANGE: a field out of range. */
VL_MUST_CHECK enum vl_err membership_record_encode(const struct membership_record *rec, uint8_t *dst, size_t cap,
                                                   size_t *ret_n);
/* VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err membership_record_decode(struct vl_span in, struct membership_record *ret);

enum membership_event_kind {
    MEMBERSHIP_TICKET_CREATE, /* ticket_create */
    MEMBERSHIP_TICKET_REVOKE, /* ticket */
    MEMBERSHIP_JOIN,          /* join, with secret */
    MEMBERSHIP_ADMIT,         /* join, without: the owner's own nodes (the coordinator itself) */
    MEMBERSHIP_RENEW,         /* join: node and static_key only */
    MEMBERSHIP_SUCCEED,       /* succeed: the same member under a new key; both are members until the old one is expelled */
    MEMBERSHIP_EXPEL,         /* node */
    MEMBERSHIP_TICK,          /* forget what is long dead; see membership_deadline() */
    MEMBERSHIP_RESTORE,       /* restore; now is ignored */
};
/* Borrowed during the step. */
struct membership_event {
    enum membership_event_kind kind;
    vl_ms now;
    union {
        struct {
            uint8_t secret[TICKET_SECRET]; /* random, from the caller */
            uint32_t uses;                 /* 1..MEMBERSHIP_TICKET_USES_MAX */
            uint64_t ttl_ms;               /* MEMBERSHIP_TICKET_TTL_MIN..MAX */
            uint8_t roles;                 /* the most that it may grant; at least one */
        } ticket_create;
        struct ticket_id ticket;
        struct {
            uint8_t secret[TICKET_SECRET];
            struct vl_node_id node; /* the link has proved that the peer holds this key ... */
            uint8_t static_key[32]; /* ... and this one */
            const char *name;
            uint32_t roles; /* wanted; granted are those that the ticket grants too */
        } join;
        struct {
            struct vl_node_id old, node; /* the caller has checked that each signed for the other (trust/succession.h) */
            uint8_t static_key[32];
        } succeed;
        struct vl_node_id node;
        struct membership_record restore;
    } u;
};

struct membership_result {
    struct cert cert;        /* JOIN, ADMIT, RENEW, SUCCEED */
    struct ticket_id ticket; /* TICKET_CREATE */
    bool list_changed;       /* publish membership_revocations() */
    size_t effects;
    struct membership_record effect[MEMBERSHIP_EFFECTS_MAX];
};

struct membership;
/* Copies the root key; cert_ttl_ms 0 means MEMBERSHIP_CERT_TTL; max_members 1..VL_NODES_MAX; seed for its hash table.
 * NULL: out of memory.  Returns owned; destroy wipes the key. */
struct membership *membership_create(const struct crypto_sign_key *root, uint64_t cert_ttl_ms, size_t max_members,
                                     uint64_t seed);
void membership_destroy(struct membership *m);

/* On any error nothing has changed and no effect is in the result.
 *
 * - TICKET_CREATE: VL_ERANGE; VL_ELIMIT live tickets; VL_EEXISTS this very secret.
 * - TICKET_REVOKE: VL_ENOTFOUND; VL_OK also when it is dead already.
 * - JOIN: VL_ENOTFOUND unknown ticket; VL_EDENIED revoked, or made before this node was expelled; VL_EEXPIRED;
 *   VL_EUSED; VL_ELIMIT the village is full; VL_EPARSE name; VL_ERANGE no role in common.  A member that asks again
 *   with the keys of its certificate, while that is valid, gets the same certificate and no use is taken (a lost reply
 *   costs nothing): with its own ticket even when that is dead.
 * - ADMIT: VL_ELIMIT, VL_EPARSE, VL_ERANGE.  The same certificate while keys, name and roles are the same and more than
 *   half of its life is left: send it at every start.
 * - RENEW: VL_ENOTFOUND not a member; VL_EDENIED expelled; VL_EEXPIRED too late, it needs a ticket.  While more than
 *   half of its life is left and the static key is the same, the certificate it has.
 * - SUCCEED: VL_ENOTFOUND old is not a member; VL_EEXPIRED its certificate; VL_EDENIED it, or the new key, was expelled;
 *   VL_EEXISTS the new key is a member's already, with another static key; with the same one it gets what it has.  VL_ELIMIT.
 * - EXPEL: VL_ENOTFOUND; VL_ELIMIT the revocation list is full.
 * - RESTORE: VL_EPARSE contradiction; VL_ELIMIT.
 * - All: VL_ENOMEM. */
VL_MUST_CHECK enum vl_err membership_step(struct membership *m, const struct membership_event *ev,
                                          struct membership_result *ret);
/* When to send TICK; VL_MS_NEVER when there is nothing to forget. */
vl_ms membership_deadline(const struct membership *m);
/* What to tell the one who asked to join.  Static storage. */
const char *membership_problem(enum vl_err err);

struct village_id membership_village(const struct membership *m);
size_t membership_count(const struct membership *m);
/* NULL: not a member.  Borrowed until the next step. */
const struct member_record *membership_get(const struct membership *m, struct vl_node_id node);
size_t membership_ticket_count(const struct membership *m);
/* i < count, oldest first.  Borrowed until the next step. */
const struct ticket_record *membership_ticket_at(const struct membership *m, size_t i);
/* The signed list; 0 bytes when there is none yet.  VL_ELIMIT: cap too small (REVOCATIONS_BYTES_MAX does). */
VL_MUST_CHECK enum vl_err membership_revocations(const struct membership *m, uint8_t *dst, size_t cap, size_t *ret_n);

#endif
