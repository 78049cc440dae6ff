/* Jobs submitted at members, what both ends do: remember them, and tell messages apart. */
#include "brain/remote_priv.h"

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

/* ---- time ----------------------------------------------------------------------------------------------------------
 */

void remote_posted(struct brain *b, struct vl_msg_id id) {
    if (remote_piece_arrived(b, id)) return;
    for (struct remote_job *j = b->remote->live; j; j = j->next) {
        if (!j->posted || !vl_msg_eq(j->post, id)) continue;
        j->posted = false;
        if (j->dirty) remote_in_changed(b, j->job);
        return;
    }
}

void remote_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t size) {
    if (b->cfg.coordinator)
        remote_in_found(b, hash, complete, size);
    else
        remote_member_found(b, hash, complete);
}

void remote_tick(struct brain *b) {
    struct remote *r = b->remote;
    if (r->parts_at <= b->now) remote_parts_expire(b);
    if (r->at > b->now) return;
    r->at = VL_MS_NEVER;
    remote_send_tick(b);
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

vl_ms remote_deadline(const struct brain *b) { return vl_ms_min(b->remote->at, b->remote->parts_at); }
