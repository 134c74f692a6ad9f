#pragma once
// Whose a record is, where the instant of its measurement is known to some uncertainty only: nobody's where that
// touches more than one wearer. Never a guess.

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "storage/rules/clock.hpp"

namespace wardlink::storage {

/// That patient wore the device, from `from` until before `until`.
struct Wear {
  std::string patient;
  Instant from;
  std::optional<Instant> until;  // nothing = still
};

/// A record that claimed to be measured so long after its reception, and was dated by that.
struct JumpedRecord {
  std::uint64_t tick_ms = 0;
  Instant measured_at;
  std::chrono::microseconds jump{};
};

/// Records of a start that are nobody's: they may be of any of the candidates.
struct Doubt {
  std::optional<Instant> anchor;  // that their ticks were counted from; nothing = any
  Instant since, until;           // of measured_at; before `until`
  std::vector<std::string> candidates;

  bool holds(std::uint64_t tick_ms, Instant measured_at) const {
    return since <= measured_at && measured_at < until && (!anchor || measured_at - counted(tick_ms) == *anchor);
  }
  bool operator==(const Doubt&) const = default;
};

/// What a person said of a start: what was measured from the first to the last of these ticks, and is in doubt, is that
/// patient's.
struct Settlement {
  std::uint64_t first_tick_ms = 0, last_tick_ms = 0;
  Instant since, until;  // of measured_at; before `until`
  std::string patient;   // empty = nobody wore the device

  bool holds(std::optional<std::uint64_t> tick_ms, Instant measured_at) const {
    return (!tick_ms || (first_tick_ms <= *tick_ms && *tick_ms <= last_tick_ms)) && since <= measured_at &&
           measured_at < until;
  }
};

/// The settlement of a record in doubt: the newest that holds it and names one of its candidates, or nobody. nullptr:
/// there is none. `settlements`: oldest first. Without a tick: by its instant.
const Settlement* settlement_of(std::span<const Settlement> settlements, std::optional<std::uint64_t> tick_ms,
                                Instant measured_at, const std::set<std::string>& candidates);

/// Ticks of a start, first and last, at which doubts overlap; a doubt of whatever anchor is at all of them.
struct DoubtfulTicks {
  std::uint64_t first_ms = 0, last_ms = 0;
  std::set<std::string> candidates;
  std::vector<Doubt> doubts;
};
/// By tick; no two overlap, and none goes on from where another of the same candidates ends.
std::vector<DoubtfulTicks> doubtful_ticks(std::span<const Doubt> doubts);

/// Where worn and not worn meet, so much is ignored, either way.
constexpr std::chrono::seconds ignored_unworn{2};

/// Instants [first, last] of a calendar that came before one that may have shown some instant, although they lie behind
/// that; or after it, although they lie before.
struct Disorder {
  std::uint64_t calendar;  // how often it had been set
  Instant first, last;
};
/// None where the calendar was never set back.
std::vector<Disorder> disordered_by(Instant at, std::span<const CalendarStep> steps);

/// What is nobody's of a start; also what was measured at instants that handovers of its device leave in disorder.
/// `wears`: of its device, by `from`; no two overlap. `jumped`: of the start. A start that was never dated is nobody's
/// altogether.
std::vector<Doubt> doubts_of(const ClockLine& line, std::span<const Wear> wears,
                             std::span<const JumpedRecord> jumped = {});

}  // namespace wardlink::storage
