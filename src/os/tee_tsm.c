/* configfs-tsm: one interface of Linux 6.7 and newer for reports of SEV-SNP, TDX and CCA guests.  A report is a directory that we make:
 * what is written to `inblob` is what `outblob` signs, `auxblob` has the host's certificates, `generation` counts writes. */
#include "os/tee_priv.h"

#include "os/file.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORTS "/sys/kernel/config/tsm/report"
#define PROVIDER_MAX 64u
#define TRIES 3u
#define KEY_VLEK 1u

static const struct maker {
    const char *name; /* as the file `provider` says it */
    const char *what;
    uint8_t kind;
} makers[] = {
    { "sev_guest", "AMD SEV-SNP", TEE_KIND_SNP },
    { "tdx_guest", "Intel TDX", TEE_KIND_TDX },
    { "arm_cca_guest", "Arm CCA", TEE_KIND_CCA },
};

static const struct maker *maker_find(const char *name) {
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (strcmp(makers[i].name, name) == 0) return &makers[i];
    return NULL;
}

struct entry {
    char dir[TEE_PATH];
};
static bool entry_path(const struct entry *e, const char *file, char ret[TEE_PATH]) {
    return (size_t)snprintf(ret, TEE_PATH, "%s/%s", e->dir, file) < TEE_PATH;
}

/* A name of its own for each report: two that ask at once never share one.  Returns errno. */
static int entry_make(const struct tee *t, struct entry *e) {
    static atomic_uint counter;
    char path[TEE_PATH];
    if (!tee_path(t, REPORTS, path)) return ENAMETOOLONG;
    for (unsigned i = 0; i < 16; i++) {
        unsigned n = atomic_fetch_add(&counter, 1);
        if ((size_t)snprintf(e->dir, TEE_PATH, "%s/village-%ld-%u", path, (long)getpid(), n) >= TEE_PATH) return ENAMETOOLONG;
        if (mkdir(e->dir, 0700) == 0) return 0;
        if (errno != EEXIST) return errno;
        /* left behind by a process of our number that was killed */
        if (rmdir(e->dir) == 0 && mkdir(e->dir, 0700) == 0) return 0;
    }
    return EEXIST;
}

static bool why_not(const struct tee *t, int err, char why[TEE_WHY]) {
    if (err == ENXIO || err == EBUSY)
        snprintf(why, TEE_WHY, "%s is there, but no driver of a guest speaks for it: not in a confidential guest", REPORTS);
    else if (err == ENOENT || err == ENOTDIR)
        snprintf(why, TEE_WHY, "no %s: kernel without TSM (6.7 and newer have it), configfs not mounted, or not in a confidential guest",
                 REPORTS);
    else if (err == EACCES || err == EPERM)
        snprintf(why, TEE_WHY, "no permission to make a report in %s: it is root's; run the node as root, or give it a TPM", REPORTS);
    else
        return tee_open_why(t, REPORTS, err, "", why);
    return err == EACCES || err == EPERM;
}

static bool provider_of(const struct entry *e, char ret[PROVIDER_MAX]) {
    char path[TEE_PATH];
    return entry_path(e, "provider", path) && tee_word(path, ret, PROVIDER_MAX);
}

static bool detect(const struct tee *t, struct tee_found *ret) {
    struct entry e;
    char name[PROVIDER_MAX];
    int err = entry_make(t, &e);
    if (err) {
        ret->denied = why_not(t, err, ret->why);
        return false;
    }
    bool named = provider_of(&e, name);
    rmdir(e.dir);
    const struct maker *m = named ? maker_find(name) : NULL;
    if (m == NULL) {
        snprintf(ret->why, sizeof ret->why, "%s belongs to the provider '%s', whose reports the village does not verify", REPORTS,
                 named ? name : "?");
        return false;
    }
    ret->kind = m->kind;
    snprintf(ret->why, sizeof ret->why, "%s, by %s", m->what, REPORTS);
    return true;
}

