/* Certificates, revocation lists and membership records: what is decoded encodes to the same bytes again. */
#include "trust/membership.h"

#include <stdlib.h>
#include <string.h>

static void same(const uint8_t *p, size_t n, const uint8_t *again, size_t again_n) {
    if (n != again_n || memcmp(p, again, n) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static uint8_t again[REVOCATIONS_BYTES_MAX];
    static struct revocation v[REVOCATIONS_MAX];
    size_t again_n = 0;
    struct cert cert;
    if (cert_decode(vl_span(p, n), &cert) == VL_OK) {
        if (cert_encode(&cert, again, CERT_BYTES_MAX, &again_n) != VL_OK) abort();
        same(p, n, again, again_n);
    }
    struct revocations list;
    if (revocations_decode(vl_span(p, n), &list) == VL_OK) {
        for (uint32_t i = 0; i < list.count; i++) {
            v[i] = revocation_at(&list, i);
            if (revocations_find(&list, v[i].node, NULL) != v[i].serial) abort();
        }
        if (revocations_encode_body(list.root, list.number, list.issued_ms, v, list.count, again, sizeof again,
                                    &again_n) != VL_OK)
            abort();
        if (p[0] == 2) same(p, n - CERT_SIGNATURE, again, again_n); /* the first version is never written again */
    }
    struct membership_record rec;
    if (membership_record_decode(vl_span(p, n), &rec) == VL_OK) {
        if (membership_record_encode(&rec, again, MEMBERSHIP_RECORD_MAX, &again_n) != VL_OK) abort();
        same(p, n, again, again_n);
    }
    return 0;
}
