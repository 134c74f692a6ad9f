#pragma once
// The evaluator of alarm limits: samples in, transitions out. Pure: no clock, no numbering; one condition a limit.

#include <cstdint>
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
    std::uint64_t tick_ms;  // raised: of the onset; ended: of the last sample inside the band
    double value;           // at tick_ms
    friend bool operator==(const Transition&, const Transition&) = default;
  };

  explicit AlarmLimits(AlarmSettings settings);

  /// One value of one sign. A sample older than the sign's last one changes nothing. Ends come before onsets.
  void sample(signs::SignId sign, std::uint64_t tick_ms, double value, std::vector<Transition>& out);
  /// Raises what has stood uncontradicted for the shortest duration by now.
  void due(std::uint64_t tick_ms, std::vector<Transition>& out);
  /// The measuring ends at `tick_ms`: raises what is due, ends what stands, forgets what was not raised.
  void conclude(std::uint64_t tick_ms, std::vector<Transition>& out);

  /// The tick at which due() has something to do, if nothing contradicts it before.
  std::optional<std::uint64_t> next_due() const;
  const AlarmSettings& settings() const { return settings_; }

 private:
  struct Condition {
    enum class State : std::uint8_t { none, pending, raised } state = State::none;
    std::uint64_t onset_tick = 0, last_tick = 0;
    double onset_value = 0, last_value = 0;  // last: inside the band
    std::optional<std::uint64_t> seen_tick;  // of the sign's newest sample
  };

  bool reaches(const AlarmLimit& limit, double value) const;
  bool contradicts(const AlarmLimit& limit, double value) const;
  void raise_if_due(std::size_t index, std::uint64_t tick_ms, std::vector<Transition>& out);
  void end(std::size_t index, std::vector<Transition>& out);

  AlarmSettings settings_;
  std::vector<Condition> conditions_;  // one a limit, in their order
};

}  // namespace wardlink
