/* What hostile members, guests and authorities may do to a mix: nothing but be counted. */
#include "mix_rig.h"

#include "brain/mix_priv.h"
#include "check.h"
#include "mix/channel.h"

#include <string.h>

static struct mix_rig r;
static uint8_t packet[SPHINX_PACKET + 1];
static const struct sphinx_end drop = { .command = SPHINX_DROP };

static uint64_t dropped(enum relay_drop why) { return mix_rig_view(&r).relay.dropped[why]; }

static void give(const uint8_t *p, size_t n) {
    rig_send(&r, &r.peer[0], LINK_MIX, p, n);
    mix_rig_wait(&r, 2); /* fewer than eight packets wait a millisecond for company */
}

static void ready(void) {
    mix_rig_start(&r, true);
    mix_rig_charter(&r, false, RIG_EPOCH_MS);
    mix_rig_in_force(&r);
}

TEST(hostile, packets_are_dropped_each_for_its_reason_and_honest_ones_go_on) {
    struct sphinx_end away = { .command = SPHINX_DELIVER, .recipient = { 77 } };
    ready();
    mix_rig_packet(&r, 0, &drop, packet);
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, dropped(RELAY_DROP_COVER)); /* as it should */
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, dropped(RELAY_DROP_REPLAY));
    mix_rig_packet(&r, 0, &drop, packet);
    give(packet, SPHINX_PACKET - 1);
    give(packet, SPHINX_PACKET + 1);
    CHECK_EQ(3, dropped(RELAY_DROP_SIZE)); /* one, and two of which the second is a part */
    packet[0] ^= 1;
    give(packet, SPHINX_PACKET);
    packet[0] ^= 1;
    CHECK_EQ(1, dropped(RELAY_DROP_VERSION));
    for (unsigned i = 0; i < 8; i++) { /* MAC: any bit of the header behind its first eight bytes */
        uint8_t copy[SPHINX_PACKET];
        memcpy(copy, packet, sizeof copy);
        copy[100 + 40 * i] ^= (uint8_t)(1u << i);
        give(copy, sizeof copy);
    }
    CHECK_EQ(8, dropped(RELAY_DROP_MAC));
    mix_rig_packet(&r, 0, &away, packet);
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, dropped(RELAY_DROP_RECIPIENT));
    mix_rig_packet(&r, 9, &drop, packet);
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, dropped(RELAY_DROP_NO_ROUTE));
    mix_rig_packet(&r, RIG_MEMBER, &drop, packet);
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, r.peer[0].packets);
    CHECK_EQ(1, mix_rig_view(&r).relay.forwarded);
    CHECK(mix_rig_view(&r).relay_balanced && !r.peer[0].closed);
    mix_rig_end(&r);
}

TEST(hostile, points_of_low_order_and_keys_of_other_epochs_are_dropped) {
    ready();
    mix_rig_packet(&r, 0, &drop, packet);
    packet[1] ^= 0x55;
    uint64_t before = dropped(RELAY_DROP_KEY_ID) + dropped(RELAY_DROP_VERSION);
    for (unsigned at = 1; at < 8; at++) { /* wherever the key id stands */
        mix_rig_packet(&r, 0, &drop, packet);
        packet[at] ^= 0x55;
        give(packet, SPHINX_PACKET);
    }
    CHECK_EQ(before + 7, dropped(RELAY_DROP_KEY_ID) + dropped(RELAY_DROP_VERSION));
    CHECK(dropped(RELAY_DROP_KEY_ID) > 0);
    mix_rig_packet(&r, 0, &drop, packet);
    memset(packet + 8, 0, 32);
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, dropped(RELAY_DROP_POINT));
    mix_rig_end(&r);
}

