/* Page-aligned memory for slabs and results: what USE_HOST_PTR wants for zero
 * copy. First touch is most of its cost, so callers keep pages in a pool. */
#define _DEFAULT_SOURCE
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "host.h"
#include "huge.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* size rounded up to a multiple of unit (a power of two), 0 if that overflows. */
static size_t round_up(size_t size, size_t unit) {
  return size > SIZE_MAX - (unit - 1) ? 0 : (size + unit - 1) & ~(unit - 1);
}

static void *map(size_t length) {
  void *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? NULL : pages;
}

/* mmap promises page alignment only: map one huge page more and trim the ends. */
static void *map_at_huge_page(size_t length) {
  if (length > SIZE_MAX - HUGE_PAGE)
    return NULL;
  uint8_t *mapped = map(length + HUGE_PAGE);
  if (!mapped)
    return NULL;
  size_t before = (HUGE_PAGE - (uintptr_t)mapped % HUGE_PAGE) % HUGE_PAGE;
  size_t behind = HUGE_PAGE - before;
  if (before)
    munmap(mapped, before);
  munmap(mapped + before + length, behind);
  return mapped + before;
}

void *fa_pages_alloc(size_t size) {
  size_t length = round_up(size, page_size());
  if (length == 0)
    return NULL;
  if (length < HUGE_FROM)
    return map(length);
  void *pages = map_at_huge_page(length);
  if (pages)
    prefer_huge(pages, length);
  return pages;
}

int fa_pages_free(void *pages, size_t size) {
  if (!pages)
    return 0;
  return munmap(pages, round_up(size, page_size())) == 0 ? 0 : errno;
}
