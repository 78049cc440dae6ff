/* Random histories of the job book under many seeds.  After every step: the books add up, no task finishes twice, every
 * epoch is new; at the end: the log replayed and the snapshot restored give the same book, byte for byte; and when the
 * faults stop, every job ends. */
#include "fog_help.h"

#include "base/prng.h"
#include "fog/job_priv.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { SEEDS = 120, STEPS = 600, JOBS = 12, NODES = 6, RUNS = 800 };

struct run {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    struct vl_node_id node;
    bool told; /* its node believes that it runs this: nobody revoked it, it has not reported, nor was it lost */
};
struct world {
    struct desk d;
    struct vl_prng rng;
    struct vl_buf log, inputs;
    struct run runs[RUNS]; /* every assignment ever sent, also dead ones */
    uint32_t n_runs, jobs;
    uint32_t done[JOBS][80];
    uint64_t epoch[JOBS][80];
    uint32_t seen[JOB_H_REFEREE + 1]; /* lines of history */
    uint8_t verdict[JOBS][80][256];    /* by epoch: one at most */
    uint32_t verdicts[VERDICT_SILENT + 1], reveals;
};

static uint32_t job_index(struct vl_job_id id) { return vl_get_u32(id.b) - 1; }
static uint32_t below(struct world *w, uint32_t n) { return (uint32_t)vl_prng_below(&w->rng, n); }

static void check_task(const struct job_book *b, const struct task *t) {
    uint32_t live = 0, votes = 0, n = 0, moving = 0;
    uint64_t last = 0;
    for (const struct copy *c = t->copies; c != NULL; c = c->next, n++) {
        CHECK(c->epoch > last && c->epoch <= t->epoch);
        last = c->epoch;
        live += copy_live(c);
        moving += copy_live(c) && (!c->committed || c->asked);
        CHECK(c->committed ? c->due : !c->asked);
        votes += c->state == COPY_VOTE;
        CHECK_EQ(copy_live(c) || c->state == COPY_AWAY, order_has(&c->on_node));
        for (const struct copy *e = c->next; e != NULL; e = e->next)
            CHECK(!(copy_live(c) && copy_live(e) && c->node == e->node)); /* replicas on different nodes */
    }
    CHECK_EQ(live, t->live);
    CHECK_EQ(votes, t->votes);
    CHECK_EQ(n, t->n_copies);
    CHECK(live <= t->target + 1u);
    CHECK(!t->queued || task_want(t) > 0);
    CHECK(t->state < JOB_TASK_DONE || t->n_copies == (t->state == JOB_TASK_DONE ? 1 : 0));
    /* Nothing is forgotten: who wants a copy is queued or has a time; who runs has a time. */
    CHECK(task_want(t) == 0 || t->queued || order_has(&t->timer));
    CHECK(moving == 0 || order_has(&t->timer));
    CHECK(live == 0 || moving > 0 || t->queued || order_has(&t->timer)); /* committed ones wait for somebody who comes */
    CHECK(!t->judge || task_revealing(t));
    CHECK_EQ(t->queued, t->job->queued_bits[task_index(t) / 64] >> (task_index(t) % 64) & 1);
    (void)b;
}

