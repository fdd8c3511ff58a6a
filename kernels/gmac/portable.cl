/* GMAC for any device with OpenCL C 1.2: bit-sliced AES, GHASH by integer products. No table
 * look-up and no branch depends on keys or data.
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
#include "blocks.h"
#include "lanes_ghash.h"

#define BATCH_BYTES (BATCH_BLOCKS * BLOCK_SIZE)

typedef struct {
  aes_key_t aes;
  block_t h;
  powers_t powers;
} gmac_key_t;

static block_t gmac_cipher(private const gmac_key_t *key, block_t block) {
  lanes_t w[8];
private
  ulong *words = (private ulong *)w;
#pragma unroll
  for (uint b = 0; b < 8; b++)
    w[b] = (lanes_t)(0);
  words[0] = block.y;
  words[BATCH_BLOCKS] = block.x;
  aes_encrypt(&key->aes, w);
  return (block_t)(words[BATCH_BLOCKS], words[0]);
}

static void gmac_set_key(private gmac_key_t *key) {
  key->h = gf_store(gmac_cipher(key, (block_t)(0)));
  powers_set(&key->powers, key->h);
}

static block_t ghash_bytes(private const gmac_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  while (size) {
    ghash_input_t input;
    uint part = size < BATCH_BYTES ? (uint)size : BATCH_BYTES;
    uint blocks = (uint)blocks_of(part);
    ghash_begin(&input, blocks);
    for (uint i = 0; i < blocks; i++) {
      uint at = i * BLOCK_SIZE, left = part - at;
      ghash_put(&input, i,
                left >= BLOCK_SIZE ? block_load(data + at) : block_load_part(data + at, left));
    }
    hash = ghash_end(&input, &key->powers, hash);
    data += part;
    size -= part;
  }
  return hash;
}

#include "modes.h"
