/* Huffman-coded literals (RFC 8878, 4.2). */
#ifndef ZSTD_HUFFMAN_H
#define ZSTD_HUFFMAN_H

#include "fse.h"

/* Longest code (4.2.1), and symbols. */
#define HUFFMAN_LOG 11
#define HUFFMAN_SYMBOLS 256u

/* Cells by the next `log` bits of a stream: bits of the code, and its symbol from bit 8 on. */
typedef struct {
  uint log; /* 0: there is no table */
  ushort cells[1 << HUFFMAN_LOG];
} huffman_t;

/* Decodes weights (4.2.1.2). Returns how many, 0 where they are malformed. */
APART uint read_coded_weights(input_t p, uint size, private uchar *weights) {
  counts_t counts;
  state_t table[1 << WEIGHT_LOG];
  uint taken = read_counts(p, size, WEIGHT_LOG, WEIGHT_CODES, &counts);
  if (taken == 0)
    return 0;
  build_table(WEIGHTS, &counts, table);
  input_t stream = p + taken;
  int left = stream_bits(stream, size - taken) - 2 * (int)counts.log;
  if (left < 0)
    return 0;
  ulong word = next_bits(stream, left + 2 * (int)counts.log);
  uint state = first_bits(word, counts.log);
  uint other = first_bits(word << counts.log, counts.log);
  /* The two states take turns. */
  for (uint count = 0; count < HUFFMAN_SYMBOLS - 2;) {
    state_t now = table[state];
    weights[count++] = (uchar)now.base;
    if ((int)now.bits > left) {
      weights[count++] = (uchar)table[other].base;
      return count;
    }
    state = other;
    other = now.next + first_bits(next_bits(stream, left), now.bits);
    left -= now.bits;
  }
  return 0;
}

/* Reads weights (4.2.1.1), also those that are coded. Returns the bytes that they take, 0 where
 * they are malformed. */
APART uint read_weights(input_t p, uint size, private uchar *weights, private uint *count) {
  uint head = p[0];
  if (head < 128) {
    if (head >= size)
      return 0;
    *count = read_coded_weights(p + 1, head, weights);
    return *count ? head + 1 : 0;
  }
  *count = head - 127;
  uint taken = 1 + (*count + 1) / 2;
  if (taken > size)
    return 0;
  for (uint i = 0; i < *count; i++)
    weights[i] = i % 2 ? p[1 + i / 2] & 15 : p[1 + i / 2] >> 4;
  return taken;
}

/* Reads a tree description of at most `size` bytes, at least one. Returns the bytes that it takes,
 * 0 where it is malformed; the table is then as it was. */
APART uint read_tree(input_t p, uint size, private huffman_t *huffman) {
  uchar weights[HUFFMAN_SYMBOLS];
  uint count, starts[HUFFMAN_LOG + 2], sum = 0;
  uint taken = read_weights(p, size, weights, &count);
  if (taken == 0)
    return 0;
  for (uint w = 0; w < HUFFMAN_LOG + 2; w++)
    starts[w] = 0;
  for (uint i = 0; i < count; i++) {
    if (weights[i] > HUFFMAN_LOG)
      return 0;
    sum += 1u << weights[i] >> 1;
    starts[weights[i]]++;
  }
  if (sum == 0 || sum >= 1u << HUFFMAN_LOG)
    return 0;
  /* The last weight makes the sum a power of two. */
  uint log = high_bit(sum) + 1, rest = (1u << log) - sum;
  if (rest & (rest - 1))
    return 0;
  weights[count] = (uchar)(high_bit(rest) + 1);
  starts[weights[count++]]++;
  if (starts[1] < 2)
    return 0;
  uint cells = 0;
  for (uint w = 1; w <= log; w++) {
    uint symbols = starts[w];
    starts[w] = cells;
    cells += symbols << (w - 1);
  }
  for (uint i = 0; i < count; i++) {
    uint weight = weights[i];
    if (weight == 0)
      continue;
    uint span = 1u << (weight - 1), start = starts[weight];
    ushort cell = (ushort)((log + 1 - weight) | i << 8);
    for (uint k = 0; k < span; k++)
      huffman->cells[start + k] = cell;
    starts[weight] = start + span;
  }
  huffman->log = log;
  return taken;
}

typedef struct {
  input_t stream;
private
  uchar *out;
  int left; /* bits */
} coded_t;

