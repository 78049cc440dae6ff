/* The node itself: pump between the brain and its shells, timers, commands, and the crash-only rebuild. */
#include "node/node.h"

#include "node/priv.h"

#include "crypto/node_id.h"
#include "crypto/random.h"
#include "net/htx.h"
#include "os/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vl_ms node_now(struct node *n) { return os_clock_now(&n->clock); }

void node_fail(struct node *n, enum vl_err err, const char *why) {
    vl_log(n->cfg.log, node_now(n), VL_ERROR, why, VL_S("error", vl_err_text(err)));
    if (n->hooks.failed) n->hooks.failed(n->hooks.daemon, err, why);
}

/* ---- commands and their replies --------------------------------------------------------------------------------- */

static uint64_t waiter_add(struct node *n, node_done_fn done, void *arg) {
    struct waiter *w = malloc(sizeof *w);
    uint64_t token = ++n->next_token;
    if (w == NULL) return 0;
    *w = (struct waiter){ .done = done, .arg = arg };
    if (vl_map_put(&n->waiting, &token, w)) {
        free(w);
        return 0;
    }
    return token;
}

static void waiter_answer(struct node *n, uint64_t token, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct waiter *w = vl_map_del(&n->waiting, &token);
    if (w == NULL) return;
    struct waiter copy = *w;
    free(w);
    copy.done(copy.arg, err, detail, bytes);
}

void node_waiters_fail(struct node *n, enum vl_err err, const char *why) {
    for (;;) {
        size_t it = 0;
        const void *key;
        uint64_t token;
        if (vl_map_next(&n->waiting, &it, &key) == NULL) return;
        memcpy(&token, key, sizeof token);
        waiter_answer(n, token, err, why, (struct vl_span){ 0 });
    }
}

struct late { /* a refusal that must not come from within the call */
    uv_timer_t timer;
    struct node *node;
    struct waiter w;
    enum vl_err err;
};

static void late_closed(uv_handle_t *h) {
    struct late *l = h->data;
    struct node *n = l->node;
    free(l);
    node_handle_closed(n);
}

static void late_fire(uv_timer_t *t) {
    struct late *l = t->data;
    l->w.done(l->w.arg, l->err,
              l->err == VL_ENOSPC ? "the data directory is full: free some space and try again" : NULL,
              (struct vl_span){ 0 });
    uv_close((uv_handle_t *)t, late_closed);
}

static void refuse_later(struct node *n, enum vl_err err, node_done_fn done, void *arg) {
    struct late *l = calloc(1, sizeof *l);
    if (l == NULL || uv_timer_init(n->loop, &l->timer) != 0) {
        free(l);
        done(arg, VL_ENOMEM, NULL, (struct vl_span){ 0 });
        return;
    }
    *l = (struct late){ .timer = l->timer, .node = n, .w = { .done = done, .arg = arg }, .err = err };
    l->timer.data = l;
    n->handles++;
    uv_timer_start(&l->timer, late_fire, 0, 0);
}

/* 0: refused, and `done` will be told. */
static uint64_t command(struct node *n, node_done_fn done, void *arg) {
    enum vl_err err = n->stopping ? VL_ECLOSED : n->health;
    if (err == VL_OK && store_room(n->store) == 0) err = VL_EAGAIN;
    uint64_t token = err ? 0 : waiter_add(n, done, arg);
    if (token == 0) refuse_later(n, err ? err : VL_ELIMIT, done, arg);
    return token;
}

void node_submit_job(struct node *n, struct vl_job_id id, const struct job_spec *spec,
                     const struct record_answer *answer, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg), size = 0;
    if (token == 0) return;
    if (spec->kind == TASK_WASM && node_blob_size(n, spec->program, &size)) size = 0; /* found missing when it is sent */
    brain_submit_job(n->brain, node_now(n), token, id, spec, size, answer);
    node_pump(n);
}

void node_auction_open(struct node *n, const struct market_order *order, struct vl_job_id id, const struct job_spec *spec,
                       node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_auction_open(n->brain, node_now(n), token, order, id, spec);
    node_pump(n);
}

