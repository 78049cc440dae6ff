/* folder.h - all files of a small folder at once, as for certificates of vendors. */
#ifndef VL_OS_FOLDER_H
#define VL_OS_FOLDER_H

#include "base/bytes.h"

#define FOLDER_FILES 200u
#define FOLDER_NAME 64u
#define FOLDER_FILE_BYTES 1048576u

struct folder {
    struct folder_file {
        char name[FOLDER_NAME]; /* without the path */
        struct vl_buf bytes;
    } *file; /* in no order */
    size_t n;
};
/* Names that begin with a dot are passed over.  VL_ENOTFOUND, VL_EDENIED, VL_EIO; VL_ERANGE: a name is too long; VL_ELIMIT: too many
 * files, or one is too large; VL_ENOMEM: `why` names the file.  On an error nothing is to be freed. */
VL_MUST_CHECK enum vl_err folder_read(const char *path, struct folder *ret, struct vl_errmsg *why);
void folder_free(struct folder *f);

#endif
