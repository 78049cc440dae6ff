#include "vectors.h"

#include "base/text.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *vectors_load(const char *name) {
    const char *shared = getenv("VILLAGE_SHARED");
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/vectors/%s", shared != NULL ? shared : VECTORS_BESIDE, name);
    CHECK(n > 0 && (size_t)n < sizeof path);
    if (access(path, R_OK) != 0) return NULL;
    json_error_t why;
    json_t *file = json_load_file(path, 0, &why);
    if (file == NULL) fail_msg("%s:%d: %s", path, why.line, why.text);
    return file;
}

const char *vectors_text(const json_t *object, const char *key) {
    const char *slash = strchr(key, '/');
    const json_t *at = object;
    if (slash != NULL) {
        at = json_object_getn(object, key, (size_t)(slash - key));
        key = slash + 1;
    }
    const char *text = json_string_value(json_object_get(at, key));
    if (text == NULL) fail_msg("no text %s in the vector", key);
    return text;
}

size_t vectors_bytes(const json_t *object, const char *key, uint8_t *dst, size_t cap) {
    const char *hex = vectors_text(object, key);
    size_t n = strlen(hex) / 2;
    CHECK(n <= cap);
    CHECK_OK(vl_hex_decode(hex, dst, n));
    return n;
}
