/* Where Zstandard frames end and what they can hold (RFC 8878), by their headers alone. */
#include "bytes.h"
#include "host.h"

#define MAGIC 0xFD2FB528u
#define SKIPPABLE 0x184D2A50u
#define WORD 4u
#define BLOCK_HEADER 3u
#define BLOCK_LIMIT (128u << 10)
#define COMPRESSED_BLOCK 2u
/* A byte each of the headers of literals and sequences. */
#define LEAST_COMPRESSED 2u
/* Magic number, descriptor, window or content size; the most of them with a dictionary's number. */
#define LEAST_HEADER 6u
/* A window's exponent; the reference decoder has none beyond 2 GiB either. */
#define MOST_EXPONENT 21u

/* Rows have sizes of 31 bits. */
#define ROW_LIMIT 0x7FFFFFFFu

typedef struct {
  uint64_t size, content, window;
  int known, checksum;
} frame_t;

static const uint8_t *at(uint64_t address) { return (const uint8_t *)(uintptr_t)address; }

static uint64_t load_le(const uint8_t *p, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; i++)
    value |= (uint64_t)p[i] << 8 * i;
  return value;
}

/* Reads a frame's header into frame->size and on. Returns 0 or -STATUS_*. */
static int64_t read_header(const uint8_t *data, uint64_t size, frame_t *frame) {
  if (size < LEAST_HEADER)
    return -STATUS_TRUNCATED;
  unsigned descriptor = data[4], single = descriptor >> 5 & 1, code = descriptor >> 6;
  if (descriptor & 8)
    return -STATUS_BAD_DATA;
  unsigned id_bytes = (1u << (descriptor & 3)) >> 1, content_bytes = code ? 1u << code : single;
  const uint8_t *p = data + WORD + 1;
  frame->size = WORD + 1 + !single + id_bytes + content_bytes;
  frame->checksum = descriptor >> 2 & 1;
  if (size < frame->size)
    return -STATUS_TRUNCATED;
  if (!single) {
    unsigned exponent = *p >> 3, mantissa = *p & 7;
    if (exponent > MOST_EXPONENT)
      return -STATUS_BAD_DATA;
    frame->window = ((uint64_t)1 << (10 + exponent)) + mantissa * ((uint64_t)1 << (7 + exponent));
    p++;
  }
  if (load_le(p, id_bytes))
    return -STATUS_BAD_PARAM;
  frame->content = load_le(p + id_bytes, content_bytes) + (content_bytes == 2 ? 256 : 0);
  frame->known = content_bytes != 0;
  if (single)
    frame->window = frame->content;
  return 0;
}

/* Reads all of a frame's headers. Returns 0 or -STATUS_*. */
static int64_t read_frame(const uint8_t *data, uint64_t size, frame_t *frame) {
  int64_t failed = read_header(data, size, frame);
  if (failed)
    return failed;
  uint64_t position = frame->size, most = 0;
  uint64_t limit = frame->window < BLOCK_LIMIT ? frame->window : BLOCK_LIMIT;
  for (uint32_t last = 0; !last;) {
    if (size - position < BLOCK_HEADER)
      return -STATUS_TRUNCATED;
    uint32_t head = (uint32_t)load_le(data + position, BLOCK_HEADER);
    uint32_t kind = head >> 1 & 3, bytes = head >> 3, stored = kind == 1 ? 1 : bytes;
    position += BLOCK_HEADER;
    if (kind == 3 || bytes > limit || (kind == COMPRESSED_BLOCK && bytes < LEAST_COMPRESSED))
      return -STATUS_BAD_DATA;
    if (stored > size - position)
      return -STATUS_TRUNCATED;
    position += stored;
    most += kind == COMPRESSED_BLOCK ? limit : bytes;
    last = head & 1;
  }
  if (frame->checksum && size - position < WORD)
    return -STATUS_TRUNCATED;
  if (frame->known && frame->content > most)
    return -STATUS_BAD_DATA;
  frame->size = position + (frame->checksum ? WORD : 0);
  if (!frame->known)
    frame->content = most;
  return 0;
}

