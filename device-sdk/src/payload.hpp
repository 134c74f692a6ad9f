#pragma once
// Sets and alarms as SenML packs in CBOR, as docs/wire.md says, cut to one datagram. Pure.

#include <cstdint>
#include <span>

#include "coap/address.hpp"
#include "wardlink/journal.hpp"

namespace wardlink::payload {

inline constexpr std::size_t kMax = 1024;  // bytes of payload that one message may carry

/// A payload, and how many of what was given it holds: always the first ones.
struct Fitted {
  coap::Bytes bytes;
  std::size_t count;
};

/// As many whole sets as fit, oldest first. No set: an empty array.
Fitted vitals(std::span<const SequencedSet> sets);
/// `owed` and as many whole records as fit, in the order given. Those of another boot than `session_boot` name theirs.
Fitted alarms(std::size_t owed, std::span<const OwedAlarm> records, std::uint64_t session_boot);

}  // namespace wardlink::payload
