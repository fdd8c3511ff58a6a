/* CTR and GCM for any device: bit-sliced blocks in batches, GHASH by integer products. For
 * ctr_gcm.h.
 *
 * A variant includes this file after its cipher: BATCH_BLOCKS blocks at a time,
 *
 *   void cipher_encrypt(const cipher_key_t *key, lanes_t *w)
 *       w holds the first halves of the blocks, then the second halves, as in block_t.
 */
#ifndef FPGA_ACCEL_LANES_MODES_H
#define FPGA_ACCEL_LANES_MODES_H

#include "gcm_row.h"
#include "lanes_ghash.h"

#define KERNEL_ATTRIBUTES EXPLICIT_VECTORS

#define BATCH_BYTES (BATCH_BLOCKS * BLOCK_SIZE)

typedef struct {
  cipher_key_t cipher;
  block_t h;
  powers_t powers;
} gcm_key_t;

/* Not min: PoCL 3.0 does not inline its built-in functions for every CPU. */
static inline uint at_most(ulong a, uint limit) { return a < limit ? (uint)a : limit; }

static inline block_t batch_block(private const lanes_t *w, uint i) {
  const ulong *words = (private const ulong *)w;
  return (block_t)(words[BATCH_BLOCKS + i], words[i]);
}

static inline void batch_set(private lanes_t *w, uint i, block_t block) {
  ulong *words = (private ulong *)w;
  words[i] = block.y;
  words[BATCH_BLOCKS + i] = block.x;
}

/* Adds the keystream to the first size bytes (1 to 16, more count as 16) of a block. */
static inline block_t text_block(global const uchar *src, global uchar *dst, block_t keystream,
                                 ulong size, bool hash_src) {
  if (size >= BLOCK_SIZE) {
    block_t in = block_load(src), out = in ^ keystream;
    block_store(dst, out);
    return hash_src ? in : out;
  }
  block_t in = block_load_part(src, (uint)size), out = in ^ keystream;
  block_store_part(dst, out, (uint)size);
  return hash_src ? in : block_keep(out, (uint)size);
}

/* ---- CTR ---- */

static void ctr_stream(private const cipher_key_t *key, block_t counter, global const uchar *src,
                       global uchar *dst, ulong size) {
  for (ulong done = 0; done < size; done += BATCH_BYTES) {
    lanes_t w[8];
    for (uint i = 0; i < BATCH_BLOCKS; i++)
      batch_set(w, i, (block_t)(counter.x + i, counter.y));
    counter.x += BATCH_BLOCKS;
    cipher_encrypt(key, w);
    uint blocks = at_most(blocks_of(size - done), BATCH_BLOCKS);
    for (uint i = 0; i < blocks; i++) {
      ulong at = done + i * BLOCK_SIZE;
      text_block(src + at, dst + at, batch_block(w, i), size - at, false);
    }
  }
}

/* ---- GCM ---- */

static block_t gcm_counter(block_t j0, ulong n);

static void gcm_set_key(private gcm_key_t *key) {
  lanes_t w[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    w[b] = (lanes_t)(0);
  cipher_encrypt(&key->cipher, w);
  key->h = gf_store(batch_block(w, 0));
  powers_set(&key->powers, key->h);
}

static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  while (size) {
    ghash_input_t input;
    uint part = at_most(size, BATCH_BYTES);
    uint blocks = (uint)blocks_of(part);
    ghash_begin(&input, blocks);
    for (uint i = 0; i < blocks; i++) {
      uint at = i * BLOCK_SIZE;
      uint left = part - at;
      ghash_put(&input, i,
                left >= BLOCK_SIZE ? block_load(data + at) : block_load_part(data + at, left));
    }
    hash = ghash_end(&input, &key->powers, hash);
    data += part;
    size -= part;
  }
  return hash;
}

/* The first batch of a row has j0 in front, the last the closing block behind, so that neither
 * costs a call of its own. */
static gcm_sums_t gcm_stream(private const gcm_key_t *key, private const gcm_row_t *row) {
  gcm_sums_t sums;
  sums.hash = row->hash;
  uint done = 0, before = 1;
  block_t counter = row->counter;
  for (;;) {
    lanes_t w[8];
    for (uint i = before; i < BATCH_BLOCKS; i++)
      batch_set(w, i, gcm_counter(counter, i - before));
    if (before)
      batch_set(w, 0, row->j0);
    cipher_encrypt(&key->cipher, w);
    if (before)
      sums.mask = batch_block(w, 0);

    uint left = row->size - done;
    uint blocks = at_most(blocks_of(left), BATCH_BLOCKS - before);
    bool last = blocks == blocks_of(left);
    ghash_input_t input;
    ghash_begin(&input, blocks + last);
    for (uint i = 0; i < blocks; i++) {
      uint at = done + i * BLOCK_SIZE;
      ghash_put(&input, i,
                text_block(row->src + at, row->dst + at, batch_block(w, before + i), row->size - at,
                           row->decrypt));
    }
    if (last)
      ghash_put(&input, blocks, row->closing);
    sums.hash = ghash_end(&input, &key->powers, sums.hash);
    if (last)
      return sums;
    counter = gcm_counter(counter, blocks);
    done += blocks * BLOCK_SIZE;
    before = 0;
  }
}

#endif
