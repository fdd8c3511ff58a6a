/* AES-CTR and AES-GCM with the AES and carry-less multiply instructions of x86 CPUs.
 *
 * | -D      | values | meaning                                                                  |
 * | ------- | ------ | ------------------------------------------------------------------------ |
 * | WIDE    | 1      | four blocks a register: AVX-512 F and BW, VAES, VPCLMULQDQ               |
 * |         | 0      | one block a register: AES, PCLMULQDQ, SSSE3                              |
 * | GROUP   | 4u, 8u | optional: registers in flight and to one GHASH reduction                 |
 * | STEP    | 2u, 4u | optional: see x86_modes.h                                                |
 *
 * Tested: both WIDE with both GROUP and default STEP; timed also GROUP=8u STEP=2u.
 */
#ifndef WIDE
#error "x86.cl needs -D WIDE=0 or -D WIDE=1"
#elif WIDE
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__VAES__) ||                       \
    !defined(__VPCLMULQDQ__)
#error "this variant needs AVX-512F, AVX-512BW, VAES and VPCLMULQDQ"
#endif
#elif !defined(__AES__) || !defined(__PCLMUL__) || !defined(__SSSE3__)
#error "this variant needs AES, PCLMULQDQ and SSSE3"
#endif

/* WIDE=1 with 8: the same for big messages, 10-15 % slower for 256 B and 4 KiB. WIDE=0 with 4: 40 %
 * slower for big messages. */
#ifndef GROUP
#if WIDE
#define GROUP 4u
#else
#define GROUP 8u
#endif
#endif

#include "aes_x86.h"

#include "cipher.h"

#include "x86_modes.h"

#include "ctr_gcm.h"
