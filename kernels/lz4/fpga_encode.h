/* LZ4 sequences from records. */
#ifndef LZ4_FPGA_ENCODE_H
#define LZ4_FPGA_ENCODE_H

#include "compress.h"

/* README.md has the ratio for 5. */
#define KEY_BYTES 6
/* The format's own; a match of entries need not end as early as a probe's. */
#define MATCH_MARGIN 12u

#include "fpga_encoder.h"
#include "fpga_match.h"

/* The largest block of a frame is 4 MiB. */
INLINE int is_refused(segment_t row) { return row.src_size > LONGEST; }

INLINE task_t task_of(segment_t row) {
  task_t task = {is_refused(row) ? 0 : row.src_size, 0, row.param};
  return task;
}

#define COMPRESS(stage) lz4_compress##stage
#define ROW_CHECK(encoder, row, status) ((status) == STATUS_OK ? payload_check(&(encoder), row) : 0)

INLINE void start_output(private encoder_t *e, segment_t row) {}

INLINE void add_length(private encoder_t *e, uint length) {
  if (length < 15)
    return;
  for (length -= 15; length >= 255; length -= 255)
    add_byte(e, 255);
  add_byte(e, length);
}

INLINE void add_record(private encoder_t *e, record_t record) {
  uint literals = record & LONGEST, distance = (uint)(record >> 48);
  uint matched = record >> 24 & LONGEST, length = matched ? matched - MIN_MATCH : 0;
  uint size = 1 + length_bytes(literals) + literals + (matched ? 2 + length_bytes(length) : 0);
  if (!e->fits || size > room_of(e)) {
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

/* Of a row's whole output. */
static uint payload_check(private const encoder_t *e, segment_t row) {
  return row.flags & LZ4_CHECK ? xxh32(e->dst, size_of(e)) : 0;
}

#endif
