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

typedef enum {
  PUT_TOKEN = NOTHING_PENDING + 1,
  PUT_LITERAL_LENGTH,
  PUT_LITERALS,
  PUT_DISTANCE,
  PUT_MATCH_LENGTH
} put_phase_t;

INLINE uint behind_literals(private const pending_t *p) {
  return p->length ? PUT_DISTANCE : NOTHING_PENDING;
}

INLINE uint behind_token(private const pending_t *p) {
  uint long_run = p->literals >= 15;
  return long_run ? PUT_LITERAL_LENGTH : p->literals ? PUT_LITERALS : behind_literals(p);
}

INLINE void start_record(private encoder_t *e, private pending_t *p, record_t record) {
  uint literals = record & LONGEST, matched = record >> 24 & LONGEST;
  uint match = matched ? 2 + length_bytes(matched - MIN_MATCH) : 0;
  e->fits = e->fits && 1 + length_bytes(literals) + literals + match <= room_of(e);
  p->literals = literals;
  p->length = matched;
  p->distance = (uint)(record >> 48);
  p->phase = e->fits ? PUT_TOKEN : NOTHING_PENDING;
}

/* A byte of a length; true: it was the last one. */
INLINE int add_length_byte(private encoder_t *e, private pending_t *p) {
  uint byte = smaller(p->left, 255);
  add_byte(e, byte);
  p->left -= byte;
  return byte < 255;
}

INLINE void add_token(private encoder_t *e, private pending_t *p) {
  uint length = p->length ? p->length - MIN_MATCH : 0;
  add_byte(e, smaller(p->literals, 15) << 4 | smaller(length, 15));
  p->left = p->literals - 15;
  p->phase = behind_token(p);
}

INLINE void add_distance(private encoder_t *e, private pending_t *p) {
  uint length = p->length - MIN_MATCH;
  e->bytes[e->fill] = (uchar)p->distance;
  e->bytes[e->fill + 1] = (uchar)(p->distance >> 8);
  add(e, 2);
  e->literals += p->length;
  p->left = length - 15;
  p->phase = length < 15 ? NOTHING_PENDING : PUT_MATCH_LENGTH;
}

/* A token, a byte of a length, up to 16 literals, or a distance. */
INLINE void step_record(private encoder_t *e, private pending_t *p) {
  if (p->phase == PUT_TOKEN) {
    add_token(e, p);
  } else if (p->phase == PUT_LITERALS) {
    p->literals = add_some_literals(e, p->literals);
    p->phase = p->literals ? PUT_LITERALS : behind_literals(p);
  } else if (p->phase == PUT_DISTANCE) {
    add_distance(e, p);
  } else if (add_length_byte(e, p)) {
    p->phase = p->phase == PUT_LITERAL_LENGTH ? PUT_LITERALS : NOTHING_PENDING;
  }
}

/* Of a row's whole output. */
static uint payload_check(private const encoder_t *e, segment_t row) {
  return row.flags & LZ4_CHECK ? xxh32(e->dst, size_of(e)) : 0;
}

#endif
