/* Reputation of nodes on the coordinator: verdicts of the job book and presence become evidence, evidence becomes what
 * placing, the directory of mixes and the API ask for (TRU-05).  trust/reputation.h has the rules. */
#include "brain/priv.h"

#include "base/bounds.h"
#include "crypto/hash.h"
#include "trust/reputation.h"

#include <stdlib.h>
#include <string.h>

/* Presence is metered in periods of this length: six pieces a day, hence 121 in the balance of a 14-day half-life. */
#define PERIOD_MS (4u * 3600000u)
#define AWAY_PERIODS 6u /* absent for a day: what more absence would say is said; the record fades by itself */
#define WALK_NODES 64u  /* of one step: bounds it and its transaction */
#define FRESH_MS 600000u /* decay within this is below a thousandth */

_Static_assert((int)VERDICT_AGREED == EVIDENCE_AGREED && (int)VERDICT_WRONG == EVIDENCE_WRONG &&
                   (int)VERDICT_ACCEPTED == EVIDENCE_ACCEPTED && (int)VERDICT_LATE == EVIDENCE_LATE &&
                   (int)VERDICT_LOST == EVIDENCE_LOST && (int)VERDICT_HANDED_BACK == EVIDENCE_HANDED_BACK &&
                   (int)VERDICT_SILENT == EVIDENCE_SILENT,
               "numbers are stored");

struct mark {
    struct vl_node_id node;
    uint64_t online_ms; /* of all its life, when metered last */
    vl_ms at_ms;        /* then; 0: not yet since we started */
    uint32_t away;      /* whole periods of absence in a row */
    struct standing cached;
    uint32_t mix_milli;
    vl_ms fresh_until; /* 0: to be computed */
};

struct standings {
    struct reputation *book;
    struct vl_map marks;
    vl_ms walk_at; /* when the next period ends, or the walk over the nodes goes on */
    vl_ms ends_at;
    struct vl_node_id walked; /* up to here */
    bool walking;
};

enum vl_err standing_create(struct brain *b) {
    struct standings *s = calloc(1, sizeof *s);
    if (s == NULL) return VL_ENOMEM;
    s->book = reputation_create(&(struct reputation_config){
        .seed = vl_prng_next(&b->rng), .max_nodes = VL_NODES_MAX, .base_milli = REPUTATION_BASE_MILLI });
    vl_map_init(&s->marks, sizeof(struct vl_node_id), VL_NODES_MAX, vl_prng_next(&b->rng));
    s->walk_at = VL_MS_NEVER;
    b->standings = s;
    return s->book ? VL_OK : VL_ENOMEM;
}

void standing_destroy(struct brain *b) {
    struct standings *s = b->standings;
    size_t it = 0;
    if (s == NULL) return;
    for (struct mark *m; (m = vl_map_next(&s->marks, &it, NULL)) != NULL;) free(m);
    vl_map_free(&s->marks);
    reputation_destroy(s->book);
    free(s);
}

enum vl_err standing_restore(struct brain *b, const struct record *r) {
    return b->standings ? reputation_restore(b->standings->book, r->bytes) : VL_OK;
}

static struct mark *mark_of(struct standings *s, struct vl_node_id node) {
    struct mark *m = vl_map_get(&s->marks, node.b);
    if (m != NULL || (m = calloc(1, sizeof *m)) == NULL) return m;
    m->node = node;
    if (vl_map_put(&s->marks, node.b, m) == VL_OK) return m;
    free(m);
    return NULL;
}

/* ---- asking ------------------------------------------------------------------------------------------------------- */

static uint32_t milli_down(uint32_t ppm) { return ppm / 1000; }
static uint32_t milli_up(uint32_t ppm) { return (ppm + 999) / 1000; }

/* node: by its first key, under which the book has it. */
static void compute(const struct standings *s, struct vl_node_id node, vl_ms now, struct mark *ret) {
    struct reputation_score v;
    uint32_t mix = 1000;
    (void)reputation_get(s->book, node, now, &v);
    for (unsigned d = 0; d < REPUTATION_DIMS; d++)
        if (milli_down(v.dim[d].expect_ppm) < mix) mix = milli_down(v.dim[d].expect_ppm);
    ret->mix_milli = mix;
    ret->cached = (struct standing){ .trust_milli = milli_down(v.trust_ppm),
                                     .doubt_milli = milli_up(v.doubt_ppm),
                                     .error_ppm = v.error_ppm,
                                     .flagged = v.flagged,
                                     .trusted = v.trusted };
    ret->fresh_until = vl_ms_add(now, FRESH_MS);
}

