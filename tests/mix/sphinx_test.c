/* What a packet must do: every length, every place, every end; batches; reply blocks; bodies; rules of the builder. */
#include "mix/sphinx_rig.h"

#include "crypto/random.h"
#include "crypto/stream.h"

#include "check.h"

#include <string.h>

static bool all_zero(const void *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)p)[i] != 0) return false;
    return true;
}

/* Walks a packet over all nodes of its path and leaves it as the last node has it. */
static struct sphinx_work walk(const struct sphinx_rig *r, const struct sphinx_path *path,
                               const uint8_t (*delay_input)[16], uint8_t *packet) {
    struct sphinx_work w = { 0 };
    for (uint32_t i = 0; i < path->n; i++) {
        CHECK_EQ(SPHINX_OK, sphinx_rig_pass(r, i, packet, &w));
        CHECK_EQ(path->hop[i].delay_ms, w.delay_ms);
        CHECK_MEM(delay_input[i], w.delay_input, 16);
        CHECK(all_zero(w.okm, sizeof w.okm));
        if (i + 1 == path->n) break;
        CHECK_EQ(SPHINX_FORWARD, w.command);
        CHECK_EQ(path->hop[i + 1].node, w.next);
        CHECK(sphinx_ad_good(packet));
        CHECK_EQ(path->hop[i + 1].key_id, packet[SPHINX_AT_KEY_ID]);
    }
    CHECK_EQ(path->end.command, w.command);
    CHECK_MEM(&path->end, &w.end, sizeof w.end);
    return w;
}

TEST(sphinx, carries_a_body_over_every_length_of_path_to_either_end) {
    struct sphinx_rig r;
    sphinx_rig_init(&r, "round trip");
    for (uint32_t n = 1; n <= SPHINX_HOPS_MAX; n++) {
        for (int drop = 0; drop < 2; drop++) {
            struct sphinx_path path = sphinx_rig_path(&r, n, drop ? SPHINX_DROP : SPHINX_DELIVER);
            struct sphinx_prebuilt pre;
            uint8_t body[SPHINX_BODY], packet[SPHINX_PACKET];
            sphinx_rig_body(&r, 1 + 200 * n, body);
            CHECK_OK(sphinx_build(&path, 1, &r.rng, &pre));
            CHECK_EQ(path.hop[0].node, pre.first);
            CHECK_EQ(n, pre.n);
            sphinx_seal(&pre, body, packet);
            (void)walk(&r, &path, (const uint8_t(*)[16])pre.delay_input, packet);
            CHECK_MEM(body, packet + SPHINX_HEADER + SPHINX_ZEROS, SPHINX_BODY);
            sphinx_prebuilt_wipe(&pre);
            CHECK(all_zero(&pre, sizeof pre));
        }
    }
}

TEST(sphinx, seals_a_body_that_lies_in_the_packet_already) {
    struct sphinx_rig r;
    struct sphinx_prebuilt pre;
    uint8_t body[SPHINX_BODY], want[SPHINX_PACKET], packet[SPHINX_PACKET];
    sphinx_rig_init(&r, "in place");
    struct sphinx_path path = sphinx_rig_path(&r, 3, SPHINX_DELIVER);
    CHECK_OK(sphinx_build(&path, 1, &r.rng, &pre));
    sphinx_rig_body(&r, 99, body);
    sphinx_seal(&pre, body, want);
    memcpy(packet + 100, body, sizeof body);
    sphinx_seal(&pre, packet + 100, packet);
    CHECK_MEM(want, packet, sizeof want);
}

/* Mixed lengths, so that groups of key exchanges end in the middle of nowhere. */
static struct sphinx_path mixed_path(const struct sphinx_rig *r, size_t k, enum sphinx_command command) {
    return sphinx_rig_path(r, (uint32_t)(k * 5 % SPHINX_HOPS_MAX) + 1, command);
}

