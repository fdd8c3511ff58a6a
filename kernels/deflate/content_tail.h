/* What the counters and writers of a block's content have in common. */
#ifndef DEFLATE_CONTENT_TAIL_H
#define DEFLATE_CONTENT_TAIL_H

#include "blocks.h"

static void start_counts(TABLES coder_t *c) {
  for (uint i = 0; i < LITERAL_SYMBOLS; i++)
    c->literal_counts[i] = 0;
  for (uint i = 0; i < DISTANCE_SYMBOLS; i++)
    c->distance_counts[i] = 0;
  for (uint i = 0; i <= MAX_LENGTH - MIN_LENGTH; i++)
    c->match_counts[i] = 0;
}

INLINE void count_literals(TABLES coder_t *c, input_t at, input_t end) {
  for (; at < end; at++)
    c->literal_counts[*at]++;
}

static void end_counts(TABLES coder_t *c) {
  for (uint i = 0; i <= MAX_LENGTH - MIN_LENGTH; i++)
    c->literal_counts[length_symbol(i)] += c->match_counts[i];
  c->literal_counts[END_OF_BLOCK] = 1;
}

/* Three times 14 bits and 7 that wait leave room for one more code. */
INLINE output_t put_literals(output_t op, private ulong *bits, private uint *count,
                             TABLES const uint *codes, input_t at, uint size) {
  for (; size >= 4; size -= 4, at += 4) {
    uint four = load4(at);
    add_code(bits, count, codes[four & 255]);
    add_code(bits, count, codes[four >> 8 & 255]);
    add_code(bits, count, codes[four >> 16 & 255]);
    add_code(bits, count, codes[four >> 24]);
    op = flush(op, bits, count);
  }
  for (uint i = 0; i < size; i++)
    add_code(bits, count, codes[at[i]]);
  return flush(op, bits, count);
}

static void end_content(TABLES coder_t *c, private writer_t *w) {
  add_code(&w->bits, &w->bit_count, c->literal_codes[END_OF_BLOCK]);
  w->op = flush(w->op, &w->bits, &w->bit_count);
}

#endif
