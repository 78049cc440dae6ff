/* Opening and stopping a node: its directory, keys, role, store, handles. */
#include "node/priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "net/htx.h"
#include "os/address.h"
#include "os/file.h"
#include "store/sqlite.h"
#include "trust/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* node.keys: a file of mode 0600 beside the store, not in it: backups of the store carry no keys. */
static enum vl_err keys_make(struct node *n, const char *path, struct vl_errmsg *msg) {
    struct keyfile f = { .keys = { .coordinator = n->cfg.found, .since_ms = os_clock_now(&n->clock) } };
    crypto_random(f.keys.sign_seed, sizeof f.keys.sign_seed);
    crypto_random(f.keys.link_secret, sizeof f.keys.link_secret);
    if (n->cfg.found) crypto_random(f.keys.root_seed, sizeof f.keys.root_seed);
    enum vl_err err = keyfile_write(path, &f, msg);
    if (err == VL_OK) n->keyfile = f;
    keyfile_wipe(&f);
    return err;
}

static enum vl_err keys_load(struct node *n, struct vl_errmsg *msg) {
    char path[512];
    snprintf(path, sizeof path, "%s/node.keys", n->data_dir);
    enum vl_err err = keyfile_read(path, &n->cfg.keys, &n->keyfile, msg);
    if (err == VL_ENOTFOUND && access(path, F_OK) != 0) err = keys_make(n, path, msg);
    if (err) return err;
    if (n->keyfile.keys.coordinator && !n->cfg.found)
        return vl_errmsg_set(msg, VL_ESTATE,
                             "%s belongs to the first node of a village: start it with `village up`, or join "
                             "with another --data",
                             n->data_dir);
    n->coordinator = n->keyfile.keys.coordinator;
    return VL_OK;
}

static enum vl_err ticket_take(struct node *n, struct vl_errmsg *msg) {
    struct ticket t;
    uint8_t identity[4096];
    size_t len = 0;
    bool joined = persist_meta_get(n->store, "identity", identity, sizeof identity, &len) == VL_OK;
    if (n->coordinator || joined) return VL_OK; /* a ticket given again does no harm */
    if (n->cfg.ticket == NULL)
        return vl_errmsg_set(msg, VL_ESTATE, "this node has not joined a village yet: run `village join TICKET`");
    enum vl_err err = ticket_decode(n->cfg.ticket, &t);
    if (err) return vl_errmsg_set(msg, err, "%s", ticket_problem(err));
    memcpy(n->brain_cfg.ticket_village, t.village.b, sizeof t.village.b);
    memcpy(n->brain_cfg.ticket_secret, t.secret, sizeof t.secret);
    ticket_address_format(&t.address, n->brain_cfg.coordinator_addr);
    crypto_wipe(&t, sizeof t);
    return VL_OK;
}

static enum vl_err config_take(struct node *n, const struct node_config *cfg, struct vl_errmsg *msg) {
    n->cfg = *cfg;
    if (n->cfg.cache_bytes == 0) n->cfg.cache_bytes = NODE_CACHE_BYTES;
    if (strlen(cfg->data_dir) >= sizeof n->data_dir - 32)
        return vl_errmsg_set(msg, VL_ERANGE, "--data: the path is too long");
    if (cfg->name[0] == '\0' || strlen(cfg->name) >= sizeof n->name)
        return vl_errmsg_set(msg, VL_ERANGE, "--name: 1 to %u bytes", VL_NAME_MAX - 1);
    enum vl_err err = os_mkdir_all(cfg->data_dir, 0700);
    if (err) return vl_errmsg_set(msg, err, "cannot make the data directory %s: %s", cfg->data_dir, vl_err_text(err));
    char *real = realpath(cfg->data_dir, NULL); /* the runner needs absolute paths */
    if (real == NULL || strlen(real) >= sizeof n->data_dir - 32) {
        free(real);
        return vl_errmsg_set(msg, VL_ERANGE, "--data: the path is too long");
    }
    snprintf(n->data_dir, sizeof n->data_dir, "%s", real);
    free(real);
    snprintf(n->name, sizeof n->name, "%s", cfg->name);
    n->cfg.data_dir = n->data_dir;
    n->cfg.name = n->name;
    return VL_OK;
}

