/* Adler-32 as one loop for FPGAs that takes 64 bytes a clock.
 *
 * No -D parameters. Tested on the FPGA emulator. Rows are as sums.h has them.
 */
#include "sums.h"

/* A byte a clock, as nothing behind the row may be read. */
static inline void part_step(global const uchar *p, uint size, private uchar *bytes) {
  for (uint i = 0; i < STEP; i++)
    bytes[i] = i < size ? p[i] : (uchar)0;
}

static inline void whole_step(global const uchar *p, private uchar *bytes) {
#pragma unroll
  for (uint i = 0; i < STEP; i++)
    bytes[i] = p[i];
}

/* b is not reduced: 2^26 steps of a row add less than 2^23 each. So the next step waits for an
 * addition and a comparison of 17 bits alone. */
static inline adler_t past_step(adler_t adler, private const uchar *bytes, uint size) {
  uint sum = 0, weighted = 0;
#pragma unroll
  for (uint i = 0; i < STEP; i++) {
    sum += bytes[i];
    weighted += (STEP - i) * bytes[i];
  }
  adler.b += adler.a * size + weighted - (STEP - size) * sum;
  adler.a += sum;
  adler.a -= adler.a >= BASE ? BASE : 0;
  return adler;
}

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
adler32(global const uchar *restrict src, global uchar *restrict dst,
        global const segment_t *restrict segments, global result_t *restrict results,
        global const uchar *restrict params, uint count) {
  for (uint row = 0; row < count; row++) {
    const segment_t segment = segments[row];
    const uint steps = segment.src_size / STEP, rest = segment.src_size % STEP;
    global const uchar *p = src + segment.src;
    adler_t adler = adler_from(segment.flags);
    uchar bytes[STEP];
    for (uint i = 0; i < steps; i++) {
      whole_step(p + (ulong)i * STEP, bytes);
      adler = past_step(adler, bytes, STEP);
    }
    if (rest) {
      part_step(p + (ulong)steps * STEP, rest, bytes);
      adler = past_step(adler, bytes, rest);
    }
    adler.b %= BASE;
    put_check(results + row, adler_value(adler));
  }
}
