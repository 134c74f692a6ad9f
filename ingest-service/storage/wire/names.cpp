#include "storage/wire/names.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "names/urn.hpp"
#include "storage/port/numbers.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::string_view devices = "devices/", patients = "patients/", wards = "wards/", alarms = "/alarms/";

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
  const auto cut = name.find(alarms);
  if (cut == std::string::npos) throw misfit;
  AlarmKey key{.device = parse_device(field, name.substr(0, cut))};
  std::int64_t stream = 0, boot = 0, sequence = 0;
  const char* at = name.data() + cut + alarms.size();
  const char* const end = name.data() + name.size();
  for (auto* const number : {&boot, &stream, &sequence}) {
    const auto [next, error] = std::from_chars(at, end, *number);
    const bool last = number == &sequence;
    if (error != std::errc{} || *number < 0 || (last ? next != end : next == end || *next != '-')) throw misfit;
    at = last ? end : next + 1;
  }
  const auto fits = fitting<Stream>(stream);
  if (!fits) throw misfit;
  key.boot = static_cast<std::uint64_t>(boot);
  key.stream = *fits;
  key.sequence = static_cast<std::uint64_t>(sequence);
  return key;
}

Subject parse_parent(const std::string& field, const std::string& name) {
  if (name.empty()) return {};
  if (name.starts_with(patients)) return {Subject::Kind::patient, parse_patient(field, name)};
  if (name.starts_with(devices)) return {Subject::Kind::device, parse_device(field, name)};
  throw InvalidArgument(field, "must be patients/{id} or devices/{urn}");
}

}  // namespace wardlink::storage
