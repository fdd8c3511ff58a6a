/* The vector type of portable.cl: LANES 64-bit words.
 *
 * Operators only. Built-in functions on vectors wider than the device's registers return wrong
 * bytes on PoCL 3.0 without a warning that one would see.
 */
#ifndef FPGA_ACCEL_LANES_H
#define FPGA_ACCEL_LANES_H

#ifndef LANES
#if defined(__AVX512F__)
#define LANES 8
#elif defined(__AVX2__)
#define LANES 4
#elif defined(__SSE2__)
#define LANES 2
#else
#define LANES 1
#endif
#endif

/* halves_t is the same bits as 32-bit words, two a lane; AS_COMPARED takes what a comparison of
 * them gives. */
#if LANES == 8
typedef ulong8 lanes_t;
typedef uint16 halves_t;
#define AS_LANES as_ulong8
#define AS_HALVES as_uint16
#define AS_COMPARED as_uint16
#elif LANES == 4
typedef ulong4 lanes_t;
typedef uint8 halves_t;
#define AS_LANES as_ulong4
#define AS_HALVES as_uint8
#define AS_COMPARED as_uint8
#elif LANES == 2
typedef ulong2 lanes_t;
typedef uint4 halves_t;
#define AS_LANES as_ulong2
#define AS_HALVES as_uint4
#define AS_COMPARED as_uint4
#elif LANES == 1
typedef ulong lanes_t;
typedef uint2 halves_t;
#define AS_LANES as_ulong
#define AS_HALVES as_uint2
#define AS_COMPARED as_uint2
#else
#error "LANES is 1, 2, 4 or 8"
#endif

/* For kernels made of such vectors. Intel's compiler otherwise takes them apart to make vectors
 * across work-items: a minute for SM4 instead of three seconds. */
#define EXPLICIT_VECTORS __attribute__((vec_type_hint(ulong8)))

static inline ulong lane(lanes_t a, uint i) { return ((private const ulong *)&a)[i]; }

static inline ulong lanes_sum(lanes_t a) {
  ulong sum = 0;
#pragma unroll
  for (uint i = 0; i < LANES; i++)
    sum ^= lane(a, i);
  return sum;
}

#endif
