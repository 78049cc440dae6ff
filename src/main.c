/* main.c - the program: hands the command line what it needs to start a node. The only file that sees every floor. */
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "gateway/assets.h"
#include "gateway/node_backend.h"
#include "node/capacity.h"
#include "node/chain_client.h"
#include "node/node.h"
#include "os/address.h"
#include "os/file.h"
#include "sandbox/request.h"
#include "sandbox/runner.h"
#include "trust/reputation.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DRAIN_MS 2000u
#define TOKEN_TEXT 53u /* 32 random bytes as base32 */

extern const unsigned char bench_wasm[]; /* examples/bench, embedded */
extern const size_t bench_wasm_n;
extern const unsigned char anchor_code[]; /* contracts/AnchorRegistry.sol, compiled */
extern const size_t anchor_code_n;
extern const struct asset web_assets[];
extern const size_t web_assets_n;

struct daemon {
    uv_loop_t loop;
    uv_signal_t interrupt, terminate, hangup;
    struct vl_log log;
    const struct cli_up_options *options;
    struct node *node;
    struct node_backend backend;
    struct gateway *gateway;
    char token[TOKEN_TEXT], url[VL_ADDR_MAX + 16];
    bool ending;
    int exit_code;
};

static void say(const struct daemon *d, enum vl_level level, const char *what, const char *detail) {
    struct daemon *m = (struct daemon *)d;
    vl_log(&m->log, d->node ? node_now(d->node) : 0, level, what, VL_S("detail", detail ? detail : ""));
}

/* ---- ending -------------------------------------------------------------------------------------------------------
 */

static void node_gone(void *arg) { ((struct daemon *)arg)->node = NULL; }

static void gateway_drained(void *arg) {
    struct daemon *d = arg;
    gateway_destroy(d->gateway);
    d->gateway = d->backend.gateway = NULL;
    if (d->node) node_stop(d->node, node_gone, d);
}

static void end(struct daemon *d, int code) {
    if (d->ending) return;
    d->ending = true;
    d->exit_code = code;
    uv_close((uv_handle_t *)&d->interrupt, NULL);
    uv_close((uv_handle_t *)&d->terminate, NULL);
    uv_close((uv_handle_t *)&d->hangup, NULL);
    if (d->gateway)
        gateway_drain(d->gateway, DRAIN_MS, gateway_drained, d);
    else if (d->node)
        node_stop(d->node, node_gone, d);
}

static void on_signal(uv_signal_t *s, int number) {
    struct daemon *d = s->data;
    say(d, VL_INFO, "stopping", number == SIGINT ? "interrupted" : "asked to stop");
    end(d, CLI_OK);
}

static void on_refused(void *arg, enum vl_err err, const char *why) {
    struct daemon *d = arg;
    fprintf(stderr, "village: the join was refused: %s\n", why ? why : vl_err_text(err));
    end(d, CLI_DENIED);
}

static void on_failed(void *arg, enum vl_err err, const char *why) {
    struct daemon *d = arg;
    fprintf(stderr, "village: cannot go on: %s (%s)\n", why ? why : "", vl_err_text(err));
    end(d, CLI_FAILED);
}

static void on_joined(void *arg) {
    struct daemon *d = arg;
    uint8_t village[16];
    char text[33];
    brain_village_id(node_brain(d->node), village);
    vl_hex_encode(village, sizeof village, text);
    say(d, VL_INFO, "joined the village", text);
}

/* ---- the gateway's token and where to find it -----------------------------------------------------------------------
 */

/* The token outlives restarts: whoever read gateway.json keeps working. */
static enum vl_err token_take(struct daemon *d, const char *dir, struct vl_errmsg *msg) {
    char path[512];
    struct vl_buf b;
    uint8_t raw[32];
    snprintf(path, sizeof path, "%s/gateway.token", dir);
    vl_buf_init(&b, TOKEN_TEXT);
    enum vl_err err = os_file_read(path, &b);
    if (err == VL_OK && b.len == TOKEN_TEXT - 1) {
        memcpy(d->token, b.p, b.len);
    } else if (err == VL_OK || err == VL_ENOTFOUND) {
        crypto_random(raw, sizeof raw);
        vl_base32_encode(raw, sizeof raw, d->token);
        err = os_file_write(path, d->token, TOKEN_TEXT - 1, 0600);
        crypto_wipe(raw, sizeof raw);
    }
    vl_buf_free(&b);
    return err ? vl_errmsg_set(msg, err, "cannot keep the token in %s: %s", path, vl_err_text(err)) : VL_OK;
}

