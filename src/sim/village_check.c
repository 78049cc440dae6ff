/* What must hold of the jobs of a simulated village after every event, and what to tell a person when it does not. */
#include "sim/village_priv.h"

#include "crypto/hash.h"
#include "wire/view.h"

#include <stdio.h>
#include <stdlib.h>

static struct sim_job *job_find(struct sim_village *v, struct vl_job_id id, uint32_t *ret_index) {
    for (uint32_t i = v->stats.submitted; i-- > 0;)
        if (vl_job_eq(v->jobs[i].id, id)) {
            if (ret_index) *ret_index = i;
            return &v->jobs[i];
        }
    return NULL;
}

static enum vl_err job_row_get(struct store *s, struct vl_job_id id, struct job_row *ret) {
    struct store_value key = store_blob(id.b, sizeof id.b);
    struct store_row row;
    enum vl_err err = store_get(s, STORE_JOBS, &key, &row);
    return err ? err : job_row_decode(store_row_blob(&row, STORE_JOBS_RECORD), ret);
}

bool sim_job_stored(struct store *s, struct vl_job_id id) {
    struct job_row row;
    return job_row_get(s, id, &row) == VL_OK;
}

/* A job that is shown as done has all its tasks and all they brought out beside it. */
static void outputs_seen(struct sim_village *v, struct sim_node *n, struct vl_job_id id, uint32_t total) {
    struct task_report *r = malloc(sizeof *r);
    for (uint32_t i = 0; r && i < total; i++) {
        struct store_value key[2] = { store_blob(id.b, sizeof id.b), store_int(i) };
        struct store_row row;
        struct task_row t;
        struct vl_hash h;
        if (store_get(n->disk->store, STORE_TASKS, key, &row) ||
            task_row_decode(store_row_blob(&row, STORE_TASKS_RECORD), &t) || t.state != JOB_TASK_DONE ||
            task_report_decode(t.report, r) || r->n_outputs != 1) {
            v->wrong = "a task of a done job is not done where it was submitted";
            break;
        }
        struct vl_span got = sim_blob_get(n, r->outputs[0].hash);
        crypto_blake2b256(got, &h);
        if (got.n != r->outputs[0].size || !vl_hash_eq(h, r->outputs[0].hash))
            v->wrong = "an output of a done job is not where it was submitted";
    }
    free(r);
}

static void book_seen(struct sim_village *v, struct sim_job *j, const struct job_row *row) {
    if (j->booked && row->state != j->booked_state) v->wrong = "an ended job changed";
    if (row->state == JOB_DONE && row->done != row->total) v->wrong = "a job is done but not all of its tasks";
    j->booked = job_state_final((enum job_state)row->state);
    j->booked_state = row->state;
}

void sim_job_seen(struct sim_village *v, struct sim_node *n, struct vl_job_id id) {
    struct sim_job *j = job_find(v, id, NULL);
    struct job_row row;
    if (j == NULL || job_row_get(n->disk->store, id, &row)) return;
    if (n->index == 0) book_seen(v, j, &row);
    if (n->index != j->node) return;
    if (j->ended && row.state != j->state) v->wrong = "an ended job changed where it was submitted";
    if (!j->ended && job_state_final((enum job_state)row.state)) {
        j->ended = true;
        v->stats.done += row.state == JOB_DONE;
        v->stats.private_done += row.state == JOB_DONE && j->private;
        v->stats.failed += row.state != JOB_DONE;
        v->stats.ended_at_members += n->index != 0;
        if (!j->booked || j->booked_state != row.state) v->wrong = "a member shows another end than the coordinator";
        if (row.state == JOB_DONE) outputs_seen(v, n, id, row.total);
    }
    j->state = row.state;
}

