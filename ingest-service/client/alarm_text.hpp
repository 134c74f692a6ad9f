#pragma once
// Alarm conditions in words.

#include <string>

#include "wardlink/v1/vitals.pb.h"

namespace wardlink::command_line {

inline std::string priority_text(v1::AlarmPriority priority) {
  switch (priority) {
    case v1::ALARM_PRIORITY_LOW:
      return "low";
    case v1::ALARM_PRIORITY_MEDIUM:
      return "medium";
    case v1::ALARM_PRIORITY_HIGH:
      return "high";
    default:
      return "unknown";
  }
}

inline std::string kind_text(v1::AlarmKind kind) {
  switch (kind) {
    case v1::ALARM_KIND_PHYSIOLOGICAL:
      return "physiological";
    case v1::ALARM_KIND_TECHNICAL:
      return "technical";
    default:
      return "unknown";
  }
}

inline std::string state_text(v1::AlarmState state) {
  switch (state) {
    case v1::ALARM_STATE_RAISED:
      return "raised";
    case v1::ALARM_STATE_ENDED:
      return "ended";
    case v1::ALARM_STATE_ACKNOWLEDGED:
      return "acknowledged";
    case v1::ALARM_STATE_ENDED_ACKNOWLEDGED:
      return "ended, acknowledged";
    default:
      return "unknown";
  }
}

/// raised, ended, acknowledged by …, or ended, acknowledged by ….
inline std::string state_text(const v1::Alarm& alarm) {
  const auto text = state_text(alarm.state());
  return alarm.acknowledged_by().empty() ? text : text + " by " + alarm.acknowledged_by();
}

/// How it ended, and on whose word: device, device restarted, released by …, discharged by …, closed by …: why. Nothing
/// of one that is open.
inline std::string end_text(const v1::Alarm& alarm) {
  const auto by = alarm.ended_by().empty() ? std::string() : " by " + alarm.ended_by();
  switch (alarm.end_cause()) {
    case v1::ALARM_END_CAUSE_DEVICE:
      return "device";
    case v1::ALARM_END_CAUSE_RESTARTED:
      return "unknown: device restarted";
    case v1::ALARM_END_CAUSE_RELEASED:
      return "released" + by;
    case v1::ALARM_END_CAUSE_DISCHARGED:
      return "discharged" + by;
    case v1::ALARM_END_CAUSE_PERSON:
      return "closed" + by + ": " + alarm.end_reason();
    default:
      return {};
  }
}

/// ", acknowledged by …" of an alarm that somebody has acknowledged, else nothing.
inline std::string seen_text(const v1::Alarm& alarm) {
  return alarm.acknowledged_by().empty() ? std::string() : ", acknowledged by " + alarm.acknowledged_by();
}

}  // namespace wardlink::command_line
