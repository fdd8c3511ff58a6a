/* GHASH for any device: carry-less products from integer multiplication, LANES blocks at once.
 *
 * Constant time wherever integer multiplication is, which holds for the CPUs and GPUs of today.
 */
#ifndef FPGA_ACCEL_LANES_GHASH_H
#define FPGA_ACCEL_LANES_GHASH_H

#include "gf128.h"
#include "lanes.h"

/* As block_t, one a lane. */
typedef struct {
  lanes_t low, high;
} lane_blocks_t;

/* Carry-less 32 by 32 bits in each lane. With only every fourth bit set, at most 8 products meet in
 * a column and their sum stays within the four bits, of which the lowest is the XOR. (T. Pornin
 * describes this for BearSSL, "Constant-time multiplication".) */
static inline lanes_t clmul32(lanes_t a, lanes_t b) {
  const ulong m = 0x11111111UL, w = 0x1111111111111111UL;
  lanes_t a0 = a & m, a1 = a & m << 1, a2 = a & m << 2, a3 = a & m << 3;
  lanes_t b0 = b & m, b1 = b & m << 1, b2 = b & m << 2, b3 = b & m << 3;
  lanes_t c0 = a0 * b0 ^ a1 * b3 ^ a2 * b2 ^ a3 * b1;
  lanes_t c1 = a0 * b1 ^ a1 * b0 ^ a2 * b3 ^ a3 * b2;
  lanes_t c2 = a0 * b2 ^ a1 * b1 ^ a2 * b0 ^ a3 * b3;
  lanes_t c3 = a0 * b3 ^ a1 * b2 ^ a2 * b1 ^ a3 * b0;
  return (c0 & w) | (c1 & w << 1) | (c2 & w << 2) | (c3 & w << 3);
}

/* 64 by 64 bits, Karatsuba. */
static inline lane_blocks_t clmul64(lanes_t a, lanes_t b) {
  const ulong m = 0xFFFFFFFFUL;
  lanes_t low = clmul32(a & m, b & m);
  lanes_t high = clmul32(a >> 32, b >> 32);
  lanes_t middle = clmul32((a ^ a >> 32) & m, (b ^ b >> 32) & m) ^ low ^ high;
  lane_blocks_t product = {low ^ middle << 32, high ^ middle >> 32};
  return product;
}

/* a plus a * GF_POLY, 2^64 up: clears the 64 bits that a came from. */
static inline lane_blocks_t fold(lanes_t a) {
  lane_blocks_t folded = {a << 63 ^ a << 62 ^ a << 57, a ^ a >> 1 ^ a >> 2 ^ a >> 7};
  return folded;
}

static lane_blocks_t lanes_mul(lane_blocks_t a, lane_blocks_t stored) {
  lane_blocks_t low = clmul64(a.low, stored.low);
  lane_blocks_t high = clmul64(a.high, stored.high);
  lane_blocks_t middle = clmul64(a.low ^ a.high, stored.low ^ stored.high);
  lanes_t word1 = low.high ^ middle.low ^ low.low ^ high.low;
  lanes_t word2 = high.low ^ middle.high ^ low.high ^ high.high;
  lane_blocks_t folded = fold(low.low);
  word1 ^= folded.low;
  word2 ^= folded.high;
  folded = fold(word1);
  lane_blocks_t product = {word2 ^ folded.low, high.high ^ folded.high};
  return product;
}

static inline lane_blocks_t lanes_of(block_t a) {
  lane_blocks_t all = {(lanes_t)(a.x), (lanes_t)(a.y)};
  return all;
}

static block_t gf_mul(block_t a, block_t stored) {
  lane_blocks_t product = lanes_mul(lanes_of(a), lanes_of(stored));
  return (block_t)(lane(product.low, 0), lane(product.high, 0));
}

/* ---- powers and sums ---- */

typedef struct {
  lane_blocks_t step;   /* H^LANES in every lane */
  lane_blocks_t finish; /* H^LANES, ..., H^1 */
} powers_t;

static void powers_set(private powers_t *powers, block_t h) {
  ulong *low = (private ulong *)&powers->finish.low;
  ulong *high = (private ulong *)&powers->finish.high;
  block_t power = h;
  for (uint i = LANES; i-- > 0;) {
    low[i] = power.x;
    high[i] = power.y;
    if (i)
      power = gf_mul(power, h);
  }
  powers->step = lanes_of(power);
}

/* GHASH of up to SUM_VECTORS * LANES blocks, which stand at the end of whole vectors: zero blocks
 * in front of the first change nothing. So many as a batch and one more block take. */
#define SUM_VECTORS (BATCH_BLOCKS / LANES + 1)

typedef struct {
  lanes_t low[SUM_VECTORS], high[SUM_VECTORS];
  uint first; /* where block 0 is */
  uint count;
} ghash_input_t;

static void ghash_begin(private ghash_input_t *input, uint count) {
  input->count = count;
  input->first = (LANES - count % LANES) % LANES;
  input->low[0] = (lanes_t)(0);
  input->high[0] = (lanes_t)(0);
}

static inline void ghash_put(private ghash_input_t *input, uint i, block_t block) {
  ((private ulong *)input->low)[input->first + i] = block.x;
  ((private ulong *)input->high)[input->first + i] = block.y;
}

static block_t ghash_end(private ghash_input_t *input, private const powers_t *powers,
                         block_t hash) {
  ((private ulong *)input->low)[input->first] ^= hash.x;
  ((private ulong *)input->high)[input->first] ^= hash.y;
  uint last = (input->first + input->count) / LANES - 1;
  lane_blocks_t sum = {input->low[0], input->high[0]};
  for (uint i = 1; i <= last; i++) {
    sum = lanes_mul(sum, powers->step);
    sum.low ^= input->low[i];
    sum.high ^= input->high[i];
  }
  sum = lanes_mul(sum, powers->finish);
  return (block_t)(lanes_sum(sum.low), lanes_sum(sum.high));
}

#endif
