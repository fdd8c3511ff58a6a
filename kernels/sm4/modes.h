/* SM4 in the modes of SP 800-38A and in GCM, on the batches of bitslice.h. A variant includes this
 * file after it has defined what ctr_gcm.h wants of GHASH:
 *
 *   gcm_key_t, powers of H in .powers, gf_mul, ghash_bytes
 *   powers_t and powers_set(powers_t *powers, block_t h)
 */
#ifndef FPGA_ACCEL_SM4_MODES_H
#define FPGA_ACCEL_SM4_MODES_H

#include "abi.h"
#include "bitslice.h"
#include "gcm_row.h"
#include "keyed_rows.h"

#define CTR_ENTRY sm4_ctr
#define GCM_ENTRY sm4_gcm
#define cipher_key_t sm4_key_t

/* Ciphertext is hashed while it is in the first-level cache. */
#define HASHED_BYTES (4 * BATCH_BYTES)

static inline bool is_key_size(uint size) { return size == 16; }

static void load_key(private sm4_key_t *key, global const uchar *params, key_id_t id) {
  sm4_set_key(key, params + id.offset, false);
}

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
    halves_t last = element_numbers() + (halves_t)(low + k * GROUP_BLOCKS);
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

/* ---- ECB, and deciphering of CBC ---- */

/* Flag of a row of ECB and CBC: KEYED_DECRYPT. A key that deciphers is another expansion. */
typedef struct {
  key_id_t id;
  bool decrypts;
  sm4_key_t key;
} block_key_t;

static int block_check(global const segment_t *segment, global const keyed_params_t *record,
                       uint nonce_size) {
  if (!is_key_size(record->key_size) || record->nonce_size != nonce_size)
    return STATUS_BAD_PARAM;
  if (segment->src_size % BLOCK_SIZE || record->position % BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  return segment->src_size <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

static void take_key(private block_key_t *taken, global const keyed_params_t *record,
                     global const uchar *params, bool decrypt) {
  if (!key_changes(&taken->id, record) && taken->decrypts == decrypt)
    return;
  sm4_set_key(&taken->key, params + record->key, decrypt);
  taken->decrypts = decrypt;
}

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

kernel void sm4_ecb(global const uchar *src, global uchar *dst, global const segment_t *segments,
                    global result_t *results, global const uchar *params, uint count) {
  block_key_t taken;
  taken.id.size = 0;
  uint end = abi_end(count);
  for (uint i = abi_first(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = block_check(segment, record, 0);
    if (status == STATUS_OK) {
      take_key(&taken, record, params, (segment->flags & KEYED_DECRYPT) != 0);
      ecb_row(&taken.key, src + segment->src, dst + segment->dst, segment->src_size);
    }
    write_result(results + i, status, status == STATUS_OK ? segment->src_size : 0, (block_t)(0));
  }
}

#endif
