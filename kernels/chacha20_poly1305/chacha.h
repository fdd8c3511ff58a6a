/* ChaCha20 (RFC 8439 section 2.3) over WIDTH blocks side by side, one a lane. */
#ifndef FPGA_ACCEL_CHACHA_H
#define FPGA_ACCEL_CHACHA_H

#include "bytes.h"
#include "vectors.h"

/* Vectors of 32-bit words: as wide as lanes_t, or WIDTH=1 for single words. */
#ifndef WIDTH
#define WIDTH (2 * LANES)
#endif
#if WIDTH == 16
typedef uint16 words_t;
#define WIDTH_BITS 4
#elif WIDTH == 8
typedef uint8 words_t;
#define WIDTH_BITS 3
#elif WIDTH == 4
typedef uint4 words_t;
#define WIDTH_BITS 2
#elif WIDTH == 2
typedef uint2 words_t;
#define WIDTH_BITS 1
#else
typedef uint words_t;
#endif

#define CHACHA_WORDS 16
#define CHACHA_BLOCK 64u
#define CHACHA_ROUNDS 20

typedef struct __attribute__((packed)) {
  words_t value;
} unaligned_words_t;

INLINE words_t words_load(input_t p) { return ((global const unaligned_words_t *)p)->value; }
INLINE void words_store(output_t p, words_t a) { ((global unaligned_words_t *)p)->value = a; }

#if WIDTH > 1
INLINE words_t lane_numbers(void) {
#if WIDTH == 16
  return (words_t)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif WIDTH == 8
  return (words_t)(0, 1, 2, 3, 4, 5, 6, 7);
#elif WIDTH == 4
  return (words_t)(0, 1, 2, 3);
#else
  return (words_t)(0, 1);
#endif
}
#endif

/* Words 0 to 3: "expand 32-byte k". */
INLINE void chacha_constants(private words_t *x) {
  x[0] = (words_t)(0x61707865);
  x[1] = (words_t)(0x3320646e);
  x[2] = (words_t)(0x79622d32);
  x[3] = (words_t)(0x6b206574);
}

#define TURN(a, b, d, n)                                                                           \
  x[a] += x[b];                                                                                    \
  x[d] ^= x[a];                                                                                    \
  x[d] = x[d] << n | x[d] >> (32 - n)

INLINE void quarter_round(private words_t *x, const uint a, const uint b, const uint c,
                          const uint d) {
  TURN(a, b, d, 16);
  TURN(c, d, b, 12);
  TURN(a, b, d, 8);
  TURN(c, d, b, 7);
}

INLINE void double_round(private words_t *x) {
  UNROLLED
  for (uint i = 0; i < 4; i++)
    quarter_round(x, i, 4 + i, 8 + i, 12 + i);
  UNROLLED
  for (uint i = 0; i < 4; i++)
    quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
}

INLINE void chacha_rounds(private words_t *x) {
  for (uint round = 0; round < CHACHA_ROUNDS; round += 2)
    double_round(x);
}

#if WIDTH > 1
/* From word i of all blocks in x[i] to the blocks one behind the other. Of the bits that number a
 * word here, those of x above those of the lane, each step moves the lowest to the top; after
 * WIDTH_BITS steps the lane stands above. */
INLINE void to_blocks(private words_t *x) {
  UNROLLED
  for (uint step = 0; step < WIDTH_BITS; step++) {
    words_t y[CHACHA_WORDS];
    UNROLLED
    for (uint i = 0; i < CHACHA_WORDS / 2; i++) {
      y[i] = EVEN_WORDS(x[2 * i], x[2 * i + 1]);
      y[i + CHACHA_WORDS / 2] = ODD_WORDS(x[2 * i], x[2 * i + 1]);
    }
    UNROLLED
    for (uint i = 0; i < CHACHA_WORDS; i++)
      x[i] = y[i];
  }
}
#endif

#endif
