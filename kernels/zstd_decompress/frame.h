/* A frame: its header, blocks and checksum (RFC 8878, 3.1.1). */
#ifndef ZSTD_FRAME_H
#define ZSTD_FRAME_H

#include "sequences.h"
#include "xxh64.h"

#define MAGIC 0xFD2FB528u
#define UNKNOWN (~0UL)

typedef struct {
  uint size;     /* of the header itself */
  uint checksum; /* whether the content is followed by one */
  ulong window, content;
} header_t;

APART int read_header(input_t src, uint size, private header_t *header) {
  if (size < 5)
    return STATUS_TRUNCATED;
  const uint descriptor = src[4], single = descriptor >> 5 & 1, code = descriptor >> 6;
  if (load4(src) != MAGIC || (descriptor & 8))
    return STATUS_BAD_DATA;
  const uint id_bytes = (1u << (descriptor & 3)) >> 1;
  const uint content_bytes = code == 0 ? single : 1u << code;
  uint at = 5;
  header->size = at + !single + id_bytes + content_bytes;
  header->checksum = descriptor >> 2 & 1;
  if (size < header->size)
    return STATUS_TRUNCATED;
  if (!single) {
    /* Windows beyond 2^31 bytes are no more than the reference's either. */
    const uint exponent = src[at] >> 3, mantissa = src[at] & 7;
    if (exponent > 21)
      return STATUS_BAD_DATA;
    header->window = (1UL << (10 + exponent)) + mantissa * (1UL << (7 + exponent));
    at++;
  }
  for (uint i = 0; i < id_bytes; i++)
    if (src[at++])
      return STATUS_BAD_PARAM;
  header->content = content_bytes == 2 ? 256 : 0;
  for (uint i = 0; i < content_bytes; i++)
    header->content += (ulong)src[at++] << 8 * i;
  if (single)
    header->window = header->content;
  if (content_bytes == 0)
    header->content = UNKNOWN;
  return STATUS_OK;
}

/* Reads the literals section of a block into c->literals. Returns the bytes that it takes, 0 where
 * it is malformed. */
APART uint read_literals(private context_t *c, input_t p, uint size, uint limit,
                         private uint *literals) {
  const uint kind = p[0] & 3, format = p[0] >> 2 & 3;
  uint at, count;
  if (kind < 2) {
    at = format == 1 ? 2 : format == 3 ? 3 : 1;
    if (size < at)
      return 0;
    count = p[0] >> (at == 1 ? 3 : 4);
    if (at > 1)
      count += (uint)p[1] << 4;
    if (at > 2)
      count += (uint)p[2] << 12;
    *literals = count;
    const uint bytes = kind == 0 ? count : 1;
    if (count > limit || bytes > size - at)
      return 0;
    input_t from = p + at;
    for (uint i = 0; i < count; i++)
      c->literals[i] = kind == 0 ? from[i] : from[0];
    return at + bytes;
  }
  at = format < 2 ? 3 : format + 2;
  if (size < at)
    return 0;
  ulong head = 0;
  for (uint i = 0; i < at; i++)
    head |= (ulong)p[i] << 8 * i;
  const uint bits = format < 2 ? 10 : format == 2 ? 14 : 18;
  const uint mask = (1u << bits) - 1;
  count = (uint)(head >> 4) & mask;
  uint bytes = (uint)(head >> (4 + bits)) & mask;
  const uint end = at + bytes;
  *literals = count;
  if (count > limit || bytes > size - at || bytes == 0)
    return 0;
  if (kind == 2) {
    const uint taken = read_tree(p + at, bytes, &c->huffman);
    if (taken == 0)
      return 0;
    at += taken;
    bytes -= taken;
  } else if (c->huffman.log == 0) {
    return 0;
  }
  const int done = format == 0 ? decode_one(&c->huffman, p + at, bytes, c->literals, count)
                               : decode_four(&c->huffman, p + at, bytes, c->literals, count);
  return done ? end : 0;
}