int64_t fa_zstd_frame(const uint8_t *data, uint64_t size, uint64_t *about) {
  about[0] = about[1] = 0;
  if (size < WORD)
    return -STATUS_TRUNCATED;
  uint32_t magic = load_le32(data);
  about[2] = FA_ZSTD_SKIPPABLE;
  if ((magic & ~15u) == SKIPPABLE) {
    if (size < 2 * WORD || load_le32(data + WORD) > size - 2 * WORD)
      return -STATUS_TRUNCATED;
    return 2 * WORD + (int64_t)load_le32(data + WORD);
  }
  if (magic != MAGIC)
    return -STATUS_BAD_DATA;
  frame_t frame = {0};
  int64_t failed = read_frame(data, size, &frame);
  about[0] = frame.content;
  about[1] = frame.window;
  about[2] = frame.known ? FA_ZSTD_KNOWN : FA_ZSTD_UNKNOWN;
  return failed ? failed : (int64_t)frame.size;
}

uint64_t fa_zstd_plain_size(const uint8_t *frame, uint64_t size) {
  uint64_t about[FA_ZSTD_ABOUT];
  int64_t found = fa_zstd_frame(frame, size, about);
  return found >= 0 && (uint64_t)found == size && about[2] == FA_ZSTD_KNOWN ? about[0] : 0;
}

uint64_t fa_zstd_plain_most(const uint8_t *frame, uint64_t size) {
  uint64_t about[FA_ZSTD_ABOUT];
  int64_t found = fa_zstd_frame(frame, size, about);
  int whole = found >= 0 && (uint64_t)found == size && about[2] != FA_ZSTD_SKIPPABLE;
  return whole ? about[0] : 0;
}

/* Takes the next frame with content of an item from *position on: a row for it, without dst. 0:
 * there is none; -1: what comes is nothing that a row can be made of. */
static int next_row(const uint8_t *data, uint64_t size, uint64_t *position, segment_t *row) {
  uint64_t about[FA_ZSTD_ABOUT];
  while (*position < size) {
    int64_t found = fa_zstd_frame(data + *position, size - *position, about);
    if (found < 0)
      return -1;
    uint64_t start = *position;
    *position += (uint64_t)found;
    if (about[2] == FA_ZSTD_SKIPPABLE)
      continue;
    if (about[2] != FA_ZSTD_KNOWN || found > ROW_LIMIT || about[0] > ROW_LIMIT)
      return -1;
    *row = (segment_t){.src = (uint64_t)(uintptr_t)(data + start),
                       .src_size = (uint32_t)found,
                       .dst_capacity = (uint32_t)about[0]};
    return 1;
  }
  return 0;
}

uint64_t fa_zstd_look(const uint64_t *sources, const uint64_t *sizes, size_t count, uint64_t most,
                      uint64_t *contents, uint32_t *frames) {
  uint64_t rows = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t position = 0, content = 0;
    uint32_t found = 0;
    segment_t row;
    int next = sizes[i] ? 1 : -1;
    while (next > 0 && found < FA_ZSTD_TOO_LARGE - 1) {
      next = next_row(at(sources[i]), sizes[i], &position, &row);
      if (next > 0) {
        content += row.dst_capacity;
        found++;
      }
    }
    int regular = next == 0 && found > 0;
    frames[i] = !regular ? FA_ZSTD_OTHER : content > most ? FA_ZSTD_TOO_LARGE : found;
    contents[i] = regular ? content : 0;
    rows += frames[i] == FA_ZSTD_TOO_LARGE ? 0 : frames[i];
  }
  return rows;
}

void fa_zstd_place(const uint64_t *sources, const uint64_t *sizes, const uint64_t *contents,
                   size_t count, const uint32_t *frames, const uint64_t *targets, segment_t *rows) {
  for (size_t i = 0; i < count; i++) {
    if (frames[i] == FA_ZSTD_TOO_LARGE)
      continue;
    uint64_t position = 0, done = 0;
    for (uint32_t frame = 0; frame < frames[i]; frame++, rows++) {
      int next = next_row(at(sources[i]), sizes[i], &position, rows);
      /* Changed since the look: a row that gives nothing, so not right. */
      if (next <= 0 || rows->dst_capacity > contents[i] - done)
        *rows = (segment_t){.src = sources[i]};
      rows->dst = targets[i] + done;
      done += rows->dst_capacity;
    }
  }
}

uint64_t fa_zstd_check(size_t count, const segment_t *rows, const result_t *results,
                       uint32_t *frames) {
  uint64_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    if (frames[i] == FA_ZSTD_TOO_LARGE)
      continue;
    int right = 1;
    for (uint32_t frame = 0; frame < frames[i]; frame++, rows++, results++)
      right &= results->status == STATUS_OK && results->dst_size == rows->dst_capacity;
    wrong += !right;
    if (!right)
      frames[i] = FA_ZSTD_OTHER;
  }
  return wrong;
}
