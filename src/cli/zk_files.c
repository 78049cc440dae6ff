#include "cli/zk_files.h"

#include "base/text.h"
#include "crypto/random.h"
#include "crypto/sealed.h"
#include "os/file.h"
#include "wire/armor.h"
#include "wire/node_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JSON_MAX (256u << 10)

static enum vl_err read_input(struct vl_buf *out) {
    for (;;) {
        enum vl_err err = vl_buf_reserve(out, out->max - out->len < 4096 ? 1 : 4096);
        if (err != VL_OK) return err;
        ssize_t n = read(STDIN_FILENO, out->p + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return VL_EIO;
        if (n == 0) return VL_OK;
        out->len += (size_t)n;
    }
}

int zk_file_read(struct cli *cli, const char *path, struct vl_buf *out) {
    bool input = strcmp(path, "-") == 0;
    enum vl_err err = input ? read_input(out) : os_file_read(path, out);
    if (err == VL_OK) return CLI_OK;
    if (err == VL_ENOTFOUND) return cli_fail(cli, CLI_NOT_FOUND, "there is no file %s", path);
    if (err == VL_ELIMIT) return cli_fail(cli, CLI_FAILED, "%s has more than %zu bytes, which is more than such a file can have", path, out->max);
    return cli_fail(cli, CLI_FAILED, "cannot read %s: %s", input ? "standard input" : path, vl_err_text(err));
}

int zk_file_armoured(struct cli *cli, const char *path, const char *label, struct vl_buf *out) {
    struct vl_buf text;
    char found[ARMOR_LABEL_MAX + 1] = "";
    vl_buf_init(&text, 2 * out->max + 4096);
    int code = zk_file_read(cli, path, &text);
    enum vl_err err = code == CLI_OK ? armor_read(vl_span(text.p, text.len), found, out) : VL_OK;
    if (text.p != NULL) crypto_wipe(text.p, text.cap);
    vl_buf_free(&text);
    if (code != CLI_OK) return code;
    if (err != VL_OK) return cli_fail(cli, CLI_FAILED, "%s is no file of the form -----BEGIN %s-----: %s", path, label, vl_err_text(err));
    if (strcmp(found, label) != 0) return cli_fail(cli, CLI_FAILED, "%s is a %s, and a %s is wanted", path, found, label);
    return CLI_OK;
}

int zk_file_write(struct cli *cli, const char *path, struct vl_span bytes, unsigned mode) {
    if (path == NULL || strcmp(path, "-") == 0) {
        if (fwrite(bytes.p, 1, bytes.n, stdout) != bytes.n) return cli_fail(cli, CLI_FAILED, "cannot write the output: %s", strerror(errno));
        return CLI_OK;
    }
    enum vl_err err = os_file_write(path, bytes.p, bytes.n, mode);
    return err == VL_OK ? CLI_OK : cli_fail(cli, CLI_FAILED, "cannot write %s: %s", path, vl_err_text(err));
}

int zk_file_write_armoured(struct cli *cli, const char *path, const char *label, struct vl_span bytes, unsigned mode) {
    struct vl_buf text;
    vl_buf_init(&text, 2 * ARMOR_BYTES_MAX);
    enum vl_err err = armor_write(label, bytes, &text);
    int code = err == VL_OK ? zk_file_write(cli, path, vl_span(text.p, text.len), mode) : cli_fail(cli, CLI_FAILED, "%s", vl_err_text(err));
    if (text.p != NULL) crypto_wipe(text.p, text.cap);
    vl_buf_free(&text);
    return code;
}

int zk_file_key(struct cli *cli, struct crypto_sign_key *ret) {
    const char *given = args_text(&cli->args, "key");
    char path[CLI_PATH_MAX + 16];
    struct vl_buf b;
    (void)snprintf(path, sizeof path, "%s/node.keys", cli->data_dir);
    if (given != NULL) (void)snprintf(path, sizeof path, "%s", given);
    vl_buf_init(&b, 4096);
    int code = given == NULL && access(path, F_OK) != 0
                   ? cli_fail(cli, CLI_NOT_FOUND, "no key: there is no node in %s; make one with `village zk key FILE` and name it with --key", cli->data_dir)
                   : zk_file_read(cli, path, &b);
    if (code == CLI_OK && armor_is(vl_span(b.p, b.len))) {
        struct vl_buf seed;
        vl_buf_init(&seed, CRYPTO_SIGN_SEED);
        char label[ARMOR_LABEL_MAX + 1];
        if (armor_read(vl_span(b.p, b.len), label, &seed) != VL_OK || strcmp(label, ZK_KEY_LABEL) != 0 || seed.len != CRYPTO_SIGN_SEED)
            code = cli_fail(cli, CLI_FAILED, "%s is no signing key of `village zk key`", path);
        else
            crypto_sign_key_from_seed(seed.p, ret);
        if (seed.p != NULL) crypto_wipe(seed.p, seed.cap);
        vl_buf_free(&seed);
    } else if (code == CLI_OK) {
        struct node_keys keys;
        memset(&keys, 0, sizeof keys);
        if (sealed_is(vl_span(b.p, b.len)))
            code = cli_fail(cli, CLI_FAILED, "%s is sealed, and not opened here: make a key with `village zk key FILE` and name it with --key FILE", path);
        else if (node_keys_get(vl_span(b.p, b.len), &keys) != VL_OK)
            code = cli_fail(cli, CLI_FAILED, "%s is neither a key of `village zk key` nor the keys of a node", path);
        else
            crypto_sign_key_from_seed(keys.sign_seed, ret);
        crypto_wipe(&keys, sizeof keys);
    }
    if (b.p != NULL) crypto_wipe(b.p, b.cap);
    vl_buf_free(&b);
    return code;
}

static int read_set(struct cli *cli, const char *path, struct zk_set **ret) {
    struct vl_buf text;
    unsigned line = 0;
    vl_buf_init(&text, ZK_SET_TEXT_MAX);
    int code = zk_file_read(cli, path, &text);
    enum vl_err err = code == CLI_OK ? zk_set_read(vl_span(text.p, text.len), ret, &line) : VL_OK;
    if (err != VL_OK)
        code = cli_fail(cli, CLI_FAILED, "%s:%u: %s; a set has 1 to %u numbers below 2^62, with white space between them", path, line,
                        vl_err_text(err), ZK_SET_SIZE_MAX);
    vl_buf_free(&text);
    return code;
}

int zk_file_sets(struct cli *cli, struct zk_cli_sets *ret) {
    const struct cli_args *a = &cli->args;
    *ret = (struct zk_cli_sets){ .n = 0 };
    for (size_t i = 0; i < a->n_given; i++) {
        if (strcmp(a->given[i].option->name, "set") != 0) continue;
        if (ret->n == ZK_FILE_SETS) return cli_fail(cli, CLI_USAGE, "more than %u sets", ZK_FILE_SETS);
        int code = read_set(cli, a->given[i].text, &ret->at[ret->n]);
        if (code != CLI_OK) return code;
        ret->n++;
    }
    return CLI_OK;
}

void zk_file_sets_free(struct zk_cli_sets *sets) {
    for (unsigned i = 0; i < sets->n; i++) zk_set_destroy(sets->at[i]);
    sets->n = 0;
}

int zk_file_program(struct cli *cli, const char *path, const struct zk_cli_sets *sets, struct zk_program **ret) {
    struct vl_buf text;
    struct zk_diag d = { .line = 0 };
    vl_buf_init(&text, ZK_TEXT_MAX);
    int code = zk_file_read(cli, path, &text);
    enum vl_err err = code == CLI_OK ? zk_compile(vl_span(text.p, text.len), (const struct zk_set *const *)sets->at, sets->n, ret, &d) : VL_OK;
    if (err != VL_OK && d.line > 0)
        code = cli_fail(cli, err == VL_ENOMEM ? CLI_FAILED : CLI_USAGE, "%s:%u:%u: %s", path, d.line, d.column, d.msg.text);
    else if (err != VL_OK)
        code = cli_fail(cli, err == VL_ENOMEM ? CLI_FAILED : CLI_USAGE, "%s: %s", path, d.msg.text);
    vl_buf_free(&text);
    return code;
}

int zk_file_json(struct cli *cli, const char *path, json_t **ret) {
    struct vl_buf text;
    json_error_t at;
    vl_buf_init(&text, JSON_MAX);
    int code = zk_file_read(cli, path, &text);
    if (code == CLI_OK) {
        json_t *v = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &at);
        if (v == NULL)
            code = cli_fail(cli, CLI_FAILED, "%s:%d:%d: not JSON: %s", path, at.line, at.column, at.text);
        else if (!json_is_object(v))
            code = cli_fail(cli, CLI_FAILED, "%s: a JSON object is wanted", path);
        if (code == CLI_OK)
            *ret = v;
        else
            json_decref(v);
    }
    if (text.p != NULL) crypto_wipe(text.p, text.cap);
    vl_buf_free(&text);
    return code;
}

bool zk_file_number(const json_t *v, uint64_t *ret) {
    if (json_is_integer(v) && json_integer_value(v) >= 0) {
        *ret = (uint64_t)json_integer_value(v);
        return true;
    }
    const char *s = json_string_value(v);
    uint64_t n = 0;
    if (s == NULL || *s == '\0') return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n)) return false;
    if (*s != '\0') return false;
    *ret = n;
    return true;
}

int zk_file_hex(struct cli *cli, const char *option, uint8_t ret[32], bool *ret_given) {
    const char *text = args_text(&cli->args, option);
    *ret_given = text != NULL;
    if (text != NULL && vl_hex_decode(text, ret, 32) != VL_OK)
        return cli_fail(cli, CLI_USAGE, "--%s takes 64 hexadecimal digits", option);
    return CLI_OK;
}
