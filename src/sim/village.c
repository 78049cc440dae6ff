#include "sim/village.h"

#include "sim/village_priv.h"

#include "base/map.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "net/htx.h"
#include "node/persist.h"
#include "store/mem.h"
#include "trust/roster.h"
#include "wire/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_village_cfg sim_village_cfg_default(void) {
    return (struct sim_village_cfg){ .world = world_cfg_default(),
                                     .slots = 2,
                                     .submit_every_ms = 1000,
                                     .tiers = true,
                                     .tasks_max = 8,
                                     .task_min_ms = 5,
                                     .task_max_ms = 3000,
                                     .jobs_max = 100,
                                     .mix_relays = 6,
                                     .mix_epoch_ms = 20000,
                                     .mix_charters = 1,
                                     .mix_charter_ms = 60000,
                                     .private_percent = 40,
                                     .forger = true };
}

/* ---- what a program would write ------------------------------------------------------------------------------------
 */

/* Output of a run: a digest of the names of its inputs, stretched to a large file for some. */
static size_t program_output(const struct task_spec *s, uint8_t *dst) {
    struct vl_hash h;
    struct vl_buf names;
    vl_buf_init(&names, 1u << 20);
    for (uint32_t i = 0; i < s->n_inputs; i++)
        if (vl_buf_append(&names, s->inputs[i].hash.b, 32)) break;
    crypto_blake2b256(vl_span(names.p, names.len), &h);
    vl_buf_free(&names);
    size_t n = h.b[0] < 64 ? SIM_LARGE : 32;
    for (size_t i = 0; i < n; i++) dst[i] = h.b[i % 32];
    return n;
}

/* ---- blobs
 * ------------------------------------------------------------------------------------------------------------ */

static bool blob_put(struct vl_map *m, struct vl_hash h, const void *p, size_t n) {
    if (vl_map_get(m, h.b)) return true;
    struct sim_blob *b = malloc(sizeof *b + n);
    if (b == NULL) return false;
    b->n = n;
    if (n) memcpy(b->p, p, n);
    if (vl_map_put(m, h.b, b) == VL_OK) return true;
    free(b);
    return false;
}

static void blobs_free(struct vl_map *m) {
    size_t it = 0;
    for (void *b; (b = vl_map_next(m, &it, NULL));) free(b);
    vl_map_free(m);
}

struct vl_span sim_blob_get(struct sim_node *n, struct vl_hash h) {
    struct sim_blob *b = vl_map_get(&n->disk->blobs, h.b);
    struct vl_span small;
    if (b) return vl_span(b->p, b->n);
    if (persist_small_blob(n->disk->store, &h, &small) == VL_OK) return small;
    return (struct vl_span){ 0 };
}

static void part_write(struct sim_node *n, struct vl_hash h, uint64_t offset, struct vl_span bytes) {
    struct sim_blob *old = vl_map_get(&n->parts, h.b);
    size_t end = offset + bytes.n, size = old && old->n > end ? old->n : end;
    struct sim_blob *b = calloc(1, sizeof *b + size);
    if (b == NULL) return;
    b->n = size;
    if (old) memcpy(b->p, old->p, old->n);
    if (bytes.n) memcpy(b->p + offset, bytes.p, bytes.n);
    if (vl_map_put(&n->parts, h.b, b)) {
        free(b);
        return;
    }
    free(old);
}

/* ---- runs
 * --------------------------------------------------------------------------------------------------------------- */

static uint32_t runs_held(const struct sim_node *n) {
    uint32_t held = 0;
    for (const struct sim_run *r = n->runs; r; r = r->next) held++;
    return held;
}

