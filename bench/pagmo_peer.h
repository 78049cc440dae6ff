/* pagmo_peer.h - NSGA-II of pagmo behind a C interface, the peer of fog_pareto_bench. */
#ifndef VL_BENCH_PAGMO_PEER_H
#define VL_BENCH_PAGMO_PEER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs `problem` ("zdt1" ... "dtlz2" of tests/fog/problems.h) from a random population; f: rows of the last one. 0 or -1
 * when pagmo throws, the reason on standard error. */
int pagmo_peer_run(const char *problem, uint32_t population, uint32_t generations, double crossover,
                   double eta_crossover, double mutation, double eta_mutation, uint32_t seed, double *f);
const char *pagmo_peer_version(void);

#ifdef __cplusplus
}
#endif

#endif
