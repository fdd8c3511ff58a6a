/* Snappy's elements from the records of several blocks at once. */
#ifndef SNAPPY_INTERLEAVE_H
#define SNAPPY_INTERLEAVE_H

#include "compress.h"

/* What is encoded here: literals with a tag of one byte, and one copy; the rest by put_sequence. */
#define STEP_LITERALS TAG_LITERALS

/* Tag, literals, and four bytes for a copy, rounded up. */
#define STEP_DST_MARGIN 80u

#include "match_streams.h"

INLINE void put_records(private stream_t *s) {
  input_t anchor = s->block.anchor;
  output_t op = s->block.op, limit = s->dst_limit;
  uint count = s->count;
  s->count = 0;
  for (uint i = 0; s->block.fits && i < count; i++) {
    record_t r = s->records[i];
    input_t end = r.start + r.size;
    uint literals = (uint)(r.start - anchor), distance = (uint)-r.back;
    if ((literals > STEP_LITERALS) | (r.size > COPY_LENGTH) | (op > limit)) {
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
    op[0] = (uchar)((literals - 1) << 2);
    output_t to = op + (literals != 0);
    copy_literals(to, anchor, literals);
    to += literals;
    store4(to, copy_of(distance, r.size));
    to += 3 - is_near(distance, r.size);
    op = to;
    anchor = end;
  }
  s->block.op = op;
  s->block.anchor = anchor;
}

#endif
