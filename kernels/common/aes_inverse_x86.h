/* The inverse cipher of AES with the instructions of x86 CPUs. */
#ifndef FPGA_ACCEL_AES_INVERSE_X86_H
#define FPGA_ACCEL_AES_INVERSE_X86_H

#include "aes_x86.h"

/* The round keys of the equivalent inverse cipher (FIPS 197 section 5.3.5), in the order in which
 * it takes them. */
typedef struct {
  vec_t round[AES_MAX_ROUNDS + 1];
  uint rounds;
} aes_inverse_t;

static void aes_set_inverse(private aes_inverse_t *inverse, private const aes_key_t *key) {
  uint rounds = key->rounds;
  inverse->rounds = rounds;
  inverse->round[0] = key->round[rounds];
  inverse->round[rounds] = key->round[0];
  for (uint i = 1; i < rounds; i++)
    inverse->round[i] =
        v_broadcast(__builtin_ia32_aesimc128(v_first_block(key->round[rounds - i])));
}

__attribute__((always_inline)) static void aes_inverse_rounds(private const aes_inverse_t *key,
                                                              private vec_t *state,
                                                              const uint count, const uint from,
                                                              const uint to) {
  UNROLL
  for (uint r = from; r < to; r++) {
    vec_t round = key->round[r];
    UNROLL
    for (uint i = 0; i < count; i++)
      state[i] = V_AESDEC(state[i], round);
  }
}

__attribute__((always_inline)) static void aes_decrypt(private const aes_inverse_t *key,
                                                       private vec_t *state, const uint count) {
  vec_t first = key->round[0], last = key->round[key->rounds];
  UNROLL
  for (uint i = 0; i < count; i++)
    state[i] ^= first;
  aes_inverse_rounds(key, state, count, 1, 10);
  if (key->rounds > 10) {
    aes_inverse_rounds(key, state, count, 10, 12);
    if (key->rounds > 12)
      aes_inverse_rounds(key, state, count, 12, 14);
  }
  UNROLL
  for (uint i = 0; i < count; i++)
    state[i] = V_AESDECLAST(state[i], last);
}

#endif