static void book_check(const struct job_book *b) {
    uint32_t tasks = 0, queued = 0, live = 0, loading = 0, ended = 0, by_state[10] = { 0 };
    size_t it = 0;
    for (struct job *j; (j = vl_map_next(&b->jobs, &it, NULL)) != NULL;) {
        uint32_t count[7] = { 0 }, job_live = 0, job_queued = 0, voting = 0, open = 0;
        for (uint32_t i = 0; i < j->n_tasks; i++) {
            for (const struct copy *c = j->tasks[i].copies; c != NULL; c = c->next) {
                loading += copy_live(c) && !c->committed; /* what has a result holds no slot */
                open += copy_live(c) || c->state == COPY_AWAY || c->state == COPY_VOTE;
            }
            check_task(b, &j->tasks[i]);
            count[j->tasks[i].state]++;
            job_live += j->tasks[i].live;
            job_queued += j->tasks[i].queued;
            voting += j->tasks[i].votes > 0;
        }
        CHECK_EQ(count[JOB_TASK_WAITING], j->waiting);
        CHECK_EQ(count[JOB_TASK_PLACED] + count[JOB_TASK_RUNNING], j->running);
        CHECK_EQ(count[JOB_TASK_DONE], j->done);
        CHECK_EQ(count[JOB_TASK_FAILED], j->failed);
        CHECK_EQ(job_live, j->live);
        CHECK_EQ(open, j->open);
        CHECK_EQ(job_queued, j->n_queued);
        CHECK_EQ(voting, j->voting);
        bool final = job_state_final((enum job_state)j->state);
        CHECK_EQ(j->state == JOB_DONE, j->done == j->n_tasks);
        CHECK(!final || j->waiting + j->running == 0);
        CHECK_EQ(final || job_queued > 0, order_has(&j->queue));
        CHECK(final || order_has(&j->timer));
        tasks += j->n_tasks;
        queued += job_queued;
        live += job_live;
        ended += final;
        by_state[j->state]++;
    }
    CHECK_EQ(tasks, b->n_tasks);
    CHECK_EQ(queued, b->n_queued);
    CHECK_EQ(live, b->n_live);
    CHECK_EQ(ended, b->n_ended);
    CHECK_MEM(by_state, b->by_state, sizeof by_state);
    uint32_t on_nodes = 0;
    it = 0;
    for (struct node_load *n; (n = vl_map_next(&b->nodes, &it, NULL)) != NULL;) {
        CHECK(n->refs > 0);
        on_nodes += n->load.running;
    }
    CHECK_EQ(loading, on_nodes);
}

static void forget_run(struct world *w, struct vl_job_id job, uint32_t task, uint64_t epoch) {
    for (uint32_t i = 0; i < w->n_runs; i++) {
        struct run *r = &w->runs[i];
        if (vl_job_eq(r->job, job) && r->task == task && r->epoch == epoch) r->told = false;
    }
}

/* What the event itself tells about who runs what. */
static void before(struct world *w, const struct job_event *ev) {
    if (ev->kind == JOB_EV_REPORT) {
        for (uint32_t i = 0; i < w->n_runs; i++)
            if (vl_node_eq(w->runs[i].node, ev->node)) {
                const struct run *r = &w->runs[i];
                if (vl_job_eq(r->job, ev->report->job) && r->task == ev->report->task && r->epoch == ev->report->epoch)
                    w->runs[i].told = false;
            }
    }
    if (ev->kind != JOB_EV_NODE_LOST && ev->kind != JOB_EV_NODE_BACK) return;
    for (uint32_t i = 0; i < w->n_runs; i++)
        if (vl_node_eq(w->runs[i].node, ev->node)) w->runs[i].told = false;
}

/* Nobody works for nothing: what a node still believes to run is alive in the books, or it was told to stop. */
static void check_runs(const struct world *w) {
    for (uint32_t i = 0; i < w->n_runs; i++) {
        const struct run *r = &w->runs[i];
        if (!r->told) continue;
        struct job *j = book_find(w->d.book, r->job);
        struct copy *c = j ? task_copy(&j->tasks[r->task], r->epoch) : NULL;
        CHECK(c != NULL && copy_live(c));
    }
}

/* What happens to a run of a task says where. */
static bool of_a_run(enum job_history h) {
    return h == JOB_H_PLACED || h == JOB_H_STARTED || h == JOB_H_TASK_DONE || h == JOB_H_TASK_FAILED || h == JOB_H_TASK_REFUSED ||
           h == JOB_H_NODE_LOST || h == JOB_H_RECONNECTED || h == JOB_H_TIMEOUT || h == JOB_H_WRONG;
}

