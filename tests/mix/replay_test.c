#include "mix/replay.h"

#include "base/prng.h"
#include "mix/replay_priv.h"

#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t key_hash[32] = { 7, 1 }, sip_key[16] = { 3, 1, 4, 1, 5 };

/* Zeroed and aligned as a fresh mapping is. */
static void *memory(size_t n) {
    void *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096);
    CHECK(p != NULL);
    memset(p, 0, n);
    return p;
}
struct table {
    void *mem;
    size_t size;
    struct replay *r;
};
static struct table table_make(uint64_t capacity) {
    struct table t = { .size = replay_size(capacity) };
    t.mem = memory(t.size);
    CHECK_OK(replay_create(t.mem, t.size, capacity, key_hash, sip_key, &t.r));
    return t;
}
static void table_free(struct table *t) {
    replay_close(t->r);
    free(t->mem);
}
static enum vl_err reopen(struct table *t) {
    replay_close(t->r);
    t->r = NULL;
    return replay_open(t->mem, t->size, key_hash, &t->r);
}

/* Tag i of a sequence: as random as what the key derivation gives. */
static void tag_of(uint64_t seed, uint64_t i, uint8_t tag[16]) {
    struct vl_prng g;
    vl_prng_seed(&g, seed * 0x9e3779b97f4a7c15u + i);
    uint64_t v[2] = { vl_prng_next(&g), vl_prng_next(&g) };
    memcpy(tag, v, 16);
}
static enum vl_err check_tag(struct replay *r, uint64_t seed, uint64_t i) {
    uint8_t tag[16];
    tag_of(seed, i, tag);
    return replay_check(r, tag);
}
static void expect_range(struct replay *r, uint64_t seed, uint64_t from, uint64_t to, enum vl_err want) {
    for (uint64_t i = from; i < to; i++) CHECK_EQ(want, check_tag(r, seed, i));
}

TEST(replay, a_tag_is_new_once_and_seen_ever_after) {
    struct table t = table_make(100);
    expect_range(t.r, 1, 0, 50, VL_OK);
    expect_range(t.r, 1, 0, 50, VL_EREPLAY);
    expect_range(t.r, 1, 50, 100, VL_OK);
    expect_range(t.r, 1, 0, 100, VL_EREPLAY);
    struct replay_stats s = replay_stats(t.r);
    CHECK_EQ(100, s.entries);
    CHECK_EQ(150, s.replays);
    CHECK_EQ(0, s.refused);
    table_free(&t);
}

TEST(replay, a_million_fresh_tags_pass_and_a_million_replays_are_caught_at_full_load) {
    struct table t = table_make(1000000);
    for (uint64_t i = 0; i < 1000000; i += 64) {
        uint8_t tags[64][16];
        size_t n = i + 64 <= 1000000 ? 64 : 1000000 - (size_t)i;
        for (size_t k = 0; k < n; k++) tag_of(2, i + k, tags[k]);
        replay_prefetch(t.r, (const uint8_t(*)[16])tags, n);
        for (size_t k = 0; k < n; k++) CHECK_EQ(VL_OK, replay_check(t.r, tags[k])); /* p of one failure here: 0.003 */
    }
    expect_range(t.r, 2, 0, 1000000, VL_EREPLAY);
    CHECK_EQ(0, replay_stats(t.r).stash); /* two choices keep lines even */
    table_free(&t);
}

TEST(replay, fills_to_its_capacity_and_then_refuses_loudly) {
    for (uint64_t capacity = 1; capacity <= 300; capacity += capacity < 40 ? 1 : 37) {
        struct table t = table_make(capacity);
        expect_range(t.r, capacity, 0, capacity, VL_OK);
        for (int round = 0; round < 2; round++) { /* refused is not noted: refused again, not seen */
            expect_range(t.r, capacity, capacity, capacity + 5, VL_ELIMIT);
            expect_range(t.r, capacity, 0, capacity, VL_EREPLAY); /* and what was seen stays seen */
        }
        struct replay_stats s = replay_stats(t.r);
        CHECK_EQ(capacity, s.capacity);
        CHECK_EQ(capacity, s.entries);
        CHECK_EQ(10, s.refused);
        table_free(&t);
    }
}

