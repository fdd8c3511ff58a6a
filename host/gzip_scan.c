/* Where gzip members (RFC 1952, 2.3.1) may start, which ones and blocks of BGZF one call of a
 * library decodes, and streams that are nothing but stored. */
#include "bgzf.h"
#include "bytes.h"
#include "host.h"

#include <string.h>

#define START 4u
#define RESERVED_FLAGS 0xE0
/* Text, name and comment. */
#define PLAIN_FLAGS 0x19
#define GZIP_HEAD 10u
/* Of zlib streams (RFC 1950, 2.2): a library takes windows that are larger than any. */
#define LARGEST_WINDOW 7

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

/* LEN and its complement behind 3 bits of header, and what fills their byte (RFC 1951, 3.2.4). */
#define STORED_HEAD 5u

int fa_stored_copy(const uint8_t *stream, uint64_t size, uint8_t *out, uint64_t room) {
  int is_last = 0;
  while (!is_last && size >= STORED_HEAD && !(stream[0] & 6)) {
    uint32_t length = (uint32_t)(stream[1] | stream[2] << 8);
    if ((length ^ (uint32_t)(stream[3] | stream[4] << 8)) != 0xFFFF ||
        length > size - STORED_HEAD || length > room)
      return 0;
    is_last = stream[0] & 1;
    memcpy(out, stream + STORED_HEAD, length);
    stream += STORED_HEAD + length;
    size -= STORED_HEAD + length;
    out += length;
    room -= length;
  }
  return is_last && size == 0 && room == 0;
}

uint64_t fa_gzip_plain_size(const uint8_t *data, uint64_t size) {
  if (size < GZIP_HEAD + BGZF_TAIL || memcmp(data, BGZF_END, 3) != 0 || data[3] & ~PLAIN_FLAGS)
    return 0;
  return load_le32(data + size - 4);
}

uint64_t fa_zlib_is_plain(const uint8_t *data, uint64_t size) {
  return size > 0 && data[0] >> 4 <= LARGEST_WINDOW;
}

uint64_t fa_bgzf_plain_size(const uint8_t *data, uint64_t size) {
  /* Magic, flags, and that the subfield of the size is all there is; not time and system. */
  if (size < BGZF_HEAD + BGZF_TAIL || memcmp(data, BGZF_END, 4) != 0 ||
      memcmp(data + 10, BGZF_END + 10, 6) != 0)
    return 0;
  uint64_t block = (uint64_t)(data[16] | data[17] << 8) + 1;
  if (block < BGZF_HEAD + BGZF_TAIL)
    return 0;
  if (size == block + FA_BGZF_END && memcmp(data + block, BGZF_END, FA_BGZF_END) == 0)
    size = block;
  if (size != block)
    return 0;
  uint32_t content = load_le32(data + block - 4);
  return content <= BGZF_MOST_CONTENT ? content : 0;
}
