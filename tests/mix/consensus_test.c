#include "mix/consensus.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "mix/vote.h"
#include "wire/pack.h"

#include "check.h"
#include "directory_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct mix_charter charter;
    struct crypto_sign_key key[MIX_AUTHORITIES_MAX], root;
    struct vl_buf b;
    struct mix_consensus c;
};
static void rig_init(struct rig *r, uint8_t n, uint8_t threshold) {
    memset(r, 0, sizeof *r);
    help_charter(n, threshold, MIX_EPOCH_MS, &r->charter, r->key, &r->root);
    vl_buf_init(&r->b, MIX_DOC_MAX);
    help_consensus(&r->charter, 7, 4, 3, &r->c);
}
static void rig_free(struct rig *r) {
    mix_consensus_free(&r->c);
    vl_buf_free(&r->b);
}
static struct vl_span doc(const struct rig *r) { return vl_span(r->b.p, r->b.len); }

/* Decoders under one shape: VL_OK only for what is whole and signed. */
static enum vl_err as_charter(const struct rig *r, struct vl_span in) {
    struct mix_charter c;
    return mix_charter_decode(in, r->root.public, &c);
}
static enum vl_err as_descriptor(const struct rig *r, struct vl_span in) {
    struct mix_descriptor d;
    (void)r;
    return mix_descriptor_decode(in, &d);
}
static enum vl_err as_consensus(const struct rig *r, struct vl_span in) {
    struct mix_consensus c;
    enum vl_err err = mix_consensus_decode(in, &r->charter, 0, &c);
    if (!err) mix_consensus_free(&c);
    return err;
}
static enum vl_err as_vote(const struct rig *r, struct vl_span in) {
    struct mix_vote v;
    enum vl_err err = mix_vote_decode(in, &r->charter, &v);
    if (!err) mix_vote_free(&v);
    return err;
}
static enum vl_err as_equivocation(const struct rig *r, struct vl_span in) {
    struct mix_equivocation e;
    return mix_equivocation_check(in, &r->charter, &e);
}
typedef enum vl_err (*decoder)(const struct rig *r, struct vl_span in);

static struct mix_vote a_vote(struct mix_vote_entry *entries, uint32_t n) {
    struct mix_vote v = { .epoch = 7, .previous_epoch = 6, .tolerance_permille = 1500, .anonymity_floor = 64 };
    memset(v.previous, 1, 32);
    memset(v.reveal, 2, 32);
    memset(v.commitment, 3, 32);
    for (uint16_t i = 0; i < MIX_DELAYS; i++) v.delay_ms[i] = (uint16_t)(i + 1);
    for (uint32_t i = 0; i < n; i++) {
        memset(entries[i].digest, 0, 32);
        vl_put_u32(entries[i].digest, i + 1);
        entries[i].reputation = (uint16_t)(i % 1001);
    }
    v.entries = entries;
    v.entries_n = n;
    return v;
}

/* Every document of this header, encoded into r->b. */
enum { CHARTER, RELAY, CLIENT, CONSENSUS, VOTE, EQUIVOCATION, DOCUMENTS };
static decoder make(struct rig *r, unsigned which) {
    struct mix_vote_entry entries[3];
    struct mix_descriptor d;
    struct mix_vote v;
    struct mix_statement a = { .kind = MIX_STATEMENT_VOTE, .epoch = 7, .hash = { 1 } }, b = a;
    struct mix_equivocation e;
    vl_buf_clear(&r->b);
    switch (which) {
    case CHARTER:
        CHECK_OK(mix_charter_encode(&r->charter, &r->b));
        return as_charter;
    case RELAY:
    case CLIENT:
        d = which == RELAY ? help_relay(1, 9) : help_client(1, 9, 2);
        CHECK_OK(mix_descriptor_encode(&d, &r->b));
        return as_descriptor;
    case CONSENSUS:
        help_consensus_doc(&r->c, &r->charter, r->key, 7, &r->b);
        return as_consensus;
    case VOTE:
        v = a_vote(entries, 3);
        CHECK_OK(mix_vote_sign(&v, &r->charter, &r->key[1], &r->b));
        return as_vote;
    default:
        b.hash[0] = 2;
        mix_statement_sign(&a, &r->charter, &r->key[0]);
        mix_statement_sign(&b, &r->charter, &r->key[0]);
        CHECK_OK(mix_equivocation_of(r->charter.authority[0].node, &b, &a, &e));
        CHECK_OK(mix_equivocation_encode(&e, &r->b));
        return as_equivocation;
    }
}

