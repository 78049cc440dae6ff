/* Whole traffic between parties over a network that loses, delays and repeats. */
#include "mix/channel_rig.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 400u

struct message {
    unsigned from, to;
    enum mix_level level;
    uint64_t id;
    uint8_t *bytes;
    size_t n, received;
};
struct post {
    struct rig r;
    struct message m[MESSAGES_MAX];
    size_t n;
};

static struct post *post_new(uint64_t seed, uint32_t loss, uint32_t copies) {
    struct post *p = calloc(1, sizeof *p);
    assert_non_null(p);
    rig_init(&p->r, seed, NULL);
    p->r.loss_permille = loss;
    p->r.copies_permille = copies;
    return p;
}

static struct message *post_send(struct post *p, unsigned from, unsigned to, enum mix_level level, size_t n) {
    struct message *m = &p->m[p->n++];
    *m = (struct message){ .from = from, .to = to, .level = level, .bytes = malloc(n + 8), .n = n };
    assert_non_null(m->bytes);
    for (size_t i = 0; i < n; i++) m->bytes[i] = (uint8_t)vl_prng_next(&p->r.net);
    if (n < 8) m->bytes[0] = (uint8_t)p->n; /* short ones must differ, too */
    struct channel_to dst = rig_to(&p->r, to, level, false);
    CHECK_OK(channel_send(p->r.party[from].channel, p->r.now, &dst, vl_span(m->bytes, n), &m->id));
    return m;
}

/* Gives each message received to the first that it can be and that has not come yet. */
static void post_sort(struct post *p) {
    for (unsigned to = 0; to < RIG_PARTIES; to++)
        for (size_t e = 0; e < p->r.party[to].events_n; e++) {
            const struct channel_event *ev = &p->r.party[to].events[e].event;
            bool found = ev->kind != CHANNEL_RECEIVED;
            for (size_t i = 0; i < p->n && !found; i++) {
                struct message *m = &p->m[i];
                if (m->received || m->to != to || m->n != ev->bytes.n || m->level != ev->level ||
                    memcmp(m->bytes, ev->bytes.p, m->n) != 0)
                    continue;
                m->received = 1;
                found = true;
                CHECK(!ev->has_conversation && !ev->answer && ev->id == 0);
            }
            CHECK(found); /* else it came twice, or was never sent */
        }
}

static void post_end(struct post *p) {
    for (size_t i = 0; i < p->n; i++) free(p->m[i].bytes);
    rig_end(&p->r);
    free(p);
}

static void storm(uint64_t seed, uint32_t loss, uint32_t copies, size_t count, bool all) {
    static const size_t sizes[] = { 1, 0, 300, 991, 992, 993, 1984, 2500, 5000, 9920 };
    struct post *p = post_new(seed, loss, copies);
    size_t received = 0, done = 0, failed = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = sizes[i % 10] == 0 && i > 10 ? 700 : sizes[i % 10];
        if (i % 97 == 50) n = CHANNEL_MESSAGE_MAX;
        unsigned from = (unsigned)(i % RIG_PARTIES);
        post_send(p, from, (from + 1 + (unsigned)vl_prng_below(&p->r.net, RIG_PARTIES - 1)) % RIG_PARTIES,
                  (enum mix_level)(MIX_PUBLIC + i % 4), n);
        if (i % 8 == 0) rig_run(&p->r, p->r.now + 200);
    }
    rig_run(&p->r, p->r.now + 600001);
    post_sort(p);
    for (size_t i = 0; i < p->n; i++) {
        size_t d = rig_count(&p->r, p->m[i].from, CHANNEL_DONE, p->m[i].id);
        size_t f = rig_count(&p->r, p->m[i].from, CHANNEL_FAILED, p->m[i].id);
        CHECK_EQ(1, d + f);
        CHECK(!d || p->m[i].received);
        received += p->m[i].received;
        done += d, failed += f;
    }
    struct channel_stats s = { 0 };
    for (unsigned i = 0; i < RIG_PARTIES; i++) {
        struct channel_stats one = channel_stats(p->r.party[i].channel);
        CHECK_EQ(0, one.out + one.waiting + one.bad);
        s.fragments += one.fragments, s.retransmitted += one.retransmitted, s.recovered += one.recovered;
        s.acks_sent += one.acks_sent, s.duplicates += one.duplicates;
    }
    print_message(
        "# loss %u: %zu of %zu received, %zu done, %zu failed; %u s; %u fragments, %u again, %u acks, %u copies, "
        "%u by parity\n",
        loss, received, p->n, done, failed, (unsigned)((p->r.now - 1000000) / 1000), (unsigned)s.fragments,
        (unsigned)s.retransmitted, (unsigned)s.acks_sent, (unsigned)s.duplicates, (unsigned)s.recovered);
    if (all) {
        CHECK_EQ(p->n, received);
        CHECK_EQ(p->n, done);
    }
    CHECK(loss == 0 || (s.retransmitted > 0 && s.recovered > 0));
    CHECK(loss > 0 || s.retransmitted == 0);
    post_end(p);
}

