/* SHA-1 (FIPS 180-4 section 6.1) over lanes of messages, and its kernels. */
#ifndef FPGA_ACCEL_SHA1_H
#define FPGA_ACCEL_SHA1_H

#define WORD_BITS 32
#define STATE_WORDS 5
#define BLOCK_WORDS 16
/* How far steps are unrolled: by default all the way, so that the schedule lies in registers. */
#ifndef STEPS_UNROLL
#define STEPS_UNROLL _Pragma("unroll")
#endif

#include "constants.h"
#include "lane_hash.h"

#define CHOICE(b, c, d) (d ^ (b & (c ^ d)))
#define PARITY(b, c, d) (b ^ c ^ d)
#define MAJORITY(b, c, d) ((b & c) | (d & (b | c)))

/* Steps t to t + 19 of section 6.1.2, which share function and constant (section 4.2.1). */
#define TWENTY_STEPS(first, F, k)                                                                  \
  STEPS_UNROLL for (uint t = first; t < first + 20; t++) {                                         \
    words_t word = w[0];                                                                           \
    if (t >= 16)                                                                                   \
      word = rotate_left(word ^ w[2] ^ w[8] ^ w[13], 1);                                           \
    words_shift(w, word);                                                                          \
    words_t sum = rotate_left(a, 5) + F(b, c, d) + e + (words_t)(k) + word;                        \
    e = d;                                                                                         \
    d = c;                                                                                         \
    c = rotate_left(b, 30);                                                                        \
    b = a;                                                                                         \
    a = sum;                                                                                       \
  }

static void compress(private words_t *state, private words_t *w) {
  words_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  TWENTY_STEPS(0, CHOICE, 0x5A827999U)
  TWENTY_STEPS(20, PARITY, 0x6ED9EBA1U)
  TWENTY_STEPS(40, MAJORITY, 0x8F1BBCDCU)
  TWENTY_STEPS(60, PARITY, 0xCA62C1D6U)
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

HASH_KERNEL(sha1, SHA1_INITIAL, 20)
HMAC_KERNEL(hmac_sha1, SHA1_INITIAL, 20)

#endif