static void run_start(struct sim_node *n, uint64_t task, const struct assignment *a, vl_ms now) {
    struct sim_run *r = calloc(1, sizeof *r);
    const struct sim_village_cfg *c = &n->v->cfg;
    if (r == NULL) return;
    if (n->index >= 1 && n->index <= c->liars && runs_held(n) >= c->slots) {
        free(r);
        n->v->stats.lies++;
        brain_task_ended(n->brain, now,
                         &(struct brain_task_end){ .task = task, .outcome = TASK_REFUSED, .err = VL_ELIMIT, .detail = "no room after all" });
        return;
    }
    vl_buf_init(&r->bytes, 1u << 20);
    if (task_spec_encode(&a->spec, &r->bytes) || task_spec_decode(vl_span(r->bytes.p, r->bytes.len), &r->spec)) abort();
    r->task = task;
    r->lie = c->forger && a->commit && n->index == c->world.nodes - 1;
    r->at = now + c->task_min_ms + vl_prng_below(world_workload(n->v->world), c->task_max_ms - c->task_min_ms + 1);
    r->next = n->runs;
    n->runs = r;
    n->v->stats.runs++;
}

static void run_free(struct sim_run *r) {
    vl_buf_free(&r->bytes);
    free(r);
}

static void run_end(struct sim_node *n, struct sim_run *r, vl_ms now) {
    uint8_t *out = malloc(SIM_LARGE);
    struct task_output o = { .name = vl_span_str("stdout") };
    struct brain_task_end end = { .task = r->task, .outcome = TASK_DONE, .outputs = &o, .outputs_n = 1 };
    if (out == NULL) return;
    size_t len = r->lie ? (size_t)snprintf((char *)out, SIM_LARGE, "%s", SIM_FORGED) : program_output(&r->spec, out);
    crypto_blake2b256(vl_span(out, len), &o.hash);
    o.size = len;
    if (len <= VL_INLINE_MAX)
        o.inline_bytes = vl_span(out, len);
    else if (!blob_put(&n->disk->blobs, o.hash, out, len))
        end.outcome = TASK_REFUSED;
    if (vl_prng_below(world_workload(n->v->world), 1000000) < n->v->cfg.fail_ppm) {
        end = (struct brain_task_end){
            .task = r->task, .outcome = TASK_FAILED, .err = VL_ESTATE, .detail = "the program failed", .exit_code = 1
        };
    }
    brain_task_started(n->brain, now, r->task);
    brain_task_ended(n->brain, now, &end);
    free(out);
}

/* ---- effects
 * ------------------------------------------------------------------------------------------------------------------ */

static const char *check(void *user, struct world *w, uint32_t node) {
    struct sim_village *v = user;
    struct sim_node *n = node == WORLD_NONE ? NULL : world_node(w, node);
    const char *wrong = n ? sim_mix_check(n) : NULL;
    if (n && wrong == NULL) wrong = sim_market_check(n);
    if (n && wrong == NULL) wrong = sim_quorum_check(n);
    if (n && wrong == NULL) wrong = sim_owner_check(n, world_clock(w, node));
    return v->wrong ? v->wrong : wrong;
}

static struct sim_conn *conn_by(struct sim_node *n, uint64_t world, uint32_t conn, uint32_t dial) {
    for (struct sim_conn *c = n->conns; c; c = c->next)
        if ((world && c->world == world) || (conn && c->conn == conn) || (dial && c->dial == dial)) return c;
    return NULL;
}

static void conn_drop(struct sim_node *n, struct sim_conn *c) {
    for (struct sim_conn **at = &n->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            free(c);
            return;
        }
}

static struct sim_conn *conn_add(struct sim_node *n, uint64_t world) {
    struct sim_conn *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->world = world;
    c->next = n->conns;
    n->conns = c;
    return c;
}

static void flush(struct sim_node *n, vl_ms now) {
    static _Thread_local uint8_t buf[HTX_OUTPUT_GOOD]; /* scratch: nothing in it outlives the call */
    for (uint32_t conn; (conn = brain_next_output_conn(n->brain)) != 0;) {
        struct sim_conn *c = conn_by(n, 0, conn, 0);
        for (size_t len; c && (len = brain_output(n->brain, conn, now, buf, sizeof buf)) > 0;)
            if (world_send(n->v->world, n->index, c->world, vl_span(buf, len))) break;
    }
}

static void dial(struct sim_node *n, uint32_t number, const char *addr, vl_ms now) {
    uint64_t conn = 0;
    unsigned to = 0;
    if (sscanf(addr, "node-%u:1", &to) != 1 || to >= n->v->cfg.world.nodes || world_dial(n->v->world, n->index, to, &conn)) {
        brain_dial_failed(n->brain, now, number);
        return;
    }
    struct sim_conn *c = conn_add(n, conn);
    if (c) c->dial = number;
}

