#include "journal_line.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "crc32c.hpp"

namespace wardlink::journal_line {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSealOpens = R"(,"crc":")";
constexpr std::size_t kSealSize = kSealOpens.size() + 8 + 2;  // eight digits, then "}

std::string digits(std::uint32_t crc) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", static_cast<unsigned>(crc));
  return text.data();
}

/// The object's last member is the checksum of all bytes before it.
std::string seal(const Json& line) {
  auto text = line.dump();
  text.pop_back();  // the closing brace
  const auto crc = digits(crc32c(text));
  return text.append(kSealOpens).append(crc).append("\"}\n");
}

bool sealed(std::string_view text) {
  if (text.size() <= kSealSize) return false;
  const auto content = text.substr(0, text.size() - kSealSize);
  const auto seal = text.substr(content.size());
  return seal.starts_with(kSealOpens) && seal.ends_with("\"}") &&
         seal.substr(kSealOpens.size(), 8) == digits(crc32c(content));
}

/// Integers as such, all else in the shortest decimal that reads back as the same double.
Json number(double value) {
  constexpr double exact = 9007199254740992.0;  // 2^53
  if (value == std::trunc(value) && std::abs(value) < exact) return static_cast<std::int64_t>(value);
  return value;
}

std::string_view wire_name(signs::SignId id) { return signs::find(id)->wire; }

constexpr std::size_t kMaxCode = 32;
constexpr std::uint64_t kLatestDate = 253'402'300'799;  // the end of the year 9999

std::optional<std::uint64_t> whole(const Json& line, const char* name) {
  const auto at = line.find(name);
  return at != line.end() && at->is_number_unsigned() ? std::optional(at->get<std::uint64_t>()) : std::nullopt;
}

std::string word(const Json& line, const char* name) {
  const auto at = line.find(name);
  return at != line.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// Into `value` what the line has under that name, if anything. False: it is no number.
bool read_number(const Json& line, const char* name, std::optional<double>& value) {
  const auto at = line.find(name);
  if (at == line.end()) return true;
  if (!at->is_number()) return false;
  value = at->get<double>();
  return true;
}

bool read_event(const Json& line, SequencedAlarm& record) {
  const auto event = word(line, "event");
  if (event == "raised") return true;
  const auto onset = whole(line, "onset_seq");
  record.event = SequencedAlarm::Event::ended;
  record.onset_sequence = onset.value_or(0);
  return event == "ended" && onset;
}

bool read_condition(const Json& line, Alarm& alarm) {
  const auto kind = word(line, "kind");
  const auto priority = whole(line, "priority").value_or(0);
  alarm.code = word(line, "code");
  alarm.kind = kind == "technical" ? AlarmKind::technical : AlarmKind::physiological;
  if (priority < 1 || priority > 3) return false;
  alarm.priority = AlarmPriority{static_cast<std::uint8_t>(priority)};
  return (kind == "technical" || kind == "physiological") && !alarm.code.empty() && alarm.code.size() <= kMaxCode;
}

bool read_sign(const Json& line, Alarm& alarm) {
  if (!line.contains("sign")) return true;
  const auto* sign = signs::find(word(line, "sign"));
  if (sign != nullptr) alarm.sign = sign->id;
  return sign != nullptr;
}

/// A member that this version does not know says more of the alarm than can be sent, and nothing else of what can.
std::optional<OwedAlarm> read_alarm(const Json& line) {
  const auto boot = whole(line, "boot"), sequence = whole(line, "seq"), tick = whole(line, "tk");
  if (!boot || !sequence || !tick) return std::nullopt;
  OwedAlarm owed{*boot, {*sequence, *tick, SequencedAlarm::Event::raised, 0, {}}};
  auto& alarm = owed.record.alarm;
  alarm.tick_ms = *tick;
  if (!read_event(line, owed.record) || !read_condition(line, alarm) || !read_sign(line, alarm)) return std::nullopt;
  if (!read_number(line, "value", alarm.value) || !read_number(line, "limit", alarm.limit)) return std::nullopt;
  return owed;
}

Line read_content(const Json& line) {
  const auto type = word(line, "type");
  const auto boot = whole(line, "boot"), sequence = whole(line, "seq");
  if (type == "journal") return Header{};
  if (type == "boot" && boot && !word(line, "device").empty()) return Boot{word(line, "device"), *boot};
  if (type == "ack" && boot && sequence) return Ack{*boot, *sequence};
  if (const auto at = whole(line, "at_s"); type == "good_date" && at && *at <= kLatestDate)
    return GoodDate{static_cast<std::int64_t>(*at)};
  if (type != "alarm") return Unknown{boot, std::nullopt};
  if (auto alarm = read_alarm(line)) return std::move(*alarm);
  return Unknown{boot, sequence};
}

}  // namespace

std::string header(const std::string& device) {
  return seal({{"type", "journal"}, {"format", kFormat}, {"device", device}});
}

std::string boot(const std::string& device, std::uint64_t boot) {
  return seal({{"type", "boot"}, {"device", device}, {"boot", boot}});
}

std::string set(std::uint64_t boot, const SequencedSet& set) {
  Json signs = Json::object();
  for (const auto& reading : set.readings) signs[std::string(wire_name(reading.sign))] = number(reading.value);
  return seal(
      {{"type", "set"}, {"boot", boot}, {"seq", set.sequence}, {"tk", set.tick_ms}, {"signs", std::move(signs)}});
}

std::string alarm(std::uint64_t boot, const SequencedAlarm& record) {
  const auto& alarm = record.alarm;
  const bool ended = record.event == SequencedAlarm::Event::ended;
  Json line{{"type", "alarm"}, {"boot", boot}, {"seq", record.sequence}, {"tk", record.tick_ms}};
  line["event"] = ended ? "ended" : "raised";
  line["code"] = alarm.code;
  line["kind"] = alarm.kind == AlarmKind::technical ? "technical" : "physiological";
  line["priority"] = static_cast<int>(alarm.priority);
  if (ended) line["onset_seq"] = record.onset_sequence;
  if (alarm.sign) line["sign"] = wire_name(*alarm.sign);
  if (alarm.value) line["value"] = number(*alarm.value);
  if (alarm.limit) line["limit"] = number(*alarm.limit);
  return seal(line);
}

std::string ack(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) {
  const auto since_1970 = std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch());
  return seal({{"type", "ack"}, {"boot", boot}, {"seq", sequence}, {"at_us", since_1970.count()}});
}

std::string good_date(std::int64_t at) { return seal({{"type", "good_date"}, {"at_s", at}}); }

std::optional<Line> read(std::string_view text) {
  if (!sealed(text)) return std::nullopt;
  if (text.starts_with(R"({"type":"set",)")) return Set{};  // most lines of format 1 and of an audit book
  const auto line = Json::parse(text, nullptr, false);
  if (!line.is_object()) return Unknown{};
  return read_content(line);
}

}  // namespace wardlink::journal_line
