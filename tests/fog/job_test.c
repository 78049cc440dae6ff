#include "fog_help.h"

#include "check.h"

#include <string.h>

#define OPEN(n)                                                                                                        \
    struct desk d = desk_open();                                                                                       \
    struct vl_buf inputs;                                                                                              \
    vl_buf_init(&inputs, JOB_SPEC_MAX);                                                                                \
    struct job_spec spec;                                                                                              \
    spec_of(&spec, &inputs, n)
#define CLOSE                                                                                                          \
    vl_buf_free(&inputs);                                                                                              \
    desk_close(&d)

TEST(job, goes_from_submitted_to_done_and_tells_each_step) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK(fx_history_has(&d.fx, JOB_H_SUBMITTED) && fx_history_has(&d.fx, JOB_H_PRICED));
    CHECK_EQ(JOB_PRICED, desk_job(&d, 0).state);
    CHECK_EQ(VL_EEXISTS, desk_submit(&d, 0, &spec));
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_place(&d, 0, 0, 7));
    CHECK_EQ(1, fx_find(&d.fx, JOB_FX_ASSIGN)->epoch);
    CHECK_EQ(JOB_PLACED, desk_job(&d, 0).state);
    CHECK_EQ(0, desk_ready(&d));
    CHECK_EQ(VL_ESTATE, desk_place(&d, 0, 0, 8)); /* wants no second copy */
    CHECK_OK(desk_status(&d, 0, 0, 7, 1, JOB_EV_ACCEPTED));
    CHECK_OK(desk_status(&d, 0, 0, 7, 1, JOB_EV_STARTED));
    CHECK_EQ(JOB_RUNNING, desk_job(&d, 0).state);
    CHECK_OK(desk_status(&d, 0, 0, 7, 1, JOB_EV_STARTED));
    CHECK(!d.fx.changed && d.fx.n == 0); /* said twice */
    CHECK_OK(desk_report(&d, 0, 0, 7, 1, TASK_DONE, 5));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(JOB_DONE, fx_find(&d.fx, JOB_FX_JOB_ENDED)->state);
    CHECK_EQ(0, fx_count(&d.fx, JOB_FX_REVOKE));
    CHECK_EQ(VL_ESTALE, desk_report(&d, 0, 0, 7, 1, TASK_DONE, 5)); /* delivered twice */
    CHECK_EQ(VL_ESTATE, desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(0) }));
    struct job_stats s;
    job_book_stats(d.book, &s);
    CHECK_EQ(1, s.stale);
    CHECK_EQ(0, s.live);
    CLOSE;
}

TEST(job, assignment_carries_what_the_worker_needs) {
    OPEN(2);
    spec.deterministic = true;
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 1, 3));
    static struct assignment a;
    static struct job_names names;
    CHECK_OK(job_book_assignment(d.book, job_n(0), 1, 1, &names, &a));
    CHECK_EQ(1, a.spec.n_inputs);
    CHECK(vl_span_eq(a.spec.inputs[0].name, vl_span_str("1.txt")));
    CHECK(vl_span_eq(a.spec.name, vl_span_str("wc")));
    CHECK(a.spec.seed != 0 && a.attempt == 1 && a.lease_ms == JOB_LEASE_MS);
    struct vl_buf out;
    vl_buf_init(&out, VL_PAYLOAD_MAX);
    CHECK_OK(assignment_encode(&a, &out));
    vl_buf_free(&out);
    CHECK_EQ(VL_ENOTFOUND, job_book_assignment(d.book, job_n(0), 1, 2, &names, &a));
    CHECK_EQ(268435456, job_book_on_node(d.book, node_n(3)).memory_bytes);
    CLOSE;
}

TEST(job, lost_node_gives_its_task_to_another_at_once_and_the_late_result_is_stale) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_status(&d, 0, 0, 1, 1, JOB_EV_STARTED));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(1) }));
    CHECK(d.fx.changed);
    CHECK_EQ(1, desk_ready(&d));
    CHECK_EQ(0, desk_job(&d, 0).attempts); /* not the program's failure */
    CHECK_OK(desk_place(&d, 0, 0, 2));
    CHECK_EQ(2, fx_find(&d.fx, JOB_FX_ASSIGN)->epoch);
    CHECK_EQ(VL_ESTALE, desk_report(&d, 0, 0, 1, 1, TASK_DONE, 1));
    CHECK_EQ(JOB_RUNNING, desk_job(&d, 0).state);
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_DONE, 1));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, result_of_a_lost_node_counts_while_nobody_has_replaced_it) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(1) }));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 1));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(0, desk_ready(&d));
    CLOSE;
}

TEST(job, returning_node_keeps_its_run_when_the_epoch_is_live_and_is_told_to_stop_when_not) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_submit(&d, 1, &spec));
    for (uint32_t j = 0; j < 2; j++) {
        CHECK_OK(desk_place(&d, j, 0, 1));
        CHECK_OK(desk_status(&d, j, 0, 1, 1, JOB_EV_STARTED));
    }
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(1) }));
    CHECK_OK(desk_place(&d, 1, 0, 2)); /* job 1 has moved, job 0 waits */
    struct task_ref running[2] = { { job_n(0), 0, 1 }, { job_n(1), 0, 1 } };
    CHECK(job_book_differs(d.book, d.now, node_n(1), running, 2));
    CHECK_OK(desk_event(
        &d, (struct job_event){ .kind = JOB_EV_NODE_BACK, .node = node_n(1), .running = running, .n_running = 2 }));
    CHECK(fx_history_has(&d.fx, JOB_H_RECONNECTED));
    CHECK_EQ(1, fx_count(&d.fx, JOB_FX_REVOKE));
    CHECK(vl_job_eq(job_n(1), fx_find(&d.fx, JOB_FX_REVOKE)->job));
    CHECK_EQ(0, desk_ready(&d));
    CHECK(!job_book_differs(d.book, d.now, node_n(1), running, 1));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 1));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, run_missing_in_the_list_is_lost_only_after_the_exact_grace) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_status(&d, 0, 0, 1, 1, JOB_EV_STARTED));
    d.now += JOB_RUNNING_GRACE_MS - 1;
    CHECK(!job_book_differs(d.book, d.now, node_n(1), NULL, 0));
    d.now += 1;
    CHECK(job_book_differs(d.book, d.now, node_n(1), NULL, 0));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_BACK, .node = node_n(1) }));
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_status(&d, 0, 0, 1, 2, JOB_EV_STARTED));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_BACK, .node = node_n(1), .restarted = true }));
    CHECK_EQ(1, desk_ready(&d)); /* a new process: no grace */
    CLOSE;
}

