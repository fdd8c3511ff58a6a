/* AES with the instructions of x86 CPUs, over the vectors of x86_vector.h. */
#ifndef FPGA_ACCEL_AES_X86_H
#define FPGA_ACCEL_AES_X86_H

#include "aes_schedule.h"
#include "x86_vector.h"

#if !defined(__AES__) || (BLOCKS > 1 && !defined(__VAES__) && !MODELLED)
#error "this variant needs AES, and VAES with more than one block a register"
#endif

typedef struct {
  vec_t round[AES_MAX_ROUNDS + 1];
  uint rounds;
} aes_key_t;

/* With the same word in all four columns ShiftRows moves nothing, so the last round is SubWord. */
static uint aes_sub_word(uint word) {
  int4 columns = (int4)((int)word);
  return (uint)as_int4(__builtin_ia32_aesenclast128(as_long2(columns), (long2)(0))).x;
}

static void aes_set_key(private aes_key_t *key, private const uint *words, uint rounds) {
  key->rounds = rounds;
  for (uint i = 0; i <= rounds; i++)
    key->round[i] = v_broadcast(
        as_long2((uint4)(words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3])));
}

__attribute__((always_inline)) static void aes_rounds(private const aes_key_t *key,
                                                      private vec_t *state, const uint count,
                                                      const uint from, const uint to) {
  UNROLL
  for (uint r = from; r < to; r++) {
    vec_t round = key->round[r];
    UNROLL
    for (uint i = 0; i < count; i++)
      state[i] = V_AESENC(state[i], round);
  }
}

/* FIPS 197 section 5.1 with 10, 12 or 14 rounds; straight through is 5-10 % faster than a loop. */
__attribute__((always_inline)) static void aes_encrypt(private const aes_key_t *key,
                                                       private vec_t *state, const uint count) {
  vec_t first = key->round[0], last = key->round[key->rounds];
  UNROLL
  for (uint i = 0; i < count; i++)
    state[i] ^= first;
  aes_rounds(key, state, count, 1, 10);
  if (key->rounds > 10) {
    aes_rounds(key, state, count, 10, 12);
    if (key->rounds > 12)
      aes_rounds(key, state, count, 12, 14);
  }
  UNROLL
  for (uint i = 0; i < count; i++)
    state[i] = V_AESENCLAST(state[i], last);
}

#endif
