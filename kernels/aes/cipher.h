/* AES as the cipher of ctr_gcm.h. A variant includes this file after it has defined
 *
 *   aes_key_t   an expanded key
 *   uint aes_sub_word(uint word)
 *       SubWord of FIPS 197 section 5.2.
 *   void aes_set_key(aes_key_t *key, const uint *words, uint rounds)
 *       Takes the schedule; a word holds its four bytes little-endian.
 */
#ifndef FPGA_ACCEL_AES_CIPHER_H
#define FPGA_ACCEL_AES_CIPHER_H

#include "aes_schedule.h"
#include "keyed_rows.h"

#define CTR_ENTRY aes_ctr
#define GCM_ENTRY aes_gcm
#define cipher_key_t aes_key_t
#define cipher_encrypt aes_encrypt

static inline bool is_key_size(uint size) { return size == 16 || size == 24 || size == 32; }

static void load_key(private aes_key_t *key, global const uchar *params, key_id_t id) {
  uint words[AES_MAX_WORDS];
  uint rounds = aes_expand(words, params + id.offset, id.size);
  aes_set_key(key, words, rounds);
}

#endif
