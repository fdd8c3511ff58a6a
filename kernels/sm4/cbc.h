/* CBC (SP 800-38A section 6.2) over rows. A block waits for the one before it, so encryption takes
 * STREAMS messages side by side, each with a key of its own; a message that ends makes room for the
 * next. Decryption is rows by themselves, with the block in front as nonce. A variant includes this
 * file after it has defined
 *
 *   STREAMS          messages side by side
 *   stream_keys_t    their expanded keys
 *   void streams_set_key(stream_keys_t *keys, uint stream, const uchar *bytes)
 *   void streams_encrypt(const stream_keys_t *keys, ulong *text)
 *       One block of each; text holds the blocks as they lie in memory, two little-endian words
 * each. void cbc_decrypt_row(const sm4_key_t *key, block_t before, src, dst, uint size, uint
 * capacity) The first capacity bytes of the plaintext, at most a block less than size; in place,
 * too.
 *
 * and finds the two kernels defined.
 */
#ifndef FPGA_ACCEL_SM4_CBC_H
#define FPGA_ACCEL_SM4_CBC_H

#include "abi.h"
#include "cipher.h"

/* PKCS#7: encryption pads; decryption gives up to a block less than it takes. */
#define CBC_PADDED 16u

typedef struct {
  global const uchar *src[STREAMS];
  global uchar *dst[STREAMS];
  uint row[STREAMS];
  uint whole[STREAMS]; /* blocks to come, without the one that is padded */
  uint rest[STREAMS];  /* bytes of that one */
  bool padded[STREAMS];
  bool busy[STREAMS];
  key_id_t id[STREAMS];
  stream_keys_t keys;
  ulong text[2 * STREAMS];
} streams_t;

static inline ulong little_load(global const uchar *p) { return swap_bytes(load_be64(p)); }

static inline void little_store(global uchar *p, ulong a) { store_be64(p, swap_bytes(a)); }

static inline uint cbc_size(global const segment_t *segment) {
  uint size = segment->src_size;
  return segment->flags & CBC_PADDED ? size - size % BLOCK_SIZE + BLOCK_SIZE : size;
}

