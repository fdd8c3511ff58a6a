/* DEFLATE compression for x86-64 CPUs: portable.cl's formats and limits; effort 1 takes two rows at
 * a time. The bytes of the other efforts are the same.
 *
 * No -D parameters. Tested at the CPU names icelake-server, haswell and x86-64.
 */
#if !defined(__x86_64__) || !defined(__clang__)
#error "this variant needs an x86-64 CPU and a Clang-based runtime"
#endif

#include "abi.h"
#include "x86_content.h"
#include "x86_steps.h"

kernel void deflate_compress(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             global const uchar *params, uint count) {
  compress_streams(src, dst, segments, results, count);
}
