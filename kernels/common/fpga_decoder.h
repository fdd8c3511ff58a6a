/* The core and the writer of decompressors: up to 16 bytes of literals or of a match a step, from a
 * history of 64 KiB. A format reads what stands between runs of bytes. */
#ifndef FPGA_ACCEL_FPGA_DECODER_H
#define FPGA_ACCEL_FPGA_DECODER_H

#include "fpga_words.h"

#define COPY_BYTES 16u
#define HISTORY_BYTES 65536u
#define STATUS_RUNNING STATUS_NOT_RUN

/* A format's own phases start at FIELDS. */
typedef enum { LITERALS, MATCH, FIELDS } run_phase_t;

typedef struct {
  uint input[2 * WORD_PARTS]; /* two words; the next byte is in the first after a refill */
  uint at;                    /* of the next byte */
  uint words;                 /* of the block, not yet taken */
  uint left;                  /* bytes of the block, not yet consumed */
  uint phase;
  ulong run; /* bytes to copy; 64 bits, as 2^32 bytes of length can be met before it is refused */
  uint offset, match;
  uint produced, capacity; /* bytes of the row */
  int status;              /* STATUS_RUNNING: within a block */
} decoder_t;

/* Byte i of a history that is banked by 16: each lane has one byte of any 16 in a row. */
INLINE uint lane_byte(uint position, uint lane) { return (lane - position) % COPY_BYTES; }

typedef struct {
  uchar byte[COPY_BYTES];
} copy_t;

INLINE copy_t read_history(local const uchar *history, uint position) {
  uchar lanes[COPY_BYTES];
  copy_t copy;
#pragma unroll
  for (uint lane = 0; lane < COPY_BYTES; lane++) {
    uint row = (position + lane_byte(position, lane)) / COPY_BYTES;
    lanes[lane] = history[row * COPY_BYTES % HISTORY_BYTES + lane];
  }
#pragma unroll
  for (uint i = 0; i < COPY_BYTES; i++)
    copy.byte[i] = lanes[(position + i) % COPY_BYTES];
  return copy;
}

INLINE void write_history(local uchar *history, uint position, copy_t copy, uint count) {
#pragma unroll
  for (uint lane = 0; lane < COPY_BYTES; lane++) {
    uint i = lane_byte(position, lane);
    uint row = (position + i) / COPY_BYTES;
    if (i < count)
      history[row * COPY_BYTES % HISTORY_BYTES + lane] = copy.byte[i];
  }
}

INLINE void start_decoder(private decoder_t *d, uint capacity) {
  d->produced = 0;
  d->capacity = capacity;
  d->status = STATUS_OK;
}

INLINE int is_busy(private const decoder_t *d) { return d->words || d->status == STATUS_RUNNING; }

INLINE int wants_word(private const decoder_t *d) {
  return d->at >= WORD_BYTES || d->status != STATUS_RUNNING;
}

/* The block's next word, or any after its last one. */
INLINE void give_word(private decoder_t *d, word_t word) {
#pragma unroll
  for (uint i = 0; i < WORD_PARTS; i++) {
    d->input[i] = d->input[WORD_PARTS + i];
    d->input[WORD_PARTS + i] = word.part[i];
  }
  d->words -= d->words != 0;
  d->at -= WORD_BYTES;
}

INLINE uint input_byte(private const decoder_t *d, uint i) {
  return ((private const uchar *)d->input)[d->at + i];
}

INLINE void consume(private decoder_t *d, uint count) {
  d->at += count;
  d->left -= count;
}

INLINE copy_t input_copy(private const decoder_t *d) {
  copy_t copy;
#pragma unroll
  for (uint i = 0; i < COPY_BYTES; i++)
    copy.byte[i] = (uchar)input_byte(d, i);
  return copy;
}

INLINE copy_t zero_copy(void) {
  copy_t copy;
  for (uint i = 0; i < COPY_BYTES; i++)
    copy.byte[i] = 0;
  return copy;
}

/* Takes literals: the next bytes of the block. */
INLINE copy_t take_literals(private decoder_t *d, uint count) {
  copy_t copy = input_copy(d);
  consume(d, count);
  return copy;
}

/* Bytes that a step may copy of a match. A match that overlaps itself has its offset as period, so
 * once that many bytes are copied, the next step may reach back twice as far. */
INLINE uint match_step(private decoder_t *d, uint most) {
  if (d->offset == 0 || d->offset >= COPY_BYTES)
    return most;
  uint count = smaller(most, d->offset);
  d->offset *= 2;
  return count;
}

/* Copies up to 16 bytes of the run. */
INLINE void copy_run(private decoder_t *d, local uchar *history) {
  uint count = d->run < COPY_BYTES ? (uint)d->run : COPY_BYTES;
  copy_t copy;
  if (d->phase == LITERALS) {
    copy = take_literals(d, count);
  } else {
    /* Offset 0, which a format may let pass, gives zeros. */
    copy = d->offset ? read_history(history, d->produced - d->offset) : zero_copy();
    count = match_step(d, count);
  }
  write_history(history, d->produced, copy, count);
  d->produced += count;
  d->run -= count;
}

typedef struct {
  word_t word;
  uint size;
  int status; /* STATUS_RUNNING: more words of the row follow */
} content_t;

INLINE content_t content_at(local const uchar *history, uint position, uint size, int status) {
  local const uint *parts = (local const uint *)(history + position % HISTORY_BYTES);
  content_t content = {{{0}}, size, status};
#pragma unroll
  for (uint i = 0; i < WORD_PARTS; i++)
    content.word.part[i] = parts[i];
  return content;
}

/* A step crosses at most one word's end. */
INLINE int fills_word(private const decoder_t *d, uint before) {
  return d->produced / WORD_BYTES != before / WORD_BYTES;
}

INLINE content_t full_content(private const decoder_t *d, local const uchar *history) {
  return content_at(history, d->produced / WORD_BYTES * WORD_BYTES - WORD_BYTES, WORD_BYTES,
                    STATUS_RUNNING);
}

/* The row's last bytes. */
INLINE content_t last_content(private const decoder_t *d, local const uchar *history, int status) {
  return content_at(history, d->produced / WORD_BYTES * WORD_BYTES, d->produced % WORD_BYTES,
                    status);
}

/* The decompressor's writer. */
typedef struct {
  output_t dst;
  uint size;
  int status;
} writer_t;

INLINE void start_writer(private writer_t *w, segment_t row, global uchar *dst) {
  w->dst = dst + row.dst;
  w->size = 0;
}

INLINE void write_content(private writer_t *w, content_t content) {
  store_word(w->dst + w->size, content.word, content.size);
  w->size += content.size;
  w->status = content.status;
}

#endif
