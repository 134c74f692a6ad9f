#include "storage/rules/calendar_step.hpp"

#include "storage/rules/text.hpp"

namespace wardlink::storage {
namespace {

using std::chrono::microseconds;

constexpr microseconds tolerance = std::chrono::seconds{1};
constexpr int drift = 2'000;  // one part of so many: 500 ppm

/// 3600, or 0.5.
std::string seconds_of(microseconds time) {
  const auto whole = std::to_string(time / std::chrono::seconds{1});
  auto rest = std::to_string(std::chrono::floor<std::chrono::milliseconds>(time) % std::chrono::seconds{1} /
                             std::chrono::milliseconds{1});
  if (rest == "0") return whole;
  rest.insert(0, 3 - rest.size(), '0');
  return whole + "." + rest;
}

}  // namespace

/// What the calendar may show lies in a span: the one kept, wider by the drift. It is narrowed to what the reading
/// says, and where the reading lies outside, to the nearest that the drift explains.
CalendarComparison compare(const CalendarReading& kept, const CalendarReading& reading) {
  const auto since = std::chrono::abs(reading.at - kept.at);
  const auto expected = kept.instant_of(reading.at);
  const auto low = expected - kept.uncertainty - since / drift, high = expected + kept.uncertainty + since / drift;
  const auto from = reading.calendar - reading.uncertainty, to = reading.calendar + reading.uncertainty;
  if (from > high + tolerance || to < low - tolerance)
    return {reading,
            CalendarStep{expected, reading.calendar, since, kept.uncertainty + reading.uncertainty + since / drift}};
  const auto begin = std::clamp(from, low, high), end = std::clamp(to, low, high);
  return {{begin + (end - begin) / 2, reading.at, (end - begin) / 2}, {}};
}

std::vector<CalendarChange> changes_of(const CalendarReading& kept, std::span<const CalendarStep> steps) {
  std::vector<CalendarChange> changes;
  auto calendar = kept.calendar;  // what it would show, had the later ones not been
  auto uncertainty = kept.uncertainty;
  for (std::size_t i = steps.size(); i > 0; --i) {
    const auto& step = steps[i - 1];
    const auto ago = std::max(calendar - step.shown, microseconds{0}), doubt = ago / drift;
    const auto found = kept.at - ago;
    const CalendarReading after{step.shown + doubt, found + doubt, uncertainty + doubt};
    uncertainty += step.uncertainty;
    changes.push_back(
        {{step.expected - step.since - doubt, found - step.since - doubt, uncertainty + doubt}, after, i});
    calendar -= step.jump();
  }
  std::ranges::reverse(changes);
  return changes;
}

std::string detail_of(const CalendarStep& step, std::span<const AssignmentRow> touched, std::size_t all) {
  std::string text = std::string("The database's calendar was set ") + (step.jump().count() > 0 ? "forward" : "back") +
                     " by " + seconds_of(std::chrono::abs(step.jump())) + " s: instants from " +
                     to_text_of_instant(step.first()) + " to " + to_text_of_instant(step.last()) +
                     " may mean either; set it right, and see who wore what then";
  if (touched.empty()) return text + " (no assignment began or ended).";
  text += ":";
  for (const auto& each : touched) text += " devices/" + each.device + " on patients/" + each.patient + ",";
  if (all > touched.size()) return text + " and " + std::to_string(all - touched.size()) + " more.";
  text.back() = '.';
  return text;
}

}  // namespace wardlink::storage
