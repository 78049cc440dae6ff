#include "htx_pair.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

struct htx_config pair_config(unsigned who) {
    struct htx_config c = { .capabilities = 0x1122334455667788u + who,
                            .suite = HTX_AESGCM_SHA256,
                            .limits = htx_limits_default(),
                            .certificate =
                                who == 0 ? vl_span_str("certificate of the dialler") : vl_span_str("cert B") };
    memset(c.sign_seed, 0x10 + (int)who, 32);
    memset(c.static_secret, 0x20 + (int)who, 32);
    memset(c.seed, 0x30 + (int)who, 32);
    return c;
}

void pair_init(struct pair *p, const struct htx_config *a, const struct htx_config *b) {
    *p = (struct pair){ .now = 1000000, .chunk_max = HTX_OUTPUT_GOOD };
    for (unsigned i = 0; i < 2; i++) {
        struct htx_config standard = pair_config(i);
        const struct htx_config *c = i == 0 ? a : b;
        CHECK_OK(htx_endpoint_create(c != NULL ? c : &standard, &p->side[i].ep));
        vl_buf_init(&p->side[i].out, 64u << 20);
        vl_buf_init(&p->side[i].in, 64u << 20);
        vl_buf_init(&p->side[i].early, 1u << 20);
        vl_buf_init(&p->side[i].datagrams, 1u << 20);
        for (unsigned s = 0; s < PAIR_STREAMS; s++) vl_buf_init(&p->side[i].got[s], 64u << 20);
    }
}

void pair_free(struct pair *p) {
    for (unsigned i = 0; i < 2; i++) {
        htx_endpoint_destroy(p->side[i].ep);
        vl_buf_free(&p->side[i].out);
        vl_buf_free(&p->side[i].in);
        vl_buf_free(&p->side[i].early);
        vl_buf_free(&p->side[i].datagrams);
        for (unsigned s = 0; s < PAIR_STREAMS; s++) vl_buf_free(&p->side[i].got[s]);
    }
}

static void keep(struct vl_buf *to, struct vl_span data) {
    uint8_t n[4];
    vl_put_u32(n, (uint32_t)data.n);
    CHECK_OK(vl_buf_append(to, n, 4));
    CHECK_OK(vl_buf_append(to, data.p, data.n));
}

static void note(struct pair *p, struct pair_side *s, const struct htx_event *ev) {
    s->seen[ev->type]++;
    s->last[ev->type] = *ev;
    if (ev->type == HTX_CONN_UP) {
        memcpy(s->certificate, ev->data.p, ev->data.n);
        s->certificate_n = ev->data.n;
        if (!s->no_verdict) CHECK_OK(htx_admit(s->ep, ev->conn, p->now, !s->deny));
    } else if (ev->type == HTX_SESSION_UP)
        s->session = ev->session;
    else if (ev->type == HTX_SESSION_LOST && s->session == ev->session)
        s->session = 0;
    else if (ev->type == HTX_MESSAGE) {
        if (ev->stream < PAIR_STREAMS && !s->forget) keep(&s->got[ev->stream], ev->data);
        if (s->echo) CHECK_OK(htx_send(s->ep, ev->session, ev->stream, p->now, &ev->data, 1));
    } else if (ev->type == HTX_EARLY)
        keep(&s->early, ev->data);
    else if (ev->type == HTX_DATAGRAM)
        keep(&s->datagrams, ev->data);
}

void pair_drain_events(struct pair *p, unsigned who) {
    struct htx_event ev;
    while (htx_next_event(p->side[who].ep, &ev)) note(p, &p->side[who], &ev);
}

static bool take_output(struct pair *p, unsigned who) {
    struct pair_side *s = &p->side[who];
    static uint8_t buf[HTX_OUTPUT_GOOD * 2];
    bool moved = false;
    size_t n;
    while (htx_next_output_conn(s->ep) != 0) {
    }
    while (!p->cut && s->conn != 0 && (n = htx_output(s->ep, s->conn, p->now, buf, p->chunk_max)) > 0) {
        moved = true;
        if (++p->chunks == p->cut_at) {
            p->cut = true;
            if (n > p->cut_keep) n = p->cut_keep;
        }
        CHECK_OK(vl_buf_append(&s->out, buf, n));
    }
    return moved;
}

