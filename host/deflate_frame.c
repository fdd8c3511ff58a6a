/* DEFLATE streams of rows, and what wraps them: gzip (RFC 1952), zlib (RFC 1950), BGZF (SAM format
 * specification, section 4.1). */
#include "../kernels/deflate/params.h"
#include "bgzf.h"
#include "bytes.h"
#include "host.h"

#include <string.h>

/* Empty content is still a stream, and as BGZF no member. */
static uint64_t row_count(uint64_t size, uint64_t block, int linked) {
  return size ? (size - 1) / block + 1 : linked ? 1 : 0;
}

uint64_t fa_deflate_room(uint64_t size) { return size + size / 1024 + 64; }

uint64_t fa_deflate_cut_count(const uint64_t *sizes, size_t count, uint32_t block, int linked,
                              uint64_t *room) {
  uint64_t rows = 0;
  *room = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t here = row_count(sizes[i], block, linked);
    rows += here;
    *room += here ? (here - 1) * fa_deflate_room(block) : 0;
    *room += here ? fa_deflate_room(sizes[i] - (here - 1) * block) : 0;
  }
  return rows;
}

void fa_deflate_cut(const uint64_t *sources, const uint64_t *sizes, size_t count, uint32_t block,
                    uint32_t history, int linked, int final, uint64_t slots, uint32_t row_flags,
                    segment_t *rows, uint64_t *first_rows) {
  uint64_t made = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t here = row_count(sizes[i], block, linked);
    first_rows[i] = made;
    for (uint64_t k = 0; k < here; k++) {
      uint64_t at = k * block, left = sizes[i] - at, size = left < block ? left : block;
      uint64_t behind = linked ? at + history : 0;
      uint32_t reach = (uint32_t)(behind < DEFLATE_HISTORY ? behind : DEFLATE_HISTORY);
      int last = !linked || (final && k + 1 == here);
      uint64_t room = fa_deflate_room(size);
      rows[made++] = (segment_t){.src = sources[i] + at - reach,
                                 .dst = slots,
                                 .src_size = (uint32_t)size + reach,
                                 .dst_capacity = (uint32_t)room,
                                 .param = reach,
                                 .flags = row_flags | (last ? DEFLATE_FINAL : 0)};
      slots += room;
    }
  }
  first_rows[count] = made;
}

void fa_deflate_sizes(const result_t *results, const uint64_t *first_rows, size_t count,
                      uint64_t each_item, uint64_t each_row, uint64_t *sizes) {
  for (size_t i = 0; i < count; i++) {
    sizes[i] = each_item;
    for (uint64_t k = first_rows[i]; k < first_rows[i + 1]; k++)
      sizes[i] += each_row + results[k].dst_size;
  }
}

static uint8_t *put_row(uint8_t *out, const segment_t *row, const result_t *result) {
  memcpy(out, (const uint8_t *)(uintptr_t)row->dst, result->dst_size);
  return out + result->dst_size;
}

void fa_deflate_join(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                     size_t count, const uint8_t *head, size_t head_size, const uint8_t *tails,
                     size_t tail_size, const uint64_t *targets) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *out = (uint8_t *)(uintptr_t)targets[i];
    memcpy(out, head, head_size);
    out += head_size;
    for (uint64_t k = first_rows[i]; k < first_rows[i + 1]; k++)
      out = put_row(out, &rows[k], &results[k]);
    memcpy(out, tails + i * tail_size, tail_size);
  }
}

void fa_bgzf_join(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                  size_t count, const uint32_t *checks, const uint64_t *targets) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *out = (uint8_t *)(uintptr_t)targets[i];
    for (uint64_t k = first_rows[i]; k < first_rows[i + 1]; k++) {
      uint32_t size = BGZF_HEAD + results[k].dst_size + BGZF_TAIL;
      memcpy(out, BGZF_END, BGZF_HEAD - 2);
      out[BGZF_HEAD - 2] = (uint8_t)(size - 1);
      out[BGZF_HEAD - 1] = (uint8_t)((size - 1) >> 8);
      out = put_row(out + BGZF_HEAD, &rows[k], &results[k]);
      store_le32(out, checks[k]);
      store_le32(out + 4, rows[k].src_size);
      out += BGZF_TAIL;
    }
    memcpy(out, BGZF_END, FA_BGZF_END);
  }
}
