/* GHASH for an FPGA: carry-less products as AND and XOR, without the integer multiplications of
 * lanes_ghash.h, and a sum over groups that takes one group a clock.
 *
 * | -D         | values      | meaning                                                         |
 * | ---------- | ----------- | --------------------------------------------------------------- |
 * | GHASH_WAYS | power of 2  | optional: sums in turn; at least the clocks of one product      |
 */
#ifndef FPGA_ACCEL_AES_FPGA_GHASH_H
#define FPGA_ACCEL_AES_FPGA_GHASH_H

#include "fpga_group.h"
#include "gf128.h"

/* A product is some 18 levels of two-input gates, 8 of tables of six inputs: 8 clocks, if a clock
 * is so short that each of these levels takes one. */
#ifndef GHASH_WAYS
#define GHASH_WAYS 8
#endif

/* ---- products ---- */

/* 256 bits before reduction, word[0] lowest, one product a lane. */
typedef struct {
  lanes_t word[4];
} product_t;

static inline lanes_t clmul32(lanes_t a, lanes_t b) {
  lanes_t product = (lanes_t)(0);
#pragma unroll
  for (uint i = 0; i < 32; i++)
    product ^= (a << i) & (0 - (b >> i & 1));
  return product;
}

/* Karatsuba: low, high. */
static inline void clmul64(lanes_t a, lanes_t b, private lanes_t *product) {
  const ulong word32 = 0xFFFFFFFFUL;
  lanes_t low = clmul32(a & word32, b & word32), high = clmul32(a >> 32, b >> 32);
  lanes_t middle = low ^ high ^ clmul32((a ^ a >> 32) & word32, (b ^ b >> 32) & word32);
  product[0] = low ^ middle << 32;
  product[1] = high ^ middle >> 32;
}

static inline product_t clmul128(lanes_t a_low, lanes_t a_high, lanes_t b_low, lanes_t b_high) {
  lanes_t low[2], high[2], middle[2];
  clmul64(a_low, b_low, low);
  clmul64(a_high, b_high, high);
  clmul64(a_low ^ a_high, b_low ^ b_high, middle);
  product_t product;
  product.word[0] = low[0];
  product.word[1] = low[1] ^ low[0] ^ high[0] ^ middle[0];
  product.word[2] = high[0] ^ low[1] ^ high[1] ^ middle[1];
  product.word[3] = high[1];
  return product;
}

/* The sum of all lanes modulo the polynomial of gf128.h, whose low end is 1: adding it word[0]
 * times clears word[0], and then word[1] the same way. */
static inline block_t gf_reduce(product_t product) {
  ulong p0 = lanes_sum(product.word[0]), p1 = lanes_sum(product.word[1]);
  ulong p2 = lanes_sum(product.word[2]), p3 = lanes_sum(product.word[3]);
  p1 ^= p0 << 63 ^ p0 << 62 ^ p0 << 57;
  p2 ^= p0 ^ p0 >> 1 ^ p0 >> 2 ^ p0 >> 7;
  p2 ^= p1 << 63 ^ p1 << 62 ^ p1 << 57;
  p3 ^= p1 ^ p1 >> 1 ^ p1 >> 2 ^ p1 >> 7;
  return (block_t)(p2, p3);
}

static inline lanes_t lane_0(ulong a) {
  lanes_t lanes = (lanes_t)(0);
  ((private ulong *)&lanes)[0] = a;
  return lanes;
}

/* gf_mul as a pipeline: each call is hardware of its own, 9216 AND and about as many XOR. */
static inline block_t gf_mul_wide(block_t a, block_t stored) {
  return gf_reduce(clmul128(lane_0(a.x), lane_0(a.y), lane_0(stored.x), lane_0(stored.y)));
}

/* For what a row or a key needs once: eight bits of a factor a step, 1024 AND. Adding the
 * polynomial q times clears the low byte, which is q, and then goes. */
