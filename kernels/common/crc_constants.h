/* Constants of the CRCs, made by tests/crc_constants.py, which says what they are.
 *
 *   POLYNOMIAL       P without its highest power; as all here, reflected
 *   MOVED_D          x^(D + 63) and x^(D - 1) modulo P of 64 bits: they move a block of 128 bits
 *                    by D bits
 *   SHORTER          x^127, which makes 128 bits with 64 zeros behind them 128 bits
 *   BARRETT          x^128 / P without its highest power, and P of 64 bits without it
 *   TABLES           what a byte with k bytes of a step behind it adds to the register
 *   TABLE            the first of them
 *   PAST_STREAM      what each byte of a register becomes behind 256 bytes of zeros
 *   POWER_WORD       x^512: one word of the FPGA variant further
 *   POWERS_OF_LANES  from each lane of a word to the register behind it
 *   POWERS_BEFORE    x^-8, x^-16, ... x^-512
 */
#ifndef FPGA_ACCEL_CRC_CONSTANTS_H
#define FPGA_ACCEL_CRC_CONSTANTS_H

/* ---- CRC32C: RFC 3720 section 12.1 ---- */
#define CRC32C_POLYNOMIAL 0x82f63b78u
#define CRC32C_MOVED_128 (long)0x00000000f20c0dfeUL, (long)0x00000000493c7d27UL
#define CRC32C_MOVED_256 (long)0x000000003da6d0cbUL, (long)0x00000000ba4fc28eUL
#define CRC32C_MOVED_384 (long)0x000000001c291d04UL, (long)0x00000000ddc0152bUL
#define CRC32C_MOVED_512 (long)0x00000000740eef02UL, (long)0x000000009e4addf8UL
#define CRC32C_MOVED_640 (long)0x00000000083a6eecUL, (long)0x0000000039d3b296UL
#define CRC32C_MOVED_768 (long)0x00000000c49f4f67UL, (long)0x000000000715ce53UL
#define CRC32C_MOVED_896 (long)0x000000002ad91c30UL, (long)0x0000000047db8317UL
#define CRC32C_MOVED_1024 (long)0x000000006992cea2UL, (long)0x000000000d3b6092UL
#define CRC32C_MOVED_1536 (long)0x00000000a87ab8a8UL, (long)0x00000000ab7aff2aUL
#define CRC32C_MOVED_2048 (long)0x00000000dcb17aa4UL, (long)0x00000000b9e02b86UL
#define CRC32C_SHORTER (long)0x00000000493c7d27UL
#define CRC32C_BARRETT (long)0xa434f61c6f5389f8UL, (long)0x0000000082f63b78UL
#define CRC32C_TABLE                                                                               \
  {TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu,             \
         0x417b1dbcu, 0x82f63b78u)}
