#include "fog/verify.h"

#include "crypto/hash.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;
#define ONE 1000000000000ull /* parts per 10^12 */

void verify_policy_defaults(struct verify_policy *ret) {
    *ret = (struct verify_policy){ .faulty_ppm = 5000, .floor_ppm = 2000, .audit_ppm = 30000 };
}

uint32_t verify_error_ppm(const struct verify_policy *p, uint64_t passed, uint64_t wrong) {
    const uint64_t many = 1u << 30;
    if (passed > many) passed = many;
    if (wrong > many) wrong = many;
    uint64_t bad = p->faulty_ppm + wrong * VERIFY_WRONG_WEIGHT * VERIFY_PPM;
    uint64_t all = 1 + wrong * VERIFY_WRONG_WEIGHT + passed;
    return (uint32_t)((bad + all - 1) / all);
}

static uint64_t root_of(wide x) {
    wide lo = 0, hi = (wide)1 << 63;
    while (lo < hi) {
        wide mid = (lo + hi + 1) >> 1;
        if (mid * mid <= x)
            lo = mid;
        else
            hi = mid - 1;
    }
    return (uint64_t)lo;
}

/* (p + z^2/2n + z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), times n: (w + z^2/2 + z sqrt(w(n-w)/n + z^2/4)) / (n + z^2), with
 * z = 1.645 and everything in millionths. */
uint32_t verify_upper95_ppm(uint64_t wrong, uint64_t n) {
    const uint64_t many = 1u << 30, z2 = 2706025; /* 1.645^2 */
    if (n == 0) return VERIFY_PPM;
    if (n > many) {
        wrong = (uint64_t)((wide)wrong * many / n);
        n = many;
    }
    if (wrong > n) wrong = n;
    wide inner = (wide)wrong * (n - wrong) * VERIFY_PPM / n + z2 / 4; /* in millionths */
    uint64_t root = root_of(inner * VERIFY_PPM) + 1;                                             /* the same */
    wide top = (wide)wrong * VERIFY_PPM + z2 / 2 + (wide)root * 1645 / 1000 + 1;
    wide below = (wide)n * VERIFY_PPM + z2;
    wide ppm = (top * VERIFY_PPM + below - 1) / below;
    return ppm > VERIFY_PPM ? VERIFY_PPM : (uint32_t)ppm;
}

struct verify_need verify_need_of(enum sla_class class, enum sla_tier tier) {
    static const struct verify_need by_class[SLA_CLASSES] = { [SLA_B] = { 1, 990000 }, [SLA_A] = { 2, 999000 }, [SLA_S] = { 3, 999900 } };
    static const uint32_t by_tier[SLA_TIERS] = { 0, 950000, 995000, 999000, 999900 };
    struct verify_need need = by_class[class];
    if (by_tier[tier] > need.theta_ppm) need.theta_ppm = by_tier[tier];
    return need;
}

/* Probability that all votes with this root (or all without it) are wrong, in parts per 10^12, rounded up. */
static uint64_t all_wrong(const struct verify_policy *p, const struct verify_case *c, const struct vl_hash *root, bool with) {
    uint64_t product = ONE;
    for (uint32_t i = 0; i < c->n; i++) {
        if (vl_hash_eq(c->v[i].root, *root) != with) continue;
        uint64_t e = c->v[i].error_ppm < p->floor_ppm ? p->floor_ppm : c->v[i].error_ppm;
        if (e > VERIFY_PPM) e = VERIFY_PPM;
        product = (product * e + VERIFY_PPM - 1) / VERIFY_PPM; /* below 10^18 */
    }
    return product;
}

static bool first_of_group(const struct verify_case *c, uint32_t i) {
    for (uint32_t k = 0; k < i; k++)
        if (vl_hash_eq(c->v[k].root, c->v[i].root)) return false;
    return true;
}

/* Sarmenta's conditional probability, given that at most one group is right:
 * P(group a right) = P(a good) P(all others bad) / (P(all bad) + sum over groups g of P(g good) P(all others bad)). */
static uint32_t group_error(const struct verify_policy *p, const struct verify_case *c, uint32_t best) {
    wide sum = 0, mine = 0;
    uint64_t bad_in_best = all_wrong(p, c, &c->v[best].root, true), bad_out = all_wrong(p, c, &c->v[best].root, false);
    sum = (wide)bad_in_best * bad_out;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!first_of_group(c, i)) continue;
        uint64_t in = all_wrong(p, c, &c->v[i].root, true), out = all_wrong(p, c, &c->v[i].root, false);
        wide right = (wide)(ONE - in) * out;
        sum += right;
        if (vl_hash_eq(c->v[i].root, c->v[best].root)) mine = right;
    }
    if (sum == 0) return VERIFY_PPM; /* all surely wrong */
    wide scale = sum / VERIFY_PPM + 1, wrong = (sum - mine + scale - 1) / scale;
    return wrong > VERIFY_PPM ? VERIFY_PPM : (uint32_t)wrong;
}

