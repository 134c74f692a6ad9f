#include "storage/live/message.hpp"

#include <algorithm>

#include "storage/live/cursor.hpp"
#include "storage/wire/enums.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/records.hpp"

namespace wardlink::storage {
namespace {

void put(const LiveEvent&, const ReadingRow& row, v1::WatchResponse& response) {
  *response.mutable_measurement_set() = to_proto(row);
}

void put(const LiveEvent&, const RunRow& row, v1::WatchResponse& response) {
  *response.mutable_waveform_run() = to_proto(row);
}

void put(const LiveEvent& event, const AlarmChange& change, v1::WatchResponse& response) {
  auto& message = *response.mutable_alarm_event();
  message.set_change(to_proto(change.kind));
  *message.mutable_alarm() = to_proto(change.alarm);
  message.set_stream(to_proto(change.alarm.stream));
  message.set_sequence(event.at.sequence);
  *message.mutable_time() = to_stamp(change.at);
}

void put(const LiveEvent&, const AttributionChange& change, v1::WatchResponse& response) {
  auto& message = *response.mutable_attribution_changed();
  message.set_change(change.believed ? v1::AttributionChanged::BELIEVED : v1::AttributionChanged::WITHDRAWN);
  *message.mutable_assignment() = to_proto(change.assignment);
}

bool sees(const std::vector<std::string>& scope, const LiveMessage& message) {
  if (!message.unattributed) return std::ranges::find(scope, message.ward) != scope.end();
  return !message.wards || std::ranges::find_first_of(*message.wards, scope) != message.wards->end();
}

}  // namespace

LiveMessage to_message(const LiveEvent& event, const std::string& epoch) {
  LiveMessage message{event.at, event.device, event.patient, event.ward, event.unattributed, event.wards, {}};
  auto& response = message.response;
  response.set_cursor(make_cursor(epoch, event.at));
  response.set_patient(patient_name(event.patient));
  response.set_patient_display_name(event.patient_name);
  response.set_late(event.late);
  response.set_unattributed(event.unattributed);
  std::visit([&](const auto& body) { put(event, body, response); }, event.body);
  return message;
}

bool passes(const LiveFilter& filter, const LiveMessage& message) {
  if (!filter.wants(message.at.kind)) return false;
  if (filter.scope && !sees(*filter.scope, message)) return false;
  switch (filter.subject.kind) {
    case Subject::Kind::all:
      return true;
    case Subject::Kind::patient:
      return message.patient == filter.subject.id;
    case Subject::Kind::device:
      return message.device == filter.subject.id;
  }
  return false;
}

}  // namespace wardlink::storage
