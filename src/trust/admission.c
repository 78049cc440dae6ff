/* The verdict on what a node answered, and the files that are held against it. */
#include "trust/admission.h"

#include "trust/admission_priv.h"

#include "crypto/hash.h"
#include "trust/attest_bind.h"
#include "trust/json.h"
#include "wire/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGN_CONTEXT "village-attested-1:"
enum { TAG_SNAPSHOT = 0x86, VERSION = 1 };
#define PERIODS_UNTIL 2u /* a result counts for so many periods: one round may fail, and is done again many times before that */

/* ---- files ---- */

static bool name_ok(const char *name) {
    size_t n = strnlen(name, ADMISSION_NAME_MAX);
    if (n == 0 || n == ADMISSION_NAME_MAX) return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] < 0x20 || name[i] >= 0x7f) return false;
    return true;
}

static bool ends(struct vl_span name, const char *end) {
    size_t n = strlen(end);
    return name.n >= n && memcmp(name.p + name.n - n, end, n) == 0;
}

/* Parsed once here, so that a bad file is an error at start and not of every verdict. */
static enum vl_err try_certificates(struct vl_span bytes, bool list) {
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    if (pool == NULL) return VL_ENOMEM;
    enum vl_err err = list ? crypto_x509_pool_add_crl(pool, bytes) : crypto_x509_pool_add(pool, bytes);
    if (err == VL_OK && !list && crypto_x509_pool_count(pool) == 0) err = VL_EPARSE;
    crypto_x509_pool_destroy(pool);
    return err;
}

static enum vl_err take_json(struct admission *a, struct vl_span bytes) {
    struct vl_span root, v;
    if (!jspan_read(bytes, &root)) return VL_EPARSE;
    bool tcb = jspan_member(root, "tcbInfo", &v), identity = !tcb && jspan_member(root, "enclaveIdentity", &v);
    if (!tcb && !identity) return VL_EPARSE;
    size_t *n = tcb ? &a->ntcb : &a->nidentity;
    if (*n == ADMISSION_TCB) return VL_ELIMIT;
    (tcb ? a->tcb : a->identity)[(*n)++] = bytes;
    return VL_OK;
}

static enum vl_err file_take(struct admission *a, struct vl_span name, struct vl_span bytes, struct vl_errmsg *why) {
    enum vl_err err = VL_OK;
    const char *what = "certificates in PEM, or one in DER, were expected";
    if (ends(name, ".pem") || ends(name, ".crt") || ends(name, ".cer")) {
        err = try_certificates(bytes, false);
        a->certificate[a->ncertificate++] = bytes;
    } else if (ends(name, ".crl")) {
        what = "one revocation list was expected";
        err = try_certificates(bytes, true);
        a->list[a->nlist++] = bytes;
    } else if (ends(name, ".json")) {
        what = "TCB info or a QE identity was expected, as Intel's service gives it";
        err = take_json(a, bytes);
    } else if (vl_span_eq(name, vl_span_str("android-revoked.txt"))) {
        a->revoked = bytes;
    } else {
        what = "only .pem, .crt, .cer, .crl, .json and android-revoked.txt belong here: move it away";
        err = VL_EPARSE;
    }
    if (err == VL_ELIMIT) what = "there are too many";
    return err == VL_OK ? err : vl_errmsg_set(why, err, "%.*s: %s", (int)name.n, (const char *)name.p, what);
}

/* Reads a->snapshot. */
static enum vl_err files_take(struct admission *a, struct vl_errmsg *why) {
    struct vl_reader r = vl_reader(a->snapshot.p, a->snapshot.len);
    struct vl_span before = { 0 };
    if (a->snapshot.len == 0) return VL_OK;
    enum vl_err err = unpack_message(&r, TAG_SNAPSHOT, VERSION);
    uint16_t n = vl_read_u16(&r);
    if (err == VL_OK && n > ADMISSION_FILES) err = VL_EPARSE;
    for (uint16_t i = 0; i < n && err == VL_OK && !r.failed; i++) {
        struct vl_span name = unpack_span8(&r, ADMISSION_NAME_MAX - 1), bytes = unpack_span32(&r, ADMISSION_FILE_MAX);
        size_t common = before.n < name.n ? before.n : name.n;
        int order = i == 0 ? -1 : common == 0 ? 0 : memcmp(before.p, name.p, common);
        unpack_require(&r, name.n > 0 && (order < 0 || (order == 0 && before.n < name.n)));
        if (!r.failed) err = file_take(a, name, bytes, why);
        before = name;
    }
    return err == VL_OK ? vl_reader_end(&r) : err;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct admission_file *)a)->name, ((const struct admission_file *)b)->name);
}

