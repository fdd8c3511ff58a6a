/* The counter: cuts records into sequences and these into blocks, and counts a block's symbols. */
#ifndef DEFLATE_FPGA_COUNT_H
#define DEFLATE_FPGA_COUNT_H

#include "fpga_search.h"

/* Counts are kept so many times, and steps take turns: a count is read, increased and written over
 * some clocks, and the next step's may be the same symbol's. */
#define COUNTS 4u /* as the loop's pragma says */

typedef struct {
  uint literal[COUNTS][LITERAL_SYMBOLS], distance[COUNTS][DISTANCE_SYMBOLS];
} counts_t;

/* A block whose sequences and counts are made. */
typedef struct {
  uint sequences, size;
  uint extra; /* bits of lengths and distances that are in no code */
  uint last;  /* of the row */
} block_t;

typedef struct {
  input_t at, end;                 /* next byte of the row, and where it ends */
  uint literals, length, distance; /* of the record, what is left */
  uint run;                        /* literals counted since the last sequence */
  uint turn;
  block_t block;
} counter_t;

INLINE void start_block(private counter_t *c) {
  block_t none = {0, 0, 0, 0};
  c->block = none;
}

static void start_counter(private counter_t *c, segment_t row, global const uchar *src) {
  c->at = src + row.src + row.param;
  c->end = src + row.src + row.src_size;
  c->literals = c->length = c->distance = c->run = c->turn = 0;
  start_block(c);
}

static void clear_counts(local counts_t *counts) {
  for (uint turn = 0; turn < COUNTS; turn++) {
    for (uint i = 0; i < LITERAL_SYMBOLS; i++)
      counts->literal[turn][i] = 0;
    for (uint i = 0; i < DISTANCE_SYMBOLS; i++)
      counts->distance[turn][i] = 0;
  }
}

INLINE int wants_record(private const counter_t *c) { return !(c->literals | c->length); }

INLINE void give_record(private counter_t *c, record_t record) {
  c->literals = record & LONGEST;
  c->length = record >> 24 & LONGEST;
  c->distance = (uint)(record >> 48);
}

/* Matches are of 3 bytes or more, so the last but one may have to be shorter. */
INLINE uint match_part(uint length) {
  uint most = length < MAX_LENGTH + MIN_LENGTH ? MAX_LENGTH - MIN_LENGTH : MAX_LENGTH;
  return length > MAX_LENGTH ? most : length;
}

/* The next sequence of the block. */
INLINE sequence_t next_sequence(private counter_t *c, uint length) {
  sequence_t s = {c->run, (ushort)length, (ushort)(c->distance - 1)};
  c->block.sequences++;
  c->run = 0;
  return s;
}

/* Counts a literal or a match. True: `sequence` is complete. */
INLINE int step_count(private counter_t *c, local counts_t *counts, private sequence_t *sequence) {
  uint turn = c->turn++ % COUNTS;
  if (c->literals) {
    counts->literal[turn][*c->at]++;
    c->at++;
    c->literals--;
    c->run++;
    c->block.size++;
    return 0;
  }
  uint part = match_part(c->length), less3 = part - MIN_LENGTH, less1 = c->distance - 1;
  counts->literal[turn][length_symbol(less3)]++;
  counts->distance[turn][distance_symbol(less1)]++;
  c->block.extra += length_extra(less3) + distance_extra(less1);
  c->at += part;
  c->length -= part;
  c->block.size += part;
  *sequence = next_sequence(c, part);
  return 1;
}

/* Sequences of literals alone stand at a block's end, which leaves room for one. */
INLINE int is_full(private const counter_t *c) {
  return (c->block.sequences == MOST_SEQUENCES - 1) | (c->block.size >= MOST_CONTENT) |
         (c->at == c->end);
}

INLINE uint literal_count(local const counts_t *counts, uint symbol) {
  uint sum = symbol == END_OF_BLOCK;
#pragma unroll
  for (uint turn = 0; turn < COUNTS; turn++)
    sum += counts->literal[turn][symbol];
  return sum;
}

INLINE uint distance_count(local const counts_t *counts, uint symbol) {
  uint sum = 0;
#pragma unroll
  for (uint turn = 0; turn < COUNTS; turn++)
    sum += counts->distance[turn][symbol];
  return sum;
}

#endif
