/* Bits and words of vectors of 64-bit lanes in another order. */
#ifndef FPGA_ACCEL_LANES_TRANSPOSE_H
#define FPGA_ACCEL_LANES_TRANSPOSE_H

#include "lanes.h"

/* Words to planes and planes to words: an 8 by 8 bit transposition in every byte. */
static void transpose(private lanes_t *w) {
  const ulong masks[3] = {0x5555555555555555UL, 0x3333333333333333UL, 0x0F0F0F0F0F0F0F0FUL};
#pragma unroll
  for (uint k = 0; k < 3; k++) {
    const uint distance = 1u << k;
#pragma unroll
    for (uint i = 0; i < 8; i++) {
      if (i & distance)
        continue;
      lanes_t change = ((w[i] >> distance) ^ w[i + distance]) & masks[k];
      w[i + distance] ^= change;
      w[i] ^= change << distance;
    }
  }
}

/* Per 128 bits: the lower, or the upper, two words of each, in turns. */
#if LANES == 8
#define LOW_WORDS(a, b)                                                                            \
  (halves_t)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5, a.s8, b.s8, a.s9, b.s9, a.sc, b.sc,   \
             a.sd, b.sd)
#define HIGH_WORDS(a, b)                                                                           \
  (halves_t)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7, a.sa, b.sa, a.sb, b.sb, a.se, b.se,   \
             a.sf, b.sf)
#define EVEN_LANES(a, b) (lanes_t)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6)
#define ODD_LANES(a, b) (lanes_t)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7)
#elif LANES == 4
#define LOW_WORDS(a, b) (halves_t)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5)
#define HIGH_WORDS(a, b) (halves_t)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7)
#define EVEN_LANES(a, b) (lanes_t)(a.s0, b.s0, a.s2, b.s2)
#define ODD_LANES(a, b) (lanes_t)(a.s1, b.s1, a.s3, b.s3)
#elif LANES == 2
#define LOW_WORDS(a, b) (halves_t)(a.s0, b.s0, a.s1, b.s1)
#define HIGH_WORDS(a, b) (halves_t)(a.s2, b.s2, a.s3, b.s3)
#define EVEN_LANES(a, b) (lanes_t)(a.s0, b.s0)
#define ODD_LANES(a, b) (lanes_t)(a.s1, b.s1)
#endif

#endif
