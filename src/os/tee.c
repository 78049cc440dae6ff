#include "os/tee.h"

#include "crypto/random.h"
#include "os/file.h"
#include "os/tee_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Best one first: what speaks for the whole guest, then for an enclave, then for the machine's start. */
static const struct tee_provider *const providers[TEE_PROVIDERS] = { &tee_tsm,   &tee_sev_guest, &tee_tdx_guest, &tee_gramine,
                                                                     &tee_nitro, &tee_optee,     &tee_tpm,       &tee_self };

/* ---- files below the root ---- */

bool tee_path(const struct tee *t, const char *path, char ret[TEE_PATH]) {
    return (size_t)snprintf(ret, TEE_PATH, "%s%s", t->root, path) < TEE_PATH;
}

int tee_open(const struct tee *t, const char *path, int flags, int *ret_errno) {
    char full[TEE_PATH];
    if (!tee_path(t, path, full)) {
        *ret_errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(full, flags | O_CLOEXEC | O_NOCTTY);
    *ret_errno = fd < 0 ? errno : 0;
    return fd;
}

/* The group that may open a device, "root" when it is the owner's alone. */
static void group_of(const char *path, char ret[64]) {
    struct stat st;
    struct group g, *found = NULL;
    char text[1024];
    snprintf(ret, 64, "root");
    if (stat(path, &st) != 0 || (st.st_mode & S_IRGRP) == 0) return;
    if (getgrgid_r(st.st_gid, &g, text, sizeof text, &found) == 0 && found != NULL) snprintf(ret, 64, "%.63s", found->gr_name);
}

bool tee_open_why(const struct tee *t, const char *path, int err, const char *absent, char why[TEE_WHY]) {
    char full[TEE_PATH], group[64];
    if (err == ENOENT || err == ENOTDIR || err == ENXIO || err == ENODEV || !tee_path(t, path, full)) {
        snprintf(why, TEE_WHY, "no %s: %s", path, absent);
        return false;
    }
    if (err == EACCES || err == EPERM) {
        group_of(full, group);
        if (strcmp(group, "root") == 0)
            snprintf(why, TEE_WHY, "%.64s may be opened by root alone: run as root, or give it a group with a udev rule", path);
        else
            snprintf(why, TEE_WHY, "no permission for %.64s: add the user to group %.32s (usermod -aG) and log in again", path, group);
        return true;
    }
    snprintf(why, TEE_WHY, "%.64s cannot be opened: %.100s", path, strerror(err));
    return false;
}

bool tee_word(const char *path, char *ret, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return false;
    ssize_t n = read(fd, ret, cap - 1);
    close(fd);
    if (n <= 0 || memchr(ret, '\0', (size_t)n) != NULL) return false;
    ret[n] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return ret[0] != '\0';
}

enum vl_err tee_read(const char *path, struct vl_buf *b) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return os_err(errno);
    enum vl_err err = VL_OK;
    for (;;) {
        size_t room = b->max - b->len < 4096 ? b->max - b->len : 4096;
        uint8_t one;
        if (room == 0) { /* full: is there more? */
            ssize_t more = read(fd, &one, 1);
            if (more != 0) err = more < 0 ? os_err(errno) : VL_ELIMIT;
            break;
        }
        err = vl_buf_reserve(b, room);
        if (err) break;
        ssize_t n = read(fd, b->p + b->len, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) err = errno == EWOULDBLOCK ? VL_EAGAIN : os_err(errno);
        if (n <= 0) break;
        b->len += (size_t)n;
    }
    close(fd);
    return err;
}

enum vl_err tee_write(const char *path, const void *p, size_t n) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return os_err(errno);
    ssize_t wrote = write(fd, p, n);
    enum vl_err err = wrote < 0 ? os_err(errno) : (size_t)wrote == n ? VL_OK : VL_EIO;
    if (close(fd) != 0 && err == VL_OK) err = os_err(errno); /* configfs commits what is binary here */
    return err;
}

enum vl_err tee_carries(uint8_t kind, struct vl_span evidence, const uint8_t data[TEE_DATA], struct vl_errmsg *msg) {
    struct vl_span at = tee_report_data(kind, evidence);
    if (at.n == 0) return vl_errmsg_set(msg, VL_EPARSE, "what came back is no report: %zu bytes", evidence.n);
    if (memcmp(at.p, data, TEE_DATA) != 0)
        return vl_errmsg_set(msg, VL_EAGAIN, "the report is about somebody else's data: another program asked at the same time; try again");
    return VL_OK;
}

/* ---- evidence ---- */

void tee_evidence_init(struct tee_evidence *e) {
    *e = (struct tee_evidence){ .kind = 0 };
    vl_buf_init(&e->evidence, ATTESTATION_EVIDENCE_MAX);
    vl_buf_init(&e->leaf, ATTESTATION_LEAF_MAX);
    vl_buf_init(&e->certificates, ATTESTATION_CERTIFICATES_MAX);
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) vl_buf_init(&e->collateral[i], ATTESTATION_PIECE_MAX);
}

void tee_evidence_free(struct tee_evidence *e) {
    vl_buf_free(&e->evidence);
    vl_buf_free(&e->leaf);
    vl_buf_free(&e->certificates);
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) vl_buf_free(&e->collateral[i]);
    e->kind = 0;
}

static struct vl_span of(const struct vl_buf *b) { return vl_span(b->p, b->len); }

void tee_evidence_view(const struct tee_evidence *e, struct attestation *ret) {
    ret->kind = e->kind;
    ret->evidence = of(&e->evidence);
    ret->leaf = of(&e->leaf);
    ret->certificates = of(&e->certificates);
    for (unsigned i = 0; i < ATTESTATION_COLLATERAL; i++) ret->collateral[i] = of(&e->collateral[i]);
}

