/* Decisions about results: whatever the votes, an answer keeps the rules.  Two bytes for each vote: whose root, how bad a node. */
#include "fog/verify.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct verify_vote v[VERIFY_VOTES_MAX];
    struct verify_policy policy = { .faulty_ppm = 5000, .floor_ppm = 2000, .audit_ppm = 30000 };
    struct verify_result r;
    if (n < 6) return 0;
    struct verify_case c = { .class = (enum sla_class)(p[0] % 3), .tier = (enum sla_tier)(p[0] / 3 % 5), .coming = p[1] % 4, .room = p[1] / 4 % 5,
                             .replicas = p[2] % 10, .audit = p[2] & 128, .v = v };
    policy.faulty_ppm = 1u + p[3] * 3900u;
    for (p += 4, n -= 4; n >= 2 && c.n < VERIFY_VOTES_MAX; p += 2, n -= 2, c.n++)
        v[c.n] = (struct verify_vote){ { { (uint8_t)c.n, 1 } }, { { (uint8_t)(p[0] % 5) } }, p[1] * 5000u };
    if (verify_decide(&policy, &c, &r)) abort();
    if (r.winner >= c.n || r.equal == 0 || r.equal > c.n || r.error_ppm > VERIFY_PPM) abort();
    struct verify_need need = verify_need_of(c.class, c.tier);
    if (r.answer == VERIFY_TAKE && (r.equal < need.equal || r.error_ppm > VERIFY_PPM - need.theta_ppm)) abort();
    if (r.answer == VERIFY_TAKE && c.n == 1 && need.theta_ppm > VERIFY_PPM - policy.floor_ppm) abort(); /* the cap */
    if (r.answer == VERIFY_MORE && (r.want <= c.n || r.want > c.n + c.coming + c.room)) abort();
    return 0;
}
