/* Bits from the lowest of the first byte on, which decoders read from the other end (RFC 8878
 * section 4.1). */
#ifndef ZSTD_BITS_H
#define ZSTD_BITS_H

#include "bytes.h"

typedef struct {
  ulong bits; /* not yet written */
  uint count; /* how many; at most 7 behind flush_bits() */
  output_t op;
} bits_t;

/* Not OpenCL's clz where it can be had: PoCL 3.0 calls that as a function. x is not 0. */
#ifdef __clang__
INLINE uint high_bit(uint x) { return 31 - (uint)__builtin_clz(x); }
#else
INLINE uint high_bit(uint x) { return 31 - (uint)clz(x); }
#endif

/* The lowest n of 0 to 31 bits. A shift of OpenCL C takes its count modulo 32, which costs. */
#ifdef __BMI2__
INLINE ulong low_bits(uint x, uint n) { return __builtin_ia32_bzhi_si(x, n); }
#else
INLINE ulong low_bits(uint x, uint n) { return x & ((1u << n) - 1); }
#endif

INLINE void start_bits(private bits_t *b, output_t op) {
  b->bits = 0;
  b->count = 0;
  b->op = op;
}

/* value has no bits above n. Not more than 63 bits in all between two flushes. */
INLINE void add_bits(private bits_t *b, ulong value, uint n) {
  b->bits |= value << b->count;
  b->count += n;
}

/* Writes 8 bytes, of which the whole ones stay. */
INLINE void flush_bits(private bits_t *b) {
  uint whole = b->count >> 3;
  store8(b->op, b->bits);
  b->op += whole;
  b->bits >>= 8 * whole;
  b->count &= 7;
}

/* Returns where the bytes end. */
INLINE output_t end_bits(private bits_t *b) {
  flush_bits(b);
  return b->op + (b->count != 0);
}

/* The bit that tells a decoder where the stream ends. */
INLINE output_t end_stream(private bits_t *b) {
  add_bits(b, 1, 1);
  return end_bits(b);
}

#endif