static enum vl_err store_take(struct node *n, struct vl_errmsg *msg) {
    char dir[512];
    uint8_t clock[8] = { 0 };
    size_t len = 0;
    snprintf(dir, sizeof dir, "%s/store", n->data_dir);
    enum vl_err err = store_sqlite_open(dir, &n->store, msg);
    if (err) return err;
    if (persist_meta_get(n->store, "clock", clock, sizeof clock, &len) == VL_OK && len == sizeof clock)
        os_clock_start(&n->clock, vl_get_u64(clock));
    snprintf(dir, sizeof dir, "%s/blobs", n->data_dir);
    err = os_blob_dir_open(&n->blobs, dir);
    return err ? vl_errmsg_set(msg, err, "cannot open %s: %s", dir, vl_err_text(err)) : VL_OK;
}

static void mix_config_fill(struct node *n) {
    struct brain_mix_config *m = &n->brain_cfg.mix;
    uint32_t rate = n->cfg.mix_rate ? n->cfg.mix_rate : NODE_MIX_RATE;
    *m = brain_mix_config_default();
    m->relay = n->cfg.mix;
    /* one link may bring all: in a small village most comes from a few neighbours */
    m->bandwidth = m->limits.rate = m->limits.link_rate = rate;
    m->limits.burst = m->limits.link_burst = rate / 4 + 64;
    /* room for what comes within ten seconds, which is the longest mean delay (MIX_DELAYS_DEFAULT) and six sigma */
    m->limits.packets = rate < 400 ? 4096 : rate > 100000 ? RELAY_PACKETS_MAX : rate * 10;
    if (m->limits.ingress > m->limits.packets) m->limits.ingress = m->limits.packets;
    if (n->cfg.family && n->cfg.family[0])
        crypto_blake2b_keyed(vl_span_str(n->cfg.family), (struct vl_span){ 0 }, "village-family\0\0", m->family,
                             sizeof m->family);
    if (n->cfg.no_cover) m->cover = (struct cover_rates){ 0 };
    if (n->cfg.advertise)
        snprintf(m->addr, sizeof m->addr, "%s", n->cfg.advertise);
    else
        os_reachable_address(n->addr, m->addr);
}

static void brain_config_fill(struct node *n) {
    struct brain_config *c = &n->brain_cfg;
    os_machine_read(n->data_dir, &n->machine);
    keys_config(n);
    snprintf(c->name, sizeof c->name, "%s", n->name);
    snprintf(c->addr, sizeof c->addr, "%s", n->addr);
    c->coordinator = n->coordinator;
    c->heartbeat_ms = n->cfg.heartbeat_ms;
    c->harvest = n->cfg.harvest;
    c->lost_ms = n->cfg.lost_ms;
    c->epoch_ms = n->cfg.epoch_ms;
    uint32_t slots = n->cfg.slots == NODE_NO_SLOTS ? 0 : n->cfg.slots ? n->cfg.slots : n->machine.cpus;
    c->caps = (struct node_caps){ .cpus = n->machine.cpus,
                                  .slots = slots < BRAIN_SLOTS_MAX ? slots : BRAIN_SLOTS_MAX,
                                  .memory_bytes = n->machine.memory_bytes,
                                  .disk_bytes = n->machine.disk_bytes,
                                  .features = NODE_FEATURE_WASM | NODE_FEATURE_NATIVE };
    mix_config_fill(n);
    c->caps.cost = n->cfg.cost;
    c->caps.ask = n->cfg.ask;
    c->price_base = n->cfg.price_base;
    c->bench_program = n->cfg.bench;
    snprintf(c->caps.version, sizeof c->caps.version, "%s", VILLAGE_VERSION);
}

static enum vl_err handles_open(struct node *n) {
    if (uv_timer_init(n->loop, &n->timer) || uv_timer_init(n->loop, &n->slow)) return VL_ENOMEM;
    n->timer.data = n->slow.data = n->store_poll.data = n;
    n->handles += 2;
    if (uv_poll_init(n->loop, &n->store_poll, store_wake_fd(n->store))) return VL_ENOMEM;
    n->handles++;
    n->polling_store = true;
    uv_poll_start(&n->store_poll, UV_READABLE, node_store_ready);
    uv_timer_start(&n->slow, node_slow_fired, NODE_SLOW_MS, NODE_SLOW_MS);
    return VL_OK;
}

static void mark(void *arg) { *(bool *)arg = true; }

