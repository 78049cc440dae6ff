/* Armoured files: whatever is read is written back to a text that reads the same. */
#include "wire/armor.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char label[ARMOR_LABEL_MAX + 1], again[ARMOR_LABEL_MAX + 1];
    struct vl_buf bytes, text, back;
    vl_buf_init(&bytes, ARMOR_BYTES_MAX);
    vl_buf_init(&text, 4 * ARMOR_BYTES_MAX);
    vl_buf_init(&back, ARMOR_BYTES_MAX);
    if (armor_read(vl_span(data, size), label, &bytes) == VL_OK) {
        if (armor_write(label, vl_span(bytes.p, bytes.len), &text) != VL_OK) abort();
        if (armor_read(vl_span(text.p, text.len), again, &back) != VL_OK) abort();
        if (strcmp(label, again) != 0 || back.len != bytes.len || (bytes.len > 0 && memcmp(back.p, bytes.p, bytes.len) != 0)) abort();
    }
    vl_buf_free(&bytes);
    vl_buf_free(&text);
    vl_buf_free(&back);
    return 0;
}
