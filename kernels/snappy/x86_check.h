/* CRC-32C of content, by the crc32 instruction. */
#ifndef SNAPPY_X86_CHECK_H
#define SNAPPY_X86_CHECK_H

#include "check.h"
#include "crc32c_x86.h"

APART uint content_check(input_t content, uint size) {
  return ~(uint)crc32c_by_streams(0xFFFFFFFFUL, content, size);
}

#endif
