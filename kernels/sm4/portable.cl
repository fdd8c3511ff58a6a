/* SM4 in ECB, CTR and GCM for any device with OpenCL C 1.2: bit-sliced, GHASH by integer products.
 * No table look-up and no branch depends on keys or data.
 *
 * | -D        | values     | meaning                                                            |
 * | --------- | ---------- | ------------------------------------------------------------------ |
 * | LANES     | 1, 2, 4, 8 | optional: 64-bit words a vector; by default as the CPU's registers |
 * | UNALIGNED | 0, 1       | optional: word access at any address, see blocks.h                 |
 *
 * Tested: all four LANES, both UNALIGNED.
 */
#include "bitslice.h"
#include "lanes_ghash.h"

typedef struct {
  sm4_key_t cipher;
  block_t h;
  powers_t powers;
} gcm_key_t;

#include "sliced_modes.h"

static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
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

#include "ctr_gcm.h"

#include "cbc.h"

#include "ecb.h"
