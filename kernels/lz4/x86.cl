/* LZ4 blocks, both ways, for x86-64 CPUs: portable.cl's formats and limits, several blocks at once.
 *
 * No -D parameters. Tested at the CPU names icelake-server, haswell and x86-64.
 */
#if !defined(__x86_64__) || !defined(__clang__)
#error "this variant needs an x86-64 CPU and a Clang-based runtime"
#endif

#include "abi.h"
#include "compress.h"
#include "decode.h"
#include "interleave.h"
#include "params.h"

kernel void lz4_compress(global const uchar *src, global uchar *dst,
                         global const segment_t *segments, global result_t *results,
                         global const uchar *params, uint count) {
  ushort tables[STREAMS][1 << HASH_BITS];
  record_t records[STREAMS][BATCH];
  stream_t s[STREAMS];
  uint row = abi_first(count), rows_end = abi_end(count), active = 0;
  for (; active < STREAMS && row < rows_end; active++) {
    s[active].table = tables[active];
    s[active].records = records[active];
    s[active].row = row;
    start_stream(s + active, segments[row++], src, dst);
  }
  while (active) {
    /* Also when one stream is left, though the plain search alone is faster: a block's bytes must
     * not depend on the rows beside it. */
    uint k = run_streams(s, active);
    end_row(&s[k].block, s[k].table, segments[s[k].row].flags, results + s[k].row);
    if (row < rows_end) {
      s[k].row = row;
      start_stream(s + k, segments[row++], src, dst);
    } else {
      s[k] = s[--active];
    }
  }
}