static void replied(struct sim_node *n, const struct brain_effect *e) {
    struct sim_village *v = n->v;
    if (e->token == 0 || e->token > v->stats.submitted) return;
    struct sim_job *j = &v->jobs[e->token - 1];
    if (e->err == VL_OK) {
        j->acknowledged = true;
        v->stats.acknowledged++;
        if (!sim_job_stored(n->disk->store, j->id)) v->wrong = "a job was acknowledged before it was durable";
    } else {
        v->stats.refused++;
    }
}

static void committed(void *arg, const struct store_result *r);
struct sim_commit {
    struct sim_commit *next;
    struct sim_node *node;
    uint64_t seq;
    struct record *votes; /* of an authority; their bytes are in the same block */
    size_t votes_n;
};

/* Copies of what the checks want to know of once it is durable. */
static void votes_note(struct sim_commit *c, const struct record *r, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (r[i].kind != RECORD_MIX || r[i].index != MIX_RECORD_VOTE) continue;
        free(c->votes);
        c->votes = malloc(sizeof *c->votes + r[i].bytes.n);
        if (c->votes == NULL) abort();
        *c->votes = r[i];
        c->votes->bytes.p = memcpy(c->votes + 1, r[i].bytes.p, r[i].bytes.n);
        c->votes_n = 1;
    }
}

static void commit_free(struct sim_commit *c) {
    free(c->votes);
    free(c);
}

static void commit(struct sim_node *n, const struct brain_effect *e, vl_ms now) {
    struct sim_commit *c = malloc(sizeof *c);
    if (c == NULL) return;
    *c = (struct sim_commit){ .next = n->commits, .node = n, .seq = e->seq };
    n->commits = c;
    votes_note(c, e->records, e->records_n);
    if (store_submit(n->disk->store, persist_batch(e->records, e->records_n), committed, c)) abort();
    if (n->commit_at == VL_MS_NEVER) n->commit_at = now + vl_prng_below(world_workload(n->v->world), SIM_COMMIT_MS + 1);
}

struct vl_node_id sim_node_id(struct sim_village *v, uint32_t node) { return v->ids[node]; }

void sim_seed(struct sim_village *v, uint32_t node, uint64_t what, uint8_t dst[32]) {
    uint8_t p[24];
    struct vl_hash h;
    vl_put_u64(p, v->cfg.world.seed);
    vl_put_u64(p + 8, node);
    vl_put_u64(p + 16, what);
    crypto_blake2b256(vl_span(p, sizeof p), &h);
    memcpy(dst, h.b, 32);
}

/* What a node does on its pool; a machine without any providers of evidence. */
static void pool_effect(struct sim_node *n, const struct brain_effect *e, vl_ms now) {
    if (e->kind == BRAIN_PLAN) {
        brain_plan_run(e->plan, NULL, NULL);
        brain_plan_done(n->brain, now, e->plan, 0);
    } else if (e->kind == BRAIN_MIX_BATCH) {
        brain_mix_batch_run(e->batch);
        brain_mix_batch_done(n->brain, now, e->batch);
    } else if (e->kind == BRAIN_TEE_QUOTE) {
        brain_tee_quoted(n->brain, now, e->req, NULL, 0, "a simulated machine has no providers");
    } else if (e->kind == BRAIN_TEE_ACTIVATE) {
        brain_tee_activated(n->brain, now, e->req, (struct vl_span){ 0 });
    } else {
        brain_attest_run(e->attest);
        brain_attest_done(n->brain, now, e->attest);
    }
}

static void conn_close(struct sim_node *n, uint32_t conn, vl_ms now) {
    struct sim_conn *c = conn_by(n, 0, conn, 0);
    flush(n, now);
    if (c) {
        world_close(n->v->world, n->index, c->world);
        conn_drop(n, c);
    }
    brain_conn_lost(n->brain, conn, now);
}

