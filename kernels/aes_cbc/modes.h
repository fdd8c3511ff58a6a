/* CBC (SP 800-38A section 6.2) and CMAC (SP 800-38B) over rows. Before this file a variant defines
 * streams_t and its functions (aes_streams_x86.h or aes_streams_bitslice.h), aes_key_t, and
 *
 *   cbc_key_t     an expanded key of the inverse cipher
 *   void cbc_set_key(cbc_key_t *key, global const uchar *bytes, uint size)
 *   void cbc_decrypt(const cbc_key_t *key, block_t iv, src, dst, uint size, uint capacity)
 *       size is a multiple of 16; the plaintext's first capacity bytes go to dst, where capacity is
 *       at most a block less.
 */
#ifndef FPGA_ACCEL_AES_CBC_MODES_H
#define FPGA_ACCEL_AES_CBC_MODES_H

#include "aes_rows.h"
#include "aes_streams.h"

/* PKCS#7: encryption pads; decryption gives up to a block less than it takes. */
#define CBC_PADDED 16u

#define MODE_CBC 0u
#define MODE_CMAC 1u
#define CMAC_BYTES 16u

static inline ulong cbc_padded(uint size) { return ((ulong)size / BLOCK_SIZE + 1) * BLOCK_SIZE; }

static int stream_check(global const segment_t *segment, global const keyed_params_t *record,
                        const uint mode) {
  uint size = segment->src_size;
  if (!aes_is_key_size(record->key_size))
    return STATUS_BAD_PARAM;
  if (mode == MODE_CMAC)
    return segment->dst_capacity >= CMAC_BYTES ? STATUS_OK : STATUS_DST_TOO_SMALL;
  bool padded = (segment->flags & CBC_PADDED) != 0;
  if (record->nonce_size != BLOCK_SIZE || (!padded && size % BLOCK_SIZE))
    return STATUS_BAD_PARAM;
  ulong needed = padded ? cbc_padded(size) : size;
  return needed <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* Twice a block in GF(2^128), SP 800-38B section 5.3; the block is secret. */
static inline block_t cmac_double(block_t a) {
  ulong carry = 0 - (a.y >> 63);
  return (block_t)(a.x << 1 ^ (carry & 0x87), a.y << 1 | a.x >> 63);
}

static block_t stream_begin(private task_t *task, uint lane, const uint mode) {
  uint row = task->row[lane];
  uint size = task->segments[row].src_size;
  if (mode == MODE_CMAC) {
    /* The last block has a subkey added to it, even when it is whole. */
    uint whole = size ? (size - 1) / BLOCK_SIZE : 0;
    task->before[lane] = task->known[lane] ? 0 : 1;
    task->whole[lane] = whole;
    task->rest[lane] = size - whole * BLOCK_SIZE;
    task->last[lane] = 1;
    return (block_t)(0);
  }
  task->before[lane] = 0;
  task->whole[lane] = size / BLOCK_SIZE;
  task->rest[lane] = size % BLOCK_SIZE;
  task->last[lane] = (task->segments[row].flags & CBC_PADDED) != 0;
  return block_load(task->params + task_record(task, row)->nonce);
}

/* The block of zeros, which gives what the subkeys come from. */
static block_t stream_before(private const task_t *task, uint lane, const uint mode) {
  return (block_t)(0);
}

static void stream_passed(private task_t *task, private streams_t *streams, uint lane,
                          const uint mode) {
  task->own[lane] = streams_get(streams, lane);
  task->known[lane] = 1;
  streams_set(streams, lane, (block_t)(0));
}

/* Bytes of one value behind the first size bytes of a block. */
static inline block_t bytes_behind(ulong value, uint size) {
  block_t all = (block_t)(value * 0x0101010101010101UL);
  return size ? all ^ block_keep(all, size) : all;
}

static block_t stream_last(private const task_t *task, uint lane, const uint mode) {
  uint rest = task->rest[lane];
  if (mode == MODE_CBC)
    return block_load_part(task->src[lane], rest) ^ bytes_behind(BLOCK_SIZE - rest, rest);
  block_t subkey = cmac_double(task->own[lane]);
  if (rest == BLOCK_SIZE)
    return block_load(task->src[lane]) ^ subkey;
  /* A one bit behind the text, then zeros. */
  block_t one =
      rest < 8 ? (block_t)(0, 0x80UL << (56 - 8 * rest)) : (block_t)(0x80UL << (120 - 8 * rest), 0);
  return block_load_part(task->src[lane], rest) ^ one ^ cmac_double(subkey);
}

static void stream_end(private task_t *task, uint lane, block_t state, const uint mode) {
  uint row = task->row[lane];
  global const segment_t *segment = task->segments + row;
  uint size = CMAC_BYTES;
  if (mode == MODE_CMAC)
    block_store(task->dst[lane], state);
  else
    size = segment->flags & CBC_PADDED ? (uint)cbc_padded(segment->src_size) : segment->src_size;
  write_result(task->results + row, STATUS_OK, size, (block_t)(0));
}

/* ---- decryption ---- */

static int cbc_decrypt_check(global const segment_t *segment, global const keyed_params_t *record) {
  if (!aes_is_key_size(record->key_size) || record->nonce_size != BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  uint size = segment->src_size, less = segment->flags & CBC_PADDED ? BLOCK_SIZE : 0;
  if (size % BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  return size <= (ulong)segment->dst_capacity + less ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

static void cbc_decrypt_rows(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             global const uchar *params, uint first, uint end) {
  cbc_key_t key;
  key_id_t id = {0, 0};
  for (uint i = first; i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = cbc_decrypt_check(segment, record);
    uint size = segment->src_size, capacity = segment->dst_capacity;
    uint given = size < capacity ? size : capacity;
    if (status == STATUS_OK) {
      if (key_changes(&id, record))
        cbc_set_key(&key, params + id.offset, id.size);
      cbc_decrypt(&key, block_load(params + record->nonce), src + segment->src, dst + segment->dst,
                  size, given);
    }
    write_result(results + i, status, status == STATUS_OK ? given : 0, (block_t)(0));
  }
}

#ifndef CBC_ATTRIBUTES
#define CBC_ATTRIBUTES
#define CBC_FIRST_STREAM(count) streams_first(count)
#define CBC_END_STREAM(count) streams_last(count)
#define CBC_FIRST(count) abi_first(count)
#define CBC_END(count) abi_end(count)
#endif

CBC_ATTRIBUTES kernel void aes_cbc_encrypt(global const uchar *src, global uchar *dst,
                                           global const segment_t *segments,
                                           global result_t *results, global const uchar *params,
                                           uint count) {
  streams_rows(src, dst, segments, results, params, CBC_FIRST_STREAM(count), CBC_END_STREAM(count),
               MODE_CBC, true);
}

CBC_ATTRIBUTES kernel void aes_cmac(global const uchar *src, global uchar *dst,
                                    global const segment_t *segments, global result_t *results,
                                    global const uchar *params, uint count) {
  streams_rows(src, dst, segments, results, params, CBC_FIRST_STREAM(count), CBC_END_STREAM(count),
               MODE_CMAC, false);
}

CBC_ATTRIBUTES kernel void aes_cbc_decrypt(global const uchar *src, global uchar *dst,
                                           global const segment_t *segments,
                                           global result_t *results, global const uchar *params,
                                           uint count) {
  cbc_decrypt_rows(src, dst, segments, results, params, CBC_FIRST(count), CBC_END(count));
}

#endif
