/* The compressor's match finder: four positions a step. Lookups do not wait for what a step before
 * found; only the choice of matches does. */
#ifndef LZ4_FPGA_MATCH_H
#define LZ4_FPGA_MATCH_H

#include "compress.h"
#include "fpga_words.h"

/* Positions a step. No match is shorter, so at most one starts in a step. */
#define LANES 4u

/* An entry holds a position and the 12 bytes there, so that a candidate is compared without a
 * second memory: 256 KiB. */
#define SLOT_BITS 14
#define ENTRY_BYTES 12u
/* Low bits of the slot. Each bank is read and written once a step; of positions that meet in one
 * bank the first has it, the others are not looked up (9 in 100 of random slots). */
#define BANKS 16u
/* Bytes hashed. README.md has the ratio for 5. */
#define KEY_BYTES 6

/* The row's last 64 KiB, less what is written ahead of the step: a word and what the step sees. */
#define WINDOW_BYTES 65536u
#define WINDOW_WORDS (WINDOW_BYTES / 8)
#define MAX_DISTANCE (WINDOW_BYTES - 2 * WORD_BYTES)
/* The last match starts 12 bytes before the block's end, or earlier. */
#define MATCH_MARGIN 12u
/* What a step sees, from its first position on. It runs that far behind the words. */
#define VIEW_BYTES 16u

/* Lengths in a record have 24 bits; the largest block of a frame is 4 MiB. */
#define MAX_ROW 0xFFFFFFu

/* literals | length << 24 | distance << 48. Length 0: the row's last literals. */
typedef ulong record_t;

/* Rows above MAX_ROW are refused, as if they were empty. */
INLINE uint content_size(segment_t row) { return row.src_size <= MAX_ROW ? row.src_size : 0; }

typedef struct {
  ulong low; /* bytes 0 to 7 */
  uint high; /* bytes 8 to 11 */
  uint position;
} entry_t;

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

static void clear_table(local entry_t *table) {
  for (uint i = 0; i < 1u << SLOT_BITS; i++)
    table[i].position = 0;
}

INLINE void start_table(private matcher_t *m, local entry_t *table) {
  m->at = WORD_BYTES;
  clear_table(table);
}

INLINE void start_row(private matcher_t *m, local entry_t *table, uint size, uint acceleration) {
  if (m->at >> 31)
    start_table(m, table);
  m->begin = m->anchor = m->end = m->at;
  m->distance = m->grows = 0;
  m->last_start = m->begin + (size > MATCH_MARGIN ? size - MATCH_MARGIN : 0);
  m->limit = m->begin + (size > LAST_LITERALS ? size - LAST_LITERALS : 0);
  /* One step in 1, 2, 4...: the largest power of two up to the acceleration. */
  m->skip = ((0x80000000u >> clz(acceleration | 1)) - 1) * LANES;
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

INLINE uint fpga_slot(ulong text) {
  return (uint)((text << (64 - 8 * KEY_BYTES)) * HASH_FACTOR >> (64 - SLOT_BITS));
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
  entry_t text[LANES], entry[LANES];
  uint found; /* lanes whose entry begins as their text does, in reach */
} candidates_t;

INLINE void look_up(private const matcher_t *m, local entry_t *table, private candidates_t *c) {
  uint at = m->at, taken = 0;
  uint oldest = at > m->begin + MAX_DISTANCE ? at + LANES - MAX_DISTANCE : m->begin;
  c->found = 0;
#pragma unroll
  for (uint lane = 0; lane < LANES; lane++) {
    ulong low = joined(m->first, m->second, lane);
    entry_t text = {low, (uint)(m->second >> 8 * lane), at + lane};
    uint slot = fpga_slot(low), bank = 1u << slot % BANKS;
    int lost = (taken & bank) != 0;
    taken |= bank;
    c->text[lane] = text;
    if (lost)
      continue;
    entry_t entry = table[slot];
    table[slot] = text;
    c->entry[lane] = entry;
    c->found |= (uint)((entry.position >= oldest) & ((uint)entry.low == (uint)low)) << lane;
  }
}

/* Leaves the lanes in which a match may start. */
INLINE void drop_inside(private const matcher_t *m, private candidates_t *c) {
  uint inside = m->end > m->at ? smaller(m->end - m->at, LANES) : 0;
  c->found = c->found >> inside << inside;
}

/* Opens the longest match of those that were found. */
INLINE void open_match(private matcher_t *m, private const candidates_t *c) {
  uint length = 0;
#pragma unroll
  for (uint lane = 0; lane < LANES; lane++) {
    uint same = c->found >> lane & 1 ? equal_text(c->text[lane], c->entry[lane]) : 0;
    if (same <= length)
      continue;
    length = same;
    m->start = m->at + lane;
    m->distance = m->start - c->entry[lane].position;
  }
  m->end = smaller(m->start + length, m->limit);
  m->grows = length == ENTRY_BYTES;
}

/* Takes the next four bytes. True: `record` is the match before one that starts here. */
INLINE int step_match(private matcher_t *m, local entry_t *table, local const ulong *window,
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
  drop_inside(m, &candidates);
  if (!candidates.found || m->at + LANES - 1 > m->last_start)
    return 0;
  int open = m->distance != 0;
  if (open)
    *record = close_match(m);
  open_match(m, &candidates);
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

INLINE void match_word(private matcher_t *m, local entry_t *table, local ulong *window, word_t word,
                       private batch_t *batch) {
  take_window_word(m, window, word);
  for (uint i = 0; i < WORD_BYTES / LANES; i++) {
    record_t record;
    if (step_match(m, table, window, word.part[i], &record))
      batch->record[batch->count++] = record;
  }
}

/* The positions that no step has come to are literals, or in the open match. */
INLINE void end_row_batch(private matcher_t *m, uint size, private batch_t *batch) {
  m->at += VIEW_BYTES;
  if (m->distance)
    batch->record[batch->count++] = close_match(m);
  batch->record[batch->count++] = record_of(m->begin + size - m->anchor, 0, 0);
  batch->last = 1;
}

INLINE void start_batch(private batch_t *batch) { batch->count = batch->last = 0; }

#endif
