/* The kernels of the CPU variants, which bring for each entry
 *
 *   ulong <entry>_of(ulong crc, global const uchar *p, ulong size)
 *
 * from the register before the bytes to the register behind them.
 *
 * A row of the entries of 32 bits: `flags` is the checksum of the bytes in front of it, to go on
 * from, 0 where there are none. Of crc64_nvme, which has more bits than flags, params at `param`
 * have it, least significant byte first. `check` of the result is the checksum behind the row.
 * Nothing is written to dst.
 */
#ifndef FPGA_ACCEL_CRC_ROWS_H
#define FPGA_ACCEL_CRC_ROWS_H

#include "front.h"

INLINE void put_check(global result_t *result, ulong check) {
  result->dst_size = 0;
  result->status = STATUS_OK;
  result->check = check;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

#define CRC_KERNEL(name, FRONT, ONES)                                                              \
  kernel void name(global const uchar *src, global uchar *dst, global const segment_t *segments,   \
                   global result_t *results, global const uchar *params, uint count) {             \
    const uint end = abi_end(count);                                                               \
    for (uint row = abi_first(count); row < end; row++) {                                          \
      const segment_t segment = segments[row];                                                     \
      ulong crc = name##_of(FRONT(segment, params) ^ ONES, src + segment.src, segment.src_size);   \
      put_check(results + row, crc ^ ONES);                                                        \
    }                                                                                              \
  }

CRC_KERNEL(crc32c, FRONT_IN_FLAGS, ONES_32)
CRC_KERNEL(crc32, FRONT_IN_FLAGS, ONES_32)
CRC_KERNEL(crc64_nvme, FRONT_IN_PARAMS, ONES_64)

#endif
