/* Two endpoints and a list of what applications and transports do to them: one byte an action, one its argument.
 * Every message says its number on its stream; it must arrive once and in order, whatever dies in between.  Early data
 * says a number of its own: it arrives at most once, early or as a datagram, and for certain when the dialler is told
 * so. An odd first byte ages the endpoints by 11 minutes first, so that early data can be accepted. Sources: src/net,
 * src/crypto, src/base; libsodium, libcrypto, liblz4. */
#include "net/htx.h"

#include <stdlib.h>
#include <string.h>

#define STREAMS 64u

struct side {
    struct htx_endpoint *ep;
    uint32_t conn, session;
    uint32_t sent[STREAMS], got[STREAMS];
    bool opened[STREAMS];
    uint32_t early_sent, early_up; /* next number; the one that the last connection carried, + 1 */
    bool early_got[256];           /* numbers heard by the other side */
    uint8_t wire[1 << 20];         /* to the other side */
    size_t n;
};
static struct side sides[2];
static vl_ms now;

static void lost(struct side *s) {
    s->session = 0;
    memset(s->opened, 0, sizeof s->opened);
}

static void early(struct side *s, const struct htx_event *ev) {
    struct side *from = s == &sides[0] ? &sides[1] : &sides[0];
    if (ev->data.n != 5 || ev->data.p[0] != 'e') return; /* another datagram */
    uint32_t number = vl_get_u32(ev->data.p + 1);
    if (number >= from->early_sent || from->early_got[number]) abort();
    from->early_got[number] = true;
}

static void events(struct side *s) {
    struct htx_event ev;
    while (htx_next_event(s->ep, &ev)) {
        if (ev.type == HTX_CONN_UP && htx_admit(s->ep, ev.conn, now, true) != VL_OK) abort();
        if (ev.type == HTX_CONN_UP && ev.early == HTX_EARLY_ACCEPTED && !s->early_got[s->early_up - 1]) abort();
        if (ev.type == HTX_EARLY || ev.type == HTX_DATAGRAM) early(s, &ev);
        if (ev.type == HTX_SESSION_UP) {
            if (!ev.resumed) {
                for (int i = 0; i < 2; i++) memset(sides[i].got, 0, sizeof sides[i].got);
                for (int i = 0; i < 2; i++) memset(sides[i].sent, 0, sizeof sides[i].sent);
            }
            s->session = ev.session;
        }
        if (ev.type == HTX_SESSION_LOST && ev.session == s->session) lost(s);
        if (ev.type == HTX_STREAM_OPENED && ev.stream < STREAMS) s->opened[ev.stream] = true;
        if (ev.type == HTX_STREAM_RESET && ev.stream < STREAMS) s->opened[ev.stream] = false;
        if (ev.type != HTX_MESSAGE || ev.stream >= STREAMS) continue;
        if (ev.data.n < 4 || vl_get_u32(ev.data.p) != s->got[ev.stream]++) abort();
    }
}

static void move(bool drop, uint8_t flip) {
    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &sides[i], *to = &sides[1 - i];
        if (s->conn != 0) s->n = htx_output(s->ep, s->conn, now, s->wire, sizeof s->wire);
        while (htx_next_output_conn(s->ep) != 0) {
        }
        events(s);
        if (drop || to->conn == 0) continue;
        if (flip != 0 && s->n > 0) s->wire[flip % s->n] ^= flip;
        size_t used = 1;
        for (size_t at = 0; at < s->n && used > 0; at += used) {
            if (htx_input(to->ep, to->conn, now, s->wire + at, s->n - at, &used) != VL_OK) break;
            events(to);
        }
    }
}

static void cut(void) {
    for (unsigned i = 0; i < 2; i++) {
        htx_conn_lost(sides[i].ep, sides[i].conn, now);
        sides[i].conn = 0;
        events(&sides[i]);
    }
}

