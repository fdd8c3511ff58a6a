/* AES on bit planes: plane b holds bit b of every byte of 4 * LANES blocks, so all steps are logic
 * and shifts and the time depends on nothing secret.
 *
 * In a 64-bit lane of a plane, the bit of block n (0 to 3), row r, column c is at
 *
 *   32 * (1 - (c & 1)) + 8 * (3 - r) + 4 * (c >> 1) + n
 *
 * because that is what transposing eight big-endian words gives: first the first halves of four
 * blocks, then their second halves. Rows are bytes of a 32-bit word, so MixColumns rotates such
 * words.
 */
#ifndef FPGA_ACCEL_AES_BITSLICE_H
#define FPGA_ACCEL_AES_BITSLICE_H

#include "aes_schedule.h"
#include "blocks.h"
#include "lanes.h"
#include "lanes_transpose.h"

#define BATCH_BLOCKS (4u * LANES)

/* The S-box of FIPS 197 without its constant 0x63, bit 7 first in the circuit's own numbering.
 * 32 AND, 83 XOR: J. Boyar, R. Peralta, "A new combinational logic minimization technique with
 * applications to cryptology" (SEA 2010), figures for the top and bottom linear and the middle
 * non-linear parts; the XNORs of the bottom part are what adds 0x63. */
static void sub_planes(private lanes_t *s) {
  const lanes_t x0 = s[7], x1 = s[6], x2 = s[5], x3 = s[4], x4 = s[3], x5 = s[2], x6 = s[1],
                x7 = s[0];
  /* top linear part */
  const lanes_t y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5;
  const lanes_t t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14;
  const lanes_t y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12;
  const lanes_t y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0;
  const lanes_t y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8;
  const lanes_t y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;
  /* inversion in GF(2^8) over GF(2^4) */
  const lanes_t t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
  const lanes_t t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
  const lanes_t t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
  const lanes_t t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19;
  const lanes_t t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
  const lanes_t t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
  const lanes_t t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24, t34 = t23 ^ t33;
  const lanes_t t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36;
  const lanes_t t40 = t25 ^ (t29 & t38), t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40;
  const lanes_t t44 = t33 ^ t37, t45 = t42 ^ t41;
  const lanes_t z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1;
  const lanes_t z5 = t29 & y7, z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12;
  const lanes_t z10 = t37 & y3, z11 = t33 & y4, z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2;
  const lanes_t z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
  /* bottom linear part */
  const lanes_t t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10;
  const lanes_t t50 = z2 ^ z12, t51 = z2 ^ z5, t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7;
  const lanes_t t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53, t58 = z4 ^ t46, t59 = z3 ^ t54;
  const lanes_t t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58;
  const lanes_t t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65;
  const lanes_t s3 = t53 ^ t66;
  s[7] = t59 ^ t63;
  s[6] = t64 ^ s3;
  s[5] = t55 ^ t67;
  s[4] = s3;
  s[3] = t51 ^ t66;
  s[2] = t47 ^ t65;
  s[1] = t56 ^ t62;
  s[0] = t48 ^ t60;
}

#define SBOX_CONSTANT 0x63u

/* Exchanges the bits that mask selects with those distance above. */
static inline lanes_t swap_bits(lanes_t a, ulong mask, uint distance) {
  lanes_t change = ((a >> distance) ^ a) & mask;
  return a ^ change ^ (change << distance);
}

/* Row r moves r columns to the left. With column 2h + l, rows 1 and 3 first exchange l; what has to
 * cross then exchanges h: row 2, row 1 of odd columns, row 3 of even ones. */
static inline lanes_t shift_rows(lanes_t a) {
  a = swap_bits(a, 0x0000000000FF00FFUL, 32);
  return swap_bits(a, 0x00000F0F000F0F00UL, 4);
}

/* Moves every row up by bits / 8. */
static inline lanes_t rotate_rows(lanes_t a, uint bits) {
  return AS_LANES(AS_HALVES(a) << bits | AS_HALVES(a) >> (32 - bits));
}

/* FIPS 197 section 5.1.3 as 2(a + b) + b + c + d for rows a, b, c, d from the row on; the factor 2
 * moves planes up, and plane 7 into those of 0x1B. */
static void mix_columns(private lanes_t *s) {
  lanes_t next[8], sum[8];
#pragma unroll
  for (uint b = 0; b < 8; b++) {
    next[b] = rotate_rows(s[b], 8);
    sum[b] = s[b] ^ next[b];
  }
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = next[b] ^ rotate_rows(sum[b], 16) ^ sum[(b + 7) % 8];
  s[1] ^= sum[7];
  s[3] ^= sum[7];
  s[4] ^= sum[7];
}

/* ---- the cipher ---- */

/* A plane of a round key is the same for all four blocks and all lanes. */
typedef struct {
  ulong round[AES_MAX_ROUNDS + 1][8];
  uint rounds;
} aes_key_t;

static inline void add_round_key(private lanes_t *s, private const aes_key_t *key, uint round) {
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] ^= key->round[round][b];
}

/* w holds first halves of BATCH_BLOCKS blocks, then second halves, as in block_t. */
static void aes_encrypt(private const aes_key_t *key, private lanes_t *w) {
  lanes_t s[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = w[b];
  transpose(s);
  add_round_key(s, key, 0);
  for (uint round = 1;; round++) {
    sub_planes(s);
#pragma unroll
    for (uint b = 0; b < 8; b++)
      s[b] = shift_rows(s[b]);
    if (round == key->rounds)
      break;
    mix_columns(s);
    add_round_key(s, key, round);
  }
  add_round_key(s, key, key->rounds);
  transpose(s);
#pragma unroll
  for (uint b = 0; b < 8; b++)
    w[b] = s[b];
}

/* ---- the key ---- */

static uint aes_sub_word(uint word) {
  lanes_t s[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = (lanes_t)(word >> b & 0x01010101UL);
  sub_planes(s);
  uint result = 0;
#pragma unroll
  for (uint b = 0; b < 8; b++)
    result |= (uint)lane(s[b], 0) << b;
  return result ^ SBOX_CONSTANT * 0x01010101u;
}

static inline ulong key_half(uint first, uint second) {
  return swap_bytes((ulong)second << 32 | first);
}

/* ShiftRows and MixColumns leave a constant in all bytes as it is, so what sub_planes left out is
 * added with the round keys. */
static void aes_set_key(private aes_key_t *key, private const uint *words, uint rounds) {
  key->rounds = rounds;
  for (uint round = 0; round <= rounds; round++, words += 4) {
    lanes_t w[8];
#pragma unroll
    for (uint b = 0; b < 8; b++)
      w[b] = (lanes_t)(b < 4 ? key_half(words[0], words[1]) : key_half(words[2], words[3]));
    transpose(w);
    for (uint b = 0; b < 8; b++) {
      ulong missing = round && (SBOX_CONSTANT >> b & 1) ? ~0UL : 0;
      key->round[round][b] = lane(w[b], 0) ^ missing;
    }
  }
}

#endif
