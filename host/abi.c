/* Tells the layout that the compiler gave the tables of kernels/common/abi.h. */
#include "host.h"

void fa_abi_layout(uint32_t *out) {
  const uint32_t layout[] = {
      ABI_VERSION,
      sizeof(segment_t),
      offsetof(segment_t, src),
      offsetof(segment_t, dst),
      offsetof(segment_t, src_size),
      offsetof(segment_t, dst_capacity),
      offsetof(segment_t, param),
      offsetof(segment_t, flags),
      sizeof(result_t),
      offsetof(result_t, dst_size),
      offsetof(result_t, status),
      offsetof(result_t, check),
      offsetof(result_t, partial),
  };
  _Static_assert(sizeof layout == FA_ABI_LAYOUT_LENGTH * sizeof layout[0], "one value each");
  for (size_t i = 0; i < FA_ABI_LAYOUT_LENGTH; i++)
    out[i] = layout[i];
}