TEST(job, failures_back_off_and_end_the_job_at_max_attempts) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec)); /* 3 attempts */
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(desk_place(&d, 0, 0, i));
        CHECK_OK(desk_report(&d, 0, 0, i, i + 1, TASK_FAILED, 0));
        CHECK_EQ(0, desk_ready(&d));
        if (i == 2) break;
        desk_tick(&d, d.now + (JOB_RETRY_MS << i) - 1);
        CHECK_EQ(0, desk_ready(&d));
        desk_tick(&d, d.now + 1);
        CHECK_EQ(1, desk_ready(&d));
    }
    struct job_view v = desk_job(&d, 0);
    CHECK_EQ(JOB_FAILED, v.state);
    CHECK_EQ(3, v.attempts);
    CHECK_EQ(VL_EINTERNAL, v.error);
    CHECK(vl_span_eq(v.error_text, vl_span_str("task 0 failed 3 times: it broke")));
    CHECK_EQ(JOB_TASK_FAILED, desk_task(&d, 0, 0).state);
    CLOSE;
}

TEST(job, next_try_prefers_a_node_where_it_has_not_failed) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 4));
    CHECK_OK(desk_report(&d, 0, 0, 4, 1, TASK_FAILED, 0));
    desk_tick(&d, d.now + JOB_RETRY_MS);
    struct sched_task t;
    struct job_cursor c = { 0 };
    CHECK_EQ(1, job_book_ready(d.book, d.now, &c, &t, 1));
    CHECK_EQ(1, t.n_avoid);
    CHECK(vl_node_eq(node_n(4), t.avoid[0].node) && !t.avoid[0].hard);
    CLOSE;
}

TEST(job, unaccepted_assignment_is_taken_back_at_the_exact_time) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    vl_ms t0 = d.now;
    CHECK_EQ(t0 + JOB_ACCEPT_MS, job_book_deadline(d.book));
    desk_tick(&d, t0 + JOB_ACCEPT_MS - 1);
    CHECK(!d.fx.changed);
    d.now++;
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_TICK }));
    CHECK_EQ(1, fx_count(&d.fx, JOB_FX_REVOKE));
    CHECK_EQ(VL_ESTALE, desk_status(&d, 0, 0, 1, 1, JOB_EV_STARTED));
    desk_tick(&d, d.now + JOB_RETRY_MS);
    CHECK_EQ(1, desk_ready(&d));
    CHECK_EQ(0, desk_job(&d, 0).attempts);
    CLOSE;
}

TEST(job, run_beyond_its_timeout_counts_as_a_failure) {
    OPEN(0);
    spec.max_attempts = 1;
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_status(&d, 0, 0, 1, 1, JOB_EV_STARTED));
    desk_tick(&d, d.now + spec.limits.timeout_ms + JOB_OVERTIME_MS);
    CHECK_EQ(JOB_FAILED, desk_job(&d, 0).state);
    CHECK_EQ(VL_ETIMEOUT, desk_job(&d, 0).error);
    CLOSE;
}

TEST(job, task_given_back_by_its_machines_owner_may_move_at_once_and_one_refused_waits) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_REFUSED, 0));
    CHECK_EQ(0, desk_ready(&d));
    desk_tick(&d, d.now + JOB_RETRY_MS);
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_place(&d, 0, 0, 2));
    struct task_report back = report_of(job_n(0), 0, 2, TASK_REFUSED, 0);
    back.error = TASK_HANDED_BACK;
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_REPORT, .job = job_n(0), .epoch = 2, .node = node_n(2), .report = &back }));
    CHECK_EQ(1, desk_ready(&d));
    CHECK(fx_history_has(&d.fx, JOB_H_TASK_REFUSED));
    CHECK_EQ(0, desk_job(&d, 0).attempts);
    CLOSE;
}

TEST(job, frozen_copy_gets_more_time_each_time_but_not_for_ever) {
    OPEN(0);
    spec.max_attempts = 1;
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_FROZEN, .job = job_n(0), .epoch = 1, .node = node_n(1) }));
    CHECK(!d.fx.changed); /* not accepted yet */
    CHECK_OK(desk_status(&d, 0, 0, 1, 1, JOB_EV_STARTED));
    vl_ms end = d.now + spec.limits.timeout_ms + JOB_OVERTIME_MS;
    CHECK_EQ(VL_EDENIED, desk_event(&d, (struct job_event){ .kind = JOB_EV_FROZEN, .job = job_n(0), .epoch = 1, .node = node_n(2) }));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_FROZEN, .job = job_n(0), .epoch = 1, .node = node_n(1) }));
    CHECK(d.fx.changed);
    desk_tick(&d, end + JOB_FROZEN_MS - 1);
    CHECK(!job_state_final(desk_job(&d, 0).state));
    for (int i = 0; i < 50; i++)
        CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_FROZEN, .job = job_n(0), .epoch = 1, .node = node_n(1) }));
    CHECK(!d.fx.changed);
    desk_tick(&d, end + JOB_FROZEN_MAX_MS - 1);
    CHECK(!job_state_final(desk_job(&d, 0).state));
    desk_tick(&d, end + JOB_FROZEN_MAX_MS);
    CHECK_EQ(JOB_FAILED, desk_job(&d, 0).state);
    CHECK_EQ(VL_ETIMEOUT, desk_job(&d, 0).error);
    CLOSE;
}