APART int decode_compressed(private context_t *c, input_t p, uint size, uint limit,
                            private content_t *content) {
  uint literals = 0, start = content->at, room = content->room;
  if (size == 0)
    return STATUS_BAD_DATA;
  const uint taken = read_literals(c, p, size, limit, &literals);
  if (taken == 0)
    return STATUS_BAD_DATA;
  /* A block that is larger than allowed is bad; one that is larger than the room may be right. */
  const uint by_limit = limit < room - start;
  if (by_limit)
    content->room = start + limit;
  int status = decode_sequences(c, p + taken, size - taken, literals, content);
  content->room = room;
  return by_limit && status == STATUS_DST_TOO_SMALL ? STATUS_BAD_DATA : status;
}

INLINE int decode_plain(input_t p, uint size, uint repeated, private content_t *content) {
  if (size > content->room - content->at)
    return STATUS_DST_TOO_SMALL;
  output_t to = content->dst + content->at;
  if (repeated) {
    const uchar byte = p[0];
    for (uint i = 0; i < size; i++)
      to[i] = byte;
  } else {
    copy_bytes(to, p, size);
  }
  content->at += size;
  return STATUS_OK;
}

APART int decode_blocks(private context_t *c, input_t src, uint size, private uint *position,
                        uint limit, private content_t *content) {
  uint at = *position, last = 0;
  while (!last) {
    if (size - at < 3)
      return STATUS_TRUNCATED;
    *position = at;
    const uint head = src[at] | (uint)src[at + 1] << 8 | (uint)src[at + 2] << 16;
    const uint kind = head >> 1 & 3, bytes = head >> 3, stored = kind == 1 ? 1 : bytes;
    at += 3;
    last = head & 1;
    if (kind == 3 || bytes > limit)
      return STATUS_BAD_DATA;
    if (stored > size - at)
      return STATUS_TRUNCATED;
    const int status = kind == 2 ? decode_compressed(c, src + at, bytes, limit, content)
                                 : decode_plain(src + at, bytes, kind, content);
    if (status != STATUS_OK)
      return status;
    at += stored;
  }
  *position = at;
  return STATUS_OK;
}

/* Forgets what a frame left behind. */
INLINE void start_frame(private context_t *c) {
  c->huffman.log = 0;
  c->lengths.set = c->offsets.set = c->matches.set = 0;
  c->recent[0] = 1;
  c->recent[1] = 4;
  c->recent[2] = 8;
}

INLINE void start_context(private context_t *c) {
  c->lengths.predefined = c->offsets.predefined = c->matches.predefined = 0;
}

/* Decodes one frame that takes all of `size` bytes. *block: where the last block that was begun
 * lies. */
APART int decode_frame(private context_t *c, input_t src, uint size, output_t dst, uint capacity,
                       private uint *produced, private uint *block) {
  header_t header;
  int status = read_header(src, size, &header);
  if (status != STATUS_OK)
    return status;
  if (header.content != UNKNOWN && header.content > capacity)
    return STATUS_DST_TOO_SMALL;
  content_t content;
  content.dst = dst;
  content.at = 0;
  content.room = capacity;
  const uint limit = header.window < BLOCK_LIMIT ? (uint)header.window : BLOCK_LIMIT;
  uint at = header.size;
  start_frame(c);
  status = decode_blocks(c, src, size, &at, limit, &content);
  *block = at;
  if (status != STATUS_OK)
    return status;
  if (header.content != UNKNOWN && header.content != content.at)
    return STATUS_BAD_DATA;
  if (header.checksum) {
    if (size - at < 4)
      return STATUS_TRUNCATED;
    if ((uint)xxh64(dst, content.at) != load4(src + at))
      return STATUS_BAD_CHECKSUM;
    at += 4;
  }
  *produced = content.at;
  return at == size ? STATUS_OK : STATUS_BAD_DATA;
}

INLINE void decode_row(private context_t *c, segment_t segment, global const uchar *src,
                       global uchar *dst, global result_t *result) {
  uint produced = 0, block = 0;
  const int status = decode_frame(c, src + segment.src, segment.src_size, dst + segment.dst,
                                  segment.dst_capacity, &produced, &block);
  put_result(result, produced, status, status == STATUS_BAD_DATA ? block : 0);
}

#endif
