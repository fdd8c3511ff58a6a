/* XXH32, XXH64 and XXH3 of 64 bits for any device.
 *
 * | -D       | values   | meaning                                                             |
 * | -------- | -------- | ------------------------------------------------------------------- |
 * | MESSAGES | 1, 8, 16 | optional: messages of XXH32 and XXH64 side by side; by default what |
 * |          |          | the CPU's registers hold                                            |
 *
 * Tested: all. Operators on vectors alone, see kernels/README.md.
 */
#include "xxh3.h"

#ifndef MESSAGES
#if defined(__AVX512DQ__)
#define MESSAGES 16
#elif defined(__AVX2__)
#define MESSAGES 8
#else
#define MESSAGES 1
#endif
#endif

/* Accumulators of so many messages are one vector; the vectors are in flight at once, as the two
 * multiplications of a step take ten times as long as they keep the CPU busy. */
#if MESSAGES > 1
#define SIDE_32 4u
#define SIDE_64 2u
typedef uint16 sums_32_t;
typedef ulong8 sums_64_t;
#define WORDS_32(P) (sums_32_t)(words4_32(P(0)), words4_32(P(1)), words4_32(P(2)), words4_32(P(3)))
#define WORDS_64(P) (sums_64_t)(words4_64(P(0)), words4_64(P(1)))
#define ALL_32(a) (sums_32_t)(a, a, a, a)
#define ALL_64(a) (sums_64_t)(a, a)
#else
#define SIDE_32 1u
#define SIDE_64 1u
typedef uint4 sums_32_t;
typedef ulong4 sums_64_t;
#define WORDS_32(P) words4_32(P(0))
#define WORDS_64(P) words4_64(P(0))
#define ALL_32(a) a
#define ALL_64(a) a
#endif

#define VECTORS_32 (MESSAGES / SIDE_32)
#define VECTORS_64 (MESSAGES / SIDE_64)

/* Rows side by side, which come by size; behind the last row it is repeated. */
typedef struct {
  ulong src[MESSAGES];
  uint size[MESSAGES];
  uint least; /* bytes that all have */
} group_t;

static void take_group(private group_t *group, uint first, global const segment_t *segments,
                       uint count) {
  group->least = ~0u;
  for (uint i = 0; i < MESSAGES; i++) {
    global const segment_t *segment = segments + (first + i < count ? first + i : count - 1);
    group->src[i] = segment->src;
    group->size[i] = segment->src_size;
    group->least = smaller(group->least, segment->src_size);
  }
}

INLINE uint first_group(uint groups) {
  return (uint)((ulong)groups * get_global_id(0) / get_global_size(0));
}

INLINE uint end_group(uint groups) {
  return (uint)((ulong)groups * (get_global_id(0) + 1) / get_global_size(0));
}

/* NAME_KERNEL: the stripes that all messages of a group have, side by side, then each alone. */
#define LANE_KERNEL(NAME, BITS, word_t, four_t)                                                    \
  static void NAME##_group(private const group_t *group, global const uchar *src, word_t seed,     \
                           global result_t *results, uint rows) {                                  \
    sums_##BITS##_t sums[VECTORS_##BITS];                                                          \
    _Pragma("unroll") for (uint v = 0; v < VECTORS_##BITS; v++) sums[v] =                          \
        ALL_##BITS(FIRST_##BITS(seed));                                                            \
    uint done = 0;                                                                                 \
    for (; group->least - done >= STRIPE_##BITS; done += STRIPE_##BITS) {                          \
      _Pragma("unroll") for (uint v = 0; v < VECTORS_##BITS; v++) {                                \
        sums[v] = ROUND_##BITS(sums[v], WORDS_##BITS(AT_##BITS));                                  \
      }                                                                                            \
    }                                                                                              \
    for (uint i = 0; i < rows; i++)                                                                \
      put_check(results + i, NAME##_from(((private const four_t *)sums)[i], src + group->src[i],   \
                                         group->size[i], done, seed));                             \
  }                                                                                                \
                                                                                                   \
  kernel void NAME(global const uchar *src, global uchar *dst, global const segment_t *segments,   \
                   global result_t *results, global const uchar *params, uint count) {             \
    const uint groups = (count + MESSAGES - 1) / MESSAGES, end = end_group(groups);                \
    for (uint number = first_group(groups); number < end; number++) {                              \
      const uint first = number * MESSAGES;                                                        \
      group_t group;                                                                               \
      take_group(&group, first, segments, count);                                                  \
      const word_t seed = (word_t)load8(params + segments[first].param);                           \
      NAME##_group(&group, src, seed, results + first, smaller(MESSAGES, count - first));          \
    }                                                                                              \
  }

/* The stripe of message i of a vector. */
#define AT_32(i) (src + group->src[v * SIDE_32 + i] + done)
#define AT_64(i) (src + group->src[v * SIDE_64 + i] + done)

LANE_KERNEL(xxh32, 32, uint, uint4)
LANE_KERNEL(xxh64, 64, ulong, ulong4)

kernel void xxh3_64(global const uchar *src, global uchar *dst, global const segment_t *segments,
                    global result_t *results, global const uchar *params, uint count) {
  ulong secret[SECRET_WORDS];
  const uint end = abi_end(count);
  ulong known = 0;
  seeded(secret, known);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    const ulong seed = load8(params + segment.param);
    if (seed != known)
      seeded(secret, seed);
    known = seed;
    put_check(results + row, xxh3_64_of(secret, src + segment.src, segment.src_size, seed));
  }
}