static enum vl_err gateway_file(struct daemon *d, const char *dir, struct vl_errmsg *msg) {
    char path[512], json[512];
    snprintf(path, sizeof path, "%s/gateway.json", dir);
    int n = snprintf(json, sizeof json, "{\"url\":\"%s\",\"token\":\"%s\"}\n", d->url, d->token);
    enum vl_err err = os_file_write(path, json, (size_t)n, 0600);
    return err ? vl_errmsg_set(msg, err, "cannot write %s: %s", path, vl_err_text(err)) : VL_OK;
}

static enum vl_err gateway_start(struct daemon *d, struct vl_errmsg *msg) {
    const char *addr = d->options->gateway, *colon = strrchr(addr, ':');
    char host[VL_ADDR_MAX];
    size_t n = colon ? (size_t)(colon - addr) : 0;
    if (colon == NULL || n >= sizeof host)
        return vl_errmsg_set(msg, VL_EPARSE, "--gateway %s: write it as 127.0.0.1:8000", addr);
    bool v6 = addr[0] == '[';
    memcpy(host, addr + v6, n - 2u * v6);
    host[n - 2u * v6] = '\0';
    enum vl_err err = token_take(d, d->options->data_dir, msg);
    if (err) return err;
    char name[VL_NAME_MAX] = "", reachable[VL_ADDR_MAX];
    if (gethostname(name, sizeof name) != 0) name[0] = '\0';
    name[sizeof name - 1] = '\0';
    os_reachable_address(addr, reachable);
    char *end_of_host = strrchr(reachable, ':');
    if (end_of_host) *end_of_host = '\0';
    const char *const allowed[] = { host, reachable, name,
                                    NULL }; /* against DNS rebinding: names this machine is known by */
    struct gateway_config cfg = { .host = host,
                                  .port = (uint16_t)strtoul(colon + 1, NULL, 10),
                                  .token = d->token,
                                  .version = VILLAGE_VERSION,
                                  .allowed_hosts = allowed,
                                  .assets = web_assets,
                                  .assets_n = web_assets_n,
                                  .log = &d->log };
    struct backend backend = node_backend(&d->backend);
    err = gateway_create(&d->loop, &cfg, &backend, msg, &d->gateway);
    if (err) return err;
    d->backend.gateway = d->gateway;
    snprintf(d->url, sizeof d->url, "http://%.*s:%u", (int)n, addr, gateway_port(d->gateway));
    return gateway_file(d, d->options->data_dir, msg);
}

/* ---- up and join
 * ------------------------------------------------------------------------------------------------------ */

static void signals_start(struct daemon *d) {
    const struct {
        uv_signal_t *handle;
        int number;
    } all[] = { { &d->interrupt, SIGINT }, { &d->terminate, SIGTERM }, { &d->hangup, SIGHUP } };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        uv_signal_init(&d->loop, all[i].handle);
        all[i].handle->data = d;
        uv_signal_start(all[i].handle, on_signal, all[i].number);
    }
    signal(SIGPIPE, SIG_IGN);
}

static void first_ticket(void *arg, enum vl_err err, const char *detail, const struct view_ticket *v,
                         const char *text) {
    struct daemon *d = arg;
    (void)v;
    if (err) {
        say(d, VL_WARN, "no ticket could be made", detail);
        return;
    }
    printf("  join      village join %s\n            (one machine, within 24 hours; more with `village ticket`)\n",
           text);
    fflush(stdout);
}

static void announce(struct daemon *d) {
    char id[NODE_ID_TEXT];
    node_id_format(brain_node_id(node_brain(d->node)), id);
    printf("village %s is up\n  node      %s (%s)\n  links     %s\n", VILLAGE_VERSION, node_name(d->node), id,
           node_addr(d->node));
    if (d->gateway) {
        printf("  gateway   %s\n  dashboard %s/#token=%s\n", d->url, d->url, d->token);
        struct backend b = node_backend(&d->backend);
        if (node_is_coordinator(d->node) && b.ops->ticket_create(b.self, 1, 86400, first_ticket, d))
            printf("  join      no ticket: this address cannot be told to others; see --advertise\n");
    }
    fflush(stdout);
}

static int code_of(enum vl_err err) {
    return err == VL_EDENIED                                           ? CLI_DENIED
           : err == VL_EPARSE || err == VL_ERANGE || err == VL_ECRYPTO ? CLI_USAGE
                                                                       : CLI_FAILED;
}

