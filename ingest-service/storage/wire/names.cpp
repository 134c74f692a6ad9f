#include "storage/wire/names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "names/urn.hpp"
#include "storage/port/numbers.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::string_view devices = "devices/", patients = "patients/", wards = "wards/", alarms = "/alarms/",
                           unattributed = "/unattributed/";

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

bool is_ward(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
  });
}

/// What a device has under a name of three numbers, each below 2^63.
std::pair<std::string, std::array<std::uint64_t, 3>> parse_of_device(const std::string& field, const std::string& name,
                                                                     std::string_view collection,
                                                                     const InvalidArgument& misfit) {
  const auto cut = name.find(collection);
  if (cut == std::string::npos) throw misfit;
  std::pair<std::string, std::array<std::uint64_t, 3>> parsed{parse_device(field, name.substr(0, cut)), {}};
  const char* at = name.data() + cut + collection.size();
  const char* const end = name.data() + name.size();
  for (auto& part : parsed.second) {
    std::int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    const bool last = &part == &parsed.second.back();
    if (error != std::errc{} || number < 0 || (last ? next != end : next == end || *next != '-')) throw misfit;
    part = static_cast<std::uint64_t>(number);
    at = last ? end : next + 1;
  }
  return parsed;
}

}  // namespace

bool is_urn(std::string_view text) {
  const auto urn = names::canonical_urn(text);
  return urn && *urn == text;
}

std::string device_name(std::string_view urn) { return std::string(devices).append(urn); }
std::string patient_name(std::string_view id) { return id.empty() ? "" : std::string(patients).append(id); }
std::string ward_name(std::string_view id) { return id.empty() ? "" : std::string(wards).append(id); }

std::string parse_device(const std::string& field, const std::string& name) {
  auto urn = name.starts_with(devices) ? names::canonical_urn(name.substr(devices.size())) : std::nullopt;
  if (!urn) throw InvalidArgument(field, "must be devices/{urn}, the URN of at most 63 characters");
  return *std::move(urn);
}

std::string parse_patient(const std::string& field, const std::string& name) {
  auto id = name.starts_with(patients) ? name.substr(patients.size()) : std::string();
  if (!is_uuid(id)) throw InvalidArgument(field, "must be patients/{id}, the id as the server drew it");
  std::ranges::transform(id, id.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return id;
}

std::string parse_ward(const std::string& field, const std::string& name) {
  const auto id = name.starts_with(wards) ? name.substr(wards.size()) : std::string();
  if (!is_ward(id)) throw InvalidArgument(field, "must be wards/{id}, the id of a-z, 0-9 and -, at most 63 characters");
  return id;
}

std::string alarm_name(const AlarmKey& key) {
  return device_name(key.device) + std::string(alarms) + std::to_string(key.boot) + "-" +
         std::to_string(static_cast<int>(key.stream)) + "-" + std::to_string(key.sequence);
}

AlarmKey parse_alarm(const std::string& field, const std::string& name) {
  const InvalidArgument misfit(field, "must be devices/{urn}/alarms/{boot}-{stream}-{sequence}");
  const auto [device, numbers] = parse_of_device(field, name, alarms, misfit);
  const auto stream = fitting<Stream>(static_cast<std::int64_t>(numbers[1]));
  if (!stream) throw misfit;
  return {.device = device, .boot = numbers[0], .stream = *stream, .sequence = numbers[2]};
}

std::string period_name(const PeriodKey& key) {
  return device_name(key.device) + std::string(unattributed) + std::to_string(key.boot) + "-" +
         std::to_string(key.first_tick_ms) + "-" + std::to_string(key.last_tick_ms);
}

PeriodKey parse_period(const std::string& field, const std::string& name) {
  const InvalidArgument misfit(field, "must be devices/{urn}/unattributed/{boot}-{first tick}-{last tick}");
  const auto [device, numbers] = parse_of_device(field, name, unattributed, misfit);
  if (numbers[1] > numbers[2]) throw misfit;
  return {device, numbers[0], numbers[1], numbers[2]};
}

Subject parse_parent(const std::string& field, const std::string& name) {
  if (name.empty()) return {};
  if (name.starts_with(patients)) return {Subject::Kind::patient, parse_patient(field, name)};
  if (name.starts_with(devices)) return {Subject::Kind::device, parse_device(field, name)};
  throw InvalidArgument(field, "must be patients/{id} or devices/{urn}");
}

}  // namespace wardlink::storage
