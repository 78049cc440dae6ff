#include "os/keyfile.h"

#include "crypto/random.h"
#include "crypto/sign.h"
#include "os/file.h"
#include "os/tpm_seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void keyfile_wipe(struct keyfile *f) { crypto_wipe(f, sizeof *f); }

const char *keyfile_kind_text(enum sealed_kind kind) {
    static const char *const texts[] = { "?", "passphrase", "tpm", "token", "direct" };
    return (unsigned)kind < sizeof texts / sizeof *texts ? texts[kind] : texts[0];
}

struct vl_node_id keyfile_node(const uint8_t sign_seed[32]) {
    struct crypto_sign_key key;
    crypto_sign_key_from_seed(sign_seed, &key);
    struct vl_node_id id = crypto_sign_node_id(&key);
    crypto_sign_key_wipe(&key);
    return id;
}

/* ---- reading ---- */

static enum vl_err bytes_read(const char *path, struct vl_buf *b, struct vl_errmsg *msg) {
    vl_buf_init(b, SEALED_FILE_MAX + 1);
    enum vl_err err = vl_buf_reserve(b, SEALED_FILE_MAX + 1); /* at once: growing would leave copies of keys behind */
    if (err == VL_OK) err = os_file_read(path, b);
    if (err == VL_ELIMIT) err = VL_ECORRUPT;
    return err ? vl_errmsg_set(msg, err, "cannot read %s: %s", path, err == VL_ECORRUPT ? "it is too long" : vl_err_text(err)) : VL_OK;
}

static void bytes_wipe(struct vl_buf *b) {
    if (b->p) crypto_wipe(b->p, b->cap);
    vl_buf_free(b);
}

/* The first format does not say how old the key is; it was never written again after it was made. */
static vl_ms made_ms(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || st.st_mtim.tv_sec <= 0) return 0;
    return (vl_ms)st.st_mtim.tv_sec * 1000 + (vl_ms)st.st_mtim.tv_nsec / 1000000;
}

static enum vl_err damaged(const char *path, enum vl_err err, struct vl_errmsg *msg) {
    if (err == VL_EVERSION) return vl_errmsg_set(msg, err, "%s is of a later version of village: use that", path);
    return vl_errmsg_set(msg, VL_ECORRUPT, "%s is damaged: restore it from a backup", path);
}

static enum vl_err passphrase_get(const char *path, const struct keyfile_ways *ways, struct secret *ret, struct vl_errmsg *msg) {
    char prompt[600];
    if (ways->passphrase_file) return secret_file(ways->passphrase_file, ret, msg);
    enum vl_err err = secret_credential(KEYFILE_CREDENTIAL, ret, msg);
    if (err != VL_ENOTFOUND) return err;
    int n = snprintf(prompt, sizeof prompt, "passphrase of %s: ", path);
    err = ways->ask && n > 0 ? secret_ask(prompt, ret, msg) : VL_EUNSUPPORTED;
    if (err == VL_EUNSUPPORTED)
        return vl_errmsg_set(msg, VL_ESTATE, "%.100s is sealed with a passphrase and there is no terminal to ask on: use --passphrase-file FILE, "
                                             "or the systemd credential " KEYFILE_CREDENTIAL, path);
    return err;
}

static enum vl_err pin_get(const struct keyfile_ways *ways, struct secret *ret, struct vl_errmsg *msg) {
    *ret = (struct secret){ .n = 0 };
    if (ways->pin_file) return secret_file(ways->pin_file, ret, msg);
    enum vl_err err = secret_credential(KEYFILE_CREDENTIAL_PIN, ret, msg);
    if (err != VL_ENOTFOUND) return err;
    err = ways->ask ? secret_ask("PIN of the token: ", ret, msg) : VL_EUNSUPPORTED;
    return err == VL_EUNSUPPORTED ? VL_OK : err; /* some tokens need none, and the others say so */
}

static enum vl_err key_of(const char *path, const struct sealed_head *h, const struct keyfile_ways *ways, uint8_t ret[SEALED_KEY],
                          struct vl_errmsg *msg) {
    struct secret s = { .n = 0 };
    struct sealed_kdf kdf;
    enum vl_err err = VL_EUNSUPPORTED;
    switch (h->kind) {
    case SEALED_PASSPHRASE:
        err = sealed_kdf_get(h->params, &kdf);
        if (err == VL_ELIMIT) return vl_errmsg_set(msg, VL_ELIMIT, "%s asks for more work than a key file may: it is not one of ours", path);
        if (err) return damaged(path, err, msg);
        err = passphrase_get(path, ways, &s, msg);
        if (err == VL_OK && (err = sealed_kdf_run(&kdf, vl_span(s.b, s.n), ret)))
            vl_errmsg_set(msg, err, "the passphrase cannot be stretched with %u MiB of memory: %s", kdf.memory_kib / 1024, vl_err_text(err));
        break;
    case SEALED_TPM:
        err = tpm_unseal(ways->tcti, h->params, ret, msg);
        break;
    case SEALED_TOKEN:
        err = pin_get(ways, &s, msg);
        if (err == VL_OK) err = pkcs11_unwrap(ways->module, h->params, vl_span(s.b, s.n), ret, msg);
        break;
    case SEALED_DIRECT:
        err = vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s is sealed with a key that no owner can give", path);
        break;
    }
    crypto_wipe(&s, sizeof s);
    return err;
}

