/* What a block's content is counted and written by, on x86-64 CPUs: with few branches that depend
 * on how many literals there are before a match. The bytes are those of content.h. */
#ifndef DEFLATE_X86_CONTENT_H
#define DEFLATE_X86_CONTENT_H

#include "content_tail.h"

/* Literals are gathered before they are counted, so many at a time. */
#define GATHERED 4096u
#define COPIED 16u
/* A count waits for the one before in the same place, so neighbours count in different ones. */
#define TALLIES 4u

typedef struct {
  uint counts[TALLIES][256];
  uchar literals[GATHERED + 2 * COPIED];
  uint size;
} tally_t;

INLINE void count_gathered(private tally_t *t) {
  uint at = 0;
  for (; t->size - at >= TALLIES; at += TALLIES)
    for (uint k = 0; k < TALLIES; k++)
      t->counts[k][t->literals[at + k]]++;
  for (; at < t->size; at++)
    t->counts[0][t->literals[at]]++;
  t->size = 0;
}

/* Gathers literals that lie in the row with COPIED bytes behind them. */
INLINE void gather(private tally_t *t, input_t from, uint size) {
  for (;;) {
    *(private unaligned16_t *)(t->literals + t->size) = *(global const unaligned16_t *)from;
    uint part = smaller(size, COPIED);
    t->size += part;
    if (t->size >= GATHERED)
      count_gathered(t);
    if (size <= COPIED)
      return;
    from += COPIED;
    size -= COPIED;
  }
}

APART void count_symbols(TABLES coder_t *c, private const writer_t *w,
                         TABLES const sequence_t *sequences, input_t cut) {
  tally_t t;
  t.size = 0;
  for (uint k = 0; k < TALLIES; k++)
    for (uint i = 0; i < 256; i++)
      t.counts[k][i] = 0;
  start_counts(c);
  input_t at = w->begin;
  for (uint i = 0; i < w->count; i++) {
    sequence_t s = sequences[i];
    c->match_counts[s.length - MIN_LENGTH]++;
    c->distance_counts[distance_symbol(s.distance)]++;
    if (w->end - at >= s.literals + COPIED)
      gather(&t, at, s.literals);
    else
      count_literals(c, at, at + s.literals);
    at += s.literals + s.length;
  }
  count_literals(c, at, cut);
  count_gathered(&t);
  for (uint i = 0; i < 256; i++)
    c->literal_counts[i] += t.counts[0][i] + t.counts[1][i] + t.counts[2][i] + t.counts[3][i];
  end_counts(c);
}

/* The codes of up to four literals. Where the output goes on plays no part yet, so the work on
 * several sequences overlaps. Reads four bytes: behind literals is a match of MIN_FOUND or more. */
INLINE piece_t first_literals(TABLES const uint *codes, input_t at, uint wanted) {
  /* Only the low bytes are lengths; the sums of no more than 56 stay in them. */
  uint sums[5] = {0}, sum = 0;
  ulong bits = 0;
#pragma unroll
  for (uint i = 0; i < 4; i++) {
    uint code = codes[at[i]];
    bits |= (ulong)(code >> CODE_SHIFT) << (sum & 63);
    sums[i + 1] = sum += code;
  }
  piece_t piece;
  piece.count = sums[smaller(wanted, 4)] & CODE_LENGTH;
  piece.bits = bits & ((1UL << piece.count) - 1);
  return piece;
}

INLINE piece_t match_piece(TABLES const coder_t *c, sequence_t s) {
  uint length = c->match_codes[s.length - MIN_LENGTH], extra = distance_extra(s.distance);
  uint distance = c->distance_codes[2 * extra + (s.distance >> extra)];
  ulong more = s.distance & ((1u << extra) - 1);
  piece_t piece;
  piece.bits = (more << (distance & CODE_LENGTH) | distance >> CODE_SHIFT)
                   << (length & CODE_LENGTH) |
               length >> CODE_SHIFT;
  piece.count = (length & CODE_LENGTH) + (distance & CODE_LENGTH) + extra;
  return piece;
}

INLINE void add_piece(private ulong *bits, private uint *count, piece_t piece) {
  *bits |= piece.bits << *count;
  *count += piece.count;
}

APART void put_coded(TABLES coder_t *c, private writer_t *w, TABLES const sequence_t *sequences,
                     input_t cut) {
  output_t op = w->op;
  ulong bits = w->bits;
  uint count = w->bit_count;
  input_t at = w->begin;
  for (uint i = 0; i < w->count; i++) {
    sequence_t s = sequences[i];
    input_t from = at;
    for (uint left = s.literals;; left -= 4, from += 4) {
      add_piece(&bits, &count, first_literals(c->literal_codes, from, left));
      op = flush(op, &bits, &count);
      if (left <= 4)
        break;
    }
    add_piece(&bits, &count, match_piece(c, s));
    op = flush(op, &bits, &count);
    at += s.literals + s.length;
  }
  w->op = put_literals(op, &bits, &count, c->literal_codes, at, (uint)(cut - at));
  w->bits = bits;
  w->bit_count = count;
  end_content(c, w);
}

#endif