TEST(sphinx, builds_in_a_batch_what_it_builds_one_by_one) {
    static struct sphinx_path path[SPHINX_BATCH];
    static struct sphinx_prebuilt batch[SPHINX_BATCH];
    struct sphinx_rig r;
    struct sphinx_prebuilt one;
    sphinx_rig_init(&r, "batch");
    for (size_t k = 0; k < SPHINX_BATCH; k++) path[k] = mixed_path(&r, k, SPHINX_DELIVER);
    struct crypto_drbg again = r.rng;
    CHECK_OK(sphinx_build(path, SPHINX_BATCH, &r.rng, batch));
    for (size_t k = 0; k < SPHINX_BATCH; k++) {
        CHECK_OK(sphinx_build(&path[k], 1, &again, &one));
        CHECK_MEM(&one, &batch[k], sizeof one);
    }
    CHECK_OK(sphinx_build(path, 0, &r.rng, NULL));
}

TEST(sphinx, opens_and_peels_a_batch_of_all_keys_and_leaves_what_was_dropped_before) {
    static struct sphinx_path path[SPHINX_BATCH];
    static struct sphinx_prebuilt pre[SPHINX_BATCH];
    static struct sphinx_work w[SPHINX_BATCH];
    static uint8_t packet[SPHINX_BATCH][SPHINX_PACKET], before[SPHINX_PACKET];
    struct sphinx_rig r;
    uint8_t body[SPHINX_BODY];
    sphinx_rig_init(&r, "batch of a node");
    sphinx_rig_body(&r, SPHINX_DATA_MAX, body);
    for (size_t k = 0; k < SPHINX_BATCH; k++) {
        path[k] = sphinx_rig_path(&r, 1, SPHINX_DELIVER); /* to a node with three keys */
        path[k].hop[0].key_id = r.key[k % 3].key_id;
        memcpy(path[k].hop[0].key, r.key[k % 3].public, 32);
    }
    CHECK_OK(sphinx_build(path, SPHINX_BATCH, &r.rng, pre));
    for (size_t k = 0; k < SPHINX_BATCH; k++) {
        sphinx_seal(&pre[k], body, packet[k]);
        w[k] = (struct sphinx_work){ .packet = packet[k] };
        if (k % 7 == 3) packet[k][0] = 9;
        if (k % 7 == 5) packet[k][SPHINX_AT_GAMMA] ^= 1;
        w[k].verdict = sphinx_glance(packet[k], r.key, 3, &w[k].key);
    }
    sphinx_open(w, SPHINX_BATCH, r.key);
    for (size_t k = 0; k < SPHINX_BATCH; k++)
        if (k % 7 == 6) w[k].verdict = SPHINX_REPLAYED; /* the caller's table says so */
    memcpy(before, packet[6], sizeof before);
    sphinx_peel(w, SPHINX_BATCH);
    CHECK_MEM(before, packet[6], sizeof before);
    for (size_t k = 0; k < SPHINX_BATCH; k++) {
        static const enum sphinx_verdict want[7] = {
            [3] = SPHINX_BAD_VERSION, [5] = SPHINX_BAD_MAC, [6] = SPHINX_REPLAYED
        };
        CHECK_EQ(want[k % 7], w[k].verdict);
        CHECK(all_zero(w[k].okm, sizeof w[k].okm));
        if (w[k].verdict != SPHINX_OK) continue;
        CHECK_EQ(k % 3, w[k].key);
        CHECK_MEM(body, packet[k] + SPHINX_HEADER + SPHINX_ZEROS, SPHINX_BODY);
    }
}

