/* htx_bench.c - HTX against plain TCP on loopback, two threads, in one run: bulk, message rate, round trip.
 * Both write 16 KiB records and read into the same buffer; runs are interleaved, medians are printed as JSON lines.
 * The third in bulk is a bare pipe: the same records sealed, written eight at a time, read and opened, without frames,
 * queues, credit and acknowledgements.  Not quite a limit: its reader sleeps more often, and waking it costs the
 * writer. */
#include "net/htx.h"

#include "crypto/aead.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RUNS 5u
#define RECORD 16384u
#define BULK_MESSAGE (256u * 1024u)
#define SMALL 256u
#define PINGS 20000u
#define READ_BUFFER (256u * 1024u)

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static double cpu_ns(void) { /* of this thread */
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static vl_ms now_ms(void) { return 1700000000000u + now_ns() / 1000000u; }

static void die(const char *what) {
    perror(what);
    exit(1);
}
static void must(enum vl_err err, const char *what) {
    if (err == VL_OK) return;
    fprintf(stderr, "%s: %s\n", what, vl_err_text(err));
    exit(1);
}

static void tcp_pair(int fd[2]) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 1) || getsockname(l, (struct sockaddr *)&a, &n))
        die("listen");
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (fd[0] < 0 || connect(fd[0], (struct sockaddr *)&a, sizeof a)) die("connect");
    fd[1] = accept(l, NULL, NULL);
    if (fd[1] < 0) die("accept");
    close(l);
    for (int i = 0; i < 2; i++) setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void write_all(int fd, const uint8_t *p, size_t n) {
    while (n > 0) {
        ssize_t got = send(fd, p, n, MSG_NOSIGNAL);
        if (got <= 0) die("send");
        p += got;
        n -= (size_t)got;
    }
}

enum task { BULK, RATE, ROUND_TRIP };
/* Throughput is measured with a core for each end.  Round trips share one core: between two sleeping cores of a virtual
 * machine a wake-up costs more than both protocols together, and would hide the difference. */
static void pin(enum task task, unsigned end) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(task != ROUND_TRIP && sysconf(_SC_NPROCESSORS_ONLN) > 1 ? end : 0, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* where it is forbidden, the figures are noisier */
}

struct run {
    enum task task;
    uint64_t amount;       /* bytes, messages, pings */
    double result, cpu[2]; /* cpu: of sender and receiver, ns */
    atomic_bool done;      /* the receiver has all */
    int fd[2];
    struct peer *peer[2];
};

/* -- HTX ---------------------------------------------------------------------------------------------------------- */

struct peer {
    struct htx_endpoint *ep;
    int fd;
    uint32_t conn, session, stream;
    bool echo;
    uint64_t messages, bytes;
    uint8_t in[READ_BUFFER];
    uint8_t out[HTX_OUTPUT_GOOD];
};

static void flush(struct peer *p) {
    size_t n;
    while (htx_next_output_conn(p->ep) != 0)
        while ((n = htx_output(p->ep, p->conn, now_ms(), p->out, sizeof p->out)) > 0) write_all(p->fd, p->out, n);
}

static void drain(struct peer *p) {
    struct htx_event ev;
    while (htx_next_event(p->ep, &ev)) {
        if (ev.type == HTX_CONN_UP)
            must(htx_admit(p->ep, ev.conn, now_ms(), true), "admit");
        else if (ev.type == HTX_SESSION_UP)
            p->session = ev.session;
        else if (ev.type == HTX_CONN_CLOSE) {
            fprintf(stderr, "connection closed: %u\n", ev.reason);
            exit(1);
        } else if (ev.type == HTX_MESSAGE) {
            p->messages++;
            p->bytes += ev.data.n;
            if (p->echo) must(htx_send(p->ep, ev.session, ev.stream, now_ms(), &ev.data, 1), "echo");
        }
    }
}

/* Reads once; false: nothing there (with MSG_DONTWAIT) or the end. */
static bool pull(struct peer *p, int flags) {
    ssize_t n = recv(p->fd, p->in, sizeof p->in, flags);
    if (n <= 0) return false;
    size_t used = 0;
    for (size_t at = 0; at < (size_t)n; at += used) {
        must(htx_input(p->ep, p->conn, now_ms(), p->in + at, (size_t)n - at, &used), "input");
        drain(p);
        if (used == 0) exit(1);
    }
    return true;
}

static struct peer *peer_new(unsigned who, int fd) {
    struct htx_config c = { .suite = HTX_AESGCM_SHA256, .limits = htx_limits_default() };
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL) die("calloc");
    memset(c.sign_seed, 1 + (int)who, 32);
    memset(c.static_secret, 3 + (int)who, 32);
    memset(c.seed, 5 + (int)who, 32);
    must(htx_endpoint_create(&c, &p->ep), "create");
    p->fd = fd;
    return p;
}

