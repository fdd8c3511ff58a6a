/* The writer of compressors: what a step adds is packed into 64-byte words. */
#ifndef FPGA_ACCEL_FPGA_ENCODER_H
#define FPGA_ACCEL_FPGA_ENCODER_H

#include "fpga_words.h"

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

/* What of a record is not yet in the output. */
typedef struct {
  uint phase; /* NOTHING_PENDING, or a format's */
  uint literals, length, distance;
  uint left; /* of a number that takes several steps */
} pending_t;

#define NOTHING_PENDING 0u

INLINE void start_encoder(private encoder_t *e, segment_t row, global const uchar *src,
                          global uchar *dst) {
  e->fill = e->stored = 0;
  e->capacity = row.dst_capacity;
  e->dst = dst + row.dst;
  e->literals = src + row.src;
  e->src_end = e->literals + row.src_size;
  e->fits = 1;
}

INLINE uint room_of(private const encoder_t *e) { return e->capacity - e->stored - e->fill; }

INLINE uint size_of(private const encoder_t *e) { return e->stored + e->fill; }

/* The step has put `count` bytes, at most 16, behind the filled ones. */
INLINE void add(private encoder_t *e, uint count) {
  e->fill += count;
  if (e->fill < WORD_BYTES)
    return;
#pragma unroll
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

/* The next literals, at most 16 of `count`; returns how many are left. */
INLINE uint add_some_literals(private encoder_t *e, uint count) {
  uint now = smaller(count, 16);
  if (e->src_end - e->literals >= 16) {
    take16(e->bytes + e->fill, e->literals);
  } else {
#pragma unroll
    for (uint i = 0; i < 16; i++)
      if (i < now)
        e->bytes[e->fill + i] = e->literals[i];
  }
  add(e, now);
  e->literals += now;
  return count - now;
}

/* Returns the row's status. A row whose content is `refused` was taken as empty. */
static int end_encoder(private const encoder_t *e, int refused) {
  if (refused)
    return STATUS_BAD_PARAM;
  if (!e->fits)
    return STATUS_DST_TOO_SMALL;
  for (uint i = 0; i < e->fill; i++)
    e->dst[e->stored + i] = e->bytes[i];
  return STATUS_OK;
}

#endif
