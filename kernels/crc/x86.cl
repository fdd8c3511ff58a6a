/* CRC-32C, CRC-32 and CRC-64/NVME with the CRC and carry-less multiply instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                                  |
 * | -------- | ------ | ------------------------------------------------------------------------ |
 * | FOLD     | 512    | vectors of 64 bytes are folded: AVX-512F, VPCLMULQDQ, SSE4.2             |
 * |          | 128    | blocks of 16 bytes are folded: PCLMULQDQ, SSE4.2                         |
 * |          | 0      | CRC-32C by the crc32 instruction on four streams, the others by tables:  |
 * |          |        | SSE4.2                                                                   |
 * | MODELLED | 1      | optional, FOLD=512: carry-less products of vectors are calculated, so that
 * | |          |        | the same code runs on CPUs that have PCLMULQDQ alone |
 *
 * Tested: all.
 */
#ifndef FOLD
#error "x86.cl needs -D FOLD=0, -D FOLD=128 or -D FOLD=512"
#elif !defined(__x86_64__) || !defined(__SSE4_2__)
#error "this variant needs a 64-bit x86 CPU with SSE4.2"
#elif FOLD && !defined(__PCLMUL__)
#error "this variant needs PCLMULQDQ"
#elif FOLD == 512 && !defined(MODELLED) && (!defined(__AVX512F__) || !defined(__VPCLMULQDQ__))
#error "this variant needs AVX-512F and VPCLMULQDQ"
#endif

#include "bytes.h"
#include "constants.h"
#include "tables.h"

#define UNROLL _Pragma("clang loop unroll(full)")

/* ---- CRC-32C by the crc32 instruction ---- */

INLINE ulong crc_word(ulong crc, ulong word) { return __builtin_ia32_crc32di(crc, word); }

static ulong crc32c_by_words(ulong crc, input_t p, ulong size) {
  for (; size >= 8; size -= 8, p += 8)
    crc = crc_word(crc, load8(p));
  for (ulong i = 0; i < size; i++)
    crc = __builtin_ia32_crc32qi((uint)crc, p[i]);
  return crc;
}

#if FOLD

#include "fold.h"

constant uint crc32_tables[1][256] = CRC32_TABLE;
constant ulong crc64_nvme_tables[1][256] = CRC64_NVME_TABLE;

CRC_BY_BYTES(crc32, crc32_tables)
CRC_BY_BYTES(crc64_nvme, crc64_nvme_tables)

/* The instruction takes the last block and what is behind it. */
static ulong crc32c_of(ulong crc, input_t p, ulong size) {
  if (size < BLOCK_BYTES)
    return crc32c_by_words(crc, p, size);
  const ulong done = size / BLOCK_BYTES * BLOCK_BYTES;
  long2 sum = fold_of(FOLD_OF(CRC32C), crc, p, done);
  crc = crc_word(crc_word(0, (ulong)sum.x), (ulong)sum.y);
  return crc32c_by_words(crc, p + done, size - done);
}

#define CRC_BY_FOLDING(name, constants)                                                            \
  static ulong name##_of(ulong crc, input_t p, ulong size) {                                       \
    if (size < BLOCK_BYTES)                                                                        \
      return name##_by_bytes(crc, p, size);                                                        \
    const uint rest = (uint)(size % BLOCK_BYTES);                                                  \
    long2 sum = fold_of(FOLD_OF(constants), crc, p, size - rest);                                  \
    if (rest)                                                                                      \
      sum = with_rest(FOLD_OF(constants), sum, p + size - BLOCK_BYTES, rest);                      \
    return reduced(FOLD_OF(constants), sum);                                                       \
  }

CRC_BY_FOLDING(crc32, CRC32)
CRC_BY_FOLDING(crc64_nvme, CRC64_NVME)

#else

/* 128 bytes a stream are 15 % slower: the sums of the streams cost more. */
#define STREAM 256u
#define GROUP_BYTES (4 * STREAM)

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

static ulong crc32c_of(ulong crc, input_t p, ulong size) {
  for (; size >= GROUP_BYTES; size -= GROUP_BYTES, p += GROUP_BYTES)
    crc = crc_of_group(crc, p);
  return crc32c_by_words(crc, p, size);
}

constant uint crc32_tables[STEP][256] = CRC32_TABLES;
constant ulong crc64_nvme_tables[STEP][256] = CRC64_NVME_TABLES;

CRC_BY_TABLES(crc32, crc32_tables)
CRC_BY_TABLES(crc64_nvme, crc64_nvme_tables)

#define crc32_of crc32_by_tables
#define crc64_nvme_of crc64_nvme_by_tables

#endif

#include "rows.h"
