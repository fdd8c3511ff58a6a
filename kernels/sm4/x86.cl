/* SM4 with the GF(2^8) and carry-less multiply instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                               |
 * | -------- | ------ | --------------------------------------------------------------------- |
 * | MODELLED | 0, 1   | optional: 1 tests this file on CPUs with AVX-512 but no GFNI, gfni.h  |
 *
 * Tested: MODELLED=1 on a CPU without GFNI; without it compiled only.
 */
#define BLOCKS 4

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__PCLMUL__)
#error "this variant needs AVX-512F, AVX-512BW and PCLMULQDQ"
#elif !MODELLED && (!defined(__GFNI__) || !defined(__VPCLMULQDQ__))
#error "this variant needs GFNI and VPCLMULQDQ"
#endif

/* A round is a chain of some 15 clocks: four batches of four vectors fill it. A row's last vectors
 * go with the block that masks its tag, so that 28 blocks (448 bytes) are one step, and a group of
 * 64 blocks another. */
#define GROUP 16u
#define STEP 7u
#define LONG_STEP 19u
#define CTR_STEP 8u
#define LEAST 4u

#include "gfni.h"

#include "x86_words.h"

#include "cipher.h"

#include "x86_modes.h"

/* ---- ECB ---- */

static void ecb_row(private const sm4_key_t *key, global const uchar *src, global uchar *dst,
                    uint size) {
  vec_t state[GROUP];
  for (; size >= GROUP_BYTES; size -= GROUP_BYTES, src += GROUP_BYTES, dst += GROUP_BYTES) {
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      state[i] = v_load(src + i * V_BYTES);
    sm4_encrypt(key, state, GROUP);
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      v_store(dst + i * V_BYTES, state[i]);
  }
  for (uint done = 0; done < size; done += CTR_STEP * V_BYTES) {
    UNROLL
    for (uint i = 0; i < CTR_STEP; i++) {
      ulong at = done + i * V_BYTES;
      state[i] = v_load_part(src + at, v_part(size, at));
    }
    sm4_encrypt(key, state, CTR_STEP);
    UNROLL
    for (uint i = 0; i < CTR_STEP; i++) {
      ulong at = done + i * V_BYTES;
      v_store_part(dst + at, state[i], v_part(size, at));
    }
  }
}

/* ---- CBC ---- */

/* The blocks one in front of those of text, of which before is the last of the vector in front. */
static inline vec_t blocks_before(vec_t text, vec_t before) {
  return __builtin_shufflevector(before, text, 6, 7, 8, 9, 10, 11, 12, 13);
}

/* The last group may be cut short: what there is of it is masked in and out. */
static void cbc_decrypt_row(private const sm4_key_t *key, block_t iv, global const uchar *src,
                            global uchar *dst, uint size, uint capacity) {
  vec_t before = v_broadcast(x_reverse(as_long2(iv)));
  for (uint done = 0; done < size; done += GROUP_BYTES) {
    vec_t text[GROUP], state[GROUP];
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      ulong at = (ulong)done + i * V_BYTES;
      state[i] = text[i] = v_load_part(src + at, v_part(size, at));
    }
    sm4_encrypt(key, state, GROUP);
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      ulong at = (ulong)done + i * V_BYTES;
      v_store_part(dst + at, state[i] ^ blocks_before(text[i], before), v_part(capacity, at));
      before = text[i];
    }
  }
}

#include "ctr_gcm.h"

#include "cbc.h"

#include "ecb.h"