TEST(hostile, a_flood_of_garbage_is_counted_and_leaves_room_for_others) {
    ready();
    for (unsigned i = 0; i < 3000; i++) {
        crypto_drbg_bytes(&r.rng, packet, SPHINX_PACKET);
        if (htx_send(r.peer[0].ep, r.peer[0].session, r.peer[0].stream, r.now,
                     (struct vl_span[]){ vl_span(&(uint8_t){ LINK_MIX }, 1), vl_span(packet, SPHINX_PACKET) }, 2))
            break; /* no more credit: its stream rests */
        if (i % 16 == 0) mix_rig_pump(&r);
    }
    mix_rig_pump(&r);
    struct relay_stats s = mix_rig_view(&r).relay;
    CHECK(s.rests > 0 && s.received > 0);
    CHECK_EQ(s.received, s.dropped[RELAY_DROP_VERSION] + s.dropped[RELAY_DROP_KEY_ID] + s.dropped[RELAY_DROP_RATE]);
    mix_rig_packet(&r, 0, &drop, packet); /* another link has a bucket of its own */
    rig_send(&r, &r.peer[1], LINK_MIX, packet, SPHINX_PACKET);
    mix_rig_wait(&r, 2);
    CHECK_EQ(1, dropped(RELAY_DROP_COVER));
    mix_rig_wait(&r, 5000); /* and the first one may go on when it has rested */
    mix_rig_packet(&r, 0, &drop, packet);
    rig_send(&r, &r.peer[0], LINK_MIX, packet, SPHINX_PACKET);
    mix_rig_wait(&r, 2000);
    CHECK_EQ(2, dropped(RELAY_DROP_COVER));
    CHECK(mix_rig_view(&r).relay_balanced && !r.peer[0].closed);
    mix_rig_end(&r);
}

TEST(hostile, packets_and_fetches_from_a_guest_or_to_a_member_that_is_no_mix_are_counted_only) {
    struct brain_counters c, before;
    ready();
    htx_endpoint_destroy(r.peer[1].ep);
    brain_conn_lost(r.brain, r.peer[1].theirs, r.now);
    rig_peer_open(&r, &r.peer[1], 80, false);
    brain_counters(r.brain, &before);
    mix_rig_packet(&r, 0, &drop, packet);
    rig_send(&r, &r.peer[1], LINK_MIX, packet, SPHINX_PACKET);
    rig_send(&r, &r.peer[1], LINK_MIX_FETCH, NULL, 0);
    rig_send(&r, &r.peer[1], LINK_DIRECTORY, packet, 100);
    mix_rig_wait(&r, 2);
    brain_counters(r.brain, &c);
    CHECK_EQ(before.messages_bad + 3, c.messages_bad);
    CHECK_EQ(0, mix_rig_view(&r).relay.received);
    CHECK_EQ(0, r.peer[1].mails);
    mix_rig_end(&r);

    mix_rig_start(&r, false);
    mix_rig_charter(&r, false, RIG_EPOCH_MS);
    brain_counters(r.brain, &before);
    rig_send(&r, &r.peer[0], LINK_MIX, packet, SPHINX_PACKET);
    rig_send(&r, &r.peer[0], LINK_MIX_FETCH, NULL, 0);
    rig_send(&r, &r.peer[0], LINK_MIX_MAIL, packet, 100); /* nobody asked for */
    brain_counters(r.brain, &c);
    CHECK_EQ(before.messages_bad + 3, c.messages_bad);
    CHECK_EQ(0, r.peer[0].mails);
    mix_rig_end(&r);
}

TEST(hostile, who_fetches_faster_than_everybody_gets_no_answer) {
    ready();
    for (unsigned i = 0; i < 500; i++) rig_send(&r, &r.peer[0], LINK_MIX_FETCH, NULL, 0);
    CHECK_EQ(8, r.peer[0].mails);
    CHECK_EQ(492, mix_rig_view(&r).counters.fetches_refused);
    mix_rig_wait(&r, 1000);
    for (unsigned i = 0; i < 500; i++) rig_send(&r, &r.peer[0], LINK_MIX_FETCH, NULL, 0);
    CHECK_EQ(8 + 4, r.peer[0].mails); /* four a second */
    mix_rig_wait(&r, 60000);
    for (unsigned i = 0; i < 40; i++) { /* the pace of an honest one is never refused */
        rig_send(&r, &r.peer[0], LINK_MIX_FETCH, NULL, 0);
        mix_rig_wait(&r, 250);
    }
    CHECK_EQ(12 + 40, r.peer[0].mails);
    mix_rig_end(&r);
}