TEST(job, refusals_and_losses_have_bounds_of_their_own) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t i = 1; i <= JOB_REFUSED_MAX + 1; i++) {
        CHECK_EQ(JOB_PRICED < desk_job(&d, 0).state || i == 1, 1);
        CHECK_OK(desk_place(&d, 0, 0, i));
        CHECK_OK(desk_report(&d, 0, 0, i, i, TASK_REFUSED, 0));
        desk_tick(&d, d.now + JOB_REFUSED_WAIT_MAX_MS);
    }
    CHECK_EQ(JOB_FAILED, desk_job(&d, 0).state);
    CHECK_EQ(VL_EUNSUPPORTED, desk_job(&d, 0).error);
    CHECK_OK(desk_submit(&d, 1, &spec));
    for (uint32_t i = 1; i <= JOB_LOST_MAX; i++) {
        CHECK_OK(desk_place(&d, 1, 0, i));
        CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(i) }));
    }
    CHECK(!job_state_final(desk_job(&d, 1).state));
    CHECK_OK(desk_place(&d, 1, 0, 99));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(99) }));
    CHECK_EQ(JOB_FAILED, desk_job(&d, 1).state);
    CLOSE;
}

TEST(job, replicas_go_to_different_nodes_and_the_majority_wins) {
    OPEN(0);
    spec.replicas = 3;
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_EQ(VL_ESTATE, desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_place(&d, 0, 0, 2));
    CHECK_OK(desk_place(&d, 0, 0, 3));
    CHECK_EQ(0, desk_ready(&d));
    CHECK_OK(desk_commit(&d, 0, 0, 1, 1, 5));
    CHECK_OK(desk_commit(&d, 0, 0, 2, 2, 6));
    CHECK_EQ(0, fx_count(&d.fx, JOB_FX_REVEAL));
    CHECK_OK(desk_commit(&d, 0, 0, 3, 3, 6));
    CHECK_EQ(3, fx_count(&d.fx, JOB_FX_REVEAL));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 5));
    CHECK_EQ(JOB_VERIFYING, desk_job(&d, 0).state);
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_DONE, 6));
    CHECK_EQ(JOB_VERIFYING, desk_job(&d, 0).state);
    CHECK_OK(desk_report(&d, 0, 0, 3, 3, TASK_DONE, 6));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    struct task_report r;
    CHECK_OK(task_report_decode(desk_task(&d, 0, 0).report, &r));
    CHECK_EQ(6, r.outputs[0].hash.b[0]);
    CHECK_EQ(2, r.epoch);
    CLOSE;
}

TEST(job, majority_ends_the_task_without_a_straggler_once_the_round_has_lasted) {
    OPEN(0);
    spec.replicas = 3;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t i = 1; i <= 3; i++) CHECK_OK(desk_place(&d, 0, 0, i));
    vl_ms from = d.now;
    CHECK_OK(desk_commit(&d, 0, 0, 1, 1, 5));
    CHECK_OK(desk_commit(&d, 0, 0, 2, 2, 5));
    CHECK_EQ(from + JOB_ROUND_MS, job_book_deadline(d.book));
    d.now = from + JOB_ROUND_MS;
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_TICK }));
    CHECK_EQ(2, fx_count(&d.fx, JOB_FX_REVEAL));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 5));
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_DONE, 5));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(3, fx_find(&d.fx, JOB_FX_REVOKE)->epoch);
    CHECK_EQ(VL_ESTALE, desk_report(&d, 0, 0, 3, 3, TASK_DONE, 5));
    CLOSE;
}

TEST(job, of_replicas_that_stand_by_for_each_other_the_first_result_counts) {
    OPEN(0);
    spec.replicas = 3;
    spec.terms.tier = TIER_GOLD;
    CHECK_OK(desk_submit(&d, 0, &spec));
    spec.terms.class = SLA_A; /* these are compared */
    CHECK_OK(desk_submit(&d, 1, &spec));
    for (uint32_t j = 0; j < 2; j++)
        for (uint32_t n = 1; n <= 3; n++) CHECK_OK(desk_place(&d, j, 0, n));
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_DONE, 5)); /* no commitment is due: nothing is compared */
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(2, fx_count(&d.fx, JOB_FX_REVOKE));
    for (uint32_t n = 1; n <= 3; n++) CHECK_OK(desk_commit(&d, 1, 0, n, n, 5));
    CHECK_OK(desk_report(&d, 1, 0, 2, 2, TASK_DONE, 5));
    CHECK_EQ(JOB_VERIFYING, desk_job(&d, 1).state);
    CLOSE;
}

/* The verdict on that copy in the last step; 0: none. */
static enum job_verdict verdict_on(const struct desk *d, uint64_t epoch) {
    for (uint32_t i = 0; i < d->fx.n; i++)
        if (d->fx.v[i].kind == JOB_FX_VERDICT && d->fx.v[i].epoch == epoch) return d->fx.v[i].verdict;
    return (enum job_verdict)0;
}

