/* AMD SEV-SNP through /dev/sev-guest, for kernels without configfs-tsm, and the table of certificates that both ways give. */
#include "os/tee_priv.h"

#include "base/text.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/sev-guest"
#define REPORT_BYTES 1184u
#define REPORT_HEAD 32u       /* of the answer: status, length, reserved */
#define CERTS_BYTES 16384u    /* the most that the kernel takes, whole pages */
#define ENTRY 24u             /* of the table: GUID, offset, length */
#define ENTRIES_MAX 64u
#define KEY_VLEK 1u
#define TRIES 4u              /* the host may be busy */

static uint32_t le32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/* ---- the table ---- */

enum member { VCEK, VLEK, ASK, ARK, MEMBERS };
static const uint8_t guids[MEMBERS][16] = {
    [VCEK] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd },
    [VLEK] = { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 },
    [ASK] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 },
    [ARK] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae },
};

/* Hosts write a GUID in the order of its text or with its first three fields turned, as UEFI does. */
static bool guid_is(const uint8_t p[16], const uint8_t want[16]) {
    static const uint8_t turned[8] = { 3, 2, 1, 0, 5, 4, 7, 6 };
    if (memcmp(p, want, 16) == 0) return true;
    for (unsigned i = 0; i < 8; i++)
        if (p[i] != want[turned[i]]) return false;
    return memcmp(p + 8, want + 8, 8) == 0;
}

static enum vl_err pem(struct vl_span der, struct vl_buf *out) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n", end[] = "-----END CERTIFICATE-----\n";
    enum vl_err err = vl_buf_append(out, begin, sizeof begin - 1);
    for (size_t i = 0; err == VL_OK && i < der.n; i += 48) {
        char line[80];
        size_t n = der.n - i < 48 ? der.n - i : 48;
        vl_base64_encode(der.p + i, n, line);
        err = vl_buf_printf(out, "%s\n", line);
    }
    return err ? err : vl_buf_append(out, end, sizeof end - 1);
}

/* As the table has it: DER with padding behind, or PEM. */
static enum vl_err issuer(struct vl_span in, struct vl_buf *out) {
    if (in.n == 0) return VL_OK;
    size_t n = tee_der_length(in);
    if (n > 0) return pem(vl_span(in.p, n), out);
    static const char dashes[] = "-----BEGIN CERTIFICATE-----";
    if (in.n < sizeof dashes || memcmp(in.p, dashes, sizeof dashes - 1) != 0) return VL_EPARSE;
    while (in.n > 0 && (in.p[in.n - 1] == '\0' || in.p[in.n - 1] == '\n')) in.n--;
    enum vl_err err = vl_buf_append(out, in.p, in.n);
    return err ? err : vl_buf_append(out, "\n", 1);
}

enum vl_err tee_snp_certificates(struct vl_span table, bool vlek, struct vl_buf *leaf, struct vl_buf *issuers) {
    struct vl_span found[MEMBERS] = { { 0 } };
    static const uint8_t zero[16];
    if (table.n == 0) return VL_OK;
    for (size_t i = 0;; i++) {
        if (i == ENTRIES_MAX || table.n < (i + 1) * ENTRY) return VL_EPARSE;
        const uint8_t *p = table.p + i * ENTRY;
        uint32_t offset = le32(p + 16), length = le32(p + 20);
        if (memcmp(p, zero, 16) == 0 && offset == 0 && length == 0) break;
        if (offset > table.n || length > table.n - offset) return VL_EPARSE;
        for (unsigned m = 0; m < MEMBERS; m++)
            if (guid_is(p, guids[m])) found[m] = vl_span(table.p + offset, length);
    }
    struct vl_span own = found[vlek ? VLEK : VCEK];
    size_t n = tee_der_length(own);
    enum vl_err err = VL_OK;
    if (own.n > 0) err = n > 0 ? vl_buf_append(leaf, own.p, n) : issuer(own, leaf);
    if (err == VL_OK) err = issuer(found[ASK], issuers);
    if (err == VL_OK) err = issuer(found[ARK], issuers);
    return err;
}

/* ---- the device ---- */