static enum vl_err snapshot_make(const struct admission_file *sorted, size_t n, struct vl_buf *out, struct vl_errmsg *why) {
    struct pack w = pack_message(out, TAG_SNAPSHOT, VERSION);
    pack_u16(&w, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        if (!name_ok(sorted[i].name)) return vl_errmsg_set(why, VL_EPARSE, "a name of a file is not 1 to 63 letters of ASCII");
        if (i > 0 && strcmp(sorted[i - 1].name, sorted[i].name) == 0)
            return vl_errmsg_set(why, VL_EPARSE, "%s: is there twice", sorted[i].name);
        if (sorted[i].bytes.n > ADMISSION_FILE_MAX) return vl_errmsg_set(why, VL_ELIMIT, "%s: larger than 1 MiB", sorted[i].name);
        pack_span8(&w, vl_span_str(sorted[i].name));
        pack_span32(&w, sorted[i].bytes);
    }
    enum vl_err err = pack_end(&w);
    return err == VL_ELIMIT ? vl_errmsg_set(why, err, "the files are larger than 4 MiB together") : err;
}

/* ---- making ---- */

static enum vl_err open_from(struct vl_span policy, struct admission *a, struct vl_errmsg *why) {
    enum vl_err err = vl_buf_append(&a->policy, policy.p, policy.n);
    if (err) return vl_errmsg_set(why, err, "attestation policy: 64 KiB at most");
    err = admission_policy_read(admission_policy_bytes(a), a, why);
    if (err == VL_OK) err = files_take(a, why);
    if (err) return err;
    if (a->policy.len > 0) crypto_blake2b256(admission_policy_bytes(a), &a->policy_hash);
    if (a->snapshot.len > 0) crypto_blake2b256(admission_snapshot(a), &a->snapshot_hash);
    return VL_OK;
}

static struct admission *blank(void) {
    struct admission *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    vl_buf_init(&a->policy, ADMISSION_POLICY_MAX);
    vl_buf_init(&a->snapshot, ADMISSION_SNAPSHOT_MAX);
    return a;
}

static enum vl_err finish(struct admission *a, enum vl_err err, struct admission **ret) {
    if (err)
        admission_destroy(a);
    else
        *ret = a;
    return err;
}

enum vl_err admission_create(struct vl_span policy, const struct admission_file *files, size_t n, struct admission **ret,
                             struct vl_errmsg *why) {
    if (n > ADMISSION_FILES) return vl_errmsg_set(why, VL_ELIMIT, "%u files at most", ADMISSION_FILES);
    struct admission *a = blank();
    struct admission_file *sorted = calloc(n + 1, sizeof *sorted);
    enum vl_err err = a && sorted ? VL_OK : VL_ENOMEM;
    if (err == VL_OK && n > 0) {
        memcpy(sorted, files, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_name);
        err = snapshot_make(sorted, n, &a->snapshot, why);
    }
    free(sorted);
    if (err == VL_OK) err = open_from(policy, a, why);
    return finish(a, err, ret);
}

enum vl_err admission_reopen(struct vl_span policy, struct vl_span snapshot, struct admission **ret) {
    struct admission *a = blank();
    if (a == NULL) return VL_ENOMEM;
    enum vl_err err = vl_buf_append(&a->snapshot, snapshot.p, snapshot.n);
    if (err == VL_OK) err = open_from(policy, a, NULL);
    return finish(a, err, ret);
}

void admission_destroy(struct admission *a) {
    if (a == NULL) return;
    vl_buf_free(&a->policy);
    vl_buf_free(&a->snapshot);
    free(a);
}

