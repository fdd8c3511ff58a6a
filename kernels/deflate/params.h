/* Row flags of the DEFLATE compressor. */
#ifndef FPGA_ACCEL_DEFLATE_PARAMS_H
#define FPGA_ACCEL_DEFLATE_PARAMS_H

/* deflate_compress: src is [history][content], `param` bytes of history (at most 32 KiB), to which
 * matches may reach back. dst gets whole DEFLATE blocks that hold the content. */

#define DEFLATE_HISTORY 32768u

/* The last block is marked as the stream's last. Without it an empty stored block ends the row, so
 * that the next row's blocks may follow at the next byte. */
#define DEFLATE_FINAL 1u

/* The effort: 0 stores the content, 1 searches greedily, 3, 6 and 9 by chains of candidates. */
#define DEFLATE_EFFORT_SHIFT 8
#define DEFLATE_EFFORT_MASK 15u

#endif
