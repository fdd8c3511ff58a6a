/* Hashes of the Merkle-Damgard kind and HMAC over them with the hash instructions of x86 CPUs,
 * which take one message at a time: STREAMS messages in turn, so that one's instructions fill the
 * time that another's take. A stream that ends its message takes the next row, whatever its size.
 *
 * A source defines, before it includes this file,
 *
 *   STREAMS, HASH_BLOCK (64), STATE_WORDS
 *   chain_t
 *       The chaining value as the instructions have it.
 *
 * and behind it
 *
 *   void chain_set(chain_t *chain, constant const uint *words)
 *   void chain_get(const chain_t *chain, uint *words)
 *   void compress(chain_t *chains, const ulong *texts, ulong blocks)
 *       So many blocks of each stream, from its address on.
 *
 * Addresses are numbers: text is in global memory, the last blocks are in private memory. CPU
 * runtimes have one address space, and only they define the macros that the sources ask for.
 */
#ifndef FPGA_ACCEL_STREAM_HASH_H
#define FPGA_ACCEL_STREAM_HASH_H

#include "abi.h"
#include "blocks.h"
#include "keyed.h"

#define UNROLL _Pragma("clang loop unroll(full)")
/* What follows the text in the last block: a bit 1 and 8 bytes of length. */
#define HASH_ROOM (HASH_BLOCK - 8)

static void chain_set(private chain_t *chain, constant const uint *words);
static void chain_get(private const chain_t *chain, private uint *words);
static void compress(private chain_t *chains, private const ulong *texts, ulong blocks);

/* What a stream is at. */
#define IDLE 0u  /* no row is left */
#define TEXT 1u  /* the whole blocks of its message */
#define LAST 2u  /* the block or two with the padding */
#define OUTER 3u /* HMAC's second hash */

/* Key blocks: none for a plain hash. */
typedef struct {
  uint offset;
  uint size;
  bool known;
  chain_t inner, outer;
} chain_key_t;

typedef struct {
  chain_t chains[STREAMS];
  chain_t outer[STREAMS];
  ulong texts[STREAMS];
  ulong blocks[STREAMS]; /* to do from there */
  uint rows[STREAMS];
  uint phases[STREAMS];
  uchar last[STREAMS][2 * HASH_BLOCK] __attribute__((aligned(16)));
  chain_key_t key;
  uint next, end; /* rows that no stream has yet */
} streams_t;

/* Constant over a launch. */
typedef struct {
  global const uchar *src;
  global uchar *dst;
  global const segment_t *segments;
  global result_t *results;
  global const uchar *params; /* null for a plain hash */
  constant const uint *initial;
  uint digest; /* bytes */
} launch_t;

/* ---- padding (FIPS 180-4 section 5.1.1) ---- */

static inline void zero_block(private uchar *p) {
  UNROLL
  for (uint i = 0; i < HASH_BLOCK; i += 16)
    *(private ulong2 *)(p + i) = (ulong2)(0);
}

static inline void put_be32(private uchar *p, uint word) {
  p[0] = (uchar)(word >> 24);
  p[1] = (uchar)(word >> 16);
  p[2] = (uchar)(word >> 8);
  p[3] = (uchar)word;
}

/* Ends a text of which `size` bytes (less than a block) stand in `last`; returns its blocks. */
static inline ulong pad_last(private uchar *last, uint size, ulong bytes) {
  ulong blocks = 1 + (size >= HASH_ROOM);
  last[size] = 0x80;
private
  uchar *length = last + blocks * HASH_BLOCK - 8;
  put_be32(length, (uint)(bytes >> 29));
  put_be32(length + 4, (uint)(bytes << 3));
  return blocks;
}

typedef ulong2 __attribute__((aligned(1))) unaligned_16_t;
typedef ulong __attribute__((aligned(1))) unaligned_8_t;

static inline void copy_text(private uchar *to, global const uchar *from, uint size) {
  uint at = 0;
  for (; at + 16 <= size; at += 16)
    *(private unaligned_16_t *)(to + at) = *(global const unaligned_16_t *)(from + at);
  if (at + 8 <= size) {
    *(private unaligned_8_t *)(to + at) = *(global const unaligned_8_t *)(from + at);
    at += 8;
  }
  for (; at < size; at++)
    to[at] = from[at];
}

/* ---- HMAC (RFC 2104) ---- */

static void take_key(private chain_key_t *key, global const uchar *bytes, uint offset, uint size,
                     constant const uint *initial) {
  if (key->known && key->offset == offset && key->size == size)
    return;
  uchar pads[2][HASH_BLOCK] __attribute__((aligned(16)));
  zero_block(pads[0]);
  copy_text(pads[0], bytes + offset, size);
  for (uint i = 0; i < HASH_BLOCK; i++) {
    pads[1][i] = pads[0][i] ^ 0x5c;
    pads[0][i] ^= 0x36;
  }
  chain_t chains[STREAMS];
  ulong texts[STREAMS];
  for (uint i = 0; i < STREAMS; i++) {
    chain_set(chains + i, initial);
    texts[i] = (ulong)pads[i & 1];
  }
  compress(chains, texts, 1);
  key->inner = chains[0];
  key->outer = chains[1];
  key->offset = offset;
  key->size = size;
  key->known = true;
}

/* ---- streams ---- */