static void absorb(struct world *w) {
    const struct job_effects *fx = &w->d.fx;
    for (uint32_t i = 0; i < fx->n; i++) {
        const struct job_effect *f = &fx->v[i];
        uint32_t j = job_index(f->job);
        if (f->kind == JOB_FX_ASSIGN) {
            CHECK(f->epoch > w->epoch[j][f->task]); /* never an epoch twice */
            w->epoch[j][f->task] = f->epoch;
            CHECK_EQ(0, w->done[j][f->task]);
            static struct assignment a;
            static struct job_names names;
            CHECK_OK(job_book_assignment(w->d.book, f->job, f->task, f->epoch, &names, &a));
            CHECK(task_spec_ok(&a.spec));
            CHECK(w->n_runs < RUNS);
            w->runs[w->n_runs++] = (struct run){ f->job, f->task, f->epoch, f->node, true };
        }
        if (f->kind == JOB_FX_VERDICT) {
            CHECK(f->epoch > 0 && f->epoch < 256 && f->epoch <= w->epoch[j][f->task]);
            CHECK_EQ(0, w->verdict[j][f->task][f->epoch]); /* said once */
            w->verdict[j][f->task][f->epoch] = (uint8_t)f->verdict;
            w->verdicts[f->verdict]++;
        }
        if (f->kind == JOB_FX_REVEAL) {
            struct job *job = book_find(w->d.book, f->job);
            struct copy *c = job ? task_copy(&job->tasks[f->task], f->epoch) : NULL;
            CHECK(c == NULL || (c->committed && c->asked)); /* nobody is asked who has not committed */
            w->reveals++;
        }
        if (f->kind == JOB_FX_REVOKE) forget_run(w, f->job, f->task, f->epoch);
        if (f->kind == JOB_FX_HISTORY) w->seen[f->history]++;
        if (f->kind == JOB_FX_HISTORY && of_a_run(f->history)) CHECK(!vl_node_eq(f->node, (struct vl_node_id){ { 0 } }));
        if (f->kind == JOB_FX_HISTORY && f->history == JOB_H_TASK_DONE) CHECK_EQ(1, ++w->done[j][f->task]);
    }
}

static enum vl_err act(struct world *w, struct job_event ev) {
    ev.now = w->d.now;
    size_t at = w->log.len;
    CHECK_OK(vl_buf_append(&w->log, "\0\0\0\0", 4));
    CHECK_OK(job_event_encode(&ev, &w->log)); /* before the step: the event borrows */
    vl_put_u32(w->log.p + at, (uint32_t)(w->log.len - at - 4));
    CHECK_OK(vl_buf_append(&w->log, "\0\0\0\0\0\0\0\0", 8));
    before(w, &ev);
    enum vl_err err = job_book_step(w->d.book, &ev, &w->d.fx);
    CHECK(!err || (w->d.fx.n == 0 && !w->d.fx.changed));
    vl_put_u64(w->log.p + w->log.len - 8, job_book_deadline(w->d.book)); /* what the replay must come to as well */
    if (!w->d.fx.changed) w->log.len = at;                               /* not logged: it must not have mattered */
    absorb(w);
    check_runs(w);
    book_check(w->d.book);
    return err;
}

static void submit(struct world *w) {
    if (w->jobs == JOBS) return;
    struct job_spec s;
    spec_of(&s, &w->inputs, below(w, 3) ? below(w, 8) : 0);
    if (below(w, 12) == 0) spec_of(&s, &w->inputs, JOB_MERGE_FANIN + 3);
    s.has_merge = s.map && below(w, 2);
    s.replicas = below(w, 2) ? 1 : 1 + below(w, 4);
    s.max_attempts = 1 + below(w, 3);
    s.priority = (enum task_priority)(1 + below(w, 5));
    s.limits.timeout_ms = 1 + below(w, 200000);
    if (below(w, 4) == 0) s.ttl_ms = 1000 + below(w, 300000);
    if (w->jobs > 0 && below(w, 3) == 0) {
        s.n_after = 1;
        s.after[0] = job_n(below(w, w->jobs));
    }
    enum vl_err err = act(w, (struct job_event){ .kind = JOB_EV_SUBMIT, .job = job_n(w->jobs), .spec = &s });
    CHECK(err == VL_OK || err == VL_ENOTFOUND);
    w->jobs++;
}

