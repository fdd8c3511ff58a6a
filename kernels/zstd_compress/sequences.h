/* The sequences section (RFC 8878 section 3.1.1.3.2): codes, their tables, and the bit stream. */
#ifndef ZSTD_SEQUENCES_H
#define ZSTD_SEQUENCES_H

#include "fse.h"
#include "params.h"

#define LENGTH_LOG 9u /* of fitted tables for lengths */
#define OFFSET_LOG 8u /* of those for offsets */
#define MATCH_BASE 3u /* the length that match length 0 stands for */
#define MODE_PREDEFINED 0u
#define MODE_RLE 1u
#define MODE_FITTED 2u

enum { LITERAL_LENGTHS, OFFSETS, MATCH_LENGTHS, ALPHABETS };

/* A sequence: as it was found, and then as what is written of it. */
typedef struct {
  union {
    struct {
      ushort literals, match; /* match: less MATCH_BASE */
      uint distance;
    };
    uint extra[2]; /* the bits that are in no code, the lower ones first */
  };
  uchar codes[ALPHABETS], extra_bits;
} sequence_t;

#define SEQUENCES_MOST (ZSTD_BLOCK / 4)

/* Of a block. */
typedef struct {
  sequence_t list[SEQUENCES_MOST];
  uint count;
} sequences_t;

/* What they are coded by. */
typedef struct {
  fse_t fitted[ALPHABETS], predefined[ALPHABETS];
  uint counts[ALPHABETS][FSE_SYMBOLS];
  short normal[FSE_SYMBOLS];
  short predefined_normal[ALPHABETS][FSE_SYMBOLS];
} codes_t;

/* Section 3.1.1.3.2.1.1: codes of short lengths, and the extra bits of codes. */
constant uchar LITERALS_CODE[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                    16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 20, 20, 21, 21, 21, 21,
                                    22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23, 23, 23, 23,
                                    24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24};
constant uchar LITERALS_BITS[36] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  1,  1,
                                    1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constant uchar MATCH_CODE[128] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 32, 33, 33, 34, 34, 35, 35, 36, 36, 36, 36,
    37, 37, 37, 37, 38, 38, 38, 38, 38, 38, 38, 38, 39, 39, 39, 39, 39, 39, 39, 39, 40, 40,
    40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 41, 41, 41, 41, 41, 41, 41, 41,
    41, 41, 41, 41, 41, 41, 41, 41, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42,
    42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42};
constant uchar MATCH_BITS[53] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  0,  0, 0,
                                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  1,  1,  1, 1,
                                 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
/* Symbols of each alphabet. Distances of less than 2^28. */
constant uint ALPHABET[ALPHABETS] = {36, 29, 53};

/* Sections 3.1.1.3.2.2.1 to .3: the default distributions. */
constant char PREDEFINED[ALPHABETS][FSE_SYMBOLS] = {
    {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
     2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1},
    {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1},
    {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1}};
constant uint PREDEFINED_LOG[ALPHABETS] = {6, 5, 6};
constant uint FITTED_LOG[ALPHABETS] = {LENGTH_LOG, OFFSET_LOG, LENGTH_LOG};

INLINE uint literals_code(uint length) {
  return length < 64 ? LITERALS_CODE[length] : high_bit(length) + 19;
}

INLINE uint match_code(uint length) {
  return length < 128 ? MATCH_CODE[length] : high_bit(length) + 36;
}

/* Makes of a sequence what is written; value stands for its distance. */
INLINE void code_sequence(private sequence_t *s, uint value) {
  uint l = literals_code(s->literals), m = match_code(s->match), o = high_bit(value);
  uint literal_bits = LITERALS_BITS[l], match_bits = MATCH_BITS[m];
  ulong extra = low_bits(value, o) << match_bits | low_bits(s->match, match_bits);
  extra = extra << literal_bits | low_bits(s->literals, literal_bits);
  s->codes[LITERAL_LENGTHS] = (uchar)l;
  s->codes[OFFSETS] = (uchar)o;
  s->codes[MATCH_LENGTHS] = (uchar)m;
  s->extra_bits = (uchar)(literal_bits + match_bits + o);
  s->extra[0] = (uint)extra;
  s->extra[1] = (uint)(extra >> 32);
}

static void start_codes(STORE codes_t *c) {
  for (uint a = 0; a < ALPHABETS; a++) {
    for (uint s = 0; s < ALPHABET[a]; s++)
      c->predefined_normal[a][s] = PREDEFINED[a][s];
    build_fse(c->predefined + a, c->predefined_normal[a], ALPHABET[a], PREDEFINED_LOG[a]);
  }
}

