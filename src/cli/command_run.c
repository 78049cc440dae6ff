#include "cli/follow.h"
#include "cli/handlers.h"
#include "cli/inputs.h"
#include "cli/session.h"

#include "base/bounds.h"
#include "base/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 16u /* of the Idempotency-Key: enough never to meet again */

/* Adds a string; a text that is no UTF-8 cannot travel in JSON. */
static int add_text(struct cli *cli, json_t *array, const char *text, const char *what) {
    json_t *v = json_string(text);
    if (v == NULL) return cli_fail(cli, CLI_USAGE, "%s is not valid UTF-8", what);
    return json_array_append_new(array, v) == 0 ? CLI_OK : cli_fail(cli, CLI_FAILED, "out of memory");
}

static int add_args(struct cli *cli, json_t *job) {
    json_t *array = json_array();
    int code = json_object_set_new(job, "args", array) == 0 ? CLI_OK : cli_fail(cli, CLI_FAILED, "out of memory");
    for (size_t i = 0; i < cli->args.n_given && code == CLI_OK; i++)
        if (strcmp(cli->args.given[i].option->name, "arg") == 0)
            code = add_text(cli, array, cli->args.given[i].text, "--arg");
    for (size_t i = 0; i < cli->args.n_rest && code == CLI_OK; i++)
        code = add_text(cli, array, cli->args.rest[i], "an argument of the program");
    if (code == CLI_OK && json_array_size(array) > VL_ARGS_MAX)
        code = cli_fail(cli, CLI_USAGE, "a program takes at most %u arguments", VL_ARGS_MAX);
    return code;
}

static int add_env(struct cli *cli, json_t *job) {
    json_t *env = json_object();
    int code = json_object_set_new(job, "env", env) == 0 ? CLI_OK : cli_fail(cli, CLI_FAILED, "out of memory");
    for (size_t i = 0; i < cli->args.n_given && code == CLI_OK; i++) {
        const struct cli_given *g = &cli->args.given[i];
        if (strcmp(g->option->name, "env") != 0) continue;
        const char *eq = strchr(g->text, '=');
        if (eq == NULL || eq == g->text) {
            code = cli_fail(cli, CLI_USAGE, "--env '%s' is not NAME=VALUE", g->text);
            break;
        }
        char *name = strndup(g->text, (size_t)(eq - g->text));
        if (name != NULL && json_object_get(env, name) != NULL)
            code = cli_fail(cli, CLI_USAGE, "--env %s is given twice", name);
        else if (name == NULL || json_object_set_new(env, name, json_string(eq + 1)) != 0)
            code = cli_fail(cli, CLI_USAGE, "--env '%s' is not valid UTF-8", g->text);
        free(name);
    }
    return code;
}

static int add_merge(struct cli *cli, json_t *job) {
    const struct cli_given *g = args_get(&cli->args, "merge");
    if (g == NULL) return CLI_OK;
    json_t *args = json_array();
    json_t *merge = json_pack("{s:o}", "args", args);
    int code = merge != NULL && json_object_set_new(job, "merge", merge) == 0
                   ? CLI_OK
                   : cli_fail(cli, CLI_FAILED, "out of memory");
    if (code != CLI_OK || g->text == NULL) return code;
    char **words = NULL;
    size_t n = 0;
    enum vl_err err = words_split(g->text, &words, &n);
    if (err == VL_EPARSE) return cli_fail(cli, CLI_USAGE, "--merge has a quote that is not closed");
    if (err != VL_OK) return cli_fail(cli, CLI_USAGE, "--merge: %s", vl_err_text(err));
    for (size_t i = 0; i < n && code == CLI_OK; i++) code = add_text(cli, args, words[i], "--merge");
    free(words);
    return code;
}

