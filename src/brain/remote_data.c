/* Jobs submitted at members, what both ends do: remember them, send blobs in pieces, put pieces together. */
#include "brain/remote_priv.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

enum vl_err remote_create(struct brain *b) {
    b->remote = calloc(1, sizeof *b->remote);
    if (b->remote == NULL) return VL_ENOMEM;
    vl_map_init(&b->remote->jobs, sizeof(struct vl_job_id), VL_JOBS_MAX, vl_prng_next(&b->rng));
    b->remote->at = b->remote->parts_at = VL_MS_NEVER;
    return VL_OK;
}

static void job_free(struct remote_job *j) {
    remote_need_free(j);
    free(j->spec);
    free(j->row);
    free(j->out);
    free(j);
}

void remote_destroy(struct brain *b) {
    struct remote *r = b->remote;
    size_t it = 0;
    if (r == NULL) return;
    for (struct remote_job *j; (j = vl_map_next(&r->jobs, &it, NULL));) job_free(j);
    vl_map_free(&r->jobs);
    while (r->parts) remote_part_drop(b, r->parts);
    free(r);
}

struct vl_node_id remote_other(const struct brain *b, const struct remote_job *j) {
    return b->cfg.coordinator ? j->peer : b->coordinator;
}

/* ---- the jobs --------------------------------------------------------------------------------------------------- */

struct remote_job *remote_get(const struct brain *b, struct vl_job_id id) {
    return vl_map_get(&b->remote->jobs, id.b);
}

struct remote_job *remote_add(struct brain *b, struct vl_job_id id, enum remote_state state) {
    struct remote_job *j = calloc(1, sizeof *j);
    if (j == NULL || vl_map_put(&b->remote->jobs, id.b, j)) {
        free(j);
        return NULL;
    }
    *j = (struct remote_job){ .job = id, .state = state, .submitted = b->now, .at = VL_MS_NEVER, .since = b->now };
    j->retry_at = VL_MS_NEVER;
    if (state == REMOTE_ENDED) {
        b->remote->ended++;
        return j;
    }
    j->next = b->remote->live;
    if (j->next) j->next->prev = j;
    b->remote->live = j;
    return j;
}

static void live_leave(struct brain *b, struct remote_job *j) {
    if (j->state == REMOTE_ENDED) {
        b->remote->ended--;
        return;
    }
    if (j->next) j->next->prev = j->prev;
    if (j->prev)
        j->prev->next = j->next;
    else
        b->remote->live = j->next;
    j->next = j->prev = NULL;
}

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

void remote_drop(struct brain *b, struct remote_job *j) {
    if (j->sending) remote_send_stop(b, j);
    live_leave(b, j);
    vl_map_del(&b->remote->jobs, j->job.b);
    job_free(j);
}

void remote_end(struct brain *b, struct remote_job *j) {
    if (j->sending) remote_send_stop(b, j);
    if (j->state != REMOTE_ENDED) {
        live_leave(b, j);
        b->remote->ended++;
    }
    remote_need_free(j);
    free(j->spec);
    free(j->row);
    j->spec = j->row = NULL;
    j->spec_n = j->row_n = 0;
    j->state = REMOTE_ENDED;
    j->at = VL_MS_NEVER;
}

bool remote_keep(struct brain *b, uint8_t **dst, size_t *dst_n, struct vl_span bytes) {
    uint8_t *p = malloc(bytes.n ? bytes.n : 1);
    if (p == NULL) {
        out_of_memory(b);
        return false;
    }
    if (bytes.n) memcpy(p, bytes.p, bytes.n);
    free(*dst);
    *dst = p;
    *dst_n = bytes.n;
    return true;
}

