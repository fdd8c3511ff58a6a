/* XXH32, XXH64 and XXH3 of 64 bits as loops for FPGAs: one message after the other.
 *
 * No -D parameters. Tested on the FPGA emulator. Rows are as short.h has them.
 */
#include "xxh3.h"

#define TASK __attribute__((reqd_work_group_size(1, 1, 1)))
#define ARGUMENTS                                                                                  \
  global const uchar *restrict src, global uchar *restrict dst,                                    \
      global const segment_t *restrict segments, global result_t *restrict results,                \
      global const uchar *restrict params, uint count

TASK kernel void xxh32(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    const segment_t segment = segments[row];
    const uint seed = load4(params + segment.param);
    put_check(results + row,
              xxh32_from(FIRST_32(seed), src + segment.src, segment.src_size, 0, seed));
  }
}

TASK kernel void xxh64(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    const segment_t segment = segments[row];
    const ulong seed = load8(params + segment.param);
    put_check(results + row,
              xxh64_from(FIRST_64(seed), src + segment.src, segment.src_size, 0, seed));
  }
}

TASK kernel void xxh3_64(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    const segment_t segment = segments[row];
    const ulong seed = load8(params + segment.param);
    ulong secret[SECRET_WORDS];
    seeded(secret, seed);
    put_check(results + row, xxh3_64_of(secret, src + segment.src, segment.src_size, seed));
  }
}
