#include "net/blob.h"

#include "base/prng.h"
#include "wire/blob.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

/* One fetching core (node 0) and three serving cores, with memory for disks and one queue for all messages and disk
 * answers, worked off in order.  The content's "hash" is compared as bytes: VERIFY means "equal to the true content". */
#define NODES 4u
#define QUEUE 4096u

struct job {
    unsigned at; /* node */
    enum blob_event_kind kind;
    unsigned from;
    uint64_t req, offset;
    struct vl_hash hash;
    uint8_t *p;
    size_t n;
};
struct node {
    struct vl_node_id id;
    struct blob *b;
    uint8_t *content; /* NULL: has it not */
    size_t size;
    bool silent; /* never answers requests */
    size_t served;
    size_t dies_after; /* pieces; 0: never */
};
struct rig {
    struct node node[NODES];
    uint8_t *truth, *disk;
    size_t size, disk_n;
    struct vl_hash hash;
    struct blob_effects fx;
    struct job queue[QUEUE];
    size_t head, tail;
    vl_ms now;
    unsigned done, discards;
    enum vl_err failed, write_err;
    size_t max_asked; /* most requests without an answer */
};

static void event(struct rig *r, unsigned at, struct blob_event ev);

static uint8_t *content_make(size_t n, uint64_t seed) {
    struct vl_prng prng;
    uint8_t *p = malloc(n + 1);
    CHECK(p != NULL);
    vl_prng_seed(&prng, seed);
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(vl_prng_next(&prng) >> 32);
    return p;
}
static uint8_t *copy_of(const uint8_t *p, size_t n) {
    uint8_t *c = malloc(n + 1);
    CHECK(c != NULL);
    if (n) memcpy(c, p, n);
    return c;
}

static struct rig *rig_make(size_t size, const struct blob_limits *limits) {
    struct rig *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    struct blob_cfg cfg = blob_cfg_default();
    if (limits) cfg.limits = *limits;
    r->now = 1000;
    r->size = size;
    r->truth = content_make(size, 1);
    r->disk = calloc(1, size + VL_CHUNK);
    r->hash.b[0] = 42;
    blob_effects_init(&r->fx);
    for (unsigned i = 0; i < NODES; i++) {
        r->node[i].id.b[0] = (uint8_t)(i + 1);
        cfg.seed = i;
        CHECK_OK(blob_create(&cfg, &r->node[i].b));
        if (i > 0) {
            r->node[i].content = copy_of(r->truth, size);
            r->node[i].size = size;
        }
    }
    return r;
}
static void rig_free(struct rig *r) {
    for (unsigned i = 0; i < NODES; i++) {
        blob_destroy(r->node[i].b);
        free(r->node[i].content);
    }
    for (; r->head < r->tail; r->head++) free(r->queue[r->head % QUEUE].p);
    free(r->truth);
    free(r->disk);
    blob_effects_free(&r->fx);
    free(r);
}

static void queue(struct rig *r, struct job j) {
    CHECK(r->tail - r->head < QUEUE);
    r->queue[r->tail++ % QUEUE] = j;
}

static void peer_set(struct rig *r, unsigned a, unsigned b, bool up) {
    event(r, a, (struct blob_event){ .kind = up ? BLOB_PEER_UP : BLOB_PEER_DOWN, .u.peer = r->node[b].id });
    event(r, b, (struct blob_event){ .kind = up ? BLOB_PEER_UP : BLOB_PEER_DOWN, .u.peer = r->node[a].id });
}

