/* SM3 (GB/T 32905-2016) over lanes of messages, and its kernels. */
#ifndef FPGA_ACCEL_SM3_H
#define FPGA_ACCEL_SM3_H

#define WORD_BITS 32
#define STATE_WORDS 8
#define BLOCK_WORDS 16
/* How far steps are unrolled: by default all the way, so that the schedule lies in registers. */
#ifndef STEPS_UNROLL
#define STEPS_UNROLL _Pragma("unroll")
#endif

#include "lane_hash.h"

/* Section 4.1. */
constant const word_t SM3_INITIAL[STATE_WORDS] = {0x7380166FU, 0x4914B2B9U, 0x172442D7U,
                                                  0xDA8A0600U, 0xA96F30BCU, 0x163138AAU,
                                                  0xE38DEE4DU, 0xB0FB0E4EU};

/* Section 4.4. */
#define PERMUTATION_0(x) (x ^ rotate_left(x, 9) ^ rotate_left(x, 17))
#define PERMUTATION_1(x) (x ^ rotate_left(x, 15) ^ rotate_left(x, 23))

/* Section 4.3: the Boolean functions of steps 0 to 15, and of the others. */
#define FF_EARLY(a, b, c) (a ^ b ^ c)
#define GG_EARLY(e, f, g) (e ^ f ^ g)
#define FF_LATE(a, b, c) ((a & b) | (c & (a | b)))
#define GG_LATE(e, f, g) (g ^ (e & (f ^ g)))

/* Section 4.2, turned left by t. */
static inline uint step_constant(uint t) {
  uint value = t < 16 ? 0x79CC4519U : 0x7A879D8AU, by = t & 31;
  return by ? value << by | value >> (32 - by) : value;
}

/* Word t of the expanded block (section 5.3.2), from t = 16 on, in the place of word t - 16. */
#define EXPAND(t)                                                                                  \
  {                                                                                                \
    words_t mixed = w[(t) & 15] ^ w[((t) + 7) & 15] ^ rotate_left(w[((t) + 13) & 15], 15);         \
    w[(t) & 15] = PERMUTATION_1(mixed) ^ rotate_left(w[((t) + 3) & 15], 7) ^ w[((t) + 10) & 15];   \
  }

/* Steps of section 5.3.3; each needs word t + 4 of the expanded block too. */
#define STEPS(from, to, FF, GG)                                                                    \
  STEPS_UNROLL for (uint t = from; t < to; t++) {                                                  \
    words_t word = w[t & 15];                                                                      \
    if (t >= 12)                                                                                   \
      EXPAND(t + 4)                                                                                \
    words_t turned = rotate_left(a, 12);                                                           \
    words_t ss1 = rotate_left(turned + e + (words_t)(step_constant(t)), 7);                        \
    words_t tt1 = FF(a, b, c) + d + (ss1 ^ turned) + (word ^ w[(t + 4) & 15]);                     \
    words_t tt2 = GG(e, f, g) + h + ss1 + word;                                                    \
    d = c;                                                                                         \
    c = rotate_left(b, 9);                                                                         \
    b = a;                                                                                         \
    a = tt1;                                                                                       \
    h = g;                                                                                         \
    g = rotate_left(f, 19);                                                                        \
    f = e;                                                                                         \
    e = PERMUTATION_0(tt2);                                                                        \
  }

static void compress(private words_t *state, private words_t *w) {
  words_t a = state[0], b = state[1], c = state[2], d = state[3];
  words_t e = state[4], f = state[5], g = state[6], h = state[7];
  STEPS(0, 16, FF_EARLY, GG_EARLY)
  STEPS(16, 64, FF_LATE, GG_LATE)
  state[0] ^= a;
  state[1] ^= b;
  state[2] ^= c;
  state[3] ^= d;
  state[4] ^= e;
  state[5] ^= f;
  state[6] ^= g;
  state[7] ^= h;
}

HASH_KERNEL(sm3, SM3_INITIAL, 32)
HMAC_KERNEL(hmac_sm3, SM3_INITIAL, 32)

#endif
