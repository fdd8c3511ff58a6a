/* The key schedule of FIPS 197 section 5.2. */
#ifndef FPGA_ACCEL_AES_SCHEDULE_H
#define FPGA_ACCEL_AES_SCHEDULE_H

#include "blocks.h"

#define AES_MAX_ROUNDS 14
#define AES_MAX_WORDS (4 * (AES_MAX_ROUNDS + 1))

static uint aes_sub_word(uint word);

/* Fills in the schedule behind the words of a key of size bytes, 16, 24 or 32; returns the number
 * of rounds. Words hold their bytes little-endian, so RotWord is a rotation to the right, and Rcon
 * is added to the low byte. place is i modulo the key's words: a division a word would take longer
 * than the word. */
static uint aes_schedule(private uint *words, uint size) {
  uint key_words = size / 4, place = 0;
  uint rounds = key_words + 6;
  uint rcon = 1;
  for (uint i = key_words; i < 4 * (rounds + 1); i++) {
    uint word = words[i - 1];
    if (place == 0) {
      word = aes_sub_word(word >> 8 | word << 24) ^ rcon;
      rcon = (rcon << 1) ^ (rcon >> 7) * 0x11B;
    } else if (key_words == 8 && place == 4) {
      word = aes_sub_word(word);
    }
    words[i] = words[i - key_words] ^ word;
    place = place + 1 == key_words ? 0 : place + 1;
  }
  return rounds;
}

/* The same from the bytes of a key. */
static uint aes_expand(private uint *words, global const uchar *bytes, uint size) {
  for (uint i = 0; i < size / 4; i++)
    words[i] = load_le32(bytes + 4 * i);
  return aes_schedule(words, size);
}

#endif
