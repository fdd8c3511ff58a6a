/* Feeds rows to a core in its shell (rtl_shell.py) and collects their results, clock by clock.
 *
 * The model is what Verilator makes of the shell with flat ports: clk, rst, in_bits, in_valid,
 * in_ready, out_bits, out_trailer, out_engine, out_valid, out_ready, engines. Its registers change
 * at both edges of clk (fpga_accel/runtime/simulation/edges.py). Ready and valid of the shell
 * depend on registers alone, so they are those of the clock before and one evaluation a clock is
 * enough. Rows are dealt out to the engines in turn; in_valid and in_ready have a bit for each.
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

/* The evaluation alone, without the locks that Verilator takes around it for classes and messages,
 * which a core has none of: a tenth of the time of a small one. Weak, as its name is Verilator's
 * own business: where it has another one, eval() is called. */
__attribute__((weak)) void Vtop___024root___eval(Vtop___024root *);

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

constexpr uint32_t kMostEngines = 8;

/* The rows of one engine: every `engines`th one. */
struct Share {
  uint32_t count;
  uint16_t tag; /* of row 0 */
  uint32_t engines;
  uint32_t row; /* the next one */

  bool ended() const { return row >= count; }
  void advance() { row = count - row > engines ? row + engines : count; }
};

/* The beats of an engine's rows, one after the other. */
class Source {
public:
  Source() = default;
  Source(const rtl_row *rows, Share share) : rows_(rows), share_(share) {}

  bool ended() const { return share_.ended(); }

  void beat(uint8_t *to) const {
    const rtl_row &row = rows_[share_.row];
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
    const rtl_row &row = rows_[share_.row];
    const uint64_t text_beats = (uint64_t{row.src_size} + kBeat - 1) / kBeat;
    if (++next_ <= row.parameter_beats + text_beats)
      return;
    next_ = 0;
    share_.advance();
  }

private:
  void head(const rtl_row &row, uint8_t *to) const {
    const uint8_t beats = static_cast<uint8_t>(row.parameter_beats);
    const uint8_t extra = static_cast<uint8_t>(row.extra);
    const uint16_t tag = static_cast<uint16_t>(share_.tag + share_.row);
    std::memcpy(to, &row.src_size, 4);
    std::memcpy(to + 4, &row.dst_capacity, 4);
    std::memcpy(to + 8, &row.flags, 4);
    std::memcpy(to + 12, &beats, 1);
    std::memcpy(to + 13, &extra, 1);
    std::memcpy(to + 14, &tag, 2);
  }

  const rtl_row *rows_ = nullptr;
  Share share_{};
  uint64_t next_ = 0;
};

/* Takes results and trailers. A beat is written when the next one tells how much of it counts. */
class Sink {
public:
  Sink() = default;
  Sink(rtl_row *rows, Share share) : rows_(rows), share_(share) {}

  bool ended() const { return share_.ended(); }
  uint32_t row() const { return share_.row; }

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
    if (ended() || tag != static_cast<uint16_t>(share_.tag + share_.row))
      return kWrongTag;
    if ((uint64_t{length} + kBeat - 1) / kBeat != beats_)
      return kWrongLength;
    if (beats_ != 0)
      write(length - (beats_ - 1) * kBeat);
    rtl_row &row = rows_[share_.row];
    const bool fits = length <= row.dst_capacity;
    row.status = fits ? beat[4] : kStatusTooSmall;
    row.dst_size = fits ? length : 0;
    row.cycles = cycles;
    share_.advance();
    beats_ = 0;
    return kDone;
  }

private:
  void write(uint64_t bytes) {
    if (ended())
      return;
    const rtl_row &row = rows_[share_.row];
    const uint64_t offset = (beats_ - 1) * kBeat;
    if (offset >= row.dst_capacity)
      return;
    const uint64_t room = row.dst_capacity - offset;
    std::memcpy(reinterpret_cast<uint8_t *>(row.dst) + offset, held_, bytes < room ? bytes : room);
  }

  rtl_row *rows_ = nullptr;
  Share share_{};
  uint64_t beats_ = 0;
  uint8_t held_[kBeat];
};

} // namespace