static int cbc_encrypt_check(global const segment_t *segment, global const keyed_params_t *record) {
  bool padded = (segment->flags & CBC_PADDED) != 0;
  if (!is_key_size(record->key_size) || record->nonce_size != BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  if ((!padded && segment->src_size % BLOCK_SIZE) || cbc_size(segment) < segment->src_size)
    return STATUS_BAD_PARAM;
  return cbc_size(segment) <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* Gives the next row that has blocks to a stream; returns the row behind it. */
static uint stream_take(private streams_t *streams, uint stream, uint row, uint end,
                        global const uchar *src, global uchar *dst,
                        global const segment_t *segments, global result_t *results,
                        global const uchar *params) {
  streams->busy[stream] = false;
  for (; row < end; row++) {
    global const segment_t *segment = segments + row;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = cbc_encrypt_check(segment, record);
    uint size = status == STATUS_OK ? cbc_size(segment) : 0;
    if (size == 0) {
      write_result(results + row, status, 0, (block_t)(0));
      continue;
    }
    if (key_changes(&streams->id[stream], record))
      streams_set_key(&streams->keys, stream, params + record->key);
    streams->src[stream] = src + segment->src;
    streams->dst[stream] = dst + segment->dst;
    streams->row[stream] = row;
    streams->whole[stream] = segment->src_size / BLOCK_SIZE;
    streams->rest[stream] = segment->src_size % BLOCK_SIZE;
    streams->padded[stream] = (segment->flags & CBC_PADDED) != 0;
    streams->text[2 * stream] = little_load(params + record->nonce);
    streams->text[2 * stream + 1] = little_load(params + record->nonce + 8);
    streams->busy[stream] = true;
    return row + 1;
  }
  return row;
}

/* How many blocks all streams have; 0 where one has come to its padding. */
static uint streams_least(private const streams_t *streams, uint used) {
  uint least = ~0u;
  for (uint s = 0; s < used; s++)
    if (streams->busy[s] && streams->whole[s] < least)
      least = streams->whole[s];
  return least;
}

static void streams_run(private streams_t *streams, uint used, uint blocks) {
  for (uint n = 0; n < blocks; n++) {
    for (uint s = 0; s < used; s++) {
      if (!streams->busy[s])
        continue;
      global const uchar *block = streams->src[s] + (ulong)n * BLOCK_SIZE;
      streams->text[2 * s] ^= little_load(block);
      streams->text[2 * s + 1] ^= little_load(block + 8);
    }
    streams_encrypt(&streams->keys, streams->text);
    for (uint s = 0; s < used; s++) {
      if (!streams->busy[s])
        continue;
      global uchar *block = streams->dst[s] + (ulong)n * BLOCK_SIZE;
      little_store(block, streams->text[2 * s]);
      little_store(block + 8, streams->text[2 * s + 1]);
    }
  }
  for (uint s = 0; s < used; s++) {
    streams->src[s] += (ulong)blocks * BLOCK_SIZE;
    streams->dst[s] += (ulong)blocks * BLOCK_SIZE;
    streams->whole[s] -= blocks;
  }
}

/* The block of padding of a stream that has come to it, of the others their next. */
static void streams_pad(private streams_t *streams, uint used) {
  for (uint s = 0; s < used; s++) {
    if (!streams->busy[s])
      continue;
    if (streams->whole[s]) {
      streams->text[2 * s] ^= little_load(streams->src[s]);
      streams->text[2 * s + 1] ^= little_load(streams->src[s] + 8);
      continue;
    }
    uint rest = streams->rest[s];
    for (uint i = 0; i < BLOCK_SIZE; i++) {
      ulong value = i < rest ? streams->src[s][i] : BLOCK_SIZE - rest;
      streams->text[2 * s + i / 8] ^= value << 8 * (i % 8);
    }
  }
  streams_encrypt(&streams->keys, streams->text);
  for (uint s = 0; s < used; s++) {
    if (!streams->busy[s])
      continue;
    little_store(streams->dst[s], streams->text[2 * s]);
    little_store(streams->dst[s] + 8, streams->text[2 * s + 1]);
    streams->src[s] += BLOCK_SIZE;
    streams->dst[s] += BLOCK_SIZE;
    if (streams->whole[s])
      streams->whole[s]--;
    else
      streams->padded[s] = false;
  }
}

kernel KERNEL_ATTRIBUTES void sm4_cbc_encrypt(global const uchar *src, global uchar *dst,
                                              global const segment_t *segments,
                                              global result_t *results, global const uchar *params,
                                              uint count) {
  /* Work-items get whole sets of streams: half a set takes as long. */
  uint share = (uint)((count + (ulong)get_global_size(0) - 1) / get_global_size(0));
  share = share < STREAMS ? STREAMS : share;
  ulong first = (ulong)share * get_global_id(0);
  if (first >= count)
    return;
  uint next = (uint)first, end = count - next > share ? next + share : count;
  uint used = end - next < STREAMS ? end - next : STREAMS;
  streams_t streams;
  for (uint s = 0; s < STREAMS; s++) {
    streams.id[s].size = 0;
    streams.busy[s] = false;
    streams.whole[s] = 0;
  }
  for (uint i = 0; i < 2 * STREAMS; i++)
    streams.text[i] = 0;
  for (uint s = 0; s < used; s++)
    next = stream_take(&streams, s, next, end, src, dst, segments, results, params);
  for (;;) {
    uint blocks = streams_least(&streams, used);
    if (blocks == ~0u)
      return;
    if (blocks)
      streams_run(&streams, used, blocks);
    else
      streams_pad(&streams, used);
    for (uint s = 0; s < used; s++) {
      if (!streams.busy[s] || streams.whole[s] || streams.padded[s])
        continue;
      uint row = streams.row[s];
      write_result(results + row, STATUS_OK, cbc_size(segments + row), (block_t)(0));
      next = stream_take(&streams, s, next, end, src, dst, segments, results, params);
    }
  }
}

/* ---- decryption ---- */

static int cbc_decrypt_check(global const segment_t *segment, global const keyed_params_t *record) {
  if (!is_key_size(record->key_size) || record->nonce_size != BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  if (segment->src_size % BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  uint less = segment->flags & CBC_PADDED ? BLOCK_SIZE : 0;
  return segment->src_size <= (ulong)segment->dst_capacity + less ? STATUS_OK
                                                                  : STATUS_DST_TOO_SMALL;
}

kernel KERNEL_ATTRIBUTES void sm4_cbc_decrypt(global const uchar *src, global uchar *dst,
                                              global const segment_t *segments,
                                              global result_t *results, global const uchar *params,
                                              uint count) {
  sm4_key_t key;
  key_id_t id = {0, 0};
  uint end = abi_end(count);
  for (uint i = abi_first(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = cbc_decrypt_check(segment, record);
    uint size = segment->src_size, capacity = segment->dst_capacity;
    uint given = size < capacity ? size : capacity;
    if (status == STATUS_OK) {
      if (key_changes(&id, record))
        sm4_set_key(&key, params + record->key, true);
      cbc_decrypt_row(&key, block_load(params + record->nonce), src + segment->src,
                      dst + segment->dst, size, given);
    }
    write_result(results + i, status, status == STATUS_OK ? given : 0, (block_t)(0));
  }
}

#endif