static uint64_t seed_of(uint64_t dflt) {
    const char *s = getenv("SEED");
    uint64_t seed = s ? strtoull(s, NULL, 10) : dflt;
    print_message("# seed %llu\n", (unsigned long long)seed);
    return seed;
}

TEST(channel, carries_every_message_once_where_nothing_is_lost) { storm(seed_of(1), 0, 0, 120, true); }
TEST(channel, carries_every_message_once_where_one_in_20_is_lost_at_each_hop) { storm(seed_of(2), 50, 30, 240, true); }
TEST(channel, never_carries_a_message_twice_where_one_in_5_is_lost_at_each_hop) {
    storm(seed_of(3), 200, 30, 60, false);
}

/* ---- answers ---- */

TEST(channel, carries_answers_of_any_size_over_blocks_that_get_lost) {
    static const size_t sizes[] = { 1, 1536, 1537, 30000, CHANNEL_MESSAGE_MAX };
    struct rig r;
    uint64_t asked[5], answered[5];
    uint8_t *big = malloc(CHANNEL_MESSAGE_MAX);
    assert_non_null(big);
    rig_init(&r, seed_of(4), NULL);
    r.loss_permille = 50;
    r.copies_permille = 30;
    for (size_t i = 0; i < CHANNEL_MESSAGE_MAX; i++) big[i] = (uint8_t)vl_prng_next(&r.net);
    for (unsigned i = 0; i < 5; i++) {
        /* Three members ask member 3, at two levels. */
        struct channel_to to = rig_to(&r, 3, i < 3 ? MIX_PRIVATE : MIX_CONFIDENTIAL, true);
        CHECK_OK(channel_send(r.party[i % 3].channel, r.now, &to, vl_span(&(uint8_t){ (uint8_t)i }, 1), &asked[i]));
    }
    rig_run(&r, r.now + 120000);
    CHECK_EQ(5, r.party[3].events_n);
    for (unsigned e = 0; e < 5; e++) {
        const struct channel_event *ev = &r.party[3].events[e].event;
        CHECK(ev->kind == CHANNEL_RECEIVED && ev->has_conversation && !ev->answer && ev->bytes.n == 1);
        unsigned i = ev->bytes.p[0];
        CHECK_EQ(i < 3 ? MIX_PRIVATE : MIX_CONFIDENTIAL, ev->level);
        CHECK_OK(channel_answer(r.party[3].channel, r.now, ev->conversation, vl_span(big, sizes[i]), &answered[i]));
    }
    rig_run(&r, r.now + 590000);
    for (unsigned i = 0; i < 5; i++) {
        size_t got = 0;
        CHECK_EQ(1, rig_count(&r, i % 3, CHANNEL_DONE, asked[i]));
        CHECK_EQ(1, rig_count(&r, 3, CHANNEL_DONE, answered[i]));
        for (size_t e = 0; e < r.party[i % 3].events_n; e++) {
            const struct channel_event *ev = &r.party[i % 3].events[e].event;
            if (ev->kind != CHANNEL_RECEIVED || ev->id != asked[i]) continue;
            CHECK(ev->answer && ev->has_conversation);
            CHECK_EQ(sizes[i], ev->bytes.n);
            CHECK_MEM(big, ev->bytes.p, sizes[i]);
            got++;
        }
        CHECK_EQ(1, got);
    }
    struct channel_stats s = channel_stats(r.party[3].channel);
    CHECK_EQ(5, s.talks_in);
    print_message("# %u answers done after %u s; %u fragments, %u again; %u blocks left\n", (unsigned)s.done,
                  (unsigned)((r.now - 1000000) / 1000), (unsigned)s.fragments, (unsigned)s.retransmitted, s.blocks);
    rig_end(&r);
    free(big);
}

static vl_ms heal_at;
static bool no_replies(const struct rig *r, const struct parcel *p) { return p->reply && r->now < heal_at; }
static bool no_cells_to_3(const struct rig *r, const struct parcel *p) {
    return p->to == 3 && !p->reply && r->now < heal_at;
}