static enum vl_err sealed_read(const char *path, struct vl_span file, const struct keyfile_ways *ways, struct keyfile *f,
                               struct vl_errmsg *msg) {
    struct sealed_head h;
    uint8_t plain[SEALED_SECRET_MAX];
    size_t n = 0;
    enum vl_err err = sealed_look(file, &h);
    if (err == VL_OK && h.purpose != SEALED_NODE_KEYS) err = VL_ECORRUPT;
    if (err) return damaged(path, err, msg);
    err = key_of(path, &h, ways, f->key, msg);
    if (err) return err;
    err = sealed_open(file, f->key, plain, sizeof plain, &n);
    if (err == VL_ECRYPTO)
        return vl_errmsg_set(msg, err, h.kind == SEALED_PASSPHRASE ? "wrong passphrase for %s, or somebody changed the file"
                                                                  : "%s was sealed with another key, or somebody changed the file", path);
    if (err == VL_OK) err = node_keys_get(vl_span(plain, n), &f->keys);
    crypto_wipe(plain, sizeof plain);
    if (err) return damaged(path, err, msg);
    struct vl_node_id id = keyfile_node(f->keys.sign_seed);
    if (memcmp(id.b, h.owner, sizeof id.b) != 0) return damaged(path, VL_ECORRUPT, msg);
    f->sealed = true;
    f->kind = h.kind;
    f->params_n = h.params.n;
    memcpy(f->params, h.params.p, h.params.n);
    return VL_OK;
}

enum vl_err keyfile_read(const char *path, const struct keyfile_ways *ways, struct keyfile *ret, struct vl_errmsg *msg) {
    struct vl_buf b;
    struct keyfile f = { .sealed = false };
    enum vl_err err = bytes_read(path, &b, msg);
    if (err == VL_OK && sealed_is(vl_span(b.p, b.len))) {
        err = sealed_read(path, vl_span(b.p, b.len), ways, &f, msg);
    } else if (err == VL_OK) {
        err = node_keys_get(vl_span(b.p, b.len), &f.keys);
        if (err) err = damaged(path, err, msg);
    }
    if (err == VL_OK && f.keys.since_ms == 0) f.keys.since_ms = made_ms(path);
    bytes_wipe(&b);
    if (err == VL_OK) *ret = f;
    keyfile_wipe(&f);
    return err;
}

/* ---- writing ---- */

/* fd: of a file that has no name any more, or -1. */
static void old_overwrite(int fd) {
    static const uint8_t zero[SEALED_FILE_MAX];
    struct stat st;
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 && st.st_size <= (off_t)sizeof zero &&
        pwrite(fd, zero, (size_t)st.st_size, 0) == st.st_size)
        (void)fsync(fd);
    close(fd);
}

enum vl_err keyfile_write(const char *path, const struct keyfile *f, struct vl_errmsg *msg) {
    uint8_t plain[NODE_KEYS_BYTES], note[NODE_KEYS_NOTE], nonce[SEALED_NONCE];
    struct vl_buf out;
    struct vl_node_id id = keyfile_node(f->keys.sign_seed);
    vl_buf_init(&out, SEALED_FILE_MAX);
    node_keys_put(&f->keys, plain);
    enum vl_err err = vl_buf_reserve(&out, SEALED_FILE_MAX);
    if (err == VL_OK && f->sealed) {
        struct sealed_head h = { .kind = f->kind,
                                 .purpose = SEALED_NODE_KEYS,
                                 .params = vl_span(f->params, f->params_n),
                                 .note = vl_span(note, sizeof note) };
        memcpy(h.owner, id.b, sizeof h.owner);
        node_keys_note_put(&f->keys, note);
        crypto_random(nonce, sizeof nonce);
        err = sealed_write(&h, f->key, nonce, vl_span(plain, sizeof plain), &out);
    } else if (err == VL_OK) {
        err = vl_buf_append(&out, plain, sizeof plain);
    }
    crypto_wipe(plain, sizeof plain);
    int old = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (err == VL_OK) err = os_file_write(path, out.p, out.len, 0600);
    old_overwrite(old);
    bytes_wipe(&out);
    return err ? vl_errmsg_set(msg, err, "cannot write %s: %s", path, vl_err_text(err)) : VL_OK;
}

