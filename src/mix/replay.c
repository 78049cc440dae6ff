#include "mix/replay.h"

#include "base/map.h"
#include "crypto/hash.h"
#include "mix/replay_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* What comparing two lines gives, in one register: bit i of SEEN_FOUND: lane i of either line holds the fingerprint; of
 * SEEN_USED: lane i of that line is taken. */
typedef uint64_t seen;
#define SEEN(found, used0, used1) ((seen)(found) | (seen)(used0) << 16 | (seen)(used1) << 32)
#define SEEN_FOUND(s) ((uint32_t)(s)&0xffffu)
#define SEEN_USED(s, side) ((uint32_t)((s) >> (16 + 16 * (side))) & 0xffffu)
typedef seen compare_fn(const struct replay_line *a, const struct replay_line *b, uint32_t print);

struct replay {
    struct replay_fixed *fixed;
    struct replay_count *count;
    uint8_t (*stash)[16];
    struct replay_line *line;
    compare_fn *compare;
    uint64_t lines, capacity, sip[2];
    uint64_t entries, stash_n; /* as in count: memory that others can write decides nothing after open */
    uint64_t replays, refused;
};

/* ---- comparing ---- */

static seen compare_portable(const struct replay_line *a, const struct replay_line *b, uint32_t print) {
    uint32_t found = 0, used[2] = { 0 };
    for (unsigned i = 0; i < REPLAY_LINE; i++) {
        found |= (uint32_t)(a->print[i] == print || b->print[i] == print) << i;
        used[0] |= (uint32_t)(a->print[i] != 0) << i;
        used[1] |= (uint32_t)(b->print[i] != 0) << i;
    }
    return SEEN(found, used[0], used[1]);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline uint32_t equal_avx2(const struct replay_line *l, __m256i v) {
    const __m256i *p = (const __m256i *)(const void *)l->print;
    __m256i lo = _mm256_cmpeq_epi32(_mm256_load_si256(p), v), hi = _mm256_cmpeq_epi32(_mm256_load_si256(p + 1), v);
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(lo)) | (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(hi))
                                                                       << 8;
}
__attribute__((target("avx2"))) static seen compare_avx2(const struct replay_line *a, const struct replay_line *b,
                                                         uint32_t print) {
    __m256i v = _mm256_set1_epi32((int)print), none = _mm256_setzero_si256();
    return SEEN(equal_avx2(a, v) | equal_avx2(b, v), ~equal_avx2(a, none) & 0xffff, ~equal_avx2(b, none) & 0xffff);
}
__attribute__((target("avx512f"))) static seen compare_avx512(const struct replay_line *a, const struct replay_line *b,
                                                              uint32_t print) {
    __m512i v = _mm512_set1_epi32((int)print), x = _mm512_load_si512(a->print), y = _mm512_load_si512(b->print);
    return SEEN(_mm512_cmpeq_epi32_mask(x, v) | _mm512_cmpeq_epi32_mask(y, v), _mm512_test_epi32_mask(x, x),
                _mm512_test_epi32_mask(y, y));
}
#endif

static compare_fn *compare_of(enum replay_impl impl) {
    switch (impl) {
    case REPLAY_PORTABLE:
        return compare_portable;
#if defined(__x86_64__)
    case REPLAY_AVX2:
        return __builtin_cpu_supports("avx2") ? compare_avx2 : NULL;
    case REPLAY_AVX512:
        return __builtin_cpu_supports("avx512f") ? compare_avx512 : NULL;
#else
    case REPLAY_AVX2:
    case REPLAY_AVX512:
        break;
#endif
    }
    return NULL;
}
bool replay_use(struct replay *r, enum replay_impl impl) {
    compare_fn *f = compare_of(impl);
    if (f != NULL) r->compare = f;
    return f != NULL;
}

/* ---- layout ---- */

