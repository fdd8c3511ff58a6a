/* Compares SPAN bytes, by the widest registers that the target has. */
#ifndef FPGA_ACCEL_X86_COMPARE_H
#define FPGA_ACCEL_X86_COMPARE_H

#include "bytes.h"

#if defined(__AVX512BW__)
#define SPAN 64
#elif defined(__AVX2__)
#define SPAN 32
#else
#define SPAN 16
#endif

/* COMPARE_HALVES=1 takes registers of 32 bytes for 64; which is faster depends on what is around.
 */
#if SPAN == 64 && defined(COMPARE_HALVES)
#define REGISTER 32
#else
#define REGISTER SPAN
#endif

typedef char register_t __attribute__((vector_size(REGISTER)));
typedef struct __attribute__((packed)) {
  register_t value;
} unaligned_register_t;

/* One bit for each byte of a register. */
INLINE ulong differing_part(input_t a, input_t b) {
  register_t x = ((global const unaligned_register_t *)a)->value;
  register_t y = ((global const unaligned_register_t *)b)->value;
#if REGISTER == 64
  return __builtin_ia32_ucmpb512_mask(x, y, 4, ~0UL); /* 4: not equal */
#elif REGISTER == 32
  return ~(uint)__builtin_ia32_pmovmskb256((register_t)(x == y));
#else
  return (uint)__builtin_ia32_pmovmskb128((register_t)(x == y)) ^ 0xFFFFu;
#endif
}

/* One bit for each of the SPAN bytes. */
INLINE ulong differing(input_t a, input_t b) {
  ulong low = differing_part(a, b);
#if SPAN > REGISTER
  return low | differing_part(a + REGISTER, b + REGISTER) << REGISTER;
#else
  return low;
#endif
}

#endif
