/* Key files: the envelope, and node.keys inside of it.  A first byte above 127 puts the right sum behind the rest, so that the fuzzer gets
 * past what only finds accidents.  Nothing is stretched: what a file may ask for is checked before. */
#include "crypto/hash.h"
#include "crypto/sealed.h"
#include "wire/node_keys.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t key[SEALED_KEY] = { 1 };
    uint8_t file[SEALED_FILE_MAX + 64], plain[SEALED_SECRET_MAX], raw[NODE_KEYS_BYTES];
    struct sealed_head h;
    struct sealed_kdf kdf;
    struct node_keys k;
    size_t got = 0;
    if (n < 1 || n > SEALED_FILE_MAX + 16) return 0;
    bool fix = p[0] > 127;
    memcpy(file, p + 1, --n);
    if (fix) {
        crypto_blake2b_keyed(vl_span(file, n), (struct vl_span){ 0 }, "village-seal-sum", file + n, 16);
        n += 16;
    }
    if (sealed_look(vl_span(file, n), &h) == VL_OK) {
        if (h.params.n > SEALED_PARAMS_MAX || h.note.n > SEALED_NOTE_MAX) abort();
        if (sealed_kdf_get(h.params, &kdf) == VL_OK && (kdf.passes > SEALED_PASSES_MAX || kdf.memory_kib > SEALED_MEMORY_MAX)) abort();
        vl_ignore(node_keys_note_get(h.note, &k));
    }
    if (sealed_open(vl_span(file, n), key, plain, sizeof plain, &got) == VL_OK && got == 0) abort();
    if (node_keys_get(vl_span(file, n), &k) == VL_OK && file[0] == 2) { /* one text for the same keys */
        node_keys_put(&k, raw);
        if (n != sizeof raw || memcmp(raw, file, n) != 0) abort();
    }
    return 0;
}
