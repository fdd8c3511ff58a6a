/* XXH3 of 64 bits by the xxHash specification, with the secret it has by default and any seed. */
#ifndef FPGA_ACCEL_XXH_XXH3_H
#define FPGA_ACCEL_XXH_XXH3_H

#include "short.h"

#define SECRET_WORDS 24u
#define STRIPE 64u
/* A stripe moves the secret by a word; behind the last of its places the accumulators are
 * scrambled. */
#define BLOCK_STRIPES 16u
#define BLOCK_SIZE (BLOCK_STRIPES * STRIPE)
#define LONGEST_SHORT 240u

/* The specification's 192 bytes as words, least significant byte first. */
constant ulong default_secret[SECRET_WORDS] = {
    0xbe4ba423396cfeb8UL, 0x1cad21f72c81017cUL, 0xdb979083e96dd4deUL, 0x1f67b3b7a4a44072UL,
    0x78e5c0cc4ee679cbUL, 0x2172ffcc7dd05a82UL, 0x8e2443f7744608b8UL, 0x4c263a81e69035e0UL,
    0xcb00c391bb52283cUL, 0xa32e531b8b65d088UL, 0x4ef90da297486471UL, 0xd8acdea946ef1938UL,
    0x3f349ce33f76faa8UL, 0x1d4f0bc7c7bbdcf9UL, 0x3159b4cd4be0518aUL, 0x647378d9c97e9fc8UL,
    0xc3ebd33483acc5eaUL, 0xeb6313faffa081c5UL, 0x49daf0b751dd0d17UL, 0x9e68d429265516d3UL,
    0xfca1477d58be162bUL, 0xce31d07ad1b8f88fUL, 0x280416958f3acb45UL, 0x7e404bbbcafbd7afUL,
};

typedef ulong8 __attribute__((aligned(8))) secret_words_t;

/* The word at any byte of a secret. */
#define SECRET_WORD(secret, at)                                                                    \
  ((at) % 8 == 0                                                                                   \
       ? (secret)[(at) / 8]                                                                        \
       : (secret)[(at) / 8] >> (8 * ((at) % 8)) | (secret)[(at) / 8 + 1] << (64 - 8 * ((at) % 8)))

INLINE ulong default_word(const uint at) { return SECRET_WORD(default_secret, at); }

INLINE ulong secret_word(private const ulong *secret, const uint at) {
  return SECRET_WORD(secret, at);
}

INLINE ulong secret_mix(const uint at) {
  return default_secret[at / 8] ^ default_secret[at / 8 + 1];
}

INLINE ulong swap_4(uint x) {
  x = (x & 0x00FF00FFu) << 8 | (x >> 8 & 0x00FF00FFu);
  return x << 16 | x >> 16;
}

INLINE ulong swap_8(ulong x) { return swap_4((uint)x) << 32 | swap_4((uint)(x >> 32)); }

/* The halves of the product of 128 bits, added without carries. */
INLINE ulong folded_product(ulong a, ulong b) { return a * b ^ mul_hi(a, b); }

INLINE ulong avalanche_3(ulong hash) {
  hash = (hash ^ hash >> 37) * 0x165667919E3779F9UL;
  return hash ^ hash >> 32;
}

/* ---- 240 bytes at most: the seed acts on the words that are read of the secret ---- */

static ulong xxh3_tiny(input_t p, uint size, ulong seed) {
  if (size > 8) {
    ulong low = load8(p) ^ (secret_mix(24) + seed);
    ulong high = load8(p + size - 8) ^ (secret_mix(40) - seed);
    return avalanche_3(size + swap_8(low) + high + folded_product(low, high));
  }
  if (size >= 4) {
    seed ^= swap_4((uint)seed) << 32;
    ulong both = load4(p + size - 4) + ((ulong)load4(p) << 32);
    ulong hash = both ^ (secret_mix(8) - seed);
    hash ^= ROTL_64(hash, 49) ^ ROTL_64(hash, 24);
    hash *= 0x9FB21C651E98DF25UL;
    hash = (hash ^ ((hash >> 35) + size)) * 0x9FB21C651E98DF25UL;
    return hash ^ hash >> 28;
  }
  if (size) {
    uint bytes = (uint)p[0] << 16 | (uint)p[size >> 1] << 24 | p[size - 1] | size << 8;
    uint flip = (uint)default_secret[0] ^ (uint)(default_secret[0] >> 32);
    return avalanche_64(bytes ^ (flip + seed));
  }
  return avalanche_64(seed ^ secret_mix(56));
}

