#pragma once
// The evaluator of alarm limits: samples in, transitions out. Pure: no clock, no numbering; one condition a limit.
//
// Samples of a sign are judged in the order in which they are given, whatever their ticks. A sample rises where its
// tick is above that of the sign's sample before it; the first one does. While ticks rise:
//   a condition is pending from the first sample at or beyond the threshold on, raised once it has stood for the
//   shortest duration, and ended, or forgotten where it was not raised, by the first sample that contradicts it.
// A sample that does not rise (a late one, a counter that restarts or wraps, a tick given twice):
//   at or beyond the threshold, raises at once what is not raised;
//   else ends nothing and forgets nothing;
//   and what stands, or is raised by it, is disordered from then on: only samples that contradict it, one after the
//   other, for the shortest duration, end or forget it.
// A duration is a sum of rises from sample to sample. The rise from a tick that went back is not counted: it may only
// return from one late sample to the others. A tick given twice counts nothing and interrupts nothing.

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "wardlink/limits.hpp"

namespace wardlink {

class AlarmLimits {
 public:
  /// A condition began or ended. `limit` is an index into settings().limits.
  struct Transition {
    std::size_t limit;
    SequencedAlarm::Event event;
    /// Raised: of the first sample, in the order given, at or beyond the threshold. Ended: the highest of the samples
    /// from the onset on that did not contradict it, so never before the onset.
    std::uint64_t tick_ms;
    double value;  // at tick_ms
    friend bool operator==(const Transition&, const Transition&) = default;
  };

  explicit AlarmLimits(AlarmSettings settings);

  /// One value of one sign, given when the device's clock is `clock`. Ends come before onsets; of one limit, an onset
  /// before its end.
  void sample(signs::SignId sign, std::uint64_t tick_ms, double value, std::uint64_t clock,
              std::vector<Transition>& out);
  /// Raises what has stood uncontradicted for the shortest duration: between two samples the device's clock counts,
  /// from when the sign's last one was given.
  void due(std::uint64_t clock, std::vector<Transition>& out);
  /// The measuring ends: raises what is due, be it by the clock or by `tick_ms`, that of the last sample of any sign;
  /// ends what stands, forgets what was not raised.
  void conclude(std::uint64_t tick_ms, std::uint64_t clock, std::vector<Transition>& out);

  /// In so many ms due() has something to do, if nothing contradicts it before.
  std::optional<std::uint64_t> due_in(std::uint64_t clock) const;
  const AlarmSettings& settings() const { return settings_; }

 private:
  struct Condition {
    enum class State : std::uint8_t { none, pending, raised } state = State::none;
    std::uint64_t onset_tick = 0, last_tick = 0;
    double onset_value = 0, last_value = 0;  // last: the highest tick inside the band
    std::uint64_t stood_ms = 0;              // pending: up to the sign's last sample
    bool disordered = false;                 // a sample did not rise since the onset
    std::optional<std::uint64_t> calm_ms;    // disordered: contradicted by each sample for so long
  };
  /// The sign's last sample.
  struct Last {
    std::uint64_t tick_ms, clock;
    bool went_back;  // from the one before it, or from that one's equal
  };
  /// How a sample follows its sign's last one.
  struct Step {
    bool rises, falls;         // neither: the tick is the same
    std::uint64_t counted_ms;  // of the rise
  };

  bool reaches(const AlarmLimit& limit, double value) const;
  bool contradicts(const AlarmLimit& limit, double value) const;
  Step step_to(signs::SignId sign, std::uint64_t tick_ms, std::uint64_t clock);
  void judge_standing(std::size_t index, std::uint64_t tick_ms, double value, Step step, std::vector<Transition>& out);
  bool ends(Condition& condition, Step step) const;
  void begin(std::size_t index, std::uint64_t tick_ms, double value, Step step, std::vector<Transition>& out);
  void raise(std::size_t index, std::vector<Transition>& out);
  void end(std::size_t index, std::vector<Transition>& out);
  std::uint64_t stood(std::size_t index, std::uint64_t clock) const;
  bool is_due(std::size_t index, std::uint64_t stood_ms) const;

  AlarmSettings settings_;
  std::vector<Condition> conditions_;   // one a limit, in their order
  std::map<signs::SignId, Last> last_;  // of the signs that have a limit
};

}  // namespace wardlink
