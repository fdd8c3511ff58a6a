/* One block, match by match: the encoder of literals and copies of any size, and the end of a
 * block. */
#ifndef SNAPPY_COMPRESS_H
#define SNAPPY_COMPRESS_H

#include "abi.h"
#include "bytes.h"
#include "check.h"
#include "params.h"

#define MIN_MATCH 4u
/* The format does not say how a block ends. */
#define LAST_LITERALS 0u
/* A probe compares 8 bytes. */
#define SEARCH_MARGIN 8u
#define MAX_SRC SNAPPY_BLOCK

#include "match_finder.h"

/* Lengths of a tag of one byte, and of a copy; README.md has the elements. */
#define TAG_LITERALS 60u
#define COPY_LENGTH 64u
/* What a copy of two bytes can be. */
#define NEAR_LENGTH 11u
#define NEAR_DISTANCE 2047u

INLINE uint literal_tag_bytes(uint count) {
  return count == 0 ? 0 : count <= TAG_LITERALS ? 1 : count <= 256 ? 2 : 3;
}

/* The first byte of the tag; behind it is count - 1 where that is not in it. */
INLINE uint literal_tag(uint count) {
  uint bytes = literal_tag_bytes(count);
  return (bytes == 1 ? count - 1 : TAG_LITERALS + bytes - 2) << 2;
}

/* At most SNAPPY_BLOCK literals, with their tag. */
static output_t put_literals(output_t op, input_t from, uint count) {
  uint tag_bytes = literal_tag_bytes(count), less = count - 1;
  if (!count)
    return op;
  op[0] = (uchar)literal_tag(count);
  for (uint i = 1; i < tag_bytes; i++)
    op[i] = (uchar)(less >> 8 * (i - 1));
  copy_bytes(op + tag_bytes, from, count);
  return op + tag_bytes + count;
}

INLINE int is_near(uint distance, uint length) {
  return (length <= NEAR_LENGTH) & (distance <= NEAR_DISTANCE);
}

/* The bytes of one copy, of 4 to 64 bytes: two where it is near, else three. */
INLINE uint copy_of(uint distance, uint length) {
  uint near = 1 | (length - MIN_MATCH) << 2 | distance >> 8 << 5 | (distance & 255) << 8;
  uint far = 2 | (length - 1) << 2 | distance << 8;
  return is_near(distance, length) ? near : far;
}

/* A long match is copies of 64, the last but one shorter where less than 4 would be left. */
INLINE uint whole_copies(uint length) { return (length - MIN_MATCH) / COPY_LENGTH; }

/* The same, copy by copy: the length of the first. */
INLINE uint copy_part(uint length) {
  uint most = length < COPY_LENGTH + MIN_MATCH ? COPY_LENGTH - MIN_MATCH : COPY_LENGTH;
  return length > COPY_LENGTH ? most : length;
}

static uint copies_bytes(uint distance, uint length) {
  uint left = length - whole_copies(length) * COPY_LENGTH;
  uint two = left > COPY_LENGTH;
  left -= two * (COPY_LENGTH - MIN_MATCH);
  return 3 * (whole_copies(length) + two) + 3 - is_near(distance, left);
}

static output_t put_far(output_t op, uint distance, uint length) {
  store2(op, copy_of(distance, length));
  op[2] = (uchar)(distance >> 8);
  return op + 3;
}

static output_t put_copies(output_t op, uint distance, uint length) {
  for (uint i = whole_copies(length); i; i--, length -= COPY_LENGTH)
    op = put_far(op, distance, COPY_LENGTH);
  if (length > COPY_LENGTH) {
    op = put_far(op, distance, COPY_LENGTH - MIN_MATCH);
    length -= COPY_LENGTH - MIN_MATCH;
  }
  if (!is_near(distance, length))
    return put_far(op, distance, length);
  store2(op, copy_of(distance, length));
  return op + 2;
}

APART void put_sequence(private block_t *b, input_t start, long back, input_t end) {
  uint literals = (uint)(start - b->anchor), length = (uint)(end - start), distance = (uint)-back;
  if (literal_tag_bytes(literals) + literals + copies_bytes(distance, length) >
      (ulong)(b->dst_end - b->op)) {
    b->fits = 0;
    return;
  }
  b->op = put_copies(put_literals(b->op, b->anchor, literals), distance, length);
  b->anchor = b->pos = end;
}

/* The size of at most SNAPPY_BLOCK bytes, in front of the elements. */
INLINE uint preamble_bytes(uint size) { return 1 + (size > 0x7F) + (size > 0x3FFF); }

INLINE uint preamble_byte(uint size, uint i, uint bytes) {
  return (size >> 7 * i & 0x7F) | (i + 1 < bytes) << 7;
}

static void start_row(private block_t *b, uint flags) {
  uint size = (uint)(b->src_end - b->src);
  uint bytes = flags & SNAPPY_PREAMBLE ? preamble_bytes(size) : 0;
  if (bytes > b->dst_end - b->op) {
    b->fits = 0;
    return;
  }
  for (uint i = 0; i < bytes; i++)
    *b->op++ = (uchar)preamble_byte(size, i, bytes);
}

/* Encodes what is left. */
static void end_block(private block_t *b, private ushort *table) {
  if (b->src_end - b->src > SEARCH_MARGIN)
    while (b->fits && put_next(b, table, b->src_end - SEARCH_MARGIN))
      ;
  uint literals = (uint)(b->src_end - b->anchor);
  if (b->fits && literal_tag_bytes(literals) + literals <= b->dst_end - b->op)
    b->op = put_literals(b->op, b->anchor, literals);
  else
    b->fits = 0;
}

static void end_row(private block_t *b, private ushort *table, uint flags,
                    global result_t *result) {
  uint size = (uint)(b->src_end - b->src);
  if (size > MAX_SRC) {
    put_result(result, 0, STATUS_BAD_PARAM, 0);
    return;
  }
  end_block(b, table);
  uint check = flags & SNAPPY_CHECK ? content_check(b->src, size) : 0;
  put_result(result, (uint)(b->op - b->dst), b->fits ? STATUS_OK : STATUS_DST_TOO_SMALL, check);
}

#endif
