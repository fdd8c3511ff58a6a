/* Rows whose blocks are chained, state = E(state ^ block), STREAMS of them side by side: each row
 * is serial, so only other rows fill the AES units. A stream that is done takes the next row.
 *
 * A row is a number of blocks made for it, then the whole blocks of its text, then perhaps a last
 * block. While all streams are within their texts, streams_run takes as many blocks as all have;
 * any other step goes block by block.
 *
 * Rows that need more than their chains have it in task->extra, of the type STREAM_EXTRA, which
 * stream_extra_begin(extra) readies.
 *
 * Before this file comes aes_streams_x86.h or aes_streams_bitslice.h, behind it these functions; a
 * mode that a kernel has is a constant after inlining.
 *
 *   int stream_check(segment, record, mode)
 *   block_t stream_begin(task, lane, mode)
 *       Fills in what the row has of blocks (before, whole, rest, last); returns its first state.
 *   block_t stream_before(task, lane, mode)
 *       The next of the blocks before the text; task->before counts down to 1.
 *   void stream_passed(task, streams, lane, mode)
 *       Behind each of them; may take the state away and set another.
 *   block_t stream_last(task, lane, mode)
 *   void stream_end(task, lane, state, mode)
 *       Writes what the row gives, and its result.
 */
#ifndef FPGA_ACCEL_AES_STREAMS_H
#define FPGA_ACCEL_AES_STREAMS_H

#include "abi.h"
#include "aes_schedule.h"
#include "blocks.h"
#include "keyed_rows.h"

#define NO_ROW (~0u)

/* What the streams work on. */
typedef struct {
  source_t src[STREAMS];
  target_t dst[STREAMS];
  uint row[STREAMS];
  uint before[STREAMS];
  uint whole[STREAMS];
  uint rest[STREAMS]; /* bytes of text behind the whole blocks */
  uint last[STREAMS]; /* 1: there is one more block */
  key_id_t key[STREAMS];
  block_t own[STREAMS]; /* the mode's */
  uint known[STREAMS];  /* whether own is the one of this key */
  global const segment_t *segments;
  global const uchar *params;
  global result_t *results;
#ifdef STREAM_EXTRA
  STREAM_EXTRA extra;
#endif
} task_t;

static inline global const keyed_params_t *task_record(private const task_t *task, uint row) {
  return (global const keyed_params_t *)(task->params + task->segments[row].param);
}

static inline uint rounds_of(uint key_size) { return key_size / 4 + 6; }

static int stream_check(global const segment_t *segment, global const keyed_params_t *record,
                        const uint mode);
static block_t stream_begin(private task_t *task, uint lane, const uint mode);
static block_t stream_before(private const task_t *task, uint lane, const uint mode);
static void stream_passed(private task_t *task, private streams_t *streams, uint lane,
                          const uint mode);
static block_t stream_last(private const task_t *task, uint lane, const uint mode);
static void stream_end(private task_t *task, uint lane, block_t state, const uint mode);

static void stream_set_key(private task_t *task, private streams_t *streams, uint lane,
                           key_id_t id) {
  if (task->key[lane].size == id.size && task->key[lane].offset == id.offset)
    return;
  uint words[AES_MAX_WORDS];
  aes_expand(words, task->params + id.offset, id.size);
  streams_key(streams, lane, words);
  task->key[lane] = id;
  task->known[lane] = 0;
}

static inline bool stream_is_done(private const task_t *task, uint lane) {
  return (task->before[lane] | task->whole[lane] | task->last[lane]) == 0;
}

/* Lets a stream take the first of the rows from next on that can be done; returns the row behind
 * it. A key of another size waits until the streams are done: they go through the rounds together.
 */
static uint stream_take(private task_t *task, private streams_t *streams, uint lane,
                        global const uchar *src, global uchar *dst, uint next, uint end,
                        const uint mode) {
  for (; next < end; next++) {
    global const segment_t *segment = task->segments + next;
    global const keyed_params_t *record = task_record(task, next);
    int status = stream_check(segment, record, mode);
    if (status != STATUS_OK) {
      write_result(task->results + next, status, 0, (block_t)(0));
      continue;
    }
    uint rounds = rounds_of(record->key_size);
    if (streams->rounds == 0)
      streams->rounds = rounds;
    if (streams->rounds != rounds)
      return next;
    key_id_t id = {record->key, record->key_size};
    stream_set_key(task, streams, lane, id);
    task->row[lane] = next;
    task->src[lane] = src + segment->src;
    task->dst[lane] = dst + segment->dst;
    block_t state = stream_begin(task, lane, mode);
    if (!stream_is_done(task, lane)) {
      streams_set(streams, lane, state);
      return next + 1;
    }
    stream_end(task, lane, state, mode);
    task->row[lane] = NO_ROW;
  }
  return next;
}

