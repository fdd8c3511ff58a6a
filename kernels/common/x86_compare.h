/* Compares SPAN bytes, by the widest registers that the target has. */
#ifndef LZ4_X86_COMPARE_H
#define LZ4_X86_COMPARE_H

#include "bytes.h"

#if defined(__AVX512BW__)
#define SPAN 64
#elif defined(__AVX2__)
#define SPAN 32
#else
#define SPAN 16
#endif

typedef char span_t __attribute__((vector_size(SPAN)));
typedef struct __attribute__((packed)) {
  span_t value;
} unaligned_span_t;

/* One bit for each of the SPAN bytes. */
INLINE ulong differing(input_t a, input_t b) {
  span_t x = ((global const unaligned_span_t *)a)->value;
  span_t y = ((global const unaligned_span_t *)b)->value;
#if SPAN == 64
  return __builtin_ia32_ucmpb512_mask(x, y, 4, ~0UL); /* 4: not equal */
#elif SPAN == 32
  return ~(uint)__builtin_ia32_pmovmskb256((span_t)(x == y));
#else
  return (uint)__builtin_ia32_pmovmskb128((span_t)(x == y)) ^ 0xFFFFu;
#endif
}

#endif
