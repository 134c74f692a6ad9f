#include "contract/answers.hpp"

#include <set>
#include <sstream>
#include <thread>

namespace wardlink::storage::test {
namespace {

std::string text(Instant at) { return std::to_string(at.time_since_epoch().count()); }
template <typename Value>
std::string text(const std::optional<Value>& value) {
  if (!value) return "none";
  if constexpr (std::is_same_v<Value, Instant>)
    return text(*value);
  else
    return std::to_string(*value);
}

template <typename Row>
std::string key_of(const Row& row) {
  std::ostringstream out;
  out << row.device << " " << row.device_id << " boot " << row.boot << " stream " << static_cast<int>(row.stream)
      << " sequence " << row.sequence;
  return out.str();
}

template <typename Number>
std::string list_of(const std::vector<Number>& numbers) {
  std::ostringstream out;
  for (const auto number : numbers) out << " " << number;
  return out.str();
}

std::string text_of(std::optional<std::chrono::microseconds> length) {
  return " uncertainty " + (length ? std::to_string(length->count()) : "none");
}

std::string told(const ReadingRow& row) {
  return key_of(row) + " tick " + std::to_string(row.tick_ms) + " measured " + text(row.measured_at) + " received " +
         text(row.received_at) + " signs" + list_of(row.set.signs) + " values" + list_of(row.set.values) +
         " qualities" + list_of(row.set.qualities) + text_of(row.uncertainty) + "\n";
}

std::string told(const RunRow& row) {
  std::ostringstream out;
  out << key_of(row) << " tick " << row.tick_ms << " measured " << text(row.measured_at) << " received "
      << text(row.received_at) << " rate " << row.run.rate_samples << "/" << row.run.rate_seconds << " scale "
      << row.run.scale << " offset " << row.run.offset << " samples " << row.run.samples.size() / 2 << " "
      << std::hash<std::string>()(row.run.samples) << text_of(row.uncertainty) << "\n";
  return out.str();
}

std::string told(const AlarmCondition& row) {
  std::ostringstream out;
  out << key_of(row) << " of " << row.patient << " " << row.patient_name << " kind " << static_cast<int>(row.kind)
      << " priority " << static_cast<int>(row.priority) << " " << row.code << " sign " << row.sign << " limit "
      << text(row.limit) << " value " << text(row.value) << " start " << text(row.start) << " end " << text(row.end)
      << " ticks " << text(row.start_tick_ms) << " " << text(row.end_tick_ms) << " received " << text(row.received_at)
      << " state " << static_cast<int>(row.state()) << " by " << row.acknowledged_by << " ended by "
      << static_cast<int>(row.end_cause.value_or(AlarmEndCause{})) << " " << row.ended_by << " " << row.end_reason
      << " origin " << (row.origin ? row.origin->sequence : 0) << text_of(row.uncertainty)
      << (row.unattributed ? " nobody's" : "") << "\n";
  return out.str();
}

std::string told(const AggregateRow& row) {
  std::ostringstream out;
  out << "bucket " << row.bucket << " sign " << row.sign << " min " << text(row.min) << " mean " << text(row.mean)
      << " max " << text(row.max) << " count " << row.count << " implausible " << row.implausible << " seconds "
      << row.seconds << " of all " << row.all_min << " " << row.all_mean << " " << row.all_max << " " << row.all_seconds
      << "\n";
  return out.str();
}

std::string told(const LatestRow& row) {
  std::ostringstream out;
  out << row.device << " " << row.device_id << " of " << row.patient << " " << row.patient_name << " received "
      << text(row.last_received_at) << " open " << row.open_alarms << " read " << text(row.read_at) << "\n";
  for (const auto& value : row.values)
    out << "  sign " << value.sign << " = " << value.value << " quality " << value.quality << " at "
        << text(value.measured_at) << text_of(value.uncertainty) << " jump" << text_of(value.clock_jump) << "\n";
  for (const auto& alarm : row.alarms) out << "  " << told(alarm);
  return out.str();
}

std::string told(const LiveEvent& event) {
  std::ostringstream out;
  out << static_cast<int>(event.at.kind) << " device " << event.at.device_id << " boot " << event.at.boot << " stream "
      << static_cast<int>(event.at.stream) << " sequence " << event.at.sequence << (event.late ? " late " : " ")
      << event.device << " of " << event.patient << " " << event.patient_name << " in " << event.ward << ": ";
  if (const auto* set = std::get_if<ReadingRow>(&event.body)) out << told(*set);
  if (const auto* run = std::get_if<RunRow>(&event.body)) out << told(*run);
  if (const auto* change = std::get_if<AlarmChange>(&event.body)) {
    out << static_cast<int>(change->kind) << " ";
    if (change->kind != AlarmChange::Kind::acknowledged) out << text(change->at) << " ";
    out << told(change->alarm);
  }
  if (const auto* change = std::get_if<AttributionChange>(&event.body))
    out << (change->believed ? "believed " : "no longer ") << test::told(change->assignment);
  return out.str();
}

/// All pages of a query that goes on by its `after`.
template <typename Query, typename Ask>
std::string pages(Query query, Ask&& ask) {
  std::string all;
  for (;;) {
    const auto page = ask(query);
    for (const auto& row : page) all += told(row);
    if (!page.next) return all;
    query.after = page.next;
  }
}

}  // namespace

std::string told(const AssignmentRow& row) {
  return row.device + " on " + row.patient + " from " + text(row.held_from) + " until " + text(row.held_until) +
         " by " + row.recorded_by + "\n";
}

std::string told(const std::vector<AlarmCondition>& conditions) {
  std::string all;
  for (const auto& condition : conditions) all += told(condition);
  return all;
}

std::string told(const std::vector<AuditFact>& facts) {
  std::ostringstream out;
  for (const auto& fact : facts) {
    out << fact.subject << " " << fact.method << " " << fact.granted << " " << fact.reason << " " << fact.count;
    for (const auto& resource : fact.resources) out << " " << resource;
    out << "\n";
  }
  return out.str();
}

std::string told_readings(RecordStore& store, ReadingsQuery query) {
  return pages(std::move(query), [&](const ReadingsQuery& asked) { return store.readings(asked); });
}

std::string told_alarms(RecordStore& store, AlarmsQuery query) {
  return pages(std::move(query), [&](const AlarmsQuery& asked) { return store.alarms(asked); });
}

std::string told_quarantine(RecordStore& store, QuarantineQuery query) {
  std::multiset<std::string> rows;
  for (;;) {
    const auto page = store.quarantine(query);
    for (const auto& row : page) {
      std::ostringstream out;
      out << row.device << " boot " << row.boot << " stream " << static_cast<int>(row.stream) << " sequence "
          << row.sequence << " of " << row.patient << " " << row.patient_name << " " << row.reason << " "
          << row.resource << " received " << text(row.received_at) << " seen " << row.seen << " size " << row.size
          << " " << row.payload << "\n";
      rows.insert(out.str());
    }
    if (!page.next) break;
    query.after = page.next;
  }
  std::string all;
  for (const auto& row : rows) all += row;
  return all;
}

std::string told_runs(RecordStore& store, RunsQuery query) {
  std::string all = "until " + text(store.end_of_runs(query)) + "\n";
  for (;;) {
    const auto page = store.runs(query);
    if (page.empty()) return all;
    for (const auto& row : page) all += told(row);
    const auto& last = page.back();
    query.after = Position{last.measured_at, last.device_id, last.boot, last.stream, last.sequence};
  }
}

std::string told_aggregates(RecordStore& store, AggregatesQuery query) {
  std::string all;
  for (;;) {
    const auto page = store.aggregates(query);
    for (const auto& row : page) all += told(row);
    if (!page.next) return all;
    query.first_bucket = *page.next;
  }
}

std::string told_latest(RecordStore& store, const Scope& scope, const Subject& subject) {
  std::string all;
  for (std::optional<std::int64_t> after = 0; after;) {
    const auto page = store.latest(scope, subject, *after, 2);
    for (const auto& row : page) all += told(row);
    after = page.next;
  }
  return all;
}

std::string told_registry(RegistryStore& store, const Scope& scope) {
  std::string all;
  for (std::optional<std::string> after = ""; after;) {
    const auto page = store.devices(scope, *after, 2);
    for (const auto& row : page)
      all += row.urn + " on " + row.patient + " " + row.patient_name + " received " + text(row.last_received_at) + "\n";
    after = page.next;
  }
  for (std::optional<std::string> after = ""; after;) {
    const auto page = store.patients(scope, *after, 2);
    for (const auto& row : page) {
      all += row.id + " " + row.display_name + " in " + row.ward + " wears";
      for (const auto& device : row.devices) all += " " + device;
      all += "\n";
    }
    after = page.next;
  }
  return all;
}

std::string told_live(LiveStore& store, const Scope& scope) {
  const auto next = store.horizon().next;
  while (store.horizon().settled < next) std::this_thread::yield();
  LiveFilter filter;
  filter.scope = scope;
  filter.waveforms = true;
  std::string all;
  for (LivePosition after;;) {
    const auto page = store.live(filter, after, next, 5);
    for (const auto& event : page.events) all += told(event);
    if (page.complete) return all;
    after = page.events.back().at;
  }
}

std::string told_present(LiveStore& store, const Scope& scope) {
  LiveFilter filter;
  filter.scope = scope;
  std::string all;
  for (const auto& row : store.present(filter).latest) all += told(row);
  filter.sets = false;
  for (const auto& alarm : store.present(filter).alarms) all += told(alarm);
  return all;
}

}  // namespace wardlink::storage::test
