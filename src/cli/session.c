#include "cli/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ASK_TIMES 4u     /* how often "later" is believed */
#define ASK_WAIT_S 10u   /* the longest wait that a person sits through */
#define ASK_OVERLOAD_S 900u /* together, when an overloaded village says when to come back, as scripts need it */
#define PAGES_MAX 10000u /* a gateway that pages for ever is cut off */
#define PAGE "1000"

static volatile sig_atomic_t interrupts; /* the only state a signal handler can reach */

void cli_init(struct cli *cli, const struct cli_hooks *hooks) {
    *cli = (struct cli){ .hooks = hooks };
    cli->out = term_open(stdout, false);
    cli->err = term_open(stderr, false);
}

void cli_free(struct cli *cli) {
    rest_destroy(cli->rest);
    rest_target_free(&cli->target);
    args_free(&cli->args);
}

static void put_line(const struct term *t, const char *prefix, enum term_style style, const char *text) {
    fputs(term_style(t, style), t->file);
    fputs(prefix, t->file);
    if (style != TERM_PLAIN) fputs(term_style(t, TERM_PLAIN), t->file);
    term_puts(t, text);
    fputc('\n', t->file);
}

int cli_fail(struct cli *cli, enum cli_exit code, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put_line(&cli->err, "village: ", TERM_BAD, text);
    if (cli->json) {
        struct vl_buf b;
        vl_buf_init(&b, 3 * sizeof text + 1);
        if (term_sanitise(&b, text, strlen(text), false) == VL_OK) {
            json_t *o =
                json_pack("{s:{s:i,s:s%}}", "error", "exit", (int)code, "detail", b.p ? (char *)b.p : "", b.len);
            if (o != NULL && json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0) fputc('\n', stdout);
            json_decref(o);
        }
        vl_buf_free(&b);
    }
    return (int)code;
}

void cli_note(struct cli *cli, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    if (cli->quiet) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put_line(&cli->err, "", TERM_PLAIN, text);
}

int cli_print_json(struct cli *cli, json_t *value) {
    bool ok = value != NULL && json_dumpf(value, cli->out.file, JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY) == 0 &&
              fputc('\n', cli->out.file) != EOF && fflush(cli->out.file) == 0;
    json_decref(value);
    return ok ? CLI_OK : CLI_FAILED;
}

enum cli_exit cli_exit_of(enum vl_err err) {
    switch (err) {
    case VL_OK:
        return CLI_OK;
    case VL_ENOTFOUND:
        return CLI_NOT_FOUND;
    case VL_EDENIED:
        return CLI_DENIED;
    case VL_EBUSY:
    case VL_ETIMEOUT:
        return CLI_UNREACHABLE;
    case VL_ECLOSED:
        return CLI_INTERRUPTED;
    case VL_ENOMEM:
    case VL_ERANGE:
    case VL_ELIMIT:
    case VL_EAGAIN:
    case VL_EOVERLOAD:
    case VL_EPARSE:
    case VL_EVERSION:
    case VL_ECRYPTO:
    case VL_EREPLAY:
    case VL_EEXPIRED:
    case VL_EEXISTS:
    case VL_ESTATE:
    case VL_ESTALE:
    case VL_EIO:
    case VL_ENOSPC:
    case VL_ECORRUPT:
    case VL_EUNSUPPORTED:
    case VL_EUSED:
    case VL_EINTERNAL:
        return CLI_FAILED;
    }
    return CLI_FAILED;
}

int cli_open(struct cli *cli) {
    struct vl_errmsg msg = { .text = "" };
    if (cli->rest != NULL) return CLI_OK;
    enum vl_err err = VL_OK;
    if (cli->target.url[0] == '\0')
        err = rest_target_find(args_text(&cli->args, "server"), args_text(&cli->args, "token"), cli->data_dir,
                               &cli->target, &msg);
    if (err == VL_OK) err = rest_create(&cli->target, &interrupts, &cli->rest, &msg);
    if (err == VL_OK) return CLI_OK;
    enum cli_exit code = err == VL_EPARSE && args_has(&cli->args, "server") ? CLI_USAGE : cli_exit_of(err);
    return cli_fail(cli, code, "%s", msg.text);
}

enum vl_err cli_ask(struct cli *cli, const struct rest_request *q, struct rest_reply *ret, struct vl_errmsg *msg) {
    bool again = strcmp(q->method, "POST") != 0 || q->idempotency_key != NULL;
    unsigned waited_s = 0;
    for (unsigned i = 0;; i++) {
        enum vl_err err = rest_call(cli->rest, q, ret, msg);
        unsigned wait_s = ret->retry_after_s > 0 ? ret->retry_after_s : 1u << (i < ASK_TIMES ? i : ASK_TIMES);
        bool busy = err == VL_EAGAIN && i + 1 < ASK_TIMES && ret->retry_after_s <= ASK_WAIT_S;
        bool overload = err == VL_EOVERLOAD && waited_s + wait_s <= ASK_OVERLOAD_S;
        if (!again || !(busy || overload)) return err;
        if (overload)
            cli_note(cli, "%s (waiting; Ctrl-C gives up)", msg->text);
        else
            cli_note(cli, "the gateway is busy; asking again in %u s", wait_s);
        waited_s += wait_s;
        rest_reply_free(ret);
        cli_sleep(wait_s * 1000ull);
        if (cli_interrupted()) return vl_errmsg_set(msg, VL_ECLOSED, "interrupted");
    }
}

