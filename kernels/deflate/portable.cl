/* DEFLATE compression in OpenCL C 1.2 for any device. One row is one piece of a stream. No -D
 * parameters. */
#include "abi.h"
#include "content.h"
#include "rows.h"

kernel void deflate_compress(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             global const uchar *params, uint count) {
  coder_t coder;
  sequence_t sequences[MOST_SEQUENCES];
  ushort tables[TABLE_ENTRIES];
  for (uint row = abi_first(count); row < abi_end(count); row++)
    compress_row(&coder, sequences, tables, segments[row], results + row, src, dst);
}
