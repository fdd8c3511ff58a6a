/* The parameter record of BLAKE3: `param` of a row points at one, 16-byte aligned. `flags` of a row
 * are the bytes of output that are wanted. Host: fpga_accel/operations/blake3.py. */
#ifndef FPGA_ACCEL_BLAKE3_PARAMS_H
#define FPGA_ACCEL_BLAKE3_PARAMS_H

#include "abi.h"

/* 16 bytes. */
typedef struct {
  abi_u64 first; /* BLAKE3_SUBTREE: chunks of the message before this row */
  abi_u32 kind;
  abi_u32 reserved;
} blake3_params_t;

#define BLAKE3_WHOLE 0u /* a whole message */
/* A part of a message, of which the row gives the chaining value. It begins at a multiple of 2^n
 * chunks and has as many, or fewer where the message ends. */
#define BLAKE3_SUBTREE 1u
/* The chaining values of all parts of a message, 2^n chunks each but for the last. */
#define BLAKE3_JOIN 2u

#endif
