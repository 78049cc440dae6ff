/* rest.h - requests to a gateway: one connection kept open, JSON in and out, problems (RFC 9457) read.
 * Answers come from a machine that may be wrong or hostile: sizes are bounded, JSON is parsed strictly. Blocking. */
#ifndef VL_CLI_REST_H
#define VL_CLI_REST_H

#include "base/bytes.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define REST_JSON_MAX (64u * 1024 * 1024) /* one JSON answer: 1000 tasks with 64 outputs each are about 12 MiB */
#define REST_URL_MAX 512u

struct rest_target {
    char url[REST_URL_MAX + 1]; /* without a final slash */
    char *token;                /* owned, wiped on free; NULL: none */
    char source[160];           /* where the address came from, for messages */
};
/* Finds the gateway: `server` and `token` (options, may be NULL), else VILLAGE_ADDR and VILLAGE_TOKEN, else
 * gateway.json in the data folder, else http://127.0.0.1:8000 without a token. The token of gateway.json is only used
 * for the address in that file, so that a foreign --server never gets it.
 * VL_EPARSE: gateway.json or the address is malformed; VL_EDENIED: gateway.json cannot be read. */
VL_MUST_CHECK enum vl_err rest_target_find(const char *server, const char *token, const char *data_dir,
                                           struct rest_target *ret, struct vl_errmsg *msg);
void rest_target_free(struct rest_target *target);

struct rest;
/* Borrows `target` and `stop` (NULL, or a flag set by a signal handler that ends requests with VL_ECLOSED).
 * VL_EUNSUPPORTED: no libcurl; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err rest_create(const struct rest_target *target, const volatile int *stop, struct rest **ret,
                                      struct vl_errmsg *msg);
void rest_destroy(struct rest *rest);
const struct rest_target *rest_target(const struct rest *rest);

/* Gets pieces of an answer with status 2xx. Return false to give up. */
typedef bool (*rest_sink)(void *arg, const void *p, size_t n);
/* Bytes sent so far of an upload. */
typedef void (*rest_sent)(void *arg, uint64_t n);

struct rest_request {
    const char *method, *path; /* path with query, percent-encoded, from "/" */
    const json_t *body;        /* NULL: none */
    const char *idempotency_key;
    int file; /* upload these bytes when file_size or has_file */
    bool has_file;
    uint64_t file_size;
    rest_sent sent;
    rest_sink sink;      /* NULL: the answer is collected and parsed as JSON */
    void *arg;           /* of sent and sink */
    uint64_t range_from; /* > 0: ask for the bytes from there */
};

#define REST_FIELDS_MAX 8u
struct rest_reply {
    int status;   /* 0: no answer */
    json_t *json; /* 2xx and a JSON body; owned, ended by rest_reply_free() */
    unsigned retry_after_s;
    char code[64], title[128], detail[512], request_id[64]; /* of a problem; "" when absent */
    struct rest_field {
        char field[128], detail[256];
    } fields[REST_FIELDS_MAX];
    size_t n_fields;
};

/* VL_OK: 2xx. VL_EDENIED 401, 403. VL_ENOTFOUND 404. VL_ESTATE 409. VL_EAGAIN 429, 503. VL_ERANGE any other 4xx.
 * VL_EIO 5xx, broken or oversized answers, or the sink gave up. VL_ECLOSED interrupted. VL_ETIMEOUT, VL_EBUSY no
 * connection (EBUSY: refused or name not found). `msg` names the cause. *ret is filled whatever the result and must
 * be freed. */
VL_MUST_CHECK enum vl_err rest_call(struct rest *rest, const struct rest_request *request, struct rest_reply *ret,
                                    struct vl_errmsg *msg);
void rest_reply_free(struct rest_reply *reply);

/* Strings and numbers of an answer, with a value for "absent or of another type". Borrowed from `o`. */
const char *json_text(const json_t *o, const char *name, const char *absent);
uint64_t json_count(const json_t *o, const char *name, uint64_t absent);
bool json_flag(const json_t *o, const char *name);

#endif
