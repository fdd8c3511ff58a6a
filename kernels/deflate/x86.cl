/* DEFLATE compression for x86-64 CPUs: the same bytes as portable.cl's.
 *
 * No -D parameters. Tested at the CPU names icelake-server, haswell and x86-64.
 */
#if !defined(__x86_64__) || !defined(__clang__)
#error "this variant needs an x86-64 CPU and a Clang-based runtime"
#endif

#include "abi.h"
#include "rows.h"
#include "x86_content.h"

kernel void deflate_compress(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             global const uchar *params, uint count) {
  coder_t coder;
  sequence_t sequences[MOST_SEQUENCES];
  ushort tables[TABLE_ENTRIES];
  for (uint row = abi_first(count); row < abi_end(count); row++)
    compress_row(&coder, sequences, tables, segments[row], results + row, src, dst);
}
