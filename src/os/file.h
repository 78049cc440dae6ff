/* file.h - whole small files and directories, durably.  Paths are the node's own, never a peer's. */
#ifndef VL_OS_FILE_H
#define VL_OS_FILE_H

#include "base/bytes.h"

/* Creates the directory and its parents with `mode`.  VL_OK when it exists.  VL_EDENIED, VL_ENOSPC, VL_EIO; VL_EEXISTS:
 * a file of that name is in the way. */
VL_MUST_CHECK enum vl_err os_mkdir_all(const char *path, unsigned mode);
/* Appends the file to `b`, at most b->max bytes in all.  VL_ENOTFOUND, VL_ELIMIT, VL_EDENIED, VL_EIO, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err os_file_read(const char *path, struct vl_buf *b);
/* Replaces the file so that after a crash either the old or the new content is there: temporary file, fsync, rename,
 * fsync of the directory.  VL_ENOSPC, VL_EDENIED, VL_EIO. */
VL_MUST_CHECK enum vl_err os_file_write(const char *path, const void *p, size_t n, unsigned mode);
/* fsync of a directory, so that a rename in it lasts. */
VL_MUST_CHECK enum vl_err os_dir_sync(const char *path);
/* Removes a directory tree below and with `path`; follows no link.  VL_OK when absent.  VL_EIO, VL_EDENIED. */
VL_MUST_CHECK enum vl_err os_tree_remove(const char *path);
/* Overwrites the file with zeros where it lies, syncs, and removes it.  Best effort: a file system that copies on write, or
 * flash, may keep the old bytes elsewhere.  VL_OK when absent. */
void os_file_shred(const char *path);
/* Tells each name in a directory but "." and ".."; what each() removes may or may not be told.  VL_OK when absent. */
VL_MUST_CHECK enum vl_err os_dir_each(const char *path, void (*each)(void *arg, const char *name), void *arg);
/* Takes an exclusive lock on `path` (created 0600) held until the returned descriptor closes.  VL_EBUSY. */
VL_MUST_CHECK enum vl_err os_file_lock(const char *path, int *ret_fd);
/* Of the errno that a system call left. */
enum vl_err os_err(int sys_errno);

#endif
