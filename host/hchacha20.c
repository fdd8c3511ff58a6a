/* HChaCha20 (draft-irtf-cfrg-xchacha-03 §2.2): the rounds of ChaCha20 (RFC 8439 §2.3) without the
 * addition of their input at the end. No branch and no address depends on the key. */
#include "host.h"

#define ROUNDS 20

static uint32_t word(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t turned(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void quarter(uint32_t *s, int a, int b, int c, int d) {
  s[a] += s[b];
  s[d] = turned(s[d] ^ s[a], 16);
  s[c] += s[d];
  s[b] = turned(s[b] ^ s[c], 12);
  s[a] += s[b];
  s[d] = turned(s[d] ^ s[a], 8);
  s[c] += s[d];
  s[b] = turned(s[b] ^ s[c], 7);
}

void fa_hchacha20(const uint8_t *key, const uint8_t *nonce, uint8_t *subkey) {
  uint32_t s[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (int i = 0; i < 8; i++)
    s[4 + i] = word(key + 4 * i);
  for (int i = 0; i < 4; i++)
    s[12 + i] = word(nonce + 4 * i);
  for (int round = 0; round < ROUNDS; round += 2) {
    for (int i = 0; i < 4; i++)
      quarter(s, i, 4 + i, 8 + i, 12 + i);
    for (int i = 0; i < 4; i++)
      quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
  }
  for (int i = 0; i < 8; i++)
    for (int byte = 0; byte < 4; byte++)
      subkey[4 * i + byte] = (uint8_t)(s[i < 4 ? i : 8 + i] >> 8 * byte);
  fa_wipe(s, sizeof s);
}
