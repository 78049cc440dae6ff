#include "cli/rest.h"

#include "os/curl_load.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 5000l
#define STALL_S 60l        /* an answer or an upload that moves less than a byte a second for so long is dead */
#define PROBLEM_MAX 65536u /* a problem document */

struct rest {
    struct curl_api api;
    CURL *curl;
    const struct rest_target *target;
    const volatile int *stop;
    char *authorization; /* header line, wiped on destroy */
};

/* One call in flight. */
struct call {
    struct rest *rest;
    const struct rest_request *request;
    struct vl_buf body;
    uint64_t offset; /* of the upload */
    bool gave_up, too_long;
    char content_type[64], request_id[64];
    unsigned retry_after_s;
};

const char *json_text(const json_t *o, const char *name, const char *absent) {
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : absent;
}

uint64_t json_count(const json_t *o, const char *name, uint64_t absent) {
    const json_t *v = json_object_get(o, name);
    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : absent;
}

bool json_flag(const json_t *o, const char *name) { return json_is_true(json_object_get(o, name)); }

enum vl_err rest_create(const struct rest_target *target, const volatile int *stop, struct rest **ret,
                        struct vl_errmsg *msg) {
    struct rest *r = calloc(1, sizeof *r);
    if (r == NULL) return VL_ENOMEM;
    r->target = target;
    r->stop = stop;
    enum vl_err err = curl_load(&r->api, msg);
    if (err == VL_OK && (r->curl = r->api.init()) == NULL) err = vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    if (err == VL_OK && target->token != NULL &&
        asprintf(&r->authorization, "Authorization: Bearer %s", target->token) < 0) {
        r->authorization = NULL;
        err = vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    }
    if (err != VL_OK) {
        rest_destroy(r);
        return err;
    }
    *ret = r;
    return VL_OK;
}

void rest_destroy(struct rest *r) {
    if (r == NULL) return;
    if (r->curl != NULL) r->api.cleanup(r->curl);
    if (r->authorization != NULL) {
        sodium_memzero(r->authorization, strlen(r->authorization));
        free(r->authorization);
    }
    free(r);
}

const struct rest_target *rest_target(const struct rest *r) { return r->target; }

static long status_of(struct call *c) {
    long status = 0;
    c->rest->api.getinfo(c->rest->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg) {
    struct call *c = arg;
    size_t bytes = one * n;
    long status = status_of(c);
    if (c->request->sink != NULL && status >= 200 && status < 300) {
        if (c->request->sink(c->request->arg, p, bytes)) return bytes;
        c->gave_up = true;
        return 0;
    }
    if (status >= 300 && c->body.len + bytes > PROBLEM_MAX) bytes = PROBLEM_MAX - c->body.len; /* enough to explain */
    if (vl_buf_append(&c->body, p, bytes) != VL_OK) {
        c->too_long = true;
        return 0;
    }
    return one * n;
}

/* Copies the value of the header when `line` is that header. */
static void header(const char *line, size_t n, const char *name, char *dst, size_t cap) {
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0) return;
    while (k < n && (line[k] == ' ' || line[k] == '\t')) k++;
    while (n > k && (unsigned char)line[n - 1] <= ' ') n--;
    snprintf(dst, cap, "%.*s", (int)(n - k), line + k);
}

static size_t on_header(char *p, size_t one, size_t n, void *arg) {
    struct call *c = arg;
    char retry[16] = "";
    header(p, one * n, "content-type:", c->content_type, sizeof c->content_type);
    header(p, one * n, "x-request-id:", c->request_id, sizeof c->request_id);
    header(p, one * n, "retry-after:", retry, sizeof retry);
    if (retry[0] != '\0') c->retry_after_s = (unsigned)strtoul(retry, NULL, 10) % 3601;
    return one * n;
}

static size_t on_upload(char *p, size_t one, size_t n, void *arg) {
    struct call *c = arg;
    uint64_t left = c->request->file_size - c->offset;
    size_t want = one * n < left ? one * n : (size_t)left;
    ssize_t got = want > 0 ? pread(c->request->file, p, want, (off_t)c->offset) : 0;
    if (got < 0 || (got == 0 && want > 0)) { /* cut short while it was being sent */
        c->gave_up = true;
        return CURL_READFUNC_ABORT;
    }
    c->offset += (uint64_t)got;
    if (c->request->sent != NULL) c->request->sent(c->request->arg, c->offset);
    return (size_t)got;
}

