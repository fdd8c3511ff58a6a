/* SHA-224 and SHA-256 (FIPS 180-4 section 6.2), and HMAC over them, with the SHA instructions of
 * x86 CPUs: four messages in turn.
 *
 * | -D       | values | meaning                            |
 * | -------- | ------ | ---------------------------------- |
 * | MODELLED | 1      | optional: for tests, see x86_sha.h |
 *
 * Tested: with MODELLED=1 and without.
 */
#include "x86_sha.h"

#include "constants.h"

/* A round instruction waits some clocks for the one before it. Registers hold two messages with
 * their schedules, yet the loads that four take cost less than such waits. */
#define STREAMS 4
#define HASH_BLOCK 64
#define STATE_WORDS 8

/* As the round instruction takes words, from the lowest: F, E, B, A and H, G, D, C. */
typedef struct {
  int4 abef, cdgh;
} chain_t;

#include "stream_hash.h"

static void chain_set(private chain_t *chain, constant const uint *words) {
  chain->abef = as_int4((uint4)(words[5], words[4], words[1], words[0]));
  chain->cdgh = as_int4((uint4)(words[7], words[6], words[3], words[2]));
}

static void chain_get(private const chain_t *chain, private uint *words) {
  uint4 abef = as_uint4(chain->abef), cdgh = as_uint4(chain->cdgh);
  words[0] = abef.w;
  words[1] = abef.z;
  words[2] = cdgh.w;
  words[3] = cdgh.z;
  words[4] = abef.y;
  words[5] = abef.x;
  words[6] = cdgh.y;
  words[7] = cdgh.x;
}

/* Words t to t + 3 of the schedule from the sixteen before them, of which a is the first four. */
static inline int4 next_words(int4 a, int4 b, int4 c, int4 d) {
  int4 sevenths = __builtin_shufflevector(c, d, 1, 2, 3, 4);
  return X_SHA256MSG2(X_SHA256MSG1(a, b) + sevenths, d);
}

__attribute__((noinline)) static void compress(private chain_t *chains, private const ulong *texts,
                                               ulong blocks) {
  int4 abef[STREAMS], cdgh[STREAMS];
  ulong at[STREAMS];
  UNROLL
  for (uint i = 0; i < STREAMS; i++) {
    abef[i] = chains[i].abef;
    cdgh[i] = chains[i].cdgh;
    at[i] = texts[i];
  }
  for (; blocks; blocks--) {
    int4 w[STREAMS][4], first[STREAMS], second[STREAMS];
    UNROLL
    for (uint i = 0; i < STREAMS; i++) {
      first[i] = abef[i];
      second[i] = cdgh[i];
    }
    UNROLL
    for (uint step = 0; step < 16; step++) {
      const int4 constants =
          as_int4((uint4)(STEP_CONSTANTS[4 * step], STEP_CONSTANTS[4 * step + 1],
                          STEP_CONSTANTS[4 * step + 2], STEP_CONSTANTS[4 * step + 3]));
      UNROLL
      for (uint i = 0; i < STREAMS; i++) {
        if (step < 4)
          w[i][step] = sha_load(at[i] + 16 * step);
        else
          w[i][step & 3] = next_words(w[i][step & 3], w[i][(step + 1) & 3], w[i][(step + 2) & 3],
                                      w[i][(step + 3) & 3]);
        int4 sum = w[i][step & 3] + constants;
        second[i] = X_SHA256RNDS2(second[i], first[i], sum);
        first[i] = X_SHA256RNDS2(first[i], second[i], sum.zwzw);
      }
    }
    UNROLL
    for (uint i = 0; i < STREAMS; i++) {
      abef[i] += first[i];
      cdgh[i] += second[i];
      at[i] += HASH_BLOCK;
    }
  }
  UNROLL
  for (uint i = 0; i < STREAMS; i++) {
    chains[i].abef = abef[i];
    chains[i].cdgh = cdgh[i];
  }
}

HASH_KERNEL(sha224, SHA224_INITIAL, 28)
HMAC_KERNEL(hmac_sha224, SHA224_INITIAL, 28)
HASH_KERNEL(sha256, SHA256_INITIAL, 32)
HMAC_KERNEL(hmac_sha256, SHA256_INITIAL, 32)
