/* The match finder of compressors: four positions a step. Lookups do not wait for what a step
 * before found; only the choice of matches does. A format brings before it is included
 *
 *   MIN_MATCH      4: no match is shorter
 *   LAST_LITERALS  the bytes at the end of a row that are in no match
 *   MATCH_MARGIN   the last match starts so many bytes before the row's end, or earlier
 *   KEY_BYTES      bytes hashed, 4 to 8
 *   GOLDEN         as hash.h has it
 *   WAYS           optional, 1 or 2: entries of a hash
 *   MAX_DISTANCE   optional
 */
#ifndef FPGA_ACCEL_FPGA_MATCH_H
#define FPGA_ACCEL_FPGA_MATCH_H

#include "fpga_words.h"

#if MIN_MATCH != 4
#error "a step holds one match at most if none is shorter than its positions"
#endif

/* Positions a step. No match is shorter, so at most one starts in a step. */
#define LANES 4u

/* An entry holds a position and the 12 bytes there, so that a candidate is compared without a
 * second memory: 2^14 of them, 256 KiB. Steps write the ways of a slot in turns, so what is written
 * does not wait for what is read. */
#define ENTRY_BITS 14
#define ENTRY_BYTES 12u
#ifndef WAYS
#define WAYS 1u
#endif
#define SLOT_BITS (ENTRY_BITS - (WAYS - 1))
/* Low bits of the slot. Each bank is read and written once a step; of positions that meet in one
 * bank the first has it, the others are not looked up (9 in 100 of random slots). */
#define BANKS 16u

/* The row's last 64 KiB, less what is written ahead of the step: a word and what the step sees. */
#define WINDOW_BYTES 65536u
#define WINDOW_WORDS (WINDOW_BYTES / 8)
#ifndef MAX_DISTANCE
#define MAX_DISTANCE (WINDOW_BYTES - 2 * WORD_BYTES)
#endif
/* What a step sees, from its first position on. It runs that far behind the words. */
#define VIEW_BYTES 16u

/* Lengths in a record have 24 bits. */
#define LONGEST 0xFFFFFFu

/* literals | length << 24 | distance << 48. Length 0: the row's last literals. */
typedef ulong record_t;

/* What the matcher is told of a row. */
typedef struct {
  uint size;    /* of history and content; 0 where the pipeline does not take the row */
  uint history; /* bytes in front, which are in no record */
  uint acceleration;
} task_t;

typedef struct {
  ulong low; /* bytes 0 to 7 */
  uint high; /* bytes 8 to 11 */
  uint position;
} entry_t;

typedef struct {
  entry_t way[WAYS];
} slot_t;

typedef struct {
  ulong first, second; /* the step's view */
  /* Positions count on from row to row: an entry below `begin` is of an earlier row, so the table
   * need not be cleared. */
  uint at, begin;            /* of the step, of the row */
  uint skip;                 /* bits of a step's offset in the row; one that is set: no lookups */
  uint last_start, limit;    /* where a match may start, and where it must end */
  uint anchor;               /* first byte that is in no sequence */
  uint start, end, distance; /* the open match; distance 0: none */
  int grows;                 /* it ends where comparing did, not at a byte that differs */
} matcher_t;

static void clear_table(local slot_t *table) {
  for (uint i = 0; i < 1u << SLOT_BITS; i++)
#pragma unroll
    for (uint way = 0; way < WAYS; way++)
      table[i].way[way].position = 0;
}

INLINE void reset_table(private matcher_t *m, local slot_t *table) {
  m->at = WORD_BYTES;
  clear_table(table);
}

INLINE void start_matcher(private matcher_t *m, local slot_t *table, task_t task) {
  uint size = task.size;
  if (m->at >> 31)
    reset_table(m, table);
  m->begin = m->at;
  m->anchor = m->end = m->begin + task.history;
  m->distance = m->grows = 0;
  m->last_start = m->begin + (size > MATCH_MARGIN ? size - MATCH_MARGIN : 0);
  m->limit = m->begin + (size > LAST_LITERALS ? size - LAST_LITERALS : 0);
  /* One step in 1, 2, 4...: the largest power of two up to the acceleration. */
  m->skip = ((0x80000000u >> clz(task.acceleration | 1)) - 1) * LANES;
  m->at -= VIEW_BYTES;
}

INLINE record_t record_of(uint literals, uint length, uint distance) {
  return literals | (ulong)length << 24 | (ulong)distance << 48;
}

INLINE record_t close_match(private matcher_t *m) {
  record_t record = record_of(m->start - m->anchor, m->end - m->start, m->distance);
  m->anchor = m->end;
  return record;
}

INLINE uint hash_of(ulong text) {
  return (uint)((text << (64 - 8 * KEY_BYTES)) * GOLDEN >> (64 - SLOT_BITS));
}

INLINE uint equal_bytes(ulong a, ulong b) { return a == b ? 8 : low_zero_bytes(a ^ b); }

INLINE uint equal_text(entry_t a, entry_t b) {
  uint same = equal_bytes(a.low, b.low);
  return same < 8 ? same : smaller(8 + equal_bytes(a.high, b.high), ENTRY_BYTES);
}

/* Eight bytes of sixteen; skips 0 to 7. */
INLINE ulong joined(ulong low, ulong high, uint skipped) {
  return low >> 8 * skipped | high << 1 << (63 - 8 * skipped);
}