int cli_explain(struct cli *cli, enum vl_err err, const struct rest_reply *reply, const struct vl_errmsg *msg) {
    char text[900];
    size_t used = 0;
    int put = snprintf(text, sizeof text, "%s", msg->text);
    used = put > 0 ? (size_t)put : 0;
    for (size_t i = 0; i < reply->n_fields && used < sizeof text; i++) {
        put = snprintf(text + used, sizeof text - used, "%s%s: %s", i ? ", " : " (", reply->fields[i].field,
                       reply->fields[i].detail);
        used += put > 0 ? (size_t)put : 0;
    }
    if (reply->n_fields > 0 && used < sizeof text) {
        snprintf(text + used, sizeof text - used, ")");
        used++;
    }
    const char *next = "";
    if (err == VL_EDENIED)
        next = cli->target.token != NULL ? "; is the token of this gateway right?"
                                         : "; pass --token or VILLAGE_TOKEN, or --data with the node's folder";
    if (err == VL_EIO && reply->request_id[0] != '\0' && used < sizeof text)
        snprintf(text + used, sizeof text - used, "; its log names the request %s", reply->request_id);
    return cli_fail(cli, cli_exit_of(err), "%s%s", text, next);
}

int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret_json) {
    struct vl_errmsg msg = { .text = "" };
    struct rest_reply reply = { .status = 0 };
    int code = cli_open(cli);
    if (code != CLI_OK) return code;
    struct rest_request q = { .method = method, .path = path, .body = body };
    enum vl_err err = cli_ask(cli, &q, &reply, &msg);
    if (err == VL_OK && ret_json != NULL && !json_is_object(reply.json))
        err = vl_errmsg_set(&msg, VL_EIO, "the gateway's answer holds no object where one was expected");
    if (err != VL_OK) {
        code = cli_explain(cli, err, &reply, &msg);
    } else if (ret_json != NULL) {
        *ret_json = json_incref(reply.json);
    }
    rest_reply_free(&reply);
    return code;
}

int cli_list(struct cli *cli, const char *path, size_t most, json_t **ret_items) {
    json_t *items = json_array();
    char *at = NULL;
    int code = CLI_OK;
    char sep = strchr(path, '?') != NULL ? '&' : '?';
    if (items == NULL || asprintf(&at, "%s%climit=%zu", path, sep, most < 1000 ? most : 1000) < 0) at = NULL;
    for (unsigned page = 0; page < PAGES_MAX && at != NULL && json_array_size(items) < most; page++) {
        json_t *answer = NULL;
        code = cli_call(cli, "GET", at, NULL, &answer);
        free(at);
        at = NULL;
        if (code != CLI_OK) break;
        size_t i = 0;
        json_t *item = NULL;
        json_array_foreach(json_object_get(answer, "items"), i,
                           item) if (json_array_size(items) < most && json_is_object(item))
            json_array_append(items, item);
        char *cursor = i > 0 && json_text(answer, "next", NULL) ? cli_escape(json_text(answer, "next", "")) : NULL;
        json_decref(answer);
        if (cursor != NULL && asprintf(&at, "%s%climit=" PAGE "&cursor=%s", path, sep, cursor) < 0) at = NULL;
        free(cursor);
    }
    free(at);
    if (code == CLI_OK && items == NULL) code = cli_fail(cli, CLI_FAILED, "out of memory");
    if (code != CLI_OK) {
        json_decref(items);
        return code;
    }
    *ret_items = items;
    return CLI_OK;
}

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }
static bool ends(const char *s, const char *with) {
    size_t n = strlen(s), k = strlen(with);
    return n >= k && strcmp(s + n - k, with) == 0;
}

/* Index of the one item whose id begins or ends with `typed`, or whose name is `typed`; -1 none, -2 several. */
static long pick(const json_t *items, const char *typed) {
    long found = -1;
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(items, i, item) {
        const char *id = json_text(item, "id", "");
        if (strcmp(id, typed) == 0) return (long)i;
        if (!starts(id, typed) && !ends(id, typed) && strcmp(json_text(item, "name", ""), typed) != 0) continue;
        found = found == -1 ? (long)i : -2;
    }
    return found;
}

#define RECENT_JOBS 2000u /* a part of an id is looked for among so many; the whole id always works */

