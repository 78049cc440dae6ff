/* replay_priv.h - how a replay table lies in its memory; for replay.c, its tests and its fuzz target only.
 *
 *   0     struct replay_fixed   what never changes after create, under a checksum
 *   256   struct replay_count   entries and stash length, rewritten with every new tag
 *   1024  stash: REPLAY_STASH whole tags, for those whose two lines are both full
 *   4096  lines
 *
 * Integers are the machine's own: the file never leaves it, and another byte order fails the magic number. */
#ifndef VL_MIX_REPLAY_PRIV_H
#define VL_MIX_REPLAY_PRIV_H

#include "mix/replay.h"

#define REPLAY_MAGIC 0x31796c7065526c76u /* "vlReply1" where bytes are little-endian */
#define REPLAY_VERSION 1u
#define REPLAY_LINE 16u   /* fingerprints of 32 bits */
#define REPLAY_FILL 12u   /* of them taken at capacity, on average: load 0.75 */
#define REPLAY_STASH 192u /* tags; at load 0.75 none is expected in any table that fits a machine */
#define REPLAY_COUNT_AT 256u
#define REPLAY_STASH_AT 1024u
#define REPLAY_LINES_AT 4096u

struct replay_fixed {
    uint64_t magic;
    uint32_t version, stash;
    uint64_t capacity, lines;
    uint8_t key_hash[32], sip_key[16];
    uint8_t check[32]; /* BLAKE2b-256 of all before it */
};
struct replay_count {
    uint64_t entries; /* taken slots of lines and stash; one behind when killed between the two stores */
    uint64_t stash;   /* tags in the stash; raised after the tag is whole */
};
_Static_assert(sizeof(struct replay_fixed) <= REPLAY_COUNT_AT, "layout");
_Static_assert(REPLAY_STASH_AT + REPLAY_STASH * 16u <= REPLAY_LINES_AT, "layout");

struct replay_line {
    _Alignas(64) uint32_t print[REPLAY_LINE]; /* taken from the front; 0: free */
};

/* How two lines are compared; all give the same answers. */
enum replay_impl { REPLAY_PORTABLE = 1, REPLAY_AVX2 = 2, REPLAY_AVX512 = 3 };
/* False: this processor cannot; nothing has changed. */
bool replay_use(struct replay *r, enum replay_impl impl);
/* The two candidate lines of a tag (always different) and its fingerprint (never 0). */
struct replay_place {
    uint64_t line[2];
    uint32_t print;
};
struct replay_place replay_place_of(const struct replay *r, const uint8_t tag[16]);

#endif
