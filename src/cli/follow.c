#include "cli/follow.h"

#include "base/bounds.h"
#include "cli/units.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define POLL_FIRST_MS 10u
#define POLL_LAST_MS 500u
#define GIVE_UP_MS 60000u /* a gateway that restarts is back well before */
#define JSON_OUTPUT_MAX (16u * 1024 * 1024)
#define FAILED_TASKS_SHOWN 5u
#define STDERR_SHOWN 2048u
#define PIECE_MAX (1u << 20) /* libcurl hands out at most 16 KiB at a time */

static bool has_ended(const char *state) {
    static const char *const ended[] = { "done", "failed", "cancelled", "expired" };
    for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++)
        if (strcmp(state, ended[i]) == 0) return true;
    return false;
}

static void show(struct term_progress *bar, const json_t *job) {
    char elapsed[UNITS_TEXT];
    const json_t *tasks = json_object_get(job, "tasks");
    vl_ms now = cli_now(), from = json_count(job, "submitted_ms", now);
    units_format_duration(now > from ? now - from : 0, elapsed);
    uint64_t failed = json_count(tasks, "failed", 0);
    char bad[40] = "";
    if (failed > 0) snprintf(bad, sizeof bad, ", %llu failed", (unsigned long long)failed);
    bool idle = json_count(tasks, "running", 0) == 0 && json_is_string(json_object_get(job, "waits_for"));
    term_progress_show(bar, now, "%.16s: %llu of %llu tasks done, %llu running%s%s%.100s  %s", json_text(job, "state", "?"),
                       (unsigned long long)json_count(tasks, "done", 0),
                       (unsigned long long)json_count(tasks, "total", 0),
                       (unsigned long long)json_count(tasks, "running", 0), bad, idle ? ", waiting: " : "",
                       idle ? json_text(job, "waits_for", "") : "", elapsed);
}

static int tell_interrupted(struct cli *cli, const char *id) {
    int code = cli_fail(cli, CLI_INTERRUPTED, "stopped waiting; job %s goes on", cli_short(cli, id));
    cli_note(cli, "follow it: village job %s --follow", cli_short(cli, id));
    cli_note(cli, "cancel it: village job %s --cancel", cli_short(cli, id));
    return code;
}

int follow_job(struct cli *cli, const char *id, json_t **ret_job) {
    char path[96];
    struct term_progress bar = { .term = cli->err, .quiet = cli->quiet };
    int code = cli_open(cli);
    vl_ms wait = POLL_FIRST_MS, last_answer = cli_now();
    snprintf(path, sizeof path, "/v1/fog/jobs/%s", id);
    while (code == CLI_OK) {
        struct vl_errmsg msg = { .text = "" };
        struct rest_reply reply = { .status = 0 };
        struct rest_request q = { .method = "GET", .path = path };
        enum vl_err err = rest_call(cli->rest, &q, &reply, &msg);
        bool passing = err == VL_EBUSY || err == VL_ETIMEOUT || err == VL_EIO || err == VL_EAGAIN;
        if (err == VL_OK && json_is_object(reply.json)) {
            last_answer = cli_now();
            if (has_ended(json_text(reply.json, "state", ""))) {
                *ret_job = json_incref(reply.json);
                rest_reply_free(&reply);
                break;
            }
            show(&bar, reply.json);
        } else if (err == VL_ECLOSED) {
            code = CLI_INTERRUPTED;
        } else if (passing && cli_now() - last_answer < GIVE_UP_MS) {
            term_progress_show(&bar, cli_now(), "the gateway does not answer; trying again");
        } else {
            term_progress_clear(&bar);
            if (err == VL_OK) err = vl_errmsg_set(&msg, VL_EIO, "the gateway's answer is no job");
            code = cli_explain(cli, err, &reply, &msg);
            if (passing) cli_note(cli, "the job may go on; follow it: village job %s --follow", cli_short(cli, id));
        }
        rest_reply_free(&reply);
        if (code == CLI_OK) cli_sleep(wait);
        wait = wait * 3 / 2 < POLL_LAST_MS ? wait * 3 / 2 : POLL_LAST_MS;
        if (code == CLI_OK && cli_interrupted()) code = CLI_INTERRUPTED;
    }
    term_progress_clear(&bar);
    return code == CLI_INTERRUPTED ? tell_interrupted(cli, id) : code;
}