TEST(documents, are_refused_when_cut_at_any_byte_or_longer) {
    struct rig r;
    rig_init(&r, 4, 3);
    for (unsigned which = 0; which < DOCUMENTS; which++) {
        decoder decode = make(&r, which);
        CHECK_OK(decode(&r, doc(&r)));
        for (size_t n = 0; n < r.b.len; n++) {
            uint8_t *cut = malloc(n ? n : 1); /* its own memory: reading beyond it would be seen */
            CHECK(cut != NULL);
            memcpy(cut, r.b.p, n);
            enum vl_err err = decode(&r, vl_span(cut, n));
            free(cut);
            if (err != VL_EPARSE) fail_msg("document %u cut to %zu: %s", which, n, vl_err_name(err));
        }
        CHECK_OK(vl_buf_append(&r.b, "", 1));
        CHECK_EQ(VL_EPARSE, decode(&r, doc(&r)));
    }
    rig_free(&r);
}

TEST(documents, are_refused_with_any_byte_changed) {
    struct rig r;
    rig_init(&r, 3, 3);
    for (unsigned which = 0; which < DOCUMENTS; which++) {
        decoder decode = make(&r, which);
        for (size_t i = 0; i < r.b.len; i++) {
            for (unsigned bit = 0; bit < 8; bit += 3) {
                r.b.p[i] ^= (uint8_t)(1u << bit);
                if (decode(&r, doc(&r)) == VL_OK) fail_msg("document %u, byte %zu, bit %u", which, i, bit);
                r.b.p[i] ^= (uint8_t)(1u << bit);
            }
        }
        CHECK_OK(decode(&r, doc(&r)));
    }
    rig_free(&r);
}

TEST(documents, of_another_version_are_told_apart) {
    struct rig r;
    rig_init(&r, 3, 2);
    for (unsigned which = 0; which < DOCUMENTS; which++) {
        decoder decode = make(&r, which);
        r.b.p[1]++;
        CHECK_EQ(VL_EVERSION, decode(&r, doc(&r)));
        r.b.p[0]++;
        CHECK_EQ(VL_EPARSE, decode(&r, doc(&r)));
    }
    rig_free(&r);
}

/* On the wire: these change only with MIX_VERSION. */
TEST(documents, have_these_bytes_on_every_machine) {
    static const struct {
        size_t n;
        const char *hash;
    } golden[DOCUMENTS] = {
#include "documents_golden.h"
    };
    struct rig r;
    char hex[65];
    rig_init(&r, 4, 3);
    for (unsigned which = 0; which < DOCUMENTS; which++) {
        struct vl_hash h;
        make(&r, which);
        crypto_blake2b256(doc(&r), &h);
        vl_hex_encode(h.b, 32, hex);
        if (golden[which].n != r.b.len || strcmp(golden[which].hash, hex) != 0)
            fail_msg("document %u: { %zu, \"%s\" },", which, r.b.len, hex);
    }
    rig_free(&r);
}

/* --- charter --- */

TEST(charter, comes_back_as_it_was_and_only_under_its_root) {
    struct rig r;
    struct mix_charter got;
    rig_init(&r, 5, 3);
    make(&r, CHARTER);
    CHECK_OK(mix_charter_decode(doc(&r), r.root.public, &got));
    CHECK_MEM(&r.charter, &got, sizeof got);
    CHECK_EQ(VL_ECRYPTO, mix_charter_decode(doc(&r), r.key[0].public, &got));
    for (int i = 0; i < 5; i++) CHECK_EQ(i, mix_charter_find(&got, got.authority[i].node));
    CHECK_EQ(-1, mix_charter_find(&got, (struct vl_node_id){ { 1 } }));
    rig_free(&r);
}

TEST(charter, of_another_signer_is_refused_though_it_names_the_root) {
    struct rig r;
    struct mix_charter c;
    rig_init(&r, 3, 2);
    c = r.charter;
    CHECK_OK(mix_charter_sign(&c, &r.key[0]));
    memcpy(c.root, r.root.public, 32);
    vl_buf_clear(&r.b);
    CHECK_OK(mix_charter_encode(&c, &r.b));
    CHECK_EQ(VL_ECRYPTO, as_charter(&r, doc(&r)));
    rig_free(&r);
}

TEST(charter, refuses_what_is_out_of_range) {
    struct rig r;
    rig_init(&r, 4, 3);
    for (unsigned i = 0; i < 11; i++) {
        struct mix_charter c = r.charter;
        switch (i) {
        case 0:
            c.number = 0;
            break;
        case 1:
            c.epoch_ms = MIX_EPOCH_MS_MIN - 1;
            break;
        case 2:
            c.epoch_ms = MIX_EPOCH_MS_MAX + 1;
            break;
        case 3:
            c.threshold = 2;
            break; /* no majority: two consensuses of one epoch would be possible */
        case 4:
            c.threshold = 5;
            break;
        case 5:
            c.n = 2;
            break;
        case 6:
            c.n = MIX_AUTHORITIES_MAX + 1;
            break;
        case 7:
            c.authority[1] = c.authority[2];
            break;
        case 8:
            c.authority[0].addr[0] = '\0';
            break;
        case 9:
            memset(c.authority[3].addr, 'x', VL_ADDR_MAX);
            break;
        default:
            c.genesis_ms = UINT64_MAX;
            break;
        }
        CHECK_EQ(VL_ERANGE, mix_charter_sign(&c, &r.root));
    }
    rig_free(&r);
}

