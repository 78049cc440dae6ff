#include "wire/heartbeat.h"
#include "wire/job.h"
#include "wire/task.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

static struct vl_span str(const char *s) { return vl_span_str(s); }

static struct task_spec sample_spec(void) {
    static const char args[] = "-l\0--all", env[] = "LANG=C\0A_1=";
    struct task_spec s = {
        .kind = TASK_WASM,
        .deterministic = true,
        .seed = 7,
        .name = str("wc"),
        .args = vl_span(args, sizeof args),
        .env = vl_span(env, sizeof env),
        .limits = { 1000, 0, 1 << 20, 1 << 20, 1 << 20, 4 },
        .n_inputs = 2,
    };
    memset(s.program.b, 9, 32);
    s.inputs[0] = (struct task_input){ .name = str("a.txt"), .size = 3, .inline_bytes = str("abc") };
    s.inputs[1] = (struct task_input){ .name = str("b.txt"), .size = VL_BLOB_MAX };
    return s;
}

static struct task_report sample_report(void) {
    struct task_report r = { .task = 3,
                             .epoch = 5,
                             .outcome = TASK_DONE,
                             .started_ms = 10,
                             .ended_ms = 20,
                             .cpu_us = 9,
                             .peak_bytes = 1,
                             .n_outputs = 2,
                             .has_receipt = true,
                             .has_salt = true,
                             .salt = { 9, 8 } };
    memset(r.job.b, 1, 16);
    r.outputs[0] = (struct task_output){ .name = str("stdout"), .size = 2, .inline_bytes = str("ok") };
    r.outputs[1] = (struct task_output){ .name = str("stderr") };
    r.receipt = (struct receipt){ .job = r.job, .task = 3, .epoch = 5, .started_ms = 10, .ended_ms = 20, .cpu_us = 9 };
    return r;
}

static struct heartbeat sample_heartbeat(void) {
    struct heartbeat h = { .kind = NODE_COMPUTE,
                           .protocol = 1,
                           .addr = "192.0.2.1:8888",
                           .started_ms = 5,
                           .free_slots = 2,
                           .load_milli = 1500,
                           .memory_free_bytes = 10,
                           .done = 4,
                           .failed = 1,
                           .n_running = 2 };
    h.caps = (struct node_caps){
        .cpus = 4, .slots = 4, .memory_bytes = 100, .disk_bytes = 100, .features = 3, .version = "0.1.0", .cost = 3, .ask = TERMS_PRICE_MAX
    };
    memcpy(h.caps.domain[DOMAIN_REGION], "eu", 3);
    h.harvest = HARVEST_SAYS_AWAY;
    h.running[0] = (struct task_ref){ .task = 1, .epoch = 1 };
    h.running[1] = (struct task_ref){ .task = 1, .epoch = 2 };
    return h;
}

static void job_base(struct job_spec *s, struct vl_buf *inputs, uint32_t n) {
    job_spec_defaults(s);
    s->kind = TASK_NATIVE;
    s->command = str("/usr/bin/wc");
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u.txt", i);
        CHECK_OK(job_inputs_append(inputs, str(name), (struct vl_hash){ { 1 } }, i));
    }
    s->inputs = vl_span(inputs->p, inputs->len);
    s->n_inputs = n;
    s->map = n > 0;
}

/* decode(encode(x)) encodes to the same bytes; every cut, every extra byte and a new version are refused. */
#define STRICT(type, encode, decode, value)                                                                            \
    do {                                                                                                               \
        struct vl_buf one, two;                                                                                        \
        vl_buf_init(&one, 1 << 20);                                                                                    \
        vl_buf_init(&two, 1 << 20);                                                                                    \
        CHECK_OK(encode(value, &one));                                                                                 \
        static type back;                                                                                              \
        CHECK_OK(decode(vl_span(one.p, one.len), &back));                                                              \
        CHECK_OK(encode(&back, &two));                                                                                 \
        CHECK_EQ(one.len, two.len);                                                                                    \
        CHECK_MEM(one.p, two.p, one.len);                                                                              \
        for (size_t cut = 0; cut < one.len; cut++) CHECK_EQ(VL_EPARSE, decode(vl_span(one.p, cut), &back));            \
        CHECK_OK(vl_buf_append(&one, "x", 1));                                                                         \
        CHECK_EQ(VL_EPARSE, decode(vl_span(one.p, one.len), &back));                                                   \
        one.p[1]++;                                                                                                    \
        CHECK_EQ(VL_EVERSION, decode(vl_span(one.p, one.len), &back));                                                 \
        vl_buf_free(&one);                                                                                             \
        vl_buf_free(&two);                                                                                             \
    } while (0)