int cli_find_job(struct cli *cli, const char *typed, char ret_id[33]) {
    size_t n = strlen(typed);
    bool hex = n >= 4 && n <= 32 && strspn(typed, "0123456789abcdef") == n;
    if (n == 32 && hex) {
        memcpy(ret_id, typed, 33);
        return CLI_OK;
    }
    json_t *items = NULL;
    if (n == 0 || n > 64) return cli_fail(cli, CLI_USAGE, "'%.64s' is no job id: `village jobs` lists them", typed);
    int code = cli_list(cli, "/v1/fog/jobs", RECENT_JOBS, &items);
    if (code != CLI_OK) return code;
    long at = pick(items, typed);
    const char *id = at >= 0 ? json_text(json_array_get(items, (size_t)at), "id", "") : "";
    if (at == -2)
        code = cli_fail(cli, CLI_USAGE, "'%s' means several jobs; type more of the id (`village jobs --wide`)", typed);
    else if (at < 0 || strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
        code = cli_fail(cli, CLI_NOT_FOUND, "no job '%s': `village jobs` lists them", typed);
    else
        memcpy(ret_id, id, 33);
    json_decref(items);
    return code;
}

#define BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

int cli_find_node(struct cli *cli, const char *typed, char ret_id[CLI_NODE_ID_MAX]) {
    json_t *items = NULL;
    int code = cli_list(cli, "/v1/fog/nodes", 100000, &items);
    if (code != CLI_OK) return code;
    long at = *typed != '\0' ? pick(items, typed) : -1;
    const char *id = at >= 0 ? json_text(json_array_get(items, (size_t)at), "id", "") : "";
    size_t n = strlen(id);
    if (at == -2)
        code = cli_fail(cli, CLI_USAGE, "'%.64s' means several nodes; type the id (`village nodes --wide`)", typed);
    else if (at < 0 || n == 0 || n >= CLI_NODE_ID_MAX || strspn(id, BASE58) != n)
        code = cli_fail(cli, CLI_NOT_FOUND, "no node '%.64s': `village nodes` lists them", typed);
    else
        memcpy(ret_id, id, n + 1);
    json_decref(items);
    return code;
}

const char *cli_short(const struct cli *cli, const char *id) {
    size_t n = strlen(id);
    return cli->wide || n <= 8 ? id : id + n - 8;
}

char *cli_escape(const char *text) {
    static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *out = malloc(3 * strlen(text) + 1), *to = out;
    if (out == NULL) return NULL;
    for (; *text != '\0'; text++) {
        if (strchr(keep, *text) != NULL)
            *to++ = *text;
        else
            to += snprintf(to, 4, "%%%02X", (unsigned char)*text);
    }
    *to = '\0';
    return out;
}

vl_ms cli_now(void) {
    struct timespec t = { 0 };
    clock_gettime(CLOCK_REALTIME, &t);
    return (vl_ms)t.tv_sec * 1000 + (vl_ms)t.tv_nsec / 1000000;
}

void cli_ago(uint64_t at_ms, char dst[CLI_AGO_TEXT]) {
    vl_ms now = cli_now();
    uint64_t s = now > at_ms ? (now - at_ms) / 1000 : 0;
    if (at_ms == 0)
        snprintf(dst, CLI_AGO_TEXT, "-");
    else if (s == 0)
        snprintf(dst, CLI_AGO_TEXT, "now");
    else if (s < 120)
        snprintf(dst, CLI_AGO_TEXT, "%llu s ago", (unsigned long long)s);
    else if (s < 7200)
        snprintf(dst, CLI_AGO_TEXT, "%llu min ago", (unsigned long long)(s / 60));
    else if (s < 172800)
        snprintf(dst, CLI_AGO_TEXT, "%llu h ago", (unsigned long long)(s / 3600));
    else
        snprintf(dst, CLI_AGO_TEXT, "%llu d ago", (unsigned long long)(s / 86400));
}

enum term_style cli_state_style(const char *state) {
    static const struct {
        const char *state;
        enum term_style style;
    } styles[] = {
        { "done", TERM_GOOD },      { "active", TERM_GOOD }, { "idle", TERM_GOOD },     { "busy", TERM_GOOD },
        { "failed", TERM_BAD },     { "expired", TERM_BAD }, { "offline", TERM_BAD },   { "maintenance", TERM_WARN },
        { "cancelled", TERM_WARN }, { "waiting", TERM_DIM }, { "submitted", TERM_DIM },
    };
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
        if (strcmp(styles[i].state, state) == 0) return styles[i].style;
    return TERM_PLAIN;
}

static void on_interrupt(int number) {
    (void)number;
    interrupts = 1;
}

void cli_catch_interrupt(void) {
    /* RESETHAND: the second Ctrl-C ends the program at once, whatever it waits for. */
    struct sigaction a = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
}

bool cli_interrupted(void) { return interrupts != 0; }

void cli_sleep(vl_ms ms) {
    struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (interrupts == 0 && nanosleep(&t, &t) != 0 && errno == EINTR) continue;
}
