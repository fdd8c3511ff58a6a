/* Constants of SHA-1 (FIPS 180-4). */
#ifndef FPGA_ACCEL_SHA1_CONSTANTS_H
#define FPGA_ACCEL_SHA1_CONSTANTS_H

/* Section 5.3.1. */
constant const uint SHA1_INITIAL[5] = {0x67452301U, 0xEFCDAB89U, 0x98BADCFEU, 0x10325476U,
                                       0xC3D2E1F0U};

#endif