/* A done task stays done, by the same epoch; its output is what the program writes. */
void sim_task_seen(struct sim_village *v, struct sim_node *n, struct vl_job_id id, uint32_t task) {
    struct store_value key[2] = { store_blob(id.b, sizeof id.b), store_int(task) };
    struct store_row row;
    struct task_row t;
    uint32_t j = 0;
    if (job_find(v, id, &j) == NULL || task >= v->cfg.tasks_max) return;
    if (store_get(n->disk->store, STORE_TASKS, key, &row) ||
        task_row_decode(store_row_blob(&row, STORE_TASKS_RECORD), &t))
        return;
    uint64_t *done = &v->done_epoch[(size_t)j * v->cfg.tasks_max + task];
    if (t.state != JOB_TASK_DONE) {
        if (*done) v->wrong = "a done task is not done any more";
        return;
    }
    if (*done && *done != t.epoch) v->wrong = "a task was done twice";
    *done = t.epoch;
    struct task_report *r = malloc(sizeof *r);
    if (r && task_report_decode(t.report, r) == VL_OK && r->n_outputs == 1) {
        struct vl_span got = sim_blob_get(n, r->outputs[0].hash);
        struct vl_hash h;
        crypto_blake2b256(got, &h);
        if (n->index == 0 && (got.n != r->outputs[0].size || !vl_hash_eq(h, r->outputs[0].hash)))
            v->wrong = "an output of a done task is not at the coordinator";
        if (vl_span_eq(got, vl_span_str(SIM_FORGED))) v->wrong = "a result was taken that one node made up";
    } else {
        v->wrong = "a done task has no report";
    }
    free(r);
}

/* Every acknowledged job is in the store of the node that acknowledged it. */
void sim_acknowledged_kept(struct sim_village *v, struct sim_node *n) {
    for (uint32_t i = 0; i < v->stats.submitted; i++) {
        struct job_row row;
        if (!v->jobs[i].acknowledged) continue;
        if (v->jobs[i].node == n->index && job_row_get(n->disk->store, v->jobs[i].id, &row))
            v->wrong = "an acknowledged job was lost in a crash";
        sim_job_seen(v, n, v->jobs[i].id);
    }
}

/* A job with a tier has an agreement exactly as long as it has not ended, and an agreement's sums are the time since it
 * was made. */
const char *sim_quorum_check(struct sim_node *n) {
    struct sim_village *v = n->v;
    const struct job_book *book = n->index == 0 ? brain_jobs(n->brain) : NULL;
    for (uint32_t i = 0; book && i < v->stats.submitted; i++) {
        struct job_view j;
        if (!v->jobs[i].tier || !job_book_job(book, v->jobs[i].id, &j)) continue;
        const struct agreement *a = brain_agreement(n->brain, v->jobs[i].id);
        if (job_state_final(j.state) != (a == NULL)) return "a job and the promise made for it do not end together";
        if (a && a->up_ms + a->down_ms + a->blind_ms != a->settled_ms - a->start_ms)
            return "the sums of an agreement are not the time that passed";
    }
    return NULL;
}

void sim_village_describe(struct sim_village *v, FILE *to) {
    sim_mix_describe(v, to);
    struct sim_node *head = world_node(v->world, 0);
    const struct job_book *book = head ? brain_jobs(head->brain) : NULL;
    for (uint32_t i = 0; book && i < v->stats.submitted; i++) {
        struct job_view j;
        if (!v->jobs[i].acknowledged || v->jobs[i].ended) continue;
        fprintf(to, "# job %u: submitted at node %u, state there %u%s\n", i, v->jobs[i].node, v->jobs[i].state,
                v->jobs[i].private ? ", private" : "");
        if (!job_book_job(book, v->jobs[i].id, &j)) continue;
        fprintf(to, "# job %u: state %s, %u tasks, %u waiting, %u running, %u done, %u failed\n", i, job_state_text(j.state),
                j.total, j.waiting, j.running, j.done, j.failed);
        for (uint32_t k = 0; k < j.total; k++) {
            struct job_task_view t;
            if (!job_book_task(book, v->jobs[i].id, k, &t) || t.state == JOB_TASK_DONE) continue;
            fprintf(to, "#   task %u: %s, attempt %u, epoch %llu, %u copies, %u votes\n", k, job_task_state_text(t.state),
                    t.attempt, (unsigned long long)t.epoch, t.copies, t.votes);
        }
        struct store_value prefix = store_blob(v->jobs[i].id.b, 16);
        struct store_query q = { .table = STORE_JOB_EVENTS, .prefix = &prefix, .n_prefix = 1, .limit = 200 };
        struct store_iter *it;
        struct store_row row;
        if (store_scan(head->disk->store, &q, &it)) continue;
        while (store_next(it, &row))
            fprintf(to, "#   %lld %s %s\n", (long long)store_row_int(&row, STORE_JOB_EVENTS_AT_MS),
                    store_row_text(&row, STORE_JOB_EVENTS_KIND), store_row_text(&row, STORE_JOB_EVENTS_DETAIL));
        vl_ignore(store_end(it));
    }
}
