/* How fast nodes are: the coordinator orders a benchmark, times it by its own clock and believes an answer when the
 * segments that it does over agree (fog/rate.h).
 *
 *   due -> WARM one segment: program fetched and compiled -> ALONE one full task -> WIDE one on each slot -> record
 *
 * A measurement is a job like any other, placed on its node alone; nothing else goes there meanwhile.  It is not
 * durable: after a restart what is left of it is cancelled, and the node is due again. */
#include "brain/priv.h"

#include "crypto/hash.h"
#include "fog/rate_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000u       /* between two looks at who is due */
#define SETTLE_MS 600000u   /* a node that has just come is left alone, unless a person asks */
#define STAGE_MS 120000u    /* a stage that takes longer has failed */
#define AT_ONCE 8u          /* measurements at a time, each on another machine */
#define RATE_GUESS 3000u    /* nH an hour of a slot in a village where none is measured: a slow core */
#define JOB_NAME "benchmark"
#define TASK_MEMORY (32u << 20)

enum stage { STAGE_NONE = 0, STAGE_WARM, STAGE_ALONE, STAGE_WIDE };
struct run {
    struct vl_job_id job;
    uint8_t nonce[RATE_NONCE];
    vl_ms ended_ms; /* 0: not yet */
};
struct subject {
    struct vl_node_id node;
    struct rate_record record;
    bool known, asked; /* asked: by a person, so at once */
    vl_ms due_ms, not_before_ms, sent_ms; /* not_before: after one that came to nothing */
    enum stage stage;
    uint32_t n, left;
    bool failed, lied;
    struct run run[RATE_WIDE_MAX];
    struct rate_record fresh; /* being made */
};
struct bench {
    struct vl_map subjects; /* struct subject by node */
    struct vl_hash program;
    bool stored; /* the program is among our blobs */
    vl_ms at;
    uint64_t median;
    uint32_t running;
};

static bool able(const struct brain *b) { return b->cfg.bench_program.n > 0; }

enum vl_err bench_create(struct brain *b) {
    struct bench *k = calloc(1, sizeof *k);
    if (k == NULL) return VL_ENOMEM;
    vl_map_init(&k->subjects, sizeof(struct vl_node_id), VL_NODES_MAX, vl_prng_next(&b->rng));
    if (able(b)) crypto_blake2b256(b->cfg.bench_program, &k->program);
    k->at = VL_MS_NEVER;
    b->bench = k;
    return VL_OK;
}

void bench_destroy(struct brain *b) {
    size_t it = 0;
    if (b->bench == NULL) return;
    for (struct subject *s; (s = vl_map_next(&b->bench->subjects, &it, NULL));) free(s);
    vl_map_free(&b->bench->subjects);
    free(b->bench);
}

static struct subject *find(const struct brain *b, struct vl_node_id node) {
    return b->bench ? vl_map_get(&b->bench->subjects, node.b) : NULL;
}

