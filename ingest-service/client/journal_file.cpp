#include "client/journal_file.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#include "client/exit_code.hpp"

namespace wardlink::command_line {
namespace {

using nlohmann::json;

std::optional<double> optional_number(const json& line, const char* name) {
  const auto found = line.find(name);
  if (found == line.end() || found->is_null()) return {};
  return found->get<double>();
}

RecordKey key_of(const json& line) {
  return {line.at("boot").get<std::uint64_t>(), line.at("seq").get<std::uint64_t>()};
}

JournaledAlarm alarm_of(const json& line) {
  JournaledAlarm alarm;
  alarm.ended = line.at("event") == "ended";
  alarm.tick_ms = line.at("tk").get<std::uint64_t>();
  alarm.onset = line.value("onset_seq", std::uint64_t{0});
  alarm.kind = line.at("kind").get<std::string>();
  alarm.priority = line.at("priority").get<int>();
  alarm.code = line.at("code").get<std::string>();
  alarm.sign = line.value("sign", std::string{});
  alarm.value = optional_number(line, "value");
  alarm.limit = optional_number(line, "limit");
  return alarm;
}

/// Throws json::exception when a field is missing or of another type.
void take_line(const json& line, DeviceJournal& journal) {
  const auto type = line.at("type").get<std::string>();
  if (type == "set") {
    journal.sets[key_of(line)] = {line.at("tk").get<std::uint64_t>(),
                                  line.at("signs").get<std::map<std::string, double>>()};
  } else if (type == "alarm") {
    journal.alarms[key_of(line)] = alarm_of(line);
  } else if (type == "ack") {
    journal.acknowledged.insert(key_of(line));
  }
}

[[noreturn]] void fail_at(const std::string& path, std::uint64_t number) {
  throw Failure{exit_file, "Line " + std::to_string(number) + " of " + path + " is not one of a device's journal."};
}

}  // namespace

void read_journal(const std::string& path, std::map<std::string, DeviceJournal>& journals) {
  std::ifstream file(path);
  if (!file) throw Failure{exit_file, "The journal " + path + " cannot be read."};
  DeviceJournal* journal = nullptr;
  std::string text;
  for (std::uint64_t number = 1; std::getline(file, text); ++number) {
    if (journal != nullptr && !json::accept(text)) {
      ++journal->torn_lines;
      continue;
    }
    try {
      const json line = json::parse(text);
      if (line.at("type") == "journal") {
        throw Failure{exit_file, path +
                                     " is the journal of what a device owes; what it generated is in its audit book " +
                                     "(the SDK's open_audit_book(), wardlink-ward --audit-dir)."};
      }
      if (line.at("type") == "boot") {
        journal = &journals[line.at("device").get<std::string>()];
      } else if (journal == nullptr) {
        fail_at(path, number);
      } else {
        take_line(line, *journal);
      }
    } catch (const json::exception&) {
      fail_at(path, number);
    }
  }
  if (journal == nullptr) throw Failure{exit_file, path + " is not a device's journal: it names no device."};
}

}  // namespace wardlink::command_line