/* Placing asks for every node at every turn. */
static void look(const struct brain *b, struct vl_node_id node, struct mark *ret) {
    struct mark *m = mark_of(b->standings, node);
    if (m == NULL) {
        compute(b->standings, keys_origin(b, node), b->now, ret);
        return;
    }
    if (m->fresh_until <= b->now) compute(b->standings, keys_origin(b, node), b->now, m);
    *ret = *m;
}

struct standing standing_of(const struct brain *b, struct vl_node_id node) {
    struct mark m = { .cached = { .doubt_milli = 1000, .error_ppm = 1000000, .flagged = true } };
    if (b->standings) look(b, node, &m);
    return m.cached;
}

uint32_t standing_mix_milli(const struct brain *b, struct vl_node_id node) {
    struct mark m = { .mix_milli = REPUTATION_BASE_MILLI };
    if (b->standings) look(b, node, &m);
    return m.mix_milli;
}

/* ---- evidence ----------------------------------------------------------------------------------------------------- */

static void rows_put(struct brain *b, const struct evidence *e, uint64_t first, uint64_t n) {
    struct vl_buf buf;
    vl_buf_init(&buf, REPUTATION_RECORD_MAX);
    enum vl_err err = reputation_state_encode(reputation_state(b->standings->book, e->node), &buf);
    if (err == VL_OK) {
        item_put(b, ITEM_REPUTATION, e->node.b, 0, vl_span(buf.p, buf.len));
        vl_buf_clear(&buf);
        err = evidence_encode(e, &buf);
    }
    if (err == VL_OK) item_put(b, ITEM_EVIDENCE, e->node.b, e->seq, vl_span(buf.p, buf.len));
    for (uint64_t i = 0; err == VL_OK && i < n; i++) item_remove(b, ITEM_EVIDENCE, e->node.b, first + i);
    vl_buf_free(&buf);
    if (err) out_of_memory(b);
}

static void give(struct brain *b, struct evidence *e) {
    uint64_t first = 0, n = 0;
    const struct vl_node_id node = e->node;
    e->node = keys_origin(b, node);
    e->at_ms = b->now;
    enum vl_err err = reputation_add(b->standings->book, &b->key, e, &first, &n);
    if (err == VL_ENOMEM) {
        out_of_memory(b);
    } else if (err) {
        note(b, err, e->node, "evidence about a node could not be taken into its reputation");
    } else {
        struct mark *m = vl_map_get(&b->standings->marks, node.b);
        if (m) m->fresh_until = 0;
        if (registry_get(b->registry, node)) placing_touch(b, node);
        rows_put(b, e, first, n);
    }
}

/* How much a good result counts: who does many trifles must not earn the trust that one large task then betrays. Bad
 * ones count in full. */
static uint32_t quality_milli(const struct brain *b, const struct job_effect *e) {
    struct job_task_view v;
    if (!job_book_task(b->jobs, e->job, e->task, &v) || v.started_ms == 0 || v.ended_ms <= v.started_ms) return 250;
    uint64_t took = v.ended_ms - v.started_ms;
    return took >= 1000 ? 1000 : took >= 100 ? 500 : 250;
}

void standing_verdict(struct brain *b, const struct job_effect *e) {
    struct evidence v = { .node = e->node,
                          .kind = (enum evidence_kind)e->verdict,
                          .weight_milli = EVIDENCE_WEIGHT_MAX,
                          .job = e->job,
                          .task = e->task,
                          .epoch = e->epoch,
                          .receipt = e->receipt };
    if (b->standings == NULL || e->verdict == VERDICT_FAILED) return; /* says nothing of the node */
    if (e->verdict == VERDICT_AGREED || e->verdict == VERDICT_ACCEPTED) v.weight_milli = quality_milli(b, e);
    give(b, &v);
}

/* Processor time cannot pass faster than time: one processor for WebAssembly, all of the node's for native programs. Our
 * clock may run slower by 1/64 while it follows the wall (os/clock.h); a second covers what starts around the run. */