TEST(sphinx, refuses_paths_that_break_a_rule_and_builds_nothing) {
    struct sphinx_rig r;
    static struct sphinx_path path[SPHINX_BATCH + 1];
    struct sphinx_prebuilt pre[2], untouched[2];
    sphinx_rig_init(&r, "rules");
    memset(pre, 0x77, sizeof pre);
    memcpy(untouched, pre, sizeof pre);
    path[0] = sphinx_rig_path(&r, 3, SPHINX_DELIVER);
    static const struct {
        uint32_t n, zero_node;
        enum sphinx_command command;
    } bad[] = { { 0, 9, SPHINX_DELIVER },
                { 8, 9, SPHINX_DELIVER },
                { UINT32_MAX, 9, SPHINX_DELIVER },
                { 3, 0, SPHINX_DELIVER },
                { 3, 2, SPHINX_DELIVER },
                { 3, 9, SPHINX_FORWARD },
                { 3, 9, SPHINX_REPLY },
                { 3, 9, 0 },
                { 3, 9, 5 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        path[1] = sphinx_rig_path(&r, 3, bad[i].command);
        path[1].n = bad[i].n;
        if (bad[i].zero_node < 3) path[1].hop[bad[i].zero_node].node = 0;
        CHECK_EQ(VL_ERANGE, sphinx_build(path, 2, &r.rng, pre));
        CHECK_MEM(untouched, pre, sizeof pre);
    }
    for (size_t k = 0; k <= SPHINX_BATCH; k++) path[k] = path[0];
    CHECK_EQ(VL_ERANGE, sphinx_build(path, SPHINX_BATCH + 1, &r.rng, pre));
    path[1] = sphinx_rig_path(&r, 3, SPHINX_DELIVER);
    uint8_t surb[1][SPHINX_SURB];
    struct sphinx_surb_keys keys;
    CHECK_EQ(VL_ERANGE, sphinx_surb_build(&path[1], 1, 1, &r.rng, surb, &keys));
}

TEST(sphinx, refuses_a_key_of_low_order_and_wipes_what_it_built) {
    struct sphinx_rig r;
    static struct sphinx_path path[40];
    static struct sphinx_prebuilt pre[40];
    static uint8_t surb[40][SPHINX_SURB];
    static struct sphinx_surb_keys keys[40];
    sphinx_rig_init(&r, "low order");
    for (size_t k = 0; k < 40; k++) path[k] = sphinx_rig_path(&r, 3, SPHINX_DELIVER);
    memset(path[39].hop[1].key, 0, 32);
    CHECK_EQ(VL_ECRYPTO, sphinx_build(path, 40, &r.rng, pre));
    CHECK(all_zero(pre, sizeof pre));
    for (size_t k = 0; k < 40; k++) path[k].end.command = SPHINX_REPLY;
    CHECK_EQ(VL_ECRYPTO, sphinx_surb_build(path, 40, 1, &r.rng, surb, keys));
    CHECK(all_zero(surb, sizeof surb) && all_zero(keys, sizeof keys));
}

/* SPEC SPX-24: "beta(n-1) ends in phi(n-1)."  And so does every beta before it in its own: computed here from the keys
 * that the nodes derive, with the formula read the other way round. */
TEST(sphinx, every_beta_ends_in_the_filler_that_the_nodes_before_it_made) {
    struct sphinx_rig r;
    struct sphinx_prebuilt pre;
    struct sphinx_work w;
    uint8_t body[SPHINX_BODY], packet[SPHINX_PACKET], phi[SPHINX_BETA + SPHINX_SLOT] = { 0 }, stream[SPHINX_STREAM];
    sphinx_rig_init(&r, "filler");
    sphinx_rig_body(&r, 10, body);
    struct sphinx_path path = sphinx_rig_path(&r, SPHINX_HOPS_MAX, SPHINX_DELIVER);
    CHECK_OK(sphinx_build(&path, 1, &r.rng, &pre));
    sphinx_seal(&pre, body, packet);
    for (uint32_t i = 0; i < path.n; i++) {
        size_t len = SPHINX_SLOT * i;
        CHECK_MEM(phi + SPHINX_BETA - len, packet + SPHINX_AT_BETA + SPHINX_BETA - len, len);
        CHECK_EQ(SPHINX_OK, sphinx_rig_open(&r, i, packet, &w));
        crypto_chacha20(w.okm + SPHINX_OKM_HEADER, stream, sizeof stream);
        sphinx_peel(&w, 1);
        for (size_t at = SPHINX_BETA - len; at < SPHINX_STREAM; at++)
            phi[at] ^= stream[at]; /* zeros enter at the end */
        memmove(phi, phi + SPHINX_SLOT, SPHINX_BETA);
        memset(phi + SPHINX_BETA, 0, SPHINX_SLOT);
    }
}

TEST(sphinx, gives_one_tag_for_a_packet_that_comes_again_and_another_for_each_node_and_packet) {
    struct sphinx_rig r;
    struct sphinx_prebuilt pre[2];
    struct sphinx_work w, again;
    uint8_t body[SPHINX_BODY], packet[SPHINX_PACKET], copy[SPHINX_PACKET], tag[4][SPHINX_TAG];
    sphinx_rig_init(&r, "tags");
    sphinx_rig_body(&r, 10, body);
    struct sphinx_path path[2] = { sphinx_rig_path(&r, 2, SPHINX_DELIVER), sphinx_rig_path(&r, 2, SPHINX_DELIVER) };
    CHECK_OK(sphinx_build(path, 2, &r.rng, pre));
    for (uint32_t k = 0; k < 2; k++) {
        sphinx_seal(&pre[k], body, packet);
        for (uint32_t i = 0; i < 2; i++) {
            memcpy(copy, packet, sizeof copy);
            copy[SPHINX_PACKET - 1] ^= 1; /* another payload is the same header */
            CHECK_EQ(SPHINX_OK, sphinx_rig_open(&r, i, copy, &again));
            CHECK_EQ(SPHINX_OK, sphinx_rig_pass(&r, i, packet, &w));
            CHECK_MEM(w.tag, again.tag, SPHINX_TAG);
            memcpy(tag[2 * k + i], w.tag, SPHINX_TAG);
        }
    }
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < a; b++) CHECK(memcmp(tag[a], tag[b], SPHINX_TAG) != 0);
}

