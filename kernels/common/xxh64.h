/* XXH64 with seed 0, by the xxHash specification: one message in scalars, for which products of 64
 * bits take a fifth of the time that vectors of one message need. */
#ifndef FPGA_ACCEL_XXH64_H
#define FPGA_ACCEL_XXH64_H

#include "bytes.h"

#define XXH64_P1 0x9E3779B185EBCA87UL
#define XXH64_P2 0xC2B2AE3D27D4EB4FUL
#define XXH64_P3 0x165667B19E3779F9UL
#define XXH64_P4 0x85EBCA77C2B2AE63UL
#define XXH64_P5 0x27D4EB2F165667C5UL

INLINE ulong xxh64_rotl(ulong x, uint n) { return x << n | x >> (64 - n); }

INLINE ulong xxh64_round(ulong lane, ulong word) {
  return xxh64_rotl(lane + word * XXH64_P2, 31) * XXH64_P1;
}

INLINE ulong xxh64_merged(ulong hash, ulong lane) {
  return (hash ^ xxh64_round(0, lane)) * XXH64_P1 + XXH64_P4;
}

APART ulong xxh64(input_t src, uint size) {
  uint at = 0;
  ulong hash = XXH64_P5;
  if (size >= 32) {
    ulong a = XXH64_P1 + XXH64_P2, b = XXH64_P2, c = 0, d = 0 - XXH64_P1;
    for (; size - at >= 32; at += 32) {
      a = xxh64_round(a, load8(src + at));
      b = xxh64_round(b, load8(src + at + 8));
      c = xxh64_round(c, load8(src + at + 16));
      d = xxh64_round(d, load8(src + at + 24));
    }
    hash = xxh64_rotl(a, 1) + xxh64_rotl(b, 7) + xxh64_rotl(c, 12) + xxh64_rotl(d, 18);
    hash = xxh64_merged(xxh64_merged(xxh64_merged(xxh64_merged(hash, a), b), c), d);
  }
  hash += size;
  for (; size - at >= 8; at += 8)
    hash = xxh64_rotl(hash ^ xxh64_round(0, load8(src + at)), 27) * XXH64_P1 + XXH64_P4;
  if (size - at >= 4) {
    hash = xxh64_rotl(hash ^ load4(src + at) * XXH64_P1, 23) * XXH64_P2 + XXH64_P3;
    at += 4;
  }
  for (; at < size; at++)
    hash = xxh64_rotl(hash ^ src[at] * XXH64_P5, 11) * XXH64_P1;
  hash = (hash ^ hash >> 33) * XXH64_P2;
  hash = (hash ^ hash >> 29) * XXH64_P3;
  return hash ^ hash >> 32;
}

#endif
