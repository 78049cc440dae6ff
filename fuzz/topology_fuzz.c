/* Certificates, reveals and saved states under raw bytes, or a life of ten members by events of 2 bytes.  It begins
 * with a golden value of tests/trust/topology_model.py: this program is built by clang, the tests by gcc. */
#include "crypto/hash.h"
#include "crypto/random.h"
#include "trust/topology.h"

#include <stdlib.h>
#include <string.h>

enum { N = 12, FIRST = 1000 };
static struct crypto_vrf_key key[N];
static struct vl_node_id node[N];

static struct topology *village(void) {
    struct vl_hash id;
    memset(id.b, 'v', sizeof id.b);
    struct topology *t = topology_create(N, &id, FIRST);
    if (t == NULL) abort();
    for (unsigned i = 0; i < N; i++) {
        uint8_t seed[32];
        memset(node[i].b, (int)(i * 37 + 11) % 256, 32);
        memset(seed, (int)i + 1, 32);
        if (crypto_vrf_key_make(i % 2 ? CRYPTO_VRF_ELL2 : CRYPTO_VRF_TAI, seed, &key[i]) != VL_OK) abort();
        struct crypto_vrf_public p = crypto_vrf_public_of(&key[i]);
        if (topology_member(t, node[i], &p, 100 + 50 * i) != VL_OK) abort();
    }
    return t;
}

static enum vl_err reveal(struct topology *t, unsigned i, uint64_t epoch) {
    struct topology_cert c;
    uint8_t bytes[TOPOLOGY_CERT_BYTES];
    enum vl_err err = topology_draw(t, node[i], &key[i], epoch, TOPOLOGY_BEACON, &c);
    if (err) return err;
    topology_cert_encode(&c, bytes);
    return topology_reveal(t, vl_span(bytes, sizeof bytes));
}

static void golden(void) {
    static const uint8_t want[4] = { 0x82, 0x70, 0x66, 0x65 }; /* S of epoch 1008 */
    struct topology *t = village();
    if (topology_advance(t, FIRST + 4) != VL_OK) abort();
    for (uint64_t e = FIRST + 4; e < FIRST + 8; e++) {
        for (unsigned i = 0; i < N; i++)
            if ((i != 3 || e != FIRST + 4) && reveal(t, i, e) != VL_OK) abort();
        if (topology_advance(t, e + 1) != VL_OK) abort();
    }
    struct vl_hash s = topology_seed(t);
    if (memcmp(s.b, want, sizeof want) != 0) abort();
    topology_destroy(t);
}

static void bytes_of_a_peer(struct topology *t, const uint8_t *p, size_t n) {
    struct topology_cert c;
    struct vl_errmsg why;
    uint8_t good[TOPOLOGY_CERT_BYTES];
    if (topology_check(t, vl_span(p, n), &c, &why) == VL_OK) abort(); /* nobody guesses a proof */
    if (topology_reveal(t, vl_span(p, n)) == VL_OK) abort();
    /* an honest certificate with some of the bytes over it */
    if (n < 2 || topology_draw(t, node[4], &key[4], FIRST + 5, TOPOLOGY_NEIGHBOUR, &c) != VL_OK) return;
    topology_cert_encode(&c, good);
    size_t at = p[0] % sizeof good, len = sizeof good - at;
    uint8_t bad[TOPOLOGY_CERT_BYTES];
    memcpy(bad, good, sizeof bad);
    memcpy(bad + at, p + 1, len < n - 1 ? len : n - 1);
    bool same = memcmp(bad, good, sizeof bad) == 0;
    if ((topology_check(t, vl_span(bad, sizeof bad), &c, NULL) == VL_OK) != same) abort();
}

static void life(struct topology *t, const uint8_t *p, size_t n) {
    for (; n >= 2; p += 2, n -= 2) {
        unsigned i = p[1] % N;
        uint64_t now = topology_epoch(t);
        struct topology_cert c;
        struct vl_node_id drawn[TOPOLOGY_NEIGHBOURS];
        struct crypto_vrf_public pub = crypto_vrf_public_of(&key[(p[1] / N) % N]);
        switch (p[0] % 5) {
        case 0:
            vl_ignore(reveal(t, i, now + p[0] / 5 % 3 - 1));
            break;
        case 1:
            vl_ignore(topology_member(t, node[i], &pub, (uint32_t)p[0] << (p[1] % 24)));
            break;
        case 2:
            vl_ignore(topology_leave(t, node[i]));
            break;
        case 3:
            if (topology_advance(t, now + p[0] / 5 % 4) != VL_OK) abort();
            break;
        default:
            if (topology_draw(t, node[i], &key[i], now, TOPOLOGY_NEIGHBOUR, &c) != VL_OK) break;
            unsigned k = topology_neighbours(t, &c, drawn);
            for (unsigned a = 0; a < k; a++) {
                if (vl_node_eq(drawn[a], node[i]) || !topology_is_neighbour(t, &c, drawn[a])) abort();
                for (unsigned b = 0; b < a; b++)
                    if (vl_node_eq(drawn[a], drawn[b])) abort();
            }
        }
    }
}

static void restored(struct topology *t, const uint8_t *p, size_t n) {
    struct topology *raw = NULL;
    struct vl_buf b, again;
    if (topology_restore(vl_span(p, n), N, &raw) == VL_OK) {
        vl_buf_init(&b, 1u << 20);
        if (topology_save(raw, &b) != VL_OK || !vl_span_eq(vl_span(b.p, b.len), vl_span(p, n))) abort();
        if (topology_advance(raw, topology_epoch(raw) + 2) != VL_OK) abort();
        vl_buf_free(&b);
        topology_destroy(raw);
    }
    /* what was saved, with bytes of the input at some place */
    vl_buf_init(&b, 1u << 20);
    if (topology_save(t, &b) != VL_OK) abort();
    for (; n >= 3; p += 3, n -= 3) b.p[vl_get_u16(p) % b.len] = p[2];
    if (topology_restore(vl_span(b.p, b.len), N, &raw) == VL_OK) {
        vl_buf_init(&again, 1u << 20);
        if (topology_save(raw, &again) != VL_OK || !vl_span_eq(vl_span(b.p, b.len), vl_span(again.p, again.len)))
            abort();
        if (topology_advance(raw, topology_epoch(raw) + 2) != VL_OK) abort();
        vl_buf_free(&again);
        topology_destroy(raw);
    }
    vl_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static bool begun;
    if (n == 0 || crypto_init() != VL_OK) return 0;
    if (!begun) golden();
    begun = true;
    struct topology *t = village();
    if (topology_advance(t, FIRST + 5) != VL_OK) abort();
    switch (p[0] % 3) {
    case 0:
        bytes_of_a_peer(t, p + 1, n - 1);
        break;
    case 1:
        restored(t, p + 1, n - 1);
        break;
    default:
        life(t, p + 1, n - 1 < 400 ? n - 1 : 400);
        break;
    }
    topology_destroy(t);
    return 0;
}