static void log_prove(struct sim_node *n, struct vl_node_id node, uint64_t first, uint64_t second, vl_ms now) {
    struct vl_hash proof[MERKLE_PROOF_MAX + 1];
    uint32_t k = 0;
    enum vl_err err = persist_log_prove(n->disk->store, NULL, n->brain, first, second, proof, &k);
    brain_log_proved(n->brain, now, node, first, second, err, proof, k);
}

static void effect(struct sim_node *n, const struct brain_effect *e, vl_ms now) {
    struct sim_blob *part;
    struct vl_span bytes;
    struct vl_hash h;
    switch (e->kind) {
    case BRAIN_COMMIT:
        commit(n, e, now);
        return;
    case BRAIN_DIAL:
        dial(n, e->dial, e->addr, now);
        return;
    case BRAIN_CONN_CLOSE:
        conn_close(n, e->conn, now);
        return;
    case BRAIN_TASK_RUN:
        run_start(n, e->task, e->assignment, now);
        return;
    case BRAIN_TASK_KILL:
        for (struct sim_run **at = &n->runs; *at; at = &(*at)->next)
            if ((*at)->task == e->task) {
                struct sim_run *r = *at;
                *at = r->next;
                run_free(r);
                n->v->stats.handed_back += brain_harvest_view(n->brain) != NULL;
                return;
            }
        return;
    case BRAIN_BLOB_FIND:
        bytes = sim_blob_get(n, e->hash);
        part = vl_map_get(&n->parts, e->hash.b);
        brain_blob_found(n->brain, now, e->hash, bytes.p != NULL, bytes.n, part ? part->n : 0);
        return;
    case BRAIN_BLOB_READ:
        bytes = sim_blob_get(n, e->hash);
        if (bytes.p == NULL || e->offset > bytes.n)
            brain_blob_read(n->brain, now, e->req, VL_ENOTFOUND, 0, (struct vl_span){ 0 });
        else
            brain_blob_read(
                n->brain, now, e->req, VL_OK, bytes.n,
                vl_span(bytes.p + e->offset, e->length < bytes.n - e->offset ? e->length : bytes.n - e->offset));
        return;
    case BRAIN_BLOB_WRITE:
        part_write(n, e->hash, e->offset, e->bytes);
        brain_blob_written(n->brain, now, e->hash, e->offset, VL_OK);
        return;
    case BRAIN_BLOB_VERIFY:
        part = vl_map_del(&n->parts, e->hash.b);
        crypto_blake2b256(part ? vl_span(part->p, part->n) : (struct vl_span){ 0 }, &h);
        bool ok = part && vl_hash_eq(h, e->hash) && blob_put(&n->disk->blobs, h, part->p, part->n);
        free(part);
        brain_blob_verified(n->brain, now, e->hash, ok ? VL_OK : VL_ECRYPTO);
        return;
    case BRAIN_BLOB_DISCARD:
        free(vl_map_del(&n->parts, e->hash.b));
        return;
    case BRAIN_REPLY:
        replied(n, e);
        return;
    case BRAIN_JOB_CHANGED:
        sim_job_seen(n->v, n, e->job);
        return;
    case BRAIN_TASK_CHANGED:
        sim_task_seen(n->v, n, e->job, e->index);
        return;
    case BRAIN_JOINED:
        n->v->stats.members++;
        return;
    case BRAIN_REFUSED:
        n->v->wrong = "a join was refused";
        return;
    case BRAIN_MIX_KEY:
        sim_mix_key(n, e->seq, e->index, e->length, now);
        return;
    case BRAIN_MIX_KEY_DROP:
        sim_mix_key_drop(n, e->seq, e->index);
        return;
    case BRAIN_HARVEST:
        sim_owner_order(n, e->index, now);
        return;
    case BRAIN_LOG_PROVE:
        log_prove(n, e->node, e->offset, e->length, now);
        return;
    case BRAIN_PLAN:
    case BRAIN_MIX_BATCH:
    case BRAIN_TEE_QUOTE:
    case BRAIN_TEE_ACTIVATE:
    case BRAIN_ATTEST:
        pool_effect(n, e, now);
        return;
    case BRAIN_CHAIN_ASK: /* no simulated village has a chain */
    case BRAIN_ROTATE: /* no member of a simulated village replaces its keys */
    case BRAIN_NODE_CHANGED:
    case BRAIN_NOTE:
        return;
    }
}

