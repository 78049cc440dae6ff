/* Predicates: any text compiles or is refused with a reason; what compiles has a canonical text that compiles to itself,
 * and means the same. */
#include "trust/zk_pred.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct zk_set *set;
    struct zk_program *a = NULL, *b = NULL;
    struct zk_diag d = { .line = 0 };
    if (set == NULL && zk_set_make((const int64_t[]){ 1, 5, 9 }, 3, &set) != VL_OK) abort();
    const struct zk_set *const sets[] = { set };
    enum vl_err err = zk_compile(vl_span(p, n), sets, 1, &a, &d);
    if (err != VL_OK) {
        if (d.msg.text[0] == '\0' || err == VL_EINTERNAL) abort();
    } else {
        if (zk_compile(zk_program_text(a), sets, 1, &b, &d) != VL_OK) abort();
        struct vl_hash x = zk_program_id(a), y = zk_program_id(b);
        if (!vl_hash_eq(x, y) || !vl_span_eq(zk_program_text(a), zk_program_text(b))) abort();
        uint64_t value[ZK_ATTRS_MAX] = { 0 };
        for (unsigned round = 0; round < 4; round++) {
            for (unsigned i = 0; i < zk_program_attributes(a); i++) {
                unsigned bits = zk_program_attribute(a, i)->bits;
                value[i] = ((uint64_t)p[(i + round * 7) % n] * (round == 3 ? 0x0101010101010101u : 1)) & (bits < 64 ? (1ull << bits) - 1 : UINT64_MAX);
            }
            if (zk_program_holds(a, value) != zk_program_holds(b, value)) abort();
        }
        struct zk_plan plan = zk_program_plan(a);
        if (plan.n_steps == 0 || plan.prove_us > 1000 * ZK_PROVE_MS_MAX + 999 || plan.verify_us > 1000 * ZK_VERIFY_MS_MAX + 999) abort();
    }
    zk_program_destroy(a);
    zk_program_destroy(b);
    struct zk_set *s = NULL;
    unsigned line = 0;
    if (zk_set_read(vl_span(p, n), &s, &line) == VL_OK)
        for (uint32_t i = 1; i < s->n; i++)
            if (s->v[i - 1] >= s->v[i]) abort();
    zk_set_destroy(s);
    return 0;
}