/* Streams without a row do what another one does: the same bytes go to the same place twice. */
static void streams_double(private task_t *task, private streams_t *streams, uint busy) {
  for (uint lane = 0; lane < STREAMS; lane++) {
    if (task->row[lane] != NO_ROW)
      continue;
    stream_set_key(task, streams, lane, task->key[busy]);
    task->src[lane] = task->src[busy];
    task->dst[lane] = task->dst[busy];
    streams_set(streams, lane, streams_get(streams, busy));
  }
}

/* One block of every stream, whatever kind it is. */
static void streams_step(private task_t *task, private streams_t *streams, const uint mode,
                         const bool stores) {
  for (uint lane = 0; lane < STREAMS; lane++) {
    block_t block = (block_t)(0);
    if (task->row[lane] == NO_ROW)
      continue;
    if (task->before[lane])
      block = stream_before(task, lane, mode);
    else if (task->whole[lane])
      block = block_load(task->src[lane]);
    else
      block = stream_last(task, lane, mode);
    streams_set(streams, lane, streams_get(streams, lane) ^ block);
  }
  streams_encrypt(streams);
  for (uint lane = 0; lane < STREAMS; lane++) {
    if (task->row[lane] == NO_ROW)
      continue;
    if (task->before[lane]) {
      stream_passed(task, streams, lane, mode);
      task->before[lane]--;
      continue;
    }
    if (stores) {
      block_store(task->dst[lane], streams_get(streams, lane));
      task->dst[lane] += BLOCK_SIZE;
    }
    if (task->whole[lane]) {
      task->src[lane] += BLOCK_SIZE;
      task->whole[lane]--;
    } else {
      task->last[lane] = 0;
    }
  }
}

/* How many steps all streams with a row have within their texts, and one of them. */
static uint streams_common(private const task_t *task, private uint *busy) {
  uint common = ~0u;
  for (uint lane = 0; lane < STREAMS; lane++) {
    if (task->row[lane] == NO_ROW)
      continue;
    uint steps = task->before[lane] ? 0 : task->whole[lane];
    common = steps < common ? steps : common;
    *busy = lane;
  }
  return common;
}

static void streams_begin(private task_t *task, private streams_t *streams) {
  streams->rounds = 0;
  for (uint lane = 0; lane < STREAMS; lane++) {
    task->row[lane] = NO_ROW;
    task->key[lane].offset = 0;
    task->key[lane].size = 0;
    task->known[lane] = 0;
    streams_set(streams, lane, (block_t)(0));
  }
}

static inline uint streams_busy(private const task_t *task) {
  uint count = 0;
  for (uint lane = 0; lane < STREAMS; lane++)
    count += task->row[lane] != NO_ROW;
  return count;
}

/* Rows first to end - 1. */
__attribute__((always_inline)) static void
streams_rows(global const uchar *src, global uchar *dst, global const segment_t *segments,
             global result_t *results, global const uchar *params, uint first, uint end,
             const uint mode, const bool stores) {
  streams_t streams;
  task_t task;
  task.segments = segments;
  task.params = params;
  task.results = results;
#ifdef STREAM_EXTRA
  stream_extra_begin(&task.extra);
#endif
  streams_begin(&task, &streams);
  uint next = first;
  for (;;) {
    if (streams_busy(&task) == 0)
      streams.rounds = 0;
    for (uint lane = 0; lane < STREAMS && next < end; lane++) {
      if (task.row[lane] == NO_ROW)
        next = stream_take(&task, &streams, lane, src, dst, next, end, mode);
    }
    uint busy = 0;
    uint common = streams_common(&task, &busy);
    if (task.row[busy] == NO_ROW) {
      if (next >= end)
        return;
      continue;
    }
    if (common) {
      streams_double(&task, &streams, busy);
      streams_run(&streams, task.src, task.dst, common, stores);
      for (uint lane = 0; lane < STREAMS; lane++) {
        task.whole[lane] -= common;
        task.src[lane] += (ulong)common * BLOCK_SIZE;
        task.dst[lane] += stores ? (ulong)common * BLOCK_SIZE : 0;
      }
    } else {
      streams_step(&task, &streams, mode, stores);
    }
    for (uint lane = 0; lane < STREAMS; lane++) {
      if (task.row[lane] == NO_ROW || !stream_is_done(&task, lane))
        continue;
      stream_end(&task, lane, streams_get(&streams, lane), mode);
      task.row[lane] = NO_ROW;
    }
  }
}

/* The rows of this work-item: whole groups, so that streams are busy before there are more
 * work-items. */
static inline uint streams_first(uint count) {
  uint groups = (count + STREAMS - 1) / STREAMS;
  return STREAMS * (uint)((ulong)groups * get_global_id(0) / get_global_size(0));
}

static inline uint streams_last(uint count) {
  uint groups = (count + STREAMS - 1) / STREAMS;
  uint end = STREAMS * (uint)((ulong)groups * (get_global_id(0) + 1) / get_global_size(0));
  return end < count ? end : count;
}

#endif