#define CRC32C_TABLES                                                                              \
  {TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu,             \
         0x417b1dbcu, 0x82f63b78u),                                                                \
   TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u,             \
         0xff17c604u, 0xfbc3faf9u),                                                                \
   TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u,             \
         0xc76580d9u, 0x8b277743u),                                                                \
   TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu,             \
         0xaba65fe7u, 0x52a0c93fu),                                                                \
   TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u,             \
         0x37516aaeu, 0x6ea2d55cu),                                                                \
   TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du,             \
         0x0e045bebu, 0x1c08b7d6u),                                                                \
   TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu,             \
         0x7ab7077au, 0xf56e0ef4u),                                                                \
   TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u,             \
         0x1a00cb32u, 0x34019664u),                                                                \
   TABLE(0xf43ed648u, 0xed91da61u, 0xdecfc233u, 0xb873f297u, 0x750b93dfu, 0xea1727beu,             \
         0xd1c2398du, 0xa66805ebu),                                                                \
   TABLE(0xcb567ba5u, 0x934081bbu, 0x236d7587u, 0x46daeb0eu, 0x8db5d61cu, 0x1e87dac9u,             \
         0x3d0fb592u, 0x7a1f6b24u),                                                                \
   TABLE(0x9771f7c1u, 0x2b0f9973u, 0x561f32e6u, 0xac3e65ccu, 0x5d90bd69u, 0xbb217ad2u,             \
         0x73ae8355u, 0xe75d06aau),                                                                \
   TABLE(0x3171d430u, 0x62e3a860u, 0xc5c750c0u, 0x8e62d771u, 0x1929d813u, 0x3253b026u,             \
         0x64a7604cu, 0xc94ec098u),                                                                \
   TABLE(0x30d23865u, 0x61a470cau, 0xc348e194u, 0x837db5d9u, 0x03171d43u, 0x062e3a86u,             \
         0x0c5c750cu, 0x18b8ea18u),                                                                \
   TABLE(0x54075546u, 0xa80eaa8cu, 0x55f123e9u, 0xabe247d2u, 0x5228f955u, 0xa451f2aau,             \
         0x4d4f93a5u, 0x9a9f274au),                                                                \
   TABLE(0x678efd01u, 0xcf1dfa02u, 0x9bd782f5u, 0x3243731bu, 0x6486e636u, 0xc90dcc6cu,             \
         0x97f7ee29u, 0x2a03aaa3u),                                                                \
   TABLE(0xf20c0dfeu, 0xe1f46d0du, 0xc604acebu, 0x89e52f27u, 0x162628bfu, 0x2c4c517eu,             \
         0x5898a2fcu, 0xb13145f8u)}
#define CRC32C_POWER_WORD 0xb82be955u
#define CRC32C_POWERS_OF_LANES                                                                     \
  0xb82be955u, 0x4f256efcu, 0x52377a55u, 0x0e148e82u, 0xb2dea967u, 0xec1631edu, 0x19e65ddeu,       \
      0x9c25531du, 0x510ac59au, 0x5d27e147u, 0x9957c0a6u, 0x790606ffu, 0x18b8ea18u, 0xa66805ebu,   \
      0x6ea2d55cu, 0x82f63b78u
#define CRC32C_POWERS_BEFORE                                                                       \
  0xfde39562u, 0xbef0965eu, 0xd610d67eu, 0xe67cce65u, 0xa268b79eu, 0x134fb088u, 0x32998d96u
#define CRC32C_PAST_STREAM                                                                         \
  {TABLE(0xdcb17aa4u, 0xbc8e83b9u, 0x7cf17183u, 0xf9e2e306u, 0xf629b0fdu, 0xe9bf170bu,             \
         0xd69258e7u, 0xa8c8c73fu),                                                                \
   TABLE(0x547df88fu, 0xa8fbf11eu, 0x541b94cdu, 0xa837299au, 0x558225c5u, 0xab044b8au,             \
         0x53e4e1e5u, 0xa7c9c3cau),                                                                \
   TABLE(0x4a7ff165u, 0x94ffe2cau, 0x2c13b365u, 0x582766cau, 0xb04ecd94u, 0x6571edd9u,             \
         0xcae3dbb2u, 0x902bc195u),                                                                \
   TABLE(0x25bbf5dbu, 0x4b77ebb6u, 0x96efd76cu, 0x2833d829u, 0x5067b052u, 0xa0cf60a4u,             \
         0x4472b7b9u, 0x88e56f72u)}

