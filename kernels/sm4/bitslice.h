/* SM4 (GB/T 32907-2016) on bit planes, BATCH_BLOCKS blocks at once: all steps are logic and shifts,
 * so the time depends on nothing secret.
 *
 * The state is four words, each in eight planes: plane b holds bit b of every byte of that word of
 * all blocks. A plane is a vector of 32-bit words; byte r of such a word (r = 0 is the low one) has
 * the bits of byte r of the cipher's words, for eight blocks. So turning a word of the cipher by 8
 * turns the words of its planes by 8.
 *
 * Numbering of blocks: vector k (0 to 7) of a word before it becomes planes holds word j of the
 * blocks from 2 * LANES * k on, in the order of element_number.
 */
#ifndef FPGA_ACCEL_SM4_BITSLICE_H
#define FPGA_ACCEL_SM4_BITSLICE_H

#include "blocks.h"
#include "lanes.h"
#include "lanes_transpose.h"
#include "sm4_schedule.h"

#define BATCH_BLOCKS (16u * LANES)
#define BATCH_BYTES (BATCH_BLOCKS * BLOCK_SIZE)
/* Blocks of one vector of words. */
#define VECTOR_BLOCKS (2u * LANES)

/* The S-box of section 6.2 without its constants: sub_planes(x ^ SBOX_IN) ^ SBOX_OUT, 124 gates.
 * SM4's S-box is affine, an inversion in its field, affine again; between isomorphic fields the
 * inversion is that of AES, whose non-linear part (30 XOR, 32 AND: Boyar and Peralta, SEA 2010) is
 * in the middle. The linear parts around it were found by taking out the commonest pair of terms
 * again and again, best of some hundred random orders, over the eight isomorphisms. */
#define SBOX_IN 0x75u
#define SBOX_OUT 0xD3u

__attribute__((always_inline)) static inline void sub_planes(private lanes_t *s) {
  const lanes_t a0 = s[0], a1 = s[1], a2 = s[2], a3 = s[3], a4 = s[4], a5 = s[5], a6 = s[6],
                a7 = s[7];
  /* linear */
  const lanes_t p0 = a2 ^ a4, p1 = a0 ^ a3, p2 = a1 ^ p1, p3 = a5 ^ p0, p4 = a6 ^ a7;
  const lanes_t p5 = a5 ^ p2, p6 = a2 ^ a6, p7 = a4 ^ p4, p8 = a7 ^ p2, p9 = a1 ^ a7;
  const lanes_t p10 = a7 ^ p0, p11 = p3 ^ p4, p12 = p5 ^ p6, p13 = p0 ^ p1, p14 = a1 ^ p6;
  const lanes_t p15 = a1 ^ p11, p16 = a3 ^ p3, p17 = a0 ^ a1, p18 = a3 ^ a7, p19 = a3 ^ p9;
  const lanes_t p20 = p4 ^ p13, p21 = p1 ^ p3, p22 = a2 ^ a7, p23 = a0 ^ p10, p24 = p0 ^ p2;
  const lanes_t p25 = p7 ^ p17, p26 = p3 ^ p9, p27 = a4 ^ p8, p28 = p2 ^ p3;
  const lanes_t p29 = p5 ^ p7, p30 = a5 ^ p18;
  /* inversion in GF(2^8) over GF(2^4) */
  const lanes_t t2 = p15 & p26, t4 = (p5 & p16) ^ t2, t6 = (p20 & p19) ^ t2, t7 = a1 & p21;
  const lanes_t t9 = (p6 & p30) ^ t7, t11 = (p14 & p23) ^ t7, t12 = p27 & p24;
  const lanes_t t14 = (p11 & p8) ^ t12, t16 = (p12 & p10) ^ t12, t21 = t4 ^ t14 ^ p22;
  const lanes_t t22 = t6 ^ t16 ^ p29, t23 = t9 ^ t14 ^ p28, t24 = t11 ^ t16 ^ p25;
  const lanes_t t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
  const lanes_t t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24, t34 = t23 ^ t33;
  const lanes_t t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36;
  const lanes_t t40 = t25 ^ (t29 & t38), t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40;
  const lanes_t t44 = t33 ^ t37, t45 = t42 ^ t41, z0 = t44 & p26, z1 = t37 & p16, z2 = t33 & p19;
  const lanes_t z3 = t43 & p21, z4 = t40 & p30, z5 = t29 & p23, z6 = t42 & p24, z7 = t45 & p8;
  const lanes_t z8 = t41 & p10, z9 = t44 & p15, z10 = t37 & p5, z11 = t33 & p20, z12 = t43 & a1;
  const lanes_t z13 = t40 & p6, z14 = t29 & p14, z15 = t42 & p27, z16 = t45 & p11;
  const lanes_t z17 = t41 & p12;
  /* linear */
  const lanes_t q0 = z9 ^ z15, q1 = z6 ^ z10, q2 = z13 ^ q1, q3 = z14 ^ q2, q4 = z0 ^ z5;
  const lanes_t q5 = z1 ^ q4, q6 = z7 ^ q3, q7 = z8 ^ q5, q8 = z17 ^ q0, q9 = z4 ^ z11;
  const lanes_t q10 = q0 ^ q7, q11 = q6 ^ q8, q12 = z16 ^ q10, q13 = z0 ^ q11, q14 = z3 ^ z7;
  const lanes_t q15 = z12 ^ z15, q16 = q6 ^ q9, q17 = q3 ^ q9, q18 = q4 ^ q16, q19 = z1 ^ q13;
  const lanes_t q20 = q12 ^ q14, q21 = z11 ^ q8, q22 = z3 ^ q11, q23 = z10 ^ q20, q24 = z4 ^ q12;
  const lanes_t q25 = q7 ^ q17, q26 = z13 ^ q15, q27 = z2 ^ q18, q28 = z16 ^ q26, q29 = q1 ^ q24;
  const lanes_t q30 = z4 ^ q22;
  s[0] = q23;
  s[1] = q25;
  s[2] = q30;
  s[3] = q21;
  s[4] = q29;
  s[5] = q19;
  s[6] = q27;
  s[7] = q28;
}

