/* XXH32 and XXH64 by the xxHash specification: what a message does alone.
 *
 * A row of all entries: params at `param` have the seed, least significant byte first; `check` of
 * the result is the hash. Nothing is written to dst.
 */
#ifndef FPGA_ACCEL_XXH_SHORT_H
#define FPGA_ACCEL_XXH_SHORT_H

#include "blocks.h"
#include "bytes.h"

#define P32_1 0x9E3779B1u
#define P32_2 0x85EBCA77u
#define P32_3 0xC2B2AE3Du
#define P32_4 0x27D4EB2Fu
#define P32_5 0x165667B1u

#define P64_1 0x9E3779B185EBCA87UL
#define P64_2 0xC2B2AE3D27D4EB4FUL
#define P64_3 0x165667B19E3779F9UL
#define P64_4 0x85EBCA77C2B2AE63UL
#define P64_5 0x27D4EB2F165667C5UL

#define STRIPE_32 16u
#define STRIPE_64 32u

#define ROTL_32(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define ROTL_64(x, n) ((x) << (n) | (x) >> (64 - (n)))

/* One step of accumulators, of whatever width. */
#define ROUND_32(sum, words) (ROTL_32((sum) + (words) * P32_2, 13) * P32_1)
#define ROUND_64(sum, words) (ROTL_64((sum) + (words) * P64_2, 31) * P64_1)

#define FIRST_32(seed) ((uint4)((seed) + P32_1 + P32_2, (seed) + P32_2, (seed), (seed) - P32_1))
#define FIRST_64(seed) ((ulong4)((seed) + P64_1 + P64_2, (seed) + P64_2, (seed), (seed) - P64_1))

#if UNALIGNED
typedef uint4 __attribute__((aligned(1))) unaligned_words_32_t;
typedef ulong4 __attribute__((aligned(1))) unaligned_words_64_t;

INLINE uint4 words4_32(input_t p) { return *(global const unaligned_words_32_t *)p; }

INLINE ulong4 words4_64(input_t p) { return *(global const unaligned_words_64_t *)p; }
#else
INLINE uint4 words4_32(input_t p) { return as_uint4(vload16(0, p)); }

INLINE ulong4 words4_64(input_t p) {
  return (ulong4)(as_ulong2(vload16(0, p)), as_ulong2(vload16(1, p)));
}
#endif

INLINE ulong avalanche_64(ulong hash) {
  hash = (hash ^ hash >> 33) * P64_2;
  hash = (hash ^ hash >> 29) * P64_3;
  return hash ^ hash >> 32;
}

/* The hash, from accumulators that have taken the first `done` bytes. */
INLINE uint xxh32_from(uint4 sums, input_t p, uint size, uint done, uint seed) {
  uint hash = seed + P32_5;
  for (; size - done >= STRIPE_32; done += STRIPE_32)
    sums = ROUND_32(sums, words4_32(p + done));
  if (size >= STRIPE_32)
    hash = ROTL_32(sums.x, 1) + ROTL_32(sums.y, 7) + ROTL_32(sums.z, 12) + ROTL_32(sums.w, 18);
  hash += size;
  for (; size - done >= 4; done += 4) {
    hash += load4(p + done) * P32_3;
    hash = ROTL_32(hash, 17) * P32_4;
  }
  for (; done < size; done++) {
    hash += p[done] * P32_5;
    hash = ROTL_32(hash, 11) * P32_1;
  }
  hash = (hash ^ hash >> 15) * P32_2;
  hash = (hash ^ hash >> 13) * P32_3;
  return hash ^ hash >> 16;
}

INLINE ulong merged_64(ulong hash, ulong sum) {
  return (hash ^ ROUND_64(0UL, sum)) * P64_1 + P64_4;
}

INLINE ulong xxh64_from(ulong4 sums, input_t p, uint size, uint done, ulong seed) {
  ulong hash = seed + P64_5;
  for (; size - done >= STRIPE_64; done += STRIPE_64)
    sums = ROUND_64(sums, words4_64(p + done));
  if (size >= STRIPE_64) {
    hash = ROTL_64(sums.x, 1) + ROTL_64(sums.y, 7) + ROTL_64(sums.z, 12) + ROTL_64(sums.w, 18);
    hash = merged_64(merged_64(merged_64(merged_64(hash, sums.x), sums.y), sums.z), sums.w);
  }
  hash += size;
  for (; size - done >= 8; done += 8) {
    hash ^= ROUND_64(0UL, load8(p + done));
    hash = ROTL_64(hash, 27) * P64_1 + P64_4;
  }
  if (size - done >= 4) {
    hash ^= load4(p + done) * P64_1;
    hash = ROTL_64(hash, 23) * P64_2 + P64_3;
    done += 4;
  }
  for (; done < size; done++) {
    hash ^= p[done] * P64_5;
    hash = ROTL_64(hash, 11) * P64_1;
  }
  return avalanche_64(hash);
}

INLINE void put_check(global result_t *result, ulong check) {
  result->dst_size = 0;
  result->status = STATUS_OK;
  result->check = check;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

#endif