TEST(charter, counts_epochs_from_genesis_to_the_millisecond) {
    struct rig r;
    rig_init(&r, 3, 2);
    const struct mix_charter *c = &r.charter;
    CHECK_EQ(0, mix_epoch_at(c, 0));
    CHECK_EQ(0, mix_epoch_at(c, HELP_GENESIS + MIX_EPOCH_MS - 1));
    CHECK_EQ(1, mix_epoch_at(c, HELP_GENESIS + MIX_EPOCH_MS));
    CHECK_EQ(HELP_GENESIS + 5 * MIX_EPOCH_MS, mix_epoch_start(c, 5));
    CHECK_EQ(5, mix_epoch_at(c, mix_epoch_start(c, 5)));
    CHECK_EQ(4, mix_epoch_at(c, mix_epoch_start(c, 5) - 1));
    CHECK_EQ(VL_MS_NEVER, mix_epoch_start(c, UINT64_MAX));
    rig_free(&r);
}

/* --- descriptors --- */

TEST(descriptor, comes_back_as_it_was) {
    struct rig r;
    struct mix_descriptor got, want[3] = { help_relay(3, 9), help_relay(3, 2), help_client(4, 2, 1) };
    rig_init(&r, 3, 2);
    for (size_t i = 0; i < 3; i++) {
        vl_buf_clear(&r.b);
        CHECK_OK(mix_descriptor_encode(&want[i], &r.b));
        CHECK_OK(mix_descriptor_decode(doc(&r), &got));
        CHECK_MEM(&want[i], &got, sizeof got);
    }
    CHECK_EQ(6, want[0].proof_epoch);
    CHECK_EQ(0, want[1].proof_epoch);
    rig_free(&r);
}

TEST(descriptor, of_a_relay_that_receives_is_its_own_provider) {
    struct rig r;
    struct crypto_sign_key key = help_key(1001);
    struct mix_descriptor d = help_relay(1, 9), got;
    rig_init(&r, 3, 2);
    d.roles |= MIX_ROLE_CLIENT;
    CHECK_OK(mix_descriptor_sign(&d, &key));
    vl_buf_clear(&r.b);
    CHECK_OK(mix_descriptor_encode(&d, &r.b));
    CHECK_OK(mix_descriptor_decode(doc(&r), &got));
    CHECK(vl_node_eq(got.provider, got.node));
    rig_free(&r);
}

TEST(descriptor, refuses_what_is_out_of_range) {
    struct crypto_sign_key key = help_key(1001);
    for (unsigned i = 0; i < 11; i++) {
        struct mix_descriptor d = help_relay(1, 300);
        switch (i) {
        case 0:
            d.epoch = 0;
            break;
        case 1:
            d.roles = 0;
            break;
        case 2:
            d.roles = 16;
            break;
        case 3:
            memset(d.static_key, 0, 32);
            break;
        case 4:
            memset(d.mix_key, 0, 32);
            break;
        case 5:
            memset(d.vrf_key, 0, 32);
            break;
        case 6:
            d.addr[0] = '\0';
            break;
        case 7:
            d.addr[1] = '\n';
            break;
        case 8:
            d.proof_epoch = 298;
            break; /* the key of that epoch may be alive still */
        case 9:
            d.proof_epoch = 44;
            break;
        default:
            d.proof_epoch = 301;
            break;
        }
        CHECK_EQ(VL_ERANGE, mix_descriptor_sign(&d, &key));
    }
    struct mix_descriptor d = help_relay(1, 300);
    d.proof_epoch = 297;
    CHECK_OK(mix_descriptor_sign(&d, &key));
    d.proof_epoch = 45;
    CHECK_OK(mix_descriptor_sign(&d, &key));
}

TEST(descriptor, of_somebody_else_is_refused) {
    struct rig r;
    struct crypto_sign_key key = help_key(1002);
    struct mix_descriptor d = help_relay(1, 9);
    rig_init(&r, 3, 2);
    CHECK_OK(mix_descriptor_sign(&d, &key));
    vl_buf_clear(&r.b);
    CHECK_OK(mix_descriptor_encode(&d, &r.b));
    CHECK_EQ(VL_ECRYPTO, as_descriptor(&r, doc(&r)));
    rig_free(&r);
}

