/* command_timestamp.c - `village timestamp`: what to send to an authority (RFC 3161) or a calendar (OpenTimestamps), and its answer as a
 * file beside the one that is stamped.  Sending is the user's: curl and every mail program can. */
#include "cli/artefact.h"
#include "cli/handlers.h"

#include "crypto/random.h"
#include "crypto/timestamp.h"
#include "trust/ots.h"

#include <stdlib.h>
#include <string.h>

struct digests {
    uint8_t sha256[32], sha384[48], sha512[64];
};

static int digests_of(struct cli *cli, const char *path, struct digests *d) { return artefact_digests(cli, path, d->sha256, d->sha384, d->sha512); }

static const char *target(struct cli *cli, const char *file, const char *suffix, char dst[CLI_PATH_MAX]) {
    const char *given = args_text(&cli->args, "output");
    if (given != NULL) return given;
    snprintf(dst, CLI_PATH_MAX, "%s%s", file, suffix);
    return dst;
}

static bool is_ots(struct cli *cli) { return strcmp(args_text(&cli->args, "form"), "ots") == 0; }

static int request(struct cli *cli, const char *file) {
    struct digests d;
    struct vl_buf out;
    char path[CLI_PATH_MAX];
    uint64_t nonce = 0;
    int code = digests_of(cli, file, &d);
    if (code != CLI_OK) return code;
    vl_buf_init(&out, 1024);
    crypto_random(&nonce, sizeof nonce);
    enum vl_err err = is_ots(cli) ? vl_buf_append(&out, d.sha256, sizeof d.sha256) : timestamp_request(d.sha256, nonce >> 1 | 1, &out);
    const char *to = target(cli, file, is_ots(cli) ? ".digest" : ".tsq", path);
    code = err ? cli_fail(cli, CLI_FAILED, "out of memory") : artefact_write(cli, to, vl_span(out.p, out.len));
    vl_buf_free(&out);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "file", to));
    if (is_ots(cli))
        cli_note(cli, "%s: send it to a calendar (curl --data-binary @%s https://CALENDAR/digest -o ANSWER), then `village timestamp attach %s ANSWER --form ots`",
                 to, to, file);
    else
        cli_note(cli,
                 "%s: send it to an authority (curl -H 'Content-Type: application/timestamp-query' --data-binary @%s https://AUTHORITY -o ANSWER), then "
                 "`village timestamp attach %s ANSWER`",
                 to, to, file);
    return CLI_OK;
}

static bool fits(const struct digests *d, const struct timestamp *t) {
    switch (t->hash) {
    case TIMESTAMP_SHA256: return memcmp(d->sha256, t->imprint, 32) == 0;
    case TIMESTAMP_SHA384: return memcmp(d->sha384, t->imprint, 48) == 0;
    case TIMESTAMP_SHA512: return memcmp(d->sha512, t->imprint, 64) == 0;
    }
    return false;
}

/* An authority's answer: kept as it came once it is for this file. */
static int attach_token(struct cli *cli, const struct digests *d, struct vl_span answer) {
    struct timestamp t;
    enum vl_err err = timestamp_read(answer, &t);
    if (err == VL_EDENIED) return cli_fail(cli, CLI_FAILED, "the authority refused to stamp: ask another, or send a fresh request");
    if (err) return cli_fail(cli, CLI_FAILED, "the answer is no time-stamp: what did the authority say? (it may be a text)");
    if (!fits(d, &t)) return cli_fail(cli, CLI_FAILED, "the answer is for another file");
    return CLI_OK;
}

/* A whole .ots file, or a calendar's answer, which becomes one. */
static int attach_ots(struct cli *cli, const struct digests *d, struct vl_span answer, struct vl_buf *out) {
    struct ots *o = malloc(sizeof *o);
    if (o == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    enum vl_err err = ots_parse(answer, o);
    bool same = err == VL_OK && memcmp(o->digest, d->sha256, 32) == 0;
    free(o);
    if (err == VL_OK && !same) return cli_fail(cli, CLI_FAILED, "the OpenTimestamps file is for another file");
    err = err == VL_OK ? vl_buf_append(out, answer.p, answer.n) : ots_write(d->sha256, answer, out);
    return err ? cli_fail(cli, CLI_FAILED, "the answer is neither an OpenTimestamps file nor what a calendar answers") : CLI_OK;
}

static int attach(struct cli *cli, const char *file, const char *answer) {
    struct digests d;
    struct vl_buf in, out;
    char path[CLI_PATH_MAX];
    const char *to = target(cli, file, is_ots(cli) ? ".ots" : ".tsr", path);
    vl_buf_init(&in, OTS_FILE_MAX);
    vl_buf_init(&out, 2 * OTS_FILE_MAX);
    int code = digests_of(cli, file, &d);
    if (code == CLI_OK) code = artefact_read(cli, answer, &in);
    struct vl_span bytes = vl_span(in.p, in.len);
    if (code == CLI_OK && is_ots(cli)) code = attach_ots(cli, &d, bytes, &out);
    if (code == CLI_OK && !is_ots(cli)) code = attach_token(cli, &d, bytes);
    if (code == CLI_OK) code = artefact_write(cli, to, is_ots(cli) ? vl_span(out.p, out.len) : bytes);
    vl_buf_free(&in);
    vl_buf_free(&out);
    if (code != CLI_OK) return code;
    if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "file", to));
    cli_note(cli, "%s is for this file; whether it is true: village verify %s --file %s %s", to, to, file, is_ots(cli) ? "--header HEADER" : "--root CA");
    return CLI_OK;
}

int command_timestamp(struct cli *cli) {
    const struct cli_args *a = &cli->args;
    if (strcmp(a->operands[0], "request") == 0 && a->n_operands == 2) return request(cli, a->operands[1]);
    if (strcmp(a->operands[0], "attach") == 0 && a->n_operands == 3) return attach(cli, a->operands[1], a->operands[2]);
    return cli_fail(cli, CLI_USAGE, "`village timestamp request FILE` or `village timestamp attach FILE ANSWER`");
}