INLINE void take_window_word(private const matcher_t *m, local ulong *window, word_t word) {
  uint to = (m->at + VIEW_BYTES) / 8 % WINDOW_WORDS;
#pragma unroll
  for (uint i = 0; i < WORD_BYTES / 8; i++)
    window[to + i] = word.part[2 * i] | (ulong)word.part[2 * i + 1] << 32;
}

/* Compares the view with what is at the open match's distance. */
INLINE void grow_match(private matcher_t *m, local const ulong *window) {
  uint from = m->at - m->distance, skipped = from % 8;
  ulong low = window[from / 8 % WINDOW_WORDS];
  ulong middle = window[(from / 8 + 1) % WINDOW_WORDS];
  ulong high = window[(from / 8 + 2) % WINDOW_WORDS];
  uint same = equal_bytes(m->first, joined(low, middle, skipped));
  if (same == 8)
    same += equal_bytes(m->second, joined(middle, high, skipped));
  m->end = smaller(m->at + same, m->limit);
  m->grows = same == VIEW_BYTES;
}

typedef struct {
  entry_t text[LANES];
  slot_t slot[LANES];
  uint found; /* lanes with an entry in reach that begins as their text does, a bit each */
} candidates_t;

INLINE int is_candidate(entry_t text, entry_t entry, uint begin) {
  uint distance = text.position - entry.position;
  return (entry.position >= begin) & (distance <= MAX_DISTANCE) &
         ((uint)entry.low == (uint)text.low);
}

INLINE void look_up(private const matcher_t *m, local slot_t *table, private candidates_t *c) {
  uint at = m->at, turn = at / LANES % WAYS, taken = 0;
  c->found = 0;
#pragma unroll
  for (uint lane = 0; lane < LANES; lane++) {
    ulong low = joined(m->first, m->second, lane);
    entry_t text = {low, (uint)(m->second >> 8 * lane), at + lane};
    uint number = hash_of(low), bank = 1u << number % BANKS;
    int lost = (taken & bank) != 0;
    taken |= bank;
    c->text[lane] = text;
    if (lost)
      continue;
    slot_t slot = table[number];
    table[number].way[turn] = text;
    c->slot[lane] = slot;
#pragma unroll
    for (uint way = 0; way < WAYS; way++)
      c->found |= (uint)is_candidate(text, slot.way[way], m->begin) << lane;
  }
}

/* Opens the longest match of the lanes `found`: of equals the first lane's, of these the nearest.
 */
INLINE void open_match(private matcher_t *m, private const candidates_t *c, uint found) {
  uint length = 0, best = LANES;
#pragma unroll
  for (uint lane = 0; lane < LANES; lane++) {
    if (!(found >> lane & 1))
      continue;
    entry_t text = c->text[lane];
#pragma unroll
    for (uint way = 0; way < WAYS; way++) {
      entry_t entry = c->slot[lane].way[way];
      uint distance = text.position - entry.position;
      uint same = is_candidate(text, entry, m->begin) ? equal_text(text, entry) : 0;
      int nearer = (same == length) & (lane == best) & (distance < m->distance);
      if ((same <= length) & !nearer)
        continue;
      length = same;
      best = lane;
      m->start = text.position;
      m->distance = distance;
    }
  }
  m->end = smaller(m->start + length, m->limit);
  m->grows = length == ENTRY_BYTES;
}

/* Takes the next four bytes. True: `record` is the match before one that starts here. */
INLINE int step_match(private matcher_t *m, local slot_t *table, local const ulong *window,
                      uint next, private record_t *record) {
  m->first = m->first >> 32 | m->second << 32;
  m->second = m->second >> 32 | (ulong)next << 32;
  m->at += LANES;
  if (m->grows & (m->end - m->at < 2 * LANES))
    grow_match(m, window);
  if ((m->at - m->begin) & m->skip)
    return 0;
  candidates_t candidates;
  look_up(m, table, &candidates);
  /* A match may start in the lanes behind the open one. */
  uint inside = m->end > m->at ? smaller(m->end - m->at, LANES) : 0;
  uint found = candidates.found >> inside << inside;
  if (!found || m->at + LANES - 1 > m->last_start)
    return 0;
  int open = m->distance != 0;
  if (open)
    *record = close_match(m);
  open_match(m, &candidates, found);
  return open;
}

/* One word's steps, and what the row's end needs on top. */
#define WORD_RECORDS (WORD_BYTES / LANES)
/* A batch is passed on once it has this many records or more: about two words of text. */
#define FULL_BATCH 8u

typedef struct {
  record_t record[FULL_BATCH + WORD_RECORDS];
  uint count;
  int last; /* the row's last batch */
} batch_t;

INLINE void match_word(private matcher_t *m, local slot_t *table, local ulong *window, word_t word,
                       private batch_t *batch) {
  take_window_word(m, window, word);
  for (uint i = 0; i < WORD_BYTES / LANES; i++) {
    record_t record;
    if (step_match(m, table, window, word.part[i], &record))
      batch->record[batch->count++] = record;
  }
}

/* The positions that no step has come to are literals, or in the open match. */
INLINE void end_row_batch(private matcher_t *m, task_t task, private batch_t *batch) {
  m->at += VIEW_BYTES;
  if (m->distance)
    batch->record[batch->count++] = close_match(m);
  batch->record[batch->count++] = record_of(m->begin + task.size - m->anchor, 0, 0);
  batch->last = 1;
}

INLINE void start_batch(private batch_t *batch) { batch->count = batch->last = 0; }

#endif
