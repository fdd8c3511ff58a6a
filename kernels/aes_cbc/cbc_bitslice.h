/* CBC decryption on bit planes, a batch at a time. */
#ifndef FPGA_ACCEL_CBC_BITSLICE_H
#define FPGA_ACCEL_CBC_BITSLICE_H

#include "aes_inverse_bitslice.h"
#include "aes_rows.h"
#include "blocks.h"

typedef aes_key_t cbc_key_t;

static void cbc_set_key(private cbc_key_t *key, global const uchar *bytes, uint size) {
  aes_load_key(key, bytes, size);
}

/* Each ciphertext block is read before its plaintext is written, as they may be the same memory;
 * before is the block in front of the batch. */
static void cbc_decrypt(private const cbc_key_t *key, block_t before, global const uchar *src,
                        global uchar *dst, uint size, uint capacity) {
  for (uint done = 0; done < size; done += BATCH_BLOCKS * BLOCK_SIZE) {
    lanes_t w[8];
  private
    ulong *words = (private ulong *)w;
    uint blocks = (size - done) / BLOCK_SIZE;
    if (blocks > BATCH_BLOCKS)
      blocks = BATCH_BLOCKS;
    for (uint i = 0; i < BATCH_BLOCKS; i++) {
      block_t block = (block_t)(0);
      if (i < blocks)
        block = block_load(src + done + i * BLOCK_SIZE);
      words[i] = block.y;
      words[BATCH_BLOCKS + i] = block.x;
    }
    aes_decrypt(key, w);
    for (uint i = 0; i < blocks; i++) {
      uint at = done + i * BLOCK_SIZE;
      block_t next = block_load(src + at);
      block_t plain = (block_t)(words[BATCH_BLOCKS + i], words[i]) ^ before;
      before = next;
      if (capacity - at >= BLOCK_SIZE)
        block_store(dst + at, plain);
      else
        block_store_part(dst + at, plain, capacity - at);
    }
  }
}

#endif
