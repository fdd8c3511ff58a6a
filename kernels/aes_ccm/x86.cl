/* AES-CCM with the AES instructions of x86 CPUs.
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
#include "aes_streams_x86.h"
#include "blocks.h"
#include "x86_vector.h"

#define GROUP 8u
#define GROUP_BYTES (GROUP * V_BYTES)

__attribute__((always_inline)) static void
take_keystream(private const aes_key_t *key, private vec_t *counter, private vec_t *state) {
  const vec_t step = v_broadcast((long2)(V_BLOCKS, 0));
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    state[i] = v_reverse(*counter);
    *counter += step;
  }
  aes_encrypt(key, state, GROUP);
}

static void ccm_ctr(private const aes_key_t *key, block_t start, global const uchar *src,
                    global uchar *dst, uint size) {
  vec_t counter = v_broadcast(as_long2(start)) + v_lane_numbers();
  vec_t state[GROUP];
  uint done = 0;
  for (; size - done >= GROUP_BYTES; done += GROUP_BYTES) {
    take_keystream(key, &counter, state);
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      v_store(dst + done + i * V_BYTES, state[i] ^ v_load(src + done + i * V_BYTES));
  }
  if (done == size)
    return;
  take_keystream(key, &counter, state);
  UNROLL
  for (uint i = 0; i < GROUP; i++) {
    ulong at = (ulong)done + i * V_BYTES, part = v_part(size, at);
    if (part)
      v_store_part(dst + at, state[i] ^ v_load_part(src + at, part), part);
  }
}

#include "modes.h"
