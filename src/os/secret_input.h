/* secret_input.h - a passphrase or PIN from its owner: a file, a credential of systemd, or a terminal without echo.  Never from
 * arguments or the environment, which other users and child processes can read. */
#ifndef VL_OS_SECRET_INPUT_H
#define VL_OS_SECRET_INPUT_H

#include "base/bytes.h"
#include "base/err.h"

#define SECRET_INPUT_MAX 1024u

struct secret { /* wipe with crypto_wipe() */
    uint8_t b[SECRET_INPUT_MAX];
    size_t n;
};

/* The file's bytes without one newline at its end.  VL_ERANGE: empty, longer than SECRET_INPUT_MAX, or with bytes of zero.
 * VL_ENOTFOUND, VL_EDENIED, VL_EIO. */
VL_MUST_CHECK enum vl_err secret_file(const char *path, struct secret *ret, struct vl_errmsg *msg);
/* "$CREDENTIALS_DIRECTORY/NAME" (systemd.exec(5)).  VL_ENOTFOUND without a message: there is none; else as secret_file(). */
VL_MUST_CHECK enum vl_err secret_credential(const char *name, struct secret *ret, struct vl_errmsg *msg);
/* One line from the terminal of this process, whatever its standard input is.  VL_EUNSUPPORTED without a message: it has no
 * terminal.  VL_ERANGE: nothing typed, or too much.  VL_ECLOSED: the terminal went away. */
VL_MUST_CHECK enum vl_err secret_ask(const char *prompt, struct secret *ret, struct vl_errmsg *msg);

#endif
