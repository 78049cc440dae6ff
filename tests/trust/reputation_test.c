#include "trust/reputation.h"

#include "crypto/random.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 1000000u /* one weight */
#define DAY ((vl_ms)REPUTATION_DAY_MS)
#define START (20000 * DAY) /* October 2024 */

static struct crypto_sign_key key_of(uint8_t n) {
    struct crypto_sign_key key;
    uint8_t seed[32] = { n };
    CHECK_OK(crypto_init());
    crypto_sign_key_from_seed(seed, &key);
    return key;
}

static struct reputation *book(void) {
    return reputation_create(&(struct reputation_config){ .seed = 1, .max_nodes = 100, .base_milli = 500 });
}

static struct reputation_beta beta(uint64_t good, uint64_t bad) {
    struct reputation_beta b;
    reputation_beta_of(good * UNIT, bad * UNIT, 500, &b);
    return b;
}

static struct evidence add(struct reputation *r, uint8_t node, enum evidence_kind kind, uint32_t weight, vl_ms at) {
    struct crypto_sign_key key = key_of(9);
    struct evidence e = { .node = { { node } }, .kind = kind, .weight_milli = weight, .at_ms = at };
    uint64_t first = 0, n = 0;
    CHECK_OK(reputation_add(r, &key, &e, &first, &n));
    return e;
}

static struct reputation_score score(const struct reputation *r, uint8_t node, vl_ms now) {
    struct reputation_score s;
    reputation_get(r, (struct vl_node_id){ { node } }, now, &s);
    return s;
}

/* ---- figures ------------------------------------------------------------------------------------------------------- */

TEST(reputation, lower_bounds_are_those_of_the_reference) {
    CHECK_EQ(790, beta(10, 0).lower_ppm / 1000); /* .7906 */
    CHECK_EQ(949, beta(50, 0).lower_ppm / 1000);
    CHECK_EQ(958, beta(100, 1).lower_ppm / 1000);
    CHECK_EQ(990, beta(500, 1).lower_ppm / 1000);
}
