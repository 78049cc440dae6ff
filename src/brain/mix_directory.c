/* Charter, descriptors, consensus: how they come to and from this member.  Documents are signed, so anybody may pass
 * them on; the coordinator and the authorities do, and whoever gets a newer one tells its other links. */
#include "brain/mix_priv.h"

#include "crypto/hash.h"

#include <string.h>

static vl_ms sixteenth(const struct mix *m) { return m->charter.epoch_ms / 16; }

static void send_to(struct brain *b, struct vl_node_id to, enum link_kind kind, struct vl_span body) {
    if (link_send(b, to, LANE_MESSAGE, kind, body, (struct vl_span){ 0 })) b->mix->counters.documents_sent++;
}

/* As below, to one; kind: first byte of the message, NULL: none. */
static void send_held(struct brain *b, struct vl_node_id to, enum link_kind link, const uint8_t *kind,
                      const struct vl_buf *doc) {
    struct vl_buf msg;
    vl_buf_init(&msg, MIX_DOC_MAX + 1);
    if ((kind && vl_buf_append(&msg, kind, 1)) || vl_buf_append(&msg, doc->p, doc->len))
        out_of_memory(b);
    else
        held_inside(b, OUT_SEND, to, LANE_MESSAGE, (uint8_t)link, vl_span(msg.p, msg.len));
    b->mix->counters.documents_sent++;
    vl_buf_free(&msg);
}

/* After the commit: a consensus carries our own signature, and nobody may see what a crash could take back. */
static void tell_others(struct brain *b, enum link_kind kind, struct vl_span body, const struct peer *but) {
    held_inside(b, OUT_BROADCAST, but ? but->node : b->self, LANE_MESSAGE, (uint8_t)kind, body);
    b->mix->counters.documents_sent += b->by_node.len;
}

/* ---- charter ---------------------------------------------------------------------------------------------------- */

static bool is_authority(const struct mix *m, struct vl_node_id node) {
    return m->has_charter && mix_charter_find(&m->charter, node) >= 0;
}

bool mix_authority(const struct brain *b, struct vl_node_id node) { return b->mix != NULL && is_authority(b->mix, node); }

static void authority_open(struct brain *b, const struct mix_charter *former) {
    struct mix *m = b->mix;
    authority_destroy(m->authority);
    m->authority = NULL;
    if (!is_authority(m, b->self)) return;
    struct authority_config cfg = { .key = &b->key,
                                    .charter = m->charter,
                                    .former = *former,
                                    .tolerance_permille = MIX_TOLERANCE_DEFAULT,
                                    .anonymity_floor = m->charter.anonymity_floor };
    mix_delays_default(m->charter.epoch_ms, cfg.delay_ms);
    crypto_blake2b_keyed(vl_span(b->cfg.sign_seed, 32), (struct vl_span){ 0 }, "village-mix-srv\0", cfg.seed,
                         sizeof cfg.seed);
    if (authority_create(&cfg, b->now, &m->authority)) out_of_memory(b);
}

void mix_authority_ways(struct brain *b) {
    struct mix *m = b->mix;
    way_unwant_all(b, WAY_AUTHORITY);
    for (unsigned i = 0; m->has_charter && i < m->charter.n; i++) {
        struct vl_node_id node = m->charter.authority[i].node;
        bool both = m->authority != NULL; /* both want it: the smaller id dials */
        if (!m->authority && !m->relay_on) break;
        if (!both || memcmp(b->self.b, node.b, 32) < 0)
            way_want(b, node, NULL, m->charter.authority[i].addr, WAY_AUTHORITY);
    }
    way_sweep(b);
}

