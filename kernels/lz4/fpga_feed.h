/* The decompressor's reader: what of a row is stored, what is compressed, and in which order. */
#ifndef LZ4_FPGA_FEED_H
#define LZ4_FPGA_FEED_H

#include "fpga_words.h"
#include "params.h"
#include "xxh32.h"

#define MAX_HISTORY 65536u

typedef enum { FEED_STORED, FEED_COMPRESSED, FEED_END } feed_kind_t;

/* Tells of a block, whose words follow, or of the row's end. */
typedef struct {
  uint kind; /* feed_kind_t */
  uint size;
  int status; /* of FEED_END */
} head_t;

typedef struct {
  input_t src;
  uint size, flags, history;
  uint at, end; /* of the block's words */
  uint next;    /* where the next header is; linked blocks only */
  int begun;
} feed_t;

INLINE void start_feed(private feed_t *f, segment_t row, global const uchar *src) {
  f->src = src + row.src;
  f->size = row.src_size;
  f->flags = row.flags;
  f->history = row.param;
  f->at = f->end = f->next = 0;
  f->begun = 0;
}

INLINE head_t end_of_feed(int status) {
  head_t head = {FEED_END, 0, status};
  return head;
}

INLINE head_t block_of_feed(private feed_t *f, uint kind, uint at, uint size) {
  f->at = at;
  f->end = f->next = at + size;
  head_t head = {kind, size, STATUS_OK};
  return head;
}

static head_t history_head(private feed_t *f) {
  if (f->history > MAX_HISTORY || f->history > f->size)
    return end_of_feed(STATUS_BAD_PARAM);
  return block_of_feed(f, FEED_STORED, 0, f->history);
}

static head_t linked_head(private feed_t *f) {
  uint at = f->next, check_bytes = f->flags & LZ4_LINKED_CHECK ? 4 : 0;
  if (at == f->size)
    return end_of_feed(STATUS_OK);
  if (f->size - at < 4)
    return end_of_feed(STATUS_TRUNCATED);
  uint header = load4(f->src + at);
  at += 4;
  if (!header)
    return end_of_feed(at == f->size ? STATUS_OK : STATUS_BAD_DATA);
  uint size = header & 0x7FFFFFFF;
  if (size > f->size - at || f->size - at - size < check_bytes)
    return end_of_feed(STATUS_TRUNCATED);
  if (check_bytes && xxh32(f->src + at, size) != load4(f->src + at + size))
    return end_of_feed(STATUS_BAD_CHECKSUM);
  head_t head = block_of_feed(f, header >> 31 ? FEED_STORED : FEED_COMPRESSED, at, size);
  f->next += check_bytes;
  return head;
}

INLINE head_t next_head(private feed_t *f) {
  int first = !f->begun;
  f->begun = 1;
  if (f->flags & LZ4_LINKED)
    return first ? history_head(f) : linked_head(f);
  if (!first)
    return end_of_feed(STATUS_OK);
  return block_of_feed(f, f->flags & LZ4_STORED ? FEED_STORED : FEED_COMPRESSED, 0, f->size);
}

INLINE word_t next_word(private feed_t *f) {
  uint size = smaller(f->end - f->at, WORD_BYTES);
  word_t word = load_word(f->src + f->at, size);
  f->at += size;
  return word;
}

#endif