/* ---- CRC32: IEEE 802.3, RFC 1952 section 8 ---- */
#define CRC32_POLYNOMIAL 0xedb88320u
#define CRC32_MOVED_128 (long)0x00000000ae689191UL, (long)0x00000000ccaa009eUL
#define CRC32_MOVED_256 (long)0x00000000f1da05aaUL, (long)0x0000000081256527UL
#define CRC32_MOVED_384 (long)0x000000003db1ecdcUL, (long)0x00000000af449247UL
#define CRC32_MOVED_512 (long)0x000000008f352d95UL, (long)0x000000001d9513d7UL
#define CRC32_MOVED_640 (long)0x000000001c279815UL, (long)0x00000000ae0b5394UL
#define CRC32_MOVED_768 (long)0x00000000df068dc2UL, (long)0x0000000057c54819UL
#define CRC32_MOVED_896 (long)0x0000000031f8303fUL, (long)0x000000000cbec0edUL
#define CRC32_MOVED_1024 (long)0x0000000033fff533UL, (long)0x00000000910eeec1UL
#define CRC32_MOVED_1536 (long)0x00000000596c8d81UL, (long)0x00000000f5e48c85UL
#define CRC32_MOVED_2048 (long)0x00000000ce3371cbUL, (long)0x00000000e95c1271UL
#define CRC32_SHORTER (long)0x00000000ccaa009eUL
#define CRC32_BARRETT (long)0x5a72d812fb808b20UL, (long)0x00000000edb88320UL
#define CRC32_TABLE                                                                                \
  {TABLE(0x77073096u, 0xee0e612cu, 0x076dc419u, 0x0edb8832u, 0x1db71064u, 0x3b6e20c8u,             \
         0x76dc4190u, 0xedb88320u)}
#define CRC32_TABLES                                                                               \
  {TABLE(0x77073096u, 0xee0e612cu, 0x076dc419u, 0x0edb8832u, 0x1db71064u, 0x3b6e20c8u,             \
         0x76dc4190u, 0xedb88320u),                                                                \
   TABLE(0x191b3141u, 0x32366282u, 0x646cc504u, 0xc8d98a08u, 0x4ac21251u, 0x958424a2u,             \
         0xf0794f05u, 0x3b83984bu),                                                                \
   TABLE(0x01c26a37u, 0x0384d46eu, 0x0709a8dcu, 0x0e1351b8u, 0x1c26a370u, 0x384d46e0u,             \
         0x709a8dc0u, 0xe1351b80u),                                                                \
   TABLE(0xb8bc6765u, 0xaa09c88bu, 0x8f629757u, 0xc5b428efu, 0x5019579fu, 0xa032af3eu,             \
         0x9b14583du, 0xed59b63bu),                                                                \
   TABLE(0x3d6029b0u, 0x7ac05360u, 0xf580a6c0u, 0x30704bc1u, 0x60e09782u, 0xc1c12f04u,             \
         0x58f35849u, 0xb1e6b092u),                                                                \
   TABLE(0xcb5cd3a5u, 0x4dc8a10bu, 0x9b914216u, 0xec53826du, 0x03d6029bu, 0x07ac0536u,             \
         0x0f580a6cu, 0x1eb014d8u),                                                                \
   TABLE(0xa6770bb4u, 0x979f1129u, 0xf44f2413u, 0x33ef4e67u, 0x67de9cceu, 0xcfbd399cu,             \
         0x440b7579u, 0x8816eaf2u),                                                                \
   TABLE(0xccaa009eu, 0x4225077du, 0x844a0efau, 0xd3e51bb5u, 0x7cbb312bu, 0xf9766256u,             \
         0x299dc2edu, 0x533b85dau),                                                                \
   TABLE(0x177b1443u, 0x2ef62886u, 0x5dec510cu, 0xbbd8a218u, 0xacc04271u, 0x82f182a3u,             \
         0xde920307u, 0x6655004fu),                                                                \
   TABLE(0xefc26b3eu, 0x04f5d03du, 0x09eba07au, 0x13d740f4u, 0x27ae81e8u, 0x4f5d03d0u,             \
         0x9eba07a0u, 0xe6050901u),                                                                \
   TABLE(0xc18edfc0u, 0x586cb9c1u, 0xb0d97382u, 0xbac3e145u, 0xaef6c4cbu, 0x869c8fd7u,             \
         0xd64819efu, 0x77e1359fu),                                                                \
   TABLE(0x9ba54c6fu, 0xec3b9e9fu, 0x03063b7fu, 0x060c76feu, 0x0c18edfcu, 0x1831dbf8u,             \
         0x3063b7f0u, 0x60c76fe0u),                                                                \
   TABLE(0xdd96d985u, 0x605cb54bu, 0xc0b96a96u, 0x5a03d36du, 0xb407a6dau, 0xb37e4bf5u,             \
         0xbd8d91abu, 0xa06a2517u),                                                                \
   TABLE(0x9d0fe176u, 0xe16ec4adu, 0x19ac8f1bu, 0x33591e36u, 0x66b23c6cu, 0xcd6478d8u,             \
         0x41b9f7f1u, 0x8373efe2u),                                                                \
   TABLE(0xb9fbdbe8u, 0xa886b191u, 0x8a7c6563u, 0xcf89cc87u, 0x44629f4fu, 0x88c53e9eu,             \
         0xcafb7b7du, 0x4e87f0bbu),                                                                \
   TABLE(0xae689191u, 0x87a02563u, 0xd4314c87u, 0x73139f4fu, 0xe6273e9eu, 0x173f7b7du,             \
         0x2e7ef6fau, 0x5cfdedf4u)}
