/* GF(2^128) of SP 800-38D section 6.3, scalar part.
 *
 * Read as big-endian integers, blocks have their coefficients in mirrored order, and the carry-less
 * product of two mirrored numbers comes out one bit too low. So one factor is kept "stored":
 * shifted left by one, that is, divided by x. A stored number times a stored number is the stored
 * product. (S. Gueron, M. Kounavis: Intel Carry-Less Multiplication Instruction and its Usage for
 * Computing the GCM Mode, section on bit reflection.)
 */
#ifndef FPGA_ACCEL_GF128_H
#define FPGA_ACCEL_GF128_H

#include "blocks.h"

/* x^128 + x^7 + x^2 + x + 1 mirrored: 2^128 + GF_POLY * 2^64 + 1. */
#define GF_POLY 0xC200000000000000UL

static block_t gf_mul(block_t a, block_t stored);

/* Branch-free, as H is secret. */
static inline block_t gf_store(block_t a) {
  ulong carry = 0 - (a.y >> 63);
  ulong low = a.x << 1 ^ (carry & 1);
  ulong high = (a.y << 1 | a.x >> 63) ^ (carry & GF_POLY);
  return (block_t)(low, high);
}

/* stored to the power n >= 1, stored. The time depends on n, which is a length, not on the base. */
static block_t gf_power(block_t stored, ulong n) {
  block_t square = stored;
  for (; !(n & 1); n >>= 1)
    square = gf_mul(square, square);
  block_t power = square;
  while (n >>= 1) {
    square = gf_mul(square, square);
    if (n & 1)
      power = gf_mul(power, square);
  }
  return power;
}

#endif
