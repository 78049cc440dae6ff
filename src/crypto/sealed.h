/* sealed.h - a secret in a file: encrypted and authenticated under a key that a passphrase, a TPM, a token or another key gives.
 * Pure: the caller brings the key and random bytes; os/keyfile.h does the input and output.
 *
 * Format, big-endian:
 *   "VLSEALED" | u8 version=1 | u8 kind | u8 purpose | owner 32 | u16 n | params n | u8 m | note m | nonce 24 | check 16 |
 *   u16 k | ciphertext k, tag included | sum 16
 * check   BLAKE2b-128 of the header up to the nonce, under a subkey: tells a wrong key from a damaged file
 * cipher  XChaCha20-Poly1305 (libsodium), under another subkey; associated data: everything before the ciphertext
 * sum     BLAKE2b-128 of all before, without a key: accidents are found before a passphrase is stretched.  It protects nothing
 *         against people: whoever changes a file can make its sum again, and then check or tag is wrong.
 * params  how to get the key: for a passphrase u32 passes | u32 memory in KiB | salt 16 (Argon2id 1.3, RFC 9106, one lane) */
#ifndef VL_CRYPTO_SEALED_H
#define VL_CRYPTO_SEALED_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SEALED_KEY 32u
#define SEALED_OWNER 32u
#define SEALED_NONCE 24u
#define SEALED_PARAMS_MAX 2048u
#define SEALED_NOTE_MAX 64u
#define SEALED_SECRET_MAX 1024u /* bytes that may be sealed */
#define SEALED_FILE_MAX (8u + 3u + SEALED_OWNER + 2u + SEALED_PARAMS_MAX + 1u + SEALED_NOTE_MAX + SEALED_NONCE + 16u + 2u + SEALED_SECRET_MAX + 16u + 16u)

/* Bounds of what a file may ask of the machine that opens it: about four seconds of one core at most. */
#define SEALED_PASSES_MAX 10u
#define SEALED_MEMORY_MIN 8192u    /* KiB: 8 MiB */
#define SEALED_MEMORY_MAX 1048576u /* KiB: 1 GiB */
#define SEALED_PASSES 3u           /* of new files: libsodium's "moderate" */
#define SEALED_MEMORY 262144u

/* Stable: stored. */
enum sealed_kind { SEALED_PASSPHRASE = 1, SEALED_TPM = 2, SEALED_TOKEN = 3, SEALED_DIRECT = 4 /* a key that the caller has */ };
enum sealed_purpose { SEALED_NODE_KEYS = 1, SEALED_MIX_KEY = 2 };

struct sealed_head {
    enum sealed_kind kind;
    enum sealed_purpose purpose;
    uint8_t owner[SEALED_OWNER]; /* node id */
    struct vl_span params;       /* at most SEALED_PARAMS_MAX; of the kind */
    struct vl_span note;         /* at most SEALED_NOTE_MAX; readable by all, bound to the secret */
};
struct sealed_kdf {
    uint32_t passes, memory_kib;
    uint8_t salt[16];
};
#define SEALED_KDF_BYTES 24u

/* Whether it begins as a sealed file. */
bool sealed_is(struct vl_span file);
/* Looks without opening; *ret borrows from file.  VL_EPARSE: not a sealed file.  VL_EVERSION: of a later version.
 * VL_ECORRUPT: cut, longer, or damaged. */
VL_MUST_CHECK enum vl_err sealed_look(struct vl_span file, struct sealed_head *ret);

void sealed_kdf_put(const struct sealed_kdf *kdf, uint8_t ret[SEALED_KDF_BYTES]);
/* VL_EPARSE: length.  VL_ELIMIT: it asks for more than the bounds above, or for too little. */
VL_MUST_CHECK enum vl_err sealed_kdf_get(struct vl_span params, struct sealed_kdf *ret);
/* Takes passes times memory: 0.3 s of one core for new files (measured).  VL_ERANGE: out of bounds, or a passphrase of 0 bytes.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err sealed_kdf_run(const struct sealed_kdf *kdf, struct vl_span passphrase, uint8_t ret_key[SEALED_KEY]);

/* Appends the file to out.  `nonce`: 24 fresh random bytes.  VL_ERANGE: a field too long, or an empty secret.  Errors of appending. */
VL_MUST_CHECK enum vl_err sealed_write(const struct sealed_head *head, const uint8_t key[SEALED_KEY], const uint8_t nonce[SEALED_NONCE],
                                       struct vl_span secret, struct vl_buf *out);
/* The secret, to dst; wipe it.  Errors of sealed_look(); VL_ECRYPTO: another key (a wrong passphrase), or a file that somebody changed;
 * VL_ECORRUPT: the key is right and the content is not.  VL_ELIMIT: cap (SEALED_SECRET_MAX does).  *ret_n and dst untouched then. */
VL_MUST_CHECK enum vl_err sealed_open(struct vl_span file, const uint8_t key[SEALED_KEY], uint8_t *dst, size_t cap, size_t *ret_n);

#endif