TEST(replay, is_crowded_above_four_fifths_exactly) {
    struct table t = table_make(1000);
    expect_range(t.r, 3, 0, 800, VL_OK);
    CHECK(!replay_stats(t.r).crowded);
    expect_range(t.r, 3, 800, 801, VL_OK);
    CHECK(replay_stats(t.r).crowded);
    table_free(&t);
}

TEST(replay, a_fingerprint_of_zero_is_no_free_slot) {
    struct table t = table_make(1000);
    uint8_t tag[16] = { 0 }; /* all zero, and others that begin with zeros */
    CHECK_OK(replay_check(t.r, tag));
    CHECK_EQ(VL_EREPLAY, replay_check(t.r, tag));
    for (uint8_t i = 1; i < 8; i++) {
        tag[9] = i;
        struct replay_place p = replay_place_of(t.r, tag);
        CHECK_EQ(1, p.print);
        vl_ignore(replay_check(t.r, tag)); /* may meet another of them in a line: one in eighty */
        CHECK_EQ(VL_EREPLAY, replay_check(t.r, tag));
    }
    CHECK_OK(reopen(&t));
    CHECK_EQ(VL_EREPLAY, replay_check(t.r, tag));
    table_free(&t);
}

TEST(replay, candidate_lines_differ_and_reach_every_line) {
    struct table t = table_make(12 * 7);
    unsigned hits[2][7] = { 0 };
    for (uint64_t i = 0; i < 7000; i++) {
        uint8_t tag[16];
        tag_of(4, i, tag);
        struct replay_place p = replay_place_of(t.r, tag);
        CHECK(p.line[0] < 7 && p.line[1] < 7 && p.line[0] != p.line[1]);
        hits[0][p.line[0]]++;
        hits[1][p.line[1]]++;
    }
    for (int k = 0; k < 14; k++) CHECK(hits[k / 7][k % 7] > 850 && hits[k / 7][k % 7] < 1150);
    table_free(&t);
}

TEST(replay, lines_depend_on_the_sip_key) {
    struct table t = table_make(12000);
    struct replay *other;
    void *mem = memory(t.size);
    const uint8_t other_key[16] = { 9 };
    CHECK_OK(replay_create(mem, t.size, 12000, key_hash, other_key, &other));
    unsigned same = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint8_t tag[16];
        tag_of(5, i, tag);
        same += replay_place_of(t.r, tag).line[0] == replay_place_of(other, tag).line[0];
    }
    CHECK(same < 10); /* one in a thousand by chance */
    replay_close(other);
    free(mem);
    table_free(&t);
}

TEST(replay, every_way_to_compare_gives_the_same_answers) {
    static const enum replay_impl impl[] = { REPLAY_PORTABLE, REPLAY_AVX2, REPLAY_AVX512 };
    static enum vl_err want[30000];
    for (size_t k = 0; k < 3; k++) {
        struct table t = table_make(12000);
        if (!replay_use(t.r, impl[k])) {
            print_message("# implementation %d is not available here\n", (int)impl[k]);
            table_free(&t);
            continue;
        }
        for (uint64_t i = 0; i < 30000; i++) {
            enum vl_err got = check_tag(t.r, 6, i * i % 20011); /* about 10,000 different ones, in wild order */
            if (k == 0) want[i] = got;
            CHECK_EQ(want[i], got);
        }
        CHECK(replay_stats(t.r).replays > 15000);
        table_free(&t);
    }
}

/* Tags of one pair of lines, as nobody could make them without the key of the hash. */
static uint64_t aimed(const struct replay *r, uint64_t from, uint8_t tag[16]) {
    for (;; from++) {
        tag_of(7, from, tag);
        struct replay_place p = replay_place_of(r, tag);
        if (p.line[0] + p.line[1] == 1) return from + 1;
    }
}

