#pragma once
// One waveform on its way out: samples in, runs of them out, each short enough for one datagram. Bounded; not
// thread-safe (the recorder locks it).

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "wardlink/waveform.hpp"

namespace wardlink {

class WaveformBuffer {
 public:
  /// `capacity`: whole runs kept unsent; beyond it the oldest is dropped and counted.
  WaveformBuffer(WaveformOptions options, std::size_t capacity);

  /// Of good options (Device checks them). `samples` as Device::waveform() has them; `clock`: the device's, now.
  void add(std::span<const double> samples, std::optional<std::uint64_t> tick_ms, std::uint64_t clock);
  /// The run under way is over; what comes next opens another one.
  void flush();

  /// The oldest, at most `most`, taken out.
  std::vector<SequencedRun> take(std::size_t most);
  /// Back to the front, in order.
  void give_back(std::vector<SequencedRun> runs);

  const WaveformOptions& options() const { return options_; }
  /// The newest whole run.
  const std::optional<SequencedRun>& latest() const { return latest_; }
  std::size_t waiting() const { return runs_.size(); }
  std::uint64_t generated() const { return last_sequence_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  double tick_of_next() const;
  void begin_at(double tick_ms);
  bool follows(std::uint64_t tick_ms) const;
  std::int16_t quantised(double value) const;
  void drop_surplus();

  WaveformOptions options_;
  std::size_t capacity_, samples_a_run_;
  std::deque<SequencedRun> runs_;
  std::vector<std::int16_t> open_;  // the run under way
  std::uint64_t open_tick_ = 0;
  bool begun_ = false;
  double origin_ms_ = 0;            // the tick from which samples are counted …
  std::uint64_t since_origin_ = 0;  // … so that no rounding adds up
  std::optional<SequencedRun> latest_;
  std::uint64_t last_sequence_ = 0, dropped_ = 0;
};

}  // namespace wardlink