/* Receipts of before decision 31 stay readable, and a value has one of the two forms. */
TEST(wire, receipts_have_two_forms_and_each_value_one_of_them) {
    struct task_report r = sample_report();
    struct receipt back;
    struct vl_buf one, two;
    vl_buf_init(&one, 1024);
    vl_buf_init(&two, 1024);
    memset(&r.receipt.previous, 0, 32);
    memset(&r.receipt.attestation, 0, 32);
    CHECK_OK(receipt_encode(&r.receipt, &one));
    CHECK_EQ(1, one.p[1]);
    CHECK_OK(receipt_decode(vl_span(one.p, one.len), &back));
    CHECK_OK(vl_buf_append(&two, one.p, one.len - 64)); /* the second form of the same, with zeros: refused */
    two.p[1] = 2;
    CHECK_OK(vl_buf_append(&two, (uint8_t[64]){ 0 }, 64));
    CHECK_OK(vl_buf_append(&two, one.p + one.len - 64, 64));
    CHECK_EQ(VL_EPARSE, receipt_decode(vl_span(two.p, two.len), &back));
    two.p[two.len - 65] = 1; /* an attestation */
    CHECK_OK(receipt_decode(vl_span(two.p, two.len), &back));
    CHECK_EQ(1, back.attestation.b[31]);
    CHECK_EQ(RECEIPT_BYTES_MAX, two.len);
    two.p[1] = 3;
    CHECK_EQ(VL_EVERSION, receipt_decode(vl_span(two.p, two.len), &back));
    vl_buf_free(&one);
    vl_buf_free(&two);
}

TEST(wire, codecs_are_canonical_and_refuse_every_cut_and_every_extra_byte) {
    struct task_spec spec = sample_spec();
    STRICT(struct task_spec, task_spec_encode, task_spec_decode, &spec);
    struct assignment a = {
        .task = 1, .epoch = 2, .lease_ms = 90000, .attempt = 1, .priority = TASK_BULK, .commit = true, .spec = spec, .n_sources = 2
    };
    STRICT(struct assignment, assignment_encode, assignment_decode, &a);
    struct revoke v = { .task = 1, .epoch = UINT64_MAX };
    STRICT(struct revoke, revoke_encode, revoke_decode, &v);
    struct task_status st = { .task = 1, .epoch = 1, .phase = TASK_STARTED };
    STRICT(struct task_status, task_status_encode, task_status_decode, &st);
    struct task_commit tc = { .task = 7, .epoch = 1, .hash = { { 3 } } };
    STRICT(struct task_commit, task_commit_encode, task_commit_decode, &tc);
    struct task_reveal tr = { .task = TASK_INDEX_MAX - 1, .epoch = UINT64_MAX };
    STRICT(struct task_reveal, task_reveal_encode, task_reveal_decode, &tr);
    struct task_report r = sample_report();
    STRICT(struct task_report, task_report_encode, task_report_decode, &r);
    r.receipt.previous.b[31] = 1;
    STRICT(struct task_report, task_report_encode, task_report_decode, &r);
    STRICT(struct receipt, receipt_encode, receipt_decode, &r.receipt);
    struct heartbeat h = sample_heartbeat();
    STRICT(struct heartbeat, heartbeat_encode, heartbeat_decode, &h);
    struct job_spec j;
    struct vl_buf inputs;
    vl_buf_init(&inputs, 1 << 20);
    job_base(&j, &inputs, 3);
    j.n_after = 1;
    j.terms = (struct job_terms){ .class = SLA_S, .tier = TIER_GOLD, .spread_set = true, .spread = DOMAIN_OWNER,
                                  .min_trust_milli = 1000, .max_price = TERMS_PRICE_MAX, .region = "eu", .n_exclude = 2,
                                  .exclude = { { { 1 } }, { { 2 } } } };
    STRICT(struct job_spec, job_spec_encode, job_spec_decode, &j);
    vl_buf_free(&inputs);
}

static enum vl_err encodes(const struct task_spec *s) {
    struct vl_buf b;
    vl_buf_init(&b, 1 << 20);
    enum vl_err err = task_spec_encode(s, &b);
    CHECK(err == VL_OK || b.len == 0); /* cut back on error */
    vl_buf_free(&b);
    return err;
}

TEST(wire, task_spec_refuses_what_breaks_a_rule) {
    struct task_spec s = sample_spec();
    s.inputs[1].name = s.inputs[0].name;
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.inputs[0].size = 4; /* not the inline length */
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.inputs[1].size = VL_BLOB_MAX + 1;
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.command = str("/bin/sh"); /* wasm with a command */
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.deterministic = false; /* a seed without use */
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.args.n--; /* the last NUL is missing */
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.env = vl_span("1A=x", 5);
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s = sample_spec();
    s.limits.processes = TASK_PROCESSES_MAX + 1;
    CHECK_EQ(VL_ERANGE, encodes(&s));
    s.limits.processes = TASK_PROCESSES_MAX;
    CHECK_OK(encodes(&s));
}

