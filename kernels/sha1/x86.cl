/* SHA-1 (FIPS 180-4 section 6.1), and HMAC over it, with the SHA instructions of x86 CPUs: four
 * messages in turn.
 *
 * | -D       | values | meaning                            |
 * | -------- | ------ | ---------------------------------- |
 * | MODELLED | 1      | optional: for tests, see x86_sha.h |
 *
 * Tested: with MODELLED=1 and without.
 */
#include "x86_sha.h"

#include "constants.h"

#define STREAMS 4
#define HASH_BLOCK 64
#define STATE_WORDS 5

/* As the round instruction takes words, from the lowest: D, C, B, A; E is the highest of four. */
typedef struct {
  int4 abcd, e;
} chain_t;

#include "stream_hash.h"

static void chain_set(private chain_t *chain, constant const uint *words) {
  chain->abcd = as_int4((uint4)(words[3], words[2], words[1], words[0]));
  chain->e = as_int4((uint4)(0, 0, 0, words[4]));
}

static void chain_get(private const chain_t *chain, private uint *words) {
  uint4 abcd = as_uint4(chain->abcd);
  words[0] = abcd.w;
  words[1] = abcd.z;
  words[2] = abcd.y;
  words[3] = abcd.x;
  words[4] = as_uint4(chain->e).w;
}

/* Words t to t + 3 of the schedule from the sixteen before them, of which a is the first four. */
static inline int4 next_words(int4 a, int4 b, int4 c, int4 d) {
  return X_SHA1MSG2(X_SHA1MSG1(a, b) ^ c, d);
}

__attribute__((noinline)) static void compress(private chain_t *chains, private const ulong *texts,
                                               ulong blocks) {
  int4 abcd[STREAMS], e[STREAMS];
  ulong at[STREAMS];
  UNROLL
  for (uint i = 0; i < STREAMS; i++) {
    abcd[i] = chains[i].abcd;
    e[i] = chains[i].e;
    at[i] = texts[i];
  }
  for (; blocks; blocks--) {
    /* `before` is abcd four steps ago: its A, turned, is E. */
    int4 w[STREAMS][4], now[STREAMS], before[STREAMS];
    UNROLL
    for (uint i = 0; i < STREAMS; i++)
      now[i] = abcd[i];
    UNROLL
    for (uint step = 0; step < 20; step++) {
      UNROLL
      for (uint i = 0; i < STREAMS; i++) {
        if (step < 4)
          w[i][step] = sha_load(at[i] + 16 * step).wzyx;
        else
          w[i][step & 3] = next_words(w[i][step & 3], w[i][(step + 1) & 3], w[i][(step + 2) & 3],
                                      w[i][(step + 3) & 3]);
        int4 word = w[i][step & 3];
        int4 sum = step == 0 ? e[i] + word : X_SHA1NEXTE(before[i], word);
        before[i] = now[i];
        if (step < 5)
          now[i] = X_SHA1RNDS4(now[i], sum, 0);
        else if (step < 10)
          now[i] = X_SHA1RNDS4(now[i], sum, 1);
        else if (step < 15)
          now[i] = X_SHA1RNDS4(now[i], sum, 2);
        else
          now[i] = X_SHA1RNDS4(now[i], sum, 3);
      }
    }
    UNROLL
    for (uint i = 0; i < STREAMS; i++) {
      e[i] = X_SHA1NEXTE(before[i], e[i]);
      abcd[i] += now[i];
      at[i] += HASH_BLOCK;
    }
  }
  UNROLL
  for (uint i = 0; i < STREAMS; i++) {
    chains[i].abcd = abcd[i];
    chains[i].e = e[i];
  }
}

HASH_KERNEL(sha1, SHA1_INITIAL, 20)
HMAC_KERNEL(hmac_sha1, SHA1_INITIAL, 20)
