/* Zstandard blocks (RFC 8878) in OpenCL C 1.2 for any device. No -D parameters. */
#include "abi.h"
#include "params.h"
#include "rows.h"

kernel void zstd_compress(global const uchar *src, global uchar *dst,
                          global const segment_t *segments, global result_t *results,
                          global const uchar *params, uint count) {
  work_t work;
  uint row = abi_first(count), end = abi_end(count);
  if (row == end)
    return;
  start_codes(&work.coder.codes);
  for (; row < end; row++)
    put_row(&work, segments[row], src, dst, results + row);
}