static int daemon_run(const struct cli_up_options *o) {
    struct daemon d = { .options = o, .log = { .fd = 2, .min = o->log_level, .form = o->log_form } };
    struct vl_errmsg msg = { "" };
    char host[VL_NAME_MAX] = "node";
    if (gethostname(host, sizeof host) == 0) host[sizeof host - 1] = '\0';
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files); /* one per link and per client */
    }
    if (crypto_init()) {
        fprintf(stderr, "village: the system has no source of randomness\n");
        return CLI_FAILED;
    }
    uv_loop_init(&d.loop);
    signals_start(&d);
    struct node_config cfg = { .data_dir = o->data_dir,
                               .name = o->name ? o->name : host,
                               .listen = o->listen,
                               .advertise = o->advertise,
                               .ticket = o->ticket && o->ticket[0] ? o->ticket : NULL,
                               .found = o->ticket == NULL,
                               .slots = o->slots,
                               .mix = o->mix,
                               .mix_rate = o->mix_rate,
                               .family = o->family,
                               .no_cover = o->no_cover,
                               .harvest = o->harvest,
                               .sensor_root = o->sensor_root,
                               .labels = o->labels,
                               .n_labels = o->n_labels,
                               .cost = o->cost,
                               .ask = o->ask,
                               .price_base = o->price,
                               .attest_policy = o->attest_policy,
                               .attest_dir = o->attest_dir,
                               .tpm = o->tpm,
                               .ek = o->ek_cert,
                               .qgs = o->qgs,
                               .device_root = o->device_root,
                               .bench = vl_span(bench_wasm, bench_wasm_n),
                               .heartbeat_ms = o->heartbeat_ms,
                               .lost_ms = o->lost_ms,
                               .epoch_ms = o->epoch_ms,
                               .rotate_after_ms = o->rotate_after_ms,
                               .keys = { .passphrase_file = o->passphrase_file,
                                         .tcti = o->key_tpm,
                                         .module = o->key_module,
                                         .pin_file = o->pin_file,
                                         .ask = true },
                               .log = &d.log };
    if (o->anchor.url) {
        cfg.anchor = (struct node_anchor){ .url = o->anchor.url,
                                           .plain = o->anchor.plain,
                                           .key_file = o->anchor.key_file,
                                           .chain = o->anchor.chain,
                                           .depth = o->anchor.depth,
                                           .every = o->anchor.every,
                                           .patience = o->anchor.patience,
                                           .fee_max = o->anchor.fee_max };
        memcpy(cfg.anchor.contract.b, o->anchor.contract, sizeof cfg.anchor.contract.b);
    }
    struct node_hooks hooks = { .arg = &d.backend,
                                .job_changed = node_backend_job_changed,
                                .task_changed = node_backend_task_changed,
                                .node_changed = node_backend_node_changed };
    hooks.daemon = &d;
    hooks.joined = on_joined;
    hooks.refused = on_refused;
    hooks.failed = on_failed;
    enum vl_err err = node_create(&d.loop, &cfg, &hooks, &d.node, &msg);
    d.backend.node = d.node;
    if (err == VL_OK && o->gateway) err = gateway_start(&d, &msg);
    if (err) {
        fprintf(stderr, "village: %s\n", msg.text[0] ? msg.text : vl_err_text(err));
        end(&d, code_of(err));
    } else {
        announce(&d);
    }
    uv_run(&d.loop, UV_RUN_DEFAULT);
    uv_loop_close(&d.loop);
    crypto_wipe(d.token, sizeof d.token);
    return d.exit_code;
}

/* ---- the runner
 * --------------------------------------------------------------------------------------------------------- */

static int runner_run_main(int argc, char **argv) {
    struct runner_config cfg = { 0 };
    int fd = -1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--fd") == 0) fd = (int)strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--work") == 0) cfg.work_dir = argv[i + 1];
        if (strcmp(argv[i], "--cache") == 0) cfg.cache_dir = argv[i + 1];
        if (strcmp(argv[i], "--slots") == 0) cfg.jobs_max = (uint32_t)strtoul(argv[i + 1], NULL, 10);
    }
    if (fd < 0 || cfg.work_dir == NULL || cfg.cache_dir == NULL) {
        fprintf(stderr, "village runner: started by a node only\n");
        return CLI_USAGE;
    }
    if (cfg.jobs_max > SANDBOX_JOBS_MAX) cfg.jobs_max = SANDBOX_JOBS_MAX;
    return runner_main(fd, &cfg);
}