static struct subject *subject_of(struct brain *b, struct vl_node_id node) {
    struct subject *s = find(b, node);
    if (s || (s = calloc(1, sizeof *s)) == NULL) return s;
    s->node = node;
    if (vl_map_put(&b->bench->subjects, node.b, s) == VL_OK) return s;
    free(s);
    return NULL;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void median_find(struct brain *b) {
    uint64_t *v = calloc(b->bench->subjects.len + 1, sizeof *v);
    size_t it = 0, n = 0;
    if (v == NULL) return;
    for (const struct subject *s; (s = vl_map_next(&b->bench->subjects, &it, NULL));)
        if (s->known && s->record.rate > 0) v[n++] = s->record.rate;
    if (n > 1) qsort(v, n, sizeof *v, by_value);
    b->bench->median = n ? v[n / 2] : 0;
    free(v);
}

/* ---- what others ask ----------------------------------------------------------------------------------------------- */

uint64_t bench_median(const struct brain *b) {
    return b->bench && b->bench->median ? b->bench->median : RATE_GUESS;
}

uint64_t bench_rate(const struct brain *b, struct vl_node_id node) {
    const struct subject *s = find(b, node);
    return s && s->known && s->record.rate ? s->record.rate : bench_median(b);
}

uint32_t rate_of(const struct brain *b, struct vl_node_id node) {
    const struct subject *s = find(b, node);
    if (s == NULL || !s->known || s->record.rate == 0) return 0;
    uint64_t milli = rate_mul_div(s->record.rate, 1000, bench_median(b));
    return milli > UINT32_MAX ? UINT32_MAX : milli ? (uint32_t)milli : 1;
}

uint32_t bench_slots(const struct brain *b, struct vl_node_id node, uint32_t claimed) {
    const struct subject *s = find(b, node);
    return rate_slots(s && s->known ? &s->record : NULL, claimed);
}

bool bench_on(const struct brain *b, struct vl_node_id node) {
    const struct subject *s = b->bench && b->bench->running ? find(b, node) : NULL;
    return s && s->stage != STAGE_NONE;
}

bool bench_owns(const struct brain *b, struct vl_job_id job) {
    size_t it = 0;
    if (b->bench == NULL || b->bench->running == 0) return false;
    for (const struct subject *s; (s = vl_map_next(&b->bench->subjects, &it, NULL));)
        for (uint32_t i = 0; s->stage != STAGE_NONE && i < s->n; i++)
            if (vl_job_eq(s->run[i].job, job)) return true;
    return false;
}

bool brain_rate(const struct brain *b, struct vl_node_id node, struct brain_rate *ret) {
    const struct subject *s = find(b, node);
    if (!b->cfg.coordinator || registry_get(b->registry, node) == NULL) return false;
    *ret = (struct brain_rate){ .known = s && s->known,
                                .running = s && s->stage != STAGE_NONE,
                                .due_ms = !able(b) ? VL_MS_NEVER : s ? s->due_ms : b->now + SETTLE_MS,
                                .rate_milli = rate_of(b, node),
                                .hour_price = market_price(b, node) };
    if (ret->known) ret->record = s->record;
    return true;
}

/* ---- one measurement ----------------------------------------------------------------------------------------------- */

static struct vl_job_id job_id_new(struct brain *b) { /* the layout of base/id.h */
    struct vl_job_id id;
    vl_put_u64(id.b, b->now << 16 | (vl_prng_next(&b->rng) & 0xfff) | 0x7000);
    vl_put_u64(id.b + 8, (vl_prng_next(&b->rng) & (UINT64_MAX >> 2)) | 1ull << 63);
    return id;
}

static void program_store(struct brain *b) {
    struct bench *k = b->bench;
    if (!k->stored)
        record_add(b, RECORD_BLOB, k->program.b, sizeof k->program.b, (struct vl_span){ 0 }, b->cfg.bench_program);
    k->stored = true;
}

static enum vl_err task_order(struct brain *b, struct subject *s, uint32_t i, uint32_t segments) {
    struct run *r = &s->run[i];
    struct job_spec spec;
    char args[2 * RATE_NONCE + 16];
    *r = (struct run){ .job = job_id_new(b) };
    /* a secret key and a draw: the node cannot have worked it out before */
    uint8_t draw[16];
    vl_put_u64(draw, vl_prng_next(&b->rng));
    vl_put_u64(draw + 8, b->now);
    crypto_blake2b_keyed(vl_span(draw, sizeof draw), vl_span(b->cfg.seed, sizeof b->cfg.seed), "village-bench---", r->nonce,
                         sizeof r->nonce);
    for (size_t k = 0; k < RATE_NONCE; k++) snprintf(args + 2 * k, 3, "%02x", r->nonce[k]);
    int n = snprintf(args + 2 * RATE_NONCE + 1, sizeof args - 2 * RATE_NONCE - 1, "%u", segments);
    job_spec_defaults(&spec);
    spec.name = vl_span_str(JOB_NAME);
    spec.kind = TASK_WASM;
    spec.program = b->bench->program;
    spec.args = vl_span(args, 2 * RATE_NONCE + 1 + (size_t)n + 1);
    spec.deterministic = true;
    spec.max_attempts = 1;
    spec.priority = TASK_HIGH;
    spec.limits.timeout_ms = STAGE_MS;
    spec.limits.memory_bytes = TASK_MEMORY;
    spec.ttl_ms = 10ull * STAGE_MS;
    enum vl_err err =
        coordinator_job(b, &(struct job_event){ .kind = JOB_EV_SUBMIT, .now = b->now, .job = r->job, .spec = &spec });
    if (err) return err;
    s->n++;
    s->left++;
    return coordinator_job(
        b, &(struct job_event){ .kind = JOB_EV_PLACED, .now = b->now, .job = r->job, .task = 0, .node = s->node });
}

static void stage_begin(struct brain *b, struct subject *s, enum stage stage) {
    uint32_t want = stage == STAGE_WIDE ? s->fresh.run.wide : 1;
    s->stage = stage;
    s->n = s->left = 0;
    s->sent_ms = b->now; /* before it really leaves: what is between only makes the node look slower */
    for (uint32_t i = 0; i < want && !s->failed; i++)
        if (task_order(b, s, i, stage == STAGE_WARM ? 1 : RATE_SEGMENTS)) s->failed = true;
}

static void begin(struct brain *b, struct subject *s, const struct node_record *r) {
    uint32_t slots = r->caps.slots;
    s->asked = s->failed = s->lied = false;
    s->fresh = (struct rate_record){ .node = s->node,
                                     .slots_claimed = slots,
                                     .cpus_claimed = r->caps.cpus,
                                     .hardware = rate_hardware(&r->caps),
                                     .program = b->bench->program,
                                     .run = { .segments = RATE_SEGMENTS,
                                              .wide = slots < RATE_WIDE_MAX ? slots : RATE_WIDE_MAX } };
    b->bench->running++;
    program_store(b);
    stage_begin(b, s, STAGE_WARM);
}

/* Its jobs have served: what they said is in the record. */
static void jobs_drop(struct brain *b, struct subject *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_CANCEL, .now = b->now, .job = s->run[i].job }));
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_FORGET, .now = b->now, .job = s->run[i].job }));
    }
    s->n = s->left = 0;
}

