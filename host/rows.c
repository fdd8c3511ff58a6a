/* Between scattered host memory and the slabs that a device sees. */
#include "host.h"

#include <string.h>

static uint8_t *at(uint64_t address) { return (uint8_t *)(uintptr_t)address; }

/* memcpy and memmove forbid null pointers even for no bytes; an empty row has one. */
static void copy(uint8_t *to, const uint8_t *from, size_t size) {
  if (size)
    memcpy(to, from, size);
}

static uint32_t output_size(const segment_t *row, const result_t *result) {
  return result->dst_size < row->dst_capacity ? result->dst_size : row->dst_capacity;
}

/* Where a piece of size bytes goes behind used bytes; 0 if it does not fit. */
static int place(size_t used, size_t size, size_t limit, size_t align, size_t *start) {
  size_t padding = (size_t)(0 - used) & (align - 1);
  if (used > limit || padding > limit - used || size > limit - used - padding)
    return 0;
  *start = used + padding;
  return 1;
}

size_t fa_rows_fit(const segment_t *rows, size_t count, size_t src_limit, size_t dst_limit,
                   size_t align, size_t *src_bytes, size_t *dst_bytes) {
  size_t fitting = 0, src = 0, dst = 0, src_used = 0, dst_used = 0;
  if (align == 0 || (align & (align - 1)) != 0)
    count = 0;
  for (; fitting < count; fitting++) {
    const segment_t *row = &rows[fitting];
    if (!place(src_used, row->src_size, src_limit, align, &src) ||
        !place(dst_used, row->dst_capacity, dst_limit, align, &dst))
      break;
    src_used = src + row->src_size;
    dst_used = dst + row->dst_capacity;
  }
  *src_bytes = src_used;
  *dst_bytes = dst_used;
  return fitting;
}

void fa_rows_gather(const segment_t *rows, segment_t *placed, size_t count, uint8_t *slab,
                    size_t align) {
  size_t src = 0, dst = 0;
  for (size_t i = 0; i < count; i++) {
    segment_t row = rows[i];
    place(src, row.src_size, SIZE_MAX, align, &src);
    place(dst, row.dst_capacity, SIZE_MAX, align, &dst);
    copy(slab + src, at(row.src), row.src_size);
    row.src = src;
    row.dst = dst;
    placed[i] = row;
    src += row.src_size;
    dst += row.dst_capacity;
  }
}

void fa_rows_scatter(const segment_t *rows, const segment_t *placed, const result_t *results,
                     size_t count, const uint8_t *slab) {
  for (size_t i = 0; i < count; i++)
    if (results[i].status == STATUS_OK)
      copy(at(rows[i].dst), slab + placed[i].dst, output_size(&rows[i], &results[i]));
}

void fa_copy_many(const uint64_t *sources, const uint64_t *targets, const uint64_t *sizes,
                  size_t count) {
  for (size_t i = 0; i < count; i++)
    if (sizes[i])
      memmove(at(targets[i]), at(sources[i]), sizes[i]);
}

void fa_rows_fill(segment_t *rows, size_t count, const uint64_t *sources, const uint64_t *sizes,
                  const uint64_t *targets, uint32_t room, uint32_t flags) {
  for (size_t i = 0; i < count; i++)
    rows[i] = (segment_t){sources[i], targets[i], (uint32_t)sizes[i], room, 0, flags};
}

int fa_rows_even(const segment_t *rows, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (rows[i].src_size != rows[0].src_size)
      return 0;
  return 1;
}

uint64_t fa_rows_bytes(const segment_t *rows, size_t count) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; i++)
    bytes += rows[i].src_size;
  return bytes;
}

int64_t fa_rows_first_failed(const result_t *results, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (results[i].status != STATUS_OK)
      return (int64_t)i;
  return -1;
}

int64_t fa_rows_first_impossible(const segment_t *rows, const result_t *results, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (results[i].dst_size > rows[i].dst_capacity || results[i].status < STATUS_OK ||
        results[i].status > STATUS_BAD_PARAM)
      return (int64_t)i;
  return -1;
}

/* The first row that fa_rows_compact cannot take, or count. */
static size_t first_unfit(const result_t *results, const segment_t *rows, size_t count) {
  uint64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    if (results[i].status != STATUS_OK || results[i].dst_size > rows[i].dst_capacity ||
        rows[i].dst < end || rows[i].dst > UINT64_MAX - rows[i].dst_capacity)
      return i;
    end = rows[i].dst + results[i].dst_size;
  }
  return count;
}

int64_t fa_rows_compact(uint8_t *base, const result_t *results, segment_t *rows, size_t count) {
  size_t unfit = first_unfit(results, rows, count);
  if (unfit < count)
    return -1 - (int64_t)unfit;
  if (count == 0)
    return 0;
  uint64_t start = rows[0].dst, end = start;
  for (size_t i = 0; i < count; i++) {
    uint32_t size = results[i].dst_size;
    if (rows[i].dst != end && size)
      memmove(at((uintptr_t)base + end), at((uintptr_t)base + rows[i].dst), size);
    rows[i].dst = end;
    end += size;
  }
  return (int64_t)(end - start);
}
