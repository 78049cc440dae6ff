/* assets.h - the dashboard's files, embedded in the program by the build as one table. */
#ifndef VL_GATEWAY_ASSETS_H
#define VL_GATEWAY_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct asset {
    const char *path;     /* "/index.html"; "/" answers with "/index.html" */
    const char *type;     /* media type, with charset where it is text */
    const char *etag;     /* strong, with its quotes; of the plain bytes */
    const uint8_t *bytes; /* plain */
    size_t n;
    const uint8_t *gz_bytes; /* gzip of the same; NULL when it would not be smaller */
    size_t gz_n;
    bool hashed; /* the name carries a hash of the content: may be cached for ever */
};

#endif