void remote_save(struct brain *b, const struct remote_job *j) {
    struct vl_buf buf;
    struct remote_record rec = { .state = j->state,
                                 .level = j->level,
                                 .cancel = j->cancel,
                                 .unanswered = j->unanswered,
                                 .peer = j->peer,
                                 .at_ms = j->submitted,
                                 .spec = vl_span(j->spec, j->spec_n),
                                 .row = vl_span(j->row, j->row_n) };
    vl_buf_init(&buf, VL_MESSAGE_MAX);
    if (remote_record_encode(&rec, &buf))
        out_of_memory(b);
    else
        record_add(b, RECORD_REMOTE, j->job.b, sizeof j->job.b, (struct vl_span){ 0 }, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

enum vl_err remote_restore(struct brain *b, const struct record *r) {
    struct remote_record rec;
    struct vl_job_id id;
    enum vl_err err = remote_record_decode(r->bytes, &rec);
    if (err) return VL_ECORRUPT;
    memcpy(id.b, r->key, sizeof id.b);
    struct remote_job *j = remote_add(b, id, rec.state);
    if (j == NULL) return VL_ENOMEM;
    j->level = rec.level;
    j->cancel = rec.cancel;
    j->unanswered = rec.unanswered;
    j->peer = rec.peer;
    j->submitted = rec.at_ms;
    if (rec.spec.n > 0 && !remote_keep(b, &j->spec, &j->spec_n, rec.spec)) return VL_ENOMEM;
    if (rec.row.n > 0 && !remote_keep(b, &j->row, &j->row_n, rec.row)) return VL_ENOMEM;
    return b->cfg.coordinator || remote_member_start(j) ? VL_OK : VL_ECORRUPT;
}

/* What was under way goes on: on the coordinator with the news, on the member with its next question. */
void remote_start(struct brain *b) {
    for (struct remote_job *j = b->remote->live; j; j = j->next) remote_due(b, j, b->now);
}

void remote_due(struct brain *b, struct remote_job *j, vl_ms at) {
    j->at = at;
    b->remote->at = vl_ms_min(b->remote->at, at);
}

vl_ms remote_backoff(struct remote_job *j) {
    vl_ms wait = (vl_ms)REMOTE_RETRY_MS << (j->tries < 5 ? j->tries : 5);
    j->tries++;
    return wait < REMOTE_RETRY_MAX_MS ? wait : REMOTE_RETRY_MAX_MS;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

enum vl_err remote_post(struct brain *b, struct remote_job *j, enum brain_message type, const struct vl_buf *m,
                        bool follow) {
    struct vl_msg_id id = { { 0 } };
    enum vl_err err = message_send(b, remote_other(b, j), j->level, type, ENVELOPE_NORMAL, vl_span(m->p, m->len), &id);
    if (err == VL_OK && follow) {
        j->posted = true;
        j->post = id;
    }
    return err;
}

void remote_missing_send(struct brain *b, struct remote_job *j, bool any) {
    struct remote_missing m = { .job = j->job };
    struct vl_buf hashes, buf;
    vl_buf_init(&hashes, REMOTE_HASHES_MAX * sizeof(struct vl_hash));
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    for (uint32_t i = 0; any && i < j->needs_n && m.n < REMOTE_HASHES_MAX; i++) {
        if (j->needs[i].state != NEED_MISSING) continue;
        if (vl_buf_append(&hashes, j->needs[i].hash.b, sizeof j->needs[i].hash.b)) break;
        m.n++;
    }
    m.hashes = vl_span(hashes.p, hashes.len);
    if (remote_missing_encode(&m, &buf) == VL_OK) /* not sent: it will be asked again */
        vl_ignore(remote_post(b, j, MSG_MISSING, &buf, !b->cfg.coordinator));
    vl_buf_free(&hashes);
    vl_buf_free(&buf);
}

void remote_cancel_post(struct brain *b, struct remote_job *j) {
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    if (remote_cancel_encode(&(struct remote_cancel){ .job = j->job }, &buf) == VL_OK)
        vl_ignore(remote_post(b, j, MSG_CANCEL, &buf, false));
    vl_buf_free(&buf);
}

static void dispatch(struct brain *b, struct vl_node_id from, enum mix_level level, enum brain_message type,
                     struct vl_span bytes) {
    struct remote_data d;
    bool in = b->cfg.coordinator;
    if (!in && !vl_node_eq(from, b->coordinator)) {
        b->counters.messages_bad++;
        return;
    }
    switch ((unsigned)type) {
    case MSG_SUBMIT:
        if (in) remote_in_submit(b, from, level, bytes);
        break;
    case MSG_DATA:
        if (remote_data_decode(bytes, &d))
            b->counters.messages_bad++;
        else if (in)
            remote_in_blob(b, from, &d);
        else
            remote_blob_take(b, from, &d);
        return;
    case MSG_MISSING:
        if (in)
            remote_in_missing(b, from, level, bytes);
        else
            remote_missing_take(b, bytes);
        return;
    case MSG_NEWS:
        if (!in) remote_news_take(b, bytes);
        break;
    case MSG_TASK:
        if (!in) remote_task_take(b, bytes);
        break;
    case MSG_CANCEL:
        if (in) remote_in_cancel(b, from, bytes);
        break;
    }
    if (in != (type == MSG_SUBMIT || type == MSG_CANCEL)) b->counters.messages_bad++; /* to the wrong end */
}

void remote_message(struct brain *b, struct vl_node_id from, enum mix_level level, enum brain_message type,
                    struct vl_span bytes) {
    uint8_t *copy = NULL;
    size_t n = 0;
    if ((unsigned)level >= MIX_LEVELS) {
        b->counters.messages_bad++;
        return;
    }
    /* what it leads to is sent through the core that lent the bytes */
    if (remote_keep(b, &copy, &n, bytes)) dispatch(b, from, level, type, vl_span(copy, n));
    free(copy);
}

/* ---- putting together --------------------------------------------------------------------------------------------- */

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

static void parts_expire(struct brain *b) {
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

/* ---- sending ------------------------------------------------------------------------------------------------------- */

static void send_on(struct brain *b, struct remote_job *j) {
    uint32_t window = j->level == MIX_OFF ? REMOTE_WINDOW : REMOTE_WINDOW_PRIVATE;
    if (!j->sending || j->req || j->flying_n >= window || j->retry_at != VL_MS_NEVER) return;
    if (j->out_at == j->out_n) {
        if (j->flying_n == 0) remote_send_stop(b, j);
        return;
    }
    struct brain_effect *e = effect_now(b, BRAIN_BLOB_READ, (struct vl_span){ 0 }, NULL);
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

static bool piece_arrived(struct brain *b, struct remote_job *j, struct vl_msg_id id) {
    for (uint32_t i = 0; i < j->flying_n; i++) {
        if (!vl_msg_eq(j->flying[i], id)) continue;
        j->flying[i] = j->flying[--j->flying_n];
        if (!b->cfg.coordinator) remote_sent(b, j);
        send_on(b, j);
        return true;
    }
    return false;
}

void remote_posted(struct brain *b, struct vl_msg_id id) {
    for (struct remote_job *j = b->remote->sending; j; j = j->next_sending)
        if (piece_arrived(b, j, id)) return;
    for (struct remote_job *j = b->remote->live; j; j = j->next) {
        if (!j->posted || !vl_msg_eq(j->post, id)) continue;
        j->posted = false;
        if (j->dirty) remote_in_changed(b, j->job);
        return;
    }
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

void remote_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t size) {
    if (b->cfg.coordinator)
        remote_in_found(b, hash, complete, size);
    else
        remote_member_found(b, hash, complete);
}

void remote_tick(struct brain *b) {
    struct remote *r = b->remote;
    if (r->parts_at <= b->now) parts_expire(b);
    if (r->at > b->now) return;
    r->at = VL_MS_NEVER;
    for (struct remote_job *j = r->sending, *next; j; j = next) {
        next = j->next_sending;
        if (j->retry_at <= b->now) {
            j->retry_at = VL_MS_NEVER;
            send_on(b, j);
        }
    }
    for (struct remote_job *j = r->live, *next; j; j = next) {
        next = j->next;
        if (j->at > b->now) continue;
        j->at = VL_MS_NEVER;
        if (b->cfg.coordinator)
            remote_in_due(b, j);
        else
            remote_member_due(b, j);
    }
    for (struct remote_job *j = r->live; j; j = j->next) r->at = vl_ms_min(r->at, j->at);
    for (struct remote_job *j = r->sending; j; j = j->next_sending) r->at = vl_ms_min(r->at, j->retry_at);
}

vl_ms remote_deadline(const struct brain *b) {
    return vl_ms_min(b->remote->at, b->remote->parts_at);
}
