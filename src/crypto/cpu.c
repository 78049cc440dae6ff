#include "crypto/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

/* XCR0 (Intel SDM volume 1, 13.3): SSE and AVX; and the three parts of AVX-512's state. */
#define XCR0_YMM 0x06u
#define XCR0_ZMM 0xe6u

static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

struct crypto_cpu crypto_cpu_detect(void) {
    struct crypto_cpu ret = { 0 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return ret;
    ret.aes = (c & bit_AES) && (c & bit_PCLMUL) && (c & bit_SSE4_1);
    /* without OSXSAVE the kernel saves no more than SSE, and XGETBV is an invalid instruction */
    if (!(c & bit_OSXSAVE)) return ret;
    uint64_t saved = xcr0();
    if ((saved & XCR0_YMM) != XCR0_YMM || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return ret;
    ret.avx2 = (b & bit_AVX2) != 0;
    ret.vaes = (c & bit_VAES) && (c & bit_VPCLMULQDQ);
    if ((saved & XCR0_ZMM) != XCR0_ZMM) return ret;
    ret.avx512 = (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512DQ) && (b & bit_AVX512VL);
    ret.ifma = (b & bit_AVX512IFMA) != 0;
    return ret;
}
#else
struct crypto_cpu crypto_cpu_detect(void) {
    return (struct crypto_cpu){ 0 };
}
#endif
