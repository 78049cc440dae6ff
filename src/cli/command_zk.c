#include "cli/handlers.h"
#include "cli/zk_command.h"

#include "base/text.h"
#include "cli/units.h"
#include "crypto/random.h"

#include <string.h>
#include <unistd.h>

static const char *hex(const uint8_t b[32], char dst[65]) {
    vl_hex_encode(b, 32, dst);
    return dst;
}

/* ---- key ---- */

static int key(struct cli *cli) {
    const char *path = cli->args.n_operands > 1 ? cli->args.operands[1] : NULL;
    struct crypto_sign_key k;
    char id[65];
    int code = CLI_OK;
    bool fresh = path != NULL && access(path, F_OK) != 0;
    if (path == NULL) {
        code = zk_file_key(cli, &k);
    } else if (fresh) {
        uint8_t seed[CRYPTO_SIGN_SEED];
        crypto_random(seed, sizeof seed);
        crypto_sign_key_from_seed(seed, &k);
        code = zk_file_write_armoured(cli, path, ZK_KEY_LABEL, vl_span(seed, sizeof seed), 0600);
        crypto_wipe(seed, sizeof seed);
    } else {
        return cli_fail(cli, CLI_FAILED, "%s exists; `village zk key --key %s` shows its public half", path, path);
    }
    if (code != CLI_OK) return code;
    hex(k.public, id);
    crypto_sign_key_wipe(&k);
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "public", id));
    (void)fprintf(cli->out.file, "%s\n", id);
    if (fresh) cli_note(cli, "%s holds the secret half; keep it, and give the digits above to who shall check", path);
    return CLI_OK;
}

static int nonce(struct cli *cli) {
    uint8_t b[32];
    char text[65];
    crypto_random(b, sizeof b);
    hex(b, text);
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "nonce", text));
    (void)fprintf(cli->out.file, "%s\n", text);
    return CLI_OK;
}

/* ---- compile ---- */

static json_t *plan_json(const struct zk_program *p) {
    struct zk_plan plan = zk_program_plan(p);
    struct vl_hash id = zk_program_id(p);
    struct vl_span text = zk_program_text(p);
    char h[65];
    json_t *attrs = json_array(), *steps = json_array();
    for (unsigned i = 0; i < zk_program_attributes(p); i++) {
        const struct zk_attribute *a = zk_program_attribute(p, i);
        json_array_append_new(attrs, json_pack("{s:s,s:i,s:b}", "name", a->name, "bits", (int)a->bits, "self_asserted", (int)a->self_asserted));
    }
    for (unsigned i = 0; i < plan.n_steps; i++) {
        const struct zk_step *s = zk_program_step(p, i);
        json_t *o = json_pack("{s:s,s:I,s:I,s:I}", "kind", zk_step_name(s->kind), "bytes", (json_int_t)s->bytes, "prove_us", (json_int_t)s->prove_us,
                              "verify_us", (json_int_t)s->verify_us);
        if (s->kind == ZK_STEP_RANGE) {
            json_object_set_new(o, "bits", json_integer(s->bits));
            json_object_set_new(o, "values", json_integer(s->values));
        }
        if (s->members > 0) json_object_set_new(o, "members", json_integer(s->members));
        if (s->gates > 0) json_object_set_new(o, "multipliers", json_integer(s->gates));
        json_array_append_new(steps, o);
    }
    return json_pack("{s:s,s:s%,s:o,s:o,s:I,s:I,s:I,s:I,s:I}", "id", hex(id.b, h), "predicate", (const char *)text.p, text.n, "attributes", attrs, "steps",
                     steps, "bytes", (json_int_t)plan.bytes, "prove_us", (json_int_t)plan.prove_us, "verify_us", (json_int_t)plan.verify_us,
                     "widest_bits", (json_int_t)plan.widest, "left_out", (json_int_t)plan.folded);
}

