/* CRC-32C by the crc32 instruction of x86 CPUs: SSE4.2. Registers, before and behind the bytes, are
 * not inverted. */
#ifndef FPGA_ACCEL_CRC32C_X86_H
#define FPGA_ACCEL_CRC32C_X86_H

#include "bytes.h"
#include "crc_constants.h"
#include "crc_tables.h"

#define UNROLL _Pragma("clang loop unroll(full)")

INLINE ulong crc_word(ulong crc, ulong word) { return __builtin_ia32_crc32di(crc, word); }

static ulong crc32c_by_words(ulong crc, input_t p, ulong size) {
  for (; size >= 8; size -= 8, p += 8)
    crc = crc_word(crc, load8(p));
  for (ulong i = 0; i < size; i++)
    crc = __builtin_ia32_crc32qi((uint)crc, p[i]);
  return crc;
}

/* 128 bytes a stream are 15 % slower: the sums of the streams cost more. */
#define STREAM 256u
#define STREAMS_BYTES (4 * STREAM)

/* past_stream[j][n]: the register n << 8 j after STREAM zero bytes. */
constant uint past_stream[4][256] = CRC32C_PAST_STREAM;

INLINE ulong crc_past_stream(ulong crc) {
  return past_stream[0][crc & 0xff] ^ past_stream[1][(crc >> 8) & 0xff] ^
         past_stream[2][(crc >> 16) & 0xff] ^ past_stream[3][crc >> 24];
}

/* The instruction takes three clocks and starts every clock, so one stream would wait for itself. A
 * loop that is not unrolled is three times slower. */
static ulong crc_of_group(ulong crc, input_t p) {
  ulong a = crc, b = 0, c = 0, d = 0;
  UNROLL
  for (uint i = 0; i < STREAM; i += 8) {
    a = crc_word(a, load8(p + i));
    b = crc_word(b, load8(p + STREAM + i));
    c = crc_word(c, load8(p + 2 * STREAM + i));
    d = crc_word(d, load8(p + 3 * STREAM + i));
  }
  return crc_past_stream(crc_past_stream(crc_past_stream(a) ^ b) ^ c) ^ d;
}

static ulong crc32c_by_streams(ulong crc, input_t p, ulong size) {
  for (; size >= STREAMS_BYTES; size -= STREAMS_BYTES, p += STREAMS_BYTES)
    crc = crc_of_group(crc, p);
  return crc32c_by_words(crc, p, size);
}

#endif
