/* succession.h - "this key is followed by that one": plain struct and strict codec; trust/succession.h signs and checks.
 * u8 version=1 | village 16 | old 32 | new 32 | static 32 | u64 at_ms | signature of old 64 | signature of new 64, big-endian.
 * As an armoured file its label is SUCCESSION_LABEL. */
#ifndef VL_WIRE_SUCCESSION_H
#define VL_WIRE_SUCCESSION_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"
#include "wire/cert.h"

#define SUCCESSION_BODY 121u
#define SUCCESSION_BYTES (SUCCESSION_BODY + 128u)
#define SUCCESSION_LABEL "VILLAGE KEY SUCCESSION"

struct succession {
    struct village_id village;
    struct vl_node_id old, next; /* Ed25519, not the same */
    uint8_t static_key[32];      /* X25519 of the new one's links */
    vl_ms at_ms;                 /* by the node's clock */
    uint8_t by_old[64], by_next[64];
};

/* What both sign. */
void succession_body(const struct succession *s, uint8_t ret[SUCCESSION_BODY]);
void succession_encode(const struct succession *s, uint8_t ret[SUCCESSION_BYTES]);
/* Exactly what is written.  VL_EPARSE (old and new alike among others); VL_EVERSION. */
VL_MUST_CHECK enum vl_err succession_decode(struct vl_span in, struct succession *ret);

#endif