/* libcurl asks here to start an upload again when a kept connection turned out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin) {
    struct call *c = arg;
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
    c->offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e) {
    const struct call *c = arg;
    (void)a, (void)b, (void)d, (void)e;
    return c->rest->stop != NULL && *c->rest->stop;
}

static void set_common(struct call *c, const char *url) {
    const struct curl_api *api = &c->rest->api;
    CURL *h = c->rest->curl;
    api->reset(h); /* keeps the connection */
    api->setopt(h, CURLOPT_URL, url);
    api->setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    api->setopt(h, CURLOPT_FOLLOWLOCATION, 0l);
    api->setopt(h, CURLOPT_PROXY, ""); /* http_proxy must not see the token */
    api->setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    api->setopt(h, CURLOPT_NOSIGNAL, 1l);
    api->setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    api->setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1l);
    api->setopt(h, CURLOPT_LOW_SPEED_TIME, STALL_S);
    api->setopt(h, CURLOPT_PATH_AS_IS, 1l);
    api->setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    api->setopt(h, CURLOPT_WRITEDATA, c);
    api->setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    api->setopt(h, CURLOPT_HEADERDATA, c);
    api->setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    api->setopt(h, CURLOPT_XFERINFODATA, c);
    api->setopt(h, CURLOPT_NOPROGRESS, 0l);
}

static void set_body(struct call *c, const char *json) {
    const struct curl_api *api = &c->rest->api;
    CURL *h = c->rest->curl;
    const struct rest_request *q = c->request;
    if (q->has_file) {
        api->setopt(h, CURLOPT_UPLOAD, 1l);
        api->setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->file_size);
        api->setopt(h, CURLOPT_READFUNCTION, on_upload);
        api->setopt(h, CURLOPT_READDATA, c);
        api->setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
        api->setopt(h, CURLOPT_SEEKDATA, c);
    } else if (json != NULL) {
        api->setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(json));
        api->setopt(h, CURLOPT_POSTFIELDS, json);
    } else if (strcmp(q->method, "POST") == 0) {
        api->setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        api->setopt(h, CURLOPT_POSTFIELDS, "");
    }
    if (strcmp(q->method, "HEAD") == 0)
        api->setopt(h, CURLOPT_NOBODY, 1l);
    else
        api->setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
    if (q->range_from > 0) {
        char range[32];
        snprintf(range, sizeof range, "%llu-", (unsigned long long)q->range_from);
        api->setopt(h, CURLOPT_RANGE, range); /* copied by libcurl */
    }
}

/* Adds a line; the list is freed and NULL after a failure. */
static bool add_line(const struct curl_api *api, struct curl_slist **list, const char *line) {
    struct curl_slist *more = api->slist_append(*list, line);
    if (more == NULL) {
        api->slist_free_all(*list);
        *list = NULL;
        return false;
    }
    *list = more;
    return true;
}

static struct curl_slist *set_headers(struct call *c, bool json) {
    const struct curl_api *api = &c->rest->api;
    const struct rest_request *q = c->request;
    struct curl_slist *list = NULL;
    char key[192];
    bool ok = add_line(api, &list, q->sink != NULL ? "Accept: */*" : "Accept: application/json");
    if (ok) ok = add_line(api, &list, "Expect:"); /* no 100-continue: it costs a round trip on loopback */
    if (ok && json) ok = add_line(api, &list, "Content-Type: application/json");
    if (ok && q->has_file) ok = add_line(api, &list, "Content-Type: application/octet-stream");
    if (ok && c->rest->authorization != NULL) ok = add_line(api, &list, c->rest->authorization);
    if (ok && q->idempotency_key != NULL) {
        snprintf(key, sizeof key, "Idempotency-Key: %s", q->idempotency_key);
        ok = add_line(api, &list, key);
    }
    return ok ? list : NULL;
}

static void copy(char *dst, size_t cap, const char *src) { snprintf(dst, cap, "%s", src); }

static void read_problem(const json_t *o, struct rest_reply *ret) {
    copy(ret->code, sizeof ret->code, json_text(o, "code", ""));
    copy(ret->title, sizeof ret->title, json_text(o, "title", ""));
    copy(ret->detail, sizeof ret->detail, json_text(o, "detail", ""));
    if (ret->request_id[0] == '\0') copy(ret->request_id, sizeof ret->request_id, json_text(o, "request_id", ""));
    size_t i = 0;
    const json_t *e = NULL;
    json_array_foreach(json_object_get(o, "errors"), i, e) {
        if (i == REST_FIELDS_MAX) break;
        copy(ret->fields[i].field, sizeof ret->fields[i].field, json_text(e, "field", ""));
        copy(ret->fields[i].detail, sizeof ret->fields[i].detail, json_text(e, "detail", ""));
        ret->n_fields = i + 1;
    }
}

