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

#include "lane_hash.h"

/* Section 5.3.2. */
constant const word_t SHA224_INITIAL[STATE_WORDS] = {0xC1059ED8U, 0x367CD507U, 0x3070DD17U,
                                                     0xF70E5939U, 0xFFC00B31U, 0x68581511U,
                                                     0x64F98FA7U, 0xBEFA4FA4U};

/* Section 5.3.3. */
constant const word_t SHA256_INITIAL[STATE_WORDS] = {0x6A09E667U, 0xBB67AE85U, 0x3C6EF372U,
                                                     0xA54FF53AU, 0x510E527FU, 0x9B05688CU,
                                                     0x1F83D9ABU, 0x5BE0CD19U};

/* Section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64
 * primes. */
constant const word_t STEP_CONSTANTS[64] = {
    0x428A2F98U, 0x71374491U, 0xB5C0FBCFU, 0xE9B5DBA5U, 0x3956C25BU, 0x59F111F1U, 0x923F82A4U,
    0xAB1C5ED5U, 0xD807AA98U, 0x12835B01U, 0x243185BEU, 0x550C7DC3U, 0x72BE5D74U, 0x80DEB1FEU,
    0x9BDC06A7U, 0xC19BF174U, 0xE49B69C1U, 0xEFBE4786U, 0x0FC19DC6U, 0x240CA1CCU, 0x2DE92C6FU,
    0x4A7484AAU, 0x5CB0A9DCU, 0x76F988DAU, 0x983E5152U, 0xA831C66DU, 0xB00327C8U, 0xBF597FC7U,
    0xC6E00BF3U, 0xD5A79147U, 0x06CA6351U, 0x14292967U, 0x27B70A85U, 0x2E1B2138U, 0x4D2C6DFCU,
    0x53380D13U, 0x650A7354U, 0x766A0ABBU, 0x81C2C92EU, 0x92722C85U, 0xA2BFE8A1U, 0xA81A664BU,
    0xC24B8B70U, 0xC76C51A3U, 0xD192E819U, 0xD6990624U, 0xF40E3585U, 0x106AA070U, 0x19A4C116U,
    0x1E376C08U, 0x2748774CU, 0x34B0BCB5U, 0x391C0CB3U, 0x4ED8AA4AU, 0x5B9CCA4FU, 0x682E6FF3U,
    0x748F82EEU, 0x78A5636FU, 0x84C87814U, 0x8CC70208U, 0x90BEFFFAU, 0xA4506CEBU, 0xBEF9A3F7U,
    0xC67178F2U};

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
    if (t >= 16)
      w[t & 15] +=
          SMALL_SIGMA_1(w[(t + 14) & 15]) + w[(t + 9) & 15] + SMALL_SIGMA_0(w[(t + 1) & 15]);
    words_t first =
        h + LARGE_SIGMA_1(e) + CHOICE(e, f, g) + (words_t)(STEP_CONSTANTS[t]) + w[t & 15];
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