TEST(replay, what_finds_no_room_in_its_lines_goes_to_the_stash_and_is_refused_when_that_is_full) {
    struct table t = table_make(240);
    uint64_t next = 0;
    uint8_t tag[16], first[16];
    CHECK_EQ(2 * REPLAY_LINE + REPLAY_STASH - 16, 208); /* less than capacity */
    for (unsigned i = 0; i < 2 * REPLAY_LINE + REPLAY_STASH; i++) {
        next = aimed(t.r, next, tag);
        CHECK_OK(replay_check(t.r, tag));
        if (i == 2 * REPLAY_LINE) memcpy(first, tag, 16);
        CHECK_EQ(i < 2 * REPLAY_LINE ? 0 : i + 1 - 2 * REPLAY_LINE, replay_stats(t.r).stash);
    }
    next = aimed(t.r, next, tag);
    CHECK_EQ(VL_ELIMIT, replay_check(t.r, tag));
    CHECK_EQ(1, replay_stats(t.r).refused);
    CHECK_OK(reopen(&t));
    CHECK_EQ(REPLAY_STASH, replay_stats(t.r).stash);
    CHECK_EQ(VL_ELIMIT, replay_check(t.r, tag));
    CHECK_EQ(VL_EREPLAY, replay_check(t.r, first));
    uint64_t again = 0;
    for (unsigned i = 0; i < 2 * REPLAY_LINE + REPLAY_STASH; i++) {
        again = aimed(t.r, again, tag);
        CHECK_EQ(VL_EREPLAY, replay_check(t.r, tag));
    }
    table_free(&t);
}

TEST(replay, refuses_capacities_sizes_and_alignments_it_cannot_use) {
    size_t n = replay_size(100);
    uint8_t *mem = memory(n + 64);
    struct replay *r = NULL;
    CHECK_EQ(VL_ERANGE, replay_create(mem, n - 1, 100, key_hash, sip_key, &r));
    CHECK_EQ(VL_ERANGE, replay_create(mem + 32, n, 100, key_hash, sip_key, &r));
    CHECK_EQ(VL_ERANGE, replay_create(mem, n, 0, key_hash, sip_key, &r));
    CHECK_EQ(VL_ERANGE, replay_create(mem, n, REPLAY_CAPACITY_MAX + 1, key_hash, sip_key, &r));
    CHECK_EQ(VL_ERANGE, replay_create(NULL, n, 100, key_hash, sip_key, &r));
    CHECK(r == NULL);
    CHECK_OK(replay_create(mem, n + 64, 100, key_hash, sip_key, &r));
    replay_close(r);
    free(mem);
    CHECK_EQ(4096 + 64ull * 357913942, replay_size(REPLAY_CAPACITY_MAX));
    CHECK_EQ(4096 + 64 * 2, replay_size(1));
    CHECK_EQ(4096 + 64 * 2, replay_size(24));
    CHECK_EQ(4096 + 64 * 3, replay_size(25));
}

/* ---- crashes ---- */

TEST(replay, a_copy_taken_at_any_moment_opens_and_knows_every_tag_until_then) {
    struct table t = table_make(3000);
    struct table c = { .size = t.size };
    struct vl_prng g;
    vl_prng_seed(&g, 8);
    c.mem = memory(t.size);
    for (uint64_t i = 0, copied = 0; i < 3000; i++) {
        CHECK_EQ(VL_OK, check_tag(t.r, 8, i));
        if (vl_prng_below(&g, 100) != 0) continue;
        memcpy(c.mem, t.mem, t.size);
        CHECK_OK(reopen(&c));
        CHECK_EQ(i + 1, replay_stats(c.r).entries);
        expect_range(c.r, 8, 0, i + 1, VL_EREPLAY);
        expect_range(c.r, 8, i + 1, i + 2 < 3000 ? i + 2 : 3000, VL_OK);
        copied++;
        CHECK(i < 2000 || copied > 0);
    }
    table_free(&t);
    table_free(&c);
}

