/* Jobs submitted at members: blobs in pieces, sent and put together. */
#include "brain/remote_priv.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- putting together ---------------------------------------------------------------------------------------------
 */

static struct remote_part *part_new(struct brain *b, struct vl_node_id from, const struct remote_data *m,
                                    enum vl_err *ret_err) {
    struct remote *r = b->remote;
    uint64_t bytes = m->total;
    uint32_t n = 0;
    for (struct remote_part *p = r->parts; p; p = p->next)
        if (vl_node_eq(p->from, from)) {
            bytes += p->total;
            n++;
        }
    *ret_err = VL_ELIMIT;
    if (bytes > REMOTE_PARTS_BYTES || n >= REMOTE_PARTS_MAX || r->parts_bytes + m->total > REMOTE_PARTS_TOTAL)
        return NULL;
    *ret_err = VL_ENOMEM;
    struct remote_part *p = calloc(1, sizeof *p + m->total);
    if (p == NULL) return NULL;
    *p = (struct remote_part){ .next = r->parts, .from = from, .hash = m->hash, .total = m->total };
    r->parts = p;
    r->parts_bytes += m->total;
    *ret_err = VL_OK;
    return p;
}

void remote_part_drop(struct brain *b, struct remote_part *p) {
    for (struct remote_part **at = &b->remote->parts; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            b->remote->parts_bytes -= p->total;
            free(p);
            return;
        }
}

enum vl_err remote_part_take(struct brain *b, struct vl_node_id from, const struct remote_data *m,
                             struct remote_part **ret) {
    struct remote_part *p = b->remote->parts;
    enum vl_err err = VL_OK;
    while (p && !(vl_hash_eq(p->hash, m->hash) && vl_node_eq(p->from, from))) p = p->next;
    if (p == NULL && (p = part_new(b, from, m, &err)) == NULL) return err;
    uint32_t i = m->offset / REMOTE_PIECE;
    if (p->total != m->total) return VL_ERANGE;
    if (p->got[i / 8] & 1u << i % 8) return VL_EREPLAY;
    memcpy(p->bytes + m->offset, m->bytes.p, m->bytes.n);
    p->got[i / 8] = (uint8_t)(p->got[i / 8] | 1u << i % 8);
    p->pieces++;
    p->at = b->now;
    b->remote->parts_at = vl_ms_min(b->remote->parts_at, b->now + REMOTE_IDLE_MS);
    if (p->pieces < (p->total + REMOTE_PIECE - 1) / REMOTE_PIECE) return VL_EAGAIN;
    struct vl_hash h;
    crypto_blake2b256(vl_span(p->bytes, p->total), &h);
    if (!vl_hash_eq(h, p->hash)) {
        remote_part_drop(b, p);
        return VL_ECRYPTO;
    }
    *ret = p;
    return VL_OK;
}

void remote_parts_expire(struct brain *b) {
    vl_ms next = VL_MS_NEVER;
    for (struct remote_part *p = b->remote->parts, *after; p; p = after) {
        after = p->next;
        if (p->at + REMOTE_IDLE_MS <= b->now)
            remote_part_drop(b, p);
        else
            next = vl_ms_min(next, p->at + REMOTE_IDLE_MS);
    }
    b->remote->parts_at = next;
}

/* ---- sending -------------------------------------------------------------------------------------------------------
 */

void remote_send_stop(struct brain *b, struct remote_job *j) {
    for (struct remote_job **at = &b->remote->sending; *at; at = &(*at)->next_sending)
        if (*at == j) {
            *at = j->next_sending;
            break;
        }
    j->sending = false;
    free(j->out);
    j->out = NULL;
    j->out_n = j->out_at = j->out_offset = j->flying_n = 0;
    j->req = 0;
}

static void send_on(struct brain *b, struct remote_job *j) {
    uint32_t window = j->level == MIX_OFF ? REMOTE_WINDOW : REMOTE_WINDOW_PRIVATE;
    if (!j->sending || j->req || j->flying_n >= window || j->retry_at != VL_MS_NEVER) return;
    if (j->out_at == j->out_n) {
        if (j->flying_n == 0) remote_send_stop(b, j);
        return;
    }
    /* held: a small output is a record of a commit that may be on its way */
    struct brain_effect *e = effect_held(b, BRAIN_BLOB_READ, (struct vl_span){ 0 }, NULL);
    j->req = e->req = REMOTE_REQ | ++b->remote->req;
    e->hash = j->out[j->out_at];
    e->offset = j->out_offset;
    e->length = REMOTE_PIECE;
}

void remote_send(struct brain *b, struct remote_job *j, struct vl_hash *out, uint32_t n) {
    if (j->sending) remote_send_stop(b, j);
    j->out = out;
    j->out_n = n;
    j->sending = true;
    j->retry_at = VL_MS_NEVER;
    j->next_sending = b->remote->sending;
    b->remote->sending = j;
    send_on(b, j);
}

static void piece_send(struct brain *b, struct remote_job *j, uint32_t total, struct vl_span bytes) {
    struct remote_data m = { .hash = j->out[j->out_at], .total = total, .offset = j->out_offset, .bytes = bytes };
    struct vl_buf buf;
    struct vl_msg_id id = { { 0 } };
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    enum vl_err err = remote_data_encode(&m, &buf);
    if (err == VL_OK)
        err = message_send(b, remote_other(b, j), j->level, MSG_DATA, ENVELOPE_BULK, vl_span(buf.p, buf.len), &id);
    vl_buf_free(&buf);
    if (err) { /* the outbox is full */
        j->retry_at = b->now + 1000;
        b->remote->at = vl_ms_min(b->remote->at, j->retry_at);
        return;
    }
    j->flying[j->flying_n++] = id;
    j->out_offset += (uint32_t)bytes.n;
    if (j->out_offset < total) return;
    j->out_offset = 0;
    j->out_at++;
}

bool remote_read(struct brain *b, uint64_t req, enum vl_err err, uint64_t size, struct vl_span bytes) {
    if (!(req & REMOTE_REQ)) return false;
    struct remote_job *j = b->remote->sending;
    while (j && j->req != req) j = j->next_sending;
    if (j == NULL) return true; /* it ended meanwhile */
    j->req = 0;
    if (err == VL_OK && (size == 0 || size > REMOTE_DATA_MAX || j->out_offset >= size ||
                         bytes.n != remote_piece_size((uint32_t)size, j->out_offset)))
        err = VL_ERANGE;
    if (err == VL_OK) {
        piece_send(b, j, (uint32_t)size, bytes);
    } else if (!b->cfg.coordinator) {
        remote_unreadable(b, j, err);
        return true;
    } else { /* the member will ask for it until it gives up */
        j->out_offset = 0;
        j->out_at++;
    }
    send_on(b, j);
    return true;
}

bool remote_piece_arrived(struct brain *b, struct vl_msg_id id) {
    for (struct remote_job *j = b->remote->sending; j; j = j->next_sending)
        for (uint32_t i = 0; i < j->flying_n; i++) {
            if (!vl_msg_eq(j->flying[i], id)) continue;
            j->flying[i] = j->flying[--j->flying_n];
            if (!b->cfg.coordinator) remote_sent(b, j);
            send_on(b, j);
            return true;
        }
    return false;
}

void remote_send_tick(struct brain *b) {
    for (struct remote_job *j = b->remote->sending, *next; j; j = next) {
        next = j->next_sending;
        if (j->retry_at > b->now) continue;
        j->retry_at = VL_MS_NEVER;
        send_on(b, j);
    }
}
