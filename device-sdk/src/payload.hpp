#pragma once
// Sets, alarms and runs of samples as SenML packs in CBOR, as docs/wire.md says, cut to one datagram. Pure.

#include <cstdint>
#include <optional>
#include <span>

#include "coap/address.hpp"
#include "wardlink/journal.hpp"
#include "wardlink/waveform.hpp"

namespace wardlink::payload {

inline constexpr std::size_t kMax = 1024;  // bytes of payload that one message may carry

/// A payload, and how many of what was given it holds: always the first ones.
struct Fitted {
  coap::Bytes bytes;
  std::size_t count;
};

/// As many whole sets as fit, oldest first. No set: an empty array.
Fitted vitals(std::span<const SequencedSet> sets);
/// `owed`, the device's clock in ms where it is given, and as many whole records as fit, in the order given. Those of
/// another boot than `session_boot` name theirs.
Fitted alarms(std::size_t owed, std::span<const OwedAlarm> records, std::uint64_t session_boot,
              std::optional<std::uint64_t> clock_ms = {});

/// What GET /time was answered with, in seconds since 1970, UTC; empty: nothing of the kind.
std::optional<std::int64_t> time(coap::ByteView answer);

/// As many whole runs as fit, oldest first; one of at most 460 samples always does. No run: an empty array.
Fitted waveform(const WaveformOptions& waveform, std::span<const SequencedRun> runs);

}  // namespace wardlink::payload
