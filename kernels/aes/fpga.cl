/* AES-CTR and AES-GCM as pipelines of single work-items for FPGAs.
 *
 * | -D            | values     | meaning                                                          |
 * | ------------- | ---------- | ---------------------------------------------------------------- |
 * | CHANNELS      | 0, 1       | 1: three kernels an entry, joined by Intel's channels; 0: one    |
 * | LANES         | 1, 2, 4, 8 | optional: 64 bytes of text a clock each (lanes.h)                |
 * | CHANNEL_DEPTH | 1 or more  | optional: items of 64 * LANES bytes that a channel holds         |
 * | GHASH_WAYS    | power of 2 | optional: see fpga_ghash.h                                       |
 * | UNALIGNED     | 0, 1       | optional: see blocks.h; 0 for hardware                           |
 *
 * Tested: README.md, "FPGA variant".
 *
 * All stages walk the table and judge its rows by the same checks, so a channel carries text and
 * tags alone, and is empty when its stages have ended.
 */
#if CHANNELS
#pragma OPENCL EXTENSION cl_intel_channels : enable
#endif

#include "abi.h"
#include "fpga_ghash.h"
#include "fpga_group.h"
#include "gcm_row.h"
#include "keyed.h"

#define ARGUMENTS                                                                                  \
  global const uchar *restrict src, global uchar *restrict dst,                                    \
      global const segment_t *restrict segments, global result_t *restrict results,                \
      global const uchar *restrict params, uint count

#if CHANNELS

/* 512 clocks of memory latency at most; the depth of a memory block of Intel's (M20K) at its
 * widest. */
#ifndef CHANNEL_DEPTH
#define CHANNEL_DEPTH 512
#endif

#define SINGLE_WORK_ITEM                                                                           \
  __attribute__((max_global_work_dim(0))) __attribute__((reqd_work_group_size(1, 1, 1)))

channel group_t ctr_in __attribute__((depth(CHANNEL_DEPTH)));
channel group_t ctr_out __attribute__((depth(CHANNEL_DEPTH)));
channel group_t gcm_in __attribute__((depth(CHANNEL_DEPTH)));
channel group_t gcm_out __attribute__((depth(CHANNEL_DEPTH)));
channel block_t gcm_tags __attribute__((depth(CHANNEL_DEPTH)));

/* How a core comes by the text of a row. */
#define BEGIN_TEXT(text)
#define TAKE_GROUP(from, text, g) read_channel_intel(from)
#define GIVE_GROUP(to, text, g, group) write_channel_intel(to, group)
#define END_TEXT(text)

#else

#define SINGLE_WORK_ITEM __attribute__((reqd_work_group_size(1, 1, 1)))
#define BEGIN_TEXT(text) text_load_tail(&(text))
#define TAKE_GROUP(from, text, g) text_load(&(text), g)
#define GIVE_GROUP(to, text, g, group) text_store(&(text), g, group)
#define END_TEXT(text) text_store_tail(&(text))

#endif

/* ---- cores ---- */

static block_t gcm_counter(block_t j0, ulong n);

/* SP 800-38A appendix B.1 with m = 128: the carry runs through all 16 bytes. */
static inline block_t ctr_counter(block_t counter, ulong n) {
  ulong low = counter.x + n;
  return (block_t)(low, counter.y + (low < n));
}

static void ctr_stream(private const aes_key_t *key, block_t counter, global const uchar *src,
                       global uchar *dst, ulong size) {
  text_t text = text_of(src, dst, (uint)size);
  BEGIN_TEXT(text);
  for (uint g = 0; g < text.groups; g++) {
    group_t counters;
#pragma unroll
    for (uint i = 0; i < BATCH_BLOCKS; i++)
      group_set(&counters, i, ctr_counter(counter, (ulong)g * BATCH_BLOCKS + i));
    group_t in = TAKE_GROUP(ctr_in, text, g);
    GIVE_GROUP(ctr_out, text, g, group_xor(in, group_encrypt(key, counters)));
  }
  END_TEXT(text);
}

static gcm_sums_t gcm_stream(private const gcm_key_t *key, private const gcm_row_t *row) {
  text_t text = text_of(row->src, row->dst, row->size);
  ghash_t sums = ghash_from(row->hash);
  group_t tail = group_zero();
  BEGIN_TEXT(text);
  for (uint g = 0; g < text.groups; g++) {
    group_t counters;
#pragma unroll
    for (uint i = 0; i < BATCH_BLOCKS; i++)
      group_set(&counters, i, gcm_counter(row->counter, (ulong)g * BATCH_BLOCKS + i));
    group_t in = TAKE_GROUP(gcm_in, text, g);
    group_t out = group_xor(in, group_encrypt(&key->cipher, counters));
    GIVE_GROUP(gcm_out, text, g, out);
    group_t hashed = row->decrypt ? in : out;
    if (g < text.whole)
      ghash_add(&sums, key, hashed);
    else
      tail = hashed;
  }
  END_TEXT(text);
  gcm_sums_t result;
  result.hash = ghash_end(&sums, key, &tail, text.rest, row->closing);
  result.mask = block_encrypt(&key->cipher, row->j0);
  return result;
}

/* ctr_gcm.h ends in two kernels for devices of many work-items. Here they become functions that
 * nothing calls, as only its checks and rows are wanted. */
#define kernel static inline
#define aes_ctr ctr_work_item
#define aes_gcm gcm_work_item
#include "cipher.h"
#include "ctr_gcm.h"
#undef kernel
#undef aes_ctr
#undef aes_gcm

