/* Finite State Entropy (RFC 8878, 4.1): distributions and their decoding tables. */
#ifndef ZSTD_FSE_H
#define ZSTD_FSE_H

#include "bits.h"

/* What a state stands for: `base` plus the value of `extra` bits; and the next state: `next` plus
 * the value of `bits` bits. */
typedef struct {
  uint base;
  ushort next;
  uchar bits;
  uchar extra;
} state_t;

/* Accuracy logs and symbols of the three codes of sequences, and of Huffman weights. */
#define LENGTH_LOG 9
#define OFFSET_LOG 8
#define MATCH_LOG 9
#define WEIGHT_LOG 6
#define LENGTH_CODES 36u
#define OFFSET_CODES 32u
#define MATCH_CODES 53u
/* Weights of codes of at most 11 bits; a 12th would be a code that is too long. */
#define WEIGHT_CODES 13u

#define MOST_LOG 9
#define MOST_CODES 53u

typedef enum { LENGTHS, OFFSETS, MATCHES, WEIGHTS } code_t;

/* A distribution: the cells of each symbol, -1 for "less than 1". */
typedef struct {
  uint log, symbols;
  short cells[MOST_CODES];
} counts_t;

/* Bits `at` and on of `size` bytes, at most 16 of them; zeros behind the end. */
INLINE uint forward_bits(input_t p, uint size, uint at, uint count) {
  uint byte = at >> 3, value = 0;
  for (uint i = 0; i < 3; i++)
    if (byte + i < size)
      value |= (uint)p[byte + i] << 8 * i;
  return (value >> (at & 7)) & ((1u << count) - 1);
}

/* Reads a table description (4.1.1) of at most `size` bytes. Returns the bytes that it takes, 0
 * where it is malformed. */
APART uint read_counts(input_t p, uint size, uint most_log, uint most_symbols,
                       private counts_t *counts) {
  uint log = forward_bits(p, size, 0, 4) + 5, at = 4, symbol = 0;
  if (log > most_log)
    return 0;
  uint left = 1u << log;
  while (left > 0) {
    /* Values 0 to left + 1: the first of them take a bit less. */
    uint bits = high_bit(left + 1) + 1, fewer = (1u << bits) - left - 2;
    uint value = forward_bits(p, size, at, bits - 1);
    if (value < fewer) {
      at += bits - 1;
    } else {
      value = forward_bits(p, size, at, bits);
      value -= value >> (bits - 1) ? fewer : 0;
      at += bits;
    }
    if (symbol >= most_symbols)
      return 0;
    counts->cells[symbol++] = (short)((int)value - 1);
    left -= value ? value - 1 : 1;
    uint more = value == 1 ? 3 : 0;
    while (more == 3) {
      more = forward_bits(p, size, at, 2);
      at += 2;
      if (more > most_symbols - symbol)
        return 0;
      for (uint i = 0; i < more; i++)
        counts->cells[symbol++] = 0;
    }
  }
  counts->log = log;
  counts->symbols = symbol;
  uint taken = (at + 7) >> 3;
  return taken <= size ? taken : 0;
}

/* Baselines, and the extra bits from bit 24 on (3.1.1.3.2.1.1). */
constant uint length_codes[LENGTH_CODES] = {0,
                                            1,
                                            2,
                                            3,
                                            4,
                                            5,
                                            6,
                                            7,
                                            8,
                                            9,
                                            10,
                                            11,
                                            12,
                                            13,
                                            14,
                                            15,
                                            16 | 1 << 24,
                                            18 | 1 << 24,
                                            20 | 1 << 24,
                                            22 | 1 << 24,
                                            24 | 2 << 24,
                                            28 | 2 << 24,
                                            32 | 3 << 24,
                                            40 | 3 << 24,
                                            48 | 4 << 24,
                                            64 | 6 << 24,
                                            128 | 7 << 24,
                                            256 | 8 << 24,
                                            512 | 9 << 24,
                                            1024 | 10 << 24,
                                            2048 | 11 << 24,
                                            4096 | 12 << 24,
                                            8192 | 13 << 24,
                                            16384 | 14 << 24,
                                            32768 | 15 << 24,
                                            65536 | 16 << 24};
/* From code 32 on; those before stand for the code and 3. */
constant uint match_codes[MATCH_CODES - 32] = {
    35 | 1 << 24,    37 | 1 << 24,    39 | 1 << 24,    41 | 1 << 24,     43 | 2 << 24,
    47 | 2 << 24,    51 | 3 << 24,    59 | 3 << 24,    67 | 4 << 24,     83 | 4 << 24,
    99 | 5 << 24,    131 | 7 << 24,   259 | 8 << 24,   515 | 9 << 24,    1027 | 10 << 24,
    2051 | 11 << 24, 4099 | 12 << 24, 8195 | 13 << 24, 16387 | 14 << 24, 32771 | 15 << 24,
    65539 | 16 << 24};

INLINE uint code_of(code_t code, uint symbol) {
  if (code == LENGTHS)
    return length_codes[symbol];
  if (code == MATCHES)
    return symbol < 32 ? symbol + 3 : match_codes[symbol - 32];
  return symbol;
}

INLINE state_t meaning(code_t code, uint symbol) {
  uint packed = code_of(code, symbol);
  state_t state;
  state.base = code == OFFSETS ? 1u << symbol : packed & 0xFFFFFF;
  state.extra = (uchar)(code == OFFSETS ? symbol : packed >> 24);
  state.next = 0;
  state.bits = 0;
  return state;
}

/* Default distributions (3.1.1.3.2.2). */
constant char default_lengths[LENGTH_CODES] = {4, 3, 2, 2, 2, 2, 2, 2, 2,  2,  2,  2,
                                               2, 1, 1, 1, 2, 2, 2, 2, 2,  2,  2,  2,
                                               2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
constant char default_offsets[29] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                                     1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};
constant char default_matches[MATCH_CODES] = {
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};

INLINE void default_counts(code_t code, private counts_t *counts) {
  counts->log = code == OFFSETS ? 5 : 6;
  counts->symbols = code == LENGTHS ? LENGTH_CODES : code == OFFSETS ? 29u : MATCH_CODES;
  for (uint i = 0; i < counts->symbols; i++)
    counts->cells[i] = code == LENGTHS   ? default_lengths[i]
                       : code == OFFSETS ? default_offsets[i]
                                         : default_matches[i];
}

/* Spreads the symbols over the cells (4.1.2). */
APART void build_table(code_t code, private const counts_t *counts, private state_t *table) {
  const uint size = 1u << counts->log, mask = size - 1, step = (size >> 1) + (size >> 3) + 3;
  ushort following[MOST_CODES];
  uchar symbols[1 << MOST_LOG];
  uint high = size, at = 0;
  for (uint s = 0; s < counts->symbols; s++) {
    following[s] = (ushort)(counts->cells[s] < 0 ? 1 : counts->cells[s]);
    if (counts->cells[s] < 0)
      symbols[--high] = (uchar)s;
  }
  for (uint s = 0; s < counts->symbols; s++)
    for (int i = 0; i < counts->cells[s]; i++) {
      symbols[at] = (uchar)s;
      do
        at = (at + step) & mask;
      while (at >= high);
    }
  for (uint cell = 0; cell < size; cell++) {
    uint symbol = symbols[cell], number = following[symbol]++;
    state_t state = meaning(code, symbol);
    state.bits = (uchar)(counts->log - high_bit(number));
    state.next = (ushort)((number << state.bits) - size);
    table[cell] = state;
  }
}

#endif
