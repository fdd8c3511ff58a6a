/* SM4 on vectors of the cipher's words, over x86_vector.h with BLOCKS=4: four vectors of blocks
 * become vectors of their first, second, third and fourth words.
 *
 * A variant includes this file after
 *
 *   vec_t sm4_sub_bytes(vec_t a)
 *       The S-box in each byte.
 */
#ifndef FPGA_ACCEL_SM4_X86_WORDS_H
#define FPGA_ACCEL_SM4_X86_WORDS_H

#include "sm4_schedule.h"
#include "x86_vector.h"

static uint sm4_sub_word(uint word) {
  return as_uint16(sm4_sub_bytes(as_long8((uint16)(word)))).s0;
}

/* ---- four vectors of blocks as four vectors of words ---- */

#define V_WORDS(a, b, ...)                                                                         \
  as_long8(__builtin_shufflevector(as_uint16(a), as_uint16(b), __VA_ARGS__))
#define V_LOW_WORDS(a, b) V_WORDS(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define V_HIGH_WORDS(a, b) V_WORDS(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define V_LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define V_HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)

/* Vector i gets word i of each block, and the other way. */
__attribute__((always_inline)) static inline void v_transpose(private vec_t *v) {
  vec_t a = V_LOW_WORDS(v[0], v[1]), b = V_HIGH_WORDS(v[0], v[1]);
  vec_t c = V_LOW_WORDS(v[2], v[3]), d = V_HIGH_WORDS(v[2], v[3]);
  v[0] = V_LOW_PAIRS(a, c);
  v[1] = V_HIGH_PAIRS(a, c);
  v[2] = V_LOW_PAIRS(b, d);
  v[3] = V_HIGH_PAIRS(b, d);
}

/* Words are big-endian. */
static inline vec_t v_swap_words(vec_t a) {
  const char16 order = (char16)(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  bytes64_t all = __builtin_astype(v_broadcast(as_long2(order)), bytes64_t);
  return __builtin_astype(__builtin_ia32_pshufb512(__builtin_astype(a, bytes64_t), all), vec_t);
}

/* ---- the cipher ---- */

typedef struct {
  uint round[SM4_ROUNDS];
} sm4_key_t;

/* Deciphering takes the round keys in reverse. */
static void sm4_set_key(private sm4_key_t *key, global const uchar *bytes, bool decrypt) {
  uint round[SM4_ROUNDS];
  sm4_expand(round, bytes);
  for (uint i = 0; i < SM4_ROUNDS; i++)
    key->round[i] = round[decrypt ? SM4_ROUNDS - 1 - i : i];
}

/* Section 6.2: the S-box, then L, a sum of rotations. */
static inline vec_t sm4_mixed(vec_t a) {
  uint16 b = as_uint16(sm4_sub_bytes(a));
  uint16 sum = b ^ (b << 2 | b >> 30) ^ (b << 10 | b >> 22);
  return as_long8(sum ^ (b << 18 | b >> 14) ^ (b << 24 | b >> 8));
}

/* count is a multiple of 4. each: 0 for one key, else how many words a round has, one a block. */
__attribute__((always_inline)) static void sm4_crypt(private const uint *rounds, const uint each,
                                                     private vec_t *state, const uint count) {
  UNROLL
  for (uint i = 0; i < count; i++)
    state[i] = v_swap_words(state[i]);
  UNROLL
  for (uint i = 0; i < count; i += 4)
    v_transpose(state + i);
  for (uint r = 0; r < SM4_ROUNDS; r += 4) {
    UNROLL
    for (uint k = 0; k < 4; k++) {
      UNROLL
      for (uint i = 0; i < count; i += 4) {
        vec_t round = each ? *(private const unaligned_vec_t *)(rounds + (r + k) * each + 4 * i)
                           : as_long8((uint16)(rounds[r + k]));
        state[i + k] ^= sm4_mixed(state[i + (k + 1) % 4] ^ state[i + (k + 2) % 4] ^
                                  state[i + (k + 3) % 4] ^ round);
      }
    }
  }
  UNROLL
  for (uint i = 0; i < count; i += 4) {
    vec_t reversed[4] = {state[i + 3], state[i + 2], state[i + 1], state[i]};
    v_transpose(reversed);
    UNROLL
    for (uint k = 0; k < 4; k++)
      state[i + k] = v_swap_words(reversed[k]);
  }
}

__attribute__((always_inline)) static void sm4_encrypt(private const sm4_key_t *key,
                                                       private vec_t *state, const uint count) {
  sm4_crypt(key->round, 0, state, count);
}

/* ---- a key for each block ---- */

#define STREAMS (GROUP * V_BLOCKS)

typedef struct {
  uint round[SM4_ROUNDS][STREAMS];
} stream_keys_t;

/* Where v_transpose puts the words of a block. */
static void streams_set_key(private stream_keys_t *keys, uint stream, global const uchar *bytes) {
  const uint at = stream / 16 * 16 + stream % 4 * 4 + stream / 4 % 4;
  uint round[SM4_ROUNDS];
  sm4_expand(round, bytes);
  for (uint i = 0; i < SM4_ROUNDS; i++)
    keys->round[i][at] = round[i];
}

static void streams_encrypt(private const stream_keys_t *keys, private ulong *text) {
private
  unaligned_vec_t *blocks = (private unaligned_vec_t *)text;
  vec_t state[GROUP];
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    state[i] = blocks[i];
  sm4_crypt(keys->round[0], STREAMS, state, GROUP);
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    blocks[i] = state[i];
}

#endif