static int add_after(struct cli *cli, json_t *job) {
    json_t *after = json_array();
    int code = json_object_set_new(job, "after", after) == 0 ? CLI_OK : cli_fail(cli, CLI_FAILED, "out of memory");
    for (size_t i = 0; i < cli->args.n_given && code == CLI_OK; i++) {
        char id[33];
        if (strcmp(cli->args.given[i].option->name, "after") != 0) continue;
        code = cli_find_job(cli, cli->args.given[i].text, id);
        if (code == CLI_OK) code = add_text(cli, after, id, "--after");
    }
    if (json_array_size(after) == 0) json_object_del(job, "after");
    return code;
}

static int add_inputs(struct cli *cli, json_t *job, const struct inputs *in) {
    json_t *array = json_array();
    if (json_object_set_new(job, "inputs", array) != 0) return cli_fail(cli, CLI_FAILED, "out of memory");
    for (size_t i = 0; i < in->n; i++) {
        char hex[65];
        vl_hex_encode(in->v[i].hash.b, sizeof in->v[i].hash.b, hex);
        json_t *o = json_pack("{s:s,s:s,s:I}", "name", in->v[i].name, "hash", hex, "size", (json_int_t)in->v[i].size);
        if (o == NULL || json_array_append_new(array, o) != 0)
            return cli_fail(cli, CLI_USAGE, "the name of %s cannot be sent", in->v[i].path);
    }
    return CLI_OK;
}

static json_t *limits_of(const struct cli *cli) {
    json_t *limits = json_pack("{s:I,s:I}", "timeout_ms", (json_int_t)args_number(&cli->args, "timeout"),
                               "memory_bytes", (json_int_t)args_number(&cli->args, "memory"));
    if (limits != NULL && args_has(&cli->args, "cpu"))
        json_object_set_new(limits, "cpu_ms", json_integer((json_int_t)args_number(&cli->args, "cpu")));
    return limits;
}

static void add_choice(json_t *job, const struct cli_args *a, const char *option) {
    if (args_has(a, option)) json_object_set_new(job, option, json_string(args_text(a, option)));
}

/* "0.7" as thousandths. */
static bool level_parse(const char *text, json_int_t *ret) {
    json_int_t v = text[0] - '0', unit = 100;
    if (text[0] != '0' && text[0] != '1') return false;
    v *= 1000;
    if (text[1] != '\0' && (text[1] != '.' || text[2] == '\0')) return false;
    for (const char *p = text + 1 + (text[1] == '.'); *p; p++, unit /= 10) {
        if (*p < '0' || *p > '9' || unit == 0) return false;
        v += (*p - '0') * unit;
    }
    *ret = v;
    return v <= 1000;
}

/* What its nodes must be. */
static int add_require(struct cli *cli, json_t *job) {
    const struct cli_args *a = &cli->args;
    json_t *require = json_object(), *exclude = json_array();
    int code = json_object_set_new(job, "require", require) == 0 ? CLI_OK : cli_fail(cli, CLI_FAILED, "out of memory");
    if (args_has(a, "min-trust"))
        json_object_set_new(require, "min_trust", json_integer((json_int_t)args_number(a, "min-trust")));
    json_int_t level = 0;
    if (args_has(a, "min-attestation")) {
        if (!level_parse(args_text(a, "min-attestation"), &level))
            code = cli_fail(cli, CLI_USAGE, "--min-attestation takes a level from 0 to 1 such as 0.7, with at most three decimals");
        else
            json_object_set_new(require, "min_attestation", json_integer(level));
    }
    if (args_has(a, "max-latency"))
        json_object_set_new(require, "max_latency_ms", json_integer((json_int_t)args_number(a, "max-latency")));
    if (args_has(a, "max-price"))
        json_object_set_new(require, "max_price", json_integer((json_int_t)args_number(a, "max-price")));
    add_choice(require, a, "region");
    add_choice(require, a, "spread");
    for (size_t i = 0; i < a->n_given && code == CLI_OK; i++) {
        char id[CLI_NODE_ID_MAX];
        if (strcmp(a->given[i].option->name, "exclude") != 0) continue;
        code = cli_find_node(cli, a->given[i].text, id);
        if (code == CLI_OK) code = add_text(cli, exclude, id, "--exclude");
    }
    if (json_array_size(exclude) > 0)
        json_object_set(require, "exclude", exclude);
    json_decref(exclude);
    if (json_object_size(require) == 0) json_object_del(job, "require");
    return code;
}