static struct replay_count *count_of(struct table *t) {
    return (struct replay_count *)(void *)((uint8_t *)t->mem + REPLAY_COUNT_AT);
}
static struct replay_line *lines_of(struct table *t) {
    return (struct replay_line *)(void *)((uint8_t *)t->mem + REPLAY_LINES_AT);
}

TEST(replay, killed_between_slot_and_counter_the_tag_is_known) {
    struct table t = table_make(100);
    expect_range(t.r, 9, 0, 40, VL_OK);
    count_of(&t)->entries = 39; /* as if the second store had not happened */
    CHECK_OK(reopen(&t));
    CHECK_EQ(40, replay_stats(t.r).entries);
    CHECK_EQ(40, count_of(&t)->entries);
    expect_range(t.r, 9, 0, 40, VL_EREPLAY);
    expect_range(t.r, 9, 40, 100, VL_OK);
    table_free(&t);
}

TEST(replay, killed_while_a_stash_tag_was_written_it_is_not_known_and_does_no_harm) {
    struct table t = table_make(240);
    uint8_t tag[16];
    uint64_t next = 0;
    for (unsigned i = 0; i < 2 * REPLAY_LINE + 3; i++) {
        next = aimed(t.r, next, tag);
        CHECK_OK(replay_check(t.r, tag));
    }
    next = aimed(t.r, next, tag);
    memcpy((uint8_t *)t.mem + REPLAY_STASH_AT + 3 * 16, tag, 9); /* half of the fourth */
    CHECK_OK(reopen(&t));
    CHECK_EQ(3, replay_stats(t.r).stash);
    CHECK_OK(replay_check(t.r, tag));
    CHECK_EQ(VL_EREPLAY, replay_check(t.r, tag));
    memset((uint8_t *)t.mem + REPLAY_STASH_AT + 5 * 16, 1, 1); /* further on nobody ever wrote */
    CHECK_EQ(VL_ECORRUPT, reopen(&t));
    table_free(&t);
}

TEST(replay, parts_of_different_ages_are_refused) {
    struct table t = table_make(100);
    expect_range(t.r, 10, 0, 40, VL_OK);
    for (uint64_t entries = 0; entries <= 101; entries++) {
        count_of(&t)->entries = entries;
        enum vl_err err = reopen(&t);
        CHECK_EQ(entries == 39 || entries == 40 ? VL_OK : VL_ECORRUPT, err);
        if (!err) CHECK_EQ(40, replay_stats(t.r).entries);
    }
    count_of(&t)->entries = UINT64_MAX;
    CHECK_EQ(VL_ECORRUPT, reopen(&t));
    count_of(&t)->entries = 40;
    count_of(&t)->stash = REPLAY_STASH + 1;
    CHECK_EQ(VL_ECORRUPT, reopen(&t));
    count_of(&t)->stash = 0;
    CHECK_OK(reopen(&t));
    struct replay_line *l = lines_of(&t);
    uint32_t print = l->print[0];
    CHECK(print != 0 && l->print[1] != 0);
    l->print[0] = 0;                                       /* a hole: slots are taken from the front */
    for (uint64_t entries = 0; entries <= 40; entries++) { /* whatever the counter says */
        count_of(&t)->entries = entries;
        CHECK_EQ(VL_ECORRUPT, reopen(&t));
    }
    l->print[0] = print;
    count_of(&t)->entries = 40;
    CHECK_OK(reopen(&t));
    table_free(&t);
}

TEST(replay, more_entries_than_capacity_are_refused_at_open) {
    struct table t = table_make(12);
    expect_range(t.r, 11, 0, 12, VL_OK);
    CHECK_OK(reopen(&t));
    for (unsigned i = 0; i < REPLAY_LINE; i++)
        if (lines_of(&t)->print[i] == 0) {
            lines_of(&t)->print[i] = 77;
            break;
        }
    count_of(&t)->entries = 13;
    CHECK_EQ(VL_ECORRUPT, reopen(&t));
    table_free(&t);
}

