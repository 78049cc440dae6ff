/* OP-TEE (Arm TrustZone on servers and boards), by the kernel's /dev/tee0: found, asked for its attestation service, and said why that
 * is not enough.  The service signs hashes with an RSA key that it makes itself (optee_os, pta_attestation.h): no certificate leads
 * from that key to a maker, and trust/attest.h has no kind for it.  So it never speaks for a node; phones' TrustZone does, by Android's
 * key attestation.
 * Sources: <linux/tee.h>; GlobalPlatform TEE Client API 1.0, 4.4.2 (codes). */
#include "os/tee_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tee.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/tee0"
#define NO_SERVICE 0xffff0008u /* TEEC_ERROR_ITEM_NOT_FOUND */

/* 39800861-182a-4720-9b67-2bcd622bc0b5 */
static const uint8_t attestation_service[TEE_IOCTL_UUID_LEN] = { 0x39, 0x80, 0x08, 0x61, 0x18, 0x2a, 0x47, 0x20,
                                                                  0x9b, 0x67, 0x2b, 0xcd, 0x62, 0x2b, 0xc0, 0xb5 };

/* Opens a session with the service and ends it.  Returns the code of the other world, or -errno of ours. */
static int64_t knock(int fd) {
    struct tee_ioctl_open_session_arg arg = { .clnt_login = TEE_IOCTL_LOGIN_PUBLIC };
    struct tee_ioctl_buf_data data = { .buf_ptr = (uintptr_t)&arg, .buf_len = sizeof arg };
    memcpy(arg.uuid, attestation_service, sizeof arg.uuid);
    if (ioctl(fd, TEE_IOC_OPEN_SESSION, &data) != 0) return -errno;
    if (arg.ret == 0) {
        struct tee_ioctl_close_session_arg bye = { .session = arg.session };
        (void)ioctl(fd, TEE_IOC_CLOSE_SESSION, &bye);
    }
    return arg.ret;
}

static void look(int fd, char why[TEE_WHY]) {
    struct tee_ioctl_version_data v = { 0 };
    if (ioctl(fd, TEE_IOC_VERSION, &v) != 0) {
        snprintf(why, TEE_WHY, DEVICE " is no device of the kernel's TEE subsystem: %.80s", strerror(errno));
        return;
    }
    if (v.impl_id != TEE_IMPL_ID_OPTEE || (v.gen_caps & TEE_GEN_CAP_GP) == 0) {
        snprintf(why, TEE_WHY, DEVICE " is a TEE of implementation %u and not OP-TEE", v.impl_id);
        return;
    }
    int64_t code = knock(fd);
    if (code == 0)
        snprintf(why, TEE_WHY, "OP-TEE with its attestation service, whose key has no certificate of a maker: nothing that others can check");
    else if (code == NO_SERVICE)
        snprintf(why, TEE_WHY, "OP-TEE without its attestation service (build it with CFG_ATTESTATION_PTA=y); even that has no maker's certificate");
    else
        snprintf(why, TEE_WHY, "OP-TEE does not let us to its attestation service (%s 0x%llx)", code < 0 ? "errno" : "code",
                 (unsigned long long)(code < 0 ? -code : code));
}

static bool detect(const struct tee *t, struct tee_found *ret) {
    int err = 0, fd = tee_open(t, DEVICE, O_RDWR, &err);
    if (fd < 0) {
        ret->denied = tee_open_why(t, DEVICE, err, "no Arm TrustZone with OP-TEE, or a kernel without CONFIG_OPTEE", ret->why);
        return false;
    }
    look(fd, ret->why);
    close(fd);
    return false;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    (void)t;
    (void)data;
    (void)ret;
    return vl_errmsg_set(msg, VL_EUNSUPPORTED, "OP-TEE's attestation has no maker's certificate");
}

const struct tee_provider tee_optee = { .name = "op-tee",
                                        .what = "Arm TrustZone, by OP-TEE",
                                        .kind = TEE_KIND_PSA,
                                        .automatic = false,
                                        .detect = detect,
                                        .attest = attest };
