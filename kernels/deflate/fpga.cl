/* DEFLATE compression for FPGAs: the plain algorithm as one single work-item kernel, its tables in
 * local memory. No -D parameters. */
#define TABLES local
#include "abi.h"
#include "content.h"
#include "rows.h"

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
deflate_compress(global const uchar *restrict src, global uchar *restrict dst,
                 global const segment_t *restrict segments, global result_t *restrict results,
                 global const uchar *restrict params, uint count) {
  local coder_t coder;
  local sequence_t sequences[MOST_SEQUENCES];
  local ushort tables[TABLE_ENTRIES];
  for (uint row = 0; row < count; row++)
    compress_row(&coder, sequences, tables, segments[row], results + row, src, dst);
}