/* ---- reply blocks ---- */

TEST(sphinx_surb, brings_a_reply_home_over_every_length_of_path) {
    struct sphinx_rig r;
    sphinx_rig_init(&r, "surb");
    for (uint32_t n = 1; n <= SPHINX_HOPS_MAX; n++) {
        struct sphinx_path path = sphinx_rig_path(&r, n, SPHINX_REPLY);
        struct sphinx_surb_keys keys;
        uint8_t surb[1][SPHINX_SURB], body[SPHINX_BODY], opened[SPHINX_BODY], packet[SPHINX_PACKET];
        uint32_t first = 0;
        sphinx_rig_body(&r, 300, body);
        CHECK_OK(sphinx_surb_build(&path, 1, 0x89abcdef, &r.rng, surb, &keys));
        CHECK_EQ(0x89abcdef, sphinx_surb_expiry(surb[0]));
        CHECK_MEM(path.end.surb_id, keys.id, 16);
        CHECK_OK(sphinx_surb_use(surb[0], body, packet, &first));
        CHECK_EQ(path.hop[0].node, first);
        struct sphinx_work w = walk(&r, &path, (const uint8_t(*)[16])keys.delay_input, packet);
        CHECK_MEM(keys.id, w.end.surb_id, 16);
        CHECK_OK(sphinx_surb_open(&keys, packet + SPHINX_HEADER, opened));
        CHECK_MEM(body, opened, SPHINX_BODY);
    }
}

