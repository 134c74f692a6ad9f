// F8, one floor up. Any payload of any content format, under the token of any resource: what comes out is facts that
// storage may take as they are, and what could not be taken is there whole. Input: a byte for resource and format.

#include <cmath>

#include "ingest/payload/intake.hpp"
#include "script.hpp"

namespace {

using namespace wardlink::ingest;
using fuzz::Bytes;
using fuzz::ByteView;
using fuzz::must;

constexpr const char* kDevice = "urn:dev:os:32473-7f3a9c51d2e804b6";

std::optional<std::uint16_t> format_of(std::uint8_t choice) {
  switch (choice % 4) {
    case 0:
    case 1:
      return 112;
    case 2:
      return 110;
    default:
      return (choice & 128) != 0 ? std::nullopt : std::optional<std::uint16_t>(40);
  }
}

void check_values(const SignValues& set) {
  for (std::size_t i = 0; i < set.values.size(); ++i) {
    must(std::isfinite(set.values[i].value), "a value is a number");
    for (std::size_t k = 0; k < i; ++k) must(set.values[k].sign != set.values[i].sign, "a sign stands once in a set");
  }
}

void check_alarm(const AlarmFact& alarm) {
  must(alarm.priority >= AlarmFact::Priority::low && alarm.priority <= AlarmFact::Priority::high,
       "a priority is 1, 2 or 3");
  must(!alarm.code.empty() && alarm.code.size() <= 32, "a code has 1 to 32 bytes");
  must(!alarm.value || std::isfinite(*alarm.value), "an alarm's value is a number");
  must(!alarm.limit || std::isfinite(*alarm.limit), "an alarm's limit is a number");
}

void check_run(const WaveformRun& run, Stream stream) {
  must(allowed(*signs::find_waveform(to_string(stream)), run.rate), "a rate is one of the waveform's");
  must(run.samples.size() % 2 == 0 && signs::is_run(run.rate, run.samples.size() / 2), "a run lasts at most 10 s");
  must(std::isfinite(run.scale) && run.scale != 0 && std::isfinite(run.offset), "a sample has a value");
}

void check_fact(const Fact& fact, Resource resource) {
  must(index_of(fact.stream) == static_cast<std::size_t>(resource), "the token names the stream");
  must(fact.sequence > 0 && fact.sequence < (std::uint64_t{1} << 53), "a sequence counts from 1, below 2^53");
  must(fact.boot < (std::uint64_t{1} << 53), "a boot lies below 2^53");
  must(fact.boot == 0 || resource == Resource::alarms, "only alarm records outlive a start");
  if (const auto* set = std::get_if<SignValues>(&fact.body)) check_values(*set);
  if (const auto* alarm = std::get_if<AlarmFact>(&fact.body)) check_alarm(*alarm);
  const auto* run = std::get_if<WaveformRun>(&fact.body);
  if (run != nullptr) check_run(*run, fact.stream);
  must((run != nullptr) == (resource > Resource::alarms), "runs come under their own resources");
  must(std::holds_alternative<AlarmFact>(fact.body) == (resource == Resource::alarms), "sets and alarms do not mix");
}

Resource resource_of(std::uint8_t choice) {
  if ((choice & 32) != 0) return (choice & 64) != 0 ? Resource::ppg : Resource::ecg;
  return (choice & 64) != 0 ? Resource::alarms : Resource::vitals;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Script script(ByteView(data, size));
  const std::uint8_t choice = script.byte();
  const auto resource = resource_of(choice);
  const ByteView payload = script.rest();
  const auto facts = take(resource, kDevice, format_of(choice), payload);
  bool quarantined = false;
  for (const Fact& fact : facts) {
    const auto* raw = std::get_if<Quarantined>(&fact.body);
    if (raw == nullptr) {
      must(!quarantined, "quarantined facts come last");
      check_fact(fact, resource);
      continue;
    }
    quarantined = true;
    must(std::ranges::equal(raw->payload, payload), "what is quarantined is there as it came");
    must(raw->resource == path(resource), "and so is the resource that it came under");
    static_cast<void>(to_string(raw->reason));
  }
  must(facts == take(resource, kDevice, format_of(choice), payload), "the same payload, the same facts");
  return 0;
}
