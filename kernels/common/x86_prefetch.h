/* A hint to x86 CPUs, which stop prefetching where a page does. */
#ifndef FPGA_ACCEL_X86_PREFETCH_H
#define FPGA_ACCEL_X86_PREFETCH_H

/* Bytes: 4096 are within noise, 1024 and 512 gain less (README.md of crc). */
#define PREFETCH_AHEAD 2048u

/* What follows a piece of text that is read from its start to its end, in lines of 64 bytes. The
 * cast from ulong makes a pointer of any address space, for the built-in that takes none; of any
 * address too, as behind the end there may be nothing. */
__attribute__((always_inline)) static void x_prefetch(global const uchar *text, const uint bytes) {
  _Pragma("clang loop unroll(full)") for (uint at = 0; at < bytes; at += 64)
      __builtin_prefetch((private const uchar *)(ulong)(text + PREFETCH_AHEAD + at));
}

#endif
