/* Tickets and addresses as people type them.  A first byte above 127 makes the rest the inside of a ticket with a right
 * check, so that the fuzzer gets past it. */
#include "base/bytes.h"
#include "base/map.h"
#include "base/text.h"
#include "wire/ticket.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint64_t key[2] = { 0x76696c6c61676520, 0x7469636b65742031 };
    char s[512], again[TICKET_TEXT], address[VL_ADDR_MAX];
    if (n == 0 || n > 200) return 0;
    if (p[0] > 127) {
        uint8_t raw[256];
        memcpy(raw, p + 1, n - 1);
        vl_put_u32(raw + n - 1, (uint32_t)vl_siphash(key, raw, n - 1));
        memcpy(s, "vl1", 3);
        vl_base32_encode(raw, n + 3, s + 3);
    } else {
        memcpy(s, p, n);
        s[n] = '\0';
    }
    struct ticket t;
    if (ticket_decode(s, &t) == VL_OK && (ticket_encode(&t, again) != VL_OK || strcasecmp(s, again) != 0)) abort();
    struct ticket_address a, b;
    if (ticket_address_parse(s, &a) == VL_OK) {
        ticket_address_format(&a, address);
        if (ticket_address_parse(address, &b) != VL_OK || a.kind != b.kind || a.port != b.port ||
            memcmp(a.ip, b.ip, sizeof a.ip) != 0 || strcmp(a.host, b.host) != 0)
            abort();
    }
    return 0;
}
