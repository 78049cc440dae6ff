/* Messages of a round: descriptors, votes, echoes, proofs, signatures. */
#include "mix/authority_priv.h"

#include "crypto/random.h"
#include "mix/consensus_priv.h"

#include <stdlib.h>
#include <string.h>

#define STATEMENT_BYTES (1u + 32u + CRYPTO_SIGNATURE)
#define ECHO_MAX (16u + MIX_AUTHORITIES_MAX * STATEMENT_BYTES)

/* --- descriptors --- */

static int by_bytes32(const void *a, const void *b) { return memcmp(a, b, 32); }

static bool is_missing(const struct authority *a, const uint8_t digest[32]) {
    return a->missing_n > 0 && bsearch(digest, a->missing, a->missing_n, 32, by_bytes32) != NULL;
}

/* Newcomers get the places that the nodes of the last consensus leave, so that no flood of them drives those out. */
static bool has_room(const struct authority *a, const struct held *h) {
    const struct mix_consensus *c = &a->newest.c;
    if (h->known) return true;
    if ((h->d.roles & MIX_ROLES_RELAY) && a->relays_n - a->known_relays_n + c->relays_n >= MIX_RELAYS_MAX) return false;
    return (h->d.roles & MIX_ROLE_CLIENT) == 0 || a->clients_n - a->known_clients_n + c->clients_n < MIX_CLIENTS_MAX;
}

static enum vl_err keep(struct authority *a, const struct held *h) {
    struct held *copy = malloc(sizeof *copy);
    if (copy == NULL) return VL_ENOMEM;
    *copy = *h;
    enum vl_err err = vl_map_put(&a->by_digest, copy->digest, copy);
    if (!err && copy->direct) {
        err = vl_map_put(&a->by_node, copy->d.node.b, copy);
        if (err) vl_map_del(&a->by_digest, copy->digest);
    }
    if (err) {
        free(copy);
        return err;
    }
    if (!copy->direct) return VL_OK;
    bool relay = (copy->d.roles & MIX_ROLES_RELAY) != 0, client = (copy->d.roles & MIX_ROLE_CLIENT) != 0;
    a->relays_n += relay;
    a->clients_n += client;
    a->known_relays_n += relay && copy->known;
    a->known_clients_n += client && copy->known;
    a->stats.descriptors++;
    return VL_OK;
}

/* From the node itself.  That it came over its link is what shows its membership: hearsay gets nobody into our vote. */
static enum vl_err take_direct(struct authority *a, vl_ms now, struct held *h) {
    if (!authority_before(a, now, STEP_VOTE)) return VL_ESTALE;
    h->direct = true;
    h->known =
        mix_relay_by_node(&a->newest.c, h->d.node) != NULL || mix_client_by_node(&a->newest.c, h->d.node) != NULL;
    return has_room(a, h) ? keep(a, h) : VL_ELIMIT;
}

/* From another authority, because we asked. */
static enum vl_err take_missing(struct authority *a, vl_ms now, const struct held *h) {
    enum vl_err err = keep(a, h);
    if (err) return err;
    uint8_t(*at)[32] = bsearch(h->digest, a->missing, a->missing_n, 32, by_bytes32);
    memmove(at, at + 1, (size_t)((a->missing + a->missing_n) - (at + 1)) * 32);
    if (--a->missing_n == 0) authority_finish(a, now);
    return VL_OK;
}

