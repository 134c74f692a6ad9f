#include "client/reconciliation.hpp"

#include <bit>
#include <charconv>

#include "client/alarm_text.hpp"
#include "client/table.hpp"

namespace wardlink::command_line {
namespace {

/// IEEE equality of bits: 0 and -0 differ, 37.6 and the double next to it differ.
bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

bool same(const std::optional<double>& a, bool has_b, double b) {
  return a.has_value() == has_b && (!has_b || same(*a, b));
}

bool same_condition(const JournaledAlarm& generated, const v1::Alarm& alarm) {
  return generated.code == alarm.code() && generated.sign == alarm.sign() &&
         generated.kind == kind_text(alarm.kind()) && generated.priority == static_cast<int>(alarm.priority());
}

struct AlarmName {
  std::string stream;
  std::uint64_t sequence = 0;
};

/// devices/{urn}/alarms/{boot}-{stream}-{sequence}
std::optional<AlarmName> parse_alarm_name(const std::string& name) {
  const auto slash = name.rfind('/');
  const auto last = name.rfind('-');
  const auto first = slash == std::string::npos ? slash : name.find('-', slash);
  if (first == std::string::npos || last <= first) return {};
  AlarmName parsed{name.substr(first + 1, last - first - 1), 0};
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + last + 1, end, parsed.sequence);
  if (error != std::errc{} || rest != end) return {};
  return parsed;
}

bool of_the_device(const std::string& stream) {
  return stream == "alarms" || stream == std::to_string(static_cast<int>(v1::STREAM_ALARMS));
}

}  // namespace

void Tally::add(const Tally& other) {
  generated += other.generated;
  stored += other.stored;
  missing += other.missing;
  extra += other.extra;
  differing += other.differing;
}

void ReconciliationResult::add(const ReconciliationResult& other) {
  sets.add(other.sets);
  values.add(other.values);
  alarms.add(other.alarms);
  alarm_ends.add(other.alarm_ends);
  acknowledged_missing += other.acknowledged_missing;
  for (const std::string& difference : other.differences) {
    if (differences.size() < most_differences) differences.push_back(difference);
  }
}

Reconciliation::Reconciliation(std::string device, const DeviceJournal& journal)
    : device_(std::move(device)), journal_(journal) {
  result_.sets.generated = journal.sets.size();
  for (const auto& [key, set] : journal.sets) result_.values.generated += set.signs.size();
  for (const auto& [key, alarm] : journal.alarms) {
    (alarm.ended ? result_.alarm_ends : result_.alarms).generated += 1;
    if (alarm.ended && alarm.onset != 0) end_of_[{key.first, alarm.onset}] = key;
  }
}

void Reconciliation::note(const char* what, const RecordKey& key, const std::string& difference) {
  if (result_.differences.size() >= ReconciliationResult::most_differences) return;
  result_.differences.push_back(device_ + " boot " + std::to_string(key.first) + " " + what + " " +
                                std::to_string(key.second) + ": " + difference);
}

void Reconciliation::stored(const v1::MeasurementSet& set) {
  if (set.stream() != v1::STREAM_VITALS) return;
  const RecordKey key{set.boot(), set.sequence()};
  const auto values = static_cast<std::uint64_t>(set.readings_size());
  result_.sets.stored += 1;
  result_.values.stored += values;
  const auto generated = journal_.sets.find(key);
  if (generated == journal_.sets.end() || !sets_met_.insert(key).second) {
    result_.sets.extra += 1;
    result_.values.extra += values;
    note("set", key, generated == journal_.sets.end() ? "stored, but never generated" : "stored twice");
    return;
  }
  compare(key, generated->second, set);
}