static void carry_out(struct rig *r, unsigned at, const struct blob_effect *e) {
    struct job j = { .at = at, .hash = e->hash, .offset = e->offset, .req = e->req };
    unsigned to = 0;
    switch (e->kind) {
    case BLOB_READ:
        if (r->node[at].silent) return;
        j.kind = BLOB_READ_DONE;
        j.n = e->length;
        queue(r, j);
        break;
    case BLOB_WRITE:
        CHECK(e->offset + e->data.n <= r->size + VL_CHUNK);
        memcpy(r->disk + e->offset, e->data.p, e->data.n);
        if (e->offset + e->data.n > r->disk_n) r->disk_n = e->offset + e->data.n;
        j.kind = BLOB_WRITE_DONE;
        queue(r, j);
        break;
    case BLOB_DISCARD:
        r->discards++;
        memset(r->disk, 0, r->disk_n);
        r->disk_n = 0;
        break;
    case BLOB_VERIFY:
        j.kind = BLOB_VERIFIED;
        j.n = e->size == r->size && memcmp(r->disk, r->truth, r->size) == 0;
        queue(r, j);
        break;
    case BLOB_SEND:
        r->node[at].served += at != 0;
        while (to < NODES && !vl_node_eq(r->node[to].id, e->peer)) to++;
        CHECK(to < NODES);
        CHECK(e->head.n + e->data.n <= VL_MESSAGE_MAX);
        j.kind = BLOB_RECV;
        j.at = to;
        j.from = at;
        j.n = e->head.n + e->data.n;
        j.p = malloc(j.n);
        CHECK(j.p != NULL);
        memcpy(j.p, e->head.p, e->head.n);
        if (e->data.n) memcpy(j.p + e->head.n, e->data.p, e->data.n);
        queue(r, j);
        break;
    case BLOB_DONE: r->done++; break;
    case BLOB_FAILED: r->failed = e->err; break;
    }
}

static void event(struct rig *r, unsigned at, struct blob_event ev) {
    ev.now = r->now;
    enum vl_err err = blob_step(r->node[at].b, &ev, &r->fx);
    CHECK(err == VL_OK || ((err == VL_ENOTFOUND || err == VL_ELIMIT) && r->fx.n == 0));
    struct blob_counters c = blob_counters(r->node[at].b);
    CHECK_EQ(c.wanted, c.done + c.failed + c.cancelled + c.active);
    for (size_t i = 0; i < r->fx.n; i++) carry_out(r, at, &r->fx.v[i]);
}

static void work_one(struct rig *r) {
    struct job j = r->queue[r->head++ % QUEUE];
    struct node *n = &r->node[j.at];
    struct blob_event ev = { .kind = j.kind };
    if (j.kind == BLOB_RECV) {
        ev.u.recv.peer = r->node[j.from].id;
        ev.u.recv.bytes = vl_span(j.p, j.n);
    } else if (j.kind == BLOB_READ_DONE) {
        ev.u.read.req = j.req;
        ev.u.read.found = n->content != NULL && j.offset <= n->size;
        ev.u.read.size = n->size;
        if (ev.u.read.found) ev.u.read.data = vl_span(n->content + j.offset, n->size - j.offset < j.n ? n->size - j.offset : j.n);
    } else if (j.kind == BLOB_WRITE_DONE) {
        ev.u.write.hash = j.hash;
        ev.u.write.offset = j.offset;
        ev.u.write.err = r->write_err;
    } else {
        ev.u.verified.hash = j.hash;
        ev.u.verified.ok = j.n != 0;
    }
    event(r, j.at, ev);
    free(j.p);
    if (j.kind == BLOB_READ_DONE && n->dies_after && n->served == n->dies_after) peer_set(r, 0, j.at, false);
}
static void work(struct rig *r) {
    while (r->head < r->tail) work_one(r);
}
/* Until nothing moves, letting up to `ms` of deadlines pass. */
static void work_for(struct rig *r, vl_ms ms) {
    vl_ms end = r->now + ms;
    for (;;) {
        work(r);
        vl_ms at = blob_deadline(r->node[0].b);
        if (at > end) break;
        if (at > r->now) r->now = at;
        event(r, 0, (struct blob_event){ .kind = BLOB_TICK });
    }
    r->now = end;
}

static void want(struct rig *r, uint64_t size, uint64_t have, unsigned first, unsigned last) {
    struct vl_node_id ids[NODES];
    struct blob_event ev = { .kind = BLOB_WANT };
    for (unsigned i = first; i <= last; i++) ids[i - first] = r->node[i].id;
    ev.u.want.hash = r->hash;
    ev.u.want.size = size;
    ev.u.want.have = have;
    ev.u.want.sources = ids;
    ev.u.want.sources_n = last - first + 1;
    event(r, 0, ev);
}
static void all_up(struct rig *r) {
    for (unsigned i = 1; i < NODES; i++) peer_set(r, 0, i, true);
}
static void expect_done(struct rig *r) {
    CHECK_EQ(1, r->done);
    CHECK_EQ(r->size, r->disk_n);
    CHECK_EQ(0, memcmp(r->disk, r->truth, r->size));
    CHECK_EQ(0, blob_counters(r->node[0].b).active);
    CHECK_EQ(VL_MS_NEVER, blob_deadline(r->node[0].b));
}

