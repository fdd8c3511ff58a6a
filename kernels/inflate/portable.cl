/* Deflate streams (RFC 1951) decoded, in OpenCL C 1.2 for any device. One row is one stream. No -D
 * parameters. */
#include "abi.h"
#include "decode.h"
#include "params.h"

kernel void inflate(global const uchar *src, global uchar *dst, global const segment_t *segments,
                    global result_t *results, global const uchar *params, uint count) {
  uint symbols[SYMBOL_TABLE], distances[DISTANCE_TABLE];
  stream_t stream;
  stream.symbols = symbols;
  stream.distances = distances;
  stream.is_fixed = 0;
  for (uint row = abi_first(count); row < abi_end(count); row++) {
    start_stream(&stream, segments[row], src, dst);
    int status = decode_stream(&stream);
    put_result(results + row, stream.op, status, stream.ip);
  }
}
