/* Tables of a linear map of bytes, written out by the preprocessor from what the map makes of each
 * bit: TABLE(b0, ... b7) is 256 values, entry n the exclusive or of the b of the bits set in n. */
#ifndef FPGA_ACCEL_CRC32C_TABLE_H
#define FPGA_ACCEL_CRC32C_TABLE_H

#define TABLE_2(v, b0) (v), (v) ^ (b0)
#define TABLE_4(v, b0, b1) TABLE_2(v, b0), TABLE_2((v) ^ (b1), b0)
#define TABLE_8(v, b0, b1, b2) TABLE_4(v, b0, b1), TABLE_4((v) ^ (b2), b0, b1)
#define TABLE_16(v, b0, b1, b2, b3) TABLE_8(v, b0, b1, b2), TABLE_8((v) ^ (b3), b0, b1, b2)
#define TABLE_64(v, b0, b1, b2, b3, b4, b5)                                                        \
  TABLE_16(v, b0, b1, b2, b3), TABLE_16((v) ^ (b4), b0, b1, b2, b3),                               \
      TABLE_16((v) ^ (b5), b0, b1, b2, b3), TABLE_16((v) ^ (b5) ^ (b4), b0, b1, b2, b3)
#define TABLE(b0, b1, b2, b3, b4, b5, b6, b7)                                                      \
  {TABLE_64(0u, b0, b1, b2, b3, b4, b5), TABLE_64(b6, b0, b1, b2, b3, b4, b5),                     \
   TABLE_64(b7, b0, b1, b2, b3, b4, b5), TABLE_64((b7) ^ (b6), b0, b1, b2, b3, b4, b5)}

#endif
