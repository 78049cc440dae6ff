#include "crypto/hash.h"
#include "trust/zk_proof_priv.h"

#include <assert.h>
#include <stdlib.h>

#define PROGRAMS 32u
#define SIZES 7u /* generators for 1, 2, 4 .. ZK_GENS_VALUES_MAX values */
static_assert(1u << (SIZES - 1) == ZK_GENS_VALUES_MAX, "generators for the largest circuit");

struct zk_kit {
    uint8_t seed[32];
    uint64_t drawn;
    struct zk_gens *gens[SIZES];
    struct zk_program *program[PROGRAMS];
    unsigned oldest;
};

struct zk_kit *zk_kit_create(const uint8_t seed[32]) {
    struct zk_kit *kit = calloc(1, sizeof *kit);
    if (kit != NULL) memcpy(kit->seed, seed, sizeof kit->seed);
    return kit;
}

void zk_kit_destroy(struct zk_kit *kit) {
    if (kit == NULL) return;
    for (unsigned i = 0; i < SIZES; i++) zk_gens_destroy(kit->gens[i]);
    for (unsigned i = 0; i < PROGRAMS; i++) zk_program_destroy(kit->program[i]);
    sodium_memzero(kit->seed, sizeof kit->seed);
    free(kit);
}

const struct zk_gens *zk_kit_gens(struct zk_kit *kit, unsigned values) {
    unsigned i = 0;
    while (i + 1 < SIZES && 1u << i < values) i++;
    for (unsigned larger = i; larger < SIZES; larger++) /* larger ones begin with the smaller ones */
        if (kit->gens[larger] != NULL) return kit->gens[larger];
    return kit->gens[i] = zk_gens_create(ZK_RANGE_BITS_MAX, 1u << i);
}

void zk_kit_seed(struct zk_kit *kit, uint8_t ret[32]) {
    uint8_t n[8];
    vl_put_u64(n, kit->drawn++);
    crypto_blake2b_keyed(vl_span(n, sizeof n), vl_span(kit->seed, sizeof kit->seed), NULL, ret, 32);
}

enum vl_err zk_kit_program(struct zk_kit *kit, struct vl_span text, const struct zk_set *const *sets, unsigned n_sets,
                           const struct zk_program **ret, struct zk_diag *diag) {
    struct vl_hash id = zk_text_id(text);
    struct zk_program *p = NULL;
    for (unsigned i = 0; i < PROGRAMS && p == NULL; i++)
        if (kit->program[i] != NULL && vl_hash_eq(kit->program[i]->id, id)) p = kit->program[i];
    if (p == NULL) {
        enum vl_err err = zk_compile(text, sets, n_sets, &p, diag);
        if (err != VL_OK) return err;
        if (!vl_hash_eq(p->id, id)) {
            zk_program_destroy(p);
            return zk_diag_set(diag, VL_EPARSE, 0, 0, "the predicate is not in its canonical form");
        }
        zk_program_destroy(kit->program[kit->oldest]);
        kit->program[kit->oldest] = p;
        kit->oldest = (kit->oldest + 1) % PROGRAMS;
    }
    *ret = p;
    return VL_OK;
}