void mix_charter_take(struct brain *b, struct vl_span bytes, const struct peer *from, bool restored) {
    struct mix *m = b->mix;
    struct mix_charter c;
    if (mix_charter_decode(bytes, b->cfg.root_key, &c)) {
        b->counters.messages_bad++;
        return;
    }
    if (m->has_charter && c.number <= m->charter.number) return;
    vl_buf_clear(&m->charter_bytes);
    if (vl_buf_append(&m->charter_bytes, bytes.p, bytes.n)) {
        out_of_memory(b);
        return;
    }
    bool other_time = m->has_charter && (c.genesis_ms != m->charter.genesis_ms || c.epoch_ms != m->charter.epoch_ms);
    struct mix_charter former = m->has_charter && !other_time ? m->charter : (struct mix_charter){ 0 };
    m->charter = c;
    m->has_charter = true;
    memset(m->accused, 0, sizeof m->accused); /* their places are others now */
    if (other_time) { /* epochs are counted anew: nothing of the old count means anything */
        m->current.have = m->next.have = false;
        m->epoch = m->proof_epoch = 0;
        if (m->relay) mix_relay_keys_forget(b);
    }
    authority_open(b, &former);
    m->describe_at = b->now;
    if (restored) return;
    record_add(b, RECORD_MIX, NULL, 0, (struct vl_span){ 0 }, bytes)->index = MIX_RECORD_CHARTER;
    note(b, VL_OK, b->self, "a charter of the private network was taken");
    mix_authority_ways(b);
    mix_epoch_turn(b);
    tell_others(b, LINK_CHARTER, vl_span(m->charter_bytes.p, m->charter_bytes.len), from);
}

void brain_mix_charter(struct brain *b, vl_ms now, uint64_t token, const struct mix_charter *wanted) {
    step_begin(b, now);
    struct mix *m = b->mix;
    struct mix_charter c = *wanted;
    struct vl_buf buf;
    struct crypto_sign_key root;
    vl_buf_init(&buf, MIX_DOC_MAX);
    c.number = m->has_charter ? m->charter.number + 1 : 1;
    enum vl_err err = b->cfg.coordinator ? VL_OK : VL_EUNSUPPORTED;
    if (err == VL_OK) {
        crypto_sign_key_from_seed(b->cfg.root_seed, &root);
        err = mix_charter_sign(&c, &root);
        crypto_sign_key_wipe(&root);
    }
    if (err == VL_OK) err = mix_charter_encode(&c, &buf);
    if (err == VL_OK) mix_charter_take(b, vl_span(buf.p, buf.len), NULL, false);
    reply(b, token, err, err == VL_ERANGE ? "authorities: 3 to 9 different members, threshold more than half" : NULL,
          (struct vl_span){ 0 });
    vl_buf_free(&buf);
    step_end(b);
}

/* ---- consensus -------------------------------------------------------------------------------------------------- */

const struct mix_relay *mix_relay_find(const struct brain *b, uint32_t number) {
    const struct mix *m = b->mix;
    const struct mix_relay *r = m->current.have ? mix_relay_by_number(&m->current.c, number) : NULL;
    return r == NULL && m->next.have ? mix_relay_by_number(&m->next.c, number) : r;
}

static void relay_ways(struct brain *b) {
    struct mix *m = b->mix;
    way_unwant_all(b, WAY_RELAY);
    for (unsigned d = 0; m->relay_on && d < 2; d++) {
        const struct mix_doc *doc = d ? &m->next : &m->current;
        for (uint32_t i = 0; doc->have && i < doc->c.relays_n; i++) {
            const struct mix_relay *r = &doc->c.relays[i];
            if (memcmp(b->self.b, r->node.b, 32) < 0) way_want(b, r->node, r->static_key, r->addr, WAY_RELAY);
        }
    }
    way_sweep(b);
}

static void doc_move(struct mix_doc *to, struct mix_doc *from) {
    mix_consensus_free(&to->c);
    struct vl_buf bytes = to->bytes;
    *to = *from;
    *from = (struct mix_doc){ .bytes = bytes };
    vl_buf_clear(&from->bytes);
}

void mix_epoch_turn(struct brain *b) {
    struct mix *m = b->mix;
    if (!m->has_charter || !b->started) return;
    m->epoch = mix_epoch_at(&m->charter, b->now);
    if (m->next.have && m->next.c.epoch <= m->epoch) doc_move(&m->current, &m->next);
    if (m->current.have && m->current.c.valid_until <= b->now) {
        m->current.have = false;
        note(b, VL_EEXPIRED, b->self,
             "the consensus of the private network is too old: nothing private is sent until a newer one comes");
    }
    m->describe_at = b->now;
    if (m->relay) mix_relay_keys(b);
    if (m->relay && m->current.have) relay_longest_delay(m->relay, m->current.c.delay_ms[MIX_DELAYS - 1]);
    relay_ways(b);
    mix_client_epoch(b);
}

