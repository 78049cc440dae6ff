#include "vectors.h"

#include "base/text.h"
#include "check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool find(const char *name, char path[4096]) {
    const char *shared = getenv("VILLAGE_SHARED");
    int n = snprintf(path, 4096, "%s/vectors/%s", shared != NULL ? shared : VECTORS_BESIDE, name);
    CHECK(n > 0 && n < 4096);
    return access(path, R_OK) == 0;
}

uint8_t *vectors_file(const char *name, size_t *ret_n) {
    char path[4096];
    if (!find(name, path)) return NULL;
    FILE *f = fopen(path, "rb");
    if (f == NULL) fail_msg("%s: cannot be opened", path);
    CHECK_OK(fseek(f, 0, SEEK_END));
    long n = ftell(f);
    CHECK(n >= 0);
    rewind(f);
    uint8_t *bytes = malloc((size_t)n + 1);
    CHECK(bytes != NULL);
    CHECK_EQ(n, fread(bytes, 1, (size_t)n, f));
    (void)fclose(f);
    bytes[n] = '\0';
    *ret_n = (size_t)n;
    return bytes;
}

json_t *vectors_load(const char *name) {
    char path[4096];
    if (!find(name, path)) return NULL;
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
