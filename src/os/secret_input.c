#include "os/secret_input.h"

#include "crypto/random.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static enum vl_err take(const char *from, const uint8_t *p, size_t n, struct secret *ret, struct vl_errmsg *msg) {
    if (n > 0 && p[n - 1] == '\n') n--;
    if (n > 0 && p[n - 1] == '\r') n--;
    if (n == 0) return vl_errmsg_set(msg, VL_ERANGE, "%s is empty", from);
    if (n > SECRET_INPUT_MAX) return vl_errmsg_set(msg, VL_ERANGE, "%s is longer than %u bytes", from, SECRET_INPUT_MAX);
    if (memchr(p, 0, n)) return vl_errmsg_set(msg, VL_ERANGE, "%s has bytes of zero: is it the right file?", from);
    memcpy(ret->b, p, n);
    ret->n = n;
    return VL_OK;
}

enum vl_err secret_file(const char *path, struct secret *ret, struct vl_errmsg *msg) {
    struct vl_buf b;
    vl_buf_init(&b, SECRET_INPUT_MAX + 3);
    enum vl_err err = vl_buf_reserve(&b, SECRET_INPUT_MAX + 3); /* at once: a buffer that grows would leave copies behind */
    if (err == VL_OK) err = os_file_read(path, &b);
    if (err == VL_OK)
        err = take(path, b.p, b.len, ret, msg);
    else
        vl_errmsg_set(msg, err == VL_ELIMIT ? VL_ERANGE : err, "cannot read %s: %s", path, vl_err_text(err));
    if (b.p) crypto_wipe(b.p, b.cap);
    vl_buf_free(&b);
    return err == VL_ELIMIT ? VL_ERANGE : err;
}

enum vl_err secret_credential(const char *name, struct secret *ret, struct vl_errmsg *msg) {
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    char path[512];
    if (dir == NULL || dir[0] != '/') return VL_ENOTFOUND;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path || access(path, F_OK) != 0) return VL_ENOTFOUND;
    return secret_file(path, ret, msg);
}

enum vl_err secret_ask(const char *prompt, struct secret *ret, struct vl_errmsg *msg) {
    struct termios was, quiet;
    sigset_t stop, before;
    uint8_t line[SECRET_INPUT_MAX + 2];
    size_t n = 0;
    ssize_t got = 0;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return VL_EUNSUPPORTED;
    if (tcgetattr(fd, &was) != 0) {
        close(fd);
        return VL_EUNSUPPORTED;
    }
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_lflag |= ECHONL;
    sigemptyset(&stop); /* whoever interrupts must not be left with a terminal that shows nothing */
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGTSTP);
    sigprocmask(SIG_BLOCK, &stop, &before);
    tcsetattr(fd, TCSAFLUSH, &quiet);
    if (write(fd, prompt, strlen(prompt)) < 0) got = -1;
    while (got >= 0 && n < sizeof line) {
        got = read(fd, line + n, 1);
        if (got < 0 && errno == EINTR) {
            got = 0;
            continue;
        }
        if (got <= 0) break;
        if (line[n++] == '\n') break;
    }
    tcsetattr(fd, TCSAFLUSH, &was);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(fd);
    enum vl_err err = n == 0 ? vl_errmsg_set(msg, VL_ECLOSED, "nothing was typed") : take("what was typed", line, n, ret, msg);
    crypto_wipe(line, sizeof line);
    return err;
}
