/* The operator's policy on evidence, from JSON. */
#include "trust/admission_priv.h"

#include "trust/json.h"

#include <string.h>

#define MILLI 1000u
#define PERIOD_MIN_S 60u
#define PERIOD_MAX_S 2592000u
#define SECONDS_MAX 315576000u /* ten years: grace, half-life */

/* Where in the policy a value stands, and what to say of it. */
struct source {
    struct vl_span text;
    struct vl_errmsg *why;
};
struct at {
    const struct source *src;
    const char *in; /* "" or "snp_minimum." */
};

/* The line of the text on which `p` stands. */
static unsigned line_of(const struct source *src, const uint8_t *p) {
    unsigned line = 1;
    for (const uint8_t *c = src->text.p; c < p && c < src->text.p + src->text.n; c++) line += *c == '\n';
    return line;
}

static enum vl_err wrong(const struct at *at, struct vl_span name, enum vl_err err, const char *what) {
    char where[64] = "";
    size_t at_n = strlen(at->in);
    memcpy(where, at->in, at_n);
    if (name.n == 0 && at_n > 0) where[at_n - 1] = '\0'; /* the group itself */
    for (size_t i = 0; i < name.n && i < 40; i++) where[at_n + i] = name.p[i] >= 0x20 && name.p[i] < 0x7f ? (char)name.p[i] : '?';
    return vl_errmsg_set(at->src->why, err, "attestation policy, line %u: %s%s%s", line_of(at->src, name.p), where, where[0] ? ": " : "", what);
}

enum type { T_UINT, T_BOOL, T_BYTE };
struct field { /* a number or a flag: where it goes */
    const char *name;
    enum type type;
    uint64_t min, max;
    void *to; /* uint64_t for T_UINT, bool, uint8_t */
};

static bool flag(struct vl_span v, bool *ret) {
    *ret = vl_span_eq(v, vl_span_str("true"));
    return *ret || vl_span_eq(v, vl_span_str("false"));
}

static enum vl_err field_take(const struct at *at, const struct field *f, struct vl_span name, struct vl_span v) {
    uint64_t x = 0;
    if (f->type == T_BOOL) return flag(v, f->to) ? VL_OK : wrong(at, name, VL_EPARSE, "true or false is wanted");
    if (!jspan_uint(v, &x)) return wrong(at, name, VL_EPARSE, "a whole number is wanted");
    if (x < f->min || x > f->max)
        return vl_errmsg_set(at->src->why, VL_ERANGE, "attestation policy, line %u: %s%s: %llu to %llu is allowed",
                             line_of(at->src, name.p), at->in, f->name, (unsigned long long)f->min, (unsigned long long)f->max);
    if (f->type == T_BYTE)
        *(uint8_t *)f->to = (uint8_t)x;
    else
        *(uint64_t *)f->to = x;
    return VL_OK;
}

static const struct field *field_of(const struct field *v, size_t n, struct vl_span name) {
    for (size_t i = 0; i < n; i++)
        if (vl_span_eq(name, vl_span_str(v[i].name))) return &v[i];
    return NULL;
}

/* An object of fields and nothing else. */
static enum vl_err group(const struct source *src, const char *in, struct vl_span object, const struct field *v, size_t n) {
    struct at at = { .src = src, .in = in };
    struct vl_span name, value;
    if (object.n == 0 || object.p[0] != '{') return wrong(&at, vl_span(object.p, 0), VL_EPARSE, "an object is wanted");
    while (jspan_pair(&object, &name, &value)) {
        const struct field *f = field_of(v, n, name);
        enum vl_err err = f ? field_take(&at, f, name, value) : wrong(&at, name, VL_EPARSE, "there is no such name here");
        if (err) return err;
    }
    return VL_OK;
}
#define COUNT(v) (sizeof(v) / sizeof *(v))

/* ---- lists ---- */

static bool kind_of(struct vl_span v, enum attest_kind *ret) {
    for (unsigned k = ATTEST_SELF + 1; k < ATTEST_KINDS; k++)
        if (jspan_is(v, attest_kind_name((enum attest_kind)k))) {
            *ret = (enum attest_kind)k;
            return true;
        }
    return false;
}

static bool anchor_of(struct vl_span v, enum attest_anchor *ret) {
    *ret = jspan_is(v, "vendor")      ? ATTEST_ANCHOR_VENDOR
           : jspan_is(v, "operator")  ? ATTEST_ANCHOR_OPERATOR
           : jspan_is(v, "simulated") ? ATTEST_ANCHOR_SIMULATED
                                      : ATTEST_ANCHOR_NONE;
    return *ret != ATTEST_ANCHOR_NONE;
}

static bool name_of(struct vl_span v, char dst[ADMISSION_NAME_MAX]) {
    struct vl_span s;
    if (!jspan_text(v, &s) || s.n == 0 || s.n >= ADMISSION_NAME_MAX) return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] >= 0x7f) return false;
    memcpy(dst, s.p, s.n);
    dst[s.n] = '\0';
    return true;
}