static vl_ms next_due(struct brain *b, const struct subject *s, const struct node_record *r) {
    return rate_due(&s->record, r ? rate_hardware(&r->caps) : s->record.hardware, vl_prng_next(&b->rng));
}

static void finish(struct brain *b, struct subject *s) {
    struct vl_buf buf;
    jobs_drop(b, s);
    s->stage = STAGE_NONE;
    b->bench->running--;
    b->schedule_due = true;
    s->fresh.measured_ms = b->now;
    s->fresh.run.answers_true = !s->lied;
    vl_buf_init(&buf, RATE_RECORD_MAX);
    enum vl_err err = s->failed && !s->lied ? VL_ETIMEOUT : rate_judge(&s->fresh);
    if (err == VL_OK) err = rate_sign(&s->fresh, &b->key);
    if (err == VL_OK) err = rate_record_encode(&s->fresh, &buf);
    if (err == VL_OK) {
        s->record = s->fresh;
        s->known = true;
        item_put(b, ITEM_RATE, s->node.b, 0, vl_span(buf.p, buf.len));
        s->due_ms = next_due(b, s, registry_get(b->registry, s->node));
        median_find(b);
        if (s->record.verdict == RATE_OVERSOLD)
            note(b, VL_EDENIED, s->node, "has fewer slots than it claims: it gets no more than were measured");
        if (s->record.verdict == RATE_FALSE) note(b, VL_ECRYPTO, s->node, "gave a wrong answer when it was measured");
    } else {
        s->due_ms = s->not_before_ms = b->now + RATE_RETRY_MS;
        note(b, err, s->node, "could not be measured; tried again later");
    }
    vl_buf_free(&buf);
}