struct vl_span admission_policy_bytes(const struct admission *a) { return vl_span(a->policy.p, a->policy.len); }
struct vl_span admission_snapshot(const struct admission *a) { return vl_span(a->snapshot.p, a->snapshot.len); }
struct vl_hash admission_policy_hash(const struct admission *a) { return a->policy_hash; }
struct vl_hash admission_snapshot_hash(const struct admission *a) { return a->snapshot_hash; }
const struct attest_policy *admission_rules(const struct admission *a) { return &a->rules; }
uint32_t admission_admit(const struct admission *a) { return a->admit; }
uint32_t admission_tasks(const struct admission *a, enum sla_class c) { return (unsigned)c < SLA_CLASSES ? a->tasks[c] : 1001; }
uint64_t admission_period_ms(const struct admission *a) { return a->period_ms; }

/* ---- levels ---- */

static uint32_t self_at_most(uint32_t level) { return level < ADMISSION_SELF ? level : ADMISSION_SELF; }

vl_ms admission_until(const struct admission *a, vl_ms when) { return vl_ms_add(when, PERIODS_UNTIL * a->period_ms); }

uint32_t admission_level_of(const struct admission *a, uint32_t level, vl_ms when, struct vl_hash policy, vl_ms now) {
    if (!vl_hash_eq(policy, a->policy_hash) || now > admission_until(a, when)) return self_at_most(level);
    vl_ms due = vl_ms_add(when, a->period_ms); /* until then it is current: a TPM's 700 must do for a job that asks for 700 */
    return attest_level_aged(level, now > due ? now - due : 0, &a->rules);
}

uint32_t admission_level(const struct admission *a, const struct attested *r, vl_ms now) {
    return admission_level_of(a, r->level, r->when_ms, r->policy, now);
}

/* ---- one piece of evidence ---- */

static enum vl_err pool_fill(const struct admission *a, const struct attestation *e, struct crypto_x509_pool *pool) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < a->ncertificate && err == VL_OK; i++) err = crypto_x509_pool_add(pool, a->certificate[i]);
    for (size_t i = 0; i < a->nlist && err == VL_OK; i++) err = crypto_x509_pool_add_crl(pool, a->list[i]);
    if (err == VL_OK && e->certificates.n > 0) err = crypto_x509_pool_add(pool, e->certificates);
    return err;
}

/* The text of a member of the object that a collateral document holds. */
static bool says(struct vl_span document, const char *object, const char *name, struct vl_span *ret) {
    struct vl_span root, inner, v;
    return jspan_read(document, &root) && jspan_member(root, object, &inner) && jspan_member(inner, name, &v) && jspan_text(v, ret);
}

/* The operator's collateral for this machine takes the place of what the node sent: a node would choose the kindest. */
static bool collateral_ours(const struct admission *a, const struct attest_result *r, struct attest_input *in) {
    char fmspc[2 * ATTEST_FMSPC + 1];
    bool tdx = in->kind != ATTEST_SGX, found = false;
    struct vl_span *at = in->collateral + (in->kind == ATTEST_AZURE ? ATTEST_AZURE_TCB : 0);
    if (!r->has_fmspc) return false;
    for (unsigned i = 0; i < ATTEST_FMSPC; i++) snprintf(fmspc + 2 * i, 3, "%02X", r->fmspc[i]);
    for (size_t i = 0; i < a->ntcb && !found; i++) {
        struct vl_span id, machine;
        found = says(a->tcb[i], "tcbInfo", "id", &id) && says(a->tcb[i], "tcbInfo", "fmspc", &machine) &&
                vl_span_eq(id, vl_span_str(tdx ? "TDX" : "SGX")) && vl_span_eq(machine, vl_span_str(fmspc));
        if (found) at[0] = a->tcb[i];
    }
    for (size_t i = 0; found && i < a->nidentity; i++) {
        struct vl_span id;
        if (says(a->identity[i], "enclaveIdentity", "id", &id) && vl_span_eq(id, vl_span_str(tdx ? "TD_QE" : "QE")))
            at[1] = a->identity[i];
    }
    return found;
}

