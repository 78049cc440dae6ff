/* Jobs submitted at this member.
 *
 *   SUBMITTING --first news--> OPEN --last news--> FETCHING --rows and outputs are here--> ENDED
 *   asks until the             asks now and        asks for what
 *   coordinator answers        then                has not come
 *
 * All of it is driven from the stored record: whatever was on its way when either end died is asked for again. */
#include "brain/remote_priv.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const struct vl_node_id nobody;
static const struct vl_span nothing;

static void history(struct brain *b, const struct remote_job *j, const char *kind, const char *detail) {
    view_history(b, j->job, kind, detail, UINT32_MAX, nobody);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------
 */

/* What a job looks like of which the coordinator has said nothing yet. */
static struct job_row row_of_spec(const struct remote_job *j, const struct job_spec *spec) {
    uint32_t tasks = (spec->map ? spec->n_inputs : 1) + (spec->has_merge ? 1 : 0);
    return (struct job_row){ .state = JOB_SUBMITTED,
                             .kind = spec->kind,
                             .priority = spec->priority,
                             .replicas = job_spec_replicas(spec),
                             .total = tasks,
                             .waiting = tasks,
                             .submitted_ms = j->submitted,
                             .name = spec->name };
}

static bool row_ok(const struct job_row *r) {
    return r->state >= JOB_SUBMITTED && r->state <= JOB_EXPIRED && r->total <= REMOTE_ROWS_MAX &&
           (r->name.n == 0 || task_name_ok(r->name)) && task_text_ok(r->error_text, TASK_ERROR_MAX) &&
           (r->kind == TASK_WASM || r->kind == TASK_NATIVE) && r->priority >= TASK_CRITICAL && r->priority <= TASK_BULK;
}

/* Ended as the member sees it: kept for a while, then forgotten with its rows. */
static void end(struct brain *b, struct remote_job *j, const struct job_row *row) {
    view_job_put(b, j->job, row);
    remote_end(b, j);
    remote_save(b, j);
    remote_member_trim(b);
}

static void end_own(struct brain *b, struct remote_job *j, enum job_state state, enum vl_err err, const char *text) {
    struct job_spec *spec = malloc(sizeof *spec);
    if (spec == NULL || job_spec_reopen(vl_span(j->spec, j->spec_n), spec)) {
        free(spec);
        out_of_memory(b);
        return;
    }
    struct job_row row = row_of_spec(j, spec);
    row.state = (uint8_t)state;
    row.waiting = 0;
    row.ended_ms = b->now;
    row.error = err;
    row.error_text = vl_span_str(text);
    history(b, j, job_state_text(state), text);
    end(b, j, &row); /* its spans borrow from the description until here */
    free(spec);
}

void remote_member_trim(struct brain *b) {
    struct remote *r = b->remote;
    while (r->ended > REMOTE_KEPT) {
        struct remote_job *oldest = NULL;
        size_t it = 0;
        for (struct remote_job *j; (j = vl_map_next(&r->jobs, &it, NULL));)
            if (j->state == REMOTE_ENDED && (oldest == NULL || memcmp(j->job.b, oldest->job.b, sizeof j->job.b) < 0))
                oldest = j;
        record_add(b, RECORD_JOB, oldest->job.b, sizeof oldest->job.b, nothing, nothing)->remove = true;
        record_add(b, RECORD_REMOTE, oldest->job.b, sizeof oldest->job.b, nothing, nothing)->remove = true;
        remote_drop(b, oldest);
    }
}

/* ---- submit and cancel ---------------------------------------------------------------------------------------------
 */

static enum vl_err may_submit(struct brain *b, const struct job_spec *spec, size_t spec_n, struct vl_errmsg *why) {
    static const char elsewhere[] = "submit it at the gateway of the coordinator";
    uint32_t tasks = spec->map ? spec->n_inputs : 1, live = 0;
    uint16_t mean = 0;
    if (!b->member) return vl_errmsg_set(why, VL_ESTATE, "this node has not joined its village yet");
    if (tasks > REMOTE_TASKS_MAX)
        return vl_errmsg_set(why, VL_ERANGE, "a member sends jobs of at most %u tasks; this one has %u: %s",
                             REMOTE_TASKS_MAX, tasks, elsewhere);
    if (spec_n > REMOTE_SPEC_MAX)
        return vl_errmsg_set(why, VL_ERANGE,
                             "a member sends descriptions of at most %u KiB; this one has %zu bytes: %s",
                             REMOTE_SPEC_MAX / 1024, spec_n, elsewhere);
    for (struct remote_job *j = b->remote->live; j; j = j->next) live++;
    if (live >= REMOTE_LIVE_MAX)
        return vl_errmsg_set(why, VL_ELIMIT, "%u jobs of this member have not ended; more wait until some have", live);
    if (spec->privacy == MIX_OFF) return VL_OK;
    return brain_mix_level(b, b->now, spec->privacy, &mean, why);
}

/* Messages overtake each other: a job that comes after another waits here until that one is known there. */
static bool comes_too_soon(struct brain *b, const struct remote_job *j) {
    struct job_spec *spec = malloc(sizeof *spec);
    bool wait = false;
    if (spec && job_spec_reopen(vl_span(j->spec, j->spec_n), spec) == VL_OK)
        for (uint32_t i = 0; i < spec->n_after; i++) {
            const struct remote_job *other = remote_get(b, spec->after[i]);
            wait |= other != NULL && other != j && other->state == REMOTE_SUBMITTING;
        }
    free(spec);
    return wait;
}

static void submit_post(struct brain *b, struct remote_job *j) {
    if (comes_too_soon(b, j)) {
        remote_due(b, j, b->now + REMOTE_NEWS_MS);
        return;
    }
    struct remote_submit m = { .job = j->job, .spec = vl_span(j->spec, j->spec_n) };
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    if (remote_submit_encode(&m, &buf) == VL_OK) vl_ignore(remote_post(b, j, MSG_SUBMIT, &buf, true));
    vl_buf_free(&buf);
    remote_due(b, j, b->now + remote_backoff(j)); /* whether it could be sent or not */
}

enum vl_err remote_submit(struct brain *b, struct vl_job_id id, const struct job_spec *spec, struct vl_span encoded,
                          uint64_t program_size, struct vl_errmsg *why) {
    uint64_t bytes = 0;
    enum vl_err err = may_submit(b, spec, encoded.n, why);
    if (err) return err;
    if (remote_get(b, id)) return VL_EEXISTS;
    struct remote_job *j = remote_add(b, id, REMOTE_SUBMITTING);
    if (j == NULL) return VL_ENOMEM;
    err = remote_need_spec(j, spec, program_size, &bytes);
    if (err == VL_ERANGE) vl_ignore(vl_errmsg_set(why, err, "two inputs with one hash have different sizes"));
    if (err == VL_OK && bytes > REMOTE_DATA_MAX)
        err = vl_errmsg_set(why, VL_ERANGE,
                            "a member sends programs and inputs of at most %u MiB together; these have %.1f MiB: "
                            "submit it at the gateway of the coordinator",
                            REMOTE_DATA_MAX >> 20, (double)bytes / (1 << 20));
    remote_need_free(j);
    if (err || !remote_keep(b, &j->spec, &j->spec_n, encoded)) {
        remote_drop(b, j);
        return err ? err : VL_ENOMEM;
    }
    j->level = spec->privacy;
    struct job_row row = row_of_spec(j, spec);
    remote_save(b, j);
    view_job_put(b, id, &row);
    history(b, j, "submitted", "at this member, for the coordinator");
    submit_post(b, j);
    return VL_OK;
}

enum vl_err remote_cancel(struct brain *b, struct vl_job_id id, struct vl_errmsg *why) {
    struct remote_job *j = remote_get(b, id);
    if (j == NULL) return VL_ENOTFOUND;
    if (j->state == REMOTE_ENDED) return VL_ESTATE;
    if (j->state == REMOTE_FETCHING)
        return vl_errmsg_set(why, VL_ESTATE, "The job has ended already; its outputs are on their way here.");
    j->cancel = true;
    remote_cancel_post(b, j);
    if (j->state == REMOTE_SUBMITTING) { /* what is on its way may still be taken there: then it is cancelled there */
        j->unanswered = true;
        end_own(b, j, JOB_CANCELLED, VL_OK, "");
        return VL_OK;
    }
    remote_save(b, j);
    j->tries = 0;
    remote_due(b, j, b->now + remote_backoff(j));
    return VL_OK;
}

/* ---- the end
 * --------------------------------------------------------------------------------------------------------- */

static void finish(struct brain *b, struct remote_job *j) {
    struct job_row row;
    if (job_row_decode(vl_span(j->row, j->row_n), &row)) {
        out_of_memory(b); /* our own record: cannot be */
        return;
    }
    row.submitted_ms = j->submitted;
    uint8_t *kept = j->row; /* the row borrows from it */
    j->row = NULL;
    j->row_n = 0;
    history(b, j, job_state_text((enum job_state)row.state), "told by the coordinator");
    end(b, j, &row);
    free(kept);
}

/* Once all rows came: which outputs are not here?  Once none is missing: ended. */
static void settle(struct brain *b, struct remote_job *j) {
    if (j->state != REMOTE_FETCHING || j->seen_n < j->total) return;
    if (!j->asked) {
        j->asked = true;
        if (remote_need_limit(j))
            history(b, j, "outputs",
                    "more than 4 MiB together: the others are to be fetched at the coordinator's gateway");
        for (uint32_t i = 0; i < j->needs_n; i++) /* held: what came in this step or before is found then */
            if (j->needs[i].state == NEED_ASKED)
                effect_held(b, BRAIN_BLOB_FIND, nothing, NULL)->hash = j->needs[i].hash;
    }
    if (!remote_need_any(j, NEED_ASKED) && !remote_need_any(j, NEED_MISSING)) finish(b, j);
}

void remote_member_found(struct brain *b, struct vl_hash hash, bool complete) {
    for (struct remote_job *j = b->remote->live, *next; j; j = next) {
        next = j->next;
        struct remote_need *n = j->state == REMOTE_FETCHING && j->asked ? remote_need_find(j, hash) : NULL;
        if (n == NULL || n->state != NEED_ASKED) continue;
        n->state = complete ? NEED_HERE : NEED_MISSING;
        settle(b, j);
    }
}

void remote_blob_take(struct brain *b, struct vl_node_id from, const struct remote_data *m) {
    struct remote_part *p = NULL;
    bool waiting = false;
    for (struct remote_job *j = b->remote->live; j; j = j->next) waiting |= j->state != REMOTE_ENDED;
    enum vl_err err = waiting ? remote_part_take(b, from, m, &p) : VL_ENOTFOUND;
    if (err == VL_EREPLAY || err == VL_ENOTFOUND) b->counters.remote_stale++;
    if (err == VL_ECRYPTO || err == VL_ERANGE) b->counters.messages_bad++;
    for (struct remote_job *j = b->remote->live; j && (err == VL_EAGAIN || err == VL_OK); j = j->next)
        if (j->state == REMOTE_FETCHING) { /* it goes on: no need to ask */
            j->tries = 0;
            remote_due(b, j, b->now + REMOTE_RETRY_MS);
        }
    if (err) return;
    record_add(b, RECORD_BLOB, p->hash.b, sizeof p->hash.b, nothing, vl_span(p->bytes, p->total));
    remote_part_drop(b, p);
    for (struct remote_job *j = b->remote->live, *next; j; j = next) {
        next = j->next;
        struct remote_need *n = remote_need_find(j, m->hash);
        if (n == NULL || n->state == NEED_LEFT) continue;
        n->state = NEED_HERE;
        settle(b, j);
    }
}

/* ---- news ----------------------------------------------------------------------------------------------------------
 */

/* It took what the user had cancelled before. */
static void late_news(struct brain *b, struct remote_job *j, bool final) {
    if (!j->unanswered) {
        b->counters.remote_stale++;
        return;
    }
    if (final) {
        j->unanswered = false;
        remote_save(b, j);
    } else {
        remote_cancel_post(b, j);
    }
}

static void last_news(struct brain *b, struct remote_job *j, struct job_row *row, struct vl_span bytes) {
    if (row->total == 0) { /* never was in the book: told in the words of the coordinator */
        char text[TASK_ERROR_MAX + 1] = "";
        memcpy(text, row->error_text.p, row->error_text.n);
        end_own(b, j, JOB_FAILED, row->error ? (enum vl_err)row->error : VL_EINTERNAL, text);
        return;
    }
    if (!remote_keep(b, &j->row, &j->row_n, bytes)) return;
    j->state = REMOTE_FETCHING;
    j->total = row->total;
    j->tries = 0;
    j->since = b->now;
    remote_save(b, j);
    remote_due(b, j, b->now + REMOTE_RETRY_MS);
    row->state = JOB_VERIFYING; /* until its outputs are here */
    row->ended_ms = 0;
    row->submitted_ms = j->submitted;
    view_job_put(b, j->job, row);
    settle(b, j);
}

void remote_news_take(struct brain *b, struct vl_span bytes) {
    struct remote_news m;
    struct job_row row;
    if (remote_news_decode(bytes, &m) || job_row_decode(m.row, &row) || !row_ok(&row)) {
        b->counters.messages_bad++;
        return;
    }
    struct remote_job *j = remote_get(b, m.job);
    bool final = job_state_final((enum job_state)row.state);
    if (j && j->state == REMOTE_ENDED) {
        late_news(b, j, final);
        return;
    }
    if (j && j->state == REMOTE_FETCHING && row.total == 0) {
        history(b, j, "outputs", "the coordinator has forgotten this job: what had not come does not come");
        finish(b, j);
        return;
    }
    if (j == NULL || j->state == REMOTE_FETCHING || (!final && m.seq <= j->seq)) {
        b->counters.remote_stale++;
        return;
    }
    j->seq = m.seq;
    if (final) {
        last_news(b, j, &row, m.row);
        return;
    }
    if (j->state == REMOTE_SUBMITTING) {
        if (j->sending) remote_send_stop(b, j); /* it has got the blobs from elsewhere */
        j->state = REMOTE_OPEN;
        j->tries = 0;
        history(b, j, "accepted", "by the coordinator");
        remote_save(b, j);
    }
    row.submitted_ms = j->submitted;
    view_job_put(b, j->job, &row);
    if (j->at == VL_MS_NEVER || !j->cancel) remote_due(b, j, b->now + REMOTE_POLL_MS);
}

void remote_task_take(struct brain *b, struct vl_span bytes) {
    struct remote_task m;
    struct task_row row;
    if (remote_task_decode(bytes, &m) || task_row_decode(m.row, &row) || row.state < JOB_TASK_WAITING ||
        row.state > JOB_TASK_CANCELLED || (row.input.n && !task_name_ok(row.input)) ||
        !task_text_ok(row.error_text, TASK_ERROR_MAX)) {
        b->counters.messages_bad++;
        return;
    }
    struct remote_job *j = remote_get(b, m.job);
    if (j == NULL || j->state == REMOTE_ENDED || j->seen[m.index / 8] & 1u << m.index % 8) {
        b->counters.remote_stale++;
        return;
    }
    enum vl_err err = remote_need_outputs(j, m.index, &row);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err) {
        b->counters.messages_bad++;
        return;
    }
    j->seen[m.index / 8] = (uint8_t)(j->seen[m.index / 8] | 1u << m.index % 8);
    j->seen_n++;
    view_task_put(b, j->job, m.index, &row);
    settle(b, j);
}