static void connect_peers(struct peer *a, struct peer *b) {
    struct htx_dial dial = { 0 };
    must(htx_dial(a->ep, now_ms(), &dial, &a->conn), "dial");
    must(htx_accept(b->ep, now_ms(), &b->conn), "accept");
    while (a->session == 0 || b->session == 0) {
        flush(a);
        pull(b, MSG_DONTWAIT);
        flush(b);
        pull(a, MSG_DONTWAIT);
    }
    must(htx_open(a->ep, a->session, HTX_NORMAL, &a->stream), "open");
}

static void *htx_receiver(void *arg) {
    struct run *r = arg;
    struct peer *p = r->peer[1];
    pin(r->task, 1);
    p->echo = r->task == ROUND_TRIP;
    p->messages = p->bytes = 0;
    uint64_t start = now_ns();
    while ((r->task == BULK ? p->bytes : p->messages) < r->amount) {
        if (!pull(p, 0)) die("recv");
        flush(p);
    }
    r->result = (double)r->amount * 1e9 / (double)(now_ns() - start);
    r->cpu[1] = cpu_ns();
    atomic_store(&r->done, true);
    return NULL;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static void htx_sender(struct run *r) {
    static uint8_t data[BULK_MESSAGE];
    struct peer *p = r->peer[0];
    size_t size = r->task == BULK ? BULK_MESSAGE : SMALL;
    uint64_t messages = r->task == BULK ? r->amount / size : r->amount;
    struct vl_span part = vl_span(data, size);
    for (uint64_t i = 0; i < messages;) {
        uint64_t before = i;
        while (i < messages && i - before < (r->task == BULK ? 1 : 512)) {
            enum vl_err err = htx_send(p->ep, p->session, p->stream, now_ms(), &part, 1);
            if (err == VL_EAGAIN) break;
            must(err, "send");
            i++;
        }
        flush(p);
        pull(p, i == before ? 0 : MSG_DONTWAIT);
    }
    /* The last frames may wait for credit, the last acknowledgement may be delayed past the end of the run. */
    while (!atomic_load(&r->done)) {
        struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
        if (poll(&pfd, 1, 1) > 0) pull(p, MSG_DONTWAIT);
        flush(p);
    }
}

static void htx_pinger(struct run *r) {
    static double times[PINGS];
    uint8_t data[SMALL] = { 0 };
    struct peer *p = r->peer[0];
    struct vl_span part = vl_span(data, sizeof data);
    p->messages = 0;
    for (uint64_t i = 0; i < r->amount; i++) {
        uint64_t start = now_ns();
        must(htx_send(p->ep, p->session, p->stream, now_ms(), &part, 1), "send");
        flush(p);
        while (p->messages == i) pull(p, 0);
        times[i] = (double)(now_ns() - start);
    }
    r->result = median(times, r->amount);
}

/* cpu: NULL, or picoseconds a byte of sender and receiver. */
static double htx_run(enum task task, uint64_t amount, struct peer *a, struct peer *b, double cpu[2]) {
    struct run r = { .task = task, .amount = amount, .peer = { a, b } };
    pthread_t t;
    pin(task, 0);
    if (pthread_create(&t, NULL, htx_receiver, &r)) die("thread");
    if (task == ROUND_TRIP) {
        htx_pinger(&r);
        double p50 = r.result;
        pthread_join(t, NULL);
        return p50;
    }
    double before = cpu_ns();
    htx_sender(&r);
    r.cpu[0] = cpu_ns() - before;
    pthread_join(t, NULL);
    for (unsigned i = 0; cpu != NULL && i < 2; i++) cpu[i] = r.cpu[i] * 1000 / (double)amount;
    return r.result;
}

/* -- plain TCP ------------------------------------------------------------------------------------------------------
 */

static void *tcp_receiver(void *arg) {
    static uint8_t in[READ_BUFFER];
    struct run *r = arg;
    pin(r->task, 1);
    uint64_t start = now_ns(), got = 0, want = r->task == ROUND_TRIP ? r->amount * SMALL : r->amount;
    while (got < want) {
        ssize_t n = recv(r->fd[1], in, sizeof in, 0);
        if (n <= 0) die("recv");
        if (r->task == ROUND_TRIP) write_all(r->fd[1], in, (size_t)n);
        got += (uint64_t)n;
    }
    r->result = (double)got * 1e9 / (double)(now_ns() - start);
    return NULL;
}

static double tcp_run(enum task task, uint64_t amount, const int fd[2]) {
    static uint8_t record[RECORD];
    static double times[PINGS];
    struct run r = { .task = task, .amount = amount, .fd = { fd[0], fd[1] } };
    pthread_t t;
    pin(task, 0);
    if (pthread_create(&t, NULL, tcp_receiver, &r)) die("thread");
    if (task == BULK)
        for (uint64_t sent = 0; sent < amount; sent += RECORD) write_all(fd[0], record, RECORD);
    else
        for (uint64_t i = 0; i < amount; i++) {
            uint64_t start = now_ns();
            write_all(fd[0], record, SMALL);
            for (size_t got = 0; got < SMALL;) {
                ssize_t n = recv(fd[0], record, SMALL - got, 0);
                if (n <= 0) die("recv");
                got += (size_t)n;
            }
            times[i] = (double)(now_ns() - start);
        }
    pthread_join(t, NULL);
    return task == ROUND_TRIP ? median(times, amount) : r.result;
}

/* -- bare pipe ----------------------------------------------------------------------------------------------------- */

#define SEALED (HTX_RECORD_WIRE_MAX - 2u)
static const uint8_t pipe_key[CRYPTO_AEAD_KEY];

static void *pipe_receiver(void *arg) {
    static uint8_t in[READ_BUFFER];
    struct run *r = arg;
    struct crypto_aead aead;
    size_t have = 0;
    uint64_t start = now_ns(), records = 0, want = r->amount / RECORD;
    pin(r->task, 1);
    crypto_aead_init(&aead, CRYPTO_AESGCM, pipe_key);
    while (records < want) {
        ssize_t n = recv(r->fd[1], in + have, sizeof in - have, 0);
        if (n <= 0) die("recv");
        have += (size_t)n;
        size_t at = 0;
        for (; have - at >= SEALED; at += SEALED)
            must(crypto_aead_open(&aead, records++, vl_span(NULL, 0), in + at, SEALED, in + at), "open");
        memmove(in, in + at, have - at);
        have -= at;
    }
    r->result = (double)r->amount * 1e9 / (double)(now_ns() - start);
    crypto_aead_destroy(&aead);
    return NULL;
}

static double pipe_run(uint64_t amount, const int fd[2]) {
    static uint8_t data[BULK_MESSAGE], out[8 * SEALED];
    struct run r = { .task = BULK, .amount = amount, .fd = { fd[0], fd[1] } };
    struct crypto_aead aead;
    pthread_t t;
    pin(BULK, 0);
    if (pthread_create(&t, NULL, pipe_receiver, &r)) die("thread");
    crypto_aead_init(&aead, CRYPTO_AESGCM, pipe_key);
    for (uint64_t i = 0, n = 0; i < amount / RECORD; n = 0) {
        for (; n < 8 && i < amount / RECORD; n++, i++)
            must(crypto_aead_seal(&aead, i, vl_span(NULL, 0), data + i * RECORD % BULK_MESSAGE, RECORD,
                                  out + n * SEALED),
                 "seal");
        write_all(fd[0], out, n * SEALED);
    }
    pthread_join(t, NULL);
    crypto_aead_destroy(&aead);
    return r.result;
}

/* One line of ./dev bench; the peer's own figure goes to standard error. */
static void print(const char *name, double value, const char *unit, const char *peer_name, double peer) {
    if (peer > 0) {
        printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.3f}\n", name, value, unit,
               peer_name, value / peer);
        fprintf(stderr, "htx_bench: %s: %s %.0f %s\n", name, peer_name, peer, unit);
    } else {
        printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"%s\",\"peer\":null,\"ratio\":null}\n", name, value, unit);
    }
    fflush(stdout);
}

