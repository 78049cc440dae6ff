#include "os/http_post.h"

#include "os/curl_load.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS 5000l
#define WHOLE_MS 20000l

struct http_post {
    struct curl_api api;
    CURL *curl;
    struct curl_slist *headers;
    const atomic_bool *stop;
    char url[HTTP_POST_URL_MAX], name[HTTP_POST_NAME_MAX];
    struct vl_buf *answer;
    bool too_long;
};

/* Scheme, host and port; NULL-terminated in dst.  False: no address of the kind. */
static bool name_of(const char *url, char dst[HTTP_POST_NAME_MAX]) {
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0 || strlen(url) >= HTTP_POST_URL_MAX) return false;
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f) return false;
    const char *host = url + scheme, *end = host + strcspn(host, "/?#");
    for (const char *p = end; p > host; p--)
        if (p[-1] == '@') {
            host = p; /* behind a name and password */
            break;
        }
    size_t n = (size_t)(end - host);
    if (n == 0 || scheme + n >= HTTP_POST_NAME_MAX) return false;
    memcpy(dst, url, scheme);
    memcpy(dst + scheme, host, n);
    dst[scheme + n] = '\0';
    return true;
}

/* By its name: this machine.  What resolves a name to another machine is this machine's own business. */
static bool is_here(const char *name) {
    static const char *const here[] = { "localhost", "[::1]", "127.0.0.1" };
    const char *host = strstr(name, "://") + 3, *colon = strrchr(host, ':');
    size_t n = colon && strchr(colon, ']') == NULL ? (size_t)(colon - host) : strlen(host);
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        if (strlen(here[i]) == n && strncasecmp(here[i], host, n) == 0) return true;
    return false;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg) {
    struct http_post *h = arg;
    if (vl_buf_append(h->answer, p, one * n) == VL_OK) return one * n;
    h->too_long = true;
    return 0;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    const struct http_post *h = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(h->stop);
}

static void options_set(struct http_post *h) {
    const struct curl_api *api = &h->api;
    api->setopt(h->curl, CURLOPT_URL, h->url);
    api->setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    api->setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0l);
    api->setopt(h->curl, CURLOPT_PROXY, "");
    api->setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 1l);
    api->setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 2l);
    api->setopt(h->curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    api->setopt(h->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    api->setopt(h->curl, CURLOPT_NOSIGNAL, 1l);
    api->setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    api->setopt(h->curl, CURLOPT_TIMEOUT_MS, WHOLE_MS);
    api->setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
    api->setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    api->setopt(h->curl, CURLOPT_WRITEDATA, h);
    api->setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    api->setopt(h->curl, CURLOPT_XFERINFODATA, h);
    api->setopt(h->curl, CURLOPT_NOPROGRESS, 0l);
}

static bool headers_make(struct http_post *h) {
    static const char *const lines[] = { "Content-Type: application/json", "Accept: application/json", "Expect:", "User-Agent: village" };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct curl_slist *more = h->api.slist_append(h->headers, lines[i]);
        if (more == NULL) return false;
        h->headers = more;
    }
    return true;
}

enum vl_err http_post_create(const char *url, bool plain, const atomic_bool *stop, struct http_post **ret, struct vl_errmsg *msg) {
    struct http_post *h = calloc(1, sizeof *h);
    if (h == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    h->stop = stop;
    enum vl_err err = VL_OK;
    if (!name_of(url, h->name))
        err = vl_errmsg_set(msg, VL_EPARSE, "an address of a chain is written https://HOST[:PORT][/PATH]");
    else if (strncmp(h->name, "http://", 7) == 0 && !plain && !is_here(h->name))
        err = vl_errmsg_set(msg, VL_EDENIED, "%s is another machine, and http:// lets anyone between read and change what is said: use https://, or allow it in words",
                            h->name);
    if (err == VL_OK) err = curl_load(&h->api, msg);
    if (err == VL_OK && ((h->curl = h->api.init()) == NULL || !headers_make(h))) err = vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    if (err) {
        http_post_destroy(h);
        return err;
    }
    memcpy(h->url, url, strlen(url) + 1);
    options_set(h);
    *ret = h;
    return VL_OK;
}

void http_post_destroy(struct http_post *h) {
    if (h == NULL) return;
    if (h->curl) h->api.cleanup(h->curl);
    if (h->headers) h->api.slist_free_all(h->headers);
    explicit_bzero(h->url, sizeof h->url);
    free(h);
}

const char *http_post_name(const struct http_post *h) { return h->name; }

/* libcurl's own words could quote the address: only the kind of failure is told. */
static enum vl_err of_curl(const struct http_post *h, CURLcode code, struct vl_errmsg *msg) {
    if (atomic_load(h->stop)) return vl_errmsg_set(msg, VL_ECLOSED, "stopped");
    if (h->too_long) return vl_errmsg_set(msg, VL_ELIMIT, "%s answered with too much", h->name);
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return vl_errmsg_set(msg, VL_EIO, "%s cannot be reached", h->name);
    case CURLE_OPERATION_TIMEDOUT:
        return vl_errmsg_set(msg, VL_ETIMEOUT, "%s does not answer in time", h->name);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return vl_errmsg_set(msg, VL_ECRYPTO, "%s cannot show who it is", h->name);
    case CURLE_OUT_OF_MEMORY:
        return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    default:
        return vl_errmsg_set(msg, VL_EIO, "%s broke off its answer, or it is no HTTP (%d)", h->name, (int)code);
    }
}

enum vl_err http_post(struct http_post *h, struct vl_span body, bool any_status, struct vl_buf *answer, struct vl_errmsg *msg) {
    long status = 0;
    vl_buf_clear(answer);
    h->answer = answer;
    h->too_long = false;
    h->api.setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    h->api.setopt(h->curl, CURLOPT_POSTFIELDS, (const char *)body.p);
    CURLcode code = h->api.perform(h->curl);
    if (code != CURLE_OK) return of_curl(h, code, msg);
    h->api.getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200 || (any_status && status >= 400 && answer->len > 0)) return VL_OK;
    return vl_errmsg_set(msg, VL_EIO, "%s answered with status %ld", h->name, status);
}
