/* The compressor's writer: sequences from records, packed into 64-byte words. */
#ifndef LZ4_FPGA_ENCODE_H
#define LZ4_FPGA_ENCODE_H

#include "fpga_match.h"

typedef struct {
  /* The word that is being filled, and room behind it for what one step adds. */
  uchar bytes[2 * WORD_BYTES];
  uint fill;
  uint stored; /* bytes in memory */
  uint capacity;
  output_t dst;
  input_t literals; /* next literal */
  input_t src_end;
  int fits;
} encoder_t;

INLINE void start_encoder(private encoder_t *e, segment_t row, global const uchar *src,
                          global uchar *dst) {
  e->fill = e->stored = 0;
  e->capacity = row.dst_capacity;
  e->dst = dst + row.dst;
  e->literals = src + row.src;
  e->src_end = e->literals + row.src_size;
  e->fits = 1;
}

/* The step has put `count` bytes, at most 16, behind the filled ones. */
INLINE void add(private encoder_t *e, uint count) {
  e->fill += count;
  if (e->fill < WORD_BYTES)
    return;
  for (uint i = 0; i < WORD_BYTES / 16; i++)
    give16(e->dst + e->stored + 16 * i, e->bytes + 16 * i);
  e->stored += WORD_BYTES;
  e->fill -= WORD_BYTES;
#pragma unroll
  for (uint i = 0; i < 16; i++)
    e->bytes[i] = e->bytes[WORD_BYTES + i];
}

INLINE void add_byte(private encoder_t *e, uint byte) {
  e->bytes[e->fill] = (uchar)byte;
  add(e, 1);
}

INLINE void add_length(private encoder_t *e, uint length) {
  if (length < 15)
    return;
  for (length -= 15; length >= 255; length -= 255)
    add_byte(e, 255);
  add_byte(e, length);
}

INLINE void add_literals(private encoder_t *e, uint count) {
  while (count) {
    uint now = smaller(count, 16);
    if (e->src_end - e->literals >= 16) {
      take16(e->bytes + e->fill, e->literals);
    } else {
      for (uint i = 0; i < now; i++)
        e->bytes[e->fill + i] = e->literals[i];
    }
    add(e, now);
    e->literals += now;
    count -= now;
  }
}

INLINE void add_record(private encoder_t *e, record_t record) {
  uint literals = record & MAX_ROW, distance = (uint)(record >> 48);
  uint matched = record >> 24 & MAX_ROW, length = matched ? matched - MIN_MATCH : 0;
  uint size = 1 + length_bytes(literals) + literals + (matched ? 2 + length_bytes(length) : 0);
  if (!e->fits || size > e->capacity - e->stored - e->fill) {
    e->fits = 0;
    return;
  }
  add_byte(e, smaller(literals, 15) << 4 | smaller(length, 15));
  add_length(e, literals);
  add_literals(e, literals);
  if (!matched)
    return;
  e->bytes[e->fill] = (uchar)distance;
  e->bytes[e->fill + 1] = (uchar)(distance >> 8);
  add(e, 2);
  add_length(e, length);
  e->literals += matched;
}

INLINE void add_batch(private encoder_t *e, private const batch_t *batch) {
  for (uint i = 0; i < batch->count; i++)
    add_record(e, batch->record[i]);
}

static void end_encoder(private encoder_t *e, segment_t row, global result_t *result) {
  uint size = e->stored + e->fill;
  if (row.src_size > MAX_ROW) {
    put_result(result, 0, STATUS_BAD_PARAM, 0);
    return;
  }
  if (!e->fits) {
    put_result(result, 0, STATUS_DST_TOO_SMALL, 0);
    return;
  }
  for (uint i = 0; i < e->fill; i++)
    e->dst[e->stored + i] = e->bytes[i];
  put_result(result, size, STATUS_OK, row.flags & LZ4_CHECK ? xxh32(e->dst, size) : 0);
}

#endif
