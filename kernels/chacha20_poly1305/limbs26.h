/* Numbers modulo 2^130 - 5 in five limbs of 26 bits, LANES numbers side by side: 32 by 32-bit
 * products are what every vector unit has.
 *
 * Limbs are loose: below 2^27 after product_reduce, below 2^28 with a block added.
 */
#ifndef FPGA_ACCEL_LIMBS26_H
#define FPGA_ACCEL_LIMBS26_H

#include "bytes.h"
#include "vectors.h"

#define LIMBS 5
#define LIMB_MASK 0x3FFFFFFUL
#define HALF_MASK 0xFFFFFFFFUL

typedef struct {
  lanes_t limb[LIMBS];
} number_t;

/* A number to multiply by; five[i] is five times limb i, for products that pass 2^130. */
typedef struct {
  lanes_t limb[LIMBS], five[LIMBS];
} factor_t;

/* A sum of at most four products before reduction: 4 * 5 * 2^28 * 5 * 2^27 is below 2^62. */
typedef struct {
  lanes_t limb[LIMBS];
} product_t;

/* The masks tell the compiler that high halves are nothing, for one instruction. */
INLINE lanes_t half_product(lanes_t a, lanes_t b) { return (a & HALF_MASK) * (b & HALF_MASK); }

/* low + 2^64 high + 2^128 top. */
INLINE number_t number_of(lanes_t low, lanes_t high, lanes_t top) {
  number_t a = {{low & LIMB_MASK, low >> 26 & LIMB_MASK, (low >> 52 | high << 12) & LIMB_MASK,
                 high >> 14 & LIMB_MASK, high >> 40 | top << 24}};
  return a;
}

INLINE number_t number_zero(void) {
  const lanes_t zero = (lanes_t)(0);
  return number_of(zero, zero, zero);
}

INLINE number_t number_add(number_t a, number_t b) {
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    a.limb[i] += b.limb[i];
  return a;
}

INLINE factor_t factor_of(number_t a) {
  factor_t factor;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++) {
    factor.limb[i] = a.limb[i];
    factor.five[i] = a.limb[i] + (a.limb[i] << 2);
  }
  return factor;
}

INLINE product_t product_zero(void) {
  product_t product;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    product.limb[i] = (lanes_t)(0);
  return product;
}

INLINE void product_add(private product_t *sum, number_t a, private const factor_t *by) {
  UNROLLED
  for (uint i = 0; i < LIMBS; i++) {
    UNROLLED
    for (uint k = 0; k < LIMBS; k++)
      sum->limb[k] += half_product(a.limb[i], k >= i ? by->limb[k - i] : by->five[LIMBS + k - i]);
  }
}

/* Two chains of carries side by side. */
INLINE number_t product_reduce(product_t sum) {
  lanes_t a = sum.limb[0], b = sum.limb[1], c = sum.limb[2], d = sum.limb[3], e = sum.limb[4];
  lanes_t carry;
  e += d >> 26, d &= LIMB_MASK;
  b += a >> 26, a &= LIMB_MASK;
  carry = e >> 26, e &= LIMB_MASK;
  c += b >> 26, b &= LIMB_MASK;
  a += carry + (carry << 2);
  d += c >> 26, c &= LIMB_MASK;
  b += a >> 26, a &= LIMB_MASK;
  e += d >> 26, d &= LIMB_MASK;
  number_t reduced = {{a, b, c, d, e}};
  return reduced;
}

/* The sum of all lanes, of one number after product_reduce, modulo 2^130 - 5 and then 2^128: low
 * and high half. Branch-free. */
INLINE ulong2 number_sum(private const number_t *a) {
  ulong h[LIMBS], g[LIMBS], carry = 0;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    h[i] = lanes_total(a->limb[i]);
  UNROLLED
  for (uint i = 0; i < 2 * LIMBS + 1; i++) {
    h[i % LIMBS] += i % LIMBS == 0 ? 5 * carry : carry;
    carry = h[i % LIMBS] >> 26;
    h[i % LIMBS] &= LIMB_MASK;
  }
  h[1] += carry;
  /* h + 5 - 2^130 where that is not negative. */
  carry = 5;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++) {
    g[i] = h[i] + carry;
    carry = g[i] >> 26;
    g[i] &= LIMB_MASK;
  }
  ulong above = 0 - carry;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    h[i] = (h[i] & ~above) | (g[i] & above);
  return (ulong2)(h[0] | h[1] << 26 | h[2] << 52, h[2] >> 12 | h[3] << 14 | h[4] << 40);
}

#endif