/* What a program said before it failed: the end of its standard error. */
struct tail {
    char text[STDERR_SHOWN];
    size_t n;
};
static bool on_tail(void *arg, const void *p, size_t n) {
    struct tail *t = arg;
    const char *from = p;
    if (n > sizeof t->text) {
        from += n - sizeof t->text;
        n = sizeof t->text;
    }
    size_t keep = t->n + n > sizeof t->text ? sizeof t->text - n : t->n;
    memmove(t->text, t->text + t->n - keep, keep);
    memcpy(t->text + keep, from, n);
    t->n = keep + n;
    return true;
}

static void tell_stderr(struct cli *cli, const json_t *task) {
    struct tail tail = { .n = 0 };
    struct vl_buf clean;
    size_t i = 0;
    const json_t *o = NULL;
    json_array_foreach(json_object_get(task, "outputs"), i, o) {
        char path[96];
        struct vl_errmsg msg;
        struct rest_reply reply = { .status = 0 };
        uint64_t size = json_count(o, "size", 0);
        if (strcmp(json_text(o, "name", ""), "stderr") != 0 || size == 0) continue;
        snprintf(path, sizeof path, "/v1/blobs/%.64s", json_text(o, "hash", ""));
        struct rest_request q = { .method = "GET",
                                  .path = path,
                                  .sink = on_tail,
                                  .arg = &tail,
                                  .range_from = size > STDERR_SHOWN ? size - STDERR_SHOWN : 0 };
        if (cli_ask(cli, &q, &reply, &msg) != VL_OK) tail.n = 0; /* a courtesy: its failure is no news */
        rest_reply_free(&reply);
    }
    vl_buf_init(&clean, 3 * STDERR_SHOWN + 1);
    if (tail.n > 0 && term_sanitise(&clean, tail.text, tail.n, true) == VL_OK)
        fprintf(cli->err.file, "%.*s%s", (int)clean.len, (const char *)clean.p,
                clean.p[clean.len - 1] == '\n' ? "" : "\n");
    vl_buf_free(&clean);
}

/* What the first failed tasks died of. */
static void tell_failed_tasks(struct cli *cli, const json_t *job) {
    char path[128];
    json_t *tasks = NULL;
    if (cli->quiet || json_count(json_object_get(job, "tasks"), "failed", 0) == 0) return;
    snprintf(path, sizeof path, "/v1/fog/jobs/%.32s/tasks", json_text(job, "id", ""));
    if (cli_list(cli, path, VL_JOB_TASKS_MAX, &tasks) != CLI_OK) return;
    size_t i = 0;
    unsigned shown = 0;
    const json_t *t = NULL;
    json_array_foreach(tasks, i, t) {
        if (strcmp(json_text(t, "state", ""), "failed") != 0 || shown++ >= FAILED_TASKS_SHOWN) continue;
        const json_t *error = json_object_get(t, "error");
        const char *why = json_is_string(error)
                              ? json_string_value(error)
                              : json_text(error, "detail", json_text(error, "code", "no reason given"));
        cli_note(cli, "task %llu%s%s: %s", (unsigned long long)json_count(t, "index", 0),
                 json_text(t, "input", NULL) ? ", " : "", json_text(t, "input", ""), why);
        if (shown == 1) tell_stderr(cli, t);
    }
    if (shown > FAILED_TASKS_SHOWN) cli_note(cli, "and %u more", shown - FAILED_TASKS_SHOWN);
    json_decref(tasks);
}