TEST(job, says_of_every_compared_copy_whether_it_agreed) {
    OPEN(0);
    spec.replicas = 3;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t n = 0; n < 3; n++) CHECK_OK(desk_place(&d, 0, 0, n));
    for (uint32_t n = 0; n < 3; n++) CHECK_OK(desk_commit(&d, 0, 0, n, n + 1, n == 1 ? 9 : 1));
    CHECK_OK(desk_report(&d, 0, 0, 0, 1, TASK_DONE, 1));
    CHECK_OK(desk_report(&d, 0, 0, 1, 2, TASK_DONE, 9));
    CHECK_EQ(0, fx_count(&d.fx, JOB_FX_VERDICT)); /* nobody can say yet */
    CHECK_OK(desk_report(&d, 0, 0, 2, 3, TASK_DONE, 1));
    CHECK_EQ(3, fx_count(&d.fx, JOB_FX_VERDICT));
    CHECK_EQ(VERDICT_AGREED, verdict_on(&d, 1));
    CHECK_EQ(VERDICT_WRONG, verdict_on(&d, 2));
    CHECK_EQ(VERDICT_AGREED, verdict_on(&d, 3));
    CLOSE;
}

TEST(job, says_of_every_other_copy_how_it_ended) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_REFUSED, 0));
    CHECK_EQ(VERDICT_HANDED_BACK, verdict_on(&d, 1));
    desk_tick(&d, d.now + JOB_RETRY_MS);
    CHECK_OK(desk_place(&d, 0, 0, 2));
    d.now = job_book_deadline(d.book);
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_TICK })); /* never accepted */
    CHECK_EQ(VERDICT_LATE, verdict_on(&d, 2));
    desk_tick(&d, job_book_deadline(d.book));
    CHECK_OK(desk_place(&d, 0, 0, 3));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(3) }));
    CHECK_EQ(0, fx_count(&d.fx, JOB_FX_VERDICT)); /* it may come back with it */
    CHECK_OK(desk_place(&d, 0, 0, 4));
    CHECK_EQ(VERDICT_LOST, verdict_on(&d, 3));
    CHECK_OK(desk_report(&d, 0, 0, 4, 4, TASK_FAILED, 0));
    CHECK_EQ(VERDICT_FAILED, verdict_on(&d, 4));
    desk_tick(&d, d.now + JOB_RETRY_MS);
    CHECK_OK(desk_place(&d, 0, 0, 5));
    CHECK_OK(desk_report(&d, 0, 0, 5, 5, TASK_DONE, 1));
    CHECK_EQ(VERDICT_ACCEPTED, verdict_on(&d, 5));
    CHECK(vl_node_eq(node_n(5), fx_find(&d.fx, JOB_FX_VERDICT)->node));
    CLOSE;
}

TEST(job, disagreeing_replicas_get_more_votes_and_then_fail) {
    OPEN(0);
    spec.replicas = 2;
    CHECK_OK(desk_submit(&d, 0, &spec));
    uint32_t votes = 2;
    for (uint32_t i = 1; i <= 2; i++) CHECK_OK(desk_place(&d, 0, 0, i));
    for (uint32_t i = 1; i <= 2; i++) CHECK_OK(desk_commit(&d, 0, 0, i, i, (uint8_t)i));
    for (uint32_t i = 1; i <= 2; i++) CHECK_OK(desk_report(&d, 0, 0, i, i, TASK_DONE, (uint8_t)i));
    while (desk_ready(&d) > 0) {
        votes++;
        CHECK_OK(desk_place(&d, 0, 0, votes));
        CHECK_OK(desk_commit(&d, 0, 0, votes, votes, (uint8_t)votes));
        CHECK_OK(desk_report(&d, 0, 0, votes, votes, TASK_DONE, (uint8_t)votes));
    }
    CHECK_EQ(2 + JOB_EXTRA_VOTES, votes);
    CHECK_EQ(JOB_FAILED, desk_job(&d, 0).state);
    CHECK(vl_span_eq(desk_job(&d, 0).error_text, vl_span_str("task 0: the results of 5 replicas disagree")));
    CHECK_OK(desk_submit(&d, 1, &spec)); /* the third vote settles it */
    for (uint32_t i = 1; i <= 2; i++) CHECK_OK(desk_place(&d, 1, 0, i));
    for (uint32_t i = 1; i <= 2; i++) CHECK_OK(desk_commit(&d, 1, 0, i, i, (uint8_t)i));
    for (uint32_t i = 1; i <= 2; i++) CHECK_OK(desk_report(&d, 1, 0, i, i, TASK_DONE, (uint8_t)i));
    CHECK(fx_history_has(&d.fx, JOB_H_DISAGREED));
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_place(&d, 1, 0, 3));
    CHECK_OK(desk_commit(&d, 1, 0, 3, 3, 2));
    CHECK_OK(desk_report(&d, 1, 0, 3, 3, TASK_DONE, 2));
    CHECK_EQ(JOB_DONE, desk_job(&d, 1).state);
    CLOSE;
}

TEST(job, straggler_gets_one_duplicate_at_twice_the_median_and_the_first_result_wins) {
    OPEN(4);
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_OK(desk_place(&d, 0, i, i));
        CHECK_OK(desk_status(&d, 0, i, i, 1, JOB_EV_STARTED));
    }
    vl_ms t0 = d.now;
    d.now += 10000;
    for (uint32_t i = 0; i < 3; i++) CHECK_OK(desk_report(&d, 0, i, i, 1, TASK_DONE, 1));
    CHECK_EQ(t0 + 20000, job_book_deadline(d.book));
    desk_tick(&d, t0 + 19999);
    CHECK_EQ(0, desk_ready(&d));
    d.now++;
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_TICK }));
    CHECK(fx_history_has(&d.fx, JOB_H_DUPLICATED));
    CHECK_EQ(1, desk_ready(&d));
    CHECK_EQ(VL_ESTATE, desk_place(&d, 0, 3, 3)); /* not where it already runs */
    CHECK_OK(desk_place(&d, 0, 3, 0));
    CHECK_EQ(2, desk_task(&d, 0, 3).copies);
    CHECK_OK(desk_report(&d, 0, 3, 0, 2, TASK_DONE, 1));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(1, fx_find(&d.fx, JOB_FX_REVOKE)->epoch); /* the slow one */
    CHECK_EQ(VL_ESTALE, desk_report(&d, 0, 3, 3, 1, TASK_DONE, 1));
    CLOSE;
}

