/* The search for matches: what a block becomes in sequences. */
#ifndef ZSTD_SEARCH_H
#define ZSTD_SEARCH_H

#include "sequences.h"

#define MIN_MATCH 4u
#define HASH_BITS 14
#define HASH_BYTES 7
#define HASH_FACTOR 0x9E3779B185EBCA87UL /* odd, near 2^64 divided by the golden ratio */
/* A search reads 8 bytes at its position and up to 2 behind it. */
#define SEARCH_MARGIN 10u
/* The search, two positions at a time, steps one byte wider for every 128 without a match. */
#define SKIP_SHIFT 7
/* Of the history, every eighth position is enough. */
#define HISTORY_STRIDE 8u

/* The content of rows, seen as one text: `origin + index`. Entries of earlier rows are below `low`,
 * and so count as the row's start, where tables that are new would point. */
typedef struct {
  input_t origin;
  uint low, end;    /* of the row, history included */
  uint pos, anchor; /* the next position, and the first byte that is in no sequence */
  uint distance[2]; /* of the last match and of the one before; 1 at first, as good as any */
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
  s->distance = distance;
}

/* Enters the history before a row. */
static void add_history(private search_t *w, uint size) {
  for (uint i = 0; i + 8 <= size; i += HISTORY_STRIDE)
    w->table[slot_of(load8(w->origin + w->low + i))] = w->low + i;
}

/* Searches on in a block that ends at `end`; literals behind the last match are the rest. */
APART void find_sequences(private search_t *w, STORE sequences_t *q, uint end) {
  input_t origin = w->origin;
  STORE uint *table = w->table;
  uint low = w->low, d0 = w->distance[0], d1 = w->distance[1];
  uint anchor = w->anchor, pos = w->pos;
  while (pos + SEARCH_MARGIN <= end) {
    ulong x = load8(origin + pos), y = load8(origin + pos + 1);
    uint slot = slot_of(x), found = larger(table[slot], low), from, to;
    table[slot] = pos;
    if (load4(origin + pos + 2 - d0) == (uint)(x >> 16)) {
      from = pos + 2 - (origin[pos + 1] == origin[pos + 1 - d0]);
      to = match_end(origin, pos + 6, d0, end);
    } else {
      from = pos;
      if (load4(origin + found) != (uint)x) {
        from = pos + 1;
        slot = slot_of(y);
        found = larger(table[slot], low);
        table[slot] = from;
        if (load4(origin + found) != (uint)y) {
          pos += 2 + ((pos - anchor) >> SKIP_SHIFT);
          continue;
        }
      }
      uint distance = from - found;
      to = match_end(origin, from + 4, distance, end);
      while (from > anchor && from - distance > low &&
             origin[from - 1] == origin[from - 1 - distance])
        from--;
      d1 = d0;
      d0 = distance;
    }
    add_sequence(q, from - anchor, to - from, d0);
    anchor = to;
    if (to > end - SEARCH_MARGIN)
      break;
    table[slot_of(load8(origin + pos + 2))] = pos + 2;
    table[slot_of(load8(origin + to - 2))] = to - 2;
    pos = to;
    /* Behind a match may follow one of the distance before it. */
    while (pos <= end - SEARCH_MARGIN && load4(origin + pos) == load4(origin + pos - d1)) {
      uint next = match_end(origin, pos + 4, d1, end), distance = d1;
      table[slot_of(load8(origin + pos))] = pos;
      d1 = d0;
      d0 = distance;
      add_sequence(q, 0, next - pos, distance);
      anchor = pos = next;
    }
  }
  w->anchor = anchor;
  w->distance[0] = d0;
  w->distance[1] = d1;
}

#endif
