#include "payload.hpp"

#include <string>
#include <utility>

#include "coap/senml.hpp"

namespace wardlink::payload {
namespace {

using coap::senml::Pack;

void add(Pack& pack, std::string_view name, double value) {
  auto& record = pack.emplace_back();
  record.name = name;
  record.value = value;
}

void add(Pack& pack, std::string_view name, std::string text) {
  auto& record = pack.emplace_back();
  record.name = name;
  record.value = std::move(text);
}

Pack to_pack(const SequencedSet& set) {
  Pack pack;
  add(pack, "q", static_cast<double>(set.sequence));
  add(pack, "tk", static_cast<double>(set.tick_ms));
  for (const auto& reading : set.readings) add(pack, signs::find(reading.sign)->wire, reading.value);
  return pack;
}

Pack to_pack(const OwedAlarm& owed, std::uint64_t session_boot) {
  Pack pack;
  const auto& record = owed.record;
  const auto& alarm = record.alarm;
  const bool ended = record.event == SequencedAlarm::Event::ended;
  add(pack, "q", static_cast<double>(record.sequence));
  add(pack, "tk", static_cast<double>(record.tick_ms));
  if (owed.boot != session_boot) add(pack, "boot", static_cast<double>(owed.boot));
  add(pack, "ev", ended ? "ended" : "raised");
  if (ended && record.onset_sequence != 0) add(pack, "on", static_cast<double>(record.onset_sequence));
  add(pack, "kind", alarm.kind == AlarmKind::technical ? "tech" : "phys");
  add(pack, "prio", static_cast<double>(alarm.priority));
  add(pack, "code", alarm.code);
  if (alarm.limit) add(pack, "lim", *alarm.limit);
  if (alarm.sign && alarm.value) add(pack, signs::find(*alarm.sign)->wire, *alarm.value);
  return pack;
}

Pack to_pack(const SequencedRun& run, const WaveformOptions& waveform) {
  Pack pack;
  add(pack, "q", static_cast<double>(run.sequence));
  add(pack, "tk", static_cast<double>(run.tick_ms));
  add(pack, "rate", waveform.rate.samples);
  if (waveform.rate.seconds != 1) add(pack, "per", waveform.rate.seconds);
  add(pack, "scale", waveform.scale);
  if (waveform.offset != 0) add(pack, "off", waveform.offset);
  coap::Bytes samples;
  samples.reserve(2 * run.samples.size());
  for (const auto sample : run.samples) {
    const auto bits = static_cast<std::uint16_t>(sample);
    samples.push_back(static_cast<std::uint8_t>(bits >> 8));
    samples.push_back(static_cast<std::uint8_t>(bits));
  }
  auto& record = pack.emplace_back();
  record.name = waveform.name;
  record.value = std::move(samples);
  return pack;
}

/// CBOR's array header grows with the number of records: 1 byte up to 23, 2 up to 255, 3 beyond.
std::size_t header_size(std::size_t records) { return records < 24 ? 1 : records < 256 ? 2 : 3; }

std::size_t body_size(const Pack& pack) { return coap::senml::encode_cbor(pack).size() - header_size(pack.size()); }

template <class Item, class ToPack>
Fitted fit(Pack pack, std::span<const Item> items, const ToPack& to_pack) {
  std::size_t size = body_size(pack);
  std::size_t count = 0;
  for (; count < items.size(); ++count) {
    auto one = to_pack(items[count]);
    const auto grown = size + body_size(one);
    if (grown + header_size(pack.size() + one.size()) > kMax) break;
    size = grown;
    pack.insert(pack.end(), std::make_move_iterator(one.begin()), std::make_move_iterator(one.end()));
  }
  return {coap::senml::encode_cbor(pack), count};
}

}  // namespace

Fitted vitals(std::span<const SequencedSet> sets) {
  return fit({}, sets, [](const SequencedSet& set) { return to_pack(set); });
}

Fitted alarms(std::size_t owed, std::span<const OwedAlarm> records, std::uint64_t session_boot,
              std::optional<std::uint64_t> clock_ms) {
  Pack pack;
  add(pack, "owed", static_cast<double>(owed));
  if (clock_ms) add(pack, "tk", static_cast<double>(*clock_ms));
  return fit(std::move(pack), records, [&](const OwedAlarm& one) { return to_pack(one, session_boot); });
}

Fitted waveform(const WaveformOptions& waveform, std::span<const SequencedRun> runs) {
  return fit({}, runs, [&](const SequencedRun& run) { return to_pack(run, waveform); });
}

std::optional<std::int64_t> time(coap::ByteView answer) {
  constexpr double last = 253'402'300'800;  // of the year 9999
  const auto pack = coap::senml::decode_cbor(answer);
  if (!pack || pack->size() != 1 || pack->front().name != "time") return std::nullopt;
  const auto* seconds = std::get_if<double>(&pack->front().value);
  if (seconds == nullptr || !(*seconds >= 0 && *seconds < last)) return std::nullopt;
  return static_cast<std::int64_t>(*seconds);
}

}  // namespace wardlink::payload
