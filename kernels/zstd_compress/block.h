/* Rows to blocks (RFC 8878 section 3.1.1.2). */
#ifndef ZSTD_BLOCK_H
#define ZSTD_BLOCK_H

#include "huffman.h"
#include "search.h"
#include "sequences.h"

#define BLOCK_RAW 0u
#define BLOCK_RLE 1u
#define BLOCK_COMPRESSED 2u
/* Copies of literals write, and read where the row goes on, so much more. */
#define OVERSHOOT 16u

/* What blocks are written by. */
typedef struct {
  codes_t codes;
  huffman_t huffman;
  fse_t weights;
  uchar literals[ZSTD_BLOCK + 2 * OVERSHOOT];
} coder_t;

/* A row on its way. */
typedef struct {
  search_t search;
  uint repeats[3];  /* section 3.1.1.5; 0: what earlier rows left, which is not known */
  uint start, stop; /* of the block */
  uint flags;
  output_t op;
} row_t;

typedef struct __attribute__((packed)) {
  ulong2 value;
} literals16_t;

/* Where less than OVERSHOOT may be read behind them. */
APART void take_last_literals(STORE uchar *to, input_t from, uint size) {
  uint at = 0;
  for (; size - at >= OVERSHOOT; at += OVERSHOOT)
    ((STORE literals16_t *)(to + at))->value = ((global const literals16_t *)(from + at))->value;
  for (; at < size; at++)
    to[at] = from[at];
}

/* Copies to the working memory; may write OVERSHOOT more, and reads no more than `readable`. */
INLINE void take_literals(STORE uchar *to, input_t from, uint size, uint readable) {
  if (readable < size + OVERSHOOT) {
    take_last_literals(to, from, size);
    return;
  }
  uint at = 0;
  do {
    ((STORE literals16_t *)(to + at))->value = ((global const literals16_t *)(from + at))->value;
    at += OVERSHOOT;
  } while (at < size);
}

/* The value that stands for a distance; updates the repeats as decoders do. Selections and no
 * branches, as which of them it is cannot be guessed. */
INLINE uint offset_value(private uint *r, uint literals, uint distance) {
  uint r0 = r[0], r1 = r[1], r2 = r[2], some = literals != 0;
  uint last = some & (distance == r0), second = distance == r1, third = distance == r2;
  uint value = (!some & (distance == r0 - 1)) ? 3 : distance + 3;
  value = third ? 2 + some : value;
  value = second ? 1 + some : value;
  r[0] = distance;
  r[1] = last ? r1 : r0;
  r[2] = last | second ? r2 : r1;
  return last ? 1 : value;
}

/* Gathers literals, and makes values of distances. Returns how many literals there are. */
APART uint take_sequences(STORE coder_t *w, STORE sequences_t *q, private uint *repeats,
                          input_t from, uint size, uint readable) {
  STORE codes_t *c = &w->codes;
  STORE uchar *literals = w->literals;
  for (uint a = 0; a < ALPHABETS; a++)
    for (uint s = 0; s < FSE_SYMBOLS; s++)
      c->counts[a][s] = 0;
  uint at = 0, used = 0, r[3] = {repeats[0], repeats[1], repeats[2]};
  for (uint i = 0; i < q->count; i++) {
    sequence_t s = q->list[i];
    take_literals(literals + used, from + at, s.literals, readable - at);
    used += s.literals;
    at += s.literals + s.match + MATCH_BASE;
    code_sequence(&s, offset_value(r, s.literals, s.distance));
    q->list[i] = s;
    for (uint a = 0; a < ALPHABETS; a++)
      c->counts[a][s.codes[a]]++;
  }
  for (uint i = 0; i < 3; i++)
    repeats[i] = r[i];
  take_literals(literals + used, from + at, size - at, readable - at);
  return used + size - at;
}

static void put_block_header(output_t op, uint last, uint type, uint size) {
  uint header = last | type << 1 | size << 3;
  for (uint i = 0; i < ZSTD_BLOCK_HEADER; i++)
    op[i] = (uchar)(header >> 8 * i);
}

INLINE int is_ended(private const row_t *r) { return r->stop == r->search.end; }

INLINE uint last_flag(private const row_t *r) { return is_ended(r) && (r->flags & ZSTD_LAST); }

static void leave_block(private row_t *r, output_t op) {
  r->op = op;
  r->start = r->stop;
  r->flags &= ~ZSTD_FIRST;
}

/* The next block. False: it was written, as it is one byte repeated. */
APART int start_block(private row_t *r, STORE sequences_t *q) {
private
  search_t *search = &r->search;
  uint size = smaller(search->end - r->start, ZSTD_BLOCK);
  input_t from = search->origin + r->start;
  r->stop = r->start + size;
  /* Decoders up to 1.4.3 fail at frames that start with an RLE block. */
  if (size > 1 && !(r->flags & ZSTD_FIRST) && match_end(from, 1, 1, size) == size) {
    put_block_header(r->op, last_flag(r), BLOCK_RLE, size);
    r->op[ZSTD_BLOCK_HEADER] = *from;
    leave_block(r, r->op + ZSTD_BLOCK_HEADER + 1);
    return 0;
  }
  search->anchor = r->start;
  search->pos = larger(r->start, 1);
  q->count = 0;
  return 1;
}

/* Writes the block whose sequences are found. */
APART void end_block(private row_t *r, STORE coder_t *w, STORE sequences_t *q) {
  uint size = r->stop - r->start, repeats[3];
  input_t from = r->search.origin + r->start;
  output_t body = r->op + ZSTD_BLOCK_HEADER, limit = body + size;
  for (uint i = 0; i < 3; i++)
    repeats[i] = r->repeats[i];
  uint literals = take_sequences(w, q, repeats, from, size, r->search.end - r->start);
  output_t to = put_literals(body, &w->huffman, &w->weights, w->literals, literals);
  if (to < limit)
    to = put_sequences(to, limit, &w->codes, q);
  if (to < limit) {
    put_block_header(r->op, last_flag(r), BLOCK_COMPRESSED, (uint)(to - body));
    for (uint i = 0; i < 3; i++)
      r->repeats[i] = repeats[i];
    leave_block(r, to);
    return;
  }
  put_block_header(r->op, last_flag(r), BLOCK_RAW, size);
  copy_bytes(body, from, size);
  leave_block(r, limit);
}

/* What blocks of a row take at most. */
INLINE ulong row_bound(uint size) {
  return size + (ulong)(size / ZSTD_BLOCK + 1) * ZSTD_BLOCK_HEADER + ZSTD_SLACK;
}

/* Whether the row can be compressed. */
static int row_status(segment_t row) {
  if (row.param > row.src_size || row.src_size > ZSTD_ROW_MAX)
    return STATUS_BAD_PARAM;
  return row_bound(row.src_size - row.param) > row.dst_capacity ? STATUS_DST_TOO_SMALL : STATUS_OK;
}

static void start_row(private row_t *r, STORE uint *table, segment_t row, global const uchar *src,
                      global uchar *dst) {
  start_search(&r->search, table, src + row.src, row.src_size, row.param);
  for (uint i = 0; i < 3; i++)
    r->repeats[i] = 0;
  r->start = row.param;
  r->flags = row.flags;
  r->op = dst + row.dst;
}

#endif
