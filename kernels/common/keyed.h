/* The parameter record of kernels with keys: `param` of a row points at one, 16-byte aligned; its
 * own offsets count from params too. Host: fpga_accel/operations/keyed.py and host/keyed_rows.c. */
#ifndef FPGA_ACCEL_KEYED_H
#define FPGA_ACCEL_KEYED_H

#include "abi.h"

/* 48 bytes. Rows of one message share key, nonce and AAD. */
typedef struct {
  abi_u32 key; /* offset of the key bytes, 16-byte aligned */
  abi_u32 key_size;
  abi_u32 nonce; /* offset of the nonce, counter block, IV or tweak */
  abi_u32 nonce_size;
  abi_u32 aad; /* offset of the associated data */
  abi_u32 aad_size;
  abi_u64 position; /* bytes of the message before this row, multiple of 16 */
  abi_u64 total;    /* bytes of the whole message */
  abi_u64 reserved;
} keyed_params_t;

/* Flags of a row; an algorithm's own begin at 16. */
#define KEYED_DECRYPT 1u
/* The row is a whole message; the tag follows its ciphertext, dst_capacity has room for it. */
#define KEYED_TAG_IN_DST 2u

#endif