TEST(job, duplicate_takes_over_when_the_straggler_is_lost_for_a_while) {
    OPEN(4);
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_OK(desk_place(&d, 0, i, i));
        CHECK_OK(desk_status(&d, 0, i, i, 1, JOB_EV_STARTED));
    }
    d.now += 10000;
    for (uint32_t i = 0; i < 3; i++) CHECK_OK(desk_report(&d, 0, i, i, 1, TASK_DONE, 1));
    desk_tick(&d, d.now + 10000);
    CHECK_OK(desk_place(&d, 0, 3, 0));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(3) }));
    CHECK_EQ(0, desk_ready(&d)); /* one runs, one is wanted */
    struct task_ref running = { job_n(0), 3, 1 };
    CHECK_OK(desk_event(
        &d, (struct job_event){ .kind = JOB_EV_NODE_BACK, .node = node_n(3), .running = &running, .n_running = 1 }));
    CHECK_EQ(1, fx_find(&d.fx, JOB_FX_REVOKE)->epoch);
    CHECK_EQ(1, desk_task(&d, 0, 3).copies);
    CLOSE;
}

TEST(job, merge_waits_for_all_maps_and_reads_their_outputs_in_order) {
    OPEN(3);
    spec.has_merge = true;
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_EQ(4, desk_job(&d, 0).total);
    CHECK_EQ(3, desk_ready(&d));
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(desk_place(&d, 0, i, i));
        CHECK_OK(desk_report(&d, 0, i, i, 1, TASK_DONE, (uint8_t)(10 + i)));
        CHECK_EQ(2 - i + (i == 2), desk_ready(&d));
    }
    CHECK_OK(desk_place(&d, 0, 3, 0));
    static struct assignment a;
    static struct job_names names;
    CHECK_OK(job_book_assignment(d.book, job_n(0), 3, 1, &names, &a));
    CHECK_EQ(3, a.spec.n_inputs);
    CHECK(vl_span_eq(a.spec.inputs[2].name, vl_span_str("00002.stdout")));
    CHECK_EQ(12, a.spec.inputs[2].hash.b[0]);
    CHECK_OK(desk_report(&d, 0, 3, 0, 1, TASK_DONE, 1));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, more_maps_than_one_merge_can_read_merge_in_rounds) {
    OPEN(JOB_MERGE_FANIN * 2 + 1);
    spec.has_merge = true;
    CHECK_OK(desk_submit(&d, 0, &spec));
    uint32_t maps = JOB_MERGE_FANIN * 2 + 1;
    CHECK_EQ(maps + 3 + 1, desk_job(&d, 0).total);
    for (uint32_t i = 0; i < maps + 4; i++) {
        CHECK_OK(desk_place(&d, 0, i, 0));
        static struct assignment a;
        static struct job_names names;
        CHECK_OK(job_book_assignment(d.book, job_n(0), i, 1, &names, &a));
        uint32_t want = i < maps ? 1 : i < maps + 2 ? JOB_MERGE_FANIN : i == maps + 2 ? 1 : 3;
        CHECK_EQ(want, a.spec.n_inputs);
        CHECK_OK(desk_report(&d, 0, i, 0, 1, TASK_DONE, 1));
    }
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, waits_for_the_jobs_it_names_and_fails_with_them) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    spec.n_after = 1;
    spec.after[0] = job_n(9);
    CHECK_EQ(VL_ENOTFOUND, desk_submit(&d, 1, &spec));
    spec.after[0] = job_n(0);
    CHECK_OK(desk_submit(&d, 1, &spec));
    spec.after[0] = job_n(1);
    CHECK_OK(desk_submit(&d, 2, &spec));
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 1));
    CHECK_EQ(0, desk_ready(&d));
    CHECK_EQ(VL_ESTATE, desk_event(&d, (struct job_event){ .kind = JOB_EV_FORGET, .job = job_n(0) }));
    CHECK_EQ(0, job_book_deadline(d.book)); /* due at once */
    desk_tick(&d, d.now);
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(1) }));
    desk_tick(&d, d.now);
    CHECK_EQ(JOB_FAILED, desk_job(&d, 2).state);
    spec.after[0] = job_n(2);
    CHECK_OK(desk_submit(&d, 3, &spec)); /* after one that has failed already */
    CHECK_EQ(JOB_FAILED, desk_job(&d, 3).state);
    CLOSE;
}

TEST(job, cancel_revokes_what_runs_and_frees_the_books) {
    OPEN(5);
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t i = 0; i < 3; i++) CHECK_OK(desk_place(&d, 0, i, i));
    CHECK_OK(desk_report(&d, 0, 0, 0, 1, TASK_DONE, 1));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(0) }));
    CHECK_EQ(2, fx_count(&d.fx, JOB_FX_REVOKE));
    CHECK_EQ(VL_ESTALE, desk_report(&d, 0, 1, 1, 1, TASK_DONE, 1)); /* it crossed the cancellation */
    CHECK_EQ(VL_ESTATE, desk_place(&d, 0, 4, 4));
    struct job_view v = desk_job(&d, 0);
    CHECK_EQ(JOB_CANCELLED, v.state);
    CHECK_EQ(1, v.done);
    CHECK_EQ(0, v.waiting + v.running);
    CHECK_EQ(0, job_book_on_node(d.book, node_n(1)).running);
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_FORGET, .job = job_n(0) }));
    CHECK_EQ(VL_ENOTFOUND, desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(0) }));
    struct job_stats s;
    job_book_stats(d.book, &s);
    CHECK_EQ(0, s.jobs + s.tasks + s.live + s.ready);
    CLOSE;
}

