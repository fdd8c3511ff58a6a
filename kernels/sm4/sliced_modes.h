/* SM4 in the modes of SP 800-38A and in GCM, on the batches of bitslice.h. A variant includes this
 * file after it has defined what ctr_gcm.h wants of GHASH:
 *
 *   gcm_key_t, powers of H in .powers, gf_mul, ghash_bytes
 *   powers_t and powers_set(powers_t *powers, block_t h)
 */
#ifndef FPGA_ACCEL_SM4_SLICED_MODES_H
#define FPGA_ACCEL_SM4_SLICED_MODES_H

#include "abi.h"
#include "bitslice.h"
#include "cipher.h"
#include "gcm_row.h"

#ifndef KERNEL_ATTRIBUTES
#define KERNEL_ATTRIBUTES EXPLICIT_VECTORS
#endif

/* Ciphertext is hashed while it is in the first-level cache. */
#define HASHED_BYTES (4 * BATCH_BYTES)

/* ---- key streams ---- */

/* Numbers of the blocks of a vector of words, see bitslice.h. */
static inline halves_t element_numbers(void) {
#if LANES == 8
  return (halves_t)(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
#elif LANES == 4
  return (halves_t)(0, 2, 4, 6, 1, 3, 5, 7);
#elif LANES == 2
  return (halves_t)(0, 1, 2, 3);
#else
  return (halves_t)(0, 1);
#endif
}

/* 1 where a sum of 32 bits has wrapped. A comparison of vectors gives -1 where it holds. */
#define CARRIES(sum, addend) ((halves_t)(0) - AS_COMPARED((sum) < (halves_t)(addend)))

/* The key stream of a batch from a counter on, in the order of memory. CTR counts in 64 bits here,
 * GCM in 32. */
__attribute__((always_inline)) static inline void
key_stream(private const sm4_key_t *key, block_t counter, private lanes_t *stream, const bool gcm) {
  lanes_t w[32];
  const uint low = (uint)counter.x;
#pragma unroll
  for (uint k = 0; k < 8; k++) {
    halves_t last = element_numbers() + (halves_t)(low + k * VECTOR_BLOCKS);
    halves_t third = (halves_t)((uint)(counter.x >> 32));
    if (!gcm)
      third += CARRIES(last, low);
    w[k] = AS_LANES((halves_t)((uint)(counter.y >> 32)));
    w[8 + k] = AS_LANES((halves_t)((uint)counter.y));
    w[16 + k] = AS_LANES(third);
    w[24 + k] = AS_LANES(last);
  }
  sm4_encrypt(key, w);
  text_of(w, stream);
}

/* dst = src ^ stream for the first size bytes of a batch; the stream starts at block `from`. */
static void add_part(private const lanes_t *stream, uint from, global const uchar *src,
                     global uchar *dst, uint size) {
private
  const ulong *words = (private const ulong *)stream + 2 * from;
  uint at = 0;
  for (; size - at >= 8; at += 8)
    store_be64(dst + at, load_be64(src + at) ^ swap_bytes(words[at / 8]));
  ulong rest = words[size / 8];
  for (; at < size; at++)
    dst[at] = src[at] ^ (uchar)(rest >> (8 * (at & 7)));
}

__attribute__((always_inline)) static inline void
add_batch(private const lanes_t *stream, global const uchar *src, global uchar *dst) {
#pragma unroll
  for (uint i = 0; i < 32; i++)
    lanes_store(dst + i * sizeof(lanes_t), lanes_load(src + i * sizeof(lanes_t)) ^ stream[i]);
}

static void ctr_stream(private const sm4_key_t *key, block_t counter, global const uchar *src,
                       global uchar *dst, ulong size) {
  lanes_t stream[32];
  for (; size >= BATCH_BYTES; size -= BATCH_BYTES, src += BATCH_BYTES, dst += BATCH_BYTES) {
    key_stream(key, counter, stream, false);
    add_batch(stream, src, dst);
    counter.x += BATCH_BLOCKS;
  }
  if (size == 0)
    return;
  key_stream(key, counter, stream, false);
  add_part(stream, 0, src, dst, (uint)size);
}

/* ---- GCM ---- */

static block_t gcm_counter(block_t j0, ulong n);
static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
                           ulong size);

static inline block_t stream_block(private const lanes_t *stream) {
private
  const ulong *words = (private const ulong *)stream;
  return (block_t)(swap_bytes(words[1]), swap_bytes(words[0]));
}

static void gcm_set_key(private gcm_key_t *key) {
  lanes_t stream[32];
  key_stream(&key->cipher, (block_t)(0), stream, true);
  key->h = gf_store(stream_block(stream));
  powers_set(&key->powers, key->h);
}

/* The text of a row from byte `done` on, at most so many bytes. Where the counter before the text
 * is j0, its cipher is the first block of the first batch. */