enum vl_err authority_on_descriptor(struct authority *a, vl_ms now, struct vl_node_id from, int index,
                                    uint16_t reputation, struct vl_span body) {
    struct held h;
    memset(&h, 0, sizeof h);
    mix_descriptor_digest(body, h.digest);
    struct held *old = vl_map_get(&a->by_node, from.b);
    if (old != NULL && memcmp(old->digest, h.digest, 32) == 0) {
        old->reputation = reputation <= MIX_REPUTATION_MAX ? reputation : MIX_REPUTATION_MAX;
        return VL_OK; /* again, as it should */
    }
    bool wanted = is_missing(a, h.digest);
    if (index < 0 && old != NULL) return VL_EEXISTS; /* before the cost of a signature */
    enum vl_err err = mix_descriptor_decode(body, &h.d);
    if (err) return err;
    if (h.d.epoch != a->epoch) return h.d.epoch < a->epoch ? VL_ESTALE : VL_ERANGE;
    if (wanted && index >= 0) return take_missing(a, now, &h);
    if (!vl_node_eq(h.d.node, from)) return VL_EDENIED;
    if (old != NULL) return VL_EEXISTS;
    h.reputation = reputation <= MIX_REPUTATION_MAX ? reputation : MIX_REPUTATION_MAX;
    return take_direct(a, now, &h);
}

/* --- what an authority has signed --- */

/* Two statements that contradict each other: told to all, once. */
static enum vl_err accuse(struct authority *a, int index, const struct mix_statement *x,
                          const struct mix_statement *y) {
    struct ballot *b = &a->ballot[index];
    struct mix_equivocation e;
    uint8_t head = AUTHORITY_EQUIVOCATION;
    struct vl_buf message;
    if (b->accused) return VL_OK;
    enum vl_err err = mix_equivocation_of(a->cfg.charter.authority[index].node, x, y, &e);
    if (err) return err;
    vl_buf_init(&message, 1024);
    err = vl_buf_append(&message, &head, 1);
    if (!err) err = mix_equivocation_encode(&e, &message);
    vl_buf_clear(&a->proof[index]);
    if (!err) err = vl_buf_append(&a->proof[index], message.p + 1, message.len - 1);
    if (!err) err = authority_emit(a, AUTHORITY_ACCUSE, vl_span(message.p, message.len));
    if (!err) {
        authority_send_all(a, AUTHORITY_EQUIVOCATION, vl_span(message.p + 1, message.len - 1));
        b->accused = true;
        a->stats.equivocations++;
    }
    vl_buf_free(&message);
    return err;
}

/* A checked statement on a vote of `index`, told by `from`.  Only what is in time may change which votes count: what
 * comes later could be known to us alone.  VL_ESTALE; VL_ENOMEM. */
static enum vl_err admit(struct authority *a, vl_ms now, int index, int from, const struct mix_statement *s) {
    struct ballot *b = &a->ballot[index];
    bool timely = authority_before(a, now, from == index ? STEP_DIRECT : STEP_COMPUTE);
    if (b->heads == 0) {
        if (!timely) return VL_ESTALE;
        b->heads = 1;
        b->head = *s;
        return VL_OK;
    }
    if (memcmp(b->head.hash, s->hash, 32) == 0) return VL_OK;
    enum vl_err err = accuse(a, index, &b->head, s);
    if (err) return err;
    if (!timely) return VL_ESTALE;
    b->heads = 2;
    return VL_OK;
}

/* Statement of index, unless it is the one we know: signatures cost. */
static enum vl_err check(const struct authority *a, int index, const struct mix_statement *s,
                         const struct mix_statement *known) {
    if (known != NULL && memcmp(known->hash, s->hash, 32) == 0 && memcmp(known->signature, s->signature, 64) == 0)
        return VL_OK;
    return mix_statement_check(s, &a->cfg.charter, a->cfg.charter.authority[index].node);
}

/* --- votes --- */

static int by_digest(const void *a, const void *b) {
    return memcmp(((const struct mix_vote_entry *)a)->digest, ((const struct mix_vote_entry *)b)->digest, 32);
}

