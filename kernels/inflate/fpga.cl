/* Deflate streams decoded as one single work-item kernel for FPGAs and their emulator: the plain
 * algorithm, no pipeline. No -D parameters. */
#include "abi.h"
#include "decode.h"
#include "params.h"

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
inflate(global const uchar *restrict src, global uchar *restrict dst,
        global const segment_t *restrict segments, global result_t *restrict results,
        global const uchar *restrict params, uint count) {
  uint symbols[SYMBOL_TABLE], distances[DISTANCE_TABLE];
  stream_t stream;
  stream.symbols = symbols;
  stream.distances = distances;
  stream.is_fixed = 0;
  for (uint row = 0; row < count; row++) {
    start_stream(&stream, segments[row], src, dst);
    int status = decode_stream(&stream);
    put_result(results + row, stream.op, status, stream.ip);
  }
}