void mix_consensus_take(struct brain *b, struct vl_span bytes, const struct peer *from, bool restored) {
    struct mix *m = b->mix;
    struct mix_consensus c = { 0 };
    for (unsigned i = 0; i < 2; i++) { /* every link brings it: only the first has to be checked */
        const struct mix_doc *had = i ? &m->next : &m->current;
        if (had->have && had->bytes.len == bytes.n && memcmp(had->bytes.p, bytes.p, bytes.n) == 0) return;
    }
    enum vl_err err = m->has_charter ? mix_consensus_decode(bytes, &m->charter, b->now, &c) : VL_ESTATE;
    if (err) {
        m->counters.consensus_refused++;
        if (!restored && err != VL_EEXPIRED) note(b, err, from ? from->node : b->self, "a consensus was refused");
        return;
    }
    uint64_t have = m->next.have ? m->next.c.epoch : m->current.have ? m->current.c.epoch : 0;
    bool later = c.epoch > mix_epoch_at(&m->charter, b->now);
    bool fills = restored && !later && !m->current.have; /* the store gives them in no order */
    if (c.epoch <= have && !fills) { /* another body of the same epoch is what authorities look for */
        mix_consensus_free(&c);
        return;
    }
    struct mix_doc *doc = later ? &m->next : &m->current;
    mix_consensus_free(&doc->c);
    vl_buf_clear(&doc->bytes);
    doc->c = c;
    doc->have = true;
    if (vl_buf_append(&doc->bytes, bytes.p, bytes.n)) {
        out_of_memory(b);
        return;
    }
    m->counters.consensuses++;
    if (m->authority && restored && c.epoch > authority_stats(m->authority).epoch)
        vl_ignore(authority_restore(m->authority, b->now, bytes));
    if (restored) return;
    struct record *r = record_add(b, RECORD_MIX, NULL, 0, (struct vl_span){ 0 }, bytes);
    r->index = MIX_RECORD_CONSENSUS;
    r->number = c.epoch % 2;
    if (m->relay) mix_relay_keys(b);
    relay_ways(b);
    if (!later) mix_client_epoch(b);
    uint8_t kind = AUTHORITY_CONSENSUS;
    struct vl_buf msg;
    vl_buf_init(&msg, VL_MESSAGE_MAX);
    if (vl_buf_append(&msg, &kind, 1) || vl_buf_append(&msg, doc->bytes.p, doc->bytes.len))
        out_of_memory(b);
    else
        tell_others(b, LINK_DIRECTORY, vl_span(msg.p, msg.len), from);
    vl_buf_free(&msg);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

static bool describe(struct brain *b, uint64_t epoch, struct vl_buf *out) {
    struct mix *m = b->mix;
    struct crypto_dh_key own;
    struct mix_descriptor d = { .node = b->self, .epoch = epoch, .roles = MIX_ROLE_CLIENT, .provider = m->provider };
    crypto_dh_key_from_seed(b->cfg.static_secret, &own);
    memcpy(d.static_key, own.public, sizeof d.static_key);
    crypto_dh_key_wipe(&own);
    if (m->relay) {
        const struct mix_key *k = mix_key_of(m, epoch);
        if (k == NULL || k->state < MIX_KEY_READY) return false;
        struct relay_stats s = relay_stats(m->relay, b->now);
        d.roles |= MIX_ROLE_GUARD | MIX_ROLE_MIX | MIX_ROLE_EXIT;
        d.provider = b->self;
        memcpy(d.mix_key, k->key.public, sizeof d.mix_key);
        memcpy(d.vrf_key, m->vrf.public, sizeof d.vrf_key);
        memcpy(d.family, b->cfg.mix.family, sizeof d.family);
        memcpy(d.addr, b->cfg.mix.addr, sizeof d.addr);
        d.bandwidth = b->cfg.mix.bandwidth;
        d.rate = s.rate;
        d.mean_delay_ms = s.delay_n ? (uint32_t)(s.delay_sum_us / s.delay_n / 1000) : 0;
        d.proof_epoch = m->proof_epoch;
        memcpy(d.proof, m->proof, sizeof d.proof);
    }
    uint8_t kind = AUTHORITY_DESCRIPTOR;
    return mix_descriptor_sign(&d, &b->key) == VL_OK && vl_buf_append(out, &kind, 1) == VL_OK &&
           mix_descriptor_encode(&d, out) == VL_OK;
}

/* What the village's books say of a node; only the coordinator has any. */
static uint16_t reputation_of(const struct brain *b, struct vl_node_id node) {
    return (uint16_t)standing_mix_milli(b, node);
}

static void authority_drain(struct brain *b) {
    struct mix *m = b->mix;
    struct authority_effect fx;
    while (m->authority && authority_next(m->authority, &fx)) {
        if (fx.kind == AUTHORITY_STORE) {
            record_add(b, RECORD_MIX, NULL, 0, (struct vl_span){ 0 }, fx.bytes)->index = MIX_RECORD_VOTE;
        } else if (fx.kind == AUTHORITY_SEND) { /* after the commit: nobody may see what a crash could take back */
            held_inside(b, OUT_SEND, fx.to, LANE_MESSAGE, LINK_DIRECTORY, fx.bytes);
            m->counters.documents_sent++;
        } else if (fx.kind == AUTHORITY_PUBLISH) {
            mix_consensus_take(b, vl_span(fx.bytes.p + 1, fx.bytes.n - 1), NULL, false);
        } else if (fx.kind == AUTHORITY_ACCUSE) {
            mix_directory_message(b, NULL, fx.bytes);
        }
    }
}

/* Who may bring a descriptor: its node, whose membership the link has proven; the coordinator, which takes them from such
 * links only; and another authority, which answers our question with it (authority.h tells these apart by the sender).
 * Else any member could list nodes that do not exist, and fill the directory with them. */
static void descriptor_take(struct brain *b, struct vl_span msg, struct vl_node_id of, const struct peer *from) {
    struct mix *m = b->mix;
    bool own = from == NULL || vl_node_eq(of, from->node), passed_on = !own && vl_node_eq(from->node, b->coordinator);
    enum vl_err err = VL_EDENIED;
    if (!own && is_authority(m, from->node)) err = authority_recv(m->authority, b->now, from->node, 0, msg);
    if (own || (passed_on && err)) err = authority_recv(m->authority, b->now, of, reputation_of(b, of), msg);
    if (!own && !passed_on && !is_authority(m, from->node)) b->counters.messages_bad++;
}

/* A descriptor goes to every authority that has a link to us; the coordinator passes on what members give it. */
static void descriptor_spread(struct brain *b, struct vl_span msg, struct vl_node_id of, const struct peer *from) {
    struct mix *m = b->mix;
    if (m->authority) descriptor_take(b, msg, of, from);
    bool passes_on = from == NULL || (b->cfg.coordinator && vl_node_eq(of, from->node));
    for (unsigned i = 0; passes_on && m->has_charter && i < m->charter.n; i++) {
        struct vl_node_id to = m->charter.authority[i].node;
        if (from == NULL || !vl_node_eq(to, from->node)) send_to(b, to, LINK_DIRECTORY, msg);
    }
    if (from == NULL && !b->cfg.coordinator && !is_authority(m, b->coordinator))
        send_to(b, b->coordinator, LINK_DIRECTORY, msg);
    authority_drain(b);
}

/* Of each authority the latest epoch counts: a proof comes over every link. */
static bool equivocation_new(struct mix *m, const struct mix_equivocation *e) {
    int i = mix_charter_find(&m->charter, e->authority);
    if (i < 0 || m->accused[i] >= e->epoch) return false;
    m->accused[i] = e->epoch;
    m->counters.equivocations++;
    if (e->epoch > m->counters.equivocation_epoch) m->counters.equivocation_epoch = e->epoch;
    return true;
}

/* Only the last one is stored; it keeps showing after a restart. */
void mix_equivocation_restored(struct brain *b, struct vl_span message) {
    struct mix *m = b->mix;
    struct mix_equivocation e;
    if (!m->has_charter || message.n == 0) return;
    if (mix_equivocation_check(vl_span(message.p + 1, message.n - 1), &m->charter, &e) == VL_OK)
        (void)equivocation_new(m, &e);
}

void mix_directory_message(struct brain *b, struct peer *p, struct vl_span body) {
    struct mix *m = b->mix;
    struct mix_descriptor d;
    struct mix_equivocation e;
    if (body.n == 0 || !m->has_charter) return;
    switch (body.p[0]) {
    case AUTHORITY_CONSENSUS:
        mix_consensus_take(b, vl_span(body.p + 1, body.n - 1), p, false);
        if (m->authority && p) vl_ignore(authority_recv(m->authority, b->now, p->node, 0, body));
        break;
    case AUTHORITY_DESCRIPTOR:
        if (mix_descriptor_decode(vl_span(body.p + 1, body.n - 1), &d))
            b->counters.messages_bad++;
        else if (p && (m->authority || b->cfg.coordinator))
            descriptor_spread(b, body, d.node, p);
        break;
    case AUTHORITY_EQUIVOCATION:
        if (mix_equivocation_check(vl_span(body.p + 1, body.n - 1), &m->charter, &e)) {
            b->counters.messages_bad++;
        } else if (equivocation_new(m, &e)) {
            note(b, VL_EDENIED, e.authority, "this directory authority signed two different documents for one epoch");
            record_add(b, RECORD_MIX, NULL, 0, (struct vl_span){ 0 }, body)->index = MIX_RECORD_EQUIVOCATION;
            tell_others(b, LINK_DIRECTORY, body, p);
        }
        break;
    default:
        if (m->authority && p && is_authority(m, p->node))
            vl_ignore(authority_recv(m->authority, b->now, p->node, 0, body));
        else
            b->counters.messages_bad++;
    }
    authority_drain(b);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static void describe_now(struct brain *b) {
    struct mix *m = b->mix;
    struct vl_buf buf;
    uint64_t epoch = mix_epoch_at(&m->charter, b->now);
    vl_ms start = mix_epoch_start(&m->charter, epoch), until = start + 10 * sixteenth(m);
    m->describe_at = VL_MS_NEVER;
    if (!b->member && !b->cfg.coordinator) return;
    if (b->now < m->charter.genesis_ms) {
        m->describe_at = m->charter.genesis_ms;
        return;
    }
    if (b->now >= until) return; /* too late for this one: the turn of the epoch asks again */
    vl_buf_init(&buf, 4096);
    if (describe(b, epoch + 1, &buf)) descriptor_spread(b, vl_span(buf.p, buf.len), b->self, NULL);
    vl_buf_free(&buf);
    m->describe_at = b->now + sixteenth(m);
}

void mix_directory_tick(struct brain *b) {
    struct mix *m = b->mix;
    if (!m->has_charter) return;
    if (m->describe_at <= b->now) describe_now(b);
    if (m->authority && authority_deadline(m->authority) <= b->now) {
        authority_tick(m->authority, b->now);
        authority_drain(b);
    }
}

vl_ms mix_directory_deadline(const struct brain *b) {
    const struct mix *m = b->mix;
    if (!m->has_charter) return VL_MS_NEVER;
    return m->authority ? vl_ms_min(m->describe_at, authority_deadline(m->authority)) : m->describe_at;
}

void mix_directory_peer_up(struct brain *b, struct peer *p) {
    struct mix *m = b->mix;
    if (!m->has_charter) return;
    if (b->cfg.coordinator || m->authority) {
        send_held(b, p->node, LINK_CHARTER, NULL, &m->charter_bytes);
        for (unsigned i = 0; i < 2; i++) {
            const struct mix_doc *doc = i ? &m->next : &m->current;
            if (doc->have) send_held(b, p->node, LINK_DIRECTORY, &(uint8_t){ AUTHORITY_CONSENSUS }, &doc->bytes);
        }
    }
    if (m->describe_at != VL_MS_NEVER) m->describe_at = b->now; /* whoever came may be the one that must have it */
}
