/* Vectors of words, one word of each of WORD_LANES messages, and how whole blocks of these messages
 * become such vectors.
 *
 * | -D         | values       | meaning                                                        |
 * | ---------- | ------------ | -------------------------------------------------------------- |
 * | WORD_BITS  | 32, 64       | of the hash; the source defines it                             |
 * | WORD_LANES | 1, 2, 4, ... | optional: up to 16 words of 32 bits, 8 of 64; by default what  |
 * |            |              | a register of the CPU holds                                    |
 * | SHUFFLES   | 0, 1         | optional: by default whether the compiler is a Clang           |
 *
 * Operators only: OpenCL's functions on vectors wider than the device's registers return wrong
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

#ifndef SHUFFLES
#ifdef __clang__
#define SHUFFLES 1
#else
#define SHUFFLES 0
#endif
#endif

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

#if SHUFFLES
#define PAIR(x, y, LOW, HIGH)                                                                      \
  {                                                                                                \
    words_t a = row[x], b = row[y];                                                                \
    row[x] = __builtin_shufflevector(a, b, LOW);                                                   \
    row[y] = __builtin_shufflevector(a, b, HIGH);                                                  \
  }
#define INDICES(...) __VA_ARGS__

/* What one shuffle of x86 makes of two rows: the words of both in turns, of the first 8 bytes of
 * each 16 and of the last; 8 bytes in turns; 16 bytes, the even ones of both and the odd ones. By
 * Clang's built-in function: of OpenCL's literals of parts LLVM 14 made twice as many shuffles. */
#if WORD_LANES == 16
#define WORDS_IN_TURNS(x, y)                                                                       \
  PAIR(x, y, INDICES(0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29),                    \
       INDICES(2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31))
#define EIGHTS_IN_TURNS(x, y)                                                                      \
  PAIR(x, y, INDICES(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),                    \
       INDICES(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
#define SIXTEENS_APART(x, y)                                                                       \
  PAIR(x, y, INDICES(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),                    \
       INDICES(4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31))
#elif WORD_LANES == 8 && WORD_BITS == 32
#define WORDS_IN_TURNS(x, y)                                                                       \
  PAIR(x, y, INDICES(0, 8, 1, 9, 4, 12, 5, 13), INDICES(2, 10, 3, 11, 6, 14, 7, 15))
#define EIGHTS_IN_TURNS(x, y)                                                                      \
  PAIR(x, y, INDICES(0, 1, 8, 9, 4, 5, 12, 13), INDICES(2, 3, 10, 11, 6, 7, 14, 15))
#define SIXTEENS_APART(x, y)                                                                       \
  PAIR(x, y, INDICES(0, 1, 2, 3, 8, 9, 10, 11), INDICES(4, 5, 6, 7, 12, 13, 14, 15))
#elif WORD_LANES == 8
#define EIGHTS_IN_TURNS(x, y)                                                                      \
  PAIR(x, y, INDICES(0, 8, 2, 10, 4, 12, 6, 14), INDICES(1, 9, 3, 11, 5, 13, 7, 15))
#define SIXTEENS_APART(x, y)                                                                       \
  PAIR(x, y, INDICES(0, 1, 4, 5, 8, 9, 12, 13), INDICES(2, 3, 6, 7, 10, 11, 14, 15))
#elif WORD_LANES == 4 && WORD_BITS == 32
#define WORDS_IN_TURNS(x, y) PAIR(x, y, INDICES(0, 4, 1, 5), INDICES(2, 6, 3, 7))
#define EIGHTS_IN_TURNS(x, y) PAIR(x, y, INDICES(0, 1, 4, 5), INDICES(2, 3, 6, 7))
#elif WORD_LANES == 4
#define EIGHTS_IN_TURNS(x, y) PAIR(x, y, INDICES(0, 4, 2, 6), INDICES(1, 5, 3, 7))
#define SIXTEENS_APART(x, y) PAIR(x, y, INDICES(0, 1, 4, 5), INDICES(2, 3, 6, 7))
#elif WORD_LANES == 2
#define EIGHTS_IN_TURNS(x, y) PAIR(x, y, INDICES(0, 2), INDICES(1, 3))
#endif

/* Turns rows of messages into vectors of words. */
__attribute__((always_inline)) static inline void words_transpose(private words_t *row) {
#if defined(WORDS_IN_TURNS)
#pragma unroll
  for (uint i = 0; i < WORD_LANES; i += 2)
    WORDS_IN_TURNS(i, i + 1)
#pragma unroll
  for (uint i = 0; i < WORD_LANES; i += 4) {
    EIGHTS_IN_TURNS(i, i + 2)
    EIGHTS_IN_TURNS(i + 1, i + 3)
    words_t second = row[i + 2];
    row[i + 2] = row[i + 1];
    row[i + 1] = second;
  }
#elif defined(EIGHTS_IN_TURNS)
#pragma unroll
  for (uint i = 0; i < WORD_LANES; i += 2)
    EIGHTS_IN_TURNS(i, i + 1)
#endif
#if defined(SIXTEENS_APART)
#pragma unroll
  for (uint step = 16 / WORD_BYTES; step < WORD_LANES; step *= 2)
#pragma unroll
    for (uint i = 0; i < WORD_LANES; i++)
      if ((i & step) == 0)
        SIXTEENS_APART(i, i + step)
#endif
}
#else
static inline void words_transpose(private words_t *row) {
  for (uint i = 0; i < WORD_LANES; i++)
    for (uint k = 0; k < i; k++) {
      words_in_memory_t low = WORDS_OF(row[i]) + k, high = WORDS_OF(row[k]) + i;
      word_t word = *low;
      *low = *high;
      *high = word;
    }
}
#endif

#endif
