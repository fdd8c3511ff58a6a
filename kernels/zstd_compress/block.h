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

/* The working memory of one row at a time. */
typedef struct {
  uint table[1 << HASH_BITS];
  sequences_t sequences;
  huffman_t huffman;
  fse_t weights;
  uint repeats[3]; /* section 3.1.1.5; 0: what earlier rows left, which is not known */
  uint next;       /* where the next row's content begins among all */
  uchar literals[ZSTD_BLOCK + 2 * OVERSHOOT];
} work_t;

typedef struct __attribute__((packed)) {
  ulong2 value;
} literals16_t;

/* Copies to the working memory; may write OVERSHOOT more, and reads no more than `readable`. */
INLINE void take_literals(STORE uchar *to, input_t from, uint size, uint readable) {
  uint at = 0;
  if (readable >= OVERSHOOT)
    do {
      ((STORE literals16_t *)(to + at))->value = ((global const literals16_t *)(from + at))->value;
      at += OVERSHOOT;
    } while (at < size && readable - at >= OVERSHOOT);
  for (; at < size; at++)
    to[at] = from[at];
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
APART uint take_sequences(STORE work_t *w, private uint *repeats, input_t from, uint size,
                          uint readable) {
  STORE sequences_t *q = &w->sequences;
  STORE uchar *literals = w->literals;
  for (uint a = 0; a < ALPHABETS; a++)
    for (uint s = 0; s < FSE_SYMBOLS; s++)
      q->counts[a][s] = 0;
  uint at = 0, used = 0;
  for (uint i = 0; i < q->count; i++) {
    sequence_t s = q->list[i];
    take_literals(literals + used, from + at, s.literals, readable - at);
    used += s.literals;
    at += s.literals + s.match + MATCH_BASE;
    uint value = offset_value(repeats, s.literals, s.offset);
    q->list[i].offset = value;
    q->counts[LITERAL_LENGTHS][literals_code(s.literals)]++;
    q->counts[OFFSETS][high_bit(value)]++;
    q->counts[MATCH_LENGTHS][match_code(s.match)]++;
  }
  take_literals(literals + used, from + at, size - at, readable - at);
  return used + size - at;
}

static void put_block_header(output_t op, uint last, uint type, uint size) {
  uint header = last | type << 1 | size << 3;
  for (uint i = 0; i < ZSTD_BLOCK_HEADER; i++)
    op[i] = (uchar)(header >> 8 * i);
}

/* Compresses the block [start, end) of the search's text. Returns where it ends. */
APART output_t put_block(output_t op, STORE work_t *w, private search_t *search, uint start,
                         uint end, uint flags) {
  uint size = end - start, last = end == search->end && (flags & ZSTD_LAST), repeats[3];
  input_t from = search->origin + start;
  output_t body = op + ZSTD_BLOCK_HEADER, limit = body + size;
  /* Decoders up to 1.4.3 fail at frames that start with an RLE block. */
  if (size > 1 && !(flags & ZSTD_FIRST) && match_end(from, 1, 1, size) == size) {
    put_block_header(op, last, BLOCK_RLE, size);
    *body = *from;
    return body + 1;
  }
  for (uint i = 0; i < 3; i++)
    repeats[i] = w->repeats[i];
  find_sequences(search, &w->sequences, start, end);
  uint literals = take_sequences(w, repeats, from, size, search->end - start);
  output_t to = put_literals(body, &w->huffman, &w->weights, w->literals, literals);
  if (to < limit)
    to = put_sequences(to, limit, &w->sequences);
  if (to < limit) {
    put_block_header(op, last, BLOCK_COMPRESSED, (uint)(to - body));
    for (uint i = 0; i < 3; i++)
      w->repeats[i] = repeats[i];
    return to;
  }
  put_block_header(op, last, BLOCK_RAW, size);
  copy_bytes(body, from, size);
  return limit;
}

static void start_work(STORE work_t *w) {
  for (uint i = 0; i < 1u << HASH_BITS; i++)
    w->table[i] = 0;
  w->next = 0;
  start_sequences(&w->sequences);
}

/* What blocks of a row take at most. */
INLINE ulong row_bound(uint size) {
  return size + (ulong)(size / ZSTD_BLOCK + 1) * ZSTD_BLOCK_HEADER + ZSTD_SLACK;
}

static void put_row(STORE work_t *w, segment_t row, global const uchar *src, global uchar *dst,
                    global result_t *result) {
  if (row.param > row.src_size || row.src_size > ZSTD_ROW_MAX) {
    put_result(result, 0, STATUS_BAD_PARAM, 0);
    return;
  }
  if (row_bound(row.src_size - row.param) > row.dst_capacity) {
    put_result(result, 0, STATUS_DST_TOO_SMALL, 0);
    return;
  }
  if (w->next > 1u << 31) {
    for (uint i = 0; i < 1u << HASH_BITS; i++)
      w->table[i] = 0;
    w->next = 0;
  }
  search_t search;
  search.low = w->next;
  search.end = w->next + row.src_size;
  search.origin = src + row.src - search.low;
  search.distance[0] = search.distance[1] = 0;
  search.table = w->table;
  w->next = search.end;
  for (uint i = 0; i < 3; i++)
    w->repeats[i] = 0;
  add_history(&search, row.param);
  output_t op = dst + row.dst, start = op;
  uint at = search.low + row.param, flags = row.flags;
  do {
    uint end = search.end - at < ZSTD_BLOCK ? search.end : at + ZSTD_BLOCK;
    op = put_block(op, w, &search, at, end, flags);
    flags &= ~ZSTD_FIRST;
    at = end;
  } while (at < search.end);
  put_result(result, (uint)(op - start), STATUS_OK, 0);
}

#endif