/* Everything about the job but its files. */
static int describe(struct cli *cli, json_t *job, const char *program, enum program_kind kind) {
    const struct cli_args *a = &cli->args;
    const char *slash = strrchr(program, '/'), *base = slash ? slash + 1 : program;
    char name[VL_NAME_MAX];
    size_t cut = strlen(base) < sizeof name ? strlen(base) : sizeof name - 1;
    while (cut > 0 && ((unsigned char)base[cut] & 0xc0) == 0x80) cut--;
    snprintf(name, sizeof name, "%.*s", (int)cut, base);
    const char *called = args_text(a, "name") != NULL ? args_text(a, "name") : name;
    if (json_object_set_new(job, "name", json_string(called)) != 0)
        return cli_fail(cli, CLI_USAGE, "the name of the job is not valid UTF-8");
    json_object_set_new(job, "kind", json_string(kind == PROGRAM_WASM ? "wasm" : "native"));
    if (kind == PROGRAM_NATIVE && json_object_set_new(job, "command", json_string(program)) != 0)
        return cli_fail(cli, CLI_USAGE, "the path of the program is not valid UTF-8");
    if (args_has(a, "replicas"))
        json_object_set_new(job, "replicas", json_integer((json_int_t)args_number(a, "replicas")));
    json_object_set_new(job, "priority", json_string(args_text(a, "priority")));
    if (strcmp(args_text(a, "privacy"), "off") != 0)
        json_object_set_new(job, "privacy", json_string(args_text(a, "privacy")));
    json_object_set_new(job, "limits", limits_of(cli));
    if (args_has(a, "deadline"))
        json_object_set_new(job, "deadline_ms", json_integer((json_int_t)args_number(a, "deadline")));
    add_choice(job, a, "class");
    add_choice(job, a, "tier");
    add_choice(job, a, "strategy");
    if (args_has(a, "deterministic")) json_object_set_new(job, "deterministic", json_true());
    if (args_has(a, "no-map")) json_object_set_new(job, "map", json_false());
    int code = add_require(cli, job);
    if (code == CLI_OK) code = add_args(cli, job);
    if (code == CLI_OK) code = add_env(cli, job);
    if (code == CLI_OK) code = add_merge(cli, job);
    return code == CLI_OK ? add_after(cli, job) : code;
}

static int collect(struct cli *cli, struct inputs *in) {
    int code = CLI_OK;
    for (size_t i = 0; i < cli->args.n_given && code == CLI_OK; i++)
        if (strcmp(cli->args.given[i].option->name, "input") == 0) code = inputs_add(cli, in, cli->args.given[i].text);
    if (code == CLI_OK && args_has(&cli->args, "no-map") && in->n > VL_TASK_INPUTS_MAX)
        return cli_fail(cli, CLI_USAGE, "one task takes at most %u files; leave out --no-map, or pack them",
                        VL_TASK_INPUTS_MAX);
    inputs_name(in);
    return code;
}

/* Uploads program and inputs, and puts the program's name into the job. */
static int send_files(struct cli *cli, json_t *job, struct inputs *program, struct inputs *in) {
    char hex[65];
    int code = inputs_hash(cli, program);
    if (code == CLI_OK) code = inputs_hash(cli, in);
    if (code == CLI_OK) code = inputs_upload(cli, program);
    if (code == CLI_OK) code = inputs_upload(cli, in);
    if (code == CLI_INTERRUPTED)
        return cli_fail(cli, CLI_INTERRUPTED,
                        "interrupted; no job was submitted, uploaded files are kept for the next time");
    if (code == CLI_OK && program->n > 0) {
        vl_hex_encode(program->v[0].hash.b, sizeof program->v[0].hash.b, hex);
        json_object_set_new(job, "program", json_string(hex));
    }
    return code == CLI_OK && in->n > 0 ? add_inputs(cli, job, in) : code;
}

