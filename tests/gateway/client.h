/* client.h - a gateway with its in-memory backend on a loop of the test's own thread, and plain sockets that talk to
 * it. Whoever waits for an answer turns the loop meanwhile. */
#ifndef VL_TESTS_GATEWAY_CLIENT_H
#define VL_TESTS_GATEWAY_CLIENT_H

#include "gateway/gateway.h"
#include "mem_backend.h"

#include <jansson.h>

#define TOKEN "test-token-0123456789"
#define AUTH "Authorization: Bearer " TOKEN "\r\n"

struct house {
    uv_loop_t loop;
    struct mem_backend *mem;
    struct gateway *gateway;
    uint16_t port;
};
/* config may be NULL; token, version and port are set here. */
void house_open(struct house *h, const struct gateway_config *config);
void house_close(struct house *h);

struct answer {
    int status; /* 0: the connection ended before an answer */
    char head[8192];
    char *body; /* with a NUL behind; owned */
    size_t n;
    json_t *json; /* of a JSON body, else NULL; owned */
};
void answer_free(struct answer *a);
/* Value of a header field into dst, "" when absent. */
const char *answer_field(const struct answer *a, const char *name, char dst[512]);

int dial_port(uint16_t port);
int dial(struct house *h);
void turn(uv_loop_t *loop);
/* All of it, turning the loop when the socket is full.  False: the other side is gone. */
bool send_all(uv_loop_t *loop, int fd, const void *p, size_t n);
/* One answer; `head_only` for HEAD.  Waits at most 10 s. */
void hear(uv_loop_t *loop, int fd, bool head_only, struct answer *a);
/* True when the other side closes within ms. */
bool hear_end(uv_loop_t *loop, int fd, unsigned ms);
/* At most n bytes within ms; 0: nothing came or it closed. */
size_t hear_some(uv_loop_t *loop, int fd, void *dst, size_t n, unsigned ms);
/* A connection of its own, the raw request, its answer. */
void ask(struct house *h, const char *request, struct answer *a);
/* With Host, token and, when body != NULL, a JSON body; `more` are further header lines. */
void call_api(struct house *h, const char *method, const char *target, const char *more, const char *body,
              struct answer *a);
/* String at a path of keys separated by '/', "" when absent. */
const char *json_text(const json_t *root, const char *path);

#endif