static const size_t sizes[] = { 0, 1, BLOB_PIECE - 1, BLOB_PIECE, BLOB_PIECE + 1, 9 * BLOB_PIECE + 17 };

TEST(blob, arrives_whole_at_every_size_with_and_without_a_hint) {
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        struct rig *r = rig_make(sizes[i / 2], NULL);
        all_up(r);
        want(r, i % 2 ? r->size : 0, 0, 1, 1);
        work(r);
        expect_done(r);
        rig_free(r);
    }
}

TEST(blob, asks_for_four_pieces_ahead_and_no_more) {
    struct rig *r = rig_make(20 * BLOB_PIECE, NULL);
    r->node[1].silent = true;
    all_up(r);
    want(r, r->size, 0, 1, 1);
    CHECK_EQ(BLOB_PIPELINE, r->tail - r->head);
    rig_free(r);
}

TEST(blob, goes_on_from_what_is_on_disk) {
    for (unsigned hinted = 0; hinted < 2; hinted++) {
        struct rig *r = rig_make(5 * BLOB_PIECE + 5, NULL);
        r->disk_n = 3 * BLOB_PIECE + 100;
        memcpy(r->disk, r->truth, r->disk_n);
        all_up(r);
        want(r, hinted ? r->size : 0, r->disk_n, 1, 1);
        work(r);
        expect_done(r);
        CHECK(blob_counters(r->node[0].b).bytes_in <= 2 * BLOB_PIECE);
        rig_free(r);
    }
}

TEST(blob, verifies_without_asking_when_all_is_on_disk) {
    struct rig *r = rig_make(1000, NULL);
    r->disk_n = 1000;
    memcpy(r->disk, r->truth, 1000);
    all_up(r);
    want(r, 1000, 1000, 1, 1);
    work(r);
    expect_done(r);
    CHECK_EQ(0, blob_counters(r->node[0].b).pieces_in);
    rig_free(r);
}

TEST(blob, starts_again_when_what_was_on_disk_is_wrong) {
    struct rig *r = rig_make(3 * BLOB_PIECE, NULL);
    r->disk_n = BLOB_PIECE; /* zeros */
    all_up(r);
    want(r, r->size, r->disk_n, 1, 1);
    work(r);
    expect_done(r);
    CHECK_EQ(1, r->discards);
    rig_free(r);
}

TEST(blob, bans_a_source_that_lies_and_takes_another) {
    struct rig *r = rig_make(6 * BLOB_PIECE, NULL);
    r->node[1].content[3 * BLOB_PIECE + 7] ^= 1;
    all_up(r);
    want(r, r->size, 0, 1, 2);
    work(r);
    expect_done(r);
    CHECK_EQ(1, r->discards);
    CHECK_EQ(6, r->node[2].served);
    CHECK_EQ(1, blob_counters(r->node[0].b).lies);
    rig_free(r);
}

TEST(blob, finds_the_liar_among_sources_that_took_turns) {
    for (unsigned liar = 1; liar <= 3; liar++) {
        struct rig *r = rig_make(6 * BLOB_PIECE, NULL);
        r->node[liar].content[0] ^= 1;
        r->node[liar].content[r->size - 1] ^= 1;
        r->node[1].dies_after = r->node[2].dies_after = 2;
        all_up(r);
        want(r, r->size, 0, 1, 3);
        work(r);
        for (unsigned i = 1; i < 3; i++) {
            r->node[i].dies_after = 0;
            peer_set(r, 0, i, true);
        }
        work(r);
        expect_done(r);
        rig_free(r);
    }
}

/* Node 1 is honest but loses its link after every few pieces and is back at once; node 2 stays, and lies. */
static void fetch_beside_a_liar(struct rig *r, uint64_t hint) {
    unsigned rounds = 0;
    r->node[1].dies_after = 5;
    all_up(r);
    want(r, hint, 0, 1, 2);
    while (r->head < r->tail && rounds < 40) {
        work_one(r);
        if (r->node[1].served < r->node[1].dies_after) continue;
        r->node[1].dies_after = r->node[1].served + 5;
        peer_set(r, 0, 1, true);
        rounds++;
    }
    CHECK(rounds < 40);
    expect_done(r);
}

TEST(blob, gets_past_a_liar_beside_a_source_that_comes_and_goes) {
    struct rig *r = rig_make(12 * BLOB_PIECE, NULL);
    r->node[2].content[r->size - 1] ^= 1;
    fetch_beside_a_liar(r, r->size);
    CHECK_EQ(2, blob_counters(r->node[0].b).lies);
    rig_free(r);
}