static void pump(struct sim_node *n, vl_ms now) {
    struct brain_effect e;
    do {
        while (brain_next_effect(n->brain, &e)) effect(n, &e, now);
        flush(n, now);
    } while (brain_pending(n->brain));
    if (brain_failed(n->brain)) n->v->wrong = "a brain ran out of memory";
}

static void committed(void *arg, const struct store_result *r) {
    struct sim_commit *c = arg;
    struct sim_commit **at = &c->node->commits;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    if (r->err == VL_OK) {
        c->node->v->stats.commits++;
        sim_mix_committed(c->node, c->votes, c->votes_n);
        brain_committed(c->node->brain, world_clock(c->node->v->world, c->node->index), c->seq);
    }
    commit_free(c);
}

/* ---- jobs
 * ----------------------------------------------------------------------------------------------------------------------
 */

static struct vl_hash blob_random(struct sim_node *n, uint64_t value, size_t size) {
    static _Thread_local uint8_t p[SIM_LARGE];
    struct vl_hash h;
    for (size_t i = 0; i + 8 <= size; i += 8) vl_put_u64(p + i, value + i);
    crypto_blake2b256(vl_span(p, size), &h);
    (void)blob_put(&n->disk->blobs, h, p, size);
    return h;
}

/* The coordinator submits as often as all members together. */
static vl_ms submit_next(struct sim_node *n, vl_ms now) {
    struct sim_village *v = n->v;
    uint64_t members = v->cfg.world.nodes - 1, share = v->cfg.submit_at_members ? n->index == 0 ? 2 : 2 * members : 1;
    if (v->cfg.submit_every_ms == 0 || v->stats.submitted >= v->cfg.jobs_max) return VL_MS_NEVER;
    if (n->index > 0 && !v->cfg.submit_at_members) return VL_MS_NEVER;
    return now + 1 + vl_prng_below(world_workload(v->world), 2 * share * v->cfg.submit_every_ms);
}

static void submit(struct sim_node *n, vl_ms now) {
    struct sim_village *v = n->v;
    struct vl_prng *rng = world_workload(v->world);
    if (v->stats.submitted >= v->cfg.jobs_max) { /* others were faster */
        n->submit_at = VL_MS_NEVER;
        return;
    }
    struct sim_job *j = &v->jobs[v->stats.submitted];
    struct job_spec *spec = calloc(1, sizeof *spec);
    struct vl_buf inputs;
    uint32_t tasks = 1 + (uint32_t)vl_prng_below(rng, v->cfg.tasks_max);
    bool merge = tasks > 2 && vl_prng_below(rng, 3) == 0;
    if (spec == NULL) return;
    vl_buf_init(&inputs, 1u << 20);
    job_spec_defaults(spec);
    spec->kind = TASK_WASM;
    if (v->cfg.mix && vl_prng_below(rng, 100) < v->cfg.private_percent) spec->privacy = MIX_PRIVATE;
    j->private = spec->privacy != MIX_OFF;
    j->tier = v->cfg.tiers && n->index == 0 && v->stats.submitted % 2 == 0; /* may be refused while nodes are away */
    if (j->tier) spec->terms.tier = TIER_BRONZE;
    spec->program = blob_random(n, 7 + vl_prng_below(rng, 4), 64); /* the coordinator has it, sometimes */
    spec->map = true;
    spec->deterministic = true;
    if (vl_prng_below(rng, 3) == 0) spec->replicas = 2 + (uint32_t)vl_prng_below(rng, 2);
    spec->has_merge = merge;
    for (uint32_t i = 0; i + merge < tasks; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%u", i);
        size_t size = vl_prng_below(rng, 8) == 0 ? SIM_LARGE : 64;
        if (job_inputs_append(&inputs, vl_span_str(name), blob_random(n, vl_prng_next(rng), size), size)) abort();
        spec->n_inputs++;
    }
    spec->inputs = vl_span(inputs.p, inputs.len);
    vl_put_u64(j->id.b, now << 16);
    vl_put_u64(j->id.b + 8, v->stats.submitted);
    v->stats.submitted++;
    j->node = n->index;
    if (!sim_market_submit(n, now, v->stats.submitted, j->id, spec))
        brain_submit_job(n->brain, now, v->stats.submitted, j->id, spec, 64, NULL);
    vl_buf_free(&inputs);
    free(spec);
    n->submit_at = submit_next(n, now);
}

