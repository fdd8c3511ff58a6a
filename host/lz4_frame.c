/* Blocks of the LZ4 frame format 1.6: [size, bit 31 = stored][payload][XXH32]. */
#include "../kernels/lz4/params.h"
#include "bytes.h"
#include "host.h"

#include <string.h>

#define HEADER 4u
#define CHECKSUM 4u
#define STORED_BIT 0x80000000u

/* How one row becomes a block. */
typedef struct {
  const uint8_t *payload;
  uint32_t size; /* 0: no block */
  int stored;
} block_t;

static int stores(const segment_t *row, const result_t *result) {
  return result->status == STATUS_DST_TOO_SMALL || result->dst_size >= row->src_size;
}

/* 0, or -STATUS_*. */
static int plan_block(const segment_t *row, const result_t *result, block_t *block) {
  if (row->src_size > FA_LZ4_BLOCK_LIMIT)
    return -STATUS_BAD_PARAM;
  if (result->status != STATUS_OK && result->status != STATUS_DST_TOO_SMALL)
    return -STATUS_BAD_DATA;
  block->stored = stores(row, result);
  block->size = block->stored ? row->src_size : result->dst_size;
  block->payload = (const uint8_t *)(uintptr_t)(block->stored ? row->src : row->dst);
  if (!block->stored && (block->size == 0 || block->size > row->dst_capacity))
    return -STATUS_BAD_DATA;
  return 0;
}

/* At most 4 MiB + 8, and a table of 2^40 rows does not exist: sums cannot wrap. */
static uint64_t block_bytes(const block_t *block, int checksum) {
  return block->size ? HEADER + (uint64_t)block->size + (checksum ? CHECKSUM : 0) : 0;
}

static void write_block(uint8_t *out, const block_t *block, const result_t *result, int checksum) {
  uint32_t check = (uint32_t)result->check;
  store_le32(out, block->size | (block->stored ? STORED_BIT : 0));
  memcpy(out + HEADER, block->payload, block->size);
  if (checksum && block->stored)
    check = fa_xxh32(block->payload, block->size, 0);
  if (checksum)
    store_le32(out + HEADER + block->size, check);
}

int64_t fa_lz4_packed_size(const segment_t *rows, const result_t *results, size_t count,
                           int block_checksum) {
  uint64_t total = 0;
  block_t block;
  for (size_t i = 0; i < count; i++) {
    int failure = plan_block(&rows[i], &results[i], &block);
    if (failure)
      return failure;
    total += block_bytes(&block, block_checksum);
  }
  return (int64_t)total;
}

int64_t fa_lz4_pack(uint8_t *out, uint64_t capacity, const segment_t *rows, const result_t *results,
                    size_t count, int block_checksum) {
  uint64_t used = 0;
  block_t block;
  for (size_t i = 0; i < count; i++) {
    int failure = plan_block(&rows[i], &results[i], &block);
    if (failure)
      return failure;
    uint64_t size = block_bytes(&block, block_checksum);
    if (size > capacity - used)
      return -STATUS_DST_TOO_SMALL;
    if (size)
      write_block(out + used, &block, &results[i], block_checksum);
    used += size;
  }
  return (int64_t)used;
}

/* One block at p. Returns the bytes that it takes, or -STATUS_*. */
static int64_t read_block(const uint8_t *p, uint64_t left, uint32_t block_max, int checksum,
                          segment_t *row, uint32_t *expected) {
  uint32_t header = load_le32(p), size = header & ~STORED_BIT;
  uint64_t whole = HEADER + (uint64_t)size + (checksum ? CHECKSUM : 0);
  if (size > block_max)
    return -STATUS_BAD_DATA;
  if (whole > left)
    return -STATUS_TRUNCATED;
  *row = (segment_t){.src = (uintptr_t)p + HEADER,
                     .src_size = size,
                     .dst_capacity = block_max,
                     .param = 1,
                     .flags = (header & STORED_BIT ? LZ4_STORED : 0) | (checksum ? LZ4_CHECK : 0)};
  if (expected)
    *expected = checksum ? load_le32(p + HEADER + size) : 0;
  return (int64_t)whole;
}

int64_t fa_lz4_scan(const uint8_t *data, uint64_t size, uint64_t *position, uint32_t block_max,
                    int block_checksum, segment_t *rows, size_t max_rows, int *ended,
                    uint32_t *checksums) {
  size_t found = 0;
  int64_t step = 0;
  *ended = 0;
  while (found < max_rows && !*ended) {
    uint64_t left = *position < size ? size - *position : 0;
    if (left < HEADER) {
      step = -STATUS_TRUNCATED;
      break;
    }
    const uint8_t *p = data + *position;
    if (load_le32(p) == 0) {
      *ended = 1;
      *position += HEADER;
      break;
    }
    step = read_block(p, left, block_max, block_checksum, &rows[found],
                      checksums ? &checksums[found] : NULL);
    if (step < 0)
      break;
    *position += (uint64_t)step;
    found++;
  }
  return found == 0 && step < 0 ? step : (int64_t)found;
}
