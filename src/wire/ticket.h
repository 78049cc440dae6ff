/* ticket.h - a join ticket as one short string: "vl1" and base32 of
 *
 *   u8 version << 4 | address kind | village id 16 | secret 16 | address | check 4
 *
 * Address: IPv4 4 | u16 port, or IPv6 16 | u16 port, or u16 port | DNS name 1..63 (its length is what is left).
 * 72 characters for IPv4.  Upper case is read too (a QR code is smaller in its alphanumeric mode).
 * The check finds typing errors only (SipHash under a fixed key): what admits a node is the secret. */
#ifndef VL_WIRE_TICKET_H
#define VL_WIRE_TICKET_H

#include "base/bounds.h"
#include "base/err.h"
#include "wire/cert.h"

#include <stdint.h>

#define TICKET_SECRET 16u
#define TICKET_TEXT 168u    /* longest ticket with its NUL: "vl1" and 102 bytes as base32 */
#define TICKET_HOST_MAX 63u /* bytes of a DNS name; more would not fit a line */

/* Stable on the wire. */
enum ticket_address_kind { TICKET_IP4 = 1, TICKET_IP6 = 2, TICKET_DNS = 3 };
struct ticket_address {
    enum ticket_address_kind kind;
    uint16_t port;                  /* 1..65535 */
    uint8_t ip[16];                 /* first 4 bytes for TICKET_IP4 */
    char host[TICKET_HOST_MAX + 1]; /* lower-case letters, digits, '-', '.'; TICKET_DNS only */
};
/* From "192.0.2.1:8888", "[2001:db8::1]:8888", "fog.example:8888".  VL_EPARSE. */
VL_MUST_CHECK enum vl_err ticket_address_parse(const char *s, struct ticket_address *ret);
void ticket_address_format(const struct ticket_address *a, char dst[VL_ADDR_MAX]);

/* Holds a secret: wipe after use. */
struct ticket {
    struct village_id village;
    uint8_t secret[TICKET_SECRET];
    struct ticket_address address;
};
/* VL_ERANGE: address out of range. */
VL_MUST_CHECK enum vl_err ticket_encode(const struct ticket *t, char dst[TICKET_TEXT]);
/* VL_EPARSE: not a ticket at all.  VL_ECRYPTO: a ticket, but damaged (mistyped or cut).  VL_EVERSION: of a newer
 * version. No white space around it: the caller trims. */
VL_MUST_CHECK enum vl_err ticket_decode(const char *s, struct ticket *ret);
/* What to tell people about an error of ticket_decode().  Static storage. */
const char *ticket_problem(enum vl_err err);

#endif
