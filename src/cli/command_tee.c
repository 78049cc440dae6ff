/* What this machine has to prove where it runs with; asks no gateway: a node that is not here cannot be asked. */
#include "base/text.h"
#include "cli/handlers.h"
#include "cli/inputs.h"
#include "cli/session.h"
#include "crypto/hash.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "os/file.h"
#include "os/tee.h"
#include "trust/attest_bind.h"
#include "wire/armor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct tee_config machine(const struct cli_args *a) {
    return (struct tee_config){ .root = args_text(a, "device-root"), .tpm = args_text(a, "tpm"), .qgs = args_text(a, "qgs"), .ek = args_text(a, "ek-cert") };
}

static int list(struct cli *cli) {
    static const struct term_column columns[] = { { .title = "PROVIDER" }, { .title = "HERE" }, { .title = "EVIDENCE" }, { .title = "WHY" } };
    struct tee_found found[TEE_PROVIDERS];
    struct tee_config cfg = machine(&cli->args);
    tee_detect(&cfg, found);
    if (cli->json) {
        json_t *items = json_array();
        for (unsigned i = 0; i < TEE_PROVIDERS; i++)
            json_array_append_new(items, json_pack("{s:s,s:s,s:s,s:b,s:b,s:s}", "provider", found[i].name, "what", found[i].what, "kind",
                                                   attest_kind_name((enum attest_kind)found[i].kind), "present", found[i].here, "denied",
                                                   found[i].denied, "why", found[i].why));
        return cli_print_json(cli, json_pack("{s:o}", "items", items));
    }
    struct term_table *table = term_table_create(columns, sizeof columns / sizeof columns[0]);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++) {
        term_table_cell(table, found[i].name, TERM_BOLD);
        term_table_cell(table, found[i].here ? "yes" : found[i].denied ? "denied" : "no", found[i].here ? TERM_GOOD : TERM_PLAIN);
        term_table_cell(table, attest_kind_name((enum attest_kind)found[i].kind), TERM_PLAIN);
        term_table_cell(table, found[i].why, TERM_PLAIN);
    }
    term_table_print(table, &cli->out);
    term_table_destroy(table);
    return CLI_OK;
}

/* ---- quote ---- */

/* What is to be bound, from the options. */
static int bound(struct cli *cli, struct attestation *ret) {
    const struct cli_args *a = &cli->args;
    struct vl_hash module;
    uint64_t size = 0;
    if (crypto_init() != VL_OK) return cli_fail(cli, CLI_FAILED, "no randomness from the kernel");
    crypto_random(ret->nonce, sizeof ret->nonce);
    if (args_has(a, "nonce") && vl_hex_decode(args_text(a, "nonce"), ret->nonce, sizeof ret->nonce) != VL_OK)
        return cli_fail(cli, CLI_USAGE, "--nonce takes 64 hex digits, such as `openssl rand -hex 32` prints");
    if (args_has(a, "node") && node_id_parse(args_text(a, "node"), &ret->node) != VL_OK)
        return cli_fail(cli, CLI_USAGE, "--node takes the whole id of a node, 12D3Koo...; `village nodes --wide` shows it");
    if (args_has(a, "module")) {
        int fd = open(args_text(a, "module"), O_RDONLY | O_CLOEXEC);
        bool read = fd >= 0 && file_hash(fd, &module, &size);
        int sys = errno;
        if (fd >= 0) close(fd);
        if (!read) return cli_fail(cli, CLI_FAILED, "cannot read %s: %s", args_text(a, "module"), strerror(sys));
        memcpy(ret->program, module.b, sizeof ret->program);
    }
    ret->made_ms = cli_now();
    return CLI_OK;
}

static int save(struct cli *cli, const struct attestation *view, const char *path) {
    struct vl_buf bytes, text;
    vl_buf_init(&bytes, ATTESTATION_MAX);
    vl_buf_init(&text, 2 * ATTESTATION_MAX);
    enum vl_err err = attestation_encode(view, &bytes);
    if (err == VL_OK) err = armor_write(ATTESTATION_LABEL, vl_span(bytes.p, bytes.len), &text);
    if (err == VL_OK && strcmp(path, "-") == 0) {
        if (fwrite(text.p, 1, text.len, cli->out.file) != text.len || fflush(cli->out.file) != 0) err = VL_EIO;
    } else if (err == VL_OK) {
        err = os_file_write(path, text.p, text.len, 0644);
    }
    vl_buf_free(&text);
    vl_buf_free(&bytes);
    return err == VL_OK ? CLI_OK : cli_fail(cli, CLI_FAILED, "cannot write %s: %s", path, vl_err_text(err));
}