static block_t gf_mul(block_t a, block_t stored) {
  ulong low = 0, high = 0;
  for (uint step = 0; step < 16; step++) {
    ulong top = 0;
#pragma unroll
    for (uint i = 0; i < 8; i++) {
      ulong take = 0 - (stored.x >> i & 1);
      low ^= (a.x << i) & take;
      high ^= (a.y << i | a.x >> 1 >> (63 - i)) & take;
      top ^= (a.y >> 1 >> (63 - i)) & take;
    }
    ulong q = low & 0xFF;
    low = low >> 8 | high << 56;
    high = (high >> 8 | top << 56) ^ q << 56 ^ q << 55 ^ q << 54 ^ q << 49;
    stored = (block_t)(stored.x >> 8 | stored.y << 56, stored.y >> 8);
  }
  return (block_t)(low, high);
}

/* ---- sums over groups ---- */

typedef struct {
  aes_key_t cipher;
  block_t h;
  group_t powers; /* H^BATCH_BLOCKS, ..., H^1 */
  block_t step;   /* over one group: H^BATCH_BLOCKS */
  block_t stride; /* over GHASH_WAYS groups */
} gcm_key_t;

static void gcm_set_key(private gcm_key_t *key) {
  key->h = gf_store(block_encrypt(&key->cipher, (block_t)(0)));
  block_t power = key->h;
  for (uint i = BATCH_BLOCKS - 1; i > 0; i--) {
    group_set(&key->powers, i, power);
    power = gf_mul(power, key->h);
  }
  group_set(&key->powers, 0, power);
  key->step = power;
  for (uint ways = 1; ways < GHASH_WAYS; ways *= 2)
    power = gf_mul(power, power);
  key->stride = power;
}

/* Group n is added to the sum that group n - GHASH_WAYS went to, so a product has GHASH_WAYS clocks
 * until it is needed. Newest first. */
typedef struct {
  block_t way[GHASH_WAYS];
} ghash_t;

static inline ghash_t ghash_from(block_t hash) {
  ghash_t sums;
#pragma unroll
  for (uint w = 1; w < GHASH_WAYS; w++)
    sums.way[w] = (block_t)(0);
  sums.way[0] = hash;
  return sums;
}

static inline void ghash_add(private ghash_t *sums, private const gcm_key_t *key, group_t group) {
  product_t sum = {{(lanes_t)(0), (lanes_t)(0), (lanes_t)(0), (lanes_t)(0)}};
#pragma unroll
  for (uint k = 0; k < 4; k++) {
    product_t product =
        clmul128(group.w[4 + k], group.w[k], key->powers.w[4 + k], key->powers.w[k]);
#pragma unroll
    for (uint n = 0; n < 4; n++)
      sum.word[n] ^= product.word[n];
  }
  block_t next = gf_mul_wide(sums->way[GHASH_WAYS - 1], key->stride) ^ gf_reduce(sum);
#pragma unroll
  for (uint w = GHASH_WAYS - 1; w > 0; w--)
    sums->way[w] = sums->way[w - 1];
  sums->way[0] = next;
}

/* Block by block: nonces, associated data. */
static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  for (ulong at = 0; at < size; at += BLOCK_SIZE) {
    ulong left = size - at;
    block_t block =
        left >= BLOCK_SIZE ? block_load(data + at) : block_load_part(data + at, (uint)left);
    hash = gf_mul(hash ^ block, key->h);
  }
  return hash;
}

/* Joins the ways, then adds the first rest bytes of a group that is not full and the closing block:
 * one loop, so that it has one product in hardware. */
static block_t ghash_end(private const ghash_t *sums, private const gcm_key_t *key,
                         private const group_t *tail, uint rest, block_t closing) {
  const uint ways = GHASH_WAYS - 1, blocks = (uint)blocks_of(rest);
  block_t hash = (block_t)(0);
  for (uint i = 0; i < ways + blocks + 1; i++) {
    block_t next = closing;
    if (i < ways)
      next = sums->way[ways - i];
    else if (i < ways + blocks)
      next = group_block(tail, i - ways);
    if (i == ways)
      hash ^= sums->way[0];
    if (rest % BLOCK_SIZE && i + 1 == ways + blocks)
      next = block_keep(next, rest % BLOCK_SIZE);
    hash = gf_mul_wide(hash ^ next, i < ways ? key->step : key->h);
  }
  return hash;
}

#endif
