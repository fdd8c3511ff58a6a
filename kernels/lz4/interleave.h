/* LZ4's records of several blocks at once. */
#ifndef LZ4_INTERLEAVE_H
#define LZ4_INTERLEAVE_H

#include "compress.h"

/* What is encoded here, with one extra length byte each at most; the rest by put_sequence. */
#define STEP_LITERALS 126u
#define STEP_LENGTH 269u /* 15 and 254, less MIN_MATCH */

/* Token, length byte, literals, offset and length byte: 131 bytes, rounded up. */
#define STEP_DST_MARGIN 144u

/* Faster here, and slower in Snappy: README.md has both. */
#define COMPARE_HALVES

#include "match_streams.h"

/* A block has nothing in front. */
static void start_row(private block_t *b, uint flags) {}

INLINE void put_records(private stream_t *s) {
  input_t anchor = s->block.anchor;
  output_t op = s->block.op, limit = s->dst_limit;
  uint count = s->count;
  s->count = 0;
  for (uint i = 0; s->block.fits && i < count; i++) {
    record_t r = s->records[i];
    input_t end = r.start + r.size;
    uint literals = (uint)(r.start - anchor), length = r.size - MIN_MATCH;
    if ((literals > STEP_LITERALS) | (length > STEP_LENGTH) | (op > limit)) {
      input_t pos = s->block.pos;
      s->block.anchor = anchor;
      s->block.op = op;
      put_sequence(&s->block, r.start, r.back, end);
      /* Where it does not fit, the next step ends the stream. */
      s->block.pos = s->block.fits ? pos : s->block.src_end;
      anchor = s->block.anchor;
      op = s->block.op;
      continue;
    }
    uint more_literals = literals > 14, more_length = length > 14;
    op[0] = (uchar)((literals | (0 - more_literals)) << 4 | ((length | (0 - more_length)) & 15));
    op[1] = (uchar)(literals - 15);
    output_t to = op + 1 + more_literals;
    copy_literals(to, anchor, literals);
    to += literals;
    store2(to, (uint)-r.back);
    to[2] = (uchar)(length - 15);
    to += 2 + more_length;
    op = to;
    anchor = end;
  }
  s->block.op = op;
  s->block.anchor = anchor;
}

#endif