/* Turns the cipher's words by 8 * bytes to the left. */
static inline lanes_t rotate_bytes(lanes_t a, const uint bytes) {
  return AS_LANES(AS_HALVES(a) << (8 * bytes) | AS_HALVES(a) >> (32 - 8 * bytes));
}

/* ---- the key ---- */

/* Round keys as planes, each the same for all blocks. */
typedef struct {
  uint round[SM4_ROUNDS][8];
} sm4_key_t;

/* A round (section 6.2): a0 ^= L(tau(a1 ^ a2 ^ a3 ^ rk)), with L(B) = B ^ B<<<2 ^ B<<<10 ^ B<<<18 ^
 * B<<<24. C = B<<<2 moves planes up by two, and the upper two to the next byte. */
__attribute__((always_inline)) static inline void
sm4_round(private lanes_t *a0, private const lanes_t *a1, private const lanes_t *a2,
          private const lanes_t *a3, private const lanes_t *rk) {
  lanes_t s[8], c[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = a1[b] ^ a2[b] ^ a3[b] ^ rk[b];
  sub_planes(s);
#pragma unroll
  for (uint b = 0; b < 8; b++)
    c[b] = b < 2 ? rotate_bytes(s[b + 6], 1) : s[b - 2];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    a0[b] ^= s[b] ^ rotate_bytes(s[b], 3) ^ c[b] ^ rotate_bytes(c[b] ^ rotate_bytes(c[b], 1), 1);
}

__attribute__((always_inline)) static inline void four_rounds(private lanes_t *w,
                                                              private const lanes_t *rk) {
  sm4_round(w, w + 8, w + 16, w + 24, rk);
  sm4_round(w + 8, w + 16, w + 24, w, rk + 8);
  sm4_round(w + 16, w + 24, w, w + 8, rk + 16);
  sm4_round(w + 24, w, w + 8, w + 16, rk + 24);
}

/* From planes to words, the last first. */
__attribute__((always_inline)) static inline void reverse_words(private lanes_t *w) {
#pragma unroll
  for (uint j = 0; j < 4; j++)
    transpose(w + 8 * j);
#pragma unroll
  for (uint k = 0; k < 8; k++) {
    lanes_t first = w[k], second = w[8 + k];
    w[k] = w[24 + k];
    w[8 + k] = w[16 + k];
    w[16 + k] = second;
    w[24 + k] = first;
  }
}

/* w: words 0 to 3 of the blocks, eight vectors each; enciphered in place, in the order of
 * section 6.1 (the words of the result are those of the last rounds, reversed). One copy of this
 * long code serves all calls, which cost nothing beside it: Intel's compiler takes a minute for
 * six. */
static __attribute__((noinline)) void sm4_encrypt(private const sm4_key_t *key,
                                                  private lanes_t *w) {
  lanes_t rk[4][8];
#pragma unroll
  for (uint j = 0; j < 4; j++)
    transpose(w + 8 * j);
  for (uint i = 0; i < SM4_ROUNDS; i += 4) {
#pragma unroll
    for (uint k = 0; k < 4; k++)
#pragma unroll
      for (uint b = 0; b < 8; b++)
        rk[k][b] = AS_LANES((halves_t)(key->round[i + k][b]));
    four_rounds(w, rk[0]);
  }
  reverse_words(w);
}

/* The same with a key for each block, in planes, too. */
typedef struct {
  lanes_t round[SM4_ROUNDS][8];
} stream_keys_t;

static __attribute__((noinline)) void sm4_encrypt_each(private const stream_keys_t *keys,
                                                       private lanes_t *w) {
#pragma unroll
  for (uint j = 0; j < 4; j++)
    transpose(w + 8 * j);
  for (uint i = 0; i < SM4_ROUNDS; i += 4)
    four_rounds(w, keys->round[i]);
  reverse_words(w);
}

/* tau of section 6.2 on one word. */
static uint sm4_sub_word(uint word) {
  lanes_t s[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = (lanes_t)((word ^ SBOX_IN * 0x01010101u) >> b & 0x01010101u);
  sub_planes(s);
  uint result = 0;
#pragma unroll
  for (uint b = 0; b < 8; b++)
    result |= (uint)lane(s[b], 0) << b;
  return result ^ SBOX_OUT * 0x01010101u;
}

/* Deciphering takes the round keys in reverse. SBOX_IN is added here. SBOX_OUT in all bytes of a
 * word comes out of L as SBOX_OUT <<< 2 in all bytes; rounds 4 to 7, 12 to 15, ... leave a word
 * without it and the next four rounds put that right, so what a round key meets of it is added
 * here, too. */
static inline uint sliced_round(private const uint *round, uint i, bool decrypt) {
  const uint once = SBOX_OUT * 0x01010101u, left_out = once << 2 | once >> 30;
  uint word = round[decrypt ? SM4_ROUNDS - 1 - i : i] ^ SBOX_IN * 0x01010101u;
  for (uint j = i + 1; j < i + 4; j++)
    word ^= j / 4 & 1 ? left_out : 0;
  return word;
}

static void sm4_set_key(private sm4_key_t *key, global const uchar *bytes, bool decrypt) {
  uint round[SM4_ROUNDS];
  sm4_expand(round, bytes);
  for (uint i = 0; i < SM4_ROUNDS; i++) {
    uint word = sliced_round(round, i, decrypt);
    for (uint b = 0; b < 8; b++)
      key->round[i][b] = (word >> b & 0x01010101u) * 0xFFu;
  }
}

/* Block `stream` is bit k of the bytes of word e of a plane: k counts vectors of words, and e is
 * where exchange_words puts the block. */
static void streams_set_key(private stream_keys_t *keys, uint stream, global const uchar *bytes) {
  const uint k = stream / VECTOR_BLOCKS, m = stream % VECTOR_BLOCKS;
#if LANES == 1
  const uint e = m;
#else
  const uint e = m % (LANES / 2) * 4 + m / (LANES / 2);
#endif
  uint round[SM4_ROUNDS];
  sm4_expand(round, bytes);
  for (uint i = 0; i < SM4_ROUNDS; i++) {
    uint word = sliced_round(round, i, false);
    for (uint b = 0; b < 8; b++) {
    private
      uint *plane = (private uint *)&keys->round[i][b];
      plane[e] = (plane[e] & ~(0x01010101u << k)) | (word >> b & 0x01010101u) << k;
    }
  }
}

/* ---- blocks in memory ---- */

/* Four vectors of blocks as they lie in memory become the four words of these blocks, and the
 * reverse: words are most significant byte first. */
__attribute__((always_inline)) static inline void exchange_words(private lanes_t *v) {
#if LANES == 1
  uint2 a = as_uint2(v[0]), b = as_uint2(v[1]), c = as_uint2(v[2]), d = as_uint2(v[3]);
  v[0] = as_ulong((uint2)(a.x, c.x));
  v[1] = as_ulong((uint2)(a.y, c.y));
  v[2] = as_ulong((uint2)(b.x, d.x));
  v[3] = as_ulong((uint2)(b.y, d.y));
#else
  halves_t a = AS_HALVES(v[0]), b = AS_HALVES(v[1]), c = AS_HALVES(v[2]), d = AS_HALVES(v[3]);
  lanes_t ab0 = AS_LANES(LOW_WORDS(a, b)), ab1 = AS_LANES(HIGH_WORDS(a, b));
  lanes_t cd0 = AS_LANES(LOW_WORDS(c, d)), cd1 = AS_LANES(HIGH_WORDS(c, d));
  v[0] = EVEN_LANES(ab0, cd0);
  v[1] = ODD_LANES(ab0, cd0);
  v[2] = EVEN_LANES(ab1, cd1);
  v[3] = ODD_LANES(ab1, cd1);
#endif
}

#if LANES == 1
/* Of two blocks: halves in the order of memory against words of both. */
__attribute__((always_inline)) static inline void exchange_halves(private lanes_t *v) {
  uint2 a = as_uint2(v[0]), b = as_uint2(v[1]), c = as_uint2(v[2]), d = as_uint2(v[3]);
  v[0] = as_ulong((uint2)(a.x, b.x));
  v[1] = as_ulong((uint2)(c.x, d.x));
  v[2] = as_ulong((uint2)(a.y, b.y));
  v[3] = as_ulong((uint2)(c.y, d.y));
}
#else
#define exchange_halves exchange_words
#endif

static inline lanes_t swap_words(lanes_t a) {
  halves_t w = AS_HALVES(a);
  w = (w & 0x00FF00FFu) << 8 | (w >> 8 & 0x00FF00FFu);
  return AS_LANES(w << 16 | w >> 16);
}

#if UNALIGNED
typedef lanes_t __attribute__((aligned(1))) unaligned_lanes_t;

static inline lanes_t lanes_load(global const uchar *p) {
  return *(global const unaligned_lanes_t *)p;
}

static inline void lanes_store(global uchar *p, lanes_t a) { *(global unaligned_lanes_t *)p = a; }
#else
static inline lanes_t lanes_load(global const uchar *p) {
  lanes_t a;
  for (uint i = 0; i < LANES; i++)
    ((private ulong *)&a)[i] = swap_bytes(load_be64(p + 8 * i));
  return a;
}

static inline void lanes_store(global uchar *p, lanes_t a) {
  for (uint i = 0; i < LANES; i++)
    store_be64(p + 8 * i, swap_bytes(lane(a, i)));
}
#endif

/* A batch in the order of memory, 32 vectors, to words and back. */
static void words_of(private const lanes_t *text, private lanes_t *w) {
#pragma unroll
  for (uint k = 0; k < 8; k++) {
    lanes_t v[4];
#pragma unroll
    for (uint m = 0; m < 4; m++)
      v[m] = swap_words(text[4 * k + m]);
    exchange_words(v);
#pragma unroll
    for (uint j = 0; j < 4; j++)
      w[8 * j + k] = v[j];
  }
}

static void text_of(private const lanes_t *w, private lanes_t *text) {
#pragma unroll
  for (uint k = 0; k < 8; k++) {
    lanes_t v[4];
#pragma unroll
    for (uint j = 0; j < 4; j++)
      v[j] = w[8 * j + k];
    exchange_halves(v);
#pragma unroll
    for (uint m = 0; m < 4; m++)
      text[4 * k + m] = swap_words(v[m]);
  }
}

#endif
