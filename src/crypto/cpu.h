/* cpu.h - what of this processor the fast implementations of this folder may use.  Everything is false on processors
 * other than x86-64. */
#ifndef VL_CRYPTO_CPU_H
#define VL_CRYPTO_CPU_H

#include <stdbool.h>

/* Before a short loop over vectors or wide words: left as a loop, it would keep the vectors in memory. */
#if defined(__clang__)
#define CRYPTO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CRYPTO_UNROLL _Pragma("GCC unroll 16")
#endif

struct crypto_cpu {
    bool aes;    /* AES-NI, PCLMULQDQ, SSE4.1 */
    bool avx2;   /* and a kernel that saves ymm registers */
    bool avx512; /* F, BW, DQ, VL, and a kernel that saves zmm and mask registers */
    bool vaes;   /* VAES and VPCLMULQDQ; of use only with avx512 */
    bool ifma;   /* AVX512_IFMA; of use only with avx512 */
};
/* Asks the processor, which in a virtual machine may take some microseconds. */
struct crypto_cpu crypto_cpu_detect(void);

#endif