void node_auction_cancel(struct node *n, struct vl_hash auction, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_auction_cancel(n->brain, node_now(n), token, auction);
    node_pump(n);
}

void node_measure(struct node *n, struct vl_node_id id, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_measure(n->brain, node_now(n), token, id);
    node_pump(n);
}

void node_attest_now(struct node *n, struct vl_node_id id, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_attest_now(n->brain, node_now(n), token, id);
    node_pump(n);
}

void node_cancel_job(struct node *n, struct vl_job_id id, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_cancel_job(n->brain, node_now(n), token, id);
    node_pump(n);
}

void node_expel(struct node *n, struct vl_node_id id, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_expel(n->brain, node_now(n), token, id);
    node_pump(n);
}

void node_revoke_key(struct node *n, struct vl_node_id id, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_revoke_key(n->brain, node_now(n), token, id);
    node_pump(n);
}

void node_rotate(struct node *n, node_done_fn done, void *arg) {
    struct vl_errmsg msg = { "" };
    const char *why;
    enum vl_err err = n->brain && brain_rotate_check(n->brain, &why) == VL_OK ? keys_next(n, &msg) : VL_OK;
    if (err) {
        vl_log(n->cfg.log, node_now(n), VL_ERROR, "the keys cannot be replaced", VL_S("detail", msg.text));
        refuse_later(n, err, done, arg);
        return;
    }
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_rotate(n->brain, node_now(n), token, n->keyfile.keys.next_seed, n->keyfile.keys.next_secret);
    node_pump(n);
}

void node_maintenance(struct node *n, struct vl_node_id id, bool on, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_maintenance(n->brain, node_now(n), token, id, on);
    node_pump(n);
}

void node_store_answer(struct node *n, const struct record_answer *answer, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_store_answer(n->brain, node_now(n), token, answer);
    node_pump(n);
}

enum vl_err node_mix_level(struct node *n, enum mix_level level, uint16_t *ret_mean_ms, struct vl_errmsg *msg) {
    return brain_mix_level(n->brain, node_now(n), level, ret_mean_ms, msg);
}

size_t node_mix_hand(struct node *n, uint32_t first, const uint8_t *packets, size_t count) {
    size_t done = brain_mix_hand(n->brain, node_now(n), first, packets, count);
    node_pump(n);
    return done;
}

void node_mix_ping(struct node *n, struct vl_node_id to, enum mix_level level, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_mix_ping(n->brain, node_now(n), token, to, level);
    node_pump(n);
}

void node_log_head(struct node *n, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_log_head(n->brain, node_now(n), token);
    node_pump(n);
}

void node_keep(struct node *n, struct vl_hash blob, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_keep(n->brain, node_now(n), token, blob);
    node_pump(n);
}

void node_proof_parts(struct node *n, uint64_t index, struct vl_node_id worker, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_proof_parts(n->brain, node_now(n), token, index, worker);
    node_pump(n);
}

void node_mix_charter(struct node *n, const struct mix_charter *wanted, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_mix_charter(n->brain, node_now(n), token, wanted);
    node_pump(n);
}

void node_harvest_policy(struct node *n, const struct harvest_policy *p, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_harvest_policy(n->brain, node_now(n), token, p);
    node_pump(n);
}

void node_harvest_pause(struct node *n, bool pause, vl_ms duration, node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_harvest_pause(n->brain, node_now(n), token, pause, duration);
    node_pump(n);
}

void node_revoke_ticket(struct node *n, const uint8_t id[8], node_done_fn done, void *arg) {
    uint64_t token = command(n, done, arg);
    if (token == 0) return;
    brain_revoke_ticket(n->brain, node_now(n), token, id);
    node_pump(n);
}