/* The last symbols of a stream, which has to end with them. */
INLINE int end_stream(private const huffman_t *huffman, coded_t coded, uint count) {
  int left = coded.left;
  const uint shift = 64 - huffman->log;
  for (uint i = 0; i < count;) {
    if (left < 0)
      return 0;
    ulong word = next_bits(coded.stream, left);
    for (uint k = 0; k < 5 && i < count; k++) {
      uint cell = huffman->cells[word >> shift];
      word <<= cell & 63;
      left -= (int)(cell & 63);
      coded.out[i++] = (uchar)(cell >> 8);
    }
  }
  return left == 0;
}

/* Four streams in turns: rounds of 5 symbols each, which take at most 55 bits. A word holds 56 bits
 * or more and, at its lower end, a 1 that tells how many were taken. */
#define SYMBOLS_A_ROUND 5u
#define BITS_A_ROUND 55

#define START_WORD(k)                                                                              \
  input_t at##k = coded[k].stream + ((coded[k].left + 7) >> 3) - 8;                                \
  ulong word##k = (load8(at##k) | 1) << ((0 - (uint)coded[k].left) & 7);                           \
private                                                                                            \
  uchar *out##k = coded[k].out;
#define DECODE(k, i)                                                                               \
  {                                                                                                \
    uint cell = cells[word##k >> shift];                                                           \
    word##k <<= cell & 63;                                                                         \
    out##k[i] = (uchar)(cell >> 8);                                                                \
  }
#define DECODE_ALL(i) DECODE(0, i) DECODE(1, i) DECODE(2, i) DECODE(3, i)
#define REFILL(k)                                                                                  \
  {                                                                                                \
    uint taken = low_zero_bits(word##k);                                                           \
    at##k -= taken >> 3;                                                                           \
    word##k = (load8(at##k) | 1) << (taken & 7);                                                   \
    out##k += SYMBOLS_A_ROUND;                                                                     \
  }
#define END_WORD(k)                                                                                \
  coded[k].left = (int)(8 * (at##k + 8 - coded[k].stream)) - (int)low_zero_bits(word##k);          \
  coded[k].out = out##k;

INLINE void decode_rounds(private const huffman_t *huffman, private coded_t *coded, uint rounds) {
private
  const ushort *cells = huffman->cells;
  const uint shift = 64 - huffman->log;
  START_WORD(0);
  START_WORD(1);
  START_WORD(2);
  START_WORD(3);
  for (; rounds > 0; rounds--) {
    DECODE_ALL(0);
    DECODE_ALL(1);
    DECODE_ALL(2);
    DECODE_ALL(3);
    DECODE_ALL(4);
    REFILL(0);
    REFILL(1);
    REFILL(2);
    REFILL(3);
  }
  END_WORD(0);
  END_WORD(1);
  END_WORD(2);
  END_WORD(3);
}

/* Rounds that no stream can end in. */
INLINE uint safe_rounds(private const coded_t *coded, uint symbols) {
  uint rounds = symbols / SYMBOLS_A_ROUND;
  for (uint k = 0; k < 4; k++)
    rounds = smaller(rounds, (uint)coded[k].left / BITS_A_ROUND);
  return rounds;
}

/* Decodes `count` literals of four streams behind their jump table. False: malformed. */
APART int decode_four(private const huffman_t *huffman, input_t p, uint size, private uchar *out,
                      uint count) {
  coded_t coded[4];
  if (size < 6 || count < 6)
    return 0;
  uint part = (count + 3) / 4, at = 6;
  for (uint k = 0; k < 4; k++) {
    uint bytes = k < 3 ? load2(p + 2 * k) : size - at;
    if (bytes > size - at)
      return 0;
    coded[k].stream = p + at;
    coded[k].left = stream_bits(p + at, bytes);
    coded[k].out = out + k * part;
    if (coded[k].left < 0)
      return 0;
    at += bytes;
  }
  /* The last stream may be shorter than the others. */
  uint left = count - 3 * part;
  for (uint rounds; (rounds = safe_rounds(coded, left)) > 0; left -= rounds * SYMBOLS_A_ROUND)
    decode_rounds(huffman, coded, rounds);
  for (uint k = 0; k < 4; k++)
    if (!end_stream(huffman, coded[k], k < 3 ? left + part - (count - 3 * part) : left))
      return 0;
  return 1;
}

APART int decode_one(private const huffman_t *huffman, input_t p, uint size, private uchar *out,
                     uint count) {
  coded_t coded;
  coded.stream = p;
  coded.left = stream_bits(p, size);
  coded.out = out;
  return coded.left >= 0 && end_stream(huffman, coded, count);
}

#endif
