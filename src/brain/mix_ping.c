/* A question to another member that cannot know who asks: goes out at a privacy level and comes back through reply
 * blocks.  Measures the private network from end to end, as `village mix ping` shows it. */
#include "brain/mix_priv.h"

#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

#define PING_MS 90000u /* an answer that takes longer is lost */
#define PINGS_MAX 32u

static struct mix_ping **ping_find(struct mix *m, const uint8_t *nonce) {
    struct mix_ping **at = &m->pings;
    while (*at && !crypto_equal((*at)->nonce, nonce, sizeof(*at)->nonce)) at = &(*at)->next;
    return at;
}

static void ping_end(struct brain *b, struct mix_ping **at, enum vl_err err, const char *why) {
    struct mix_ping *p = *at;
    uint8_t rtt[4];
    *at = p->next;
    b->mix->pings_n--;
    vl_put_u32(rtt, (uint32_t)(b->now - p->sent));
    reply(b, p->token, err, why, vl_span(rtt, sizeof rtt));
    free(p);
}

void brain_mix_ping(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id to, enum mix_level level) {
    step_begin(b, now);
    struct mix *m = b->mix;
    struct vl_errmsg msg = { "" };
    const struct mix_client *c = m->current.have ? mix_client_by_node(&m->current.c, to) : NULL;
    struct mix_ping *p = m->pings_n < PINGS_MAX ? calloc(1, sizeof *p) : NULL;
    struct channel_to dst = { .node = to, .level = level, .anonymous = true };
    uint8_t message[17] = { PRIVATE_PING };
    uint16_t mean;
    uint64_t id;
    enum vl_err err = p ? paths_level(m->paths, b->now, level, &mean, &msg) : VL_ELIMIT;
    if (err == VL_OK && c == NULL) err = vl_errmsg_set(&msg, VL_ENOTFOUND, "the consensus does not list this node");
    if (err == VL_OK) {
        *p = (struct mix_ping){ .next = m->pings, .token = token, .sent = b->now };
        crypto_drbg_bytes(&m->rng, p->nonce, sizeof p->nonce);
        memcpy(message + 1, p->nonce, sizeof p->nonce);
        memcpy(dst.static_key, c->static_key, sizeof dst.static_key);
        err = channel_send(m->channel, b->now, &dst, vl_span(message, sizeof message), &id);
    }
    if (err == VL_OK) {
        m->pings = p;
        m->pings_n++;
        m->ping_at = vl_ms_min(m->ping_at, b->now + PING_MS);
    } else {
        free(p);
        reply(b, token, err, msg.text[0] ? msg.text : NULL, (struct vl_span){ 0 });
    }
    step_end(b);
}

/* Asked: answered without knowing whom. */
void mix_ping_asked(struct brain *b, const struct channel_event *ev) {
    uint8_t message[17] = { PRIVATE_PONG };
    if (ev->bytes.n != sizeof message || !ev->has_conversation) {
        b->mix->counters.messages_bad++;
        return;
    }
    memcpy(message + 1, ev->bytes.p + 1, 16);
    uint64_t id;
    vl_ignore(channel_answer(b->mix->channel, b->now, ev->conversation, vl_span(message, sizeof message), &id));
}

void mix_ping_answered(struct brain *b, const struct channel_event *ev) {
    struct mix_ping **at = ev->bytes.n == 17 ? ping_find(b->mix, ev->bytes.p + 1) : NULL;
    if (at == NULL || *at == NULL)
        b->mix->counters.messages_bad++;
    else
        ping_end(b, at, VL_OK, NULL);
}

void mix_ping_tick(struct brain *b) {
    struct mix *m = b->mix;
    if (m->ping_at > b->now) return;
    m->ping_at = VL_MS_NEVER;
    for (struct mix_ping **at = &m->pings; *at;) {
        vl_ms end = (*at)->sent + PING_MS;
        if (end <= b->now) {
            ping_end(b, at, VL_ETIMEOUT, "no answer came through the private network");
            continue;
        }
        m->ping_at = vl_ms_min(m->ping_at, end);
        at = &(*at)->next;
    }
}

void mix_ping_destroy(struct mix *m) {
    for (struct mix_ping *p; (p = m->pings); free(p)) m->pings = p->next;
}