static void input_of(const struct admission *a, const struct admission_case *c, const struct attestation *e, uint8_t nonce[ATTEST_DATA],
                     struct attest_input *in) {
    struct attestation asked = { .kind = e->kind, .node = c->node, .job = c->job };
    uint8_t data[ATTEST_DATA];
    memcpy(asked.nonce, c->nonce, sizeof asked.nonce);
    memcpy(asked.binding, c->binding, sizeof asked.binding);
    memcpy(asked.program, c->program, sizeof asked.program);
    attest_bind(&asked, data);
    size_t n = attest_bind_form((enum attest_kind)e->kind, data, nonce);
    *in = (struct attest_input){ .kind = (enum attest_kind)e->kind,
                                 .evidence = e->evidence,
                                 .leaf = e->leaf,
                                 .nonce = vl_span(nonce, n),
                                 .nonce_binds_key = true,
                                 .when = c->when,
                                 .policy = &a->rules };
    for (unsigned i = 0; i < ATTEST_COLLATERAL; i++) in->collateral[i] = e->collateral[i];
    if (in->kind == ATTEST_ANDROID && a->revoked.n > 0) in->collateral[0] = a->revoked;
}

/* The key that a TPMS_ATTEST names as its signer; empty: malformed. */
static struct vl_span signer_of(struct vl_span quote) {
    struct vl_reader r = vl_reader(quote.p, quote.n);
    (void)vl_read_u32(&r);
    (void)vl_read_u16(&r);
    return vl_read_span(&r, vl_read_u16(&r));
}

/* A TPM's quote: activation and the quote before are facts of ours, whatever came in their places. */
static void judge_tpm(const struct admission_case *c, struct attest_input *in, struct attest_result *r, struct admission_verdict *ret) {
    struct vl_span signer = signer_of(in->evidence);
    in->collateral[4] = c->activated;
    in->collateral[5] = signer.n > 0 && vl_span_eq(signer_of(c->earlier), signer) ? c->earlier : (struct vl_span){ 0 };
    attest_verify(in, r);
    if (r->genuine.state == ATTEST_YES || in->leaf.n == 0 || c->activated.n > 0) return;
    /* Would it be good if the key's Name were activated?  Then that is worth a question. */
    struct attest_result would;
    struct attest_input with = *in;
    if (tpm_name(in->collateral[1], ret->name, &ret->name_n) != VL_OK) return;
    with.collateral[4] = vl_span(ret->name, ret->name_n);
    attest_verify(&with, &would);
    if (would.genuine.state != ATTEST_YES) { /* then this is what is wrong with it */
        *r = would;
        return;
    }
    ret->activate = would.fresh.state == ATTEST_YES;
    ret->endorsement = in->leaf;
}

static void judge_one(const struct admission *a, const struct admission_case *c, const struct attestation *e, struct attest_result *r,
                      struct admission_verdict *ret) {
    uint8_t nonce[ATTEST_DATA];
    struct attest_input in;
    input_of(a, c, e, nonce, &in);
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    const char *why = pool == NULL ? "out of memory" : pool_fill(a, e, pool) != VL_OK ? "malformed or too many certificates" : NULL;
    if (why != NULL) { /* nothing to verify with: say so, and hold nothing genuine */
        struct attest_input none = { .kind = (enum attest_kind)e->kind, .policy = &a->rules };
        attest_verify(&none, r);
        r->genuine.why = r->reason = why;
    } else {
        in.pool = pool;
        if (in.kind == ATTEST_TPM)
            judge_tpm(c, &in, r, ret);
        else
            attest_verify(&in, r);
        if (collateral_ours(a, r, &in)) attest_verify(&in, r);
    }
    crypto_x509_pool_destroy(pool);
}

/* ---- the answer ---- */

