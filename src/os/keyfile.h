/* keyfile.h - node.keys on disk: the codec of wire/node_keys.h, in the clear or in the envelope of crypto/sealed.h, whose key
 * comes from a passphrase, a TPM or a token.  Writing is atomic and synced: after a crash the old file is there, or the new one. */
#ifndef VL_OS_KEYFILE_H
#define VL_OS_KEYFILE_H

#include "base/id.h"
#include "crypto/sealed.h"
#include "os/pkcs11.h"
#include "os/secret_input.h"
#include "wire/node_keys.h"

#define KEYFILE_CREDENTIAL "village.passphrase" /* systemd: LoadCredential= or LoadCredentialEncrypted= */
#define KEYFILE_CREDENTIAL_PIN "village.pin"

/* How its owner lets it be opened.  All borrowed, all may be NULL. */
struct keyfile_ways {
    const char *passphrase_file; /* else the credential, else the terminal when `ask` */
    const char *tcti;            /* of the TPM; NULL: the default of tpm2-tss */
    const char *module, *pin_file; /* PKCS#11 */
    bool ask;
};

/* Secrets: keyfile_wipe(). */
struct keyfile {
    struct node_keys keys;
    bool sealed;
    enum sealed_kind kind;
    uint8_t key[SEALED_KEY]; /* of the envelope, kept to write it again: whoever reads this memory has the keys themselves */
    uint8_t params[SEALED_PARAMS_MAX];
    size_t params_n;
};
void keyfile_wipe(struct keyfile *f);
/* The id that a sign seed stands for. */
struct vl_node_id keyfile_node(const uint8_t sign_seed[32]);

/* VL_ENOTFOUND: no file.  VL_ECRYPTO: wrong passphrase, TPM or token.  VL_ESTATE: nobody to give the passphrase.  VL_ECORRUPT,
 * VL_EVERSION, and the errors of pkcs11.h, tpm_seal.h, secret_input.h.  msg: the cause and the next step. */
VL_MUST_CHECK enum vl_err keyfile_read(const char *path, const struct keyfile_ways *ways, struct keyfile *ret, struct vl_errmsg *msg);
/* As it is sealed, or in the clear; mode 0600.  The file that it replaces is overwritten where it lay, as far as the file system
 * lets that reach the disk.  Errors of os_file_write(). */
VL_MUST_CHECK enum vl_err keyfile_write(const char *path, const struct keyfile *f, struct vl_errmsg *msg);

/* New envelopes for f; keyfile_write() stores it.  On error f is as before. */
VL_MUST_CHECK enum vl_err keyfile_seal_passphrase(struct keyfile *f, struct vl_span passphrase, struct vl_errmsg *msg);
VL_MUST_CHECK enum vl_err keyfile_seal_tpm(struct keyfile *f, const char *tcti, uint32_t pcrs, struct vl_errmsg *msg);
/* Makes the token's key when it is not there. */
VL_MUST_CHECK enum vl_err keyfile_seal_token(struct keyfile *f, const char *module, const char *uri, struct vl_span pin,
                                             struct vl_errmsg *msg);
void keyfile_unseal(struct keyfile *f);

/* What may be known without opening it. */
struct keyfile_look {
    bool sealed, coordinator, coordinator_known;
    enum sealed_kind kind;
    struct vl_node_id node;
    vl_ms since_ms; /* 0: not known */
    bool has_next;  /* a rotation has begun */
    struct sealed_kdf kdf;   /* SEALED_PASSPHRASE */
    uint32_t pcrs;           /* SEALED_TPM */
    struct pkcs11_uri token; /* SEALED_TOKEN */
};
VL_MUST_CHECK enum vl_err keyfile_look(const char *path, struct keyfile_look *ret, struct vl_errmsg *msg);
const char *keyfile_kind_text(enum sealed_kind kind); /* "passphrase", "tpm", "token", "direct" */

#endif
