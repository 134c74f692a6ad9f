#include "storage/api/told.hpp"

#include <algorithm>
#include <iterator>

#include "storage/wire/instants.hpp"

namespace wardlink::storage {
namespace {

std::chrono::microseconds drift(std::chrono::microseconds passed) {
  return std::chrono::abs(passed) / 5'000;
}  // 200 ppm

}  // namespace

/// Where no calendar of ours holds its tick 0, all that is dated by it lies in the future, and is flagged.
AttachRequest Told::dated(const CalendarReading& reading, std::uint64_t calendar) const {
  auto dated = request;
  dated.calendar = calendar;
  if (exchanged_at) dated.anchor = before(reading.instant_of(*exchanged_at), request.tick_ms);
  dated.uncertainty += reading.uncertainty;
  dated.registered_at = reading.instant_of(registered_at);
  return dated;
}

/// As if the device's clock had been read with the calendar, or so much before it (`side` -1) or after it (1) as that
/// may be wrong by. No earlier than the start began.
AttachRequest Told::dated_then(const CalendarReading& reading, std::uint64_t calendar, int side) const {
  auto then = dated(reading, calendar);
  then.read_at_tick = request.tick_ms;
  then.uncertainty += drift(reading.at - *exchanged_at);
  const auto since =
      std::chrono::floor<std::chrono::milliseconds>(reading.at - *exchanged_at + side * then.uncertainty);
  const auto tick = static_cast<std::int64_t>(request.tick_ms) + since.count();
  then.tick_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(tick, 0));
  return then;
}

std::vector<AttachRequest> Told::dated_about(std::span<const CalendarChange> changes) const {
  std::vector<AttachRequest> all;
  const auto began = *exchanged_at - std::chrono::milliseconds{request.tick_ms};
  for (const auto& change : changes) {
    if (change.after.at <= began) continue;
    all.push_back(dated_then(change.before, change.number - 1, -1));
    all.push_back(dated_then(change.after, change.number, 1));
  }
  return all;
}

std::vector<AttachRequest> Told::dated(std::span<const CalendarChange> changes, const CalendarReading& reading) const {
  const std::uint64_t last = changes.empty() ? 0 : changes.back().number;
  if (!exchanged_at) return {dated(reading, last)};
  const auto is_over = [&](const CalendarChange& each) { return each.after.at <= *exchanged_at; };
  const auto next = std::ranges::partition_point(changes, is_over);
  auto all = dated_about({changes.begin(), next});
  if (next == changes.end())
    all.push_back(dated(reading, last));
  else
    all.push_back(dated(next->before, next->number - 1));
  std::ranges::move(dated_about({next, changes.end()}), std::back_inserter(all));
  for (auto& each : all) each.registered_at = reading.instant_of(registered_at);
  return all;
}

}  // namespace wardlink::storage
