#include "sandbox/request.h"

#include "check.h"

#include <string.h>

static struct sandbox_request sample_run(void) {
    static const uint8_t argv[] = "prog\0--fast";
    static const uint8_t env[] = "A=1\0B=";
    struct sandbox_request q = { .kind = SANDBOX_REQ_RUN };
    struct sandbox_run *r = &q.u.run;
    r->task = 0x1122334455667788u;
    r->kind = SANDBOX_WASM;
    memset(r->module.b, 7, sizeof r->module.b);
    r->program = "/m.wasm";
    r->argc = 2;
    r->argv = vl_span(argv, sizeof argv);
    r->envc = 2;
    r->env = vl_span(env, sizeof env);
    r->stdin_path = "/in.txt";
    r->inputs_n = 2;
    r->inputs[0] = (struct sandbox_input){ "a.txt", "/blobs/1" };
    r->inputs[1] = (struct sandbox_input){ "b.txt", "/blobs/2" };
    r->limits = sandbox_limits_default();
    r->deterministic = true;
    memset(r->seed, 9, sizeof r->seed);
    return q;
}

static uint8_t packet[SANDBOX_MESSAGE_MAX];
static size_t packet_n;

static enum vl_err encode(const struct sandbox_request *q) {
    return sandbox_request_encode(q, packet, sizeof packet, &packet_n);
}

TEST(request, run_survives_the_round_trip_in_every_field) {
    struct sandbox_request q = sample_run(), back;
    CHECK_OK(encode(&q));
    CHECK_OK(sandbox_request_decode(vl_span(packet, packet_n), &back));
    const struct sandbox_run *a = &q.u.run, *b = &back.u.run;
    CHECK(a->task == b->task && a->kind == b->kind && vl_hash_eq(a->module, b->module));
    CHECK_STR(a->program, b->program);
    CHECK(vl_span_eq(a->argv, b->argv) && vl_span_eq(a->env, b->env) && a->argc == b->argc && a->envc == b->envc);
    CHECK_STR("/in.txt", b->stdin_path);
    CHECK_EQ(2, b->inputs_n);
    CHECK_STR("b.txt", b->inputs[1].name);
    CHECK_STR("/blobs/2", b->inputs[1].path);
    CHECK_MEM(&a->limits, &b->limits, sizeof a->limits);
    CHECK(b->deterministic && !b->network);
    CHECK_MEM(a->seed, b->seed, 32);
}

TEST(request, every_cut_and_every_trailing_byte_is_refused) {
    struct sandbox_request q = sample_run(), back;
    CHECK_OK(encode(&q));
    for (size_t n = 0; n < packet_n; n++) CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, n), &back));
    packet[packet_n] = 0;
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, packet_n + 1), &back));
}

TEST(request, encoder_and_decoder_refuse_the_same_ranges) {
    struct sandbox_request q = sample_run();
    q.u.run.argc = 0;
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.argc = 3; /* one more than are packed */
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.env = vl_span("=1", 3);
    q.u.run.envc = 1;
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.program = "m.wasm";
    CHECK_EQ(VL_ERANGE, encode(&q));
    const char *const names[] = { "", ".", "..", "a/b", "a.txt" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        q = sample_run();
        q.u.run.inputs[1].name = names[i]; /* the last is there already */
        CHECK_EQ(VL_ERANGE, encode(&q));
    }
    q = sample_run();
    q.u.run.limits.timeout_ms = 0;
    CHECK_EQ(VL_ERANGE, encode(&q));
    q.u.run.limits.timeout_ms = 30 * 86400000ull;
    CHECK_OK(encode(&q));
    q.u.run.limits.timeout_ms++;
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.limits.memory_bytes = 65535;
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.limits.processes = 4097;
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.network = true; /* never for WebAssembly */
    CHECK_EQ(VL_ERANGE, encode(&q));
    q = sample_run();
    q.u.run.kind = SANDBOX_NATIVE; /* a native program cannot be deterministic */
    CHECK_EQ(VL_ERANGE, encode(&q));
}

TEST(request, pace_is_a_share_of_at_most_all_processors) {
    struct sandbox_request q = { .kind = SANDBOX_REQ_PACE, .u.cap_milli = 1000 }, back;
    uint8_t packet[64];
    size_t n = 0;
    CHECK_OK(sandbox_request_encode(&q, packet, sizeof packet, &n));
    CHECK_OK(sandbox_request_decode(vl_span(packet, n), &back));
    CHECK_EQ(1000, back.u.cap_milli);
    q.u.cap_milli = 1001;
    CHECK_EQ(VL_ERANGE, sandbox_request_encode(&q, packet, sizeof packet, &n));
    packet[n - 1]++;
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, n), &back));
}

