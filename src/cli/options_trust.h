/* options_trust.h - options of the commands about keys, proofs, draws and trusted execution: rows of commands.c, which alone includes this,
 * behind its units and FLAG(). */
#ifndef VL_CLI_OPTIONS_TRUST_H
#define VL_CLI_OPTIONS_TRUST_H

static const struct cli_option keys_options[] = {
    KEY_OPTIONS
    { .name = "with",
      .kind = VALUE_CHOICE,
      .choices = "passphrase|tpm|token",
      .def = "passphrase",
      .help = "with seal: what opens the keys again" },
    { .name = "pcrs",
      .kind = VALUE_TEXT,
      .value = "N,N...",
      .min = 1,
      .max = 80,
      .help = "with seal --with tpm: only while these PCRs (SHA-256) are as they are now; default: none" },
    { .name = "key",
      .kind = VALUE_TEXT,
      .value = "URI",
      .min = 8,
      .max = 300,
      .help = "pkcs11:token=NAME;object=NAME; with seal --with token an AES key, with cosign an Ed25519 key; made when it is not there" },
    { .name = "new-passphrase-file",
      .kind = VALUE_FILE,
      .value = "FILE",
      .min = 1,
      .max = PATH_BYTES,
      .help = "with seal: the passphrase to seal with; default: asked for twice" },
};

static const struct cli_option tee_options[] = {
    { .name = "provider",
      .kind = VALUE_TEXT,
      .value = "NAME",
      .min = 1,
      .max = 32,
      .def = "auto",
      .help = "with quote: which one; auto takes the best one that is here" },
    { .name = "nonce",
      .kind = VALUE_TEXT,
      .value = "HEX",
      .min = 64,
      .max = 64,
      .help = "with quote: 32 bytes that the verifier chose; default: random ones" },
    { .name = "node", .kind = VALUE_TEXT, .value = "NODE", .min = 52, .max = 52, .help = "with quote: whole id of the node it speaks for; default: none" },
    { .name = "module", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with quote: measure this program and bind to it" },
    { .name = "tpm",
      .kind = VALUE_TEXT,
      .value = "TCTI",
      .min = 4,
      .max = 255,
      .help = "where the TPM is: device:/dev/tpmrm0 (default), swtpm:port=2321, mssim:..., tabrmd:..." },
    { .name = "ek-cert",
      .kind = VALUE_FILE,
      .value = "FILE",
      .min = 1,
      .max = 255,
      .help = "certificate of the TPM's endorsement key, DER or PEM, where the TPM does not carry it" },
    { .name = "qgs", .kind = VALUE_FILE, .value = "SOCKET", .min = 1, .max = 107, .help = "socket of Intel's quote generation service; default: vsock of the host" },
    { .name = "device-root", .kind = VALUE_FOLDER, .value = "DIR", .min = 1, .max = 255, .help = "where the machine's /sys and /dev are; for containers" },
};

static const struct cli_option zk_options[] = {
    { .name = "out", .letter = 'o', .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with issue: NAME of NAME.credential and NAME.opening; with prove: the proof; default: standard output" },
    { .name = "key", .letter = 'k', .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "signing key of the issuer or holder, as made by `village zk key`; default: that of the node in the data folder" },
    { .name = "set", .repeat = true, .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "numbers of a set that the predicate names by its hash; may be given again" },
    { .name = "credential", .letter = 'c', .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with prove: what the issuer signed" },
    { .name = "opening", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with prove: the values behind the credential, a secret of its holder" },
    { .name = "values", .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with prove: numbers of self-asserted attributes as JSON, - for standard input" },
    { .name = "predicate", .letter = 'p', .kind = VALUE_FILE, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "with verify: the predicate demanded, as its file or its id" },
    { .name = "issuer", .repeat = true, .kind = VALUE_TEXT, .value = "KEY", .min = 64, .max = 64, .help = "with verify: who may have signed the attributes; may be given again" },
    { .name = "holder", .kind = VALUE_TEXT, .value = "KEY", .min = 64, .max = 64, .help = "with issue: whose key must sign each proof, default: nobody's; with verify: whose it must be" },
    { .name = "about", .kind = VALUE_TEXT, .value = "TEXT", .min = 0, .max = 63, .help = "what the credential is about" },
    { .name = "valid", .kind = VALUE_DURATION, .value = "TIME", .min = SECOND, .max = 3650 * DAY, .def = "90d", .help = "with issue: how long the credential is valid" },
    { .name = "verifier", .kind = VALUE_TEXT, .value = "ID", .min = 64, .max = 64, .help = "to whom something is proved; default: anybody" },
    { .name = "purpose", .kind = VALUE_TEXT, .value = "TEXT", .min = 1, .max = 63, .help = "what the proof is for" },
    { .name = "nonce", .kind = VALUE_TEXT, .value = "HEX", .min = 64, .max = 64, .help = "the verifier's, fresh: `village zk nonce`" },
    { .name = "epoch", .kind = VALUE_INTEGER, .value = "N", .min = 0, .max = INT64_MAX, .help = "the period that it is about" },
    FLAG("allow-self-asserted", 0, "with verify: accept attributes that only the prover vouches for"),
};

static const struct cli_option neighbours_options[] = { { .name = "certificate", .kind = VALUE_TEXT, .value = "FILE", .min = 1, .max = PATH_BYTES, .help = "write the certificate of this epoch's neighbours, for others to check" } };

static const struct cli_option availability_options[] = {
    { .name = "output", .kind = VALUE_TEXT, .value = "FILE", .min = 1, .max = PATH_BYTES, .def = "-", .help = "where the proof goes" },
    { .name = "issue", .kind = VALUE_TEXT, .value = "NAME", .min = 1, .max = PATH_BYTES, .help = "at the first node: sign what witnesses counted for NODE; writes NAME.credential, NAME.opening, NAME.certificate" },
    { .name = "prove", .kind = VALUE_TEXT, .value = "NAME", .min = 1, .max = PATH_BYTES, .help = "prove a service level about the counters of these three files, without showing them" },
    { .name = "answered", .kind = VALUE_INTEGER, .value = "PPM", .min = 1, .max = 1000000, .def = "999000", .help = "with --prove: this share of the challenges at least, in millionths" },
    { .name = "mean", .kind = VALUE_INTEGER, .value = "MS", .min = 1, .max = 1000000, .help = "with --prove: that an answer took so many milliseconds at most, in the mean" },
};

#endif
