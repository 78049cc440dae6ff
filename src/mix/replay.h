/* replay.h - which packets of one mix key were seen: a set of 16-byte tags that forgets only with its key.
 * Lines of 16 fingerprints of 32 bits, two candidate lines per tag, and a small stash; indexed by SipHash under a
 * secret of this boot and table, so that senders cannot aim at one line.  The table lives in memory that the caller
 * gives (a shared file mapping, so that a crash keeps it); everything in it is self-describing and checked at open.
 * Never a silent false drop: the chance that a fresh tag looks seen is below 1e-8 up to `capacity`, and beyond it the
 * table says VL_ELIMIT instead of guessing.  Pure; one thread at a time.
 *
 * After a crash.  The memory is a MAP_SHARED mapping of a file.  A tag is in it before replay_check() says that it is
 * new; a process killed at any instruction leaves a table that replay_open() accepts and that lacks at most the tag
 * whose check had not returned.  A machine that loses power is another matter: what reaches the disk then may be whole
 * and old.  So key_hash must name the boot of the machine beside the key (or the file lie where no boot finds it
 * again): a table of an earlier boot is refused, its key deleted.
 *
 * Tags are outputs of the key derivation: their first four bytes serve as fingerprint as they are.
 * Source: mixnet.md section 4; Fan et al. 2014 (cuckoo filter) for the bound on false positives. */
#ifndef VL_MIX_REPLAY_H
#define VL_MIX_REPLAY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_CAPACITY_MAX (1ull << 32)

struct replay; /* opaque: lives inside the memory given, plus a small handle */

/* Bytes for `capacity` tags (1..REPLAY_CAPACITY_MAX): header page with the stash, lines. */
size_t replay_size(uint64_t capacity);
/* Formats mem (replay_size() bytes or more, 64-aligned, zeroed; borrowed until replay_close()) for the key and boot
 * named by key_hash.  VL_ENOMEM.  VL_ERANGE: capacity, size or alignment. */
VL_MUST_CHECK enum vl_err replay_create(void *mem, size_t size, uint64_t capacity, const uint8_t key_hash[32],
                                        const uint8_t sip_key[16], struct replay **ret);
/* Takes up a table that an earlier process left, borrowed as above; reads all of it.  VL_ECORRUPT: not provably a whole
 * table of this key and boot: delete the key.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err replay_open(void *mem, size_t size, const uint8_t key_hash[32], struct replay **ret);
void replay_close(struct replay *r); /* frees the handle, not the memory */

/* Before a batch of up to some hundred: asks the memory for the lines of these tags, without waiting. */
void replay_prefetch(const struct replay *r, const uint8_t (*tag)[16], size_t n);
/* VL_OK: new, and noted.  VL_EREPLAY: seen.  VL_ELIMIT: `capacity` tags are in the table, or neither its two lines nor
 * the stash have room (not expected below capacity); the tag was not noted, drop the packet loudly. */
VL_MUST_CHECK enum vl_err replay_check(struct replay *r, const uint8_t tag[16]);
struct replay_stats {
    /* stash: part of entries; replays, refused (VL_ELIMIT): since this handle was made */
    uint64_t capacity, entries, stash, replays, refused;
    bool crowded; /* above 0.8 of capacity: alarm */
};
struct replay_stats replay_stats(const struct replay *r);

#endif
