/* Snappy, both ways, for x86-64 CPUs: portable.cl's formats and limits, several blocks at once.
 *
 * No -D parameters. Tested at the CPU names icelake-server and haswell.
 */
#if !defined(__x86_64__) || !defined(__SSE4_2__) || !defined(__clang__)
#error "this variant needs an x86-64 CPU with SSE4.2 and a Clang-based runtime"
#endif

#include "abi.h"
#include "compress.h"
#include "decode_rows.h"
#include "interleave.h"
#include "params.h"
#include "x86_check.h"

kernel void snappy_compress(global const uchar *src, global uchar *dst,
                            global const segment_t *segments, global result_t *results,
                            global const uchar *params, uint count) {
  compress_streams(src, dst, segments, results, count);
}
