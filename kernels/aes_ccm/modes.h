/* CCM (SP 800-38C, RFC 3610) over rows, each a whole message: CBC-MAC is serial and goes by
 * streams, counter mode goes through a message at once, before its MAC where it deciphers and
 * behind it where it enciphers: so a row's src and dst may be the same memory. Before this file a
 * variant defines streams_t and its functions (aes_streams_x86.h or aes_streams_bitslice.h),
 * aes_key_t, and
 *
 *   void ccm_ctr(const aes_key_t *key, block_t counter, src, dst, uint size)
 *       dst = src ^ keystream. The low 64 bits of the counter do not wrap.
 */
#ifndef FPGA_ACCEL_AES_CCM_MODES_H
#define FPGA_ACCEL_AES_CCM_MODES_H

#include "aes_rows.h"

/* The bytes of the tag in a row's flags: 4, 6, ..., 16. */
#define CCM_TAG(flags) ((flags) >> 16 & 31u)

/* The key of counter mode, which rows share as long as they have the same. */
typedef struct {
  aes_key_t key;
  key_id_t id;
} ccm_extra_t;

#define STREAM_EXTRA ccm_extra_t
static void stream_extra_begin(private ccm_extra_t *extra) { extra->id.size = 0; }

#include "aes_streams.h"

static int stream_check(global const segment_t *segment, global const keyed_params_t *record,
                        const uint mode) {
  uint size = segment->src_size, tag = CCM_TAG(segment->flags), nonce = record->nonce_size;
  if (!aes_is_key_size(record->key_size) || nonce < 7 || nonce > 13)
    return STATUS_BAD_PARAM;
  if (tag < 4 || tag > 16 || tag % 2)
    return STATUS_BAD_PARAM;
  /* The length has 15 - nonce bytes. */
  if (nonce > 11 && size >> (8 * (15 - nonce)))
    return STATUS_BAD_PARAM;
  ulong needed = (ulong)size + (segment->flags & KEYED_DECRYPT ? 0 : tag);
  return needed <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* bits: 1 to 63 */
static inline block_t block_down(block_t a, uint bits) {
  return (block_t)(a.x >> bits | a.y << (64 - bits), a.y >> bits);
}

/* A first byte, the nonce, and zeros. */
static inline block_t ccm_block(private const task_t *task, global const keyed_params_t *record,
                                ulong first) {
  block_t nonce = block_load_part(task->params + record->nonce, record->nonce_size);
  return block_down(nonce, 8) | (block_t)(0, first << 56);
}

/* Counter block i (SP 800-38C appendix A.3). */
static inline block_t ccm_counter(private const task_t *task, global const keyed_params_t *record,
                                  ulong i) {
  block_t block = ccm_block(task, record, 14 - record->nonce_size);
  block.x += i;
  return block;
}

/* Bytes that tell the length of the associated data (appendix A.2.2). */
static inline uint aad_prefix(uint size) { return size < 0xFF00u ? 2 : 6; }

static inline uint aad_blocks(uint size) {
  return size ? (uint)blocks_of((ulong)size + aad_prefix(size)) : 0;
}

static inline uint blocks_before(global const keyed_params_t *record) {
  return 2 + aad_blocks(record->aad_size);
}

static block_t aad_block(private const task_t *task, global const keyed_params_t *record, uint j) {
  global const uchar *aad = task->params + record->aad;
  uint size = record->aad_size, prefix = aad_prefix(size);
  if (j) {
    ulong at = (ulong)j * BLOCK_SIZE - prefix;
    ulong left = size - at;
    return left >= BLOCK_SIZE ? block_load(aad + at) : block_load_part(aad + at, (uint)left);
  }
  uint room = BLOCK_SIZE - prefix;
  block_t data = block_load_part(aad, size < room ? size : room);
  ulong length = prefix == 2 ? (ulong)size << 48 : 0xFFFEUL << 48 | (ulong)size << 16;
  return block_down(data, 8 * prefix) | (block_t)(0, length);
}

static void ccm_cipher(private task_t *task, uint lane, global const uchar *src, uint size) {
  global const keyed_params_t *record = task_record(task, task->row[lane]);
  if (key_changes(&task->extra.id, record))
    aes_load_key(&task->extra.key, task->params + record->key, record->key_size);
  ccm_ctr(&task->extra.key, ccm_counter(task, record, 1), src, task->dst[lane], size);
}

static block_t stream_begin(private task_t *task, uint lane, const uint mode) {
  global const segment_t *segment = task->segments + task->row[lane];
  uint size = segment->src_size;
  task->before[lane] = blocks_before(task_record(task, task->row[lane]));
  task->whole[lane] = size / BLOCK_SIZE;
  task->rest[lane] = size % BLOCK_SIZE;
  task->last[lane] = task->rest[lane] != 0;
  if (segment->flags & KEYED_DECRYPT) {
    ccm_cipher(task, lane, task->src[lane], size);
    task->src[lane] = task->dst[lane];
  }
  return (block_t)(0);
}

/* Counter block 0, whose cipher is the mask of the tag; then what the MAC begins with. */
static block_t stream_before(private const task_t *task, uint lane, const uint mode) {
  global const segment_t *segment = task->segments + task->row[lane];
  global const keyed_params_t *record = task_record(task, task->row[lane]);
  uint number = blocks_before(record) - task->before[lane];
  if (number == 0)
    return ccm_counter(task, record, 0);
  if (number > 1)
    return aad_block(task, record, number - 2);
  /* Appendix A.2.1. */
  uint first = (record->aad_size ? 64 : 0) + 8 * ((CCM_TAG(segment->flags) - 2) / 2);
  block_t block = ccm_block(task, record, first + 14 - record->nonce_size);
  block.x += segment->src_size;
  return block;
}

static void stream_passed(private task_t *task, private streams_t *streams, uint lane,
                          const uint mode) {
  if (task->before[lane] != blocks_before(task_record(task, task->row[lane])))
    return;
  task->own[lane] = streams_get(streams, lane);
  streams_set(streams, lane, (block_t)(0));
}

static block_t stream_last(private const task_t *task, uint lane, const uint mode) {
  return block_load_part(task->src[lane], task->rest[lane]);
}

static void stream_end(private task_t *task, uint lane, block_t state, const uint mode) {
  global const segment_t *segment = task->segments + task->row[lane];
  uint size = segment->src_size, bytes = CCM_TAG(segment->flags);
  block_t tag = block_keep(state ^ task->own[lane], bytes);
  if (segment->flags & KEYED_DECRYPT) {
    write_result(task->results + task->row[lane], STATUS_OK, size, tag);
    return;
  }
  ccm_cipher(task, lane, task->src[lane] - size / BLOCK_SIZE * BLOCK_SIZE, size);
  block_store_part(task->dst[lane] + size, tag, bytes);
  write_result(task->results + task->row[lane], STATUS_OK, size + bytes, (block_t)(0));
}

#ifndef CCM_ATTRIBUTES
#define CCM_ATTRIBUTES
#define CCM_FIRST(count) streams_first(count)
#define CCM_END(count) streams_last(count)
#endif

CCM_ATTRIBUTES kernel void aes_ccm(global const uchar *src, global uchar *dst,
                                   global const segment_t *segments, global result_t *results,
                                   global const uchar *params, uint count) {
  streams_rows(src, dst, segments, results, params, CCM_FIRST(count), CCM_END(count), 0, false);
}

#endif
