/* Feeds rows to a core in its shell (rtl_shell.py) and collects their results, clock by clock.
 *
 * The model is what Verilator makes of the shell with flat ports: clk, rst, in_bits, in_valid,
 * in_ready, out_bits, out_trailer, out_valid, out_ready. Ready and valid of the shell depend on
 * registers alone, so they are those of the clock before and one evaluation a clock edge is enough.
 *
 * Memory that is read: [src, src + src_size) and the parameter beats; written: [dst, dst + result)
 * where the result fits in dst_capacity, else no more than dst_capacity bytes.
 */
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr uint32_t kBeat = 16;
constexpr int32_t kStatusTooSmall = 1; // STATUS_DST_TOO_SMALL of abi.h
constexpr uint64_t kClocksBetweenLooksAtTime = 8192;

/* Why a run ended; fpga_accel/runtime/simulation/simulator.py has the same. */
enum End : int32_t { kDone = 0, kIdle = 1, kDeadline = 2, kWrongTag = 3, kWrongLength = 4 };

} // namespace

extern "C" {

/* One row: 64 bytes. The last three fields come back. */
struct rtl_row {
  uint64_t src;
  uint64_t dst;
  uint64_t parameters;
  uint32_t src_size;
  uint32_t dst_capacity;
  uint32_t flags;
  uint16_t parameter_beats;
  uint16_t extra;
  uint32_t reserved[3];
  uint32_t dst_size;
  int32_t status;
  uint32_t cycles;
};

struct rtl_limits {
  double seconds;       /* of the whole run */
  uint64_t idle_clocks; /* without a beat in or out */
  uint64_t stall_seed;  /* random pauses of both streams, 0 for none */
};

struct rtl_run_report {
  uint64_t cycles; /* from the first clock of the run to the last trailer */
  uint32_t row;    /* the first row without a trailer */
  int32_t end;
};
}

static_assert(sizeof(rtl_row) == 64, "the layout is that of simulator.py");

namespace {

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/* xorshift64 (Marsaglia 2003), good enough for pauses. */
class Pauses {
public:
  explicit Pauses(uint64_t seed) : state_(seed) {}
  bool next() {
    if (state_ == 0)
      return false;
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return ((state_ >> 32) & 3) < (state_ & 1 ? 3 : 1);
  }

private:
  uint64_t state_;
};

/* The beats of all rows, one after the other. */
class Source {
public:
  Source(const rtl_row *rows, uint32_t count, uint16_t tag)
      : rows_(rows), count_(count), tag_(tag) {}

  bool ended() const { return row_ == count_; }

  void beat(uint8_t *to) const {
    const rtl_row &row = rows_[row_];
    if (next_ == 0)
      return head(row, to);
    if (next_ <= row.parameter_beats) {
      const uint64_t offset = (next_ - 1) * uint64_t{kBeat};
      std::memcpy(to, reinterpret_cast<const uint8_t *>(row.parameters) + offset, kBeat);
      return;
    }
    const uint64_t offset = (next_ - 1 - row.parameter_beats) * uint64_t{kBeat};
    const uint64_t left = row.src_size - offset;
    std::memset(to, 0, kBeat);
    std::memcpy(to, reinterpret_cast<const uint8_t *>(row.src) + offset,
                left < kBeat ? left : kBeat);
  }

  void advance() {
    const rtl_row &row = rows_[row_];
    const uint64_t text_beats = (uint64_t{row.src_size} + kBeat - 1) / kBeat;
    if (++next_ <= row.parameter_beats + text_beats)
      return;
    next_ = 0;
    ++row_;
  }

private:
  void head(const rtl_row &row, uint8_t *to) const {
    const uint8_t beats = static_cast<uint8_t>(row.parameter_beats);
    const uint8_t extra = static_cast<uint8_t>(row.extra);
    const uint16_t tag = static_cast<uint16_t>(tag_ + row_);
    std::memcpy(to, &row.src_size, 4);
    std::memcpy(to + 4, &row.dst_capacity, 4);
    std::memcpy(to + 8, &row.flags, 4);
    std::memcpy(to + 12, &beats, 1);
    std::memcpy(to + 13, &extra, 1);
    std::memcpy(to + 14, &tag, 2);
  }

  const rtl_row *rows_;
  uint32_t count_;
  uint16_t tag_;
  uint32_t row_ = 0;
  uint64_t next_ = 0;
};

/* Takes results and trailers. A beat is written when the next one tells how much of it counts. */
class Sink {
public:
  Sink(rtl_row *rows, uint32_t count, uint16_t tag) : rows_(rows), count_(count), tag_(tag) {}