#define SUBMIT_TIMES 4u

/* The key makes it safe to ask again when the answer was lost: the job is made once. */
static int submit(struct cli *cli, const json_t *job, char ret_id[33]) {
    uint8_t random[KEY_BYTES];
    char key[2 * KEY_BYTES + 1];
    struct vl_errmsg msg = { .text = "" };
    struct rest_reply reply = { .status = 0 };
    randombytes_buf(random, sizeof random);
    vl_hex_encode(random, sizeof random, key);
    struct rest_request q = { .method = "POST", .path = "/v1/fog/jobs", .body = job, .idempotency_key = key };
    enum vl_err err = cli_ask(cli, &q, &reply, &msg);
    for (unsigned i = 1; i < SUBMIT_TIMES && (err == VL_EIO || err == VL_EBUSY || err == VL_ETIMEOUT); i++) {
        if (reply.status != 0 || cli_interrupted()) break;
        rest_reply_free(&reply);
        cli_note(cli, "the answer was lost; asking again");
        cli_sleep(500ull << i);
        err = cli_ask(cli, &q, &reply, &msg);
    }
    const char *id = json_text(reply.json, "id", "");
    int code = CLI_OK;
    if (err == VL_ECLOSED)
        code = cli_fail(cli, CLI_INTERRUPTED,
                        "interrupted while submitting; `village jobs` shows whether the job was taken");
    else if (err != VL_OK)
        code = cli_explain(cli, err, &reply, &msg);
    else if (strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
        code = cli_fail(cli, CLI_FAILED, "the gateway's answer names no job");
    else
        memcpy(ret_id, id, 33);
    rest_reply_free(&reply);
    return code;
}

int command_finish(struct cli *cli, const char *id, const char *dir) {
    json_t *job = NULL, *files = NULL;
    int code = follow_job(cli, id, &job);
    if (code != CLI_OK) return code;
    code = follow_verdict(cli, job);
    if (code == CLI_OK && dir == NULL) {
        code = follow_print(cli, job);
    } else if (code == CLI_OK) {
        code = save_outputs(cli, id, dir, &files);
        if (code == CLI_OK && cli->json)
            code = cli_print_json(cli, json_pack("{s:O,s:O}", "job", job, "files", files));
        else if (code == CLI_OK)
            cli_note(cli, "%zu file%s in %s", json_array_size(files), json_array_size(files) == 1 ? "" : "s", dir);
    }
    json_decref(files);
    json_decref(job);
    return code;
}

int command_run(struct cli *cli) {
    struct inputs in = { .n = 0 }, program = { .n = 0 };
    enum program_kind kind = PROGRAM_NATIVE;
    char path[CLI_PATH_MAX], id[33] = "";
    json_t *job = json_object();
    cli_catch_interrupt();
    int code = program_find(cli, cli->args.operands[0], &kind, path);
    if (code == CLI_OK) code = describe(cli, job, path, kind);
    if (code == CLI_OK) code = collect(cli, &in);
    if (code == CLI_OK && kind == PROGRAM_WASM) code = inputs_add_file(cli, &program, path);
    if (code == CLI_OK) code = send_files(cli, job, &program, &in);
    if (code == CLI_OK) code = submit(cli, job, id);
    inputs_free(&in);
    inputs_free(&program);
    json_decref(job);
    if (code != CLI_OK) return code;
    if (args_has(&cli->args, "detach")) {
        if (cli->json) return cli_print_json(cli, json_pack("{s:s}", "id", id));
        fprintf(cli->out.file, "%s\n", id);
        cli_note(cli, "follow it: village job %s --follow", cli_short(cli, id));
        return CLI_OK;
    }
    return command_finish(cli, id, args_text(&cli->args, "output"));
}
