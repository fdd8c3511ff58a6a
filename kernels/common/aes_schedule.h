/* The key schedule of FIPS 197 section 5.2. */
#ifndef FPGA_ACCEL_AES_SCHEDULE_H
#define FPGA_ACCEL_AES_SCHEDULE_H

#include "blocks.h"

#define AES_MAX_ROUNDS 14
#define AES_MAX_WORDS (4 * (AES_MAX_ROUNDS + 1))

static uint aes_sub_word(uint word);

/* Words hold their bytes little-endian, so RotWord is a rotation to the right, and Rcon is added to
 * the low byte. bytes: 16, 24 or 32. Returns the number of rounds. */
static uint aes_expand(private uint *words, global const uchar *bytes, uint size) {
  uint key_words = size / 4;
  uint rounds = key_words + 6;
  for (uint i = 0; i < key_words; i++)
    words[i] = load_le32(bytes + 4 * i);
  uint rcon = 1;
  for (uint i = key_words; i < 4 * (rounds + 1); i++) {
    uint word = words[i - 1];
    if (i % key_words == 0) {
      word = aes_sub_word(word >> 8 | word << 24) ^ rcon;
      rcon = (rcon << 1) ^ (rcon >> 7) * 0x11B;
    } else if (key_words == 8 && i % 8 == 4) {
      word = aes_sub_word(word);
    }
    words[i] = words[i - key_words] ^ word;
  }
  return rounds;
}

#endif