TEST(subnet, is_the_16_of_ipv4_and_the_32_of_ipv6_and_nothing_for_loopback_and_names) {
    CHECK_OK(crypto_init());
    CHECK_EQ(mix_subnet("198.51.2.3:4"), mix_subnet("198.51.255.9:80"));
    CHECK(mix_subnet("198.51.2.3:4") != mix_subnet("198.52.2.3:4"));
    CHECK_EQ(mix_subnet("198.51.2.3:4"), mix_subnet("[::ffff:198.51.7.7]:4"));
    CHECK_EQ(mix_subnet("[2001:db8:1::1]:4"), mix_subnet("[2001:db8:2::9]:5"));
    CHECK(mix_subnet("[2001:db8:1::1]:4") != mix_subnet("[2001:db9:1::1]:4"));
    static const char *const none[] = {
        "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "mix.example:1", "[::ffff:127.0.0.1]:1", "", ":",
        "[",           "[]:1",        "1.2.3:4", "1.2.3.4",       "[2001:db8::1%eth0]:1"
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) CHECK_EQ(0, mix_subnet(none[i]));
}

TEST(descriptor, with_a_key_of_low_order_is_refused_for_it_would_spoil_every_packet_that_passes) {
    /* 1, and the point of order 8 of RFC 7748's curve (Wycheproof: low order) */
    static const uint8_t low[2][32] = { { 1 }, { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
                                                 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
                                                 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 } };
    CHECK_OK(crypto_init());
    for (unsigned i = 0; i < 4; i++) {
        struct crypto_sign_key key = help_key(1001);
        struct mix_descriptor d = help_relay(1, 5), got;
        struct vl_buf b;
        vl_buf_init(&b, 4096);
        memcpy(i & 1 ? d.mix_key : d.static_key, low[i / 2], 32);
        CHECK_OK(mix_descriptor_sign(&d, &key));
        CHECK_OK(mix_descriptor_encode(&d, &b));
        CHECK_EQ(VL_EPARSE, mix_descriptor_decode(vl_span(b.p, b.len), &got));
        vl_buf_free(&b);
    }
}

TEST(subnet, says_nothing_of_the_addresses_that_every_house_uses) {
    CHECK_OK(crypto_init());
    static const char *const none[] = { "10.0.0.1:1",         "10.255.255.255:1", "172.16.0.0:1",  "172.31.255.255:1",
                                        "192.168.7.9:1",      "100.64.0.1:1",     "100.127.9.9:1", "169.254.1.1:1",
                                        "[fc00::1]:1",        "[fdff::1]:1",      "[fe80::1]:1",   "[febf::1]:1",
                                        "[::ffff:10.1.1.1]:1" };
    static const char *const some[] = { "9.255.0.1:1",   "11.0.0.1:1",    "172.15.0.1:1", "172.32.0.1:1",
                                        "192.167.0.1:1", "192.169.0.1:1", "100.63.0.1:1", "100.128.0.1:1",
                                        "169.253.0.1:1", "[fbff::1]:1",   "[fe00::1]:1",  "[fec0::1]:1" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) CHECK_EQ(0, mix_subnet(none[i]));
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) CHECK(mix_subnet(some[i]) != 0);
}

/* --- consensus --- */

TEST(consensus, comes_back_as_it_was_and_can_be_searched) {
    struct rig r;
    struct mix_consensus got;
    struct vl_buf again;
    rig_init(&r, 4, 3);
    help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
    CHECK_OK(mix_consensus_decode(doc(&r), &r.charter, r.c.valid_from, &got));
    CHECK_EQ(4, got.relays_n);
    CHECK_EQ(3, got.clients_n);
    CHECK_MEM(r.c.relays, got.relays, 4 * sizeof *got.relays);
    CHECK_MEM(r.c.clients, got.clients, 3 * sizeof *got.clients);
    CHECK_MEM(r.c.commitment, got.commitment, sizeof got.commitment);
    CHECK_EQ(9, got.next_number);
    CHECK_EQ(200, got.delay_ms[4]);
    vl_buf_init(&again, MIX_DOC_MAX);
    CHECK_OK(mix_consensus_encode(&got, &again));
    CHECK_MEM(r.b.p, again.p, again.len);

    CHECK(mix_relay_by_number(&got, 5) == &got.relays[2]);
    CHECK(mix_relay_by_number(&got, 4) == NULL);
    CHECK(mix_relay_by_number(&got, 0) == NULL);
    for (uint32_t i = 0; i < 4; i++) CHECK(mix_relay_by_node(&got, got.relays[i].node) == &got.relays[i]);
    for (uint32_t i = 0; i < 3; i++) CHECK(mix_client_by_node(&got, got.clients[i].node) == &got.clients[i]);
    CHECK(mix_client_by_node(&got, got.relays[0].node) == NULL);
    CHECK(mix_relay_by_node(&got, got.clients[0].node) == NULL);
    vl_buf_free(&again);
    mix_consensus_free(&got);
    rig_free(&r);
}

TEST(consensus, needs_exactly_the_threshold_of_signatures) {
    struct rig r;
    rig_init(&r, 5, 3);
    for (uint32_t mask = 0; mask < 32; mask++) {
        help_consensus_doc(&r.c, &r.charter, r.key, mask, &r.b);
        CHECK_EQ(__builtin_popcount(mask) >= 3 ? VL_OK : VL_EDENIED, as_consensus(&r, doc(&r)));
    }
    rig_free(&r);
}