/* Two lines at least, so that the candidates always differ. */
static uint64_t lines_for(uint64_t capacity) {
    uint64_t n = (capacity + REPLAY_FILL - 1) / REPLAY_FILL;
    return n < 2 ? 2 : n;
}
size_t replay_size(uint64_t capacity) {
    assert(capacity >= 1 && capacity <= REPLAY_CAPACITY_MAX);
    return REPLAY_LINES_AT + (size_t)lines_for(capacity) * sizeof(struct replay_line);
}

static struct vl_hash fixed_check(const struct replay_fixed *f) {
    struct vl_hash h;
    crypto_blake2b256(vl_span(f, offsetof(struct replay_fixed, check)), &h);
    return h;
}

static enum vl_err handle_make(void *mem, uint64_t capacity, const uint8_t sip_key[16], struct replay **ret) {
    struct replay *r = calloc(1, sizeof *r);
    if (r == NULL) return VL_ENOMEM;
    uint8_t *at = mem;
    r->fixed = mem;
    r->count = (struct replay_count *)(void *)(at + REPLAY_COUNT_AT);
    r->stash = (uint8_t(*)[16])(at + REPLAY_STASH_AT);
    r->line = (struct replay_line *)(void *)(at + REPLAY_LINES_AT);
    r->lines = lines_for(capacity);
    r->capacity = capacity;
    memcpy(r->sip, sip_key, 16);
    if (!replay_use(r, REPLAY_AVX512) && !replay_use(r, REPLAY_AVX2)) r->compare = compare_portable;
    *ret = r;
    return VL_OK;
}

enum vl_err replay_create(void *mem, size_t size, uint64_t capacity, const uint8_t key_hash[32],
                          const uint8_t sip_key[16], struct replay **ret) {
    if (mem == NULL || (uintptr_t)mem % 64 != 0 || capacity < 1 || capacity > REPLAY_CAPACITY_MAX ||
        size < replay_size(capacity))
        return VL_ERANGE;
    struct replay_fixed *f = mem;
    enum vl_err err = handle_make(mem, capacity, sip_key, ret);
    if (err) return err;
    *f = (struct replay_fixed){ .magic = REPLAY_MAGIC,
                                .version = REPLAY_VERSION,
                                .stash = REPLAY_STASH,
                                .capacity = capacity,
                                .lines = (*ret)->lines };
    memcpy(f->key_hash, key_hash, 32);
    memcpy(f->sip_key, sip_key, 16);
    struct vl_hash h = fixed_check(f);
    memcpy(f->check, h.b, 32); /* last: killed before, the table is refused */
    return VL_OK;
}

/* Slots are taken from the front, so that their number is where the first free one is. */
static unsigned taken(uint32_t used) { return (unsigned)__builtin_ctz(~used); }

/* Counts what is there.  False: a hole in a line, which we never make. */
static bool lines_count(const struct replay *r, uint64_t *ret) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < r->lines; i++) {
        uint32_t used = SEEN_USED(r->compare(&r->line[i], &r->line[i], 0), 0);
        if ((used & (used + 1)) != 0) return false;
        n += taken(used);
    }
    *ret = n;
    return true;
}
/* Behind the tag that may have been half written nothing was ever written. */
static bool stash_sound(const struct replay *r, uint64_t n) {
    static const uint8_t none[16];
    if (n > REPLAY_STASH) return false;
    for (uint64_t i = n + 1; i < REPLAY_STASH; i++)
        if (memcmp(r->stash[i], none, 16) != 0) return false;
    return true;
}

