/* zk_files.h - the files of `village zk`: predicates, sets, keys, credentials, openings, values.  Each function returns an
 * exit code and has said why.  "-" is standard input.  What holds secrets is written 0600 and wiped after use. */
#ifndef VL_CLI_ZK_FILES_H
#define VL_CLI_ZK_FILES_H

#include "cli/session.h"
#include "crypto/sign.h"
#include "trust/zk_proof.h"

#define ZK_FILE_SETS 16u
#define ZK_KEY_LABEL "VILLAGE SIGNING KEY"

struct zk_cli_sets {
    struct zk_set *at[ZK_FILE_SETS];
    unsigned n;
};

/* Appends the file to `out`, which has been made with the most that it may hold. */
int zk_file_read(struct cli *cli, const char *path, struct vl_buf *out);
/* The same of an armoured file with this label. */
int zk_file_armoured(struct cli *cli, const char *path, const char *label, struct vl_buf *out);
/* path NULL: standard output. */
int zk_file_write(struct cli *cli, const char *path, struct vl_span bytes, unsigned mode);
int zk_file_write_armoured(struct cli *cli, const char *path, const char *label, struct vl_span bytes, unsigned mode);
/* Of --key, else of the node in the data folder. */
int zk_file_key(struct cli *cli, struct crypto_sign_key *ret);
/* All of --set. */
int zk_file_sets(struct cli *cli, struct zk_cli_sets *ret);
void zk_file_sets_free(struct zk_cli_sets *sets);
int zk_file_program(struct cli *cli, const char *path, const struct zk_cli_sets *sets, struct zk_program **ret);
/* A JSON object; ended by zk_file_json_free(), which wipes what it can. */
int zk_file_json(struct cli *cli, const char *path, json_t **ret);
/* A number of 0..2^64-1, as a JSON integer or its digits in a string. */
bool zk_file_number(const json_t *v, uint64_t *ret);
/* 64 hexadecimal digits of an option; *ret_given: whether it is there. */
int zk_file_hex(struct cli *cli, const char *option, uint8_t ret[32], bool *ret_given);

#endif
