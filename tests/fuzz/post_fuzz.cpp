// F8, from whoever holds a certificate. Any payload of any content format posted to either resource: what comes out is
// facts that storage may take as they are, or words that say where the fault lies. Input: a byte for resource, format
// and registration.

#include <cmath>

#include "ingest/payload/post.hpp"
#include "script.hpp"

namespace {

using namespace wardlink::ingest;
using fuzz::ByteView;
using fuzz::must;

constexpr WallTime kNow{std::chrono::seconds{1'764'000'000}};
constexpr const char* kDevice = "urn:dev:os:32473-7f3a9c51d2e804b6";

std::optional<std::uint16_t> format_of(std::uint8_t choice) {
  switch (choice % 4) {
    case 0:
    case 1:
      return 112;
    case 2:
      return 110;
    default:
      return std::nullopt;
  }
}

void check_set(const SignValues& set) {
  must(!set.values.empty(), "a set has a sign");
  for (std::size_t i = 0; i < set.values.size(); ++i) {
    must(std::isfinite(set.values[i].value), "a value is a number");
    for (std::size_t k = 0; k < i; ++k) must(set.values[k].sign != set.values[i].sign, "a sign stands once in a set");
  }
}

void check_fact(const Fact& fact, bool keyed, bool alarms) {
  must(is_alarm(fact) == alarms, "the path says whether it is an alarm");
  must(std::holds_alternative<AlarmFact>(fact.body) == alarms, "sets and alarms do not mix");
  if (const auto* set = std::get_if<SignValues>(&fact.body)) check_set(*set);
  if (keyed) {
    must(fact.stream == (alarms ? Stream::alarms : Stream::vitals), "a key is one of the resource's stream");
    must(fact.sequence > 0 && fact.sequence < (std::uint64_t{1} << 53), "a sequence counts from 1, below 2^53");
  } else {
    must(fact.stream == Stream::manual && fact.sequence == 0 && fact.boot == 0, "keys are made here");
    must(fact.tick_ms < (std::uint64_t{1} << 53), "a tick lies below 2^53");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Script script(ByteView(data, size));
  const std::uint8_t choice = script.byte();
  const bool alarms = (choice & 64) != 0;
  const bool registered = (choice & 32) != 0;
  const ByteView payload = script.rest();
  const auto post =
      read_post(alarms ? Resource::alarms : Resource::vitals, kDevice, format_of(choice), payload, kNow, registered);
  if (!post) {
    must(post.error().record <= payload.size(), "a fault lies in a record that is there");
    must(*post.error().words != '\0' && to_words(post.error()).size() < 200, "a fault has words, not too many");
    return 0;
  }
  must(!post->facts.empty(), "what is taken is something");
  must(registered || !post->keyed, "a key needs the boot of a registration");
  for (const Fact& fact : post->facts) check_fact(fact, post->keyed, alarms);
  return 0;
}