#define CRC32_POWER_WORD 0x88d14467u
#define CRC32_POWERS_OF_LANES                                                                      \
  0x88d14467u, 0xe3720acbu, 0xd95efd26u, 0x1ed8f66eu, 0x15141c31u, 0xba1aca03u, 0xa700e96au,       \
      0x78ed02d5u, 0xed627daeu, 0xad2a31b3u, 0x32b39da3u, 0xba8ccbe8u, 0xa06a2517u, 0x6655004fu,   \
      0xb1e6b092u, 0xedb88320u
#define CRC32_POWERS_BEFORE                                                                        \
  0x6567cb95u, 0xd7125358u, 0x5b358fd3u, 0x2e9bb40bu, 0x12a59a49u, 0x8df9403du, 0x5139de12u

/* ---- CRC64_NVME: NVM Command Set Specification, 64b CRC ---- */
#define CRC64_NVME_POLYNOMIAL 0x9a6c9329ac4bc9b5UL
#define CRC64_NVME_MOVED_128 (long)0xeadc41fd2ba3d420UL, (long)0x21e9761e252621acUL
#define CRC64_NVME_MOVED_256 (long)0xb0bc2e589204f500UL, (long)0xe1e0bb9d45d7a44cUL
#define CRC64_NVME_MOVED_384 (long)0xbdd7ac0ee1a4a0f0UL, (long)0xa3ffdc1fe8e82a8bUL
#define CRC64_NVME_MOVED_512 (long)0x0c32cdb31e18a84aUL, (long)0x62242240ace5045aUL
#define CRC64_NVME_MOVED_640 (long)0x7b0ab10dd0f809feUL, (long)0x03363823e6e791e5UL
#define CRC64_NVME_MOVED_768 (long)0x3c255f5ebc414423UL, (long)0x34f5a24e22d66e90UL
#define CRC64_NVME_MOVED_896 (long)0xd083dd594d96319dUL, (long)0x946588403d4adcbcUL
#define CRC64_NVME_MOVED_1024 (long)0xa1ca681e733f9c40UL, (long)0x5f852fb61e8d92dcUL
#define CRC64_NVME_MOVED_1536 (long)0x758ee09da263e275UL, (long)0x6d2d13de8038b4caUL
#define CRC64_NVME_MOVED_2048 (long)0x37ccd3e14069cabcUL, (long)0xa043808c0f782663UL
#define CRC64_NVME_SHORTER (long)0x21e9761e252621acUL
#define CRC64_NVME_BARRETT (long)0x13f67d194d77cfbbUL, (long)0x9a6c9329ac4bc9b5UL
#define CRC64_NVME_TABLE                                                                           \
  {TABLE(0x7f6ef0c830358979UL, 0xfedde190606b12f2UL, 0xc962e5739841b68fUL, 0xa61cecb46814fe75UL,   \
         0x78e0ff3b88be6f81UL, 0xf1c1fe77117cdf02UL, 0xd75adabd7a6e2d6fUL, 0x9a6c9329ac4bc9b5UL)}