class rtl_device {
public:
  rtl_device() : model_(&context_) {
    model_.eval(); /* the only one that sets up what is there before the first clock */
    reset();
  }

  void reset() {
    model_.in_valid = 0;
    model_.out_ready = 0;
    model_.rst = 1;
    for (int clocks = 0; clocks < 4; ++clocks)
      tick();
    model_.rst = 0;
    tick();
  }

  uint32_t engines() const { return model_.engines; }

  End run(rtl_row *rows, uint32_t count, const rtl_limits &limits, rtl_run_report *report) {
    const uint32_t engines = model_.engines;
    Source sources[kMostEngines];
    Sink sinks[kMostEngines];
    for (uint32_t engine = 0; engine < engines; ++engine) {
      const Share share{count, tag_, engines, engine < count ? engine : count};
      sources[engine] = Source(rows, share);
      sinks[engine] = Sink(rows, share);
    }
    uint32_t busy_engines = engines < count ? engines : count;
    /* Tags go on from run to run, so that what a core has left over is no answer to the next. */
    tag_ = static_cast<uint16_t>(tag_ + count + 1);
    const double ends = now() + limits.seconds;
    Pauses pauses(limits.stall_seed);
    bool offered = false;
    uint32_t target = 0;
    uint64_t clock = 0, busy = 0;
    End end = kDone;
    while (end == kDone && busy_engines != 0) {
      if (!offered && !pauses.next()) {
        target = next_engine(sources, target);
        offered = !sources[target].ended() && (engines == 1 || takes(target));
        if (offered) {
          uint8_t beat[kBeat];
          sources[target].beat(beat);
          std::memcpy(&model_.in_bits[0], beat, kBeat);
        }
      }
      model_.in_valid = offered << target;
      model_.out_ready = !pauses.next();
      const bool taken = offered && takes(target);
      const bool given = model_.out_valid && model_.out_ready;
      if (given) {
        Sink &sink = sinks[model_.out_engine];
        end = take(&sink);
        busy_engines -= model_.out_trailer && sink.ended();
      }
      tick();
      ++clock;
      if (taken) {
        sources[target].advance();
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
    report->row = count;
    for (uint32_t engine = 0; engine < engines; ++engine)
      if (sinks[engine].row() < report->row)
        report->row = sinks[engine].row();
    report->end = end;
    return end;
  }

private:
  bool takes(uint32_t engine) const { return (model_.in_ready >> engine & 1) != 0; }

  /* The next engine after `last` with beats left that takes one, or one that has some, or any. */
  uint32_t next_engine(const Source *sources, uint32_t last) const {
    const uint32_t engines = model_.engines;
    uint32_t found = last;
    for (uint32_t step = engines; step > 0; --step) {
      const uint32_t engine = (last + step) % engines;
      if (!sources[engine].ended() && (takes(engine) || sources[found].ended()))
        found = engine;
    }
    return found;
  }

  End take(Sink *sink) {
    uint8_t beat[kBeat];
    std::memcpy(beat, &model_.out_bits[0], kBeat);
    if (model_.out_trailer)
      return sink->trailer(beat);
    sink->result(beat);
    return kDone;
  }

  void tick() {
    model_.clk = !model_.clk;
    if (Vtop___024root___eval != nullptr)
      Vtop___024root___eval(model_.rootp);
    else
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

__attribute__((visibility("default"))) uint32_t rtl_engines(const rtl_device *device) {
  return device->engines();
}

__attribute__((visibility("default"))) void rtl_reset(rtl_device *device) { device->reset(); }

__attribute__((visibility("default"))) int32_t rtl_run(rtl_device *device, rtl_row *rows,
                                                       uint32_t count, const rtl_limits *limits,
                                                       rtl_run_report *report) {
  return device->run(rows, count, *limits, report);
}
}