/* ---- a node of the world
 * ---------------------------------------------------------------------------------------------------------- */

static void destroy(void *self) {
    struct sim_node *n = self;
    for (struct sim_conn *c; (c = n->conns); free(c)) n->conns = c->next;
    for (struct sim_run *r; (r = n->runs); run_free(r)) n->runs = r->next;
    for (struct sim_commit *c; (c = n->commits); commit_free(c)) n->commits = c->next;
    blobs_free(&n->parts);
    brain_destroy(n->brain);
    store_mem_crash(n->disk->store);
    free(n);
}

static struct vl_node_id id_of_seed(const uint8_t seed[32]) {
    struct crypto_sign_key key;
    crypto_sign_key_from_seed(seed, &key);
    return crypto_sign_node_id(&key);
}

/* Of the key that a node lives with.  Who chooses its own tries many, and keeps the one whose id is nearest behind the last node's. */
static void identity_seed(struct sim_village *v, uint32_t index, uint8_t dst[32]) {
    sim_seed(v, index, 1, dst);
    if (index == 0 || index > v->cfg.chosen) return;
    uint8_t victim[32], one[32];
    uint32_t best = UINT32_MAX;
    sim_seed(v, v->cfg.world.nodes - 1, 1, victim);
    uint32_t beside = vl_get_u32(id_of_seed(victim).b);
    for (uint64_t k = 0; k < 256; k++) {
        sim_seed(v, index, 1000000 + k, one);
        uint32_t away = vl_get_u32(id_of_seed(one).b) - beside;
        if (away >= best) continue;
        best = away;
        memcpy(dst, one, 32);
    }
}

static void *create(void *user, struct world *w, uint32_t index, vl_ms now) {
    struct sim_village *v = user;
    struct sim_node *n = calloc(1, sizeof *n);
    struct brain_config cfg = { .coordinator = index == 0,
                                .heartbeat_ms = v->cfg.heartbeat_ms,
                                .lost_ms = v->cfg.lost_ms,
                                .epoch_ms = v->cfg.epoch_ms,
                                .caps = { .cpus = 2,
                                          .slots = index == 0               ? 0
                                                   : index <= v->cfg.liars ? v->cfg.liar_slots
                                                                           : v->cfg.slots,
                                          .memory_bytes = 8ull << 30,
                                          .disk_bytes = 8ull << 30,
                                          .features = NODE_FEATURE_WASM } };
    snprintf(cfg.caps.domain[DOMAIN_SITE], LABEL_MAX, "site%u", index);
    snprintf(cfg.caps.domain[DOMAIN_OWNER], LABEL_MAX, "owner%u", index);
    cfg.snapshot_events = 100; /* often, so that crashes meet every mix of snapshot and log */
    struct crypto_sign_key root;
    struct vl_errmsg msg = { "" };
    (void)w;
    if (n == NULL) return NULL;
    *n = (struct sim_node){
        .v = v, .index = index, .disk = &v->disks[index], .commit_at = VL_MS_NEVER, .submit_at = VL_MS_NEVER,
        .charter_at = VL_MS_NEVER
    };
    vl_map_init(&n->parts, sizeof(struct vl_hash), 65536, 1);
    cfg.boot_epoch = ++n->disk->boots;
    identity_seed(v, index, cfg.sign_seed);
    sim_seed(v, index, 2, cfg.static_secret);
    sim_seed(v, index, 100 + cfg.boot_epoch, cfg.seed);
    snprintf(cfg.name, sizeof cfg.name, "node-%u", index);
    memcpy(cfg.root_seed, v->root_seed, sizeof cfg.root_seed);
    crypto_sign_key_from_seed(v->root_seed, &root);
    memcpy(cfg.ticket_village, village_id_of(root.public).b, 16);
    memcpy(cfg.ticket_secret, v->ticket, 16);
    snprintf(cfg.coordinator_addr, sizeof cfg.coordinator_addr, "%s", "node-0:1");
    sim_mix_config(v, index, &cfg);
    sim_owner_config(n, &cfg);
    sim_market_config(v, index, &cfg);
    sim_mix_start(n);
    if (brain_create(&cfg, now, &n->brain) || persist_restore(n->disk->store, n->brain, now, &msg)) {
        fprintf(stderr, "node %u cannot start: %s\n", index, msg.text);
        destroy(n);
        return NULL;
    }
    sim_acknowledged_kept(v, n);
    if (index == 0) sim_reputations_hold(v, n, now);
    brain_start(n->brain, now);
    brain_runner_ready(n->brain, now, NODE_FEATURE_WASM);
    if (index == 0) {
        if (membership_ticket_count(brain_members(n->brain)) == 0)
            brain_create_ticket(n->brain, now, 0, v->ticket, MEMBERSHIP_TICKET_USES_MAX, MEMBERSHIP_TICKET_TTL_MAX);
        if (v->cfg.mix && v->charters < v->cfg.mix_charters)
            n->charter_at = now + (v->charters == 0 ? 2000 : v->cfg.mix_charter_ms);
    }
    sim_owner_start(n, now);
    n->submit_at = submit_next(n, now);
    pump(n, now);
    return n;
}