static enum vl_err root_read(const struct source *src, struct vl_span object, struct attest_root *r, char name[ADMISSION_NAME_MAX]) {
    struct at at = { .src = src, .in = "roots." };
    struct vl_span key, v;
    bool has_kind = false, has_key = false, has_anchor = false;
    if (object.n == 0 || object.p[0] != '{') return wrong(&at, vl_span(object.p, 0), VL_EPARSE, "objects are wanted");
    memcpy(name, "operator's root", sizeof "operator's root");
    while (jspan_pair(&object, &key, &v)) {
        bool ok = true;
        if (vl_span_eq(key, vl_span_str("kind")))
            ok = has_kind = kind_of(v, &r->kind);
        else if (vl_span_eq(key, vl_span_str("key")))
            ok = has_key = jspan_hex(v, r->key, sizeof r->key);
        else if (vl_span_eq(key, vl_span_str("anchor")))
            ok = has_anchor = anchor_of(v, &r->anchor);
        else if (vl_span_eq(key, vl_span_str("name")))
            ok = name_of(v, name);
        else
            return wrong(&at, key, VL_EPARSE, "there is no such name here");
        if (!ok)
            return wrong(&at, key, VL_EPARSE,
                         "kind: snp, sgx, tdx, azure, nitro, cca, psa, android, nvidia or tpm; key: 64 hexadecimal digits; anchor: "
                         "operator, simulated or vendor; name: ASCII");
    }
    r->name = name;
    return has_kind && has_key && has_anchor ? VL_OK
                                             : wrong(&at, vl_span(object.p, 0), VL_EPARSE, "kind, key and anchor are needed");
}

static enum vl_err roots_read(const struct source *src, struct vl_span array, struct admission *a) {
    struct at at = { .src = src, .in = "" };
    struct vl_span v, name = vl_span(array.p, 0);
    if (array.n == 0 || array.p[0] != '[') return wrong(&at, name, VL_EPARSE, "roots: a list is wanted");
    while (jspan_next(&array, &v)) {
        size_t i = a->rules.nroots;
        if (i == ADMISSION_ROOTS) return wrong(&at, vl_span(v.p, 0), VL_ELIMIT, "roots: 16 at most");
        enum vl_err err = root_read(src, v, &a->roots[i], a->root_name[i]);
        if (err) return err;
        a->rules.nroots++;
    }
    a->rules.roots = a->roots;
    return VL_OK;
}

static enum vl_err measurements_read(const struct source *src, struct vl_span array, struct admission *a) {
    struct at at = { .src = src, .in = "" };
    struct vl_span v, text, name = vl_span(array.p, 0);
    if (array.n == 0 || array.p[0] != '[') return wrong(&at, name, VL_EPARSE, "measurements: a list is wanted");
    while (jspan_next(&array, &v)) {
        size_t i = a->rules.nmeasurements;
        if (i == ADMISSION_MEASUREMENTS) return wrong(&at, vl_span(v.p, 0), VL_ELIMIT, "measurements: 64 at most");
        if (!jspan_text(v, &text) || text.n < 40 || text.n > 2 * ATTEST_DATA || !jspan_hex(v, a->measurement[i], text.n / 2))
            return wrong(&at, vl_span(v.p, 0), VL_EPARSE, "measurements: 40 to 128 hexadecimal digits each");
        a->measurements[i] = vl_span(a->measurement[i], text.n / 2);
        a->rules.nmeasurements++;
    }
    a->rules.measurements = a->measurements;
    return VL_OK;
}

static enum vl_err platforms_read(const struct source *src, struct vl_span array, struct admission *a) {
    struct at at = { .src = src, .in = "" };
    struct vl_span v, name = vl_span(array.p, 0);
    if (array.n == 0 || array.p[0] != '[') return wrong(&at, name, VL_EPARSE, "platforms: a list is wanted");
    a->platforms = 0;
    while (jspan_next(&array, &v)) {
        enum attest_kind k;
        if (!kind_of(v, &k))
            return wrong(&at, vl_span(v.p, 0), VL_EPARSE,
                         "platforms: snp, sgx, tdx, azure, nitro, cca, psa, android, nvidia and tpm are known");
        a->platforms |= 1u << k;
    }
    return VL_OK;
}

/* ---- the whole ---- */

struct numbers { /* as they stand in the file */
    uint64_t version, admit, period_s, grace_s, half_life_s, vmpl, patch, task[SLA_CLASSES], cap[3], bonus[3];
};

