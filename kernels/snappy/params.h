/* Row flags of the Snappy kernels. */
#ifndef FPGA_ACCEL_SNAPPY_PARAMS_H
#define FPGA_ACCEL_SNAPPY_PARAMS_H

/* The content of a fragment, and of a chunk of the framing format. */
#define SNAPPY_BLOCK 65536u

/* Fill result.check: CRC-32C of the content, not masked. It is src in snappy_compress, whatever
 * the status; dst in snappy_decompress, 0 where that fails. */
#define SNAPPY_CHECK 1u

/* snappy_compress: src is at most SNAPPY_BLOCK bytes, dst gets its elements.
 * STATUS_DST_TOO_SMALL says "store it". */
#define SNAPPY_PREAMBLE 2u /* the size of the content goes in front of the elements */

/* snappy_decompress: src is a preamble and the elements of content of any size. */
#define SNAPPY_STORED 4u /* src is the content itself: copy */

#endif
