/* The decompressor's core: elements, or stored content. */
#ifndef SNAPPY_FPGA_DECODE_H
#define SNAPPY_FPGA_DECODE_H

#include "decode.h"
#include "fpga_decoder.h"

typedef enum { ROW_STORED, ROW_ELEMENTS, ROW_REFUSED, ROW_APART } row_kind_t;

/* What becomes of a row. */
typedef struct {
  uint kind;    /* row_kind_t; one of the first two is for the core */
  uint at, end; /* of what the core takes */
  uint content; /* bytes that it has to make */
  int status;   /* of ROW_REFUSED */
} head_t;

INLINE head_t refused(int status) {
  head_t head = {ROW_REFUSED, 0, 0, 0, status};
  return head;
}

/* Content above the history may be copied from further back, so the writer makes it, apart. */
static head_t head_of(segment_t row, global const uchar *src) {
  uint content = 0, size = row.src_size;
  head_t stored = {ROW_STORED, 0, size, size, STATUS_OK};
  if (row.flags & SNAPPY_STORED)
    return size > row.dst_capacity ? refused(STATUS_DST_TOO_SMALL) : stored;
  uint preamble = read_preamble(src + row.src, size, &content);
  if (!preamble)
    return refused(preamble_status(size));
  if (content > row.dst_capacity)
    return refused(STATUS_DST_TOO_SMALL);
  uint kind = content > HISTORY_BYTES ? ROW_APART : ROW_ELEMENTS;
  head_t head = {kind, preamble, size, content, STATUS_OK};
  return head;
}

INLINE int is_for_core(head_t head) {
  return (head.kind == ROW_STORED) | (head.kind == ROW_ELEMENTS);
}

INLINE int end_of_elements(private const decoder_t *d) {
  return d->produced == d->capacity ? STATUS_OK : STATUS_TRUNCATED;
}

INLINE void start_elements(private decoder_t *d, head_t head) {
  start_decoder(d, head.content);
  d->at = 2 * WORD_BYTES;
  d->left = head.end - head.at;
  d->words = words_of(d->left);
  d->phase = head.kind == ROW_STORED ? LITERALS : FIELDS;
  d->run = d->left;
  d->status = d->left ? STATUS_RUNNING : end_of_elements(d);
}

/* Bytes behind a tag: of a literal's length, or of an offset. */
INLINE uint bytes_behind(uint tag) {
  uint kind = tag & 3, length = tag >> 2;
  uint of_length = length < TAG_LITERALS ? 0 : length - (TAG_LITERALS - 1);
  return kind == 0 ? of_length : kind == 3 ? 4 : kind;
}

INLINE uint bytes_from(private const decoder_t *d, uint count) {
  uint value = 0;
#pragma unroll
  for (uint i = 0; i < 4; i++)
    value |= i < count ? input_byte(d, 1 + i) << 8 * i : 0;
  return value;
}

INLINE int check_literals(private const decoder_t *d) {
  if (d->run > d->left)
    return STATUS_TRUNCATED;
  return d->run > d->capacity - d->produced ? STATUS_BAD_DATA : STATUS_OK;
}

INLINE int check_copy(private const decoder_t *d) {
  int reaches = (d->offset - 1 < d->produced) & (d->run <= d->capacity - d->produced);
  return reaches ? STATUS_OK : STATUS_BAD_DATA;
}

/* STATUS_OK: the run may be copied. */
INLINE int read_tag(private decoder_t *d) {
  uint tag = input_byte(d, 0), kind = tag & 3, length = tag >> 2, count = bytes_behind(tag);
  if (d->left <= count)
    return STATUS_TRUNCATED;
  uint value = bytes_from(d, count);
  consume(d, 1 + count);
  d->phase = kind ? MATCH : LITERALS;
  d->run = kind == 1 ? (length & 7) + MIN_MATCH : (kind == 0 && count ? value : length) + 1UL;
  d->offset = kind == 1 ? tag >> 5 << 8 | value : value;
  return kind ? check_copy(d) : check_literals(d);
}

/* One step: at most one tag and one copy. */
INLINE void step_elements(private decoder_t *d, local uchar *history) {
  int status = d->phase == FIELDS ? read_tag(d) : STATUS_OK;
  if (status != STATUS_OK) {
    d->status = status;
    return;
  }
  copy_run(d, history);
  if (!d->run)
    d->phase = FIELDS;
  d->status = d->run || d->left ? STATUS_RUNNING : end_of_elements(d);
}

/* The writer's last word on a row that the core took. */
static void end_content(private const writer_t *w, segment_t row, global result_t *result) {
  uint wanted = w->status == STATUS_OK ? row.flags & SNAPPY_CHECK : 0;
  put_result(result, w->size, w->status, wanted ? content_check(w->dst, w->size) : 0);
}

#endif
