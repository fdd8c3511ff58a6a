/* Row flags of the LZ4 kernels. */
#ifndef FPGA_ACCEL_LZ4_PARAMS_H
#define FPGA_ACCEL_LZ4_PARAMS_H

/* lz4_compress: src is one block (at most 4 MiB), dst gets its compressed
 * payload. STATUS_DST_TOO_SMALL says "store it raw". param is the
 * acceleration (1 is the default; larger is faster with a lower ratio). */

/* lz4_decompress: src is one block's payload. */
#define LZ4_STORED 1u /* the payload is the content itself: copy */
/* Fill result.check: XXH32 (seed 0) of the compressed payload, which is dst in
 * lz4_compress and src in lz4_decompress. */
#define LZ4_CHECK 2u
/* lz4_decompress: src is [history][block][block]…: `param` bytes of history
 * (at most 64 KiB), then blocks with their 4-byte little-endian headers
 * (bit 31: stored), as linked blocks of one frame. dst gets the history
 * again, then the content; dst_size counts both. */
#define LZ4_LINKED 4u
#define LZ4_LINKED_CHECK 8u /* each linked block is followed by its XXH32 */

#endif
