/* CRC-32C by tables, 16 bytes a step, for any device.
 *
 * No -D parameters. Tested on every device that the host lists.
 */
#include "table.h"

#define STEP 16u

/* crc_tables[k][n]: the register after the byte n and k zero bytes, from a register of 0. A byte's
 * bit j is the power 7 - j of x, and 32 + 8 k lie behind it: so the constants of all rows are, read
 * from right to left and downwards, x^32, x^33, ... x^159 modulo P. */
constant uint crc_tables[STEP][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu,
          0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u,
          0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u,
          0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u,
          0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu,
          0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu,
          0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au,
          0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u,
          0x34019664u),
    TABLE(0xf43ed648u, 0xed91da61u, 0xdecfc233u, 0xb873f297u, 0x750b93dfu, 0xea1727beu, 0xd1c2398du,
          0xa66805ebu),
    TABLE(0xcb567ba5u, 0x934081bbu, 0x236d7587u, 0x46daeb0eu, 0x8db5d61cu, 0x1e87dac9u, 0x3d0fb592u,
          0x7a1f6b24u),
    TABLE(0x9771f7c1u, 0x2b0f9973u, 0x561f32e6u, 0xac3e65ccu, 0x5d90bd69u, 0xbb217ad2u, 0x73ae8355u,
          0xe75d06aau),
    TABLE(0x3171d430u, 0x62e3a860u, 0xc5c750c0u, 0x8e62d771u, 0x1929d813u, 0x3253b026u, 0x64a7604cu,
          0xc94ec098u),
    TABLE(0x30d23865u, 0x61a470cau, 0xc348e194u, 0x837db5d9u, 0x03171d43u, 0x062e3a86u, 0x0c5c750cu,
          0x18b8ea18u),
    TABLE(0x54075546u, 0xa80eaa8cu, 0x55f123e9u, 0xabe247d2u, 0x5228f955u, 0xa451f2aau, 0x4d4f93a5u,
          0x9a9f274au),
    TABLE(0x678efd01u, 0xcf1dfa02u, 0x9bd782f5u, 0x3243731bu, 0x6486e636u, 0xc90dcc6cu, 0x97f7ee29u,
          0x2a03aaa3u),
    TABLE(0xf20c0dfeu, 0xe1f46d0du, 0xc604acebu, 0x89e52f27u, 0x162628bfu, 0x2c4c517eu, 0x5898a2fcu,
          0xb13145f8u),
};

static inline uint crc_of_word(uint word, uint behind) {
  return crc_tables[behind + 3][word & 0xff] ^ crc_tables[behind + 2][(word >> 8) & 0xff] ^
         crc_tables[behind + 1][(word >> 16) & 0xff] ^ crc_tables[behind][word >> 24];
}

/* The register goes into the first four of the 16 bytes. */
static inline uint crc_step(uint crc, uint4 words) {
  return crc_of_word(words.x ^ crc, 12) ^ crc_of_word(words.y, 8) ^ crc_of_word(words.z, 4) ^
         crc_of_word(words.w, 0);
}

static uint crc_of(uint crc, global const uchar *p, ulong size) {
  for (; size >= STEP; size -= STEP, p += STEP)
    crc = crc_step(crc, as_uint4(vload16(0, p)));
  for (ulong i = 0; i < size; i++)
    crc = (crc >> 8) ^ crc_tables[0][(crc ^ p[i]) & 0xff];
  return crc;
}

#include "rows.h"