enum vl_err replay_open(void *mem, size_t size, const uint8_t key_hash[32], struct replay **ret) {
    const struct replay_fixed *f = mem;
    if (mem == NULL || (uintptr_t)mem % 64 != 0 || size < REPLAY_LINES_AT) return VL_ECORRUPT;
    struct vl_hash h = fixed_check(f);
    if (f->magic != REPLAY_MAGIC || f->version != REPLAY_VERSION || memcmp(h.b, f->check, 32) != 0 ||
        memcmp(f->key_hash, key_hash, 32) != 0 || f->stash != REPLAY_STASH || f->capacity < 1 ||
        f->capacity > REPLAY_CAPACITY_MAX || f->lines != lines_for(f->capacity) || size < replay_size(f->capacity))
        return VL_ECORRUPT;
    struct replay *r;
    uint64_t n = 0;
    enum vl_err err = handle_make(mem, f->capacity, f->sip_key, &r);
    if (err) return err;
    /* The counter follows the slot, so that a process killed between the two leaves it one behind; any other difference
     * means that parts of the file are of different ages. */
    struct replay_count count = *r->count;
    bool sound = stash_sound(r, count.stash) && lines_count(r, &n);
    n += sound ? count.stash : 0;
    if (!sound || n > r->capacity || (count.entries != n && count.entries + 1 != n)) {
        free(r);
        return VL_ECORRUPT;
    }
    r->stash_n = count.stash;
    r->entries = r->count->entries = n;
    *ret = r;
    return VL_OK;
}

void replay_close(struct replay *r) { free(r); }

/* ---- use ---- */

struct replay_place replay_place_of(const struct replay *r, const uint8_t tag[16]) {
    struct replay_place p;
    uint64_t h = vl_siphash(r->sip, tag, 16);
    p.line[0] = ((h >> 32) * r->lines) >> 32;
    uint64_t other = p.line[0] + 1 + (((h & 0xffffffffu) * (r->lines - 1)) >> 32);
    p.line[1] = other < r->lines ? other : other - r->lines;
    /* Straight from the tag: it comes out of the key derivation, and must not depend on what chose the lines.  Who
     * looks for packets of equal fingerprints finds only packets of his own, and still not their lines. */
    memcpy(&p.print, tag, 4);
    if (p.print == 0) p.print = 1; /* 0 means free */
    return p;
}

void replay_prefetch(const struct replay *r, const uint8_t (*tag)[16], size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct replay_place p = replay_place_of(r, tag[i]);
        __builtin_prefetch(&r->line[p.line[0]], 1);
        __builtin_prefetch(&r->line[p.line[1]], 1);
    }
}

static bool stash_has(const struct replay *r, const uint8_t tag[16]) {
    for (uint64_t i = 0; i < r->stash_n; i++)
        if (memcmp(r->stash[i], tag, 16) == 0) return true;
    return false;
}

/* What makes a tag known is one aligned store each: of a slot, or of the stash's length behind a whole tag.  A process
 * killed at any instruction leaves the tag known or not, never half; the counter comes after. */
static bool note(struct replay *r, const struct replay_place *p, seen s, const uint8_t tag[16]) {
    unsigned first = taken(SEEN_USED(s, 0)), second = taken(SEEN_USED(s, 1));
    unsigned n = first <= second ? first : second;
    if (n < REPLAY_LINE) {
        uint64_t line = first <= second ? p->line[0] : p->line[1];
        __atomic_store_n(&r->line[line].print[n], p->print, __ATOMIC_RELEASE);
    } else if (r->stash_n < REPLAY_STASH) {
        memcpy(r->stash[r->stash_n], tag, 16);
        __atomic_store_n(&r->count->stash, ++r->stash_n, __ATOMIC_RELEASE);
    } else {
        return false;
    }
    __atomic_store_n(&r->count->entries, ++r->entries, __ATOMIC_RELEASE);
    return true;
}

enum vl_err replay_check(struct replay *r, const uint8_t tag[16]) {
    struct replay_place p = replay_place_of(r, tag);
    seen s = r->compare(&r->line[p.line[0]], &r->line[p.line[1]], p.print);
    if (SEEN_FOUND(s) != 0 || (r->stash_n > 0 && stash_has(r, tag))) {
        r->replays++;
        return VL_EREPLAY;
    }
    if (r->entries >= r->capacity || !note(r, &p, s, tag)) {
        r->refused++;
        return VL_ELIMIT;
    }
    return VL_OK;
}

struct replay_stats replay_stats(const struct replay *r) {
    return (struct replay_stats){ .capacity = r->capacity,
                                  .entries = r->entries,
                                  .stash = r->stash_n,
                                  .replays = r->replays,
                                  .refused = r->refused,
                                  .crowded = r->entries * 5 > r->capacity * 4 };
}
