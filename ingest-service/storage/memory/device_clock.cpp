// What is known of a device's clock.

#include <algorithm>

#include "storage/memory/memory_store.hpp"
#include "storage/memory/tables.hpp"
#include "storage/rules/start_clock.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;

KnownStart known(const Tables& tables, std::int64_t device_id, std::uint64_t boot, std::optional<Instant> registered) {
  const auto& start = tables.starts.at({device_id, boot});
  return {.boot = boot,
          .ordinal = start.session->ordinal,
          .registered_at = registered,
          .readings = std::min(start.line.read().size(), most_counted_readings),
          .line = start.line};
}

/// Late ones first, the newest last.
std::vector<Registered> registered_of(const Tables& tables, std::int64_t device_id) {
  const auto all = tables.registered.find(device_id);
  return all == tables.registered.end() ? std::vector<Registered>() : all->second;
}

std::vector<KnownStart> placed_starts(const Tables& tables, std::int64_t device_id) {
  std::vector<KnownStart> starts;
  for (const auto& each : registered_of(tables, device_id))
    if (!each.late) starts.push_back(known(tables, device_id, each.boot, each.at));
  std::ranges::reverse(starts);
  return starts;
}

/// What is posted by hand is of no start: it has ticks of the calendar, or a clock that was read though nothing
/// registered.
std::vector<KnownStart> unplaced_starts(const Tables& tables, std::int64_t device_id) {
  const auto registered = registered_of(tables, device_id);
  std::vector<std::pair<Instant, KnownStart>> found;
  for (auto start = tables.starts.lower_bound({device_id, 0});
       start != tables.starts.end() && start->first.first == device_id; ++start) {
    const auto boot = start->first.second;
    const auto at = std::ranges::find(registered, boot, &Registered::boot);
    const bool is_in = at != registered.end();
    if (is_in ? !at->late : start->second.line.is_dated()) continue;
    found.emplace_back(start->second.first_seen_at,
                       known(tables, device_id, boot, is_in ? std::optional(at->at) : std::nullopt));
  }
  std::ranges::sort(found, std::ranges::greater{},
                    [](const auto& each) { return std::pair(each.first, each.second.boot); });
  std::vector<KnownStart> starts;
  for (auto& [first_seen_at, start] : found) starts.push_back(std::move(start));
  return starts;
}

std::vector<Instant> times_of_day(const Tables& tables, std::int64_t device_id) {
  std::vector<Instant> times;
  for (const auto& each : registered_of(tables, device_id))
    if (!each.late && each.at > tables.now() - std::chrono::days{1}) times.push_back(each.at);
  std::ranges::reverse(times);
  return times;
}

}  // namespace

DeviceClock MemoryStore::device_clock(const Scope& scope, const std::string& urn) {
  device(scope, urn);  // or it is not the caller's to see
  const std::lock_guard lock(tables_->mutex);
  const auto device_id = tables_->devices.at(urn).id;
  DeviceClock clock{.urn = urn, .read_at = tables_->now()};
  std::vector<NotedStep> steps;
  for (const auto& step : tables_->calendar_steps) steps.push_back({step.shown, step.jump()});
  tell_starts(clock, placed_starts(*tables_, device_id), unplaced_starts(*tables_, device_id), steps);
  tell_day(clock, times_of_day(*tables_, device_id));
  return clock;
}

}  // namespace wardlink::storage
