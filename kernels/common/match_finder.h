/* The search for matches in one block, a position at a time. A format brings before it is included
 *
 *   MIN_MATCH, LAST_LITERALS  4, and the bytes at the end of a block that are in no match
 *   MAX_SRC                   the largest block
 *
 * and `put_sequence`, which encodes the literals up to a match, and the match. */
#ifndef FPGA_ACCEL_MATCH_FINDER_H
#define FPGA_ACCEL_MATCH_FINDER_H

/* Entries of 16 bits: 32 KiB. The READMEs of the formats have the ratio and speed of others. */
#define HASH_BITS 14
#define WHOLE_SHIFT SHIFT_OF(HASH_BITS)
/* A page has half of it, which leaves room for its text in a cache of 32 KiB. Shorter blocks have a
 * slot a byte or up to two: to clear a whole table would take longer than to compress them. */
#define PAGE 16384u
#define FEWEST_BITS 9

#include "abi.h"
#include "bytes.h"
#include "hash.h"

/* The search steps one byte wider for every 64 bytes without a match. */
#define SKIP_SHIFT 6
/* Short blocks have few long matches, and room for all positions in the table: five bytes are
 * hashed there, else six. */
#define SHORT_BLOCK 65536u
#define FACTOR_SHORT FACTOR_OF(5)
#define FACTOR_LONG FACTOR_OF(6)
#if MAX_SRC > SHORT_BLOCK
#define HASH_FACTOR(block) (block).factor
#else
#define HASH_FACTOR(block) FACTOR_SHORT
#endif

#define NO_MATCH (-65536L) /* the distance that 16 bits take for 0 */

typedef struct {
  input_t pos;    /* next position to search */
  input_t anchor; /* first byte that is not yet encoded */
  output_t op;    /* next byte of output */
  input_t src, src_end;
  output_t dst, dst_end;
  uint acceleration;
  ulong factor;
  uint shift; /* of slot_of */
  int fits;   /* 0: the output does not. A flag, as under the direct strategy op is an offset from a
                 null pointer, and compilers take a comparison of such with null as known. */
} block_t;

/* An entry is the low 16 bits of an address. Returns minus the distance: -1 to -65535 or NO_MATCH.
 * All entries are of positions before `at`, or of the block's start, so the result stays in the
 * block. */
INLINE long back_to(ushort entry, input_t at) {
  return (long)(((ulong)entry - (ulong)at) | ~0xFFFFUL);
}

static input_t match_end(input_t at, long back, input_t limit) {
  for (; limit - at >= 8; at += 8) {
    ulong diff = load8(at) ^ load8(at + back);
    if (diff)
      return at + low_zero_bytes(diff);
  }
  while (at < limit && *at == at[back])
    at++;
  return at;
}

/* Goes on at `end`, or clears `fits` where the sequence does not fit. */
APART void put_sequence(private block_t *b, input_t start, long back, input_t end);

/* The content before `pos` and before its match may be equal too; looks back 8 bytes, and not
 * before `anchor`. */
INLINE input_t match_start(private const block_t *b, input_t pos, input_t anchor, long back) {
  if (pos + back - b->src < 8)
    return pos;
  ulong diff = load8(pos - 8) ^ load8(pos - 8 + back);
  uint same = diff ? high_zero_bytes(diff) : 8;
  ulong literals = (ulong)(pos - anchor);
  return pos - (same < literals ? same : literals);
}

/* Minus the distance, 0 where there is no match: then `end` is where the search ended. */
typedef struct {
  input_t start, end;
  long back;
} match_t;

/* Minus the distance of four equal bytes, 0 where there are none, and how the eight differ. */
typedef struct {
  long back;
  ulong diff;
} candidate_t;

/* Looks `pos` up, and enters it. */
INLINE candidate_t candidate_at(private ushort *table, ulong factor, uint shift, input_t pos) {
  ulong x = load8(pos);
  uint slot = slot_of(x, factor, shift);
  long back = back_to(table[slot], pos);
  table[slot] = (ushort)(ulong)pos;
  ulong diff = x ^ load8(pos + back);
  candidate_t found = {!(uint)diff & (back != NO_MATCH) ? back : 0, diff};
  return found;
}

/* The match that holds `pos`. */
INLINE match_t match_at(private const block_t *b, input_t pos, input_t anchor, candidate_t c) {
  input_t end = c.diff ? pos + low_zero_bytes(c.diff)
                       : match_end(pos + 8, c.back, b->src_end - LAST_LITERALS);
  match_t found = {match_start(b, pos, anchor, c.back), end, c.back};
  return found;
}

/* The next match that starts up to search_end. */
INLINE match_t next_match(private const block_t *b, private ushort *table, input_t pos,
                          input_t anchor, input_t search_end) {
  candidate_t c;
  for (;; pos += b->acceleration + ((ulong)(pos - anchor) >> SKIP_SHIFT)) {
    if (pos > search_end) {
      match_t none = {pos, pos, 0};
      return none;
    }
    c = candidate_at(table, HASH_FACTOR(*b), b->shift, pos);
    if (c.back)
      break;
  }
  return match_at(b, pos, anchor, c);
}

/* Encodes the next match. False: none starts up to search_end, or it does not fit. */
APART int put_next(private block_t *b, private ushort *table, input_t search_end) {
  match_t m = next_match(b, table, b->pos, b->anchor, search_end);
  b->pos = m.end;
  if (!m.back)
    return 0;
  put_sequence(b, m.start, m.back, m.end);
  return b->fits;
}

INLINE uint table_bits(uint size) {
  uint bits = size > PAGE ? HASH_BITS : HASH_BITS - 1;
  while (bits > FEWEST_BITS && size <= 1u << (bits - 1))
    bits--;
  return bits;
}

static void start_block(private block_t *b, private ushort *table, segment_t row,
                        global const uchar *src, global uchar *dst) {
  b->src = b->anchor = src + row.src;
  b->pos = b->src + 1;
  b->src_end = b->src + row.src_size;
  b->dst = b->op = dst + row.dst;
  b->dst_end = b->dst + row.dst_capacity;
  b->fits = row.src_size <= MAX_SRC;
  b->acceleration = row.param ? row.param : 1;
  b->factor = row.src_size > SHORT_BLOCK ? FACTOR_LONG : FACTOR_SHORT;
  const uint bits = table_bits(row.src_size);
  b->shift = SHIFT_OF(bits);
  /* In parts of a known size, which compilers fill by vectors. */
  for (uint part = 0; part < 1u << bits; part += 1u << FEWEST_BITS)
    for (uint i = 0; i < 1u << FEWEST_BITS; i++)
      table[part + i] = (ushort)(ulong)b->src;
}

#endif
