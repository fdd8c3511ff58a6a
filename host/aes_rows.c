/* The table and the parameter records of an AES batch, in one pass over it. */
#include "../kernels/aes/params.h"
#include "host.h"

#include <string.h>

_Static_assert(sizeof(aes_params_t) == 48, "see kernels/aes/params.h");

#define ALIGNMENT 16u

uint64_t fa_aes_rows(segment_t *rows, uint8_t *params, size_t count, const uint64_t *sources,
                     const uint64_t *targets, const uint64_t *sizes, const uint64_t *nonces,
                     const uint64_t *nonce_sizes, const uint32_t *shared, uint64_t nonces_at) {
  for (size_t i = 0; i < count; i++) {
    aes_params_t record = {.key = shared[0],
                           .key_size = shared[1],
                           .nonce = (uint32_t)nonces_at,
                           .nonce_size = (uint32_t)nonce_sizes[i],
                           .aad = shared[2],
                           .aad_size = shared[3],
                           .total = sizes[i]};
    memcpy(params + i * sizeof record, &record, sizeof record);
    memcpy(params + nonces_at, (const void *)(uintptr_t)nonces[i], nonce_sizes[i]);
    nonces_at += (nonce_sizes[i] + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    rows[i] = (segment_t){.src = sources[i],
                          .dst = targets[i],
                          .src_size = (uint32_t)sizes[i],
                          .dst_capacity = (uint32_t)sizes[i] + shared[5],
                          .param = (uint32_t)(i * sizeof record),
                          .flags = shared[4]};
  }
  return nonces_at;
}