static enum vl_err vote_entries(const struct authority *a, struct mix_vote *v) {
    const void *key;
    size_t it = 0;
    v->entries = calloc(a->by_node.len + 1, sizeof *v->entries);
    if (v->entries == NULL) return VL_ENOMEM;
    for (const struct held *h; (h = vl_map_next(&a->by_node, &it, &key)) != NULL;) {
        struct mix_vote_entry *e = &v->entries[v->entries_n++];
        memcpy(e->digest, h->digest, 32);
        e->reputation = h->reputation;
    }
    qsort(v->entries, v->entries_n, sizeof *v->entries, by_digest);
    return VL_OK;
}

enum vl_err authority_vote(struct authority *a) {
    struct ballot *b = &a->ballot[a->self];
    struct mix_vote v = { .epoch = a->epoch, .previous_epoch = a->newest.c.epoch };
    uint8_t next[32];
    memcpy(v.previous, a->newest.c.hash, 32);
    authority_share(a, a->epoch, v.reveal);
    authority_share(a, a->epoch + 1, next);
    mix_share_step(next, v.commitment);
    crypto_wipe(next, sizeof next);
    memcpy(v.delay_ms, a->cfg.delay_ms, sizeof v.delay_ms);
    v.tolerance_permille = a->cfg.tolerance_permille;
    v.anonymity_floor = a->cfg.anonymity_floor;
    /* What we know of ourselves already comes from an earlier life, whose state was lost: never a second vote. */
    if (v.previous_epoch >= v.epoch || b->heads > 0) return VL_ESTATE;
    enum vl_err err = vote_entries(a, &v);
    if (!err) err = mix_vote_sign(&v, &a->cfg.charter, a->cfg.key, &b->bytes);
    if (!err) {
        b->have = true;
        err = authority_store(a);
    }
    if (err) {
        b->have = false;
        vl_buf_clear(&b->bytes);
        mix_vote_free(&v);
        return err;
    }
    b->vote = v;
    b->heads = 1;
    b->head = v.statement;
    b->holders = 1u << a->self;
    return VL_OK;
}

enum vl_err authority_on_vote(struct authority *a, vl_ms now, int from, struct vl_span body) {
    struct mix_vote v;
    enum vl_err err = mix_vote_decode(body, &a->cfg.charter, &v);
    if (err) return err;
    int index = mix_charter_find(&a->cfg.charter, v.authority);
    struct ballot *b = &a->ballot[index];
    if (v.epoch != a->epoch) err = v.epoch < a->epoch ? VL_ESTALE : VL_ERANGE;
    if (!err) err = admit(a, now, index, from, &v.statement);
    if (!err && memcmp(b->head.hash, v.statement.hash, 32) == 0) {
        b->holders |= 1u << from;
        if (!b->have) err = vl_buf_append(&b->bytes, body.p, body.n);
        if (!err && !b->have) {
            b->vote = v;
            b->have = true;
            memset(&v, 0, sizeof v);
            a->stats.votes++;
        }
    }
    mix_vote_free(&v);
    if (!err && !authority_before(a, now, STEP_COMPUTE)) authority_finish(a, now);
    return err;
}

/* --- echoes --- */

static void pack_statement(struct pack *w, int index, const struct mix_statement *s) {
    pack_u8(w, (uint8_t)index);
    pack_bytes(w, s->hash, 32);
    pack_bytes(w, s->signature, CRYPTO_SIGNATURE);
}

/* Votes whose body we have: who wants one knows whom to ask. */
static enum vl_err echo_bytes(const struct authority *a, struct vl_buf *out) {
    uint8_t n = 0;
    for (int i = 0; i < a->cfg.charter.n; i++) n = (uint8_t)(n + a->ballot[i].have);
    struct pack w = pack_begin(out);
    pack_u64(&w, a->epoch);
    pack_u8(&w, n);
    for (int i = 0; i < a->cfg.charter.n; i++)
        if (a->ballot[i].have) pack_statement(&w, i, &a->ballot[i].head);
    return pack_end(&w);
}

