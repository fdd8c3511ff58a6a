/* The table and the parameter records of a batch with keys, in one pass over it. */
#include "../kernels/common/keyed.h"
#include "host.h"
#include "number.h"

#include <string.h>

_Static_assert(sizeof(keyed_params_t) == 48, "see kernels/common/keyed.h");

#define ALIGNMENT 16u
#define TAG 16u
/* Nonces of this size are copied with two moves. */
#define USUAL_NONCE 12u
/* Scattered bytes are asked for so many rows ahead: the memory takes longer than a row. */
#define AHEAD 16u

static void copy(uint8_t *to, const void *from, uint64_t size) {
  if (size == USUAL_NONCE)
    memcpy(to, from, USUAL_NONCE);
  else if (size)
    memcpy(to, from, size);
}

/* Keys, nonces or associated data: of every message, or one for all of them. */
typedef struct {
  const uint64_t *addresses;
  const uint64_t *sizes;
  size_t count;
} part_t;

typedef struct {
  uint32_t offset;
  uint32_t size;
} place_t;

static part_t part_of(const uint64_t *three) {
  return (part_t){(const uint64_t *)(uintptr_t)three[0], (const uint64_t *)(uintptr_t)three[1],
                  (size_t)three[2]};
}

static inline place_t place(uint8_t *params, uint64_t *end, const part_t *part, size_t i) {
  place_t placed = {(uint32_t)*end, (uint32_t)part->sizes[i]};
  if (i + AHEAD < part->count)
    __builtin_prefetch((const void *)(uintptr_t)part->addresses[i + AHEAD]);
  copy(params + *end, (const void *)(uintptr_t)part->addresses[i], placed.size);
  *end += (placed.size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
  return placed;
}

uint64_t fa_keyed_rows(segment_t *rows, uint8_t *params, size_t count, const uint64_t *sources,
                       const uint64_t *targets, const uint64_t *sizes, const uint64_t *parts,
                       uint32_t flags, uint32_t room) {
  const part_t keys = part_of(parts), nonces = part_of(parts + 3), aads = part_of(parts + 6);
  keyed_params_t *records = (keyed_params_t *)(void *)params;
  uint64_t end = count * sizeof *records;
  place_t key = {0, 0}, nonce = {0, 0}, aad = {0, 0};
  for (size_t i = 0; i < count; i++) {
    /* One for all messages is placed in front of the first. */
    if (i < keys.count)
      key = place(params, &end, &keys, i);
    if (i < nonces.count)
      nonce = place(params, &end, &nonces, i);
    if (i < aads.count)
      aad = place(params, &end, &aads, i);
    records[i] = (keyed_params_t){.key = key.offset,
                                  .key_size = key.size,
                                  .nonce = nonce.offset,
                                  .nonce_size = nonce.size,
                                  .aad = aad.offset,
                                  .aad_size = aad.size,
                                  .total = sizes[i]};
    rows[i] = (segment_t){.src = sources[i],
                          .dst = targets[i],
                          .src_size = (uint32_t)sizes[i],
                          .dst_capacity = (uint32_t)sizes[i] + room,
                          .param = (uint32_t)(i * sizeof *records),
                          .flags = flags};
  }
  return end;
}

uint64_t fa_sector_rows(segment_t *rows, uint8_t *params, size_t count, const uint64_t *sources,
                        const uint64_t *targets, const uint64_t *sizes, const uint64_t *numbers,
                        size_t messages, const uint64_t *keys, uint64_t sector, uint64_t step) {
  const part_t given = part_of(keys);
  keyed_params_t *records = (keyed_params_t *)(void *)params;
  uint64_t end = count * sizeof *records;
  place_t key = {0, 0};
  size_t row = 0;
  for (size_t i = 0; i < messages; i++) {
    number_t first;
    memcpy(&first, (const void *)(uintptr_t)numbers[i], sizeof first);
    if (i < given.count)
      key = place(params, &end, &given, i);
    for (uint64_t at = 0; at < sizes[i] && row < count; at += step, row++) {
      uint64_t left = sizes[i] - at;
      uint32_t size = (uint32_t)(left < step ? left : step);
      number_t number = plus(first, at / sector);
      memcpy(params + end, &number, sizeof number);
      records[row] = (keyed_params_t){.key = key.offset,
                                      .key_size = key.size,
                                      .nonce = (uint32_t)end,
                                      .nonce_size = sizeof number,
                                      .total = size,
                                      .reserved = sector};
      rows[row] = (segment_t){.src = sources[i] + at,
                              .dst = targets[i] + at,
                              .src_size = size,
                              .dst_capacity = size,
                              .param = (uint32_t)(row * sizeof *records)};
      end += sizeof number;
    }
  }
  return end;
}

/* No branch and no early end: how long it takes says nothing about the tags. */
static uint64_t difference(const uint8_t *tag, const uint8_t *other) {
  uint64_t words[2], others[2];
  memcpy(words, tag, TAG);
  memcpy(others, other, TAG);
  return (words[0] ^ others[0]) | (words[1] ^ others[1]);
}

size_t fa_tags_wrong(const uint8_t *tags, size_t step, const uint64_t *texts, const uint64_t *sizes,
                     size_t count, uint8_t *wrong) {
  size_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    if (count - i > AHEAD)
      __builtin_prefetch((const void *)(uintptr_t)(texts[i + AHEAD] + sizes[i + AHEAD]));
    uint64_t differs =
        difference(tags + i * step, (const uint8_t *)(uintptr_t)(texts[i] + sizes[i]));
    wrong[i] = (uint8_t)((differs | (0 - differs)) >> 63);
    sum += wrong[i];
  }
  return sum;
}
