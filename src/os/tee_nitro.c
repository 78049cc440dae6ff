/* AWS Nitro enclaves: the security module signs a document over PCRs of the enclave and our nonce. */
#include "os/tee_priv.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/nsm"
#define REQUEST_MAX 4096u
#define ANSWER_MAX 12288u

struct vector { /* as the kernel's <linux/nsm.h>, which Debian 12 lacks */
    uint64_t at, n;
};
struct message {
    struct vector request, answer;
};
#define NSM_RAW _IOWR(0x0a, 0, struct message)

static bool detect(const struct tee *t, struct tee_found *ret) {
    int err = 0, fd = tee_open(t, DEVICE, O_RDWR, &err);
    if (fd < 0) {
        ret->denied = tee_open_why(t, DEVICE, err, "not in an AWS Nitro enclave", ret->why);
        return false;
    }
    close(fd);
    snprintf(ret->why, sizeof ret->why, "enclave of AWS Nitro, by %s", DEVICE);
    return true;
}

static enum vl_err exchange(int fd, const struct vl_buf *request, struct vl_buf *in, struct vl_errmsg *msg) {
    enum vl_err err = vl_buf_reserve(in, ANSWER_MAX);
    if (err) return vl_errmsg_set(msg, err, "out of memory");
    struct message m = { .request = { (uintptr_t)request->p, request->len }, .answer = { (uintptr_t)in->p, ANSWER_MAX } };
    if (ioctl(fd, NSM_RAW, &m) != 0)
        return vl_errmsg_set(msg, errno == ENOTTY ? VL_EUNSUPPORTED : os_err(errno), "%s: %s", DEVICE, strerror(errno));
    if (m.answer.n > ANSWER_MAX) return vl_errmsg_set(msg, VL_EPARSE, "%s: an answer larger than its buffer", DEVICE);
    in->len = (size_t)m.answer.n;
    return VL_OK;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    struct vl_buf request, answer;
    struct vl_span document = { 0 };
    char why[TEE_WHY], word[32];
    int sys = 0, fd = tee_open(t, DEVICE, O_RDWR, &sys);
    if (fd < 0) {
        (void)tee_open_why(t, DEVICE, sys, "it was there a moment ago", why);
        return vl_errmsg_set(msg, VL_EIO, "%s", why);
    }
    vl_buf_init(&request, REQUEST_MAX);
    vl_buf_init(&answer, ANSWER_MAX);
    enum vl_err err = tee_nsm_request(vl_span(data, TEE_DATA), &request);
    if (err == VL_OK) err = exchange(fd, &request, &answer, msg);
    if (err == VL_OK) {
        err = tee_nsm_answer(vl_span(answer.p, answer.len), &document, word);
        if (err == VL_EDENIED) vl_errmsg_set(msg, err, "%s: the security module refuses: %s", DEVICE, word);
        if (err == VL_EPARSE) vl_errmsg_set(msg, err, "%s: an answer in a form we do not know", DEVICE);
    }
    if (err == VL_OK) err = vl_buf_append(&ret->evidence, document.p, document.n);
    vl_buf_free(&answer);
    vl_buf_free(&request);
    close(fd);
    return err;
}

const struct tee_provider tee_nitro = { .name = "nitro",
                                        .what = "AWS Nitro enclave",
                                        .kind = TEE_KIND_NITRO,
                                        .automatic = true,
                                        .detect = detect,
                                        .attest = attest };