TEST(blob, gets_past_a_source_that_names_another_size_than_the_first) {
    struct rig *r = rig_make(12 * BLOB_PIECE, NULL);
    r->node[2].size -= 7;
    fetch_beside_a_liar(r, 0);
    rig_free(r);
}

TEST(blob, forgets_the_size_that_a_vanished_source_named) {
    struct rig *r = rig_make(12 * BLOB_PIECE, NULL);
    r->node[1].size -= 7;
    r->node[1].dies_after = 5;
    all_up(r);
    want(r, 0, 0, 1, 2);
    for (unsigned i = 0; i < 1000 && r->head < r->tail; i++) work_one(r);
    expect_done(r);
    rig_free(r);
}

TEST(blob, fails_when_all_sources_lie_and_keeps_nothing) {
    struct rig *r = rig_make(2 * BLOB_PIECE, NULL);
    for (unsigned i = 1; i < NODES; i++) r->node[i].content[i] ^= 1;
    all_up(r);
    want(r, r->size, 0, 1, 3);
    work(r);
    CHECK_EQ(VL_ECRYPTO, r->failed);
    CHECK_EQ(0, r->disk_n);
    CHECK_EQ(0, r->done);
    rig_free(r);
}

TEST(blob, believes_no_size_but_the_one_of_the_content) {
    for (unsigned hinted = 0; hinted < 2; hinted++) {
        struct rig *r = rig_make(2 * BLOB_PIECE, NULL);
        r->node[1].content = realloc(r->node[1].content, 4 * BLOB_PIECE);
        memset(r->node[1].content + r->size, 0, 2 * BLOB_PIECE);
        r->node[1].size = 4 * BLOB_PIECE;
        r->size = 4 * BLOB_PIECE; /* room on the rig's disk */
        r->disk = realloc(r->disk, r->size + VL_CHUNK);
        memset(r->disk, 0, r->size + VL_CHUNK);
        r->size = 2 * BLOB_PIECE;
        all_up(r);
        want(r, hinted ? r->size : 0, 0, 1, 2);
        work(r);
        expect_done(r);
        rig_free(r);
    }
}

TEST(blob, survives_a_source_that_dies_at_each_piece) {
    for (size_t k = 1; k <= 10; k++) {
        struct rig *r = rig_make(10 * BLOB_PIECE, NULL);
        r->node[1].dies_after = k;
        all_up(r);
        want(r, r->size, 0, 1, 2);
        work(r);
        expect_done(r);
        CHECK(r->node[1].served + r->node[2].served <= 10 + BLOB_PIPELINE + k);
        rig_free(r);
    }
}

TEST(blob, waits_for_a_source_that_is_down_and_goes_on_where_it_was) {
    struct rig *r = rig_make(8 * BLOB_PIECE, NULL);
    r->node[1].dies_after = 3;
    all_up(r);
    want(r, r->size, 0, 1, 1);
    work(r);
    CHECK_EQ(0, r->done);
    CHECK_EQ(0, r->failed);
    r->node[1].dies_after = 0;
    peer_set(r, 0, 1, true);
    work(r);
    expect_done(r);
    CHECK_EQ(0, r->discards);
    rig_free(r);
}

TEST(blob, leaves_a_silent_source_after_the_exact_time_out) {
    struct rig *r = rig_make(BLOB_PIECE, NULL);
    r->node[1].silent = true;
    all_up(r);
    want(r, r->size, 0, 1, 2);
    work_for(r, 14999);
    CHECK_EQ(0, r->done);
    work_for(r, 1);
    expect_done(r);
    CHECK_EQ(1, blob_counters(r->node[0].b).failovers);
    rig_free(r);
}

TEST(blob, gives_up_when_nobody_has_it_nobody_answers_or_nobody_comes) {
    struct rig *r = rig_make(100, NULL);
    for (unsigned i = 1; i < NODES; i++) {
        free(r->node[i].content);
        r->node[i].content = NULL;
    }
    all_up(r);
    want(r, 0, 0, 1, 3);
    work(r);
    CHECK_EQ(VL_ENOTFOUND, r->failed);
    for (unsigned i = 1; i < NODES; i++) r->node[i].silent = true;
    want(r, 0, 0, 1, 3);
    work_for(r, 9 * 15000 - 1);
    CHECK_EQ(VL_ENOTFOUND, r->failed);
    work_for(r, 1);
    CHECK_EQ(VL_ETIMEOUT, r->failed);
    for (unsigned i = 1; i < NODES; i++) peer_set(r, 0, i, false);
    r->failed = VL_OK;
    want(r, 0, 0, 1, 3);
    work_for(r, 599999);
    CHECK_OK(r->failed);
    work_for(r, 1);
    CHECK_EQ(VL_ETIMEOUT, r->failed);
    rig_free(r);
}

