#include "c_options.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace wardlink::c_api {
namespace {

wardlink_priority as_c(AlarmPriority priority) {
  switch (priority) {
    case AlarmPriority::low:
      return WARDLINK_LOW;
    case AlarmPriority::medium:
      return WARDLINK_MEDIUM;
    case AlarmPriority::high:
      return WARDLINK_HIGH;
  }
  return WARDLINK_HIGH;
}

wardlink_side as_c(AlarmLimit::Side side) {
  switch (side) {
    case AlarmLimit::Side::high:
      return WARDLINK_AT_LEAST;
    case AlarmLimit::Side::low:
      return WARDLINK_AT_MOST;
  }
  return WARDLINK_AT_MOST;
}

/// The defaults as C sees them. The catalogue's names are literals: they end with a zero byte and live forever.
const std::vector<wardlink_limit>& default_limits() {
  static const auto limits = [] {
    std::vector<wardlink_limit> rows;
    for (const auto& limit : AlarmSettings::news2_extremes()) {
      rows.push_back({signs::find(limit.sign)->wire.data(), as_c(limit.side), limit.threshold, as_c(limit.priority)});
    }
    return rows;
  }();
  return limits;
}

std::string text_of(const char* text, const char* what) {
  if (text == nullptr) throw std::invalid_argument(std::string("There is no ") + what + ".");
  return text;
}

AlarmPriority priority_of(wardlink_priority priority) {
  switch (priority) {
    case WARDLINK_LOW:
      return AlarmPriority::low;
    case WARDLINK_MEDIUM:
      return AlarmPriority::medium;
    case WARDLINK_HIGH:
      return AlarmPriority::high;
  }
  throw std::invalid_argument("A priority is neither WARDLINK_LOW nor WARDLINK_MEDIUM nor WARDLINK_HIGH.");
}

AlarmKind kind_of(wardlink_alarm_kind kind) {
  switch (kind) {
    case WARDLINK_PHYSIOLOGICAL:
      return AlarmKind::physiological;
    case WARDLINK_TECHNICAL:
      return AlarmKind::technical;
  }
  throw std::invalid_argument("An alarm's kind is neither WARDLINK_PHYSIOLOGICAL nor WARDLINK_TECHNICAL.");
}

AlarmLimit::Side side_of(wardlink_side side) {
  switch (side) {
    case WARDLINK_AT_LEAST:
      return AlarmLimit::Side::high;
    case WARDLINK_AT_MOST:
      return AlarmLimit::Side::low;
  }
  throw std::invalid_argument("An alarm limit's side is neither WARDLINK_AT_LEAST nor WARDLINK_AT_MOST.");
}

std::optional<double> unless_nan(double value) { return std::isnan(value) ? std::nullopt : std::optional(value); }

template <class Row>
std::span<const Row> rows(const Row* first, std::size_t count, const char* what) {
  if (first == nullptr && count > 0) throw std::invalid_argument(std::string("The ") + what + " are NULL.");
  return {first, count};
}

signs::SignId sign_of(const char* name) {
  const auto id = sign_or_none(name);
  if (id == 0) throw std::invalid_argument("A sign's name is not in the catalogue.");
  return id;
}

}  // namespace

wardlink_options default_options() {
  const DeviceOptions defaults;
  const auto& limits = default_limits();
  wardlink_options options{};
  options.server = "localhost";
  options.limits = limits.data();
  options.limit_count = limits.size();
  options.hysteresis = defaults.alarms.hysteresis;
  options.shortest_ms = defaults.alarms.shortest_ms;
  options.set_capacity = defaults.set_capacity;
  options.alarm_capacity = defaults.alarm_capacity;
  options.run_capacity = defaults.run_capacity;
  options.heartbeat_seconds = static_cast<std::uint32_t>(defaults.heartbeat.count());
  options.port = defaults.port;
  options.calendar_is_right = defaults.calendar_is_right;
  return options;
}

wardlink_alarm default_alarm() {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return {0, WARDLINK_PHYSIOLOGICAL, WARDLINK_HIGH, nullptr, nullptr, kNone, kNone, WARDLINK_NOW};
}

signs::SignId sign_or_none(const char* name) {
  const auto* sign = name == nullptr ? nullptr : signs::find(name);
  return sign == nullptr ? signs::SignId{0} : sign->id;
}

std::optional<std::uint64_t> tick_of(std::uint64_t tick_ms) {
  return tick_ms == WARDLINK_NOW ? std::nullopt : std::optional(tick_ms);
}

DeviceOptions to_device_options(const wardlink_options& options) {
  DeviceOptions made;
  made.server = text_of(options.server, "server");
  made.port = options.port;
  if (options.server_name != nullptr) made.server_name = options.server_name;
  made.credentials = {text_of(options.certificate_pem, "certificate"), text_of(options.private_key_pem, "private key"),
                      text_of(options.trusted_ca_pem, "authority to trust")};
  made.alarms.hysteresis = options.hysteresis;
  made.alarms.shortest_ms = options.shortest_ms;
  made.alarms.limits.clear();
  for (const auto& limit : rows(options.limits, options.limit_count, "alarm limits")) {
    made.alarms.limits.push_back(
        {side_of(limit.side), sign_of(limit.sign), limit.threshold, priority_of(limit.priority)});
  }
  for (const auto& waveform : rows(options.waveforms, options.waveform_count, "waveforms")) {
    made.waveforms.push_back({text_of(waveform.name, "name of a waveform"),
                              {waveform.samples, waveform.seconds},
                              waveform.scale,
                              waveform.offset});
  }
  if (options.tick != nullptr)
    made.tick = [tick = options.tick, context = options.tick_context] { return tick(context); };
  made.set_capacity = options.set_capacity;
  made.alarm_capacity = options.alarm_capacity;
  made.run_capacity = options.run_capacity;
  made.calendar_is_right = options.calendar_is_right;
  made.heartbeat = std::chrono::seconds{options.heartbeat_seconds};
  return made;
}

Alarm to_alarm(const wardlink_alarm& alarm) {
  Alarm made;
  made.kind = kind_of(alarm.kind);
  made.priority = priority_of(alarm.priority);
  made.code = text_of(alarm.code, "code of the alarm");
  if (alarm.sign != nullptr) made.sign = sign_of(alarm.sign);
  made.value = unless_nan(alarm.value);
  made.limit = unless_nan(alarm.limit);
  made.tick_ms = tick_of(alarm.tick_ms);
  return made;
}

}  // namespace wardlink::c_api
