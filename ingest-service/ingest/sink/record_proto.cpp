#include "ingest/sink/record_proto.hpp"

namespace wardlink::ingest {
namespace {

void set(v1::Record& into, const SignValues& signs) {
  auto& body = *into.mutable_signs();
  for (const auto& one : signs.values) {
    body.add_sign(one.sign);
    body.add_value(one.value);
    body.add_quality(one.implausible ? 1 : 0);
  }
}

v1::Stream to_proto(Stream stream) {
  switch (stream) {
    case Stream::vitals:
      return v1::STREAM_VITALS;
    case Stream::alarms:
      return v1::STREAM_ALARMS;
    case Stream::manual:
      return v1::STREAM_MANUAL;
    case Stream::ecg:
      return v1::STREAM_WAVEFORM_ECG;
    case Stream::ppg:
      return v1::STREAM_WAVEFORM_PPG;
    case Stream::resp:
      return v1::STREAM_WAVEFORM_RESP;
  }
  return v1::STREAM_UNSPECIFIED;
}

v1::AlarmFact::Event to_proto(AlarmFact::Event event) {
  switch (event) {
    case AlarmFact::Event::raised:
      return v1::AlarmFact::RAISED;
    case AlarmFact::Event::ended:
      return v1::AlarmFact::ENDED;
  }
  return v1::AlarmFact::EVENT_UNSPECIFIED;
}

v1::AlarmKind to_proto(AlarmFact::Kind kind) {
  switch (kind) {
    case AlarmFact::Kind::physiological:
      return v1::ALARM_KIND_PHYSIOLOGICAL;
    case AlarmFact::Kind::technical:
      return v1::ALARM_KIND_TECHNICAL;
  }
  return v1::ALARM_KIND_UNSPECIFIED;
}

v1::AlarmPriority to_proto(AlarmFact::Priority priority) {
  switch (priority) {
    case AlarmFact::Priority::low:
      return v1::ALARM_PRIORITY_LOW;
    case AlarmFact::Priority::medium:
      return v1::ALARM_PRIORITY_MEDIUM;
    case AlarmFact::Priority::high:
      return v1::ALARM_PRIORITY_HIGH;
  }
  return v1::ALARM_PRIORITY_UNSPECIFIED;
}

void set(v1::Record& into, const AlarmFact& alarm) {
  auto& body = *into.mutable_alarm();
  body.set_event(to_proto(alarm.event));
  body.set_kind(to_proto(alarm.kind));
  body.set_priority(to_proto(alarm.priority));
  body.set_code(alarm.code);
  body.set_sign(alarm.sign);
  if (alarm.value) body.set_value(*alarm.value);
  if (alarm.limit) body.set_limit(*alarm.limit);
  body.set_onset_sequence(alarm.onset_sequence);
}

void set(v1::Record& into, const WaveformRun& run) {
  auto& body = *into.mutable_waveform();
  body.set_rate_samples(run.rate.samples);
  body.set_rate_seconds(run.rate.seconds);
  body.set_scale(run.scale);
  body.set_offset(run.offset);
  body.set_samples(run.samples.data(), run.samples.size());
}

void set(v1::Record& into, const Quarantined& quarantined) {
  auto& body = *into.mutable_quarantined();
  body.set_reason(to_string(quarantined.reason));
  body.set_resource(quarantined.resource);
  body.set_payload(quarantined.payload.data(), quarantined.payload.size());
}

void set(v1::Record& into, const Record& record, const Stamp& stamp) {
  into.set_session(static_cast<std::uint64_t>(record.session));
  into.set_stream(to_proto(record.fact.stream));
  into.set_sequence(record.fact.sequence);
  into.set_tick_ms(record.fact.tick_ms);
  into.set_boot(record.fact.boot);
  into.set_received_after_us((record.received_at - stamp.at).count());
  std::visit([&](const auto& body) { set(into, body); }, record.fact.body);
}

void set(v1::ClockExchange& into, const ClockExchange& exchange, const Stamp& stamp) {
  into.set_tick_ms(exchange.tick_ms);
  into.set_after_us((exchange.at - stamp.at).count());
  into.set_uncertainty_us(static_cast<std::uint64_t>((exchange.uncertainty + stamp.uncertainty).count()));
}

void set(v1::Attach& attach, const Attachment& attachment, const Stamp& stamp) {
  attach.set_session(static_cast<std::uint64_t>(attachment.session));
  attach.set_device(attachment.device);
  attach.set_boot(attachment.boot);
  attach.set_stamp(stamp.number);
  attach.set_by_hand(!attachment.registered_at);
  if (attachment.registered_at) attach.set_registered_after_us((*attachment.registered_at - stamp.at).count());
  if (attachment.exchange) set(*attach.mutable_exchange(), *attachment.exchange, stamp);
}

void set(v1::IngestRequest& into, const LaneQueue::StampRequest& stamp) {
  into.mutable_stamp_request()->set_number(stamp.number);
}

void set(v1::IngestRequest& into, const LaneQueue::Attachments& attachments) {
  auto& all = *into.mutable_attach_all();
  all.mutable_attaches()->Reserve(static_cast<int>(attachments.all.size()));
  for (const Attachment& attachment : attachments.all) set(*all.add_attaches(), attachment, attachments.stamp);
}

void set(v1::IngestRequest& into, const LaneQueue::Detachment& detachment) {
  into.mutable_detach()->set_session(static_cast<std::uint64_t>(detachment.session));
}

void set(v1::AuditEntry& into, const AuditEntry& entry) {
  into.set_subject(entry.subject);
  into.set_action(entry.action);
  into.set_granted(entry.granted);
  into.set_reason(entry.reason);
  into.set_address(entry.address);
  into.set_count(entry.count);
}

void set(v1::IngestRequest& into, const std::vector<AuditEntry>& entries) {
  auto& audit = *into.mutable_audit();
  audit.mutable_entries()->Reserve(static_cast<int>(entries.size()));
  for (const AuditEntry& entry : entries) set(*audit.add_entries(), entry);
}

void set(v1::IngestRequest& into, const LaneQueue::Batch& batch) {
  auto& append = *into.mutable_append();
  append.set_batch(batch.number);
  append.set_stamp(batch.stamp.number);
  append.mutable_records()->Reserve(static_cast<int>(batch.records->size()));
  for (const Record& record : *batch.records) set(*append.add_records(), record, batch.stamp);
}

std::optional<StorageAnswer> from_proto(int result) {
  switch (result) {
    case v1::RECORD_RESULT_COMMITTED:
      return StorageAnswer::committed;
    case v1::RECORD_RESULT_DUPLICATE:
      return StorageAnswer::duplicate;
    case v1::RECORD_RESULT_QUARANTINED:
      return StorageAnswer::quarantined;
    case v1::RECORD_RESULT_NOT_ATTACHED:
      return StorageAnswer::not_attached;
    default:
      return std::nullopt;
  }
}

}  // namespace

v1::IngestRequest to_proto(const LaneQueue::Outgoing& outgoing) {
  v1::IngestRequest request;
  std::visit([&](const auto& one) { set(request, one); }, outgoing);
  return request;
}

std::optional<std::vector<StorageAnswer>> from_proto(const v1::AppendResult& result) {
  std::vector<StorageAnswer> answers;
  answers.reserve(static_cast<std::size_t>(result.results_size()));
  for (int one : result.results()) {
    const auto answer = from_proto(one);
    if (!answer) return std::nullopt;
    answers.push_back(*answer);
  }
  return answers;
}

std::optional<WallTime> calendar_of(const v1::Stamp& stamp) {
  if (!stamp.has_calendar()) return std::nullopt;
  const auto& calendar = stamp.calendar();
  return WallTime{std::chrono::seconds{calendar.seconds()} + std::chrono::microseconds{calendar.nanos() / 1000}};
}

std::vector<LaneQueue::Refusal> refusals(const v1::AttachAllResult& result) {
  std::vector<LaneQueue::Refusal> refused;
  for (const auto& each : result.results())
    if (!each.refusal().empty()) refused.push_back({SinkSession{each.session()}, each.refusal()});
  return refused;
}

}  // namespace wardlink::ingest
