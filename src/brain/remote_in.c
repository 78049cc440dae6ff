/* Jobs of members, at the coordinator: a description waits in memory until all blobs it names are here, then the job is
 * in the book like any other, and its submitter hears of it.  What a member may hold of us is bounded, and everything
 * it did not get it may ask for again; so nothing but whose the job is has to be stored. */
#include "brain/remote_priv.h"

#include <stdlib.h>
#include <string.h>

static const struct vl_span nothing;

/* ---- answers -------------------------------------------------------------------------------------------------------
 */

static enum vl_err news_encode(struct vl_job_id id, uint64_t seq, const struct job_row *row, struct vl_buf *out) {
    struct vl_buf bytes;
    struct remote_news m = { .job = id, .seq = seq };
    vl_buf_init(&bytes, REMOTE_ROW_MAX);
    enum vl_err err = job_row_encode(row, &bytes);
    m.row = vl_span(bytes.p, bytes.len);
    if (err == VL_OK) err = remote_news_encode(&m, out);
    vl_buf_free(&bytes);
    return err;
}

static enum vl_err news_send(struct brain *b, struct remote_job *j, const struct job_row *row) {
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    enum vl_err err = news_encode(j->job, j->seq, row, &buf);
    if (err == VL_OK) err = remote_post(b, j, MSG_NEWS, &buf, true);
    vl_buf_free(&buf);
    return err;
}

/* A last news without tasks: this job is not, and will not be, in the book. */
static void refuse(struct brain *b, struct vl_node_id to, enum mix_level level, struct vl_job_id id, enum vl_err err,
                   const char *why) {
    struct job_row row = { .state = JOB_FAILED,
                           .kind = TASK_WASM,
                           .priority = TASK_NORMAL,
                           .replicas = 1,
                           .ended_ms = b->now,
                           .error = err,
                           .error_text = vl_span_str(why) };
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    b->counters.remote_refused++;
    note(b, err, to, "a job of a member was refused");
    if (news_encode(id, b->now, &row, &buf) == VL_OK)
        vl_ignore(message_send(b, to, level, MSG_NEWS, ENVELOPE_NORMAL, vl_span(buf.p, buf.len), NULL));
    vl_buf_free(&buf);
}

static enum vl_err rows_send(struct brain *b, struct remote_job *j, uint32_t total) {
    struct vl_buf bytes, buf;
    enum vl_err err = VL_OK;
    vl_buf_init(&bytes, REMOTE_ROW_MAX);
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    for (uint32_t i = 0; i < total && err == VL_OK; i++) {
        struct task_row row;
        if (!view_task_row(b, j->job, i, &row)) break;
        vl_buf_clear(&bytes);
        vl_buf_clear(&buf);
        err = task_row_encode(&row, &bytes);
        struct remote_task m = { .job = j->job, .index = i, .row = vl_span(bytes.p, bytes.len) };
        if (err == VL_OK) err = remote_task_encode(&m, &buf);
        if (err == VL_OK) err = remote_post(b, j, MSG_TASK, &buf, false);
    }
    vl_buf_free(&bytes);
    vl_buf_free(&buf);
    return err;
}

static enum vl_err outputs_find(struct brain *b, struct remote_job *j, uint32_t total) {
    enum vl_err err = VL_OK;
    remote_need_free(j);
    for (uint32_t i = 0; i < total && err == VL_OK; i++) {
        struct task_row row;
        if (view_task_row(b, j->job, i, &row)) err = remote_need_outputs(j, i, &row);
    }
    return err;
}

/* At the end the outputs go without being asked for, as far as a member takes them. */
static void outputs_send(struct brain *b, struct remote_job *j, uint32_t total) {
    uint32_t n = 0;
    struct vl_hash *out = NULL;
    if (outputs_find(b, j, total) == VL_OK && j->needs_n > 0 && (out = calloc(j->needs_n, sizeof *out)) != NULL) {
        remote_need_limit(j);
        for (uint32_t i = 0; i < j->needs_n; i++)
            if (j->needs[i].state != NEED_LEFT) out[n++] = j->needs[i].hash;
    }
    remote_need_free(j);
    if (n > 0)
        remote_send(b, j, out, n);
    else
        free(out);
}

