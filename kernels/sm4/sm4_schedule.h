/* The key schedule of SM4 (GB/T 32907-2016 section 7.3). */
#ifndef FPGA_ACCEL_SM4_SCHEDULE_H
#define FPGA_ACCEL_SM4_SCHEDULE_H

#include "blocks.h"

#define SM4_ROUNDS 32u

/* The S-box in each byte of a word. */
static uint sm4_sub_word(uint word);

/* Section 7.3.2: byte j of CK[i] is (4 i + j) * 7 modulo 256. */
static inline uint sm4_constant(uint round) {
  uint first = 28 * round;
  return (first & 0xFF) << 24 | (first + 7 & 0xFF) << 16 | (first + 14 & 0xFF) << 8 |
         (first + 21 & 0xFF);
}

/* Round keys as integers, in the order of encryption. */
static void sm4_expand(private uint *round, global const uchar *bytes) {
  const uint family[4] = {0xA3B1BAC6u, 0x56AA3350u, 0x677D9197u, 0xB27022DCu};
  uint k[4];
  for (uint i = 0; i < 4; i++)
    k[i] = load_be32(bytes + 4 * i) ^ family[i];
  for (uint i = 0; i < SM4_ROUNDS; i++) {
    uint word = sm4_sub_word(k[1] ^ k[2] ^ k[3] ^ sm4_constant(i));
    round[i] = k[0] ^ word ^ (word << 13 | word >> 19) ^ (word << 23 | word >> 9);
    k[0] = k[1];
    k[1] = k[2];
    k[2] = k[3];
    k[3] = round[i];
  }
}

#endif
