/* A member that replaces its keys (TRU-01).  It makes the next pair, and old and new key sign for each other; the coordinator gives the
 * new one a certificate and the old one no more work; when what runs has ended and been told, the shell puts the new pair in the old
 * one's place and starts this brain again under it.  The first link of the new key retires the old one.
 *
 *   member                                              coordinator
 *     next pair in node.keys (shell), brain_rotate()
 *     LINK_SUCCEED  statement ----------------------->  verified, MEMBERSHIP_SUCCEED, RECORDs
 *                                                       old: maintenance                      ==== commit ====
 *     <----------------------- LINK_SUCCEED_REPLY       certificate of the new key
 *     ITEM_HEIR     ==== commit ====
 *     tasks end, outbox empties: BRAIN_ROTATE
 *     node.keys: next becomes current (shell), brain anew
 *     new key dials ---------------------------------->  old: expelled; its jobs and reputation go to the new one
 *
 * Killed anywhere, it begins again: the statement is made anew from node.keys, and the coordinator answers the same pair with the same
 * certificate. */
#include "brain/priv.h"

#include "crypto/random.h"
#include "trust/succession.h"

#include <stdlib.h>
#include <string.h>

#define DRAIN_MS 86400000u /* a task that runs longer is lost with the old key, and done again elsewhere */
#define LOOK_MS 250u       /* between two looks whether all has ended */

struct keys {
    struct succession_book *book; /* coordinator */
    /* member */
    bool rotating, draining, told;
    uint8_t static_key[32];
    struct crypto_sign_key next;
    vl_ms look_at, drain_until;
};

enum vl_err keys_create(struct brain *b) {
    b->keys = calloc(1, sizeof *b->keys);
    if (b->keys == NULL) return VL_ENOMEM;
    b->keys->look_at = VL_MS_NEVER;
    if (!b->cfg.coordinator) return VL_OK;
    b->keys->book = succession_book_create(roster_village(b->roster), vl_prng_next(&b->rng));
    return b->keys->book ? VL_OK : VL_ENOMEM;
}

void keys_destroy(struct brain *b) {
    if (b->keys == NULL) return;
    succession_book_destroy(b->keys->book);
    crypto_wipe(b->keys, sizeof *b->keys);
    free(b->keys);
}

struct vl_node_id keys_origin(const struct brain *b, struct vl_node_id node) {
    return b->keys->book ? succession_origin(b->keys->book, node) : node;
}

/* ---- coordinator ---- */

enum vl_err keys_restore(struct brain *b, const struct record *r) {
    struct succession s;
    bool fresh;
    if (b->keys->book == NULL) return VL_OK;
    enum vl_err err = succession_decode(r->bytes, &s);
    if (err == VL_OK) err = succession_take(b->keys->book, &s, &fresh);
    return err == VL_ENOMEM ? err : err ? VL_ECORRUPT : VL_OK;
}

static enum vl_err succession_admit(struct brain *b, const struct peer *p, const struct succession *s, struct cert *ret) {
    struct membership_event ev = { .kind = MEMBERSHIP_SUCCEED, .now = b->now, .u.succeed = { .old = s->old, .node = s->next } };
    bool fresh = false;
    uint8_t bytes[SUCCESSION_BYTES];
    if (!vl_node_eq(s->old, p->node) || vl_node_eq(s->old, b->self) || vl_node_eq(s->next, b->self)) return VL_EDENIED;
    enum vl_err err = succession_may(b->keys->book, s, b->now);
    if (err) return err;
    memcpy(ev.u.succeed.static_key, s->static_key, 32);
    err = coordinator_member(b, &ev, ret);
    if (err) return err;
    if (succession_take(b->keys->book, s, &fresh)) { /* it may: only memory can be missing */
        out_of_memory(b);
        return VL_ENOMEM;
    }
    if (!fresh) return VL_OK;
    succession_encode(s, bytes);
    item_put(b, ITEM_SUCCESSION, s->next.b, 0, vl_span(bytes, sizeof bytes));
    coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_MAINTENANCE, .now = b->now, .node = s->old, .flag = true });
    note(b, VL_OK, s->old, "a member has made its next key: this one gets no new tasks");
    return VL_OK;
}

void keys_succeed(struct brain *b, const struct peer *p, struct vl_span body) {
    struct succession s;
    struct link_join_reply answer = { 0 };
    struct cert cert;
    struct vl_buf buf;
    enum vl_err err = b->cfg.coordinator ? succession_decode(body, &s) : VL_EPARSE;
    if (err) {
        b->counters.messages_bad++;
        return;
    }
    err = succession_admit(b, p, &s, &cert);
    if (err == VL_OK) err = cert_encode(&cert, answer.cert, sizeof answer.cert, &answer.cert_len);
    answer.code = err;
    memcpy(answer.root_key, b->cfg.root_key, sizeof answer.root_key);
    if (err) note(b, err, p->node, "a new key was refused");
    vl_buf_init(&buf, 4096);
    if (link_join_reply_encode(&answer, &buf) == VL_OK)
        held_inside(b, OUT_SEND, p->node, LANE_CONTROL, LINK_SUCCEED_REPLY, vl_span(buf.p + 1, buf.len - 1));
    vl_buf_free(&buf);
}

