/* Folding by carry-less multiplication: a sum of blocks of 128 bits is moved over the blocks behind
 * it and added to them, see README.md. FOLD is the bits of a vector, see x86.cl.
 */
#ifndef FPGA_ACCEL_CRC_FOLD_H
#define FPGA_ACCEL_CRC_FOLD_H

#include "x86_prefetch.h"

#define BLOCK_BYTES 16u

/* Constants of one CRC, see crc_constants.h: moved[0] is for 128 bits, and so on. */
typedef struct {
  long2 moved[7];
  long2 past_1024, past_1536, past_2048;
  long2 barrett;
  long shorter;
} fold_t;

#define FOLD_OF(name)                                                                              \
  ((fold_t){{(long2)(name##_MOVED_128), (long2)(name##_MOVED_256), (long2)(name##_MOVED_384),      \
             (long2)(name##_MOVED_512), (long2)(name##_MOVED_640), (long2)(name##_MOVED_768),      \
             (long2)(name##_MOVED_896)},                                                           \
            (long2)(name##_MOVED_1024),                                                            \
            (long2)(name##_MOVED_1536),                                                            \
            (long2)(name##_MOVED_2048),                                                            \
            (long2)(name##_BARRETT),                                                               \
            name##_SHORTER})

typedef long2 __attribute__((aligned(1))) unaligned_block_t;

#define X_CLMUL(a, b, halves) __builtin_ia32_pclmulqdq128(a, b, halves)

INLINE long2 x_load(input_t p) { return *(global const unaligned_block_t *)p; }

INLINE long2 x_moved(long2 a, long2 pair) {
  return X_CLMUL(a, pair, 0x00) ^ X_CLMUL(a, pair, 0x11);
}

#if FOLD == 512

typedef long8 vec_t;
typedef long8 __attribute__((aligned(1))) unaligned_vec_t;

#define V_BYTES 64u
/* 8 in flight are as fast. */
#define GROUP 4u
#define PAST_GROUP(k) k.past_2048

INLINE vec_t v_all(long2 a) { return (vec_t)(a, a, a, a); }

#if MODELLED
/* Lanes are multiplied bit by bit: bit i of one moves the other by i, over 127 bits. */
INLINE long2 modelled_product(ulong a, ulong b) {
  ulong low = 0, high = 0;
  for (uint i = 0; i < 64; i++) {
    ulong taken = 0 - (b >> i & 1);
    low ^= a << i & taken;
    high ^= (i ? a >> (64 - i) : 0) & taken;
  }
  return (long2)((long)low, (long)high);
}

#define MODELLED_LANE(a, b, lane, half) modelled_product((ulong)(a).lane.half, (ulong)(b).lane.half)
#define V_CLMUL_HALF(a, b, half)                                                                   \
  ((vec_t)(MODELLED_LANE(a, b, s01, half), MODELLED_LANE(a, b, s23, half),                         \
           MODELLED_LANE(a, b, s45, half), MODELLED_LANE(a, b, s67, half)))
#define V_MOVED(a, pairs) (V_CLMUL_HALF(a, pairs, x) ^ V_CLMUL_HALF(a, pairs, y))
#else
#define V_MOVED(a, pairs)                                                                          \
  (__builtin_ia32_pclmulqdq512(a, pairs, 0x00) ^ __builtin_ia32_pclmulqdq512(a, pairs, 0x11))
#endif

INLINE vec_t v_moved(vec_t a, vec_t pairs) { return V_MOVED(a, pairs); }

INLINE vec_t v_first(long2 a) { return (vec_t)(a, 0, 0, 0, 0, 0, 0); }

/* The sum of a group's vectors, moved to the last. */
INLINE vec_t sum_of_group(const fold_t k, private const vec_t *sums) {
  return v_moved(sums[0], v_all(k.past_1536)) ^ v_moved(sums[1], v_all(k.past_1024)) ^
         v_moved(sums[2], v_all(k.moved[3])) ^ sums[3];
}

/* The sum of a vector's blocks, moved to the last. */
INLINE long2 sum_of_vector(const fold_t k, vec_t a) {
  vec_t moved = v_moved(a, (vec_t)(k.moved[2], k.moved[1], k.moved[0], 0, 0));
  return moved.s01 ^ moved.s23 ^ moved.s45 ^ a.s67;
}

#define PAST_VECTOR(k) k.moved[3]

#else

typedef long2 vec_t;
typedef unaligned_block_t unaligned_vec_t;

#define V_BYTES 16u
/* The instruction takes seven clocks, two start for a block: so five or more blocks have to be in
 * flight. */
#define GROUP 8u
#define PAST_GROUP(k) k.past_1024
#define PAST_VECTOR(k) k.moved[0]

INLINE vec_t v_all(long2 a) { return a; }

INLINE vec_t v_moved(vec_t a, vec_t pairs) { return x_moved(a, pairs); }

INLINE vec_t v_first(long2 a) { return a; }

INLINE vec_t sum_of_group(const fold_t k, private const vec_t *sums) {
  vec_t sum = sums[GROUP - 1];
  UNROLL
  for (uint i = 0; i < GROUP - 1; i++)
    sum ^= x_moved(sums[i], k.moved[GROUP - 2 - i]);
  return sum;
}

INLINE long2 sum_of_vector(const fold_t k, vec_t a) { return a; }

#endif

#define GROUP_BYTES (GROUP * V_BYTES)

INLINE vec_t v_load(input_t p) { return *(global const unaligned_vec_t *)p; }

/* The sum over whole groups, at least one, moved to the last vector; `first` is added to the first
 * block. */
INLINE vec_t sum_of_groups(const fold_t k, long2 first, input_t p, ulong groups) {
  const vec_t past = v_all(PAST_GROUP(k));
  vec_t sums[GROUP];
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    sums[i] = v_load(p + i * V_BYTES);
  sums[0] ^= v_first(first);
  for (ulong n = 1; n < groups; n++) {
    p += GROUP_BYTES;
    x_prefetch(p, GROUP_BYTES);
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      sums[i] = v_moved(sums[i], past) ^ v_load(p + i * V_BYTES);
  }
  return sum_of_group(k, sums);
}

/* The sum over whole vectors behind one that there is. */
INLINE vec_t with_vectors(const fold_t k, vec_t sum, input_t p, ulong vectors) {
  const vec_t past = v_all(PAST_VECTOR(k));
  for (ulong n = 0; n < vectors; n++)
    sum = v_moved(sum, past) ^ v_load(p + n * V_BYTES);
  return sum;
}

/* The sum over whole blocks, at least one, moved to the last. The register goes into the first
 * eight bytes. */
INLINE long2 fold_of(const fold_t k, ulong crc, input_t p, ulong size) {
  const long2 first = (long2)((long)crc, 0);
  ulong done;
  long2 sum;
  if (size >= GROUP_BYTES) {
    done = size / GROUP_BYTES * GROUP_BYTES;
    vec_t all = sum_of_groups(k, first, p, size / GROUP_BYTES);
    const ulong vectors = (size - done) / V_BYTES;
    sum = sum_of_vector(k, with_vectors(k, all, p + done, vectors));
    done += vectors * V_BYTES;
  } else if (V_BYTES > BLOCK_BYTES && size >= V_BYTES) {
    const ulong vectors = size / V_BYTES;
    vec_t all = v_load(p) ^ v_first(first);
    sum = sum_of_vector(k, with_vectors(k, all, p + V_BYTES, vectors - 1));
    done = vectors * V_BYTES;
  } else {
    sum = x_load(p) ^ first;
    done = BLOCK_BYTES;
  }
  for (; done < size; done += BLOCK_BYTES)
    sum = x_moved(sum, k.moved[0]) ^ x_load(p + done);
  return sum;
}

/* The sum over 1 to 15 more bytes, which are the last of the block at `last`: together they are two
 * blocks, the first of which begins with as many zeros as bytes are missing. */
INLINE long2 with_rest(const fold_t k, long2 sum, input_t last, uint rest) {
  const ulong low = (ulong)sum.x, high = (ulong)sum.y;
  const ulong2 block = as_ulong2(x_load(last));
  const uint bits = 8 * (rest % 8), others = (64 - bits) % 64;
  /* What goes over a border between words; a shift by 64 bits would be none. */
  const ulong over = bits ? ~0UL : 0;
  ulong2 first, second;
  if (rest < 8) {
    first = (ulong2)(0, low << others & over);
    second = (ulong2)(low >> bits | (high << others & over), high >> bits);
    second.y |= block.y & (over << others);
  } else {
    first = (ulong2)(low << others & over, low >> bits | (high << others & over));
    second = (ulong2)(high >> bits | (block.x & (over << others)), block.y);
  }
  return x_moved(as_long2(first), k.moved[0]) ^ as_long2(second);
}

/* The register behind a block. */
INLINE ulong reduced(const fold_t k, long2 sum) {
  /* 64 more zeros lie behind the block: its first half is brought into what is left. */
  long2 shorter = X_CLMUL(sum, (long2)(k.shorter, 0), 0x00);
  const ulong low = (ulong)shorter.x ^ (ulong)sum.y;
  /* Barrett: the quotient of the first half, and the rest that it leaves. */
  long2 product = X_CLMUL((long2)((long)low, 0), k.barrett, 0x00);
  const ulong quotient = low ^ (ulong)product.x << 1;
  product = X_CLMUL((long2)((long)quotient, 0), k.barrett, 0x10);
  return (ulong)shorter.y ^ (ulong)product.y << 1 ^ (ulong)product.x >> 63;
}

#endif
