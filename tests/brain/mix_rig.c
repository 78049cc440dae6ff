#include "mix_rig.h"

#include "check.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/signing.h"
#include "wire/cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAYS 20000u

static const uint8_t root_seed[32] = { 3 };

/* ---- the shell -------------------------------------------------------------------------------------------------- */

static void key_answer(struct mix_rig *r, const struct brain_effect *e) {
    unsigned at = 0;
    r->keys_asked++;
    while (at < RIG_KEYS && (r->key[at].table == NULL || r->key[at].epoch != e->seq)) at++;
    if (at == RIG_KEYS && e->index && r->key_err == VL_OK) {
        size_t size = (replay_size(REPLAYS) + 4095) / 4096 * 4096;
        for (at = 0; r->key[at].table != NULL;) at++;
        r->key[at].epoch = e->seq;
        crypto_drbg_bytes(&r->rng, r->key[at].secret, 32);
        r->key[at].mem = aligned_alloc(4096, size);
        memset(r->key[at].mem, 0, size);
        CHECK_OK(replay_create(r->key[at].mem, size, REPLAYS, r->key[at].secret, r->key[at].secret, &r->key[at].table));
        r->keys_made++;
    }
    bool have = at < RIG_KEYS;
    brain_mix_key(r->brain, r->now, e->seq, have ? VL_OK : e->index && r->key_err ? r->key_err : VL_ENOTFOUND,
                  have ? r->key[at].secret : NULL, have ? r->key[at].table : NULL);
}

static void key_forget(struct mix_rig *r, unsigned i) {
    replay_close(r->key[i].table);
    free(r->key[i].mem);
    memset(&r->key[i], 0, sizeof r->key[i]);
}

static void key_drop(struct mix_rig *r, const struct brain_effect *e) {
    for (unsigned i = 0; e->index == 0 && i < RIG_KEYS; i++)
        if (r->key[i].table && r->key[i].epoch == e->seq) {
            key_forget(r, i);
            r->keys_dropped++;
        }
}

static void records_note(struct mix_rig *r, const struct brain_effect *e) {
    for (size_t i = 0; i < e->records_n; i++) {
        const struct record *rec = &e->records[i];
        if (rec->kind != RECORD_MIX) continue;
        struct vl_buf *b = rec->index == MIX_RECORD_EQUIVOCATION ? &r->equivocation
                           : rec->index == MIX_RECORD_CHARTER    ? &r->charter
                                                                 : NULL;
        if (b == NULL) continue;
        vl_buf_clear(b);
        CHECK_OK(vl_buf_append(b, rec->bytes.p, rec->bytes.n));
    }
}

static void effects(struct mix_rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->brain, &e)) {
        if (e.kind == BRAIN_COMMIT) {
            records_note(r, &e);
            r->committed++;
            brain_committed(r->brain, r->now, e.seq);
        } else if (e.kind == BRAIN_MIX_KEY) {
            key_answer(r, &e);
        } else if (e.kind == BRAIN_MIX_KEY_DROP) {
            key_drop(r, &e);
        } else if (e.kind == BRAIN_MIX_BATCH) {
            brain_mix_batch_run(e.batch);
            brain_mix_batch_done(r->brain, r->now, e.batch);
        } else if (e.kind == BRAIN_NOTE) {
            snprintf(r->note, sizeof r->note, "%s", e.detail ? e.detail : "");
        } else if (e.kind == BRAIN_CONN_CLOSE) {
            for (unsigned i = 0; i < 2; i++) r->peer[i].closed |= r->peer[i].theirs == e.conn;
        }
    }
}

/* ---- peers ------------------------------------------------------------------------------------------------------ */

static void heard(struct rig_peer *p, struct vl_span m) {
    if (m.n == 0) return;
    p->packets += m.p[0] == LINK_MIX;
    p->documents += m.p[0] == LINK_DIRECTORY;
    if (m.p[0] != LINK_MIX_MAIL) return;
    p->mails++;
    for (size_t at = 1, cell = (m.n - 1) / 4; at < m.n; at += cell) p->cells += m.p[at] != 0;
}

static void events(struct mix_rig *r, struct rig_peer *p) {
    struct htx_event ev;
    while (htx_next_event(p->ep, &ev)) {
        if (ev.type == HTX_CONN_UP) CHECK_OK(htx_admit(p->ep, ev.conn, r->now, true));
        if (ev.type == HTX_SESSION_UP) p->session = ev.session;
        if (ev.type == HTX_MESSAGE) heard(p, ev.data);
    }
}

