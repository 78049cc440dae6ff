/* Intel TDX through /dev/tdx_guest, for kernels without configfs-tsm.  The device gives a TDREPORT, which only the processor that made it
 * can check; a quote, which others can, is made from it by the quote generation service of the host (QGS), asked over vsock. */
#include "os/tee_priv.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEVICE "/dev/tdx_guest"
#define TDREPORT 1024u
#define QGS_PORT 4050u
#define QGS_WAIT_S 20

struct tdx_report { /* as the kernel's <linux/tdx-guest.h>, which Debian 12 lacks */
    uint8_t data[TEE_DATA];
    uint8_t report[TDREPORT];
};
#define TDX_GET_REPORT _IOWR('T', 1, struct tdx_report)

static bool detect(const struct tee *t, struct tee_found *ret) {
    int err = 0, fd = tee_open(t, DEVICE, O_RDWR, &err);
    if (fd < 0) {
        ret->denied = tee_open_why(t, DEVICE, err, "not in a guest of Intel TDX, or a kernel without CONFIG_TDX_GUEST_DRIVER", ret->why);
        return false;
    }
    close(fd);
    snprintf(ret->why, sizeof ret->why, "%s gives reports; quotes come from the host's quote generation service%s%.90s", DEVICE,
             t->has_qgs ? " at " : " over vsock", t->has_qgs ? t->qgs : "");
    return true;
}

static int dial(const struct tee *t) {
    struct timeval wait = { .tv_sec = QGS_WAIT_S };
    int fd = socket(t->has_qgs ? AF_UNIX : AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (t->has_qgs) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        if (strlen(t->qgs) < sizeof at.sun_path) memcpy(at.sun_path, t->qgs, strlen(t->qgs) + 1);
        err = connect(fd, (struct sockaddr *)&at, sizeof at);
    } else {
        struct sockaddr_vm at = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = QGS_PORT };
        err = connect(fd, (struct sockaddr *)&at, sizeof at);
    }
    if (err == 0) return fd;
    err = errno;
    close(fd);
    errno = err;
    return -1;
}

static bool send_all(int fd, struct vl_span s) {
    for (size_t at = 0; at < s.n;) {
        ssize_t n = send(fd, s.p + at, s.n - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}
static bool receive(int fd, uint8_t *dst, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t got = recv(fd, dst + at, n - at, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += (size_t)got;
    }
    return true;
}

/* One request, one answer into `in`. */
static enum vl_err exchange(int fd, const struct vl_buf *request, struct vl_buf *in, struct vl_errmsg *msg) {
    enum vl_err err = vl_buf_reserve(in, 4);
    if (err) return vl_errmsg_set(msg, err, "out of memory");
    if (!send_all(fd, vl_span(request->p, request->len)) || !receive(fd, in->p, 4))
        return vl_errmsg_set(msg, VL_EIO, "the quote generation service of the host does not answer: %s", strerror(errno));
    in->len = 4;
    uint32_t n = vl_get_u32(in->p);
    if (n > TEE_ANSWER_MAX) return vl_errmsg_set(msg, VL_EPARSE, "the quote generation service announces %u bytes", n);
    err = vl_buf_reserve(in, n);
    if (err) return vl_errmsg_set(msg, err, "out of memory");
    if (!receive(fd, in->p + 4, n)) return vl_errmsg_set(msg, VL_EIO, "the quote generation service broke off");
    in->len += n;
    return VL_OK;
}

static enum vl_err quote(const struct tee *t, const uint8_t report[TDREPORT], struct vl_buf *out, struct vl_errmsg *msg) {
    struct vl_buf request, answer;
    struct vl_span got = { 0 };
    uint32_t code = 0;
    int fd = dial(t);
    if (fd < 0)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED,
                             "%s gave a TDREPORT, which no other machine can check; a quote needs configfs-tsm (Linux 6.7) or the host's quote "
                             "generation service (vsock port %u): %s",
                             DEVICE, QGS_PORT, strerror(errno));
    vl_buf_init(&request, TEE_ANSWER_MAX);
    vl_buf_init(&answer, TEE_ANSWER_MAX + 4);
    enum vl_err err = tee_qgs_request(vl_span(report, TDREPORT), &request);
    if (err == VL_OK) err = exchange(fd, &request, &answer, msg);
    if (err == VL_OK) {
        err = tee_qgs_answer(vl_span(answer.p, answer.len), &got, &code);
        if (err == VL_EDENIED) vl_errmsg_set(msg, err, "the quote generation service refuses with error 0x%x", code);
        if (err == VL_EPARSE) vl_errmsg_set(msg, err, "the quote generation service answers in a form we do not know");
    }
    if (err == VL_OK) err = vl_buf_append(out, got.p, got.n);
    vl_buf_free(&answer);
    vl_buf_free(&request);
    close(fd);
    return err;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    struct tdx_report r = { .report = { 0 } };
    char why[TEE_WHY];
    int sys = 0, fd = tee_open(t, DEVICE, O_RDWR, &sys);
    if (fd < 0) {
        (void)tee_open_why(t, DEVICE, sys, "it was there a moment ago", why);
        return vl_errmsg_set(msg, VL_EIO, "%s", why);
    }
    memcpy(r.data, data, TEE_DATA);
    int bad = ioctl(fd, TDX_GET_REPORT, &r);
    sys = errno;
    close(fd);
    if (bad) return vl_errmsg_set(msg, sys == ENOTTY ? VL_EUNSUPPORTED : os_err(sys), "%s gives no report: %s", DEVICE, strerror(sys));
    enum vl_err err = quote(t, r.report, &ret->evidence, msg);
    return err ? err : tee_carries(TEE_KIND_TDX, vl_span(ret->evidence.p, ret->evidence.len), data, msg);
}

const struct tee_provider tee_tdx_guest = { .name = "tdx-guest",
                                            .what = "Intel TDX, by /dev/tdx_guest and the host's quoting service",
                                            .kind = TEE_KIND_TDX,
                                            .automatic = true,
                                            .detect = detect,
                                            .attest = attest };