TEST(job, expires_at_the_exact_end_of_its_time_to_live) {
    OPEN(0);
    spec.ttl_ms = 5000;
    CHECK_OK(desk_submit(&d, 0, &spec));
    vl_ms t0 = d.now;
    desk_tick(&d, t0 + 4999);
    CHECK_EQ(JOB_PRICED, desk_job(&d, 0).state);
    desk_tick(&d, t0 + 5000);
    CHECK_EQ(JOB_EXPIRED, desk_job(&d, 0).state);
    CHECK_EQ(0, desk_ready(&d));
    CLOSE;
}

TEST(job, queue_gives_critical_first_then_age_with_a_handicap_by_class) {
    OPEN(0);
    enum task_priority p[] = { TASK_BULK, TASK_NORMAL, TASK_HIGH, TASK_CRITICAL };
    for (uint32_t i = 0; i < 4; i++) {
        spec.priority = p[i];
        CHECK_OK(desk_submit(&d, i, &spec));
    }
    d.now += 1800000; /* bulk starts 30 min behind high */
    spec.priority = TASK_HIGH;
    CHECK_OK(desk_submit(&d, 4, &spec));
    struct sched_task t[5];
    struct job_cursor c = { 0 };
    CHECK_EQ(2, job_book_ready(d.book, d.now, &c, t, 2));
    CHECK_EQ(3, job_book_ready(d.book, d.now, &c, t + 2, 3)); /* goes on behind */
    CHECK_EQ(0, job_book_ready(d.book, d.now, &c, t, 5));
    uint32_t want[] = { 3, 2, 1, 0, 4 };
    for (uint32_t i = 0; i < 5; i++) CHECK(vl_job_eq(job_n(want[i]), t[i].job));
    CLOSE;
}

TEST(job, refuses_the_job_above_the_limit_and_a_message_from_a_foreign_node) {
    struct job_config config;
    job_config_defaults(&config);
    config.max_jobs = 1;
    struct desk d = { .book = job_book_create(&config), .now = 1 };
    struct job_spec spec;
    struct vl_buf inputs;
    vl_buf_init(&inputs, 1000);
    spec_of(&spec, &inputs, 0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_EQ(VL_ELIMIT, desk_submit(&d, 1, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_EQ(VL_EDENIED, desk_report(&d, 0, 0, 2, 1, TASK_DONE, 1));
    CHECK_EQ(VL_ERANGE, desk_place(&d, 0, 1, 1));
    CLOSE;
}

TEST(job, lists_go_from_the_newest_and_from_the_first_to_have_ended) {
    OPEN(0);
    for (uint32_t i = 0; i < 3; i++) CHECK_OK(desk_submit(&d, i, &spec));
    struct job_view v = { .seq = 0 };
    for (uint32_t i = 3; i-- > 0;) {
        CHECK(job_book_older(d.book, v.seq, &v));
        CHECK(vl_job_eq(job_n(i), v.id));
    }
    CHECK(!job_book_older(d.book, v.seq, &v));
    CHECK(!job_book_oldest_ended(d.book, &v));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(2) }));
    d.now++;
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(0) }));
    CHECK(job_book_oldest_ended(d.book, &v));
    CHECK(vl_job_eq(job_n(2), v.id));
    CLOSE;
}

TEST(job, state_table_allows_no_way_out_of_an_end) {
    for (int from = JOB_DONE; from <= JOB_EXPIRED; from++)
        for (int to = JOB_SUBMITTED; to <= JOB_EXPIRED; to++)
            CHECK(!job_state_may((enum job_state)from, (enum job_state)to));
    CHECK(job_state_may(JOB_VERIFYING, JOB_RUNNING));
    CHECK(!job_state_may(JOB_PRICED, JOB_RUNNING));
}

TEST(job, asks_to_reveal_only_when_all_have_committed_and_takes_only_what_opens_the_commitment) {
    OPEN(0);
    spec.replicas = 2;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_place(&d, 0, 0, n));
    static struct assignment a;
    static struct job_names names;
    CHECK_OK(job_book_assignment(d.book, job_n(0), 0, 1, &names, &a));
    CHECK(a.commit);
    CHECK_OK(desk_commit(&d, 0, 0, 1, 1, 5));
    CHECK_EQ(0, fx_count(&d.fx, JOB_FX_REVEAL));
    CHECK_OK(desk_commit(&d, 0, 0, 1, 1, 5)); /* delivered twice */
    CHECK(!d.fx.changed);
    CHECK_EQ(VL_ESTATE, desk_commit(&d, 0, 0, 1, 1, 6)); /* another word */
    CHECK_EQ(VL_EDENIED, desk_commit(&d, 0, 0, 3, 2, 5));
    CHECK(!job_book_asked(d.book, job_n(0), 0, 1));
    CHECK_OK(desk_commit(&d, 0, 0, 2, 2, 6));
    CHECK_EQ(2, fx_count(&d.fx, JOB_FX_REVEAL));
    CHECK(job_book_asked(d.book, job_n(0), 0, 1));
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_DONE, 5)); /* it has heard what the other found */
    CHECK_EQ(VERDICT_WRONG, verdict_on(&d, 2));
    CHECK(fx_history_has(&d.fx, JOB_H_WRONG));
    CHECK_EQ(0, desk_task(&d, 0, 0).votes);
    CHECK_EQ(1, desk_ready(&d)); /* somebody else */
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 5));
    CHECK_EQ(1, desk_task(&d, 0, 0).votes);
    CLOSE;
}

