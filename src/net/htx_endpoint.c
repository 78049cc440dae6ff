/* The endpoint: handles and the four verbs. */
#include "net/htx_priv.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BITS 11u /* VL_LINKS_MAX slots */
#define SLOT_MASK 0x7ffu
_Static_assert(VL_LINKS_MAX <= SLOT_MASK + 1, "a handle has room for the slot");

/* -- events and lists --------------------------------------------------------------------------------------------- */

void htx_raise(struct htx_endpoint *ep, struct htx_pending *p, uint32_t bit) {
    p->bits |= bit;
    if (p->next != NULL) return;
    p->prev = ep->events.prev;
    p->next = &ep->events;
    ep->events.prev->next = p;
    ep->events.prev = p;
}

void htx_unraise(struct htx_pending *p) {
    p->bits = 0;
    if (p->next == NULL) return;
    p->prev->next = p->next;
    p->next->prev = p->prev;
    p->prev = p->next = NULL;
}

void htx_mark_dirty(struct htx_conn *c) {
    struct htx_endpoint *ep = c->ep;
    if (c->dirty) return;
    c->dirty = true;
    c->next_dirty = NULL;
    if (ep->dirty_tail != NULL)
        ep->dirty_tail->next_dirty = c;
    else
        ep->dirty_head = c;
    ep->dirty_tail = c;
}

static void *object_of(const struct htx_slot *slots, uint32_t max, uint32_t handle) {
    uint32_t i = handle & SLOT_MASK;
    if (handle == 0 || i >= max || slots[i].generation != handle >> SLOT_BITS) return NULL;
    return slots[i].object;
}
struct htx_conn *htx_conn_of(const struct htx_endpoint *ep, uint32_t handle) {
    return object_of(ep->conns, ep->limits.max_links, handle);
}
struct htx_session *htx_session_of(const struct htx_endpoint *ep, uint32_t handle) {
    struct htx_session *s = object_of(ep->sessions, ep->limits.max_links, handle);
    return s == NULL || s->dead ? NULL : s;
}

uint32_t htx_slot_take(struct htx_slot *slots, uint32_t n, void *object) {
    uint32_t i = 0;
    while (i < n && slots[i].object != NULL) i++;
    if (i == n) return 0;
    slots[i].generation = (slots[i].generation + 1) & (UINT32_MAX >> SLOT_BITS);
    if (slots[i].generation == 0) slots[i].generation = 1;
    slots[i].object = object;
    return slots[i].generation << SLOT_BITS | i;
}

void htx_wake_by(struct htx_conn *c, vl_ms at) {
    if (at >= c->timer.at) return;
    enum vl_err err = vl_heap_set(&c->ep->conn_timers, &c->timer, at); /* moving cannot fail */
    assert(err == VL_OK);
    (void)err;
}

/* -- life ------------------------------------------------------------------------------------------------------------
 */

struct htx_limits htx_limits_default(void) {
    return (struct htx_limits){ .max_links = VL_LINKS_MAX,
                                .max_half_open = VL_LINKS_MAX / 4,
                                .send_budget = 4u << 20,
                                .handshake_ms = 10000,
                                .keepalive_ms = 15000,
                                .idle_ms = 45000,
                                .drain_ms = 30000,
                                .ack_delay_ms = 20,
                                .resume_ms = 120000,
                                .identity_ttl_ms = 24ull * 3600 * 1000,
                                .rekey_ms = 15ull * 60 * 1000,
                                .rekey_records = 1u << 20,
                                .rekey_bytes = 4ull << 30 };
}

static bool limits_fit(const struct htx_limits *l) {
    return l->max_links >= 1 && l->max_links <= VL_LINKS_MAX && l->max_half_open >= 1 &&
           l->send_budget >= VL_MESSAGE_MAX + 65536u && l->handshake_ms > 0 && l->keepalive_ms > 0 &&
           l->idle_ms > l->keepalive_ms && l->drain_ms > 0 && l->identity_ttl_ms > 0 && l->rekey_ms > 0 &&
           l->rekey_records >= 2 && l->rekey_records <= 1u << 20 && l->rekey_bytes >= 2 * HTX_PLAIN_MAX &&
           l->rekey_bytes <= 4ull << 30;
}