TEST(replay, refuses_a_header_with_any_flipped_bit_another_key_or_another_size) {
    struct table t = table_make(100);
    expect_range(t.r, 12, 0, 40, VL_OK);
    uint8_t *b = t.mem;
    for (size_t i = 0; i < sizeof(struct replay_fixed) * 8; i++) {
        b[i / 8] ^= (uint8_t)(1u << (i % 8));
        CHECK_EQ(VL_ECORRUPT, reopen(&t));
        b[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    uint8_t other[32];
    memcpy(other, key_hash, 32);
    other[31] ^= 1;
    CHECK_EQ(VL_ECORRUPT, replay_open(t.mem, t.size, other, &t.r));
    CHECK_EQ(VL_ECORRUPT, replay_open(t.mem, t.size - 1, key_hash, &t.r));
    CHECK_EQ(VL_ECORRUPT, replay_open(t.mem, 4095, key_hash, &t.r));
    CHECK_EQ(VL_ECORRUPT, replay_open(t.mem, 0, key_hash, &t.r));
    CHECK_EQ(VL_ECORRUPT, replay_open(b + 32, t.size - 32, key_hash, &t.r));
    CHECK_EQ(VL_ECORRUPT, replay_open(NULL, t.size, key_hash, &t.r));
    CHECK_OK(reopen(&t));
    table_free(&t);
    t.mem = memory(t.size); /* never formatted: what a kill before create's last store leaves */
    CHECK_EQ(VL_ECORRUPT, replay_open(t.mem, t.size, key_hash, &t.r));
    free(t.mem);
}

/* A child notes tags in a shared file and says after each that it passed; it is killed at a moment nobody chose. */
struct victim {
    struct table t;
    _Atomic uint64_t *said;
    FILE *file;
};
static void victim_run(struct victim *v, useconds_t life) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (uint64_t i = *v->said;; i++) {
            enum vl_err err = check_tag(v->t.r, 13, i);
            while (err == VL_ELIMIT) (void)pause(); /* a machine this fast may as well be killed asleep */
            if (err) _exit(1);
            *v->said = i + 1;
        }
    }
    (void)usleep(life); /* not for luck: whatever it is, the child is somewhere in its work */
    CHECK_OK(kill(pid, SIGKILL));
    int status;
    CHECK_EQ(pid, waitpid(pid, &status, 0));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(replay, a_process_killed_at_any_instruction_leaves_every_tag_it_had_passed) {
    struct victim v = { .t.size = replay_size(2000000), .file = tmpfile() };
    CHECK(v.file != NULL);
    CHECK_OK(ftruncate(fileno(v.file), (off_t)v.t.size));
    v.t.mem = mmap(NULL, v.t.size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(v.file), 0);
    v.said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(v.t.mem != MAP_FAILED && (void *)v.said != MAP_FAILED);
    CHECK_OK(replay_create(v.t.mem, v.t.size, 2000000, key_hash, sip_key, &v.t.r));
    unsigned ahead = 0;
    for (unsigned round = 0; round < 8; round++) {
        victim_run(&v, 2000 + 1700 * round);
        /* As the next process would: a new mapping, a new handle. */
        CHECK_OK(munmap(v.t.mem, v.t.size));
        v.t.mem = mmap(NULL, v.t.size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(v.file), 0);
        CHECK(v.t.mem != MAP_FAILED);
        CHECK_OK(reopen(&v.t));
        uint64_t said = *v.said, entries = replay_stats(v.t.r).entries;
        CHECK(entries == said || entries == said + 1);
        expect_range(v.t.r, 13, 0, said, VL_EREPLAY);
        ahead += entries != said;
        if (entries == said + 1) CHECK_EQ(VL_EREPLAY, check_tag(v.t.r, 13, said));
        *v.said = entries;
    }
    CHECK(*v.said > 8);
    print_message("# %llu tags, %u kills between the slot and its report\n", (unsigned long long)*v.said, ahead);
    replay_close(v.t.r);
    CHECK_OK(munmap(v.t.mem, v.t.size));
    CHECK_OK(munmap((void *)v.said, 4096));
    CHECK_OK(fclose(v.file));
}
