/* `village zk issue` and `village zk prove`: what has secrets in it.  They come from files or standard input only. */
#include "cli/zk_command.h"

#include "base/text.h"
#include "crypto/random.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- issue ---- */

struct issue {
    struct zk_credential c;
    uint64_t value[ZK_ATTRS_MAX];
    uint8_t blind[ZK_ATTRS_MAX][32];
};

/* Attributes by name, as a credential has them. */
static int take_attribute(struct cli *cli, struct issue *x, const char *name, const json_t *v) {
    uint64_t bits = 0, value = 0;
    unsigned at = 0;
    if (strlen(name) >= ZK_NAME_SIZE) return cli_fail(cli, CLI_USAGE, "the name %.40s... has more than %u characters", name, ZK_NAME_SIZE - 1);
    if (!json_is_object(v) || !zk_file_number(json_object_get(v, "bits"), &bits) || !zk_file_number(json_object_get(v, "value"), &value) || bits < 1 || bits > 64)
        return cli_fail(cli, CLI_USAGE, "%s: {\"value\": number, \"bits\": 1 to 64} is wanted, such as {\"value\": 7774200, \"bits\": 32}", name);
    if (bits < 64 && value >> bits != 0) return cli_fail(cli, CLI_USAGE, "the value of %s has more than %u bits", name, (unsigned)bits);
    if (x->c.n == ZK_ATTRS_MAX) return cli_fail(cli, CLI_USAGE, "more than %u attributes", ZK_ATTRS_MAX);
    while (at < x->c.n && strcmp(x->c.attr[at].name, name) < 0) at++;
    memmove(&x->c.attr[at + 1], &x->c.attr[at], (x->c.n - at) * sizeof x->c.attr[0]);
    memmove(&x->value[at + 1], &x->value[at], (x->c.n - at) * sizeof x->value[0]);
    memset(&x->c.attr[at], 0, sizeof x->c.attr[at]);
    (void)snprintf(x->c.attr[at].name, ZK_NAME_SIZE, "%s", name);
    x->c.attr[at].bits = (uint8_t)bits;
    x->value[at] = value;
    x->c.n++;
    return CLI_OK;
}

static int write_opening(struct cli *cli, const struct issue *x, const char *path) {
    json_t *attrs = json_object();
    for (unsigned i = 0; i < x->c.n; i++) {
        char blind[65], value[24];
        vl_hex_encode(x->blind[i], 32, blind);
        (void)snprintf(value, sizeof value, "%llu", (unsigned long long)x->value[i]);
        json_object_set_new(attrs, x->c.attr[i].name, json_pack("{s:s,s:s}", "value", value, "blind", blind));
        crypto_wipe(blind, sizeof blind);
        crypto_wipe(value, sizeof value);
    }
    json_t *all = json_pack("{s:o}", "attributes", attrs);
    char *text = json_dumps(all, JSON_INDENT(1));
    int code = text != NULL ? zk_file_write(cli, path, vl_span_str(text), 0600) : cli_fail(cli, CLI_FAILED, "out of memory");
    if (text != NULL) crypto_wipe(text, strlen(text));
    free(text);
    json_decref(all);
    return code;
}

static int sign_and_write(struct cli *cli, struct issue *x, const struct crypto_sign_key *key) {
    uint8_t seed[32];
    char path[CLI_PATH_MAX], opening[CLI_PATH_MAX], id[65];
    const char *out = args_text(&cli->args, "out");
    struct vl_buf bytes;
    crypto_random(seed, sizeof seed);
    struct zk_kit *kit = zk_kit_create(seed);
    const struct zk_gens *g = kit != NULL ? zk_kit_gens(kit, 1) : NULL;
    for (unsigned i = 0; i < x->c.n; i++) crypto_core_ristretto255_scalar_random(x->blind[i]);
    enum vl_err err = g != NULL ? zk_credential_issue(&x->c, key, g, x->value, (const uint8_t(*)[32])x->blind) : VL_ENOMEM;
    vl_buf_init(&bytes, ZK_CREDENTIAL_MAX);
    if (err == VL_OK) err = zk_credential_write(&x->c, &bytes);
    zk_kit_destroy(kit);
    int code = CLI_OK;
    if (err == VL_ERANGE)
        code = cli_fail(cli, CLI_USAGE, "a name is none of the language (letters, digits, _), or --about is not printable");
    else if (err != VL_OK)
        code = cli_fail(cli, CLI_FAILED, "%s", vl_err_text(err));
    if (snprintf(path, sizeof path, "%s.credential", out) >= (int)sizeof path || snprintf(opening, sizeof opening, "%s.opening", out) >= (int)sizeof opening)
        code = cli_fail(cli, CLI_USAGE, "--out is too long");
    if (code == CLI_OK && access(opening, F_OK) == 0)
        code = cli_fail(cli, CLI_FAILED, "%s exists, and the credential beside it is worth nothing without it: choose another --out", opening);
    if (code == CLI_OK) code = write_opening(cli, x, opening); /* first: a credential without its opening is worth nothing */
    if (code == CLI_OK) code = zk_file_write_armoured(cli, path, ZK_CREDENTIAL_LABEL, vl_span(bytes.p, bytes.len), 0644);
    vl_buf_free(&bytes);
    if (code != CLI_OK) return code;
    vl_hex_encode(x->c.issuer.b, 32, id);
    if (cli->json)
        return cli_print_json(cli, json_pack("{s:s,s:s,s:s,s:I}", "credential", path, "opening", opening, "issuer", id, "until_ms", (json_int_t)x->c.until_ms));
    (void)fprintf(cli->out.file, "%s: %u attributes signed by %s\n%s: their values, for the holder alone\n", path, x->c.n, id, opening);
    return CLI_OK;
}