static bool give_input(struct pair *p, unsigned who) {
    struct pair_side *s = &p->side[who], *from = &p->side[1 - who];
    bool moved = false;
    CHECK_OK(vl_buf_append(&s->in, from->out.p, from->out.len));
    vl_buf_clear(&from->out);
    size_t at = 0;
    while (s->conn != 0 && at < s->in.len) {
        size_t used = 0;
        enum vl_err err = htx_input(s->ep, s->conn, p->now, s->in.p + at, s->in.len - at, &used);
        if (err == VL_ECLOSED || err == VL_ENOTFOUND)
            used = s->in.len - at;
        else
            CHECK_OK(err);
        pair_drain_events(p, who);
        at += used;
        moved |= used > 0;
        if (used == 0) break;
    }
    vl_buf_consume(&s->in, at);
    return moved;
}

void pair_pump(struct pair *p) {
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < 2; i++) pair_drain_events(p, i);
        for (unsigned i = 0; i < 2; i++) moved |= take_output(p, i);
        for (unsigned i = 0; i < 2; i++) moved |= give_input(p, i);
        if (p->cut) {
            p->cut = false;
            p->cut_at = 0;
            pair_cut(p);
            return;
        }
    }
}

void pair_cut(struct pair *p) {
    for (unsigned i = 0; i < 2; i++) {
        htx_conn_lost(p->side[i].ep, p->side[i].conn, p->now);
        p->side[i].conn = 0;
        vl_buf_clear(&p->side[i].out);
        vl_buf_clear(&p->side[i].in);
        pair_drain_events(p, i);
    }
}

void pair_dial(struct pair *p, enum htx_pattern pattern, bool resume) {
    uint8_t key[32];
    struct vl_node_id node = htx_node_id(p->side[1].ep);
    htx_static_public(p->side[1].ep, key);
    struct htx_dial dial = { .expect = &node,
                             .peer_static = pattern == HTX_XX ? NULL : key,
                             .resume = resume ? p->side[0].session : 0,
                             .pattern = pattern };
    CHECK_OK(htx_dial(p->side[0].ep, p->now, &dial, &p->side[0].conn));
    CHECK_OK(htx_accept(p->side[1].ep, p->now, &p->side[1].conn));
    pair_pump(p);
}

void pair_dial_early(struct pair *p, const struct vl_span *payloads, size_t n) {
    struct htx_dial dial = { .resume = p->side[0].session, .early = payloads, .nearly = n };
    CHECK_OK(htx_dial(p->side[0].ep, p->now, &dial, &p->side[0].conn));
    CHECK_OK(htx_accept(p->side[1].ep, p->now, &p->side[1].conn));
}

void pair_wait(struct pair *p, vl_ms ms) {
    vl_ms end = p->now + ms;
    while (p->now < end) {
        vl_ms at = vl_ms_min(htx_deadline(p->side[0].ep), htx_deadline(p->side[1].ep));
        if (at > p->now)
            p->now = at < end ? at : end;
        else
            p->now++;
        for (unsigned i = 0; i < 2; i++) htx_expire(p->side[i].ep, p->now);
        pair_pump(p);
    }
}

void pair_send(struct pair *p, unsigned who, uint32_t stream, const void *data, size_t n) {
    struct vl_span part = vl_span(data, n);
    CHECK_OK(htx_send(p->side[who].ep, p->side[who].session, stream, p->now, &part, 1));
}

uint32_t pair_open(struct pair *p, unsigned who, enum htx_priority priority) {
    uint32_t stream = 0;
    CHECK_OK(htx_open(p->side[who].ep, p->side[who].session, priority, &stream));
    return stream;
}
