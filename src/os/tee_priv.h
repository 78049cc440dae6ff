/* tee_priv.h - what providers share.  Not for others. */
#ifndef VL_OS_TEE_PRIV_H
#define VL_OS_TEE_PRIV_H

#include "os/tee.h"

#define TEE_PATH 512u
#define TEE_ANSWER_MAX 65536u /* bytes of a quote, a table of certificates, a document */

/* Numbers of enum attest_kind in trust/attest.h, which a shell may not include; tests/os/tee_test.c holds them together. */
enum tee_kind {
    TEE_KIND_SELF = 0,
    TEE_KIND_SNP = 1,
    TEE_KIND_SGX = 2,
    TEE_KIND_TDX = 3,
    TEE_KIND_NITRO = 5,
    TEE_KIND_CCA = 6,
    TEE_KIND_PSA = 7,
    TEE_KIND_TPM = 10,
};

struct tee_provider {
    const char *name, *what;
    uint8_t kind; /* the usual one; detection may say another */
    bool automatic;
    /* Whether it is here; fills `why` in either case. */
    bool (*detect)(const struct tee *t, struct tee_found *ret);
    /* After detect(): makes t->own.  NULL: nothing to make. */
    enum vl_err (*create)(struct tee *t, struct vl_errmsg *msg);
    void (*destroy)(struct tee *t);                                                              /* NULL: the same */
    enum vl_err (*measure)(struct tee *t, const uint8_t program[32], struct vl_errmsg *msg);      /* NULL: report data alone */
    enum vl_err (*attest)(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg);
    enum vl_err (*credential)(struct tee *t, struct vl_span in, uint8_t *ret, size_t *ret_n, struct vl_errmsg *msg); /* NULL: no TPM */
};
extern const struct tee_provider tee_tsm, tee_sev_guest, tee_tdx_guest, tee_gramine, tee_nitro, tee_optee, tee_tpm, tee_self;

struct tee {
    const struct tee_provider *provider;
    char root[TEE_ROOT_MAX], tpm[TEE_TCTI_MAX], qgs[TEE_ROOT_MAX], ek[TEE_ROOT_MAX];
    bool has_tpm, has_qgs, has_ek, has_seed;
    uint8_t seed[32];
    uint8_t kind;
    void *own; /* of the provider */
};

/* The path below the root.  False: too long. */
bool tee_path(const struct tee *t, const char *path, char ret[TEE_PATH]);
/* Opens and reads all of it, at most cap - 1 bytes, as text without its line end. */
bool tee_word(const char *path, char *ret, size_t cap);
/* Opens below the root; -1 with *ret_errno. */
int tee_open(const struct tee *t, const char *path, int flags, int *ret_errno);
/* What errno means for a device at `path` below the root, in words: absent, no permission (with the group that may), other.  True: it
 * is permission that lacks. */
bool tee_open_why(const struct tee *t, const char *path, int err, const char *absent, char why[TEE_WHY]);
/* All of the file in as many reads as it takes, at most b->max bytes; one write of all n bytes. */
enum vl_err tee_read(const char *path, struct vl_buf *b);
enum vl_err tee_write(const char *path, const void *p, size_t n);
/* VL_EPARSE with a message unless the evidence carries `data`. */
enum vl_err tee_carries(uint8_t kind, struct vl_span evidence, const uint8_t data[TEE_DATA], struct vl_errmsg *msg);

#endif
