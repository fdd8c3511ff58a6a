/* Effort 1: the first match is taken, from a table with one candidate for each hash. */
#ifndef DEFLATE_GREEDY_H
#define DEFLATE_GREEDY_H

/* Entries of 16 bits: 32 KiB. README.md has the ratios of others. */
#define HASH_BITS 14

#include "blocks.h"
#include "hash.h"

#define HASH_FACTOR FACTOR_OF(6)
#define HASH_SHIFT SHIFT_OF(HASH_BITS)
/* A match of 3 bytes is seldom shorter than its literals. */
#define MIN_FOUND 4u
/* What a probe reads, and a match of 4 behind it. */
#define SEARCH_MARGIN 16u
/* The search steps one byte wider for every 64 bytes without a match. */
#define SKIP_SHIFT 6
/* Of the history, every second position is enough. */
#define HISTORY_STRIDE 2

/* An entry is the low 16 bits of an address before `at`. Returns a distance less 1, which is right
 * for whatever is in the window; for an older entry it is a guess. Either way it is less than the
 * distance to the entry's position or equal, so it stays in the row, and bytes are compared. */
INLINE uint distance_of(ushort entry, input_t at) {
  return ((uint)(ulong)at - entry - 1) & (DEFLATE_HISTORY - 1);
}

static input_t match_end(input_t at, ulong distance, input_t limit) {
  for (; limit - at >= 8; at += 8) {
    ulong diff = load8(at) ^ load8(at - distance);
    if (diff)
      return at + low_zero_bytes(diff);
  }
  while (at < limit && *at == at[-(long)distance])
    at++;
  return at;
}

INLINE input_t end_of_longest(input_t start, input_t end) {
  return end - start < MAX_LENGTH ? end : start + MAX_LENGTH;
}

/* A table that knows the history, and a first position that has something before it. */
static input_t start_table(TABLES ushort *table, segment_t row, global const uchar *src) {
  input_t first = src + row.src, content = first + row.param;
  for (uint i = 0; i < 1u << HASH_BITS; i++)
    table[i] = (ushort)(ulong)first;
  for (input_t at = first; at + 8 <= content; at += HISTORY_STRIDE)
    table[slot_of(load8(at), HASH_FACTOR, HASH_SHIFT)] = (ushort)(ulong)at;
  return row.param ? content : content + 1;
}

INLINE void add_sequence(private writer_t *w, TABLES sequence_t *sequences, input_t start,
                         input_t end, uint distance) {
  sequence_t s = {(uint)(start - w->anchor), (ushort)(end - start), (ushort)distance};
  sequences[w->count] = s;
  w->count++;
  w->anchor = end;
}

/* Searches from pos on, up to `last` or until there are `most` sequences. Returns the next
 * position. */
static input_t search_greedily(private writer_t *w, TABLES ushort *table,
                               TABLES sequence_t *sequences, input_t pos, input_t last, uint most) {
  while (pos <= last && w->count < most) {
    ulong x = load8(pos);
    uint slot = slot_of(x, HASH_FACTOR, HASH_SHIFT);
    uint distance = distance_of(table[slot], pos);
    table[slot] = (ushort)(ulong)pos;
    input_t candidate = pos - distance - 1;
    ulong diff = x ^ load8(candidate);
    if ((uint)diff) {
      pos += 1 + ((ulong)(pos - w->anchor) >> SKIP_SHIFT);
      continue;
    }
    input_t end = diff ? pos + low_zero_bytes(diff)
                       : match_end(pos + 8, distance + 1UL, end_of_longest(pos, w->end));
    add_sequence(w, sequences, pos, end, distance);
    if (end <= last) {
      table[slot_of(load8(pos + 1), HASH_FACTOR, HASH_SHIFT)] = (ushort)(ulong)(pos + 1);
      table[slot_of(load8(end - 2), HASH_FACTOR, HASH_SHIFT)] = (ushort)(ulong)(end - 2);
    }
    pos = end;
  }
  return pos;
}

static input_t block_stop(private const writer_t *w) {
  return w->end - w->begin > MOST_CONTENT ? w->begin + MOST_CONTENT : w->end;
}

/* The last position where a match of the block may start; before it where none may. */
static input_t last_start(private const writer_t *w) {
  input_t stop = block_stop(w);
  return stop - w->begin > SEARCH_MARGIN ? stop - SEARCH_MARGIN : w->begin - 1;
}

/* Writes the block whose search came to `pos`. Returns where the next one goes on. */
static input_t put_found(private writer_t *w, TABLES coder_t *c, TABLES sequence_t *sequences,
                         input_t pos, uint flags) {
  input_t stop = block_stop(w);
  input_t cut = w->count == MOST_SEQUENCES || w->anchor > stop ? w->anchor : stop;
  put_block(c, w, sequences, cut, cut == w->end && flags & DEFLATE_FINAL ? 1 : 0);
  return pos > cut ? pos : cut;
}

static void compress_greedily(private writer_t *w, TABLES coder_t *c, TABLES sequence_t *sequences,
                              TABLES ushort *table, segment_t row, global const uchar *src) {
  input_t pos = start_table(table, row, src);
  while (w->fits && w->begin < w->end) {
    pos = search_greedily(w, table, sequences, pos, last_start(w), MOST_SEQUENCES);
    pos = put_found(w, c, sequences, pos, row.flags);
  }
}

#endif
