/* Snappy: raw streams, and streams of the framing format, from rows and to rows. */
#include "../kernels/snappy/params.h"
#include "bytes.h"
#include "host.h"

#include <string.h>

/* Chunk types. */
#define COMPRESSED 0x00
#define UNCOMPRESSED 0x01
#define SKIPPABLE 0x80 /* up to 0xFE, which is padding; below are the reserved ones */
#define IDENTIFIER 0xFF

/* Type and size of a chunk, and its checksum. */
#define HEADER 4u
#define CHECKSUM 4u
#define IDENTIFIER_BYTES 10u
#define MASK_DELTA 0xA282EAD8u

static const uint8_t identifier[IDENTIFIER_BYTES] = {IDENTIFIER, 6,   0,   0,   's',
                                                     'N',        'a', 'P', 'p', 'Y'};

static const uint8_t *at(uint64_t address) { return (const uint8_t *)(uintptr_t)address; }

/* A checksum of zeros would be zero, and checksums of checksums have trouble of their own. */
static uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + MASK_DELTA; }

static uint32_t unmasked(uint32_t word) {
  uint32_t rotated = word - MASK_DELTA;
  return (rotated << 15) | (rotated >> 17);
}

/* ---- contents to streams ---- */

uint64_t fa_snappy_cut_count(const uint64_t *sizes, size_t count) {
  uint64_t rows = 0;
  for (size_t i = 0; i < count; i++)
    rows += sizes[i] / SNAPPY_BLOCK + (sizes[i] % SNAPPY_BLOCK != 0);
  return rows;
}

void fa_snappy_cut(const uint64_t *sources, const uint64_t *sizes, size_t count, uint64_t slots,
                   uint32_t flags, segment_t *rows, uint64_t *first_rows) {
  size_t row = 0;
  for (size_t i = 0; i < count; i++) {
    first_rows[i] = row;
    for (uint64_t done = 0; done < sizes[i]; row++) {
      uint64_t left = sizes[i] - done;
      uint32_t size = left < SNAPPY_BLOCK ? (uint32_t)left : SNAPPY_BLOCK;
      /* What does not get smaller is stored, so a kernel may stop there. */
      rows[row] = (segment_t){.src = sources[i] + done,
                              .dst = slots,
                              .src_size = size,
                              .dst_capacity = size - 1,
                              .flags = flags};
      done += size;
      slots += size;
    }
  }
  first_rows[count] = row;
}

/* How one row becomes a chunk, or a fragment of a raw stream. */
typedef struct {
  const uint8_t *payload;
  uint32_t size;
  int stored;
  uint32_t head; /* bytes in front of the payload */
} part_t;

static uint32_t literal_tag(uint32_t size) { return size <= 60 ? 1 : size <= 256 ? 2 : 3; }

/* 0, or -STATUS_*. */
static int plan_part(const segment_t *row, const result_t *result, int framed, part_t *part) {
  if (row->src_size == 0 || row->src_size > SNAPPY_BLOCK)
    return -STATUS_BAD_PARAM;
  if (result->status != STATUS_OK && result->status != STATUS_DST_TOO_SMALL)
    return -STATUS_BAD_DATA;
  part->stored = result->status != STATUS_OK || result->dst_size >= row->src_size;
  part->size = part->stored ? row->src_size : result->dst_size;
  part->payload = at(part->stored ? row->src : row->dst);
  if (!part->stored && (part->size == 0 || part->size > row->dst_capacity))
    return -STATUS_BAD_DATA;
  part->head = framed ? HEADER + CHECKSUM : part->stored ? literal_tag(part->size) : 0;
  return 0;
}

static void write_literal_tag(uint8_t *out, uint32_t size) {
  uint32_t bytes = literal_tag(size) - 1;
  out[0] = (uint8_t)((bytes ? 59 + bytes : size - 1) << 2);
  for (uint32_t i = 0; i < bytes; i++)
    out[1 + i] = (uint8_t)((size - 1) >> (8 * i));
}

static void write_chunk_header(uint8_t *out, const part_t *part, uint32_t crc) {
  store_le32(out, (part->size + CHECKSUM) << 8 | (part->stored ? UNCOMPRESSED : COMPRESSED));
  store_le32(out + HEADER, masked(crc));
}

int64_t fa_snappy_packed_size(const segment_t *rows, const result_t *results, size_t count,
                              int framed) {
  uint64_t total = 0;
  part_t part;
  for (size_t i = 0; i < count; i++) {
    int failure = plan_part(&rows[i], &results[i], framed, &part);
    if (failure)
      return failure;
    total += (uint64_t)part.head + part.size;
  }
  return (int64_t)total;
}

