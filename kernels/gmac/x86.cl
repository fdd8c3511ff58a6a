/* GMAC with the AES and carry-less multiply instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                                 |
 * | -------- | ------ | ----------------------------------------------------------------------- |
 * | WIDE     | 1      | four blocks a register: AVX-512 F and BW, VAES, VPCLMULQDQ              |
 * |          | 0      | one block a register: AES, PCLMULQDQ, SSSE3                             |
 * | MODELLED | 1      | optional, with WIDE=1: no VAES and VPCLMULQDQ needed, see x86_vector.h  |
 *
 * Tested: both WIDE, WIDE=1 with MODELLED=1 too.
 */
#ifndef WIDE
#error "x86.cl needs -D WIDE=0 or -D WIDE=1"
#elif WIDE
#if !defined(__AVX512F__) || !defined(__AVX512BW__) ||                                             \
    ((!defined(__VAES__) || !defined(__VPCLMULQDQ__)) && !MODELLED)
#error "this variant needs AVX-512F, AVX-512BW, VAES and VPCLMULQDQ"
#endif
#endif
#if !defined(__AES__) || !defined(__PCLMUL__) || !defined(__SSSE3__)
#error "this variant needs AES, PCLMULQDQ and SSSE3"
#endif

/* Registers to one reduction; short messages pay for the powers of a key alone. */
#define GROUP 8u

#include "abi.h"
#include "aes_x86.h"
#include "blocks.h"
#include "x86_ghash.h"
#include "x86_vector.h"

#define GROUP_BYTES (GROUP * V_BYTES)

typedef struct {
  aes_key_t aes;
  block_t h;
  powers_t powers;
} gmac_key_t;

static block_t gmac_cipher(private const gmac_key_t *key, block_t block) {
  vec_t state = v_in_first(x_reverse(as_long2(block)));
  aes_encrypt(&key->aes, &state, 1);
  return as_ulong2(x_reverse(state.s01));
}

static void gmac_set_key(private gmac_key_t *key) {
  key->h = gf_store(gmac_cipher(key, (block_t)(0)));
  powers_set(&key->powers, key->h);
}

static block_t ghash_bytes(private const gmac_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  vec_t x[GROUP];
  for (; size > GROUP_BYTES; size -= GROUP_BYTES, data += GROUP_BYTES) {
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      x[i] = v_load(data + i * V_BYTES);
    hash = ghash_group(&key->powers, hash, x);
  }
  if (size == 0)
    return hash;
  uint first = POWERS - (uint)blocks_of(size);
  uint vectors = (uint)((size + V_BYTES - 1) / V_BYTES);
  product_t sum = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  vec_t before = v_in_first(as_long2(hash));
  for (uint i = 0; i < vectors; i++) {
    vec_t part = v_reverse(v_load_part(data + i * V_BYTES, v_part(size, (ulong)i * V_BYTES)));
    product_add(&sum, part ^ before, powers_at(&key->powers, first + i * V_BLOCKS));
    before = (vec_t)(0);
  }
  return as_ulong2(v_sum_blocks(product_reduce(sum)));
}

#include "modes.h"