static void say(char dst[ATTESTED_WHY_MAX], const char *text) {
    size_t n = strnlen(text, ATTESTED_WHY_MAX - 1);
    for (size_t i = 0; i < n; i++) dst[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    dst[n] = '\0';
}

static void entry_of(const struct attest_result *r, const struct attestation *e, bool counts, struct attested_entry *ret) {
    struct vl_buf bytes;
    *ret = (struct attested_entry){ .kind = e->kind,
                                    .class = (uint8_t)r->class,
                                    .genuine = (uint8_t)r->genuine.state,
                                    .fresh = (uint8_t)r->fresh.state,
                                    .debug = (uint8_t)r->debug.state,
                                    .measurement_known = (uint8_t)r->measurement_known.state,
                                    .key_bound = (uint8_t)r->key_bound.state,
                                    .tcb = (uint8_t)r->tcb,
                                    .anchor = (uint8_t)r->anchor,
                                    .secure_boot = (uint8_t)r->secure_boot,
                                    .late = r->late,
                                    .revoked = r->revoked,
                                    .sha1 = r->sha1,
                                    .with_tpm = r->with_tpm,
                                    .tcb_partial = r->tcb_partial,
                                    .accepted = r->accepted && counts,
                                    .level = r->unanchored ? ADMISSION_SELF : counts ? r->level : self_at_most(r->level) };
    crypto_blake2b256(vl_span(r->measurement, r->measurement_n), &ret->measurement);
    vl_buf_init(&bytes, ATTESTATION_MAX);
    if (attestation_encode(e, &bytes) == VL_OK) crypto_blake2b256(vl_span(bytes.p, bytes.len), &ret->evidence);
    vl_buf_free(&bytes);
    say(ret->why, counts ? r->reason : "the policy does not count evidence of this kind");
}

/* For people: of the entry that the level rests on, or that speaks against it. */
static void summary(const struct admission_case *c, struct attested *r) {
    if (r->n == 0) {
        say(r->why, c->why != NULL && c->why[0] != '\0' ? c->why : "the node has no evidence");
        return;
    }
    unsigned best = 0;
    for (unsigned i = 1; i < r->n; i++)
        if (r->entry[i].level > r->entry[best].level) best = i;
    for (unsigned i = 0; i < r->n; i++)
        if (r->entry[i].revoked) best = i;
    const char *cap = r->entry[best].anchor == ATTEST_ANCHOR_SIMULATED ? " (simulated root: worth 0.3)" : "";
    snprintf(r->why, sizeof r->why, "%.8s: %.56s%s", attest_kind_name((enum attest_kind)r->entry[best].kind), r->entry[best].why, cap);
}

void admission_judge(const struct admission *a, const struct admission_case *c, struct admission_verdict *ret) {
    struct attest_result one[ATTESTATIONS_MAX];
    size_t counted = 0, n = c->n < ATTESTATIONS_MAX ? c->n : ATTESTATIONS_MAX;
    *ret = (struct admission_verdict){ .result = { .node = c->node,
                                                   .verifier = c->verifier,
                                                   .job = c->job,
                                                   .when_ms = c->when,
                                                   .number = c->number,
                                                   .half_life_s = (uint32_t)(a->rules.half_life_ms / 1000),
                                                   .policy = a->policy_hash,
                                                   .snapshot = a->snapshot_hash } };
    struct attested *r = &ret->result;
    memcpy(r->nonce, c->nonce, sizeof r->nonce);
    memcpy(r->program, c->program, sizeof r->program);
    for (size_t i = 0; i < n; i++) {
        const struct attestation *e = &c->answer[i];
        bool counts = e->kind == ATTEST_SELF || (a->platforms & 1u << e->kind) != 0;
        judge_one(a, c, e, &one[counted], ret);
        entry_of(&one[counted], e, counts, &r->entry[r->n++]);
        if (e->kind == ATTEST_TPM && one[counted].genuine.state == ATTEST_YES && one[counted].fresh.state == ATTEST_YES) ret->earlier = e->evidence;
        /* What no accepted root vouches for is neither good nor bad: the node might as well have sent nothing. */
        if (counts && !one[counted].unanchored) counted++;
    }
    r->level = attest_level_all(one, counted, &a->rules);
    summary(c, r);
}

/* ---- signatures ---- */

enum vl_err attested_sign(const struct crypto_sign_key *key, struct attested *r, struct vl_buf *out) {
    size_t before = out->len;
    enum vl_err err = attested_encode(r, out);
    if (err) return err;
    struct vl_span body = attested_body(vl_span(out->p + before, out->len - before));
    err = crypto_sign_message(key, SIGN_CONTEXT, body, r->signature);
    if (err)
        out->len = before;
    else
        memcpy(out->p + out->len - ATTESTED_SIGNATURE, r->signature, ATTESTED_SIGNATURE);
    return err;
}

enum vl_err attested_open(struct vl_span in, struct attested *ret, struct vl_hash *ret_id) {
    struct attested r;
    enum vl_err err = attested_decode(in, &r);
    if (err == VL_OK) err = crypto_verify_message(r.verifier.b, SIGN_CONTEXT, attested_body(in), r.signature);
    if (err) return err;
    *ret = r;
    if (ret_id) crypto_blake2b256(attested_body(in), ret_id);
    return VL_OK;
}
