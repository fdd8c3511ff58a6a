/* Many LZ4 frames (frame format 1.6) at once: contents to rows and rows to frames, and back. */
#include "../kernels/lz4/params.h"
#include "bytes.h"
#include "host.h"

#include <string.h>

#define MAGIC 0x184D2204u
#define WORD 4u
#define STORED_BIT 0x80000000u
/* FLG, BD and the content size, between the magic number and their checksum. */
#define DESCRIPTOR 10u
#define HEADER (WORD + DESCRIPTOR + 1)
#define VERSION 0x40u
#define INDEPENDENT 0x20u
#define BLOCK_CHECKSUM 0x10u
#define CONTENT_SIZE 0x08u
#define CONTENT_CHECKSUM 0x04u
/* A length byte of 255 stands for 255 bytes, so no stream grows by more. */
#define MAX_EXPANSION 255u

static const uint8_t *at(uint64_t address) { return (const uint8_t *)(uintptr_t)address; }

static uint64_t load_le64(const uint8_t *p) {
  return load_le32(p) | (uint64_t)load_le32(p + WORD) << 32;
}

/* Codes 4 to 7 stand for 64 KiB to 4 MiB. */
static uint64_t block_of_code(unsigned code) { return (uint64_t)1 << (8 + 2 * code); }

static uint8_t code_of_block(uint64_t block) {
  uint8_t code = 4;
  while (code < 7 && block_of_code(code) < block)
    code++;
  return code;
}

static uint8_t header_check(const uint8_t *descriptor) {
  return (uint8_t)(fa_xxh32(descriptor, DESCRIPTOR, 0) >> 8);
}

/* ---- contents to frames ---- */

/* Content that fits one small block gets it, as blocks[0] and blocks[1] say. */
static uint64_t block_for(uint64_t size, const uint64_t *blocks) {
  return blocks[size > blocks[0]];
}

uint64_t fa_lz4_cut_count(const uint64_t *sizes, size_t count, const uint64_t *blocks) {
  uint64_t rows = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t block = block_for(sizes[i], blocks);
    rows += sizes[i] / block + (sizes[i] % block != 0);
  }
  return rows;
}

void fa_lz4_cut(const uint64_t *sources, const uint64_t *sizes, size_t count,
                const uint64_t *blocks, uint64_t slots, uint32_t param, uint32_t flags,
                segment_t *rows, uint64_t *first_rows) {
  size_t row = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t block = block_for(sizes[i], blocks);
    first_rows[i] = row;
    for (uint64_t done = 0; done < sizes[i]; row++) {
      uint32_t size = (uint32_t)(sizes[i] - done < block ? sizes[i] - done : block);
      /* A block that does not get smaller is stored, so a kernel may stop there. */
      rows[row] = (segment_t){.src = sources[i] + done,
                              .dst = slots,
                              .src_size = size,
                              .dst_capacity = size - 1,
                              .param = param,
                              .flags = flags};
      done += size;
      slots += size;
    }
  }
  first_rows[count] = row;
}

static uint64_t tail_bytes(uint32_t flags) { return WORD + (flags & CONTENT_CHECKSUM ? WORD : 0); }

int64_t fa_lz4_frame_sizes(const segment_t *rows, const result_t *results,
                           const uint64_t *first_rows, size_t count, uint32_t flags,
                           uint64_t *frame_sizes) {
  for (size_t i = 0; i < count; i++) {
    uint64_t first = first_rows[i];
    int64_t body = fa_lz4_packed_size(rows + first, results + first, first_rows[i + 1] - first,
                                      (flags & BLOCK_CHECKSUM) != 0);
    if (body < 0)
      return body;
    frame_sizes[i] = HEADER + (uint64_t)body + tail_bytes(flags);
  }
  return 0;
}

static void write_header(uint8_t *out, uint64_t content, uint64_t block, uint32_t flags) {
  uint8_t *descriptor = out + WORD;
  store_le32(out, MAGIC);
  descriptor[0] = (uint8_t)(VERSION | INDEPENDENT | CONTENT_SIZE | flags);
  descriptor[1] = (uint8_t)(code_of_block(block) << 4);
  store_le32(descriptor + 2, (uint32_t)content);
  store_le32(descriptor + 2 + WORD, (uint32_t)(content >> 32));
  descriptor[DESCRIPTOR] = header_check(descriptor);
}

int64_t fa_lz4_frames(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                      const uint64_t *sources, const uint64_t *sizes, size_t count,
                      const uint64_t *blocks, uint32_t flags, const uint64_t *targets,
                      const uint64_t *frame_sizes) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *out = (uint8_t *)(uintptr_t)targets[i];
    uint64_t first = first_rows[i], room = frame_sizes[i] - HEADER - tail_bytes(flags);
    write_header(out, sizes[i], block_for(sizes[i], blocks), flags);
    int64_t body = fa_lz4_pack(out + HEADER, room, rows + first, results + first,
                               first_rows[i + 1] - first, (flags & BLOCK_CHECKSUM) != 0);
    if (body < 0)
      return body;
    uint8_t *tail = out + HEADER + body;
    store_le32(tail, 0);
    if (flags & CONTENT_CHECKSUM)
      store_le32(tail + WORD, fa_xxh32(at(sources[i]), (size_t)sizes[i], 0));
  }
  return 0;
}

/* ---- frames to contents ---- */

typedef struct {
  uint64_t content;
  uint64_t block;
  uint32_t flags;
} frame_t;