static void print_plan(struct cli *cli, const struct zk_program *p) {
    static const struct term_column columns[] = { { .title = "STEP" }, { .title = "OF" }, { .title = "BYTES", .right = true }, { .title = "PROVE", .right = true }, { .title = "VERIFY", .right = true } };
    struct zk_plan plan = zk_program_plan(p);
    struct vl_hash id = zk_program_id(p);
    char h[65];
    (void)fprintf(cli->out.file, "%.*s\nid %s\n\n", (int)zk_program_text(p).n, (const char *)zk_program_text(p).p, hex(id.b, h));
    struct term_table *t = term_table_create(columns, sizeof columns / sizeof columns[0]);
    for (unsigned i = 0; i < plan.n_steps; i++) {
        const struct zk_step *s = zk_program_step(p, i);
        term_table_cell(t, zk_step_name(s->kind), TERM_BOLD);
        if (s->kind == ZK_STEP_RANGE)
            term_table_cellf(t, TERM_PLAIN, "%u of %u bits", s->values, s->bits);
        else if (s->kind == ZK_STEP_CIRCUIT)
            term_table_cellf(t, TERM_PLAIN, "%u multipliers", s->gates);
        else if (s->members > 0)
            term_table_cellf(t, TERM_PLAIN, "%u members", s->members);
        else
            term_table_cell(t, "", TERM_PLAIN);
        term_table_cellf(t, TERM_PLAIN, "%u", s->bytes);
        term_table_cellf(t, TERM_PLAIN, "%.1f ms", s->prove_us / 1000.0);
        term_table_cellf(t, TERM_PLAIN, "%.1f ms", s->verify_us / 1000.0);
    }
    term_table_print(t, &cli->out);
    term_table_destroy(t);
    (void)fprintf(cli->out.file, "\nproof %u bytes, about %.0f ms to make and %.0f ms to check; differences have up to %u bits\n", plan.bytes,
                  plan.prove_us / 1000.0, plan.verify_us / 1000.0, plan.widest);
    if (plan.folded > 0) cli_note(cli, "%u comparisons are true or false whatever the attributes are, and were left out", plan.folded);
}

static int compile(struct cli *cli) {
    struct zk_cli_sets sets;
    struct zk_program *p = NULL;
    if (cli->args.n_operands != 2) return cli_fail(cli, CLI_USAGE, "name one file with a predicate: village zk compile PREDICATE");
    int code = zk_file_sets(cli, &sets);
    if (code == CLI_OK) code = zk_file_program(cli, cli->args.operands[1], &sets, &p);
    if (code == CLI_OK && cli->json)
        code = cli_print_json(cli, plan_json(p));
    else if (code == CLI_OK)
        print_plan(cli, p);
    zk_program_destroy(p);
    zk_file_sets_free(&sets);
    return code;
}

/* The hash of a set, as `in set@HASH` wants it. */
static int set(struct cli *cli) {
    struct zk_cli_sets sets;
    char h[65];
    int code = zk_file_sets(cli, &sets);
    if (code == CLI_OK && sets.n != 1) code = cli_fail(cli, CLI_USAGE, "name one file of numbers: village zk set --set numbers.txt");
    if (code == CLI_OK) {
        hex(sets.at[0]->hash.b, h);
        if (cli->json)
            code = cli_print_json(cli, json_pack("{s:s,s:I}", "hash", h, "members", (json_int_t)sets.at[0]->n));
        else
            (void)fprintf(cli->out.file, "%s\n", h);
    }
    zk_file_sets_free(&sets);
    return code;
}

int command_zk(struct cli *cli) {
    static const struct {
        const char *name;
        int (*run)(struct cli *cli);
    } all[] = { { "key", key },     { "nonce", nonce }, { "compile", compile },      { "set", set },
                { "issue", zk_command_issue }, { "prove", zk_command_prove }, { "verify", zk_command_verify } };
    if (crypto_init() != VL_OK) return cli_fail(cli, CLI_FAILED, "the kernel gives no random bytes");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(cli->args.operands[0], all[i].name) == 0) return all[i].run(cli);
    return cli_fail(cli, CLI_USAGE, "village zk does not know '%s'; it knows key, nonce, set, compile, issue, prove and verify", cli->args.operands[0]);
}
