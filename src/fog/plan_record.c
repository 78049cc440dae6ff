#include "fog/plan_record.h"

#include "wire/pack.h"

#include <string.h>

enum { TAG_PLAN = 0x60, VERSION = 3 };

static void pack_double(struct pack *w, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    pack_u64(w, bits);
}

static double unpack_double(struct vl_reader *r) {
    uint64_t bits = vl_read_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void pack_doubles(struct pack *w, const double *v, size_t n) {
    for (size_t i = 0; i < n; i++) pack_double(w, v[i]);
}
static void unpack_doubles(struct vl_reader *r, double *v, size_t n) {
    for (size_t i = 0; i < n; i++) v[i] = unpack_double(r);
}

void plan_record_take(struct plan_record *r, const struct plan_result *from) {
    r->n_front = from->n_front;
    r->taken = from->taken;
    r->merged = from->merged;
    r->generations = from->generations;
    r->evaluations = from->evaluations;
    r->cut = from->cut;
    memcpy(r->front, from->front, sizeof r->front);
    memcpy(r->ideal, from->ideal, sizeof r->ideal);
    memcpy(r->nadir, from->nadir, sizeof r->nadir);
    memcpy(r->bound, from->bound, sizeof r->bound);
    memcpy(r->gap, from->gap, sizeof r->gap);
    memcpy(r->weights, from->weights, sizeof r->weights);
    r->hypervolume = from->hypervolume;
    r->hypervolume_first = from->hypervolume_first;
    r->score = from->score;
}

static bool counts_ok(const struct plan_record *r) {
    return (unsigned)r->strategy < STRATEGIES && (unsigned)r->class < SLA_CLASSES && r->n_front <= PLAN_FRONT_MAX &&
           (r->n_front == 0 || r->taken < r->n_front);
}

enum vl_err plan_record_encode(const struct plan_record *r, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_PLAN, VERSION);
    if (!counts_ok(r)) pack_fail(&w, VL_ERANGE);
    pack_u64(&w, r->batch);
    pack_u64(&w, r->at_ms);
    pack_u8(&w, (uint8_t)r->strategy);
    pack_bool(&w, r->sampled);
    pack_u8(&w, (uint8_t)r->class);
    const uint32_t small[] = { r->tasks,   r->placed, r->conflicts,   r->nodes,
                               r->took_us, r->merged, r->generations, r->evaluations };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) pack_u32(&w, small[i]);
    for (size_t i = 0; i < SCHED_REASONS; i++) pack_u32(&w, r->waiting[i]);
    pack_u64(&w, r->seed);
    pack_bool(&w, r->cut);
    pack_u8(&w, (uint8_t)r->n_front);
    pack_u8(&w, (uint8_t)r->taken);
    for (uint32_t i = 0; i < r->n_front && w.err == VL_OK; i++) {
        pack_doubles(&w, r->front[i].f, PLAN_OBJECTIVES);
        pack_u32(&w, r->front[i].placed);
    }
    pack_doubles(&w, r->ideal, PLAN_OBJECTIVES);
    pack_doubles(&w, r->nadir, PLAN_OBJECTIVES);
    pack_doubles(&w, r->bound, PLAN_OBJECTIVES);
    pack_doubles(&w, r->gap, PLAN_OBJECTIVES);
    pack_doubles(&w, r->weights, PLAN_OBJECTIVES);
    pack_double(&w, r->hypervolume);
    pack_double(&w, r->hypervolume_first);
    pack_double(&w, r->score);
    return pack_end(&w);
}

enum vl_err plan_record_decode(struct vl_span in, struct plan_record *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct plan_record p = { 0 };
    enum vl_err err = unpack_message(&r, TAG_PLAN, VERSION);
    if (err) return err;
    p.batch = vl_read_u64(&r);
    p.at_ms = vl_read_u64(&r);
    p.strategy = (enum strategy)unpack_u8_in(&r, 0, STRATEGIES - 1);
    p.sampled = unpack_bool(&r);
    p.class = (enum sla_class)unpack_u8_in(&r, 0, SLA_CLASSES - 1);
    uint32_t *small[] = { &p.tasks,   &p.placed, &p.conflicts,   &p.nodes,
                          &p.took_us, &p.merged, &p.generations, &p.evaluations };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) *small[i] = vl_read_u32(&r);
    for (size_t i = 0; i < SCHED_REASONS; i++) p.waiting[i] = vl_read_u32(&r);
    p.seed = vl_read_u64(&r);
    p.cut = unpack_bool(&r);
    p.n_front = unpack_u8_in(&r, 0, PLAN_FRONT_MAX);
    p.taken = vl_read_u8(&r);
    unpack_require(&r, counts_ok(&p));
    for (uint32_t i = 0; i < p.n_front && !r.failed; i++) {
        unpack_doubles(&r, p.front[i].f, PLAN_OBJECTIVES);
        p.front[i].placed = vl_read_u32(&r);
    }
    unpack_doubles(&r, p.ideal, PLAN_OBJECTIVES);
    unpack_doubles(&r, p.nadir, PLAN_OBJECTIVES);
    unpack_doubles(&r, p.bound, PLAN_OBJECTIVES);
    unpack_doubles(&r, p.gap, PLAN_OBJECTIVES);
    unpack_doubles(&r, p.weights, PLAN_OBJECTIVES);
    p.hypervolume = unpack_double(&r);
    p.hypervolume_first = unpack_double(&r);
    p.score = unpack_double(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = p;
    return err;
}
