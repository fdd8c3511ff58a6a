/* The field of tweaks: x^128 + x^7 + x^2 + x + 1, see modes.h. */
#ifndef FPGA_ACCEL_XTS_TWEAK_H
#define FPGA_ACCEL_XTS_TWEAK_H

/* x^128 modulo the polynomial. */
#define XTS_POLY 0x87UL

/* Times x; no branch, as a tweak is secret. */
static inline ulong2 xts_double(ulong2 a) {
  ulong carry = 0 - (a.y >> 63);
  return (ulong2)(a.x << 1 ^ (carry & XTS_POLY), a.y << 1 | a.x >> 63);
}

#endif
