/* AES-XTS for any device with OpenCL C 1.2: bit-sliced AES. No table look-up and no branch depends
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
#include "aes_inverse_bitslice.h"
#include "aes_rows.h"
#include "blocks.h"
#include "tweak.h"

#define XTS_TWEAKS BATCH_BLOCKS
#define BATCH_BYTES (BATCH_BLOCKS * BLOCK_SIZE)

typedef struct {
  aes_key_t data;
  aes_key_t tweak;
} xts_key_t;

static void xts_set_key(private xts_key_t *key, global const uchar *bytes, uint size,
                        bool decrypt) {
  aes_load_key(&key->data, bytes, size / 2);
  aes_load_key(&key->tweak, bytes + size / 2, size / 2);
}

static inline void batch_set(private lanes_t *w, uint i, block_t block) {
private
  ulong *words = (private ulong *)w;
  words[i] = block.y;
  words[BATCH_BLOCKS + i] = block.x;
}

static inline block_t batch_get(private const lanes_t *w, uint i) {
  const ulong *words = (private const ulong *)w;
  return (block_t)(words[BATCH_BLOCKS + i], words[i]);
}

static void xts_tweaks(private const xts_key_t *key, private ulong2 *tweaks) {
  lanes_t w[8];
  for (uint i = 0; i < XTS_TWEAKS; i++)
    batch_set(w, i, (block_t)(swap_bytes(tweaks[i].y), swap_bytes(tweaks[i].x)));
  aes_encrypt(&key->tweak, w);
  for (uint i = 0; i < XTS_TWEAKS; i++) {
    block_t block = batch_get(w, i);
    tweaks[i] = (ulong2)(swap_bytes(block.y), swap_bytes(block.x));
  }
}

static inline void xts_cipher(private const xts_key_t *key, private lanes_t *w, bool decrypt) {
  if (decrypt)
    aes_decrypt(&key->data, w);
  else
    aes_encrypt(&key->data, w);
}

static block_t xts_block(private const xts_key_t *key, block_t block, bool decrypt) {
  lanes_t w[8];
  for (uint b = 0; b < 8; b++)
    w[b] = (lanes_t)(0);
  batch_set(w, 0, block);
  xts_cipher(key, w, decrypt);
  return batch_get(w, 0);
}

static ulong2 xts_text(private const xts_key_t *key, ulong2 tweak, global const uchar *src,
                       global uchar *dst, uint size, bool decrypt) {
  for (uint done = 0; done < size; done += BATCH_BYTES) {
    lanes_t w[8];
    block_t masks[BATCH_BLOCKS];
    uint blocks = (size - done) / BLOCK_SIZE;
    if (blocks > BATCH_BLOCKS)
      blocks = BATCH_BLOCKS;
    for (uint i = 0; i < BATCH_BLOCKS; i++) {
      block_t block = (block_t)(0);
      if (i < blocks) {
        masks[i] = (block_t)(swap_bytes(tweak.y), swap_bytes(tweak.x));
        tweak = xts_double(tweak);
        block = block_load(src + done + i * BLOCK_SIZE) ^ masks[i];
      }
      batch_set(w, i, block);
    }
    xts_cipher(key, w, decrypt);
    for (uint i = 0; i < blocks; i++)
      block_store(dst + done + i * BLOCK_SIZE, batch_get(w, i) ^ masks[i]);
  }
  return tweak;
}

#include "modes.h"