void authority_send_echo(struct authority *a) {
    struct vl_buf out;
    vl_buf_init(&out, ECHO_MAX);
    if (echo_bytes(a, &out) == VL_OK) authority_send_all(a, AUTHORITY_ECHO, vl_span(out.p, out.len));
    vl_buf_free(&out);
}

/* Who lacks what we have, for it has started anew or our echo got lost, cannot always wait for the next step. */
static void answer_echo(struct authority *a, int from, uint32_t listed) {
    uint32_t have = 0;
    struct vl_buf out;
    for (int i = 0; i < a->cfg.charter.n; i++) have |= (uint32_t)a->ballot[i].have << i;
    if ((have & ~listed) == 0 || a->ballot[from].echoed) return;
    a->ballot[from].echoed = true;
    vl_buf_init(&out, ECHO_MAX);
    if (echo_bytes(a, &out) == VL_OK) authority_send(a, from, AUTHORITY_ECHO, vl_span(out.p, out.len));
    vl_buf_free(&out);
}

/* Ascending statements of one kind with their authors; the epoch is the round's. */
static enum vl_err unpack_statements(const struct authority *a, struct vl_reader *r, enum mix_statement_kind kind,
                                     struct mix_statement *ret, int *ret_index, uint8_t *ret_n) {
    uint8_t n = unpack_u8_in(r, 0, a->cfg.charter.n);
    for (uint8_t i = 0; i < n; i++) {
        ret_index[i] = vl_read_u8(r);
        unpack_require(r, ret_index[i] < a->cfg.charter.n && (i == 0 || ret_index[i] > ret_index[i - 1]));
        ret[i] = (struct mix_statement){ .kind = kind, .epoch = a->epoch };
        if (kind == MIX_STATEMENT_VOTE) vl_read_bytes(r, ret[i].hash, 32);
        vl_read_bytes(r, ret[i].signature, CRYPTO_SIGNATURE);
    }
    *ret_n = n;
    return vl_reader_end(r);
}

static enum vl_err epoch_check(const struct authority *a, uint64_t epoch) {
    return epoch == a->epoch ? VL_OK : epoch < a->epoch ? VL_ESTALE : VL_ERANGE;
}

enum vl_err authority_on_echo(struct authority *a, vl_ms now, int from, struct vl_span body) {
    struct vl_reader r = vl_reader(body.p, body.n);
    struct mix_statement s[MIX_AUTHORITIES_MAX];
    int index[MIX_AUTHORITIES_MAX];
    uint8_t n = 0;
    uint64_t epoch = vl_read_u64(&r);
    enum vl_err err = r.failed ? VL_EPARSE : epoch_check(a, epoch);
    if (!err) err = unpack_statements(a, &r, MIX_STATEMENT_VOTE, s, index, &n);
    if (err) return err;
    const struct ballot *mine = &a->ballot[a->self];
    bool has_mine = false;
    uint32_t listed = 0;
    for (uint8_t i = 0; i < n; i++) {
        struct ballot *b = &a->ballot[index[i]];
        listed |= 1u << index[i];
        err = check(a, index[i], &s[i], b->heads > 0 ? &b->head : NULL);
        /* A hash without the vote, from its author alone, could leave us waiting for what nobody else can give. */
        if (!err && index[i] == from && b->heads == 0) continue;
        if (!err) err = admit(a, now, index[i], from, &s[i]);
        if (err == VL_ESTALE) continue; /* the others may still be of use */
        if (err) return err;
        bool same = memcmp(b->head.hash, s[i].hash, 32) == 0;
        if (same) b->holders |= 1u << from;
        has_mine = has_mine || (index[i] == a->self && same && mine->have);
    }
    a->ballot[from].has_mine = has_mine; /* also false again: it may have restarted */
    a->stats.echoes++;
    if (authority_before(a, now, STEP_COMPUTE)) answer_echo(a, from, listed);
    return VL_OK;
}

/* --- proofs --- */

