/* Numbers modulo 2^130 - 5 in limbs of 44, 44 and 42 bits, eight numbers side by side, by products
 * of 52 bits.
 *
 * Limbs are loose: below 2^45 after product_reduce, below 2^46 with a block added.
 */
#ifndef FPGA_ACCEL_LIMBS44_H
#define FPGA_ACCEL_LIMBS44_H

#include "bytes.h"
#include "vectors.h"

#define LIMBS 3
#define LIMB_MASK 0xFFFFFFFFFFFUL
#define TOP_MASK 0x3FFFFFFFFFFUL

typedef struct {
  lanes_t limb[LIMBS];
} number_t;

/* A number to multiply by; twenty[i] is twenty times limb i, below 2^50, for products that pass
 * 2^132, which is 4 * 2^130 and so 4 * 5. */
typedef struct {
  lanes_t limb[LIMBS], twenty[LIMBS];
} factor_t;

/* A sum of at most four products before reduction: what is below 2^52 of each, and what is above.
 * 4 * 3 * 2^46 * 2^50 is below 2^52 * 2^48. */
typedef struct {
  lanes_t low[LIMBS], high[LIMBS];
} product_t;

#if MODELLED

/* Intel's manual, VPMADD52LUQ and VPMADD52HUQ: the low and the high 52 bits of the product of the
 * low 52 bits of both, added to sum. */
#define BITS52 0xFFFFFFFFFFFFFUL

INLINE lanes_t add_low52(lanes_t sum, lanes_t a, lanes_t b) {
  return sum + ((a & BITS52) * (b & BITS52) & BITS52);
}

static lanes_t add_high52(lanes_t sum, lanes_t a, lanes_t b) {
  for (uint i = 0; i < LANES; i++) {
    ulong x = lane(a, i) & BITS52, y = lane(b, i) & BITS52;
    ((private ulong *)&sum)[i] += mul_hi(x, y) << 12 | x * y >> 52;
  }
  return sum;
}

#else

INLINE lanes_t add_low52(lanes_t sum, lanes_t a, lanes_t b) {
  return as_ulong8(__builtin_ia32_vpmadd52luq512(as_long8(sum), as_long8(a), as_long8(b)));
}

INLINE lanes_t add_high52(lanes_t sum, lanes_t a, lanes_t b) {
  return as_ulong8(__builtin_ia32_vpmadd52huq512(as_long8(sum), as_long8(a), as_long8(b)));
}

#endif

/* low + 2^64 high + 2^128 top. */
INLINE number_t number_of(lanes_t low, lanes_t high, lanes_t top) {
  number_t a = {{low & LIMB_MASK, (low >> 44 | high << 20) & LIMB_MASK, high >> 24 | top << 40}};
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
    factor.twenty[i] = (a.limb[i] << 4) + (a.limb[i] << 2);
  }
  return factor;
}

INLINE product_t product_zero(void) {
  product_t product;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    product.low[i] = product.high[i] = (lanes_t)(0);
  return product;
}

INLINE void product_add(private product_t *sum, number_t a, private const factor_t *by) {
  UNROLLED
  for (uint i = 0; i < LIMBS; i++) {
    UNROLLED
    for (uint k = 0; k < LIMBS; k++) {
      lanes_t b = k >= i ? by->limb[k - i] : by->twenty[LIMBS + k - i];
      sum->low[k] = add_low52(sum->low[k], a.limb[i], b);
      sum->high[k] = add_high52(sum->high[k], a.limb[i], b);
    }
  }
}

/* What is above 2^52 of a limb is worth 2^8 of the next, and 2^10 above the last, of 42 bits. */
INLINE number_t product_reduce(product_t sum) {
  lanes_t a = sum.low[0], b = sum.low[1], c = sum.low[2];
  b += (a >> 44) + (sum.high[0] << 8), a &= LIMB_MASK;
  c += (b >> 44) + (sum.high[1] << 8), b &= LIMB_MASK;
  lanes_t carry = (c >> 42) + (sum.high[2] << 10);
  c &= TOP_MASK;
  a += carry + (carry << 2);
  b += a >> 44, a &= LIMB_MASK;
  number_t reduced = {{a, b, c}};
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
    uint k = i % LIMBS;
    h[k] += k == 0 ? 5 * carry : carry;
    carry = h[k] >> (k == 2 ? 42 : 44);
    h[k] &= k == 2 ? TOP_MASK : LIMB_MASK;
  }
  h[1] += carry;
  /* h + 5 - 2^130 where that is not negative. */
  carry = 5;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++) {
    g[i] = h[i] + carry;
    carry = g[i] >> (i == 2 ? 42 : 44);
    g[i] &= i == 2 ? TOP_MASK : LIMB_MASK;
  }
  ulong above = 0 - carry;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    h[i] = (h[i] & ~above) | (g[i] & above);
  return (ulong2)(h[0] | h[1] << 44, h[1] >> 20 | h[2] << 24);
}

#endif