/* Tells how the job stands.  The end is told once of itself, and whenever it is asked for. */
static void tell(struct brain *b, struct remote_job *j) {
    struct job_row row;
    if (!view_job_row(b, j->job, &row)) { /* stored as ours, but not in the book: cannot be */
        record_add(b, RECORD_REMOTE, j->job.b, sizeof j->job.b, nothing, nothing)->remove = true;
        refuse(b, j->peer, j->level, j->job, VL_ENOTFOUND, "the coordinator does not know this job");
        remote_drop(b, j);
        return;
    }
    bool final = job_state_final((enum job_state)row.state);
    j->dirty = !final && j->posted;
    if (j->dirty) return;
    j->since = b->now;
    j->seq = j->seq >= b->now ? j->seq + 1 : b->now;
    enum vl_err err = final ? rows_send(b, j, row.total) : VL_OK;
    if (err == VL_OK) err = news_send(b, j, &row);
    if (err && j->state != REMOTE_ENDED) { /* the outbox is full */
        remote_due(b, j, b->now + REMOTE_AGAIN_MS);
        return;
    }
    if (err || !final) return;
    if (j->state != REMOTE_ENDED) {
        remote_end(b, j);
        remote_save(b, j);
        outputs_send(b, j, row.total);
    }
}

void remote_in_changed(struct brain *b, struct vl_job_id job) {
    struct remote_job *j = remote_get(b, job);
    if (j == NULL || j->state != REMOTE_OPEN) return;
    struct job_row row;
    bool final = view_job_row(b, job, &row) && job_state_final((enum job_state)row.state);
    vl_ms at = final || b->now >= j->since + REMOTE_NEWS_MS ? b->now : j->since + REMOTE_NEWS_MS;
    remote_due(b, j, vl_ms_min(j->at, at));
}

void remote_in_forgotten(struct brain *b, struct vl_job_id job) {
    struct remote_job *j = remote_get(b, job);
    if (j == NULL) return;
    record_add(b, RECORD_REMOTE, job.b, sizeof job.b, nothing, nothing)->remove = true;
    remote_drop(b, j);
}

/* Its jobs go on, as those of nobody. */
void remote_in_expelled(struct brain *b, struct vl_node_id node) {
    size_t it = 0;
    for (struct remote_job *j; (j = vl_map_next(&b->remote->jobs, &it, NULL));) {
        if (!vl_node_eq(j->peer, node)) continue;
        if (j->state != REMOTE_SUBMITTING)
            record_add(b, RECORD_REMOTE, j->job.b, sizeof j->job.b, nothing, nothing)->remove = true;
        remote_drop(b, j);
        it = 0; /* the table may have moved */
    }
}

void remote_in_renamed(struct brain *b, struct vl_node_id old, struct vl_node_id node) {
    size_t it = 0;
    for (struct remote_job *j; (j = vl_map_next(&b->remote->jobs, &it, NULL));) {
        if (!vl_node_eq(j->peer, old)) continue;
        j->peer = node;
        j->posted = false; /* news that were on their way to the old key never arrive */
        if (j->state == REMOTE_SUBMITTING) continue;
        remote_save(b, j);
        if (j->state != REMOTE_ENDED) remote_due(b, j, b->now);
    }
}

/* ---- submissions
 * ------------------------------------------------------------------------------------------------------ */

static enum vl_err may_take(struct brain *b, struct vl_node_id from, const struct job_spec *spec, struct vl_job_id id,
                            struct vl_errmsg *why) {
    uint32_t live = 0, pending = 0;
    struct job_view v;
    if (job_book_job(b->jobs, id, &v) || vl_get_u64(id.b) >> 16 > b->now + REMOTE_AHEAD_MS)
        return vl_errmsg_set(why, VL_EEXISTS, "the id of this job is not fresh");
    if ((spec->map ? spec->n_inputs : 1) > REMOTE_TASKS_MAX)
        return vl_errmsg_set(why, VL_ERANGE, "a member sends jobs of at most %u tasks", REMOTE_TASKS_MAX);
    if (b->cfg.caps.disk_bytes < REMOTE_DISK_RESERVE)
        return vl_errmsg_set(why, VL_ENOSPC, "the coordinator is short of disk space");
    for (struct remote_job *j = b->remote->live; j; j = j->next) {
        if (!vl_node_eq(j->peer, from)) continue;
        live++;
        pending += j->state == REMOTE_SUBMITTING;
    }
    uint64_t later = 0; /* too busy: it comes back by its own back-off, half a minute at first, two at most */
    if (load_admit(b, spec->terms.class, why, &later)) return VL_EAGAIN;
    if (live >= REMOTE_LIVE_MAX) return vl_errmsg_set(why, VL_ELIMIT, "%u jobs of this member have not ended", live);
    return pending >= REMOTE_PENDING_MAX ? VL_EAGAIN : VL_OK; /* says nothing: it will ask again */
}

static void pending_find(struct brain *b, struct remote_job *j) {
    for (uint32_t i = 0; i < j->needs_n; i++) {
        if (j->needs[i].state == NEED_HERE) continue;
        j->needs[i].state = NEED_ASKED;
        effect_held(b, BRAIN_BLOB_FIND, nothing, NULL)->hash = j->needs[i].hash;
    }
}

