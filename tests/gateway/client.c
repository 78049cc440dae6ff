#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

void turn(uv_loop_t *loop) { uv_run(loop, UV_RUN_NOWAIT); }

void house_open(struct house *h, const struct gateway_config *config) {
    struct gateway_config c = config ? *config : (struct gateway_config){ 0 };
    struct vl_errmsg msg = { "" };
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&h->loop);
    h->mem = mem_create(&h->loop);
    struct backend b = mem_as_backend(h->mem);
    c.token = TOKEN;
    c.version = "0.1.0";
    if (gateway_create(&h->loop, &c, &b, &msg, &h->gateway) != VL_OK) {
        fprintf(stderr, "gateway: %s\n", msg.text);
        abort();
    }
    h->port = gateway_port(h->gateway);
}

void house_close(struct house *h) {
    mem_hold(h->mem, false);
    for (int i = 0; i < 3; i++) turn(&h->loop); /* what was begun is answered */
    gateway_destroy(h->gateway);
    mem_destroy(h->mem);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&h->loop) != 0) abort(); /* a handle was left open */
}

int dial_port(uint16_t port) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) abort();
    return fd;
}

int dial(struct house *h) { return dial_port(h->port); }

bool send_all(uv_loop_t *loop, int fd, const void *p, size_t n) {
    const char *at = p;
    uint64_t end = now_ms() + 10000;
    while (n > 0 && now_ms() < end) {
        ssize_t k = send(fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (k < 0 && errno != EAGAIN) return false;
        if (k > 0) {
            at += k;
            n -= (size_t)k;
        }
        turn(loop);
    }
    return n == 0;
}

size_t hear_some(uv_loop_t *loop, int fd, void *dst, size_t n, unsigned ms) {
    uint64_t end = now_ms() + ms;
    for (;;) {
        ssize_t k = recv(fd, dst, n, MSG_DONTWAIT);
        if (k >= 0) return (size_t)k;
        bool broken = errno != EAGAIN;
        turn(loop);
        if (broken || now_ms() >= end) return 0;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        poll(&p, 1, 1);
    }
}

bool hear_end(uv_loop_t *loop, int fd, unsigned ms) {
    uint64_t end = now_ms() + ms;
    for (;;) {
        char buf[65536];
        turn(loop);
        ssize_t k = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (k == 0 || (k < 0 && errno != EAGAIN)) return true;
        if (now_ms() >= end) return false;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (k < 0) poll(&p, 1, 1);
    }
}

static bool hear_byte(uv_loop_t *loop, int fd, char *dst) { return hear_some(loop, fd, dst, 1, 10000) == 1; }

const char *answer_field(const struct answer *a, const char *name, char dst[512]) {
    size_t n = strlen(name);
    dst[0] = '\0';
    for (const char *line = strstr(a->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            snprintf(dst, 512, "%.*s", (int)strcspn(line + n + 2, "\r"), line + n + 2);
            break;
        }
    }
    return dst;
}

void hear(uv_loop_t *loop, int fd, bool head_only, struct answer *a) {
    char field[512];
    size_t n = 0;
    *a = (struct answer){ 0 };
    while (n + 1 < sizeof a->head && (n < 4 || memcmp(a->head + n - 4, "\r\n\r\n", 4) != 0)) {
        if (!hear_byte(loop, fd, a->head + n)) {
            a->body = strdup("");
            return;
        }
        n++;
    }
    a->head[n] = '\0';
    a->status = (int)strtol(a->head + 9, NULL, 10);
    a->n = head_only ? 0 : strtoul(answer_field(a, "Content-Length", field), NULL, 10);
    a->body = malloc(a->n + 1);
    size_t got = 0;
    while (got < a->n) {
        size_t k = hear_some(loop, fd, a->body + got, a->n - got, 10000);
        if (k == 0) break;
        got += k;
    }
    a->n = got;
    a->body[got] = '\0';
    if (strstr(answer_field(a, "Content-Type", field), "json")) a->json = json_loadb(a->body, a->n, JSON_REJECT_DUPLICATES, NULL);
}

void answer_free(struct answer *a) {
    free(a->body);
    json_decref(a->json);
}

void ask(struct house *h, const char *request, struct answer *a) {
    int fd = dial(h);
    send_all(&h->loop, fd, request, strlen(request));
    hear(&h->loop, fd, strncmp(request, "HEAD", 4) == 0, a);
    close(fd);
    turn(&h->loop);
}

void call_api(struct house *h, const char *method, const char *target, const char *more, const char *body,
              struct answer *a) {
    char *request = NULL;
    int n = body ? asprintf(&request,
                            "%s %s HTTP/1.1\r\nHost: localhost\r\n" AUTH "%sContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\n\r\n%s",
                            method, target, more ? more : "", strlen(body), body)
                 : asprintf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n" AUTH "%s\r\n", method, target,
                            more ? more : "");
    if (n < 0) abort();
    ask(h, request, a);
    free(request);
}

const char *json_text(const json_t *root, const char *path) {
    char part[128];
    while (root && *path) {
        size_t n = strcspn(path, "/");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        root = json_is_array(root) ? json_array_get(root, strtoul(part, NULL, 10)) : json_object_get(root, part);
        path += n + (path[n] == '/');
    }
    return json_is_string(root) ? json_string_value(root) : "";
}
