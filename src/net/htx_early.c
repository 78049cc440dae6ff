#include "net/htx_early.h"

#include "net/htx_frame.h"

#include <stdlib.h>
#include <string.h>

size_t htx_early_put(uint8_t *dst, vl_ms now, const struct vl_span *payloads, size_t n) {
    size_t len = HTX_EARLY_HEAD;
    if (n == 0 || n > HTX_EARLY_COUNT_MAX) return 0;
    vl_put_u64(dst, now);
    for (size_t i = 0; i < n; i++) {
        struct htx_frame f = { .type = HTX_T_DATAGRAM, .timestamp_ms = now, .payload = payloads[i] };
        if (len + HTX_HEADER > HTX_EARLY_SECTION_MAX || payloads[i].n > HTX_EARLY_SECTION_MAX - len - HTX_HEADER)
            return 0;
        htx_frame_put_header(dst + len, &f);
        if (payloads[i].n > 0) memcpy(dst + len + HTX_HEADER, payloads[i].p, payloads[i].n);
        len += HTX_HEADER + payloads[i].n;
    }
    return len;
}

enum vl_err htx_early_check(struct vl_span section, vl_ms *ret_sent) {
    if (section.n <= HTX_EARLY_HEAD || section.n > HTX_EARLY_SECTION_MAX) return VL_EPARSE;
    vl_ms sent = vl_get_u64(section.p);
    size_t count = 0, len = 0;
    for (size_t at = HTX_EARLY_HEAD; at < section.n; at += len) {
        struct htx_frame f;
        if (htx_frame_read(vl_span(section.p + at, section.n - at), &f, &len) != VL_OK) return VL_EPARSE;
        if (f.type != HTX_T_DATAGRAM || f.flags != 0 || f.stream != 0 || f.seq != 0 || f.timestamp_ms != sent)
            return VL_EPARSE;
        if (++count > HTX_EARLY_COUNT_MAX) return VL_EPARSE;
    }
    *ret_sent = sent;
    return VL_OK;
}

void htx_early_watch(struct htx_early_cache *cache, vl_ms now) {
    if (cache->started) return;
    cache->started = true;
    cache->since = cache->newest = now;
}

/* Forgets what cannot be accepted any more; true when `key` is among the rest. */
static bool look(struct htx_early_cache *cache, const uint8_t *key) {
    uint32_t kept = 0;
    bool seen = false;
    for (uint32_t i = 0; i < cache->n; i++) {
        if (cache->seen[i].until < cache->newest) continue;
        seen |= memcmp(cache->seen[i].key, key, sizeof cache->seen[i].key) == 0;
        cache->seen[kept++] = cache->seen[i];
    }
    cache->n = kept;
    return seen;
}

static bool room(struct htx_early_cache *cache) {
    if (cache->n < cache->cap) return true;
    if (cache->cap == HTX_EARLY_SEEN_MAX) return false;
    uint32_t cap = cache->cap != 0 ? cache->cap * 2 : 16;
    struct htx_early_seen *p = realloc(cache->seen, cap * sizeof *p);
    if (p == NULL) return false;
    cache->seen = p;
    cache->cap = cap;
    return true;
}

enum htx_early_answer htx_early_judge(struct htx_early_cache *cache, vl_ms now, vl_ms sent,
                                      const uint8_t ephemeral[32]) {
    if (!cache->started) return HTX_EARLY_REFUSED;
    if (now > cache->newest) cache->newest = now;
    now = cache->newest;
    if (now - cache->since < HTX_EARLY_WINDOW_MS) return HTX_EARLY_REFUSED; /* one before us may have heard it */
    vl_ms until = vl_ms_add(sent, HTX_EARLY_PAST_MS);
    if (until < now || sent > vl_ms_add(now, HTX_EARLY_FUTURE_MS)) return HTX_EARLY_REFUSED;
    if (look(cache, ephemeral) || !room(cache)) return HTX_EARLY_REFUSED;
    struct htx_early_seen *e = &cache->seen[cache->n++];
    memcpy(e->key, ephemeral, sizeof e->key);
    e->until = until;
    return HTX_EARLY_ACCEPTED;
}

void htx_early_cache_free(struct htx_early_cache *cache) {
    free(cache->seen);
    *cache = (struct htx_early_cache){ 0 };
}
