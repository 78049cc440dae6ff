/* The way in: from a link, or made here, to the queues. */
#include "mix/relay_priv.h"

#include <assert.h>
#include <string.h>

static enum relay_drop drop_of_glance(enum sphinx_verdict v) {
    return v == SPHINX_BAD_KEY_ID ? RELAY_DROP_KEY_ID : RELAY_DROP_VERSION;
}

/* One packet: RELAY_DROPS when it was taken, else why not.  The cheapest look comes first. */
static enum relay_drop input_one(struct relay *r, vl_ms now, struct relay_bucket *link, const uint8_t *packet) {
    uint8_t key = 0;
    if (link == NULL || !relay_bucket_take(link)) return RELAY_DROP_RATE;
    if (!relay_bucket_take(&r->all)) return RELAY_DROP_RATE;
    enum sphinx_verdict v = sphinx_glance(packet, r->key, r->keys, &key);
    if (v != SPHINX_OK) return drop_of_glance(v);
    /* What waits for its time is worth a key exchange each, what waits at the door nothing yet: so the queue at the
     * door refuses, while among the others the one that is due first gives way. */
    if (r->ingress_n == r->limits.ingress) return RELAY_DROP_FULL;
    uint32_t slot = relay_slot_get(r);
    if (slot == RELAY_NONE) return RELAY_DROP_FULL;
    memcpy(relay_packet(r, slot), packet, SPHINX_PACKET);
    r->slot[slot] = (struct relay_slot){ .place = RELAY_INGRESS, .came = now, .key_id = r->key[key].key_id };
    r->ingress[(r->ingress_head + r->ingress_n++) % r->limits.ingress] = slot;
    r->stats.taken++;
    return RELAY_DROPS;
}

/* Until the ingress queue is down to a half, at the rate that is promised. */
static vl_ms ingress_rest(const struct relay *r) {
    uint32_t max = r->limits.ingress;
    if (max < 4 || r->ingress_n < max - max / 4) return 0;
    return ((uint64_t)(r->ingress_n - max / 2) * 1000 + r->limits.rate - 1) / r->limits.rate;
}
static vl_ms later(vl_ms a, vl_ms b) { return a > b ? a : b; }

vl_ms relay_input(struct relay *r, vl_ms now, uint64_t link, const uint8_t *p, size_t n) {
    now = relay_clock(r, now);
    size_t packets = n / SPHINX_PACKET + (n % SPHINX_PACKET != 0);
    r->stats.received += packets;
    struct relay_bucket *b = relay_links_get(&r->links, link, now);
    relay_bucket_fill(&r->all, r->limits.rate, r->limits.burst, now);
    for (size_t i = 0; i < packets; i++) {
        enum relay_drop why = n % SPHINX_PACKET != 0 ? RELAY_DROP_SIZE : input_one(r, now, b, p + i * SPHINX_PACKET);
        if (why != RELAY_DROPS) r->stats.dropped[why]++;
    }
    vl_ms rest = later(relay_bucket_rest(&r->all, r->limits.rate, r->limits.burst), ingress_rest(r));
    /* A link without a bucket: until the others may have become idle. */
    rest = later(rest, b != NULL ? relay_bucket_rest(b, r->limits.link_rate, r->limits.link_burst)
                                 : (vl_ms)r->limits.link_burst * 1000 / r->limits.link_rate + 1);
    r->stats.rests += rest != 0;
    relay_settle(r);
    return rest != 0 ? vl_ms_add(now, rest) : 0;
}

void relay_link_gone(struct relay *r, uint64_t link) { relay_links_gone(&r->links, link, r->now); }

enum vl_err relay_send(struct relay *r, vl_ms now, uint32_t first, const uint8_t packet[SPHINX_PACKET]) {
    if (first == 0) return VL_ERANGE;
    now = relay_clock(r, now);
    uint32_t slot = relay_slot_get(r);
    if (slot == RELAY_NONE) return VL_ELIMIT;
    memcpy(relay_packet(r, slot), packet, SPHINX_PACKET);
    r->slot[slot] = (struct relay_slot){ .kind = RELAY_FORWARD, .next = first };
    r->stats.made++;
    relay_slot_wait(r, slot, now);
    relay_settle(r);
    return VL_OK;
}
