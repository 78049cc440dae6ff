#include "cli/zk_command.h"

#include "base/text.h"
#include "crypto/random.h"
#include "wire/armor.h"

#include <stdlib.h>
#include <string.h>

#define ISSUERS_MAX 16u

/* What the options demand. */
struct demand {
    struct zk_policy policy;
    struct vl_hash program;
    struct vl_node_id issuer[ISSUERS_MAX], holder;
    struct zk_context context;
    bool verifier, purpose, nonce, epoch;
};

static int read_program(struct cli *cli, struct demand *d) {
    const char *text = args_text(&cli->args, "predicate");
    struct zk_cli_sets sets;
    struct zk_program *p = NULL;
    if (text == NULL) return CLI_OK;
    d->policy.program = &d->program;
    if (strlen(text) == 64 && vl_hex_decode(text, d->program.b, 32) == VL_OK) return CLI_OK;
    int code = zk_file_sets(cli, &sets);
    if (code == CLI_OK) code = zk_file_program(cli, text, &sets, &p);
    if (code == CLI_OK) d->program = zk_program_id(p);
    zk_program_destroy(p);
    zk_file_sets_free(&sets);
    return code;
}

static int read_issuers(struct cli *cli, struct demand *d) {
    const struct cli_args *a = &cli->args;
    for (size_t i = 0; i < a->n_given; i++) {
        if (strcmp(a->given[i].option->name, "issuer") != 0) continue;
        if (d->policy.n_issuers == ISSUERS_MAX) return cli_fail(cli, CLI_USAGE, "more than %u issuers", ISSUERS_MAX);
        if (vl_hex_decode(a->given[i].text, d->issuer[d->policy.n_issuers].b, 32) != VL_OK)
            return cli_fail(cli, CLI_USAGE, "--issuer takes 64 hexadecimal digits, as `village zk key` shows them");
        d->policy.n_issuers++;
    }
    d->policy.issuer = d->issuer;
    return CLI_OK;
}

static int read_demand(struct cli *cli, struct demand *d) {
    const struct cli_args *a = &cli->args;
    bool holder = false;
    int code = read_program(cli, d);
    if (code == CLI_OK) code = read_issuers(cli, d);
    if (code == CLI_OK) code = zk_file_hex(cli, "holder", d->holder.b, &holder);
    if (code == CLI_OK) code = zk_file_hex(cli, "verifier", d->context.verifier.b, &d->verifier);
    if (code == CLI_OK) code = zk_file_hex(cli, "nonce", d->context.nonce, &d->nonce);
    d->purpose = args_has(a, "purpose");
    d->epoch = args_has(a, "epoch");
    if (d->purpose) (void)snprintf(d->context.purpose, sizeof d->context.purpose, "%s", args_text(a, "purpose"));
    if (d->epoch) d->context.epoch = (uint64_t)args_number(a, "epoch");
    d->policy.holder = holder ? &d->holder : NULL;
    d->policy.about = args_text(a, "about");
    d->policy.allow_self_asserted = args_has(a, "allow-self-asserted");
    d->policy.at_ms = cli_now();
    return code;
}

/* The parts of the context that were demanded; the proof holds for all that stands in it. */
static void judge_context(const struct demand *d, struct zk_verdict *v) {
    const char *other = d->verifier && !vl_node_eq(d->context.verifier, v->context.verifier)          ? "verifier"
                        : d->purpose && strcmp(d->context.purpose, v->context.purpose) != 0           ? "purpose"
                        : d->nonce && memcmp(d->context.nonce, v->context.nonce, sizeof v->context.nonce) != 0 ? "nonce"
                        : d->epoch && d->context.epoch != v->context.epoch                            ? "epoch"
                                                                                                      : NULL;
    if (v->err == VL_OK && other != NULL) v->err = vl_errmsg_set(&v->reason, VL_ESTALE, "it was made for another %s", other);
}

static json_t *verdict_json(const char *path, const struct zk_verdict *v, struct vl_span artefact) {
    char program[65], issuer[65], holder[65], verifier[65], nonce[65];
    struct vl_span text = { NULL, 0 };
    vl_hex_encode(v->program.b, 32, program);
    vl_hex_encode(v->issuer.b, 32, issuer);
    vl_hex_encode(v->holder.b, 32, holder);
    vl_hex_encode(v->context.verifier.b, 32, verifier);
    vl_hex_encode(v->context.nonce, 32, nonce);
    json_t *o = json_pack("{s:s,s:b,s:s,s:s}", "file", path, "ok", v->err == VL_OK, "error", vl_err_name(v->err), "reason", v->reason.text);
    if (v->err != VL_OK || zk_artefact_text(artefact, &text) != VL_OK) return o;
    json_object_set_new(o, "id", json_string(program));
    json_object_set_new(o, "predicate", json_stringn((const char *)text.p, text.n));
    json_object_set_new(o, "self_asserted", json_boolean(v->self_asserted));
    json_object_set_new(o, "context", json_pack("{s:s,s:s,s:s,s:I}", "verifier", verifier, "purpose", v->context.purpose, "nonce", nonce, "epoch",
                                                (json_int_t)v->context.epoch));
    if (v->signed_attributes)
        json_object_set_new(o, "credential", json_pack("{s:s,s:s,s:s,s:I,s:I}", "issuer", issuer, "holder", holder, "about", v->about, "from_ms",
                                                       (json_int_t)v->from_ms, "until_ms", (json_int_t)v->until_ms));
    return o;
}

