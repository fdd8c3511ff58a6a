/* The search for matches: what a block becomes in sequences. */
#ifndef ZSTD_SEARCH_H
#define ZSTD_SEARCH_H

#include "sequences.h"

#define MIN_MATCH 4u
#define HASH_BITS 14
#define HASH_BYTES 6
#define HASH_FACTOR 0x9E3779B185EBCA87UL /* odd, near 2^64 divided by the golden ratio */
/* A search reads 8 bytes at its position and at the next. */
#define SEARCH_MARGIN 9u
/* The search steps one byte wider for every 128 bytes without a match. */
#define SKIP_SHIFT 7
/* Of the history, every eighth position is enough. */
#define HISTORY_STRIDE 8u

/* The content of rows, seen as one text: `origin + index`. Entries of earlier rows are below `low`,
 * and so count as the row's start, where tables that are new would point. */
typedef struct {
  input_t origin;
  uint low, end;    /* of the row, history included */
  uint distance[2]; /* of the last match and of the one before, 0: none yet */
  STORE uint *table;
} search_t;

INLINE uint slot_of(ulong x) {
  return (uint)(((x << (64 - 8 * HASH_BYTES)) * HASH_FACTOR) >> (64 - HASH_BITS));
}

INLINE uint larger(uint a, uint b) { return a > b ? a : b; }

static uint match_end(input_t origin, uint at, uint distance, uint limit) {
  for (; limit - at >= 8; at += 8) {
    ulong diff = load8(origin + at) ^ load8(origin + at - distance);
    if (diff)
      return at + low_zero_bytes(diff);
  }
  while (at < limit && origin[at] == origin[at - distance])
    at++;
  return at;
}

INLINE void add_sequence(STORE sequences_t *q, uint literals, uint match, uint distance) {
  STORE sequence_t *s = q->list + q->count++;
  s->literals = (ushort)literals;
  s->match = (ushort)(match - MATCH_BASE);
  s->offset = distance;
}

/* Enters the history before a row. */
static void add_history(private search_t *w, uint size) {
  for (uint i = 0; i + 8 <= size; i += HISTORY_STRIDE)
    w->table[slot_of(load8(w->origin + w->low + i))] = w->low + i;
}

/* Fills the list with the block [start, end); literals behind the last match are the rest. */
APART void find_sequences(private search_t *w, STORE sequences_t *q, uint start, uint end) {
  input_t origin = w->origin;
  STORE uint *table = w->table;
  uint low = w->low, d0 = w->distance[0], d1 = w->distance[1];
  uint anchor = start, pos = larger(start, low + 1);
  q->count = 0;
  while (end >= SEARCH_MARGIN && pos <= end - SEARCH_MARGIN) {
    ulong x = load8(origin + pos);
    uint slot = slot_of(x), found = larger(table[slot], low), from, to;
    table[slot] = pos;
    if (d0 && load4(origin + pos + 1 - d0) == (uint)(x >> 8)) {
      from = pos + 1;
      to = match_end(origin, from + 4, d0, end);
    } else if (load4(origin + found) == (uint)x) {
      uint distance = pos - found;
      from = pos;
      to = match_end(origin, pos + 4, distance, end);
      while (from > anchor && from - distance > low &&
             origin[from - 1] == origin[from - 1 - distance])
        from--;
      d1 = d0;
      d0 = distance;
    } else {
      pos += 1 + ((pos - anchor) >> SKIP_SHIFT);
      continue;
    }
    add_sequence(q, from - anchor, to - from, d0);
    anchor = to;
    if (to > end - SEARCH_MARGIN)
      break;
    table[slot_of(load8(origin + pos + 2))] = pos + 2;
    table[slot_of(load8(origin + to - 2))] = to - 2;
    pos = to;
    /* Behind a match may follow one of the distance before it. */
    while (d1 && pos <= end - SEARCH_MARGIN && load4(origin + pos) == load4(origin + pos - d1)) {
      uint next = match_end(origin, pos + 4, d1, end), distance = d1;
      table[slot_of(load8(origin + pos))] = pos;
      d1 = d0;
      d0 = distance;
      add_sequence(q, 0, next - pos, distance);
      anchor = pos = next;
    }
  }
  w->distance[0] = d0;
  w->distance[1] = d1;
}

#endif