TEST(job, tells_the_scheduler_what_its_tasks_take_and_how_long_it_has) {
    OPEN(6);
    spec.ttl_ms = 60000;
    CHECK_OK(desk_submit(&d, 0, &spec));
    struct sched_task t;
    CHECK(job_book_waiting(d.book, d.now, job_n(0), &t) && t.cpu_milli == 0 && t.left_ms == 60000);
    vl_ms began = d.now;
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(desk_place(&d, 0, i, i + 1));
        CHECK_OK(desk_status(&d, 0, i, i + 1, 1, JOB_EV_STARTED));
        d.now += 1000 * (i + 1);
        CHECK_OK(desk_report(&d, 0, i, i + 1, 1, TASK_DONE, 1));
    }
    CHECK(job_book_waiting(d.book, d.now, job_n(0), &t));
    CHECK_EQ(2000, t.cpu_milli);
    CHECK_EQ(60000 - (d.now - began), t.left_ms);
    CHECK(job_book_waiting(d.book, d.now + 3600000, job_n(0), &t) && t.left_ms == 1);
    struct vl_buf snapshot;
    vl_buf_init(&snapshot, 1u << 20);
    snapshot_of(d.book, &snapshot);
    struct job_book *again = book_from(vl_span(snapshot.p, snapshot.len));
    CHECK(again != NULL && job_book_waiting(again, d.now, job_n(0), &t) && t.cpu_milli == 2000);
    job_book_destroy(again);
    vl_buf_free(&snapshot);
    CLOSE;
}

/* Else first copies of many tasks fill all slots and wait for siblings that never find one. */
TEST(job, gives_the_copies_of_a_task_together_and_counts_none_that_has_committed) {
    OPEN(3);
    spec.replicas = 2;
    CHECK_OK(desk_submit(&d, 0, &spec));
    struct sched_task v[8];
    struct job_cursor cursor = { 0 };
    CHECK_EQ(6, job_book_ready(d.book, d.now, &cursor, v, 8));
    for (uint32_t i = 0; i < 6; i++) CHECK_EQ(i / 2, v[i].task);
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_EQ(1, job_book_on_node(d.book, node_n(1)).running);
    CHECK_OK(desk_commit(&d, 0, 0, 1, 1, 5));
    CHECK_EQ(0, job_book_on_node(d.book, node_n(1)).running);
    CHECK_EQ(0, job_book_on_node(d.book, node_n(1)).memory_bytes);
    cursor = (struct job_cursor){ 0 };
    CHECK_EQ(5, job_book_ready(d.book, d.now, &cursor, v, 8)); /* its sibling is the first that is wanted */
    CHECK_EQ(0, v[0].task);
    struct vl_buf snapshot;
    vl_buf_init(&snapshot, 1u << 20);
    snapshot_of(d.book, &snapshot);
    struct job_book *again = book_from(vl_span(snapshot.p, snapshot.len));
    CHECK(again != NULL && job_book_on_node(again, node_n(1)).running == 0);
    job_book_destroy(again);
    vl_buf_free(&snapshot);
    CLOSE;
}

TEST(job, refuses_a_result_that_comes_without_the_commitment_or_before_it_is_asked_for) {
    OPEN(0);
    spec.replicas = 3;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t n = 1; n <= 3; n++) CHECK_OK(desk_place(&d, 0, 0, n));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 5));
    CHECK_EQ(VERDICT_WRONG, verdict_on(&d, 1));
    CHECK_OK(desk_commit(&d, 0, 0, 2, 2, 5));
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_DONE, 5));
    CHECK_EQ(VERDICT_WRONG, verdict_on(&d, 2));
    CHECK_OK(desk_report(&d, 0, 0, 3, 3, TASK_FAILED, 0)); /* a failure is no result: it needs no commitment */
    CHECK_EQ(VERDICT_FAILED, verdict_on(&d, 3));
    CHECK_EQ(0, desk_task(&d, 0, 0).votes);
    CLOSE;
}