TEST(hostile, a_mailbox_holds_512_cells_and_what_is_too_much_is_dropped) {
    struct sphinx_end mine = { .command = SPHINX_DELIVER };
    ready();
    memcpy(mine.recipient, r.peer[0].node.b, 32);
    rig_send(&r, &r.peer[0], LINK_MIX_FETCH, NULL, 0);
    for (unsigned i = 0; i < 520; i++) {
        mix_rig_packet(&r, 0, &mine, packet);
        give(packet, SPHINX_PACKET);
    }
    CHECK_EQ(512, mix_rig_view(&r).mail_waiting);
    CHECK_EQ(8, dropped(RELAY_DROP_RECIPIENT));
    r.peer[0].mails = r.peer[0].cells = 0;
    mix_rig_wait(&r, 2000);
    rig_send(&r, &r.peer[0], LINK_MIX_FETCH, NULL, 0);
    CHECK_EQ(1, r.peer[0].mails);
    CHECK_EQ(4, r.peer[0].cells);
    CHECK_EQ(508, mix_rig_view(&r).mail_waiting);
    struct brain_mix_view v = mix_rig_view(&r);
    CHECK_EQ(v.counters.mail_in, v.counters.mail_out + v.mail_waiting);
    mix_rig_wait(&r, 20 * 60000); /* nobody fetches it: forgotten */
    CHECK_EQ(0, mix_rig_view(&r).mail_waiting);
    CHECK_EQ(508, mix_rig_view(&r).counters.mail_lost);
    mix_rig_end(&r);
}

TEST(hostile, packets_for_a_link_that_stops_reading_are_tried_again_and_dropped_after_five_seconds) {
    ready();
    r.peer[0].deaf = true;
    for (unsigned round = 0; round < 400; round++) {
        for (unsigned i = 0; i < 8; i++) { /* 800 packets a second, four seconds long */
            mix_rig_packet(&r, RIG_MEMBER, &drop, packet);
            rig_send(&r, &r.peer[1], LINK_MIX, packet, SPHINX_PACKET);
        }
        mix_rig_wait(&r, 10);
    }
    struct relay_stats s = mix_rig_view(&r).relay;
    CHECK(s.delayed + s.ingress > 100); /* the budget of the link is full */
    CHECK(s.free_packets > 0 || s.dropped[RELAY_DROP_FULL] > 0);
    mix_rig_wait(&r, 6000);
    s = mix_rig_view(&r).relay;
    CHECK_EQ(0, s.delayed);
    CHECK(s.dropped[RELAY_DROP_LINK] + s.dropped[RELAY_DROP_FULL] > 100);
    CHECK(mix_rig_view(&r).relay_balanced);
    r.peer[0].deaf = false; /* it goes on: what its link had taken arrives */
    mix_rig_pump(&r);
    CHECK_EQ(mix_rig_view(&r).relay.forwarded, r.peer[0].packets);
    mix_rig_end(&r);
}

/* ---- the directory ---------------------------------------------------------------------------------------------- */

static void directory(struct rig_peer *p, uint8_t kind, const struct vl_buf *doc) {
    struct vl_buf msg;
    vl_buf_init(&msg, 1u << 20);
    CHECK_OK(vl_buf_append(&msg, &kind, 1));
    CHECK_OK(vl_buf_append(&msg, doc->p, doc->len));
    rig_send(&r, p, LINK_DIRECTORY, msg.p, msg.len);
    vl_buf_free(&msg);
}

TEST(hostile, a_consensus_needs_its_signatures_and_the_first_of_an_epoch_stays) {
    struct vl_buf doc, other;
    uint8_t first[32];
    mix_rig_start(&r, true);
    mix_rig_charter(&r, false, RIG_EPOCH_MS);
    vl_buf_init(&doc, 65536);
    vl_buf_init(&other, 65536);
    for (unsigned n = 0; n < 2; n++) {
        mix_rig_consensus(&r, n, 500, &doc);
        directory(&r.peer[0], AUTHORITY_CONSENSUS, &doc);
        CHECK_EQ(n + 1, mix_rig_view(&r).counters.consensus_refused);
        CHECK_EQ(0, mix_rig_view(&r).counters.consensuses);
    }
    mix_rig_consensus(&r, 2, 500, &doc);
    doc.p[doc.len - 1] ^= 1;
    directory(&r.peer[0], AUTHORITY_CONSENSUS, &doc);
    doc.p[doc.len - 1] ^= 1;
    memcpy(doc.p + doc.len - 65, doc.p + doc.len - 130, 65); /* one signature twice */
    directory(&r.peer[0], AUTHORITY_CONSENSUS, &doc);
    CHECK_EQ(4, mix_rig_view(&r).counters.consensus_refused);
    mix_rig_consensus(&r, 2, 500, &doc);
    directory(&r.peer[0], AUTHORITY_CONSENSUS, &doc);
    CHECK_EQ(1, mix_rig_view(&r).counters.consensuses);
    CHECK_EQ(1, r.peer[1].documents); /* it tells its other links, and not the one that brought it */
    mix_rig_wait(&r, RIG_EPOCH_MS);
    CHECK(mix_rig_view(&r).consensus != NULL);
    memcpy(first, mix_rig_view(&r).consensus->hash, 32);
    directory(&r.peer[1], AUTHORITY_CONSENSUS, &doc); /* again: nothing */
    r.now -= RIG_EPOCH_MS;
    mix_rig_consensus(&r, 3, 700, &other); /* another body of the same epoch */
    r.now += RIG_EPOCH_MS;
    directory(&r.peer[1], AUTHORITY_CONSENSUS, &other);
    CHECK_MEM(first, mix_rig_view(&r).consensus->hash, 32);
    CHECK_EQ(1, mix_rig_view(&r).counters.consensuses);
    vl_buf_free(&doc);
    vl_buf_free(&other);
    mix_rig_end(&r);
}