TEST(sphinx_surb, builds_in_a_batch_what_it_builds_one_by_one) {
    static struct sphinx_path path[50];
    static struct sphinx_surb_keys keys[50];
    static uint8_t surb[50][SPHINX_SURB];
    struct sphinx_surb_keys key;
    uint8_t one[1][SPHINX_SURB];
    struct sphinx_rig r;
    sphinx_rig_init(&r, "surb batch");
    for (size_t k = 0; k < 50; k++) path[k] = mixed_path(&r, k, SPHINX_REPLY);
    struct crypto_drbg again = r.rng;
    CHECK_OK(sphinx_surb_build(path, 50, 3, &r.rng, surb, keys));
    for (size_t k = 0; k < 50; k++) {
        CHECK_OK(sphinx_surb_build(&path[k], 1, 3, &again, one, &key));
        CHECK_MEM(one[0], surb[k], SPHINX_SURB);
        CHECK_MEM(&key, &keys[k], sizeof key);
    }
}

struct surb_case {
    struct sphinx_rig r;
    struct sphinx_surb_keys keys;
    uint8_t surb[1][SPHINX_SURB], body[SPHINX_BODY];
};

static void surb_case_init(struct surb_case *c, uint32_t n) {
    sphinx_rig_init(&c->r, "surb case");
    struct sphinx_path path = sphinx_rig_path(&c->r, n, SPHINX_REPLY);
    sphinx_rig_body(&c->r, 300, c->body);
    CHECK_OK(sphinx_surb_build(&path, 1, 77, &c->r.rng, c->surb, &c->keys));
}

TEST(sphinx_surb, shows_the_first_node_the_same_tag_when_it_is_used_again) {
    struct surb_case c;
    struct sphinx_work w[2];
    uint8_t packet[2][SPHINX_PACKET];
    uint32_t first = 0;
    surb_case_init(&c, 3);
    for (int k = 0; k < 2; k++) {
        c.body[0] = (uint8_t)(17 + k);
        CHECK_OK(sphinx_surb_use(c.surb[0], c.body, packet[k], &first));
        CHECK_EQ(SPHINX_OK, sphinx_rig_open(&c.r, 0, packet[k], &w[k]));
    }
    CHECK(memcmp(packet[0], packet[1], SPHINX_PACKET) != 0);
    CHECK_MEM(w[0].tag, w[1].tag, SPHINX_TAG);
}

TEST(sphinx_surb, does_not_open_under_the_keys_of_another_or_with_a_bit_changed) {
    struct surb_case c;
    struct sphinx_surb_keys other;
    uint8_t packet[SPHINX_PACKET], opened[SPHINX_BODY], untouched[SPHINX_BODY], surb[1][SPHINX_SURB];
    struct sphinx_work w;
    uint32_t first = 0;
    surb_case_init(&c, 2);
    struct sphinx_path path = sphinx_rig_path(&c.r, 2, SPHINX_REPLY);
    CHECK_OK(sphinx_surb_build(&path, 1, 77, &c.r.rng, surb, &other));
    CHECK_OK(sphinx_surb_use(c.surb[0], c.body, packet, &first));
    for (uint32_t i = 0; i < 2; i++) CHECK_EQ(SPHINX_OK, sphinx_rig_pass(&c.r, i, packet, &w));
    memset(opened, 0x77, sizeof opened);
    memcpy(untouched, opened, sizeof opened);
    CHECK_EQ(VL_ECRYPTO, sphinx_surb_open(&other, packet + SPHINX_HEADER, opened));
    for (size_t bit = 0; bit < 8 * SPHINX_DELTA; bit += 41) {
        uint8_t *at = packet + SPHINX_HEADER + bit / 8, mask = (uint8_t)(1u << bit % 8);
        *at ^= mask;
        CHECK_EQ(VL_ECRYPTO, sphinx_surb_open(&c.keys, packet + SPHINX_HEADER, opened));
        *at ^= mask;
    }
    CHECK_MEM(untouched, opened, sizeof opened);
    CHECK_OK(sphinx_surb_open(&c.keys, packet + SPHINX_HEADER, opened));
    CHECK_MEM(c.body, opened, SPHINX_BODY);
}

