/* Raw Snappy streams that one call of a library decodes. */
#include "host.h"

uint32_t fa_snappy_preamble(const uint8_t *stream, uint64_t size, uint64_t *content) {
  *content = 0;
  for (uint32_t i = 0; i < 5 && i < size; i++) {
    *content |= (uint64_t)(stream[i] & 0x7F) << (7 * i);
    if (stream[i] < 0x80)
      return *content >> 32 ? 0 : i + 1;
  }
  return 0;
}

uint64_t fa_snappy_plain_size(const uint8_t *stream, uint64_t size) {
  uint64_t content;
  uint32_t preamble = fa_snappy_preamble(stream, size, &content);
  return preamble && content <= FA_SNAPPY_MOST(size - preamble) ? content : 0;
}
