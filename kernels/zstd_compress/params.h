/* Row flags and sizes of zstd_compress, for the kernel and for the host. */
#ifndef FPGA_ACCEL_ZSTD_COMPRESS_PARAMS_H
#define FPGA_ACCEL_ZSTD_COMPRESS_PARAMS_H

/* src is content: `param` bytes of history, which matches may reach into, then what is compressed.
 * dst gets it as whole blocks with their headers, of at most ZSTD_BLOCK content bytes each; content
 * of no bytes becomes one empty block. */

#define ZSTD_LAST 1u  /* the row's last block ends the frame */
#define ZSTD_FIRST 2u /* the row starts the frame, whose first block is never RLE */

#define ZSTD_BLOCK (64u << 10)
#define ZSTD_BLOCK_HEADER 3u
/* The most that a row reads, history included: the distances that frames declare a window for. */
#define ZSTD_ROW_MAX (4u << 20)
/* What dst_capacity has to exceed raw blocks by. A block that is found not to get smaller has by
 * then written up to a table's or a store's size more than its content. */
#define ZSTD_SLACK 512u

#endif