TEST(sphinx_surb, is_refused_or_leads_nowhere_when_cut_at_any_byte) {
    struct surb_case c;
    uint8_t cut[SPHINX_SURB], packet[SPHINX_PACKET], opened[SPHINX_BODY];
    struct sphinx_work w;
    surb_case_init(&c, 1);
    for (size_t at = 0; at < SPHINX_SURB; at++) {
        uint32_t first = 0;
        memset(cut, 0, sizeof cut);
        memcpy(cut, c.surb[0], at);
        if (memcmp(cut, c.surb[0], SPHINX_SURB - 4) == 0)
            continue; /* nothing lost, or a wrong epoch, which is advice */
        enum vl_err err = sphinx_surb_use(cut, c.body, packet, &first);
        if (at < 2 || (at < SPHINX_HEADER + 1 && err)) { /* no version; no first node */
            CHECK_EQ(VL_EPARSE, err);
            CHECK_EQ(0, first);
            continue;
        }
        if (err) continue;
        CHECK_EQ(SPHINX_OK,
                 sphinx_rig_pass(&c.r, 0, packet, &w)); /* the header is whole: it was the key that was cut */
        CHECK_EQ(VL_ECRYPTO, sphinx_surb_open(&c.keys, packet + SPHINX_HEADER, opened));
    }
}

TEST(sphinx_surb, is_refused_with_another_version_or_no_first_node) {
    struct surb_case c;
    uint8_t bad[SPHINX_SURB], packet[SPHINX_PACKET];
    uint32_t first = 0;
    surb_case_init(&c, 1);
    for (size_t i = 0; i < SPHINX_AD; i++) {
        if (i == SPHINX_AT_KEY_ID) continue;
        memcpy(bad, c.surb[0], sizeof bad);
        bad[i] ^= 0x80;
        CHECK_EQ(VL_EPARSE, sphinx_surb_use(bad, c.body, packet, &first));
    }
    memcpy(bad, c.surb[0], sizeof bad);
    memset(bad + SPHINX_HEADER, 0, 4);
    CHECK_EQ(VL_EPARSE, sphinx_surb_use(bad, c.body, packet, &first));
    CHECK_EQ(0, first);
}

/* ---- bodies ---- */

TEST(sphinx_body, frames_every_size_up_to_the_largest_and_no_more) {
    uint8_t data[SPHINX_DATA_MAX + 1], body[SPHINX_BODY], type = 0;
    struct vl_span got;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i + 1);
    for (size_t n = 0; n <= SPHINX_DATA_MAX; n++) {
        memset(body, 0xee, sizeof body);
        CHECK_OK(sphinx_body((uint8_t)n, vl_span(data, n), body));
        CHECK_OK(sphinx_body_read(body, &type, &got));
        CHECK_EQ((uint8_t)n, type);
        CHECK_EQ(n, got.n);
        CHECK_MEM(data, got.p, n);
    }
    CHECK_EQ(VL_ERANGE, sphinx_body(1, vl_span(data, SPHINX_DATA_MAX + 1), body));
}

TEST(sphinx_body, refuses_a_length_too_large_and_any_byte_behind_the_data) {
    uint8_t body[SPHINX_BODY], type = 9;
    struct vl_span got = { NULL, 3 };
    memset(body, 0, sizeof body);
    sphinx_put_le16(body, SPHINX_DATA_MAX + 1);
    CHECK_EQ(VL_EPARSE, sphinx_body_read(body, &type, &got));
    sphinx_put_le16(body, 0xffff);
    CHECK_EQ(VL_EPARSE, sphinx_body_read(body, &type, &got));
    CHECK_OK(sphinx_body(1, vl_span_str("data"), body));
    for (size_t i = 7; i < SPHINX_BODY; i++) {
        body[i] = 1;
        CHECK_EQ(VL_EPARSE, sphinx_body_read(body, &type, &got));
        body[i] = 0;
    }
    CHECK(type == 9 && got.p == NULL && got.n == 3); /* untouched by all of them */
    CHECK_OK(sphinx_body_read(body, &type, &got));
}