static int capacity_run(struct cli_capacity *c, void (*progress)(void *arg, const char *text), void *arg,
                        char problem[256]) {
    struct node_capacity_options o = {
        .program = "/proc/self/exe", .rate = c->rate, .seconds = c->seconds, .progress = progress, .arg = arg
    };
    struct node_capacity got = { 0 };
    struct vl_errmsg msg = { "" };
    enum vl_err err = crypto_init();
    signal(SIGPIPE, SIG_IGN);
    if (err == VL_OK) err = node_capacity(&o, &got, &msg);
    snprintf(problem, 256, "%.255s", msg.text);
    *c = (struct cli_capacity){
        .rate = got.rate, .seconds = got.seconds, .sent = got.sent, .received = got.received, .cpu_us = got.cpu_us, .one_core = got.one_core
    };
    return err ? 1 : 0;
}

static atomic_bool chain_stop;

static void chain_interrupted(int number) {
    (void)number;
    atomic_store(&chain_stop, true);
}

static enum vl_err chain_do(struct cli_chain *c, const struct chain_account *account, struct chain_client *client, struct vl_errmsg *msg) {
    struct eth_address own = chain_account_address(account);
    struct chain_state s;
    struct chain_deployed d = { 0 };
    eth_address_format(&own, c->account);
    if (client == NULL) return VL_OK;
    enum vl_err err = chain_client_state(client, &s, msg);
    if (err) return err;
    c->is_chain = s.chain;
    c->nonce = s.nonce;
    c->balance_wei = s.balance;
    if (!c->deploy) return VL_OK;
    if (anchor_code_n < 2) return vl_errmsg_set(msg, VL_EUNSUPPORTED, "this program was built without npm, and so without the contract");
    err = chain_client_deploy(client, c->chain, vl_span(anchor_code, anchor_code_n), c->fee_max, c->wait_ms, &d, msg);
    if (err && err != VL_ETIMEOUT) return err;
    eth_address_format(&d.contract, c->contract);
    memcpy(c->tx, "0x", 2);
    vl_hex_encode(d.tx.b, sizeof d.tx.b, c->tx + 2);
    c->block = d.block;
    c->gas = d.gas;
    return err;
}

static int chain_run(struct cli_chain *c, char problem[256]) {
    struct chain_account *account = NULL;
    struct chain_client *client = NULL;
    struct vl_errmsg msg = { "" };
    signal(SIGINT, chain_interrupted);
    enum vl_err err = crypto_init();
    if (err == VL_OK) err = chain_account_open(c->key_file, true, &account, &msg);
    if (err == VL_OK && c->url) err = chain_client_open(c->url, c->plain, account, &chain_stop, &client, &msg);
    if (err == VL_OK) err = chain_do(c, account, client, &msg);
    chain_client_close(client);
    chain_account_close(account);
    snprintf(problem, 256, "%.255s", err == VL_OK || msg.text[0] ? msg.text : vl_err_text(err));
    return err ? 1 : 0;
}

static int reputation_run(struct cli_reputation *r, char problem[256]) {
    struct reputation_score s = { 0 };
    struct vl_node_id by = { 0 };
    struct vl_errmsg msg = { "" };
    enum vl_err err = crypto_init();
    if (err == VL_OK)
        err = reputation_check(vl_span(r->state, r->state_n), vl_span(r->records, r->records_n), r->base_milli, r->at_ms,
                               &s, &by, &msg);
    snprintf(problem, 256, "%.255s", msg.text[0] || err == VL_OK ? msg.text : vl_err_text(err));
    r->trust_ppm = s.trust_ppm;
    r->doubt_ppm = s.doubt_ppm;
    r->error_ppm = s.error_ppm;
    memcpy(r->by, by.b, sizeof r->by);
    return err ? 1 : 0;
}

int main(int argc, char **argv) {
    static const struct cli_hooks hooks = { .up = daemon_run,
                                            .join = daemon_run,
                                            .runner = runner_run_main,
                                            .capacity = capacity_run,
                                            .chain = chain_run,
                                            .reputation = reputation_run };
    setenv("TSS2_LOG", "all+none", 0); /* tpm2-tss writes to standard error what we say in our own words; before any thread */
    return cli_main(argc, argv, &hooks);
}
