/* CRC-32C of content, by tables: for any device. */
#ifndef SNAPPY_TABLE_CHECK_H
#define SNAPPY_TABLE_CHECK_H

#include "check.h"
#include "crc_constants.h"
#include "crc_tables.h"

constant uint crc32c_tables[STEP][256] = CRC32C_TABLES;

CRC_BY_TABLES(crc32c, crc32c_tables)

APART uint content_check(input_t content, uint size) {
  return ~(uint)crc32c_by_tables(0xFFFFFFFFUL, content, size);
}

#endif
