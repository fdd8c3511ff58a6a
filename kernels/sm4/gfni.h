/* The S-box of SM4 in each byte of a vector, with the GF(2^8) instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                            |
 * | -------- | ------ | ------------------------------------------------------------------ |
 * | MODELLED | 0, 1   | 1: logic does what GFNI does, to test on CPUs that lack it         |
 *
 * SM4 inverts in GF(2^8) modulo another polynomial than GFNI, x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + x
 * + 1. The two fields are isomorphic, so the S-box is: an affine map into GFNI's field (the first
 * of the standard, then the isomorphism), an inversion there, and an affine map back. A test
 * computes both maps from the standard's.
 */
#ifndef FPGA_ACCEL_SM4_GFNI_H
#define FPGA_ACCEL_SM4_GFNI_H

#include "x86_vector.h"

/* Matrices as GFNI takes them: byte 7 - i is the row of bit i. */
#define SM4_INTO_MATRIX 0x4C287DB91A22505DUL
#define SM4_INTO_CONSTANT 0x3E
#define SM4_BACK_MATRIX 0xF3AB34A974A6B589UL
#define SM4_BACK_CONSTANT 0xD3

#if !MODELLED

static inline vec_t sm4_sub_bytes(vec_t a) {
  const bytes64_t into = __builtin_astype((vec_t)((long)SM4_INTO_MATRIX), bytes64_t);
  const bytes64_t back = __builtin_astype((vec_t)((long)SM4_BACK_MATRIX), bytes64_t);
  bytes64_t x = __builtin_astype(a, bytes64_t);
  x = __builtin_ia32_vgf2p8affineqb_v64qi(x, into, SM4_INTO_CONSTANT);
  x = __builtin_ia32_vgf2p8affineinvqb_v64qi(x, back, (char)SM4_BACK_CONSTANT);
  return __builtin_astype(x, vec_t);
}

#else

typedef uchar ubytes64_t __attribute__((ext_vector_type(64)));

static ubytes64_t model_affine(ubytes64_t x, ulong matrix, uchar offset) {
  ubytes64_t y = (ubytes64_t)(offset);
  for (uint i = 0; i < 8; i++) {
    ubytes64_t t = x & (uchar)(matrix >> 8 * (7 - i));
    t ^= t >> (uchar)4;
    t ^= t >> (uchar)2;
    t ^= t >> (uchar)1;
    y ^= (t & (uchar)1) << (uchar)i;
  }
  return y;
}

/* Modulo GFNI's polynomial, that of AES. */
static ubytes64_t model_product(ubytes64_t a, ubytes64_t b) {
  ubytes64_t product = (ubytes64_t)(0);
  for (uint i = 0; i < 8; i++) {
    product ^= a * (b >> (uchar)i & (uchar)1);
    a = a << (uchar)1 ^ (a >> (uchar)7) * (uchar)0x1B;
  }
  return product;
}

/* The power 254, which is the inverse and for 0 is 0. */
static ubytes64_t model_inverse(ubytes64_t a) {
  ubytes64_t power = (ubytes64_t)(1);
  for (uint i = 0; i < 7; i++) {
    a = model_product(a, a);
    power = model_product(power, a);
  }
  return power;
}

static vec_t sm4_sub_bytes(vec_t a) {
  ubytes64_t x = __builtin_astype(a, ubytes64_t);
  x = model_affine(x, SM4_INTO_MATRIX, SM4_INTO_CONSTANT);
  return __builtin_astype(model_affine(model_inverse(x), SM4_BACK_MATRIX, SM4_BACK_CONSTANT),
                          vec_t);
}

#endif

#endif
