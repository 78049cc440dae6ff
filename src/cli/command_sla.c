#include "cli/command_sla.h"

#include "base/text.h"
#include "cli/artefact.h"
#include "cli/units.h"
#include "cli/zk_files.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "trust/sla.h"
#include "trust/verify.h"
#include "wire/armor.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *path_of(const char *name, const char *suffix, char dst[CLI_PATH_MAX]) {
    (void)snprintf(dst, CLI_PATH_MAX, "%s.%s", name, suffix);
    return dst;
}

/* ---- the coordinator signs ---------------------------------------------------------------------------------------------- */

static int counters_of(struct cli *cli, const char *id, struct sla_counters *n, uint8_t cert[CERT_BYTES_MAX], size_t *cert_n) {
    char path[160];
    json_t *a = NULL;
    snprintf(path, sizeof path, "/v1/fog/nodes/%s/service", id);
    int code = cli_call(cli, "GET", path, NULL, &a);
    if (code != CLI_OK) return code;
    *n = (struct sla_counters){ .answered = json_count(a, "answered", 0), .asked = json_count(a, "asked", 0), .epochs = json_count(a, "epochs", 0),
                                .stored = json_count(a, "stored", 0), .latency_ms = json_count(a, "latency_ms", 0),
                                .first_epoch = json_count(a, "first_epoch", 0), .last_epoch = json_count(a, "last_epoch", 0) };
    enum vl_err err = vl_base64_decode(json_text(a, "certificate", "!"), cert, CERT_BYTES_MAX, cert_n);
    json_decref(a);
    return err ? cli_fail(cli, CLI_FAILED, "the gateway shows no certificate of its node") : CLI_OK;
}

/* The same file as `village zk issue` writes. */
static int opening_write(struct cli *cli, const struct zk_credential *c, const uint64_t *value, const uint8_t (*blind)[32], const char *path) {
    json_t *attrs = json_object();
    for (unsigned i = 0; i < c->n; i++) {
        char hex[65], digits[24];
        vl_hex_encode(blind[i], 32, hex);
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)value[i]);
        json_object_set_new(attrs, c->attr[i].name, json_pack("{s:s,s:s}", "value", digits, "blind", hex));
        crypto_wipe(hex, sizeof hex);
    }
    json_t *all = json_pack("{s:o}", "attributes", attrs);
    char *text = json_dumps(all, JSON_INDENT(1));
    int code = text ? zk_file_write(cli, path, vl_span_str(text), 0600) : cli_fail(cli, CLI_FAILED, "out of memory");
    if (text) crypto_wipe(text, strlen(text));
    free(text);
    json_decref(all);
    return code;
}

static int certificate_write(struct cli *cli, struct vl_span cert, const char *path) {
    struct vl_buf text;
    vl_buf_init(&text, 4096);
    enum vl_err err = armor_write(VERIFY_CERTIFICATE_LABEL, cert, &text);
    int code = err ? cli_fail(cli, CLI_FAILED, "%s", vl_err_text(err)) : artefact_write(cli, path, vl_span(text.p, text.len));
    vl_buf_free(&text);
    return code;
}

static int issue(struct cli *cli, const struct crypto_sign_key *key, struct vl_node_id holder, const struct sla_counters *n, struct vl_span cert, const char *name) {
    uint8_t seed[32], blind[SLA_ATTRS][32];
    uint64_t value[SLA_ATTRS];
    char path[CLI_PATH_MAX];
    struct zk_credential c;
    struct vl_buf bytes;
    crypto_random(seed, sizeof seed);
    for (unsigned i = 0; i < SLA_ATTRS; i++) crypto_core_ristretto255_scalar_random(blind[i]);
    vl_buf_init(&bytes, ZK_CREDENTIAL_MAX);
    struct zk_kit *kit = zk_kit_create(seed);
    const struct zk_gens *g = kit ? zk_kit_gens(kit, 1) : NULL;
    vl_ms now = cli_now();
    sla_values(n, value);
    enum vl_err err = g ? sla_credential_issue(&c, key, g, n, holder, now - VERIFY_SKEW_MS /* clocks differ */, vl_ms_add(now, 90ull * 86400000u), (const uint8_t(*)[32])blind) : VL_ENOMEM;
    if (err == VL_OK) err = zk_credential_write(&c, &bytes);
    zk_kit_destroy(kit);
    int code = err ? cli_fail(cli, CLI_FAILED, "the counters cannot be signed: %s", vl_err_text(err)) : CLI_OK;
    if (code == CLI_OK) code = certificate_write(cli, cert, path_of(name, "certificate", path)); /* refuses to write over one: before the secrets */
    if (code == CLI_OK) code = opening_write(cli, &c, value, (const uint8_t(*)[32])blind, path_of(name, "opening", path));
    if (code == CLI_OK)
        code = zk_file_write_armoured(cli, path_of(name, "credential", path), ZK_CREDENTIAL_LABEL, vl_span(bytes.p, bytes.len), 0644);
    crypto_wipe(blind, sizeof blind);
    crypto_wipe(value, sizeof value);
    vl_buf_free(&bytes);
    return code;
}

