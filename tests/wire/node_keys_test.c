#include "wire/node_keys.h"

#include "check.h"

#include <string.h>

static struct node_keys sample(bool coordinator, bool next) {
    struct node_keys k = { .coordinator = coordinator, .has_next = next, .since_ms = 123456789 };
    memset(k.sign_seed, 1, 32);
    memset(k.link_secret, 2, 32);
    if (coordinator) memset(k.root_seed, 3, 32);
    if (next) memset(k.next_seed, 4, 32);
    if (next) memset(k.next_secret, 5, 32);
    return k;
}

TEST(node_keys, come_back_as_they_were_written) {
    uint8_t raw[NODE_KEYS_BYTES], note[NODE_KEYS_NOTE];
    for (int i = 0; i < 4; i++) {
        struct node_keys got = { 0 }, seen = { 0 }, k = sample(i & 1, i & 2);
        node_keys_put(&k, raw);
        CHECK_OK(node_keys_get(vl_span(raw, sizeof raw), &got));
        CHECK_MEM(&k, &got, sizeof k);
        node_keys_note_put(&k, note);
        CHECK_OK(node_keys_note_get(vl_span(note, sizeof note), &seen));
        CHECK(seen.since_ms == k.since_ms && seen.has_next == k.has_next);
        CHECK(memmem(note, sizeof note, "\1\1", 2) == NULL); /* nothing secret */
    }
}

TEST(node_keys, never_write_a_root_key_of_a_member_or_a_successor_that_is_none) {
    uint8_t raw[NODE_KEYS_BYTES];
    struct node_keys got, k = sample(true, true);
    k.coordinator = k.has_next = false;
    node_keys_put(&k, raw);
    CHECK_OK(node_keys_get(vl_span(raw, sizeof raw), &got));
    for (size_t i = 0; i < 32; i++) CHECK_EQ(0, got.root_seed[i] | got.next_seed[i] | got.next_secret[i]);
}

TEST(node_keys, are_refused_when_anything_is_not_as_it_would_be_written) {
    uint8_t raw[NODE_KEYS_BYTES + 1] = { 0 };
    struct node_keys got = { .since_ms = 77 }, k = sample(false, false);
    node_keys_put(&k, raw);
    for (size_t n = 0; n < NODE_KEYS_BYTES; n++) CHECK_EQ(VL_EPARSE, node_keys_get(vl_span(raw, n), &got));
    CHECK_EQ(VL_EPARSE, node_keys_get(vl_span(raw, sizeof raw), &got));
    static const struct {
        size_t at;
        uint8_t to;
        enum vl_err err;
    } bad[] = { { 0, 0, VL_EVERSION }, { 0, 3, VL_EVERSION }, { 0, 1, VL_EPARSE },   { 1, 2, VL_EPARSE },  { 97, 1, VL_EPARSE },
                { 106, 2, VL_EPARSE }, { 107, 1, VL_EPARSE }, { 170, 1, VL_EPARSE } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t was = raw[bad[i].at];
        raw[bad[i].at] = bad[i].to;
        CHECK_EQ(bad[i].err, node_keys_get(vl_span(raw, NODE_KEYS_BYTES), &got));
        raw[bad[i].at] = was;
    }
    CHECK_EQ(77, got.since_ms);
    CHECK_EQ(VL_EPARSE, node_keys_note_get(vl_span(raw, 8), &got));
}
