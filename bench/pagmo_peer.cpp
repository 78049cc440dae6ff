// Bench only: nothing of Village is linked with pagmo.
#include "pagmo_peer.h"

#include <cstdio>
#include <exception>
#include <string>

#include <pagmo/algorithm.hpp>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/config.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>
#include <pagmo/problems/dtlz.hpp>
#include <pagmo/problems/zdt.hpp>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

static pagmo::problem problem_of(const std::string &name) {
    const unsigned id = static_cast<unsigned>(name.back() - '0');
    if (name[0] == 'z') return pagmo::problem{pagmo::zdt{id, id == 4 || id == 6 ? 10u : 30u}};
    return pagmo::problem{pagmo::dtlz{id, id == 1 ? 7u : 12u, 3u}};
}

int pagmo_peer_run(const char *problem, uint32_t population, uint32_t generations, double crossover,
                   double eta_crossover, double mutation, double eta_mutation, uint32_t seed, double *f) {
    try {
        pagmo::population pop{problem_of(problem), population, seed};
        pagmo::nsga2 algorithm{generations, crossover, eta_crossover, mutation, eta_mutation, seed};
        pop = algorithm.evolve(pop);
        for (const auto &row : pop.get_f())
            for (double x : row) *f++ = x;
    } catch (const std::exception &e) {
        (void)std::fprintf(stderr, "fog_pareto_bench: pagmo: %s\n", e.what());
        return -1;
    }
    return 0;
}

const char *pagmo_peer_version(void) { return "pagmo " TEXT(PAGMO_VERSION_MAJOR) "." TEXT(PAGMO_VERSION_MINOR); }
