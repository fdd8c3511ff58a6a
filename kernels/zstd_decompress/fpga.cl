/* Zstandard frames as one single work-item kernel for FPGAs and their emulator: one row after the
 * other.
 *
 * No -D parameters. Tested on the FPGA emulator.
 */
#include "abi.h"
#include "frame.h"
#include "params.h"

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
zstd_decompress(global const uchar *restrict src, global uchar *restrict dst,
                global const segment_t *restrict segments, global result_t *restrict results,
                global const uchar *restrict params, uint count) {
  context_t context;
  start_context(&context);
  for (uint row = 0; row < count; row++)
    decode_row(&context, segments[row], src, dst, results + row);
}
