/* snappy_decompress, row by row. */
#ifndef SNAPPY_DECODE_ROWS_H
#define SNAPPY_DECODE_ROWS_H

#include "decode.h"

kernel void snappy_decompress(global const uchar *src, global uchar *dst,
                              global const segment_t *segments, global result_t *results,
                              global const uchar *params, uint count) {
  for (uint row = abi_first(count); row < abi_end(count); row++)
    decode_row(segments[row], src, dst, results + row);
}

#endif
