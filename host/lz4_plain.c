/* Frames of the LZ4 frame format 1.6 that one call of a library decodes. */
#include "bytes.h"
#include "host.h"

#define MAGIC 0x184D2204u
#define HAS_DICTIONARY 0x01
#define HAS_CONTENT_CHECKSUM 0x04
#define HAS_CONTENT_SIZE 0x08
#define HAS_BLOCK_CHECKSUMS 0x10
/* Magic, FLG, BD, content size, HC. */
#define HEADER 15u
/* A length byte of 255 stands for 255 bytes, so no stream grows by more. */
#define MAX_EXPANSION 255u

/* Behind the EndMark; 0 if there is none before the end. */
static uint64_t end_of_blocks(const uint8_t *frame, uint64_t size, uint64_t position,
                              unsigned behind_each) {
  while (position <= size && size - position >= 4) {
    uint32_t block = load_le32(frame + position) & 0x7FFFFFFFu;
    position += 4;
    if (block == 0)
      return position;
    position += (uint64_t)block + behind_each;
  }
  return 0;
}

uint64_t fa_lz4_plain_size(const uint8_t *frame, uint64_t size) {
  if (size < HEADER + 4 || load_le32(frame) != MAGIC)
    return 0;
  uint8_t flags = frame[4];
  if (!(flags & HAS_CONTENT_SIZE) || flags & HAS_DICTIONARY)
    return 0;
  uint64_t content = load_le32(frame + 6) | (uint64_t)load_le32(frame + 10) << 32;
  if (content / MAX_EXPANSION > size)
    return 0;
  uint64_t end = end_of_blocks(frame, size, HEADER, flags & HAS_BLOCK_CHECKSUMS ? 4 : 0);
  uint64_t tail = flags & HAS_CONTENT_CHECKSUM ? 4 : 0;
  return end && end + tail == size ? content : 0;
}
