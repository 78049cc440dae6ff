/* The worker's side of a round: a result that others are to come to as well is committed to first and told when asked for
 * (FOG-11).  The result is held on disk from the commitment to the report, so that a crash in between costs no more than
 * time: who has committed and cannot tell is taken for one that has something to hide. */
#include "brain/priv.h"

#include "crypto/hash.h"
#include "fog/verify.h"
#include "wire/pack.h"

#include <stdlib.h>
#include <string.h>

#define HELD_TAG 0x71u
#define HELD_VERSION 1u

/* Key of the row: job and task; its number is the epoch. */
static void key_of(struct vl_job_id job, uint32_t task, uint8_t ret[32]) {
    memset(ret, 0, 32);
    memcpy(ret, job.b, sizeof job.b);
    vl_put_u32(ret + sizeof job.b, task);
}

void held_salt(const struct brain *b, const struct wtask *t, uint8_t ret[TASK_SALT]) {
    uint8_t run[16 + 4 + 8 + 8];
    memcpy(run, t->a.job.b, 16);
    vl_put_u32(run + 16, t->a.task);
    vl_put_u64(run + 20, t->a.epoch);
    vl_put_u64(run + 28, t->id);
    crypto_blake2b_keyed(vl_span(run, sizeof run), vl_span(b->cfg.seed, sizeof b->cfg.seed), "village-salt-1\0\0", ret, TASK_SALT);
}

void held_forget(struct brain *b, struct wtask *t) {
    uint8_t key[32];
    if (!t->held) return;
    key_of(t->a.job, t->a.task, key);
    item_remove(b, ITEM_HELD, key, t->a.epoch);
    t->held = false;
}

static enum vl_err held_put(struct brain *b, struct wtask *t) {
    struct vl_buf buf;
    uint8_t key[32];
    vl_buf_init(&buf, 2 * VL_PAYLOAD_MAX);
    struct pack w = pack_message(&buf, HELD_TAG, HELD_VERSION);
    pack_u8(&w, (uint8_t)t->a.privacy);
    pack_span32(&w, vl_span(t->report, t->report_n));
    enum vl_err err = pack_end(&w);
    key_of(t->a.job, t->a.task, key);
    if (err == VL_OK) item_put(b, ITEM_HELD, key, t->a.epoch, vl_span(buf.p, buf.len));
    t->held = err == VL_OK;
    vl_buf_free(&buf);
    return err;
}

/* Whether this result has to be committed to before it may be told. */
bool held_due(const struct wtask *t) { return t->a.commit && t->salted && !t->revealed; }

void held_commit(struct brain *b, struct wtask *t) {
    struct task_report *r = malloc(sizeof *r);
    struct task_commit c = { .job = t->a.job, .task = t->a.task, .epoch = t->a.epoch };
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    enum vl_err err = r ? task_report_decode(vl_span(t->report, t->report_n), r) : VL_ENOMEM;
    if (err == VL_OK) {
        c.hash = verify_commitment(&r->receipt.output_root, r->salt, b->self, c.job, c.task, c.epoch);
        err = task_commit_encode(&c, &buf);
    }
    free(r);
    if (err == VL_OK && !b->cfg.coordinator)
        err = message_send(b, b->coordinator, t->a.privacy, MSG_COMMIT, ENVELOPE_HIGH, vl_span(buf.p, buf.len), NULL);
    if (err == VL_OK) err = held_put(b, t);
    if (err) {
        t->state = W_UPLOADING; /* the outbox is full: worker_tick() tries again */
        b->reoffer_at = vl_ms_min(b->reoffer_at, b->now + 1000);
    } else {
        t->state = W_COMMITTED;
        if (b->cfg.coordinator) coordinator_commit(b, b->self, vl_span(buf.p, buf.len));
    }
    vl_buf_free(&buf);
}

void worker_reveal(struct brain *b, struct vl_span bytes) {
    struct task_reveal v;
    if (task_reveal_decode(bytes, &v)) {
        b->counters.messages_bad++;
        return;
    }
    for (struct wtask *t = b->tasks; t; t = t->next) {
        if (t->state != W_COMMITTED || !vl_job_eq(t->a.job, v.job) || t->a.task != v.task || t->a.epoch != v.epoch) continue;
        t->revealed = true;
        worker_report(b, t);
        return;
    }
}

void held_start(struct brain *b) {
    for (struct wtask *t = b->tasks, *next; t; t = next) {
        next = t->next;
        if (t->state != W_COMMITTED || !job_book_asked(b->jobs, t->a.job, t->a.task, t->a.epoch)) continue;
        t->revealed = true;
        worker_report(b, t);
    }
}

enum vl_err held_restore(struct brain *b, const struct record *rec) {
    struct vl_reader in = vl_reader(rec->bytes.p, rec->bytes.n);
    struct task_report *r = malloc(sizeof *r);
    struct wtask *t = calloc(1, sizeof *t);
    enum vl_err err = r && t ? unpack_message(&in, HELD_TAG, HELD_VERSION) : VL_ENOMEM;
    enum mix_level level = MIX_OFF;
    struct vl_span report = { 0 };
    if (err == VL_OK) {
        level = (enum mix_level)unpack_u8_in(&in, MIX_OFF, MIX_SECRET);
        report = unpack_span32(&in, VL_PAYLOAD_MAX);
        err = vl_reader_end(&in);
    }
    if (err == VL_OK) err = task_report_decode(report, r);
    if (err == VL_OK && (t->report = malloc(report.n)) == NULL) err = VL_ENOMEM;
    if (err) {
        free(t);
        free(r);
        return err;
    }
    memcpy(t->report, report.p, report.n);
    t->report_n = report.n;
    t->a = (struct assignment){ .job = r->job, .task = r->task, .epoch = r->epoch, .privacy = level, .commit = true };
    t->state = W_COMMITTED;
    t->salted = t->held = t->started = true;
    t->id = ++b->next_task;
    t->next = b->tasks;
    b->tasks = t;
    b->held_tasks++;
    free(r);
    return VL_OK;
}
