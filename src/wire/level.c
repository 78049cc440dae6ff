#include "wire/level.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t hops;
} levels[MIX_LEVELS] = {
    [MIX_OFF] = { "off", 0 },         [MIX_PUBLIC] = { "public", 1 },
    [MIX_PRIVATE] = { "private", 3 }, [MIX_CONFIDENTIAL] = { "confidential", 5 },
    [MIX_SECRET] = { "secret", 7 },
};

uint32_t mix_level_hops(enum mix_level level) {
    assert(level < MIX_LEVELS);
    return levels[level].hops;
}

const char *mix_level_name(enum mix_level level) {
    assert(level < MIX_LEVELS);
    return levels[level].name;
}

bool mix_level_parse(const char *text, enum mix_level *ret_level) {
    for (unsigned i = 0; i < MIX_LEVELS; i++)
        if (strcmp(text, levels[i].name) == 0) {
            *ret_level = (enum mix_level)i;
            return true;
        }
    return false;
}
