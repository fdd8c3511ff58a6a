/* Keys of AES in rows. */
#ifndef FPGA_ACCEL_AES_ROWS_H
#define FPGA_ACCEL_AES_ROWS_H

#include "aes_schedule.h"
#include "blocks.h"
#include "keyed_rows.h"

static inline bool aes_is_key_size(uint size) { return size == 16 || size == 24 || size == 32; }

/* size: one that aes_is_key_size allows. Before this file a variant defines aes_key_t and
 * aes_set_key. */
static void aes_load_key(private aes_key_t *key, global const uchar *bytes, uint size) {
  uint words[AES_MAX_WORDS];
  uint rounds = aes_expand(words, bytes, size);
  aes_set_key(key, words, rounds);
}

#endif
