/* Vectors of words, one word of each of WORD_LANES messages, and how whole blocks of these messages
 * become such vectors.
 *
 * | -D         | values       | meaning                                                        |
 * | ---------- | ------------ | -------------------------------------------------------------- |
 * | WORD_BITS  | 32, 64       | of the hash; the source defines it                             |
 * | WORD_LANES | 1, 2, 4, ... | optional: up to 16 words of 32 bits, 8 of 64; by default what  |
 * |            |              | a register of the CPU holds                                    |
 *
 * Operators only: built-in functions on vectors wider than the device's registers return wrong
 * bytes on PoCL 3.0 without a warning that one would see.
 */
#ifndef FPGA_ACCEL_WORD_LANES_H
#define FPGA_ACCEL_WORD_LANES_H

#include "blocks.h"

#ifndef WORD_LANES
#if defined(__AVX512F__)
#define WORD_LANES (512 / WORD_BITS)
#elif defined(__AVX2__)
#define WORD_LANES (256 / WORD_BITS)
#elif defined(__SSE2__)
#define WORD_LANES (128 / WORD_BITS)
#else
#define WORD_LANES 1
#endif
#endif

#define WORD_BYTES (WORD_BITS / 8)

#if WORD_BITS == 32
typedef uint word_t;
#define VECTOR(prefix, lanes) prefix##uint##lanes
#elif WORD_BITS == 64
typedef ulong word_t;
#define VECTOR(prefix, lanes) prefix##ulong##lanes
#else
#error "WORD_BITS is 32 or 64"
#endif

/* WORDS_WHERE: every bit of the lanes in which a comparison holds. */
#if WORD_LANES == 1
typedef word_t words_t;
#define WORDS_WHERE(comparison) ((word_t)0 - (word_t)(comparison))
#elif WORD_LANES == 2
typedef VECTOR(, 2) words_t;
#define WORDS_WHERE(comparison) VECTOR(as_, 2)(comparison)
#elif WORD_LANES == 4
typedef VECTOR(, 4) words_t;
#define WORDS_WHERE(comparison) VECTOR(as_, 4)(comparison)
#elif WORD_LANES == 8
typedef VECTOR(, 8) words_t;
#define WORDS_WHERE(comparison) VECTOR(as_, 8)(comparison)
#elif WORD_LANES == 16 && WORD_BITS == 32
typedef VECTOR(, 16) words_t;
#define WORDS_WHERE(comparison) VECTOR(as_, 16)(comparison)
#else
#error "WORD_LANES is 1, 2, 4, 8, or 16 with words of 32 bits"
#endif

typedef private word_t *words_in_memory_t;

static inline words_t rotate_left(words_t a, const uint n) { return a << n | a >> (WORD_BITS - n); }

static inline words_t rotate_right(words_t a, const uint n) {
  return a >> n | a << (WORD_BITS - n);
}

/* The vector's words, one a lane. */
#define WORDS_OF(vector) ((words_in_memory_t) & (vector))

/* ---- words in bytes ---- */

#if WORD_BITS == 32
static inline words_t words_swap(words_t a) {
  a = (a & 0x00FF00FFU) << 8 | (a >> 8 & 0x00FF00FFU);
  return a << 16 | a >> 16;
}
#else
static inline words_t words_swap(words_t a) {
  a = (a & 0x00FF00FF00FF00FFUL) << 8 | (a >> 8 & 0x00FF00FF00FF00FFUL);
  a = (a & 0x0000FFFF0000FFFFUL) << 16 | (a >> 16 & 0x0000FFFF0000FFFFUL);
  return a << 32 | a >> 32;
}
#endif

/* A word to its bytes, of which the first is the lowest. */
#if UNALIGNED
typedef word_t __attribute__((aligned(1))) unaligned_word_t;

static inline void word_store(global uchar *p, word_t word) {
  *(global unaligned_word_t *)p = word;
}
#else
static inline void word_store(global uchar *p, word_t word) {
#pragma unroll
  for (uint i = 0; i < WORD_BYTES; i++)
    p[i] = (uchar)(word >> (8 * i));
}
#endif

/* ---- square blocks of words: row i is WORD_LANES words of message i ---- */

#if UNALIGNED
typedef words_t __attribute__((aligned(1))) unaligned_words_t;

static inline words_t words_load(global const uchar *p) {
  return *(global const unaligned_words_t *)p;
}
#else
static inline words_t words_load(global const uchar *p) {
  words_t words;
  words_in_memory_t each = WORDS_OF(words);
  for (uint i = 0; i < WORD_LANES; i++) {
    each[i] = 0;
#pragma unroll
    for (uint k = 0; k < WORD_BYTES; k++)
      each[i] |= (word_t)p[i * WORD_BYTES + k] << (8 * k);
  }
  return words;
}
#endif

/* Between exchanges: compilers make one network of all, of shuffles that take several times as long
 * (seen with LLVM 14). */
#if defined(__AVX512F__) && defined(__clang__)
#define EXCHANGED(a) __asm__("" : "+v"(a))
#else
#define EXCHANGED(a)
#endif

/* Exchanges the blocks of `distance` words off the diagonal of each two rows that far apart. */
#define EXCHANGE(distance, LOW, HIGH)                                                              \
  _Pragma("unroll") for (uint i = 0; i < WORD_LANES; i++) if ((i & (distance)) == 0) {             \
    words_t a = row[i], b = row[i + (distance)];                                                   \
    row[i] = (words_t)LOW;                                                                         \
    row[i + (distance)] = (words_t)HIGH;                                                           \
    if ((distance) > 1) {                                                                          \
      EXCHANGED(row[i]);                                                                           \
      EXCHANGED(row[i + (distance)]);                                                              \
    }                                                                                              \
  }

/* Turns rows of messages into vectors of words. */
__attribute__((always_inline)) static inline void words_transpose(private words_t *row) {
#if WORD_LANES == 16
  EXCHANGE(8, (a.lo, b.lo), (a.hi, b.hi))
  EXCHANGE(4, (a.s0123, b.s0123, a.s89ab, b.s89ab), (a.s4567, b.s4567, a.scdef, b.scdef))
  EXCHANGE(2, (a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd),
           (a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef))
  EXCHANGE(1,
           (a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6, a.s8, b.s8, a.sa, b.sa, a.sc, b.sc,
            a.se, b.se),
           (a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7, a.s9, b.s9, a.sb, b.sb, a.sd, b.sd,
            a.sf, b.sf))
#elif WORD_LANES == 8
  EXCHANGE(4, (a.lo, b.lo), (a.hi, b.hi))
  EXCHANGE(2, (a.s01, b.s01, a.s45, b.s45), (a.s23, b.s23, a.s67, b.s67))
  EXCHANGE(1, (a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6),
           (a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7))
#elif WORD_LANES == 4
  EXCHANGE(2, (a.lo, b.lo), (a.hi, b.hi))
  EXCHANGE(1, (a.s0, b.s0, a.s2, b.s2), (a.s1, b.s1, a.s3, b.s3))
#elif WORD_LANES == 2
  EXCHANGE(1, (a.s0, b.s0), (a.s1, b.s1))
#endif
}

#endif
