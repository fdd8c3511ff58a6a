/* The kernel of the CPU variants, which bring
 *
 *   uint crc_of(uint crc, global const uchar *p, ulong size)
 *
 * from the register before the bytes to the register behind them.
 *
 * A row: `flags` is the checksum of the bytes in front of it, to go on from, 0 where there are
 * none; `check` of its result is the checksum behind it. Nothing is written to dst; params are not
 * read.
 */
#ifndef FPGA_ACCEL_CRC32C_ROWS_H
#define FPGA_ACCEL_CRC32C_ROWS_H

#include "abi.h"

kernel void crc32c(global const uchar *src, global uchar *dst, global const segment_t *segments,
                   global result_t *results, global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    uint crc = crc_of(~segment.flags, src + segment.src, segment.src_size);
    results[row].dst_size = 0;
    results[row].status = STATUS_OK;
    results[row].check = (uint)~crc;
    for (uint i = 0; i < 16; i++)
      results[row].partial[i] = 0;
  }
}

#endif
