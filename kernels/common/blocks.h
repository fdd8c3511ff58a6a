/* 16-byte blocks as integers, and unaligned access to them.
 *
 * A block_t is the big-endian value of its 16 bytes: .y has bytes 0-7, .x bytes 8-15. That one form
 * serves as counter block (SP 800-38A: adding 1 is integer addition) and as GHASH element (SP
 * 800-38D: the coefficient of x^0 is the most significant bit).
 *
 * OpenCL C has no unaligned access but byte by byte; on CPUs known to have it, a type of alignment
 * 1 saves much. UNALIGNED=0 or 1 overrides.
 */
#ifndef FPGA_ACCEL_BLOCKS_H
#define FPGA_ACCEL_BLOCKS_H

#include "abi.h"

#define BLOCK_SIZE 16u

typedef ulong2 block_t;

static inline ulong blocks_of(ulong bytes) {
  return bytes / BLOCK_SIZE + (bytes % BLOCK_SIZE != 0);
}

#ifndef UNALIGNED
#if defined(__x86_64__) || defined(__aarch64__)
#define UNALIGNED 1
#else
#define UNALIGNED 0
#endif
#endif

static inline ulong swap_bytes(ulong a) {
  a = (a & 0x00FF00FF00FF00FFUL) << 8 | (a >> 8 & 0x00FF00FF00FF00FFUL);
  a = (a & 0x0000FFFF0000FFFFUL) << 16 | (a >> 16 & 0x0000FFFF0000FFFFUL);
  return a << 32 | a >> 32;
}

#if UNALIGNED

typedef ulong __attribute__((aligned(1))) unaligned_ulong_t;

/* The compiler takes swap_bytes and the access together for one instruction. */
static inline ulong load_be64(global const uchar *p) {
  return swap_bytes(*(global const unaligned_ulong_t *)p);
}

static inline void store_be64(global uchar *p, ulong value) {
  *(global unaligned_ulong_t *)p = swap_bytes(value);
}

#else

static inline ulong load_be64(global const uchar *p) {
  ulong value = 0;
#pragma unroll
  for (uint i = 0; i < 8; i++)
    value = value << 8 | p[i];
  return value;
}

static inline void store_be64(global uchar *p, ulong value) {
#pragma unroll
  for (uint i = 0; i < 8; i++)
    p[i] = (uchar)(value >> (56 - 8 * i));
}

#endif

static inline uint load_le32(global const uchar *p) {
  return (uint)p[0] | (uint)p[1] << 8 | (uint)p[2] << 16 | (uint)p[3] << 24;
}

static inline uint load_be32(global const uchar *p) {
  return (uint)p[3] | (uint)p[2] << 8 | (uint)p[1] << 16 | (uint)p[0] << 24;
}

static inline block_t block_load(global const uchar *p) {
  return (block_t)(load_be64(p + 8), load_be64(p));
}

static inline void block_store(global uchar *p, block_t block) {
  store_be64(p, block.y);
  store_be64(p + 8, block.x);
}

/* The first size bytes (at most 16), zeros behind them; touches no byte beyond. */
static inline block_t block_load_part(global const uchar *p, uint size) {
  ulong high = 0, low = 0;
  for (uint i = 0; i < size && i < 8; i++)
    high |= (ulong)p[i] << (56 - 8 * i);
  for (uint i = 8; i < size && i < 16; i++)
    low |= (ulong)p[i] << (120 - 8 * i);
  return (block_t)(low, high);
}

static inline void block_store_part(global uchar *p, block_t block, uint size) {
  for (uint i = 0; i < size && i < 8; i++)
    p[i] = (uchar)(block.y >> (56 - 8 * i));
  for (uint i = 8; i < size && i < 16; i++)
    p[i] = (uchar)(block.x >> (120 - 8 * i));
}

/* The block with all but its first size bytes cleared; size is 1 to 16. */
static inline block_t block_keep(block_t block, uint size) {
  uint drop = 8 * (BLOCK_SIZE - size);
  if (drop >= 64)
    return (block_t)(0, block.y & (~0UL << (drop - 64)));
  return (block_t)(block.x & (~0UL << drop), block.y);
}

#endif