TEST(consensus, refuses_a_signature_counted_twice_or_out_of_order) {
    struct rig r;
    rig_init(&r, 4, 3);
    help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
    uint8_t *signatures = r.b.p + r.b.len - 3 * 65;
    memcpy(signatures + 65, signatures, 65);
    CHECK_EQ(VL_EPARSE, as_consensus(&r, doc(&r)));
    help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
    signatures[0] = 1; /* as if of another */
    signatures[65] = 0;
    CHECK_EQ(VL_EPARSE, as_consensus(&r, doc(&r)));
    signatures[0] = 0;
    signatures[65] = 1;
    signatures[130] = 4; /* nobody */
    CHECK_EQ(VL_EPARSE, as_consensus(&r, doc(&r)));
    signatures[130] = 3;
    CHECK_EQ(VL_ECRYPTO, as_consensus(&r, doc(&r)));
    rig_free(&r);
}

/* One more good one does not make up for a bad one: a signature that is there is right. */
TEST(consensus, refuses_one_wrong_signature_beside_enough_good_ones) {
    struct rig r;
    rig_init(&r, 4, 3);
    help_consensus_doc(&r.c, &r.charter, r.key, 15, &r.b);
    CHECK_OK(as_consensus(&r, doc(&r)));
    r.b.p[r.b.len - 1] ^= 1;
    CHECK(as_consensus(&r, doc(&r)) == VL_ECRYPTO);
    rig_free(&r);
}

TEST(consensus, of_another_charter_or_epoch_is_refused) {
    struct rig r;
    rig_init(&r, 3, 2);
    help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
    struct rig other = r;
    other.charter.number = 2; /* votes of one charter count for no other */
    CHECK_EQ(VL_ECRYPTO, as_consensus(&other, doc(&r)));
    other = r;
    other.charter.root[0] ^= 1;
    CHECK_EQ(VL_ECRYPTO, as_consensus(&other, doc(&r)));
    other = r;
    other.charter.genesis_ms++;
    CHECK_EQ(VL_EPARSE, as_consensus(&other, doc(&r)));
    r.c.valid_until++;
    help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
    CHECK_EQ(VL_EPARSE, as_consensus(&r, doc(&r)));
    rig_free(&r);
}

TEST(consensus, can_be_used_until_the_end_of_the_next_epoch) {
    struct rig r;
    struct mix_consensus got;
    rig_init(&r, 3, 2);
    help_consensus_doc(&r.c, &r.charter, r.key, 3, &r.b);
    CHECK_OK(mix_consensus_decode(doc(&r), &r.charter, r.c.valid_until - 1, &got));
    mix_consensus_free(&got);
    CHECK_EQ(VL_EEXPIRED, mix_consensus_decode(doc(&r), &r.charter, r.c.valid_until, &got));
    rig_free(&r);
}

/* Encoding refuses them (so no authority can sign them), and so does decoding of bytes that say the same. */
TEST(consensus, refuses_lists_and_fields_that_break_a_rule) {
    struct rig r;
    rig_init(&r, 3, 2);
    for (unsigned i = 0; i < 24; i++) {
        struct mix_consensus c = r.c;
        struct mix_relay relays[4];
        struct mix_client clients[3];
        memcpy(relays, r.c.relays, sizeof relays);
        memcpy(clients, r.c.clients, sizeof clients);
        c.relays = relays;
        c.clients = clients;
        switch (i) {
        case 0:
            relays[0].number = 0;
            break;
        case 1:
            relays[3].number = c.next_number;
            break;
        case 2:
            relays[1].number = relays[0].number;
            break;
        case 3:
            relays[2].number = relays[3].number + 1;
            break;
        case 4:
            relays[3].node = relays[0].node;
            break;
        case 5:
            relays[0].roles = MIX_ROLE_CLIENT;
            break;
        case 6:
            relays[0].layer = 3;
            break;
        case 7:
            relays[0].reputation = 1001;
            break;
        case 8:
            relays[0].addr[0] = '\0';
            break;
        case 9:
            memset(relays[1].mix_key, 0, 32);
            break;
        case 10:
            relays[1].proof_epoch = c.epoch - 2;
            break;
        case 11:
            clients[0].provider = 2;
            break; /* between two numbers */
        case 12:
            clients[2].provider = c.next_number;
            break;
        case 13:
            clients[1].node = clients[0].node;
            break;
        case 14:
            memset(clients[1].static_key, 0, 32);
            break;
        case 15:
            c.delay_ms[3] = c.delay_ms[2];
            break;
        case 16:
            c.delay_ms[0] = 0;
            break;
        case 17:
            c.next_number = 0;
            break;
        case 18:
            c.epoch = 0;
            break;
        case 19:
            c.commitment[1] = c.commitment[0];
            break;
        case 20:
            c.commitments_n = MIX_AUTHORITIES_MAX + 1;
            break;
        case 21:
            c.relays_n = MIX_RELAYS_MAX + 1;
            break;
        case 22:
            c.clients_n = MIX_CLIENTS_MAX + 1;
            break;
        default:
            relays[1].roles = 16 | MIX_ROLE_MIX;
            break;
        }
        vl_buf_clear(&r.b);
        CHECK_EQ(VL_ERANGE, mix_consensus_encode(&c, &r.b));
        CHECK_EQ(0, r.b.len);
    }
    rig_free(&r);
}

