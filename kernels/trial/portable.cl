/* Copies each row with every byte inverted: the smallest kernel that proves a compiler, a queue and
 * a memory strategy. The inversion tells a real copy from memory that happened to hold the right
 * bytes.
 *
 * No -D parameters. Tested on every device that the host lists.
 */
#include "abi.h"

kernel void trial(global const uchar *src, global uchar *dst, global const segment_t *segments,
                  global result_t *results, global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    global const uchar *in = src + segment.src;
    global uchar *out = dst + segment.dst;
    for (uint i = 0; i < segment.src_size; i++)
      out[i] = ~in[i] ^ params[segment.param];
    results[row].dst_size = segment.src_size;
    results[row].status = STATUS_OK;
    results[row].check = segment.flags;
    for (uint i = 0; i < 16; i++)
      results[row].partial[i] = (uchar)i;
  }
}