int follow_verdict(struct cli *cli, const json_t *job) {
    const char *state = json_text(job, "state", ""), *id = json_text(job, "id", "");
    const json_t *error = json_object_get(job, "error");
    const char *code = json_text(error, "code", ""), *detail = json_text(error, "detail", code);
    if (strcmp(state, "done") == 0) return CLI_OK;
    bool late =
        strcmp(state, "expired") == 0 || strcasestr(code, "timeout") != NULL || strcasestr(code, "timed_out") != NULL;
    tell_failed_tasks(cli, job);
    return cli_fail(cli, late ? CLI_TIMED_OUT : CLI_JOB_FAILED, "the job %s%s%s; details: village job %s --tasks",
                    strcmp(state, "failed") == 0      ? "failed"
                    : strcmp(state, "cancelled") == 0 ? "was cancelled"
                                                      : state,
                    *detail ? ": " : "", detail, cli_short(cli, id));
}

/* Copies to standard output; on a terminal through the sanitiser, keeping back unfinished characters. */
struct printer {
    struct term out;
    struct vl_buf held;
    bool collect, too_long;
    uint64_t n;
};

static bool print_text(struct printer *p, const void *text, size_t n) {
    struct vl_buf clean;
    vl_buf_init(&clean, 3 * n + 1);
    bool ok = term_sanitise(&clean, text, n, true) == VL_OK && fwrite(clean.p, 1, clean.len, p->out.file) == clean.len;
    vl_buf_free(&clean);
    return ok;
}

static bool on_piece(void *arg, const void *bytes, size_t n) {
    struct printer *p = arg;
    p->n += n;
    if (p->collect) {
        p->too_long = vl_buf_append(&p->held, bytes, n) != VL_OK;
        return !p->too_long;
    }
    if (!p->out.tty) return fwrite(bytes, 1, n, p->out.file) == n;
    if (vl_buf_append(&p->held, bytes, n) != VL_OK) return false;
    size_t keep = term_tail(p->held.p, p->held.len);
    bool ok = print_text(p, p->held.p, p->held.len - keep);
    vl_buf_consume(&p->held, p->held.len - keep);
    return ok;
}

static json_t *base64(const uint8_t *p, size_t n) {
    size_t room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    if (text == NULL) return NULL;
    sodium_bin2base64(text, room, p, n, sodium_base64_VARIANT_ORIGINAL);
    json_t *v = json_string(text);
    free(text);
    return v;
}

static int print_as_json(struct cli *cli, const json_t *job, const struct printer *p) {
    const char *text = p->held.p != NULL ? (const char *)p->held.p : "";
    json_t *output = json_stringn(text, p->held.len); /* NULL when it is no UTF-8 */
    const char *key = output != NULL ? "output" : "output_base64";
    if (output == NULL) output = base64(p->held.p, p->held.len);
    json_t *o = json_pack("{s:O,s:o}", "job", job, key, output);
    return o != NULL ? cli_print_json(cli, o) : cli_fail(cli, CLI_FAILED, "out of memory");
}

int follow_print(struct cli *cli, const json_t *job) {
    char path[96];
    struct vl_errmsg msg = { .text = "" };
    struct rest_reply reply = { .status = 0 };
    struct printer p = { .out = cli->out, .collect = cli->json };
    vl_buf_init(&p.held, cli->json ? JSON_OUTPUT_MAX : PIECE_MAX);
    snprintf(path, sizeof path, "/v1/fog/jobs/%.32s/output", json_text(job, "id", ""));
    struct rest_request q = { .method = "GET", .path = path, .sink = on_piece, .arg = &p };
    enum vl_err err = cli_ask(cli, &q, &reply, &msg);
    int code = CLI_OK;
    if (p.too_long)
        code = cli_fail(cli, CLI_FAILED, "the result is larger than %u MiB; use --output DIR, or leave out --json",
                        JSON_OUTPUT_MAX >> 20);
    else if (ferror(cli->out.file) != 0)
        code = cli_fail(cli, CLI_FAILED, "cannot write the result: %s", strerror(errno));
    else if (err != VL_OK)
        code = err == VL_ECLOSED ? (int)CLI_INTERRUPTED : cli_explain(cli, err, &reply, &msg);
    else if (cli->json)
        code = print_as_json(cli, job, &p);
    else if (p.held.len > 0)
        print_text(&p, p.held.p, p.held.len);
    vl_buf_free(&p.held);
    rest_reply_free(&reply);
    return code;
}
