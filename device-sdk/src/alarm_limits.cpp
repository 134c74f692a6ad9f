#include "alarm_limits.hpp"

#include <algorithm>
#include <utility>

namespace wardlink {

using Event = SequencedAlarm::Event;

std::vector<AlarmLimit> AlarmSettings::news2_extremes() {
  using Side = AlarmLimit::Side;
  const auto id = [](std::string_view wire) { return signs::find(wire)->id; };
  return {
      {Side::high, id("hr"), 131},   {Side::low, id("hr"), 40},    {Side::low, id("spo2"), 91},
      {Side::high, id("rr"), 25},    {Side::low, id("rr"), 8},     {Side::high, id("temp"), 39.1},
      {Side::low, id("temp"), 35.0}, {Side::high, id("sbp"), 220}, {Side::low, id("sbp"), 90},
  };
}

AlarmLimits::AlarmLimits(AlarmSettings settings)
    : settings_(std::move(settings)), conditions_(settings_.limits.size()) {}

bool AlarmLimits::reaches(const AlarmLimit& limit, double value) const {
  return limit.side == AlarmLimit::Side::high ? value >= limit.threshold : value <= limit.threshold;
}

bool AlarmLimits::contradicts(const AlarmLimit& limit, double value) const {
  if (limit.side == AlarmLimit::Side::high) return value < limit.threshold * (1 - settings_.hysteresis);
  return value > limit.threshold * (1 + settings_.hysteresis);
}

void AlarmLimits::sample(signs::SignId sign, std::uint64_t tick_ms, double value, std::vector<Transition>& out) {
  // What stands comes first, so that a value that jumps from one band into another ends one alarm before the next.
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    auto& condition = conditions_[i];
    if (settings_.limits[i].sign != sign || condition.state == Condition::State::none) continue;
    if (condition.seen_tick && tick_ms < *condition.seen_tick) continue;
    raise_if_due(i, tick_ms, out);
    if (contradicts(settings_.limits[i], value)) {
      end(i, out);
    } else {
      condition.last_tick = tick_ms;
      condition.last_value = value;
    }
  }
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    auto& condition = conditions_[i];
    if (settings_.limits[i].sign != sign || (condition.seen_tick && tick_ms < *condition.seen_tick)) continue;
    condition.seen_tick = tick_ms;
    if (condition.state != Condition::State::none || !reaches(settings_.limits[i], value)) continue;
    condition.state = Condition::State::pending;
    condition.onset_tick = condition.last_tick = tick_ms;
    condition.onset_value = condition.last_value = value;
    if (settings_.shortest_ms == 0) raise_if_due(i, tick_ms, out);
  }
}

void AlarmLimits::due(std::uint64_t tick_ms, std::vector<Transition>& out) {
  for (std::size_t i = 0; i < conditions_.size(); ++i) raise_if_due(i, tick_ms, out);
}

void AlarmLimits::conclude(std::uint64_t tick_ms, std::vector<Transition>& out) {
  due(tick_ms, out);
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    if (conditions_[i].state != Condition::State::none) end(i, out);
  }
}

std::optional<std::uint64_t> AlarmLimits::next_due() const {
  std::optional<std::uint64_t> next;
  for (const auto& condition : conditions_) {
    if (condition.state != Condition::State::pending) continue;
    const auto at = condition.onset_tick + settings_.shortest_ms;
    next = next ? std::min(*next, at) : at;
  }
  return next;
}

void AlarmLimits::raise_if_due(std::size_t index, std::uint64_t tick_ms, std::vector<Transition>& out) {
  auto& condition = conditions_[index];
  if (condition.state != Condition::State::pending) return;
  if (tick_ms < condition.onset_tick + settings_.shortest_ms) return;
  condition.state = Condition::State::raised;
  out.push_back({index, Event::raised, condition.onset_tick, condition.onset_value});
}

void AlarmLimits::end(std::size_t index, std::vector<Transition>& out) {
  auto& condition = conditions_[index];
  if (condition.state == Condition::State::raised) {
    out.push_back({index, Event::ended, condition.last_tick, condition.last_value});
  }
  condition.state = Condition::State::none;
}

}  // namespace wardlink
