/* The search for matches in several blocks at once in one work-item, for x86-64 CPUs: steps without
 * unpredictable branches, of all blocks at a time, so that their waits overlap. A format brings
 * before it is included what match_finder.h wants, STEP_DST_MARGIN, `start_row`, `put_records` and
 * `end_row`. */
#ifndef FPGA_ACCEL_MATCH_STREAMS_H
#define FPGA_ACCEL_MATCH_STREAMS_H

#include "match_finder.h"
#include "x86_compare.h"

/* Chosen by measurement; kernels/lz4/README.md tells what other values gave. */
#define STREAMS 3u /* blocks at a time: their tables take 96 KiB of private memory */
#define PROBES 5u  /* positions that a step probes */
/* Of these, those that enter the table: not more than MIN_MATCH, as no entry may be at or behind
 * the next position. */
#define STORES 4u
#define BATCH 64u /* steps before their records are encoded */
/* A step without a match skips a byte more for every 4 bytes since the last one. After FAR bytes
 * the search goes on a position at a time. */
#define GAP_SHIFT 2
#define FAR 64
/* How many matches it finds at least, and how many literals before each keep it going: a step costs
 * the same whether it finds a match or not. */
#define SPARSE_RUN 32u
#define SPARSE_LITERALS 8u
/* What its skip grows by for each position without a match, in parts of a byte. */
#define SKIP_PARTS 32u
#define SKIP_MORE 3u

/* A step compares SPAN bytes at up to PROBES behind its position, and its match stays off the last
 * literals: 5 + 64 + 5, rounded up. */
#define STEP_SRC_MARGIN 80u

#include "match_probe.h"

/* A match that a step found: back is minus the distance. */
typedef struct {
  input_t start;
  int back;
  uint size;
} record_t;

typedef struct {
  block_t block;
  input_t found; /* end of the last match found: the anchor, ahead of the encoder */
  input_t src_limit;
  output_t dst_limit;
  __private ushort *table;
  __private record_t *records;
  uint count, row;
} stream_t;

/* Most literals are few: 32 without a branch. Reads and writes up to 32 bytes, or 15 too many. */
INLINE void copy_literals(output_t to, input_t from, uint count) {
  copy16(to, from);
  copy16(to + 16, from + 16);
  for (uint at = 32; at < count; at += 16)
    copy16(to + at, from + at);
}

/* Encodes the records. Apart from the search, as stores to addresses that depend on what was found
 * make the CPU hold back the loads of later steps. */
INLINE void put_records(private stream_t *s);

/* Writes what goes in front of a block. */
static void start_row(private block_t *b, uint flags);

/* Encodes what is left of a block, and writes the result. */
static void end_row(private block_t *b, private ushort *table, uint flags, global result_t *result);

/* Where the search of a stream is, kept in registers. */
typedef struct {
  input_t pos, found;
  __private record_t *record; /* the next one */
} place_t;

INLINE place_t place_of(private const stream_t *s) {
  place_t at = {s->block.pos, s->found, s->records + s->count};
  return at;
}

INLINE void keep_place(private stream_t *s, private const place_t *at) {
  s->block.pos = at->pos;
  s->found = at->found;
  s->count = (uint)(at->record - s->records);
}

/* The plain search's next SPARSE_RUN matches, or fewer at the block's end; returns the literals
 * before them. */
INLINE uint search_run(private stream_t *s) {
  const input_t limit = s->src_limit;
  const ulong factor = HASH_FACTOR(s->block);
  const uint shift = s->block.shift;
  __private ushort *table = s->table;
  input_t pos = s->block.pos, found = s->found;
  uint literals = 0, count = 0;
  while (count < SPARSE_RUN) {
    uint skip = SKIP_PARTS;
    candidate_t c;
    for (;; pos += skip / SKIP_PARTS, skip += SKIP_MORE) {
      if (pos > limit)
        goto end;
      c = candidate_at(table, factor, shift, pos);
      if (c.back)
        break;
    }
    match_t m = match_at(&s->block, pos, found, c);
    record_t record = {m.start, (int)m.back, (uint)(m.end - m.start)};
    s->records[count++] = record;
    literals += (uint)(m.start - found);
    pos = found = m.end;
  }
end:
  s->block.pos = pos;
  s->found = found;
  s->count = count;
  return literals;
}

/* Searches a position at a time while that is sparse. Leaves at most SPARSE_RUN records. */
APART void step_far(private stream_t *s) {
  do
    put_records(s);
  while (search_run(s) >= SPARSE_RUN * SPARSE_LITERALS);
}

