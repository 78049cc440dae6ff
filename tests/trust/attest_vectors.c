#include "attest_vectors.h"

#include "base/prng.h"
#include "check.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vl_span attest_file(struct attest_files *f, const char *name) {
    char path[256];
    size_t n = 0;
    CHECK(f->n < ATTEST_FILES);
    (void)snprintf(path, sizeof path, "attestation/%s", name);
    uint8_t *bytes = vectors_file(path, &n);
    if (bytes == NULL) {
        f->missing = true;
        return vl_span(NULL, 0);
    }
    f->bytes[f->n++] = bytes;
    return vl_span(bytes, n);
}

void attest_files_free(struct attest_files *f) {
    while (f->n > 0) free(f->bytes[--f->n]);
}

struct crypto_x509_pool *attest_pool(struct attest_files *f, const char *const *names) {
    struct crypto_x509_pool *p = crypto_x509_pool_create();
    CHECK(p != NULL);
    for (; *names != NULL; names++) {
        struct vl_span file = attest_file(f, *names);
        if (file.n > 0) CHECK_OK(crypto_x509_pool_add(p, file));
    }
    return p;
}

char *attest_document(const json_t *o, const char *name, const char *key, const char *signature) {
    const char *inner = vectors_text(o, key), *sig = vectors_text(o, signature);
    size_t n = strlen(inner) + strlen(sig) + 64;
    char *text = malloc(n);
    CHECK(text != NULL);
    (void)snprintf(text, n, "{\"%s\":%s,\"signature\":\"%s\"}", name, inner, sig);
    return text;
}

vl_ms attest_date(const char *text) {
    unsigned y, m, d, hour = 0, minute = 0;
    CHECK(sscanf(text, "%4u-%2u-%2uT%2u:%2u", &y, &m, &d, &hour, &minute) >= 3);
    static const unsigned before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    unsigned days = (y - 1970) * 365 + (y - 1969) / 4 + before[m - 1] + d - 1;
    if (m > 2 && y % 4 == 0) days++;
    return ((vl_ms)days * 86400 + hour * 3600 + minute * 60) * 1000;
}

void attest_check_truncations(struct attest_input *in, size_t padding) {
    struct vl_span whole = in->evidence;
    for (size_t n = 0; n < whole.n - padding; n++) {
        /* A copy of exactly n bytes, so that the sanitizer sees the first one read too many. */
        uint8_t *copy = malloc(n + (n == 0));
        struct attest_result r;
        CHECK(copy != NULL);
        memcpy(copy, whole.p, n);
        in->evidence = vl_span(copy, n);
        attest_verify(in, &r);
        free(copy);
        if (r.genuine.state != ATTEST_NO || r.accepted || r.level != 0)
            fail_msg("%zu of %zu bytes are taken: %s", n, whole.n, r.reason);
        CHECK(r.reason != NULL && r.reason[0] != '\0');
    }
    in->evidence = whole;
}

static bool same(const struct attest_result *a, const struct attest_result *b) {
    return a->kind == b->kind && a->class == b->class && a->debug.state == b->debug.state &&
           a->fresh.state == b->fresh.state && a->key_bound.state == b->key_bound.state &&
           a->measurement_known.state == b->measurement_known.state && a->anchor == b->anchor &&
           a->measurement_n == b->measurement_n && memcmp(a->measurement, b->measurement, ATTEST_DATA) == 0 &&
           a->report_data_n == b->report_data_n && memcmp(a->report_data, b->report_data, ATTEST_DATA) == 0 &&
           a->device_n == b->device_n && memcmp(a->device, b->device, ATTEST_DATA) == 0 && a->version == b->version &&
           a->made == b->made && a->secure_boot == b->secure_boot && a->sha1 == b->sha1 && a->with_tpm == b->with_tpm;
}

/* The TCB may only get worse: collateral that was hurt makes it BAD, never better than what it was. */
static bool tcb_kept(const struct attest_result *was, const struct attest_result *is) {
    return is->tcb == was->tcb || is->tcb == ATTEST_TCB_BAD || is->tcb == ATTEST_TCB_UNKNOWN;
}

size_t attest_check_flips(struct attest_input *in, struct vl_span *what, size_t dense, size_t step, uint64_t seed) {
    struct vl_span whole = *what;
    struct attest_result first, r;
    struct vl_prng prng;
    size_t first_genuine = SIZE_MAX;
    if (getenv("VILLAGE_ALL_FLIPS") != NULL) dense = 8 * whole.n;
    vl_prng_seed(&prng, seed);
    attest_verify(in, &first);
    uint8_t *copy = malloc(whole.n);
    CHECK(copy != NULL && whole.n > 0);
    memcpy(copy, whole.p, whole.n);
    *what = vl_span(copy, whole.n);
    for (size_t bit = 0; bit < 8 * whole.n;) {
        size_t at = bit < dense ? bit : bit + vl_prng_below(&prng, 8 * (uint32_t)step);
        bit += bit < dense ? 1 : 8 * step;
        if (at >= 8 * whole.n) break;
        copy[at / 8] ^= (uint8_t)(1u << at % 8);
        attest_verify(in, &r);
        copy[at / 8] ^= (uint8_t)(1u << at % 8);
        CHECK(r.reason != NULL);
        if (r.genuine.state != ATTEST_YES) {
            if (r.level != 0 || r.accepted) fail_msg("bit %zu: not genuine and yet of level %u", at, r.level);
            continue;
        }
        if (at / 8 < first_genuine) first_genuine = at / 8;
        if (!same(&first, &r) || !tcb_kept(&first, &r) || r.level > first.level)
            fail_msg("bit %zu of byte %zu changes the meaning, and the evidence is still genuine", at % 8, at / 8);
    }
    *what = whole;
    free(copy);
    return first_genuine;
}
