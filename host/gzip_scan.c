/* Where gzip members (RFC 1952, 2.3.1) may start. */
#include "host.h"

#include <string.h>

#define START 4u
#define RESERVED_FLAGS 0xE0

uint64_t fa_gzip_starts(const uint8_t *data, uint64_t size, uint64_t position, uint64_t *starts,
                        uint64_t room) {
  uint64_t count = 0;
  while (count < room && position < size && size - position >= START) {
    const uint8_t *p = memchr(data + position, 0x1F, size - position - (START - 1));
    if (!p)
      break;
    position = (uint64_t)(p - data) + 1;
    if (p[1] == 0x8B && p[2] == 8 && !(p[3] & RESERVED_FLAGS))
      starts[count++] = position - 1;
  }
  return count;
}
