#include "mix/consensus.h"

#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "mix/consensus_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define CHARTER_CONTEXT "village-mix-charter-1:"
#define DESCRIPTOR_CONTEXT "village-mix-descriptor-1:"
#define CHARTER_BYTES_MAX 2048u
#define DESCRIPTOR_BYTES_MAX 512u
#define GENESIS_MAX 253402300799999u /* 9999-12-31T23:59:59.999Z */

/* --- parts --- */

bool mix_is_zero(const uint8_t *p, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= p[i];
    return all == 0;
}

bool mix_addr_ok(const char addr[VL_ADDR_MAX]) {
    size_t n = strnlen(addr, VL_ADDR_MAX);
    if (n == 0 || n == VL_ADDR_MAX) return false;
    for (size_t i = 0; i < n; i++)
        if (addr[i] <= 0x20 || addr[i] >= 0x7f) return false;
    return true;
}

void mix_pack_text(struct pack *w, const char *s) { pack_span8(w, vl_span_str(s)); }

bool mix_delays_ok(const uint16_t delay_ms[MIX_DELAYS]) {
    for (size_t i = 0; i < MIX_DELAYS; i++)
        if (delay_ms[i] <= (i == 0 ? 0 : delay_ms[i - 1])) return false;
    return true;
}

/* Of a document that ends with its signature. */
enum vl_err mix_signature_check(const uint8_t public[32], const char *context, struct vl_span whole,
                                const uint8_t signature[CRYPTO_SIGNATURE]) {
    return crypto_verify_message(public, context, vl_span(whole.p, whole.n - CRYPTO_SIGNATURE), signature);
}

/* --- charter --- */

uint64_t mix_epoch_at(const struct mix_charter *c, vl_ms now) {
    return now < c->genesis_ms ? 0 : (now - c->genesis_ms) / c->epoch_ms;
}

vl_ms mix_epoch_start(const struct mix_charter *c, uint64_t epoch) {
    if (epoch > (VL_MS_NEVER - c->genesis_ms) / c->epoch_ms) return VL_MS_NEVER;
    return c->genesis_ms + epoch * c->epoch_ms;
}

int mix_charter_find(const struct mix_charter *c, struct vl_node_id node) {
    for (int i = 0; i < c->n; i++)
        if (vl_node_eq(c->authority[i].node, node)) return i;
    return -1;
}

bool mix_charter_ok(const struct mix_charter *c) {
    if (c->number == 0 || c->genesis_ms > GENESIS_MAX || c->epoch_ms < MIX_EPOCH_MS_MIN ||
        c->epoch_ms > MIX_EPOCH_MS_MAX || c->n < MIX_AUTHORITIES_MIN || c->n > MIX_AUTHORITIES_MAX ||
        c->threshold <= c->n / 2 || c->threshold > c->n || c->anonymity_floor == 0 ||
        c->anonymity_floor > MIX_FLOOR_MAX)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        if (!mix_addr_ok(c->authority[i].addr)) return false;
        if (i > 0 && memcmp(c->authority[i - 1].node.b, c->authority[i].node.b, 32) >= 0) return false;
    }
    return true;
}

enum vl_err mix_charter_encode(const struct mix_charter *c, struct vl_buf *out) {
    if (!mix_charter_ok(c)) return VL_ERANGE;
    struct pack w = pack_message(out, TAG_CHARTER, MIX_VERSION);
    pack_bytes(&w, c->root, sizeof c->root);
    pack_u64(&w, c->number);
    pack_u64(&w, c->genesis_ms);
    pack_u32(&w, c->epoch_ms);
    pack_u8(&w, c->n);
    pack_u8(&w, c->threshold);
    pack_u32(&w, c->anonymity_floor);
    for (size_t i = 0; i < c->n; i++) {
        pack_bytes(&w, c->authority[i].node.b, 32);
        mix_pack_text(&w, c->authority[i].addr);
    }
    pack_bytes(&w, c->signature, sizeof c->signature);
    return pack_end(&w);
}

void mix_delays_default(uint32_t epoch_ms, uint16_t ret[MIX_DELAYS]) {
    static const uint16_t usual[MIX_DELAYS] = { 20, 50, 100, 200, 500, 1000, 2000, MIX_DELAY_LONGEST };
    uint32_t longest = epoch_ms / 12;
    memcpy(ret, usual, sizeof usual);
    if (longest >= MIX_DELAY_LONGEST) return;
    for (unsigned i = 0; i < MIX_DELAYS; i++) ret[i] = (uint16_t)(longest >> (MIX_DELAYS - 1u - i));
}

enum vl_err mix_charter_sign(struct mix_charter *c, const struct crypto_sign_key *root) {
    struct vl_buf b;
    memcpy(c->root, root->public, sizeof c->root);
    vl_buf_init(&b, CHARTER_BYTES_MAX);
    enum vl_err err = mix_charter_encode(c, &b);
    if (!err) err = crypto_sign_message(root, CHARTER_CONTEXT, vl_span(b.p, b.len - CRYPTO_SIGNATURE), c->signature);
    vl_buf_free(&b);
    return err;
}