static inline global const keyed_params_t *record_of(global const uchar *params,
                                                     global const segment_t *segment) {
  return (global const keyed_params_t *)(params + segment->param);
}

/* A row that has passed ctr_check. */
static void ctr_segment(private aes_key_t *key, private key_id_t *id,
                        global const segment_t *segment, global const uchar *params,
                        global const uchar *src, global uchar *dst) {
  global const keyed_params_t *record = record_of(params, segment);
  if (key_changes(id, record))
    load_key(key, params, *id);
  block_t counter = ctr_counter(block_load(params + record->nonce), record->position / BLOCK_SIZE);
  ctr_stream(key, counter, src + segment->src, dst + segment->dst, segment->src_size);
}

/* A row that has passed gcm_check; returns what it adds to the tag. */
static block_t gcm_tag(private gcm_key_t *key, private key_id_t *id,
                       global const segment_t *segment, global const uchar *params,
                       global const uchar *src, global uchar *dst) {
  global const keyed_params_t *record = record_of(params, segment);
  if (key_changes(id, record)) {
    load_key(&key->cipher, params, *id);
    gcm_set_key(key);
  }
  return gcm_run(key, record, params, src + segment->src, dst + segment->dst, segment->src_size,
                 (segment->flags & KEYED_DECRYPT) != 0);
}

static inline void ctr_result(global const segment_t *segment, global result_t *result,
                              int status) {
  write_result(result, status, status == STATUS_OK ? segment->src_size : 0, (block_t)(0));
}

static void gcm_result(global const segment_t *segment, global result_t *result, global uchar *dst,
                       block_t tag) {
  uint written = segment->src_size;
  if ((segment->flags & KEYED_TAG_IN_DST) && !(segment->flags & KEYED_DECRYPT)) {
    block_store(dst + segment->dst + written, tag);
    written += BLOCK_SIZE;
  }
  write_result(result, STATUS_OK, written, tag);
}

#if CHANNELS

/* ---- stages of aes_ctr ---- */

SINGLE_WORK_ITEM kernel void aes_ctr_reader(ARGUMENTS) {
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    if (ctr_check(segment, record_of(params, segment)) != STATUS_OK)
      continue;
    text_t text = text_of(src + segment->src, dst + segment->dst, segment->src_size);
    text_load_tail(&text);
    for (uint g = 0; g < text.groups; g++)
      write_channel_intel(ctr_in, text_load(&text, g));
  }
}

SINGLE_WORK_ITEM kernel void aes_ctr_core(ARGUMENTS) {
  aes_key_t key;
  key_id_t id = {0, 0};
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    if (ctr_check(segment, record_of(params, segment)) == STATUS_OK)
      ctr_segment(&key, &id, segment, params, src, dst);
  }
}

SINGLE_WORK_ITEM kernel void aes_ctr_writer(ARGUMENTS) {
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    int status = ctr_check(segment, record_of(params, segment));
    ctr_result(segment, results + i, status);
    if (status != STATUS_OK)
      continue;
    text_t text = text_of(src + segment->src, dst + segment->dst, segment->src_size);
    for (uint g = 0; g < text.groups; g++)
      text_store(&text, g, read_channel_intel(ctr_out));
    text_store_tail(&text);
  }
}

/* ---- stages of aes_gcm ---- */

SINGLE_WORK_ITEM kernel void aes_gcm_reader(ARGUMENTS) {
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    if (gcm_check(segment, record_of(params, segment)) != STATUS_OK)
      continue;
    text_t text = text_of(src + segment->src, dst + segment->dst, segment->src_size);
    text_load_tail(&text);
    for (uint g = 0; g < text.groups; g++)
      write_channel_intel(gcm_in, text_load(&text, g));
  }
}

SINGLE_WORK_ITEM kernel void aes_gcm_core(ARGUMENTS) {
  gcm_key_t key;
  key_id_t id = {0, 0};
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    if (gcm_check(segment, record_of(params, segment)) == STATUS_OK)
      write_channel_intel(gcm_tags, gcm_tag(&key, &id, segment, params, src, dst));
  }
}

SINGLE_WORK_ITEM kernel void aes_gcm_writer(ARGUMENTS) {
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    int status = gcm_check(segment, record_of(params, segment));
    if (status != STATUS_OK) {
      write_result(results + i, status, 0, (block_t)(0));
      continue;
    }
    text_t text = text_of(src + segment->src, dst + segment->dst, segment->src_size);
    for (uint g = 0; g < text.groups; g++)
      text_store(&text, g, read_channel_intel(gcm_out));
    text_store_tail(&text);
    gcm_result(segment, results + i, dst, read_channel_intel(gcm_tags));
  }
}

#else

/* ---- one kernel an entry ---- */

SINGLE_WORK_ITEM kernel void aes_ctr(ARGUMENTS) {
  aes_key_t key;
  key_id_t id = {0, 0};
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    int status = ctr_check(segment, record_of(params, segment));
    if (status == STATUS_OK)
      ctr_segment(&key, &id, segment, params, src, dst);
    ctr_result(segment, results + i, status);
  }
}

SINGLE_WORK_ITEM kernel void aes_gcm(ARGUMENTS) {
  gcm_key_t key;
  key_id_t id = {0, 0};
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    int status = gcm_check(segment, record_of(params, segment));
    if (status != STATUS_OK) {
      write_result(results + i, status, 0, (block_t)(0));
      continue;
    }
    gcm_result(segment, results + i, dst, gcm_tag(&key, &id, segment, params, src, dst));
  }
}

#endif