enum vl_err node_create_ticket(struct node *n, uint32_t uses, vl_ms ttl_ms, char ret[TICKET_TEXT], node_done_fn done,
                               void *arg) {
    struct ticket t = { 0 };
    char addr[VL_ADDR_MAX];
    if (!n->coordinator) return VL_EUNSUPPORTED;
    if (n->cfg.advertise)
        snprintf(addr, sizeof addr, "%s", n->cfg.advertise);
    else
        os_reachable_address(n->addr, addr);
    enum vl_err err = ticket_address_parse(addr, &t.address);
    brain_village_id(n->brain, t.village.b);
    crypto_random(t.secret, sizeof t.secret);
    if (err == VL_OK) err = ticket_encode(&t, ret);
    uint64_t token = err ? 0 : command(n, done, arg);
    if (token) {
        brain_create_ticket(n->brain, node_now(n), token, t.secret, uses, ttl_ms);
        node_pump(n);
    }
    crypto_wipe(&t, sizeof t);
    return err;
}

/* ---- the store ----------------------------------------------------------------------------------------------------
 */

struct commit {
    struct node *node;
    uint64_t seq;
    uint32_t generation;
};

static void committed(void *arg, const struct store_result *r) {
    struct commit *c = arg;
    struct node *n = c->node;
    if (c->generation == n->generation && n->brain) {
        if (r->err == VL_OK) {
            n->health = VL_OK;
            brain_committed(n->brain, node_now(n), c->seq);
        } else { /* memory is ahead of the disk now: go back to what the disk says */
            n->stats.store_failures++;
            n->health = r->err;
            n->rebuild = true;
        }
    }
    free(c);
}

static void commit(struct node *n, const struct brain_effect *e) {
    struct commit *c = malloc(sizeof *c);
    struct store_batch *batch = persist_batch(e->records, e->records_n);
    if (c) *c = (struct commit){ .node = n, .seq = e->seq, .generation = n->generation };
    enum vl_err err = c ? store_submit(n->store, batch, committed, c) : VL_ENOMEM;
    if (c == NULL) store_batch_destroy(batch);
    if (err == VL_OK) return;
    free(c);
    n->stats.store_failures++;
    n->rebuild = true;
    vl_log(n->cfg.log, node_now(n), VL_ERROR, "the store took no more", VL_S("error", vl_err_text(err)));
}

/* ---- effects ------------------------------------------------------------------------------------------------------
 */

static void note(struct node *n, const struct brain_effect *e) {
    char id[NODE_ID_TEXT];
    node_id_format(e->node, id);
    vl_log(n->cfg.log, node_now(n), e->err ? VL_WARN : VL_INFO, e->detail ? e->detail : "note", VL_S("node", id),
           VL_S("error", e->err ? vl_err_text(e->err) : ""));
}

struct persist_tiles *node_tiles(struct node *n) {
    if (n->tiles == NULL) n->tiles = persist_tiles_create();
    return n->tiles;
}

static void log_prove(struct node *n, struct vl_node_id node, uint64_t first, uint64_t second) {
    struct vl_hash proof[MERKLE_PROOF_MAX + 1];
    uint32_t k = 0;
    enum vl_err err = persist_log_prove(n->store, node_tiles(n), n->brain, first, second, proof, &k);
    brain_log_proved(n->brain, node_now(n), node, first, second, err, proof, k);
}