APART uint long_size(private const stream_t *s, input_t start, long back) {
  return (uint)(match_end(start + SPAN, back, s->block.src_end - LAST_LITERALS) - start);
}

/* The second half: measures the match and goes behind it. False: the stream wants end_row(). */
INLINE int measure(private stream_t *s, private place_t *at, probed_t p) {
  input_t pos = at->pos, found = at->found, start = p.start;
  long back = p.back;
  int hit = (ushort)back != 0; /* not for 0 and NO_MATCH */
  ulong diff = differing(start, start + back);
  uint size = (uint)__builtin_ctzl(diff | 1UL << (SPAN - 1));
  if (!(diff | !hit))
    size = long_size(s, start, back);
  record_t record = {start, (int)back, size};
  *at->record = record;
  at->record += hit;
  input_t next = pos + PROBES + ((ulong)(pos - found) >> GAP_SHIFT);
  input_t end = start + size;
  at->pos = next = hit ? end : next;
  at->found = found = hit ? end : found;
  if (next - found > FAR) {
    keep_place(s, at);
    step_far(s);
    *at = place_of(s);
  }
  return at->pos <= s->src_limit;
}

static void start_stream(private stream_t *s, segment_t row, global const uchar *src,
                         global uchar *dst) {
  start_block(&s->block, s->table, row, src, dst);
  start_row(&s->block, row.flags);
  s->found = s->block.anchor;
  s->count = 0;
  int steps = s->block.fits && s->block.acceleration == 1 && row.src_size > STEP_SRC_MARGIN &&
              row.dst_capacity > STEP_DST_MARGIN;
  s->src_limit = steps ? s->block.src_end - STEP_SRC_MARGIN : s->block.src;
  s->dst_limit = steps ? s->block.dst_end - STEP_DST_MARGIN : s->block.dst;
}

/* Steps so many streams until one of them wants end_row(); returns which. All are probed before
 * any is measured: a CPU that sees some 200 instructions ahead then has the loads of several
 * streams to wait for at once. `whole`: all have whole tables, which spares registers. */
INLINE uint run_streams(private stream_t *s, const uint streams, const int whole) {
  for (;;) {
    place_t at[STREAMS];
#pragma unroll
    for (uint k = 0; k < streams; k++)
      at[k] = place_of(s + k);
#pragma unroll
    for (uint k = 0; k < streams; k++)
      if (at[k].pos > s[k].src_limit)
        return k;
    int more = 1;
    for (uint n = 0; n < BATCH && more; n++) {
      probed_t p[STREAMS];
#pragma unroll
      for (uint k = 0; k < streams; k++)
        p[k] = probe(s[k].table, HASH_FACTOR(s[k].block), whole ? WHOLE_SHIFT : s[k].block.shift,
                     at[k].pos);
#pragma unroll
      for (uint k = 0; k < streams; k++)
        more &= measure(s + k, at + k, p[k]);
    }
#pragma unroll
    for (uint k = 0; k < streams; k++)
      keep_place(s + k, at + k);
    for (uint k = 0; k < streams; k++)
      put_records(s + k);
  }
}

INLINE int has_whole_tables(private const stream_t *s) {
  int whole = 1;
  for (uint k = 0; k < STREAMS; k++)
    whole &= s[k].block.shift == WHOLE_SHIFT;
  return whole;
}

/* What a work-item does. */
INLINE void compress_streams(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             uint count) {
  ushort tables[STREAMS][1 << HASH_BITS];
  record_t records[STREAMS][BATCH + SPARSE_RUN];
  stream_t s[STREAMS];
  uint row = abi_first(count), rows_end = abi_end(count), active = 0;
  for (; active < STREAMS && row < rows_end; active++) {
    s[active].table = tables[active];
    s[active].records = records[active];
    s[active].row = row;
    start_stream(s + active, segments[row++], src, dst);
  }
  while (active) {
    /* Also when one stream is left, though the plain search alone is faster: a block's bytes must
     * not depend on the rows beside it. */
    uint k = active < STREAMS      ? run_streams(s, 1, 0)
             : has_whole_tables(s) ? run_streams(s, STREAMS, 1)
                                   : run_streams(s, STREAMS, 0);
    end_row(&s[k].block, s[k].table, segments[s[k].row].flags, results + s[k].row);
    if (row < rows_end) {
      s[k].row = row;
      start_stream(s + k, segments[row++], src, dst);
    } else {
      s[k] = s[--active];
    }
  }
}

#endif
