/* CRC-32C, CRC-32 and CRC-64/NVME by tables, 16 bytes a step (CRC-64: 8), for any device.
 *
 * No -D parameters. Tested on every device that the host lists.
 */
#include "crc_constants.h"
#include "crc_tables.h"

constant uint crc32c_tables[STEP][256] = CRC32C_TABLES;
constant uint crc32_tables[STEP][256] = CRC32_TABLES;
constant ulong crc64_nvme_tables[8][256] = CRC64_NVME_TABLES;

CRC_BY_TABLES(crc32c, crc32c_tables)
CRC_BY_TABLES(crc32, crc32_tables)
CRC_BY_8_TABLES(crc64_nvme, crc64_nvme_tables)

#define crc32c_of crc32c_by_tables
#define crc32_of crc32_by_tables
#define crc64_nvme_of crc64_nvme_by_tables

#include "rows.h"
