/* SM4 as the cipher of ctr_gcm.h. A variant includes this file after it has defined
 *
 *   sm4_key_t   an expanded key
 *   void sm4_set_key(sm4_key_t *key, const uchar *bytes, bool decrypt)
 */
#ifndef FPGA_ACCEL_SM4_CIPHER_H
#define FPGA_ACCEL_SM4_CIPHER_H

#include "keyed_rows.h"

#define CTR_ENTRY sm4_ctr
#define GCM_ENTRY sm4_gcm
#define cipher_key_t sm4_key_t
#define cipher_encrypt sm4_encrypt

static inline bool is_key_size(uint size) { return size == 16; }

static void load_key(private sm4_key_t *key, global const uchar *params, key_id_t id) {
  sm4_set_key(key, params + id.offset, false);
}

#endif
