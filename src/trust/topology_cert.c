#include "crypto/hash.h"
#include "trust/topology_priv.h"

#define VERSION 1
#define INPUT 58u /* tag, role, epoch, seed */

__extension__ typedef unsigned __int128 wide;

/* What the VRF is asked; the public key is in it already (RFC 9381 5.4.1). */
static void input_of(const struct topology *t, uint64_t epoch, uint16_t role, uint8_t ret[INPUT]) {
    static const char tag[] = "village-draw-001";
    struct vl_writer w = vl_writer(ret, INPUT);
    const struct vl_hash *seed = &t->seed[(epoch + TOPOLOGY_SEEDS - TOPOLOGY_LOOKBACK) % TOPOLOGY_SEEDS];
    vl_write_bytes(&w, tag, sizeof tag - 1);
    vl_write_u16(&w, role);
    vl_write_u64(&w, epoch);
    vl_write_bytes(&w, seed->b, sizeof seed->b);
}

enum vl_err topology_draw(const struct topology *t, struct vl_node_id node, const struct crypto_vrf_key *key,
                          uint64_t epoch, uint16_t role, struct topology_cert *ret) {
    const struct topology_roll *roll = topology_roll_of(t, epoch);
    uint8_t input[INPUT];
    if (roll == NULL) return VL_ERANGE;
    const struct topology_entry *e = topology_entry_of(roll, node);
    if (e == NULL || e->vrf.suite != key->suite || memcmp(e->vrf.key, key->public, sizeof e->vrf.key) != 0)
        return VL_ENOTFOUND;
    struct topology_cert c = { .epoch = epoch, .node = node, .weight = e->weight, .role = role };
    input_of(t, epoch, role, input);
    enum vl_err err = crypto_vrf_prove(key, vl_span(input, sizeof input), c.proof);
    if (!err) err = crypto_vrf_output_of((enum crypto_vrf_suite)key->suite, c.proof, c.beta);
    if (!err) *ret = c;
    return err;
}

void topology_cert_encode(const struct topology_cert *c, uint8_t ret[TOPOLOGY_CERT_BYTES]) {
    struct vl_writer w = vl_writer(ret, TOPOLOGY_CERT_BYTES);
    vl_write_u8(&w, VERSION);
    vl_write_u16(&w, c->role);
    vl_write_u64(&w, c->epoch);
    vl_write_bytes(&w, c->node.b, sizeof c->node.b);
    vl_write_u32(&w, c->weight);
    vl_write_bytes(&w, c->beta, sizeof c->beta);
    vl_write_bytes(&w, c->proof, sizeof c->proof);
}

enum vl_err topology_check(const struct topology *t, struct vl_span in, struct topology_cert *ret,
                           struct vl_errmsg *why) {
    struct topology_cert c;
    struct vl_reader r = vl_reader(in.p, in.n);
    uint8_t input[INPUT], beta[CRYPTO_VRF_OUTPUT];
    unsigned version = vl_read_u8(&r);
    c.role = vl_read_u16(&r);
    c.epoch = vl_read_u64(&r);
    vl_read_bytes(&r, c.node.b, sizeof c.node.b);
    c.weight = vl_read_u32(&r);
    vl_read_bytes(&r, c.beta, sizeof c.beta);
    vl_read_bytes(&r, c.proof, sizeof c.proof);
    if (in.n != TOPOLOGY_CERT_BYTES || vl_reader_end(&r) != VL_OK)
        return vl_errmsg_set(why, VL_EPARSE, "a certificate has %u bytes, not %zu", TOPOLOGY_CERT_BYTES, in.n);
    if (version != VERSION) return vl_errmsg_set(why, VL_EVERSION, "version %u of certificates is unknown", version);
    const struct topology_roll *roll = topology_roll_of(t, c.epoch);
    if (roll == NULL)
        return vl_errmsg_set(why, VL_ERANGE, "epoch %llu is not near the current one, %llu",
                             (unsigned long long)c.epoch, (unsigned long long)t->epoch);
    const struct topology_entry *e = topology_entry_of(roll, c.node);
    if (e == NULL) return vl_errmsg_set(why, VL_ENOTFOUND, "the node is not in the roll of that epoch");
    if (e->weight != c.weight)
        return vl_errmsg_set(why, VL_EDENIED, "the roll gives weight %u, not %u", e->weight, c.weight);
    input_of(t, c.epoch, c.role, input);
    enum vl_err err = crypto_vrf_check(&e->vrf, vl_span(input, sizeof input), vl_span(c.proof, sizeof c.proof), beta);
    if (err) return vl_errmsg_set(why, err, "the proof does not hold for that node, epoch and role");
    if (memcmp(beta, c.beta, sizeof beta) != 0)
        return vl_errmsg_set(why, VL_ECRYPTO, "the output is not that of the proof");
    *ret = c;
    return VL_OK;
}

uint64_t topology_share(const uint8_t r[32], uint64_t total) {
    wide carry = 0;
    for (int limb = 3; limb >= 0; limb--) carry = (carry + (wide)vl_get_u64(r + 8 * limb) * total) >> 64;
    return (uint64_t)carry;
}

/* The i-th number of a draw. */
static struct vl_hash number_of(const struct topology_cert *c, unsigned i) {
    static const char tag[] = "village-neighb-1";
    const uint8_t which = (uint8_t)i;
    struct crypto_blake2b h;
    struct vl_hash r;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, tag, sizeof tag - 1);
    crypto_blake2b_update(&h, c->beta, sizeof c->beta);
    crypto_blake2b_update(&h, &which, 1);
    crypto_blake2b_final(&h, &r);
    return r;
}

unsigned topology_neighbours(const struct topology *t, const struct topology_cert *c,
                             struct vl_node_id ret[TOPOLOGY_NEIGHBOURS]) {
    const struct topology_roll *roll = topology_roll_of(t, c->epoch);
    uint32_t out[TOPOLOGY_NEIGHBOURS + 1]; /* ascending places no longer in the draw: the node itself and who was drawn */
    unsigned outs = 0, n = 0;
    if (roll == NULL || c->role != TOPOLOGY_NEIGHBOUR) return 0;
    const struct topology_entry *self = topology_entry_of(roll, c->node);
    uint64_t total = roll->total;
    if (self != NULL) {
        out[outs++] = (uint32_t)(self - roll->entry);
        total -= self->weight;
    }
    while (n < TOPOLOGY_NEIGHBOURS && total > 0) {
        struct vl_hash r = number_of(c, n);
        uint64_t left = topology_share(r.b, total);
        uint32_t at = 0;
        unsigned next = 0, i = outs;
        for (;; at++) { /* ends: left is below the sum of the weights that are still in */
            if (next < outs && out[next] == at) {
                next++;
                continue;
            }
            if (left < roll->entry[at].weight) break;
            left -= roll->entry[at].weight;
        }
        for (; i > next; i--) out[i] = out[i - 1];
        out[next] = at;
        outs++;
        total -= roll->entry[at].weight;
        ret[n++] = roll->entry[at].node;
    }
    return n;
}

bool topology_is_neighbour(const struct topology *t, const struct topology_cert *c, struct vl_node_id node) {
    struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
    unsigned n = topology_neighbours(t, c, drawn);
    for (unsigned i = 0; i < n; i++)
        if (vl_node_eq(drawn[i], node)) return true;
    return false;
}

bool topology_elected(const struct topology *t, const struct topology_cert *c, uint32_t seats) {
    const struct topology_roll *roll = topology_roll_of(t, c->epoch);
    return roll != NULL && topology_share(c->beta, roll->total) < (uint64_t)seats * c->weight;
}
