/* The two sums of Adler-32, and its rows.
 *
 * A row: `flags` is the checksum of the bytes in front of it, to go on from, 1 where there are
 * none; `check` of its result is the checksum behind it. Nothing is written to dst; params are not
 * read.
 */
#ifndef FPGA_ACCEL_ADLER32_SUMS_H
#define FPGA_ACCEL_ADLER32_SUMS_H

#include "bytes.h"

/* The largest prime below 2^16. */
#define BASE 65521u
#define STEP 64u

/* 1 and all bytes, and the sums after each byte. */
typedef struct {
  ulong a, b;
} adler_t;

INLINE adler_t adler_from(uint value) {
  adler_t adler = {value & 0xffff, value >> 16};
  return adler;
}

INLINE uint adler_value(adler_t adler) { return (uint)adler.b << 16 | (uint)adler.a; }

/* Less than a step. */
INLINE adler_t past_bytes(adler_t adler, input_t p, uint size) {
  uint a = (uint)adler.a, b = (uint)adler.b;
  for (uint i = 0; i < size; i++) {
    a += p[i];
    b += a;
  }
  adler.a = a % BASE;
  adler.b = b % BASE;
  return adler;
}

INLINE void put_check(global result_t *result, uint check) {
  result->dst_size = 0;
  result->status = STATUS_OK;
  result->check = check;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

#endif
