/* SHA-224 and SHA-256 (FIPS 180-4 section 6.2) over lanes of messages, and its kernels. */
#ifndef FPGA_ACCEL_SHA256_H
#define FPGA_ACCEL_SHA256_H

#define WORD_BITS 32
#define STATE_WORDS 8
#define BLOCK_WORDS 16
/* How far steps are unrolled: by default all the way, so that the schedule lies in registers. */
#ifndef STEPS_UNROLL
#define STEPS_UNROLL _Pragma("unroll")
#endif

#include "constants.h"
#include "lane_hash.h"

/* Section 4.1.2. */
#define CHOICE(e, f, g) (g ^ (e & (f ^ g)))
#define MAJORITY(a, b, c) ((a & b) | (c & (a | b)))
#define LARGE_SIGMA_0(a) (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22))
#define LARGE_SIGMA_1(e) (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25))
#define SMALL_SIGMA_0(w) (rotate_right(w, 7) ^ rotate_right(w, 18) ^ w >> 3)
#define SMALL_SIGMA_1(w) (rotate_right(w, 17) ^ rotate_right(w, 19) ^ w >> 10)

/* Section 6.2.2; the schedule is kept for 16 steps alone. */
static void compress(private words_t *state, private words_t *w) {
  words_t a = state[0], b = state[1], c = state[2], d = state[3];
  words_t e = state[4], f = state[5], g = state[6], h = state[7];
  STEPS_UNROLL
  for (uint t = 0; t < 64; t++) {
    words_t word = w[0];
    if (t >= 16)
      word += SMALL_SIGMA_1(w[14]) + w[9] + SMALL_SIGMA_0(w[1]);
    words_shift(w, word);
    words_t first = h + LARGE_SIGMA_1(e) + CHOICE(e, f, g) + (words_t)(STEP_CONSTANTS[t]) + word;
    words_t second = LARGE_SIGMA_0(a) + MAJORITY(a, b, c);
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

HASH_KERNEL(sha224, SHA224_INITIAL, 28)
HMAC_KERNEL(hmac_sha224, SHA224_INITIAL, 28)
HASH_KERNEL(sha256, SHA256_INITIAL, 32)
HMAC_KERNEL(hmac_sha256, SHA256_INITIAL, 32)

#endif
