#include "storage/api/calendar_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "storage/rules/calendar_step.hpp"

namespace wardlink::storage {

void CalendarWatch::look() {
  const auto sight = store_.look_at_calendar(host_, clock_);
  if (sight.first) spdlog::error("the database's calendar was set: see the system alarm calendar_stepped");
  const locks::Lock lock(mutex_);
  if (sight.first) ++first_seen_;
  if (!last_ || sight.kept.at >= last_->kept.at) last_ = sight;
}

std::optional<std::uint64_t> CalendarWatch::steps_where_it_fits(const CalendarReading& reading) const {
  const locks::Lock lock(mutex_);
  if (!last_ || compare(last_->kept, reading).step) return std::nullopt;
  return last_->steps;
}

std::uint64_t CalendarWatch::check(const CalendarReading& reading) {
  if (const auto steps = steps_where_it_fits(reading)) return *steps;
  look();
  const locks::Lock lock(mutex_);
  return last_->steps;
}

void CalendarWatch::check(const std::function<Instant()>& calendar) {
  const auto before = clock_();
  const auto shown = calendar();
  const auto half = (clock_() - before) / 2;
  check({shown, before + half, half});
}

std::vector<CalendarChange> CalendarWatch::changes(std::uint64_t steps) const {
  const locks::Lock lock(mutex_);
  auto changes = last_->changes;
  changes.resize(std::min<std::size_t>(changes.size(), steps));
  return changes;
}

std::uint64_t CalendarWatch::first_seen() const {
  const locks::Lock lock(mutex_);
  return first_seen_;
}

}  // namespace wardlink::storage