/* Offsets of the format: tag and version 2, epoch 8, times 16, hashes 64, next_number 4, delays 16, 2, 4, then
 * commitments of 64 after their number, then relays of 341 with a proof and addresses of 15. */
TEST(consensus, decoding_refuses_the_same_in_bytes_whoever_signed_them) {
    struct rig r;
    rig_init(&r, 3, 2);
    help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
    size_t relays = 117 + 3 * 64 + 4, relay = 247 - 1 + strlen(r.c.relays[0].addr);
    size_t clients = relays + 4 * relay + 4;
    static const struct {
        int base; /* 0: whole document, 1: relay 1, 2: client 1 */
        size_t at;
        uint8_t n, bytes[8];
    } change[] = {
        { 0, 90, 4, { 0, 0, 0, 7 } }, /* next_number is the highest number */
        { 0, 94, 2, { 0, 0 } },       /* first delay 0 */
        { 0, 96, 2, { 0, 10 } },      /* second as the first */
        { 0, 116, 1, { 10 } },        /* commitments */
        { 1, 0, 4, { 0, 0, 0, 1 } },  /* number as the one before */
        { 1, 36, 1, { 8 } },          /* no relay */
        { 1, 37, 1, { 3 } },          /* layer */
        { 1, 150, 1, { 0x1f } },      /* a control character in the address */
        { 2, 64, 4, { 0, 0, 0, 2 } }, /* provider that is no relay */
        { 2, 0, 1, { 0 } },           /* before the first client (its hash begins with more) */
    };
    CHECK_EQ(7, vl_get_u32(r.b.p + relays + 3 * relay)); /* the offsets are right */
    CHECK_EQ(1, vl_get_u32(r.b.p + clients + 64));
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        struct mix_consensus got;
        help_consensus_doc(&r.c, &r.charter, r.key, 7, &r.b);
        size_t at = change[i].at + (change[i].base == 1 ? relays + relay : change[i].base == 2 ? clients + 68 : 0);
        memcpy(r.b.p + at, change[i].bytes, change[i].n);
        size_t body = r.b.len - 1 - 3 * 65;
        if (mix_consensus_decode_body(vl_span(r.b.p, body), &r.charter, &got) != VL_EPARSE) fail_msg("change %zu", i);
    }
    rig_free(&r);
}

TEST(consensus, of_the_largest_size_fits_into_a_document) {
    struct rig r;
    struct mix_consensus got;
    rig_init(&r, 9, 9);
    mix_consensus_free(&r.c);
    help_consensus(&r.charter, 9, MIX_RELAYS_MAX, MIX_CLIENTS_MAX, &r.c);
    for (uint32_t i = 0; i < MIX_RELAYS_MAX; i++) {
        memset(r.c.relays[i].addr, 'x', VL_ADDR_MAX - 1);
        CHECK(r.c.relays[i].proof_epoch > 0);
    }
    help_consensus_doc(&r.c, &r.charter, r.key, 0x1ff, &r.b);
    CHECK_EQ(227847, r.b.len);
    CHECK(r.b.len < MIX_DOC_MAX);
    CHECK_OK(mix_consensus_decode(doc(&r), &r.charter, 0, &got));
    mix_consensus_free(&got);
    rig_free(&r);
}

/* A number in a short input must not make room for thousands. */
TEST(consensus, numbers_of_lists_are_held_against_the_bytes_that_are_there) {
    struct rig r;
    struct mix_consensus got;
    rig_init(&r, 3, 2);
    mix_consensus_free(&r.c);
    help_consensus(&r.charter, 7, 0, 0, &r.c);
    vl_buf_clear(&r.b);
    CHECK_OK(mix_consensus_encode(&r.c, &r.b));
    CHECK_OK(mix_consensus_decode_body(doc(&r), &r.charter, &got)); /* nobody there is a consensus too */
    mix_consensus_free(&got);
    r.b.p[r.b.len - 1] = 1; /* one client */
    CHECK_EQ(VL_EPARSE, mix_consensus_decode_body(doc(&r), &r.charter, &got));
    r.b.p[r.b.len - 1] = 0;
    r.b.p[r.b.len - 5] = 200; /* 200 relays */
    CHECK_EQ(VL_EPARSE, mix_consensus_decode_body(doc(&r), &r.charter, &got));
    rig_free(&r);
}