static bool pump_peer(struct mix_rig *r, struct rig_peer *p) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    bool moved = false;
    for (size_t n; p->ep && (n = htx_output(p->ep, p->conn, r->now, buf, sizeof buf)) > 0; moved = true) {
        vl_ignore(brain_input(r->brain, p->theirs, r->now, buf, n));
        effects(r);
    }
    for (size_t n; p->ep && !p->deaf && (n = brain_output(r->brain, p->theirs, r->now, buf, sizeof buf)) > 0; moved = true)
        for (size_t at = 0, used = 1; at < n && used > 0; at += used) {
            used = 0;
            vl_ignore(htx_input(p->ep, p->conn, r->now, buf + at, n - at, &used));
            events(r, p);
        }
    return moved;
}

void mix_rig_pump(struct mix_rig *r) {
    effects(r);
    while (pump_peer(r, &r->peer[0]) | pump_peer(r, &r->peer[1])) effects(r);
}

void mix_rig_wait(struct mix_rig *r, vl_ms ms) {
    for (vl_ms end = r->now + ms; r->now < end;) {
        vl_ms at = brain_deadline(r->brain);
        r->now = at > r->now && at < end ? at : at >= end ? end : r->now + 1;
        brain_tick(r->brain, r->now);
        for (unsigned i = 0; i < 2; i++)
            if (r->peer[i].ep) {
                htx_expire(r->peer[i].ep, r->now);
                events(r, &r->peer[i]);
            }
        mix_rig_pump(r);
    }
}

static void certify(const struct rig_peer *p, const uint8_t static_key[32], vl_ms now, uint8_t *dst, size_t *ret_n) {
    struct crypto_sign_key root;
    struct cert c = { .node = p->node, .serial = p->node.b[0] + 1u, .issued_ms = now - 1000, .expires_ms = now + 1000000000,
                      .roles = CERT_WORKER, .name = "hostile" };
    crypto_sign_key_from_seed(root_seed, &root);
    memcpy(c.root, root.public, 32);
    memcpy(c.static_key, static_key, 32);
    CHECK_OK(cert_sign(&root, &c));
    CHECK_OK(cert_encode(&c, dst, CERT_BYTES_MAX, ret_n));
}

void rig_peer_open(struct mix_rig *r, struct rig_peer *p, uint8_t seed, bool member) {
    struct htx_config cfg = { .suite = HTX_AESGCM_SHA256, .limits = htx_limits_default() };
    uint8_t cert[CERT_BYTES_MAX];
    size_t n = 0;
    struct crypto_dh_key dh;
    *p = (struct rig_peer){ 0 };
    memset(cfg.sign_seed, seed, 32);
    memset(cfg.static_secret, seed + 1, 32);
    memset(cfg.seed, seed + 2, 32);
    crypto_sign_key_from_seed(cfg.sign_seed, &p->key);
    p->node = crypto_sign_node_id(&p->key);
    crypto_dh_key_from_seed(cfg.static_secret, &dh);
    memcpy(p->static_secret, cfg.static_secret, 32);
    if (member) certify(p, dh.public, r->now, cert, &n);
    cfg.certificate = vl_span(cert, n);
    CHECK_OK(htx_endpoint_create(&cfg, &p->ep));
    CHECK_OK(htx_dial(p->ep, r->now, &(struct htx_dial){ 0 }, &p->conn));
    CHECK_OK(brain_accept(r->brain, r->now, &p->theirs));
    mix_rig_pump(r);
    CHECK(p->session != 0);
    CHECK_OK(htx_open(p->ep, p->session, HTX_NORMAL, &p->stream));
}

