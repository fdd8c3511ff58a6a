/* Rows of the Zstandard decompressor. */
#ifndef FPGA_ACCEL_ZSTD_DECOMPRESS_PARAMS_H
#define FPGA_ACCEL_ZSTD_DECOMPRESS_PARAMS_H

/* zstd_decompress: src is one whole Zstandard frame (RFC 8878, 3.1.1), from its magic number to its
 * last block or checksum and no further; dst gets its content. There are no flags and no
 * parameters. STATUS_BAD_PARAM: the frame needs a dictionary. With STATUS_BAD_DATA result.check is
 * the offset of the block that was refused, or of the last one. */

#endif