TEST(request, decoder_refuses_what_an_encoder_never_writes) {
    struct sandbox_request q = { .kind = SANDBOX_REQ_COMPILE }, back = { .kind = SANDBOX_REQ_STATS };
    q.u.compile.module_path = "/m.wasm";
    q.u.compile.level = 2;
    CHECK_OK(encode(&q));
    CHECK_OK(sandbox_request_decode(vl_span(packet, packet_n), &back));
    back.kind = SANDBOX_REQ_STATS;
    packet[packet_n - 1] = 3; /* level */
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, packet_n), &back));
    packet[packet_n - 1] = 2;
    packet[1 + 32 + 2 + 3] = 0; /* a NUL inside the path */
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, packet_n), &back));
    packet[1 + 32 + 2 + 3] = 'w';
    packet[1 + 32 + 2 + 7] = 'x'; /* no NUL at its end */
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, packet_n), &back));
    packet[0] = 99;
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, packet_n), &back));
    CHECK_EQ(SANDBOX_REQ_STATS, back.kind); /* untouched on error */
    q = sample_run();
    CHECK_OK(encode(&q));
    packet[packet_n - 32 - 2] = 2; /* deterministic is a bool */
    CHECK_EQ(VL_EPARSE, sandbox_request_decode(vl_span(packet, packet_n), &back));
}

TEST(request, the_largest_run_fits_a_packet) {
    static char path[SANDBOX_PATH_MAX], names[VL_TASK_INPUTS_MAX][VL_NAME_MAX];
    static uint8_t args[VL_ARGS_BYTES];
    struct sandbox_request q = sample_run(), back;
    memset(path, 'p', sizeof path - 1);
    path[0] = '/';
    memset(args, 'a', sizeof args - 1);
    q.u.run.argc = 1;
    q.u.run.argv = vl_span(args, sizeof args);
    q.u.run.envc = 0;
    q.u.run.env = vl_span(NULL, 0);
    q.u.run.inputs_n = VL_TASK_INPUTS_MAX;
    for (uint32_t i = 0; i < VL_TASK_INPUTS_MAX; i++) {
        memset(names[i], 'a' + (int)(i % 26), VL_NAME_MAX - 1);
        names[i][0] = (char)('0' + i / 26);
        q.u.run.inputs[i] = (struct sandbox_input){ names[i], path };
    }
    CHECK_OK(encode(&q));
    CHECK_OK(sandbox_request_decode(vl_span(packet, packet_n), &back));
    CHECK_EQ(VL_ELIMIT, sandbox_request_encode(&q, packet, packet_n - 1, &packet_n));
}

TEST(event, exited_survives_the_round_trip_and_every_cut_is_refused) {
    struct sandbox_event e = { .kind = SANDBOX_EVT_EXITED }, back;
    e.u.exited = (struct sandbox_exited){ .task = 5, .outcome = SANDBOX_TRAPPED, .trap = SANDBOX_TRAP_DIVIDE_BY_ZERO,
                                          .exit_code = -1, .cpu_us = 1, .wall_us = 2, .peak_bytes = 3, .ignored = 4,
                                          .text = "trap", .outputs_n = 1 };
    e.u.exited.outputs[0] = (struct sandbox_output){ "stdout", "/w/t-0/stdout", 77 };
    CHECK_OK(sandbox_event_encode(&e, packet, sizeof packet, &packet_n));
    CHECK_OK(sandbox_event_decode(vl_span(packet, packet_n), &back));
    CHECK_EQ(-1, back.u.exited.exit_code);
    CHECK_EQ(SANDBOX_TRAP_DIVIDE_BY_ZERO, back.u.exited.trap);
    CHECK_EQ(77, back.u.exited.outputs[0].size);
    for (size_t n = 0; n < packet_n; n++) CHECK_EQ(VL_EPARSE, sandbox_event_decode(vl_span(packet, n), &back));
    packet[9] = 12; /* one past the last outcome */
    CHECK_EQ(VL_EPARSE, sandbox_event_decode(vl_span(packet, packet_n), &back));
}

TEST(event, hello_and_refused_survive_the_round_trip) {
    struct sandbox_event e = { .kind = SANDBOX_EVT_HELLO }, back;
    e.u.hello = (struct sandbox_hello){ .protocol = 1, .wasm = true, .chroot = true, .cgroup = SANDBOX_CGROUP_V2,
                                        .wasm2c = "1.0.32", .cc = "gcc", .bwrap = "", .text = "t" };
    CHECK_OK(sandbox_event_encode(&e, packet, sizeof packet, &packet_n));
    CHECK_OK(sandbox_event_decode(vl_span(packet, packet_n), &back));
    CHECK(back.u.hello.wasm && !back.u.hello.native && back.u.hello.chroot);
    CHECK_STR("1.0.32", back.u.hello.wasm2c);
    e.kind = SANDBOX_EVT_REFUSED;
    e.u.refused.request = SANDBOX_REQ_RUN;
    e.u.refused.task = 8;
    e.u.refused.err = VL_EBUSY;
    e.u.refused.text = "no place";
    CHECK_OK(sandbox_event_encode(&e, packet, sizeof packet, &packet_n));
    CHECK_OK(sandbox_event_decode(vl_span(packet, packet_n), &back));
    CHECK_EQ(VL_EBUSY, back.u.refused.err);
}

TEST(outcome, names_are_stable) {
    CHECK_STR("timed_out", sandbox_outcome_name(SANDBOX_TIMED_OUT));
    CHECK_STR("unknown", sandbox_outcome_name((enum sandbox_outcome)99));
    CHECK_STR("divide_by_zero", sandbox_trap_name(SANDBOX_TRAP_DIVIDE_BY_ZERO));
    CHECK_STR("unknown", sandbox_trap_name((enum sandbox_trap)99));
}
