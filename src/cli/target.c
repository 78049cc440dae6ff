#include "cli/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_URL "http://127.0.0.1:8000"
#define GATEWAY_JSON_MAX 4096u

/* http:// or https://, a host, nothing that would change the meaning of a path put behind it. */
static bool url_ok(const char *url) {
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    if (host == NULL || *host == '\0' || *host == '/' || strlen(url) > REST_URL_MAX) return false;
    for (const char *p = host; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("?#@\\\"<>", *p) != NULL) return false;
    return true;
}

static enum vl_err set_url(struct rest_target *t, const char *url, const char *source, struct vl_errmsg *msg) {
    if (!url_ok(url))
        return vl_errmsg_set(msg, VL_EPARSE, "'%.80s' (%s) is no address such as " DEFAULT_URL, url, source);
    snprintf(t->url, sizeof t->url, "%s", url);
    for (size_t n = strlen(t->url); n > 0 && t->url[n - 1] == '/'; n--) t->url[n - 1] = '\0';
    snprintf(t->source, sizeof t->source, "%s", source);
    return VL_OK;
}

/* A header value: no control characters, no spaces. */
static enum vl_err set_token(struct rest_target *t, const char *token, const char *source, struct vl_errmsg *msg) {
    size_t n = strlen(token);
    bool ok = n > 0 && n <= 256;
    for (size_t i = 0; i < n; i++) ok = ok && token[i] > ' ' && token[i] < 0x7f;
    if (!ok) return vl_errmsg_set(msg, VL_EPARSE, "the token (%s) is malformed", source);
    t->token = strdup(token);
    return t->token != NULL ? VL_OK : VL_ENOMEM;
}

/* The file's JSON object, NULL in *ret when there is no such file. */
static enum vl_err read_gateway_json(const char *path, json_t **ret, struct vl_errmsg *msg) {
    char text[GATEWAY_JSON_MAX + 1];
    *ret = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return VL_OK;
    if (fd < 0) return vl_errmsg_set(msg, VL_EDENIED, "cannot read %.160s: %s", path, strerror(errno));
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    json_t *o =
        n > 0 && (size_t)n <= GATEWAY_JSON_MAX ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    sodium_memzero(text, sizeof text);
    if (!json_is_object(o)) {
        json_decref(o);
        return vl_errmsg_set(msg, VL_EPARSE, "%.160s is damaged; `village up` writes it anew", path);
    }
    *ret = o;
    return VL_OK;
}

static enum vl_err from_file(struct rest_target *t, const char *data_dir, const char *token, struct vl_errmsg *msg) {
    char path[4200];
    json_t *o = NULL;
    snprintf(path, sizeof path, "%s/gateway.json", data_dir);
    enum vl_err err = read_gateway_json(path, &o, msg);
    if (err != VL_OK) return err;
    char source[160];
    snprintf(source, sizeof source, "from %.140s", path);
    if (o == NULL) {
        err = set_url(t, DEFAULT_URL, "the default address", msg);
    } else {
        err = set_url(t, json_text(o, "url", ""), source, msg);
        if (err == VL_OK && token == NULL) err = set_token(t, json_text(o, "token", ""), source, msg);
    }
    json_decref(o);
    return err;
}

enum vl_err rest_target_find(const char *server, const char *token, const char *data_dir, struct rest_target *ret,
                             struct vl_errmsg *msg) {
    struct rest_target t = { .token = NULL };
    const char *token_source = "--token", *server_source = "from --server";
    if (token == NULL || *token == '\0') {
        token = getenv("VILLAGE_TOKEN");
        token_source = "VILLAGE_TOKEN";
    }
    if (server == NULL) {
        server = getenv("VILLAGE_ADDR");
        server_source = "from VILLAGE_ADDR";
    }
    if (token != NULL && *token == '\0') token = NULL;
    enum vl_err err = VL_OK;
    if (server != NULL && *server != '\0') {
        err = set_url(&t, server, server_source, msg);
        if (err == VL_OK && token == NULL) {
            /* The local token goes to the local gateway only, however its address was named. */
            struct rest_target local = { .token = NULL };
            if (from_file(&local, data_dir, NULL, NULL) == VL_OK && strcmp(local.url, t.url) == 0) {
                t.token = local.token;
                local.token = NULL;
            }
            rest_target_free(&local);
        }
    } else {
        err = from_file(&t, data_dir, token, msg);
    }
    if (err == VL_OK && token != NULL) err = set_token(&t, token, token_source, msg);
    if (err != VL_OK) {
        rest_target_free(&t);
        return err;
    }
    *ret = t;
    return VL_OK;
}

void rest_target_free(struct rest_target *t) {
    if (t->token != NULL) {
        sodium_memzero(t->token, strlen(t->token));
        free(t->token);
    }
    *t = (struct rest_target){ .token = NULL };
}