/* Chooses the mode of an alphabet, and writes what describes its table. */
APART output_t put_table(output_t op, STORE codes_t *c, uint count, uint alphabet,
                         private uint *mode) {
  STORE uint *counts = c->counts[alphabet];
  STORE short *normal = c->normal;
  uint symbols = 0, kinds = 0;
  for (uint s = 0; s < ALPHABET[alphabet]; s++)
    if (counts[s]) {
      symbols = s + 1;
      kinds++;
    }
  *mode = MODE_PREDEFINED;
  if (kinds == 1) {
    for (uint s = 0; s < symbols; s++)
      normal[s] = s + 1 == symbols;
    build_fse(c->fitted + alphabet, normal, symbols, 0);
    *mode = MODE_RLE;
    *op = (uchar)(symbols - 1);
    return op + 1;
  }
  uint log = fse_log(count, symbols, FITTED_LOG[alphabet]);
  normalise(counts, symbols, count, log, normal);
  output_t end = put_normal(op, normal, log);
  ulong fitted = fse_cost(counts, normal, symbols, log) + ((ulong)(end - op) << 11);
  if (fitted >= fse_cost(counts, c->predefined_normal[alphabet], symbols, PREDEFINED_LOG[alphabet]))
    return op;
  build_fse(c->fitted + alphabet, normal, symbols, log);
  *mode = MODE_FITTED;
  return end;
}

/* The stream: from the last sequence to the first, as decoders read it backwards. Returns where it
 * ends, limit where it would pass that. */
APART output_t put_stream_of(output_t op, output_t limit, STORE const sequences_t *q,
                             STORE const fse_t *ll, STORE const fse_t *of, STORE const fse_t *ml) {
  bits_t b;
  uint i = q->count - 1, states[ALPHABETS];
  start_bits(&b, op);
  sequence_t s = q->list[i];
  states[LITERAL_LENGTHS] = first_state(ll, s.codes[LITERAL_LENGTHS]);
  states[OFFSETS] = first_state(of, s.codes[OFFSETS]);
  states[MATCH_LENGTHS] = first_state(ml, s.codes[MATCH_LENGTHS]);
  for (;;) {
    flush_bits(&b); /* at most 7 + 8 + 9 + 9 bits, then 7 + 16 + 16 + 23 */
    add_bits(&b, (ulong)s.extra[1] << 32 | s.extra[0], s.extra_bits);
    flush_bits(&b);
    if (!i)
      break;
    if (b.op >= limit)
      return limit;
    s = q->list[--i];
    states[OFFSETS] = put_symbol(&b, of, states[OFFSETS], s.codes[OFFSETS]);
    states[MATCH_LENGTHS] = put_symbol(&b, ml, states[MATCH_LENGTHS], s.codes[MATCH_LENGTHS]);
    states[LITERAL_LENGTHS] = put_symbol(&b, ll, states[LITERAL_LENGTHS], s.codes[LITERAL_LENGTHS]);
  }
  add_bits(&b, states[MATCH_LENGTHS] & ((1u << ml->log) - 1), ml->log);
  add_bits(&b, states[OFFSETS] & ((1u << of->log) - 1), of->log);
  add_bits(&b, states[LITERAL_LENGTHS] & ((1u << ll->log) - 1), ll->log);
  return end_stream(&b);
}

static output_t put_sequence_count(output_t op, uint count) {
  if (count < 128) {
    *op = (uchar)count;
    return op + 1;
  }
  op[0] = (uchar)((count >> 8) + 128);
  op[1] = (uchar)count;
  return op + 2;
}

/* The sequences section. Returns where it ends; limit or more where that is too far. */
static output_t put_sequences(output_t op, output_t limit, STORE codes_t *c,
                              STORE const sequences_t *q) {
  op = put_sequence_count(op, q->count);
  if (!q->count)
    return op;
  output_t modes = op++;
  STORE const fse_t *tables[ALPHABETS];
  uint all = 0;
  for (uint a = 0; a < ALPHABETS; a++) {
    uint mode;
    op = put_table(op, c, q->count, a, &mode);
    tables[a] = mode == MODE_PREDEFINED ? c->predefined + a : c->fitted + a;
    all |= mode << (6 - 2 * a);
  }
  *modes = (uchar)all;
  if (op >= limit)
    return limit;
  return put_stream_of(op, limit, q, tables[LITERAL_LENGTHS], tables[OFFSETS],
                       tables[MATCH_LENGTHS]);
}

#endif