static uint32_t equal_to(const struct verify_case *c, uint32_t i) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->n; k++) n += vl_hash_eq(c->v[k].root, c->v[i].root);
    return n;
}

/* Results by nodes of whom nothing is known that would have to join the best group until it is good enough. */
static uint32_t lacking(const struct verify_policy *p, const struct verify_case *c, const struct verify_need *need,
                        const struct verify_result *r) {
    uint32_t more = r->equal < need->equal ? need->equal - r->equal : 0, stranger = p->faulty_ppm < p->floor_ppm ? p->floor_ppm : p->faulty_ppm;
    uint64_t error = r->error_ppm, limit = VERIFY_PPM - need->theta_ppm;
    uint32_t k = 0;
    while (error > limit && k < c->room + c->coming + 1) {
        error = error * stranger / VERIFY_PPM;
        k++;
    }
    return more > k ? more : k;
}

enum vl_err verify_decide(const struct verify_policy *p, const struct verify_case *c, struct verify_result *ret) {
    if (c->n == 0 || c->n > VERIFY_VOTES_MAX) return VL_ERANGE;
    for (uint32_t i = 0; i < c->n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (vl_node_eq(c->v[i].node, c->v[k].node)) return VL_ERANGE;
    struct verify_need need = verify_need_of(c->class, c->tier);
    if (c->replicas / 2 + 1 > need.equal && c->replicas > 1) need.equal = c->replicas / 2 + 1;
    struct verify_result r = { .error_ppm = VERIFY_PPM };
    for (uint32_t i = 0; i < c->n; i++) {
        if (!first_of_group(c, i)) continue;
        uint32_t error = group_error(p, c, i), equal = equal_to(c, i);
        if (error > r.error_ppm || (error == r.error_ppm && equal <= r.equal)) continue;
        r.error_ppm = error;
        r.winner = i;
        r.equal = equal;
    }
    if (r.equal == 0) r.equal = equal_to(c, 0);
    bool good = r.equal >= need.equal && r.error_ppm <= VERIFY_PPM - need.theta_ppm;
    if (good && !(c->audit && c->n == 1)) {
        r.answer = VERIFY_TAKE;
        *ret = r;
        return VL_OK;
    }
    uint32_t more = lacking(p, c, &need, &r);
    if (more == 0) more = 1; /* an audit */
    r.answer = more <= c->coming + c->room ? VERIFY_MORE : VERIFY_HOPELESS;
    r.want = c->n + (more > c->coming ? more : c->coming);
    *ret = r;
    return VL_OK;
}

bool verify_audit(const struct verify_policy *p, struct vl_job_id job, uint32_t task, uint64_t epoch, const struct vl_hash *beacon) {
    uint8_t run[sizeof "village-audit-1:" + 16 + 4 + 8 + 32];
    size_t at = sizeof "village-audit-1:";
    struct vl_hash h;
    memcpy(run, "village-audit-1:", at);
    memcpy(run + at, job.b, sizeof job.b);
    vl_put_u32(run + at + 16, task);
    vl_put_u64(run + at + 20, epoch);
    memcpy(run + at + 28, beacon->b, sizeof beacon->b);
    crypto_blake2b256(vl_span(run, sizeof run), &h);
    return vl_get_u64(h.b) % VERIFY_PPM < p->audit_ppm;
}

struct vl_hash verify_commitment(const struct vl_hash *output_root, const uint8_t salt[TASK_SALT], struct vl_node_id node,
                                 struct vl_job_id job, uint32_t task, uint64_t epoch) {
    uint8_t run[12];
    struct crypto_blake2b h;
    struct vl_hash ret;
    vl_put_u32(run, task);
    vl_put_u64(run + 4, epoch);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, "village-commit-1:", sizeof "village-commit-1:");
    crypto_blake2b_update(&h, output_root->b, sizeof output_root->b);
    crypto_blake2b_update(&h, salt, TASK_SALT);
    crypto_blake2b_update(&h, node.b, sizeof node.b);
    crypto_blake2b_update(&h, job.b, sizeof job.b);
    crypto_blake2b_update(&h, run, sizeof run);
    crypto_blake2b_final(&h, &ret);
    return ret;
}
