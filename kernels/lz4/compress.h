/* One block, sequence by sequence: the encoder of sequences of any size, and the end of a block. */
#ifndef LZ4_COMPRESS_H
#define LZ4_COMPRESS_H

#include "abi.h"
#include "bytes.h"
#include "params.h"
#include "xxh32.h"

#define MIN_MATCH 4u
/* The format wants the last 5 bytes to be literals and the last match to start 12 bytes before the
 * end or earlier. 13 here: a match of the 8 bytes that a probe compares still ends in time. */
#define LAST_LITERALS 5u
#define SEARCH_MARGIN 13u
#define MAX_SRC 0x7E000000u /* the format's limit for one block */

#include "match_finder.h"

INLINE uint length_bytes(uint length) { return length < 15 ? 0 : (length - 15) / 255 + 1; }

INLINE output_t put_length(output_t op, uint length) {
  if (length < 15)
    return op;
  for (length -= 15; length >= 255; length -= 255)
    *op++ = 255;
  *op++ = (uchar)length;
  return op;
}

APART void put_sequence(private block_t *b, input_t start, long back, input_t end) {
  uint literals = (uint)(start - b->anchor), length = (uint)(end - start) - MIN_MATCH;
  output_t op = b->op;
  ulong room = (ulong)(b->dst_end - op);
  if (3 + (ulong)length_bytes(literals) + literals + length_bytes(length) > room) {
    b->fits = 0;
    return;
  }
  *op++ = (uchar)(smaller(literals, 15) << 4 | smaller(length, 15));
  op = put_length(op, literals);
  if (literals <= 16 && room >= 64 && b->src_end - b->anchor >= 16)
    copy16(op, b->anchor);
  else
    copy_bytes(op, b->anchor, literals);
  op += literals;
  op[0] = (uchar)-back;
  op[1] = (uchar)(-back >> 8);
  b->op = put_length(op + 2, length);
  b->anchor = b->pos = end;
}

/* Encodes what is left. Returns the size of the block, 0 where it does not fit. */
static uint end_block(private block_t *b, private ushort *table) {
  if (b->src_end - b->src > SEARCH_MARGIN)
    while (b->fits && put_next(b, table, b->src_end - SEARCH_MARGIN))
      ;
  uint literals = (uint)(b->src_end - b->anchor);
  if (!b->fits || 1 + (ulong)length_bytes(literals) + literals > (ulong)(b->dst_end - b->op))
    return 0;
  output_t op = b->op;
  *op++ = (uchar)(smaller(literals, 15) << 4);
  op = put_length(op, literals);
  copy_bytes(op, b->anchor, literals);
  return (uint)(op + literals - b->dst);
}

static void end_row(private block_t *b, private ushort *table, uint flags,
                    global result_t *result) {
  uint size = end_block(b, table);
  uint check = size && (flags & LZ4_CHECK) ? xxh32(b->dst, size) : 0;
  int refused = b->src_end - b->src > MAX_SRC ? STATUS_BAD_PARAM : STATUS_DST_TOO_SMALL;
  put_result(result, size, size ? STATUS_OK : refused, check);
}

#endif
