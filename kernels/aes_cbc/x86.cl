/* AES-CBC and CMAC with the AES instructions of x86 CPUs.
 *
 * | -D           | values | meaning                                        |
 * | ------------ | ------ | ---------------------------------------------- |
 * | BLOCKS       | 4      | four blocks a register: AVX-512 F and BW, VAES |
 * |              | 2      | two blocks a register: AVX2, VAES              |
 * |              | 1      | one block a register: AES, SSSE3               |
 * | MODELLED     | 1      | optional: no VAES needed, see x86_vector.h     |
 * | STREAM_GROUP | 4u, 8u | optional: registers of chains in flight        |
 *
 * Tested: one and two; two and four with MODELLED=1.
 */

#include "abi.h"
#include "aes_inverse_x86.h"
#include "aes_rows.h"
#include "aes_streams_x86.h"
#include "blocks.h"
#include "x86_vector.h"

#define GROUP 8u
#define GROUP_BYTES (GROUP * V_BYTES)

typedef aes_inverse_t cbc_key_t;

static void cbc_set_key(private cbc_key_t *inverse, global const uchar *bytes, uint size) {
  aes_key_t key;
  aes_load_key(&key, bytes, size);
  aes_set_inverse(inverse, &key);
}

/* The blocks one in front of those of text, of which before is the last of the vector in front. */
static inline vec_t blocks_before(vec_t text, vec_t before) {
#if BLOCKS == 4
  return __builtin_shufflevector(before, text, 6, 7, 8, 9, 10, 11, 12, 13);
#elif BLOCKS == 2
  return __builtin_shufflevector(before, text, 2, 3, 4, 5);
#else
  return before;
#endif
}

static inline vec_t in_last(block_t block) {
  long2 bytes = x_reverse(as_long2(block));
  return v_broadcast(bytes);
}

static void cbc_decrypt(private const cbc_key_t *key, block_t iv, global const uchar *src,
                        global uchar *dst, uint size, uint capacity) {
  vec_t before = in_last(iv);
  uint done = 0;
  /* capacity may end within the last block alone. */
  for (; size - done > GROUP_BYTES; done += GROUP_BYTES) {
    vec_t text[GROUP], state[GROUP];
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      state[i] = text[i] = v_load(src + done + i * V_BYTES);
    aes_decrypt(key, state, GROUP);
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      v_store(dst + done + i * V_BYTES, state[i] ^ blocks_before(text[i], before));
      before = text[i];
    }
  }
  if (done == size)
    return;
  vec_t text[GROUP], state[GROUP];
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    ulong part = v_part(size, (ulong)done + i * V_BYTES);
    state[i] = text[i] = part ? v_load_part(src + done + i * V_BYTES, part) : (vec_t)(0);
  }
  aes_decrypt(key, state, GROUP);
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    ulong part = v_part(capacity, (ulong)done + i * V_BYTES);
    if (part)
      v_store_part(dst + done + i * V_BYTES, state[i] ^ blocks_before(text[i], before), part);
    before = text[i];
  }
}

#include "modes.h"
