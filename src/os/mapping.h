/* mapping.h - a file as shared memory: what is written there survives the process, not the machine's power. */
#ifndef VL_OS_MAPPING_H
#define VL_OS_MAPPING_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct os_mapping {
    void *p; /* page-aligned; NULL: not open */
    size_t size;
};
/* Makes `path` (0600, must not exist) with `size` zero bytes whose disk space is taken at once, so that a full disk is
 * an error here and not a signal later.  VL_EEXISTS, VL_ENOSPC, VL_EDENIED, VL_EIO, VL_ENOMEM: no file is left. */
VL_MUST_CHECK enum vl_err os_mapping_create(const char *path, size_t size, struct os_mapping *ret);
/* VL_ENOTFOUND, VL_EDENIED, VL_EIO, VL_ENOMEM; VL_ECORRUPT: an empty file or holes in it. */
VL_MUST_CHECK enum vl_err os_mapping_open(const char *path, struct os_mapping *ret);
/* The file stays.  An all-zero mapping is fine. */
void os_mapping_close(struct os_mapping *m);
/* A value that changes with every start of the kernel, and only then.  VL_EIO: the kernel does not say. */
VL_MUST_CHECK enum vl_err os_boot_id(uint8_t ret[16]);

#endif