/* ---- the table ---- */

static enum vl_err fill(struct tee *t, const struct tee_config *cfg, struct vl_errmsg *msg) {
    *t = (struct tee){ .has_tpm = cfg->tpm != NULL, .has_qgs = cfg->qgs != NULL, .has_ek = cfg->ek != NULL, .has_seed = cfg->seed != NULL };
    const char *root = cfg->root != NULL ? cfg->root : "";
    if (strlen(root) >= sizeof t->root) return vl_errmsg_set(msg, VL_ERANGE, "the root of devices is longer than %u bytes", TEE_ROOT_MAX - 1);
    memcpy(t->root, root, strlen(root) + 1);
    if (t->has_tpm && strlen(cfg->tpm) >= sizeof t->tpm)
        return vl_errmsg_set(msg, VL_ERANGE, "the TCTI of the TPM is longer than %u bytes", TEE_TCTI_MAX - 1);
    if (t->has_tpm) memcpy(t->tpm, cfg->tpm, strlen(cfg->tpm) + 1);
    if (t->has_qgs && strlen(cfg->qgs) >= sizeof t->qgs) return vl_errmsg_set(msg, VL_ERANGE, "the path of the quoting service is too long");
    if (t->has_qgs) memcpy(t->qgs, cfg->qgs, strlen(cfg->qgs) + 1);
    if (t->has_ek && strlen(cfg->ek) >= sizeof t->ek) return vl_errmsg_set(msg, VL_ERANGE, "the path of the certificate is too long");
    if (t->has_ek) memcpy(t->ek, cfg->ek, strlen(cfg->ek) + 1);
    if (t->has_seed) memcpy(t->seed, cfg->seed, 32);
    return VL_OK;
}

static void look(const struct tee *t, const struct tee_provider *p, struct tee_found *ret) {
    *ret = (struct tee_found){ .name = p->name, .what = p->what, .kind = p->kind, .automatic = p->automatic };
    ret->here = p->detect(t, ret);
    assert(ret->why[0] != '\0');
}

void tee_detect(const struct tee_config *cfg, struct tee_found ret[TEE_PROVIDERS]) {
    struct tee t;
    struct vl_errmsg msg = { "" };
    enum vl_err err = fill(&t, cfg, &msg);
    for (unsigned i = 0; i < TEE_PROVIDERS; i++) {
        if (err == VL_OK) {
            look(&t, providers[i], &ret[i]);
            continue;
        }
        ret[i] = (struct tee_found){
            .name = providers[i]->name, .what = providers[i]->what, .kind = providers[i]->kind, .automatic = providers[i]->automatic
        };
        snprintf(ret[i].why, sizeof ret[i].why, "%.190s", msg.text);
    }
    crypto_wipe(&t, sizeof t);
}

static enum vl_err choose(const struct tee *t, const char *name, const struct tee_provider **ret, struct tee_found *found,
                          struct vl_errmsg *msg) {
    bool any = name == NULL || strcmp(name, "auto") == 0;
    for (unsigned i = 0; i < TEE_PROVIDERS; i++) {
        if (any ? !providers[i]->automatic : strcmp(providers[i]->name, name) != 0) continue;
        look(t, providers[i], found);
        if (found->here) {
            *ret = providers[i];
            return VL_OK;
        }
        if (!any) return vl_errmsg_set(msg, found->denied ? VL_EDENIED : VL_EUNSUPPORTED, "%s: %s", name, found->why);
    }
    if (any)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED,
                             "nothing on this machine can attest where it runs; `village tee list` says what was looked for");
    return vl_errmsg_set(msg, VL_EUNSUPPORTED, "there is no provider '%.32s'; `village tee list` names them", name);
}

enum vl_err tee_create(const struct tee_config *cfg, const char *name, struct tee **ret, struct vl_errmsg *msg) {
    struct tee *t = calloc(1, sizeof *t);
    struct tee_found found;
    const struct tee_provider *p = NULL;
    if (t == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    enum vl_err err = fill(t, cfg, msg);
    if (err == VL_OK) err = choose(t, name, &p, &found, msg);
    if (err == VL_OK) {
        t->provider = p;
        t->kind = found.kind;
        if (p->create) err = p->create(t, msg);
    }
    if (err) {
        tee_destroy(t);
        return err;
    }
    *ret = t;
    return VL_OK;
}

void tee_destroy(struct tee *t) {
    if (t == NULL) return;
    if (t->provider && t->provider->destroy) t->provider->destroy(t);
    crypto_wipe(t, sizeof *t);
    free(t);
}

const char *tee_name(const struct tee *t) { return t->provider->name; }
uint8_t tee_kind(const struct tee *t) { return t->kind; }

enum vl_err tee_measure(struct tee *t, const uint8_t program[32], struct vl_errmsg *msg) {
    return t->provider->measure ? t->provider->measure(t, program, msg) : VL_OK;
}
bool tee_measures(const struct tee *t) { return t->provider->measure != NULL; }

enum vl_err tee_attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    tee_evidence_free(ret);
    ret->kind = t->kind;
    enum vl_err err = t->provider->attest(t, data, ret, msg);
    if (err) tee_evidence_free(ret);
    return err;
}

enum vl_err tee_credential(struct tee *t, struct vl_span in, uint8_t ret[TEE_SECRET_MAX], size_t *ret_n, struct vl_errmsg *msg) {
    if (t->provider->credential == NULL)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s: only a TPM opens credentials", t->provider->name);
    return t->provider->credential(t, in, ret, ret_n, msg);
}