static bool generation(const struct entry *e, uint64_t *ret) {
    char path[TEE_PATH], text[32], *end = NULL;
    if (!entry_path(e, "generation", path) || !tee_word(path, text, sizeof text) || text[0] < '0' || text[0] > '9') return false;
    *ret = strtoull(text, &end, 10);
    return *end == '\0';
}

/* One file of an entry; VL_ENOTFOUND is the caller's to judge. */
static enum vl_err blob(const struct entry *e, const char *file, struct vl_buf *out) {
    char path[TEE_PATH];
    return entry_path(e, file, path) ? tee_read(path, out) : VL_ERANGE;
}

/* VL_EAGAIN: somebody wrote to our entry in between. */
static enum vl_err once(const struct entry *e, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_buf *aux,
                        struct vl_errmsg *msg) {
    char path[TEE_PATH];
    uint64_t before = 0, after = 0;
    if (!entry_path(e, "inblob", path) || !generation(e, &before))
        return vl_errmsg_set(msg, VL_EPARSE, "%s: the files of a report are missing", REPORTS);
    enum vl_err err = tee_write(path, data, TEE_DATA);
    if (err) return vl_errmsg_set(msg, err, "%s: report data are not taken: %s", REPORTS, vl_err_text(err));
    err = blob(e, "outblob", &ret->evidence);
    if (err == VL_OK) err = blob(e, "auxblob", aux);
    if (err == VL_ENOTFOUND) err = VL_OK; /* kernels before 6.8, or a driver that has none */
    if (err) return vl_errmsg_set(msg, err, "%s: no report came: %s", REPORTS, vl_err_text(err));
    if (!generation(e, &after) || after != before + 1)
        return vl_errmsg_set(msg, VL_EAGAIN, "%s: another program wrote to our report (generation %llu after %llu); try again", REPORTS,
                             (unsigned long long)after, (unsigned long long)before);
    return VL_OK;
}

static enum vl_err take(const struct entry *e, struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    struct vl_buf aux;
    vl_buf_init(&aux, TEE_ANSWER_MAX);
    enum vl_err err = VL_EAGAIN;
    for (unsigned i = 0; i < TRIES && err == VL_EAGAIN; i++) {
        vl_buf_clear(&ret->evidence);
        vl_buf_clear(&aux);
        err = once(e, data, ret, &aux, msg);
        if (err == VL_OK && t->kind != TEE_KIND_CCA) err = tee_carries(t->kind, vl_span(ret->evidence.p, ret->evidence.len), data, msg);
    }
    if (err == VL_OK && t->kind == TEE_KIND_SNP) {
        /* the kernel hands on what the host gave it: the report alone without a table is fine */
        bool vlek = (ret->evidence.p[0x48] >> 2 & 7u) == KEY_VLEK;
        err = tee_snp_certificates(vl_span(aux.p, aux.len), vlek, &ret->leaf, &ret->certificates);
        if (err) vl_errmsg_set(msg, err, "%s: the host's table of certificates is damaged", REPORTS);
    }
    vl_buf_free(&aux);
    return err;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    struct entry e;
    char why[TEE_WHY], name[PROVIDER_MAX];
    int sys = entry_make(t, &e);
    if (sys) {
        (void)why_not(t, sys, why);
        return vl_errmsg_set(msg, os_err(sys), "%s", why);
    }
    const struct maker *m = provider_of(&e, name) ? maker_find(name) : NULL;
    enum vl_err err = m && m->kind == t->kind ? take(&e, t, data, ret, msg)
                                              : vl_errmsg_set(msg, VL_ESTATE, "%s: another provider took over", REPORTS);
    rmdir(e.dir);
    return err;
}

const struct tee_provider tee_tsm = { .name = "tsm",
                                      .what = "SEV-SNP, TDX or CCA guest, by configfs-tsm",
                                      .kind = TEE_KIND_SNP,
                                      .automatic = true,
                                      .detect = detect,
                                      .attest = attest };