enum vl_err htx_endpoint_create(const struct htx_config *cfg, struct htx_endpoint **ret_ep) {
    if (!limits_fit(&cfg->limits) || cfg->certificate.n > HTX_CERT_MAX) return VL_ERANGE;
    if (cfg->suite != HTX_AESGCM_SHA256 && cfg->suite != HTX_CHACHAPOLY_SHA256) return VL_ERANGE;
    if (sodium_init() < 0) return VL_ECRYPTO;
    struct htx_endpoint *ep = calloc(1, sizeof *ep);
    if (ep == NULL) return VL_ENOMEM;
    ep->limits = cfg->limits;
    ep->suite = cfg->suite;
    ep->capabilities = cfg->capabilities;
    ep->conns = calloc(cfg->limits.max_links, sizeof *ep->conns);
    ep->sessions = calloc(cfg->limits.max_links, sizeof *ep->sessions);
    ep->events.prev = ep->events.next = &ep->events;
    vl_buf_init(&ep->done, VL_MESSAGE_MAX);
    crypto_sign_key_from_seed(cfg->sign_seed, &ep->sign);
    crypto_dh_key_from_seed(cfg->static_secret, &ep->key);
    crypto_drbg_init(&ep->drbg, cfg->seed);
    enum vl_err err = htx_set_certificate(ep, cfg->certificate);
    if (ep->conns == NULL || ep->sessions == NULL) err = VL_ENOMEM;
    if (err) {
        htx_endpoint_destroy(ep);
        return err;
    }
    *ret_ep = ep;
    return VL_OK;
}

void htx_endpoint_destroy(struct htx_endpoint *ep) {
    if (ep == NULL) return;
    for (uint32_t i = 0; ep->conns != NULL && i < ep->limits.max_links; i++)
        if (ep->conns[i].object != NULL) htx_conn_free(ep->conns[i].object);
    for (uint32_t i = 0; ep->sessions != NULL && i < ep->limits.max_links; i++)
        if (ep->sessions[i].object != NULL) htx_session_free(ep->sessions[i].object);
    free(ep->conns);
    free(ep->sessions);
    vl_heap_free(&ep->conn_timers);
    vl_heap_free(&ep->session_timers);
    htx_pool_free(&ep->pool);
    for (uint32_t i = 0; i < ep->nspares; i++) vl_buf_free(&ep->spares[i]);
    vl_buf_free(&ep->done);
    free(ep->lz4);
    free(ep->raw);
    free(ep->gather);
    crypto_sign_key_wipe(&ep->sign);
    crypto_dh_key_wipe(&ep->key);
    crypto_drbg_wipe(&ep->drbg);
    htx_early_cache_free(&ep->early);
    sodium_memzero(ep, sizeof *ep);
    free(ep);
}

enum vl_err htx_set_certificate(struct htx_endpoint *ep, struct vl_span certificate) {
    if (certificate.n > HTX_CERT_MAX) return VL_ERANGE;
    if (certificate.n > 0) memcpy(ep->certificate, certificate.p, certificate.n);
    ep->certificate_n = certificate.n;
    return VL_OK;
}

void htx_static_public(const struct htx_endpoint *ep, uint8_t ret_key[32]) { memcpy(ret_key, ep->key.public, 32); }
struct vl_node_id htx_node_id(const struct htx_endpoint *ep) {
    return crypto_sign_node_id(&ep->sign);
}

/* -- connections -----------------------------------------------------------------------------------------------------
 */

static uint32_t count_half_open(const struct htx_endpoint *ep) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < ep->limits.max_links; i++) {
        const struct htx_conn *c = ep->conns[i].object;
        n += c != NULL && !c->initiator && c->state < CONN_UP;
    }
    return n;
}

