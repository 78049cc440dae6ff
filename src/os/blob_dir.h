/* blob_dir.h - content-addressed files of a node: DIR/xx/HASH, partial ones in DIR/part/HASH.
 * A file under its hash is complete, verified and synced; nothing else ever gets that name.  The caller hashes and
 * calls os_blob_adopt() only after checking.  Not thread-safe per hash; reads are. */
#ifndef VL_OS_BLOB_DIR_H
#define VL_OS_BLOB_DIR_H

#include "base/bytes.h"
#include "base/id.h"

struct os_blob_dir {
    char dir[512];
};
/* Creates what is missing (0700).  `dir` at most 400 characters.  VL_ERANGE and the errors of os_mkdir_all(). */
VL_MUST_CHECK enum vl_err os_blob_dir_open(struct os_blob_dir *d, const char *dir);
/* Path of the complete file, written to dst; it may not exist. */
void os_blob_path(const struct os_blob_dir *d, const struct vl_hash *h, char dst[640]);
void os_blob_part_path(const struct os_blob_dir *d, const struct vl_hash *h, char dst[640]);
/* Size of the complete blob.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err os_blob_size(const struct os_blob_dir *d, const struct vl_hash *h, uint64_t *ret);
/* Bytes of the partial file, 0 when none. */
uint64_t os_blob_part_size(const struct os_blob_dir *d, const struct vl_hash *h);
/* Reads exactly n bytes at offset of a complete blob.  VL_ENOTFOUND, VL_ERANGE: past the end, VL_EIO. */
VL_MUST_CHECK enum vl_err os_blob_read(const struct os_blob_dir *d, const struct vl_hash *h, uint64_t offset, void *p,
                                       size_t n);
/* Writes to the partial file.  VL_ENOSPC, VL_EIO. */
VL_MUST_CHECK enum vl_err os_blob_write(const struct os_blob_dir *d, const struct vl_hash *h, uint64_t offset,
                                        const void *p, size_t n);
void os_blob_discard(const struct os_blob_dir *d, const struct vl_hash *h); /* the partial file */
void os_blob_remove(const struct os_blob_dir *d, const struct vl_hash *h);  /* the complete file */
/* Syncs `path` and gives it its name: the caller has verified that its content hashes to h.  The file moves (rename
 * within one file system).  VL_OK too when the blob is there already (then `path` is removed). */
VL_MUST_CHECK enum vl_err os_blob_adopt(const struct os_blob_dir *d, const struct vl_hash *h, const char *path);
/* Writes a complete blob that is durable elsewhere (small ones live in the store): renamed whole, but not synced. */
VL_MUST_CHECK enum vl_err os_blob_cache(const struct os_blob_dir *d, const struct vl_hash *h, const void *p, size_t n);
/* Marks a complete blob as used now; those used longest ago go first in os_blob_trim(). */
void os_blob_touch(const struct os_blob_dir *d, const struct vl_hash *h);
/* Removes complete blobs, least recently used first, until at most max_bytes are left; none used within the last keep_s
 * seconds.  For caches only: whoever holds the only copy must not call it.  Returns the bytes that are left.  May run
 * on another thread than the rest. */
uint64_t os_blob_trim(const struct os_blob_dir *d, uint64_t max_bytes, int64_t keep_s);

#endif