TEST(job, who_does_not_reveal_is_silent_at_the_exact_end_and_replaced) {
    OPEN(0);
    spec.replicas = 2;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_place(&d, 0, 0, n));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_commit(&d, 0, 0, n, n, 5));
    vl_ms asked = d.now;
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 5));
    CHECK_OK(desk_status(&d, 0, 0, 2, 2, JOB_EV_FROZEN)); /* its owner is no excuse: the result is there */
    CHECK(!d.fx.changed);
    desk_tick(&d, asked + JOB_REVEAL_MS - 1);
    CHECK(job_book_asked(d.book, job_n(0), 0, 2));
    d.now = asked + JOB_REVEAL_MS;
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_TICK }));
    CHECK_EQ(VERDICT_SILENT, verdict_on(&d, 2));
    CHECK_EQ(2, fx_find(&d.fx, JOB_FX_REVOKE)->epoch);
    CHECK_EQ(1, desk_ready(&d));
    CHECK_OK(desk_place(&d, 0, 0, 3));
    CHECK_OK(desk_commit(&d, 0, 0, 3, 3, 5)); /* one vote and one commitment: enough */
    CHECK_EQ(1, fx_count(&d.fx, JOB_FX_REVEAL));
    CHECK_OK(desk_report(&d, 0, 0, 3, 3, TASK_DONE, 5));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, a_committed_node_that_is_lost_and_comes_back_still_counts) {
    OPEN(0);
    spec.replicas = 2;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_place(&d, 0, 0, n));
    CHECK_OK(desk_commit(&d, 0, 0, 1, 1, 5));
    CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(1) }));
    CHECK_OK(desk_commit(&d, 0, 0, 2, 2, 5));
    CHECK_EQ(0, fx_count(&d.fx, JOB_FX_REVEAL));
    struct task_ref here = { job_n(0), 0, 1 };
    CHECK_OK(desk_event(&d, (struct job_event){
                                .kind = JOB_EV_NODE_BACK, .node = node_n(1), .running = &here, .n_running = 1, .restarted = true }));
    CHECK_EQ(2, fx_count(&d.fx, JOB_FX_REVEAL));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_report(&d, 0, 0, n, n, TASK_DONE, 5));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, an_audited_result_waits_for_a_second_one_and_then_counts_by_itself) {
    OPEN(0);
    for (uint32_t j = 0; j < 2; j++) CHECK_OK(desk_submit(&d, j, &spec));
    struct job_ruling audit = { .rule = JOB_RULE_MORE, .want = 2, .winner = 1, .until = d.now + 60000 };
    for (uint32_t j = 0; j < 2; j++) {
        CHECK_OK(desk_place(&d, j, 0, 1));
        CHECK_OK(desk_rule(&d, j, 0, 1, 1, 5, audit));
        CHECK(fx_history_has(&d.fx, JOB_H_AUDITED));
        CHECK(!job_state_final(desk_job(&d, j).state));
    }
    struct sched_task t;
    struct job_cursor c = { 0 };
    CHECK_EQ(1, job_book_ready(d.book, d.now, &c, &t, 1));
    CHECK(t.spread_set && t.spread == DOMAIN_OWNER); /* by somebody else's machine */
    CHECK_OK(desk_place(&d, 0, 0, 2));
    CHECK_OK(desk_commit(&d, 0, 0, 2, 2, 6));
    CHECK_OK(desk_rule(&d, 0, 0, 2, 2, 6, (struct job_ruling){ .rule = JOB_RULE_MORE, .want = 3 }));
    CHECK_OK(desk_place(&d, 0, 0, 3));
    CHECK_OK(desk_commit(&d, 0, 0, 3, 3, 6));
    CHECK_OK(desk_rule(&d, 0, 0, 3, 3, 6, (struct job_ruling){ .rule = JOB_RULE_ACCEPT, .winner = 2 }));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(VERDICT_WRONG, verdict_on(&d, 1));
    CHECK_EQ(VERDICT_AGREED, verdict_on(&d, 3));
    desk_tick(&d, audit.until - 1);
    CHECK(!job_state_final(desk_job(&d, 1).state));
    desk_tick(&d, audit.until); /* nobody came */
    CHECK_EQ(JOB_DONE, desk_job(&d, 1).state);
    CLOSE;
}

TEST(job, a_ruling_must_name_a_result_that_is_there) {
    OPEN(0);
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_EQ(VL_ESTATE, desk_rule(&d, 0, 0, 1, 1, 5, (struct job_ruling){ .rule = JOB_RULE_ACCEPT, .winner = 2 }));
    CHECK_OK(desk_rule(&d, 0, 0, 1, 1, 5, (struct job_ruling){ .rule = JOB_RULE_ACCEPT, .winner = 1 }));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CLOSE;
}

TEST(job, a_referee_decides_alone_between_replicas_that_disagree) {
    OPEN(0);
    spec.replicas = 2;
    CHECK_OK(desk_submit(&d, 0, &spec));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_place(&d, 0, 0, n));
    for (uint32_t n = 1; n <= 2; n++) CHECK_OK(desk_commit(&d, 0, 0, n, n, (uint8_t)n));
    CHECK_OK(desk_rule(&d, 0, 0, 1, 1, 1, (struct job_ruling){ .rule = JOB_RULE_MAJORITY }));
    CHECK_OK(desk_rule(&d, 0, 0, 2, 2, 2, (struct job_ruling){ .rule = JOB_RULE_REFEREE }));
    CHECK(fx_history_has(&d.fx, JOB_H_REFEREE));
    CHECK_OK(desk_place(&d, 0, 0, 3));
    static struct assignment a;
    static struct job_names names;
    CHECK_OK(job_book_assignment(d.book, job_n(0), 0, 3, &names, &a));
    CHECK(!a.commit);
    CHECK_OK(desk_report(&d, 0, 0, 3, 3, TASK_DONE, 2));
    CHECK_EQ(JOB_DONE, desk_job(&d, 0).state);
    CHECK_EQ(VERDICT_WRONG, verdict_on(&d, 1));
    CHECK_EQ(VERDICT_AGREED, verdict_on(&d, 2));
    CHECK_EQ(2, desk_task(&d, 0, 0).epoch);
    CLOSE;
}

TEST(job, class_sets_replicas_and_asks_for_different_owners) {
    OPEN(0);
    static const uint32_t want[] = { [SLA_B] = 1, [SLA_A] = 2, [SLA_S] = 3 };
    for (enum sla_class c = SLA_B; c <= SLA_S; c++) {
        spec.terms.class = c;
        CHECK_OK(desk_submit(&d, c, &spec));
        CHECK_EQ(want[c], desk_job(&d, c).replicas);
        CHECK_OK(desk_place(&d, c, 0, 1));
        struct sched_task t;
        struct job_cursor at = { 0 };
        if (c == SLA_B) continue;
        CHECK_EQ(1, job_book_ready(d.book, d.now, &at, &t, 1));
        CHECK(t.class == c && t.spread_set && t.spread == DOMAIN_OWNER && t.n_avoid == 1 && t.avoid[0].hard);
        CHECK_OK(desk_event(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(c) }));
    }
    spec.terms.class = SLA_A;
    spec.replicas = 1;
    CHECK_EQ(VL_ERANGE, desk_submit(&d, 9, &spec)); /* class A compares */
    CLOSE;
}
