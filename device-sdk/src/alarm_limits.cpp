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

AlarmLimits::Step AlarmLimits::step_to(signs::SignId sign, std::uint64_t tick_ms, std::uint64_t clock) {
  const auto [at, first] = last_.try_emplace(sign, Last{tick_ms, clock, false});
  if (first) return {true, false, 0};
  const auto before = at->second;
  const bool rises = tick_ms > before.tick_ms, falls = tick_ms < before.tick_ms;
  at->second = {tick_ms, clock, falls || (!rises && before.went_back)};
  return {rises, falls, rises && !before.went_back ? tick_ms - before.tick_ms : 0};
}

void AlarmLimits::sample(signs::SignId sign, std::uint64_t tick_ms, double value, std::uint64_t clock,
                         std::vector<Transition>& out) {
  const auto step = step_to(sign, tick_ms, clock);
  // What stands comes first, so that a value that jumps from one band into another ends one alarm before the next.
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    if (settings_.limits[i].sign == sign && conditions_[i].state != Condition::State::none)
      judge_standing(i, tick_ms, value, step, out);
  }
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    const auto& limit = settings_.limits[i];
    if (limit.sign == sign && conditions_[i].state == Condition::State::none && reaches(limit, value))
      begin(i, tick_ms, value, step, out);
  }
}

void AlarmLimits::judge_standing(std::size_t index, std::uint64_t tick_ms, double value, Step step,
                                 std::vector<Transition>& out) {
  auto& condition = conditions_[index];
  const auto& limit = settings_.limits[index];
  const bool contradicted = contradicts(limit, value);
  if (!(contradicted && condition.calm_ms)) condition.stood_ms += step.counted_ms;
  condition.disordered = condition.disordered || !step.rises;
  const bool at_once = condition.state == Condition::State::pending && !step.rises && reaches(limit, value);
  if (at_once || is_due(index, condition.stood_ms)) raise(index, out);
  if (contradicted) {
    if (ends(condition, step)) end(index, out);
    return;
  }
  condition.calm_ms.reset();
  if (tick_ms < condition.last_tick) return;
  condition.last_tick = tick_ms;
  condition.last_value = value;
}

/// Whether a sample that contradicts the condition ends it.
bool AlarmLimits::ends(Condition& condition, Step step) const {
  if (step.falls) condition.calm_ms.reset();
  if (!step.rises) return false;
  if (!condition.disordered) return true;
  condition.calm_ms = condition.calm_ms ? *condition.calm_ms + step.counted_ms : 0;
  return *condition.calm_ms >= settings_.shortest_ms;
}

void AlarmLimits::begin(std::size_t index, std::uint64_t tick_ms, double value, Step step,
                        std::vector<Transition>& out) {
  auto& condition = conditions_[index];
  condition = {};
  condition.state = Condition::State::pending;
  condition.onset_tick = condition.last_tick = tick_ms;
  condition.onset_value = condition.last_value = value;
  condition.disordered = !step.rises;
  if (!step.rises || settings_.shortest_ms == 0) raise(index, out);
}

/// By `clock`, which counts from the sign's last sample on, unless that contradicted the condition.
std::uint64_t AlarmLimits::stood(std::size_t index, std::uint64_t clock) const {
  const auto& condition = conditions_[index];
  const auto given_at = last_.at(settings_.limits[index].sign).clock;
  return condition.stood_ms + (!condition.calm_ms && clock > given_at ? clock - given_at : 0);
}

bool AlarmLimits::is_due(std::size_t index, std::uint64_t stood_ms) const {
  return conditions_[index].state == Condition::State::pending && stood_ms >= settings_.shortest_ms;
}

void AlarmLimits::due(std::uint64_t clock, std::vector<Transition>& out) {
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    if (conditions_[i].state != Condition::State::none && is_due(i, stood(i, clock))) raise(i, out);
  }
}

void AlarmLimits::conclude(std::uint64_t tick_ms, std::uint64_t clock, std::vector<Transition>& out) {
  due(clock, out);
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    const auto& condition = conditions_[i];
    if (condition.state == Condition::State::none) continue;
    const auto last = last_.at(settings_.limits[i].sign).tick_ms;
    const auto rest_ms = !condition.calm_ms && tick_ms > last ? tick_ms - last : 0;
    if (is_due(i, condition.stood_ms + rest_ms)) raise(i, out);
    end(i, out);
  }
}

std::optional<std::uint64_t> AlarmLimits::due_in(std::uint64_t clock) const {
  std::optional<std::uint64_t> next;
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    if (conditions_[i].state != Condition::State::pending || conditions_[i].calm_ms) continue;
    const auto left_ms = settings_.shortest_ms - std::min(stood(i, clock), settings_.shortest_ms);
    next = std::min(next.value_or(left_ms), left_ms);
  }
  return next;
}

void AlarmLimits::raise(std::size_t index, std::vector<Transition>& out) {
  auto& condition = conditions_[index];
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
