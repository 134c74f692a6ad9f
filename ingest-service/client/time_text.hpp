#pragma once
// Instants as people write and read them.

#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace wardlink::command_line {

using Instant = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
enum class Zone { local, utc };

/// RFC 3339 (no zone: local time), "now", or how long before `now`: "-90s", "-1h30m", "-2d", "-1w". Empty when it is
/// none of these.
std::optional<Instant> parse_time(const std::string& text, Instant now);

/// "1h30m", "5m", "90s": amounts with units (w, d, h, m, s), largest first, none twice; empty text is 0.
std::optional<std::chrono::microseconds> parse_span(std::string_view text);

/// 2026-03-01T12:00:00+01:00, or …Z in UTC; `fraction` digits of the second (0, 3 or 6).
std::string to_text(Instant instant, Zone zone, int fraction = 0);

/// The largest unit that fits: "0s", "59s", "12m", "3h", "9d"; "0s" for what lies in the future.
std::string age_text(Instant then, Instant now);

Instant from_proto(const google::protobuf::Timestamp& timestamp);
google::protobuf::Timestamp to_proto(Instant instant);

}  // namespace wardlink::command_line
