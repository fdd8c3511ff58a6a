/* Base64 (RFC 4648 section 4) in whole lines of 64 characters, as PEM has them (RFC 7468 section
 * 3). */
#include "host.h"

#include <string.h>

#define GROUPS 16u /* of 3 bytes, or 4 characters, in a line */
#define CHARACTERS (4 * GROUPS)
#define BYTES (3 * GROUPS)
/* Two characters for each 12 bits; for each place of a group, the bits of a character where they
 * belong, or WRONG. */
#define PAIRS 4096u
#define WRONG 0x80000000u

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

typedef struct {
  char two[PAIRS][2];
} pairs_t;

typedef struct {
  uint32_t bits[4][256];
} values_t;

/* Tables are made anew for each call: that takes a few us, a hundredth of what a call has to do,
 * and needs no state. */
static void make_pairs(pairs_t *pairs) {
  for (uint32_t i = 0; i < PAIRS; i++) {
    pairs->two[i][0] = ALPHABET[i >> 6];
    pairs->two[i][1] = ALPHABET[i & 63];
  }
}

static void make_values(values_t *values) {
  for (uint32_t place = 0; place < 4; place++) {
    for (uint32_t c = 0; c < 256; c++)
      values->bits[place][c] = WRONG;
    for (uint32_t i = 0; i < 64; i++)
      values->bits[place][(uint8_t)ALPHABET[i]] = i << (18 - 6 * place);
  }
}

void fa_base64_lines(const uint8_t *data, size_t lines, uint8_t *text) {
  pairs_t pairs;
  make_pairs(&pairs);
  for (size_t line = 0; line < lines; line++) {
    for (uint32_t group = 0; group < GROUPS; group++, data += 3, text += 4) {
      uint32_t bits = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
      memcpy(text, pairs.two[bits >> 12], 2);
      memcpy(text + 2, pairs.two[bits & (PAIRS - 1)], 2);
    }
    *text++ = '\n';
  }
}

static uint32_t line_to_bytes(const values_t *values, const uint8_t *text, uint8_t *data) {
  uint32_t seen = 0;
  for (uint32_t group = 0; group < GROUPS; group++, text += 4, data += 3) {
    uint32_t bits = values->bits[0][text[0]] | values->bits[1][text[1]] | values->bits[2][text[2]] |
                    values->bits[3][text[3]];
    seen |= bits;
    data[0] = (uint8_t)(bits >> 16);
    data[1] = (uint8_t)(bits >> 8);
    data[2] = (uint8_t)bits;
  }
  return seen;
}

size_t fa_base64_from_lines(const uint8_t *text, size_t lines, const uint8_t *line_end,
                            size_t line_end_size, uint8_t *data) {
  values_t values;
  make_values(&values);
  for (size_t line = 0; line < lines; line++, data += BYTES) {
    uint32_t seen = line_to_bytes(&values, text, data);
    text += CHARACTERS;
    if (seen & WRONG || memcmp(text, line_end, line_end_size) != 0)
      return line;
    text += line_end_size;
  }
  return lines;
}