/* 16 bytes with 16 bytes of the secret from `at` on. */
INLINE ulong mixed(ulong seed, input_t p, const uint at) {
  return folded_product(load8(p) ^ (default_word(at) + seed),
                        load8(p + 8) ^ (default_word(at + 8) - seed));
}

static ulong xxh3_short(input_t p, uint size, ulong seed) {
  ulong hash = size * P64_1;
  if (size <= 128) {
    if (size > 96)
      hash += mixed(seed, p + 48, 96) + mixed(seed, p + size - 64, 112);
    if (size > 64)
      hash += mixed(seed, p + 32, 64) + mixed(seed, p + size - 48, 80);
    if (size > 32)
      hash += mixed(seed, p + 16, 32) + mixed(seed, p + size - 32, 48);
    hash += mixed(seed, p, 0) + mixed(seed, p + size - 16, 16);
    return avalanche_3(hash);
  }
  for (uint i = 0; i < 8; i++)
    hash += mixed(seed, p + 16 * i, 16 * i);
  hash = avalanche_3(hash);
  for (uint i = 8; i < size / 16; i++)
    hash += mixed(seed, p + 16 * i, 16 * (i - 8) + 3);
  return avalanche_3(hash + mixed(seed, p + size - 16, 119));
}

/* ---- longer: eight accumulators over stripes of 64 bytes ---- */

#if UNALIGNED
typedef ulong8 __attribute__((aligned(1))) unaligned_stripe_t;

INLINE ulong8 stripe_at(input_t p) { return *(global const unaligned_stripe_t *)p; }
#else
INLINE ulong8 stripe_at(input_t p) { return (ulong8)(words4_64(p), words4_64(p + 32)); }
#endif

INLINE ulong8 secret_at(private const ulong *secret, const uint word) {
  return *(private const secret_words_t *)(secret + word);
}

/* Each word is added to its neighbour's accumulator, and the product of its halves, with the
 * secret, to its own. */
INLINE ulong8 past_stripe(ulong8 sums, ulong8 words, ulong8 secret) {
  ulong8 keyed = words ^ secret;
  return sums + words.s10325476 + (keyed & 0xffffffffUL) * (keyed >> 32);
}

static ulong xxh3_long(private const ulong *secret, input_t p, uint size) {
  ulong8 sums = (ulong8)(P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1);
  const ulong8 scrambling = secret_at(secret, SECRET_WORDS - 8);
  const uint blocks = (size - 1) / BLOCK_SIZE, rest = (size - 1) % BLOCK_SIZE / STRIPE;
  input_t last = p + size - STRIPE;
  for (uint block = 0; block < blocks; block++, p += BLOCK_SIZE) {
#pragma unroll
    for (uint i = 0; i < BLOCK_STRIPES; i++)
      sums = past_stripe(sums, stripe_at(p + i * STRIPE), secret_at(secret, i));
    sums = (sums ^ sums >> 47 ^ scrambling) * P32_1;
  }
  for (uint i = 0; i < rest; i++)
    sums = past_stripe(sums, stripe_at(p + i * STRIPE), secret_at(secret, i));
  /* 7 bytes in front of the place behind the last one. */
  ulong8 odd =
      (ulong8)(secret_word(secret, 121), secret_word(secret, 129), secret_word(secret, 137),
               secret_word(secret, 145), secret_word(secret, 153), secret_word(secret, 161),
               secret_word(secret, 169), secret_word(secret, 177));
  sums = past_stripe(sums, stripe_at(last), odd);
  ulong hash = size * P64_1;
  hash += folded_product(sums.s0 ^ secret_word(secret, 11), sums.s1 ^ secret_word(secret, 19));
  hash += folded_product(sums.s2 ^ secret_word(secret, 27), sums.s3 ^ secret_word(secret, 35));
  hash += folded_product(sums.s4 ^ secret_word(secret, 43), sums.s5 ^ secret_word(secret, 51));
  hash += folded_product(sums.s6 ^ secret_word(secret, 59), sums.s7 ^ secret_word(secret, 67));
  return avalanche_3(hash);
}

/* The secret with the seed in it, for the longer. */
static void seeded(private ulong *secret, ulong seed) {
  for (uint i = 0; i < SECRET_WORDS; i += 2) {
    secret[i] = default_secret[i] + seed;
    secret[i + 1] = default_secret[i + 1] - seed;
  }
}

/* `secret` has the seed in it. */
INLINE ulong xxh3_64_of(private const ulong *secret, input_t p, uint size, ulong seed) {
  if (size <= 16)
    return xxh3_tiny(p, size, seed);
  return size <= LONGEST_SHORT ? xxh3_short(p, size, seed) : xxh3_long(secret, p, size);
}

#endif
