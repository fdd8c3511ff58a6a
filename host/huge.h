/* Huge pages for memory that is about to be written for the first time. Where
 * the system gives them on request only, 64 MiB of new memory cost 62 ms in
 * pages of 4 KiB and 16 ms in huge ones (Zen 3, virtual). */
#ifndef FPGA_ACCEL_HUGE_H
#define FPGA_ACCEL_HUGE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
/* Below, most of it would be outside of whole huge pages. */
#define HUGE_FROM ((size_t)4 << 20)

/* Asks for them where they lie within `memory`, so that it takes no more room. */
static inline void prefer_huge(void *memory, size_t size) {
#ifdef MADV_HUGEPAGE
  size_t before = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
  if (size < HUGE_FROM)
    return;
  int saved = errno; /* a kernel without huge pages says EINVAL, which is fine */
  madvise((uint8_t *)memory + before, (size - before) & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
  errno = saved;
#else
  (void)memory;
  (void)size;
#endif
}

#endif