TEST(blob, ends_with_the_error_of_the_disk) {
    struct rig *r = rig_make(5 * BLOB_PIECE, NULL);
    r->write_err = VL_ENOSPC;
    all_up(r);
    want(r, r->size, 0, 1, 2);
    work(r);
    CHECK_EQ(VL_ENOSPC, r->failed);
    rig_free(r);
}

TEST(blob, cancels_without_a_word) {
    struct rig *r = rig_make(5 * BLOB_PIECE, NULL);
    all_up(r);
    want(r, r->size, 0, 1, 2);
    work_one(r);
    event(r, 0, (struct blob_event){ .kind = BLOB_CANCEL, .u.hash = r->hash });
    work(r);
    CHECK_EQ(0, r->done);
    CHECK_OK(r->failed);
    CHECK_EQ(1, blob_counters(r->node[0].b).cancelled);
    rig_free(r);
}

TEST(blob, serves_one_peer_only_its_share_at_a_time) {
    struct blob_limits l = blob_cfg_default().limits;
    l.serve_bytes = 2 * BLOB_PIECE;
    l.serves_per_peer = 3;
    struct rig *r = rig_make(20 * BLOB_PIECE, &l);
    all_up(r);
    want(r, r->size, 0, 1, 1);
    for (unsigned i = 0; i < 4; i++) work_one(r); /* four requests arrive */
    CHECK_EQ(2, r->tail - r->head);               /* two reads; the third waits */
    CHECK_EQ(1, blob_counters(r->node[1].b).refused);
    work_one(r);
    CHECK_EQ(3, r->tail - r->head); /* its answer, and the next read */
    peer_set(r, 0, 1, false);       /* with reads under way and waiting */
    work(r);
    peer_set(r, 0, 1, true);
    rig_free(r);
}

TEST(blob, runs_no_more_fetches_at_a_time_than_its_limit) {
    struct blob_limits l = blob_cfg_default().limits;
    l.running = 2;
    l.fetches = 3;
    struct rig *r = rig_make(100, &l);
    all_up(r);
    for (uint8_t i = 0; i < 4; i++) {
        r->hash.b[1] = i;
        want(r, r->size, 0, 1, 1);
    }
    CHECK_EQ(3, blob_counters(r->node[0].b).wanted);
    CHECK_EQ(2, r->tail - r->head);
    work(r);
    CHECK_EQ(3, r->done);
    rig_free(r);
}

TEST(blob, refuses_what_nobody_asked_for) {
    struct rig *r = rig_make(100, NULL);
    struct vl_buf w;
    struct wire_blob m = { .kind = WIRE_BLOB_CHUNK, .hash = r->hash, .size = 100, .length = 1 };
    struct blob_event ev = { .kind = BLOB_RECV, .now = r->now };
    vl_buf_init(&w, 1000);
    CHECK_OK(wire_blob_encode_head(&m, &w));
    CHECK_OK(vl_buf_append(&w, "x", 1));
    ev.u.recv.peer = r->node[1].id;
    ev.u.recv.bytes = vl_span(w.p, w.len);
    CHECK_EQ(VL_ENOTFOUND, blob_step(r->node[0].b, &ev, &r->fx)); /* not even up */
    all_up(r);
    CHECK_EQ(VL_ENOTFOUND, blob_step(r->node[0].b, &ev, &r->fx));
    want(r, 100, 0, 2, 2);
    CHECK_EQ(VL_ENOTFOUND, blob_step(r->node[0].b, &ev, &r->fx)); /* not from that source */
    ev.u.recv.bytes.n--;
    CHECK_EQ(VL_EPARSE, blob_step(r->node[0].b, &ev, &r->fx));
    CHECK_EQ(4, blob_counters(r->node[0].b).refused);
    work(r);
    expect_done(r);
    vl_buf_free(&w);
    rig_free(r);
}
