#include "client/live_text.hpp"

#include "client/alarm_text.hpp"
#include "client/clock_text.hpp"
#include "client/references.hpp"
#include "client/table.hpp"

namespace wardlink::command_line {
namespace {

/// Characters that would break a line or drive a terminal, as Table shows them.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return text;
}

std::string who(const v1::WatchResponse& response, const std::string& device) {
  auto name = response.patient_display_name().empty() ? response.patient() : response.patient_display_name();
  if (response.unattributed()) name = unattributed_text;
  const auto urn = device_urn(device);
  return printable(name.empty() ? urn : name + " (" + urn + ")");
}

std::string value_text(const std::string& sign, double value, const std::string& unit, bool implausible) {
  return sign + " " + number_text(value) + (implausible ? "?" : "") + (unit.empty() ? "" : " " + unit);
}

void add(std::string& list, const std::string& element) { list += (list.empty() ? "" : ", ") + element; }

std::string line(const std::string& time, const std::string& who, const std::string& what) {
  return time + "  " + who + "  " + what;
}

std::string alarm_text(const v1::Alarm& alarm) {
  std::string text = priority_text(alarm.priority()) + " " + alarm.code();
  if (alarm.has_value()) text += ", " + alarm.sign() + " " + number_text(alarm.value());
  if (alarm.has_limit()) text += ", limit " + number_text(alarm.limit());
  return text;
}

/// Of the present state.
std::string open_text(const v1::Alarm& alarm) {
  return "ALARM open" + seen_text(alarm) + ": " + alarm_text(alarm) + "  " + alarm.name();
}

const char* change_text(v1::AlarmEvent::Change change) {
  switch (change) {
    case v1::AlarmEvent::RAISED:
      return "ALARM raised";
    case v1::AlarmEvent::ENDED:
      return "ALARM ended";
    case v1::AlarmEvent::ACKNOWLEDGED:
      return "ALARM acknowledged";
    case v1::AlarmEvent::REATTRIBUTED:
      return "ALARM changed hands";
    default:
      return "ALARM";
  }
}

std::string line_of(const v1::LatestVitals& latest, const v1::WatchResponse& response, Zone zone) {
  std::string values;
  Instant newest{};
  for (const auto& sign : latest.signs()) {
    add(values,
        value_text(sign.sign(), sign.value(), sign.unit(), sign.implausible()) + clock_mark(sign) + stale_mark(sign));
    newest = std::max(newest, from_proto(sign.measured_at()));
  }
  for (const auto& alarm : latest.alarms()) add(values, open_text(alarm));
  const auto time = latest.signs().empty() ? "never" : to_text(newest, zone, 3);
  return line(time, who(response, latest.device()), values.empty() ? "nothing yet" : values);
}

std::string line_of(const v1::MeasurementSet& set, const v1::WatchResponse& response, Zone zone) {
  std::string values;
  for (const auto& reading : set.readings()) {
    add(values, value_text(reading.sign(), reading.value(), reading.unit(), reading.implausible()));
  }
  return line(to_text(from_proto(set.measured_at()), zone, 3) + clock_mark(set), who(response, set.device()), values);
}

std::string line_of(const v1::AlarmEvent& event, const v1::WatchResponse& response, Zone zone) {
  auto what = std::string(change_text(event.change())) + ": " + alarm_text(event.alarm());
  const auto cause = event.alarm().end_cause();
  if (event.change() == v1::AlarmEvent::ENDED && cause > v1::ALARM_END_CAUSE_DEVICE)
    what += ", " + end_text(event.alarm());
  if (event.change() == v1::AlarmEvent::ACKNOWLEDGED) what += " by " + event.alarm().acknowledged_by();
  return line(to_text(from_proto(event.time()), zone, 3) + clock_mark(event.alarm()),
              who(response, event.alarm().device()), what + "  " + event.alarm().name());
}

std::string line_of(const v1::AttributionChanged& changed, const v1::WatchResponse& response, Zone zone) {
  const auto& assignment = changed.assignment();
  const auto until =
      assignment.has_held_until() ? to_text(from_proto(assignment.held_until()), zone) : std::string("further notice");
  return line(to_text(from_proto(assignment.recorded_at()), zone, 3), who(response, assignment.device()),
              std::string(changed.change() == v1::AttributionChanged::BELIEVED ? "worn" : "no longer taken as worn") +
                  " from " + to_text(from_proto(assignment.held_from()), zone) + " until " + until);
}

std::string event_line(const v1::WatchResponse& response, Zone zone) {
  switch (response.event_case()) {
    case v1::WatchResponse::kLatest:
      return line_of(response.latest(), response, zone);
    case v1::WatchResponse::kOpenAlarm: {
      const auto& alarm = response.open_alarm();
      const auto begun = alarm.has_start_time() ? to_text(from_proto(alarm.start_time()), zone, 3) : "unknown";
      return line(begun + clock_mark(alarm), who(response, alarm.device()), open_text(alarm));
    }
    case v1::WatchResponse::kMeasurementSet:
      return line_of(response.measurement_set(), response, zone);
    case v1::WatchResponse::kWaveformRun: {
      const auto& run = response.waveform_run();
      return line(to_text(from_proto(run.measured_at()), zone, 3) + clock_mark(run), who(response, run.device()),
                  run.waveform() + ", " + std::to_string(run.samples_size()) + " samples");
    }
    case v1::WatchResponse::kAlarmEvent:
      return line_of(response.alarm_event(), response, zone);
    case v1::WatchResponse::kAttributionChanged:
      return line_of(response.attribution_changed(), response, zone);
    default:
      return {};
  }
}

}  // namespace

std::string line_of(const v1::WatchResponse& response, Zone zone) {
  auto text = event_line(response, zone);
  if (!text.empty() && response.late()) text += "  (late)";
  return printable(std::move(text));
}

}  // namespace wardlink::command_line
