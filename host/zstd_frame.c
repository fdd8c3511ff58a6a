/* Zstandard frames (RFC 8878): contents to rows, and their blocks to frames. */
#include "../kernels/zstd_compress/params.h"
#include "bytes.h"
#include "host.h"

#include <string.h>

#define MAGIC 0xFD2FB528u
#define WORD 4u
#define SINGLE_SEGMENT 0x20u
#define CONTENT_CHECKSUM 0x04u
/* Window_Descriptor: the exponent over 1 KiB, in the upper 5 bits. */
#define WINDOW_EXPONENT 10u
_Static_assert(FA_ZSTD_WINDOW == 1024u << WINDOW_EXPONENT, "matches stay in their row");

#define ROW_CONTENT (FA_ZSTD_WINDOW - FA_ZSTD_HISTORY)

/* An even number, so that two cores have the same to do. */
static uint64_t rows_for(uint64_t size) {
  if (size <= FA_ZSTD_WHOLE)
    return 1;
  uint64_t rows = (size - 1) / ROW_CONTENT + 1;
  return rows + (rows & 1);
}

/* Where row n of `rows` begins: they share the blocks as evenly as can be. */
static uint64_t row_start(uint64_t size, uint64_t n, uint64_t rows) {
  uint64_t blocks = size ? (size - 1) / ZSTD_BLOCK + 1 : 0;
  uint64_t start = blocks * n / rows * ZSTD_BLOCK;
  return start < size ? start : size;
}

uint64_t fa_zstd_cut_count(const uint64_t *sizes, size_t count) {
  uint64_t rows = 0;
  for (size_t i = 0; i < count; i++)
    rows += rows_for(sizes[i]);
  return rows;
}

static uint32_t room_for(uint32_t size) {
  return size + (size / ZSTD_BLOCK + 1) * ZSTD_BLOCK_HEADER + ZSTD_SLACK;
}

uint64_t fa_zstd_cut(const uint64_t *sources, const uint64_t *sizes, size_t count, int begins,
                     int ends, uint64_t slots, segment_t *rows, uint64_t *first_rows) {
  uint64_t row = 0, first_slot = slots;
  for (size_t i = 0; i < count; i++) {
    uint64_t most = rows_for(sizes[i]);
    first_rows[i] = row;
    for (uint64_t n = 0; n < most; n++, row++) {
      uint64_t done = row_start(sizes[i], n, most);
      uint32_t size = (uint32_t)(row_start(sizes[i], n + 1, most) - done);
      uint32_t history = (uint32_t)(done < FA_ZSTD_HISTORY ? done : FA_ZSTD_HISTORY);
      uint32_t flags =
          (begins && n == 0 ? ZSTD_FIRST : 0) | (ends && n + 1 == most ? ZSTD_LAST : 0);
      if (rows)
        rows[row] = (segment_t){.src = sources[i] + done - history,
                                .dst = slots,
                                .src_size = history + size,
                                .dst_capacity = room_for(size),
                                .param = history,
                                .flags = flags};
      slots += room_for(size);
    }
  }
  first_rows[count] = row;
  return slots - first_slot;
}

/* Bytes of Frame_Content_Size, for a frame that is one segment or not. */
static uint32_t size_bytes(uint64_t size, int single) {
  if (single && size < 256)
    return 1;
  if (single && size < 65536 + 256)
    return 2;
  return size <= 0xFFFFFFFFu ? 4 : 8;
}

uint32_t fa_zstd_header(uint64_t size, int checksum, uint8_t *out) {
  int single = size <= FA_ZSTD_WINDOW;
  uint32_t bytes = size_bytes(size, single);
  uint8_t *op = out + WORD;
  uint32_t code = bytes == 8 ? 3 : bytes / 2;
  store_le32(out, MAGIC);
  *op++ = (uint8_t)(code << 6 | (single ? SINGLE_SEGMENT : 0) | (checksum ? CONTENT_CHECKSUM : 0));
  if (!single)
    *op++ = WINDOW_EXPONENT << 3;
  uint64_t value = bytes == 2 ? size - 256 : size;
  for (uint32_t i = 0; i < bytes; i++)
    *op++ = (uint8_t)(value >> 8 * i);
  return (uint32_t)(op - out);
}

int64_t fa_zstd_joined_size(const segment_t *rows, const result_t *results, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; i++) {
    if (results[i].status != STATUS_OK || results[i].dst_size < ZSTD_BLOCK_HEADER ||
        results[i].dst_size > rows[i].dst_capacity)
      return -STATUS_BAD_DATA;
    total += results[i].dst_size;
  }
  return (int64_t)total;
}

uint64_t fa_zstd_join(const segment_t *rows, const result_t *results, size_t count, uint8_t *out) {
  uint64_t used = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(out + used, (const uint8_t *)(uintptr_t)rows[i].dst, results[i].dst_size);
    used += results[i].dst_size;
  }
  return used;
}

int64_t fa_zstd_frame_sizes(const segment_t *rows, const result_t *results,
                            const uint64_t *first_rows, const uint64_t *sizes, size_t count,
                            int checksum, uint64_t *frame_sizes) {
  uint8_t header[FA_ZSTD_HEADER_MOST];
  for (size_t i = 0; i < count; i++) {
    uint64_t first = first_rows[i];
    int64_t body = fa_zstd_joined_size(rows + first, results + first, first_rows[i + 1] - first);
    if (body < 0)
      return body;
    frame_sizes[i] =
        fa_zstd_header(sizes[i], checksum, header) + (uint64_t)body + (checksum ? WORD : 0);
  }
  return 0;
}

void fa_zstd_frames(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                    const uint64_t *sizes, size_t count, int checksum, const uint64_t *checks,
                    const uint64_t *targets) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *out = (uint8_t *)(uintptr_t)targets[i];
    uint64_t first = first_rows[i];
    out += fa_zstd_header(sizes[i], checksum, out);
    out += fa_zstd_join(rows + first, results + first, first_rows[i + 1] - first, out);
    if (checksum)
      store_le32(out, (uint32_t)checks[i]);
  }
}