static enum vl_err of_status(int status) {
    if (status >= 200 && status < 300) return VL_OK;
    switch (status) {
    case 401:
    case 403:
        return VL_EDENIED;
    case 404:
        return VL_ENOTFOUND;
    case 409:
        return VL_ESTATE;
    case 429:
        return VL_EOVERLOAD;
    case 503:
        return VL_EAGAIN;
    default:
        return status >= 400 && status < 500 ? VL_ERANGE : VL_EIO;
    }
}

static enum vl_err read_answer(struct call *c, struct rest_reply *ret, struct vl_errmsg *msg) {
    const struct rest_request *q = c->request;
    const char *url = c->rest->target->url;
    ret->retry_after_s = c->retry_after_s;
    copy(ret->request_id, sizeof ret->request_id, c->request_id);
    enum vl_err err = of_status(ret->status);
    bool is_json = strncasecmp(c->content_type, "application/json", 16) == 0 ||
                   strncasecmp(c->content_type, "application/problem+json", 24) == 0;
    json_t *o = NULL;
    if (c->body.len > 0 && is_json)
        o = json_loadb((char *)c->body.p, c->body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (err != VL_OK) {
        read_problem(o, ret);
        json_decref(o);
        const char *why = ret->detail[0] ? ret->detail : ret->title;
        if (why[0] == '\0') return vl_errmsg_set(msg, err, "the gateway answered %d without a reason", ret->status);
        size_t n = strnlen(why, 200);
        if (why[n - 1] == '.') n--; /* more may follow in the same line */
        return vl_errmsg_set(msg, err, "the gateway says: %.*s (%d)", (int)n, why, ret->status);
    }
    if (q->sink == NULL && c->body.len > 0 && o == NULL)
        return vl_errmsg_set(msg, VL_EIO, "what answers at %.120s is no Village gateway, or its answer was damaged",
                             url);
    ret->json = o;
    return VL_OK;
}

static enum vl_err of_curl(struct call *c, CURLcode code, struct vl_errmsg *msg) {
    const char *url = c->rest->target->url, *why = c->rest->api.strerror(code);
    if (c->rest->stop != NULL && *c->rest->stop) return vl_errmsg_set(msg, VL_ECLOSED, "interrupted");
    if (c->too_long)
        return vl_errmsg_set(msg, VL_EIO, "the answer of %.120s is larger than %u MiB", url, REST_JSON_MAX >> 20);
    if (c->gave_up) return vl_errmsg_set(msg, VL_EIO, "the transfer with %.120s was given up", url);
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return vl_errmsg_set(msg, VL_EBUSY,
                             "no gateway answers at %.120s: is `village up` running? start it or pass --server", url);
    case CURLE_OPERATION_TIMEDOUT:
        return vl_errmsg_set(msg, VL_ETIMEOUT, "the gateway at %.120s does not answer in time", url);
    case CURLE_OUT_OF_MEMORY:
        return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    default:
        return vl_errmsg_set(msg, VL_EIO, "the talk with the gateway at %.120s broke: %.80s", url, why);
    }
}

enum vl_err rest_call(struct rest *r, const struct rest_request *q, struct rest_reply *ret, struct vl_errmsg *msg) {
    struct call c = { .rest = r, .request = q };
    char *url = NULL, *json = NULL;
    *ret = (struct rest_reply){ .status = 0 };
    vl_buf_init(&c.body, REST_JSON_MAX);
    enum vl_err err = VL_ENOMEM;
    if (asprintf(&url, "%s%s", r->target->url, q->path) < 0) url = NULL;
    if (q->body != NULL) json = json_dumps(q->body, JSON_COMPACT);
    struct curl_slist *lines = set_headers(&c, q->body != NULL);
    if (url != NULL && lines != NULL && (q->body == NULL || json != NULL)) {
        set_common(&c, url);
        set_body(&c, json);
        r->api.setopt(r->curl, CURLOPT_HTTPHEADER, lines);
        CURLcode code = r->api.perform(r->curl);
        ret->status = (int)status_of(&c);
        /* A server that refuses an upload may close before it has read it: its answer counts, not the broken pipe. */
        bool answered =
            code == CURLE_OK || ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && ret->status >= 400);
        err = answered ? read_answer(&c, ret, msg) : of_curl(&c, code, msg);
    } else {
        err = vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    }
    r->api.slist_free_all(lines);
    vl_buf_free(&c.body);
    free(json);
    free(url);
    return err;
}

void rest_reply_free(struct rest_reply *reply) {
    json_decref(reply->json);
    *reply = (struct rest_reply){ .status = 0 };
}