static bool overstated(const struct brain *b, struct vl_node_id node, const struct task_report *r) {
    struct job_view v;
    vl_ms placed = 0;
    const struct node_record *n = registry_get(b->registry, node);
    if (!r->has_receipt || n == NULL || !job_book_placed(b->jobs, r->job, r->task, r->epoch, node, &placed) ||
        !job_book_job(b->jobs, r->job, &v))
        return false;
    uint64_t cpus = v.kind == TASK_NATIVE && n->caps.cpus > 1 ? n->caps.cpus : 1, went = b->now - placed;
    return r->receipt.cpu_us / 1000 / cpus > went + went / 32 + 1000;
}

static struct vl_hash receipt_hash(const struct receipt *r) {
    struct vl_hash ret = { 0 };
    struct vl_buf buf;
    vl_buf_init(&buf, 1024);
    if (receipt_encode(r, &buf) == VL_OK) crypto_blake2b256(vl_span(buf.p, buf.len), &ret);
    vl_buf_free(&buf);
    return ret;
}

void standing_metered(struct brain *b, struct vl_node_id node, const struct task_report *r) {
    if (b->standings == NULL || !overstated(b, node, r)) return;
    note(b, VL_ERANGE, node, "a receipt claims more processor time than has passed");
    give(b, &(struct evidence){ .node = node,
                                .kind = EVIDENCE_FALSE_METER,
                                .weight_milli = EVIDENCE_WEIGHT_MAX,
                                .job = r->job,
                                .task = r->task,
                                .epoch = r->epoch,
                                .receipt = receipt_hash(&r->receipt) });
}

void standing_gone(struct brain *b, struct vl_node_id node) {
    if (b->standings) free(vl_map_del(&b->standings->marks, node.b));
}

const struct reputation *standing_book(const struct brain *b) { return b->standings ? b->standings->book : NULL; }

/* ---- presence ----------------------------------------------------------------------------------------------------- */

static void presence(struct brain *b, const struct node_record *n) {
    struct mark *m = mark_of(b->standings, n->id);
    uint64_t online = n->online_ms;
    if (n->online_since_ms && b->now > n->online_since_ms) online += b->now - n->online_since_ms;
    if (m == NULL) return;
    uint64_t went = m->at_ms ? b->now - m->at_ms : 0, here = online > m->online_ms ? online - m->online_ms : 0;
    m->at_ms = b->now;
    m->online_ms = online;
    if (n->maintenance || went < PERIOD_MS / 2) return; /* absent by a person's word, or hardly known */
    uint32_t share = here >= went ? EVIDENCE_WEIGHT_MAX : (uint32_t)(here * EVIDENCE_WEIGHT_MAX / went);
    m->away = share ? 0 : m->away + 1;
    if (m->away > AWAY_PERIODS) return;
    struct evidence e = { .node = n->id, .kind = EVIDENCE_ONLINE, .weight_milli = share };
    if (share > 0) give(b, &e);
    e = (struct evidence){ .node = n->id, .kind = EVIDENCE_OFFLINE, .weight_milli = EVIDENCE_WEIGHT_MAX - share };
    if (share < EVIDENCE_WEIGHT_MAX) give(b, &e);
}

void standing_tick(struct brain *b) {
    struct standings *s = b->standings;
    if (s->walk_at == VL_MS_NEVER) { /* we just started: nobody can be blamed for the time before */
        s->ends_at = b->now;
        s->walk_at = b->now;
    }
    if (b->now < s->walk_at) return;
    const struct node_record *n = NULL;
    for (unsigned i = 0; i < WALK_NODES; i++) {
        n = registry_next(b->registry, s->walking ? &s->walked : NULL);
        if (n == NULL) break;
        s->walked = n->id;
        s->walking = true;
        presence(b, n);
    }
    if (n != NULL) return; /* walk_at is over: the next step goes on */
    s->walking = false;
    s->ends_at = vl_ms_add(s->ends_at, PERIOD_MS);
    if (s->ends_at <= b->now) s->ends_at = vl_ms_add(b->now, PERIOD_MS); /* we slept */
    s->walk_at = s->ends_at;
}

vl_ms standing_deadline(const struct brain *b) { return b->standings->walk_at; }
