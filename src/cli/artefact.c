#include "cli/artefact.h"

#include "crypto/timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int artefact_read(struct cli *cli, const char *path, struct vl_buf *out) {
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    uint8_t part[16384];
    ssize_t n = 0;
    if (fd < 0) return cli_fail(cli, CLI_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    enum vl_err err = VL_OK;
    while (err == VL_OK && (n = read(fd, part, sizeof part)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        err = vl_buf_append(out, part, (size_t)n);
    }
    int kept = errno;
    if (!standard) close(fd);
    if (n < 0) return cli_fail(cli, CLI_FAILED, "cannot read %s: %s", path, strerror(kept));
    if (err == VL_ELIMIT) return cli_fail(cli, CLI_FAILED, "%s is larger than it may be: it is not what is wanted here", path);
    return err ? cli_fail(cli, CLI_FAILED, "out of memory") : CLI_OK;
}

int artefact_write(struct cli *cli, const char *path, struct vl_span bytes) {
    if (strcmp(path, "-") == 0) {
        bool ok = fwrite(bytes.p, 1, bytes.n, cli->out.file) == bytes.n && fflush(cli->out.file) == 0;
        return ok ? CLI_OK : cli_fail(cli, CLI_FAILED, "cannot write on standard output: %s", strerror(errno));
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return cli_fail(cli, CLI_FAILED, "cannot create %s: %s%s", path, strerror(errno), errno == EEXIST ? "; it is not overwritten" : "");
    const uint8_t *at = bytes.p;
    size_t left = bytes.n;
    while (left > 0) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        at += n;
        left -= (size_t)n;
    }
    int kept = errno;
    bool ok = left == 0 && fsync(fd) == 0;
    if (close(fd) != 0) ok = false;
    if (ok) return CLI_OK;
    unlink(path);
    return cli_fail(cli, CLI_FAILED, "cannot write %s: %s", path, strerror(kept));
}

int artefact_digests(struct cli *cli, const char *path, uint8_t sha256[32], uint8_t sha384[48], uint8_t sha512[64]) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_fail(cli, CLI_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    void *p = NULL;
    size_t n = 0;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (ok && st.st_size > 0) {
        n = (size_t)st.st_size;
        p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
        ok = p != MAP_FAILED;
    }
    close(fd);
    if (!ok) return cli_fail(cli, CLI_FAILED, "cannot read %s: it has to be a plain file", path);
    struct vl_span all = vl_span(p, n);
    enum vl_err err = timestamp_digest(TIMESTAMP_SHA256, all, sha256);
    if (err == VL_OK) err = timestamp_digest(TIMESTAMP_SHA384, all, sha384);
    if (err == VL_OK) err = timestamp_digest(TIMESTAMP_SHA512, all, sha512);
    if (n > 0) munmap(p, n);
    return err ? cli_fail(cli, CLI_FAILED, "out of memory") : CLI_OK;
}
