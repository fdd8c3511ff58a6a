/* AES-CTR and AES-GCM with the AES and carry-less multiply instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                    |
 * | -------- | ------ | ---------------------------------------------------------- |
 * | BLOCKS   | 4      | four blocks a register: AVX-512 F and BW, VAES, VPCLMULQDQ |
 * |          | 2      | two blocks a register: AVX2, VAES, VPCLMULQDQ              |
 * |          | 1      | one block a register: AES, PCLMULQDQ, SSSE3                |
 * | MODELLED | 1      | optional: no VAES and VPCLMULQDQ needed, see x86_vector.h  |
 * | GROUP    | 4u, 8u | optional: registers in flight and to one GHASH reduction   |
 * | STEP     | 2u, 4u | optional: see x86_modes.h                                  |
 *
 * Tested: all BLOCKS with both GROUP and default STEP; timed also GROUP=8u STEP=2u.
 */

/* Four blocks with 8: the same for big messages, 10-15 % slower for 256 B and 4 KiB. One block with
 * 4: 40 % slower for big messages. */
#ifndef GROUP
#if BLOCKS == 4
#define GROUP 4u
#else
#define GROUP 8u
#endif
#endif

#include "aes_x86.h"

#include "cipher.h"

#include "x86_modes.h"

#include "ctr_gcm.h"
