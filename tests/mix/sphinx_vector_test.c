/* Against vectors of another implementation, sphinx_model.py. */
#include "mix/sphinx_priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "mix/sphinx_vectors.h"

#include "check.h"

#include <string.h>

static struct sphinx_path vector_path(uint32_t n, enum sphinx_command command) {
    struct sphinx_path p = { .n = n, .end = { .command = command } };
    for (uint32_t i = 0; i < n; i++) {
        p.hop[i] =
            (struct sphinx_hop){ .node = vector_node[i], .key_id = vector_key_id[i], .delay_ms = vector_delay[i] };
        memcpy(p.hop[i].key, vector_public[i], 32);
    }
    if (command == SPHINX_DELIVER) {
        p.end.flags = 3;
        p.end.service = 0x01020304;
        memcpy(p.end.recipient, vector_recipient[0], 32);
    } else if (command == SPHINX_REPLY) {
        p.end.flags = 5;
        memcpy(p.end.recipient, vector_recipient[1], 32);
        memcpy(p.end.surb_id, vector_surb_id[0], 16);
    }
    return p;
}

static void vector_body(uint8_t body[SPHINX_BODY]) {
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7);
    CHECK_OK(sphinx_body(9, vl_span(data, sizeof data), body));
}

static void check_digest(const uint8_t want[32], const uint8_t *got, size_t n) {
    struct vl_hash h;
    crypto_blake2b256(vl_span(got, n), &h);
    CHECK_MEM(want, h.b, 32);
}

/* Compares the packet at the door of node i, its okm where there are vectors, and peels it. */
static struct sphinx_work pass(uint32_t i, uint8_t *packet, const uint8_t digest[32], const uint8_t *okm) {
    struct sphinx_node_key key = { .key_id = vector_key_id[i] };
    memcpy(key.secret, vector_secret[i], 32);
    memcpy(key.public, vector_public[i], 32);
    struct sphinx_work w = { .packet = packet };
    check_digest(digest, packet, SPHINX_PACKET);
    CHECK_EQ(SPHINX_OK, sphinx_glance(packet, &key, 1, &w.key));
    sphinx_open(&w, 1, &key);
    CHECK_EQ(SPHINX_OK, w.verdict);
    if (okm != NULL) {
        CHECK_MEM(okm, w.okm, sizeof w.okm);
        CHECK_MEM(okm + SPHINX_OKM_TAG, w.tag, sizeof w.tag);
    }
    sphinx_peel(&w, 1);
    CHECK_EQ(SPHINX_OK, w.verdict);
    CHECK_EQ(vector_delay[i], w.delay_ms);
    if (okm != NULL) CHECK_MEM(okm + SPHINX_OKM_DELAY, w.delay_input, sizeof w.delay_input);
    return w;
}

TEST(sphinx_vectors, forward_packets_of_every_length_agree_at_every_node) {
    struct sphinx_path path[SPHINX_HOPS_MAX];
    struct sphinx_prebuilt pre[SPHINX_HOPS_MAX];
    struct crypto_drbg rng;
    uint8_t body[SPHINX_BODY], packet[SPHINX_PACKET];
    CHECK_OK(crypto_init());
    vector_body(body);
    crypto_drbg_init(&rng, vector_seed[0]);
    for (uint32_t n = 1; n <= SPHINX_HOPS_MAX; n++) path[n - 1] = vector_path(n, SPHINX_DELIVER);
    CHECK_OK(sphinx_build(path, SPHINX_HOPS_MAX, &rng, pre));
    for (uint32_t n = 1, row = 0; n <= SPHINX_HOPS_MAX; n++) {
        sphinx_seal(&pre[n - 1], body, packet);
        for (uint32_t i = 0; i < n; i++, row++) {
            if (n == 3) CHECK_MEM(vector_forward_three[i], packet, SPHINX_PACKET);
            CHECK_MEM(vector_okm[row] + SPHINX_OKM_PAYLOAD, pre[n - 1].payload_key[i], 32);
            struct sphinx_work w = pass(i, packet, vector_forward_digest[row], vector_okm[row]);
            CHECK_EQ(i + 1 < n ? SPHINX_FORWARD : SPHINX_DELIVER, w.command);
            if (i + 1 < n) CHECK_EQ(vector_node[i + 1], w.next);
            if (i + 1 == n) CHECK_MEM(&path[n - 1].end, &w.end, sizeof w.end);
        }
        CHECK_MEM(body, packet + SPHINX_HEADER + SPHINX_ZEROS, SPHINX_BODY);
    }
}

TEST(sphinx_vectors, reply_blocks_and_replies_of_every_length_agree_at_every_node) {
    struct sphinx_path path[SPHINX_HOPS_MAX];
    struct sphinx_surb_keys keys[SPHINX_HOPS_MAX];
    struct crypto_drbg rng;
    uint8_t surb[1][SPHINX_SURB], body[SPHINX_BODY], opened[SPHINX_BODY], packet[SPHINX_PACKET];
    CHECK_OK(crypto_init());
    vector_body(body);
    crypto_drbg_init(&rng, vector_seed[1]);
    for (uint32_t n = 1, row = 0, first = 0; n <= SPHINX_HOPS_MAX; n++) {
        path[n - 1] = vector_path(n, SPHINX_REPLY);
        CHECK_OK(sphinx_surb_build(&path[n - 1], 1, 4000 + n, &rng, surb, &keys[n - 1]));
        CHECK_MEM(vector_surb[n - 1], surb[0], SPHINX_SURB);
        CHECK_EQ(4000 + n, sphinx_surb_expiry(surb[0]));
        CHECK_OK(sphinx_surb_use(surb[0], body, packet, &first));
        CHECK_EQ(vector_node[0], first);
        for (uint32_t i = 0; i < n; i++, row++) {
            struct sphinx_work w = pass(i, packet, vector_reply_digest[row], NULL);
            if (i + 1 == n) CHECK_MEM(&path[n - 1].end, &w.end, sizeof w.end);
        }
        check_digest(vector_reply_delta_digest[n - 1], packet + SPHINX_HEADER, SPHINX_DELTA);
        CHECK_OK(sphinx_surb_open(&keys[n - 1], packet + SPHINX_HEADER, opened));
        CHECK_MEM(body, opened, SPHINX_BODY);
    }
}

TEST(sphinx_vectors, drop_cover_agrees_at_every_node) {
    struct sphinx_path path = vector_path(2, SPHINX_DROP);
    struct sphinx_prebuilt pre;
    struct crypto_drbg rng;
    uint8_t body[SPHINX_BODY], packet[SPHINX_PACKET];
    CHECK_OK(crypto_init());
    CHECK_OK(sphinx_body(0, vl_span(NULL, 0), body));
    crypto_drbg_init(&rng, vector_seed[2]);
    CHECK_OK(sphinx_build(&path, 1, &rng, &pre));
    sphinx_seal(&pre, body, packet);
    CHECK_EQ(SPHINX_FORWARD, pass(0, packet, vector_drop_digest[0], NULL).command);
    CHECK_EQ(SPHINX_DROP, pass(1, packet, vector_drop_digest[1], NULL).command);
}