TEST(channel, delivers_once_while_all_acknowledgements_are_lost_and_tells_when_they_pass_again) {
    struct post *p = post_new(seed_of(5), 0, 0);
    struct message *one = post_send(p, 0, 1, MIX_PRIVATE, 100), *two = post_send(p, 0, 1, MIX_SECRET, 5000);
    p->r.drop = no_replies;
    heal_at = p->r.now + 60000;
    rig_run(&p->r, heal_at);
    post_sort(p);
    CHECK_EQ(2, p->r.party[1].events_n);
    CHECK_EQ(0, p->r.party[0].events_n);
    CHECK(channel_stats(p->r.party[1].channel).duplicates > 4);
    rig_run(&p->r, heal_at + 60000);
    CHECK_EQ(1, rig_count(&p->r, 0, CHANNEL_DONE, one->id));
    CHECK_EQ(1, rig_count(&p->r, 0, CHANNEL_DONE, two->id));
    CHECK_EQ(2, p->r.party[1].events_n);
    post_end(p);
}

TEST(channel, goes_on_answering_after_the_responder_ran_out_of_blocks_and_the_way_to_it_was_down) {
    struct rig r;
    uint64_t asked, answered;
    static uint8_t big[40000];
    rig_init(&r, seed_of(6), NULL);
    struct channel_to to = rig_to(&r, 3, MIX_PRIVATE, true), plain = rig_to(&r, 1, MIX_PRIVATE, false);
    CHECK_OK(channel_send(r.party[0].channel, r.now, &to, vl_span("?", 1), &asked));
    rig_run(&r, r.now + 20000);
    r.drop = no_cells_to_3;
    heal_at = r.now + 60000;
    CHECK_OK(channel_answer(r.party[3].channel, r.now, r.party[3].events[0].event.conversation,
                            vl_span(big, sizeof big), &answered));
    rig_run(&r, heal_at);
    CHECK_EQ(0, channel_stats(r.party[3].channel).blocks); /* all used, none can come */
    CHECK_EQ(1, channel_stats(r.party[3].channel).out);
    /* Meanwhile others are served. */
    uint64_t other;
    CHECK_OK(channel_send(r.party[3].channel, r.now, &plain, vl_span(big, 3000), &other));
    heal_at += 10000;
    rig_run(&r, heal_at);
    CHECK_EQ(1, rig_count(&r, 3, CHANNEL_DONE, other));
    rig_run(&r, heal_at + 400000);
    CHECK_EQ(1, rig_count(&r, 3, CHANNEL_DONE, answered));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_RECEIVED, asked));
    rig_end(&r);
}

static bool no_replies_from_3(const struct rig *r, const struct parcel *p) {
    return p->from == 3 && p->reply && r->now < heal_at;
}

TEST(channel, asks_a_responder_that_spent_all_its_blocks_on_replies_that_were_lost) {
    struct rig r;
    uint64_t asked, answered;
    static uint8_t big[40000];
    rig_init(&r, seed_of(7), NULL);
    struct channel_to to = rig_to(&r, 3, MIX_PRIVATE, true);
    CHECK_OK(channel_send(r.party[0].channel, r.now, &to, vl_span("?", 1), &asked));
    rig_run(&r, r.now + 20000);
    r.drop = no_replies_from_3;
    heal_at = r.now + 3000;
    CHECK_OK(channel_answer(r.party[3].channel, r.now, r.party[3].events[0].event.conversation,
                            vl_span(big, sizeof big), &answered));
    rig_run(&r, heal_at); /* the owner has no reason to think that anything is missing */
    CHECK_EQ(0, channel_stats(r.party[3].channel).blocks);
    rig_run(&r, heal_at + 400000);
    CHECK_EQ(1, rig_count(&r, 3, CHANNEL_DONE, answered));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_RECEIVED, asked));
    rig_end(&r);
}

TEST(channel, gives_the_same_run_for_the_same_seed) {
    uint64_t sums[2];
    for (int i = 0; i < 2; i++) {
        struct post *p = post_new(9, 50, 30);
        for (unsigned m = 0; m < 12; m++) post_send(p, m % 4, (m + 1) % 4, MIX_PRIVATE, 100u + 900u * m);
        rig_run(&p->r, p->r.now + 600000);
        sums[i] = p->r.now * 1000003 + p->r.sent * 1009 + p->r.lost;
        post_end(p);
    }
    CHECK_EQ(sums[0], sums[1]);
}