int command_sla_issue(struct cli *cli, const char *id, const char *name) {
    struct crypto_sign_key key;
    struct vl_node_id holder;
    struct sla_counters n;
    uint8_t cert[CERT_BYTES_MAX];
    size_t cert_n = 0;
    if (strlen(name) > CLI_PATH_MAX - 16u) return cli_fail(cli, CLI_USAGE, "--issue is too long");
    if (node_id_parse(id, &holder) != VL_OK) return cli_fail(cli, CLI_FAILED, "%s is no node id", id);
    int code = counters_of(cli, id, &n, cert, &cert_n);
    if (code == CLI_OK) code = zk_file_key(cli, &key);
    if (code != CLI_OK) return code;
    code = issue(cli, &key, holder, &n, vl_span(cert, cert_n), name);
    crypto_sign_key_wipe(&key);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s,s:s,s:I}", "file", name, "node", id, "asked", (json_int_t)n.asked));
    cli_note(cli, "%s.credential, %s.opening and %s.certificate are for that node; the opening is a secret of it: hand it over safely, and delete it here", name, name, name);
    return CLI_OK;
}

/* ---- the node proves ---------------------------------------------------------------------------------------------------- */

struct desk {
    struct zk_credential c;
    uint64_t value[SLA_ATTRS];
    uint8_t blind[SLA_ATTRS][32], random[32];
    struct crypto_sign_key holder;
    struct vl_buf cert;
};

static int opening_read(struct cli *cli, const char *path, struct desk *d) {
    json_t *all = NULL;
    int code = zk_file_json(cli, path, &all);
    for (unsigned i = 0; code == CLI_OK && i < SLA_ATTRS; i++) {
        const json_t *o = json_object_get(json_object_get(all, "attributes"), d->c.attr[i].name);
        const char *blind = json_string_value(json_object_get(o, "blind"));
        if (!zk_file_number(json_object_get(o, "value"), &d->value[i]) || blind == NULL || strlen(blind) != 64 || vl_hex_decode(blind, d->blind[i], 32))
            code = cli_fail(cli, CLI_FAILED, "%s does not open %s", path, d->c.attr[i].name);
    }
    json_decref(all);
    return code;
}

static int desk_open(struct cli *cli, const char *name, struct desk *d) {
    char path[CLI_PATH_MAX];
    struct vl_buf bytes;
    vl_buf_init(&bytes, ZK_CREDENTIAL_MAX);
    int code = zk_file_armoured(cli, path_of(name, "credential", path), ZK_CREDENTIAL_LABEL, &bytes);
    if (code == CLI_OK && (zk_credential_read(vl_span(bytes.p, bytes.len), &d->c) != VL_OK || d->c.n != SLA_ATTRS))
        code = cli_fail(cli, CLI_FAILED, "%s holds no counters of availability", path);
    vl_buf_free(&bytes);
    if (code == CLI_OK) code = opening_read(cli, path_of(name, "opening", path), d);
    if (code == CLI_OK) code = zk_file_armoured(cli, path_of(name, "certificate", path), VERIFY_CERTIFICATE_LABEL, &d->cert);
    return code == CLI_OK ? zk_file_key(cli, &d->holder) : code;
}

static int prove(struct cli *cli, struct desk *d) {
    struct sla_claim claim = { .answered_ppm = (uint32_t)args_number(&cli->args, "answered"), .least_asked = 1,
                               .mean_ms = args_has(&cli->args, "mean") ? (uint32_t)args_number(&cli->args, "mean") : 0 };
    struct sla_making in = { .credential = &d->c, .value = d->value, .blind = (const uint8_t(*)[32])d->blind, .holder = &d->holder,
                             .issuer_cert = vl_span(d->cert.p, d->cert.len), .random = d->random };
    struct vl_errmsg msg = { "" };
    struct vl_buf text;
    uint8_t seed[32];
    const char *path = args_text(&cli->args, "output");
    crypto_random(seed, sizeof seed);
    crypto_random(d->random, sizeof d->random);
    vl_buf_init(&text, 2 * ARMOR_BYTES_MAX);
    struct zk_kit *kit = zk_kit_create(seed);
    enum vl_err err = kit ? sla_artefact_make(kit, &claim, &in, &text, &msg) : VL_ENOMEM;
    zk_kit_destroy(kit);
    int code = err ? cli_fail(cli, CLI_FAILED, "no proof: %s", msg.text[0] ? msg.text : vl_err_text(err)) : artefact_write(cli, path, vl_span(text.p, text.len));
    vl_buf_free(&text);
    if (code != CLI_OK || strcmp(path, "-") == 0) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "file", path));
    cli_note(cli, "%s: anybody checks it with `village verify %s`", path, path);
    return CLI_OK;
}

int command_sla_prove(struct cli *cli, const char *name) {
    if (strlen(name) > CLI_PATH_MAX - 16u) return cli_fail(cli, CLI_USAGE, "--prove is too long");
    struct desk *d = calloc(1, sizeof *d);
    if (d == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    vl_buf_init(&d->cert, CERT_BYTES_MAX);
    int code = desk_open(cli, name, d);
    if (code == CLI_OK) code = prove(cli, d);
    vl_buf_free(&d->cert);
    crypto_wipe(d, sizeof *d);
    free(d);
    return code;
}
