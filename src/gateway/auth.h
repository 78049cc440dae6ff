/* auth.h - who may talk to us: the bearer token, one-use WebSocket tickets, and the names we answer to.
 * Only hashes of the token and tickets are kept, compared in constant time. */
#ifndef VL_GATEWAY_AUTH_H
#define VL_GATEWAY_AUTH_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_HOSTS_MAX 16u
#define AUTH_HOST_MAX 256u       /* a DNS name, with the NUL */
#define AUTH_WS_TICKETS_MAX 256u /* not yet used; the oldest gives way */
#define AUTH_WS_TICKET_MS 30000u
#define AUTH_WS_TICKET_TEXT 53u /* base32 of 32 bytes, with the NUL */

struct auth {
    struct vl_hash token;
    char hosts[AUTH_HOSTS_MAX][AUTH_HOST_MAX]; /* lower case */
    size_t hosts_n;
    struct {
        struct vl_hash hash;
        uint64_t expires_ms; /* 0: free */
    } tickets[AUTH_WS_TICKETS_MAX];
    size_t next_ticket;
};

/* Token of 16..256 printable characters without spaces.  VL_ERANGE: the token, or a host that is too long;
 * VL_ELIMIT: too many hosts.  Loopback names are always allowed; `bound` is the address listened on. */
VL_MUST_CHECK enum vl_err auth_init(struct auth *a, const char *token, const char *bound, const char *const *hosts);
/* Value of an Authorization field. */
bool auth_bearer_ok(const struct auth *a, struct vl_span field);
/* Value of a Host field: a name we answer to, whatever its port.  Stops DNS rebinding. */
bool auth_host_ok(const struct auth *a, struct vl_span host);
/* A browser's Origin is http(s)://HOST of the very request. */
bool auth_origin_ok(struct vl_span origin, struct vl_span host);
void auth_ticket_make(struct auth *a, uint64_t now_ms, char dst[AUTH_WS_TICKET_TEXT]);
/* True once for a ticket within its time. */
bool auth_ticket_use(struct auth *a, uint64_t now_ms, const char *ticket);

#endif
