/* AES-GCM-SIV for any device with OpenCL C 1.2: bit-sliced AES, POLYVAL by integer products. No
 * table look-up and no branch depends on keys or data.
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
#include "siv_blocks.h"

#define BATCH_BYTES (BATCH_BLOCKS * BLOCK_SIZE)

typedef struct {
  aes_key_t root, aes;
  block_t h;
  powers_t powers;
} siv_key_t;

static void siv_set_powers(private siv_key_t *key) { powers_set(&key->powers, key->h); }

static inline void batch_set(private lanes_t *w, uint i, block_t block) {
private
  ulong *words = (private ulong *)w;
  words[i] = swap_bytes(block.x);
  words[BATCH_BLOCKS + i] = swap_bytes(block.y);
}

static inline block_t batch_get(private const lanes_t *w, uint i) {
  const ulong *words = (private const ulong *)w;
  return (block_t)(swap_bytes(words[i]), swap_bytes(words[BATCH_BLOCKS + i]));
}

static void siv_cipher(private const aes_key_t *key, private block_t *blocks) {
  for (uint first = 0; first < SIV_BLOCKS; first += BATCH_BLOCKS) {
    lanes_t w[8];
    for (uint i = 0; i < BATCH_BLOCKS; i++)
      batch_set(w, i, first + i < SIV_BLOCKS ? blocks[first + i] : (block_t)(0));
    aes_encrypt(key, w);
    for (uint i = 0; i < BATCH_BLOCKS && first + i < SIV_BLOCKS; i++)
      blocks[first + i] = batch_get(w, i);
  }
}

static inline block_t text_load(global const uchar *p, uint left) {
  return siv_reverse(left >= BLOCK_SIZE ? block_load(p) : block_load_part(p, left));
}

static block_t polyval_bytes(private const siv_key_t *key, block_t sum, global const uchar *data,
                             ulong size) {
  while (size) {
    ghash_input_t input;
    uint part = size < BATCH_BYTES ? (uint)size : BATCH_BYTES;
    uint blocks = (uint)blocks_of(part);
    ghash_begin(&input, blocks);
    for (uint i = 0; i < blocks; i++) {
      uint at = i * BLOCK_SIZE;
      ghash_put(&input, i, text_load(data + at, part - at));
    }
    sum = ghash_end(&input, &key->powers, sum);
    data += part;
    size -= part;
  }
  return sum;
}

/* The counter is the first four bytes, little-endian, and wraps (section 4). */
static inline block_t counter_add(block_t counter, uint n) {
  return (block_t)((counter.x & ~0xFFFFFFFFUL) | (uint)((uint)counter.x + n), counter.y);
}

/* Adds the keystream to a block of 1 to 16 bytes and returns it. */
static inline block_t text_block(global const uchar *src, global uchar *dst, block_t keystream,
                                 uint left) {
  block_t text = siv_reverse(text_load(src, left) ^ keystream);
  if (left >= BLOCK_SIZE) {
    block_store(dst, text);
    return siv_reverse(text);
  }
  block_store_part(dst, text, left);
  return siv_reverse(block_keep(text, left));
}

static block_t siv_text(private const siv_key_t *key, block_t counter, block_t sum,
                        global const uchar *src, global uchar *dst, uint size, const bool sums) {
  for (ulong done = 0; done < size; done += BATCH_BYTES) {
    lanes_t w[8];
    for (uint i = 0; i < BATCH_BLOCKS; i++)
      batch_set(w, i, counter_add(counter, i));
    counter = counter_add(counter, BATCH_BLOCKS);
    aes_encrypt(&key->aes, w);
    uint part = size - done < BATCH_BYTES ? (uint)(size - done) : BATCH_BYTES;
    uint blocks = (uint)blocks_of(part);
    ghash_input_t input;
    ghash_begin(&input, blocks);
    for (uint i = 0; i < blocks; i++) {
      uint at = i * BLOCK_SIZE;
      block_t text = text_block(src + done + at, dst + done + at, batch_get(w, i), part - at);
      ghash_put(&input, i, text);
    }
    if (sums)
      sum = ghash_end(&input, &key->powers, sum);
  }
  return sum;
}

#include "modes.h"