/* --- votes --- */

TEST(vote, comes_back_as_it_was) {
    struct rig r;
    struct mix_vote_entry entries[40];
    struct mix_vote v = a_vote(entries, 40), got;
    rig_init(&r, 4, 3);
    CHECK_OK(mix_vote_sign(&v, &r.charter, &r.key[2], &r.b));
    CHECK_EQ(2 + 32 + 16 + 96 + 16 + 2 + 4 + 4 + 40 * 34 + 64, r.b.len);
    CHECK_OK(mix_vote_decode(doc(&r), &r.charter, &got));
    CHECK(vl_node_eq(r.charter.authority[2].node, got.authority));
    CHECK_EQ(7, got.epoch);
    CHECK_EQ(6, got.previous_epoch);
    CHECK_MEM(v.reveal, got.reveal, 32);
    CHECK_MEM(v.commitment, got.commitment, 32);
    CHECK_MEM(v.previous, got.previous, 32);
    CHECK_MEM(&v.statement, &got.statement, sizeof v.statement);
    for (uint32_t i = 0; i < 40; i++) {
        CHECK(mix_vote_find(&got, entries[i].digest) == &got.entries[i]);
        CHECK_EQ(entries[i].reputation, got.entries[i].reputation);
    }
    CHECK(mix_vote_find(&got, (uint8_t[32]){ 9 }) == NULL);
    mix_vote_free(&got);
    rig_free(&r);
}

TEST(vote, of_nobody_in_the_charter_is_refused) {
    struct rig r;
    struct mix_vote v = a_vote(NULL, 0);
    rig_init(&r, 3, 2);
    CHECK_OK(mix_vote_sign(&v, &r.charter, &r.root, &r.b));
    CHECK_EQ(VL_EDENIED, as_vote(&r, doc(&r)));
    rig_free(&r);
}

TEST(vote, refuses_what_is_out_of_range) {
    struct rig r;
    rig_init(&r, 3, 2);
    for (unsigned i = 0; i < 9; i++) {
        struct mix_vote_entry entries[3];
        struct mix_vote v = a_vote(entries, 3);
        switch (i) {
        case 0:
            v.epoch = 0;
            break;
        case 1:
            v.previous_epoch = 7;
            break;
        case 2:
            v.previous_epoch = 0;
            break; /* with a hash */
        case 3:
            memset(v.previous, 0, 32);
            break;
        case 4:
            v.delay_ms[7] = 1;
            break;
        case 5:
            entries[1] = entries[0];
            break;
        case 6:
            entries[2].reputation = 1001;
            break;
        case 7:
            memset(entries[2].digest, 0, 32);
            break;
        default:
            v.entries_n = MIX_VOTE_ENTRIES_MAX + 1;
            break;
        }
        CHECK_EQ(VL_ERANGE, mix_vote_sign(&v, &r.charter, &r.key[0], &r.b));
    }
    rig_free(&r);
}

/* Signed by an authority that lies: the order is checked on what came, not only on what we write. */
TEST(vote, with_entries_out_of_order_is_refused_though_it_is_signed) {
    struct rig r;
    struct mix_vote_entry entries[3];
    struct mix_vote v = a_vote(entries, 3);
    rig_init(&r, 3, 2);
    CHECK_OK(mix_vote_sign(&v, &r.charter, &r.key[0], &r.b));
    uint8_t *first = r.b.p + r.b.len - 64 - 3 * 34, swap[34];
    memcpy(swap, first, 34);
    memcpy(first, first + 34, 34);
    memcpy(first + 34, swap, 34);
    struct vl_hash hash;
    crypto_blake2b256(vl_span(r.b.p, r.b.len - 64), &hash);
    memcpy(v.statement.hash, hash.b, 32);
    mix_statement_sign(&v.statement, &r.charter, &r.key[0]);
    memcpy(r.b.p + r.b.len - 64, v.statement.signature, 64);
    CHECK_EQ(VL_EPARSE, as_vote(&r, doc(&r)));
    rig_free(&r);
}

/* --- equivocation --- */

TEST(equivocation, needs_two_hashes_of_one_kind_and_epoch) {
    struct mix_statement a = { .kind = MIX_STATEMENT_VOTE, .epoch = 7, .hash = { 1 } }, b = a;
    struct mix_equivocation e;
    CHECK_EQ(VL_ERANGE, mix_equivocation_of((struct vl_node_id){ { 1 } }, &a, &b, &e));
    b.hash[31] = 1;
    CHECK_OK(mix_equivocation_of((struct vl_node_id){ { 1 } }, &b, &a, &e));
    CHECK_EQ(0, e.statement[0].hash[31]);
    b.epoch = 8;
    CHECK_EQ(VL_ERANGE, mix_equivocation_of((struct vl_node_id){ { 1 } }, &a, &b, &e));
    b.epoch = 7;
    b.kind = MIX_STATEMENT_CONSENSUS;
    CHECK_EQ(VL_ERANGE, mix_equivocation_of((struct vl_node_id){ { 1 } }, &a, &b, &e));
}

