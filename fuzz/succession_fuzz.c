/* Statements of succession: the codec, and the book under any order of them.  A first byte above 127: the rest are events for the book,
 * two bytes each, of eight keys (unsigned: take() is what stored rows go through).  After each: every key has one origin, which has no
 * elder, and a way to it without a loop. */
#include "trust/succession.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct succession_book *b) {
    for (uint8_t k = 0; k < 8; k++) {
        struct vl_node_id at = { { k } }, origin = succession_origin(b, at);
        for (unsigned steps = 0;; steps++) {
            const struct succession *s = succession_to(b, at);
            if (s == NULL) break;
            if (steps > 8 || !vl_node_eq(s->next, at)) abort();
            at = s->old;
        }
        if (!vl_node_eq(at, origin)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct succession s;
    uint8_t raw[SUCCESSION_BYTES];
    if (n == 0) return 0;
    if (p[0] <= 127) {
        if (succession_decode(vl_span(p + 1, n - 1), &s) != VL_OK) return 0;
        succession_encode(&s, raw);
        if (n - 1 != sizeof raw || memcmp(raw, p + 1, sizeof raw) != 0) abort();
        vl_ignore(succession_verify(&s, s.village));
        vl_ignore(succession_chain(&s, 1, s.village, s.old, s.next));
        return 0;
    }
    struct succession_book *b = succession_book_create((struct village_id){ { 0 } }, 1);
    if (b == NULL) return 0;
    for (size_t i = 1; i + 2 <= n && i < 64; i += 2) {
        bool fresh = false;
        s = (struct succession){ .old = { { p[i] % 8u } }, .next = { { p[i + 1] % 8u } } };
        if (vl_node_eq(s.old, s.next)) continue; /* no statement */
        size_t before = succession_count(b);
        enum vl_err err = succession_take(b, &s, &fresh);
        if (succession_count(b) != before + (err == VL_OK && fresh)) abort();
        check(b);
    }
    succession_book_destroy(b);
    return 0;
}
