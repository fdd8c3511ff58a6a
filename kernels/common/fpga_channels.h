/* Stages of pipelines that channels join, and their cores: what their kernels have in common.
 *
 * -D parameters        values           meaning
 * CHANNELS             1, 0             1: kernels joined by Intel channels; 0: one kernel an entry
 * CHANNEL_DEPTH        64 (default), …  items in a channel
 * REPLICAS             1 (default), 2   cores an entry; core c has the rows r, r % REPLICAS == c
 */
#ifndef FPGA_ACCEL_FPGA_CHANNELS_H
#define FPGA_ACCEL_FPGA_CHANNELS_H

#ifndef CHANNEL_DEPTH
#define CHANNEL_DEPTH 64
#endif
#ifndef REPLICAS
#define REPLICAS 1
#endif
#if REPLICAS != 1 && REPLICAS != 2
#error "REPLICAS is 1 or 2"
#endif

#define ARGUMENTS                                                                                  \
  global const uchar *restrict src, global uchar *restrict dst,                                    \
      global const segment_t *restrict segments, global result_t *restrict results,                \
      global const uchar *restrict params, uint count

#define SINGLE __attribute__((reqd_work_group_size(1, 1, 1)))

#if CHANNELS
#pragma OPENCL EXTENSION cl_intel_channels : enable

#define TASK __attribute__((max_global_work_dim(0))) SINGLE
#define DEPTH __attribute__((depth(CHANNEL_DEPTH)))

/* For readers and writers, which serve every core: a channel's index must be a constant. */
#if REPLICAS == 1
#define SEND(channels, row, item) write_channel_intel(channels[0], item)
#define TAKE(item, channels, row) item = read_channel_intel(channels[0])
#else
#define SEND(channels, row, item)                                                                  \
  do {                                                                                             \
    if ((row) % REPLICAS)                                                                          \
      write_channel_intel(channels[1], item);                                                      \
    else                                                                                           \
      write_channel_intel(channels[0], item);                                                      \
  } while (0)
#define TAKE(item, channels, row)                                                                  \
  do {                                                                                             \
    if ((row) % REPLICAS)                                                                          \
      item = read_channel_intel(channels[1]);                                                      \
    else                                                                                           \
      item = read_channel_intel(channels[0]);                                                      \
  } while (0)
#endif
#endif

#endif
