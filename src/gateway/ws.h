/* ws.h - WebSocket clients (RFC 6455; frames read by libwslay): subscribe, resume, back-pressure, heartbeats. */
#ifndef VL_GATEWAY_WS_H
#define VL_GATEWAY_WS_H

#include "gateway/server.h"
#include "gateway/topic.h"

#define WS_PING_MS 15000u
#define WS_SUBS_MAX 32u    /* topics of one client */
#define WS_TOPICS_MAX 256u /* topics alive at once */
#define WS_CLIENTS_MAX 4096u
#define WS_MESSAGE_MAX 4096u   /* from a client */
#define WS_BURST (64u * 1024u) /* bytes handed to a connection before its socket took the former ones */

struct ws_stats {
    uint32_t clients;
    uint64_t events, frames, dropped, holes;
};

struct ws_hub;
/* NULL: out of memory. */
struct ws_hub *ws_hub_create(uv_loop_t *loop, struct http_server *server);
/* Ends every client with 1001. */
void ws_hub_drain(struct ws_hub *h);
/* After the last connection is gone; frees once the loop has closed its handle. */
void ws_hub_destroy(struct ws_hub *h);
const struct ws_stats *ws_hub_stats(const struct ws_hub *h);
/* True when an event of this topic would be kept or sent: build it only then. */
bool ws_hub_wants(struct ws_hub *h, const char *topic);
/* Publishes the JSON `data`; the empty span only counts (nobody listens). */
void ws_hub_publish(struct ws_hub *h, const char *topic, struct vl_span data);
/* Takes over r, whose upgrade fields `key` (Sec-WebSocket-Key) was checked.  VL_ELIMIT, VL_ENOMEM: r is not answered.
 */
VL_MUST_CHECK enum vl_err ws_hub_accept(struct ws_hub *h, struct http_req *r, struct vl_span key);

/* Sec-WebSocket-Accept for a key of 24 characters (RFC 6455 4.2.2); dst holds 29 bytes. */
void ws_accept_text(struct vl_span key, char dst[29]);

#endif
