/* Every allocation of the channel refused once: the answer is VL_ENOMEM, nothing leaks, and the message gets through
 * once all the same. */
#include "mix/channel_rig.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);

static uint32_t countdown; /* 0: off; 1: the next allocation fails */

static bool refuse(void) { return countdown > 0 && --countdown == 0; }
void *__wrap_malloc(size_t n) { return refuse() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t a, size_t b) { return refuse() ? NULL : __real_calloc(a, b); }
void *__wrap_realloc(void *p, size_t n) { return refuse() ? NULL : __real_realloc(p, n); }

static uint32_t refusals;

/* The call with the 1st, 2nd, 3rd ... allocation refused, until it gets through; its last answer. */
#define INSIST(ret, call)                                                                                              \
    do {                                                                                                               \
        uint32_t k_ = 0;                                                                                               \
        do {                                                                                                           \
            countdown = ++k_;                                                                                          \
            (ret) = (call);                                                                                            \
            countdown = 0;                                                                                             \
            refusals += (ret) == VL_ENOMEM;                                                                            \
        } while ((ret) == VL_ENOMEM);                                                                                  \
    } while (0)

/* All a party has to say.  Filling a slot and taking a reply cannot be tried again as they are (the fragment is back in
 * the queue, the block is used up), so there the refusal moves from call to call. */
static void speak(struct rig *r, unsigned party) {
    static uint32_t turn;
    struct channel_slot s;
    uint8_t surb[3][SPHINX_SURB], body[SPHINX_BODY] = { 0 };
    struct sphinx_surb_keys keys[3];
    struct channel *c = r->party[party].channel;
    enum vl_err err;
    while (channel_slot(c, r->now, &s)) {
        struct parcel p = { .from = party };
        if (!s.reply) {
            rig_surbs(r, party, s.level, s.surbs, surb, keys);
            countdown = ++turn % 5;
            err = channel_fill(c, r->now, s.handle, RIG_RTT, (const uint8_t(*)[SPHINX_SURB])surb, keys, body);
            countdown = 0;
            refusals += err == VL_ENOMEM;
            CHECK(err == VL_OK || err == VL_ENOMEM);
            if (err) continue;
        }
        (void)rig_pack(r, &s, body, &p);
        struct channel *to = r->party[p.to].channel;
        if (p.reply) {
            countdown = ++turn % 5;
            err = channel_recv_reply(to, r->now, p.surb_id, p.bytes);
            countdown = 0;
            refusals += err == VL_ENOMEM;
            CHECK(err == VL_OK || err == VL_EREPLAY || err == VL_ENOMEM || err == VL_ENOTFOUND);
        } else {
            INSIST(err, channel_recv(to, r->now, p.bytes));
            CHECK(err == VL_OK || err == VL_EREPLAY);
        }
        rig_drain(r, p.to);
    }
}

TEST(channel_oom, carries_a_message_and_its_answer_once_whatever_allocation_fails) {
    struct rig r;
    static uint8_t bytes[5000];
    uint64_t id = 0, answer = 0;
    enum vl_err err;
    rig_init(&r, 1, NULL);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
    struct channel_to to = rig_to(&r, 1, MIX_PRIVATE, true);
    INSIST(err, channel_send(r.party[0].channel, r.now, &to, vl_span(bytes, sizeof bytes), &id));
    CHECK_OK(err);
    CHECK_EQ(1, channel_stats(r.party[0].channel).sent);
    bool answered = false;
    for (vl_ms end = r.now + 500000; r.now < end;) {
        r.now += 500;
        for (unsigned i = 0; i < 2; i++) {
            speak(&r, i);
            channel_tick(r.party[i].channel, r.now);
            CHECK(channel_deadline(r.party[i].channel) > r.now);
            rig_drain(&r, i);
        }
        if (answered || rig_count(&r, 1, CHANNEL_RECEIVED, 0) == 0) continue;
        INSIST(err, channel_answer(r.party[1].channel, r.now, r.party[1].events[0].event.conversation,
                                   vl_span(bytes, sizeof bytes), &answer));
        CHECK_OK(err);
        answered = true;
    }
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_DONE, id));
    CHECK_EQ(1, rig_count(&r, 1, CHANNEL_DONE, answer));
    CHECK_EQ(1, rig_count(&r, 1, CHANNEL_RECEIVED, 0));
    CHECK_EQ(1, rig_count(&r, 0, CHANNEL_RECEIVED, id));
    CHECK_MEM(bytes, r.party[1].events[0].event.bytes.p, sizeof bytes);
    CHECK(refusals > 40);
    print_message("# %u allocations refused\n", refusals);
    rig_end(&r);
}
