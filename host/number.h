/* Numbers of 128 bits, little-endian, as XTS has tweaks (IEEE 1619 section 5.1). */
#ifndef FPGA_ACCEL_NUMBER_H
#define FPGA_ACCEL_NUMBER_H

#include <stdint.h>

typedef struct {
  uint64_t low;
  uint64_t high;
} number_t;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they are");

/* Wraps. */
static inline number_t plus(number_t number, uint64_t more) {
  uint64_t low = number.low + more;
  return (number_t){low, number.high + (low < more)};
}

#endif