int main(void) {
    int htx_fd[2], tcp_fd[2];
    double bulk[RUNS], bulk_tcp[RUNS], bulk_pipe[RUNS], cpu[2], send_cpu[RUNS], receive_cpu[RUNS], rate[RUNS],
        rtt[RUNS], rtt_tcp[RUNS];
    tcp_pair(htx_fd);
    tcp_pair(tcp_fd);
    struct peer *a = peer_new(0, htx_fd[0]), *b = peer_new(1, htx_fd[1]);
    connect_peers(a, b);
    for (unsigned i = 0; i < RUNS; i++) {
        bulk_tcp[i] = tcp_run(BULK, 512u << 20, tcp_fd);
        bulk[i] = htx_run(BULK, 512u << 20, a, b, cpu);
        send_cpu[i] = cpu[0];
        receive_cpu[i] = cpu[1];
        bulk_pipe[i] = pipe_run(512u << 20, tcp_fd);
        rate[i] = htx_run(RATE, 500000, a, b, NULL);
        rtt_tcp[i] = tcp_run(ROUND_TRIP, PINGS, tcp_fd);
        rtt[i] = htx_run(ROUND_TRIP, PINGS, a, b, NULL);
    }
    print("htx.bulk", median(bulk, RUNS), "B/s", "tcp", median(bulk_tcp, RUNS));
    print("htx.bulk_of_pipe", median(bulk, RUNS), "B/s", "aead+tcp", median(bulk_pipe, RUNS));
    fprintf(stderr, "htx_bench: htx.bulk: sender %.0f, receiver %.0f ps of processor a byte\n", median(send_cpu, RUNS),
            median(receive_cpu, RUNS));
    print("htx.message_rate", median(rate, RUNS), "1/s", NULL, 0);
    print("htx.rtt_p50", median(rtt, RUNS), "ns", "tcp", median(rtt_tcp, RUNS));
    htx_endpoint_destroy(a->ep);
    htx_endpoint_destroy(b->ep);
    free(a);
    free(b);
    return 0;
}