TEST(wire, names_are_safe_file_names) {
    CHECK(task_name_ok(str("a")) && task_name_ok(str("...")) && task_name_ok(str("\xc3\xa4.txt")));
    const char *bad[] = { "",        ".",    "..",       "a/b",          "a\n",
                          "\x7f",    "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xc2\x85" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!task_name_ok(str(bad[i])));
    CHECK(!task_name_ok(vl_span("a\0b", 3)));
    char longest[64];
    memset(longest, 'x', 64);
    CHECK(task_name_ok(vl_span(longest, 63)));
    CHECK(!task_name_ok(vl_span(longest, 64)));
}

TEST(wire, packed_strings_are_walked_in_order) {
    struct vl_span rest = vl_span("a\0\0bc", 6);
    CHECK_EQ(3, task_strings_count(rest));
    CHECK_STR("a", task_strings_next(&rest));
    CHECK_STR("", task_strings_next(&rest));
    CHECK_STR("bc", task_strings_next(&rest));
    CHECK(task_strings_next(&rest) == NULL);
    CHECK(task_strings_count(vl_span("a", 1)) == UINT32_MAX);
}

TEST(wire, report_and_receipt_must_agree) {
    struct vl_buf b;
    vl_buf_init(&b, 1 << 20);
    struct task_report r = sample_report();
    r.receipt.epoch++;
    CHECK_EQ(VL_ERANGE, task_report_encode(&r, &b));
    r = sample_report();
    r.exit_code = 1; /* done with a failure's exit code */
    CHECK_EQ(VL_ERANGE, task_report_encode(&r, &b));
    r.outcome = TASK_FAILED;
    r.error = VL_EINTERNAL;
    r.has_receipt = false;
    CHECK_OK(task_report_encode(&r, &b));
    r.error = 0; /* failed without an error */
    CHECK_EQ(VL_ERANGE, task_report_encode(&r, &b));
    vl_buf_free(&b);
}

TEST(wire, heartbeat_refuses_contradictions_and_sorts_its_list) {
    struct vl_buf b;
    vl_buf_init(&b, 1 << 20);
    struct heartbeat h = sample_heartbeat();
    h.free_slots = 5; /* of 4 */
    CHECK_EQ(VL_ERANGE, heartbeat_encode(&h, &b));
    h = sample_heartbeat();
    h.running[1] = h.running[0];
    CHECK_EQ(VL_ERANGE, heartbeat_encode(&h, &b));
    h.n_running = task_refs_sort(h.running, 2);
    CHECK_EQ(1, h.n_running);
    CHECK_OK(heartbeat_encode(&h, &b));
    h = sample_heartbeat();
    memset(h.caps.domain[DOMAIN_SITE], 'x', LABEL_MAX); /* no NUL */
    CHECK_EQ(VL_ERANGE, heartbeat_encode(&h, &b));
    vl_buf_free(&b);
}

TEST(wire, job_spec_says_what_is_wrong) {
    struct job_spec s;
    struct vl_buf in;
    struct vl_errmsg msg;
    vl_buf_init(&in, 1 << 20);
    job_base(&s, &in, 2);
    CHECK_OK(job_spec_check(&s, &msg));
    s.replicas = 10;
    CHECK_EQ(VL_ERANGE, job_spec_check(&s, &msg));
    CHECK_STR("replicas: 1 to 9", msg.text);
    s.replicas = 9;
    s.n_inputs = 3; /* the list has two */
    CHECK_EQ(VL_ERANGE, job_spec_check(&s, NULL));
    s.n_inputs = 2;
    s.map = false;
    s.has_merge = true;
    CHECK_EQ(VL_ERANGE, job_spec_check(&s, NULL));
    s.has_merge = false;
    CHECK_OK(job_spec_check(&s, NULL));
    CHECK_OK(job_inputs_append(&in, str("1.txt"), (struct vl_hash){ { 1 } }, 0)); /* a name twice in one task */
    s.inputs = vl_span(in.p, in.len);
    s.n_inputs = 3;
    CHECK_EQ(VL_ERANGE, job_spec_check(&s, NULL));
    s.map = true; /* but not in tasks of their own */
    CHECK_OK(job_spec_check(&s, NULL));
    s.command = str("wc");
    CHECK_EQ(VL_ERANGE, job_spec_check(&s, NULL));
    vl_buf_free(&in);
}

TEST(wire, ten_thousand_inputs_fit_and_one_more_does_not) {
    struct job_spec s;
    struct vl_buf in, out;
    vl_buf_init(&in, JOB_SPEC_MAX);
    vl_buf_init(&out, JOB_SPEC_MAX);
    job_base(&s, &in, VL_JOB_TASKS_MAX);
    CHECK_OK(job_spec_encode(&s, &out));
    static struct job_spec back;
    CHECK_OK(job_spec_decode(vl_span(out.p, out.len), &back));
    CHECK_EQ(VL_JOB_TASKS_MAX, back.n_inputs);
    CHECK_OK(job_inputs_append(&in, str("x"), (struct vl_hash){ { 1 } }, 0));
    s.inputs = vl_span(in.p, in.len);
    s.n_inputs++;
    CHECK_EQ(VL_ELIMIT, job_spec_check(&s, NULL));
    vl_buf_free(&in);
    vl_buf_free(&out);
}