void rig_send(struct mix_rig *r, struct rig_peer *p, enum link_kind kind, const void *bytes, size_t n) {
    uint8_t k = (uint8_t)kind;
    const struct vl_span parts[] = { vl_span(&k, 1), vl_span(bytes, n) };
    CHECK_OK(htx_send(p->ep, p->session, p->stream, r->now, parts, 2));
    mix_rig_pump(r);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

void mix_rig_start(struct mix_rig *r, bool relay) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 1, .addr = "127.0.0.1:1" };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memcpy(cfg.root_seed, root_seed, 32);
    *r = (struct mix_rig){ .now = 1000000000 };
    cfg.mix = brain_mix_config_default();
    cfg.mix.relay = relay;
    memcpy(cfg.mix.addr, cfg.addr, sizeof cfg.mix.addr);
    cfg.mix.bandwidth = 100;
    cfg.mix.limits = (struct relay_limits){
        .packets = 1024, .ingress = 128, .rate = 2000, .burst = 400, .link_rate = 1000, .link_burst = 200, .links = 8
    };
    cfg.mix.cover = (struct cover_rates){ 0 };
    crypto_drbg_init(&r->rng, root_seed);
    vl_buf_init(&r->equivocation, 65536);
    vl_buf_init(&r->charter, 65536);
    for (uint8_t i = 0; i < 3; i++) crypto_sign_key_from_seed((const uint8_t[32]){ 50, i }, &r->authority[i]);
    CHECK_OK(brain_create(&cfg, r->now, &r->brain));
    r->self = brain_node_id(r->brain);
    brain_start(r->brain, r->now);
    effects(r);
    rig_peer_open(r, &r->peer[0], 60, true);
    rig_peer_open(r, &r->peer[1], 70, true);
}

void mix_rig_end(struct mix_rig *r) {
    brain_destroy(r->brain);
    for (unsigned i = 0; i < 2; i++) htx_endpoint_destroy(r->peer[i].ep);
    for (unsigned i = 0; i < RIG_KEYS; i++)
        if (r->key[i].table) key_forget(r, i);
    vl_buf_free(&r->equivocation);
    vl_buf_free(&r->charter);
}

struct brain_mix_view mix_rig_view(struct mix_rig *r) {
    struct brain_mix_view v;
    brain_mix_view(r->brain, &v);
    return v;
}

/* ---- directory -------------------------------------------------------------------------------------------------- */

static int by_node(const void *a, const void *b) { return memcmp(a, b, 32); }

void mix_rig_charter(struct mix_rig *r, bool self, uint32_t epoch_ms) {
    struct mix_charter c = { .n = 3, .threshold = 2, .anonymity_floor = 1, .epoch_ms = epoch_ms, .genesis_ms = r->now - epoch_ms * 5 / 4 };
    for (unsigned i = 0; i < 3; i++) {
        c.authority[i].node = self && i == 0 ? r->self : crypto_sign_node_id(&r->authority[i]);
        snprintf(c.authority[i].addr, sizeof c.authority[i].addr, "127.0.0.1:%u", 5 + i);
    }
    qsort(c.authority, 3, sizeof c.authority[0], by_node);
    brain_mix_charter(r->brain, r->now, 1, &c);
    mix_rig_pump(r);
    CHECK(mix_rig_view(r).charter != NULL);
}

static void relay_of(struct mix_relay *d, uint32_t number, struct vl_node_id node, const uint8_t mix_key[32]) {
    struct crypto_vrf_key vrf;
    crypto_vrf_key_from_seed((const uint8_t[32]){ (uint8_t)number }, &vrf);
    *d = (struct mix_relay){ .number = number, .node = node, .roles = MIX_ROLES_ALL, .bandwidth = 100, .reputation = 500 };
    memcpy(d->mix_key, mix_key, 32);
    memcpy(d->vrf_key, vrf.public, 32);
    memset(d->static_key, (int)number, 32);
    snprintf(d->addr, sizeof d->addr, "127.0.0.1:%u", number);
}

static void mix_key_public(struct mix_rig *r, uint64_t epoch, uint8_t ret[32]) {
    struct crypto_dh_key dh;
    memset(ret, 9, 32);
    for (unsigned i = 0; i < RIG_KEYS; i++) {
        if (r->key[i].table == NULL || r->key[i].epoch != epoch) continue;
        crypto_dh_key_from_seed(r->key[i].secret, &dh);
        memcpy(ret, dh.public, 32);
    }
}