static inline void put_status(global result_t *result, int status, uint size) {
  result->dst_size = size;
  result->status = status;
  result->check = 0;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

/* Gives a stream the next row that can be done. */
static void begin_row(private streams_t *streams, uint i, private const launch_t *launch) {
  for (; streams->next < streams->end; streams->next++) {
    global const segment_t *segment = launch->segments + streams->next;
    global result_t *result = launch->results + streams->next;
    if (launch->params) {
      global const keyed_params_t *record =
          (global const keyed_params_t *)(launch->params + segment->param);
      /* The host hashes longer keys. */
      if (record->key_size > HASH_BLOCK) {
        put_status(result, STATUS_BAD_PARAM, 0);
        continue;
      }
      take_key(&streams->key, launch->params, record->key, record->key_size, launch->initial);
      streams->chains[i] = streams->key.inner;
      streams->outer[i] = streams->key.outer;
    } else {
      chain_set(streams->chains + i, launch->initial);
    }
    if (segment->dst_capacity < launch->digest) {
      put_status(result, STATUS_DST_TOO_SMALL, 0);
      continue;
    }
    streams->texts[i] = (ulong)(launch->src + segment->src);
    streams->blocks[i] = segment->src_size / HASH_BLOCK;
    streams->phases[i] = TEXT;
    streams->rows[i] = streams->next++;
    return;
  }
  streams->phases[i] = IDLE;
}

static inline void begin_last(private streams_t *streams, uint i, private const launch_t *launch) {
  uint size = launch->segments[streams->rows[i]].src_size, rest = size % HASH_BLOCK;
private
  uchar *last = streams->last[i];
  zero_block(last);
  zero_block(last + HASH_BLOCK);
  copy_text(last, (global const uchar *)streams->texts[i], rest);
  streams->blocks[i] = pad_last(last, rest, (ulong)size + (launch->params ? HASH_BLOCK : 0));
  streams->texts[i] = (ulong)last;
  streams->phases[i] = LAST;
}

static inline void begin_outer(private streams_t *streams, uint i, private const launch_t *launch) {
  uint words[STATE_WORDS];
private
  uchar *last = streams->last[i];
  chain_get(streams->chains + i, words);
  zero_block(last);
  for (uint k = 0; k < launch->digest / 4; k++)
    put_be32(last + 4 * k, words[k]);
  streams->blocks[i] = pad_last(last, launch->digest, HASH_BLOCK + launch->digest);
  streams->texts[i] = (ulong)last;
  streams->chains[i] = streams->outer[i];
  streams->phases[i] = OUTER;
}

static inline void write_digest(private streams_t *streams, uint i,
                                private const launch_t *launch) {
  uint words[STATE_WORDS], row = streams->rows[i];
  chain_get(streams->chains + i, words);
private
  uchar *to = (private uchar *)(ulong)(launch->dst + launch->segments[row].dst);
  for (uint k = 0; k < launch->digest / 4; k++)
    put_be32(to + 4 * k, words[k]);
  put_status(launch->results + row, STATUS_OK, launch->digest);
}

/* Leads a stream that has no block left to its next one. */
static void advance(private streams_t *streams, uint i, private const launch_t *launch) {
  while (streams->blocks[i] == 0 && streams->phases[i] != IDLE) {
    if (streams->phases[i] == TEXT) {
      begin_last(streams, i, launch);
    } else if (streams->phases[i] == LAST && launch->params) {
      begin_outer(streams, i, launch);
    } else {
      write_digest(streams, i, launch);
      begin_row(streams, i, launch);
    }
  }
}

/* Blocks that every stream at work has. Idle ones go along with one of these. */
static inline ulong common_blocks(private streams_t *streams) {
  ulong least = ~0UL, text = 0;
  for (uint i = 0; i < STREAMS; i++)
    if (streams->phases[i] != IDLE && streams->blocks[i] < least) {
      least = streams->blocks[i];
      text = streams->texts[i];
    }
  if (text == 0)
    return 0;
  for (uint i = 0; i < STREAMS; i++)
    if (streams->phases[i] == IDLE)
      streams->texts[i] = text;
  return least;
}

__attribute__((always_inline)) static inline void stream_rows(private const launch_t *launch,
                                                              uint count) {
  streams_t streams;
  streams.next = abi_first(count);
  streams.end = abi_end(count);
  streams.key.known = false;
  for (uint i = 0; i < STREAMS; i++) {
    chain_set(streams.chains + i, launch->initial);
    begin_row(&streams, i, launch);
    streams.blocks[i] = streams.phases[i] == IDLE ? 0 : streams.blocks[i];
    advance(&streams, i, launch);
  }
  for (ulong blocks; (blocks = common_blocks(&streams)) != 0;) {
    compress(streams.chains, streams.texts, blocks);
    for (uint i = 0; i < STREAMS; i++)
      if (streams.phases[i] != IDLE) {
        streams.texts[i] += blocks * HASH_BLOCK;
        streams.blocks[i] -= blocks;
        advance(&streams, i, launch);
      }
  }
}

#define HASH_ARGUMENTS                                                                             \
  global const uchar *src, global uchar *dst, global const segment_t *segments,                    \
      global result_t *results, global const uchar *params, uint count

#define HASH_KERNEL(name, initial, digest)                                                         \
  kernel void name(HASH_ARGUMENTS) {                                                               \
    launch_t launch = {src, dst, segments, results, 0, initial, digest};                           \
    stream_rows(&launch, count);                                                                   \
  }

#define HMAC_KERNEL(name, initial, digest)                                                         \
  kernel void name(HASH_ARGUMENTS) {                                                               \
    launch_t launch = {src, dst, segments, results, params, initial, digest};                      \
    stream_rows(&launch, count);                                                                   \
  }

#endif