TEST(equivocation, cannot_be_made_of_others_signatures_or_against_outsiders) {
    struct rig r;
    struct mix_statement a = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = 7, .hash = { 1 } }, b = a;
    struct mix_equivocation e;
    rig_init(&r, 3, 2);
    b.hash[0] = 2;
    mix_statement_sign(&a, &r.charter, &r.key[0]);
    mix_statement_sign(&b, &r.charter, &r.key[1]); /* two authorities disagree: nobody lies */
    CHECK_OK(mix_equivocation_of(r.charter.authority[0].node, &a, &b, &e));
    CHECK_OK(mix_equivocation_encode(&e, &r.b));
    CHECK_EQ(VL_ECRYPTO, as_equivocation(&r, doc(&r)));
    mix_statement_sign(&a, &r.charter, &r.root);
    mix_statement_sign(&b, &r.charter, &r.root);
    CHECK_OK(mix_equivocation_of(crypto_sign_node_id(&r.root), &a, &b, &e));
    vl_buf_clear(&r.b);
    CHECK_OK(mix_equivocation_encode(&e, &r.b));
    CHECK_EQ(VL_ERANGE, as_equivocation(&r, doc(&r)));
    rig_free(&r);
}

TEST(equivocation, is_not_proved_by_one_statement_twice) {
    struct rig r;
    rig_init(&r, 3, 2);
    make(&r, EQUIVOCATION);
    uint8_t *second = r.b.p + r.b.len - 96, first[96];
    memcpy(first, second - 96, 96);
    memcpy(second - 96, second, 96); /* the other order: one encoding for one proof */
    memcpy(second, first, 96);
    CHECK_EQ(VL_EPARSE, as_equivocation(&r, doc(&r)));
    memcpy(second - 96, first, 96);
    CHECK_EQ(VL_EPARSE, as_equivocation(&r, doc(&r)));
    rig_free(&r);
}

TEST(equivocation, is_proved_by_two_signed_consensuses_of_one_epoch) {
    struct rig r;
    struct vl_buf other, proof;
    struct mix_equivocation e;
    rig_init(&r, 4, 3);
    vl_buf_init(&other, MIX_DOC_MAX);
    vl_buf_init(&proof, 1024);
    help_consensus_doc(&r.c, &r.charter, r.key, 0x7, &r.b);
    help_consensus_doc(&r.c, &r.charter, r.key, 0xe, &other);
    struct vl_span b = vl_span(other.p, other.len);
    CHECK_EQ(VL_ERANGE, mix_equivocation_of_consensuses(doc(&r), b, &r.charter, &e)); /* other signers, same body */
    r.c.anonymity_floor++;
    help_consensus_doc(&r.c, &r.charter, r.key, 0xe, &other);
    b = vl_span(other.p, other.len);
    CHECK_OK(mix_equivocation_of_consensuses(doc(&r), b, &r.charter, &e));
    CHECK(vl_node_eq(r.charter.authority[1].node, e.authority));
    CHECK_OK(mix_equivocation_encode(&e, &proof));
    CHECK_OK(as_equivocation(&r, vl_span(proof.p, proof.len)));
    other.p[other.len - 1] ^= 1;
    CHECK_EQ(VL_ECRYPTO, mix_equivocation_of_consensuses(doc(&r), b, &r.charter, &e));
    CHECK_EQ(VL_ECRYPTO, mix_equivocation_of_consensuses(b, doc(&r), &r.charter, &e));
    r.c.epoch++;
    r.c.valid_from = mix_epoch_start(&r.charter, r.c.epoch);
    r.c.valid_until = mix_epoch_start(&r.charter, r.c.epoch + 2);
    help_consensus_doc(&r.c, &r.charter, r.key, 0xe, &other);
    CHECK_EQ(VL_ERANGE, mix_equivocation_of_consensuses(doc(&r), vl_span(other.p, other.len), &r.charter, &e));
    vl_buf_free(&other);
    vl_buf_free(&proof);
    rig_free(&r);
}

TEST(equivocation, statements_of_one_kind_are_worth_nothing_as_the_other) {
    struct rig r;
    struct mix_statement s = { .kind = MIX_STATEMENT_VOTE, .epoch = 7, .hash = { 1 } };
    rig_init(&r, 3, 2);
    mix_statement_sign(&s, &r.charter, &r.key[0]);
    CHECK_OK(mix_statement_check(&s, &r.charter, r.charter.authority[0].node));
    s.kind = MIX_STATEMENT_CONSENSUS;
    CHECK_EQ(VL_ECRYPTO, mix_statement_check(&s, &r.charter, r.charter.authority[0].node));
    rig_free(&r);
}
