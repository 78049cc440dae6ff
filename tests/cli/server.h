/* server.h - a real HTTP server for tests of the REST client: a thread on a loopback port that plays a list of answers.
 * Each connection or request takes the next line of the script; what was asked is kept for the test to look at. */
#ifndef VL_TESTS_CLI_SERVER_H
#define VL_TESTS_CLI_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;

/* How one request is answered. */
struct answer {
    const char *raw; /* the whole answer as it goes over the wire; NULL: close without a word */
    uint64_t zeros;  /* this many zero bytes follow */
    bool close;      /* close after it, else the connection is kept */
};

/* Answers requests in turn; after the last one every request gets 500. Borrows `script`. Fails the test on error. */
struct server *server_start(const struct answer *script, size_t n);
/* "http://127.0.0.1:PORT" */
const char *server_url(const struct server *s);
/* Stops and waits for the thread; then the requests may be read. */
void server_stop(struct server *s);
/* Head and body of request i as they came, "" beyond the last. */
const char *server_request(const struct server *s, size_t i);
size_t server_requests(const struct server *s);
void server_free(struct server *s);

#endif
