/* Rows of the chain kernels: see README.md. */
#ifndef FPGA_ACCEL_CHAIN_PARAMS_H
#define FPGA_ACCEL_CHAIN_PARAMS_H

/* link: `flags` of a row is what the next row's capacity has more than its size, or LINK_TOTAL:
 * what is written is the 64-bit total of a parameter record. */
#define LINK_TOTAL 0x80000000u

/* lz4_rows: the flag of lz4_decompress for a stored block, as in kernels/lz4/params.h. */
#define LZ4_STORED 1u

#endif
