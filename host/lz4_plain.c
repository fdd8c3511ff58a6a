/* Frames of the LZ4 frame format 1.6 that one call of a library decodes. */
#include "bytes.h"
#include "host.h"

#define MAGIC 0x184D2204u
#define HAS_DICTIONARY 0x01
#define HAS_CONTENT_CHECKSUM 0x04
#define HAS_CONTENT_SIZE 0x08
#define HAS_BLOCK_CHECKSUMS 0x10
#define STORED 0x80000000u
/* Magic, FLG, BD, HC; and the content size in front of HC. */
#define HEADER 7u
#define CONTENT_SIZE 8u
#define WORD 4u
/* A length byte of 255 stands for 255 bytes, so no stream grows by more. */
#define MAX_EXPANSION 255u

/* Block_Maximum_Size; 0 for the codes that are reserved. */
static uint64_t block_limit(uint8_t bd) {
  unsigned code = bd >> 4 & 7;
  return code < 4 ? 0 : (uint64_t)1 << (8 + 2 * code);
}

/* Behind the EndMark; 0 if there is none before the end. *most gets what the blocks can hold. */
static uint64_t end_of_blocks(const uint8_t *frame, uint64_t size, uint64_t position,
                              unsigned behind_each, uint64_t limit, uint64_t *most) {
  *most = 0;
  while (position <= size && size - position >= WORD) {
    uint32_t head = load_le32(frame + position);
    uint64_t block = head & ~STORED, grown = head & STORED ? block : block * MAX_EXPANSION;
    position += WORD;
    if (block == 0)
      return position;
    *most += grown < limit ? grown : limit;
    position += block + behind_each;
  }
  return 0;
}

uint64_t fa_lz4_plain_frame(const uint8_t *data, uint64_t size, uint64_t *content, int *declared) {
  *content = 0;
  *declared = 0;
  if (size < HEADER + WORD || load_le32(data) != MAGIC || data[4] & HAS_DICTIONARY)
    return 0;
  uint8_t flags = data[4];
  uint64_t limit = block_limit(data[5]), header = HEADER;
  *declared = (flags & HAS_CONTENT_SIZE) != 0;
  if (*declared)
    header += CONTENT_SIZE;
  if (size < header + WORD)
    return 0;
  uint64_t end =
      end_of_blocks(data, size, header, flags & HAS_BLOCK_CHECKSUMS ? WORD : 0, limit, content);
  if (*declared)
    *content = load_le32(data + 6) | (uint64_t)load_le32(data + 10) << 32;
  if (!end || *content == 0 || *content / MAX_EXPANSION > size)
    return 0;
  uint64_t tail = flags & HAS_CONTENT_CHECKSUM ? WORD : 0;
  return size - end < tail ? 0 : end + tail;
}

uint64_t fa_lz4_plain_size(const uint8_t *frame, uint64_t size) {
  uint64_t content = 0;
  int declared = 0;
  return fa_lz4_plain_frame(frame, size, &content, &declared) == size && declared ? content : 0;
}

uint64_t fa_lz4_plain_most(const uint8_t *frame, uint64_t size) {
  uint64_t content = 0;
  int declared = 0;
  return fa_lz4_plain_frame(frame, size, &content, &declared) == size ? content : 0;
}
