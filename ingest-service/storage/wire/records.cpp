#include "storage/wire/records.hpp"

#include <algorithm>
#include <limits>

#include "signs/catalogue.hpp"
#include "signs/waveforms.hpp"
#include "storage/port/numbers.hpp"
#include "storage/wire/enums.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"

namespace wardlink::storage {
namespace {

template <typename Numbers>
bool fits_small(const Numbers& numbers) {
  return std::ranges::all_of(numbers, [](auto n) { return n <= std::numeric_limits<std::uint16_t>::max(); });
}

bool wanted(const std::vector<std::uint16_t>& signs, std::uint16_t sign) {
  return signs.empty() || std::ranges::find(signs, sign) != signs.end();
}

/// Nothing where the event, the kind or the priority is none that this version knows.
std::optional<AlarmFact> fact_of(const v1::AlarmFact& alarm) {
  const auto event = from_proto(alarm.event());
  const auto kind = from_proto(alarm.kind());
  const auto priority = from_proto(alarm.priority());
  if (!event || !kind || !priority) return std::nullopt;
  AlarmFact fact{
      *event, *kind, *priority, alarm.code(), static_cast<std::uint16_t>(alarm.sign()), {}, {}, alarm.onset_sequence()};
  if (alarm.has_value()) fact.value = alarm.value();
  if (alarm.has_limit()) fact.limit = alarm.limit();
  return fact;
}

decltype(Record::body) body_of(const v1::Record& message) {
  const auto stream = from_proto(message.stream());
  if (!stream || *stream == Stream::storage) return as_it_came(message, "wrong_stream");
  switch (message.body_case()) {
    case v1::Record::kSigns: {
      const auto& signs = message.signs();
      if (!fits_small(signs.sign()) || !fits_small(signs.quality())) return as_it_came(message, "unknown_sign");
      return MeasurementSet{{signs.sign().begin(), signs.sign().end()},
                            {signs.value().begin(), signs.value().end()},
                            {signs.quality().begin(), signs.quality().end()}};
    }
    case v1::Record::kAlarm: {
      const auto& alarm = message.alarm();
      if (alarm.sign() > std::numeric_limits<std::uint16_t>::max()) return as_it_came(message, "unknown_sign");
      if (auto fact = fact_of(alarm)) return *std::move(fact);
      return as_it_came(message, "bad_alarm");
    }
    case v1::Record::kQuarantined:
      return Unusable{message.quarantined().reason(), message.quarantined().resource(),
                      message.quarantined().payload()};
    case v1::Record::kWaveform: {
      const auto& run = message.waveform();
      return WaveformRun{run.rate_samples(), run.rate_seconds(), run.scale(), run.offset(), run.samples()};
    }
    case v1::Record::BODY_NOT_SET:
      break;
  }
  return as_it_came(message, "no_body");
}

/// What this version does not know may be the worst.
v1::AlarmPriority shown(AlarmPriority priority) {
  return known(priority) ? to_proto(priority) : v1::ALARM_PRIORITY_HIGH;
}

}  // namespace

Unusable as_it_came(const v1::Record& message, const char* reason) {
  return {reason, message.has_alarm() ? "alarms" : "", message.SerializeAsString()};
}

std::optional<Instant> anchor_of_own_boot(const v1::Record& message, const Record& record) {
  if (message.boot() >= (1ULL << 53)) return std::nullopt;
  return before(record.received_at, message.tick_ms());
}

Record record_of(const v1::Record& message, std::shared_ptr<const Session> session, Instant received_at) {
  Record record;
  record.session = std::move(session);
  record.stream = from_proto(message.stream()).value_or(Stream::vitals);
  record.sequence = message.sequence();
  record.tick_ms = message.tick_ms();
  record.received_at = received_at;
  record.body = body_of(message);
  return record;
}

std::string sign_name(std::uint16_t id) {
  const auto* sign = signs::find(id);
  return sign != nullptr ? std::string(sign->wire) : "sign-" + std::to_string(id);
}

std::string sign_unit(std::uint16_t id) {
  const auto* sign = signs::find(id);
  return sign != nullptr ? std::string(sign->ucum) : "";
}

bool implausible(std::uint16_t quality) { return (quality & 1) != 0; }

v1::Alarm to_proto(const AlarmCondition& alarm) {
  v1::Alarm message;
  const auto device = device_name(alarm.device);
  message.set_name(alarm_name({alarm.device, alarm.boot, alarm.stream, alarm.sequence}));
  message.set_patient(patient_name(alarm.patient));
  message.set_patient_display_name(alarm.patient_name);
  message.set_device(device);
  message.set_kind(to_proto(alarm.kind));
  message.set_priority(shown(alarm.priority));
  message.set_code(alarm.code);
  if (alarm.sign != 0) message.set_sign(sign_name(alarm.sign));
  if (alarm.limit) message.set_limit(*alarm.limit);
  if (alarm.value) message.set_value(*alarm.value);
  if (alarm.start) *message.mutable_start_time() = to_stamp(*alarm.start);
  if (alarm.end) *message.mutable_end_time() = to_stamp(*alarm.end);
  if (alarm.start_tick_ms) message.set_start_tick_ms(*alarm.start_tick_ms);
  if (alarm.end_tick_ms) message.set_end_tick_ms(*alarm.end_tick_ms);
  message.set_boot(alarm.boot);
  *message.mutable_received_at() = to_stamp(alarm.received_at);
  message.set_state(to_proto(alarm.state()));
  if (alarm.acknowledged_at) *message.mutable_acknowledge_time() = to_stamp(*alarm.acknowledged_at);
  message.set_acknowledged_by(alarm.acknowledged_by);
  if (alarm.clock_jump) *message.mutable_clock_jump() = to_duration(*alarm.clock_jump);
  if (alarm.end_cause) message.set_end_cause(to_proto(*alarm.end_cause));
  message.set_ended_by(alarm.ended_by);
  message.set_end_reason(alarm.end_reason);
  message.set_unattributed(alarm.unattributed);
  if (alarm.uncertainty) *message.mutable_uncertainty() = to_duration(*alarm.uncertainty);
  if (alarm.origin)
    message.set_origin(alarm_name({alarm.device, alarm.boot, alarm.origin->stream, alarm.origin->sequence}));
  return message;
}

v1::QuarantinedRecord to_proto(const QuarantineRow& row) {
  v1::QuarantinedRecord message;
  message.set_name("quarantinedRecords/" + std::to_string(row.id));
  message.set_patient(patient_name(row.patient));
  message.set_patient_display_name(row.patient_name);
  message.set_device(device_name(row.device));
  message.set_boot(row.boot);
  message.set_stream(to_proto(row.stream));
  message.set_sequence(row.sequence);
  message.set_reason(row.reason);
  message.set_resource(row.resource);
  *message.mutable_received_at() = to_stamp(row.received_at);
  message.set_seen(row.seen);
  message.set_size(row.size);
  message.set_payload(row.payload);
  return message;
}

v1::UnattributedPeriod to_proto(const UnattributedPeriod& period) {
  v1::UnattributedPeriod message;
  const auto& key = period.key;
  message.set_name(period_name(key));
  message.set_device(device_name(key.device));
  message.set_boot(key.boot);
  message.set_first_tick_ms(key.first_tick_ms);
  message.set_last_tick_ms(key.last_tick_ms);
  *message.mutable_start_time() = to_stamp(period.from);
  *message.mutable_end_time() = to_stamp(period.to);
  message.set_measurement_sets(period.sets);
  message.set_waveform_runs(period.runs);
  message.set_alarms(period.alarms);
  for (const auto& [patient, name] : period.candidates) {
    auto& candidate = *message.add_candidates();
    candidate.set_patient(patient_name(patient));
    candidate.set_patient_display_name(name);
  }
  return message;
}

v1::SystemAlarm to_proto(const SystemAlarm& alarm) {
  v1::SystemAlarm message;
  message.set_name("systemAlarms/" + std::to_string(alarm.id));
  message.set_code(alarm.code);
  message.set_subject(alarm.subject);
  message.set_priority(shown(alarm.priority));
  message.set_detail(alarm.detail);
  message.set_source(alarm.source);
  *message.mutable_start_time() = to_stamp(alarm.raised_at);
  if (alarm.ended_at) *message.mutable_end_time() = to_stamp(*alarm.ended_at);
  return message;
}

v1::LatestVitals to_proto(const LatestRow& row) {
  v1::LatestVitals vitals;
  vitals.set_patient(patient_name(row.patient));
  vitals.set_patient_display_name(row.patient_name);
  vitals.set_device(device_name(row.device));
  for (const auto& value : row.values) {
    auto& sign = *vitals.add_signs();
    sign.set_sign(sign_name(value.sign));
    sign.set_value(value.value);
    sign.set_unit(sign_unit(value.sign));
    sign.set_implausible(implausible(value.quality));
    *sign.mutable_measured_at() = to_stamp(value.measured_at);
    *sign.mutable_age() = to_age(value.measured_at, row.read_at);
    if (value.uncertainty) *sign.mutable_uncertainty() = to_duration(*value.uncertainty);
    if (value.clock_jump) *sign.mutable_clock_jump() = to_duration(*value.clock_jump);
    sign.set_stale(signs::stale(value.sign, row.read_at - value.measured_at));
  }
  vitals.set_open_alarms(static_cast<std::uint32_t>(std::max(row.open_alarms, row.alarms.size())));
  for (const auto& alarm : row.alarms) *vitals.add_alarms() = to_proto(alarm);
  if (row.last_received_at) *vitals.mutable_last_received_at() = to_stamp(*row.last_received_at);
  *vitals.mutable_read_time() = to_stamp(row.read_at);
  return vitals;
}

v1::MeasurementSet to_proto(const ReadingRow& row, const std::vector<std::uint16_t>& signs) {
  v1::MeasurementSet set;
  set.set_device(device_name(row.device));
  set.set_boot(row.boot);
  set.set_stream(to_proto(row.stream));
  set.set_sequence(row.sequence);
  set.set_tick_ms(row.tick_ms);
  *set.mutable_measured_at() = to_stamp(row.measured_at);
  *set.mutable_received_at() = to_stamp(row.received_at);
  if (row.uncertainty) *set.mutable_uncertainty() = to_duration(*row.uncertainty);
  if (row.clock_jump) *set.mutable_clock_jump() = to_duration(*row.clock_jump);
  for (std::size_t i = 0; i < row.set.signs.size(); ++i) {
    if (!wanted(signs, row.set.signs[i])) continue;
    auto& reading = *set.add_readings();
    reading.set_sign(sign_name(row.set.signs[i]));
    reading.set_value(row.set.values[i]);
    reading.set_unit(sign_unit(row.set.signs[i]));
    reading.set_implausible(implausible(row.set.qualities[i]));
  }
  return set;
}

v1::Assignment to_proto(const AssignmentRow& row) {
  v1::Assignment assignment;
  assignment.set_device(device_name(row.device));
  assignment.set_patient(patient_name(row.patient));
  *assignment.mutable_held_from() = to_stamp(row.held_from);
  if (row.held_until) *assignment.mutable_held_until() = to_stamp(*row.held_until);
  *assignment.mutable_recorded_at() = to_stamp(row.recorded_at);
  assignment.set_recorded_by(row.recorded_by);
  return assignment;
}

v1::WaveformRun to_proto(const RunRow& row) {
  v1::WaveformRun message;
  message.set_device(device_name(row.device));
  message.set_boot(row.boot);
  message.set_stream(to_proto(row.stream));
  message.set_sequence(row.sequence);
  message.set_tick_ms(row.tick_ms);
  *message.mutable_measured_at() = to_stamp(row.measured_at);
  *message.mutable_received_at() = to_stamp(row.received_at);
  if (row.uncertainty) *message.mutable_uncertainty() = to_duration(*row.uncertainty);
  if (row.clock_jump) *message.mutable_clock_jump() = to_duration(*row.clock_jump);
  if (const auto* waveform = signs::find_waveform(waveform_of(row.stream))) {
    message.set_waveform(std::string(waveform->wire));
    message.set_unit(std::string(waveform->ucum));
  }
  message.set_rate_samples(row.run.rate_samples);
  message.set_rate_seconds(row.run.rate_seconds);
  message.set_scale(row.run.scale);
  message.set_offset(row.run.offset);
  message.mutable_samples()->Reserve(static_cast<int>(row.run.samples.size() / 2));
  for (std::size_t i = 0; i + 1 < row.run.samples.size(); i += 2) {
    const auto high = static_cast<std::uint8_t>(row.run.samples[i]),
               low = static_cast<std::uint8_t>(row.run.samples[i + 1]);
    message.add_samples(static_cast<std::int16_t>(high << 8 | low));
  }
  return message;
}

}  // namespace wardlink::storage
