/* Snappy's elements from records. */
#ifndef SNAPPY_FPGA_ENCODE_H
#define SNAPPY_FPGA_ENCODE_H

#include "compress.h"

/* README.md has the ratios of others. */
#define KEY_BYTES 5
#define WAYS 2u
#define MATCH_MARGIN MIN_MATCH

#include "fpga_encoder.h"
#include "fpga_match.h"

INLINE int is_refused(segment_t row) { return row.src_size > SNAPPY_BLOCK; }

INLINE task_t task_of(segment_t row) {
  task_t task = {is_refused(row) ? 0 : row.src_size, 0, row.param};
  return task;
}

#define COMPRESS(stage) snappy_compress##stage

INLINE void start_output(private encoder_t *e, segment_t row) {
  uint size = row.src_size, bytes = row.flags & SNAPPY_PREAMBLE ? preamble_bytes(size) : 0;
  e->fits = bytes <= room_of(e);
  if (!e->fits)
    return;
#pragma unroll
  for (uint i = 0; i < 3; i++)
    e->bytes[i] = (uchar)preamble_byte(size, i, bytes);
  add(e, bytes);
}

INLINE void add_tag(private encoder_t *e, uint literals) {
  uint less = literals - 1;
  e->bytes[e->fill] = (uchar)literal_tag(literals);
  e->bytes[e->fill + 1] = (uchar)less;
  e->bytes[e->fill + 2] = (uchar)(less >> 8);
  add(e, literal_tag_bytes(literals));
}

/* A copy a step. */
INLINE void add_copies(private encoder_t *e, uint distance, uint length) {
  while (length) {
    uint part = copy_part(length), copy = copy_of(distance, part);
    e->bytes[e->fill] = (uchar)copy;
    e->bytes[e->fill + 1] = (uchar)(copy >> 8);
    e->bytes[e->fill + 2] = (uchar)(copy >> 16);
    add(e, 3 - is_near(distance, part));
    length -= part;
  }
}

INLINE void add_record(private encoder_t *e, record_t record) {
  uint literals = record & LONGEST, distance = (uint)(record >> 48);
  uint length = record >> 24 & LONGEST;
  uint size =
      literal_tag_bytes(literals) + literals + (length ? copies_bytes(distance, length) : 0);
  if (!e->fits || size > room_of(e)) {
    e->fits = 0;
    return;
  }
  add_tag(e, literals);
  add_literals(e, literals);
  add_copies(e, distance, length);
  e->literals += length;
}

/* Of a row's content, whatever becomes of it. */
static uint row_check(segment_t row, global const uchar *src) {
  uint wanted = row.flags & SNAPPY_CHECK && !is_refused(row);
  return wanted ? content_check(src + row.src, row.src_size) : 0;
}

#endif