/* As it looks to somebody with vendors' roots and nothing else. */
static void judged(const struct attestation *v, const uint8_t data[TEE_DATA], struct attest_result *ret) {
    uint8_t form[ATTEST_DATA];
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    struct attest_input in = { .kind = (enum attest_kind)v->kind, .evidence = v->evidence, .leaf = v->leaf, .pool = pool,
                               .nonce_binds_key = true, .when = v->made_ms };
    in.nonce = vl_span(form, attest_bind_form(in.kind, data, form));
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) in.collateral[i] = v->collateral[i];
    if (pool && v->certificates.n > 0) (void)!crypto_x509_pool_add(pool, v->certificates); /* a bad one is missed below */
    attest_verify(&in, ret);
    crypto_x509_pool_destroy(pool);
}

static int told(struct cli *cli, const char *provider, const struct attestation *view, const struct attest_result *r, const char *path) {
    char nonce[65];
    vl_hex_encode(view->nonce, 32, nonce);
    if (cli->json)
        return cli_print_json(cli, json_pack("{s:s,s:s,s:s,s:s,s:I,s:{s:b,s:s,s:i}}", "provider", provider, "kind",
                                             attest_kind_name((enum attest_kind)view->kind), "file", path, "nonce", nonce, "bytes",
                                             (json_int_t)view->evidence.n, "verdict", "accepted", r->accepted, "reason", r->reason, "level",
                                             (int)r->level));
    cli_note(cli, "%s: %zu bytes of %s evidence, nonce %s", provider, view->evidence.n, attest_kind_name((enum attest_kind)view->kind), nonce);
    cli_note(cli, "with vendors' roots and nothing else: %s; level %u.%03u", r->reason, (unsigned)r->level / 1000, (unsigned)r->level % 1000);
    return CLI_OK;
}

static int quote(struct cli *cli, const char *path) {
    struct attestation view = { .kind = 0 };
    struct tee_config cfg = machine(&cli->args);
    struct tee_evidence own;
    struct attest_result verdict;
    struct vl_errmsg msg = { "" };
    struct tee *tee = NULL;
    uint8_t data[TEE_DATA];
    static const uint8_t none[32];
    int code = bound(cli, &view);
    if (code != CLI_OK) return code;
    if (cli->json && strcmp(path, "-") == 0) return cli_fail(cli, CLI_USAGE, "--json needs a FILE: both would go to standard output");
    attest_bind(&view, data);
    tee_evidence_init(&own);
    enum vl_err err = tee_create(&cfg, args_text(&cli->args, "provider"), &tee, &msg);
    if (err == VL_OK && memcmp(view.program, none, sizeof none) != 0) err = tee_measure(tee, view.program, &msg);
    if (err == VL_OK) err = tee_attest(tee, data, &own, &msg);
    if (err == VL_OK) {
        tee_evidence_view(&own, &view);
        judged(&view, data, &verdict);
        code = save(cli, &view, path);
        if (code == CLI_OK) code = told(cli, tee_name(tee), &view, &verdict, path);
    } else {
        code = cli_fail(cli, CLI_FAILED, "%s", msg.text);
    }
    tee_destroy(tee);
    tee_evidence_free(&own);
    return code;
}

int command_tee(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    const char *what = a->n_operands ? a->operands[0] : "list";
    if (strcmp(what, "list") == 0 && a->n_operands < 2) return list(cli);
    if (strcmp(what, "quote") == 0 && a->n_operands == 2) return quote(cli, a->operands[1]);
    if (strcmp(what, "quote") == 0) return cli_fail(cli, CLI_USAGE, "say where the evidence goes: `village tee quote FILE`");
    return cli_fail(cli, CLI_USAGE, "village tee does not know '%s'; it knows list and quote", what);
}