static void pending_submit(struct brain *b, struct remote_job *j) {
    struct job_spec *spec = malloc(sizeof *spec);
    if (spec == NULL || job_spec_reopen(vl_span(j->spec, j->spec_n), spec)) {
        free(spec);
        out_of_memory(b);
        return;
    }
    struct vl_errmsg why = { "" };
    struct brain_quorum quorum = { 0 };
    struct vl_buf buf;
    vl_buf_init(&buf, JOB_SPEC_MAX);
    struct job_event ev = { .kind = JOB_EV_SUBMIT, .now = b->now, .job = j->job, .spec = spec };
    enum vl_err err = quorum_admit(b, spec, &quorum, &why);
    if (err == VL_OK) err = job_spec_encode(spec, &buf);
    if (err == VL_OK) err = coordinator_job(b, &ev);
    if (err == VL_OK) {
        record_add(b, RECORD_SPEC, j->job.b, sizeof j->job.b, nothing, vl_span(buf.p, buf.len));
        quorum_open(b, j->job, spec, &quorum);
    }
    vl_buf_free(&buf);
    free(spec);
    if (err) {
        refuse(b, j->peer, j->level, j->job, err,
               err == VL_ENOTFOUND ? "a job it comes after is unknown to the coordinator"
               : why.text[0]       ? why.text
                                   : vl_err_text(err));
        remote_drop(b, j);
        return;
    }
    remote_need_free(j);
    free(j->spec);
    j->spec = NULL;
    j->spec_n = 0;
    b->counters.remote_taken++;
    j->state = REMOTE_OPEN;
    j->submitted = b->now;
    remote_save(b, j);
    remote_due(b, j, b->now);
}

/* All answers are in: into the book, or asks for what is not here. */
static void pending_settle(struct brain *b, struct remote_job *j) {
    if (remote_need_any(j, NEED_ASKED)) return;
    if (!remote_need_any(j, NEED_MISSING)) {
        pending_submit(b, j); /* a job that is refused is gone now */
        return;
    }
    if (!j->asked) remote_missing_send(b, j, true);
    j->asked = true; /* a new SUBMIT asks again; pieces that come need no word */
}

static void pending_new(struct brain *b, struct vl_node_id from, enum mix_level level, const struct remote_submit *m,
                        const struct job_spec *spec) {
    struct vl_errmsg why = { "" };
    uint64_t bytes = 0;
    enum vl_err err = may_take(b, from, spec, m->job, &why);
    if (err == VL_EAGAIN) return;
    struct remote_job *j = err ? NULL : remote_add(b, m->job, REMOTE_SUBMITTING);
    if (err == VL_OK && j == NULL) err = VL_ELIMIT;
    if (j) {
        j->peer = from;
        j->level = spec->privacy;
        err = remote_need_spec(j, spec, 0, &bytes);
        if (err == VL_OK && bytes > REMOTE_DATA_MAX) err = VL_ERANGE;
        if (err == VL_OK && !remote_keep(b, &j->spec, &j->spec_n, m->spec)) err = VL_ENOMEM;
    }
    if (err) {
        if (j) remote_drop(b, j);
        refuse(b, from, level, m->job, err, why.text[0] ? why.text : vl_err_text(err));
        return;
    }
    remote_due(b, j, b->now + REMOTE_IDLE_MS);
    pending_find(b, j);
    pending_settle(b, j); /* a native program without inputs needs nothing */
}

void remote_in_submit(struct brain *b, struct vl_node_id from, enum mix_level level, struct vl_span bytes) {
    struct remote_submit m;
    struct job_spec *spec = malloc(sizeof *spec);
    if (spec == NULL) {
        out_of_memory(b);
        return;
    }
    if (remote_submit_decode(bytes, &m) || job_spec_decode(m.spec, spec)) {
        b->counters.messages_bad++;
        free(spec);
        return;
    }
    struct remote_job *j = remote_get(b, m.job);
    if (j == NULL) {
        pending_new(b, from, level, &m, spec);
    } else if (!vl_node_eq(j->peer, from)) {
        refuse(b, from, level, m.job, VL_EEXISTS, "the id of this job is not fresh");
    } else if (b->now < j->since + REMOTE_AGAIN_MS) {
        b->counters.remote_stale++; /* answered just now */
    } else if (j->state != REMOTE_SUBMITTING) {
        tell(b, j);
    } else if (vl_span_eq(m.spec, vl_span(j->spec, j->spec_n))) {
        j->since = b->now;
        j->asked = false;
        remote_due(b, j, b->now + REMOTE_IDLE_MS);
        pending_find(b, j);
    } else {
        b->counters.messages_bad++;
    }
    free(spec);
}

