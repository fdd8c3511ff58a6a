/* AES-GCM-SIV with the AES and carry-less multiply instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                    |
 * | -------- | ------ | ---------------------------------------------------------- |
 * | BLOCKS   | 4      | four blocks a register: AVX-512 F and BW, VAES, VPCLMULQDQ |
 * |          | 2      | two blocks a register: AVX2, VAES, VPCLMULQDQ              |
 * |          | 1      | one block a register: AES, PCLMULQDQ, SSSE3                |
 * | MODELLED | 1      | optional: no VAES and VPCLMULQDQ needed, see x86_vector.h  |
 *
 * Tested: one and two; two and four with MODELLED=1.
 */

/* Registers in flight and to one reduction. Every message has powers of its own, so no more of them
 * than hide the time of an instruction. */
#if BLOCKS == 4
#define GROUP 4u
#else
#define GROUP 8u
#endif
/* What POLYVAL takes: no block is reversed. */
#define GHASH_ORDER(a) (a)

#include "abi.h"
#include "aes_x86.h"
#include "blocks.h"
#include "siv_blocks.h"
#include "x86_ghash.h"
#include "x86_vector.h"

#define GROUP_BYTES (GROUP * V_BYTES)

typedef struct {
  aes_key_t root, aes;
  block_t h;
  powers_t powers;
} siv_key_t;

static void siv_set_powers(private siv_key_t *key) { powers_set(&key->powers, key->h); }

static void siv_cipher(private const aes_key_t *key, private block_t *blocks) {
  const uint count = SIV_BLOCKS / V_BLOCKS;
private
  unaligned_vec_t *memory = (private unaligned_vec_t *)blocks;
  vec_t state[SIV_BLOCKS / V_BLOCKS];
  UNROLL
  for (uint i = 0; i < count; i++)
    state[i] = memory[i];
  aes_encrypt(key, state, count);
  UNROLL
  for (uint i = 0; i < count; i++)
    memory[i] = state[i];
}

static block_t polyval_bytes(private const siv_key_t *key, block_t sum, global const uchar *data,
                             ulong size) {
  return ghash_by_powers(&key->powers, sum, data, size);
}

/* The counter is the first four bytes, little-endian, and wraps (section 4). */
__attribute__((always_inline)) static void
take_keystream(private const siv_key_t *key, private vec_t *counter, private vec_t *state) {
  const vec_t step = v_broadcast((long2)(V_BLOCKS, 0));
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    state[i] = *counter;
    *counter = v_add32(*counter, step);
  }
  aes_encrypt(&key->aes, state, GROUP);
}

/* Less than a group and one byte. */
__attribute__((always_inline)) static block_t siv_rest(private const siv_key_t *key,
                                                       private const vec_t *keystream, block_t sum,
                                                       global const uchar *src, global uchar *dst,
                                                       ulong size, const bool sums) {
  product_t product = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  vec_t before = v_in_first(as_long2(sum));
  uint first = POWERS - (uint)blocks_of(size);
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    ulong part = v_part(size, (ulong)i * V_BYTES);
    if (part == 0)
      break;
    vec_t text = keystream[i] ^ v_load_part(src + i * V_BYTES, part);
    v_store_part(dst + i * V_BYTES, text, part);
    if (sums)
      product_add(&product, v_keep(text, part) ^ before,
                  powers_at(&key->powers, first + i * V_BLOCKS));
    before = (vec_t)(0);
  }
  return as_ulong2(v_sum_blocks(product_reduce(product)));
}

__attribute__((always_inline)) static block_t siv_text(private const siv_key_t *key, block_t start,
                                                       block_t sum, global const uchar *src,
                                                       global uchar *dst, uint size,
                                                       const bool sums) {
  vec_t counter = v_add32(v_broadcast(as_long2(start)), v_lane_numbers());
  vec_t state[GROUP];
  ulong done = 0;
  for (; size - done >= GROUP_BYTES; done += GROUP_BYTES) {
    take_keystream(key, &counter, state);
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      state[i] ^= v_load(src + done + i * V_BYTES);
      v_store(dst + done + i * V_BYTES, state[i]);
    }
    if (sums)
      sum = ghash_group(&key->powers, sum, state);
  }
  if (done == size)
    return sum;
  take_keystream(key, &counter, state);
  return siv_rest(key, state, sum, src + done, dst + done, size - done, sums);
}

#include "modes.h"