static void dial(unsigned who) {
    uint8_t key[32];
    struct side *a = &sides[who & 1], *b = &sides[1 - (who & 1)];
    if (a->conn != 0 || b->conn != 0) cut();
    htx_static_public(b->ep, key);
    uint8_t number[5] = { 'e' };
    struct vl_span payload = vl_span(number, sizeof number);
    struct htx_dial d = { .peer_static = who & 2 ? key : NULL, .resume = a->session };
    a->early_up = 0;
    if (who & 4 && a->session != 0 && a->early_sent < 256) {
        vl_put_u32(number + 1, a->early_sent++);
        a->early_up = a->early_sent;
        d.early = &payload;
        d.nearly = 1;
    }
    if (htx_dial(a->ep, now, &d, &a->conn) != VL_OK || htx_accept(b->ep, now, &b->conn) != VL_OK) abort();
    for (int i = 0; i < (who & 8 ? 1 : 4); i++) move(false, 0);
}

static void act(uint8_t op, uint8_t arg) {
    static uint8_t data[70000];
    struct side *s = &sides[op >> 7];
    uint32_t stream = arg % STREAMS;
    switch (op & 15) {
    case 0:
        dial(arg);
        break;
    case 1:
        cut();
        break;
    case 2:
        move(true, 0), cut();
        break;
    case 3:
        now += arg * 256u;
        for (unsigned i = 0; i < 2; i++) htx_expire(sides[i].ep, now), events(&sides[i]);
        break;
    case 4:
        if (s->session && htx_open(s->ep, s->session, (enum htx_priority)(arg % 5), &stream) == VL_OK &&
            stream < STREAMS)
            s->opened[stream] = true;
        break;
    case 5:
        if (s->opened[stream]) (void)!htx_close_stream(s->ep, s->session, stream, now);
        break;
    case 6:
        if (arg % 8 == 0 && htx_reset_stream(s->ep, s->session, stream, now, arg) == VL_OK) s->opened[stream] = false;
        break;
    case 7:
        (void)!htx_hold(s->ep, s->session, stream, arg & 128);
        break;
    case 8:
        (void)!htx_tune(s->ep, s->session, stream, (enum htx_priority)(arg / 50), arg & 1);
        break;
    case 9:
        (void)!htx_datagram(s->ep, s->session, now, vl_span(data, arg));
        break;
    case 10:
        if (arg == 255 && htx_close(s->ep, s->session, now, arg) == VL_OK) lost(s);
        break;
    case 11:
        move(false, arg);
        break;
    case 12:
        (void)!htx_goaway(s->ep, s->session, arg);
        break;
    case 13:
    case 14: {
        if (!s->opened[stream]) break;
        vl_put_u32(data, s->sent[stream]);
        struct vl_span part = vl_span(data, (op & 15) == 13 ? 4 + arg : 4 + arg * 270u);
        if (htx_send(s->ep, s->session, stream, now, &part, 1) == VL_OK) s->sent[stream]++;
        break;
    }
    default:
        move(false, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    now = 1000;
    for (unsigned i = 0; i < 2; i++) {
        struct htx_config c = { .suite = HTX_CHACHAPOLY_SHA256,
                                .limits = htx_limits_default(),
                                .sign_seed = { (uint8_t)i },
                                .static_secret = { (uint8_t)i, 2 },
                                .seed = { (uint8_t)i, 3 } };
        c.limits.max_links = 8;
        c.limits.send_budget = 400000;
        c.limits.rekey_records = 5;
        sides[i] = (struct side){ 0 };
        if (htx_endpoint_create(&c, &sides[i].ep) != VL_OK) abort();
    }
    dial(2);
    for (int i = 0; i < 44 && n > 0 && p[0] & 1; i++) {
        now += 15000;
        for (unsigned k = 0; k < 2; k++) htx_expire(sides[k].ep, now), events(&sides[k]);
        for (unsigned k = 0; k < 3; k++) move(false, 0);
    }
    for (size_t at = 1; at + 1 < n && at < 400; at += 2) act(p[at], p[at + 1]);
    for (unsigned i = 0; i < 2; i++) htx_endpoint_destroy(sides[i].ep);
    return 0;
}
