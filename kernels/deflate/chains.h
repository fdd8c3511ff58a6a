/* Efforts 3, 6 and 9: chains of earlier positions with the same hash, and lazy matching. */
#ifndef DEFLATE_CHAINS_H
#define DEFLATE_CHAINS_H

#include "greedy.h"

#define HEAD_BITS 15
#define CHAIN_ENTRIES (1u << HEAD_BITS)
#define TABLE_ENTRIES (CHAIN_ENTRIES + DEFLATE_HISTORY)
#define CHAIN_MARGIN 8u

typedef struct {
  uint candidates; /* that are looked at for a position */
  uint fewer;      /* where the match before has `good` bytes */
  uint good;
  uint lazy; /* a match of so many bytes is taken without a look at the next position */
  uint nice; /* so many bytes end the search */
} effort_t;

typedef struct {
  TABLES ushort *heads; /* the last position of each hash: the low bits of its address */
  TABLES ushort *older; /* of each position in the window: the one before with the same hash */
  input_t first;        /* of the row: positions count from here in `older` */
  input_t next;         /* the first position that is not entered */
  input_t last;         /* no hash can be had behind it */
} chains_t;

typedef struct {
  uint length, distance; /* 0: no match; less 1 */
} match_t;

static effort_t effort_of(uint flags) {
  uint effort = flags >> DEFLATE_EFFORT_SHIFT & DEFLATE_EFFORT_MASK;
  effort_t e = {8, 4, 8, 8, 32};
  if (effort >= 6)
    e = (effort_t){48, 16, 12, 24, 128};
  if (effort >= 9)
    e = (effort_t){1024, 256, 32, 258, 258};
  return e;
}

INLINE uint head_of(uint x) { return (x * 0x9E3779B1u) >> (32 - HEAD_BITS); }

INLINE void enter(private chains_t *t, input_t at) {
  uint head = head_of(load4(at));
  t->older[(uint)(at - t->first) & (DEFLATE_HISTORY - 1)] = t->heads[head];
  t->heads[head] = (ushort)(ulong)at;
}

/* Enters the positions before `end`. */
static void enter_until(private chains_t *t, input_t end) {
  for (; t->next < end && t->next <= t->last; t->next++)
    enter(t, t->next);
}

static void start_chains(private chains_t *t, TABLES ushort *tables, segment_t row,
                         global const uchar *src) {
  t->heads = tables;
  t->older = tables + CHAIN_ENTRIES;
  t->first = t->next = src + row.src;
  /* Behind a row of less than 4 bytes there is none. */
  t->last = row.src_size < MIN_FOUND ? t->first : t->first + row.src_size - MIN_FOUND;
  for (uint i = 0; i < CHAIN_ENTRIES; i++)
    t->heads[i] = (ushort)(ulong)t->first;
}

/* Looks for a match at `at` that is longer than `longest`. All positions before `at` are entered;
 * so candidates get further away, until they leave the window. */
static match_t longest_match(private const chains_t *t, input_t at, uint longest, input_t limit,
                             uint candidates, uint nice) {
  match_t found = {0, 0};
  uint most = (uint)(limit - at), reach = (uint)(at - t->first), before = 0;
  uint start = load4(at);
  uint entry = t->heads[head_of(start)];
  longest = longest < MIN_FOUND ? MIN_FOUND - 1 : longest;
  for (; candidates && most > longest; candidates--) {
    uint distance = ((uint)(ulong)at - entry) & 0xFFFFu;
    if (distance <= before || distance > DEFLATE_HISTORY || distance > reach)
      break;
    before = distance;
    input_t candidate = at - distance;
    if (load4(candidate) == start && load4(candidate + longest - 3) == load4(at + longest - 3)) {
      uint length = (uint)(match_end(at + 4, distance, limit) - at);
      if (length > longest) {
        found.length = longest = length;
        found.distance = distance - 1;
        if (length >= nice)
          break;
      }
    }
    entry = t->older[(uint)(candidate - t->first) & (DEFLATE_HISTORY - 1)];
  }
  return found;
}

INLINE match_t match_at(private chains_t *t, private const effort_t *e, input_t at, uint longest,
                        input_t end) {
  match_t none = {0, 0};
  if (at > t->last)
    return none;
  enter_until(t, at);
  return longest_match(t, at, longest, end_of_longest(at, end),
                       longest >= e->good ? e->fewer : e->candidates, e->nice);
}

static input_t search_chains(private writer_t *w, private chains_t *t, private const effort_t *e,
                             TABLES sequence_t *sequences, input_t pos, input_t stop) {
  while (pos < stop && w->count < MOST_SEQUENCES) {
    match_t match = match_at(t, e, pos, 0, w->end);
    if (!match.length) {
      pos++;
      continue;
    }
    while (match.length < e->lazy && pos + 1 < stop) {
      match_t later = match_at(t, e, pos + 1, match.length, w->end);
      if (later.length <= match.length)
        break;
      match = later;
      pos++;
    }
    add_sequence(w, sequences, pos, pos + match.length, match.distance);
    pos += match.length;
  }
  return pos;
}

static void compress_by_chains(private writer_t *w, TABLES coder_t *c, TABLES sequence_t *sequences,
                               TABLES ushort *tables, segment_t row, global const uchar *src) {
  chains_t chains;
  effort_t effort = effort_of(row.flags);
  input_t pos = w->begin;
  start_chains(&chains, tables, row, src);
  while (w->fits && w->begin < w->end) {
    input_t stop = w->end - w->begin > MOST_CONTENT ? w->begin + MOST_CONTENT : w->end;
    pos = search_chains(w, &chains, &effort, sequences, pos, stop);
    put_block(c, w, sequences, pos, pos == w->end && row.flags & DEFLATE_FINAL ? 1 : 0);
  }
}

#endif
