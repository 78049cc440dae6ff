/* post_load.c - durable job POSTs at a fixed rate: post_load HOST PORT TOKEN RATE SECONDS < BODY
 * Each answer is timed from the moment its request was due, not from when it was sent: a server that stalls pays for all
 * that waited (no coordinated omission). 64 connections in turn; prints one JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS 64

struct conn {
    int fd;
    char in[16384];
    size_t n;
    uint32_t head, tail; /* requests of ours that are sent, and answered */
    double *due;         /* ring of due times, RING entries */
};
#define RING 4096u

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static char first_bad[160];

/* Takes whole answers off the buffer; each ends the oldest request of the connection. */
static size_t answers(struct conn *c, double *lat, size_t used, size_t max, size_t *failed) {
    for (;;) {
        char *end = memmem(c->in, c->n, "\r\n\r\n", 4);
        if (end == NULL) return used;
        *end = '\0';
        char *len = strcasestr(c->in, "content-length:");
        size_t body = len ? strtoul(len + 15, NULL, 10) : 0, whole = (size_t)(end - c->in) + 4 + body;
        bool ok = strncmp(c->in + 9, "201", 3) == 0;
        *end = '\r';
        if (c->n < whole) return used;
        if (!ok) {
            if (*failed == 0) snprintf(first_bad, sizeof first_bad, "%.100s", c->in);
            ++*failed;
        }
        if (used < max) lat[used++] = now() - c->due[c->tail % RING];
        c->tail++;
        memmove(c->in, c->in + whole, c->n - whole);
        c->n -= whole;
    }
}

int main(int argc, char **argv) {
    static char body[65536], request[70000];
    static struct conn conns[CONNS];
    if (argc != 6) return 2;
    size_t body_n = fread(body, 1, sizeof body, stdin);
    double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
    int req_n = snprintf(request, sizeof request,
                         "POST /v1/fog/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
                         argv[3], body_n, (int)body_n, body);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10)) };
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    struct pollfd polls[CONNS];
    for (int i = 0; i < CONNS; i++) {
        int one = 1;
        conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(conns[i].fd, (struct sockaddr *)&to, sizeof to) != 0) return 1;
        setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
        conns[i].due = calloc(RING, sizeof(double));
        polls[i] = (struct pollfd){ .fd = conns[i].fd, .events = POLLIN };
    }
    size_t total = (size_t)(rate * seconds), sent = 0, used = 0, failed = 0;
    double *lat = calloc(total, sizeof *lat), start = now() + 0.1, give_up = start + seconds + 20;
    while (used < total && now() < give_up) {
        double t = now();
        for (; sent < total && start + (double)sent / rate <= t; sent++) {
            struct conn *c = &conns[sent % CONNS];
            c->due[c->head++ % RING] = start + (double)sent / rate;
            if (send(c->fd, request, (size_t)req_n, MSG_NOSIGNAL) != req_n) return 1;
        }
        double next = sent < total ? start + (double)sent / rate - now() : 0.01;
        struct timespec wait = { .tv_nsec = next > 0 ? (long)(next * 1e9) : 0 };
        if (ppoll(polls, CONNS, &wait, NULL) <= 0) continue;
        for (int i = 0; i < CONNS; i++) {
            if (!(polls[i].revents & POLLIN)) continue;
            struct conn *c = &conns[i];
            ssize_t n = recv(c->fd, c->in + c->n, sizeof c->in - c->n - 1, 0);
            if (n <= 0) return 1;
            c->n += (size_t)n;
            c->in[c->n] = '\0';
            used = answers(c, lat, used, total, &failed);
        }
    }
    qsort(lat, used, sizeof *lat, by_value);
    failed += total - used;
    if (used == 0) return 1;
    for (char *p = first_bad; *p; p++)
        if ((unsigned char)*p < 32 || *p == '"') *p = ' ';
    printf("{\"answered\":%zu,\"failed\":%zu,\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"first\":\"%s\"}\n", used, failed,
           lat[used / 2] * 1e3, lat[used * 95 / 100] * 1e3, lat[used * 99 / 100] * 1e3, first_bad);
    return 0;
}
