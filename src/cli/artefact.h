/* artefact.h - files that commands about proofs read and write.  "-" is standard input or output.  Each function returns an exit code
 * and has said why. */
#ifndef VL_CLI_ARTEFACT_H
#define VL_CLI_ARTEFACT_H

#include "base/bytes.h"
#include "cli/session.h"

/* Appends the file to `out`, whose bound is the most that it may hold. */
int artefact_read(struct cli *cli, const char *path, struct vl_buf *out);
/* Whole, or not at all when the file is there already. */
int artefact_write(struct cli *cli, const char *path, struct vl_span bytes);
/* SHA-256, 384 and 512 of a file of any size. */
int artefact_digests(struct cli *cli, const char *path, uint8_t sha256[32], uint8_t sha384[48], uint8_t sha512[64]);

#endif