int64_t fa_snappy_pack(uint8_t *out, uint64_t capacity, const segment_t *rows,
                       const result_t *results, size_t count, int framed) {
  uint64_t used = 0;
  part_t part;
  for (size_t i = 0; i < count; i++) {
    int failure = plan_part(&rows[i], &results[i], framed, &part);
    if (failure)
      return failure;
    if ((uint64_t)part.head + part.size > capacity - used)
      return -STATUS_DST_TOO_SMALL;
    if (framed)
      write_chunk_header(out + used, &part, (uint32_t)results[i].check);
    else if (part.stored)
      write_literal_tag(out + used, part.size);
    memcpy(out + used + part.head, part.payload, part.size);
    used += (uint64_t)part.head + part.size;
  }
  return (int64_t)used;
}

uint32_t fa_snappy_head(uint8_t *out, uint64_t content, int framed) {
  if (framed) {
    memcpy(out, identifier, IDENTIFIER_BYTES);
    return IDENTIFIER_BYTES;
  }
  uint32_t bytes = 0;
  for (; content > 0x7F; content >>= 7)
    out[bytes++] = (uint8_t)(content | 0x80);
  out[bytes++] = (uint8_t)content;
  return bytes;
}

int64_t fa_snappy_stream_sizes(const segment_t *rows, const result_t *results,
                               const uint64_t *first_rows, const uint64_t *sizes, size_t count,
                               int framed, uint64_t *stream_sizes) {
  uint8_t head[IDENTIFIER_BYTES];
  for (size_t i = 0; i < count; i++) {
    uint64_t first = first_rows[i];
    int64_t body =
        fa_snappy_packed_size(rows + first, results + first, first_rows[i + 1] - first, framed);
    if (body < 0)
      return body;
    stream_sizes[i] = fa_snappy_head(head, sizes[i], framed) + (uint64_t)body;
  }
  return 0;
}

int64_t fa_snappy_streams(const segment_t *rows, const result_t *results,
                          const uint64_t *first_rows, const uint64_t *sizes, size_t count,
                          int framed, const uint64_t *targets, const uint64_t *stream_sizes) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *out = (uint8_t *)(uintptr_t)targets[i];
    uint64_t first = first_rows[i];
    uint32_t head = fa_snappy_head(out, sizes[i], framed);
    int64_t body = fa_snappy_pack(out + head, stream_sizes[i] - head, rows + first, results + first,
                                  first_rows[i + 1] - first, framed);
    if (body < 0)
      return body;
  }
  return 0;
}

/* ---- streams to contents ---- */

typedef struct {
  uint32_t type;
  const uint8_t *payload; /* behind the checksum */
  uint32_t size;          /* of the payload */
  uint32_t content;       /* bytes that it becomes */
  uint64_t bytes;         /* of the whole chunk */
} chunk_t;

static int is_data(const chunk_t *chunk) {
  return chunk->type == COMPRESSED || chunk->type == UNCOMPRESSED;
}

/* The fault of a chunk's header: what of it is there, in the order in which it is read. */
static uint64_t header_fault(const uint8_t *p, uint64_t left, int first) {
  uint64_t shown = left < IDENTIFIER_BYTES ? left : IDENTIFIER_BYTES;
  if (first && memcmp(p, identifier, shown) != 0)
    return FA_SNAPPY_NO_IDENTIFIER;
  if (p[0] > UNCOMPRESSED && p[0] < SKIPPABLE)
    return FA_SNAPPY_RESERVED;
  return left < HEADER ? FA_SNAPPY_CUT : FA_SNAPPY_SOUND;
}

static uint64_t data_fault(chunk_t *chunk) {
  uint64_t content = chunk->size;
  if (chunk->type == COMPRESSED) {
    uint32_t preamble = fa_snappy_preamble(chunk->payload, chunk->size, &content);
    if (!preamble || content > FA_SNAPPY_MOST((uint64_t)(chunk->size - preamble)))
      return FA_SNAPPY_BAD_SIZE;
  }
  chunk->content = (uint32_t)content;
  return content > SNAPPY_BLOCK ? FA_SNAPPY_BAD_SIZE : FA_SNAPPY_SOUND;
}

static uint64_t read_chunk(const uint8_t *p, uint64_t left, int first, chunk_t *chunk) {
  uint64_t fault = header_fault(p, left, first);
  if (fault)
    return fault;
  uint32_t size = load_le32(p) >> 8;
  *chunk = (chunk_t){p[0], p + HEADER, size, 0, HEADER + (uint64_t)size};
  if (chunk->type == IDENTIFIER && size != IDENTIFIER_BYTES - HEADER)
    return FA_SNAPPY_BAD_IDENTIFIER;
  if (is_data(chunk) && size < CHECKSUM)
    return FA_SNAPPY_BAD_SIZE;
  if (size > left - HEADER)
    return FA_SNAPPY_CUT;
  if (chunk->type == IDENTIFIER)
    return memcmp(p, identifier, IDENTIFIER_BYTES) ? FA_SNAPPY_BAD_IDENTIFIER : FA_SNAPPY_SOUND;
  if (!is_data(chunk))
    return FA_SNAPPY_SOUND;
  chunk->payload += CHECKSUM;
  chunk->size -= CHECKSUM;
  return data_fault(chunk);
}

