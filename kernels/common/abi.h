/* The kernel ABI: one definition for OpenCL C and for host C.
 *
 * Every kernel has the signature
 *
 *   kernel void <entry>(global const uchar *src, global uchar *dst,
 *                       global const segment_t *segments,
 *                       global result_t *results,
 *                       global const uchar *params, uint count)
 *
 * src and dst of a segment are byte offsets into the two buffers. Under the
 * direct memory strategy both buffer arguments are null and the same fields
 * hold host addresses, so "buffer + offset" is right in every strategy.
 *
 * fpga_accel/segments.py holds the same layouts as numpy dtypes; a test
 * compiles this file and compares sizes and offsets.
 */
#ifndef FPGA_ACCEL_ABI_H
#define FPGA_ACCEL_ABI_H

#ifdef __OPENCL_VERSION__
typedef uchar abi_u8;
typedef uint abi_u32;
typedef int abi_i32;
typedef ulong abi_u64;
#else
#include <stdint.h>
typedef uint8_t abi_u8;
typedef uint32_t abi_u32;
typedef int32_t abi_i32;
typedef uint64_t abi_u64;
#endif

#define ABI_VERSION 1

/* One row of the segment table: 32 bytes. */
typedef struct {
  abi_u64 src;
  abi_u64 dst;
  abi_u32 src_size;
  abi_u32 dst_capacity;
  abi_u32 param; /* byte offset into params */
  abi_u32 flags; /* the algorithm's own */
} segment_t;

/* What a kernel says of one row: 32 bytes. A kernel writes every field. */
typedef struct {
  abi_u32 dst_size;   /* bytes written at dst */
  abi_i32 status;     /* one of STATUS_* */
  abi_u64 check;      /* checksum of the segment, 0 where there is none */
  abi_u8 partial[16]; /* MAC or hash state to be combined over rows, else 0 */
} result_t;

#define STATUS_OK 0
#define STATUS_DST_TOO_SMALL 1 /* the output does not fit in dst_capacity */
#define STATUS_BAD_DATA 2      /* the input breaks its format */
#define STATUS_TRUNCATED 3     /* the input ends too early */
#define STATUS_BAD_CHECKSUM 4  /* a checksum inside the input differs */
#define STATUS_BAD_PARAM 5     /* a parameter record the kernel cannot serve */
#define STATUS_NOT_RUN (-1)    /* what the host fills in before a launch */

#ifdef __OPENCL_VERSION__
/* The contiguous share of the table that this work-item takes. Contiguous,
 * because a grid stride over 4 KiB messages defeats prefetch and TLB. */
static inline uint abi_first(uint count) {
  return (uint)((ulong)count * get_global_id(0) / get_global_size(0));
}

static inline uint abi_end(uint count) {
  return (uint)((ulong)count * (get_global_id(0) + 1) / get_global_size(0));
}
#endif

#endif
