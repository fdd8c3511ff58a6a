/* Bitstreams that are read from their last byte to their first (RFC 8878, 4.1 and 4.2). */
#ifndef ZSTD_BITS_H
#define ZSTD_BITS_H

#include "bytes.h"

#ifdef __clang__
INLINE uint high_bit(uint x) { return 31 - (uint)__builtin_clz(x); }
INLINE uint low_zero_bits(ulong x) { return (uint)__builtin_ctzl(x); }
#else
INLINE uint high_bit(uint x) { return 31 - (uint)clz(x); }
INLINE uint low_zero_bits(ulong x) { return (uint)popcount(~x & (x - 1)); }
#endif

/* 16 bytes from private memory. */
INLINE void give16(output_t to, private const uchar *from) {
  ((global unaligned16_t *)to)->value = ((private const unaligned16_t *)from)->value;
}

/* Bits of a stream of `size` bytes below its end mark, the highest bit that is set; -1 where there
 * is none. */
INLINE int stream_bits(input_t stream, uint size) {
  if (size == 0 || stream[size - 1] == 0)
    return -1;
  return (int)(8 * (size - 1) + high_bit(stream[size - 1]));
}

/* The next bits of a stream of which `left` are left, in the highest ones of a word: 57 or more, or
 * as many as there are. Reads 8 bytes up to the last one that is wanted, of which some may lie up
 * to 8 bytes before the stream, where a frame has its headers: at least 12 bytes before the stream
 * of a sequences section, 14 before others. */
INLINE ulong next_bits(input_t stream, int left) {
  int end = (left + 7) >> 3;
  return load8(stream + end - 8) << (8 * end - left);
}

/* The first `count` bits of a word, at most 63. */
INLINE uint first_bits(ulong word, uint count) { return (uint)(word >> 1 >> (63 - count)); }

#endif