enum vl_err node_create(uv_loop_t *loop, const struct node_config *cfg, const struct node_hooks *hooks,
                        struct node **ret_node, struct vl_errmsg *msg) {
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    n->loop = loop;
    n->hooks = *hooks;
    n->runner_fd = -1;
    n->runner_restart_at = VL_MS_NEVER;
    n->cap_milli = 1000;
    n->waits_last = &n->waits;
    os_clock_start(&n->clock, 0);
    vl_map_init(&n->waiting, sizeof(uint64_t), NODE_WAITING_MAX, 0);
    vl_map_init(&n->by_conn, sizeof(uint32_t), VL_LINKS_MAX, 0);
    n->out_buffer = malloc(HTX_OUTPUT_GOOD);
    enum vl_err err = n->out_buffer ? config_take(n, cfg, msg) : VL_ENOMEM;
    if (err == VL_OK) err = store_take(n, msg);
    if (err == VL_OK) err = keys_load(n, msg); /* under the store's lock: `village keys` takes it, too */
    if (err == VL_OK) err = ticket_take(n, msg);
    if (err == VL_OK && cfg->listen) err = net_listen(n, cfg->listen, msg);
    n->started_ms = node_now(n);
    if (err == VL_OK) {
        brain_config_fill(n);
        err = node_labels_take(n, msg);
    }
    if (err == VL_OK) err = node_tees_open(n, msg);
    if (err == VL_OK) err = attest_open(n, msg);
    if (err == VL_OK) err = chain_open(n, msg);
    if (err == VL_OK) {
        err = handles_open(n);
    }
    if (err == VL_OK) err = node_brain_open(n, msg);
    if (err == VL_OK && (err = harvest_open(n))) vl_errmsg_set(msg, err, "the sensors of this machine cannot be watched: %s", vl_err_text(err));
    if (err == VL_OK && runner_start(n))
        vl_log(cfg->log, node_now(n), VL_ERROR, "the runner cannot be started",
               VL_S("effect", "this node takes no tasks"));
    if (err) {
        bool gone = false;
        node_stop(n, mark, &gone);
        while (!gone) uv_run(loop, UV_RUN_ONCE); /* only its handles have to close */
        return err;
    }
    node_pump(n);
    *ret_node = n;
    return VL_OK;
}

/* ---- stopping
 * -------------------------------------------------------------------------------------------------------- */

static void node_free(struct node *n) {
    void (*stopped)(void *) = n->stopped;
    void *arg = n->stopped_arg;
    brain_destroy(n->brain);
    attest_close(n);
    mix_close(n);
    chain_close(n);
    store_close(n->store);
    persist_tiles_destroy(n->tiles);
    n->tiles = NULL;
    vl_map_free(&n->waiting);
    vl_map_free(&n->by_conn);
    free(n->out_buffer);
    crypto_wipe(n, sizeof *n);
    free(n);
    if (stopped) stopped(arg);
}

void node_handle_closed(struct node *n) {
    if (--n->handles == 0 && n->stopping) node_free(n);
}

static void handle_closed(uv_handle_t *h) { node_handle_closed(h->data); }

static void close_handle(uv_handle_t *h) {
    if (h->data && !uv_is_closing(h)) uv_close(h, handle_closed);
}

void node_stop(struct node *n, void (*done)(void *arg), void *arg) {
    n->stopping = true;
    n->stopped = done;
    n->stopped_arg = arg;
    n->handles++; /* held by this function */
    mix_wait(n);
    net_close_all(n);
    runner_stop(n);
    harvest_close(n);
    chain_stop(n);
    close_handle((uv_handle_t *)&n->timer);
    close_handle((uv_handle_t *)&n->slow);
    if (n->polling_store) close_handle((uv_handle_t *)&n->store_poll);
    if (n->store) store_flush(n->store);
    node_waiters_fail(n, VL_ECLOSED, "this node is stopping: look whether it was done once it runs again");
    node_handle_closed(n);
}

/* ---- what others read
 * -------------------------------------------------------------------------------------------------- */

bool node_is_coordinator(const struct node *n) { return n->coordinator; }
struct store *node_store(const struct node *n) {
    return n->store;
}
const struct brain *node_brain(const struct node *n) { return n->brain; }
vl_ms node_started(const struct node *n) { return n->started_ms; }
const char *node_name(const struct node *n) { return n->name; }
const char *node_addr(const struct node *n) { return n->addr; }
enum vl_err node_health(const struct node *n) { return n->health; }

void node_stats(const struct node *n, struct node_stats *ret) {
    *ret = n->stats;
    ret->links = n->conns_n;
    if (n->brain) brain_counters(n->brain, &ret->brain);
}