void remote_in_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t size) {
    for (struct remote_job *j = b->remote->live, *next; j; j = next) {
        next = j->next;
        struct remote_need *n = j->state == REMOTE_SUBMITTING ? remote_need_find(j, hash) : NULL;
        if (n == NULL || n->state != NEED_ASKED) continue;
        if (complete && n->size && n->size != size) { /* its hash is right, so the description is wrong */
            refuse(b, j->peer, j->level, j->job, VL_ERANGE, "an input has another size than the description says");
            remote_drop(b, j);
            continue;
        }
        n->state = complete ? NEED_HERE : NEED_MISSING;
        pending_settle(b, j);
    }
}

/* Only what a job of that very member waits for. */
static struct remote_job *asked_for(struct brain *b, struct vl_node_id from, const struct remote_data *m) {
    for (struct remote_job *j = b->remote->live; j; j = j->next) {
        if (j->state != REMOTE_SUBMITTING || !vl_node_eq(j->peer, from)) continue;
        const struct remote_need *n = remote_need_find(j, m->hash);
        if (n && n->state != NEED_HERE && (n->size == 0 || n->size == m->total)) return j;
    }
    return NULL;
}

void remote_in_blob(struct brain *b, struct vl_node_id from, const struct remote_data *m) {
    struct remote_part *p = NULL;
    struct remote_job *j = asked_for(b, from, m);
    if (j == NULL || b->cfg.caps.disk_bytes < REMOTE_DISK_RESERVE) {
        b->counters.remote_stale++;
        return;
    }
    remote_due(b, j, b->now + REMOTE_IDLE_MS);
    enum vl_err err = remote_part_take(b, from, m, &p);
    if (err == VL_ECRYPTO || err == VL_ERANGE) {
        b->counters.messages_bad++;
        note(b, err, from, "a blob that a member sent is not what its hash says");
    }
    if (err) return;
    record_add(b, RECORD_BLOB, p->hash.b, sizeof p->hash.b, nothing, vl_span(p->bytes, p->total));
    uint64_t size = p->total;
    remote_part_drop(b, p);
    for (struct remote_job *o = b->remote->live; o; o = o->next) {
        struct remote_need *n = o->state == REMOTE_SUBMITTING ? remote_need_find(o, m->hash) : NULL;
        if (n && n->state == NEED_MISSING) n->state = NEED_ASKED;
    }
    remote_in_found(b, m->hash, true, size);
}

/* ---- questions
 * --------------------------------------------------------------------------------------------------------- */

/* Outputs of that job and nothing else: this is no way to read blobs. */
static void outputs_again(struct brain *b, struct remote_job *j, const struct remote_missing *m, uint32_t total) {
    struct vl_hash *out = calloc(m->n, sizeof *out);
    uint32_t n = 0;
    if (out && outputs_find(b, j, total) == VL_OK)
        for (uint32_t i = 0; i < m->n; i++)
            if (remote_need_find(j, remote_hash_at(m, i))) out[n++] = remote_hash_at(m, i);
    remote_need_free(j);
    if (n > 0)
        remote_send(b, j, out, n);
    else
        free(out);
}

void remote_in_missing(struct brain *b, struct vl_node_id from, enum mix_level level, struct vl_span bytes) {
    struct remote_missing m;
    struct job_row row;
    if (remote_missing_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    struct remote_job *j = remote_get(b, m.job);
    if (j == NULL || !vl_node_eq(j->peer, from)) {
        refuse(b, from, level, m.job, VL_ENOTFOUND, "the coordinator does not know this job");
        return;
    }
    if (j->state == REMOTE_SUBMITTING || j->sending || b->now < j->since + REMOTE_AGAIN_MS) {
        b->counters.remote_stale++; /* its answer is on the way */
        return;
    }
    if (m.n > 0 && j->state == REMOTE_ENDED && view_job_row(b, j->job, &row)) {
        j->since = b->now;
        outputs_again(b, j, &m, row.total);
    } else {
        tell(b, j);
    }
}

void remote_in_cancel(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct remote_cancel m;
    if (remote_cancel_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    struct remote_job *j = remote_get(b, m.job);
    if (j == NULL || !vl_node_eq(j->peer, from)) {
        b->counters.remote_stale++;
        return;
    }
    if (j->state == REMOTE_SUBMITTING)
        remote_drop(b, j);
    else /* ended already: its last news is on the way */
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_CANCEL, .now = b->now, .job = m.job }));
}

void remote_in_due(struct brain *b, struct remote_job *j) {
    if (j->state == REMOTE_OPEN)
        tell(b, j);
    else
        remote_drop(b, j); /* its blobs do not come */
}
