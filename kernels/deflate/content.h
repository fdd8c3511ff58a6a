/* What a block's content is counted and written by, a sequence at a time. */
#ifndef DEFLATE_CONTENT_H
#define DEFLATE_CONTENT_H

#include "content_tail.h"

APART void count_symbols(TABLES coder_t *c, private const writer_t *w,
                         TABLES const sequence_t *sequences, input_t cut) {
  start_counts(c);
  input_t at = w->begin;
  for (uint i = 0; i < w->count; i++) {
    sequence_t s = sequences[i];
    count_literals(c, at, at + s.literals);
    c->match_counts[s.length - MIN_LENGTH]++;
    c->distance_counts[distance_symbol(s.distance)]++;
    at += s.literals + s.length;
  }
  count_literals(c, at, cut);
  end_counts(c);
}

APART void put_coded(TABLES coder_t *c, private writer_t *w, TABLES const sequence_t *sequences,
                     input_t cut) {
  output_t op = w->op;
  ulong bits = w->bits;
  uint count = w->bit_count;
  input_t at = w->begin;
  for (uint i = 0; i < w->count; i++) {
    sequence_t s = sequences[i];
    op = put_literals(op, &bits, &count, c->literal_codes, at, s.literals);
    at += s.literals + s.length;
    add_code(&bits, &count, c->match_codes[s.length - MIN_LENGTH]);
    uint extra = distance_extra(s.distance);
    add_code(&bits, &count, c->distance_codes[2 * extra + (s.distance >> extra)]);
    bits |= (ulong)(s.distance & ((1u << extra) - 1)) << count;
    count += extra;
    op = flush(op, &bits, &count);
  }
  w->op = put_literals(op, &bits, &count, c->literal_codes, at, (uint)(cut - at));
  w->bits = bits;
  w->bit_count = count;
  end_content(c, w);
}

#endif