void mix_rig_consensus(struct mix_rig *r, unsigned signatures, uint16_t tolerance, struct vl_buf *out) {
    struct brain_mix_view v = mix_rig_view(r);
    uint64_t epoch = mix_epoch_at(v.charter, r->now) + 1;
    struct mix_relay relays[3];
    struct mix_client clients[2] = { { .node = r->self, .provider = RIG_NODE, .static_key = { 1 } },
                                     { .node = r->peer[0].node, .provider = RIG_NODE, .static_key = { 2 } } };
    struct mix_consensus c = { .epoch = epoch, .valid_from = mix_epoch_start(v.charter, epoch),
                               .valid_until = mix_epoch_start(v.charter, epoch + 2), .next_number = 4,
                               .tolerance_permille = tolerance, .anonymity_floor = 1, .relays_n = 3, .clients_n = 2,
                               .relays = relays, .clients = clients },
                         read;
    uint8_t key[32];
    mix_key_public(r, epoch, key);
    relay_of(&relays[0], RIG_NODE, r->self, key);
    memset(key, 7, 32);
    relay_of(&relays[1], RIG_FAR, (struct vl_node_id){ { 0xee } }, key);
    relay_of(&relays[2], RIG_MEMBER, r->peer[0].node, key);
    qsort(clients, 2, sizeof clients[0], by_node);
    mix_delays_default(v.charter->epoch_ms, c.delay_ms);
    vl_buf_clear(out);
    CHECK_OK(mix_consensus_encode(&c, out));
    CHECK_OK(mix_consensus_decode_body(vl_span(out->p, out->len), v.charter, &read));
    uint8_t n = (uint8_t)signatures, given = 0;
    CHECK_OK(vl_buf_append(out, &n, 1));
    for (uint8_t i = 0; i < 3 && given < signatures; i++) {
        struct mix_statement s = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = epoch };
        memcpy(s.hash, read.hash, 32);
        for (unsigned k = 0; k < 3; k++) {
            if (!vl_node_eq(crypto_sign_node_id(&r->authority[k]), v.charter->authority[i].node)) continue;
            mix_statement_sign(&s, v.charter, &r->authority[k]);
            CHECK_OK(vl_buf_append(out, &i, 1));
            CHECK_OK(vl_buf_append(out, s.signature, sizeof s.signature));
            given++;
        }
    }
    mix_consensus_free(&read);
}

void mix_rig_in_force(struct mix_rig *r) {
    struct vl_buf doc, msg;
    uint8_t kind = AUTHORITY_CONSENSUS;
    vl_buf_init(&doc, 65536);
    vl_buf_init(&msg, 65536);
    mix_rig_consensus(r, 2, 500, &doc);
    CHECK_OK(vl_buf_append(&msg, &kind, 1));
    CHECK_OK(vl_buf_append(&msg, doc.p, doc.len));
    rig_send(r, &r->peer[0], LINK_DIRECTORY, msg.p, msg.len);
    CHECK_EQ(1, mix_rig_view(r).counters.consensuses);
    vl_buf_free(&doc);
    vl_buf_free(&msg);
}

void mix_rig_hop(struct mix_rig *r, struct sphinx_hop *ret) {
    uint64_t epoch = mix_epoch_at(mix_rig_view(r).charter, r->now);
    uint8_t none[32];
    memset(none, 9, 32);
    *ret = (struct sphinx_hop){ .node = RIG_NODE };
    mix_key_public(r, epoch, ret->key); /* of the epoch that runs, if there is one */
    if (memcmp(ret->key, none, 32) == 0) mix_key_public(r, ++epoch, ret->key);
    ret->key_id = (uint8_t)epoch;
}

void mix_rig_packet_body(struct mix_rig *r, uint32_t next, const struct sphinx_end *end, const uint8_t body[SPHINX_BODY],
                         uint8_t packet[SPHINX_PACKET]) {
    struct sphinx_prebuilt pre;
    struct sphinx_path path = { .n = next ? 2 : 1, .end = *end };
    for (uint32_t i = 0; i < path.n; i++) mix_rig_hop(r, &path.hop[i]);
    if (next) path.hop[1].node = next;
    CHECK_OK(sphinx_build(&path, 1, &r->rng, &pre));
    sphinx_seal(&pre, body, packet);
    sphinx_prebuilt_wipe(&pre);
}

void mix_rig_packet(struct mix_rig *r, uint32_t next, const struct sphinx_end *end, uint8_t packet[SPHINX_PACKET]) {
    static const uint8_t body[SPHINX_BODY];
    mix_rig_packet_body(r, next, end, body, packet);
}

size_t mix_rig_certificate(struct mix_rig *r, const struct rig_peer *p, uint8_t *dst) {
    struct crypto_dh_key dh;
    uint8_t cert[CERT_BYTES_MAX];
    size_t n = 0;
    crypto_dh_key_from_seed(p->static_secret, &dh);
    certify(p, dh.public, r->now, cert, &n);
    memcpy(dst, cert, n);
    return n;
}