/* Takes what the handshake has to say to the connection's own buffer, so that its end is always reached by input. */
static void pump_handshake(struct htx_conn *c, vl_ms now) {
    struct htx_handshake *hs = c->hs;
    if (!c->initiator && hs->has_early && hs->answer == 0 && hs->state == HTX_HS_RUNNING) htx_conn_judge_early(c, now);
    if (htx_handshake_wants_put(hs)) {
        if (vl_buf_reserve(&c->out, HTX_PREFACE + 2 + HTX_IDENTITY_MAX + hs->early.len + 256) != VL_OK) {
            htx_conn_close(c, now, HTX_NO_MEMORY, true);
            return;
        }
        c->out.len += htx_handshake_put(hs, c->out.p + c->out.len);
        htx_mark_dirty(c);
    }
    if (hs->state == HTX_HS_FAILED) {
        htx_conn_close(c, now, hs->reason, true);
        return;
    }
    if (hs->state != HTX_HS_DONE) return;
    memcpy(c->peer_static, noise_remote_static(&hs->noise), 32);
    if (htx_handshake_split(hs, &c->tx.cipher, &c->rx.cipher, c->hash) != VL_OK) {
        htx_conn_close(c, now, HTX_PROTOCOL, true);
        return;
    }
    c->tx.since = c->rx.since = now;
    c->node = hs->node;
    c->state = CONN_VERDICT;
    if (c->initiator && hs->answer == HTX_EARLY_ACCEPTED) vl_buf_free(&c->early);
    htx_raise(c->ep, &c->pending, CONN_BIT_UP);
}

static enum vl_err start_conn(struct htx_endpoint *ep, vl_ms now, struct htx_handshake_config *config,
                              struct htx_conn **ret) {
    uint8_t identity[HTX_IDENTITY_MAX], ephemeral[32];
    size_t n = 0;
    htx_early_watch(&ep->early, now);
    enum vl_err err = htx_identity_make(&ep->sign, ep->key.public, vl_ms_add(now, ep->limits.identity_ttl_ms),
                                        ep->capabilities, vl_span(ep->certificate, ep->certificate_n), identity, &n);
    if (err) return err;
    struct htx_conn *c = htx_conn_create(ep, now, config->initiator);
    if (c == NULL) return VL_ENOMEM;
    ep->stats.conns++; /* htx_conn_free() takes it back */
    c->handle = htx_slot_take(ep->conns, ep->limits.max_links, c);
    assert(c->handle != 0); /* the callers counted */
    crypto_drbg_bytes(&ep->drbg, ephemeral, sizeof ephemeral);
    config->static_key = &ep->key;
    config->ephemeral_seed = ephemeral;
    config->identity = vl_span(identity, n);
    err = htx_handshake_init(c->hs, config);
    if (err == VL_OK) err = vl_buf_append(&c->early, config->early.p, config->early.n); /* should it be refused */
    sodium_memzero(ephemeral, sizeof ephemeral);
    if (err) {
        htx_conn_free(c);
        return err;
    }
    *ret = c;
    return VL_OK;
}

enum vl_err htx_dial(struct htx_endpoint *ep, vl_ms now, const struct htx_dial *dial, uint32_t *ret_conn) {
    struct htx_session *s = NULL;
    uint8_t early[HTX_EARLY_SECTION_MAX];
    struct htx_handshake_config config = { .initiator = true,
                                           .pattern = dial->pattern,
                                           .suite = ep->suite,
                                           .remote_static = dial->peer_static,
                                           .expect = dial->expect };
    if (ep->stats.conns >= ep->limits.max_links) return VL_ELIMIT;
    if (dial->resume != 0) {
        if ((s = htx_session_of(ep, dial->resume)) == NULL) return VL_ENOTFOUND;
        if (s->resuming != NULL) return VL_ESTATE;
        config.expect = &s->node;
        if (config.remote_static == NULL) config.remote_static = s->peer_static;
    }
    if (config.pattern == HTX_CHOOSE)
        config.pattern = s != NULL ? HTX_IK : config.remote_static != NULL ? HTX_XK : HTX_XX;
    if (dial->nearly > 0) {
        config.early = vl_span(early, htx_early_put(early, now, dial->early, dial->nearly));
        if (config.early.n == 0 || config.pattern != HTX_IK) return VL_ERANGE;
    }
    struct htx_conn *c = NULL;
    enum vl_err err = start_conn(ep, now, &config, &c);
    if (err) return err;
    if (s != NULL) {
        c->resume = s->handle;
        s->resuming = c;
    }
    pump_handshake(c, now);
    *ret_conn = c->handle;
    return VL_OK;
}