static void sealed_with(struct keyfile *f, enum sealed_kind kind, const uint8_t key[SEALED_KEY], struct vl_span params) {
    f->sealed = true;
    f->kind = kind;
    memcpy(f->key, key, SEALED_KEY);
    memcpy(f->params, params.p, params.n);
    f->params_n = params.n;
}

enum vl_err keyfile_seal_passphrase(struct keyfile *f, struct vl_span passphrase, struct vl_errmsg *msg) {
    struct sealed_kdf kdf = { .passes = SEALED_PASSES, .memory_kib = SEALED_MEMORY };
    uint8_t key[SEALED_KEY], params[SEALED_KDF_BYTES];
    crypto_random(kdf.salt, sizeof kdf.salt);
    sealed_kdf_put(&kdf, params);
    enum vl_err err = sealed_kdf_run(&kdf, passphrase, key);
    if (err) return vl_errmsg_set(msg, err, "the passphrase cannot be stretched: %s", vl_err_text(err));
    sealed_with(f, SEALED_PASSPHRASE, key, vl_span(params, sizeof params));
    crypto_wipe(key, sizeof key);
    return VL_OK;
}

enum vl_err keyfile_seal_tpm(struct keyfile *f, const char *tcti, uint32_t pcrs, struct vl_errmsg *msg) {
    uint8_t key[SEALED_KEY];
    struct vl_buf params;
    vl_buf_init(&params, SEALED_PARAMS_MAX);
    crypto_random(key, sizeof key);
    enum vl_err err = tpm_seal(tcti, pcrs, key, &params, msg);
    if (err == VL_OK) sealed_with(f, SEALED_TPM, key, vl_span(params.p, params.len));
    crypto_wipe(key, sizeof key);
    vl_buf_free(&params);
    return err;
}

enum vl_err keyfile_seal_token(struct keyfile *f, const char *module, const char *uri, struct vl_span pin, struct vl_errmsg *msg) {
    uint8_t key[SEALED_KEY];
    struct vl_buf params;
    struct pkcs11_uri u;
    if (pkcs11_uri_parse(uri, &u))
        return vl_errmsg_set(msg, VL_EPARSE, "'%.100s' names no key of a token: write pkcs11:token=NAME;object=NAME", uri);
    vl_buf_init(&params, SEALED_PARAMS_MAX);
    crypto_random(key, sizeof key);
    enum vl_err err = pkcs11_wrap(module, &u, pin, true, key, &params, msg);
    if (err == VL_OK) sealed_with(f, SEALED_TOKEN, key, vl_span(params.p, params.len));
    crypto_wipe(key, sizeof key);
    vl_buf_free(&params);
    return err;
}

void keyfile_unseal(struct keyfile *f) {
    f->sealed = false;
    f->params_n = 0;
    crypto_wipe(f->key, sizeof f->key);
}

/* ---- looking ---- */

static enum vl_err sealed_details(struct vl_span file, struct keyfile_look *ret) {
    struct sealed_head h;
    struct node_keys note = { .since_ms = 0 };
    enum vl_err err = sealed_look(file, &h);
    if (err == VL_OK && h.purpose != SEALED_NODE_KEYS) err = VL_ECORRUPT;
    if (err == VL_OK) err = node_keys_note_get(h.note, &note);
    if (err) return err;
    ret->sealed = true;
    ret->kind = h.kind;
    memcpy(ret->node.b, h.owner, sizeof ret->node.b);
    ret->since_ms = note.since_ms;
    ret->has_next = note.has_next;
    switch (h.kind) {
    case SEALED_PASSPHRASE:
        return sealed_kdf_get(h.params, &ret->kdf);
    case SEALED_TPM:
        return tpm_params_pcrs(h.params, &ret->pcrs);
    case SEALED_TOKEN:
        return pkcs11_params_uri(h.params, &ret->token);
    case SEALED_DIRECT:
        break;
    }
    return VL_OK;
}

enum vl_err keyfile_look(const char *path, struct keyfile_look *ret, struct vl_errmsg *msg) {
    struct keyfile_look look = { .sealed = false };
    struct node_keys k;
    struct vl_buf b;
    enum vl_err err = bytes_read(path, &b, msg);
    if (err == VL_OK && sealed_is(vl_span(b.p, b.len))) {
        err = sealed_details(vl_span(b.p, b.len), &look);
        if (err) err = damaged(path, err, msg);
    } else if (err == VL_OK && (err = node_keys_get(vl_span(b.p, b.len), &k))) {
        err = damaged(path, err, msg);
    } else if (err == VL_OK) {
        look.node = keyfile_node(k.sign_seed);
        look.since_ms = k.since_ms ? k.since_ms : made_ms(path);
        look.coordinator = k.coordinator;
        look.coordinator_known = true;
        look.has_next = k.has_next;
        crypto_wipe(&k, sizeof k);
    }
    bytes_wipe(&b);
    if (err == VL_OK) *ret = look;
    return err;
}