static void on_conn(void *self, uint64_t conn, enum world_conn_event ev, uint32_t peer, vl_ms now) {
    struct sim_node *n = self;
    struct sim_conn *c = conn_by(n, conn, 0, 0);
    (void)peer;
    switch (ev) {
    case WORLD_ACCEPTED:
        c = conn_add(n, conn);
        if (c && brain_accept(n->brain, now, &c->conn)) {
            world_close(n->v->world, n->index, conn);
            conn_drop(n, c);
        }
        break;
    case WORLD_DIALED:
        if (c && brain_dialled(n->brain, now, c->dial, &c->conn)) {
            world_close(n->v->world, n->index, conn);
            conn_drop(n, c);
        }
        break;
    case WORLD_CLOSED:
        if (c == NULL) break;
        uint32_t number = c->conn, dialled = c->dial;
        conn_drop(n, c);
        if (number)
            brain_conn_lost(n->brain, number, now);
        else
            brain_dial_failed(n->brain, now, dialled);
        break;
    }
    pump(n, now);
}

static void on_bytes(void *self, uint64_t conn, struct vl_span bytes, vl_ms now) {
    struct sim_node *n = self;
    struct sim_conn *c = conn_by(n, conn, 0, 0);
    if (c && c->conn && brain_input(n->brain, c->conn, now, bytes.p, bytes.n)) {
        c = conn_by(n, conn, 0, 0);
        uint32_t number = c ? c->conn : 0;
        pump(n, now); /* a last word may wait: the reason */
        c = conn_by(n, conn, 0, 0);
        if (c) {
            world_close(n->v->world, n->index, conn);
            conn_drop(n, c);
            brain_conn_lost(n->brain, number, now);
        }
    }
    pump(n, now);
}

static void step(void *self, vl_ms now) {
    struct sim_node *n = self;
    if (n->commit_at <= now) {
        n->commit_at = VL_MS_NEVER;
        store_mem_sync(n->disk->store, SIZE_MAX);
        store_poll(n->disk->store);
    }
    if (n->charter_at <= now) sim_mix_charter(n, now);
    if (n->submit_at <= now) submit(n, now);
    for (struct sim_run **at = &n->runs; *at;) {
        struct sim_run *r = *at;
        if (r->at > now || n->frozen_at != 0) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        run_end(n, r, now);
        run_free(r);
        pump(n, now);
        at = &n->runs; /* the list may have changed */
    }
    if (n->owner_at <= now) sim_owner_step(n, now);
    if (brain_deadline(n->brain) <= now) brain_tick(n->brain, now);
    pump(n, now);
}

static vl_ms deadline(void *self) {
    struct sim_node *n = self;
    vl_ms at = vl_ms_min(brain_deadline(n->brain), vl_ms_min(n->commit_at, n->submit_at));
    at = vl_ms_min(at, vl_ms_min(n->charter_at, n->owner_at));
    for (struct sim_run *r = n->runs; r && n->frozen_at == 0; r = r->next) at = vl_ms_min(at, r->at);
    return at;
}