TEST(hostile, without_a_new_consensus_every_level_is_refused_and_keys_die) {
    struct vl_errmsg msg;
    uint16_t mean;
    ready();
    mix_rig_packet(&r, 0, &drop, packet);
    mix_rig_wait(&r, 3 * RIG_EPOCH_MS);
    for (int level = MIX_PUBLIC; level <= MIX_SECRET; level++) {
        CHECK_EQ(VL_EEXPIRED, brain_mix_level(r.brain, r.now, (enum mix_level)level, &mean, &msg));
        CHECK(msg.text[0] != '\0');
    }
    CHECK(mix_rig_view(&r).consensus == NULL);
    CHECK(r.keys_dropped > 0);
    give(packet, SPHINX_PACKET); /* recorded while its key lived */
    CHECK_EQ(1, dropped(RELAY_DROP_KEY_ID));
    CHECK_EQ(0, dropped(RELAY_DROP_COVER));
    mix_rig_end(&r);
}

TEST(hostile, a_charter_that_counts_epochs_anew_replaces_all_keys) {
    ready();
    mix_rig_wait(&r, RIG_EPOCH_MS);
    mix_rig_packet(&r, 0, &drop, packet);
    unsigned made = r.keys_made, dropped_before = r.keys_dropped, open = 0;
    mix_rig_charter(&r, false, RIG_EPOCH_MS * 2);
    CHECK(r.keys_dropped > dropped_before);
    CHECK_EQ(made + 1, r.keys_made);
    for (unsigned i = 0; i < RIG_KEYS; i++) open += r.key[i].table != NULL;
    CHECK_EQ(1, open);
    give(packet, SPHINX_PACKET);
    CHECK_EQ(1, dropped(RELAY_DROP_KEY_ID));
    mix_rig_end(&r);
}

TEST(hostile, a_relay_without_room_for_its_table_sits_the_epoch_out_and_comes_back) {
    mix_rig_start(&r, true);
    r.key_err = VL_ENOSPC;
    mix_rig_charter(&r, false, RIG_EPOCH_MS);
    CHECK(strstr(r.note, "no room for the replay table") != NULL || mix_rig_view(&r).counters.keys_failed > 0);
    CHECK_EQ(0, r.keys_made);
    CHECK(mix_rig_view(&r).counters.keys_failed > 0);
    uint64_t failed = mix_rig_view(&r).counters.keys_failed;
    mix_rig_wait(&r, RIG_EPOCH_MS / 2);
    CHECK(mix_rig_view(&r).counters.keys_failed <= failed + 1); /* not asked in every step */
    r.key_err = VL_OK;
    mix_rig_wait(&r, RIG_EPOCH_MS);
    CHECK(r.keys_made > 0);
    mix_rig_end(&r);
}

static void descriptor(const struct crypto_sign_key *key, struct vl_buf *out) {
    uint64_t epoch = mix_rig_view(&r).epoch + 1;
    struct mix_descriptor d = { .node = crypto_sign_node_id(key), .epoch = epoch, .roles = MIX_ROLE_CLIENT };
    memset(d.static_key, 5, 32);
    CHECK_OK(mix_descriptor_sign(&d, key));
    vl_buf_clear(out);
    CHECK_OK(mix_descriptor_encode(&d, out));
}