/* A stage's tasks have all ended well: the next one, or the record. */
static void stage_done(struct brain *b, struct subject *s) {
    vl_ms last = s->sent_ms;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->run[i].ended_ms > last) last = s->run[i].ended_ms;
    uint64_t took = last - s->sent_ms;
    enum stage was = s->stage;
    if (was == STAGE_ALONE) s->fresh.run.alone_ms = s->fresh.run.wide_ms = took;
    if (was == STAGE_WIDE) s->fresh.run.wide_ms = took;
    if (was == STAGE_WIDE || (was == STAGE_ALONE && s->fresh.run.wide == 1)) {
        finish(b, s);
        return;
    }
    jobs_drop(b, s);
    stage_begin(b, s, was == STAGE_WARM ? STAGE_ALONE : STAGE_WIDE);
}

static struct vl_span stdout_of(const struct task_report *r) {
    for (uint32_t i = 0; i < r->n_outputs; i++)
        if (vl_span_eq(r->outputs[i].name, vl_span_str("stdout"))) return r->outputs[i].inline_bytes;
    return (struct vl_span){ 0 };
}

static void answer_take(struct brain *b, struct subject *s, struct run *run, const struct task_report *r) {
    uint32_t segments = s->stage == STAGE_WARM ? 1 : RATE_SEGMENTS;
    struct vl_buf buf;
    if (run->ended_ms != 0) return;
    run->ended_ms = b->now;
    s->left--;
    b->bench->at = b->now;
    if (r->outcome != TASK_DONE) {
        s->failed = true;
        return;
    }
    if (!rate_answer_true(run->nonce, segments, stdout_of(r), vl_prng_next(&b->rng), s->stage == STAGE_WIDE ? 1 : RATE_CHECKS)) {
        s->failed = s->lied = true;
        standing_verdict(b, &(struct job_effect){ .kind = JOB_FX_VERDICT,
                                                  .job = r->job,
                                                  .task = r->task,
                                                  .epoch = r->epoch,
                                                  .node = s->node,
                                                  .verdict = VERDICT_WRONG });
    }
    vl_buf_init(&buf, RATE_RECEIPT_MAX);
    if (r->has_receipt && receipt_encode(&r->receipt, &buf) == VL_OK) {
        memcpy(s->fresh.receipt, buf.p, buf.len);
        s->fresh.receipt_n = (uint32_t)buf.len;
    }
    vl_buf_free(&buf);
}

void bench_report(struct brain *b, struct vl_node_id node, const struct task_report *r) {
    struct subject *s = bench_on(b, node) ? find(b, node) : NULL;
    for (uint32_t i = 0; s && i < s->n; i++)
        if (vl_job_eq(s->run[i].job, r->job)) answer_take(b, s, &s->run[i], r);
}

/* ---- whose turn it is ---------------------------------------------------------------------------------------------- */

/* Another node on the same machine, or on a machine that nobody named, would spoil both figures. */
static bool machine_free(const struct brain *b, const struct node_record *r) {
    size_t it = 0;
    if (b->bench->running >= AT_ONCE) return false;
    for (const struct subject *s; b->bench->running && (s = vl_map_next(&b->bench->subjects, &it, NULL));) {
        if (s->stage == STAGE_NONE) continue;
        const struct node_record *o = registry_get(b->registry, s->node);
        uint64_t there = o ? o->domain[DOMAIN_HOST] : 0, here = r->domain[DOMAIN_HOST];
        if (there == 0 || here == 0 || there == here) return false;
    }
    return true;
}