/* ---- the village
 * ---------------------------------------------------------------------------------------------------------------------
 */

enum vl_err sim_village_create(const struct sim_village_cfg *cfg, struct sim_village **ret) {
    static const struct world_node_ops ops = { .create = create,
                                               .on_conn = on_conn,
                                               .on_bytes = on_bytes,
                                               .step = step,
                                               .deadline = deadline,
                                               .destroy = destroy };
    struct sim_village *v = calloc(1, sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    v->cfg = *cfg;
    v->cfg.world.ops = &ops;
    v->cfg.world.user = v;
    v->cfg.world.check = check;
    sim_seed(v, UINT32_MAX, 3, v->root_seed);
    memcpy(v->ticket, v->root_seed + 8, sizeof v->ticket);
    v->ids = calloc(cfg->world.nodes, sizeof *v->ids);
    v->disks = calloc(cfg->world.nodes, sizeof *v->disks);
    v->jobs = calloc(cfg->jobs_max + 1, sizeof *v->jobs);
    v->epochs = calloc(SIM_EPOCHS, sizeof *v->epochs);
    v->done_epoch = calloc(((size_t)cfg->jobs_max + 1) * cfg->tasks_max, sizeof *v->done_epoch);
    enum vl_err err = v->ids && v->disks && v->jobs && v->done_epoch && v->epochs ? VL_OK : VL_ENOMEM;
    for (uint32_t i = 0; err == VL_OK && i < cfg->world.nodes; i++) {
        uint8_t seed[32];
        struct crypto_sign_key key;
        identity_seed(v, i, seed);
        crypto_sign_key_from_seed(seed, &key);
        v->ids[i] = crypto_sign_node_id(&key);
        vl_map_init(&v->disks[i].blobs, sizeof(struct vl_hash), 1u << 20, 1);
        for (unsigned k = 0; k < SIM_VOTES; k++) vl_buf_init(&v->disks[i].votes[k], 1u << 20);
        err = store_mem_open(&v->disks[i].store);
        if (err == VL_OK) store_mem_set_manual(v->disks[i].store, true);
    }
    if (err == VL_OK) err = world_create(&v->cfg.world, &v->world);
    if (err) {
        sim_village_destroy(v);
        return err;
    }
    *ret = v;
    return VL_OK;
}

void sim_village_destroy(struct sim_village *v) {
    if (v == NULL) return;
    world_destroy(v->world);
    for (uint32_t i = 0; v->disks && i < v->cfg.world.nodes; i++) {
        store_close(v->disks[i].store);
        sim_mix_disk_free(&v->disks[i]);
        blobs_free(&v->disks[i].blobs);
    }
    free(v->disks);
    free(v->ids);
    free(v->jobs);
    free(v->epochs);
    free(v->done_epoch);
    free(v);
}

struct world *sim_village_world(struct sim_village *v) {
    return v->world;
}

const struct brain *sim_village_coordinator(const struct sim_village *v) {
    const struct sim_node *n = world_node(v->world, 0);
    return n ? n->brain : NULL;
}

struct brain *sim_village_brain(const struct sim_village *v, uint32_t node) {
    const struct sim_node *n = world_node(v->world, node);
    return n ? n->brain : NULL;
}

struct vl_node_id sim_village_id(const struct sim_village *v, uint32_t node) { return v->ids[node]; }

void sim_village_stats(struct sim_village *v, struct sim_village_stats *ret) {
    *ret = v->stats;
    ret->events = world_events(v->world);
}

bool sim_village_settled(void *user, struct world *w) {
    struct sim_village *v = user;
    (void)w;
    if (v->cfg.submit_every_ms && v->stats.submitted < v->cfg.jobs_max) return false;
    for (uint32_t i = 0; i < v->stats.submitted; i++)
        if (v->jobs[i].acknowledged && !v->jobs[i].ended) return false;
    return v->stats.members + 1 >= v->cfg.world.nodes && sim_mix_linked(v) && sim_market_settled(v);
}
