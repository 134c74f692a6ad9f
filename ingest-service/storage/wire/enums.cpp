#include "storage/wire/enums.hpp"

#include "signs/waveforms.hpp"

namespace wardlink::storage {

v1::Stream to_proto(Stream stream) {
  switch (stream) {
    case Stream::vitals:
      return v1::STREAM_VITALS;
    case Stream::alarms:
      return v1::STREAM_ALARMS;
    case Stream::manual:
      return v1::STREAM_MANUAL;
    case Stream::storage:
      return v1::STREAM_STORAGE;
  }
  // A waveform's, which has the same number in both: 16 + its id of the catalogue.
  return waveform_of(stream) == 0 ? v1::STREAM_UNSPECIFIED : v1::Stream{16 + waveform_of(stream)};
}

v1::AlarmKind to_proto(AlarmKind kind) {
  switch (kind) {
    case AlarmKind::physiological:
      return v1::ALARM_KIND_PHYSIOLOGICAL;
    case AlarmKind::technical:
      return v1::ALARM_KIND_TECHNICAL;
  }
  return v1::ALARM_KIND_UNSPECIFIED;
}

v1::AlarmPriority to_proto(AlarmPriority priority) {
  switch (priority) {
    case AlarmPriority::low:
      return v1::ALARM_PRIORITY_LOW;
    case AlarmPriority::medium:
      return v1::ALARM_PRIORITY_MEDIUM;
    case AlarmPriority::high:
      return v1::ALARM_PRIORITY_HIGH;
  }
  return v1::ALARM_PRIORITY_UNSPECIFIED;
}

v1::AlarmState to_proto(AlarmState state) {
  switch (state) {
    case AlarmState::raised:
      return v1::ALARM_STATE_RAISED;
    case AlarmState::ended:
      return v1::ALARM_STATE_ENDED;
    case AlarmState::acknowledged:
      return v1::ALARM_STATE_ACKNOWLEDGED;
    case AlarmState::ended_acknowledged:
      return v1::ALARM_STATE_ENDED_ACKNOWLEDGED;
  }
  return v1::ALARM_STATE_UNSPECIFIED;
}

v1::AlarmEndCause to_proto(AlarmEndCause cause) {
  switch (cause) {
    case AlarmEndCause::device:
      return v1::ALARM_END_CAUSE_DEVICE;
    case AlarmEndCause::restarted:
      return v1::ALARM_END_CAUSE_RESTARTED;
    case AlarmEndCause::released:
      return v1::ALARM_END_CAUSE_RELEASED;
    case AlarmEndCause::discharged:
      return v1::ALARM_END_CAUSE_DISCHARGED;
    case AlarmEndCause::person:
      return v1::ALARM_END_CAUSE_PERSON;
  }
  return v1::ALARM_END_CAUSE_UNSPECIFIED;
}

v1::AlarmEvent::Change to_proto(AlarmChange::Kind kind) {
  switch (kind) {
    case AlarmChange::Kind::raised:
      return v1::AlarmEvent::RAISED;
    case AlarmChange::Kind::ended:
      return v1::AlarmEvent::ENDED;
    case AlarmChange::Kind::acknowledged:
      return v1::AlarmEvent::ACKNOWLEDGED;
    case AlarmChange::Kind::reattributed:
      return v1::AlarmEvent::REATTRIBUTED;
  }
  return v1::AlarmEvent::CHANGE_UNSPECIFIED;
}

v1::RecordResult to_proto(RecordResult result) {
  switch (result) {
    case RecordResult::committed:
      return v1::RECORD_RESULT_COMMITTED;
    case RecordResult::duplicate:
      return v1::RECORD_RESULT_DUPLICATE;
    case RecordResult::quarantined:
      return v1::RECORD_RESULT_QUARANTINED;
    case RecordResult::not_attached:
      return v1::RECORD_RESULT_NOT_ATTACHED;
  }
  return v1::RECORD_RESULT_UNSPECIFIED;
}

std::optional<Stream> from_proto(v1::Stream stream) {
  switch (stream) {
    case v1::STREAM_VITALS:
      return Stream::vitals;
    case v1::STREAM_ALARMS:
      return Stream::alarms;
    case v1::STREAM_MANUAL:
      return Stream::manual;
    case v1::STREAM_STORAGE:
      return Stream::storage;
    case v1::STREAM_UNSPECIFIED:
      return std::nullopt;
    default:
      break;  // waveforms, which the catalogue lists
  }
  for (const auto& waveform : signs::waveforms())
    if (to_proto(waveform_stream(waveform.id)) == stream) return waveform_stream(waveform.id);
  return std::nullopt;
}

std::optional<AlarmEvent> from_proto(v1::AlarmFact::Event event) {
  switch (event) {
    case v1::AlarmFact::RAISED:
      return AlarmEvent::raised;
    case v1::AlarmFact::ENDED:
      return AlarmEvent::ended;
    case v1::AlarmFact::EVENT_UNSPECIFIED:
    case v1::AlarmFact_Event_AlarmFact_Event_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::AlarmFact_Event_AlarmFact_Event_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return std::nullopt;
}

std::optional<AlarmKind> from_proto(v1::AlarmKind kind) {
  switch (kind) {
    case v1::ALARM_KIND_PHYSIOLOGICAL:
      return AlarmKind::physiological;
    case v1::ALARM_KIND_TECHNICAL:
      return AlarmKind::technical;
    case v1::ALARM_KIND_UNSPECIFIED:
    case v1::AlarmKind_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::AlarmKind_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return std::nullopt;
}

std::optional<AlarmPriority> from_proto(v1::AlarmPriority priority) {
  switch (priority) {
    case v1::ALARM_PRIORITY_LOW:
      return AlarmPriority::low;
    case v1::ALARM_PRIORITY_MEDIUM:
      return AlarmPriority::medium;
    case v1::ALARM_PRIORITY_HIGH:
      return AlarmPriority::high;
    case v1::ALARM_PRIORITY_UNSPECIFIED:
    case v1::AlarmPriority_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::AlarmPriority_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return std::nullopt;
}

std::optional<AlarmState> from_proto(v1::AlarmState state) {
  switch (state) {
    case v1::ALARM_STATE_RAISED:
      return AlarmState::raised;
    case v1::ALARM_STATE_ENDED:
      return AlarmState::ended;
    case v1::ALARM_STATE_ACKNOWLEDGED:
      return AlarmState::acknowledged;
    case v1::ALARM_STATE_ENDED_ACKNOWLEDGED:
      return AlarmState::ended_acknowledged;
    case v1::ALARM_STATE_UNSPECIFIED:
    case v1::AlarmState_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::AlarmState_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return std::nullopt;
}

}  // namespace wardlink::storage
