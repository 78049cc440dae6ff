/* command_verify.c - `village verify`: any artefact, checked on this machine; nobody is asked. */
#include "cli/artefact.h"
#include "cli/handlers.h"
#include "cli/inputs.h"
#include "cli/units.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/node_id.h"
#include "crypto/random.h"
#include "trust/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOTS_BYTES (1u << 20)
#define HEADER_TEXT 512u

struct asked {
    struct verify_query q;
    struct vl_buf artefact, ca, header;
    uint8_t header_raw[80];
    struct verify_named inputs[VERIFY_FILES_MAX], outputs[VERIFY_FILES_MAX];
};

/* ---- what is given ---------------------------------------------------------------------------------------------------- */

/* Seconds since 1970, or 2026-11-28T20:00:00Z. */
static bool time_parse(const char *text, vl_ms *ret) {
    int64_t s = 0;
    struct tm tm = { .tm_isdst = 0 };
    if (units_parse_integer(text, 0, 253402300799, &s) == VL_OK) {
        *ret = (vl_ms)s * 1000;
        return true;
    }
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    time_t t = end != NULL && *end == 0 ? timegm(&tm) : -1;
    if (t < 0) return false;
    *ret = (vl_ms)t * 1000;
    return true;
}

/* [NAME=]FILE */
static int named(struct cli *cli, const char *text, struct verify_named *ret) {
    const char *equals = strchr(text, '='), *path = equals ? equals + 1 : text, *slash = strrchr(path, '/');
    const char *name = equals ? text : slash ? slash + 1 : path;
    ret->name = vl_span(name, equals ? (size_t)(equals - text) : strlen(name));
    if (ret->name.n == 0 || ret->name.n >= VL_NAME_MAX) return cli_fail(cli, CLI_USAGE, "a name of 1 to 63 bytes goes before the '=' of %s", text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_fail(cli, CLI_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    bool ok = file_hash(fd, &ret->hash, &ret->size);
    int kept = errno;
    close(fd);
    return ok ? CLI_OK : cli_fail(cli, CLI_FAILED, "cannot read %s: %s", path, strerror(kept));
}

static int all_named(struct cli *cli, const char *option, struct verify_named list[VERIFY_FILES_MAX], uint32_t *ret_n) {
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && i < cli->args.n_given; i++) {
        const struct cli_given *g = &cli->args.given[i];
        if (strcmp(g->option->name, option) != 0) continue;
        if (*ret_n == VERIFY_FILES_MAX) return cli_fail(cli, CLI_USAGE, "a task has at most %u files of a kind", VERIFY_FILES_MAX);
        code = named(cli, g->text, &list[(*ret_n)++]);
    }
    return code;
}

static int trust_options(struct cli *cli, struct asked *a) {
    const struct cli_args *args = &cli->args;
    const char *village = args_text(args, "village"), *key = args_text(args, "key"), *at = args_text(args, "at");
    a->q.at_ms = cli_now();
    a->q.kind = args_text(args, "kind");
    a->q.witnesses = (uint32_t)args_number(args, "witnesses");
    if (at != NULL && !time_parse(at, &a->q.at_ms))
        return cli_fail(cli, CLI_USAGE, "--at is a time such as 2026-11-28T20:00:00Z, or seconds since 1970");
    a->q.has_village = village != NULL;
    if (village != NULL && (strlen(village) != 32 || vl_hex_decode(village, a->q.village.b, sizeof a->q.village.b)))
        return cli_fail(cli, CLI_USAGE, "--village is the id of 32 hex digits that `village status` shows");
    const char *block = args_text(args, "block");
    a->q.has_block = block != NULL;
    if (block != NULL && vl_hex_decode(strncmp(block, "0x", 2) == 0 ? block + 2 : block, a->q.block.b, sizeof a->q.block.b))
        return cli_fail(cli, CLI_USAGE, "--block is a hash of 64 hex digits, with or without 0x");
    a->q.has_seed = true;
    crypto_random(a->q.seed, sizeof a->q.seed);
    a->q.has_signer = key != NULL;
    if (key != NULL && node_id_parse(key, &a->q.signer) && (strlen(key) != 64 || vl_hex_decode(key, a->q.signer.b, sizeof a->q.signer.b)))
        return cli_fail(cli, CLI_USAGE, "--key is a whole node id (12D3KooW...), or the 64 hex digits of a key");
    for (size_t i = 0; a->q.kind != NULL; i++) {
        if (verify_kind(i) == NULL) return cli_fail(cli, CLI_USAGE, "no kind is called '%s'; see `village help verify`", a->q.kind);
        if (strcmp(verify_kind(i), a->q.kind) == 0) break;
    }
    return CLI_OK;
}

static int header_option(struct cli *cli, struct asked *a) {
    const char *path = args_text(&cli->args, "header");
    if (path == NULL) return CLI_OK;
    int code = artefact_read(cli, path, &a->header);
    if (code != CLI_OK) return code;
    char text[HEADER_TEXT + 1];
    size_t n = a->header.len;
    memcpy(text, a->header.p, n);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) n--;
    text[n] = 0;
    if (n == 160 && vl_hex_decode(text, a->header_raw, sizeof a->header_raw) == VL_OK)
        a->q.header = vl_span(a->header_raw, sizeof a->header_raw);
    else
        a->q.header = vl_span(a->header.p, a->header.len);
    return CLI_OK;
}

