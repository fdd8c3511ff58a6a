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
  compress_streams(src, dst, segments, results, count);
}