static void effect(struct node *n, const struct brain_effect *e) {
    switch (e->kind) {
    case BRAIN_COMMIT:
        commit(n, e);
        return;
    case BRAIN_DIAL:
        net_dial(n, e->dial, e->addr);
        return;
    case BRAIN_CONN_CLOSE:
        net_conn_close(n, e->conn);
        return;
    case BRAIN_TASK_RUN:
        runner_run(n, e->task, e->assignment);
        return;
    case BRAIN_TASK_KILL:
        runner_kill(n, e->task);
        return;
    case BRAIN_BLOB_FIND:
        blob_find(n, e->hash);
        return;
    case BRAIN_BLOB_READ:
        blob_read(n, e->req, e->hash, e->offset, e->length);
        return;
    case BRAIN_BLOB_WRITE:
        blob_write(n, e->hash, e->offset, e->bytes);
        return;
    case BRAIN_BLOB_VERIFY:
        blob_verify(n, e->hash, e->length);
        return;
    case BRAIN_BLOB_DISCARD:
        os_blob_discard(&n->blobs, &e->hash);
        return;
    case BRAIN_REPLY:
        waiter_answer(n, e->token, e->err, e->detail, e->bytes);
        return;
    case BRAIN_JOB_CHANGED:
        tee_job_changed(n, e->job);
        if (n->hooks.job_changed) n->hooks.job_changed(n->hooks.arg, e->job);
        return;
    case BRAIN_TASK_CHANGED:
        if (n->hooks.task_changed) n->hooks.task_changed(n->hooks.arg, e->job, e->index);
        return;
    case BRAIN_NODE_CHANGED:
        if (n->hooks.node_changed) n->hooks.node_changed(n->hooks.arg, e->node);
        return;
    case BRAIN_JOINED:
        if (n->hooks.joined) n->hooks.joined(n->hooks.daemon);
        return;
    case BRAIN_REFUSED:
        if (n->hooks.refused) n->hooks.refused(n->hooks.daemon, e->err, e->detail);
        return;
    case BRAIN_NOTE:
        note(n, e);
        return;
    case BRAIN_MIX_KEY:
        mix_key(n, e->seq, e->index, e->length);
        return;
    case BRAIN_MIX_KEY_DROP:
        mix_key_drop(n, e->seq, e->index);
        return;
    case BRAIN_LOG_PROVE:
        log_prove(n, e->node, e->offset, e->length);
        return;
    case BRAIN_PLAN:
        plan_batch(n, e->plan);
        return;
    case BRAIN_MIX_BATCH:
        mix_batch(n, e->batch);
        return;
    case BRAIN_TEE_QUOTE:
        tee_quote(n, e);
        return;
    case BRAIN_TEE_ACTIVATE:
        tee_activate(n, e);
        return;
    case BRAIN_ATTEST:
        attest_batch(n, e->attest);
        return;
    case BRAIN_CHAIN_ASK:
        chain_ask(n, e->bytes);
        return;
    case BRAIN_ROTATE:
        keys_verdict(n, e);
        return;
    case BRAIN_HARVEST:
        harvest_order(n, e->index, e->length);
        return;
    }
}

/* Drops the brain with its links and builds it again from the store, as a restart of the process would. */
static void reopen(struct node *n, enum vl_err err, const char *why) {
    struct brain *old = n->brain;
    n->generation++;
    mix_wait(n);
    n->brain = NULL;
    net_forget(n);
    net_drop_all(n);
    for (struct runner_job *j = n->jobs; j; j = j->next) {
        if (!j->working) runner_kill(n, j->task);
        j->task = UINT64_MAX; /* nobody waits for it any more */
    }
    brain_destroy(old);
    mix_close(n);
    store_flush(n->store);
    struct vl_errmsg msg = { "" };
    enum vl_err opened = node_brain_open(n, &msg);
    node_waiters_fail(n, err, why); /* only now: who is told so may read from the brain */
    if (opened) node_fail(n, opened, msg.text);
}

/* The brain's memory is worth nothing once a commit failed. */
static void rebuild(struct node *n) {
    n->rebuild = false;
    enum vl_err why = n->health ? n->health : VL_ENOMEM;
    vl_log(n->cfg.log, node_now(n), VL_ERROR, "a commit failed: going back to what is stored",
           VL_S("error", vl_err_text(why)));
    reopen(n, why, "the data directory cannot be written; nothing was stored");
}

static void rotate(struct node *n) {
    n->rotate = false;
    if (!keys_swap(n)) return;
    tee_rekey(n);
    reopen(n, VL_EAGAIN, "this node's keys were replaced just now: look whether it was done, and try again");
}

static void deadline_fired(uv_timer_t *t);

static void rearm(struct node *n) {
    vl_ms at = vl_ms_min(brain_deadline(n->brain), n->runner_restart_at), now = node_now(n);
    if (at == VL_MS_NEVER)
        uv_timer_stop(&n->timer);
    else
        uv_timer_start(&n->timer, deadline_fired, at > now ? at - now : 0, 0);
}

