/* Rows of the inflate kernel. */
#ifndef FPGA_ACCEL_INFLATE_PARAMS_H
#define FPGA_ACCEL_INFLATE_PARAMS_H

/* inflate: src starts with a raw deflate stream, dst gets its content. result.check is the size of
 * the stream, which may be less than src_size: what stands behind it is the caller's to judge.
 * Neither flags nor param mean anything. */

#endif