TEST(hostile, a_member_can_list_itself_and_nobody_else) {
    struct vl_buf doc;
    struct crypto_sign_key nobody;
    struct brain_counters before, c;
    vl_buf_init(&doc, 4096);
    mix_rig_start(&r, false);
    mix_rig_charter(&r, true, RIG_EPOCH_MS);
    CHECK(mix_rig_view(&r).authority_on);
    uint64_t have = mix_rig_view(&r).authority.descriptors;
    descriptor(&r.peer[0].key, &doc);
    directory(&r.peer[0], AUTHORITY_DESCRIPTOR, &doc);
    CHECK_EQ(have + 1, mix_rig_view(&r).authority.descriptors);
    brain_counters(r.brain, &before);
    for (uint8_t i = 0; i < 50; i++) {
        crypto_sign_key_from_seed((const uint8_t[32]){ 200, i }, &nobody);
        descriptor(&nobody, &doc);
        directory(&r.peer[0], AUTHORITY_DESCRIPTOR, &doc);
    }
    descriptor(&r.peer[1].key, &doc); /* nor another member */
    directory(&r.peer[0], AUTHORITY_DESCRIPTOR, &doc);
    CHECK_EQ(have + 1, mix_rig_view(&r).authority.descriptors);
    brain_counters(r.brain, &c);
    CHECK_EQ(before.messages_bad + 51, c.messages_bad);
    vl_buf_free(&doc);
    mix_rig_end(&r);
}

TEST(hostile, a_proof_that_an_authority_equivocates_is_stored_told_and_shown_once) {
    struct vl_buf doc;
    struct mix_equivocation e;
    struct mix_statement s[2] = { { .kind = MIX_STATEMENT_VOTE, .epoch = 2, .hash = { 1 } },
                                  { .kind = MIX_STATEMENT_VOTE, .epoch = 2, .hash = { 2 } } };
    vl_buf_init(&doc, 4096);
    mix_rig_start(&r, true);
    mix_rig_charter(&r, false, RIG_EPOCH_MS);
    struct vl_node_id liar = crypto_sign_node_id(&r.authority[1]);
    for (unsigned i = 0; i < 2; i++) mix_statement_sign(&s[i], mix_rig_view(&r).charter, &r.authority[1]);
    CHECK_OK(mix_equivocation_of(liar, &s[0], &s[1], &e));
    CHECK_OK(mix_equivocation_encode(&e, &doc));
    unsigned told = r.peer[1].documents;
    doc.p[doc.len - 1] ^= 1; /* a forged proof accuses nobody */
    directory(&r.peer[0], AUTHORITY_EQUIVOCATION, &doc);
    CHECK_EQ(0, mix_rig_view(&r).counters.equivocations);
    doc.p[doc.len - 1] ^= 1;
    for (unsigned i = 0; i < 3; i++) directory(&r.peer[0], AUTHORITY_EQUIVOCATION, &doc);
    CHECK_EQ(1, mix_rig_view(&r).counters.equivocations);
    CHECK_EQ(2, mix_rig_view(&r).counters.equivocation_epoch);
    CHECK_EQ(told + 1, r.peer[1].documents);
    CHECK(strstr(r.note, "two different documents") != NULL);
    CHECK_EQ(doc.len + 1, r.equivocation.len);
    /* after a restart it is still shown */
    struct brain *again;
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 2, .sign_seed = { 1 }, .root_seed = { 3 } };
    memset(cfg.static_secret, 2, 32);
    cfg.mix = brain_mix_config_default();
    CHECK_OK(brain_create(&cfg, r.now, &again));
    struct record rec = { .kind = RECORD_MIX, .index = MIX_RECORD_CHARTER, .bytes = vl_span(r.charter.p, r.charter.len) };
    CHECK_OK(brain_restore(again, r.now, &rec));
    rec = (struct record){ .kind = RECORD_MIX, .index = MIX_RECORD_EQUIVOCATION,
                           .bytes = vl_span(r.equivocation.p, r.equivocation.len) };
    CHECK_OK(brain_restore(again, r.now, &rec));
    struct brain_mix_view v;
    brain_mix_view(again, &v);
    CHECK_EQ(1, v.counters.equivocations);
    brain_destroy(again);
    vl_buf_free(&doc);
    mix_rig_end(&r);
}