enum vl_err authority_on_equivocation(struct authority *a, vl_ms now, int from, struct vl_span body) {
    struct mix_equivocation e;
    enum vl_err err = mix_equivocation_check(body, &a->cfg.charter, &e);
    if (err) return err;
    err = epoch_check(a, e.epoch);
    if (err) return err;
    int index = mix_charter_find(&a->cfg.charter, e.authority);
    struct mix_statement s[2];
    for (size_t i = 0; i < 2; i++) {
        s[i] = (struct mix_statement){ .kind = e.kind, .epoch = e.epoch };
        memcpy(s[i].hash, e.statement[i].hash, 32);
        memcpy(s[i].signature, e.statement[i].signature, CRYPTO_SIGNATURE);
    }
    if (e.kind == MIX_STATEMENT_CONSENSUS) return accuse(a, index, &s[0], &s[1]);
    err = admit(a, now, index, from, &s[0]);
    if (!err || err == VL_ESTALE) err = admit(a, now, index, from, &s[1]);
    if (!err || err == VL_ESTALE) {
        enum vl_err told = accuse(a, index, &s[0], &s[1]);
        if (told) return told;
    }
    return err;
}

/* --- signatures on the consensus --- */

/* All we know on the hash that we signed (it may be that of an earlier life, which cannot be computed any more), or
 * else that we computed. */
void authority_send_signatures(struct authority *a) {
    const struct ballot *mine = &a->ballot[a->self];
    const uint8_t *hash = mine->has_signature ? mine->signature.hash : a->body_hash;
    struct vl_buf out;
    uint32_t on_it = 0;
    if (!a->computed && !mine->has_signature) return;
    for (int i = 0; i < a->cfg.charter.n; i++) {
        const struct ballot *b = &a->ballot[i];
        if (b->has_signature && memcmp(b->signature.hash, hash, 32) == 0) on_it |= 1u << i;
    }
    vl_buf_init(&out, ECHO_MAX);
    struct pack w = pack_begin(&out);
    pack_u64(&w, a->epoch);
    pack_bytes(&w, hash, 32);
    pack_u8(&w, (uint8_t)__builtin_popcount(on_it));
    for (int i = 0; i < a->cfg.charter.n; i++) {
        if ((on_it >> i & 1u) == 0) continue;
        pack_u8(&w, (uint8_t)i);
        pack_bytes(&w, a->ballot[i].signature.signature, CRYPTO_SIGNATURE);
    }
    if (pack_end(&w) == VL_OK && on_it != 0) authority_send_all(a, AUTHORITY_SIGNATURE, vl_span(out.p, out.len));
    vl_buf_free(&out);
}

enum vl_err authority_on_signature(struct authority *a, vl_ms now, struct vl_span body) {
    struct vl_reader r = vl_reader(body.p, body.n);
    struct mix_statement s[MIX_AUTHORITIES_MAX];
    int index[MIX_AUTHORITIES_MAX];
    uint8_t n = 0, hash[32];
    uint64_t epoch = vl_read_u64(&r);
    vl_read_bytes(&r, hash, 32);
    enum vl_err err = r.failed ? VL_EPARSE : epoch_check(a, epoch);
    if (!err) err = unpack_statements(a, &r, MIX_STATEMENT_CONSENSUS, s, index, &n);
    if (err) return err;
    for (uint8_t i = 0; i < n; i++) {
        struct ballot *b = &a->ballot[index[i]];
        memcpy(s[i].hash, hash, 32);
        err = check(a, index[i], &s[i], b->has_signature ? &b->signature : NULL);
        if (err) return err;
        if (b->has_signature && memcmp(b->signature.hash, hash, 32) != 0) {
            err = accuse(a, index[i], &b->signature, &s[i]);
            if (err) return err;
            continue;
        }
        if (!b->has_signature) a->stats.signatures++;
        b->has_signature = true;
        b->signature = s[i];
    }
    authority_finish(a, now);
    return VL_OK;
}
