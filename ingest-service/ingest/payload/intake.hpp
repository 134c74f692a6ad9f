#pragma once
// From a notification's payload to facts (docs/wire.md, "Payload"). Pure: what cannot be taken becomes a quarantined
// fact, so that whatever a device sends, somebody sees it.

#include <optional>
#include <string_view>
#include <vector>

#include "coap/address.hpp"
#include "ingest/payload/resources.hpp"
#include "ingest/payload/senml_facts.hpp"

namespace wardlink::ingest {

/// The fact that a part of a pack says: a set, an alarm record or a run of samples.
coap::Result<Fact, Fault> read_part(const ResourceRow& row, SenmlSpan part);

/// What the payload says, in its order. Quarantined facts come last, one for each reason, with the payload as it came.
/// `device`: the URN of the session's certificate. Nothing is refused for its tick. Never throws for what the payload
/// holds. `clock_ms`, where it is given: becomes the device's clock as it sent this, where it says so, as in a
/// heartbeat.
std::vector<Fact> take(Resource resource, std::string_view device, std::optional<std::uint16_t> content_format,
                       coap::ByteView payload, std::optional<std::uint64_t>* clock_ms = nullptr);

}  // namespace wardlink::ingest
