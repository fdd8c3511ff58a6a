/* GHASH by carry-less multiply instructions, GROUP vectors to one reduction. */
#ifndef FPGA_ACCEL_X86_GHASH_H
#define FPGA_ACCEL_X86_GHASH_H

#include "gf128.h"
#include "x86_vector.h"

#if !defined(__PCLMUL__) || (BLOCKS > 1 && !defined(__VPCLMULQDQ__) && !MODELLED)
#error "this variant needs PCLMULQDQ, and VPCLMULQDQ with more than one block a register"
#endif

/* A block as GHASH takes it. POLYVAL takes it as it is in memory. */
#ifndef GHASH_ORDER
#define GHASH_ORDER(a) v_reverse(a)
#endif

/* Powers that one group needs: of each of its blocks, and one more for the closing block. */
#ifndef GROUP_BYTES
#define GROUP_BYTES (GROUP * V_BYTES)
#endif
#define GROUP_BLOCKS (GROUP * V_BLOCKS)
#define POWERS (GROUP_BLOCKS + 1)
/* Vectors beyond the end of a text read this far behind the powers, for zero blocks. */
#ifndef LONG_STEP
#define POWERS_PADDED (POWERS + GROUP_BLOCKS)
#else
#define POWERS_PADDED (POWERS + GROUP_BLOCKS + LONG_STEP * V_BLOCKS)
#endif

/* Highest power first: power n is at [POWERS - n], so that block k of a text of n goes with
 * [POWERS - n + k]. */
typedef struct {
  block_t power[POWERS_PADDED];
} powers_t;

/* A sum of products before reduction. */
typedef struct {
  vec_t low, middle, high;
} product_t;

static inline void product_add(private product_t *sum, vec_t a, vec_t b) {
  sum->low ^= V_CLMUL(a, b, 0x00);
  sum->high ^= V_CLMUL(a, b, 0x11);
  sum->middle ^= V_CLMUL(a, b, 0x01) ^ V_CLMUL(a, b, 0x10);
}

/* Modulo GF_POLY, 64 bits at a time from the low end (the high powers of x). */
static inline vec_t product_reduce(product_t sum) {
  const vec_t zero = (vec_t)(0);
  const vec_t poly = v_broadcast((long2)((long)GF_POLY, 0));
#if BLOCKS == 4
  vec_t low = sum.low ^ __builtin_shufflevector(zero, sum.middle, 0, 8, 2, 10, 4, 12, 6, 14);
  vec_t high = sum.high ^ __builtin_shufflevector(sum.middle, zero, 1, 8, 3, 10, 5, 12, 7, 14);
#elif BLOCKS == 2
  vec_t low = sum.low ^ __builtin_shufflevector(zero, sum.middle, 0, 4, 2, 6);
  vec_t high = sum.high ^ __builtin_shufflevector(sum.middle, zero, 1, 4, 3, 6);
#else
  vec_t low = sum.low ^ __builtin_shufflevector(zero, sum.middle, 0, 2);
  vec_t high = sum.high ^ __builtin_shufflevector(sum.middle, zero, 1, 2);
#endif
  low = v_swap_halves(low) ^ V_CLMUL(low, poly, 0x00);
  return high ^ v_swap_halves(low) ^ V_CLMUL(low, poly, 0x00);
}

static inline vec_t v_gf_mul(vec_t a, vec_t b) {
  product_t product = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  product_add(&product, a, b);
  return product_reduce(product);
}

/* The same for one block. */
static block_t gf_mul(block_t a, block_t stored) {
  const long2 poly = (long2)((long)GF_POLY, 0);
  long2 x = as_long2(a), y = as_long2(stored);
  long2 middle = X_CLMUL(x, y, 0x01) ^ X_CLMUL(x, y, 0x10);
  long2 low = X_CLMUL(x, y, 0x00) ^ (long2)(0, middle.x);
  long2 high = X_CLMUL(x, y, 0x11) ^ (long2)(middle.y, 0);
  low = low.yx ^ X_CLMUL(low, poly, 0x00);
  return as_ulong2(high ^ low.yx ^ X_CLMUL(low, poly, 0x00));
}

static inline vec_t powers_at(private const powers_t *powers, uint index) {
  return *(private const unaligned_vec_t *)(powers->power + index);
}

static void powers_set(private powers_t *powers, block_t h) {
  block_t power = h;
  for (uint n = 1; n <= V_BLOCKS; n++) {
    powers->power[POWERS - n] = power;
    power = gf_mul(power, h);
  }
  /* By vectors: the next V_BLOCKS powers are those before times H^V_BLOCKS. */
  vec_t step = v_broadcast(as_long2(powers->power[POWERS - V_BLOCKS]));
  for (uint n = 2 * V_BLOCKS; n <= GROUP_BLOCKS; n += V_BLOCKS) {
    vec_t next = v_gf_mul(powers_at(powers, POWERS - n + V_BLOCKS), step);
    *(private unaligned_vec_t *)(powers->power + POWERS - n) = next;
  }
  powers->power[0] = gf_mul(powers->power[1], h);
  for (uint i = POWERS; i < POWERS_PADDED; i++)
    powers->power[i] = (block_t)(0);
}

/* hash goes into the first block: GHASH is Horner's rule. */
static inline block_t ghash_group(private const powers_t *powers, block_t hash,
                                  private const vec_t *data) {
  product_t sum = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    vec_t x = GHASH_ORDER(data[i]);
    if (i == 0)
      x ^= v_in_first(as_long2(hash));
    product_add(&sum, x, powers_at(powers, 1 + i * V_BLOCKS));
  }
  return as_ulong2(v_sum_blocks(product_reduce(sum)));
}

/* Continues from hash; data is padded with zeros to whole blocks. */
static block_t ghash_by_powers(private const powers_t *powers, block_t hash,
                               global const uchar *data, ulong size) {
  vec_t x[GROUP];
  for (; size > GROUP_BYTES; size -= GROUP_BYTES, data += GROUP_BYTES) {
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      x[i] = v_load(data + i * V_BYTES);
    hash = ghash_group(powers, hash, x);
  }
  if (size == 0)
    return hash;
  uint first = POWERS - (uint)blocks_of(size);
  uint vectors = (uint)((size + V_BYTES - 1) / V_BYTES);
  product_t sum = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  vec_t before = v_in_first(as_long2(hash));
  for (uint i = 0; i < vectors; i++) {
    vec_t part = GHASH_ORDER(v_load_part(data + i * V_BYTES, v_part(size, (ulong)i * V_BYTES)));
    product_add(&sum, part ^ before, powers_at(powers, first + i * V_BLOCKS));
    before = (vec_t)(0);
  }
  return as_ulong2(v_sum_blocks(product_reduce(sum)));
}

#endif
