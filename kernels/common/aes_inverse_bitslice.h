/* The inverse cipher of AES (FIPS 197 section 5.3) on bit planes, with the keys of the cipher.
 *
 * The S-box is an affine map after an inversion, S = A(I(x)) + 0x63. So its inverse is I(A^-1(y +
 * 0x63)), and with I(x) = A^-1(S(x) + 0x63) the same circuit serves for it, between two linear
 * maps. Round keys hold the 0x63 that sub_planes leaves out: here they add it in front of the
 * inverse S-box, where it is needed too. InvShiftRows and InvMixColumns leave it as it is.
 */
#ifndef FPGA_ACCEL_AES_INVERSE_BITSLICE_H
#define FPGA_ACCEL_AES_INVERSE_BITSLICE_H

#include "aes_bitslice.h"

/* A^-1: bit i is the sum of bits i + 2, i + 5 and i + 7. */
static inline void inverse_affine(private lanes_t *s) {
  lanes_t t[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    t[b] = s[(b + 2) % 8] ^ s[(b + 5) % 8] ^ s[(b + 7) % 8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = t[b];
}

static inline void inverse_sub_planes(private lanes_t *s) {
  inverse_affine(s);
  sub_planes(s);
  inverse_affine(s);
}

static inline lanes_t inverse_shift_rows(lanes_t a) {
  a = swap_bits(a, 0x00000F0F000F0F00UL, 4);
  return swap_bits(a, 0x0000000000FF00FFUL, 32);
}

/* The matrix of InvMixColumns is that of MixColumns times (5, 0, 4, 0): every byte gets four times
 * its sum with the one two rows on. */
static void inverse_mix_columns(private lanes_t *s) {
  lanes_t t[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    t[b] = s[b] ^ rotate_rows(s[b], 16);
  s[0] ^= t[6];
  s[1] ^= t[6] ^ t[7];
  s[2] ^= t[0] ^ t[7];
  s[3] ^= t[1] ^ t[6];
  s[4] ^= t[2] ^ t[6] ^ t[7];
  s[5] ^= t[3] ^ t[7];
  s[6] ^= t[4];
  s[7] ^= t[5];
  mix_columns(s);
}

static void aes_decrypt(private const aes_key_t *key, private lanes_t *w) {
  lanes_t s[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = w[b];
  transpose(s);
  add_round_key(s, key, key->rounds);
  for (uint round = key->rounds - 1;; round--) {
#pragma unroll
    for (uint b = 0; b < 8; b++)
      s[b] = inverse_shift_rows(s[b]);
    inverse_sub_planes(s);
    add_round_key(s, key, round);
    if (round == 0)
      break;
    inverse_mix_columns(s);
  }
  transpose(s);
#pragma unroll
  for (uint b = 0; b < 8; b++)
    w[b] = s[b];
}

#endif
