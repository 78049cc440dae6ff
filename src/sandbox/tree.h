/* tree.h - the folders of tasks: what a task left in /out, how much it holds, and getting rid of all of it.
 * Everything below a task's folder was named and made by a stranger: no link is followed, no depth or count is trusted,
 * and nothing recurses. */
#ifndef VL_SANDBOX_TREE_H
#define VL_SANDBOX_TREE_H

#include "base/bounds.h"
#include "base/err.h"

#include <stdint.h>

/* Removes `name` below the folder `dir` (an open descriptor), whatever it is.  VL_OK when absent.  VL_EIO. */
VL_MUST_CHECK enum vl_err tree_remove(int dir, const char *name);

struct tree_usage {
    uint64_t bytes;
    uint32_t entries;
};
/* Adds up files below `name`; stops when entries pass max_entries, which it then reports as max_entries + 1. */
void tree_usage(int dir, const char *name, uint32_t max_entries, struct tree_usage *ret);

struct tree_file {
    char name[VL_NAME_MAX];
    uint64_t size;
};
/* The regular files directly in `name` with one link, sorted by name, at most `max`; a name with other bytes than
 * [A-Za-z0-9._-] and >= 0x80 is changed on disk to one with '_' in their place.  Everything else counts as ignored:
 * folders, links, devices, names of VL_NAME_MAX bytes or more, "stdout", "stderr", a changed name that is taken. */
uint32_t tree_outputs(int dir, const char *name, struct tree_file *files, uint32_t max, uint32_t *ret_ignored);

#endif
