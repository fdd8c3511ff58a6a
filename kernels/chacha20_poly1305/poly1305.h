/* Poly1305 (RFC 8439 section 2.5) over one message, LANES blocks at once, on the numbers of
 * limbs26.h or limbs44.h.
 *
 * Lane i sums blocks i, i + LANES, ... by Horner's rule with r^LANES; at the end it is multiplied
 * by r^(LANES - i). So that the last block stands in the last lane, lanes in front of the first
 * block are zero.
 */
#ifndef FPGA_ACCEL_POLY1305_H
#define FPGA_ACCEL_POLY1305_H

#include "messages.h"

#define POLY_VECTOR (POLY_BLOCK * LANES)

#if LANES == 8
typedef ulong16 pairs_t;
#elif LANES == 4
typedef ulong8 pairs_t;
#elif LANES == 2
typedef ulong4 pairs_t;
#else
typedef ulong2 pairs_t;
#endif

typedef struct __attribute__((packed)) {
  pairs_t value;
} unaligned_pairs_t;

/* What a key needs once. */
typedef struct {
  number_t finish; /* r^LANES, ..., r^1 */
  number_t twice;  /* r^(2 LANES) in every lane */
} powers_t;

typedef struct {
  number_t sum;
  factor_t step, twice;
  lanes_t low, high, top; /* blocks that wait for the vector to be full */
  uint waiting;           /* lanes that are taken, those in front of the first block too */
  bool begun;
} poly_t;

INLINE lanes_t all_lanes(ulong a) { return (lanes_t)(a); }

static void poly_begin(private poly_t *poly, private const powers_t *powers, ulong blocks) {
  number_t step;
  UNROLLED
  for (uint i = 0; i < LIMBS; i++)
    step.limb[i] = all_lanes(lane(powers->finish.limb[i], 0));
  poly->step = factor_of(step);
  poly->twice = factor_of(powers->twice);
  poly->sum = number_zero();
  poly->low = poly->high = poly->top = all_lanes(0);
  poly->waiting = (LANES - (uint)(blocks % LANES)) % LANES;
  poly->begun = false;
}

INLINE void poly_full(private poly_t *poly) {
  number_t blocks = number_of(poly->low, poly->high, poly->top);
  if (poly->begun) {
    product_t product = product_zero();
    product_add(&product, poly->sum, &poly->step);
    blocks = number_add(product_reduce(product), blocks);
  }
  poly->sum = blocks;
  poly->waiting = 0;
  poly->begun = true;
}

/* top: the bit above the 16 bytes. */
INLINE void poly_block(private poly_t *poly, ulong low, ulong high, ulong top) {
  ((private ulong *)&poly->low)[poly->waiting] = low;
  ((private ulong *)&poly->high)[poly->waiting] = high;
  ((private ulong *)&poly->top)[poly->waiting] = top;
  if (++poly->waiting == LANES)
    poly_full(poly);
}

INLINE number_t number_load(input_t p) {
  pairs_t pairs = ((global const unaligned_pairs_t *)p)->value;
  return number_of(pairs.even, pairs.odd, all_lanes(1));
}

/* At least one vector; two to a reduction. Returns the bytes that are done. */
INLINE uint poly_vectors(private poly_t *poly, input_t p, uint size) {
  uint done = 0;
  number_t sum = poly->sum;
  for (; size - done >= 2 * POLY_VECTOR; done += 2 * POLY_VECTOR) {
    product_t product = product_zero();
    product_add(&product, sum, &poly->twice);
    product_add(&product, number_load(p + done), &poly->step);
    sum = number_add(product_reduce(product), number_load(p + done + POLY_VECTOR));
  }
  if (size - done >= POLY_VECTOR) {
    product_t product = product_zero();
    product_add(&product, sum, &poly->step);
    sum = number_add(product_reduce(product), number_load(p + done));
    done += POLY_VECTOR;
  }
  poly->sum = sum;
  poly->begun = true;
  return done;
}

/* Data whose size is a multiple of 16 but for the last. */
APART void poly_data(private poly_t *poly, input_t p, uint size, bool closed) {
  while (poly->waiting && size >= POLY_BLOCK) {
    poly_block(poly, load8(p), load8(p + 8), 1);
    p += POLY_BLOCK;
    size -= POLY_BLOCK;
  }
  if (size >= POLY_VECTOR) {
    uint done = poly_vectors(poly, p, size);
    p += done;
    size -= done;
  }
  for (; size >= POLY_BLOCK; p += POLY_BLOCK, size -= POLY_BLOCK)
    poly_block(poly, load8(p), load8(p + 8), 1);
  if (size) {
    ulong2 last = part_block(p, size, closed);
    poly_block(poly, last.x, last.y, !closed);
  }
}

/* The tag: low and high half. pad is the second half of the key. */
static ulong2 poly_tag(private const poly_t *poly, private const powers_t *powers, ulong2 pad) {
  product_t product = product_zero();
  factor_t finish = factor_of(powers->finish);
  product_add(&product, poly->sum, &finish);
  number_t all = product_reduce(product);
  return add_halves(number_sum(&all), pad);
}

/* ---- powers, of one key a lane ---- */

INLINE number_t number_product(number_t a, number_t b) {
  product_t product = product_zero();
  factor_t by = factor_of(b);
  product_add(&product, a, &by);
  return product_reduce(product);
}

/* As to_blocks of chacha.h, over a square. */
INLINE void transposed(private lanes_t *x) {
#if LANES > 1
  UNROLLED
  for (uint step = 1; step < LANES; step *= 2) {
    lanes_t y[LANES];
    UNROLLED
    for (uint i = 0; i < LANES / 2; i++) {
      y[i] = EVEN_LANES(x[2 * i], x[2 * i + 1]);
      y[i + LANES / 2] = ODD_LANES(x[2 * i], x[2 * i + 1]);
    }
    UNROLLED
    for (uint i = 0; i < LANES; i++)
      x[i] = y[i];
  }
#endif
}

/* Of LANES keys at once. low and high: r of each, before clamping. */
static void powers_set(private powers_t *powers, lanes_t low, lanes_t high) {
  number_t power[LANES + 1];
  power[1] = number_of(low & CLAMP_LOW, high & CLAMP_HIGH, all_lanes(0));
  /* The factors of each are as near to half as can be: products that need not wait. */
  for (uint n = 2; n <= LANES; n++)
    power[n] = number_product(power[n / 2], power[n - n / 2]);
  number_t twice = number_product(power[LANES], power[LANES]);
  for (uint i = 0; i < LIMBS; i++) {
    lanes_t x[LANES];
    for (uint n = 0; n < LANES; n++)
      x[n] = power[LANES - n].limb[i];
    transposed(x);
    for (uint key = 0; key < LANES; key++) {
      powers[key].finish.limb[i] = x[key];
      powers[key].twice.limb[i] = all_lanes(lane(twice.limb[i], key));
    }
  }
}

#endif
