/* Blocks: stored, or coded by the fixed codes or by their own (RFC 1951, sections 3.2.3 to 3.2.7).
 */
#ifndef DEFLATE_BLOCKS_H
#define DEFLATE_BLOCKS_H

#include "codes.h"
#include "params.h"

#define MIN_LENGTH 3u
#define MAX_LENGTH 258u

/* A block ends when it has so many sequences or so many bytes. README.md has the ratios of others.
 */
#define MOST_SEQUENCES 8192u
#define MOST_CONTENT (1u << 17)

#define STORED_MOST 65535u
#define STORED_HEADER 4u
/* What the writer of codes may touch behind its output. */
#define OVERSHOOT 8u

#define TYPE_STORED 0u
#define TYPE_FIXED 1u
#define TYPE_DYNAMIC 2u

/* Literals, then a match. */
typedef struct {
  uint literals;
  ushort length;
  ushort distance; /* less 1 */
} sequence_t;

typedef struct {
  sorting_t sorting;
  uint literal_counts[LITERAL_SYMBOLS], distance_counts[DISTANCE_SYMBOLS];
  uint match_counts[MAX_LENGTH - MIN_LENGTH + 1];
  uint literal_codes[LITERAL_SYMBOLS], distance_codes[DISTANCE_SYMBOLS];
  uint match_codes[MAX_LENGTH - MIN_LENGTH + 1]; /* of lengths, with their extra bits */
  uchar lengths[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
  uint run_counts[LENGTH_SYMBOLS], run_codes[LENGTH_SYMBOLS];
  uchar run_lengths[LENGTH_SYMBOLS];
  /* The code lengths as they are sent: a symbol, and above it its extra bits. */
  ushort runs[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
  uint run_count, literal_symbols, distance_symbols;
} coder_t;

typedef struct {
  input_t anchor; /* end of the last match: the first byte that no sequence holds */
  input_t begin;  /* first byte of the block that is being made */
  input_t end;    /* of the row */
  output_t op, dst, dst_end;
  ulong bits; /* what waits to be written, the first bit lowest */
  uint bit_count;
  uint count; /* sequences */
  int fits;   /* a flag, for the reason that lz4/compress.h names */
} writer_t;

/* Bits that are to be written, the first lowest. */
typedef struct {
  ulong bits;
  uint count;
} piece_t;

/* ---- symbols ---- */

#ifdef __clang__
INLINE uint top_bit(uint x) { return 31 - (uint)__builtin_clz(x); }
#else
INLINE uint top_bit(uint x) { return 31 - clz(x); }
#endif

/* Of a length less 3 (section 3.2.5): four symbols for each power of two, from 8 on. */
INLINE uint length_extra(uint less3) { return less3 < 8 || less3 == 255 ? 0 : top_bit(less3) - 2; }

INLINE uint length_symbol(uint less3) {
  if (less3 < 8)
    return 257 + less3;
  uint extra = top_bit(less3) - 2;
  return less3 == 255 ? 285 : 257 + 4 * extra + (less3 >> extra);
}

/* Of a distance less 1: two symbols for each power of two. */
INLINE uint distance_extra(uint less1) { return top_bit(less1 | 2) - 1; }

INLINE uint distance_symbol(uint less1) {
  uint extra = distance_extra(less1);
  return 2 * extra + (less1 >> extra);
}

/* ---- bits ---- */

INLINE void put_bits(private writer_t *w, uint value, uint count) {
  w->bits |= (ulong)value << w->bit_count;
  w->bit_count += count;
  while (w->bit_count >= 8) {
    *w->op++ = (uchar)w->bits;
    w->bits >>= 8;
    w->bit_count -= 8;
  }
}

INLINE void put_to_byte(private writer_t *w) {
  if (w->bit_count)
    put_bits(w, 0, 8 - w->bit_count);
}

/* ---- stored blocks ---- */

INLINE ulong stored_bytes(uint size) {
  uint blocks = size ? (size - 1) / STORED_MOST + 1 : 1;
  /* Three bits, up to the next byte, and 4 bytes: for the first block maybe in a byte more. */
  return (ulong)size + blocks * (STORED_HEADER + 1UL) + 1;
}

APART void put_stored(private writer_t *w, input_t from, uint size, uint final) {
  do {
    uint part = smaller(size, STORED_MOST);
    size -= part;
    put_bits(w, (size ? 0 : final) | TYPE_STORED << 1, 3);
    put_to_byte(w);
    put_bits(w, part, 16);
    put_bits(w, part ^ 0xFFFFu, 16);
    copy_bytes(w->op, from, part);
    w->op += part;
    from += part;
  } while (size);
}

/* ---- codes of a block ---- */

/* What content.h or x86_content.h has. */

/* Counts the symbols of the content up to `cut`. */
APART void count_symbols(TABLES coder_t *c, private const writer_t *w,
                         TABLES const sequence_t *sequences, input_t cut);

/* Writes the content up to `cut`. The caller knows that it fits. */
APART void put_coded(TABLES coder_t *c, private writer_t *w, TABLES const sequence_t *sequences,
                     input_t cut);

/* Appends a symbol of the code that sends code lengths. */
INLINE void add_run(TABLES coder_t *c, uint symbol, uint extra) {
  c->runs[c->run_count] = (ushort)(symbol | extra << 5);
  c->run_count++;
  c->run_counts[symbol]++;
}

/* Sends `repeats` times a length. */
static void add_runs(TABLES coder_t *c, uint length, uint repeats) {
  if (length && repeats) {
    add_run(c, length, 0);
    repeats--;
  }
  while (repeats >= 3) {
    uint most = length ? 6 : repeats > 10 ? 138 : 10;
    uint part = smaller(repeats, most);
    uint symbol = length ? 16 : repeats > 10 ? 18 : 17;
    add_run(c, symbol, part - (symbol == 18 ? 11 : 3));
    repeats -= part;
  }
  for (; repeats; repeats--)
    add_run(c, length, 0);
}

INLINE uint run_extra(uint symbol) {
  return symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
}

constant uchar RUN_ORDER[LENGTH_SYMBOLS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                            11, 4,  12, 3, 13, 2, 14, 1, 15};

static uint sent_run_lengths(TABLES const coder_t *c) {
  uint sent = LENGTH_SYMBOLS;
  while (sent > 4 && !c->run_lengths[RUN_ORDER[sent - 1]])
    sent--;
  return sent;
}

/* Makes the block's own codes. Returns the bits of what describes them. */
APART ulong make_dynamic(TABLES coder_t *c) {
  make_lengths(&c->sorting, c->literal_counts, LITERAL_SYMBOLS - 2, LONGEST_CODE, c->lengths);
  uint literals = LITERAL_SYMBOLS - 2;
  while (!c->lengths[literals - 1])
    literals--;
  /* The lengths of both codes are one sequence, whose runs go on from one to the other. */
  make_lengths(&c->sorting, c->distance_counts, DISTANCE_SYMBOLS, LONGEST_CODE,
               c->lengths + literals);
  uint distances = DISTANCE_SYMBOLS;
  while (!c->lengths[literals + distances - 1])
    distances--;
  c->literal_symbols = literals;
  c->distance_symbols = distances;
  c->run_count = 0;
  for (uint i = 0; i < LENGTH_SYMBOLS; i++)
    c->run_counts[i] = 0;
  for (uint at = 0; at < literals + distances;) {
    uint first = at;
    while (at < literals + distances && c->lengths[at] == c->lengths[first])
      at++;
    add_runs(c, c->lengths[first], at - first);
  }
  make_lengths(&c->sorting, c->run_counts, LENGTH_SYMBOLS, LONGEST_LENGTH_CODE, c->run_lengths);
  ulong bits = 5 + 5 + 4 + 3 * sent_run_lengths(c);
  for (uint i = 0; i < LENGTH_SYMBOLS; i++)
    bits += c->run_counts[i] * (c->run_lengths[i] + run_extra(i));
  return bits;
}

INLINE uint fixed_length(uint symbol) {
  return symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
}

/* The bits of the block's content by its own and by the fixed codes, extra bits left out, as both
 * have the same. */
static ulong2 coded_bits(TABLES const coder_t *c) {
  ulong own = 0, fixed = 0;
  for (uint i = 0; i < c->literal_symbols; i++) {
    own += (ulong)c->literal_counts[i] * c->lengths[i];
    fixed += (ulong)c->literal_counts[i] * fixed_length(i);
  }
  for (uint i = 0; i < c->distance_symbols; i++) {
    own += (ulong)c->distance_counts[i] * c->lengths[c->literal_symbols + i];
    fixed += (ulong)c->distance_counts[i] * 5;
  }
  ulong2 bits = {own, fixed};
  return bits;
}

static ulong extra_bits(TABLES const coder_t *c) {
  ulong bits = 0;
  for (uint i = 0; i <= MAX_LENGTH - MIN_LENGTH; i++)
    bits += c->match_counts[i] * length_extra(i);
  for (uint i = 4; i < DISTANCE_SYMBOLS; i++)
    bits += (ulong)c->distance_counts[i] * (i / 2 - 1);
  return bits;
}

/* Makes the codes of code lengths. Returns how many pieces describe the block's codes. */
static uint header_pieces(TABLES coder_t *c) {
  make_codes(&c->sorting, c->run_lengths, LENGTH_SYMBOLS, c->run_codes);
  return 3 + sent_run_lengths(c) + c->run_count;
}

/* Piece i of so many (section 3.2.7). */
INLINE piece_t header_piece(TABLES const coder_t *c, uint i, uint pieces) {
  uint sent = pieces - 3 - c->run_count;
  piece_t counts[3] = {{c->literal_symbols - 257, 5}, {c->distance_symbols - 1, 5}, {sent - 4, 4}};
  if (i < 3)
    return counts[i];
  if (i < 3 + sent) {
    piece_t length = {c->run_lengths[RUN_ORDER[i - 3]], 3};
    return length;
  }
  uint run = c->runs[i - 3 - sent], code = c->run_codes[run & 31], bits = code & CODE_LENGTH;
  piece_t piece = {code >> CODE_SHIFT | run >> 5 << bits, bits + run_extra(run & 31)};
  return piece;
}

static void put_dynamic_header(TABLES coder_t *c, private writer_t *w) {
  uint pieces = header_pieces(c);
  for (uint i = 0; i < pieces; i++) {
    piece_t piece = header_piece(c, i, pieces);
    put_bits(w, (uint)piece.bits, piece.count);
  }
}

static void set_fixed_lengths(TABLES coder_t *c) {
  for (uint i = 0; i < LITERAL_SYMBOLS; i++)
    c->lengths[i] = (uchar)fixed_length(i);
  for (uint i = 0; i < DISTANCE_SYMBOLS; i++)
    c->lengths[LITERAL_SYMBOLS + i] = 5;
  c->literal_symbols = LITERAL_SYMBOLS;
  c->distance_symbols = DISTANCE_SYMBOLS;
}

static void make_all_codes(TABLES coder_t *c) {
  make_codes(&c->sorting, c->lengths, c->literal_symbols, c->literal_codes);
  make_codes(&c->sorting, c->lengths + c->literal_symbols, c->distance_symbols, c->distance_codes);
  for (uint i = 0; i <= MAX_LENGTH - MIN_LENGTH; i++) {
    uint symbol = length_symbol(i), extra = length_extra(i);
    uint code = symbol < c->literal_symbols ? c->literal_codes[symbol] : 0;
    uint low = i & ((1u << extra) - 1);
    c->match_codes[i] = (code | low << CODE_SHIFT << (code & CODE_LENGTH)) + extra;
  }
}

/* ---- content ---- */

INLINE void add_code(private ulong *bits, private uint *count, uint code) {
  *bits |= (ulong)(code >> CODE_SHIFT) << *count;
  *count += code & CODE_LENGTH;
}

/* Writes whole bytes; at most 7 bits stay. */
INLINE output_t flush(output_t op, private ulong *bits, private uint *count) {
  store8(op, *bits);
  op += *count >> 3;
  *bits >>= *count & 56;
  *count &= 7;
  return op;
}

/* Writes the content up to `cut` as a block, in the smallest of the three ways. */
APART void put_block(TABLES coder_t *c, private writer_t *w, TABLES const sequence_t *sequences,
                     input_t cut, uint final) {
  uint size = (uint)(cut - w->begin);
  count_symbols(c, w, sequences, cut);
  ulong header = make_dynamic(c), extra = extra_bits(c);
  ulong2 coded = coded_bits(c);
  ulong own = header + coded.x, stored = stored_bytes(size);
  uint dynamic = own < coded.y;
  ulong bytes = (w->bit_count + 3 + (dynamic ? own : coded.y) + extra + 7) / 8;
  ulong room = (ulong)(w->dst_end - w->op);
  if (bytes >= stored || bytes + OVERSHOOT > room) {
    w->fits = stored <= room;
    if (w->fits)
      put_stored(w, w->begin, size, final);
  } else {
    put_bits(w, final | (dynamic ? TYPE_DYNAMIC : TYPE_FIXED) << 1, 3);
    if (dynamic)
      put_dynamic_header(c, w);
    else
      set_fixed_lengths(c);
    make_all_codes(c);
    put_coded(c, w, sequences, cut);
  }
  w->begin = w->anchor = cut;
  w->count = 0;
}

static void start_writer(private writer_t *w, segment_t row, global const uchar *src,
                         global uchar *dst) {
  w->begin = w->anchor = src + row.src + row.param;
  w->end = src + row.src + row.src_size;
  w->dst = w->op = dst + row.dst;
  w->dst_end = w->dst + row.dst_capacity;
  w->bits = 0;
  w->bit_count = 0;
  w->count = 0;
  w->fits = row.param <= DEFLATE_HISTORY && row.param <= row.src_size;
}

/* Ends the row at a byte. */
static void end_writer(private writer_t *w, segment_t row, global result_t *result) {
  int known = row.param <= DEFLATE_HISTORY && row.param <= row.src_size;
  if (w->fits && !(row.flags & DEFLATE_FINAL)) {
    w->fits = (ulong)(w->dst_end - w->op) >= STORED_HEADER + 2;
    if (w->fits)
      put_stored(w, w->end, 0, 0);
  }
  if (w->fits && w->bit_count) {
    w->fits = w->op < w->dst_end;
    if (w->fits)
      put_to_byte(w);
  }
  int status = w->fits ? STATUS_OK : known ? STATUS_DST_TOO_SMALL : STATUS_BAD_PARAM;
  put_result(result, (uint)(w->op - w->dst), status, 0);
}

#endif