enum vl_err htx_accept(struct htx_endpoint *ep, vl_ms now, uint32_t *ret_conn) {
    if (ep->stats.conns >= ep->limits.max_links || count_half_open(ep) >= ep->limits.max_half_open) return VL_ELIMIT;
    struct htx_conn *c = NULL;
    struct htx_handshake_config config = { .initiator = false };
    enum vl_err err = start_conn(ep, now, &config, &c);
    if (err) return err;
    *ret_conn = c->handle;
    return VL_OK;
}

void htx_conn_lost(struct htx_endpoint *ep, uint32_t conn, vl_ms now) {
    struct htx_conn *c = htx_conn_of(ep, conn);
    if (c == NULL) return;
    struct htx_session *s = c->session;
    if (c->state != CONN_CLOSING) ep->stats.ended[HTX_TRANSPORT]++;
    htx_conn_free(c);
    if (s != NULL) htx_session_detach(s, now, HTX_TRANSPORT);
}

enum vl_err htx_admit(struct htx_endpoint *ep, uint32_t conn, vl_ms now, bool admit) {
    struct htx_conn *c = htx_conn_of(ep, conn);
    if (c == NULL) return VL_ENOTFOUND;
    if (c->state != CONN_VERDICT) return VL_ESTATE;
    if (admit) return htx_conn_open(c, now);
    htx_conn_close(c, now, HTX_DENIED, true);
    return VL_OK;
}

/* -- input ------------------------------------------------------------------------------------------------------------
 */

/* Gathers up to `want` bytes in c->in; true when they are there. */
static bool gather(struct htx_conn *c, vl_ms now, const uint8_t *p, size_t n, size_t want, size_t *used) {
    size_t take = want - c->in.len < n - *used ? want - c->in.len : n - *used;
    if (vl_buf_append(&c->in, p + *used, take) != VL_OK) {
        htx_conn_close(c, now, HTX_NO_MEMORY, true);
        return false;
    }
    *used += take;
    return c->in.len == want;
}

static void input_handshake(struct htx_conn *c, vl_ms now, const uint8_t *p, size_t n, size_t *used) {
    while (c->state == CONN_HANDSHAKE) {
        size_t want = htx_handshake_wants(c->hs, c->in.p, c->in.len);
        if (want > 2 + HTX_HANDSHAKE_MAX) {
            htx_conn_close(c, now, HTX_PROTOCOL, true);
            return;
        }
        if (want == 0 || (c->in.len < want && !gather(c, now, p, n, want, used))) return;
        if (htx_handshake_wants(c->hs, c->in.p, c->in.len) > c->in.len) continue; /* that was the length */
        htx_handshake_take(c->hs, now, vl_span(c->in.p, c->in.len));
        vl_buf_clear(&c->in);
        pump_handshake(c, now);
    }
}

static void open_record(struct htx_conn *c, vl_ms now, struct vl_span body) {
    struct htx_endpoint *ep = c->ep;
    size_t got = 0;
    enum vl_err err = htx_record_open(&c->rx, body, ep->plain, &got);
    if (err) { /* whoever sits on the path can cause this, so the session is kept */
        htx_conn_close(c, now, err == VL_ENOMEM ? HTX_NO_MEMORY : HTX_CRYPTO, true);
        return;
    }
    ep->stats.rx_records++;
    c->established = true;
    c->last_rx = now;
    ep->rec_conn = c->handle;
    ep->rec_at = 0;
    ep->rec_n = got;
    ep->rec_now = now;
}