  bool ended() const { return row_ == count_; }
  uint32_t row() const { return row_; }

  void result(const uint8_t *beat) {
    if (beats_ != 0)
      write(kBeat);
    std::memcpy(held_, beat, kBeat);
    ++beats_;
  }

  End trailer(const uint8_t *beat) {
    uint32_t length, cycles;
    uint16_t tag;
    std::memcpy(&length, beat, 4);
    std::memcpy(&cycles, beat + 8, 4);
    std::memcpy(&tag, beat + 12, 2);
    if (tag != static_cast<uint16_t>(tag_ + row_))
      return kWrongTag;
    if ((uint64_t{length} + kBeat - 1) / kBeat != beats_)
      return kWrongLength;
    if (beats_ != 0)
      write(length - (beats_ - 1) * kBeat);
    rtl_row &row = rows_[row_];
    const bool fits = length <= row.dst_capacity;
    row.status = fits ? beat[4] : kStatusTooSmall;
    row.dst_size = fits ? length : 0;
    row.cycles = cycles;
    ++row_;
    beats_ = 0;
    return kDone;
  }

private:
  void write(uint64_t bytes) {
    const rtl_row &row = rows_[row_];
    const uint64_t offset = (beats_ - 1) * kBeat;
    if (offset >= row.dst_capacity)
      return;
    const uint64_t room = row.dst_capacity - offset;
    std::memcpy(reinterpret_cast<uint8_t *>(row.dst) + offset, held_, bytes < room ? bytes : room);
  }

  rtl_row *rows_;
  uint32_t count_;
  uint16_t tag_;
  uint32_t row_ = 0;
  uint64_t beats_ = 0;
  uint8_t held_[kBeat];
};

} // namespace

class rtl_device {
public:
  rtl_device() : model_(&context_) { reset(); }

  void reset() {
    model_.in_valid = 0;
    model_.out_ready = 0;
    model_.rst = 1;
    for (int clocks = 0; clocks < 4; ++clocks)
      tick();
    model_.rst = 0;
    tick();
  }

  End run(rtl_row *rows, uint32_t count, const rtl_limits &limits, rtl_run_report *report) {
    Source source(rows, count, tag_);
    Sink sink(rows, count, tag_);
    /* Tags go on from run to run, so that what a core has left over is no answer to the next. */
    tag_ = static_cast<uint16_t>(tag_ + count + 1);
    const double ends = now() + limits.seconds;
    Pauses pauses(limits.stall_seed);
    bool offered = false;
    uint64_t clock = 0, busy = 0;
    End end = kDone;
    while (end == kDone && !sink.ended()) {
      if (!offered && !source.ended() && !pauses.next()) {
        uint8_t beat[kBeat];
        source.beat(beat);
        std::memcpy(&model_.in_bits[0], beat, kBeat);
        offered = true;
      }
      model_.in_valid = offered;
      model_.out_ready = !pauses.next();
      const bool taken = offered && model_.in_ready;
      const bool given = model_.out_valid && model_.out_ready;
      if (given)
        end = take(&sink);
      tick();
      ++clock;
      if (taken) {
        source.advance();
        offered = false;
      }
      if (taken || given)
        busy = clock;
      if (clock - busy > limits.idle_clocks)
        end = kIdle;
      if (clock % kClocksBetweenLooksAtTime == 0 && now() > ends)
        end = kDeadline;
    }
    model_.in_valid = 0;
    model_.out_ready = 0;
    report->cycles = clock;
    report->row = sink.row();
    report->end = end;
    return end;
  }

private:
  End take(Sink *sink) {
    uint8_t beat[kBeat];
    std::memcpy(beat, &model_.out_bits[0], kBeat);
    if (model_.out_trailer)
      return sink->trailer(beat);
    sink->result(beat);
    return kDone;
  }

  void tick() {
    model_.clk = 1;
    model_.eval();
    model_.clk = 0;
    model_.eval();
  }

  VerilatedContext context_;
  Vtop model_;
  uint16_t tag_ = 1;
};

extern "C" {

__attribute__((visibility("default"))) rtl_device *rtl_open() {
  return new (std::nothrow) rtl_device();
}

__attribute__((visibility("default"))) void rtl_close(rtl_device *device) { delete device; }

__attribute__((visibility("default"))) void rtl_reset(rtl_device *device) { device->reset(); }

__attribute__((visibility("default"))) int32_t rtl_run(rtl_device *device, rtl_row *rows,
                                                       uint32_t count, const rtl_limits *limits,
                                                       rtl_run_report *report) {
  return device->run(rows, count, *limits, report);
}
}
