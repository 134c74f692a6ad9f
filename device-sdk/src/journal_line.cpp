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

std::uint64_t whole(const Json& line, const char* name) { return line.at(name).get<std::uint64_t>(); }

std::optional<double> number(const Json& line, const char* name) {
  return line.contains(name) ? std::optional(line.at(name).get<double>()) : std::nullopt;
}

/// Throws Json::exception.
std::optional<Line> read_alarm(const Json& line) {
  SequencedAlarm record{whole(line, "seq"), whole(line, "tk"), SequencedAlarm::Event::raised, 0, {}};
  if (line.at("event") == "ended") {
    record.event = SequencedAlarm::Event::ended;
    record.onset_sequence = whole(line, "onset_seq");
  }
  auto& alarm = record.alarm;
  alarm.code = line.at("code").get<std::string>();
  alarm.kind = line.at("kind") == "technical" ? AlarmKind::technical : AlarmKind::physiological;
  alarm.priority = static_cast<AlarmPriority>(line.at("priority").get<int>());
  if (line.contains("sign")) {
    const auto* sign = signs::find(line.at("sign").get<std::string>());
    if (sign == nullptr) return std::nullopt;
    alarm.sign = sign->id;
  }
  alarm.value = number(line, "value");
  alarm.limit = number(line, "limit");
  alarm.tick_ms = record.tick_ms;
  return OwedAlarm{whole(line, "boot"), std::move(record)};
}

/// Throws Json::exception.
std::optional<Line> read_content(const Json& line) {
  const auto type = line.at("type").get<std::string>();
  if (type == "boot") return Boot{line.at("device").get<std::string>(), whole(line, "boot")};
  if (type == "alarm") return read_alarm(line);
  if (type == "ack") return Ack{whole(line, "boot"), whole(line, "seq")};
  return Other{};
}

}  // namespace

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

std::optional<Line> read(std::string_view text) {
  if (!sealed(text)) return std::nullopt;
  if (text.starts_with(R"({"type":"set",)")) return Other{};  // most lines are sets
  const auto line = Json::parse(text, nullptr, false);
  if (!line.is_object()) return std::nullopt;
  try {
    return read_content(line);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace wardlink::journal_line