static uint gcm_part(private const gcm_key_t *key, private const gcm_row_t *row, uint done,
                     private block_t *mask) {
  lanes_t stream[32];
  uint left = row->size - done;
  if (done == 0) {
    key_stream(&key->cipher, row->j0, stream, true);
    *mask = stream_block(stream);
    block_t next = gcm_counter(row->j0, 1);
    uint size = left < BATCH_BYTES - BLOCK_SIZE ? left : BATCH_BYTES - BLOCK_SIZE;
    if (next.x == row->counter.x && next.y == row->counter.y) {
      add_part(stream, 1, row->src, row->dst, size);
      return size;
    }
    if (left == 0)
      return 0;
  }
  key_stream(&key->cipher, gcm_counter(row->counter, done / BLOCK_SIZE), stream, true);
  if (left >= BATCH_BYTES) {
    add_batch(stream, row->src + done, row->dst + done);
    return BATCH_BYTES;
  }
  add_part(stream, 0, row->src + done, row->dst + done, left);
  return left;
}

static gcm_sums_t gcm_stream(private const gcm_key_t *key, private const gcm_row_t *row) {
  gcm_sums_t sums;
  sums.hash = row->hash;
  uint done = 0, hashed = 0;
  do {
    done += gcm_part(key, row, done, &sums.mask);
    if (done < row->size && done - hashed < HASHED_BYTES)
      continue;
    global const uchar *text = row->decrypt ? row->src : (global const uchar *)row->dst;
    sums.hash = ghash_bytes(key, sums.hash, text + hashed, done - hashed);
    hashed = done;
  } while (done < row->size);
  sums.hash = gf_mul(sums.hash ^ row->closing, key->h);
  return sums;
}

/* ---- ECB ---- */

static void load_batch(global const uchar *src, uint size, private lanes_t *text) {
  if (size >= BATCH_BYTES) {
#pragma unroll
    for (uint i = 0; i < 32; i++)
      text[i] = lanes_load(src + i * sizeof(lanes_t));
    return;
  }
private
  ulong *words = (private ulong *)text;
  for (uint i = 0; i < size / 8; i++)
    words[i] = swap_bytes(load_be64(src + 8 * i));
  for (uint i = size / 8; i < BATCH_BYTES / 8; i++)
    words[i] = 0;
}

static void store_batch(private const lanes_t *text, global uchar *dst, uint size) {
  if (size >= BATCH_BYTES) {
#pragma unroll
    for (uint i = 0; i < 32; i++)
      lanes_store(dst + i * sizeof(lanes_t), text[i]);
    return;
  }
private
  const ulong *words = (private const ulong *)text;
  for (uint i = 0; i < size / 8; i++)
    store_be64(dst + 8 * i, swap_bytes(words[i]));
}

static void ecb_row(private const sm4_key_t *key, global const uchar *src, global uchar *dst,
                    uint size) {
  for (uint done = 0; done < size; done += BATCH_BYTES) {
    lanes_t text[32], w[32];
    load_batch(src + done, size - done, text);
    words_of(text, w);
    sm4_encrypt(key, w);
    text_of(w, text);
    store_batch(text, dst + done, size - done);
  }
}

/* ---- CBC ---- */

#define STREAMS BATCH_BLOCKS

static void streams_encrypt(private const stream_keys_t *keys, private ulong *blocks) {
  lanes_t text[32], w[32];
private
  ulong *words = (private ulong *)text;
  for (uint i = 0; i < 2 * STREAMS; i++)
    words[i] = blocks[i];
  words_of(text, w);
  sm4_encrypt_each(keys, w);
  text_of(w, text);
  for (uint i = 0; i < 2 * STREAMS; i++)
    blocks[i] = words[i];
}

static void cbc_decrypt_row(private const sm4_key_t *key, block_t before, global const uchar *src,
                            global uchar *dst, uint size, uint capacity) {
  ulong first = swap_bytes(before.y), second = swap_bytes(before.x);
  for (uint done = 0; done < size; done += BATCH_BYTES) {
    lanes_t text[32], w[32];
    ulong chained[2 * BATCH_BLOCKS + 2];
  private
    ulong *words = (private ulong *)text;
    load_batch(src + done, size - done, text);
    chained[0] = first;
    chained[1] = second;
    for (uint i = 0; i < 2 * BATCH_BLOCKS; i++)
      chained[2 + i] = words[i];
    first = chained[2 * BATCH_BLOCKS];
    second = chained[2 * BATCH_BLOCKS + 1];
    words_of(text, w);
    sm4_encrypt(key, w);
    text_of(w, text);
    for (uint i = 0; i < 2 * BATCH_BLOCKS; i++)
      words[i] ^= chained[i];
    uint left = capacity - done;
    store_batch(text, dst + done, left);
    if (left >= BATCH_BYTES)
      continue;
    for (uint at = left & ~7u; at < left; at++)
      dst[done + at] = (uchar)(words[at / 8] >> 8 * (at % 8));
  }
}

#endif