static bool detect(const struct tee *t, struct tee_found *ret) {
    int err = 0, fd = tee_open(t, DEVICE, O_RDWR, &err);
    if (fd < 0) {
        ret->denied = tee_open_why(t, DEVICE, err, "not in a guest of AMD SEV-SNP, or a kernel without CONFIG_SEV_GUEST", ret->why);
        return false;
    }
    close(fd);
    snprintf(ret->why, sizeof ret->why, "%s answers", DEVICE);
    return true;
}

static enum vl_err failed(const struct snp_guest_request_ioctl *r, int err, struct vl_errmsg *msg) {
    if (err == EBUSY || (uint32_t)(r->exitinfo2 >> 32) == SNP_GUEST_VMM_ERR_BUSY)
        return vl_errmsg_set(msg, VL_EAGAIN, "%s: the host limits how often a report is made; try again in some seconds", DEVICE);
    if (err == ENOTTY) return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s is no device of SEV-SNP", DEVICE);
    return vl_errmsg_set(msg, os_err(err), "%s: %s (firmware 0x%x, host 0x%x)", DEVICE, strerror(err), (unsigned)r->exitinfo2,
                         (unsigned)(r->exitinfo2 >> 32));
}

struct asked {
    struct snp_ext_report_req in;
    struct snp_report_resp out;
};

static enum vl_err ask(int fd, struct asked *a, uint8_t *certs, bool with_certs, struct vl_errmsg *msg) {
    struct snp_guest_request_ioctl r = { .msg_version = 1,
                                         .req_data = (uintptr_t)(with_certs ? (void *)&a->in : (void *)&a->in.data),
                                         .resp_data = (uintptr_t)&a->out };
    a->in.certs_address = (uintptr_t)certs;
    a->in.certs_len = CERTS_BYTES;
    for (unsigned i = 0; i < TRIES; i++) {
        r.exitinfo2 = 0;
        if (ioctl(fd, with_certs ? SNP_GET_EXT_REPORT : SNP_GET_REPORT, &r) == 0) return VL_OK;
        if (errno != EINTR && errno != EAGAIN) break;
    }
    return failed(&r, errno, msg);
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    char why[TEE_WHY];
    int sys = 0, fd = tee_open(t, DEVICE, O_RDWR, &sys);
    if (fd < 0) {
        (void)tee_open_why(t, DEVICE, sys, "it was there a moment ago", why);
        return vl_errmsg_set(msg, VL_EIO, "%s", why);
    }
    struct asked *a = calloc(1, sizeof *a);
    uint8_t *certs = calloc(1, CERTS_BYTES);
    enum vl_err err = a && certs ? VL_OK : vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    if (err == VL_OK) {
        memcpy(a->in.data.user_data, data, TEE_DATA);
        err = ask(fd, a, certs, true, msg);
        if (err == VL_EIO) { /* a host that has no table: the report alone, the verifier's pool has the certificates */
            memset(certs, 0, CERTS_BYTES);
            err = ask(fd, a, certs, false, msg);
        }
    }
    if (err == VL_OK && (le32(a->out.data) != 0 || le32(a->out.data + 4) != REPORT_BYTES))
        err = vl_errmsg_set(msg, VL_EPARSE, "%s: the firmware answered with status 0x%x and %u bytes", DEVICE, le32(a->out.data),
                            le32(a->out.data + 4));
    if (err == VL_OK) err = vl_buf_append(&ret->evidence, a->out.data + REPORT_HEAD, REPORT_BYTES);
    if (err == VL_OK) err = tee_carries(TEE_KIND_SNP, vl_span(ret->evidence.p, ret->evidence.len), data, msg);
    if (err == VL_OK) {
        bool vlek = (le32(ret->evidence.p + 0x48) >> 2 & 7u) == KEY_VLEK;
        err = tee_snp_certificates(vl_span(certs, CERTS_BYTES), vlek, &ret->leaf, &ret->certificates);
        if (err) vl_errmsg_set(msg, err, "%s: the host's table of certificates is damaged", DEVICE);
    }
    free(certs);
    free(a);
    close(fd);
    return err;
}

const struct tee_provider tee_sev_guest = { .name = "sev-guest",
                                            .what = "AMD SEV-SNP, by /dev/sev-guest",
                                            .kind = TEE_KIND_SNP,
                                            .automatic = true,
                                            .detect = detect,
                                            .attest = attest };
