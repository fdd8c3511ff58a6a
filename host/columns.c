/* Columns of byte strings: items behind each other in one buffer, and the n + 1 offsets where they
 * start and end (Arrow's large_binary). */
#include "host.h"

#include <string.h>

int64_t fa_offsets_first_wrong(const int64_t *offsets, size_t count, uint64_t limit) {
  int64_t before = 0;
  for (size_t i = 0; i <= count; before = offsets[i++])
    if (offsets[i] < before || (uint64_t)offsets[i] > limit)
      return (int64_t)i;
  return -1;
}

void fa_join(const uint64_t *sources, const int64_t *offsets, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++)
    if (offsets[i + 1] > offsets[i])
      memcpy(out + offsets[i], (const void *)(uintptr_t)sources[i],
             (size_t)(offsets[i + 1] - offsets[i]));
}

uint64_t fa_offsets(const uint64_t *sizes, size_t count, int64_t *offsets) {
  uint64_t end = 0;
  for (size_t i = 0; i < count; end += sizes[i++])
    offsets[i] = (int64_t)end;
  offsets[count] = (int64_t)end;
  return end;
}

int64_t fa_offsets_grown(const int64_t *offsets, size_t count, int64_t change, int64_t *grown) {
  int64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    int64_t size = offsets[i + 1] - offsets[i] + change;
    if (size < 0)
      return -1;
    grown[i] = end;
    end += size;
  }
  grown[count] = end;
  return end;
}

void fa_spans(const int64_t *offsets, size_t count, uint64_t address, uint64_t *addresses,
              uint64_t *sizes) {
  for (size_t i = 0; i < count; i++) {
    addresses[i] = address + (uint64_t)offsets[i];
    sizes[i] = (uint64_t)(offsets[i + 1] - offsets[i]);
  }
}

uint64_t fa_sizes_largest(const uint64_t *sizes, size_t count) {
  uint64_t largest = 0;
  for (size_t i = 0; i < count; i++)
    largest = sizes[i] > largest ? sizes[i] : largest;
  return largest;
}

uint64_t fa_sizes_padded(const uint64_t *sizes, size_t count) {
  uint64_t padded = 0;
  for (size_t i = 0; i < count; i++)
    padded += (sizes[i] + 15) & ~(uint64_t)15;
  return padded;
}

int64_t fa_sizes_first_outside(const uint64_t *sizes, size_t count, uint64_t low, uint64_t high) {
  uint64_t outside = 0;
  for (size_t i = 0; i < count; i++)
    outside |= sizes[i] - low > high - low;
  for (size_t i = 0; outside && i < count; i++)
    if (sizes[i] - low > high - low)
      return (int64_t)i;
  return -1;
}

uint64_t fa_unset_bits(const uint8_t *bits, uint64_t first, uint64_t count) {
  uint64_t unset = 0;
  for (uint64_t i = first; i < first + count; i++)
    unset += !(bits[i / 8] >> i % 8 & 1);
  return unset;
}
