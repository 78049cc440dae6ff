/* What members of bad will can make a coordinator do for draws and challenges, and what a node says of what it keeps after a start. */
#include "brain/topo_priv.h"
#include "crypto/random.h"

#include "check.h"

#include <string.h>

enum { EPOCH_MS = 64000, BEGAN = 1000000 };

static struct brain *lead(void) {
    struct brain_config cfg = { .coordinator = true, .name = "alder", .epoch_ms = EPOCH_MS, .caps = { .cpus = 1 } };
    struct brain *b = NULL;
    CHECK_OK(crypto_init());
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 3, 32);
    memset(cfg.root_seed, 5, 32);
    CHECK_OK(brain_create(&cfg, BEGAN, &b));
    return b;
}

static struct vl_node_id member(struct brain *b, uint8_t n) {
    struct vl_node_id node = { { n, 7 } };
    topo_lead_key(b, node, (struct crypto_vrf_public){ .suite = CRYPTO_VRF_ELL2, .key = { n } });
    return node;
}
/* What would leave after the commit. */
static unsigned held(const struct brain *b) {
    unsigned n = 0;
    for (const struct out *o = b->held.first; o; o = o->next) n++;
    return n;
}
static struct vl_span last_held(const struct brain *b) {
    const struct out *o = b->held.first;
    while (o && o->next) o = o->next;
    return o ? o->effect.bytes : (struct vl_span){ 0 };
}

/* Megabytes each, in a large village. */
TEST(draws, a_member_has_a_state_sent_eight_times_in_an_epoch_and_no_more) {
    struct brain *b = lead();
    step_begin(b, BEGAN);
    struct vl_node_id node = member(b, 2), stranger = { { 9 } };
    unsigned before = held(b);
    topo_lead_want(b, stranger);
    CHECK_EQ(before, held(b));
    for (unsigned i = 0; i < 100; i++) topo_lead_want(b, node);
    CHECK_EQ(before + TOPO_WANTS, held(b));
    topo_lead_want(b, member(b, 3)); /* another has its own */
    CHECK_EQ(before + TOPO_WANTS + 1, held(b));
    step_end(b);
    brain_destroy(b);
}

TEST(draws, keys_that_change_without_end_and_messages_too_long_are_left_out) {
    struct brain *b = lead();
    step_begin(b, BEGAN);
    struct vl_node_id node = member(b, 2);
    uint8_t message[33 + TOPO_ANSWER_MAX + 1] = { DRAW_ASK };
    for (unsigned i = 0; i < 2 * TOPO_KEPT; i++) topo_lead_key(b, node, (struct crypto_vrf_public){ .suite = CRYPTO_VRF_ELL2, .key = { (uint8_t)i, (uint8_t)(i >> 8), 1 } });
    const struct topo_key *k = vl_map_get(&b->topo->keys, node.b);
    CHECK_EQ(TOPO_KEPT, k->passed);
    CHECK(k->vrf.key[0] == (uint8_t)(TOPO_KEPT - 1) && k->vrf.key[1] == (uint8_t)((TOPO_KEPT - 1) >> 8));
    struct vl_node_id other = member(b, 3);
    uint64_t bad = b->counters.messages_bad, refused = b->topo->counters.refused;
    topo_lead_route(b, other, vl_span(message, 33 + TOPO_ASK_BYTES + 1));
    topo_lead_route(b, other, vl_span(message, 33 + TOPO_ASK_BYTES - 1));
    message[0] = DRAW_ANSWER;
    topo_lead_route(b, other, vl_span(message, sizeof message));
    CHECK_EQ(bad + 3, b->counters.messages_bad);
    topo_lead_route(b, other, vl_span(message, sizeof message - 1)); /* long enough, but nobody drew it */
    CHECK_EQ(bad + 3, b->counters.messages_bad);
    CHECK_EQ(refused + 1, b->topo->counters.refused);
    step_end(b);
    brain_destroy(b);
}

TEST(draws, counters_of_a_service_level_stop_together) {
    struct brain *b = lead();
    struct vl_node_id node = { { 4 } };
    struct challenge_count half = { .due = 4, .answered = 2, .unanswered = 2, .latency_ms = 10 };
    struct sla_counters n;
    step_begin(b, BEGAN);
    topo_count_add(b, node, 7, &half);
    struct sla_counters *at = vl_map_get(&b->topo->counts, node.b);
    CHECK(at != NULL);
    at->asked = UINT32_MAX - 4;
    at->answered = at->asked / 2;
    topo_count_add(b, node, 8, &half);
    CHECK(brain_service(b, node, &n) && n.asked == UINT32_MAX && n.answered == (UINT32_MAX - 4) / 2 + 2 && n.last_epoch == 8);
    topo_count_add(b, node, 9, &half); /* would raise the share: nothing is counted any more */
    CHECK(brain_service(b, node, &n) && n.asked == UINT32_MAX && n.answered == (UINT32_MAX - 4) / 2 + 2 && n.last_epoch == 8 && n.epochs == 2);
    step_end(b);
    brain_destroy(b);
}

/* While the blob is read again a node would otherwise promise nothing, and its own promise would count as another for the whole epoch. */
TEST(draws, a_node_stands_by_its_promise_while_it_reads_it_again_after_a_start) {
    struct brain *b = lead();
    uint8_t row[72] = { 1 };
    vl_put_u64(row + 32, 5000);
    memset(row + 40, 6, 32);
    CHECK_OK(topo_keep_restore(b, vl_span(row, sizeof row)));
    CHECK(b->topo->keep.has && !b->topo->keep.ready);
    CHECK_EQ(5000, b->topo->keep.promise.size);
    CHECK_EQ(6, b->topo->keep.promise.root.b[31]);
    struct challenge_ask ask = { .epoch = 1, .witness = { { 3 } }, .subject = b->self };
    step_begin(b, BEGAN);
    unsigned before = held(b);
    topo_answer(b, &ask, (struct vl_span){ 0 }, NULL, 0);
    CHECK_EQ(before + 1, held(b));
    struct vl_span sent = last_held(b);
    CHECK(sent.n > 33 + 49 && memcmp(sent.p + sent.n - (32 + 8 + 64 + 2 + 1), row + 40, 32) == 0);
    CHECK_EQ(5000, vl_get_u64(sent.p + sent.n - (8 + 64 + 2 + 1)));
    step_end(b);
    vl_put_u64(row + 32, (uint64_t)CHALLENGE_KEEP_MAX + 1);
    CHECK_EQ(VL_ECORRUPT, topo_keep_restore(b, vl_span(row, sizeof row)));
    brain_destroy(b);
}

/* A node under whose witnesses is one of bad will: its flood takes no room from the others. */
TEST(draws, one_witness_has_eight_reads_waiting_and_no_more) {
    struct brain *b = lead();
    struct challenge_ask flood = { .epoch = 1, .witness = { { 3 } }, .subject = b->self }, honest = { .epoch = 1, .witness = { { 4 } }, .subject = b->self };
    b->topo->keep.has = b->topo->keep.ready = true;
    b->topo->keep.promise.size = 5000;
    step_begin(b, BEGAN);
    for (unsigned i = 0; i < 100; i++) CHECK_EQ(i < 8, topo_keep_ask(b, &flood));
    CHECK(topo_keep_ask(b, &honest));
    step_end(b);
    brain_destroy(b);
}
