/* ChaCha20-Poly1305, XChaCha20-Poly1305 and Poly1305 with the 52-bit products of AVX-512 IFMA.
 *
 * | -D       | values | meaning                                                         |
 * | -------- | ------ | --------------------------------------------------------------- |
 * | MODELLED | 1      | optional: the products by a model of the instructions, any CPU  |
 *
 * Tested: MODELLED=1, as the CPU of the tests has no IFMA; without it, compiled.
 */
#ifndef MODELLED
#define MODELLED 0
#endif
#if !MODELLED && (!defined(__AVX512F__) || !defined(__AVX512IFMA__))
#error "this variant needs AVX-512F and AVX-512IFMA"
#endif
#define LANES 8

#include "limbs44.h"
#include "rows.h"