static void input_record(struct htx_conn *c, vl_ms now, const uint8_t *p, size_t n, size_t *used) {
    size_t left = n - *used;
    if (c->in.len == 0 && left >= 2 && left - 2 >= vl_get_u16(p + *used)) { /* whole: opened where it lies */
        size_t body = vl_get_u16(p + *used);
        open_record(c, now, vl_span(p + *used + 2, body));
        *used += 2 + body;
        return;
    }
    if (c->in.len < 2 && !gather(c, now, p, n, 2, used)) return;
    size_t body = vl_get_u16(c->in.p);
    if (body > HTX_PLAIN_MAX + HTX_TAG) {
        htx_conn_close(c, now, HTX_CRYPTO, true);
        return;
    }
    if (!gather(c, now, p, n, 2 + body, used)) return;
    open_record(c, now, vl_span(c->in.p + 2, body));
    vl_buf_clear(&c->in);
}

static bool events_wait(const struct htx_endpoint *ep) {
    return ep->rec_at < ep->rec_n || ep->have_message || ep->ahead_session != 0 || ep->events.next != &ep->events;
}

enum vl_err htx_input(struct htx_endpoint *ep, uint32_t conn, vl_ms now, const void *p, size_t n, size_t *ret_used) {
    struct htx_conn *c = htx_conn_of(ep, conn);
    size_t used = 0;
    *ret_used = 0;
    if (c == NULL) return VL_ENOTFOUND;
    if (c->state == CONN_CLOSING) return VL_ECLOSED;
    if (events_wait(ep)) return VL_EBUSY;
    if (c->state == CONN_HANDSHAKE)
        input_handshake(c, now, p, n, &used);
    else if (c->state >= CONN_OPENING && n > 0)
        input_record(c, now, p, n, &used);
    ep->stats.rx_wire_bytes += used;
    *ret_used = used;
    return VL_OK;
}

/* -- output
 * ------------------------------------------------------------------------------------------------------------ */

size_t htx_output(struct htx_endpoint *ep, uint32_t conn, vl_ms now, void *buf, size_t cap) {
    struct htx_conn *c = htx_conn_of(ep, conn);
    if (c == NULL || cap < HTX_RECORD_WIRE_MAX) return 0;
    size_t n = htx_conn_output(c, now, buf, cap);
    /* A connection that still has something after a full buffer is waiting for the transport: its peer may be slow. */
    bool more = n > 0 && htx_conn_wants_output(c, now);
    c->dirty_since = more ? now : VL_MS_NEVER;
    if (c->state == CONN_UP) htx_wake_by(c, htx_conn_deadline(c));
    return n;
}

uint32_t htx_next_output_conn(struct htx_endpoint *ep) {
    struct htx_conn *c = ep->dirty_head;
    if (c == NULL) return 0;
    ep->dirty_head = c->next_dirty;
    if (ep->dirty_head == NULL) ep->dirty_tail = NULL;
    c->dirty = false;
    return c->handle;
}

/* -- time
 * --------------------------------------------------------------------------------------------------------------- */

vl_ms htx_deadline(const struct htx_endpoint *ep) {
    return vl_ms_min(vl_heap_deadline(&ep->conn_timers), vl_heap_deadline(&ep->session_timers));
}

void htx_expire(struct htx_endpoint *ep, vl_ms now) {
    struct vl_heap_node *node;
    while ((node = vl_heap_top(&ep->conn_timers)) != NULL && node->at <= now) {
        struct htx_conn *c = HTX_OBJECT(struct htx_conn, timer, node);
        htx_conn_expire(c, now);
        vl_ms at = htx_conn_deadline(c);
        if (at <= now) at = now + 1; /* an ACK that waits for output: asked again, should the shell forget it */
        enum vl_err err = vl_heap_set(&ep->conn_timers, &c->timer, at); /* moving cannot fail */
        assert(err == VL_OK);
        (void)err;
    }
    while ((node = vl_heap_top(&ep->session_timers)) != NULL && node->at <= now) {
        struct htx_session *s = HTX_OBJECT(struct htx_session, timer, node);
        enum vl_err err = vl_heap_set(&ep->session_timers, &s->timer, VL_MS_NEVER);
        assert(err == VL_OK);
        (void)err;
        struct htx_conn *resuming = s->resuming;
        htx_session_lose(s, HTX_RESUME_TIMEOUT);
        if (resuming != NULL) htx_conn_close(resuming, now, HTX_RESUME_TIMEOUT, true);
    }
}