void node_pump(struct node *n) {
    struct brain_effect e;
    if (n->pumping || n->brain == NULL || n->stopping) return; /* the outermost call does it all */
    n->pumping = true;
    do {
        if (n->rebuild || brain_failed(n->brain)) rebuild(n);
        if (n->rotate && n->brain) rotate(n);
        if (n->brain == NULL) break;
        while (!n->rebuild && brain_next_effect(n->brain, &e)) effect(n, &e);
        if (!n->rebuild) net_flush(n);
    } while (n->rebuild || n->rotate || brain_pending(n->brain));
    if (n->brain) rearm(n);
    n->pumping = false;
}

static void deadline_fired(uv_timer_t *t) {
    struct node *n = t->data;
    vl_ms now = node_now(n);
    if (n->brain == NULL || n->stopping) return;
    if (n->runner_restart_at <= now && runner_start(n)) n->runner_restart_at = now + NODE_SLOW_MS;
    brain_tick(n->brain, now);
    node_pump(n);
}

void node_store_ready(uv_poll_t *p, int status, int events) {
    struct node *n = p->data;
    (void)status;
    (void)events;
    store_poll(n->store);
    node_pump(n);
}

void node_slow_fired(uv_timer_t *t) {
    struct node *n = t->data;
    if (n->brain == NULL || n->stopping) return;
    os_clock_follow(&n->clock);
    if (n->slow_ticks++ % NODE_TRIM_EVERY == 0) blob_trim(n);
    keys_look(n);
    os_machine_read(n->data_dir, &n->machine);
    brain_machine(n->brain, node_now(n), n->machine.load_milli, n->machine.disk_bytes);
    if (n->machine.disk_bytes < NODE_DISK_RESERVE / 4)
        n->health = VL_ENOSPC;
    else if (n->health == VL_ENOSPC && n->machine.disk_bytes > NODE_DISK_RESERVE / 2)
        n->health = VL_OK;
    struct store_batch *batch = store_batch_create();
    if (batch && n->health == VL_OK) {
        uint8_t now[8];
        vl_put_u64(now, node_now(n));
        persist_meta_put(batch, "clock", vl_span(now, sizeof now));
        persist_trim(batch, node_now(n));
        vl_ignore(store_submit(n->store, batch, NULL, NULL));
    } else {
        store_batch_destroy(batch);
    }
    node_pump(n);
}

/* ---- brain from the store -------------------------------------------------------------------------------------------
 */

enum vl_err node_brain_open(struct node *n, struct vl_errmsg *msg) {
    uint8_t epoch[8] = { 0 };
    size_t len = 0;
    enum vl_err err = keys_adopt(n, msg);
    if (err) return err;
    crypto_random(n->brain_cfg.seed, sizeof n->brain_cfg.seed);
    if (persist_meta_get(n->store, "boot", epoch, sizeof epoch, &len)) vl_put_u64(epoch, 0);
    /* Larger than any before: the clock covers a store that came back from an older backup, and rebuilds on a full
     * disk. */
    uint64_t least = vl_get_u64(epoch) + 1 + n->generation, clock = node_now(n);
    n->brain_cfg.boot_epoch = clock > least ? clock : least;
    err = brain_create(&n->brain_cfg, node_now(n), &n->brain);
    if (err) return vl_errmsg_set(msg, err, "cannot build the node: %s", vl_err_text(err));
    err = persist_restore(n->store, n->brain, node_now(n), msg);
    if (err) return err;
    struct store_batch *batch = store_batch_create();
    vl_put_u64(epoch, n->brain_cfg.boot_epoch);
    if (batch) persist_meta_put(batch, "boot", vl_span(epoch, sizeof epoch));
    if (n->health == VL_OK) {
        if ((err = store_submit(n->store, batch, NULL, NULL))) return err;
        store_flush(n->store); /* message ids of this boot must never come again */
    } else {
        store_batch_destroy(batch);
    }
    if (n->runner_ready) brain_runner_ready(n->brain, node_now(n), n->features);
    brain_start(n->brain, node_now(n));
    return VL_OK;
}