static void place(struct world *w) {
    static struct sched_task t[64];
    struct job_cursor c = { 0 };
    uint32_t n = job_book_ready(w->d.book, w->d.now, &c, t, 64);
    if (n == 0 || w->n_runs == RUNS) return;
    const struct sched_task *one = &t[below(w, n)];
    struct vl_node_id node = node_n(below(w, NODES));
    bool hard = false;
    for (uint32_t i = 0; i < one->n_avoid; i++) hard |= one->avoid[i].hard && vl_node_eq(one->avoid[i].node, node);
    enum vl_err err =
        act(w, (struct job_event){ .kind = JOB_EV_PLACED, .job = one->job, .task = one->task, .node = node });
    CHECK_EQ(hard ? VL_ESTATE : VL_OK, err);
}

/* What a run comes to: one in eight is wrong. */
static uint8_t content_of(const struct run *r) {
    return (uint8_t)(1 + (vl_get_u32(r->node.b) * 31 + r->task * 7 + r->epoch * 3) % 8 / 7);
}

static struct job_ruling ruling_of(struct world *w, const struct job_votes *v);

static void speak(struct world *w) {
    if (w->n_runs == 0) return;
    /* Mostly the latest ones, so that they get somewhere; sometimes one long over. */
    uint32_t recent = below(w, 4) && w->n_runs > 30 ? 30 : w->n_runs;
    struct run r = w->runs[w->n_runs - 1 - below(w, recent)];
    if (below(w, 20) == 0) r.node = node_n(below(w, NODES));
    if (below(w, 2)) {
        enum job_event_kind k = below(w, 4) == 0 ? JOB_EV_ACCEPTED : below(w, 5) == 0 ? JOB_EV_FROZEN : JOB_EV_STARTED;
        (void)!act(w, (struct job_event){ .kind = k, .job = r.job, .task = r.task, .epoch = r.epoch, .node = r.node });
        return;
    }
    enum task_outcome o = below(w, 4) ? TASK_DONE : (enum task_outcome)(2 + below(w, 3));
    struct task_report report = report_of(r.job, r.task, r.epoch, o, content_of(&r));
    if (o == TASK_REFUSED && below(w, 2)) report.error = TASK_HANDED_BACK;
    struct job *j = book_find(w->d.book, r.job);
    struct copy *c = j && r.task < j->n_tasks ? task_copy(&j->tasks[r.task], r.epoch) : NULL;
    if (o == TASK_DONE && c != NULL && c->due && !c->asked && below(w, 20) > 0) { /* otherwise it tells too early */
        struct vl_hash h = commitment_of(&report, r.node);
        if (below(w, 25) == 0) h.b[0] ^= 1; /* never to be opened */
        (void)!act(w, (struct job_event){ .kind = JOB_EV_COMMIT, .job = r.job, .task = r.task, .epoch = r.epoch, .node = r.node,
                                          .commitment = h });
        return;
    }
    struct job_event ev = { .kind = JOB_EV_REPORT, .node = r.node, .report = &report };
    static struct job_votes votes;
    if (job_book_votes(w->d.book, r.node, &report, &votes)) ev.ruling = ruling_of(w, &votes);
    (void)!act(w, ev);
}

/* A ruling as somebody could give who knows more than the book; now and then one that names nothing. */
static struct job_ruling ruling_of(struct world *w, const struct job_votes *v) {
    struct job_ruling r = { .rule = (enum job_rule)(below(w, 3) ? JOB_RULE_MAJORITY : below(w, 4)) };
    if (r.rule == JOB_RULE_MORE && v->room == 0) r.rule = v->referee ? JOB_RULE_MAJORITY : JOB_RULE_REFEREE;
    if (r.rule == JOB_RULE_ACCEPT || below(w, 2)) r.winner = v->v[below(w, v->n)].epoch;
    if (r.rule == JOB_RULE_MORE) r.want = (uint8_t)(v->n + v->coming + 1);
    if (r.rule == JOB_RULE_MORE && r.winner != 0) r.until = w->d.now + below(w, 30000);
    if (below(w, 30) == 0) r.winner = 999;
    return r;
}

