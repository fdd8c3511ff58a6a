/* XXH32, after the xxHash specification 0.1.1 ("XXH32 Algorithm Description"). */
#include "bytes.h"
#include "host.h"

#define PRIME_1 0x9E3779B1u
#define PRIME_2 0x85EBCA77u
#define PRIME_3 0xC2B2AE3Du
#define PRIME_4 0x27D4EB2Fu
#define PRIME_5 0x165667B1u

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static uint32_t round_lane(uint32_t lane, const uint8_t *p) {
  return rotate(lane + load_le32(p) * PRIME_2, 13) * PRIME_1;
}

/* Steps 1 to 3: four lanes over all whole stripes of 16 bytes. */
static uint32_t stripes(const uint8_t *p, const uint8_t *end, uint32_t seed) {
  uint32_t a = seed + PRIME_1 + PRIME_2, b = seed + PRIME_2, c = seed, d = seed - PRIME_1;
  for (; p < end; p += 16) {
    a = round_lane(a, p);
    b = round_lane(b, p + 4);
    c = round_lane(c, p + 8);
    d = round_lane(d, p + 12);
  }
  return rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
}

/* Steps 5 and 6: what is left, fewer than 16 bytes, and the last mixing. */
static uint32_t finish(uint32_t hash, const uint8_t *p, size_t size) {
  for (; size >= 4; p += 4, size -= 4)
    hash = rotate(hash + load_le32(p) * PRIME_3, 17) * PRIME_4;
  for (; size > 0; p++, size--)
    hash = rotate(hash + *p * PRIME_5, 11) * PRIME_1;
  hash = (hash ^ hash >> 15) * PRIME_2;
  hash = (hash ^ hash >> 13) * PRIME_3;
  return hash ^ hash >> 16;
}

uint32_t fa_xxh32(const void *data, size_t size, uint32_t seed) {
  const uint8_t *p = data;
  size_t whole = size & ~(size_t)15;
  uint32_t hash = whole ? stripes(p, p + whole, seed) : seed + PRIME_5;
  /* An empty buffer may be a null pointer, and null + 0 is undefined in C. */
  return finish(hash + (uint32_t)size, whole ? p + whole : p, size - whole);
}
