/* The parameter record of the AES kernels: `param` of a row
 * points at one, 16-byte aligned; its own offsets count from params too. */
#ifndef FPGA_ACCEL_AES_PARAMS_H
#define FPGA_ACCEL_AES_PARAMS_H

#include "abi.h"

/* 48 bytes. Rows of one message share key, nonce and AAD. */
typedef struct {
  abi_u32 key;        /* offset of the key bytes, 16-byte aligned */
  abi_u32 key_size;   /* 16, 24 or 32 */
  abi_u32 nonce;      /* offset of the nonce; CTR: 16-byte counter block */
  abi_u32 nonce_size; /* GCM: 1 byte or more; CTR: 16 */
  abi_u32 aad;        /* GCM: offset of the associated data */
  abi_u32 aad_size;
  abi_u64 position; /* bytes of the message before this row, multiple of 16 */
  abi_u64 total;    /* GCM: bytes of the whole message */
  abi_u64 reserved;
} aes_params_t;

#define AES_DECRYPT 1u /* GCM: GHASH runs over src, not dst */
#define AES_TAG_IN_DST                                                                             \
  2u /* GCM: the row is a whole message; the tag follows                                           \
        its ciphertext, dst_capacity has room for it */
#endif