static void come_back(struct world *w) {
    struct vl_node_id node = node_n(below(w, NODES));
    static struct task_ref list[RUNS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n_runs; i++)
        if (vl_node_eq(w->runs[i].node, node) && below(w, 3))
            list[n++] = (struct task_ref){ w->runs[i].job, w->runs[i].task, w->runs[i].epoch };
    n = task_refs_sort(list, n);
    bool differs = job_book_differs(w->d.book, w->d.now, node, list, n), restarted = below(w, 4) == 0;
    CHECK_OK(
        act(w, (struct job_event){
                   .kind = JOB_EV_NODE_BACK, .node = node, .running = list, .n_running = n, .restarted = restarted }));
    CHECK(differs || restarted || (!w->d.fx.changed && w->d.fx.n == 0));
    CHECK(!job_book_differs(w->d.book, w->d.now, node, list, n) || fx_count(&w->d.fx, JOB_FX_REVOKE) > 0);
}

static void any_step(struct world *w) {
    w->d.now += below(w, 12) ? below(w, 300) : below(w, 20000);
    switch (below(w, 16)) {
    case 0:
    case 1:
        submit(w);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
        place(w);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        for (uint32_t i = 0; i < 3; i++) speak(w);
        break;
    case 11:
        if (below(w, 4) == 0)
            CHECK_OK(act(w, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(below(w, NODES)) }));
        break;
    case 12:
        if (below(w, 2)) come_back(w);
        break;
    case 13:
        if (below(w, 6) == 0) (void)!act(w, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(below(w, JOBS)) });
        if (below(w, 3) == 0)
            (void)!act(w, (struct job_event){
                .kind = JOB_EV_PRICE, .job = job_n(below(w, JOBS)), .price = below(w, 1000), .cleared = below(w, 2) });
        if (below(w, 6) == 0) (void)!act(w, (struct job_event){ .kind = JOB_EV_FORGET, .job = job_n(below(w, JOBS)) });
        break;
    default:
        if (job_book_deadline(w->d.book) <= w->d.now) CHECK_OK(act(w, (struct job_event){ .kind = JOB_EV_TICK }));
        break;
    }
}

/* Replays log[from..] over b; gives its snapshot. */
static void replay(struct job_book *b, struct vl_span log, struct vl_buf *ret) {
    static struct job_event_store store;
    struct job_effects fx = { 0 };
    struct vl_reader r = vl_reader(log.p, log.n);
    while (r.n > 0) {
        struct job_event ev;
        CHECK_OK(job_event_decode(vl_read_span(&r, vl_read_u32(&r)), &store, &ev));
        CHECK_OK(job_book_step(b, &ev, &fx));
        CHECK(fx.changed);
        CHECK_EQ(vl_read_u64(&r), job_book_deadline(b));
    }
    snapshot_of(b, ret);
    job_effects_free(&fx);
}

static void check_same(const struct vl_buf *want, struct job_book *b, struct vl_span log) {
    struct vl_buf got;
    vl_buf_init(&got, 64 << 20);
    CHECK(b != NULL);
    replay(b, log, &got);
    book_check(b);
    CHECK_EQ(want->len, got.len);
    CHECK_MEM(want->p, got.p, got.len);
    vl_buf_free(&got);
    job_book_destroy(b);
}

/* An honest result for some run that is alive. */
static void finish_one(struct world *w) {
    for (uint32_t j = 0; j < w->jobs; j++) {
        struct job *job = book_find(w->d.book, job_n(j));
        for (uint32_t i = 0; job != NULL && job->live > 0 && i < job->n_tasks; i++) {
            struct copy *c = job->tasks[i].copies;
            while (c != NULL && !(copy_live(c) && (!c->committed || c->asked))) c = c->next;
            if (c == NULL) continue;
            struct task_report report = report_of(job->id, i, c->epoch, TASK_DONE, 1);
            struct job_event ev = { .kind = JOB_EV_REPORT, .node = c->node->id, .report = &report };
            if (c->due && !c->committed)
                ev = (struct job_event){ .kind = JOB_EV_COMMIT, .job = job->id, .task = i, .epoch = c->epoch, .node = c->node->id,
                                         .commitment = commitment_of(&report, c->node->id) };
            CHECK_OK(act(w, ev));
            return;
        }
    }
}

/* No more faults: whatever wants a node gets an honest one, time passes. */
static void heal(struct world *w) {
    for (uint32_t i = 0; i < 3000; i++) {
        struct job_stats s;
        job_book_stats(w->d.book, &s);
        if (s.jobs == s.ended) return;
        place(w);
        finish_one(w);
        w->d.now += 1000;
        if (job_book_deadline(w->d.book) <= w->d.now) CHECK_OK(act(w, (struct job_event){ .kind = JOB_EV_TICK }));
    }
    CHECK(!"every job ends once the faults have stopped");
}