/* A member that is an authority, with the charter of the rig in its store. */
TEST(hostile, an_authority_dials_the_others_after_a_restart) {
    struct brain *b;
    struct brain_effect e;
    struct crypto_sign_key root;
    struct brain_config cfg = { .name = "m", .boot_epoch = 2, .coordinator_addr = "127.0.0.1:1", .sign_seed = { 50, 0 } };
    unsigned home = 0, dials = 0, wanted = 0;
    mix_rig_start(&r, true);
    mix_rig_charter(&r, false, RIG_EPOCH_MS);
    crypto_sign_key_from_seed((const uint8_t[32]){ 3 }, &root);
    memcpy(cfg.root_key, root.public, 32);
    cfg.mix = brain_mix_config_default();
    cfg.certificate = vl_span((const uint8_t[1]){ 1 }, 1);
    CHECK_OK(brain_create(&cfg, r.now, &b));
    struct record rec = { .kind = RECORD_MIX, .index = MIX_RECORD_CHARTER, .bytes = vl_span(r.charter.p, r.charter.len) };
    CHECK_OK(brain_restore(b, r.now, &rec));
    brain_start(b, r.now);
    brain_tick(b, r.now);
    while (brain_next_effect(b, &e)) {
        if (e.kind != BRAIN_DIAL) continue;
        home += strcmp(e.addr, "127.0.0.1:1") == 0;
        dials++;
    }
    struct vl_node_id self = brain_node_id(b);
    const struct mix_charter *c = mix_rig_view(&r).charter;
    for (unsigned i = 0; i < 3; i++) wanted += memcmp(self.b, c->authority[i].node.b, 32) < 0; /* the smaller one dials */
    CHECK_EQ(1, home);
    CHECK_EQ(home + wanted, dials);
    CHECK(wanted > 0);
    brain_destroy(b);
    mix_rig_end(&r);
}

/* Somebody who knows a member's certificate, as all who ever had a link to it do, writes to us in its name. */
TEST(hostile, a_message_with_the_certificate_of_another_does_not_choose_the_level_of_our_answers) {
    struct channel *ch;
    struct channel_config cc = channel_config_default();
    struct channel_slot s;
    uint64_t id;
    uint8_t message[400] = { PRIVATE_ENVELOPE }, body[SPHINX_BODY], surb[3][SPHINX_SURB];
    struct sphinx_surb_keys keys[3];
    struct sphinx_path back[3];
    struct crypto_dh_key dh;
    struct sphinx_end here = { .command = SPHINX_DELIVER };
    uint8_t static_secret[32];
    ready();
    mix_rig_wait(&r, RIG_EPOCH_MS);
    memset(static_secret, 2, 32);
    crypto_dh_key_from_seed(static_secret, &dh);
    cc.static_secret[0] = 77;
    CHECK_OK(channel_create(&cc, &ch));
    size_t n = mix_rig_certificate(&r, &r.peer[1], message + 3);
    message[1] = (uint8_t)(n >> 8);
    message[2] = (uint8_t)n;
    struct channel_to to = { .node = r.self, .level = MIX_PUBLIC };
    memcpy(to.static_key, dh.public, 32);
    CHECK_OK(channel_send(ch, r.now, &to, vl_span(message, 3 + n + 40), &id));
    memcpy(here.recipient, r.self.b, 32);
    for (unsigned i = 0; i < 8 && channel_slot(ch, r.now, &s); i++) {
        for (uint32_t k = 0; k < s.surbs; k++) {
            back[k] = (struct sphinx_path){ .n = 1, .end = { .command = SPHINX_REPLY, .surb_id = { 1, (uint8_t)(8 * i + k) } } };
            mix_rig_hop(&r, &back[k].hop[0]);
        }
        if (s.surbs) CHECK_OK(sphinx_surb_build(back, s.surbs, 100, &r.rng, surb, keys));
        CHECK_OK(channel_fill(ch, r.now, s.handle, 1000, (const uint8_t(*)[SPHINX_SURB])surb, keys, body));
        mix_rig_packet_body(&r, 0, &here, body, packet);
        give(packet, SPHINX_PACKET);
    }
    CHECK_EQ(1, mix_rig_view(&r).counters.messages_in);
    CHECK_EQ(1, mix_rig_view(&r).counters.messages_bad);
    CHECK_EQ(MIX_OFF, mix_ack_level(r.brain, r.peer[1].node));
    channel_destroy(ch);
    mix_rig_end(&r);
}
