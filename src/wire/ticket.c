#include "wire/ticket.h"

#include "base/bytes.h"
#include "base/map.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_VERSION 1u
#define CHECK_BYTES 4u
#define RAW_MAX (1u + 16u + TICKET_SECRET + 2u + TICKET_HOST_MAX + CHECK_BYTES)
#define HEAD "vl"

/* RFC 1123 2.1 and RFC 3696 2: letters, digits, inner hyphens; the last label not all digits, so that no address reads
 * as a name.  Lower case only. */
static bool host_ok(const char *host, size_t n) {
    if (n == 0 || n > TICKET_HOST_MAX) return false;
    bool alpha = false;
    for (size_t i = 0; i < n; i++) {
        char c = host[i], before = i == 0 ? '.' : host[i - 1], after = i + 1 == n ? '.' : host[i + 1];
        bool letter = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        if (c == '.') {
            if (before == '.' || i + 1 == n) return false;
            alpha = false;
        } else if (c == '-') {
            if (before == '.' || after == '.') return false;
            alpha = true;
        } else if (!letter && !digit) {
            return false;
        }
        alpha = alpha || letter;
    }
    return alpha;
}

static bool address_ok(const struct ticket_address *a) {
    if (a->port == 0) return false;
    switch (a->kind) {
    case TICKET_IP4:
    case TICKET_IP6:
        return true;
    case TICKET_DNS:
        return host_ok(a->host, strnlen(a->host, sizeof a->host));
    }
    return false;
}

static bool port_parse(const char *s, uint16_t *ret) {
    uint32_t port = 0;
    size_t n = strspn(s, "0123456789");
    if (n == 0 || n > 5 || s[n] != '\0' || s[0] == '0') return false;
    for (size_t i = 0; i < n; i++) port = port * 10 + (uint32_t)(s[i] - '0');
    if (port > 65535) return false;
    *ret = (uint16_t)port;
    return true;
}

enum vl_err ticket_address_parse(const char *s, struct ticket_address *ret) {
    struct ticket_address a = { 0 };
    char host[TICKET_HOST_MAX + 3];
    const char *colon = strrchr(s, ':');
    if (colon == NULL || (size_t)(colon - s) >= sizeof host || !port_parse(colon + 1, &a.port)) return VL_EPARSE;
    size_t n = (size_t)(colon - s);
    memcpy(host, s, n);
    host[n] = '\0';
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        a.kind = TICKET_IP6;
        if (inet_pton(AF_INET6, host + 1, a.ip) != 1) return VL_EPARSE;
    } else if (inet_pton(AF_INET, host, a.ip) == 1) {
        a.kind = TICKET_IP4;
    } else {
        a.kind = TICKET_DNS;
        for (size_t i = 0; i < n; i++)
            if (host[i] >= 'A' && host[i] <= 'Z') host[i] = (char)(host[i] - 'A' + 'a');
        if (!host_ok(host, n)) return VL_EPARSE;
        memcpy(a.host, host, n);
    }
    *ret = a;
    return VL_OK;
}

void ticket_address_format(const struct ticket_address *a, char dst[VL_ADDR_MAX]) {
    char ip[INET6_ADDRSTRLEN] = "";
    switch (a->kind) {
    case TICKET_IP4:
        inet_ntop(AF_INET, a->ip, ip, sizeof ip);
        snprintf(dst, VL_ADDR_MAX, "%s:%u", ip, a->port);
        return;
    case TICKET_IP6:
        inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
        snprintf(dst, VL_ADDR_MAX, "[%s]:%u", ip, a->port);
        return;
    case TICKET_DNS:
        snprintf(dst, VL_ADDR_MAX, "%.*s:%u", (int)TICKET_HOST_MAX, a->host, a->port);
        return;
    }
    dst[0] = '\0';
}

/* Not a secret and no proof: 2^-32 of all typing errors pass. */
static uint32_t check_of(const uint8_t *p, size_t n) {
    static const uint64_t key[2] = { 0x76696c6c61676520, 0x7469636b65742031 }; /* "village ticket 1" */
    return (uint32_t)vl_siphash(key, p, n);
}

