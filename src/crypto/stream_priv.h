/* stream_priv.h - the implementations of crypto_chacha20_many(); for crypto_init() and tests. */
#ifndef VL_CRYPTO_STREAM_PRIV_H
#define VL_CRYPTO_STREAM_PRIV_H

#include "crypto/cpu.h"
#include "crypto/stream.h"

#define STREAM_LANES 16u

/* 1..STREAM_LANES keys.  x86-64 with AVX-512 only. */
void stream_chacha20_avx512(const uint8_t (*key)[CRYPTO_CHACHA20_KEY], size_t n, uint8_t *const *dst, size_t len);
/* Takes what `cpu` can run; crypto_init() calls it with what the processor has, a test may call it with less. */
void stream_choose(const struct crypto_cpu *cpu);

#endif