#define CRC64_NVME_TABLES                                                                          \
  {TABLE(0x7f6ef0c830358979UL, 0xfedde190606b12f2UL, 0xc962e5739841b68fUL, 0xa61cecb46814fe75UL,   \
         0x78e0ff3b88be6f81UL, 0xf1c1fe77117cdf02UL, 0xd75adabd7a6e2d6fUL, 0x9a6c9329ac4bc9b5UL),  \
   TABLE(0x8776a97d73bddf69UL, 0x3a3474a9bfec2db9UL, 0x7468e9537fd85b72UL, 0xe8d1d2a6ffb0b6e4UL,   \
         0xe57a831ea7f6fea3UL, 0xfe2c206e177a6e2dUL, 0xc881668f76634f31UL, 0xa5dbeb4db4510d09UL),  \
   TABLE(0xff6e4e1f4e4038beUL, 0xca05ba6dc417e217UL, 0xa0d25288d0b85745UL, 0x757d8342f9e73de1UL,   \
         0xeafb0685f3ce7bc2UL, 0xe12f2b58bf0b64efUL, 0xf68770e226815ab5UL, 0xd9d7c79715952601UL),  \
   TABLE(0x8211147cbaf96306UL, 0x30fb0eaa2d655567UL, 0x61f61d545acaaaceUL, 0xc3ec3aa8b595559cUL,   \
         0xb301530233bd3853UL, 0x52db80573fede3cdUL, 0xa5b700ae7fdbc79aUL, 0x7fb7270fa7201c5fUL),  \
   TABLE(0x373d15f784905d1eUL, 0x6e7a2bef0920ba3cUL, 0xdcf457de12417478UL, 0x8d3189ef7c157b9bUL,   \
         0x2eba358da0bd645dUL, 0x5d746b1b417ac8baUL, 0xbae8d63682f59174UL, 0x41088a3e5d7cb183UL),  \
   TABLE(0xe9742a79ef04a5d4UL, 0xe63172a0869ed8c3UL, 0xf8bbc31255aa22edUL, 0xc5aea077f3c3d6b1UL,   \
         0xbf8466bcbf103e09UL, 0x4bd1eb2a26b7ef79UL, 0x97a3d6544d6fdef2UL, 0x1b9e8afbc2482e8fUL),  \
   TABLE(0xfc5d27f6bf353971UL, 0xcc6369be26fde189UL, 0xac1ff52f156c5079UL, 0x6ce6cc0d724f3399UL,   \
         0xd9cd981ae49e6732UL, 0x8742166691ab5d0fUL, 0x3a5d0a9e7bc12975UL, 0x74ba153cf78252eaUL),  \
   TABLE(0x21e9761e252621acUL, 0x43d2ec3c4a4c4358UL, 0x87a5d878949886b0UL, 0x3b9296a271a69e0bUL,   \
         0x77252d44e34d3c16UL, 0xee4a5a89c69a782cUL, 0xe84d9340d5a36333UL, 0xe44200d2f3d1550dUL)}
#define CRC64_NVME_POWER_WORD 0x311211205672822dUL
#define CRC64_NVME_POWERS_OF_LANES                                                                 \
  0x311211205672822dUL, 0x5eebd60770d25078UL, 0xcb937d26583fdcf0UL, 0x585e172c49027a80UL,          \
      0x70f05dcea2ebd226UL, 0x756e20fe95d1ea10UL, 0x10f4bb0f129310d6UL, 0x9a6c9329ac4bc9b5UL
#define CRC64_NVME_POWERS_BEFORE                                                                   \
  0x87c87e03060c1868UL, 0xc1b98ebd81f28879UL, 0x9ef7ddb45244a06cUL, 0xfb044f855b25ffb9UL,          \
      0x3abdf378ace3b178UL, 0x546a8c0a9ee87365UL, 0x1c197c24ca623fd2UL

#endif