/* 1 for the header of a frame of independent blocks that declares a size it can have. */
static int read_header(const uint8_t *data, uint64_t size, frame_t *frame) {
  if (size < HEADER + WORD || load_le32(data) != MAGIC)
    return 0;
  const uint8_t *descriptor = data + WORD;
  const uint8_t wanted = VERSION | INDEPENDENT | CONTENT_SIZE;
  const uint8_t other = BLOCK_CHECKSUM | CONTENT_CHECKSUM;
  unsigned code = descriptor[1] >> 4;
  if ((descriptor[0] & ~other) != wanted || (descriptor[1] & 0x8F) || code < 4 ||
      descriptor[DESCRIPTOR] != header_check(descriptor))
    return 0;
  *frame = (frame_t){load_le64(descriptor + 2), block_of_code(code), descriptor[0]};
  /* A declared size of 0 means "unknown". */
  return frame->content > 0 && frame->content / MAX_EXPANSION <= size;
}

static uint64_t blocks_of(const frame_t *frame) {
  return frame->content / frame->block + (frame->content % frame->block != 0);
}

/* Whether the frame has the blocks that its size says, and ends where the data does. */
static int is_regular(const uint8_t *data, uint64_t size, const frame_t *frame) {
  uint64_t left = blocks_of(frame), position = HEADER;
  uint64_t behind = frame->flags & BLOCK_CHECKSUM ? WORD : 0;
  while (size - position >= WORD) {
    uint32_t word = load_le32(data + position);
    uint64_t payload = (word & ~STORED_BIT) + behind;
    position += WORD;
    if (word == 0)
      return left == 0 && size - position == tail_bytes(frame->flags) - WORD;
    if (left == 0 || (word & ~STORED_BIT) > frame->block || payload > size - position)
      return 0;
    position += payload;
    left--;
  }
  return 0;
}

static uint16_t kind_of(const frame_t *frame) {
  return (uint16_t)(code_of_block(frame->block) << 8 | frame->flags);
}

/* The data is not read for it again: somebody may have changed it. */
static int frame_of_kind(uint16_t kind, uint64_t content, frame_t *frame) {
  *frame = (frame_t){content, block_of_code(kind >> 8), kind & 0xFF};
  return kind > FA_LZ4_TOO_LARGE;
}

uint64_t fa_lz4_look(const uint64_t *sources, const uint64_t *sizes, size_t count, uint64_t most,
                     uint64_t *contents, uint16_t *kinds) {
  uint64_t rows = 0;
  frame_t frame;
  for (size_t i = 0; i < count; i++) {
    contents[i] = 0;
    kinds[i] = FA_LZ4_OTHER;
    if (!read_header(at(sources[i]), sizes[i], &frame))
      continue;
    if (frame.content > most) {
      contents[i] = frame.content;
      kinds[i] = FA_LZ4_TOO_LARGE;
    } else if (is_regular(at(sources[i]), sizes[i], &frame)) {
      contents[i] = frame.content;
      kinds[i] = kind_of(&frame);
      rows += blocks_of(&frame);
    }
  }
  return rows;
}

void fa_lz4_place(const uint64_t *sources, const uint64_t *sizes, const uint64_t *contents,
                  size_t count, const uint16_t *kinds, const uint64_t *targets, segment_t *rows,
                  uint32_t *checksums) {
  frame_t frame;
  int ended;
  for (size_t i = 0; i < count; i++) {
    if (!frame_of_kind(kinds[i], contents[i], &frame))
      continue;
    uint64_t position = HEADER;
    size_t blocks = (size_t)blocks_of(&frame);
    int64_t found =
        fa_lz4_scan(at(sources[i]), sizes[i], &position, (uint32_t)frame.block,
                    (frame.flags & BLOCK_CHECKSUM) != 0, rows, blocks, &ended, checksums);
    for (size_t block = 0; block < blocks; block++) {
      uint64_t done = block * frame.block, left = frame.content - done;
      if ((int64_t)block >=
          found) /* changed since the look: a row that gives nothing, so not right */
        rows[block] = (segment_t){.src = sources[i], .param = 1};
      rows[block].dst = targets[i] + done;
      rows[block].dst_capacity = (uint32_t)(left < frame.block ? left : frame.block);
    }
    rows += blocks;
    checksums += blocks;
  }
}

static int blocks_are_right(const segment_t *rows, const result_t *results,
                            const uint32_t *checksums, uint64_t count) {
  for (uint64_t i = 0; i < count; i++)
    if (results[i].status != STATUS_OK || results[i].dst_size != rows[i].dst_capacity ||
        (rows[i].flags & LZ4_CHECK && results[i].check != checksums[i]))
      return 0;
  return 1;
}

uint64_t fa_lz4_check(const uint64_t *sources, const uint64_t *sizes, const uint64_t *contents,
                      size_t count, const uint64_t *targets, const segment_t *rows,
                      const result_t *results, const uint32_t *checksums, uint16_t *kinds) {
  uint64_t wrong = 0;
  frame_t frame;
  for (size_t i = 0; i < count; i++) {
    if (!frame_of_kind(kinds[i], contents[i], &frame))
      continue;
    uint64_t blocks = blocks_of(&frame);
    int right = blocks_are_right(rows, results, checksums, blocks);
    if (right && frame.flags & CONTENT_CHECKSUM)
      right = fa_xxh32(at(targets[i]), (size_t)frame.content, 0) ==
              load_le32(at(sources[i]) + sizes[i] - WORD);
    if (!right)
      kinds[i] = FA_LZ4_OTHER;
    wrong += !right;
    rows += blocks;
    results += blocks;
    checksums += blocks;
  }
  return wrong;
}