void keys_peer_up(struct brain *b, struct vl_node_id node) {
    const struct succession *s = b->keys->book ? succession_to(b->keys->book, node) : NULL;
    if (s == NULL || membership_get(b->membership, s->old) == NULL) return;
    struct vl_node_id old = s->old;
    remote_in_renamed(b, old, node);
    quorum_renamed(b, old, node);
    enum vl_err err = coordinator_expel(b, old);
    note(b, err, node, "a member goes on under its next key: the one before is revoked");
}

const struct succession *brain_succession_to(const struct brain *b, struct vl_node_id node) {
    return b->keys->book ? succession_to(b->keys->book, node) : NULL;
}
struct vl_node_id brain_origin(const struct brain *b, struct vl_node_id node) { return keys_origin(b, node); }
struct vl_span brain_revocations(const struct brain *b) { return roster_list(b->roster); }

/* ---- member ---- */

static void ask(struct brain *b) {
    struct succession s = { .village = roster_village(b->roster), .at_ms = b->now };
    uint8_t bytes[SUCCESSION_BYTES];
    memcpy(s.static_key, b->keys->static_key, 32);
    succession_sign(&b->key, &b->keys->next, &s);
    succession_encode(&s, bytes);
    (void)link_send(b, b->coordinator, LANE_CONTROL, LINK_SUCCEED, vl_span(bytes, sizeof bytes), (struct vl_span){ 0 });
}

void keys_ask(struct brain *b) {
    if (b->keys->rotating && !b->keys->draining && b->member) ask(b);
}

static void take_next(struct brain *b, const uint8_t seed[32], const uint8_t secret[32]) {
    struct crypto_dh_key link;
    crypto_sign_key_from_seed(seed, &b->keys->next);
    crypto_dh_key_from_seed(secret, &link);
    memcpy(b->keys->static_key, link.public, 32);
    crypto_dh_key_wipe(&link);
    b->keys->rotating = true;
}

void keys_start(struct brain *b) {
    if (b->cfg.has_next && !b->cfg.coordinator) take_next(b, b->cfg.next_seed, b->cfg.next_secret);
}

static enum vl_err may_rotate(const struct brain *b, const char **ret_why) {
    if (b->cfg.coordinator) {
        *ret_why = "the coordinator's keys name the village in every ticket and certificate: they are not replaced";
        return VL_EUNSUPPORTED;
    }
    if (!b->member) {
        *ret_why = "this node is no member yet";
        return VL_ESTATE;
    }
    if (mix_authority(b, b->self)) {
        *ret_why = "the charter of the private network names this node's key as an authority: name another one first (village mix authorities)";
        return VL_ESTATE;
    }
    return VL_OK;
}

enum vl_err brain_rotate_check(const struct brain *b, const char **ret_why) { return may_rotate(b, ret_why); }

void brain_rotate(struct brain *b, vl_ms now, uint64_t token, const uint8_t next_seed[32], const uint8_t next_secret[32]) {
    const char *why = NULL;
    step_begin(b, now);
    enum vl_err err = may_rotate(b, &why);
    if (err == VL_OK && !b->keys->rotating) {
        take_next(b, next_seed, next_secret);
        keys_ask(b);
    }
    reply(b, token, err, why, err ? (struct vl_span){ 0 } : vl_span(b->keys->next.public, 32));
    step_end(b);
}

static bool for_good(enum vl_err err) { return err == VL_EDENIED || err == VL_EEXISTS || err == VL_ECRYPTO || err == VL_EEXPIRED; }

void keys_reply(struct brain *b, struct vl_span body) {
    struct link_join_reply m;
    struct cert cert;
    struct keys *k = b->keys;
    static const uint8_t zeros[32];
    if (!k->rotating || k->draining || link_join_reply_decode(body, &m)) {
        b->counters.messages_bad += !k->draining;
        return;
    }
    enum vl_err err = m.code;
    if (err == VL_OK) err = roster_check(b->roster, vl_span(m.cert, m.cert_len), b->now, &cert);
    if (err == VL_OK && (memcmp(cert.node.b, k->next.public, 32) != 0 || memcmp(cert.static_key, k->static_key, 32) != 0)) err = VL_ECRYPTO;
    if (err && for_good(err)) {
        effect_held(b, BRAIN_ROTATE, (struct vl_span){ 0 }, "the coordinator refused the next key")->err = err;
        k->rotating = false;
        crypto_sign_key_wipe(&k->next);
    } else if (err) {
        note(b, err, b->coordinator, "the next key has no certificate yet: asked for again");
    } else {
        item_put(b, ITEM_HEIR, zeros, 0, vl_span(m.cert, m.cert_len));
        k->draining = true;
        k->look_at = b->now;
        k->drain_until = vl_ms_add(b->now, DRAIN_MS);
    }
}

void keys_tick(struct brain *b) {
    struct keys *k = b->keys;
    if (b->now < k->look_at) return;
    k->look_at = vl_ms_add(b->now, LOOK_MS);
    bool quiet = b->tasks == NULL && delivery_pending(b->delivery, b->coordinator) == 0;
    if (!k->draining || k->told || (!quiet && b->now < k->drain_until)) return;
    k->told = true;
    k->look_at = VL_MS_NEVER;
    effect_held(b, BRAIN_ROTATE, vl_span(k->next.public, 32), NULL);
}

vl_ms keys_deadline(const struct brain *b) { return b->keys->look_at; }

bool brain_rotating(const struct brain *b) { return b->keys->rotating; }
