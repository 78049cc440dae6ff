#include "server.h"

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 64u
#define REQUEST_MAX (1u << 20)

struct server {
    const struct answer *script;
    size_t n, used;
    int listener, connection;
    pthread_t thread;
    char url[64];
    char *requests[REQUESTS_MAX];
    size_t n_requests;
};

static bool send_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
        if (put <= 0) return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/* Reads one request with its body. NULL: the client closed. */
static char *read_request(int fd) {
    char *text = calloc(1, REQUEST_MAX + 1);
    size_t n = 0, want = 0;
    while (text != NULL && n < REQUEST_MAX) {
        ssize_t got = recv(fd, text + n, REQUEST_MAX - n, 0);
        if (got <= 0) {
            free(text);
            return NULL;
        }
        n += (size_t)got;
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");
        if (end == NULL) continue;
        want = (size_t)(end - text) + 4 + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
        if (n >= want) return text;
    }
    return text;
}

static bool play(struct server *s, int fd) {
    static const char none[] = "HTTP/1.1 500 Script Ended\r\nContent-Length: 0\r\n\r\n";
    static const char zeros[65536];
    struct answer a = s->used < s->n ? s->script[s->used++] : (struct answer){ .raw = none };
    if (a.raw == NULL || !send_all(fd, a.raw, strlen(a.raw))) return false;
    for (uint64_t left = a.zeros; left > 0;) {
        size_t piece = left < sizeof zeros ? (size_t)left : sizeof zeros;
        if (!send_all(fd, zeros, piece)) return false;
        left -= piece;
    }
    return !a.close;
}

static void *serve(void *arg) {
    struct server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0) return NULL;
        __atomic_store_n(&s->connection, fd, __ATOMIC_SEQ_CST);
        for (;;) {
            char *request = read_request(fd);
            if (request == NULL) break;
            if (s->n_requests < REQUESTS_MAX)
                s->requests[s->n_requests++] = request;
            else
                free(request);
            if (!play(s, fd)) break;
        }
        __atomic_store_n(&s->connection, -1, __ATOMIC_SEQ_CST);
        close(fd);
    }
}

struct server *server_start(const struct answer *script, size_t n) {
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->script = script;
    s->n = n;
    s->connection = -1;
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(0, bind(s->listener, (struct sockaddr *)&addr, sizeof addr));
    assert_int_equal(0, listen(s->listener, 8));
    assert_int_equal(0, getsockname(s->listener, (struct sockaddr *)&addr, &len));
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", ntohs(addr.sin_port));
    assert_int_equal(0, pthread_create(&s->thread, NULL, serve, s));
    return s;
}

const char *server_url(const struct server *s) { return s->url; }

void server_stop(struct server *s) {
    shutdown(s->listener, SHUT_RDWR);
    int fd = __atomic_load_n(&s->connection, __ATOMIC_SEQ_CST);
    if (fd >= 0) shutdown(fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

size_t server_requests(const struct server *s) { return s->n_requests; }
const char *server_request(const struct server *s, size_t i) { return i < s->n_requests ? s->requests[i] : ""; }

void server_free(struct server *s) {
    for (size_t i = 0; i < s->n_requests; i++) free(s->requests[i]);
    free(s);
}
