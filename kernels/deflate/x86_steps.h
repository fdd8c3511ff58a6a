/* Effort 1 for x86-64 CPUs: two rows at a time in one work-item, by steps without unpredictable
 * branches. ../lz4/README.md tells how these work. */
#ifndef DEFLATE_X86_STEPS_H
#define DEFLATE_X86_STEPS_H

#include "rows.h"

#define COMPARE_HALVES
#include "x86_compare.h"

#define STREAMS 2u
#define PROBES 5u
/* Of these, those that enter the table: not more than MIN_FOUND, as no entry may be at or behind
 * the next position. */
#define STORES 4u

INLINE long back_to(ushort entry, input_t at) { return -1L - distance_of(entry, at); }

#include "match_probe.h"

/* A step without a match skips a byte more for every 64 since the last one. After FAR bytes the
 * plain search takes over. */
#define GAP_SHIFT 6
#define FAR 256
/* A step reads so far behind its position. */
#define STEP_MARGIN (PROBES + SPAN + 8u)

typedef struct {
  writer_t w;
  input_t pos;
  input_t last;      /* position where a match of the block may start */
  input_t last_step; /* position of a step */
  __private ushort *table;
  __private sequence_t *sequences;
  uint row;
} stream_t;

/* Where the search of a stream is, kept in registers. */
typedef struct {
  input_t pos, anchor;
  __private sequence_t *next;
} place_t;

INLINE place_t place_of(private const stream_t *s) {
  place_t at = {s->pos, s->w.anchor, s->sequences + s->w.count};
  return at;
}

INLINE void keep_place(private stream_t *s, private const place_t *at) {
  s->pos = at->pos;
  s->w.anchor = at->anchor;
  s->w.count = (uint)(at->next - s->sequences);
}

APART uint long_size(private const stream_t *s, input_t start, long back) {
  input_t limit = end_of_longest(start, s->w.end);
  return (uint)(match_end(start + SPAN, (ulong)-back, limit) - start);
}

/* The plain search's next match. */
APART void step_far(private stream_t *s) {
  s->pos = search_greedily(&s->w, s->table, s->sequences, s->pos, s->last_step, s->w.count + 1);
}

/* Measures the match and goes behind it. False: no more steps in this block. */
INLINE int measure(private stream_t *s, private place_t *at, probed_t p) {
  input_t pos = at->pos, anchor = at->anchor, start = p.start;
  long back = p.back;
  int hit = back != 0;
  ulong diff = differing(start, start + back);
  uint size = (uint)__builtin_ctzl(diff | 1UL << (SPAN - 1));
  if (!(diff | !hit))
    size = long_size(s, start, back);
  sequence_t found = {(uint)(start - anchor), (ushort)size, (ushort)(-1L - back)};
  *at->next = found;
  at->next += hit;
  input_t next = pos + PROBES + ((ulong)(pos - anchor) >> GAP_SHIFT);
  input_t end = start + size;
  at->pos = next = hit ? end : next;
  at->anchor = anchor = hit ? end : anchor;
  if (next - anchor > FAR) {
    keep_place(s, at);
    step_far(s);
    *at = place_of(s);
  }
  return at->pos <= s->last_step && at->next < s->sequences + MOST_SEQUENCES;
}

INLINE int wants_steps(private const stream_t *s) {
  return s->pos <= s->last_step && s->w.count < MOST_SEQUENCES;
}

/* Steps so many streams, all of which want it, until one of them wants no more. */
INLINE void run_streams(private stream_t *s, const uint streams) {
  place_t at[STREAMS];
  probed_t p[STREAMS];
#pragma unroll
  for (uint k = 0; k < streams; k++)
    at[k] = place_of(s + k);
  for (int more = 1; more;) {
#pragma unroll
    for (uint k = 0; k < streams; k++)
      p[k] = probe(s[k].table, HASH_FACTOR, HASH_SHIFT, at[k].pos);
#pragma unroll
    for (uint k = 0; k < streams; k++)
      more &= measure(s + k, at + k, p[k]);
  }
#pragma unroll
  for (uint k = 0; k < streams; k++)
    keep_place(s + k, at + k);
}

static void start_block(private stream_t *s) {
  s->last = last_start(&s->w);
  ulong left = (ulong)(s->w.end - s->w.begin);
  input_t most = left > STEP_MARGIN ? s->w.end - STEP_MARGIN : s->w.begin - 1;
  s->last_step = s->last < most ? s->last : most;
}

/* Writes blocks until there is one to step through. False: the row is at its end. */
static int next_block(private stream_t *s, TABLES coder_t *c, uint flags) {
  while (s->w.fits && s->w.begin < s->w.end) {
    if (wants_steps(s))
      return 1;
    /* Of a block that is not full: the last bytes. */
    s->pos = search_greedily(&s->w, s->table, s->sequences, s->pos, s->last, MOST_SEQUENCES);
    s->pos = put_found(&s->w, c, s->sequences, s->pos, flags);
    start_block(s);
  }
  return 0;
}

INLINE int is_stepped(segment_t row) {
  uint effort = row.flags >> DEFLATE_EFFORT_SHIFT & DEFLATE_EFFORT_MASK;
  return effort && effort < 3 && row.param <= DEFLATE_HISTORY && row.param < row.src_size;
}

/* Takes the next row that is stepped through. False: there is none. */
static int start_stream(private stream_t *s, private uint *row, uint rows_end,
                        global const segment_t *segments, global const uchar *src,
                        global uchar *dst) {
  while (*row < rows_end && !is_stepped(segments[*row]))
    ++*row;
  if (*row == rows_end)
    return 0;
  s->row = (*row)++;
  start_writer(&s->w, segments[s->row], src, dst);
  s->pos = start_table(s->table, segments[s->row], src);
  start_block(s);
  return 1;
}

/* What a work-item does. */
INLINE void compress_streams(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             uint count) {
  coder_t coder;
  sequence_t sequences[STREAMS][MOST_SEQUENCES];
  /* Of the searches, or of chains: first come the rows that are not stepped through. */
  ushort tables[TABLE_ENTRIES];
  stream_t s[STREAMS];
  uint row = abi_first(count), rows_end = abi_end(count), active = 0;
  for (uint i = row; i < rows_end; i++)
    if (!is_stepped(segments[i]))
      compress_row(&coder, sequences[0], tables, segments[i], results + i, src, dst);
  for (; active < STREAMS; active++) {
    s[active].table = tables + (active << HASH_BITS);
    s[active].sequences = sequences[active];
    if (!start_stream(s + active, &row, rows_end, segments, src, dst))
      break;
  }
  while (active) {
    for (uint k = 0; k < active;) {
      segment_t segment = segments[s[k].row];
      if (next_block(s + k, &coder, segment.flags)) {
        k++;
        continue;
      }
      end_writer(&s[k].w, segment, results + s[k].row);
      if (!start_stream(s + k, &row, rows_end, segments, src, dst))
        s[k] = s[--active];
    }
    if (active == STREAMS)
      run_streams(s, STREAMS);
    else if (active)
      run_streams(s, 1);
  }
}

#endif
