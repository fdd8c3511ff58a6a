/* Snappy, both ways, in OpenCL C 1.2 for any device. One row is one block. No -D parameters. */
#include "abi.h"
#include "compress.h"
#include "decode_rows.h"
#include "params.h"
#include "table_check.h"

kernel void snappy_compress(global const uchar *src, global uchar *dst,
                            global const segment_t *segments, global result_t *results,
                            global const uchar *params, uint count) {
  ushort table[1 << HASH_BITS];
  block_t block;
  for (uint row = abi_first(count); row < abi_end(count); row++) {
    start_block(&block, table, segments[row], src, dst);
    start_row(&block, segments[row].flags);
    end_row(&block, table, segments[row].flags, results + row);
  }
}
