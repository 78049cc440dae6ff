/* Intel SGX inside of an enclave of Gramine, which makes quotes through files: /dev/attestation/user_report_data is written,
 * /dev/attestation/quote read.  The measurement is the enclave's own (MRENCLAVE), made when it started. */
#include "os/tee_priv.h"

#include <stdio.h>
#include <string.h>

#define FOLDER "/dev/attestation"
#define QUOTE_MAX 32768u

static bool detect(const struct tee *t, struct tee_found *ret) {
    char path[TEE_PATH], type[32];
    if (!tee_path(t, FOLDER "/attestation_type", path) || !tee_word(path, type, sizeof type)) {
        snprintf(ret->why, sizeof ret->why,
                 "no " FOLDER ": not in an SGX enclave; run the node under gramine-sgx with sgx.remote_attestation = \"dcap\"");
        return false;
    }
    if (strcmp(type, "dcap") != 0) {
        snprintf(ret->why, sizeof ret->why,
                 FOLDER "/attestation_type is '%s': only \"dcap\" gives quotes that can be verified; set sgx.remote_attestation in the manifest",
                 type);
        return false;
    }
    snprintf(ret->why, sizeof ret->why, "enclave of Gramine, DCAP quotes by " FOLDER);
    return true;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    char path[TEE_PATH];
    if (!tee_path(t, FOLDER "/user_report_data", path)) return vl_errmsg_set(msg, VL_ERANGE, "the root of devices is too long");
    enum vl_err err = tee_write(path, data, TEE_DATA);
    if (err) return vl_errmsg_set(msg, err, FOLDER "/user_report_data: %s", vl_err_text(err));
    ret->evidence.max = QUOTE_MAX;
    err = tee_path(t, FOLDER "/quote", path) ? tee_read(path, &ret->evidence) : VL_ERANGE;
    if (err) return vl_errmsg_set(msg, err, FOLDER "/quote: %s; is the quoting service (aesmd) of this machine running?", vl_err_text(err));
    return tee_carries(TEE_KIND_SGX, vl_span(ret->evidence.p, ret->evidence.len), data, msg);
}

const struct tee_provider tee_gramine = { .name = "gramine",
                                          .what = "Intel SGX enclave of Gramine",
                                          .kind = TEE_KIND_SGX,
                                          .automatic = true,
                                          .detect = detect,
                                          .attest = attest };
