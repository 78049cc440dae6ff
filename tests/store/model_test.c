#include "base/prng.h"

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

TEST(model, both_drivers_answer_alike_over_random_histories) {
    struct vl_prng r;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint8_t input[1500];
        vl_prng_seed(&r, seed);
        for (size_t i = 0; i < sizeof input; i++) input[i] = (uint8_t)vl_prng_next(&r);
        CHECK_EQ(0, LLVMFuzzerTestOneInput(input, sizeof input)); /* aborts when they differ */
    }
}