enum vl_err mix_charter_decode(struct vl_span in, const uint8_t root[32], struct mix_charter *ret) {
    struct mix_charter c;
    struct vl_reader r = vl_reader(in.p, in.n);
    memset(&c, 0, sizeof c);
    enum vl_err err = unpack_message(&r, TAG_CHARTER, MIX_VERSION);
    if (err) return err;
    vl_read_bytes(&r, c.root, sizeof c.root);
    c.number = vl_read_u64(&r);
    c.genesis_ms = vl_read_u64(&r);
    c.epoch_ms = vl_read_u32(&r);
    c.n = unpack_u8_in(&r, MIX_AUTHORITIES_MIN, MIX_AUTHORITIES_MAX);
    c.threshold = vl_read_u8(&r);
    c.anonymity_floor = vl_read_u32(&r);
    for (size_t i = 0; i < c.n; i++) {
        c.authority[i].node = unpack_node(&r);
        unpack_ascii8(&r, c.authority[i].addr, sizeof c.authority[i].addr);
    }
    vl_read_bytes(&r, c.signature, sizeof c.signature);
    err = vl_reader_end(&r);
    if (err) return err;
    if (!mix_charter_ok(&c)) return VL_EPARSE;
    if (memcmp(c.root, root, 32) != 0) return VL_ECRYPTO;
    err = mix_signature_check(root, CHARTER_CONTEXT, in, c.signature);
    if (err) return err;
    *ret = c;
    return VL_OK;
}

/* --- descriptors --- */

static bool proof_age_ok(uint64_t epoch, uint64_t proof_epoch) {
    return proof_epoch < epoch && epoch - proof_epoch >= MIX_PROOF_AGE && epoch - proof_epoch <= UINT8_MAX;
}

static bool relay_part_ok(const struct mix_descriptor *d) {
    if (mix_is_zero(d->mix_key, 32) || mix_is_zero(d->vrf_key, 32) || !mix_addr_ok(d->addr)) return false;
    return d->proof_epoch == 0 || proof_age_ok(d->epoch, d->proof_epoch);
}

static bool descriptor_ok(const struct mix_descriptor *d) {
    if (d->epoch == 0 || d->roles == 0 || (d->roles & ~MIX_ROLES_ALL) != 0 || mix_is_zero(d->static_key, 32))
        return false;
    return (d->roles & MIX_ROLES_RELAY) == 0 || relay_part_ok(d);
}

enum vl_err mix_descriptor_encode(const struct mix_descriptor *d, struct vl_buf *out) {
    if (!descriptor_ok(d)) return VL_ERANGE;
    struct pack w = pack_message(out, TAG_DESCRIPTOR, MIX_VERSION);
    pack_bytes(&w, d->node.b, sizeof d->node.b);
    pack_u64(&w, d->epoch);
    pack_u8(&w, d->roles);
    pack_bytes(&w, d->static_key, sizeof d->static_key);
    if (d->roles & MIX_ROLES_RELAY) {
        pack_bytes(&w, d->mix_key, sizeof d->mix_key);
        pack_bytes(&w, d->vrf_key, sizeof d->vrf_key);
        pack_bytes(&w, d->family, sizeof d->family);
        mix_pack_text(&w, d->addr);
        pack_u32(&w, d->bandwidth);
        pack_u32(&w, d->rate);
        pack_u32(&w, d->mean_delay_ms);
        pack_u8(&w, d->proof_epoch ? (uint8_t)(d->epoch - d->proof_epoch) : 0); /* its age */
        if (d->proof_epoch) pack_bytes(&w, d->proof, sizeof d->proof);
    } else {
        pack_bytes(&w, d->provider.b, sizeof d->provider.b);
    }
    pack_bytes(&w, d->signature, sizeof d->signature);
    return pack_end(&w);
}

enum vl_err mix_descriptor_sign(struct mix_descriptor *d, const struct crypto_sign_key *key) {
    struct vl_buf b;
    vl_buf_init(&b, DESCRIPTOR_BYTES_MAX);
    enum vl_err err = mix_descriptor_encode(d, &b);
    if (!err) err = crypto_sign_message(key, DESCRIPTOR_CONTEXT, vl_span(b.p, b.len - CRYPTO_SIGNATURE), d->signature);
    vl_buf_free(&b);
    return err;
}

static void unpack_relay_part(struct vl_reader *r, struct mix_descriptor *d) {
    vl_read_bytes(r, d->mix_key, sizeof d->mix_key);
    vl_read_bytes(r, d->vrf_key, sizeof d->vrf_key);
    vl_read_bytes(r, d->family, sizeof d->family);
    unpack_ascii8(r, d->addr, sizeof d->addr);
    d->bandwidth = vl_read_u32(r);
    d->rate = vl_read_u32(r);
    d->mean_delay_ms = vl_read_u32(r);
    uint8_t age = vl_read_u8(r);
    if (age == 0) return;
    unpack_require(r, age >= MIX_PROOF_AGE && age < d->epoch);
    d->proof_epoch = d->epoch - age;
    vl_read_bytes(r, d->proof, sizeof d->proof);
}