static void look_at_chunks(const uint8_t *data, uint64_t size, fa_snappy_t *item) {
  chunk_t chunk;
  item->fault = size ? FA_SNAPPY_SOUND : FA_SNAPPY_CUT;
  while (item->position < size && !item->fault) {
    uint64_t position = item->position;
    item->fault = read_chunk(data + position, size - position, position == 0, &chunk);
    if (item->fault)
      return;
    item->position += chunk.bytes;
    if (is_data(&chunk)) {
      item->content += chunk.content;
      item->rows++;
    }
  }
}

static void look_at_raw(const uint8_t *data, uint64_t size, fa_snappy_t *item) {
  uint64_t content;
  uint32_t preamble = fa_snappy_preamble(data, size, &content);
  item->rows = 1;
  if (!preamble) {
    int cut = size < 5 && (size == 0 || data[size - 1] >= 0x80);
    item->fault = cut ? FA_SNAPPY_CUT : FA_SNAPPY_BAD_PREAMBLE;
    return;
  }
  item->content = content;
  if (size > UINT32_MAX)
    item->fault = FA_SNAPPY_TOO_LONG;
  else if (content > FA_SNAPPY_MOST(size - preamble))
    item->fault = FA_SNAPPY_IMPLAUSIBLE;
}

uint64_t fa_snappy_look(const uint64_t *sources, const uint64_t *sizes, size_t count, int framed,
                        fa_snappy_t *items) {
  uint64_t rows = 0;
  for (size_t i = 0; i < count; i++) {
    items[i] = (fa_snappy_t){0};
    if (framed)
      look_at_chunks(at(sources[i]), sizes[i], &items[i]);
    else
      look_at_raw(at(sources[i]), sizes[i], &items[i]);
    if (!items[i].fault)
      rows += items[i].rows;
  }
  return rows;
}

/* Rows of the chunks that are still as they were at the look; what is missing stays a row that
 * fails. */
static void place_chunks(const uint8_t *data, uint64_t size, const fa_snappy_t *item,
                         uint64_t target, segment_t *rows, uint32_t *checks) {
  uint64_t position = 0, done = 0, row = 0;
  chunk_t chunk;
  while (position < size && row < item->rows &&
         !read_chunk(data + position, size - position, position == 0, &chunk)) {
    position += chunk.bytes;
    if (!is_data(&chunk))
      continue;
    if (chunk.content > item->content - done)
      return;
    rows[row] =
        (segment_t){.src = (uintptr_t)chunk.payload,
                    .dst = target + done,
                    .src_size = chunk.size,
                    .dst_capacity = chunk.content,
                    .flags = SNAPPY_CHECK | (chunk.type == UNCOMPRESSED ? SNAPPY_STORED : 0)};
    checks[row++] = unmasked(load_le32(chunk.payload - CHECKSUM));
    done += chunk.content;
  }
}

void fa_snappy_place(const uint64_t *sources, const uint64_t *sizes, size_t count, int framed,
                     const fa_snappy_t *items, const uint64_t *targets, segment_t *rows,
                     uint32_t *checks) {
  for (size_t i = 0; i < count; i++) {
    if (items[i].fault)
      continue;
    for (uint64_t row = 0; row < items[i].rows; row++) {
      rows[row] = (segment_t){.src = sources[i], .dst = targets[i]};
      checks[row] = 0;
    }
    if (framed)
      place_chunks(at(sources[i]), sizes[i], &items[i], targets[i], rows, checks);
    else
      rows[0] = (segment_t){.src = sources[i],
                            .dst = targets[i],
                            .src_size = (uint32_t)sizes[i],
                            .dst_capacity = (uint32_t)items[i].content};
    rows += items[i].rows;
    checks += items[i].rows;
  }
}

static uint64_t row_fault(const segment_t *row, const result_t *result, uint32_t check) {
  if (result->status == STATUS_TRUNCATED)
    return FA_SNAPPY_ELEMENTS_CUT;
  if (result->status == STATUS_BAD_PARAM || result->status < STATUS_OK)
    return FA_SNAPPY_NOT_DONE;
  if (result->status != STATUS_OK || result->dst_size != row->dst_capacity)
    return FA_SNAPPY_BAD_ELEMENTS;
  return row->flags & SNAPPY_CHECK && result->check != check ? FA_SNAPPY_CHECKSUM : FA_SNAPPY_SOUND;
}

uint64_t fa_snappy_check(size_t count, const segment_t *rows, const result_t *results,
                         const uint32_t *checks, fa_snappy_t *items) {
  uint64_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    if (items[i].fault)
      continue;
    uint64_t total = items[i].rows;
    for (uint64_t row = 0; row < total && !items[i].fault; row++) {
      items[i].fault = row_fault(&rows[row], &results[row], checks[row]);
      items[i].position = row;
    }
    wrong += items[i].fault != FA_SNAPPY_SOUND;
    rows += total;
    results += total;
    checks += total;
  }
  return wrong;
}
