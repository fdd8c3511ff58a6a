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
#include "crc32c_x86.h"
#include "crc_constants.h"
#include "crc_tables.h"

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

#define crc32c_of crc32c_by_streams

constant uint crc32_tables[STEP][256] = CRC32_TABLES;
constant ulong crc64_nvme_tables[8][256] = CRC64_NVME_TABLES;

CRC_BY_TABLES(crc32, crc32_tables)
CRC_BY_8_TABLES(crc64_nvme, crc64_nvme_tables)

#define crc32_of crc32_by_tables
#define crc64_nvme_of crc64_nvme_by_tables

#endif

#include "rows.h"
