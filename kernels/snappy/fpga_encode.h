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

typedef enum { PUT_TAG = NOTHING_PENDING + 1, PUT_LITERALS, PUT_COPIES } put_phase_t;

INLINE uint behind_literals(private const pending_t *p) {
  return p->length ? PUT_COPIES : NOTHING_PENDING;
}

INLINE void start_record(private encoder_t *e, private pending_t *p, record_t record) {
  uint literals = record & LONGEST, distance = (uint)(record >> 48);
  uint length = record >> 24 & LONGEST;
  uint copies = length ? copies_bytes(distance, length) : 0;
  e->fits = e->fits && literal_tag_bytes(literals) + literals + copies <= room_of(e);
  p->literals = literals;
  p->length = length;
  p->distance = distance;
  p->phase = !e->fits ? NOTHING_PENDING : literals ? PUT_TAG : behind_literals(p);
}

INLINE void add_tag(private encoder_t *e, uint literals) {
  uint less = literals - 1;
  e->bytes[e->fill] = (uchar)literal_tag(literals);
  e->bytes[e->fill + 1] = (uchar)less;
  e->bytes[e->fill + 2] = (uchar)(less >> 8);
  add(e, literal_tag_bytes(literals));
}

INLINE void add_copy(private encoder_t *e, uint distance, uint length) {
  uint copy = copy_of(distance, length);
  e->bytes[e->fill] = (uchar)copy;
  e->bytes[e->fill + 1] = (uchar)(copy >> 8);
  e->bytes[e->fill + 2] = (uchar)(copy >> 16);
  add(e, 3 - is_near(distance, length));
  e->literals += length;
}

/* A tag, up to 16 literals, or a copy. */
INLINE void step_record(private encoder_t *e, private pending_t *p) {
  if (p->phase == PUT_TAG) {
    add_tag(e, p->literals);
    p->phase = PUT_LITERALS;
  } else if (p->phase == PUT_LITERALS) {
    p->literals = add_some_literals(e, p->literals);
    p->phase = p->literals ? PUT_LITERALS : behind_literals(p);
  } else {
    uint part = copy_part(p->length);
    add_copy(e, p->distance, part);
    p->length -= part;
    p->phase = behind_literals(p);
  }
}

/* Of a row's content, whatever becomes of it. */
static uint row_check(segment_t row, global const uchar *src) {
  uint wanted = row.flags & SNAPPY_CHECK && !is_refused(row);
  return wanted ? content_check(src + row.src, row.src_size) : 0;
}

#endif