/* ---- sending blobs --------------------------------------------------------------------------------------------------
 */

/* Only what the description names is sent, whoever asks. */
void remote_missing_take(struct brain *b, struct vl_span bytes) {
    struct remote_missing m;
    struct job_spec *spec = NULL;
    uint64_t total = 0;
    uint32_t n = 0;
    if (remote_missing_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    struct remote_job *j = remote_get(b, m.job);
    if (j == NULL || j->state != REMOTE_SUBMITTING || j->sending || j->seen_n > 0 || m.n == 0) {
        b->counters.remote_stale++;
        return;
    }
    struct vl_hash *out = calloc(m.n, sizeof *out);
    spec = malloc(sizeof *spec);
    if (out && spec && job_spec_reopen(vl_span(j->spec, j->spec_n), spec) == VL_OK &&
        remote_need_spec(j, spec, 0, &total) == VL_OK)
        for (uint32_t i = 0; i < m.n; i++)
            if (remote_need_find(j, remote_hash_at(&m, i))) out[n++] = remote_hash_at(&m, i);
    remote_need_free(j);
    free(spec);
    if (n == 0) {
        free(out);
        b->counters.messages_bad++;
        return;
    }
    j->tries = 0;
    remote_due(b, j, b->now + REMOTE_RETRY_MS);
    remote_send(b, j, out, n);
}

void remote_sent(struct brain *b, struct remote_job *j) {
    if (j->state != REMOTE_SUBMITTING) return;
    j->tries = 0;
    remote_due(b, j, b->now + REMOTE_RETRY_MS); /* it goes on: no need to ask */
}

void remote_unreadable(struct brain *b, struct remote_job *j, enum vl_err err) {
    remote_cancel_post(b, j); /* what waits there for blobs may go */
    if (j->state == REMOTE_SUBMITTING)
        end_own(b, j, JOB_FAILED, err,
                err == VL_ERANGE ? "the program is larger than a member may send, or another than was submitted"
                                 : "the program or an input is not on this member any more");
}

/* Rows that came before a restart come once more: which they were is not kept. */
bool remote_member_start(struct remote_job *j) {
    struct job_row row;
    if (j->state != REMOTE_FETCHING) return true;
    if (job_row_decode(vl_span(j->row, j->row_n), &row) || !row_ok(&row)) return false;
    j->total = row.total;
    return true;
}

void remote_member_due(struct brain *b, struct remote_job *j) {
    if (j->state == REMOTE_FETCHING && b->now >= j->since + REMOTE_GIVE_UP_MS) {
        history(b, j, "outputs", "did not come within a day: they are to be fetched at the coordinator's gateway");
        finish(b, j);
        return;
    }
    if (j->posted || j->flying_n > 0) { /* under way, however slowly: delivery repeats it */
        remote_due(b, j, b->now + remote_backoff(j));
        return;
    }
    switch (j->state) {
    case REMOTE_SUBMITTING:
        submit_post(b, j);
        return;
    case REMOTE_OPEN:
        if (j->cancel) remote_cancel_post(b, j);
        remote_missing_send(b, j, false);
        remote_due(b, j, b->now + (j->cancel ? remote_backoff(j) : REMOTE_POLL_MS));
        return;
    case REMOTE_FETCHING:
        remote_missing_send(b, j, j->seen_n >= j->total);
        remote_due(b, j, b->now + remote_backoff(j));
        return;
    case REMOTE_ENDED:
        return;
    }
}
