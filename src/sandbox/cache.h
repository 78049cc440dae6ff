/* cache.h - compiled modules on disk, one file each: KEY-SUM.so, both BLAKE2b-256 in hex. KEY is the hash of module,
 * toolchain and level; SUM that of the file, so that one rename publishes an entry and damage is seen at its first use in
 * the life of a runner (and later when size or time of the file change). Least recently used entries go first. */
#ifndef VL_SANDBOX_CACHE_H
#define VL_SANDBOX_CACHE_H

#include "base/bytes.h"
#include "base/id.h"
#include "sandbox/request.h"

#include <stdbool.h>
#include <time.h>

#define CACHE_ENTRIES_MAX 4096u      /* more modules than a village has in use at once */
#define CACHE_FILE_MAX (256u << 20)  /* a compiled module; the C compiler's output file is limited to the same */

struct cache_entry {
    struct vl_hash key, sum;
    uint64_t size, used; /* used: counter of the last use */
    bool checked;
    struct timespec mtime; /* when it was checked */
};
struct cache {
    char dir[SANDBOX_PATH_MAX - 136]; /* a slash and the name of an entry fit behind it */
    struct cache_entry *v;
    uint32_t n;
    uint64_t bytes, max_bytes, clock;
    uint64_t rebuilt; /* damaged entries thrown away */
};

/* Reads the folder (made when absent); removes what is not an entry.  VL_ELIMIT: path too long.  VL_ENOMEM; VL_EIO and
 * the other errors of the file system. */
VL_MUST_CHECK enum vl_err cache_open(struct cache *c, const char *dir, uint64_t max_bytes);
void cache_close(struct cache *c);
/* Path of the checked file.  VL_ENOTFOUND: absent, or damaged and now removed.  Reads the file the first time. */
VL_MUST_CHECK enum vl_err cache_get(struct cache *c, const struct vl_hash *key, char ret_path[SANDBOX_PATH_MAX]);
/* Takes a copy of the file `path` (regular, opened without following links).  VL_ELIMIT: larger than CACHE_FILE_MAX. */
VL_MUST_CHECK enum vl_err cache_put(struct cache *c, const struct vl_hash *key, const char *path);

/* The whole of a regular file, appended to b.  VL_ENOTFOUND, VL_EDENIED (also: a link or a device), VL_ELIMIT, VL_EIO. */
VL_MUST_CHECK enum vl_err cache_read_file(const char *path, struct vl_buf *b);

#endif
