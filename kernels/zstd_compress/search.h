/* The search for matches: what a block becomes in sequences. */
#ifndef ZSTD_SEARCH_H
#define ZSTD_SEARCH_H

#define HASH_BITS 14

#include "hash.h"
#include "sequences.h"

#define MIN_MATCH 4u
#define HASH_FACTOR FACTOR_OF(7)
#define HASH_SHIFT SHIFT_OF(HASH_BITS)
/* A search reads 8 bytes at its position and up to 2 behind it. */
#define SEARCH_MARGIN 10u
/* The search, two positions at a time, steps one byte wider for every 128 without a match. */
#define SKIP_SHIFT 7
/* Of the history, every eighth position is enough. */
#define HISTORY_STRIDE 8u

/* A row, history included, by indices. The table has them: at first all are the row's start. */
typedef struct {
  input_t origin;
  uint end;
  uint pos, anchor; /* the next position, and the first byte that is in no sequence */
  uint distance[2]; /* of the last match and of the one before; 1 at first, as good as any */
  STORE uint *table;
} search_t;

INLINE uint larger(uint a, uint b) { return a > b ? a : b; }

static ulong match_end(input_t origin, ulong at, ulong distance, ulong limit) {
  for (; limit - at >= 8; at += 8) {
    ulong diff = load8(origin + at) ^ load8(origin + at - distance);
    if (diff)
      return at + low_zero_bytes(diff);
  }
  while (at < limit && origin[at] == origin[at - distance])
    at++;
  return at;
}

INLINE STORE sequence_t *add_sequence(STORE sequence_t *s, ulong literals, ulong match,
                                      ulong distance) {
  s->literals = (ushort)literals;
  s->match = (ushort)(match - MATCH_BASE);
  s->distance = (uint)distance;
  return s + 1;
}

/* Starts with a table that knows the history. */
static void start_search(private search_t *w, STORE uint *table, input_t origin, uint size,
                         uint history) {
  w->origin = origin;
  w->end = size;
  w->distance[0] = w->distance[1] = 1;
  w->table = table;
  for (uint i = 0; i < 1u << HASH_BITS; i++)
    table[i] = 0;
  for (uint i = 0; i + 8 <= history; i += HISTORY_STRIDE)
    table[slot_of(load8(origin + i), HASH_FACTOR, HASH_SHIFT)] = i;
}

/* Searches on in a block that ends at `end`; literals behind the last match are the rest. */
APART void find_sequences(private search_t *w, STORE sequences_t *q, uint end) {
  input_t origin = w->origin;
  STORE uint *table = w->table;
  ulong d0 = w->distance[0], d1 = w->distance[1], stop = end;
  ulong anchor = w->anchor, pos = w->pos;
  STORE sequence_t *next = q->list + q->count;
  while (pos + SEARCH_MARGIN <= stop) {
    ulong x = load8(origin + pos), y = load8(origin + pos + 1);
    uint slot = slot_of(x, HASH_FACTOR, HASH_SHIFT);
    ulong found = table[slot], from, to;
    table[slot] = (uint)pos;
    if (load4(origin + pos + 2 - d0) == (uint)(x >> 16)) {
      from = pos + 2 - (origin[pos + 1] == origin[pos + 1 - d0]);
      to = match_end(origin, pos + 6, d0, stop);
    } else {
      from = pos;
      if (load4(origin + found) != (uint)x) {
        from = pos + 1;
        slot = slot_of(y, HASH_FACTOR, HASH_SHIFT);
        found = table[slot];
        table[slot] = (uint)from;
        if (load4(origin + found) != (uint)y) {
          pos += 2 + ((pos - anchor) >> SKIP_SHIFT);
          continue;
        }
      }
      ulong distance = from - found;
      to = match_end(origin, from + 4, distance, stop);
      for (; from > anchor && found && origin[from - 1] == origin[found - 1]; found--)
        from--;
      d1 = d0;
      d0 = distance;
    }
    next = add_sequence(next, from - anchor, to - from, d0);
    anchor = to;
    if (to > stop - SEARCH_MARGIN)
      break;
    table[slot_of(load8(origin + pos + 2), HASH_FACTOR, HASH_SHIFT)] = (uint)pos + 2;
    table[slot_of(load8(origin + to - 2), HASH_FACTOR, HASH_SHIFT)] = (uint)to - 2;
    pos = to;
    /* Behind a match may follow one of the distance before it. */
    while (pos <= stop - SEARCH_MARGIN && load4(origin + pos) == load4(origin + pos - d1)) {
      ulong to_next = match_end(origin, pos + 4, d1, stop), distance = d1;
      table[slot_of(load8(origin + pos), HASH_FACTOR, HASH_SHIFT)] = (uint)pos;
      d1 = d0;
      d0 = distance;
      next = add_sequence(next, 0, to_next - pos, distance);
      anchor = pos = to_next;
    }
  }
  q->count = (uint)(next - q->list);
  w->anchor = (uint)anchor;
  w->distance[0] = (uint)d0;
  w->distance[1] = (uint)d1;
}

#endif