enum vl_err ticket_encode(const struct ticket *t, char dst[TICKET_TEXT]) {
    if (!address_ok(&t->address)) return VL_ERANGE;
    uint8_t raw[RAW_MAX];
    struct vl_writer w = vl_writer(raw, sizeof raw);
    vl_write_u8(&w, (uint8_t)(TICKET_VERSION << 4 | (unsigned)t->address.kind));
    vl_write_bytes(&w, t->village.b, sizeof t->village.b);
    vl_write_bytes(&w, t->secret, sizeof t->secret);
    if (t->address.kind == TICKET_IP4) vl_write_bytes(&w, t->address.ip, 4);
    if (t->address.kind == TICKET_IP6) vl_write_bytes(&w, t->address.ip, 16);
    vl_write_u16(&w, t->address.port);
    if (t->address.kind == TICKET_DNS) vl_write_bytes(&w, t->address.host, strlen(t->address.host));
    vl_write_u32(&w, check_of(raw, w.len));
    if (w.failed) return VL_ERANGE;
    memcpy(dst, HEAD "1", 3);
    vl_base32_encode(raw, w.len, dst + 3);
    explicit_bzero(raw, sizeof raw);
    return VL_OK;
}

static enum vl_err raw_decode(const uint8_t *raw, size_t n, struct ticket *t) {
    if (n <= CHECK_BYTES || check_of(raw, n - CHECK_BYTES) != vl_get_u32(raw + n - CHECK_BYTES)) return VL_ECRYPTO;
    struct vl_reader r = vl_reader(raw, n - CHECK_BYTES);
    uint8_t first = vl_read_u8(&r);
    if (first >> 4 > TICKET_VERSION) return VL_EVERSION;
    if (first >> 4 != TICKET_VERSION) return VL_ECRYPTO;
    t->address.kind = (enum ticket_address_kind)(first & 15);
    vl_read_bytes(&r, t->village.b, sizeof t->village.b);
    vl_read_bytes(&r, t->secret, sizeof t->secret);
    if (t->address.kind == TICKET_IP4) vl_read_bytes(&r, t->address.ip, 4);
    if (t->address.kind == TICKET_IP6) vl_read_bytes(&r, t->address.ip, 16);
    t->address.port = vl_read_u16(&r);
    /* all of it is the name: a NUL inside would hide bytes behind it */
    if (t->address.kind == TICKET_DNS && host_ok((const char *)r.p, r.n)) vl_read_bytes(&r, t->address.host, r.n);
    return vl_reader_end(&r) == VL_OK && address_ok(&t->address) ? VL_OK : VL_ECRYPTO;
}

enum vl_err ticket_decode(const char *s, struct ticket *ret) {
    if (strncasecmp(s, HEAD, 2) != 0 || s[2] < '1' || s[2] > '9') return VL_EPARSE;
    if (s[2] != '1') return VL_EVERSION;
    uint8_t raw[RAW_MAX];
    size_t n = 0;
    struct ticket t = { 0 };
    enum vl_err err = strnlen(s, TICKET_TEXT) < TICKET_TEXT ? vl_base32_decode(s + 3, raw, sizeof raw, &n) : VL_ELIMIT;
    err = err ? VL_ECRYPTO : raw_decode(raw, n, &t);
    if (err == VL_OK) *ret = t;
    explicit_bzero(raw, sizeof raw);
    explicit_bzero(&t, sizeof t);
    return err;
}

const char *ticket_problem(enum vl_err err) {
    if (err == VL_OK) return "the ticket is well formed";
    if (err == VL_ECRYPTO) return "the ticket is damaged: a character is wrong or missing; copy all of it again";
    if (err == VL_EVERSION) return "the ticket was made by a newer version of village: update this one";
    return "this is not a ticket: a ticket begins with vl1; ask the village's owner for one";
}
