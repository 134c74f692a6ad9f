#include "storage/rules/content.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "signs/waveforms.hpp"
#include "storage/port/numbers.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage {
namespace {

constexpr std::uint64_t highest = std::numeric_limits<std::int64_t>::max();
constexpr std::uint16_t highest_small = std::numeric_limits<std::int16_t>::max();

const char* fault_of(const MeasurementSet& set, Stream stream) {
  if (stream != Stream::vitals && stream != Stream::manual) return "wrong_stream";
  if (set.signs.empty()) return "empty_set";
  if (set.signs.size() != set.values.size() || set.signs.size() != set.qualities.size()) return "uneven_set";
  for (std::size_t i = 0; i < set.signs.size(); ++i) {
    if (set.signs[i] == 0 || set.signs[i] > highest_small) return "unknown_sign";
    if (set.qualities[i] > highest_small) return "unknown_quality";
    if (!std::isfinite(set.values[i])) return "not_a_number";
  }
  return nullptr;
}

bool finite(const std::optional<double>& value) { return !value || std::isfinite(*value); }

const char* fault_of(const AlarmFact& alarm, Stream stream) {
  if (stream != Stream::alarms && stream != Stream::manual) return "wrong_stream";
  if (!known(alarm.event) || !known(alarm.kind) || !known(alarm.priority)) return "bad_alarm";
  if (alarm.code.empty() || alarm.code.size() > 63 || alarm.code.find('\0') != std::string::npos) return "bad_alarm";
  if (alarm.sign > highest_small) return "unknown_sign";
  if (alarm.onset_sequence > highest) return "bad_sequence";
  if (!finite(alarm.value) || !finite(alarm.limit)) return "not_a_number";
  return nullptr;
}

const char* fault_of(const WaveformRun& run, Stream stream) {
  const auto* waveform = signs::find_waveform(waveform_of(stream));
  if (waveform == nullptr) return "wrong_stream";
  const signs::SampleRate rate{run.rate_samples, run.rate_seconds};
  if (!allowed(*waveform, rate)) return "bad_rate";
  if (run.samples.size() % 2 != 0 || !signs::is_run(rate, run.samples.size() / 2)) return "bad_run";
  if (!std::isfinite(run.scale) || run.scale == 0 || !std::isfinite(run.offset)) return "not_a_number";
  return nullptr;
}

const char* fault_of(const Unusable&, Stream) { return nullptr; }

nlohmann::json json_of(const MeasurementSet& set) {
  return {{"signs", set.signs}, {"values", set.values}, {"qualities", set.qualities}};
}

nlohmann::json json_of(const AlarmFact& alarm) {
  nlohmann::json json = {
      {"event", int(alarm.event)}, {"kind", int(alarm.kind)}, {"priority", int(alarm.priority)},
      {"code", alarm.code},        {"sign", alarm.sign},      {"onset_sequence", alarm.onset_sequence}};
  if (alarm.value) json["value"] = *alarm.value;
  if (alarm.limit) json["limit"] = *alarm.limit;
  return json;
}

nlohmann::json json_of(const WaveformRun& run) {
  return {{"rate_samples", run.rate_samples},
          {"rate_seconds", run.rate_seconds},
          {"scale", run.scale},
          {"offset", run.offset},
          {"samples", to_text_of_bytes(run.samples)}};
}

nlohmann::json json_of(const Unusable&) { return nlohmann::json::object(); }

bool same_body(const MeasurementSet& a, const MeasurementSet& b) { return a.signs == b.signs && a.values == b.values; }
bool same_body(const AlarmFact& a, const AlarmFact& b) { return a == b; }
bool same_body(const WaveformRun& a, const WaveformRun& b) { return a == b; }
bool same_body(const Unusable&, const Unusable&) { return false; }

}  // namespace

std::optional<Unusable> unusable(const Record& record) {
  if (const auto* already = std::get_if<Unusable>(&record.body)) return *already;
  const char* fault = std::visit([&](const auto& body) { return fault_of(body, record.stream); }, record.body);
  if (fault == nullptr && (record.sequence == 0 || record.sequence > highest)) fault = "bad_sequence";
  if (fault == nullptr && record.tick_ms > highest) fault = "bad_tick";
  if (fault == nullptr) return std::nullopt;
  return Unusable{fault, "", described(record)};
}

std::string described(const Record& record) {
  auto json = std::visit([](const auto& body) { return json_of(body); }, record.body);
  json["stream"] = int(record.stream);
  json["sequence"] = record.sequence;
  json["tick_ms"] = record.tick_ms;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool same_content(const Record& a, const Record& b) {
  if (a.tick_ms != b.tick_ms || a.body.index() != b.body.index()) return false;
  return std::visit([&](const auto& body) { return same_body(body, std::get<std::decay_t<decltype(body)>>(b.body)); },
                    a.body);
}

}  // namespace wardlink::storage
