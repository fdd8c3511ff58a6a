/* Finite state entropy: normalised counts, their description, and encoders' tables (RFC 8878
 * section 4.1). */
#ifndef ZSTD_FSE_H
#define ZSTD_FSE_H

#include "bits.h"

/* Where the working memory lies: private by default, local where one work-item has the device. */
#ifndef STORE
#define STORE private
#endif

#define FSE_LOG_MIN 5u
#define FSE_LOG_MAX 9u
#define FSE_SYMBOLS 53u /* match length codes, the most of any alphabet here */

/* An encoder's table for 1 << log states, numbered from 1 << log on. */
typedef struct {
  ushort states[1 << FSE_LOG_MAX]; /* of each symbol, ascending; the symbols one after the other */
  uint bits[FSE_SYMBOLS];          /* (state + bits) >> 16 is how many bits a symbol takes */
  short base[FSE_SYMBOLS];         /* the state's other bits, and this, find the next in states */
  ushort first[FSE_SYMBOLS];       /* where a symbol's states begin */
  uint log;
} fse_t;

/* Binary logarithm in 1/256, by linear interpolation; x is not 0. */
INLINE uint log2_256(uint x) {
  uint high = high_bit(x);
  return high << 8 | ((x << 8 >> high) & 255);
}

/* How many states a symbol has: -1 stands for one, at the table's end. */
INLINE uint states_of(short count) { return count < 0 ? 1 : (uint)count; }

/* Bits that the symbols take, by their counts and how these are normalised, in 1/256. */
APART ulong fse_cost(STORE const uint *counts, STORE const short *normal, uint symbols, uint log) {
  ulong cost = 0;
  for (uint s = 0; s < symbols; s++)
    if (counts[s])
      cost += (ulong)counts[s] * ((log << 8) - log2_256(states_of(normal[s])));
  return cost;
}

/* The table's log for `total` symbols, of which up to `symbols` differ. */
INLINE uint fse_log(uint total, uint symbols, uint most) {
  uint wanted = high_bit(total - 1), least = high_bit(symbols) + 1;
  wanted = wanted > 2 ? wanted - 2 : 0;
  wanted = wanted < least ? least : wanted;
  wanted = wanted < FSE_LOG_MIN ? FSE_LOG_MIN : wanted;
  return smaller(wanted, most);
}

/* Scales counts to a sum of 1 << log, none that occurs to 0. Rounding is put right where it costs
 * least: by the symbol whose states are worth least, or most. */
APART void normalise(STORE const uint *counts, uint symbols, uint total, uint log,
                     STORE short *normal) {
  int left = 1 << log;
  for (uint s = 0; s < symbols; s++) {
    uint n = (uint)((((ulong)counts[s] << log) + total / 2) / total);
    normal[s] = (short)(counts[s] && !n ? 1 : n);
    left -= normal[s];
  }
  int step = left < 0 ? -1 : 1;
  for (; left; left -= step) {
    uint best = symbols;
    for (uint s = 0; s < symbols; s++) {
      if (!counts[s] || (step < 0 && normal[s] == 1))
        continue;
      if (best == symbols) {
        best = s;
        continue;
      }
      /* A state more is worth about count / (states + 1/2), one less count / (states - 1/2). */
      ulong mine = (ulong)counts[s] * (uint)(2 * normal[best] + step);
      ulong other = (ulong)counts[best] * (uint)(2 * normal[s] + step);
      if (step < 0 ? mine < other : mine > other)
        best = s;
    }
    normal[best] += (short)step;
  }
}

/* RFC 8878 section 4.1.1. Returns where the description ends. */
APART output_t put_normal(output_t op, STORE const short *normal, uint log) {
  bits_t b;
  start_bits(&b, op);
  add_bits(&b, log - FSE_LOG_MIN, 4);
  uint left = (1u << log) + 1; /* one more than the points that are not yet given */
  for (uint s = 0; left > 1;) {
    uint value = states_of(normal[s]) + 1, width = high_bit(left) + 1;
    uint short_ones = (1u << width) - 1 - left; /* values that take one bit less */
    left -= value - 1;
    if (value < short_ones)
      add_bits(&b, value, width - 1);
    else
      add_bits(&b, value + (value >> (width - 1) ? short_ones : 0), width);
    s++;
    if (value == 1) {
      uint zeros = 0;
      for (; !normal[s]; s++)
        zeros++;
      for (; zeros >= 3; zeros -= 3) {
        add_bits(&b, 3, 2);
        flush_bits(&b);
      }
      add_bits(&b, zeros, 2);
    }
    flush_bits(&b);
  }
  return end_bits(&b);
}

/* Makes the table. log 0 with one symbol makes one that takes no bits. */
APART void build_fse(STORE fse_t *t, STORE const short *normal, uint symbols, uint log) {
  uint size = 1u << log, at = 0, last = size, sum = 0;
  uchar cells[1 << FSE_LOG_MAX];
  for (uint s = 0; s < symbols; s++)
    if (normal[s] < 0)
      cells[--last] = (uchar)s;
  for (uint s = 0; s < symbols; s++)
    for (int i = 0; i < normal[s]; i++) {
      cells[at] = (uchar)s;
      do
        at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
      while (at >= last);
    }
  t->log = log;
  for (uint s = 0; s < symbols; s++) {
    uint n = states_of(normal[s]);
    if (!n)
      continue;
    uint most = log - (n > 1 ? high_bit(n - 1) : 0);
    t->bits[s] = (most << 16) - (n << most);
    t->base[s] = (short)((int)sum - (int)n);
    t->first[s] = (ushort)sum;
    sum += n;
  }
  ushort next[FSE_SYMBOLS];
  for (uint s = 0; s < symbols; s++)
    next[s] = t->first[s];
  for (uint i = 0; i < size; i++)
    t->states[next[cells[i]]++] = (ushort)(size + i);
}

/* A state that a stream may end with, having decoded the symbol: of a symbol's states the first,
 * which takes a bit at least, so that its decoder sees that there are none. */
INLINE uint first_state(STORE const fse_t *t, uint symbol) { return t->states[t->first[symbol]]; }

/* Puts the symbol before a state; returns the state that decodes it. */
INLINE uint put_symbol(private bits_t *b, STORE const fse_t *t, uint state, uint symbol) {
  uint n = (state + t->bits[symbol]) >> 16;
  add_bits(b, low_bits(state, n), n);
  return t->states[(int)(state >> n) + t->base[symbol]];
}

#endif
