/* AES-CCM for any device with OpenCL C 1.2: bit-sliced AES. No table look-up and no branch depends
 * on keys or data.
 *
 * | -D        | values     | meaning                                                            |
 * | --------- | ---------- | ------------------------------------------------------------------ |
 * | LANES     | 1, 2, 4, 8 | optional: 64-bit words a vector; by default as the CPU's registers |
 * | UNALIGNED | 0, 1       | optional: word access at any address, see blocks.h                 |
 *
 * Tested: all four LANES, both UNALIGNED.
 */
#include "abi.h"
#include "aes_bitslice.h"
#include "aes_streams_bitslice.h"
#include "blocks.h"

static void ccm_ctr(private const aes_key_t *key, block_t counter, global const uchar *src,
                    global uchar *dst, uint size) {
  for (ulong done = 0; done < size; done += BATCH_BLOCKS * BLOCK_SIZE) {
    lanes_t w[8];
  private
    ulong *words = (private ulong *)w;
    for (uint i = 0; i < BATCH_BLOCKS; i++) {
      words[i] = counter.y;
      words[BATCH_BLOCKS + i] = counter.x++;
    }
    aes_encrypt(key, w);
    for (uint i = 0; i < BATCH_BLOCKS; i++) {
      ulong at = done + i * BLOCK_SIZE;
      if (at >= size)
        break;
      block_t keystream = (block_t)(words[BATCH_BLOCKS + i], words[i]);
      uint left = (uint)(size - at);
      if (left >= BLOCK_SIZE)
        block_store(dst + at, block_load(src + at) ^ keystream);
      else
        block_store_part(dst + at, block_load_part(src + at, left) ^ keystream, left);
    }
  }
}

#include "modes.h"