void Reconciliation::compare(const RecordKey& key, const JournaledSet& generated, const v1::MeasurementSet& set) {
  std::string difference;
  if (generated.tick_ms != set.tick_ms()) {
    difference += " tick " + std::to_string(generated.tick_ms) + " stored as " + std::to_string(set.tick_ms());
  }
  std::set<std::string> met;
  for (const v1::Reading& reading : set.readings()) {
    const auto value = generated.signs.find(reading.sign());
    if (value == generated.signs.end() || !met.insert(reading.sign()).second) {
      result_.values.extra += 1;
      difference += " " + reading.sign() + " stored, but not generated";
    } else if (!same(value->second, reading.value())) {
      result_.values.differing += 1;
      difference +=
          " " + reading.sign() + " " + number_text(value->second) + " stored as " + number_text(reading.value());
    }
  }
  for (const auto& [sign, value] : generated.signs) {
    if (met.contains(sign)) continue;
    result_.values.missing += 1;
    difference += " " + sign + " missing";
  }
  if (difference.empty()) return;
  result_.sets.differing += 1;
  note("set", key, difference.substr(1));
}

void Reconciliation::stored(const v1::Alarm& alarm) {
  const auto name = parse_alarm_name(alarm.name());
  if (name && !of_the_device(name->stream)) return;
  const RecordKey key{alarm.boot(), name ? name->sequence : 0};
  if (!alarm.has_start_tick_ms()) return stored_end(key, alarm);
  stored_onset(key, alarm);
  if (!alarm.has_end_tick_ms()) return;
  const auto end = end_of_.find(key);
  stored_end(end == end_of_.end() ? RecordKey{key.first, 0} : end->second, alarm);
}

void Reconciliation::stored_onset(const RecordKey& key, const v1::Alarm& alarm) {
  result_.alarms.stored += 1;
  const auto found = journal_.alarms.find(key);
  if (found == journal_.alarms.end() || found->second.ended || !alarms_met_.insert(key).second) {
    result_.alarms.extra += 1;
    return note("alarm", key, alarm.code() + " stored, but never raised, or stored twice");
  }
  const JournaledAlarm& generated = found->second;
  if (!same_condition(generated, alarm) || generated.tick_ms != alarm.start_tick_ms() ||
      !same(generated.value, alarm.has_value(), alarm.value()) ||
      !same(generated.limit, alarm.has_limit(), alarm.limit())) {
    result_.alarms.differing += 1;
    note("alarm", key, generated.code + " stored with other content");
  }
}

void Reconciliation::stored_end(const RecordKey& key, const v1::Alarm& alarm) {
  result_.alarm_ends.stored += 1;
  const auto found = journal_.alarms.find(key);
  if (found == journal_.alarms.end() || !found->second.ended || !alarms_met_.insert(key).second) {
    result_.alarm_ends.extra += 1;
    return note("alarm", key, alarm.code() + ": an end stored that was never generated, or twice");
  }
  if (found->second.tick_ms != alarm.end_tick_ms() || !same_condition(found->second, alarm)) {
    result_.alarm_ends.differing += 1;
    note("alarm", key, found->second.code + ": its end stored with other content");
  }
}

void Reconciliation::missing_alarm(const RecordKey& key, const JournaledAlarm& alarm) {
  (alarm.ended ? result_.alarm_ends : result_.alarms).missing += 1;
  const bool acknowledged = journal_.acknowledged.contains(key);
  if (acknowledged) result_.acknowledged_missing += 1;
  note("alarm", key,
       alarm.code + (alarm.ended ? " ended" : " raised") + (acknowledged ? ", ACKNOWLEDGED" : "") + " and not stored");
}

ReconciliationResult Reconciliation::finish() {
  for (const auto& [key, alarm] : journal_.alarms) {
    if (!alarms_met_.contains(key)) missing_alarm(key, alarm);
  }
  for (const auto& [key, set] : journal_.sets) {
    if (sets_met_.contains(key)) continue;
    result_.sets.missing += 1;
    result_.values.missing += set.signs.size();
    note("set", key, "not stored");
  }
  return std::move(result_);
}

}  // namespace wardlink::command_line