static void one_history(uint64_t seed, uint32_t seen[JOB_H_REFEREE + 1], uint32_t verdicts[VERDICT_SILENT + 1]) {
    struct world *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    w->d = desk_open();
    vl_prng_seed(&w->rng, seed);
    vl_buf_init(&w->log, 64 << 20);
    vl_buf_init(&w->inputs, JOB_SPEC_MAX);
    struct vl_buf middle, end;
    vl_buf_init(&middle, 64 << 20);
    vl_buf_init(&end, 64 << 20);
    size_t at_middle = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        any_step(w);
        if (i != STEPS / 2) continue;
        snapshot_of(w->d.book, &middle);
        at_middle = w->log.len;
    }
    snapshot_of(w->d.book, &end);
    struct job_config config;
    job_config_defaults(&config);
    check_same(&end, job_book_create(&config), vl_span(w->log.p, w->log.len));
    check_same(&end, book_from(vl_span(middle.p, middle.len)), vl_span(w->log.p + at_middle, w->log.len - at_middle));
    check_same(&end, book_from(vl_span(end.p, end.len)), vl_span(NULL, 0));
    heal(w);
    for (uint32_t h = 0; h <= JOB_H_REFEREE; h++) seen[h] += w->seen[h];
    for (uint32_t v = 0; v <= VERDICT_SILENT; v++) verdicts[v] += w->verdicts[v];
    vl_buf_free(&w->log);
    vl_buf_free(&w->inputs);
    vl_buf_free(&middle);
    vl_buf_free(&end);
    desk_close(&w->d);
    free(w);
}

TEST(job, random_histories_keep_the_books_and_replay_to_the_same_bytes) {
    const char *only = getenv("VILLAGE_SEED");
    uint32_t seen[JOB_H_REFEREE + 1] = { 0 }, verdicts[VERDICT_SILENT + 1] = { 0 };
    if (only != NULL) {
        one_history(strtoull(only, NULL, 10), seen, verdicts);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("# seed %llu\n", (unsigned long long)seed);
        one_history(seed, seen, verdicts);
    }
    for (enum job_history h = JOB_H_SUBMITTED; h <= JOB_H_REFEREE; h++) {
        print_message("# %s %u\n", job_history_text(h), seen[h]);
        CHECK(seen[h] > 0); /* a story never told is a story not tested */
    }
    for (enum job_verdict v = VERDICT_AGREED; v <= VERDICT_SILENT; v++) {
        print_message("# %s %u\n", job_verdict_text(v), verdicts[v]);
        CHECK(verdicts[v] > 0);
    }
}

TEST(job, damaged_snapshots_are_refused_or_give_a_sound_book) {
    struct world *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    w->d = desk_open();
    vl_prng_seed(&w->rng, 3);
    vl_buf_init(&w->log, 64 << 20);
    vl_buf_init(&w->inputs, JOB_SPEC_MAX);
    for (uint32_t i = 0; i < 200; i++) any_step(w);
    struct vl_buf snap;
    vl_buf_init(&snap, 64 << 20);
    snapshot_of(w->d.book, &snap);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        size_t at = vl_prng_below(&w->rng, snap.len);
        uint8_t was = snap.p[at];
        snap.p[at] ^= (uint8_t)(1u << below(w, 8));
        struct job_book *b = book_from(vl_span(snap.p, snap.len));
        refused += b == NULL;
        struct job_effects fx = { 0 };
        struct job_event ev = { .kind = JOB_EV_TICK, .now = w->d.now + 1000000 };
        if (b != NULL) CHECK_OK(job_book_step(b, &ev, &fx));
        job_effects_free(&fx);
        job_book_destroy(b);
        snap.p[at] = was;
    }
    CHECK(refused > 0);
    vl_buf_free(&snap);
    vl_buf_free(&w->log);
    vl_buf_free(&w->inputs);
    desk_close(&w->d);
    free(w);
}