static int file_options(struct cli *cli, struct asked *a) {
    struct verify_query *q = &a->q;
    const char *program = args_text(&cli->args, "program"), *file = args_text(&cli->args, "file");
    struct verify_named module = { .size = 0 };
    int code = all_named(cli, "input", a->inputs, &q->n_inputs);
    if (code == CLI_OK) code = all_named(cli, "output", a->outputs, &q->n_outputs);
    if (code == CLI_OK && program != NULL) code = named(cli, program, &module);
    if (code == CLI_OK && file != NULL) code = artefact_digests(cli, file, q->sha256, q->sha384, q->sha512);
    q->inputs = a->inputs;
    q->outputs = a->outputs;
    q->has_inputs = q->n_inputs > 0 || args_has(&cli->args, "no-input");
    q->has_outputs = q->n_outputs > 0;
    q->has_program = program != NULL;
    q->program = module.hash;
    q->has_file = file != NULL;
    return code;
}

static int roots_options(struct cli *cli, struct asked *a) {
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && i < cli->args.n_given; i++) {
        if (strcmp(cli->args.given[i].option->name, "root") != 0) continue;
        code = artefact_read(cli, cli->args.given[i].text, &a->ca);
        if (code == CLI_OK && vl_buf_append(&a->ca, "\n", 1)) code = cli_fail(cli, CLI_USAGE, "the files of --root are too large");
    }
    a->q.ca = vl_span(a->ca.p, a->ca.len);
    return code;
}

/* ---- what is said ----------------------------------------------------------------------------------------------------- */

static json_t *strings(const char list[][VERDICT_TEXT], uint32_t n) {
    json_t *a = json_array();
    for (uint32_t i = 0; i < n; i++) json_array_append_new(a, json_string(list[i]));
    return a;
}

static json_t *verdict_json(const struct verdict *v) {
    json_t *facts = json_array();
    for (uint32_t i = 0; i < v->n_facts; i++) json_array_append_new(facts, json_pack("{s:s,s:s}", "name", v->fact[i].key, "value", v->fact[i].value));
    return json_pack("{s:b,s:s,s:s,s:o,s:o,s:s,s:s,s:o}", "proved", v->proved, "kind", v->kind, "reason", v->reason, "proves",
                     strings(v->proves, v->n_proves), "not_proved", strings(v->not, v->n_not), "to_whom", v->whom, "as_of", v->as_of, "facts", facts);
}

static void say(const struct term *t, const char *head, const char *text, enum term_style style) {
    fprintf(t->file, "%s%-12s%s%s", term_style(t, TERM_DIM), head, term_style(t, TERM_PLAIN), term_style(t, style));
    term_puts(t, text);
    fprintf(t->file, "%s\n", term_style(t, TERM_PLAIN));
}

static void verdict_print(struct cli *cli, const struct verdict *v) {
    const struct term *t = &cli->out;
    say(t, "kind", v->kind[0] ? v->kind : "unknown", TERM_PLAIN);
    say(t, "verdict", v->proved ? "proved" : "not proved", v->proved ? TERM_GOOD : TERM_BAD);
    if (!v->proved) say(t, "because", v->reason, TERM_PLAIN);
    for (uint32_t i = 0; i < v->n_proves; i++) say(t, i == 0 ? "proves" : "", v->proves[i], TERM_PLAIN);
    if (v->whom[0]) say(t, "to whom", v->whom, TERM_PLAIN);
    if (v->as_of[0]) say(t, "as of", v->as_of, TERM_PLAIN);
    for (uint32_t i = 0; i < v->n_not; i++) say(t, i == 0 ? "proves not" : "", v->not[i], TERM_PLAIN);
    if (!cli->quiet)
        for (uint32_t i = 0; i < v->n_facts; i++) {
            char line[VERDICT_KEY + VERDICT_TEXT + 4];
            snprintf(line, sizeof line, "%s %s", v->fact[i].key, v->fact[i].value);
            say(t, i == 0 ? "says" : "", line, TERM_DIM);
        }
}

/* The verdict on `bytes`; shared with `village timestamp verify`. */
static int judge(struct cli *cli, struct asked *a) {
    struct verdict *v = malloc(sizeof *v);
    if (v == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    verify_artefact(vl_span(a->artefact.p, a->artefact.len), &a->q, v);
    int code = v->proved ? CLI_OK : CLI_FAILED;
    if (cli->json) {
        int printed = cli_print_json(cli, verdict_json(v));
        if (printed != CLI_OK) code = printed;
    } else {
        verdict_print(cli, v);
    }
    free(v);
    return code;
}

int command_verify(struct cli *cli) {
    struct asked *a = calloc(1, sizeof *a);
    if (a == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    vl_buf_init(&a->artefact, VERIFY_BYTES_MAX);
    vl_buf_init(&a->ca, ROOTS_BYTES);
    vl_buf_init(&a->header, HEADER_TEXT);
    int code = trust_options(cli, a);
    if (code == CLI_OK) code = artefact_read(cli, cli->args.operands[0], &a->artefact);
    if (code == CLI_OK) code = roots_options(cli, a);
    if (code == CLI_OK) code = header_option(cli, a);
    if (code == CLI_OK) code = file_options(cli, a);
    if (code == CLI_OK) code = judge(cli, a);
    vl_buf_free(&a->artefact);
    vl_buf_free(&a->ca);
    vl_buf_free(&a->header);
    free(a);
    return code;
}