/* With such a key no packet can be made: one relay that has one would spoil every batch of headers that passes it. */
static bool low_order(const uint8_t key[32]) {
    static const uint8_t any[32] = { 8 };
    uint8_t shared[32];
    bool low = crypto_dh(any, key, shared) != VL_OK;
    crypto_wipe(shared, sizeof shared);
    return low;
}

enum vl_err mix_descriptor_decode(struct vl_span in, struct mix_descriptor *ret) {
    struct mix_descriptor d;
    struct vl_reader r = vl_reader(in.p, in.n);
    memset(&d, 0, sizeof d);
    enum vl_err err = unpack_message(&r, TAG_DESCRIPTOR, MIX_VERSION);
    if (err) return err;
    d.node = unpack_node(&r);
    d.epoch = vl_read_u64(&r);
    d.roles = unpack_u8_in(&r, 1, MIX_ROLES_ALL);
    vl_read_bytes(&r, d.static_key, sizeof d.static_key);
    if (d.roles & MIX_ROLES_RELAY)
        unpack_relay_part(&r, &d);
    else
        d.provider = unpack_node(&r);
    vl_read_bytes(&r, d.signature, sizeof d.signature);
    err = vl_reader_end(&r);
    if (err) return err;
    if (!descriptor_ok(&d)) return VL_EPARSE;
    err = mix_signature_check(d.node.b, DESCRIPTOR_CONTEXT, in, d.signature);
    if (err) return err;
    if (low_order(d.static_key) || ((d.roles & MIX_ROLES_RELAY) && low_order(d.mix_key))) return VL_EPARSE;
    if ((d.roles & MIX_ROLES_RELAY) && (d.roles & MIX_ROLE_CLIENT)) d.provider = d.node;
    *ret = d;
    return VL_OK;
}

/* --- subnets --- */

static uint32_t subnet_hash(uint8_t family, const uint8_t *p, size_t n) {
    uint8_t in[5] = { family }, out[4];
    memcpy(in + 1, p, n);
    crypto_blake2b_keyed(vl_span(in, 1 + n), vl_span(NULL, 0), "village-mix-net.", out, sizeof out);
    uint32_t h = vl_get_u32(out);
    return h ? h : 1;
}

/* Addresses that anybody may use at home (RFC 1918, RFC 6598, RFC 3927, loopback): all mixes of a house share one, so that
 * it tells nothing of who runs them. */
static bool private4(const uint8_t ip[4]) {
    return ip[0] == 127 || ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64) || (ip[0] == 169 && ip[1] == 254);
}

static uint32_t subnet4(const uint8_t ip[4]) { return private4(ip) ? 0 : subnet_hash(4, ip, 2); }

uint32_t mix_subnet(const char *addr) {
    static const uint8_t loopback[16] = { [15] = 1 }, mapped[12] = { [10] = 0xff, [11] = 0xff };
    char host[VL_ADDR_MAX];
    uint8_t ip[16];
    bool v6 = addr[0] == '[';
    const char *end = v6 ? strchr(addr, ']') : strchr(addr, ':');
    const char *begin = addr + (v6 ? 1 : 0);
    if (end == NULL || (size_t)(end - begin) >= sizeof host) return 0;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    if (!v6) return inet_pton(AF_INET, host, ip) == 1 ? subnet4(ip) : 0;
    if (inet_pton(AF_INET6, host, ip) != 1 || memcmp(ip, loopback, 16) == 0) return 0;
    if ((ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)) return 0; /* RFC 4193, RFC 4291 2.5.6 */
    return memcmp(ip, mapped, sizeof mapped) == 0 ? subnet4(ip + 12) : subnet_hash(6, ip, 4);
}

/* --- looking up --- */

const struct mix_relay *mix_relay_by_number(const struct mix_consensus *c, uint32_t number) {
    uint32_t low = 0, high = c->relays_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (c->relays[mid].number == number) return &c->relays[mid];
        if (c->relays[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct mix_relay *mix_relay_by_node(const struct mix_consensus *c, struct vl_node_id node) {
    for (uint32_t i = 0; i < c->relays_n; i++)
        if (vl_node_eq(c->relays[i].node, node)) return &c->relays[i];
    return NULL;
}

const struct mix_client *mix_client_by_node(const struct mix_consensus *c, struct vl_node_id node) {
    uint32_t low = 0, high = c->clients_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = memcmp(c->clients[mid].node.b, node.b, sizeof node.b);
        if (order == 0) return &c->clients[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

void mix_consensus_free(struct mix_consensus *c) {
    free(c->relays);
    free(c->clients);
    memset(c, 0, sizeof *c);
}
