/* Zstandard frames in OpenCL C 1.2 for any device. One row is one frame. No -D parameters. */
#include "abi.h"
#include "frame.h"
#include "params.h"

kernel void zstd_decompress(global const uchar *src, global uchar *dst,
                            global const segment_t *segments, global result_t *results,
                            global const uchar *params, uint count) {
  context_t context;
  start_context(&context);
  for (uint row = abi_first(count); row < abi_end(count); row++)
    decode_row(&context, segments[row], src, dst, results + row);
}
