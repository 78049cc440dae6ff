/* htx_raw.h - a peer that holds the right keys and says whatever the test wants: it dials an endpoint. */
#ifndef VL_TESTS_NET_HTX_RAW_H
#define VL_TESTS_NET_HTX_RAW_H

#include "net/htx_priv.h"

struct raw {
    struct htx_endpoint *ep; /* the side under test; owned */
    uint32_t conn, session;
    struct htx_record tx, rx;
    uint8_t hash[32];
    vl_ms now;
    uint8_t plain[HTX_PLAIN_MAX]; /* frames of the record being built */
    size_t n;
    uint32_t seen[16];
    struct htx_event last[16];
    struct vl_buf got; /* payloads of all messages */
    /* frames that came from the endpoint */
    uint32_t frames[256];
    struct htx_frame newest[256]; /* payload: its first 8 bytes as a number in value[] */
    uint64_t value[256];
};
/* Connects with IK, admits; when `begin`, SETTINGS are exchanged and the session is up. */
void raw_up(struct raw *r, const struct htx_config *config, bool begin);
void raw_down(struct raw *r);
void raw_frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t stream, uint32_t seq, const void *payload,
               size_t n);
void raw_u64(struct raw *r, uint8_t type, uint32_t stream, uint32_t seq, uint64_t value);
/* Sends what was built as one record, works off events and reads the answers. */
void raw_send(struct raw *r);
void raw_give(struct raw *r, const uint8_t *p, size_t n);
void raw_take(struct raw *r);

#endif
