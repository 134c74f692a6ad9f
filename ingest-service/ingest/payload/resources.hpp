#pragma once
// The resources of a device that ingest observes, a row each (docs/wire.md, "The conversation").

#include <array>
#include <cstddef>

#include "coap/connection.hpp"
#include "ingest/payload/record.hpp"

namespace wardlink::ingest {

/// The token of a notification names one.
enum class Resource : std::uint8_t { vitals, alarms, ecg, ppg, resp };

/// What a payload of it holds, so how it is read.
enum class Content : std::uint8_t { sets, alarms, runs };

struct ResourceRow {
  Resource resource;
  const char* path;
  Stream stream;                    // that its records count in
  coap::AckPolicy acknowledgement;  // held: an ACK says that all records of its message are durable
  Content content;
};

inline constexpr std::array resource_rows{
    ResourceRow{Resource::vitals, "/vitals", Stream::vitals, coap::AckPolicy::at_once, Content::sets},
    ResourceRow{Resource::alarms, "/alarms", Stream::alarms, coap::AckPolicy::held, Content::alarms},
    ResourceRow{Resource::ecg, "/waveforms/ecg", Stream::ecg, coap::AckPolicy::at_once, Content::runs},
    ResourceRow{Resource::ppg, "/waveforms/ppg", Stream::ppg, coap::AckPolicy::at_once, Content::runs},
    ResourceRow{Resource::resp, "/waveforms/resp", Stream::resp, coap::AckPolicy::at_once, Content::runs},
};
inline constexpr std::size_t resource_count = resource_rows.size();

/// Its place in the table, for arrays of one entry a resource.
constexpr std::size_t index_of(Resource resource) { return static_cast<std::size_t>(resource); }
constexpr const ResourceRow& row_of(Resource resource) { return resource_rows[index_of(resource)]; }
/// "/vitals", "/waveforms/ecg"
constexpr const char* path(Resource resource) { return row_of(resource).path; }
constexpr bool holds_acks(Resource resource) { return row_of(resource).acknowledgement == coap::AckPolicy::held; }

/// All of them, in the table's order.
inline constexpr auto resources = [] {
  std::array<Resource, resource_count> all{};
  for (std::size_t i = 0; i < resource_count; ++i) all[i] = resource_rows[i].resource;
  return all;
}();
static_assert(
    [] {
      for (std::size_t i = 0; i < resource_count; ++i)
        if (index_of(resources[i]) != i) return false;
      return true;
    }(),
    "a row stands at its resource's number");

}  // namespace wardlink::ingest
