/* Plain LZ4 frames (frame format 1.6): one frame of independent blocks that declares its content's
 * size and wants no dictionary. Reads only [src, src + size), whatever is there.
 */
#ifndef FPGA_ACCEL_CHAIN_FRAME_H
#define FPGA_ACCEL_CHAIN_FRAME_H

#include "bytes.h"
#include "xxh32.h"

#define FRAME_MAGIC 0x184D2204u
#define FRAME_HEADER 15u /* magic, FLG, BD, 8 bytes of content size, check */
#define BLOCK_STORED 0x80000000u
/* Twice this and all that frames add still is a 32-bit number. */
#define FRAME_MOST_CONTENT 0x70000000u

/* A descriptor is FLG | BD << 8. FLG: version 1, independent blocks, content size; the two kinds of
 * checksums are free. BD: a block size code from 4 (64 KiB) to 7 (4 MiB). */
static inline int is_descriptor(uint descriptor) {
  uint code = descriptor >> 12;
  return (descriptor & 0xFFEB) == (0x68 | (code << 12)) && code >= 4 && code <= 7;
}

static inline uint block_most(uint descriptor) { return 1u << (8 + 2 * (descriptor >> 12)); }
static inline int has_block_checks(uint descriptor) { return (descriptor & 0x10) != 0; }
static inline int has_content_check(uint descriptor) { return (descriptor & 0x04) != 0; }

static inline uchar header_check(input_t descriptor, uint size) {
  return (uchar)(xxh32(descriptor, size) >> 8);
}

/* ---- reading ---- */

typedef struct {
  input_t src;
  uint size, at;
  uint content, most;
  uint check; /* of the content, where has_check */
  int block_checks, has_check;
} frame_t;

typedef struct {
  uint at, size; /* of the payload; size 0 is the EndMark */
  uint check;    /* what the frame says of it, where it says so */
  int stored;
} block_at_t;

/* False: no plain frame starts here. */
static int frame_open(private frame_t *frame, input_t src, uint size) {
  frame->src = src;
  frame->size = size;
  frame->content = 0;
  frame->most = 1;
  frame->check = 0;
  frame->has_check = 0;
  if (size < FRAME_HEADER + 4 || load4(src) != FRAME_MAGIC)
    return 0;
  uint descriptor = load2(src + 4);
  if (!is_descriptor(descriptor) || header_check(src + 4, 10) != src[14])
    return 0;
  frame->content = load4(src + 6);
  frame->most = block_most(descriptor);
  frame->block_checks = has_block_checks(descriptor);
  frame->has_check = has_content_check(descriptor);
  frame->at = FRAME_HEADER;
  /* A size of 0 stands for "unknown", too: with no block it is 0 either way. */
  return load4(src + 10) == 0 && frame->content <= FRAME_MOST_CONTENT;
}

/* Moves on to the next block. False: it is malformed or cut off. */
static int frame_next(private frame_t *frame, private block_at_t *block) {
  if (frame->size - frame->at < 4)
    return 0;
  uint word = load4(frame->src + frame->at);
  frame->at += 4;
  block->size = word & ~BLOCK_STORED;
  block->stored = word != block->size;
  block->at = frame->at;
  block->check = 0;
  if (word == 0)
    return 1;
  uint behind = frame->block_checks ? 4 : 0;
  if (block->size == 0 || block->size > frame->most)
    return 0;
  if (frame->size - frame->at < block->size + behind)
    return 0;
  if (behind)
    block->check = load4(frame->src + frame->at + block->size);
  frame->at += block->size + behind;
  return 1;
}

/* Behind the EndMark. False: the frame does not end where its bytes do. */
static int frame_close(private frame_t *frame) {
  if (frame->has_check) {
    if (frame->size - frame->at < 4)
      return 0;
    frame->check = load4(frame->src + frame->at);
    frame->at += 4;
  }
  return frame->at == frame->size;
}

#endif
