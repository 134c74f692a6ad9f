#pragma once
// From a notification's payload to facts (docs/wire.md, "Payload"). Pure: what cannot be taken becomes a quarantined
// fact, so that whatever a device sends, somebody sees it.

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "coap/address.hpp"
#include "ingest/payload/record.hpp"

namespace wardlink::ingest {

/// The resources of a device that ingest knows. The token of a notification names one.
enum class Resource : std::uint8_t { vitals, alarms, ecg, ppg, resp };
inline constexpr std::array resources{Resource::vitals, Resource::alarms, Resource::ecg, Resource::ppg, Resource::resp};
inline constexpr std::size_t resource_count = resources.size();
/// "/vitals", "/waveforms/ecg"
const char* path(Resource resource);

/// What the payload says, in its order. Quarantined facts come last, one for each reason, with the payload as it came.
/// `device`: the URN of the session's certificate. `latest_tick`: what is measured after it cannot be, ms. Never throws
/// for what the payload holds.
std::vector<Fact> take(Resource resource, std::string_view device, std::optional<std::uint16_t> content_format,
                       coap::ByteView payload, std::uint64_t latest_tick);

}  // namespace wardlink::ingest
