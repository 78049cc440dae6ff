#include "gateway/auth.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include <string.h>

static void hash_secret(const char *use, struct vl_span secret, struct vl_hash *ret) {
    crypto_blake2b_keyed(secret, vl_span(NULL, 0), use, ret->b, sizeof ret->b);
}

static enum vl_err add_host(struct auth *a, const char *host) {
    size_t n = strlen(host);
    if (n == 0 || n >= AUTH_HOST_MAX) return VL_ERANGE;
    if (a->hosts_n == AUTH_HOSTS_MAX) return VL_ELIMIT;
    char *dst = a->hosts[a->hosts_n++];
    for (size_t i = 0; i <= n; i++) dst[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] | 0x20) : host[i];
    return VL_OK;
}

enum vl_err auth_init(struct auth *a, const char *token, const char *bound, const char *const *hosts) {
    static const char *const always[] = { "127.0.0.1", "localhost", "[::1]" };
    size_t n = token ? strlen(token) : 0;
    if (n < 16 || n > 256) return VL_ERANGE;
    for (size_t i = 0; i < n; i++)
        if (token[i] <= ' ' || token[i] > '~') return VL_ERANGE;
    memset(a, 0, sizeof *a);
    hash_secret("village-bearer--", vl_span(token, n), &a->token);
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < 3 && err == VL_OK; i++) err = add_host(a, always[i]);
    /* An address someone chose to listen on is a name of ours; the wildcards are not. */
    if (err == VL_OK && bound && strcmp(bound, "0.0.0.0") != 0 && strchr(bound, ':') == NULL) err = add_host(a, bound);
    for (size_t i = 0; hosts && hosts[i] && err == VL_OK; i++) err = add_host(a, hosts[i]);
    return err;
}

bool auth_bearer_ok(const struct auth *a, struct vl_span field) {
    static const char scheme[] = "bearer ";
    struct vl_hash h;
    if (field.n < 8 || field.n > 7 + 256) return false;
    for (size_t i = 0; i < 7; i++)
        if ((field.p[i] | (i < 6 ? 0x20 : 0)) != (uint8_t)scheme[i]) return false;
    hash_secret("village-bearer--", vl_span(field.p + 7, field.n - 7), &h);
    return crypto_equal(h.b, a->token.b, sizeof h.b);
}

bool auth_host_ok(const struct auth *a, struct vl_span host) {
    const char *p = (const char *)host.p;
    size_t n = host.n;
    if (n > 0 && p[0] == '[') {
        const char *end = memchr(p, ']', n);
        if (end == NULL) return false;
        size_t name = (size_t)(end - p) + 1;
        if (name < n && p[name] != ':') return false;
        n = name;
    } else {
        const char *colon = memchr(p, ':', n);
        if (colon) n = (size_t)(colon - p);
    }
    for (size_t i = n + 1; i < host.n; i++) /* the port */
        if (p[i] < '0' || p[i] > '9') return false;
    for (size_t i = 0; i < a->hosts_n; i++) {
        const char *want = a->hosts[i];
        size_t k = 0;
        while (k < n && want[k] && ((p[k] >= 'A' && p[k] <= 'Z') ? (char)(p[k] | 0x20) : p[k]) == want[k]) k++;
        if (k == n && want[k] == '\0') return true;
    }
    return false;
}

bool auth_origin_ok(struct vl_span origin, struct vl_span host) {
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (origin.n == n + host.n && memcmp(origin.p, schemes[i], n) == 0 && memcmp(origin.p + n, host.p, host.n) == 0)
            return true;
    }
    return false;
}

void auth_ticket_make(struct auth *a, uint64_t now_ms, char dst[AUTH_WS_TICKET_TEXT]) {
    uint8_t secret[32];
    crypto_random(secret, sizeof secret);
    vl_base32_encode(secret, sizeof secret, dst);
    crypto_wipe(secret, sizeof secret);
    size_t i = a->next_ticket++ % AUTH_WS_TICKETS_MAX;
    hash_secret("village-wsticket", vl_span_str(dst), &a->tickets[i].hash);
    a->tickets[i].expires_ms = now_ms + AUTH_WS_TICKET_MS;
}

bool auth_ticket_use(struct auth *a, uint64_t now_ms, const char *ticket) {
    struct vl_hash h;
    bool ok = false;
    if (strlen(ticket) != AUTH_WS_TICKET_TEXT - 1) return false;
    hash_secret("village-wsticket", vl_span_str(ticket), &h);
    for (size_t i = 0; i < AUTH_WS_TICKETS_MAX; i++) {
        if (a->tickets[i].expires_ms == 0 || !crypto_equal(h.b, a->tickets[i].hash.b, sizeof h.b)) continue;
        ok = now_ms < a->tickets[i].expires_ms;
        a->tickets[i].expires_ms = 0;
    }
    return ok;
}
