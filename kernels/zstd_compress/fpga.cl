/* Zstandard blocks (RFC 8878) for FPGAs: one single work-item kernel, portable.cl's code with its
 * working memory in local memory. No -D parameters.
 */
#define STORE local
#include "abi.h"
#include "params.h"
#include "rows.h"

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
zstd_compress(global const uchar *restrict src, global uchar *restrict dst,
              global const segment_t *restrict segments, global result_t *restrict results,
              global const uchar *restrict params, uint count) {
  local work_t work;
  start_codes(&work.coder.codes);
  for (uint row = 0; row < count; row++)
    put_row(&work, segments[row], src, dst, results + row);
}