static enum vl_err groups_read(const struct source *src, struct vl_span name, struct vl_span v, struct admission *a, struct numbers *n) {
    struct at at = { .src = src, .in = "" };
    const struct field tasks[] = { { "B", T_UINT, 0, MILLI, &n->task[SLA_B] },
                                   { "A", T_UINT, 0, MILLI, &n->task[SLA_A] },
                                   { "S", T_UINT, 0, MILLI, &n->task[SLA_S] } };
    /* 0 would stand for the default, and is not what who writes it means */
    const struct field caps[] = { { "tcb", T_UINT, 1, MILLI, &n->cap[0] },
                                  { "late", T_UINT, 1, MILLI, &n->cap[1] },
                                  { "sha1", T_UINT, 1, MILLI, &n->cap[2] } };
    const struct field bonuses[] = { { "tpm", T_UINT, 1, MILLI, &n->bonus[0] },
                                     { "tee", T_UINT, 1, MILLI, &n->bonus[1] },
                                     { "secure_boot", T_UINT, 1, MILLI, &n->bonus[2] } };
    const struct field snp[] = { { "fmc", T_BYTE, 0, 255, &a->rules.snp_minimum.fmc },
                                 { "bootloader", T_BYTE, 0, 255, &a->rules.snp_minimum.bootloader },
                                 { "tee", T_BYTE, 0, 255, &a->rules.snp_minimum.tee },
                                 { "snp", T_BYTE, 0, 255, &a->rules.snp_minimum.snp },
                                 { "microcode", T_BYTE, 0, 255, &a->rules.snp_minimum.microcode } };
    if (vl_span_eq(name, vl_span_str("roots"))) return roots_read(src, v, a);
    if (vl_span_eq(name, vl_span_str("measurements"))) return measurements_read(src, v, a);
    if (vl_span_eq(name, vl_span_str("platforms"))) return platforms_read(src, v, a);
    if (vl_span_eq(name, vl_span_str("tasks"))) return group(src, "tasks.", v, tasks, COUNT(tasks));
    if (vl_span_eq(name, vl_span_str("caps"))) return group(src, "caps.", v, caps, COUNT(caps));
    if (vl_span_eq(name, vl_span_str("bonuses"))) return group(src, "bonuses.", v, bonuses, COUNT(bonuses));
    if (vl_span_eq(name, vl_span_str("snp_minimum"))) {
        a->rules.snp_minimum.set = true;
        return group(src, "snp_minimum.", v, snp, COUNT(snp));
    }
    return wrong(&at, name, VL_EPARSE, "there is no such name here");
}

static void numbers_take(const struct numbers *n, struct admission *a) {
    a->admit = (uint32_t)n->admit;
    for (unsigned c = 0; c < SLA_CLASSES; c++) a->tasks[c] = (uint32_t)n->task[c];
    a->period_ms = n->period_s * 1000;
    a->rules.grace_ms = n->grace_s * 1000;
    a->rules.half_life_ms = n->half_life_s * 1000;
    a->rules.snp_vmpl_max = (uint32_t)n->vmpl;
    a->rules.android_patch_minimum = (uint32_t)n->patch;
    a->rules.cap_tcb = (uint32_t)n->cap[0];
    a->rules.cap_late = (uint32_t)n->cap[1];
    a->rules.cap_sha1 = (uint32_t)n->cap[2];
    a->rules.bonus_tpm = (uint32_t)n->bonus[0];
    a->rules.bonus_tee = (uint32_t)n->bonus[1];
    a->rules.bonus_secure_boot = (uint32_t)n->bonus[2];
}

enum vl_err admission_policy_read(struct vl_span policy, struct admission *a, struct vl_errmsg *why) {
    struct numbers n = { .period_s = ADMISSION_PERIOD_MS / 1000 };
    const struct field fields[] = { { "version", T_UINT, 1, 1, &n.version },
                                    { "admit", T_UINT, 0, MILLI, &n.admit },
                                    { "period_s", T_UINT, PERIOD_MIN_S, PERIOD_MAX_S, &n.period_s },
                                    { "grace_s", T_UINT, 0, SECONDS_MAX, &n.grace_s },
                                    { "half_life_s", T_UINT, 1, SECONDS_MAX, &n.half_life_s },
                                    { "snp_vmpl_max", T_UINT, 0, 3, &n.vmpl },
                                    { "android_patch_minimum", T_UINT, 0, 999912, &n.patch },
                                    { "need_crl", T_BOOL, 0, 0, &a->rules.need_crl },
                                    { "no_smt", T_BOOL, 0, 0, &a->rules.no_smt },
                                    { "allow_migration", T_BOOL, 0, 0, &a->rules.allow_migration },
                                    { "snp_single_socket", T_BOOL, 0, 0, &a->rules.snp_single_socket } };
    const struct source source = { policy, why }, *src = &source;
    struct at at = { .src = src, .in = "" };
    struct vl_span object, name, v;
    a->platforms = UINT32_MAX;
    if (policy.n > 0) {
        if (policy.n > ADMISSION_POLICY_MAX) return vl_errmsg_set(why, VL_ELIMIT, "attestation policy: 64 KiB at most");
        if (!jspan_read(policy, &object) || object.p[0] != '{')
            return vl_errmsg_set(why, VL_EPARSE, "attestation policy, line %u: not JSON, no object, or a name stands there twice",
                                 line_of(src, policy.p + jspan_stop(policy)));
        while (jspan_pair(&object, &name, &v)) {
            const struct field *f = field_of(fields, COUNT(fields), name);
            enum vl_err err = f ? field_take(&at, f, name, v) : groups_read(src, name, v, a, &n);
            if (err) return err;
        }
        if (n.version != 1) return vl_errmsg_set(why, VL_EVERSION, "attestation policy: \"version\": 1 is missing");
    }
    numbers_take(&n, a);
    return VL_OK;
}
