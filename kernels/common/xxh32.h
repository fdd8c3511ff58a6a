/* XXH32 with seed 0, by the xxHash specification. */
#ifndef FPGA_ACCEL_XXH32_H
#define FPGA_ACCEL_XXH32_H

#include "bytes.h"

#define XXH_P1 0x9E3779B1u
#define XXH_P2 0x85EBCA77u
#define XXH_P3 0xC2B2AE3Du
#define XXH_P4 0x27D4EB2Fu
#define XXH_P5 0x165667B1u

static inline uint rotl(uint x, uint n) { return (x << n) | (x >> (32 - n)); }

static inline uint xxh_round(uint lane, uint word) {
  return rotl(lane + word * XXH_P2, 13) * XXH_P1;
}

static uint xxh32(input_t src, uint size) {
  uint at = 0, hash = XXH_P5;
  if (size >= 16) {
    uint a = XXH_P1 + XXH_P2, b = XXH_P2, c = 0, d = 0u - XXH_P1;
    for (; size - at >= 16; at += 16) {
      a = xxh_round(a, load4(src + at));
      b = xxh_round(b, load4(src + at + 4));
      c = xxh_round(c, load4(src + at + 8));
      d = xxh_round(d, load4(src + at + 12));
    }
    hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
  }
  hash += size;
  for (; size - at >= 4; at += 4)
    hash = rotl(hash + load4(src + at) * XXH_P3, 17) * XXH_P4;
  for (; at < size; at++)
    hash = rotl(hash + src[at] * XXH_P5, 11) * XXH_P1;
  hash = (hash ^ (hash >> 15)) * XXH_P2;
  hash = (hash ^ (hash >> 13)) * XXH_P3;
  return hash ^ (hash >> 16);
}

#endif
