/* Adler-32 (RFC 1950 section 9), 64 bytes a step, for any device.
 *
 * | -D        | values | meaning                                      |
 * | --------- | ------ | -------------------------------------------- |
 * | UNALIGNED | 0, 1   | optional: word access at any address, see blocks.h |
 *
 * Tested: all. Operators on vectors alone, see kernels/README.md.
 */
#include "blocks.h"
#include "sums.h"

/* Sums of bytes and of these sums are kept in halves of words: 255 * (16 * 17 / 2) is below 2^16.
 */
#define STEPS 16u
/* Then in words: 4 * 255 * (1024 * 1025 / 2) is below 2^32. */
#define SPAN_STEPS 1024u

#if UNALIGNED
typedef uint16 __attribute__((aligned(1))) unaligned_words_t;
INLINE uint16 words_at(input_t p) { return *(global const unaligned_words_t *)p; }
#else
INLINE uint16 words_at(input_t p) {
  return (uint16)(as_uint4(vload16(0, p)), as_uint4(vload16(1, p)), as_uint4(vload16(2, p)),
                  as_uint4(vload16(3, p)));
}
#endif

/* Sums over a span, each lane those of its four bytes of all steps. */
typedef struct {
  uint16 bytes;  /* the bytes */
  uint16 steps;  /* each byte times the number of steps from its own to the last */
  uint16 within; /* each byte times its place in the word, 0 to 3 */
} lane_sums_t;

INLINE uint16 halves(uint16 a) { return (a & 0xffff) + (a >> 16); }

INLINE void add_steps(private lane_sums_t *sums, input_t p, const uint steps) {
  uint16 even = 0, odd = 0, even_sums = 0, odd_sums = 0;
#pragma unroll
  for (uint i = 0; i < steps; i++) {
    uint16 words = words_at(p + i * STEP);
    even += words & 0x00ff00ff;
    odd += words >> 8 & 0x00ff00ff;
    even_sums += even;
    odd_sums += odd;
  }
  sums->steps += sums->bytes * steps + halves(even_sums) + halves(odd_sums);
  sums->bytes += halves(even) + halves(odd);
  /* Bytes 0 and 2 of a word are even, 1 and 3 odd. */
  sums->within += (odd & 0xffff) + 2 * (even >> 16) + 3 * (odd >> 16);
}

/* A byte counts in b as often as there are bytes from it to the last, see README.md. */
static adler_t past_span(adler_t adler, private const lane_sums_t *sums, ulong steps) {
  ulong bytes = 0, often = 0, before = 0;
  for (uint i = 0; i < 16; i++) {
    uint lane = ((private const uint *)&sums->bytes)[i];
    bytes += lane;
    often += ((private const uint *)&sums->steps)[i];
    before += (ulong)lane * (4 * i) + ((private const uint *)&sums->within)[i];
  }
  adler.b = (adler.b + steps * STEP * adler.a + STEP * often - before) % BASE;
  adler.a = (adler.a + bytes) % BASE;
  return adler;
}

static adler_t adler_of(adler_t adler, input_t p, ulong size) {
  while (size >= STEP) {
    ulong whole = size / STEP, steps = whole < SPAN_STEPS ? whole : SPAN_STEPS, done = 0;
    lane_sums_t sums = {0, 0, 0};
    for (; done + STEPS <= steps; done += STEPS)
      add_steps(&sums, p + done * STEP, STEPS);
    if (done < steps)
      add_steps(&sums, p + done * STEP, (uint)(steps - done));
    adler = past_span(adler, &sums, steps);
    p += steps * STEP;
    size -= steps * STEP;
  }
  return past_bytes(adler, p, (uint)size);
}

kernel void adler32(global const uchar *src, global uchar *dst, global const segment_t *segments,
                    global result_t *results, global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    adler_t adler = adler_of(adler_from(segment.flags), src + segment.src, segment.src_size);
    put_check(results + row, adler_value(adler));
  }
}