int zk_command_issue(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    struct crypto_sign_key key;
    json_t *values = NULL;
    bool held = false;
    if (a->n_operands != 2) return cli_fail(cli, CLI_USAGE, "name one file with values: village zk issue VALUES.json --out NAME");
    if (!args_has(a, "out")) return cli_fail(cli, CLI_USAGE, "say with --out NAME how NAME.credential and NAME.opening shall be called");
    struct issue *x = calloc(1, sizeof *x);
    if (x == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    int code = zk_file_hex(cli, "holder", x->c.holder.b, &held);
    if (code == CLI_OK) code = zk_file_json(cli, a->operands[1], &values);
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach(values, name, v) {
        if (code == CLI_OK) code = take_attribute(cli, x, name, v);
    }
    if (code == CLI_OK && x->c.n == 0) code = cli_fail(cli, CLI_USAGE, "%s names no attribute", a->operands[1]);
    json_decref(values);
    x->c.from_ms = cli_now();
    x->c.until_ms = vl_ms_add(x->c.from_ms, (vl_ms)args_number(a, "valid"));
    if (args_has(a, "about")) (void)snprintf(x->c.about, sizeof x->c.about, "%s", args_text(a, "about"));
    if (code == CLI_OK) code = zk_file_key(cli, &key);
    if (code == CLI_OK) {
        code = sign_and_write(cli, x, &key);
        crypto_sign_key_wipe(&key);
    }
    crypto_wipe(x, sizeof *x);
    free(x);
    return code;
}

/* ---- prove ---- */

struct proving {
    struct zk_cli_sets sets;
    struct zk_program *program;
    struct zk_credential credential;
    bool has_credential;
    struct zk_context context;
    uint64_t value[ZK_ATTRS_MAX];
    uint8_t blind[ZK_ATTRS_MAX][32];
    struct crypto_sign_key holder;
    bool has_holder;
};

static int read_credential(struct cli *cli, struct proving *x) {
    const char *path = args_text(&cli->args, "credential");
    struct vl_buf bytes;
    if (path == NULL) return CLI_OK;
    vl_buf_init(&bytes, ZK_CREDENTIAL_MAX);
    int code = zk_file_armoured(cli, path, ZK_CREDENTIAL_LABEL, &bytes);
    enum vl_err err = code == CLI_OK ? zk_credential_read(vl_span(bytes.p, bytes.len), &x->credential) : VL_OK;
    if (err != VL_OK) code = cli_fail(cli, CLI_FAILED, "%s is damaged: %s", path, vl_err_text(err));
    vl_buf_free(&bytes);
    if (code != CLI_OK) return code;
    err = zk_credential_check(&x->credential, cli_now());
    if (err == VL_ECRYPTO) return cli_fail(cli, CLI_FAILED, "%s is not signed by the issuer that it names", path);
    if (err != VL_OK) cli_note(cli, "%s is not valid at this time (%s): a verifier will refuse the proof", path, vl_err_text(err));
    x->has_credential = true;
    if (!zk_credential_held(&x->credential)) return CLI_OK;
    code = zk_file_key(cli, &x->holder);
    x->has_holder = code == CLI_OK;
    return code;
}

/* One attribute, from the opening when it is signed and from --values when it is not. */
static int take_value(struct cli *cli, struct proving *x, unsigned i, const json_t *opening, const json_t *values) {
    const struct zk_attribute *a = zk_program_attribute(x->program, i);
    if (a->self_asserted) {
        if (!zk_file_number(json_object_get(values, a->name), &x->value[i]))
            return cli_fail(cli, CLI_USAGE, "%s is self-asserted, and no file of --values has a number for it: {\"%s\": 42}", a->name, a->name);
        crypto_core_ristretto255_scalar_random(x->blind[i]);
        return CLI_OK;
    }
    const json_t *o = json_object_get(json_object_get(opening, "attributes"), a->name);
    const char *blind = json_string_value(json_object_get(o, "blind"));
    if (!zk_file_number(json_object_get(o, "value"), &x->value[i]) || blind == NULL || vl_hex_decode(blind, x->blind[i], 32) != VL_OK)
        return cli_fail(cli, CLI_USAGE, "%s is signed, and no file of --opening opens it; the issuer gave that file with the credential", a->name);
    return CLI_OK;
}

static int read_values(struct cli *cli, struct proving *x) {
    json_t *opening = NULL, *values = NULL;
    int code = CLI_OK;
    if (args_has(&cli->args, "opening")) code = zk_file_json(cli, args_text(&cli->args, "opening"), &opening);
    if (code == CLI_OK && args_has(&cli->args, "values")) code = zk_file_json(cli, args_text(&cli->args, "values"), &values);
    for (unsigned i = 0; code == CLI_OK && i < zk_program_attributes(x->program); i++) code = take_value(cli, x, i, opening, values);
    json_decref(opening);
    json_decref(values);
    return code;
}

static int read_context(struct cli *cli, struct zk_context *c) {
    bool given = false;
    int code = zk_file_hex(cli, "verifier", c->verifier.b, &given);
    if (code == CLI_OK) code = zk_file_hex(cli, "nonce", c->nonce, &given);
    if (code == CLI_OK && !given) cli_note(cli, "no --nonce of the verifier: this proof can be shown again by whoever has it");
    c->epoch = args_has(&cli->args, "epoch") ? (uint64_t)args_number(&cli->args, "epoch") : 0;
    if (!args_has(&cli->args, "purpose") && code == CLI_OK) code = cli_fail(cli, CLI_USAGE, "say with --purpose TEXT what the proof is for; it holds for nothing else");
    if (code == CLI_OK) (void)snprintf(c->purpose, sizeof c->purpose, "%s", args_text(&cli->args, "purpose"));
    return code;
}

static int make(struct cli *cli, struct proving *x) {
    uint8_t seed[32];
    struct vl_buf out;
    struct vl_errmsg msg = { .text = "" };
    struct zk_proving in = { .program = x->program,
                             .credential = x->has_credential ? &x->credential : NULL,
                             .value = x->value,
                             .blind = (const uint8_t(*)[32])x->blind,
                             .holder = x->has_holder ? &x->holder : NULL,
                             .context = &x->context };
    crypto_random(seed, sizeof seed);
    crypto_random(in.random, sizeof in.random);
    struct zk_kit *kit = zk_kit_create(seed);
    vl_buf_init(&out, ZK_ARTEFACT_MAX);
    enum vl_err err = kit != NULL ? zk_prove(kit, &in, &out, &msg) : vl_errmsg_set(&msg, VL_ENOMEM, "out of memory");
    int code = err == VL_OK ? zk_file_write_armoured(cli, args_text(&cli->args, "out"), ZK_ARTEFACT_LABEL, vl_span(out.p, out.len), 0644)
                            : cli_fail(cli, CLI_FAILED, "no proof: %s", msg.text);
    if (code == CLI_OK && args_has(&cli->args, "out")) {
        if (cli->json)
            code = cli_print_json(cli, json_pack("{s:s,s:I}", "proof", args_text(&cli->args, "out"), "bytes", (json_int_t)out.len));
        else
            cli_note(cli, "%s: %zu bytes; check it with `village zk verify`", args_text(&cli->args, "out"), out.len);
    }
    crypto_wipe(in.random, sizeof in.random);
    vl_buf_free(&out);
    zk_kit_destroy(kit);
    return code;
}

int zk_command_prove(struct cli *cli) {
    if (cli->args.n_operands != 2) return cli_fail(cli, CLI_USAGE, "name one file with a predicate: village zk prove PREDICATE");
    if (cli->json && !args_has(&cli->args, "out")) return cli_fail(cli, CLI_USAGE, "with --json the proof goes into a file: --out FILE");
    struct proving *x = calloc(1, sizeof *x);
    if (x == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    int code = zk_file_sets(cli, &x->sets);
    if (code == CLI_OK) code = zk_file_program(cli, cli->args.operands[1], &x->sets, &x->program);
    if (code == CLI_OK) code = read_context(cli, &x->context);
    if (code == CLI_OK) code = read_credential(cli, x);
    if (code == CLI_OK) code = read_values(cli, x);
    if (code == CLI_OK) code = make(cli, x);
    zk_program_destroy(x->program);
    zk_file_sets_free(&x->sets);
    crypto_wipe(x, sizeof *x);
    free(x);
    return code;
}
