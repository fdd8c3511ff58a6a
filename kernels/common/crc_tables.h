/* CRCs by tables.
 *
 * Tables are linear maps of bytes, written out by the preprocessor from what the map makes of each
 * bit: TABLE(b0, ... b7) is 256 values, entry n the exclusive or of the b of the bits set in n. */
#ifndef FPGA_ACCEL_CRC_TABLES_H
#define FPGA_ACCEL_CRC_TABLES_H

#include "bytes.h"

#define TABLE_2(v, b0) (v), (v) ^ (b0)
#define TABLE_4(v, b0, b1) TABLE_2(v, b0), TABLE_2((v) ^ (b1), b0)
#define TABLE_8(v, b0, b1, b2) TABLE_4(v, b0, b1), TABLE_4((v) ^ (b2), b0, b1)
#define TABLE_16(v, b0, b1, b2, b3) TABLE_8(v, b0, b1, b2), TABLE_8((v) ^ (b3), b0, b1, b2)
#define TABLE_64(v, b0, b1, b2, b3, b4, b5)                                                        \
  TABLE_16(v, b0, b1, b2, b3), TABLE_16((v) ^ (b4), b0, b1, b2, b3),                               \
      TABLE_16((v) ^ (b5), b0, b1, b2, b3), TABLE_16((v) ^ (b5) ^ (b4), b0, b1, b2, b3)
#define TABLE(b0, b1, b2, b3, b4, b5, b6, b7)                                                      \
  {TABLE_64(0, b0, b1, b2, b3, b4, b5), TABLE_64(b6, b0, b1, b2, b3, b4, b5),                      \
   TABLE_64(b7, b0, b1, b2, b3, b4, b5), TABLE_64((b7) ^ (b6), b0, b1, b2, b3, b4, b5)}

/* CRC_BY_TABLES(name, tables): name_by_tables(crc, p, size), from the register before the bytes to
 * the register behind them, 16 bytes a step. A register of 32 bits stands in the lower half of one
 * of 64, see README.md: so the register goes into the first eight bytes either way.
 * CRC_BY_8_TABLES takes 8 bytes a step: a device need not have more than 64 KiB of constants, and
 * 16 tables of both 32-bit CRCs and of one of 64 bits would fill them to the last byte. */
#define STEP 16u

#define BYTES_OF_WORD(tables, word, behind)                                                        \
  (tables[(behind) + 7][(word) & 0xff] ^ tables[(behind) + 6][((word) >> 8) & 0xff] ^              \
   tables[(behind) + 5][((word) >> 16) & 0xff] ^ tables[(behind) + 4][((word) >> 24) & 0xff] ^     \
   tables[(behind) + 3][((word) >> 32) & 0xff] ^ tables[(behind) + 2][((word) >> 40) & 0xff] ^     \
   tables[(behind) + 1][((word) >> 48) & 0xff] ^ tables[behind][(word) >> 56])

#define CRC_BY_BYTES(name, tables)                                                                 \
  static ulong name##_by_bytes(ulong crc, global const uchar *p, ulong size) {                     \
    for (ulong i = 0; i < size; i++)                                                               \
      crc = (crc >> 8) ^ tables[0][(crc ^ p[i]) & 0xff];                                           \
    return crc;                                                                                    \
  }

#define CRC_BY_TABLES(name, tables)                                                                \
  CRC_BY_BYTES(name, tables)                                                                       \
  static ulong name##_by_tables(ulong crc, global const uchar *p, ulong size) {                    \
    for (; size >= STEP; size -= STEP, p += STEP) {                                                \
      ulong2 words = (ulong2)(load8(p), load8(p + 8));                                             \
      words.x ^= crc;                                                                              \
      crc = BYTES_OF_WORD(tables, words.x, 8) ^ BYTES_OF_WORD(tables, words.y, 0);                 \
    }                                                                                              \
    return name##_by_bytes(crc, p, size);                                                          \
  }

#define CRC_BY_8_TABLES(name, tables)                                                              \
  CRC_BY_BYTES(name, tables)                                                                       \
  static ulong name##_by_tables(ulong crc, global const uchar *p, ulong size) {                    \
    for (; size >= 8; size -= 8, p += 8) {                                                         \
      ulong word = load8(p) ^ crc;                                                                 \
      crc = BYTES_OF_WORD(tables, word, 0);                                                        \
    }                                                                                              \
    return name##_by_bytes(crc, p, size);                                                          \
  }

#endif