static void print_verdict(struct cli *cli, const char *path, const struct zk_verdict *v, struct vl_span artefact) {
    char h[65];
    struct vl_span text = { NULL, 0 };
    FILE *f = cli->out.file;
    (void)fprintf(f, "%s%s: %s%s\n", term_style(&cli->out, v->err == VL_OK ? TERM_GOOD : TERM_BAD), path, v->reason.text, term_style(&cli->out, TERM_PLAIN));
    if (v->err != VL_OK || cli->quiet || zk_artefact_text(artefact, &text) != VL_OK) return;
    (void)fprintf(f, "%.*s", (int)text.n, (const char *)text.p); /* canonical: printable ASCII */
    if (v->signed_attributes) {
        vl_hex_encode(v->issuer.b, 32, h);
        (void)fprintf(f, "signed by %s%s%s\n", h, v->about[0] != '\0' ? ", about " : "", v->about);
    }
    (void)fprintf(f, "for purpose %s, epoch %llu\n", v->context.purpose, (unsigned long long)v->context.epoch);
}

static int report(struct cli *cli, const struct demand *d, struct vl_buf *files, struct zk_verdict *v, unsigned n) {
    json_t *items = json_array();
    unsigned wrong = 0;
    for (unsigned i = 0; i < n; i++) {
        const char *path = cli->args.operands[i + 1];
        struct vl_span artefact = vl_span(files[i].p, files[i].len);
        judge_context(d, &v[i]);
        wrong += v[i].err != VL_OK;
        if (cli->json)
            json_array_append_new(items, verdict_json(path, &v[i], artefact));
        else
            print_verdict(cli, path, &v[i], artefact);
    }
    int code = CLI_OK;
    if (cli->json)
        code = cli_print_json(cli, json_pack("{s:o}", "items", items));
    else
        json_decref(items);
    if (wrong == 0 && !d->nonce) cli_note(cli, "no --nonce was demanded: a proof that was shown before passes, too");
    for (unsigned i = 0; i < n; i++)
        if (v[i].err == VL_EDENIED && v[i].signed_attributes && d->policy.n_issuers == 0) {
            cli_note(cli, "say with --issuer KEY whose signature you accept, or with --predicate a predicate that names one");
            break;
        }
    if (wrong > 0 && n > 1) cli_note(cli, "%u of %u proofs are refused", wrong, n);
    return code == CLI_OK && wrong > 0 ? CLI_FAILED : code;
}

/* A file that is none stays empty, so that it is named among the verdicts and the others are looked at. */
static int read_proof(struct cli *cli, const char *path, struct vl_buf *out) {
    struct vl_buf text;
    char label[ARMOR_LABEL_MAX + 1];
    vl_buf_init(&text, 2 * ZK_ARTEFACT_MAX);
    int code = zk_file_read(cli, path, &text);
    if (code == CLI_OK && (armor_read(vl_span(text.p, text.len), label, out) != VL_OK || strcmp(label, ZK_ARTEFACT_LABEL) != 0)) vl_buf_clear(out);
    vl_buf_free(&text);
    return code;
}

int zk_command_verify(struct cli *cli) {
    unsigned n = (unsigned)cli->args.n_operands - 1;
    uint8_t seed[32];
    struct demand d = { .policy = { .program = NULL } };
    if (n == 0) return cli_fail(cli, CLI_USAGE, "name one or more proofs: village zk verify PROOF...");
    struct vl_buf *file = calloc(n, sizeof *file);
    struct zk_claim *claim = calloc(n, sizeof *claim);
    struct zk_verdict *verdict = calloc(n, sizeof *verdict);
    crypto_random(seed, sizeof seed);
    struct zk_kit *kit = zk_kit_create(seed);
    int code = file != NULL && claim != NULL && verdict != NULL && kit != NULL ? CLI_OK : cli_fail(cli, CLI_FAILED, "out of memory");
    for (unsigned i = 0; file != NULL && i < n; i++) vl_buf_init(&file[i], ZK_ARTEFACT_MAX);
    if (code == CLI_OK) code = read_demand(cli, &d);
    for (unsigned i = 0; code == CLI_OK && i < n; i++) {
        code = read_proof(cli, cli->args.operands[i + 1], &file[i]);
        claim[i] = (struct zk_claim){ vl_span(file[i].p, file[i].len), &d.policy };
    }
    if (code == CLI_OK) {
        vl_ignore(zk_verify_batch(kit, claim, n, verdict)); /* each verdict is looked at */
        code = report(cli, &d, file, verdict, n);
    }
    for (unsigned i = 0; file != NULL && i < n; i++) vl_buf_free(&file[i]);
    zk_kit_destroy(kit);
    free(file);
    free(claim);
    free(verdict);
    return code;
}