static void look(struct brain *b, const struct node_record *r) {
    struct sched_node n;
    struct subject *s = subject_of(b, r->id);
    if (s == NULL || s->stage != STAGE_NONE) return;
    if (s->due_ms == 0) s->due_ms = s->known ? next_due(b, s, r) : b->now + SETTLE_MS;
    if (s->known && s->record.hardware != rate_hardware(&r->caps))
        s->due_ms = vl_ms_min(s->due_ms, next_due(b, s, r));
    if (!s->asked && (s->due_ms > b->now || s->not_before_ms > b->now)) return;
    registry_sched_node(r, b->now, NULL, &n);
    if (n.blocked || r->caps.slots == 0 || !(r->caps.features & NODE_FEATURE_WASM)) return;
    if (job_book_on_node(b->jobs, r->id).running > 0 || !machine_free(b, r)) return; /* when it has nothing to do */
    begin(b, s, r);
}

void bench_tick(struct brain *b) {
    struct bench *k = b->bench;
    size_t it = 0;
    if (!able(b) || k->at > b->now) return;
    k->at = b->now + LOOK_MS;
    for (struct subject *s; k->running && (s = vl_map_next(&k->subjects, &it, NULL));) {
        if (s->stage == STAGE_NONE) continue;
        if (b->now >= vl_ms_add(s->sent_ms, STAGE_MS)) s->failed = true;
        if (s->failed)
            finish(b, s);
        else if (s->left == 0)
            stage_done(b, s);
    }
    for (const struct node_record *r = NULL; (r = registry_next(b->registry, r ? &r->id : NULL));) look(b, r);
}

vl_ms bench_deadline(const struct brain *b) { return b->bench->at; }

void bench_start(struct brain *b) {
    struct job_view v;
    struct vl_job_id left[64];
    uint32_t n = 0;
    if (!able(b)) return;
    b->bench->at = b->now + LOOK_MS;
    median_find(b);
    for (uint64_t below = 0; n < 64 && job_book_older(b->jobs, below, &v); below = v.seq) { /* of before a restart */
        struct job_spec spec;
        if (!vl_span_eq(v.name, vl_span_str(JOB_NAME)) || job_spec_reopen(v.spec, &spec)) continue;
        if (vl_hash_eq(spec.program, b->bench->program)) left[n++] = v.id;
    }
    for (uint32_t i = 0; i < n; i++) {
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_CANCEL, .now = b->now, .job = left[i] }));
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_FORGET, .now = b->now, .job = left[i] }));
    }
}

enum vl_err bench_restore(struct brain *b, const struct record *r) {
    struct rate_record rec;
    if (b->bench == NULL) return VL_OK;
    if (rate_record_decode(r->bytes, &rec) != VL_OK || rate_verify(&rec) != VL_OK || !vl_node_eq(rec.signer, b->self))
        return VL_ECORRUPT;
    struct subject *s = subject_of(b, rec.node);
    if (s == NULL) return VL_ENOMEM;
    s->record = rec;
    s->known = true;
    return VL_OK;
}

void brain_measure(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node) {
    static const struct vl_node_id every;
    uint32_t asked = 0;
    step_begin(b, now);
    enum vl_err err = b->cfg.coordinator && able(b) ? VL_OK : VL_EUNSUPPORTED;
    for (const struct node_record *r = NULL; err == VL_OK && (r = registry_next(b->registry, r ? &r->id : NULL));) {
        struct subject *s = vl_node_eq(node, every) || vl_node_eq(node, r->id) ? subject_of(b, r->id) : NULL;
        if (s == NULL) continue;
        s->asked = true;
        asked++;
    }
    if (err == VL_OK && asked == 0) err = VL_ENOTFOUND;
    if (err == VL_OK) b->bench->at = b->now;
    reply(b, token, err,
          err == VL_EUNSUPPORTED ? (b->cfg.coordinator ? "this build has no benchmark: it was built without clang for WebAssembly"
                                                       : "nodes are measured by the coordinator: ask its gateway")
          : err == VL_ENOTFOUND  ? "no such node"
                                 : NULL,
          (struct vl_span){ 0 });
    step_end(b);
}
