#include "storage/memory/writer.hpp"

#include <algorithm>

#include "storage/memory/batch.hpp"
#include "storage/memory/ends.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::memory {

namespace {

/// As the database's column takes it.
bool is_device(const std::string& urn) { return !urn.empty() && urn.size() <= 63 && is_text(urn); }

void give_place(std::shared_ptr<const Session>& session, std::uint64_t ordinal) {
  auto placed = *session;
  placed.ordinal = ordinal;
  session = std::make_shared<const Session>(std::move(placed));
}

/// With what the request knows of its clock.
std::shared_ptr<const Session> session_of(const Start& start, const AttachRequest& request) {
  auto session = *start.session;
  session.uncertainty = request.uncertainty;
  session.dated = start.line.is_dated();
  return std::make_shared<const Session>(std::move(session));
}

}  // namespace

Instant Writer::calendar() {
  const std::lock_guard lock(tables_.mutex);
  return tables_.now();
}

/// The start, begun where it is not there. Nothing: it cannot be kept.
Start* Writer::start_of(const AttachRequest& request) {
  if (!is_device(request.device)) return nullptr;
  const auto& device = tables_.device(request.device);
  auto& start = tables_.starts[{device.id, request.boot}];
  if (!start.session) {
    start.session = std::make_shared<const Session>(
        Session{.device_id = device.id, .device = device.urn, .boot = request.boot, .anchor = request.anchor});
    start.first_seen_at = tables_.now();
    tables_.renew_line(start, {});
    tables_.renew_doubts(device.id, start);
  }
  return &start;
}

/// Where a start is asked for twice, the later request says its clock.
std::vector<Attached> Writer::attach(std::span<const AttachRequest> requests) {
  const std::lock_guard lock(tables_.mutex);
  ++tables_.transactions;
  std::map<Start*, const AttachRequest*> readings;
  std::vector<Attached> attached(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto* start = start_of(requests[i]);
    if (!start) continue;
    attached[i].session = start->session;
    readings[start] = &requests[i];
    const auto& session = *start->session;
    for (auto state = tables_.streams.lower_bound({session.device_id, session.boot, Stream{}});
         state != tables_.streams.end() && state->first.device_id == session.device_id &&
         state->first.boot == session.boot;
         ++state)
      if (state->second.high > 0) attached[i].watermarks.emplace(state->first.stream, state->second.high);
  }
  std::set<std::int64_t> changed;
  for (const auto& [start, reading] : readings) {
    const auto news = start->line.taken_in(exchange_of(*reading, tables_.calendar_steps.size()));
    if (!news) continue;
    auto exchanges = start->line.exchanges();
    exchanges.push_back(*news);
    tables_.renew_line(*start, std::move(exchanges));
    tables_.renew_doubts(start->session->device_id, *start);
    changed.insert(start->session->device_id);
  }
  const auto registered = register_starts(requests, attached);
  changed.insert(registered.begin(), registered.end());
  if (!changed.empty()) {
    settle_devices(tables_, changed);
    for (const auto device : registered) raise_restarting(tables_, device);
    bell_.ring();
  }
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (const auto& known = attached[i].session)
      attached[i].session = session_of(tables_.starts.at({known->device_id, known->boot}), requests[i]);
  return attached;
}

/// As they registered. What earlier starts assert ends. One is late where a newer one is there already, unless that was
/// recorded later than now: then the calendar was set back meanwhile.
std::set<std::int64_t> Writer::register_starts(std::span<const AttachRequest> requests,
                                               std::span<const Attached> attached) {
  const auto now = tables_.now();
  std::map<std::int64_t, std::vector<Registered>> fresh;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& session = attached[i].session;
    if (!session || requests[i].by_hand) continue;
    const auto starts = tables_.registered.find(session->device_id);
    const auto is_in = [&](const std::vector<Registered>& all) {
      return std::ranges::find(all, session->boot, &Registered::boot) != all.end();
    };
    if (starts != tables_.registered.end() && is_in(starts->second)) continue;
    if (is_in(fresh[session->device_id])) continue;
    fresh[session->device_id].push_back({session->boot, std::min(requests[i].registered_at.value_or(now), now), now});
  }
  std::set<std::int64_t> devices;
  for (auto& [device, starts] : fresh) {
    if (starts.empty()) continue;
    devices.insert(device);
    auto& known = tables_.registered[device];
    const auto newest = known.empty() ? std::optional<Registered>() : known.back();
    std::ranges::stable_sort(starts, {}, &Registered::at);
    for (auto& start : starts) {
      start.late = newest && start.at < newest->at && newest->recorded_at <= now;
      if (!start.late) give_place(tables_.starts.at({device, start.boot}).session, ++tables_.registrations);
      known.insert(start.late ? known.begin() : known.end(), start);
    }
  }
  return devices;
}

std::vector<std::shared_ptr<const Session>> Writer::at_boots(std::span<const AttachRequest> requests) {
  const std::lock_guard lock(tables_.mutex);
  std::vector<std::shared_ptr<const Session>> sessions;
  for (const auto& request : requests) {
    const auto* start = start_of(request);
    sessions.push_back(start ? session_of(*start, request) : nullptr);
  }
  return sessions;
}

std::vector<RecordResult> Writer::append(std::span<const Record> records) {
  std::vector<const Record*> attached;
  for (const auto& record : records)
    if (record.session) attached.push_back(&record);
  const std::lock_guard lock(tables_.mutex);
  const auto written = attached.empty() ? std::vector<RecordResult>() : Batch(tables_, attached).write();
  std::vector<RecordResult> results(records.size(), RecordResult::not_attached);
  auto next = written.begin();
  for (std::size_t i = 0; i < records.size(); ++i)
    if (records[i].session) results[i] = *next++;
  bell_.ring();
  return results;
}

bool Writer::audit(std::span<const AuditFact> facts) {
  const std::lock_guard lock(tables_.mutex);
  for (const auto& fact : facts) tables_.add_audit(fact);
  return true;
}

}  // namespace wardlink::storage::memory
