/* gateway.h - the node's REST and WebSocket front: one strict HTTP/1.1 server on the caller's libuv loop.
 * Everything here runs on the loop's thread. The process must ignore SIGPIPE: libuv writes with write(2). Source: RFC
 * 9110, 9112 (HTTP), 6455 (WebSocket), 9457 (problems). */
#ifndef VL_GATEWAY_GATEWAY_H
#define VL_GATEWAY_GATEWAY_H

#include "base/err.h"
#include "base/log.h"
#include "gateway/assets.h"
#include "gateway/backend.h"

#include <uv.h>

struct gateway;

struct gateway_config {
    const char *host;                 /* address to listen on, default "127.0.0.1" when NULL */
    uint16_t port;                    /* 0: any free port, see gateway_port() */
    const char *token;                /* bearer token, 16..256 printable characters; copied as its hash only */
    const char *version;              /* of the program; copied */
    const char *const *allowed_hosts; /* more names the Host header may carry, NULL-terminated; NULL: loopback only.
                                       * Port is not compared.  Copied. */
    const struct asset *assets;       /* borrowed for the gateway's life; NULL: no dashboard */
    size_t assets_n;
    uint32_t max_connections; /* 0: 16384 */
    uint64_t max_json_bytes;  /* 0: 1 MiB; a JSON body */
    uint64_t max_blob_bytes;  /* 0: VL_BLOB_MAX */
    struct vl_log *log;       /* borrowed; NULL: silent */
};

/* Starts to listen.  Copies the config but what it says is borrowed; borrows `loop` and `backend->self`.
 * VL_ERANGE: a setting; VL_EBUSY: the port is taken; VL_EDENIED; VL_ENOMEM; VL_EIO.  `msg` (may be NULL) says more. */
VL_MUST_CHECK enum vl_err gateway_create(uv_loop_t *loop, const struct gateway_config *config,
                                         const struct backend *backend, struct vl_errmsg *msg,
                                         struct gateway **ret_gateway);
uint16_t gateway_port(const struct gateway *g);
/* Stops listening, lets running requests end (at most grace_ms), tells WebSocket clients 1001, then calls `done` once;
 * after that gateway_destroy() may be called.  Completions of the backend must keep coming until then. */
void gateway_drain(struct gateway *g, vl_ms grace_ms, void (*done)(void *arg), void *arg);
/* Closes what is left and frees once the loop has closed the handles: run the loop afterwards.  NULL is a no-op. */
void gateway_destroy(struct gateway *g);

/* Tell subscribers of the topics "nodes", "jobs" and "tasks:JOBID".  Costs almost nothing while nobody listens. */
void gateway_publish_node(struct gateway *g, const struct view_node *v);
void gateway_publish_job(struct gateway *g, const struct view_job *v);
void gateway_publish_task(struct gateway *g, struct vl_job_id job, const struct view_task *v);

#endif
