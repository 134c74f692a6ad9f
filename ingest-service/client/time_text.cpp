#include "client/time_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace wardlink::command_line {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

struct Unit {
  char letter;
  std::int64_t seconds;
};
constexpr std::array<Unit, 5> units{{{'w', 604'800}, {'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}}};

/// Digits only, exactly `width` of them.
std::optional<int> take_number(std::string_view& text, std::size_t width) {
  if (text.size() < width) return {};
  int number = 0;
  for (const char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + (c - '0');
  }
  text.remove_prefix(width);
  return number;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<microseconds> take_fraction(std::string_view& text) {
  std::int64_t micros = 0;
  std::int64_t weight = 100'000;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits, weight /= 10) {
    micros += weight * (text.front() - '0');
  }
  if (digits == 0) return {};
  return microseconds{micros};
}

/// RFC 3339 §5.6: Z or ±hh:mm. Empty text = the local zone, which is the caller's.
std::optional<seconds> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return seconds{0};
  const bool west = !text.empty() && text.front() == '-';
  if (!take(text, "+-")) return {};
  const auto hours = take_number(text, 2);
  if (!hours || !take(text, ":")) return {};
  const auto minutes = take_number(text, 2);
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return {};
  const seconds offset{*hours * 3600 + *minutes * 60};
  return west ? -offset : offset;
}

struct Fields {
  std::tm calendar{};
  microseconds fraction{0};
};

std::optional<Fields> take_fields(std::string_view& text) {
  Fields fields;
  const auto year = take_number(text, 4);
  if (!year || !take(text, "-")) return {};
  const auto month = take_number(text, 2);
  if (!month || !take(text, "-")) return {};
  const auto day = take_number(text, 2);
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(day.value_or(0))}};
  if (!date.ok() || !take(text, "Tt ")) return {};
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return {};
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ":")) return {};
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return {};
  if (take(text, ".")) {
    const auto fraction = take_fraction(text);
    if (!fraction) return {};
    fields.fraction = *fraction;
  }
  fields.calendar.tm_year = *year - 1900;
  fields.calendar.tm_mon = *month - 1;
  fields.calendar.tm_mday = *day;
  fields.calendar.tm_hour = *hour;
  fields.calendar.tm_min = *minute;
  fields.calendar.tm_sec = *second;
  fields.calendar.tm_isdst = -1;
  return fields;
}

}  // namespace

std::optional<microseconds> parse_span(std::string_view text) {
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::int64_t amount = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
    if (error != std::errc{} || amount < 0 || amount > 1'000'000'000 || end == text.data() + text.size()) return {};
    while (next_unit < units.size() && units[next_unit].letter != *end) ++next_unit;
    if (next_unit == units.size()) return {};
    total += amount * units[next_unit++].seconds;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  return seconds{total};
}

std::optional<Instant> parse_time(const std::string& text, Instant now) {
  if (text == "now") return now;
  if (text.size() > 1 && text.front() == '-') {
    const auto span = parse_span(std::string_view(text).substr(1));
    if (!span) return {};
    return now - *span;
  }
  std::string_view rest = text;
  auto fields = take_fields(rest);
  if (!fields) return {};
  if (rest.empty()) return Instant{seconds{std::mktime(&fields->calendar)}} + fields->fraction;
  const auto offset = parse_offset(rest);
  if (!offset) return {};
  return Instant{seconds{::timegm(&fields->calendar)}} - *offset + fields->fraction;
}

std::string to_text(Instant instant, Zone zone, int fraction) {
  const auto whole = std::chrono::floor<seconds>(instant);
  const std::time_t time = whole.time_since_epoch().count();
  std::tm calendar{};
  if (zone == Zone::utc) {
    ::gmtime_r(&time, &calendar);
  } else {
    ::localtime_r(&time, &calendar);
  }
  std::array<char, 64> buffer{};
  std::string text(buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &calendar));
  if (fraction > 0) {
    std::snprintf(buffer.data(), buffer.size(), "%06lld", static_cast<long long>((instant - whole).count()));
    text += "." + std::string(buffer.data(), static_cast<std::size_t>(fraction));
  }
  if (zone == Zone::utc) return text + "Z";
  const long minutes = calendar.tm_gmtoff / 60;
  std::snprintf(buffer.data(), buffer.size(), "%c%02ld:%02ld", minutes < 0 ? '-' : '+', std::labs(minutes) / 60,
                std::labs(minutes) % 60);
  return text + buffer.data();
}

std::string age_text(Instant then, Instant now) {
  const auto age = std::max<std::int64_t>(0, std::chrono::duration_cast<seconds>(now - then).count());
  if (age < 60) return std::to_string(age) + "s";
  if (age < 3'600) return std::to_string(age / 60) + "m";
  if (age < 86'400 * 2) return std::to_string(age / 3'600) + "h";
  return std::to_string(age / 86'400) + "d";
}

Instant from_proto(const google::protobuf::Timestamp& timestamp) {
  return Instant{seconds{timestamp.seconds()} + microseconds{timestamp.nanos() / 1000}};
}

google::protobuf::Timestamp to_proto(Instant instant) {
  const auto whole = std::chrono::floor<seconds>(instant);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(whole.time_since_epoch().count());
  timestamp.set_nanos(static_cast<std::int32_t>((instant - whole).count() * 1000));
  return timestamp;
}

}  // namespace wardlink::command_line
